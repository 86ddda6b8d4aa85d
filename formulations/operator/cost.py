"""What the operator pays ([YZ] (1)), defined once: for the market, its dispatch, nodal prices, tables and figures."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.repn import generate_standard_repn

from bilevel.errors import BilevelError
from instances import Instance


def add(model: Any, supply_weight: float, loss_price_per_kwh: float) -> None:
    """Add `dso_cost` == supply_weight * supply_cost (currency) + loss price * network_loss (kWh), to be minimised.

    The two weights stand in the model as `supply_weight` and `loss_price` (currency/kWh).  Raises `BilevelError` for a weight that
    is no number of at least 0.
    """
    model.supply_weight = pyo.Param(initialize=_weight("supply_weight", supply_weight), within=pyo.Reals)
    model.loss_price = pyo.Param(initialize=_weight("loss_price_per_kwh", loss_price_per_kwh), within=pyo.Reals)
    model.dso_cost = pyo.Expression(
        expr=model.supply_weight * model.supply_cost + model.loss_price * model.network_loss
    )


def substation_price_per_kwh(model: Any, case: Instance) -> np.ndarray:
    """d(dso_cost)/d(load) at the substation, currency/kWh, (periods,): no branch leads there, and losses do not see the load."""
    return np.asarray(pyo.value(model.supply_weight) * np.array(case.wholesale_price_per_kwh, dtype=float))


def supply_rates(model: Any, root: str) -> Iterator[tuple[tuple[str, str, int], float]]:
    """What the minimised objective pays for a pu that each branch of the substation `root` sends: branch and period, rate.

    In the block of a scenario the objective is the leader's on that day, `leader_objective`.  P may be an expression of other
    variables, each of which is to cost its share, so that there may be several for a branch.
    """
    objective = model.component("objective")
    value = model.leader_objective if objective is None else objective
    repn = generate_standard_repn(value.expr, quadratic=True)
    found = {id(variable): float(value) for variable, value in zip(repn.linear_vars, repn.linear_coefs, strict=True)}
    sense = 1.0 if (model.model().objective if objective is None else objective).is_minimizing() else -1.0
    for i, j, t in (key for key in model.P if key[0] == root):
        flow = generate_standard_repn(model.P[i, j, t])
        for variable, share in zip(flow.linear_vars, flow.linear_coefs, strict=True):
            # D has no share in P where a branch has no resistance, in the form of Jabr
            if share:
                yield (i, j, t), sense * found.get(id(variable), 0.0) / float(share)


def _weight(name: str, value: Any) -> float:
    if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
        raise BilevelError(f"{name} is {value!r}: give a number of at least 0")
    return float(value)
