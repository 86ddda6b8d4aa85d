"""A fleet of any size as a few vehicles: sessions with one station and one window, added up exactly.

What a session may draw in its window of k periods, {0 <= p <= P, sum p = E}, is the base polytope of the polymatroid with
f(S) = min(E, P |S|).  Such sets and their optimal faces add up, and the sum of many is that of at most k vehicles: for m = 1..k one
that charges in exactly m periods at full power

    w_m = 2 F(m) - F(m-1) - F(m+1) for m < k,    w_k = F(k) - F(k-1),    F(m) = sum of f over the sessions,

E and F in kW times periods.  F is concave, so that no power is negative.  Source: Minkowski sums of polymatroids, J. Edmonds,
Submodular functions, matroids, and certain polyhedra, 1970, doi 10.1007/3-540-36478-1_2.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import numpy as np

from instances import tolerances
from instances.records.schema import Instance, Session

__all__ = ["Group", "aggregate"]


@dataclass(frozen=True, slots=True)
class Group:
    """The ``members``, sessions with one station and one window, and the ``vehicles`` that stand for them, sessions too.

    Where the members are no more than their vehicles would be, they stand for themselves.
    """

    members: tuple[Session, ...]
    vehicles: tuple[Session, ...]

    @property
    def added_up(self) -> bool:
        """Whether fewer vehicles stand for the members."""
        return len(self.vehicles) < len(self.members)


def aggregate(instance: Instance) -> tuple[Group, ...]:
    """Groups of the instance's sessions, in the order of their first members, whose vehicles draw exactly what the members can.

    Equal prices leave both the same optimal powers of the whole group, ties included; a vehicle's ``count`` is 1 and its energy
    that of m full periods.
    """
    found: dict[tuple[str, int, int], list[Session]] = {}
    for session in instance.sessions:
        found.setdefault((session.station, session.arrival_period, session.departure_period), []).append(session)
    # A session may be called as a vehicle of a group would be
    taken = {session.name for session in instance.sessions}
    return tuple(_group(instance, tuple(members), taken) for members in found.values())


def _group(instance: Instance, members: tuple[Session, ...], taken: Set[str]) -> Group:
    # Of members that want nothing one is left: a model without followers would be none
    vehicles = (tuple(_vehicles(instance, members, taken)) or members[:1]) if len(members) > 1 else members
    return Group(members, vehicles if len(vehicles) < len(members) else members)


def _vehicles(instance: Instance, members: tuple[Session, ...], taken: Set[str]) -> Iterator[Session]:
    first = members[0]
    periods = len(instance.window(first))
    kwh = instance.charging_efficiency * instance.horizon.period_hours
    count = np.array([session.count for session in members])
    power = count * np.array([session.power_max_kw for session in members])
    energy = count * np.array([session.energy_kwh for session in members]) / kwh
    total = np.minimum(energy[:, np.newaxis], power[:, np.newaxis] * np.arange(periods + 1)).sum(axis=0)
    steps = np.diff(total)
    full = steps - np.append(steps[1:], 0.0)
    for m in range(1, periods + 1):
        kw = float(full[m - 1])
        if kw > tolerances.NO_POWER * float(power.sum()):
            name = f"{first.station}@{first.arrival_period}-{first.departure_period}/{m}"
            while name in taken:
                name += "'"
            yield Session(name, first.station, first.arrival_period, first.departure_period, m * kw * kwh, kw)
