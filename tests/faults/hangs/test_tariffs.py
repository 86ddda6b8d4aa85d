"""Options of tariffs: what is too much, empty or turned round is refused before anything is counted up."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Capture, refuse, run

import instances
from bilevel.errors import BilevelError
from formulations.tariffs import blocks, levels

BLOCKS = {
    "a=0-99999999999": "has period 99999999999: give periods from 0 to 23",
    "a=0-" + "9" * 4000: "has period 9999",
    "a=99999999999-0": "give a name and its periods",
    "=0-2": "hold '=0-2': give a name before its periods",
    "=": "give a name before its periods",
    "": "give a name before its periods",
    ",": "give a name before its periods",
    "a=0-23,=": "give a name before its periods",
    "a=5-2": "hold 'a=5-2': give a name and its periods",
    "a=1-2-3": "give a name and its periods",
    "a=-1": "give a name and its periods",
    "a=1e3": "give a name and its periods",
    "a=nan": "give a name and its periods",
    "a=\uff11": "give a name and its periods",
    "a=0-22,b=" + "23+" * 20_000: "give a name and its periods",
}


@pytest.mark.parametrize("text", BLOCKS, ids=lambda text: text[:20])
def test_blocks(capsys: Capture, text: str) -> None:
    refuse(capsys, ("solve", "ieee33", "--tariff", "blocks", "--blocks", text), BLOCKS[text])


def test_blocks_from_python() -> None:
    case = instances.load("ieee33")
    endless: list[dict[str, Any]] = [{"a": itertools.count()}, {"a": range(10**12)}, {"a": itertools.repeat(3)}]
    for given in endless:
        with pytest.raises(BilevelError, match=r"give periods from 0 to 23|twice"):
            blocks.parse(case, given)
    assert blocks.parse(case, {"a": iter(range(24))}) == {"a": list(range(24))}


LEVELS = {
    ",".join(f"{0.1 + k / 10**6}" for k in range(10_000)): "more than 1000 prices",
    "0.1": "at least two",
    "nan,inf": "is no number",
    "0.1,1e308": "outside the case's price limits",
    "-1,0.1": "outside the case's price limits",
    "": "is no number",
    ",": "is no number",
    "0.1,0.1": "given twice",
    "0.1," + "9" * 5000: "is no number",
}


@pytest.mark.parametrize("text", LEVELS, ids=lambda text: text[:20])
def test_levels(capsys: Capture, text: str) -> None:
    refuse(capsys, ("solve", "ieee33", "--tariff", "levels", "--levels", text), LEVELS[text])


@pytest.mark.parametrize("fee", ["1e308", "-1e308", "1e10", "nan", "inf", "x", "1_0"])
@pytest.mark.parametrize("command", [("market", "ieee33_aggregator"), ("equilibrium", "ieee33")])
def test_fees(capsys: Capture, command: tuple[str, ...], fee: str) -> None:
    refuse(capsys, (*command, "--evs", "2", f"--fee={fee}"), "fee")


@pytest.mark.parametrize("seconds", ["1e-9", "1e-300"])
def test_a_market_of_no_time(seconds: str) -> None:
    done = run("market", "ieee33_aggregator", "--evs", "3", "--time-limit", seconds)
    assert done.returncode in {3, 5} and "time limit" in done.stdout


def test_runs_without_a_point(tmp_path: Path) -> None:
    """A voltage limit that the loads alone break: no decision keeps it."""
    case = instances.scale(instances.load("ieee33"), 2)
    buses = tuple(replace(bus, voltage_min_pu=0.98) for bus in case.feeder.buses)
    instances.write(replace(case, feeder=replace(case.feeder, buses=buses)), tmp_path / "case")
    done = run("compare", tmp_path / "case", "--methods", "pso", "--runs", "2", "--budget", "30")
    assert done.returncode == 5, done.stderr
    assert " ".join(done.stdout.split()).startswith(
        "nothing: none of 2 runs found a decision that breaks no limit; nothing is proven"
    )


def test_levels_from_python() -> None:
    with pytest.raises(BilevelError, match="more than 1000 prices"):
        levels.parse(instances.load("ieee33"), (0.1 + k * 1e-9 for k in itertools.count()))
