"""Credit points and fees by hand, their laws as properties, and recommended stations on a case small enough to count."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import instances
from bilevel.errors import BilevelError
from formulations.prices import credit
from formulations.prices.credit import SessionRecord
from instances import Credit, Distance, Instance, Reservation, Session

RULES = Credit(
    lateness_factor_per_minute=0.05, time_factor=0.5, fee_factor_per_kwh=0.1, fee_min_per_kwh=0.02, fee_max_per_kwh=0.3,
    recommended_stations=2, congestion_cost_km=6.0, valley_periods=(0, 1), peak_periods=(8, 9), reservations=(), distances=(),
)  # fmt: skip
NAMES = ("a", "b")
late = st.floats(0, 60)
record = st.builds(
    SessionRecord, user=st.just("u"), station=st.sampled_from(NAMES), period=st.integers(0, 9), lateness_minutes=late,
    recommended=st.booleans(),
)  # fmt: skip


def small(**changes: object) -> Instance:
    """ieee33 with three users: two vehicles at the first station in periods 8 to 10, one user at the second, one at the third."""
    case = instances.load("ieee33")
    one, two, three, _ = (station.name for station in case.stations)
    sessions = (
        Session("x", one, 8, 10, 6.0, 6.6, 2.0),
        Session("y", two, 8, 12, 6.0, 6.6),
        Session("z", three, 9, 12, 6.0, 6.6),
    )
    ways = [Distance("x", one, 1.0), Distance("x", two, 2.0), Distance("x", three, 8.0), Distance("y", one, 0.5)]
    ways += [Distance("y", two, 3.0), Distance("y", three, 4.0)]
    rules = replace(RULES, distances=tuple(ways), reservations=(Reservation("x", 10.0), Reservation("z", 25.0)))
    return replace(case, sessions=sessions, credit=replace(rules, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("period", "minutes", "recommended", "expected"),
    [
        (0, 0.0, True, 1 + 1 + 0.5),  # valley, on time, recommended: the most there is
        (9, 19.9, True, math.exp(-0.995) + 1 - 0.5),
        (9, 20.0, False, math.exp(-1.5) - 1 - 0.5),  # cancelled, recorded as 30 minutes
        (5, 45.0, False, math.exp(-1.5) - 1),  # neither valley nor peak
    ],
)
def test_points_of_one_appointment_by_hand(period: int, minutes: float, recommended: bool, expected: float) -> None:
    assert credit.session_points(SessionRecord("u", "a", period, minutes, recommended), RULES) == pytest.approx(
        expected
    )


def test_lateness_is_recorded_as_thirty_minutes_from_twenty_on() -> None:
    assert credit.recorded_lateness_minutes([0.0, 5.0, 19.99, 20.0, 90.0]).tolist() == [0.0, 5.0, 19.99, 30.0, 30.0]
    assert credit.time_class(RULES, [0, 1, 5, 8, 9]).tolist() == [1, 1, 0, -1, -1]


def test_points_and_fees_of_a_station_and_period_by_hand() -> None:
    records = [
        SessionRecord("u", "a", 0, 0.0, True),
        SessionRecord("v", "a", 0, 30.0, False),
        SessionRecord("u", "b", 8, 0.0, False),
    ]
    found = credit.points(records, RULES, NAMES, 10)
    assert found.shape == (2, 10)
    assert found[0, 0] == pytest.approx(2.5 + math.exp(-1.5) - 0.5)
    assert found[1, 8] == pytest.approx(-0.5)
    assert np.count_nonzero(found) == 2
    fees = credit.fee_per_kwh(found, RULES)
    assert fees[0, 0] == 0.02  # 0.1 exp(-2.22) = 0.011 is below the least fee
    assert fees[1, 8] == pytest.approx(0.1 * math.exp(0.5))
    assert fees[1, 1] == pytest.approx(0.1)  # no points: epsilon


def test_no_records_no_points() -> None:
    assert not credit.points([], RULES, NAMES, 3).any()


@given(st.lists(record, max_size=12), st.randoms())
def test_the_order_of_records_does_not_matter_and_points_add_up(records: list[SessionRecord], random: object) -> None:
    total = credit.points(records, RULES, NAMES, 10)
    mixed = sorted(records, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert credit.points(mixed, RULES, NAMES, 10) == pytest.approx(total, abs=1e-12)
    half = len(records) // 2
    parts = sum(credit.points(part, RULES, NAMES, 10) for part in (records[:half], records[half:]))
    assert parts == pytest.approx(total, abs=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), max_size=5), st.floats(0, 1e3), st.floats(-1, 1), st.floats(0, 1))
def test_fees_stay_within_their_limits_and_fall_with_points(
    points: list[float], factor: float, low: float, span: float
) -> None:
    rules = replace(RULES, fee_factor_per_kwh=factor, fee_min_per_kwh=low, fee_max_per_kwh=low + span)
    fees = credit.fee_per_kwh(sorted(points), rules)
    assert ((fees >= low) & (fees <= low + span)).all()
    assert (np.diff(fees) <= 0).all()


@given(late, late, st.integers(0, 9), st.booleans())
def test_the_fee_does_not_fall_when_a_user_comes_later(first: float, second: float, period: int, near: bool) -> None:
    early, later = sorted((first, second))
    points = [
        credit.session_points(SessionRecord("u", "a", period, minutes, near), RULES) for minutes in (early, later)
    ]
    assert points[0] >= points[1]
    assert -1.5 <= points[1] <= points[0] <= 2.5
    assert credit.fee_per_kwh(points[0], RULES) <= credit.fee_per_kwh(points[1], RULES)


def test_recommended_stations_weigh_congestion_against_distance() -> None:
    case = small()
    one, two, three, _ = (station.name for station in case.stations)
    # Chargers without aggregators: the most plugged in at once, 2, 1, 1 and at least 1.  In period 8, user x sees one other vehicle
    # at station two (2 + 6 * 1 / 1 = 8 km) and ties with station three; user y sees both of x at station one (0.5 + 6 * 2 / 2).
    assert credit.chargers(case).tolist() == [2.0, 1.0, 1.0, 1.0]
    assert credit.recommended(case) == {"x": (one, two), "y": (two, three), "z": ()}
    assert credit.recommended(small(congestion_cost_km=0.0))["y"] == (one, two)
    assert credit.recommended(small(recommended_stations=4))["y"] == (two, three, one)  # no way to the fourth is known


def test_chargers_are_those_of_the_aggregators() -> None:
    case = instances.load("ieee33_aggregator")
    assert case.market is not None
    assert credit.chargers(case).tolist() == [item.chargers for item in case.market.aggregators]


def test_records_and_fees_of_a_case() -> None:
    case = small()
    one, _, three, _ = (station.name for station in case.stations)
    assert credit.records(case) == (SessionRecord("x", one, 8, 10.0, True), SessionRecord("z", three, 9, 25.0, False))
    fees = credit.fees(case)
    assert fees.shape == (4, 24)
    assert fees[0, 8] == pytest.approx(0.1 * math.exp(-(math.exp(-0.5) + 1 - 0.5)))
    assert fees[2, 9] == pytest.approx(0.3)  # 0.1 exp(1 + 0.5 - exp(-1.5)) = 0.36 is above the largest fee
    assert fees[1] == pytest.approx(0.1)  # user y has no reservation


def test_the_shipped_case_has_fees_within_its_limits() -> None:
    case = instances.load("ieee33_aggregator")
    assert case.credit is not None
    fees = credit.fees(case)
    assert fees.min() >= case.credit.fee_min_per_kwh
    assert fees.max() <= case.credit.fee_max_per_kwh
    assert len(credit.records(case)) == len(case.credit.reservations)


def test_refusals_name_the_object_and_the_remedy() -> None:
    with pytest.raises(BilevelError, match="ieee33 has no credit rules; give it some"):
        credit.fees(instances.load("ieee33"))
    with pytest.raises(BilevelError, match="record of u is of station 'c'; known are a, b"):
        credit.points([SessionRecord("u", "c", 0, 0.0, True)], RULES, NAMES, 10)
    with pytest.raises(BilevelError, match="period 10 of 10; number periods from 0 to 9"):
        credit.points([SessionRecord("u", "a", 10, 0.0, True)], RULES, NAMES, 10)
    for minutes in (-1.0, math.nan, math.inf):
        with pytest.raises(BilevelError, match=r"lateness_minutes .* at least 0"):
            SessionRecord("u", "a", 0, minutes, True)
    with pytest.raises(BilevelError, match="period -1; number periods from 0"):
        SessionRecord("u", "a", -1, 0.0, True)
