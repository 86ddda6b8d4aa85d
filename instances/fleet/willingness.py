"""Vehicles that ignore prices: they charge at full power from arrival until they are full.

A share of a session's vehicles is split off as sessions that leave no choice, so that every problem, table and figure takes them
like any other session.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from instances import tolerances
from instances.records import checks
from instances.records.schema import Instance, Session

__all__ = ["charge_on_arrival"]


def charge_on_arrival(instance: Instance, willing_share: float | Mapping[str, float]) -> Instance:
    """Return the case in which of each session's vehicles ``willing_share`` follow prices and the others charge on arrival.

    ``willing_share`` is from 0 to 1, of all sessions or by name of a session (1 where it names none).  Vehicles that charge on
    arrival become a session over their full periods, and one over the period in which they become full; both leave no choice.
    They draw together what `uncontrolled_load_kw` says.  Reservations and distances of [YZ] stay with the session that keeps the
    name.  Raises `InstanceError` for a share out of range or of an unknown session.
    """
    shares = willing_share if isinstance(willing_share, Mapping) else {s.name: willing_share for s in instance.sessions}
    names = {session.name for session in instance.sessions}
    for name, share in shares.items():
        checks.known("a willing share", "session", name, names)
        checks.number(f"session {name}", "willing_share", share, at_least=0, at_most=1)
    taken, found = set(names), []
    for session in instance.sessions:
        found += _split(instance, session, float(shares.get(session.name, 1.0)), taken)
    return replace(instance, sessions=tuple(found))


def _split(instance: Instance, session: Session, share: float, taken: set[str]) -> list[Session]:
    """The willing vehicles of a session, and the others; the first has the session's name."""
    # Without energy there is nothing to shift
    if share == 1 or session.energy_kwh == 0:
        return [session]
    parts = [] if share == 0 else [replace(session, count=share * session.count)]
    for part in _at_once(instance, replace(session, count=(1 - share) * session.count)):
        parts.append(replace(part, name=_name(session.name, taken) if parts else session.name))
    return parts


def _at_once(instance: Instance, session: Session) -> list[Session]:
    """Sessions without a choice: one that charges at full power throughout, and one that fills what is left in one period."""
    period_kwh = instance.charging_efficiency * session.power_max_kw * instance.horizon.period_hours
    needed = session.energy_kwh / period_kwh
    full = math.floor(needed * (1 + tolerances.ENERGY_SLACK))
    left, first = needed - full, session.arrival_period
    parts = []
    if full:
        energy = full * period_kwh if left > tolerances.ENERGY_SLACK else session.energy_kwh
        parts.append(replace(session, departure_period=first + full, energy_kwh=energy))
    if left > tolerances.ENERGY_SLACK:
        rest = replace(session, arrival_period=first + full, departure_period=first + full + 1)
        parts.append(replace(rest, energy_kwh=left * period_kwh))
    return parts


def _name(session: str, taken: set[str]) -> str:
    number = 1
    while (name := f"{session} on arrival {number}") in taken:
        number += 1
    taken.add(name)
    return name
