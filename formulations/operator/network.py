"""The leader's side that every problem shares: power flow, generators, losses and cost of supply, and the AC replay."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo

import bilevel
from formulations.operator import checks, generators, loose_cones
from formulations.power_flow import FlowModel
from instances import Instance, Network, base_load_kvar, base_load_kw


def add(
    model: Any,
    case: Instance,
    network: Network,
    flow: FlowModel,
    loads: Mapping[tuple[str, int], list[Any]],
) -> None:
    """Add the network with the followers' `loads` (bus, period: expressions in pu) to `model`, whose set T holds the periods.

    Adds, beside what the power flow and `formulations.operator.generators` do: `bus_load[j, t]` and `bus_reactive_load[j, t]` (pu,
    drawn by followers less what generators feed in, at buses that have either), `network_loss` (kWh) and `supply_cost` (currency
    over the horizon: wholesale price times what the substation draws, and the generators' cost), `power_flow` (its name), rows
    `supply_limit[t]` and `supply_reactive_limit[t]` where the feeder limits its supply, and the AC replay as a check, or what
    `checks.approximation` says of an approximate power flow.
    """
    # First, as the loads of buses are less by what generators feed in
    generators.add(model, case, network)
    _add_bus_loads(model, case, loads)
    active = network.per_unit.power(base_load_kw(case, network))
    reactive = network.per_unit.power(base_load_kvar(case, network))
    model.power_flow = flow.name
    flow.add(model, network, active, reactive, _at(model.bus_load), _at(model.bus_reactive_load))
    model.supply_limit = _within(model.supply_power, network.supply_active_pu)
    model.supply_reactive_limit = _within(model.supply_reactive, network.supply_reactive_pu)
    energy = network.per_unit.base_kva * case.horizon.period_hours
    model.network_loss = pyo.Expression(expr=energy * pyo.quicksum(model.loss_power[t] for t in model.T))
    # Supply may be negative: what the feeder sends back earns the wholesale price
    bought = pyo.quicksum(energy * case.wholesale_price_per_kwh[t] * model.supply_power[t] for t in model.T)
    model.supply_cost = pyo.Expression(expr=bought + model.generator_cost)
    # An equality has no loose cones, and an approximation says of itself what it is
    if flow.exact and flow.convex:
        bilevel.explain_loose_cones(model, loose_cones.explanation(case, network))
    bilevel.add_check(model, (checks.ac_replay if flow.exact else checks.approximation)(case, network))


def _within(power: Any, limits: tuple[float, float]) -> Any:
    """Rows that hold the expressions `power` within limits, pu; none without limits."""
    low, high = (limit if np.isfinite(limit) else None for limit in limits)

    def row(_m: Any, t: int) -> Any:
        if low is None and high is None:
            return pyo.Constraint.Skip
        return low, power[t], high

    return pyo.Constraint(list(power), rule=row)


def _add_bus_loads(model: Any, case: Instance, loads: Mapping[tuple[str, int], list[Any]]) -> None:
    at: dict[str, list[str]] = {}
    for generator in case.generators:
        at.setdefault(generator.bus, []).append(generator.name)
    buses = list(dict.fromkeys([*(bus for bus, _ in loads), *at]))

    def active(m: Any, j: str, t: int) -> Any:
        return pyo.quicksum([*loads.get((j, t), ()), *(-m.active_power[g, t] for g in at.get(j, ()))])

    def reactive(m: Any, j: str, t: int) -> Any:
        return -pyo.quicksum(m.reactive_power[g, t] for g in at[j])

    model.bus_load = pyo.Expression(pyo.Set(initialize=buses, ordered=True), model.T, rule=active)
    model.bus_reactive_load = pyo.Expression(pyo.Set(initialize=list(at), ordered=True), model.T, rule=reactive)


def _at(expressions: Any) -> Callable[[str, int], Any]:
    known = set(expressions)
    return lambda bus, t: expressions[bus, t] if (bus, t) in known else 0.0
