"""Scenarios drawn from the real days that come with the package."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import instances
from instances import Instance, InstanceError, Session, draw_scenarios, realise
from instances.scenarios import days
from instances.scenarios.arrivals import Arrivals
from instances.scenarios.clock import Clock


def energy_kwh(sessions: Iterable[Session]) -> float:
    return math.fsum(session.count * session.energy_kwh for session in sessions)


def arrivals(case: Instance) -> Arrivals:
    return Arrivals.of(case, Clock.of(case.horizon))


def bare(session: Session) -> Session:
    return replace(session, count=1.0)


def test_the_one_day_of_ieee33_is_among_the_real_days(ieee33: Instance) -> None:
    own = tuple(map(bare, ieee33.sessions))
    assert own in arrivals(ieee33).days
    assert any(np.array_equal(day, ieee33.wholesale_price_per_kwh) for day in days.price_days())


def test_what_is_shipped() -> None:
    assert len(days.session_days()) == 59 and days.price_days().shape == (64, 24) and days.load_days().shape == (64, 24)
    assert days.load_days().max() == 1.0
    for day, rows in days.session_days().items():
        assert np.busday_count(day, np.datetime64(day) + 1) == 1
        names = [row.name for row in rows]
        assert len(set(names)) == len(names) and {row.group for row in rows} <= set(days.GROUPS)
        assert [row.arrival_hour for row in rows] == sorted(row.arrival_hour for row in rows)
    items = {source.item: source.licence for source in instances.scenario_sources()}
    assert set(items) == {"scenario_sessions", "scenario_series"} and items["scenario_sessions"] == "CC BY 4.0"


CASES: dict[str, Any] = {
    **{name: (lambda name=name: instances.load(name)) for name in instances.list_cases()},
    "96 periods": lambda: instances.generate("case69", periods=96, evs=40),
    "2 hours": lambda: two_hours(instances.load("ieee33")),
}


def two_hours(case: Instance) -> Instance:
    sessions = tuple(
        replace(s, arrival_period=s.arrival_period // 2, departure_period=-(-s.departure_period // 2))
        for s in case.sessions
    )
    series = {f: getattr(case, f)[::2] for f in ("load_factor", "wholesale_price_per_kwh")}
    return replace(case, horizon=instances.Horizon(12, 2.0, case.horizon.start), sessions=sessions, **series)


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_days_of_its_size_and_level(name: str) -> None:
    case = CASES[name]()
    found = draw_scenarios(case, 6, seed=4)
    assert [scenario.probability for scenario in found.scenarios] == [1 / 6] * 6
    for scenario in found.scenarios:
        day = realise(case, scenario)
        assert max(day.load_factor) <= max(case.load_factor) * (1.02 if case.horizon.periods > 24 else 1 + 1e-12)
        assert {s.power_max_kw for s in day.sessions} == {np.median([s.power_max_kw for s in case.sessions])}
    fleet = arrivals(case)
    # An average day takes the energy of the case's own sessions
    kwh = np.mean([fleet.count * energy_kwh(day) for day in fleet.days])
    assert kwh == pytest.approx(energy_kwh(case.sessions), rel=1e-9)
    clock = Clock.of(case.horizon)
    level = np.mean([clock.series(day) for day in days.price_days()])
    many = draw_scenarios(case, 400, seed=4, sessions=False, loads=False)
    prices = np.array([s.wholesale_price_per_kwh for s in many.scenarios])
    own = np.mean(case.wholesale_price_per_kwh)
    assert prices.mean() == pytest.approx(own, rel=0.05)
    # Every day is a real one times one factor
    hours = np.array([clock.series(day) for day in days.price_days()]) * own / level
    assert all(np.isclose(hours, row, rtol=1e-9, atol=1e-12).all(axis=1).any() for row in prices)


def test_a_larger_draw_begins_with_the_same_days_and_no_source_moves_another(ieee33: Instance) -> None:
    whole = draw_scenarios(ieee33, 5, seed=7, evs=10, willing=(0.4, 0.9)).scenarios
    assert whole == draw_scenarios(ieee33, 5, seed=7, evs=10, willing=(0.4, 0.9)).scenarios
    few = draw_scenarios(ieee33, 2, seed=7, evs=10, willing=(0.4, 0.9)).scenarios
    assert few == tuple(replace(scenario, probability=0.5) for scenario in whole[:2])
    assert whole != draw_scenarios(ieee33, 5, seed=8, evs=10, willing=(0.4, 0.9)).scenarios
    fields = {"sessions": "sessions", "prices": "wholesale_price_per_kwh", "loads": "load_factor"}
    for off, field in fields.items():
        keywords: dict[str, Any] = {off: False} if off != "sessions" else {off: False, "evs": None}
        drawn = draw_scenarios(ieee33, 5, seed=7, **({"evs": 10, "willing": (0.4, 0.9)} | keywords)).scenarios
        for before, after in zip(whole, drawn, strict=True):
            assert getattr(after, field) is None
            assert after == replace(before, **{field: None})
    assert all(0.4 <= scenario.willing_share <= 0.9 for scenario in whole)
    assert len({scenario.willing_share for scenario in whole}) == 5
    assert {scenario.willing_share for scenario in draw_scenarios(ieee33, 3).scenarios} == {1.0}


@pytest.mark.parametrize("evs", [1, 20, 54, 200])
def test_a_fleet_of_a_size_takes_the_energy_of_the_whole_day(ieee33: Instance, evs: int) -> None:
    whole, sampled = draw_scenarios(ieee33, 4, seed=3), draw_scenarios(ieee33, 4, seed=3, evs=evs)
    for day, sample in zip(whole.scenarios, sampled.scenarios, strict=True):
        assert day.sessions is not None and sample.sessions is not None
        assert len(sample.sessions) == evs
        assert energy_kwh(sample.sessions) == pytest.approx(energy_kwh(day.sessions), rel=1e-9)
        stays = {(s.station, s.arrival_period, s.departure_period, s.energy_kwh) for s in day.sessions}
        assert {(s.station, s.arrival_period, s.departure_period, s.energy_kwh) for s in sample.sessions} <= stays
        realise(ieee33, sample)


def test_stations_of_other_feeders_are_filled_as_the_case_fills_them() -> None:
    case = instances.generate("case69", stations=3, evs=30)
    first, second, third = (station.name for station in case.stations)
    counts = {first: 1.0, second: 3.0, third: 0.0}
    sessions = tuple(replace(s, count=counts[s.station]) for s in case.sessions if counts[s.station])
    found = draw_scenarios(replace(case, sessions=sessions), 40, prices=False, loads=False)
    drawn = [session.station for scenario in found.scenarios for session in scenario.sessions or ()]
    assert third not in drawn
    vehicles = {name: sum(s.count for s in sessions if s.station == name) for name in (first, second)}
    assert drawn.count(first) / len(drawn) == pytest.approx(vehicles[first] / sum(vehicles.values()), abs=0.03)


def test_a_day_that_begins_at_eight(ieee33: Instance) -> None:
    clock = Clock.of(replace(ieee33.horizon, start="2019-09-26T08:00:00"))
    assert clock.series(range(24)) == (*range(8, 24), *range(8))
    assert clock.window(8.2, 17.6) == (0, 10) and clock.window(7.4, 17.0) == (23, 33)
    fine = Clock.of(instances.Horizon(96, 0.25, "2019-09-27T00:00:00"))
    assert fine.window(8.2, 17.6) == (33, 70)
    assert np.reshape(fine.series(range(24)), (24, 4)).mean(axis=1) == pytest.approx(np.arange(24.0))
    coarse = Clock.of(instances.Horizon(8, 3.0, "2019-09-27T00:00:00"))
    assert coarse.series(range(24)) == (1, 4, 7, 10, 13, 16, 19, 22)


def changed(case: Instance, **horizon: Any) -> Instance:
    """The case in other periods, with nothing in them that matters."""
    horizon_now = instances.Horizon(**({"periods": 24, "period_hours": 1.0, "start": case.horizon.start} | horizon))
    one = Session("ev", case.stations[0].name, 0, horizon_now.periods, 1.0, 7.0)
    ones = (1.0,) * horizon_now.periods
    return replace(case, horizon=horizon_now, sessions=(one,), load_factor=ones, wholesale_price_per_kwh=ones)


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "none": ({"n": 0}, {}, ("n 0", "at least 1")),
    "half": ({"n": 1.5}, {}, ("n 1.5", "whole number")),
    "seed": ({"seed": -1}, {}, ("seed -1",)),
    "no vehicle": ({"evs": 0}, {}, ("evs 0",)),
    "vehicles without sessions": ({"evs": 3, "sessions": False}, {}, ("evs 3", "leave evs out")),
    "nothing": ({"sessions": False, "prices": False, "loads": False}, {}, ("no source",)),
    "range": ({"willing": (0.5, 0.4)}, {}, ("highest willing share 0.4", "0.5")),
    "share": ({"willing": (0.5, 1.5)}, {}, ("1.5", "at most 1")),
    "two days": ({}, {"periods": 48}, ("48 hours", "24")),
    "odd periods": ({}, {"periods": 36, "period_hours": 2 / 3}, ("36 periods", "96")),
    "half past": ({}, {"start": "2019-09-27T08:30:00"}, ("T08:30:00", "full hour")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(ieee33: Instance, what: str) -> None:
    keywords, horizon, words = REFUSED[what]
    case = changed(ieee33, **horizon) if horizon else ieee33
    with pytest.raises(InstanceError) as caught:
        draw_scenarios(case, **({"n": 2} | keywords))
    for word in words:
        assert word in str(caught.value)


def test_cases_without_a_level_are_refused_where_it_matters(ieee33: Instance) -> None:
    free = replace(ieee33, wholesale_price_per_kwh=(-0.01,) * 24)
    with pytest.raises(InstanceError, match=r"mean wholesale_price_per_kwh of -0\.01.*draw without prices"):
        draw_scenarios(free, 2)
    assert draw_scenarios(free, 2, prices=False)
    full = replace(ieee33, sessions=tuple(replace(s, energy_kwh=0.0) for s in ieee33.sessions))
    with pytest.raises(InstanceError, match=r"take 0 kWh.*draw without sessions"):
        draw_scenarios(full, 2)
    weak = replace(ieee33, sessions=tuple(replace(s, power_max_kw=1e-3, energy_kwh=1e-6) for s in ieee33.sessions))
    with pytest.raises(InstanceError, match=r"median power_max_kw .* is 0\.001"):
        draw_scenarios(weak, 2)
    assert draw_scenarios(weak, 2, sessions=False)
