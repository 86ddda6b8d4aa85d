"""`bilevel check` of a folder with scenarios: each is put into the case."""

from __future__ import annotations

from pathlib import Path

import pytest
from carbon_cases import tiny_carbon
from cli_runs import Capture, refuse, run
from file_faults.sources import days

import instances


def test_check_tells_of_scenarios(tmp_path: Path) -> None:
    case = tiny_carbon()
    instances.write(case, tmp_path / "case")
    assert "scenarios" not in run("check", tmp_path / "case").stdout
    instances.write(case, tmp_path / "case", days(case))
    done = run("check", tmp_path / "case")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3, each with a probability of 0.25 to 0.5" in done.stdout
    # Without a separator in its name a folder is one all the same
    assert "3, each" in run("check", "case", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("table", "old", "new", "words"),
    [
        ("scenarios", "dear,0.25", "dear,0.3", ("scenarios.csv", "add up to 1.05")),
        ("scenario_sessions", "few,other,", "few,other,x", ("scenario few", "unknown station", "did you mean")),
        ("scenario_willing", "few,other", "few,nobody", ("scenario few", '"nobody"')),
        ("scenario_series", "dear,0,", "cheap,0,", ("scenario_series.csv", '"cheap"')),
    ],
)
def test_check_refuses_scenarios_that_do_not_fit(
    tmp_path: Path, capsys: Capture, table: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    case = tiny_carbon()
    instances.write(case, tmp_path / "case", days(case))
    path = tmp_path / "case" / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    refuse(capsys, ["check", tmp_path / "case"], str(tmp_path / "case"), *words)
