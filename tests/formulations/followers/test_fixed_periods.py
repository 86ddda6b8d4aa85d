"""Periods that prices decide against every optimum of linear programs at prices drawn from their intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from carbon_cases import two_periods
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from formulations.followers import fixed_periods
from instances import Carbon, Horizon, Instance, Session

SEEDS = st.integers(0, 2**32 - 1)


def case_of(periods: int, hours: float = 1.0, efficiency: float = 1.0) -> Instance:
    """A case with that horizon; its network does not matter."""
    return replace(
        two_periods(), horizon=Horizon(periods, hours, "2024-01-01T00:00:00"), load_factor=(1.0,) * periods,
        wholesale_price_per_kwh=(0.1,) * periods, carbon=Carbon(1.0, (0.5,) * periods), charging_efficiency=efficiency,
        sessions=(Session("car", "s", 0, periods, 1.0, 100.0),),
    )  # fmt: skip


def random_user(seed: int) -> tuple[Instance, Session, Any, Any]:
    """A session of a random window and energy, often a whole number of periods, and price intervals, often points and ties."""
    rng = np.random.default_rng(seed)
    periods = int(rng.integers(1, 8))
    case = case_of(periods, float(rng.choice([0.25, 1.0])), float(rng.choice([1.0, 0.9])))
    arrival = int(rng.integers(0, periods))
    departure = int(rng.integers(arrival + 1, periods + 1))
    full = case.charging_efficiency * 50.0 * case.horizon.period_hours
    share = rng.uniform(0, departure - arrival) if rng.random() < 0.5 else rng.integers(0, departure - arrival + 1)
    low = rng.integers(-2, 6, periods).astype(float)
    high = low + rng.choice([0.0, 0.0, 1.0, 2.5], periods)
    return case, Session("car", "s", arrival, departure, float(full * share), 50.0, count=1.5), low, high


def extremes(case: Instance, session: Session, price: Any) -> tuple[Any, Any]:
    """Least and most share of full power in each period of the window over all optima, by linear programs."""
    window = list(case.window(session))
    needed = session.energy_kwh / (case.charging_efficiency * session.power_max_kw * case.horizon.period_hours)
    own, one = price[window], np.ones((1, len(window)))
    best = linprog(own, A_eq=one, b_eq=[needed], bounds=(0, 1))
    assert best.status == 0
    ends = []
    for sign in (1.0, -1.0):
        end = []
        for k in range(len(window)):
            unit = np.zeros(len(window))
            unit[k] = sign
            # Integral prices are 1 apart or equal, so that a millionth of cost is no other vertex
            found = linprog(unit, A_ub=[own], b_ub=[best.fun + 1e-7], A_eq=one, b_eq=[needed], bounds=(0, 1))
            assert found.status == 0
            end.append(sign * found.fun)
        ends.append(np.array(end))
    return ends[0], ends[1]


@given(SEEDS)
@settings(max_examples=50, deadline=None)
def test_decided_shares_are_those_of_every_optimum_at_every_price(seed: int) -> None:
    case, session, low, high = random_user(seed)
    found = fixed_periods.decided(case, session, low, high)
    window = list(case.window(session))
    assert set(found) <= set(window)
    rng = np.random.default_rng(seed)
    corners = [low, high, np.where(rng.random(len(low)) < 0.5, low, high), low + rng.random(len(low)) * (high - low)]
    for price in corners:
        least, most = extremes(case, session, price)
        for t, share in found.items():
            k = window.index(t)
            assert (least[k], most[k]) == pytest.approx((share, share), abs=1e-5), (t, price)


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_at_known_prices_all_is_decided_that_has_one_optimum(seed: int) -> None:
    case, session, low, _ = random_user(seed)
    found = fixed_periods.decided(case, session, low, low)
    least, most = extremes(case, session, low)
    for k, t in enumerate(case.window(session)):
        assert (t in found) == (most[k] - least[k] <= 1e-4), t


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_narrower_prices_decide_no_less(seed: int) -> None:
    case, session, low, high = random_user(seed)
    rng = np.random.default_rng(seed)
    inner_low = low + rng.random(len(low)) * (high - low) / 2
    inner_high = high - rng.random(len(low)) * (high - inner_low) / 2
    wide, narrow = (fixed_periods.decided(case, session, *ends) for ends in ((low, high), (inner_low, inner_high)))
    assert {t: narrow[t] for t in wide} == wide


def test_hand_made_days() -> None:
    case = case_of(4)
    ends = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.5, 3.5, 3.5, 5.0])

    def ask(kwh: float) -> dict[int, float]:
        return fixed_periods.decided(case, Session("car", "s", 0, 4, kwh, 100.0), *ends)

    assert ask(50.0) == {0: 0.5, 1: 0.0, 2: 0.0, 3: 0.0}
    assert ask(100.0) == {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0}
    assert ask(150.0) == {0: 1.0, 3: 0.0}
    assert ask(300.0) == {0: 1.0, 1: 1.0, 2: 1.0, 3: 0.0}
    assert ask(340.0) == pytest.approx({0: 1.0, 1: 1.0, 2: 1.0, 3: 0.4})
    assert ask(400.0) == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}
    assert ask(0.0) == {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0}


def test_prices_that_rounding_alone_sets_apart_decide_nothing() -> None:
    case = case_of(2)
    session = case.sessions[0]
    for price in (0.3, -0.3):
        ends = np.array([price, price * (1 + 4e-16)])
        assert ends[0] != ends[1]
        assert fixed_periods.decided(case, session, ends, ends) == {}
    apart = np.array([0.3, 0.3001])
    assert fixed_periods.decided(case, session, apart, apart) == {0: 0.01, 1: 0.0}
    # An energy that fills its window up to rounding fills it
    full = replace(session, energy_kwh=100.0 * (2 - 1e-12))
    assert fixed_periods.decided(case, full, np.zeros(2), np.ones(2)) == {0: 1.0, 1: 1.0}
