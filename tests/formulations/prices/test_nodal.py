"""Nodal prices against finite differences of the leader's optimum, and by hand on one line."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import tiny_case
from pyomo.common.collections import ComponentMap

import bilevel
import formulations
import instances
from bilevel import BilevelError, ModelError
from bilevel.compile.compiler import compile_model
from bilevel.deadline import Deadline
from bilevel.equilibrium import feasible_prices, price_rules
from bilevel.equilibrium.given_loads import GivenLoads
from formulations.prices.nodal import LOSS_SHARE
from instances import Branch, Bus, Feeder, Instance, Session, Station


def flat_charging(case: Instance, model: Any) -> None:
    """Every user at constant power, so that loads are given."""
    for session in case.sessions:
        power = model.user[session.name].p
        energy = session.count * session.energy_kwh / case.charging_efficiency / case.horizon.period_hours
        for t in power:
            power[t].set_value(energy / len(power) / model.per_unit.base_kva)


def given(case: Instance) -> tuple[Any, Any, dict[str, float]]:
    """Model and point of the leader's optimum at flat charging, and the dual of every leader row by name."""
    model = formulations.charging_pricing(case, "cost", aggregate=False)
    flat_charging(case, model)
    program = compile_model(model)
    priced = np.array([variable.parent_component() is model.price for variable in program.variables])
    x = np.where(program.followers.owner >= 0, program.values(), 0.0)
    x, duals, broken = GivenLoads(program, np.flatnonzero(priced)).solve(x, 1)
    assert not broken.count
    return model, program.objective(x), dict(zip(program.rows.names, duals.tolist(), strict=True))


def with_load(case: Instance, bus: str, more_kw: float) -> Instance:
    buses = tuple(replace(b, load_kw=b.load_kw + more_kw) if b.name == bus else b for b in case.feeder.buses)
    return replace(case, feeder=replace(case.feeder, buses=buses))


def three_hours(loaded: int) -> Instance:
    """Three sessions of ieee33 in three of its hours, of which only one has loads of buses, so that these are that hour's alone."""
    case = instances.scale(instances.load("ieee33"), 3)
    hours = (4, 13, 19)
    return replace(
        case,
        horizon=replace(case.horizon, periods=3),
        load_factor=tuple(case.load_factor[hour] * (t == loaded) for t, hour in enumerate(hours)),
        wholesale_price_per_kwh=tuple(case.wholesale_price_per_kwh[hour] for hour in hours),
        sessions=tuple(
            replace(s, arrival_period=0, departure_period=3, energy_kwh=s.power_max_kw / 2) for s in case.sessions
        ),
    )


@pytest.mark.parametrize(("bus", "t"), [("18", 1), ("33", 2), ("2", 0), ("14", 1), ("25", 2)])
def test_duals_are_finite_differences_of_the_optimum(bus: str, t: int) -> None:
    case = three_hours(t)
    model, _, duals = given(case)
    row = next(row for (_, j, k), row in model.active_balance.items() if (j, k) == (bus, t))
    step_kw = 5.0
    up, down = (given(with_load(case, bus, sign * step_kw / case.load_factor[t]))[1] for sign in (1, -1))
    per_kwh = duals[row.name] / (model.per_unit.base_kva * case.horizon.period_hours)
    assert per_kwh == pytest.approx((up - down) / (2 * step_kw * case.horizon.period_hours), rel=1e-4)
    assert per_kwh > case.wholesale_price_per_kwh[t]


def one_line(station_bus: str = "b") -> Instance:
    """A line of 4 + 3i ohm at 10 kV (0.04 + 0.03i pu of 1 MVA) to 800 kW + 300 kvar; a session that must charge in full."""
    case = tiny_case(efficiency=0.9)
    feeder = Feeder(10.0, "a", 1.02, (Bus("a", 0, 0), Bus("b", 800.0, 300.0)), (Branch("a", "b", 4.0, 3.0),))
    session = Session("ev", "s", 1, 3, 2 * 0.9 * 25.0, 25.0, count=4.0)
    return replace(case, feeder=feeder, stations=(Station("s", station_bus),), sessions=(session,))


def current_by_hand(p: float, q: float) -> tuple[float, float, float]:
    """Squared current l of the line at load p + qi pu, and a, b of F(l, p) = a l² + b l + p² + q² = 0, whose smaller root it is."""
    r, x, v0 = 0.04, 0.03, 1.02**2
    a, b, c = r**2 + x**2, 2 * (r * p + x * q) - v0, p**2 + q**2
    return (-b - math.sqrt(b**2 - 4 * a * c)) / (2 * a), a, b


def slope_by_hand(p: float, q: float) -> float:
    """d(sending power)/d(load) of the line at load p + qi pu: 1 + r dl/dp."""
    r = 0.04
    current, a, b = current_by_hand(p, q)
    return 1 - r * (2 * r * current + 2 * p) / (2 * a * current + b)


def test_one_line_by_hand() -> None:
    case = one_line()
    model = formulations.charging_pricing(case, "cost")
    trace = bilevel.equilibrium(model, formulations.nodal_prices(model, case, fee_per_kwh=0.2), progress=False)
    # The session has no choice, so the first response is the last
    assert trace.status == "converged" and len(trace.iterations) == 1
    for t, factor in enumerate(case.load_factor):
        load = 0.8 * factor + (0.1 if t else 0.0)
        nodal = case.wholesale_price_per_kwh[t] * slope_by_hand(load, 0.3 * factor)
        limits = case.price_limits
        wanted = min(max(nodal + 0.2, limits.price_min_per_kwh), limits.price_max_per_kwh)
        assert trace.prices[model.price["s", t].name] == pytest.approx(wanted, rel=1e-6)
        assert nodal > 1.02 * case.wholesale_price_per_kwh[t]


def weak_line(voltage_min: float, energy_kwh: float) -> Instance:
    """`one_line` with a lowest voltage, and a session that takes up to 400 kW in any hour."""
    case = one_line()
    buses = (case.feeder.buses[0], replace(case.feeder.buses[1], voltage_min_pu=voltage_min))
    session = Session("ev", "s", 0, 3, 0.9 * energy_kwh / 4, 100.0, count=4.0)
    return replace(case, feeder=replace(case.feeder, buses=buses), sessions=(session,))


def posted(case: Instance, prices: tuple[float, ...], **settings: Any) -> tuple[Any, bilevel.EquilibriumTrace]:
    """The iteration from these prices on."""
    model = formulations.charging_pricing(case, "cost")
    for t, price in enumerate(prices):
        model.price["s", t].set_value(price)
    rules = formulations.nodal_prices(model, case, fee_per_kwh=0.1)
    return model, bilevel.equilibrium(model, rules, progress=False, **settings)


def test_prices_of_scarcity_move_loads_that_break_the_voltage_limit() -> None:
    # Everybody wants hour 1 first, where the 0.8 + 0.4 pu leave less than 0.97 pu of voltage
    model, trace = posted(weak_line(0.97, 400.0), (0.45, 0.15, 0.45), damping=1.0)
    first = trace.iterations[0]
    assert first.limits_broken == 1 and first.worst_limit == model.v["b", 1].name
    assert "1 of 2 iterations break limits" in trace.reason and first.worst_limit in trace.reason
    assert trace.price_history[0][model.price["s", 1].name] == pytest.approx(0.5)
    current, a, b = current_by_hand(1.2, 0.3)
    assert first.worst_violation == pytest.approx((0.97**2 + b + a * current) / 1.1**2, rel=1e-4)
    assert trace.status == "converged" and trace.iterations[1].limits_broken == 0
    assert trace.solution.status == "certified" and (trace.solution_iteration, trace.solution_tick) == (2, 0.0)
    assert pyo.value(model.user["ev"].p[0]) == pytest.approx(0.4)


def test_hours_within_limits_keep_their_duals_when_others_break() -> None:
    soft, wide = (posted(weak_line(low, 400.0), (0.45, 0.15, 0.45), max_iterations=1)[1] for low in (0.97, 0.8))
    assert soft.iterations[0].limits_broken and not wide.iterations[0].limits_broken
    names = list(soft.prices)
    for t in (0, 2):
        assert soft.prices[names[t]] == pytest.approx(wide.prices[names[t]], rel=1e-7)
    assert soft.prices[names[1]] > wide.prices[names[1]] + 0.05


def test_earlier_prices_are_taken_when_the_last_admit_no_point() -> None:
    # Hour 1 is out of reach, and hours 0 and 2 take turns at first; the last prices call for hour 1
    case = weak_line(0.97, 400.0)
    model = formulations.charging_pricing(case, "cost")
    program = compile_model(model)
    rules = price_rules.read(model, program, formulations.nodal_prices(model, case))
    none = np.zeros(program.rows.count, dtype=bool)
    history = [np.array(p) for p in ((0.15, 0.4, 0.4), (0.4, 0.15, 0.4), (0.4, 0.15, 0.4), (0.4, 0.2, 0.4))]
    point = feasible_prices.settled(model, program, rules, history, none, False, Deadline(None))
    assert (point.iteration, point.tick) == (1, 0.0) and point.solution.status == "certified"
    # Without the first ones only a tie helps: rounded down to 0.15 all hours cost the same from some tick on
    history = [np.array((0.28, 0.27, 0.29))]
    point = feasible_prices.settled(model, program, rules, history, none, False, Deadline(None))
    assert point.iteration == 1 and point.tick == pytest.approx(0.05) and point.solution.status == "certified"
    assert point.prices == pytest.approx(0.25)


def test_no_prices_that_admit_a_point_are_told() -> None:
    # 1200 kWh fill all three hours, whatever they cost
    _, trace = posted(weak_line(0.97, 1200.0), (0.3, 0.3, 0.3))
    assert trace.status == "converged" and trace.iterations[0].limits_broken
    assert trace.solution.status == "infeasible" and trace.solution.certificate["infeasible relaxation"].ok
    assert trace.solution_iteration == len(trace.iterations) and trace.solution_tick == 0
    assert "break limits" in trace.reason and "neither the last prices nor earlier ones" in trace.reason
    assert trace.values == trace.prices


def test_ieee33_gets_through_crowded_hours_and_lies_behind_the_front() -> None:
    case = instances.scale(instances.load("ieee33"), 20)
    model = formulations.charging_pricing(case, "cost")
    trace = bilevel.equilibrium(model, formulations.nodal_prices(model, case), damping=1.0, progress=False)
    assert trace.status in ("converged", "cycling", "stopped")
    assert trace.to_frame()["limits_broken"].max() > 0 and "break limits of the leader's" in trace.reason
    assert trace.solution.status == "certified", trace.reason
    assert bilevel.certify(model).valid and f"of iteration {trace.solution_iteration}" in trace.reason
    loss, profit = pyo.value(model.network_loss), pyo.value(model.station_profit)
    best = formulations.charging_pricing(case, "profit")
    best.at_most = pyo.Constraint(expr=best.network_loss <= loss)
    exact = bilevel.solve(best, progress=False)
    assert exact.status == "certified" and exact.bound >= profit - 1e-4 * abs(profit)
    least = formulations.charging_pricing(case, "loss")
    least.at_least = pyo.Constraint(expr=least.station_profit >= profit)
    exact = bilevel.solve(least, progress=False)
    assert exact.status == "certified" and exact.bound <= loss + 1e-4 * abs(loss)


def test_a_station_at_the_substation_pays_wholesale() -> None:
    case = one_line("a")
    model = formulations.charging_pricing(case, "cost")
    rules = formulations.nodal_prices(model, case, fee_per_kwh=0.15)
    assert all(rules[model.price["s", t]].row is None for t in model.T)
    trace = bilevel.equilibrium(model, rules, progress=False)
    wanted = np.clip(np.array(case.wholesale_price_per_kwh) + 0.15, 0.1, 0.5)
    assert list(trace.prices.values()) == pytest.approx(wanted.tolist(), rel=1e-12)


def test_every_price_has_a_rule_and_the_default_fee_keeps_the_cap() -> None:
    case = instances.scale(instances.load("ieee33"), 5)
    model = formulations.charging_pricing(case, "cost")
    rules = formulations.nodal_prices(model, case)
    assert isinstance(rules, ComponentMap) and len(rules) == len(model.price)
    fee = rules[model.price["caltech_3", 0]].fee
    assert fee == pytest.approx(0.25 - (1 + LOSS_SHARE) * np.mean(case.wholesale_price_per_kwh), rel=1e-12)
    trace = bilevel.equilibrium(model, rules, max_iterations=2, progress=False)
    assert trace.iterations[-1].clipped_prices == 0
    for c in model.C:
        assert np.mean([trace.prices[model.price[c, t].name] for t in model.T]) <= 0.25
    cheap = replace(case, price_limits=replace(case.price_limits, price_min_per_kwh=0.0, price_mean_max_per_kwh=0.01))
    poor = formulations.charging_pricing(cheap, "cost")
    assert formulations.nodal_prices(poor, cheap)[poor.price["caltech_3", 0]].fee == 0.0


def test_elastic_users_settle_where_vehicles_flip() -> None:
    case = instances.scale(instances.load("ieee33"), 5)
    model = formulations.charging_pricing(case, "cost", follower="elastic")
    trace = bilevel.equilibrium(model, formulations.nodal_prices(model, case), progress=False)
    assert trace.status == "converged" and trace.iterations[-1].cost_excess < 1e-4
    assert trace.solution.certificate.valid
    loads = np.array(list(trace.loads.values()))
    final = np.array([trace.values[name] for name in trace.loads])
    assert final == pytest.approx(loads, abs=2e-4 * loads.max())


@pytest.mark.parametrize("objective", ["loss", "profit", {"cost": 2.0}])
def test_objectives_without_the_cost_of_supply_are_refused(objective: Any) -> None:
    case = one_line()
    model = formulations.charging_pricing(case, objective)
    with pytest.raises(ModelError, match=r"objective 'objective' pays .* with weight 1"):
        formulations.nodal_prices(model, case)


def test_other_refusals() -> None:
    case = one_line()
    model = formulations.charging_pricing(case, "cost")
    with pytest.raises(BilevelError, match="fee_per_kwh is nan"):
        formulations.nodal_prices(model, case, fee_per_kwh=math.nan)
    free = replace(case, wholesale_price_per_kwh=(0.0, 0.1, 0.1))
    model = formulations.charging_pricing(free, "cost")
    with pytest.raises(ModelError, match=r"cone 'cone\[a,b,0\]' has the gap .* iteration 1"):
        bilevel.equilibrium(model, formulations.nodal_prices(model, free), progress=False)
    assert pyo.value(model.price["s", 0].lb) == 0.1
