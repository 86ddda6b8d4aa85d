"""Dispatchable generators of a case: limits, capability and ramps (docs/model.md (6), [YZ] (9) to (12))."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from instances import Instance, Network


def add(model: Any, case: Instance, network: Network) -> None:
    """Add set G, `active_power[g, t]` and `reactive_power[g, t]` (pu, positive into the network) with their limits.

    Rows: `capability[g, t]`, p^2 + q^2 <= S^2, where the apparent power has a limit, and `ramp[g, t]`, |p_t - p_(t-1)| <= R from
    the second period on, where the ramp has one.  `generator_cost` is in currency over the horizon.  `model.T` holds the periods.
    """
    generators = {generator.name: generator for generator in case.generators}
    power = network.per_unit.power

    def active(_m: Any, g: str, _t: int) -> tuple[float, float]:
        return float(power(generators[g].active_min_kw)), float(power(generators[g].active_max_kw))

    def reactive(_m: Any, g: str, _t: int) -> tuple[float, float]:
        return float(power(generators[g].reactive_min_kvar)), float(power(generators[g].reactive_max_kvar))

    def capability(m: Any, g: str, t: int) -> Any:
        if not np.isfinite(generators[g].apparent_max_kva):
            return pyo.Constraint.Skip
        return (
            m.active_power[g, t] ** 2 + m.reactive_power[g, t] ** 2 <= float(power(generators[g].apparent_max_kva)) ** 2
        )

    def ramp(m: Any, g: str, t: int) -> Any:
        limit = float(power(generators[g].ramp_max_kw))
        # What a generator fed in before the horizon is not known
        if t == 0 or not np.isfinite(limit):
            return pyo.Constraint.Skip
        return pyo.inequality(-limit, m.active_power[g, t] - m.active_power[g, t - 1], limit)

    model.G = pyo.Set(initialize=list(generators), ordered=True)
    model.active_power = pyo.Var(model.G, model.T, bounds=active, initialize=_nearest_to_0(active))
    model.reactive_power = pyo.Var(model.G, model.T, bounds=reactive, initialize=_nearest_to_0(reactive))
    model.capability = pyo.Constraint(model.G, model.T, rule=capability)
    model.ramp = pyo.Constraint(model.G, model.T, rule=ramp)
    energy = network.per_unit.base_kva * case.horizon.period_hours
    model.generator_cost = pyo.Expression(
        expr=pyo.quicksum(
            energy * generators[g].cost_per_kwh * model.active_power[g, t] for g in model.G for t in model.T
        )
    )


def _nearest_to_0(bounds: Callable[[Any, str, int], tuple[float, float]]) -> Callable[[Any, str, int], float]:
    """The start of a variable with these bounds: a must-run generator cannot stand at 0."""

    def start(m: Any, g: str, t: int) -> float:
        low, high = bounds(m, g, t)
        return min(max(0.0, low), high)

    return start
