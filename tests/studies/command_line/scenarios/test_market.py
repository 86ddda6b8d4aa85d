"""`bilevel market --scenarios`: the two ways that days have, their files and page, and refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import Capture, refuse, run
from market_oracles import small_market

import instances
from instances import Scenario, Scenarios, Session
from studies.market import results

DAYS = Scenarios(
    (
        Scenario("usual", 0.5),
        Scenario("=full, 'x'", 0.3, sessions=(Session("ev", "s", 0, 3, 90.0, 60.0), Session("late", "s", 1, 3, 60.0, 50.0))),
        Scenario("dear", 0.2, wholesale_price_per_kwh=(0.3, 0.2, 0.45), sessions=(Session("ev", "s", 1, 3, 72.0, 60.0),)),
    )
)  # fmt: skip
GAP = 1e-3


def data(out: Path) -> Any:
    return json.loads((out / results.JSON).read_text(encoding="utf-8"))


def cost(out: Path, way: str) -> float:
    return float(data(out)["ways"][way]["objective"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("days") / "days"
    instances.write(small_market(), path, DAYS)
    return path


@pytest.fixture(scope="module")
def solved(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("market") / "out"
    done = run("market", folder, "--scenarios", folder, "--fee", 0.01, "--out", out)
    assert done.returncode == 0, done.stderr
    for words in ("over 3 days", "in cooperation", "3 scenarios of", "nodal prices are those of one day"):
        assert words in " ".join(done.stdout.split())
    return out


def test_costs_are_expected_and_told_by_day(solved: Path) -> None:
    kept = [results.SCENARIOS, *results.DAYS]
    files = {f"{name}_{way}.csv" for name in kept for way in ("exact", "cooperative")}
    assert {path.name for path in solved.iterdir()} == {results.JSON, results.TABLE, results.LATEX, *files}
    told = data(solved)
    assert set(told["ways"]) == {"exact", "cooperative"} and told["trace"] is None
    assert told["verdict"]["status"] == "certified"
    assert cost(solved, "cooperative") <= cost(solved, "exact")
    for way in told["ways"]:
        days = pd.read_csv(solved / f"scenarios_{way}.csv")
        weight = days["probability"].to_numpy()
        assert weight @ days["dso_cost"] == pytest.approx(cost(solved, way), rel=1e-6)
        figures = told["ways"][way]["figures"]
        assert figures["loss_kwh"] == pytest.approx(weight @ days["loss_kwh"])
        assert figures["peak_kw"] == days["peak_kw"].max()
        assert ("profit_agent" in days) == (way == "exact")
    trade = pd.read_csv(solved / "scenario_aggregators_exact.csv")
    bills = (trade["ev_kw"] * trade["paid_per_kwh"]).groupby(trade["scenario"], sort=False).sum()
    assert bills.tolist() == pytest.approx(pd.read_csv(solved / "scenarios_exact.csv")["users_bill"].tolist(), abs=1e-6)
    assert np.ptp(trade.groupby("period")["price_per_kwh"].agg(np.ptp)) == 0


def test_the_page_has_the_days_of_both_ways(solved: Path, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("report", solved, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    for words in ("Days that may come, exact way", "Days that may come, cooperative way", "exact way, expected over days",
                  f"--scenarios {folder}"):  # fmt: skip
        assert words in text
    assert "--damping" not in text


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.5)], ids=len)
def test_days_like_the_case_cost_what_it_costs(shares: Sequence[float], tmp_path: Path) -> None:
    days = Scenarios(tuple(Scenario(str(at), share) for at, share in enumerate(shares)))
    instances.write(small_market(), tmp_path / "case", days)
    outs = tmp_path / "one", tmp_path / "several"
    for out, more in zip(outs, ((), ("--scenarios", tmp_path / "case")), strict=True):
        assert run("market", tmp_path / "case", "--gap", GAP, *more, "--out", out, "--quiet").returncode == 0
    for way in ("exact", "cooperative"):
        assert cost(outs[1], way) == pytest.approx(cost(outs[0], way), rel=2 * GAP)
    # A result of one day takes the place of one over days
    again = run("market", tmp_path / "case", "--gap", GAP, "--out", outs[1], "--quiet")
    assert again.returncode == 0
    assert {path.name for path in outs[1].iterdir()} == {path.name for path in outs[0].iterdir()}


def test_risk_weighs_the_dear_days(solved: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--scenarios", folder, "--fee", 0.01, "--risk", "cvar=0.8")
    assert run("market", folder, *asked, "--out", out, "--quiet").returncode == 0
    assert data(out)["risk"] == "cvar=0.8"
    days = pd.read_csv(out / "scenarios_exact.csv").set_index("scenario")["dso_cost"]
    assert cost(out, "exact") == pytest.approx(days.max(), rel=1e-6)
    assert days.max() <= pd.read_csv(solved / "scenarios_exact.csv")["dso_cost"].max() * (1 + GAP)


def test_what_makes_no_sense_is_refused(folder: Path, capsys: Capture) -> None:
    over = ["market", folder, "--scenarios", folder]
    refuse(capsys, [*over, "--damping", "0.3"], "--damping 0.3", "nodal prices are those of one day", "leave it out")
    refuse(capsys, [*over, "--max-iterations", "7"], "--max-iterations 7", "leave it out")
    refuse(capsys, ["market", folder, "--risk", "cvar=0.9"], "risk is given without scenarios")
    refuse(capsys, [*over, "--risk", "cvar=7"], "cvar is 7")
    refuse(capsys, ["market", folder, "--scenarios", "5"], "3 hours")


def test_a_file_of_one_day_without_its_equilibrium_is_refused(solved: Path, tmp_path: Path, capsys: Capture) -> None:
    told = data(solved)
    told["scenarios"] = None
    for path in solved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / results.JSON).write_text(json.dumps(told))
    refuse(capsys, ["report", tmp_path, "--out", tmp_path.parent / "page.html"], results.JSON, "equilibrium")
