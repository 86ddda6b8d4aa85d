"""What a number of a day can be at all, by the data: limits of value at risk and shortfalls."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.common.collections import ComponentMap
from pyomo.contrib.fbbt.expression_bounds_walker import ExpressionBoundsVisitor

from formulations import power_flow
from formulations.power_flow import common
from formulations.power_flow.ranges import flow_ranges
from instances import Instance, Network, base_load_kvar, base_load_kw


def of(block: Any, case: Instance, network: Network, expression: Any) -> tuple[float, float]:
    """Least and largest value of an expression of a day's block: by the bounds of its variables, and by what branches can carry.

    They hold for every power flow that keeps the network's voltage limits; infinite where nothing limits a variable.
    """
    walker = ExpressionBoundsVisitor(leaf_bounds=_carried(block, case, network))
    low, high = walker.walk_expression(expression)
    return float(low), float(high)


def _carried(block: Any, case: Instance, network: Network) -> Any:
    """Limits of squared currents, and of what carries power, by `formulations.power_flow.ranges`, where that knows some."""
    found = ComponentMap()
    # An approximate flow is none of those that the ranges hold, and without lowest voltages currents have none
    if not power_flow.find(block.power_flow).exact or not (network.voltage_min_pu > 0).all():
        return found
    drawn = (base_load_kw(case, network), block.bus_load), (base_load_kvar(case, network), block.bus_reactive_load)
    box = [common.load_ranges(network, network.per_unit.power(base), _at(more)) for base, more in drawn]
    if not np.isfinite(box).all():
        return found
    current = flow_ranges(network, *box).current_squared[1]
    highest = network.voltage_max_pu[network.parent[1:]] / network.ratio
    impedance = np.hypot(network.resistance_pu, network.reactance_pu)
    for k, branch in enumerate(block.L):
        for t in block.T:
            most = float(np.sqrt(max(current[t, k + 1], 0.0)) * highest[k])
            sizes = {"P": most, "Q": most, "D": most * impedance[k], "tau": most * impedance[k]}
            for name, size in sizes.items():
                part = block.component(name)
                if part is not None and part[*branch, t].is_variable_type():
                    found[part[*branch, t]] = (-size, size)
            found[block.l[*branch, t]] = (0.0, float(current[t, k + 1]))
    return found


def _at(expressions: Any) -> Any:
    known = set(expressions)
    return lambda bus, t: expressions[bus, t] if (bus, t) in known else 0.0
