"""What the buses draw before any charging: loads over the horizon, less what renewables feed in."""

from __future__ import annotations

import numpy as np

from instances.grid.network import Network
from instances.grid.units import FloatArray
from instances.records.schema import Instance

__all__ = ["base_load_kvar", "base_load_kw"]


def base_load_kw(instance: Instance, network: Network) -> FloatArray:
    """Return what the buses draw in kW without charging: load factor times load, less the output of renewables.

    Shape (periods, buses) in the order of ``network.buses``; negative where more is fed in than drawn. ``network``
    is that of the instance's feeder.
    """
    load_kw = np.outer(instance.load_factor, network.load_kw)
    for renewable in instance.renewables:
        load_kw[:, network.index[renewable.bus]] -= renewable.power_kw
    return load_kw


def base_load_kvar(instance: Instance, network: Network) -> FloatArray:
    """Return the same in kvar: load factor times load, for renewables feed in active power only."""
    return np.outer(instance.load_factor, network.load_kvar)
