"""One status of a market from all three certificates and from the order cooperative <= exact <= equilibrium."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from market_oracles import small_market

import formulations
from studies.command_line import market
from studies.market import verdict
from studies.market.three_ways import MarketComparison


@pytest.fixture(scope="module")
def found() -> MarketComparison:
    return formulations.three_ways(small_market(), progress=False, time_limit=60.0)


def changed(found: MarketComparison, **ways: dict[str, Any]) -> MarketComparison:
    """The comparison with these fields of the ways' solutions replaced."""
    runs = dict(found.runs)
    for way, fields in ways.items():
        runs[way] = replace(runs[way], solution=replace(runs[way].solution, **fields))
    return replace(found, runs=runs)


def test_all_certified_and_in_order(found: MarketComparison) -> None:
    assert verdict.verdict(found).status == "certified"
    assert market._code(found) == 0


@pytest.mark.parametrize(
    ("ways", "status", "code"),
    [
        ({"cooperative": "rejected"}, "feasible", 3),
        ({"cooperative": "feasible"}, "feasible", 3),
        ({"cooperative": "unknown"}, "feasible", 3),
        ({"equilibrium": "rejected"}, "feasible", 3),
        ({"equilibrium": "unknown"}, "feasible", 3),
        ({"equilibrium": "infeasible"}, "certified", 0),
        ({"exact": "feasible"}, "feasible", 3),
        ({"exact": "infeasible"}, "infeasible", 4),
        ({"exact": "unknown"}, "unknown", 5),
        ({"exact": "rejected"}, "rejected", 5),
    ],
)
def test_every_way_counts(found: MarketComparison, ways: dict[str, str], status: str, code: int) -> None:
    given = changed(found, **{way: {"status": word, "reason": f"{word} indeed"} for way, word in ways.items()})
    said = verdict.verdict(given)
    assert (said.status, market._code(given)) == (status, code)
    if status != "certified":
        assert all(word in said.reason and way in said.reason for way, word in ways.items())


@pytest.mark.parametrize(
    ("way", "field", "share", "words"),
    [
        ("equilibrium", "objective", 0.9, "equilibrium way costs"),
        ("exact", "objective", 0.9, "exact way costs"),
        ("exact", "objective", 1.2, "exact way costs .* more than the equilibrium way's"),
        ("cooperative", "objective", 1.2, "cooperative way costs .* more than the exact way's"),
        ("cooperative", "bound", 1.2, "exact way costs .* below the proven cooperative bound"),
        ("exact", "bound", 1.2, "equilibrium way costs .* below the proven exact bound"),
    ],
)
def test_every_inequality_is_checked(found: MarketComparison, way: str, field: str, share: float, words: str) -> None:
    solution = found.runs[way].solution
    given = changed(found, **{way: {field: share * getattr(solution, field)}})
    said = verdict.verdict(given)
    assert (said.status, market._code(given)) == ("contradiction", 5)
    assert re.search(words, said.reason), said.reason


def test_a_way_that_is_not_certified_may_be_dearer(found: MarketComparison) -> None:
    dear = {"objective": 1.2 * found.runs["exact"].solution.objective, "status": "feasible", "reason": "time"}
    assert verdict.verdict(changed(found, exact=dear)).status == "feasible"
