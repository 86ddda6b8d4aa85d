"""Feeders whose loads, voltage and impedances do not fit each other, as where kW and MW or V and kV are mixed up."""

from __future__ import annotations

import math

import numpy as np

from instances import tolerances
from instances.grid.network import Network
from instances.grid.sweep import ac_power_flow

__all__ = ["implausible"]


def implausible(network: Network) -> str:
    """Return one sentence on loads that are far out of line with the voltage, or nothing.

    Loads are too small where their current I = Σ|S| / (√3 V) and the largest change of the voltage that they make are both under
    their least plausible value: short feeders have small drops, and little ones small currents, but a factor of 1000 in loads or
    voltage brings both down. They are too large where the current is above the largest, or where there is no power flow at all,
    of which `ac_power_flow` raises `InstanceError`. A feeder without loads is nothing to judge.
    """
    kva = float(np.hypot(network.load_kw, network.load_kvar).sum())
    current_a = kva / (math.sqrt(3.0) * network.per_unit.base_kv)
    if not kva:
        return ""
    loaded, idle = (
        ac_power_flow(network, share * network.load_kw, share * network.load_kvar).voltage_pu for share in (1.0, 0.0)
    )
    drop_pu = float(np.abs(np.abs(loaded) - np.abs(idle)).max())
    few = current_a < tolerances.LEAST_CURRENT_A and drop_pu < tolerances.LEAST_DROP_PU
    if not few and current_a <= tolerances.LARGEST_CURRENT_A:
        return ""
    base_kv, size = network.per_unit.base_kv, "little" if few else "much"
    return (
        f"base loads of {kva:.4g} kVA at {base_kv:g} kV are {current_a:.3g} A and change voltages by {100 * drop_pu:.2g} %, "
        f"implausibly {size} for a feeder; look at the units of load_kw (kW) and base_kv (kV)"
    )
