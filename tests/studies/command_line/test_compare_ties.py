"""`bilevel compare --ties` through the real entry point: answers by hand, runs in front of them, folders of other conventions."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_runs import Capture, refuse, run
from oracles import tiny_case

import instances
from studies import page as studies_page
from studies.contest.store import FILE
from studies.page.parts import command

MARGIN = 0.1
ASKED = ("--methods", "exact,ga,pso", "--runs", 2, "--budget", 400, "--population", 10, "--objective", "profit")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user needs 3 kWh, at most 2 kWh an hour, in two hours that cost the station 0.1 and 0.2 EUR/kWh; prices are at most 0.5.

    Both prices at 0.5 earn 1.5 - 0.4 in the best tie, and 1.5 - 0.5 in the worst one.  The load is least in the first hour, so that
    the heuristics' rule is the best tie.  With the first hour cheaper by m nobody is indifferent, and 1.1 - 2 m is earned.
    """
    folder = tmp_path_factory.mktemp("ties") / "case"
    small = tiny_case(efficiency=1.0)
    two = replace(
        small, horizon=instances.Horizon(2, 1.0, "2024-01-01T00:00:00"), load_factor=(0.5, 1.0),
        wholesale_price_per_kwh=(0.1, 0.2), price_limits=instances.PriceLimits(0.0, 0.5, 0.5),
        stations=small.stations[:1], sessions=(instances.Session("ev1", "s", 0, 2, 3.0, 2.0),),
    )  # fmt: skip
    instances.write(two, folder)
    return folder


@pytest.fixture(scope="module")
def secure(case: Path) -> tuple[Path, Any]:
    out = case.parent / "secure"
    return out, run("compare", case, *ASKED, "--ties", "secure", "--margin", MARGIN, "--out", out)


def rows(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "compare.csv").set_index("method")


def test_runs_may_be_better_than_a_secure_answer(secure: tuple[Path, Any]) -> None:
    out, done = secure
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert said.startswith("done: exact proves that nothing is better than 1.1 EUR whatever the indifferent choose")
    for words in (
        "and than 0.9 with secure ties", "in front of the latter", "exact, secure ties", "secure, margin 0.1",
        "1.1 EUR (certified), which holds for runs too", "a margin of 0.1 EUR/kWh", "a gap below 0",
    ):  # fmt: skip
        assert words in said
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = rows(out)
    assert found.loc["exact", "best"] == pytest.approx(1.1 - 2 * MARGIN, abs=1e-5)
    assert found.loc["exact", "best_by_rule"] == pytest.approx(1.1 - 2 * MARGIN, abs=1e-5)
    assert found.loc["pso", "best"] == pytest.approx(1.1, abs=1e-3)
    assert found.loc["pso", "gap_to_bound"] == pytest.approx((0.9 - 1.1) / 0.9, abs=2e-3)
    assert (found["gap_to_optimistic_bound"] >= -1e-8).all()
    assert list(found["ties"]) == ["secure", "by rule", "by rule"]
    data = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert data["exact"]["optimistic_bound"] == pytest.approx(1.1, abs=2e-4)
    assert (data["exact"]["optimistic_status"], data["verdict"]["contradiction"]) == ("certified", False)
    assert (data["problem"]["ties"], data["problem"]["margin"]) == ("secure", MARGIN)


def test_the_page_says_the_convention_and_makes_it_again(secure: tuple[Path, Any]) -> None:
    folder = studies_page.read(secure[0])
    page = studies_page.page(folder).html
    assert "(secure); users who are choose by a fixed rule" in page
    assert "gap to optimistic bound" in page
    again = command.line(folder)
    assert "--ties secure" in again
    assert f"--margin {MARGIN}" in again


def test_a_pessimistic_answer_comes_near_to_what_no_price_attains(case: Path, tmp_path: Path) -> None:
    """The supremum is 1.1: ever smaller margins come to it, and at equal prices the worst tie earns 1.0."""
    done = run("compare", case, *ASKED, "--ties", "pessimistic", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert data["exact"]["objective"] == pytest.approx(1.1, abs=2e-4)
    assert data["exact"]["objective"] < 1.1
    assert data["exact"]["bound"] == pytest.approx(1.1, abs=2e-4)
    assert data["exact"]["optimistic_bound"] == pytest.approx(1.1, abs=2e-4)
    assert "exact, pessimistic ties" in done.stdout
    assert "(pessimistic)" in data["problem"]["note"]


def test_without_a_secure_decision_runs_contradict_nothing(case: Path, tmp_path: Path) -> None:
    """Prices from 0 to 0.5 are never 0.6 apart."""
    out = tmp_path / "out"
    done = run("compare", case, *ASKED, "--ties", "secure", "--margin", 0.6, "--out", out)
    assert done.returncode == 4, done.stderr
    assert "no decision is feasible with secure ties" in " ".join(done.stdout.split())
    assert rows(out).loc["pso", "best"] == pytest.approx(1.1, abs=1e-3)
    assert "CONTRADICTION" not in done.stdout


def test_a_margin_that_solvers_do_not_see_is_refused_and_leaves_no_runs(
    case: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    asked = ("compare", case, *ASKED, "--ties", "secure", "--margin", 1e-9, "--out", out, "--quiet")
    refuse(capsys, asked, "margin 1e-09 is too small", "give at least")
    assert not (out / FILE).exists()


def test_a_folder_of_one_convention_is_not_resumed_with_another(
    secure: tuple[Path, Any], case: Path, capsys: Capture
) -> None:
    out, _ = secure
    before = {path: path.read_bytes() for path in out.iterdir()}
    asked = ("compare", case, *ASKED, "--out", out, "--resume")
    refuse(capsys, asked, "ties is 'secure' there and 'optimistic' here")
    refuse(capsys, (*asked, "--ties", "pessimistic"), "ties is 'secure' there and 'pessimistic' here")
    refuse(capsys, (*asked, "--ties", "secure", "--margin", 0.2), "margin is 0.1 there and 0.2 here")
    refuse(capsys, (*asked, "--ties", "secure"), "margin is 0.1 there and None here")
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    same = run(*asked, "--ties", "secure", "--margin", MARGIN)
    assert same.returncode == 0, same.stderr
    assert "4 of 4, 0 of them now" in same.stdout
    assert rows(out).loc["exact", "gap_to_optimistic_bound"] == pytest.approx(0.2 / 0.9, abs=1e-3)


def test_a_folder_of_an_older_version_goes_on_as_optimistic(case: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    assert run("compare", case, *ASKED, "--out", out, "--quiet").returncode == 0
    lines = [json.loads(line) for line in (out / FILE).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        del line["sum"]
    for line in (lines[0], lines[1]["exact"]):
        for name in ("ties", "margin", "optimistic_bound", "optimistic_status"):
            line.pop(name, None)
    (out / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    other = tmp_path / "other"
    shutil.copytree(out, other)
    asked = ("compare", case, *ASKED, "--resume", "--out")
    refuse(capsys, (*asked, other, "--ties", "secure"), "ties is 'optimistic' there and 'secure' here")
    done = run(*asked, out)
    assert done.returncode == 0, done.stderr
    assert "4 of 4, 0 of them now" in done.stdout
    assert done.stdout.startswith("done: exact proves that nothing is better than 1.1 EUR; the best of all runs")
