"""`bilevel compare --scenarios`: values over days, files, page, store, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from carbon_cases import tiny_carbon
from cli_runs import Capture, refuse, run
from oracles import tiny_case
from uncertain_days import three_days

import instances
from instances import Scenario, Scenarios
from studies.contest import results
from studies.contest.store import FILE

SMALL = ("--objective", "profit", "--budget", 60, "--population", 10, "--runs", 2, "--methods", "exact,pso,ga")
CLOCK = ["seconds", "cpu_seconds", "time_ratio"]


def table(out: Path) -> pd.DataFrame:
    """The table without what a clock says."""
    return pd.read_csv(out / results.TABLE).drop(columns=CLOCK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("days") / "days"
    instances.write(tiny_case(), path, three_days())
    return path


@pytest.fixture(scope="module")
def compared(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "out"
    done = run("compare", folder, "--scenarios", folder, "--risk", "cvar=0.5", *SMALL, "--out", out)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "3 scenarios of" in said and "Values are expected over 3 days, the objective weighed by cvar=0.5" in said
    return out


def test_no_run_is_better_than_the_exact_answer(compared: Path, folder: Path) -> None:
    assert {path.name for path in compared.iterdir()} == {*results.FILES, FILE}
    told = json.loads((compared / results.JSON).read_text(encoding="utf-8"))
    assert (told["scenarios"], told["risk"]) == (str(folder), "cvar=0.5")
    found = table(compared).set_index("method")
    assert (found["best"] <= found.loc["exact", "best"] * (1 + 1e-4)).all()
    # The mean of the worst days is below that of all
    assert found.loc["exact", "best"] < found.loc["exact", "station_profit"]


def test_the_page_repeats_the_days(compared: Path, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("report", compared, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert f"--scenarios {folder}" in text and "--risk cvar=0.5" in text


def test_two_workers_make_the_same_runs(compared: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--scenarios", folder, "--risk", "cvar=0.5", *SMALL, "--workers", 2)
    assert run("compare", folder, *asked, "--out", out, "--quiet").returncode == 0
    pd.testing.assert_frame_equal(table(out), table(compared), rtol=1e-9)


def test_one_day_is_compared_as_without_days(tmp_path: Path) -> None:
    instances.write(tiny_case(), tmp_path / "case", Scenarios((Scenario("only", 1.0),)))
    outs = tmp_path / "one", tmp_path / "days"
    for out, more in zip(outs, ((), ("--scenarios", tmp_path / "case")), strict=True):
        assert run("compare", tmp_path / "case", *SMALL, *more, "--out", out, "--quiet").returncode == 0
    heuristics = [table(out).set_index("method").loc[["pso", "ga"]].drop(columns=["gap_to_bound"]) for out in outs]
    runs = [pd.read_csv(out / results.RUNS).drop(columns=["seconds", "cpu_seconds"], errors="ignore") for out in outs]
    pd.testing.assert_frame_equal(*runs)
    pd.testing.assert_frame_equal(*heuristics, rtol=1e-9)
    pd.testing.assert_frame_equal(*map(table, outs), rtol=1e-9)


def test_runs_over_other_days_are_not_gone_on_with(
    compared: Path, folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    days = three_days()
    others = Scenarios((*days.scenarios[:2], replace(days.scenarios[2], willing_share=0.4)))
    instances.write(tiny_case(), tmp_path / "others", others)
    asked = ["compare", folder, *SMALL, "--out", compared, "--resume"]
    refuse(capsys, [*asked, "--scenarios", tmp_path / "others", "--risk", "cvar=0.5"], "hash of days")
    refuse(capsys, [*asked, "--scenarios", folder], "risk")
    refuse(capsys, asked, "hash of days")
    again = run(*asked, "--scenarios", folder, "--risk", "cvar=0.5")
    assert again.returncode == 0 and "0 of them now" in again.stdout


def test_what_makes_no_sense_is_refused(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    over = ["compare", folder, "--scenarios", folder]
    refuse(capsys, [*over, "--chance", "voltage=0.9"], "--chance voltage=0.9 has no meaning here", "bilevel solve")
    refuse(capsys, ["compare", folder, "--risk", "cvar=0.9"], "risk is given without scenarios")
    refuse(capsys, [*over, "--risk", "cvar=7"], "cvar is 7")
    carbon = tiny_carbon()
    same = Scenarios((Scenario("only", 1.0),))
    instances.write(carbon, tmp_path / "carbon", same)
    refuse(
        capsys, ["compare", tmp_path / "carbon", "--scenarios", tmp_path / "carbon"], "problem 'carbon' is of one day"
    )
