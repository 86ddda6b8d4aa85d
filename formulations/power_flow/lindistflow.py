"""LinDistFlow (Baran and Wu 1989): DistFlow without losses in balances and voltage drops, an approximation."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import relaxes_equality
from formulations.power_flow import common
from formulations.power_flow.common import Load
from instances import Network

name, about = "lindistflow", "an approximation, which is never certified"
exact, convex = False, True
put = common.put


def add(model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load) -> None:
    """Add flows, voltages, balances and limits to `model` (contract: `formulations.power_flow`), with

        P_ij - sum_k P_jk = load of bus j,    the same for Q,    v_j = v_i - 2 (r P + x Q).

    l is the usual estimate of the squared current, (P^2 + Q^2) / v_0 with v_0 of the substation (over the squared ratios of the
    transformers on the way), by the convex row `cone`, which is
    tight where losses cost the leader anything; the limits of l hold for the estimate.  Losses r l join `supply_power`, so that the
    cost of supply counts them, but no balance.  Flows come out low by the losses behind them, voltages high.
    """
    common.add_sets(model, network)
    common.add_flows(model)
    common.add_currents(model, network)
    common.add_voltages(model, network)
    common.add_balances(model, network, demand, reactive_demand, load, reactive_load, lossless=True)
    _add_rows(model, network)
    common.add_current_limit(model, network)
    common.add_power_limit(model, network)
    common.add_totals(model, network, demand, reactive_demand, load, reactive_load, lossless=True)
    _bound_currents(model, network, demand, reactive_demand, load, reactive_load)
    size = common.flow_sizes(network, demand, reactive_demand, load, reactive_load)
    common.add_scales(model, {"P": size, "Q": size, "l": size**2})


def _add_rows(model: Any, network: Network) -> None:
    nominal = dict(zip(model.L, _nominal(network).tolist(), strict=True))

    def drop(m: Any, i: str, j: str, t: int) -> Any:
        return m.v[j, t] == common.behind(m, i, j, t) - 2 * (m.r[i, j] * m.P[i, j, t] + m.x[i, j] * m.Q[i, j, t])

    def cone(m: Any, i: str, j: str, t: int) -> Any:
        return m.P[i, j, t] ** 2 + m.Q[i, j, t] ** 2 <= nominal[i, j] * m.l[i, j, t]

    model.voltage_drop = pyo.Constraint(model.L, model.T, rule=drop)
    model.cone = pyo.Constraint(model.L, model.T, rule=cone)
    relaxes_equality(model, model.cone)


def _nominal(network: Network) -> Any:
    """Squared voltage behind every branch's ratio where nothing flows, pu (branches,)."""
    squared = np.full(len(network.buses), network.substation_voltage_pu**2)
    for k in range(1, len(squared)):
        squared[k] = squared[network.parent[k]] / network.ratio[k - 1] ** 2
    return squared[1:]


def _bound_currents(
    model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load
) -> None:
    """l at most what the loads behind a branch can come to: no balance holds it where losses earn the leader something."""
    largest = np.zeros((len(demand), len(network.buses)))
    squares = network.voltage_min_pu**2, network.voltage_max_pu**2
    parts = (
        (common.load_ranges(network, demand, load), network.conductance_pu),
        (common.load_ranges(network, reactive_demand, reactive_load), -network.susceptance_pu),
    )
    for ends, shunt in parts:
        # A capacitor draws less at the higher voltage, which turns the ends round
        drawn = np.sort([shunt * square for square in squares], axis=0)
        for end, at_shunt in zip(ends, drawn, strict=True):
            end += at_shunt
            # Without losses a branch carries the sum of what is behind it
            for k in range(len(network.buses) - 1, 0, -1):
                end[:, network.parent[k]] += end[:, k]
        largest += np.maximum(*(end**2 for end in ends))
    nominal = _nominal(network)
    for k, (i, j) in enumerate(model.L, start=1):
        for t in model.T:
            limit = float(largest[t, k]) / nominal[k - 1]
            if limit < (np.inf if model.l[i, j, t].ub is None else model.l[i, j, t].ub):
                model.l[i, j, t].setub(limit)
