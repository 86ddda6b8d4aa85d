"""`bilevel out-of-sample`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from cli_runs import Capture, refuse, run
from uncertain_days import DAYS, two_hours

import instances
from instances import Scenario, Scenarios
from studies.uncertainty import results
from studies.uncertainty.study import POLICIES


@pytest.fixture
def case(tmp_path: Path) -> Path:
    instances.write(two_hours(), tmp_path / "case", DAYS)
    return tmp_path / "case"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    days = Scenarios(tuple(Scenario(str(at), 0.25, willing_share=at / 4) for at in range(4)))
    instances.write(two_hours(), tmp_path / "fresh", days)
    return tmp_path / "fresh"


def test_policies_are_printed_and_written(case: Path, fresh: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("out-of-sample", case, "--scenarios", case, "--fresh", fresh, "--out", out, columns=200)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("stochastic optimum: certified")
    assert "expected value of perfect information" in done.stdout and "policies.csv" in done.stdout
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == set(results.FILES)
    told = json.loads((out / results.JSON).read_text(encoding="utf-8"))
    assert (told["planned"], told["fresh"], told["closed"], told["sense"]) == (3, 4, True, "maximise")
    table = pd.read_csv(out / results.SUMMARY)
    assert table["policy"].tolist() == list(POLICIES)
    # Written again: the folder is the command's own
    assert run("out-of-sample", case, "--scenarios", case, "--fresh", fresh, "--out", out, "--quiet").returncode == 0


def test_refused(case: Path, tmp_path: Path, capsys: Capture) -> None:
    refuse(capsys, ["out-of-sample", case, "--scenarios", case, "--fresh", case], "planned for")
    refuse(capsys, ["out-of-sample", "ieee33", "--scenarios", tmp_path / "nowhere"], "nowhere")
    refuse(capsys, ["out-of-sample", case, "--level", "1"], "--level")
    refuse(capsys, ["out-of-sample", case, "--fresh", "0", "--scenarios", case], "0 is no number of days")
    both = ["out-of-sample", case, "--scenarios", case, "--fresh", case, "--willing", "0.5"]
    refuse(capsys, both, "--willing 0.5-0.5 is given", "are not drawn")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    refuse(capsys, ["out-of-sample", case, "--out", tmp_path / "mine"], "thesis.tex")
