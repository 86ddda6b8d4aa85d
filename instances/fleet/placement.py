"""Buses for charging stations, drawn so that they spread over the laterals of a feeder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instances.grid.network import Network
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError

__all__ = ["distances", "spread_buses"]


# A station's own power drops the voltage at its bus by at most this much, about half of what limits usually leave
DROP_PU = 0.05


def distances(parent: NDArray[np.int64], length: FloatArray, position: int = 0) -> FloatArray:
    """Return the sum of ``length`` along the path from the bus at ``position`` to every bus, shape (n,).

    ``parent`` and ``length``, shape (n-1,) for ``buses[1:]``, are those of a `Network`.
    """
    distance = np.full(parent.size, np.nan)
    distance[position] = 0.0
    while (up := int(parent[position])) >= 0:
        distance[up] = distance[position] + length[position - 1]
        position = up
    # A bus comes after its parent, so that the parent's distance is known
    for bus in np.flatnonzero(np.isnan(distance)).tolist():
        distance[bus] = distance[parent[bus]] + length[bus - 1]
    return distance


def spread_buses(network: Network, count: int, station_kw: float, generator: np.random.Generator) -> tuple[str, ...]:
    """Draw ``count`` different buses, far from each other, among those that draw power and can take ``station_kw``.

    A bus can take it if the drop that it causes there, in first order its power times the resistance of the path from the
    substation, is at most 0.05 pu. Where too few buses that draw power can, the others join in. The first bus is drawn evenly,
    every further one with a probability proportional to the square of its electrical distance to the nearest one drawn before.
    Source: D. Arthur, S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007. Raises `InstanceError`
    when too few buses can take it.
    """
    resistance = distances(network.parent, network.resistance_pu)
    able = network.per_unit.power(station_kw) * resistance <= DROP_PU
    able[0] = False
    loaded = able & (network.load_kw > 0)
    candidates: NDArray[np.int64] = np.flatnonzero(loaded if loaded.sum() >= count else able)
    if count > candidates.size:
        raise InstanceError(
            f"the case has stations {count} but only {candidates.size} buses can take {station_kw:.6g} kW within {DROP_PU:g} pu; "
            "lower share, or change the number of stations"
        )
    length = np.hypot(network.resistance_pu, network.reactance_pu)
    nearest, chosen = np.ones(len(network.buses)), list[int]()
    while len(chosen) < count:
        free = np.setdiff1d(candidates, chosen)
        weight = nearest[free] ** 2
        chosen.append(int(generator.choice(free, p=weight / weight.sum() if weight.sum() > 0 else None)))
        distance = distances(network.parent, length, chosen[-1])
        nearest = distance if len(chosen) == 1 else np.minimum(nearest, distance)
    return tuple(network.buses[position] for position in chosen)
