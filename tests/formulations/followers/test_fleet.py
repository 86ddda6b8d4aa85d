"""Pricing with added-up users: the same optima as with every session apart, and schedules for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
import instances
from formulations import charging_pricing
from formulations.followers import fleet
from studies.pricing import tables

CHECK = "individual schedules"


@pytest.fixture(scope="module")
def large() -> tuple[Any, Any, bilevel.Solution]:
    case = instances.scale(instances.load("ieee33"), 300, seed=1)
    model = charging_pricing(case, "loss=1,profit=1")
    return case, model, bilevel.solve(model, gap=1e-3, progress=False)


@pytest.mark.parametrize("objective", ["loss", "profit"])
def test_the_optimum_is_that_of_all_sessions_apart(objective: str) -> None:
    case = instances.scale(instances.load("ieee33"), 70, seed=5)
    apart, together = (
        bilevel.solve(charging_pricing(case, objective, aggregate=aggregate), gap=1e-3, progress=False, time_limit=120)
        for aggregate in (False, True)
    )
    assert apart.status == together.status == "certified"
    low, high = sorted((apart.objective, together.objective))
    assert high - low <= 1e-3 * abs(high)
    assert CHECK not in {check.name for check in apart.certificate.checks}
    assert together.certificate[CHECK].ok


def test_a_fleet_of_hundreds_is_certified_with_every_schedule(large: Any) -> None:
    case, model, solution = large
    assert solution.status == "certified"
    assert solution.certificate[CHECK].value <= 1e-6
    assert len(model.user) < 100
    power = fleet.schedule_kw(model, case)
    hours = case.charging_efficiency * case.horizon.period_hours
    for k, session in enumerate(case.sessions):
        most = session.count * session.power_max_kw
        assert power[k].sum() * hours == pytest.approx(session.count * session.energy_kwh, rel=1e-6)
        assert power[k].min() >= -1e-6 * most and power[k].max() <= (1 + 1e-6) * most
        outside = [t for t in range(case.horizon.periods) if t not in case.window(session)]
        assert not power[k, outside].any()
    bill = sum(
        pyo.value(model.price[s.station, t]) * power[k, t] for k, s in enumerate(case.sessions) for t in case.window(s)
    )
    assert bill * case.horizon.period_hours == pytest.approx(pyo.value(model.ev_bill), rel=1e-6)


def test_the_table_has_every_session(large: Any) -> None:
    case, model, _ = large
    table = tables.charging(model, case)
    assert set(table.session) == {s.name for s in case.sessions}
    assert table.cost.sum() == pytest.approx(pyo.value(model.ev_bill), rel=1e-6)


def test_powers_that_members_cannot_draw_fail_the_check(large: Any) -> None:
    case, model, _ = large
    group = next(g for g in model.fleet if g.added_up and len(case.window(g.members[0])) > 2)
    power = model.user[group.vehicles[0].name].p
    before = {t: p.value for t, p in power.items()}
    first = min(power)
    try:
        power[first].set_value(10 * sum(p.ub for p in power.values()), skip_validation=True)
        (check,) = fleet.individual(case)(model)
        assert not check.ok and check.where
    finally:
        for t, value in before.items():
            power[t].set_value(value)
    (check,) = fleet.individual(case)(model)
    assert check.ok


def test_a_schedule_that_pays_too_much_fails_the_check(large: Any) -> None:
    case, model, _ = large
    before = {key: price.value for key, price in model.price.items()}
    rng = np.random.default_rng(0)
    try:
        for price in model.price.values():
            price.set_value(float(rng.uniform(0.15, 0.45)))
        (check,) = fleet.individual(case)(model)
        assert not check.ok
    finally:
        for key, value in before.items():
            model.price[key].set_value(value)


def test_elastic_users_are_never_added_up() -> None:
    case = instances.scale(instances.load("ieee33"), 100, seed=1)
    model = charging_pricing(case, "loss", follower="elastic")
    assert len(model.user) == 100
