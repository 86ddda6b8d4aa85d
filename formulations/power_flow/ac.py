"""The AC power flow itself: DistFlow with (4) of docs/model.md as an equality, which is nonconvex (SCIP, Gurobi; small feeders)."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations.power_flow import common, distflow
from formulations.power_flow.common import Load
from formulations.power_flow.ranges import flow_ranges
from instances import Network

name, about = "ac", "the exact law, nonconvex: for scip or gurobi, and small feeders"
exact, convex = True, False
put = common.put


def add(model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load) -> None:
    """Add what `distflow` does, and the row `apparent_power`, P^2 + Q^2 == v l (contract: `formulations.power_flow`).

    The cone stays beside the equality that implies it, so that linear programs with tangents still bound the optimum.  Where loads
    have bounds, so get l, P and Q, from the intervals of every power flow within the voltage limits
    (`formulations.power_flow.ranges`).
    Raises `BilevelError` for a bus whose lowest voltage is 0, as currents have no bound then.
    """
    distflow.add(model, network, demand, reactive_demand, load, reactive_load)

    def equal(m: Any, i: str, j: str, t: int) -> Any:
        return m.P[i, j, t] ** 2 + m.Q[i, j, t] ** 2 == common.behind(m, i, j, t) * m.l[i, j, t]

    model.apparent_power = pyo.Constraint(model.L, model.T, rule=equal)
    active = common.load_ranges(network, demand, load)
    reactive = common.load_ranges(network, reactive_demand, reactive_load)
    # A solver can relax a product, and branch on it, only where its factors have bounds
    if np.isfinite([*active, *reactive]).all():
        _add_bounds(model, network, flow_ranges(network, active, reactive).current_squared[1])


def _add_bounds(model: Any, network: Network, largest: Any) -> None:
    """l at most `largest` (periods, buses), and P and Q at most what that current carries at the highest voltage."""
    for k, (i, j) in enumerate(model.L, start=1):
        for t in model.T:
            limit = float(largest[t, k])
            power = float(np.sqrt(limit) * network.voltage_max_pu[network.index[i]] / network.ratio[k - 1])
            # A limit of the branch is in the range already, and need not be kept
            model.l[i, j, t].setub(limit)
            model.P[i, j, t].setlb(-power), model.P[i, j, t].setub(power)
            model.Q[i, j, t].setlb(-power), model.Q[i, j, t].setub(power)
