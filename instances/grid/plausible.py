"""Feeders whose loads, voltage and impedances do not fit each other, as where kW and MW or V and kV are mixed up."""

from __future__ import annotations

import math

import numpy as np

from instances.grid.network import Network
from instances.grid.sweep import ac_power_flow

__all__ = ["LARGEST_CURRENT_A", "LEAST_CURRENT_A", "LEAST_DROP_PU", "implausible"]

LEAST_CURRENT_A = 3.0
"""A feeder whose loads together draw less is loaded to a hundredth or less of its conductors: those of 0.4 kV carry 100 A and more,
those of 10 to 20 kV 150 to 400 A. The shipped feeders draw 200 to 2,600 A."""

LEAST_DROP_PU = 2e-4
"""Feeders are built for drops of 3 to 10 %. One of less than 0.02 % carries a hundredth of that, if it is not a few metres long; a
drop is proportional to the load and to the inverse square of the voltage. The shipped feeders drop 2 to 13 %."""

LARGEST_CURRENT_A = 10_000.0
"""Busbars and transformers that feed distribution networks are built for up to 5,000 A."""


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
    few = current_a < LEAST_CURRENT_A and drop_pu < LEAST_DROP_PU
    if not few and current_a <= LARGEST_CURRENT_A:
        return ""
    base_kv, size = network.per_unit.base_kv, "little" if few else "much"
    return (
        f"base loads of {kva:.4g} kVA at {base_kv:g} kV are {current_a:.3g} A and change voltages by {100 * drop_pu:.2g} %, "
        f"implausibly {size} for a feeder; look at the units of load_kw (kW) and base_kv (kV)"
    )
