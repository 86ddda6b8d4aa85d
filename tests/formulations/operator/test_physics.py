"""The network rows against closed forms and an independent AC engine."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import grid_engine, tiny_case

import bilevel
import formulations
from formulations import power_flow
from formulations.operator import checks
from instances import Branch, Bus, Feeder, Instance, Network, Session, Station, ac_power_flow
from studies.writing import frames


def two_buses(load_kw: float = 800.0, charging_kw: float = 100.0) -> Instance:
    """A line of 4 + 3i ohm at 10 kV; the one session must charge at full power in both of its periods."""
    case = tiny_case(efficiency=0.9)
    feeder = Feeder(10.0, "a", 1.02, (Bus("a", 0, 0), Bus("b", load_kw, 300.0)), (Branch("a", "b", 4.0, 3.0),))
    session = Session("ev", "s", 1, 3, 2 * 0.9 * charging_kw / 4, charging_kw / 4, count=4.0)
    return replace(case, feeder=feeder, stations=(Station("s", "b"),), sessions=(session,))


def by_hand(p: float, q: float) -> tuple[float, float]:
    """Squared current and squared voltage at the end of 0.04 + 0.03i pu from 1.02 pu, for a load p + qi pu."""
    r, x, v0 = 0.04, 0.03, 1.02**2
    # (4) with P = p + r l, Q = q + x l:  (r² + x²) l² + (2 (r p + x q) - v0) l + p² + q² = 0, its smaller root
    a, b, c = r**2 + x**2, 2 * (r * p + x * q) - v0, p**2 + q**2
    squared_current = (-b - math.sqrt(b**2 - 4 * a * c)) / (2 * a)
    sending = 2 * (r * (p + r * squared_current) + x * (q + x * squared_current))
    return squared_current, v0 - sending + a * squared_current


def test_two_buses_have_the_closed_form_of_distflow_and_of_ac() -> None:
    case = two_buses()
    model = formulations.charging_pricing(case)
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified"
    base = model.per_unit.base_kva
    assert base == 1000.0
    loss_kwh = 0.0
    for t, factor in enumerate(case.load_factor):
        charging_kw = 100.0 if t else 0.0
        current, voltage = by_hand((800.0 * factor + charging_kw) / base, 300.0 * factor / base)
        assert pyo.value(model.l["a", "b", t]) == pytest.approx(current, rel=1e-6)
        assert pyo.value(model.v["b", t]) == pytest.approx(voltage, rel=1e-8)
        loss_kwh += 0.04 * current * base
        network = Network.from_feeder(case.feeder)
        flow = ac_power_flow(network, [0, 800.0 * factor + charging_kw], [0, 300.0 * factor])
        assert abs(flow.voltage_pu[1]) ** 2 == pytest.approx(voltage, rel=1e-9)
    assert pyo.value(model.network_loss) == pytest.approx(loss_kwh, rel=1e-6)
    assert solution.objective == pytest.approx(loss_kwh, rel=1e-6)


def test_limits_of_voltage_current_and_power_bind() -> None:
    case = two_buses()
    line = case.feeder.branches[0]
    plain = formulations.charging_pricing(case)
    bilevel.solve(plain, progress=False)
    largest = (
        math.sqrt(max(pyo.value(plain.l[key]) for key in plain.l))
        * Network.from_feeder(case.feeder).per_unit.base_current_a
    )
    lowest = math.sqrt(min(pyo.value(plain.v[key]) for key in plain.v))
    sending = max(math.hypot(pyo.value(plain.P[k]), pyo.value(plain.Q[k])) for k in plain.P) * plain.per_unit.base_kva
    buses = case.feeder.buses
    for factor, status in ((1.001, "certified"), (0.999, "infeasible")):
        for branch in (replace(line, current_max_a=largest * factor), replace(line, power_max_kva=sending * factor)):
            feeder = replace(case.feeder, branches=(branch,))
            assert solve(replace(case, feeder=feeder)).status == status
        far = replace(buses[1], voltage_min_pu=1 - factor * (1 - lowest))
        assert solve(replace(case, feeder=replace(case.feeder, buses=(buses[0], far)))).status == status


def solve(case: Instance, objective: str = "loss") -> bilevel.Solution:
    return bilevel.solve(formulations.charging_pricing(case, objective), progress=False)


def test_the_replay_and_the_model_agree_with_an_independent_ac_engine(solved: Any) -> None:
    case, model, solution = solved
    network = Network.from_feeder(case.feeder)
    load_kw = checks.bus_load_kw(model, case, network)
    loss_kw, voltage, _ = grid_engine(case, network, load_kw, np.outer(case.load_factor, network.load_kvar))
    assert loss_kw.sum() * case.horizon.period_hours == pytest.approx(pyo.value(model.network_loss), rel=1e-6)
    modelled = frames.voltages(model, case).pivot(index="period", columns="bus", values="voltage_pu")
    assert modelled[list(network.buses)].to_numpy() == pytest.approx(voltage, abs=1e-7)
    assert solution.certificate["AC replay, losses"].value < 1e-6
    assert solution.certificate["AC replay, voltages"].value < 1e-7


def test_the_replay_reports_what_the_model_has_wrong(solved: Any) -> None:
    case, _, _ = solved
    model = formulations.charging_pricing(case)
    bilevel.solve(model, progress=False)
    branch, t = next(iter(model.l))[:2], 12
    model.l[*branch, t] = 1.5 * pyo.value(model.l[*branch, t])
    loss, voltage = checks.ac_replay(case, Network.from_feeder(case.feeder))(model)
    assert not loss.ok
    assert voltage.ok
    model.v["33", t] = 1.001 * pyo.value(model.v["33", t])
    voltage = checks.ac_replay(case, Network.from_feeder(case.feeder))(model)[1]
    assert not voltage.ok
    assert voltage.where == f"bus 33, period {t}"


def test_a_load_beyond_collapse_fails_the_replay_instead_of_the_run() -> None:
    case = two_buses()
    model = formulations.charging_pricing(case)
    bilevel.solve(model, progress=False)
    model.user["ev"].p[1].set_value(1e3, skip_validation=True)
    for check in checks.ac_replay(case, Network.from_feeder(case.feeder))(model):
        assert not check.ok
        assert "reduce the load" in check.detail


@pytest.mark.parametrize("flow", power_flow.POWER_FLOWS)
def test_every_power_flow_solves_to_the_same_losses(flow: str) -> None:
    case = two_buses()
    model, chosen = formulations.charging_pricing(case, flow=flow), power_flow.find(flow)
    solution = bilevel.solve(model, "highs" if chosen.convex else "scip", progress=False)
    assert solution.status == ("certified" if chosen.exact else "feasible")
    assert pyo.value(model.network_loss) == pytest.approx(solve(case).objective, rel=1e-6 if chosen.exact else 0.1)


def test_supply_cost_is_load_charging_and_losses_at_the_wholesale_price(solved: tuple[Any, Any, Any]) -> None:
    case, model, _ = solved
    base = model.per_unit.base_kva
    load = sum(bus.load_kw for bus in case.feeder.buses)
    total = 0.0
    for t, wholesale in enumerate(case.wholesale_price_per_kwh):
        charging = sum(pyo.value(user.p[t]) * base for user in model.user.values() if t in user.p)
        drawn = load * case.load_factor[t] + charging + pyo.value(model.loss_power[t]) * base
        total += wholesale * drawn * case.horizon.period_hours
    assert pyo.value(model.supply_cost) == pytest.approx(total, rel=1e-6)
