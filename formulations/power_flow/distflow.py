"""DistFlow (Baran and Wu 1989), equations (1) to (5) of docs/model.md, with (4) relaxed to a rotated cone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from instances import Network

name = "distflow"


Load = Callable[[str, int], Any]


def add(model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load) -> None:
    """Add branch flows, voltages, balances and limits to `model`, all in per unit.

    `model.T` must hold the periods.  `demand` and `reactive_demand` are arrays (periods, buses) in the network's bus
    order; `load(bus, t)` and `reactive_load(bus, t)` are what is drawn beside them, expressions or 0.  Adds: sets N (buses), L
    (branches i, j away from the substation); variables P, Q (sending end), l (squared current) on branches and v (squared
    voltage) on buses; rows `active_balance` (1), `reactive_balance` (2), `voltage_drop` (3), `cone` (4), and `power_limit` (5)
    where a branch has one; the expressions `loss_power` and `supply_power` (drawn at the substation), per period.
    """
    _add_sets(model, network)
    _add_variables(model, network)
    _add_balance(model, network, demand, load)
    _add_reactive_balance(model, network, reactive_demand, reactive_load)
    _add_branch_rows(model, network)
    model.loss_power = pyo.Expression(model.T, rule=lambda m, t: pyo.quicksum(m.r[i, j] * m.l[i, j, t] for i, j in m.L))
    model.supply_power = pyo.Expression(model.T, rule=lambda m, t: _supply(m, network, demand, load, t))
    _add_scales(model, network, demand, reactive_demand)


def _supply(model: Any, network: Network, demand: Any, load: Load, t: int) -> Any:
    root = network.buses[0]
    leaving = pyo.quicksum(model.P[i, j, t] for i, j in model.L if i == root)
    return leaving + float(demand[t, 0]) + load(root, t)


def _branches(network: Network) -> list[tuple[str, str]]:
    return [(network.buses[int(network.parent[k])], network.buses[k]) for k in range(1, len(network.buses))]


def _add_sets(model: Any, network: Network) -> None:
    branches = _branches(network)
    model.N = pyo.Set(initialize=list(network.buses), ordered=True)
    model.L = pyo.Set(initialize=branches, dimen=2, ordered=True)
    model.r = pyo.Param(model.L, initialize=dict(zip(branches, network.resistance_pu.tolist(), strict=True)))
    model.x = pyo.Param(model.L, initialize=dict(zip(branches, network.reactance_pu.tolist(), strict=True)))


def _add_variables(model: Any, network: Network) -> None:
    branches = _branches(network)
    current = dict(zip(branches, network.current_max_pu.tolist(), strict=True))
    low = dict(zip(network.buses, network.voltage_min_pu.tolist(), strict=True))
    high = dict(zip(network.buses, network.voltage_max_pu.tolist(), strict=True))

    def current_bounds(_m: Any, i: str, j: str, _t: int) -> tuple[float, float | None]:
        return 0.0, current[i, j] ** 2 if np.isfinite(current[i, j]) else None

    model.P = pyo.Var(model.L, model.T, initialize=0.0)
    model.Q = pyo.Var(model.L, model.T, initialize=0.0)
    model.l = pyo.Var(model.L, model.T, bounds=current_bounds, initialize=0.0)
    model.v = pyo.Var(
        model.N,
        model.T,
        initialize=lambda _m, i, _t: min(max(1.0, low[i] ** 2), high[i] ** 2),
        bounds=lambda _m, i, _t: (low[i] ** 2, high[i] ** 2),
    )
    root = network.buses[0]
    for t in model.T:
        model.v[root, t].fix(network.substation_voltage_pu**2, skip_validation=True)


def _add_balance(model: Any, network: Network, demand: Any, load: Load) -> None:
    leaving = _leaving(network)

    def active(m: Any, i: str, j: str, t: int) -> Any:
        drawn = float(demand[t, network.index[j]]) + load(j, t)
        return m.P[i, j, t] - m.r[i, j] * m.l[i, j, t] - leaving(m.P, j, t) == drawn

    model.active_balance = pyo.Constraint(model.L, model.T, rule=active)


def _add_reactive_balance(model: Any, network: Network, demand: Any, load: Load) -> None:
    leaving = _leaving(network)

    def reactive(m: Any, i: str, j: str, t: int) -> Any:
        drawn = float(demand[t, network.index[j]]) + load(j, t)
        return m.Q[i, j, t] - m.x[i, j] * m.l[i, j, t] - leaving(m.Q, j, t) == drawn

    model.reactive_balance = pyo.Constraint(model.L, model.T, rule=reactive)


def _leaving(network: Network) -> Callable[[Any, str, int], Any]:
    """Sum of a flow over the branches that leave a bus."""
    children: dict[str, list[str]] = {bus: [] for bus in network.buses}
    for i, j in _branches(network):
        children[i].append(j)
    return lambda flow, j, t: pyo.quicksum(flow[j, k, t] for k in children[j])


def _add_branch_rows(model: Any, network: Network) -> None:
    limit = dict(zip(_branches(network), network.power_max_pu.tolist(), strict=True))

    def drop(m: Any, i: str, j: str, t: int) -> Any:
        r, x = m.r[i, j], m.x[i, j]
        return m.v[j, t] == m.v[i, t] - 2 * (r * m.P[i, j, t] + x * m.Q[i, j, t]) + (r**2 + x**2) * m.l[i, j, t]

    def cone(m: Any, i: str, j: str, t: int) -> Any:
        return m.P[i, j, t] ** 2 + m.Q[i, j, t] ** 2 <= m.v[i, t] * m.l[i, j, t]

    def power(m: Any, i: str, j: str, t: int) -> Any:
        if not np.isfinite(limit[i, j]):
            return pyo.Constraint.Skip
        return m.P[i, j, t] ** 2 + m.Q[i, j, t] ** 2 <= limit[i, j] ** 2

    model.voltage_drop = pyo.Constraint(model.L, model.T, rule=drop)
    model.cone = pyo.Constraint(model.L, model.T, rule=cone)
    model.power_limit = pyo.Constraint(model.L, model.T, rule=power)


def _add_scales(model: Any, network: Network, demand: Any, reactive_demand: Any) -> None:
    """Expected sizes as Pyomo scaling factors: flows by the apparent load behind each branch, l by its square."""
    apparent = np.hypot(demand, reactive_demand).max(axis=0)
    behind = apparent.copy()
    for k in range(len(network.buses) - 1, 0, -1):
        behind[int(network.parent[k])] += behind[k]
    floor = 1e-3 * float(behind.max(initial=0.0)) or 1.0
    model.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    for k, (i, j) in enumerate(_branches(network), start=1):
        size = max(float(behind[k]), floor)
        for t in model.T:
            model.scaling_factor[model.P[i, j, t]] = 1.0 / size
            model.scaling_factor[model.Q[i, j, t]] = 1.0 / size
            model.scaling_factor[model.l[i, j, t]] = 1.0 / size**2
