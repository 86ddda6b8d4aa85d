"""The mean of days that may come, as one day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from instances.fleet.realise import realise
from instances.records.scenarios import Scenarios
from instances.records.schema import Instance, Session

__all__ = ["expected_day"]


def expected_day(instance: Instance, scenarios: Scenarios) -> Instance:
    """Return the case on the mean day: what a leader plans for that reckons with one day alone.

    Every session of every scenario is there, for its probability's share of its vehicles, so that the energy and what charging on
    arrival draws are the means over the scenarios; load factor, wholesale price and renewables are means by period.  Credit
    records, which are of sessions, are left out.  Raises `InstanceError` as `realise`.
    """
    weights = [scenario.probability for scenario in scenarios.scenarios]
    days = [realise(instance, scenario) for scenario in scenarios.scenarios]
    credit = instance.credit
    return replace(
        instance,
        sessions=tuple(_sessions(days, weights)),
        load_factor=_mean((day.load_factor for day in days), weights),
        wholesale_price_per_kwh=_mean((day.wholesale_price_per_kwh for day in days), weights),
        renewables=tuple(
            replace(item, power_kw=_mean((day.renewables[at].power_kw for day in days), weights))
            for at, item in enumerate(instance.renewables)
        ),
        credit=None if credit is None else replace(credit, reservations=(), distances=()),
    )


def _mean(series: Iterable[Sequence[float]], weights: Sequence[float]) -> tuple[float, ...]:
    """The mean by period."""
    total = math.fsum(weights)
    return tuple(
        math.fsum(map(float.__mul__, weights, map(float, values))) / total for values in zip(*series, strict=True)
    )


def _sessions(days: Sequence[Instance], weights: Sequence[float]) -> list[Session]:
    """Sessions of all days; those that are equal but for name and number of vehicles stand once."""
    found: dict[Session, list[tuple[str, float]]] = {}
    for day, weight in zip(days, weights, strict=True):
        for session in day.sessions:
            alike = replace(session, name="alike", count=1.0)
            found.setdefault(alike, []).append((session.name, weight * session.count))
    taken: set[str] = set()
    sessions = []
    for alike, parts in found.items():
        name, number = parts[0][0], 1
        while name in taken:
            number += 1
            name = f"{parts[0][0]}#{number}"
        taken.add(name)
        sessions.append(replace(alike, name=name, count=math.fsum(share for _, share in parts)))
    return sessions
