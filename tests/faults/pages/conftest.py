"""A small folder of results of every command, as the real commands write it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from market_oracles import small_market
from oracles import tiny_case

import instances
from studies.command_line import main

WORDS = {
    "solve": ["solve", "tiny", "--objective", "loss=1,profit=0.5"],
    "compare-equilibrium": ["compare-equilibrium", "tiny", "--points", "3", "--max-iterations", "3"],
    "equilibrium": ["equilibrium", "tiny", "--max-iterations", "3"],
    "compare": ["compare", "tiny", "--methods", "exact,ga", "--runs", "2", "--budget", "60"],
    "security": ["security", "tiny", "--margins", "0,0.01"],
    "pareto": ["pareto", "tiny", "--points", "3", "--ties", "optimistic,secure"],
    "market": ["market", "market_case", "--time-limit", "60"],
    "solve over days": ["solve", "tiny", "--objective", "loss=1,profit=0.5"],
    "pareto over days": ["pareto", "tiny", "--points", "3"],
    "market over days": ["market", "market_case", "--time-limit", "60"],
    "compare over days": ["compare", "tiny", "--methods", "exact,ga", "--runs", "2", "--budget", "60"],
}
DAYS = instances.Scenarios(
    (instances.Scenario("as it is", 0.6), instances.Scenario("=1", 0.4, load_factor=(0.5, 0.6, 0.9), willing_share=0.5))
)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Command to its folder, without figures and stores, which pages do not read."""
    root = tmp_path_factory.mktemp("results")
    instances.write(tiny_case(), root / "tiny", DAYS)
    instances.write(small_market(), root / "market_case", DAYS)
    for name, (command, case, *options) in WORDS.items():
        options += ["--scenarios", str(root / case)] if name.endswith("over days") else []
        assert main.run([command, str(root / case), *options, "--quiet", "--out", str(root / name)]) in (0, 3)
        for path in (root / name).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.suffix not in (".json", ".csv"):
                path.unlink()
    return {name: root / name for name in WORDS}
