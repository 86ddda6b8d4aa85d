"""Uncontrolled charging, its share of the feeder's peak, and drawn fleets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import instances
from instances import Bus, Instance, InstanceError, Session, scale, set_share, uncontrolled_load_kw


def test_a_vehicle_charges_at_full_power_until_it_is_full(small: Instance) -> None:
    # 6 kWh in the battery are 6.667 kWh from the grid: 5 kWh in one half hour, 1.667 kWh in the next
    np.testing.assert_allclose(uncontrolled_load_kw(small), [[10.0, 10.0 / 3.0]])
    twice = replace(small, sessions=(replace(small.sessions[0], count=2.5),))
    np.testing.assert_allclose(uncontrolled_load_kw(twice), 2.5 * uncontrolled_load_kw(small))


def test_a_vehicle_draws_nothing_before_arrival_or_after_departure(ieee33: Instance) -> None:
    late = Session("late", "caltech_3", 20, 22, 2.0, 6.6)
    load = uncontrolled_load_kw(replace(ieee33, sessions=(late,)))
    assert load.shape == (4, 24)
    assert np.flatnonzero(load.sum(axis=0)).tolist() == [20]


@given(st.integers(1, 300), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_every_fleet_carries_its_energy_and_share(evs: int, seed: int) -> None:
    case = scale(instances.load("ieee33"), evs=evs, seed=seed)
    load = uncontrolled_load_kw(case)
    energy = sum(s.energy_kwh * s.count for s in case.sessions) / case.charging_efficiency
    assert len(case.sessions) == evs
    assert len({s.count for s in case.sessions}) == 1
    assert load.sum() * case.horizon.period_hours == pytest.approx(energy, rel=1e-9)
    assert load.sum(axis=0).max() == pytest.approx(0.2 * case.peak_load_kw, rel=1e-9)


def test_a_seed_gives_the_same_fleet(ieee33: Instance) -> None:
    assert scale(ieee33, evs=20, seed=3) == scale(ieee33, evs=20, seed=3)
    assert scale(ieee33, evs=20, seed=3).sessions != scale(ieee33, evs=20, seed=4).sessions


def test_a_smaller_fleet_is_a_part_in_the_order_of_the_data(ieee33: Instance) -> None:
    names = [session.name for session in ieee33.sessions]
    drawn = [session.name for session in scale(ieee33, evs=20, share=None).sessions]
    assert len(set(drawn)) == 20
    assert sorted(drawn, key=names.index) == drawn


def test_a_larger_fleet_keeps_the_real_sessions(ieee33: Instance) -> None:
    fleet = scale(ieee33, evs=200, share=None)
    assert fleet.sessions[: len(ieee33.sessions)] == ieee33.sessions
    original = {session_key(session) for session in ieee33.sessions}
    assert {session_key(session) for session in fleet.sessions} == original
    assert len({session.name for session in fleet.sessions}) == 200
    assert scale(fleet, evs=500).sessions[0].name == ieee33.sessions[0].name


def session_key(session: Session) -> tuple[Any, ...]:
    return (session.station, session.arrival_period, session.departure_period, session.energy_kwh)


def test_the_draw_is_told_in_the_sources(ieee33: Instance) -> None:
    fleet = scale(scale(ieee33, evs=20, seed=1), evs=10, seed=2, share=0.1)
    notes = [source.source for source in fleet.sources if source.item == "fleet"]
    assert notes == ["10 sessions drawn from 20 of ieee33 with seed 2; one count, for 10 % of the feeder's peak load"]


def test_the_shipped_counts_are_those_of_the_default_share(ieee33: Instance) -> None:
    assert set_share(ieee33, 0.2) == ieee33


@pytest.mark.parametrize("evs", [0, -3, 2.0, "7", True, None])
def test_evs_must_be_a_positive_whole_number(ieee33: Instance, evs: Any) -> None:
    with pytest.raises(InstanceError, match=r"the fleet has evs .*; give a whole number"):
        scale(ieee33, evs=evs)


def test_a_share_must_be_reachable(ieee33: Instance, small: Instance) -> None:
    with pytest.raises(InstanceError, match="seed -1"):
        scale(ieee33, evs=1, seed=-1)
    with pytest.raises(InstanceError, match="share 0; give a value above 0"):
        scale(ieee33, evs=1, share=0)
    idle = replace(small.feeder, buses=tuple(Bus(bus.name, 0, 0) for bus in small.feeder.buses))
    with pytest.raises(InstanceError, match=r"peak load is 0.0 kW"):
        set_share(replace(small, feeder=idle), 0.2)
    full = replace(small, sessions=(replace(small.sessions[0], energy_kwh=0.0),))
    with pytest.raises(InstanceError, match="fleet's peak is 0 kW"):
        set_share(full, 0.2)
