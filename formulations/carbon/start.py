"""A physical day put into the Pyomo model of carbon-aware dispatch: every variable from an AC power flow."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations import power_flow
from formulations.carbon.states import Dispatched
from formulations.carbon.system import CarbonSystem
from formulations.power_flow import FlowPoint
from instances import ac_power_flow, base_load_kvar, base_load_kw


def put(model: Any, system: CarbonSystem, day: Dispatched) -> None:
    """Set the variables of `formulations.carbon_dispatch` to the outputs, the users' schedule and the flows of `day`."""
    case, network, power = system.case, system.network, system.network.per_unit.power
    factor = day.settled.state.factor_kg_per_kwh
    schedule = system.schedule(day.settled.state.station_factor)
    for session, drawn in zip(case.sessions, schedule, strict=True):
        for t, variable in model.user[session.name].p.items():
            variable.set_value(min(max(float(power(drawn[t])), 0.0), variable.ub), skip_validation=True)
    load_kw, load_kvar = base_load_kw(case, network), base_load_kvar(case, network)
    for s, station in enumerate(case.stations):
        load_kw[:, network.index[station.bus]] += day.settled.charging_kw[:, s]
    for g, unit in enumerate(case.generators):
        load_kw[:, network.index[unit.bus]] -= day.output_kw[:, g]
        # What `CarbonSystem` lets a generator feed in of reactive power: the limit next to 0
        nearest = min(max(0.0, unit.reactive_min_kvar), unit.reactive_max_kvar)
        reactive = np.full(len(load_kvar), nearest) if day.reactive_kvar is None else day.reactive_kvar[:, g]
        load_kvar[:, network.index[unit.bus]] -= reactive
        for t in model.T:
            # Outputs at a limit pass it by rounding
            model.active_power[unit.name, t].set_value(float(power(day.output_kw[t, g])), skip_validation=True)
            model.reactive_power[unit.name, t].set_value(float(power(reactive[t])), skip_validation=True)
    power_flow.put(model, FlowPoint.of(ac_power_flow(network, load_kw, load_kvar)))
    for bus, t in model.mixed_factor:
        model.mixed_factor[bus, t].set_value(float(factor[t, network.index[bus]]), skip_validation=True)
    # Directions are read off the flows put just now
    _put_directions(model, network)
    supply = np.array([pyo.value(model.supply_power[t]) for t in model.T])
    model.mean_supply.set_value(float(supply.mean()))
    for t in model.T:
        model.deviation[t].set_value(float(supply[t] - supply.mean()), skip_validation=True)


def _put_directions(model: Any, network: Any) -> None:
    parent = {bus: network.buses[int(network.parent[k])] for k, bus in enumerate(network.buses) if k}
    for end, bus, t in {*model.forward, *model.backward}:
        if bus in parent:
            i = parent[bus]
            lost = model.r[i, bus] * pyo.value(model.l[i, bus, t]) if end == "arriving" else 0.0
            flow = pyo.value(model.P[i, bus, t]) - lost
        else:
            flow = pyo.value(model.supply_power[t])
        key = end, bus, t
        model.forward[key].set_value(max(flow, 0.0), skip_validation=True)
        model.backward[key].set_value(max(-flow, 0.0), skip_validation=True)
        if key in model.forward_on:
            model.forward_on[key].set_value(int(flow > 0))
