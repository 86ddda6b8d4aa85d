"""Scenarios put into a case, and vehicles that charge on arrival."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import instances
from instances import (
    Instance,
    InstanceError,
    Scenario,
    Scenarios,
    Session,
    Willing,
    charge_on_arrival,
    expected_day,
    merged,
    realise,
    uncontrolled_load_kw,
)

SHARES = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))


def forced(case: Instance, session: Session) -> bool:
    """Whether one schedule alone serves a session."""
    periods = len(case.window(session))
    most = case.charging_efficiency * session.power_max_kw * case.horizon.period_hours * periods
    return periods == 1 or session.energy_kwh == pytest.approx(most, rel=1e-9)


@given(share=SHARES, fine=st.sampled_from([1, 4]))
@settings(max_examples=30, deadline=None)
def test_vehicles_that_ignore_prices_draw_what_they_draw_without_control(share: float, fine: int) -> None:
    case = instances.load("ieee33") if fine == 1 else instances.generate("case33bw", periods=96, evs=30)
    found = charge_on_arrival(case, share)
    load = uncontrolled_load_kw(found)
    np.testing.assert_allclose(load, uncontrolled_load_kw(case), atol=1e-6 * load.max())
    willing = {session.name for session in case.sessions} if share else set()
    others = replace(case, sessions=tuple(s for s in found.sessions if s.name not in willing) or case.sessions[:1])
    if share < 1:
        assert all(forced(case, session) for session in others.sessions)
        np.testing.assert_allclose(
            uncontrolled_load_kw(others), (1 - share) * uncontrolled_load_kw(case), atol=1e-6 * load.max()
        )


def test_two_and_a_half_periods(small: Instance) -> None:
    """6 kWh at 10 kW and 0.9 in half hours: 4.5 kWh in the first, 1.5 in the second; 40 % of 5 vehicles follow prices."""
    case = replace(small, sessions=(replace(small.sessions[0], count=5.0),))
    first, second, third = charge_on_arrival(case, 0.4).sessions
    assert (first.name, first.count, first.energy_kwh, first.departure_period) == ("ev", 2.0, 6.0, 2)
    assert (second.name, second.count, second.energy_kwh) == ("ev on arrival 1", 3.0, 4.5)
    assert (third.arrival_period, third.departure_period, third.energy_kwh) == (1, 2, pytest.approx(1.5))


def test_shares_by_name(ieee33: Instance) -> None:
    name = ieee33.sessions[3].name
    found = charge_on_arrival(ieee33, {name: 0.0})
    assert [session for session in found.sessions if not session.name.startswith(name)] == [
        session for session in ieee33.sessions if session.name != name
    ]
    with pytest.raises(InstanceError, match="nobody"):
        charge_on_arrival(ieee33, {"nobody": 0.5})
    with pytest.raises(InstanceError, match=r"willing_share 1\.5"):
        charge_on_arrival(ieee33, 1.5)


def test_what_a_scenario_changes(ieee33: Instance) -> None:
    load, price = (0.5,) * 24, (-0.1,) * 24
    day = realise(ieee33, Scenario("calm", 0.5, ieee33.sessions[:3], load, price))
    assert (day.name, day.sessions, day.load_factor) == (ieee33.name, ieee33.sessions[:3], load)
    assert day.wholesale_price_per_kwh == price
    assert realise(ieee33, Scenario("as it is", 1.0)) == ieee33
    carbon = instances.load("ieee33_carbon")
    sunny = realise(carbon, Scenario("sunny", 1.0, renewable_factor=(2.0,) * carbon.horizon.periods))
    for before, after in zip(carbon.renewables, sunny.renewables, strict=True):
        np.testing.assert_allclose(after.power_kw, 2 * np.array(before.power_kw))


def test_credit_records_follow_the_sessions() -> None:
    case = instances.load("ieee33_aggregator")
    assert case.credit is not None
    day = realise(case, Scenario("few", 1.0, case.sessions[:2]))
    assert day.credit is not None
    names = {session.name for session in day.sessions}
    assert {item.session for item in day.credit.reservations} <= names
    assert {item.session for item in day.credit.distances} <= names


def test_equal_days_stand_once(ieee33: Instance) -> None:
    days = Scenarios((Scenario("a", 0.25), Scenario("b", 0.5, willing_share=0.0), Scenario("c", 0.25)))
    found = merged(ieee33, days)
    assert [(scenario.name, scenario.probability) for scenario, _ in found] == [("a", 0.5), ("b", 0.5)]
    assert found[0][1] == ieee33


def test_the_expected_day_draws_the_mean(ieee33: Instance) -> None:
    few = ieee33.sessions[10:30]
    days = Scenarios((
        Scenario("a", 0.5, load_factor=(0.5,) * 24),
        Scenario("b", 0.25, few, wholesale_price_per_kwh=(0.2,) * 24),
        Scenario("c", 0.25, willing_share=0.5),
    ))  # fmt: skip
    day = expected_day(ieee33, days)
    cases = [realise(ieee33, scenario) for scenario in days.scenarios]
    loads = [uncontrolled_load_kw(case) for case in cases]
    np.testing.assert_allclose(uncontrolled_load_kw(day), 0.5 * loads[0] + 0.25 * (loads[1] + loads[2]), atol=1e-9)
    np.testing.assert_allclose(day.load_factor, 0.25 + 0.5 * np.array(ieee33.load_factor))
    np.testing.assert_allclose(day.wholesale_price_per_kwh, 0.05 + 0.75 * np.array(ieee33.wholesale_price_per_kwh))
    assert len({session.name for session in day.sessions}) == len(day.sessions) <= 54 + 20 + 3 * 54


def test_the_expected_day_of_equal_days_is_the_day(ieee33: Instance) -> None:
    day = expected_day(ieee33, Scenarios((Scenario("a", 0.25), Scenario("b", 0.75))))
    alike = [session for session in day.sessions if session in ieee33.sessions]
    assert len(alike) >= 50 and day.load_factor == pytest.approx(ieee33.load_factor)


REFUSED: dict[str, tuple[Any, str]] = {
    "no scenario": (lambda: Scenarios(()), "scenarios"),
    "half a day": (lambda: Scenarios((Scenario("a", 0.5),)), "add up to 0.5"),
    "twice": (lambda: Scenarios((Scenario("a", 0.5), Scenario("a", 0.5))), '"a"'),
    "never": (lambda: Scenario("a", 0.0), "probability 0"),
    "NaN": (lambda: Scenario("a", float("nan")), "probability"),
    "more than all": (lambda: Willing("ev", 1.1), "willing_share"),
    "said twice": (lambda: Scenario("a", 1.0, willing=(Willing("ev", 0.1), Willing("ev", 0.2))), '"ev"'),
    "sun below 0": (lambda: Scenario("a", 1.0, renewable_factor=(-1.0,)), "renewable_factor"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    make, words = REFUSED[what]
    with pytest.raises(InstanceError, match=words):
        make()


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario("odd", 1.0, load_factor=(1.0,)),
        Scenario("odd", 1.0, renewable_factor=(1.0,)),
        Scenario("odd", 1.0, willing=(Willing("nobody", 0.5),)),
        Scenario("odd", 1.0, sessions=(Session("s", "nowhere", 0, 1, 1.0, 1.0),)),
    ],
)
def test_a_scenario_of_another_case_is_refused_by_its_name(ieee33: Instance, scenario: Scenario) -> None:
    with pytest.raises(InstanceError, match="scenario odd"):
        realise(ieee33, scenario)
