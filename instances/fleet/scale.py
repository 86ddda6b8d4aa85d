"""The fleet as a whole: what it draws without control, how many vehicles it stands for, and samples of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instances.grid.units import FloatArray
from instances.records import checks
from instances.records.errors import InstanceError
from instances.records.market import Credit, Distance, Reservation
from instances.records.schema import Instance, Session, Source

__all__ = ["scale", "set_share", "uncontrolled_load_kw"]

Record = TypeVar("Record", Reservation, Distance)

PERCENT = 100.0


def uncontrolled_load_kw(instance: Instance) -> FloatArray:
    """Return the charging power in kW when every vehicle charges at full power from arrival until it is full.

    Shape (stations, periods), in the order of ``instance.stations``; powers are means over each period, at
    the grid side, and count the ``count`` vehicles of each session.
    """
    hours, periods = instance.horizon.period_hours, instance.horizon.periods
    station = {item.name: row for row, item in enumerate(instance.stations)}
    arrival = _column(instance, "arrival_period")[:, np.newaxis]
    power_kw = _column(instance, "power_max_kw")[:, np.newaxis]
    grid_kwh = _column(instance, "energy_kwh")[:, np.newaxis] / instance.charging_efficiency
    elapsed = np.arange(periods) - arrival
    drawn_kw = np.clip(grid_kwh / hours - power_kw * elapsed, 0.0, power_kw)
    departure = _column(instance, "departure_period")[:, np.newaxis]
    plugged = (elapsed >= 0) & (np.arange(periods) < departure)
    drawn_kw = np.where(plugged, drawn_kw, 0.0) * _column(instance, "count")[:, np.newaxis]
    load_kw = np.zeros((len(instance.stations), periods))
    np.add.at(load_kw, [station[session.station] for session in instance.sessions], drawn_kw)
    return load_kw


def set_share(instance: Instance, share: float) -> Instance:
    """Give all sessions one ``count`` so that their uncontrolled peak is ``share`` of the feeder's peak load.

    Both peaks are maxima over the horizon of totals over the feeder, in kW; ``share`` 0.2 means 20 %.
    Raises `InstanceError` when the share is not positive, or when the feeder or the fleet has no load.
    """
    checks.number("the fleet", "share", share, above=0)
    peak_kw = instance.peak_load_kw
    if peak_kw <= 0:
        raise InstanceError(f"the feeder's peak load is {peak_kw} kW; give it a positive load, or share None")
    single = replace(instance, sessions=_with_count(instance.sessions, 1.0))
    fleet_kw = float(uncontrolled_load_kw(single).sum(axis=0).max())
    if fleet_kw <= 0:
        raise InstanceError("the fleet's peak is 0 kW; give a session a positive energy_kwh, or share None")
    return replace(instance, sessions=_with_count(instance.sessions, share * peak_kw / fleet_kw))


def scale(instance: Instance, evs: int, seed: int = 0, share: float | None = 0.20) -> Instance:
    """Draw a fleet of ``evs`` sessions from the instance's own, reproducibly by ``seed``.

    A smaller fleet is drawn without replacement; a larger one keeps every session and draws the rest with
    replacement under new names. Order follows the data. The credit records of a session go with it and with
    its copies. Then `set_share` sets the counts, unless ``share`` is None. Raises
    `InstanceError` when ``evs`` is below 1, ``seed`` below 0, or the share cannot be met.
    """
    checks.integer("the fleet", "evs", evs, at_least=1)
    checks.integer("the fleet", "seed", seed, at_least=0)
    sessions, size = instance.sessions, len(instance.sessions)
    generator = np.random.default_rng(seed)
    first = np.sort(generator.choice(size, evs, replace=False)) if evs <= size else np.arange(size)
    again = generator.integers(0, size, evs - first.size)
    drawn = (*(sessions[position] for position in first), *_copies(sessions, again))
    origin = {session.name: sessions[i].name for session, i in zip(drawn, (*first, *again), strict=True)}
    carried = "counts as drawn" if share is None else f"one count, for {PERCENT * share:g} % of the feeder's peak load"
    note = f"{evs} sessions drawn from {size} of {instance.name} with seed {seed}; {carried}"
    sources = (*(s for s in instance.sources if s.item != "fleet"), Source("fleet", note, "as the sessions"))
    credit = None if instance.credit is None else _of_fleet(instance.credit, origin)
    fleet = replace(instance, sessions=drawn, sources=sources, credit=credit)
    return fleet if share is None else set_share(fleet, share)


def _copies(sessions: tuple[Session, ...], chosen: NDArray[np.int64]) -> tuple[Session, ...]:
    """Return the chosen sessions under names that are not taken yet."""
    taken = {session.name for session in sessions}
    copies = []
    number = dict.fromkeys(range(len(sessions)), 1)
    for position in chosen.tolist():
        session = sessions[position]
        number[position] += 1
        while (name := f"{session.name}#{number[position]}") in taken:
            number[position] += 1
        taken.add(name)
        copies.append(replace(session, name=name))
    return tuple(copies)


def _of_fleet(credit: Credit, origin: Mapping[str, str]) -> Credit:
    """Return the rules with the records of the drawn sessions; ``origin`` names the session that each was drawn from."""
    drawn: dict[str, list[str]] = {}
    for name, source in origin.items():
        drawn.setdefault(source, []).append(name)
    reservations, distances = _renamed(credit.reservations, drawn), _renamed(credit.distances, drawn)
    return replace(credit, reservations=reservations, distances=distances)


def _renamed(records: Iterable[Record], drawn: Mapping[str, list[str]]) -> tuple[Record, ...]:
    """Return each record once for every session drawn from its own, under the name of that session."""
    return tuple(replace(record, session=name) for record in records for name in drawn.get(record.session, ()))


def _with_count(sessions: Iterable[Session], count: float) -> tuple[Session, ...]:
    """Return the sessions, each standing for ``count`` vehicles."""
    return tuple(replace(session, count=count) for session in sessions)


def _column(instance: Instance, field: str) -> FloatArray:
    """Return one field of the sessions as an array, shape (sessions,)."""
    return np.array([getattr(session, field) for session in instance.sessions], dtype=np.float64)
