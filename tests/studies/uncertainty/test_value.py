"""What planning and knowing are worth: by hand, in order, and never less certain than the solves behind it."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from uncertain_days import DAYS, two_hours

import bilevel
import instances
from instances import Instance, Scenario, Scenarios
from studies.uncertainty import points, results
from studies.uncertainty.study import POLICIES, RISK, Asked, study
from studies.uncertainty.value import Range, value_of_planning


def test_by_hand() -> None:
    """A flat price of 0.3 is best in expectation: 3, 2 and 2 with 1/4, 1/2 and 1/4.  Alone: 3, 2, and 4 at prices 0.5 and 0.1."""
    found = value_of_planning(two_hours(), DAYS, gap=1e-6)
    for known, value in ((found.stochastic, 2.25), (found.wait_and_see, 2.75), (found.information, 0.5)):
        assert known.low == pytest.approx(value, abs=1e-5) and known.high == pytest.approx(value, abs=1e-5)
    assert found.sense == -1
    assert 0 <= found.planning.low <= found.planning.high
    assert set(found.statuses.values()) == {"certified"}
    table = found.to_frame().set_index("quantity")
    assert (table["low"] <= table["high"]).all() and len(table) == 5


def test_flat_prices_leave_nothing_to_know() -> None:
    """Energy is free in one hour or in the other, and at a flat price the user takes it then: 30 kW at 0.5 and 60 kW at 0.45 are
    left, 21 EUR on average and losses.  Neither knowing the day nor planning for both is worth anything."""
    series = ((0.0, 0.5), (0.45, 0.0))
    days = Scenarios(tuple(Scenario(str(at), 0.5, wholesale_price_per_kwh=price) for at, price in enumerate(series)))
    found = value_of_planning(two_hours(), days, "cost", gap=1e-6)
    assert found.sense == 1
    for known in (found.wait_and_see, found.stochastic, found.expected_day):
        assert 21.0 <= known.low <= known.high <= 21.03
    for worth in (found.information, found.planning):
        assert 0 <= worth.low <= worth.high <= 1e-4


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        (Range(1, 2), Range(0.5, 0.75), 0.25, 1.5),
        (Range(-math.inf, 2), Range(0, 1), -math.inf, 2),
        (Range(math.inf, math.inf), Range(0, 1), math.inf, math.inf),
        (Range(math.inf, math.inf), Range(0, math.inf), -math.inf, math.inf),
        (Range(-math.inf, math.inf), Range(-math.inf, math.inf), -math.inf, math.inf),
    ],
)
def test_differences_of_ranges(first: Range, second: Range, low: float, high: float) -> None:
    assert first - second == Range(low, high)


def test_processes_give_the_same_answer() -> None:
    alone = value_of_planning(two_hours(), DAYS, gap=1e-6)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        beside = value_of_planning(two_hours(), DAYS, gap=1e-6, executor=executor)
    assert beside.wait_and_see == alone.wait_and_see and beside.statuses == alone.statuses


def test_a_solve_that_ends_early_leaves_a_wide_range() -> None:
    found = value_of_planning(two_hours(), DAYS, time_limit=1e-6)
    assert found.information == Range(0.0, math.inf) and found.planning == Range(0.0, math.inf)
    assert found.stochastic == Range(-math.inf, math.inf)
    assert found.prices["stochastic"] is None


def test_a_study_has_every_policy() -> None:
    case = two_hours()
    fresh = Scenarios(tuple(Scenario(str(at), 1 / 16, willing_share=at / 16) for at in range(16)))
    found = study(case, DAYS, fresh, Asked(level=0.5))
    assert found.complete and found.closed and found.value.statuses[RISK] == "certified"
    assert found.summary["policy"].tolist() == list(POLICIES)
    assert len(found.outcomes) == 5 * 16 and not found.outcomes["limits_broken"].any()
    # No policy asks for more than the cap allows
    for prices in found.prices.values():
        assert prices.shape == (1, 2) and prices.mean() <= 0.3 + 1e-9
    files = results.contents(found, {"case": case.name})
    assert set(files) == set(results.FILES)
    assert str(files[results.LATEX]).count(r"\\") == 6


def market() -> Instance:
    return instances.scale(instances.load("ieee33_aggregator"), 3, seed=2)


def test_who_is_willing_by_points() -> None:
    """A fee of a fifth of the flat one raises half of the shares by 0.4 of the response; a dearer one lowers them."""
    case = market()
    assert case.credit is not None
    days = Scenarios((Scenario("a", 1.0, willing_share=0.5),))
    assert points.willing_by_points(case, days, 0.0).scenarios[0].willing[0].willing_share == 0.5
    moved = points.willing_by_points(case, days, 0.5).scenarios[0]
    fees = points.credit.fees(case)
    station = [item.name for item in case.stations]
    flat = case.credit.fee_factor_per_kwh
    for session, item in zip(case.sessions, moved.willing, strict=True):
        fee = fees[station.index(session.station), session.arrival_period]
        assert item.session == session.name
        assert item.willing_share == pytest.approx(np.clip(0.5 + 0.5 * (flat - fee) / flat, 0, 1))
    with pytest.raises(bilevel.BilevelError, match="response is 2"):
        points.willing_by_points(case, days, 2)
    with pytest.raises(bilevel.BilevelError, match="credit"):
        points.willing_by_points(instances.load("ieee33"), days, 0.5)


def test_the_table_of_points() -> None:
    """More willing users cost the operator no more, as every schedule of fewer is one of theirs."""
    days = Scenarios((Scenario("a", 0.5, willing_share=0.3), Scenario("b", 0.5, willing_share=0.6)))
    found = points.table(market(), days, responses=(0.0, 1.0), time_limit=60)
    assert list(found.columns) == list(points.COLUMNS)
    assert found["status"].tolist() == 3 * ["certified"]
    off, same, on = (found.iloc[at] for at in range(3))
    assert off["mean_willing_share"] == pytest.approx(same["mean_willing_share"])
    assert off["dso_cost"] == pytest.approx(same["dso_cost"], rel=2e-3)
    assert on["mean_willing_share"] != off["mean_willing_share"]
    assert on["mean_fee_per_kwh"] != off["mean_fee_per_kwh"]
