"""AC power flows of many load cases, of which some may have none, and how far they break the network's limits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from instances import InstanceError, Network, PowerFlow, ac_power_flow

FloatArray = NDArray[np.float64]

BLOCK = 1024
"""Load cases of one power flow, which bounds memory and how many are run again where one has no power flow."""


def isolated(
    network: Network, load_kw: FloatArray, load_kvar: FloatArray
) -> Iterator[tuple[NDArray[np.int64], PowerFlow]]:
    """Power flows of loads (k, ..., n), in blocks of rows: (rows, their flow).  `load_kvar` broadcasts to `load_kw`.

    Rows of which some load case does not converge are in none, and take no others with them.  Loads have to be finite.
    """
    load_kvar = np.broadcast_to(load_kvar, load_kw.shape)
    step = max(1, BLOCK // int(np.prod(load_kw.shape[1:-1])))
    for start in range(0, len(load_kw), step):
        yield from _halved(network, load_kw, load_kvar, np.arange(start, min(start + step, len(load_kw))))


def _halved(
    network: Network, load_kw: FloatArray, load_kvar: FloatArray, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], PowerFlow]]:
    """One row that fails takes all of its sweep with it, so that halves are tried again."""
    try:
        yield rows, ac_power_flow(network, load_kw[rows], load_kvar[rows])
    except InstanceError:
        for half in np.array_split(rows, 2) if rows.size > 1 else ():
            yield from _halved(network, load_kw, load_kvar, half)


def violations(network: Network, flow: PowerFlow) -> tuple[FloatArray, FloatArray]:
    """Sum of relative violations over buses and branches, and the worst voltage violation in pu, each (...) as the flow's cases.

    The sum is of (v_min - V)+ / v_min + (V - v_max)+ / v_max over buses and (I / I_max - 1)+ + (S / S_max - 1)+ over branches, I
    and S at the sending end, (.)+ the positive part, and of what the supply exceeds its limits by, over the feeder's base power.
    """
    voltage = np.abs(flow.voltage_pu)
    under = np.maximum(network.voltage_min_pu - voltage, 0.0)
    over = np.maximum(voltage - network.voltage_max_pu, 0.0)
    # A limit of 0 cannot be undercut
    low = np.where(network.voltage_min_pu > 0, network.voltage_min_pu, 1.0)
    by_bus = under / low + over / network.voltage_max_pu
    current = np.maximum(np.abs(flow.entering_current_pu) / network.current_max_pu - 1.0, 0.0)
    power = np.maximum(np.abs(flow.entering_power_pu) / network.power_max_pu - 1.0, 0.0)
    supply = np.maximum(supply_excess(network, flow), 0.0).sum(axis=-1)
    return by_bus.sum(axis=-1) + (current + power).sum(axis=-1) + supply, np.maximum(under, over).max(axis=-1)


def supply_excess(network: Network, flow: PowerFlow) -> FloatArray:
    """How far the supply is outside of its limits, pu (..., 2), active and reactive; negative within, -inf without limits."""
    parts = (flow.supply_pu.real, network.supply_active_pu), (flow.supply_pu.imag, network.supply_reactive_pu)
    return np.stack([np.maximum(low - supply, supply - high) for supply, (low, high) in parts], axis=-1)
