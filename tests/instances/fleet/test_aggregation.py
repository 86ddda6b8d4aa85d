"""Sessions added up to a few vehicles: the same powers of the whole group, the same optima, the same ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import bilevel
import formulations
import instances
from instances import Horizon, Instance, Session, aggregate

SEEDS = st.integers(0, 2**32 - 1)


def fleet(rng: np.random.Generator, size: int, periods: int, unit: float = 1.0) -> Instance:
    """One station whose sessions share a window of all periods, rates and energies at random, some of them equal."""
    base = instances.load("ieee33")
    power = rng.choice([3.7, 7.4, 11.0, rng.uniform(1, 20)], size) * unit
    share = rng.choice([0.0, 0.25, 0.5, 1.0, rng.random()], size)
    sessions = tuple(
        Session(
            f"ev{k}", "caltech_3", 0, periods, float(s * p * periods * 0.92), float(p), float(rng.choice([1.0, 2.5]))
        )
        for k, (p, s) in enumerate(zip(power, share, strict=True))
    )
    return replace(
        base,
        horizon=Horizon(periods, 1.0, base.horizon.start),
        sessions=sessions,
        load_factor=base.load_factor[:periods],
        wholesale_price_per_kwh=base.wholesale_price_per_kwh[:periods],
    )


def extreme(sessions: tuple[Session, ...], price: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The least bill of all, and the least of another linear function of powers over all optima of that bill."""
    bill = other = 0.0
    for session in sessions:
        count, most = len(price), session.count * session.power_max_kw
        row, right = np.full((1, count), 0.92), [session.count * session.energy_kwh]
        first = linprog(price, A_eq=row, b_eq=right, bounds=(0, most))
        best = linprog(
            second, A_ub=price[None], b_ub=[first.fun + 1e-9 * max(1.0, most)], A_eq=row, b_eq=right, bounds=(0, most)
        )
        bill, other = bill + first.fun, other + best.fun
    return bill, other


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2, 9), st.integers(1, 7))
def test_vehicles_have_the_bills_and_the_ties_of_their_members(seed: int, size: int, periods: int) -> None:
    rng = np.random.default_rng(seed)
    (group,) = aggregate(fleet(rng, size, periods))
    price = rng.choice([0.1, 0.2, 0.3], periods)
    second = rng.normal(size=periods)
    wanted, found = (extreme(part, price, second) for part in (group.members, group.vehicles))
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 200), st.integers(1, 12), st.sampled_from([1e-3, 1.0, 1e3]))
def test_no_more_vehicles_than_periods_or_members_and_the_same_energy(
    seed: int, size: int, periods: int, unit: float
) -> None:
    case = fleet(np.random.default_rng(seed), size, periods, unit)
    (group,) = aggregate(case)
    assert group.members == case.sessions
    assert len(group.vehicles) <= size
    assert not group.added_up or len(group.vehicles) <= periods
    energy = [sum(s.count * s.energy_kwh for s in part) for part in (group.members, group.vehicles)]
    assert energy[1] == pytest.approx(energy[0], rel=1e-9, abs=1e-12 * unit)
    if group.added_up:
        full = [v.energy_kwh / (0.92 * v.power_max_kw) for v in group.vehicles]
        assert full == pytest.approx(np.round(full), abs=1e-9)
        replace(case, sessions=group.vehicles)  # a valid instance


def test_a_fleet_that_wants_nothing_is_priced() -> None:
    """One of its vehicles is left, which draws nothing: a model without followers would be refused."""
    case = fleet(np.random.default_rng(0), 2, 1, 1e-3)
    (group,) = aggregate(case)
    assert [vehicle.energy_kwh for vehicle in group.vehicles] == [0.0]
    solution = bilevel.solve(formulations.charging_pricing(case, "loss"), progress=False)
    assert solution.status == "certified", solution.reason


def test_groups_are_by_station_and_window_in_the_order_of_the_data() -> None:
    case = instances.scale(instances.load("ieee33"), 500, seed=3)
    groups = aggregate(case)
    keys = [(s.station, s.arrival_period, s.departure_period) for s in case.sessions]
    assert [(g.members[0].station, g.members[0].arrival_period, g.members[0].departure_period) for g in groups] == list(
        dict.fromkeys(keys)
    )
    assert sorted(s.name for g in groups for s in g.members) == sorted(s.name for s in case.sessions)
    assert sum(len(g.vehicles) for g in groups) < 100
    names = [v.name for g in groups for v in g.vehicles]
    assert len(set(names)) == len(names)


def test_a_lone_session_stands_for_itself() -> None:
    case = instances.load("ieee33")
    alone = [g for g in aggregate(case) if len(g.members) == 1]
    assert alone and all(g.vehicles == g.members and not g.added_up for g in alone)
