"""What branch flows, currents, voltages and emission factors can be at all: interval arithmetic along the tree.

Every array ends in the buses of the network's order, n of them; `...` are any boxes of decisions side by side, such as periods.
Column k stands for the branch that feeds bus k, column 0 for what the main grid feeds into the substation.  Flows are positive
away from the substation, in per unit.  An interval holds every value of every physical power flow in its box, and shrinks to that
value as the box does, so that the least over many small boxes is a proven bound (docs/model.md section 7).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bilevel.errors import BilevelError
from formulations import tolerances
from instances import Network

_PASSES = 3

Interval = tuple[Any, Any]


@dataclass(frozen=True, eq=False)
class FlowRanges:
    """Intervals (low, high), each end (..., n): active power that arrives at bus k and that leaves its parent, squared current in
    branch k, squared voltage of bus k; `possible` (...) is False where no power flow in the box keeps the voltage limits."""

    arriving: Interval
    leaving: Interval
    current_squared: Interval
    voltage_squared: Interval
    possible: Any


def flow_ranges(network: Network, active: Interval, reactive: Interval) -> FlowRanges:
    """Intervals of every power flow (docs/model.md (1) to (4)) whose buses draw within `active` and `reactive`, pu (..., n).

    With R, S what arrives of active and reactive power at bus j over its branch, whose transformer has the ratio a,

        l = (R^2 + S^2) / v_j,   leaving = arriving + (r, x) l,   v_j = v_i / a^2 - 2 (r R + x S) - (r^2 + x^2) l,

    where shunts of buses draw g v and -b v, swept from the leaves to the substation for flows and back for voltages, three times.
    """
    _require_voltages(network)
    shape = np.broadcast_shapes(*(end.shape for end in (*active, *reactive)))
    low, high = (np.broadcast_to(limit**2, shape).copy() for limit in (network.voltage_min_pu, network.voltage_max_pu))
    low[..., 0] = high[..., 0] = network.substation_voltage_pu**2
    voltage = low, high
    # Flows need voltages and voltages flows; the ranges hold after every pass, so that it may end at any
    for _ in range(_PASSES):
        arriving, reactive_in, leaving, current = _backward(network, active, reactive, voltage)
        _forward(network, arriving, reactive_in, current, voltage)
    return FlowRanges(arriving, leaving, current, voltage, (voltage[0] <= voltage[1]).all(axis=-1))


def _require_voltages(network: Network) -> None:
    bad = np.flatnonzero(~(network.voltage_min_pu > 0))
    if len(bad):
        k = int(bad[0])
        raise BilevelError(
            f"bus {network.buses[k]!r} has voltage_min_pu {network.voltage_min_pu[k]}: give it a positive limit, so that currents "
            "are bounded"
        )


def _backward(
    network: Network, active: Interval, reactive: Interval, voltage: Interval
) -> tuple[Interval, Interval, Interval, Interval]:
    shape = voltage[0].shape
    arriving, other = (
        tuple(end + more for end, more in zip(part, _scaled(shunt, voltage), strict=True))
        for part, shunt in ((active, network.conductance_pu), (reactive, -network.susceptance_pu))
    )
    leaving, current = ((np.zeros(shape), np.zeros(shape)) for _ in range(2))
    for k in range(shape[-1] - 1, 0, -1):
        up, r, x = int(network.parent[k]), network.resistance_pu[k - 1], network.reactance_pu[k - 1]
        smallest, largest = (np.add(*ends) for ends in zip(_square(arriving, k), _square(other, k), strict=True))
        # In a box without any power flow the ends of a voltage may have fallen below 0; no true one is under its limit
        floor = min(tolerances.LEAST_VOLTAGE_SQUARED, float(network.voltage_min_pu[k]) ** 2)
        lowest, highest = (np.maximum(end[..., k], floor) for end in voltage)
        current[0][..., k] = smallest / highest
        # The limit of a branch with charging is not that of l
        limit = np.inf if network.charging_pu[k - 1] else network.current_max_pu[k - 1] ** 2
        current[1][..., k] = np.minimum(largest / lowest, limit)
        # Neither r nor x is below 0, so that each end goes with the same end of the current
        for end in (0, 1):
            leaving[end][..., k] = arriving[end][..., k] + r * current[end][..., k]
            arriving[end][..., up] += leaving[end][..., k]
            other[end][..., up] += other[end][..., k] + x * current[end][..., k]
    for end in (0, 1):
        leaving[end][..., 0] = arriving[end][..., 0]
    return arriving, other, leaving, current


def _forward(network: Network, arriving: Interval, other: Interval, current: Interval, voltage: Interval) -> None:
    """Tightens the voltages, each from its parent's."""
    for k in range(1, voltage[0].shape[-1]):
        up, r, x = int(network.parent[k]), network.resistance_pu[k - 1], network.reactance_pu[k - 1]
        drop = [
            2 * (r * arriving[end][..., k] + x * other[end][..., k]) + (r**2 + x**2) * current[end][..., k]
            for end in (0, 1)
        ]
        squared = network.ratio[k - 1] ** 2
        voltage[0][..., k] = np.maximum(voltage[0][..., k], voltage[0][..., up] / squared - drop[1])
        voltage[1][..., k] = np.minimum(voltage[1][..., k], voltage[1][..., up] / squared - drop[0])


def _scaled(factor: Any, interval: Interval) -> Interval:
    """Least and largest product of factors (n,) with an interval of positive numbers (..., n)."""
    ends = factor * interval[0], factor * interval[1]
    return np.minimum(*ends), np.maximum(*ends)


def _square(flow: Any, k: int) -> Interval:
    """Least and largest square of an interval."""
    low, high = flow[0][..., k], flow[1][..., k]
    # An interval around 0 holds the square 0
    nearest = np.maximum(np.maximum(low, -high), 0.0)
    return nearest**2, np.maximum(low**2, high**2)
