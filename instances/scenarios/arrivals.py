"""Sessions of real days at the stations of a case."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from instances import tolerances
from instances.fleet.scale import scale
from instances.records.errors import InstanceError
from instances.records.schema import Instance, Session
from instances.scenarios.clock import Clock
from instances.scenarios.days import GROUPS, Plugged, session_days

__all__ = ["Arrivals"]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The real days whose sessions a case can serve, and how many vehicles each session stands for.

    Each session has the power that is the median of the case's own; as in ``ieee33``, hours are rounded to the nearest period, and
    sessions whose energy does not fit are left out. ``count`` is one for all, such that an average day takes as much energy as the
    case's own sessions. A case with the stations of ``ieee33`` has the sessions where they were; in others each is plugged in
    by lot, with the probabilities of the case's own vehicles.
    """

    case: Instance
    days: tuple[tuple[Session, ...], ...]
    count: float

    @classmethod
    def of(cls, case: Instance, clock: Clock) -> Arrivals:
        """Return the days for a case; raises `InstanceError` where its sessions take no energy, or no real one fits it."""
        power_kw = float(np.median([session.power_max_kw for session in case.sessions]))
        station, most = case.stations[0].name, case.charging_efficiency * power_kw * clock.period_hours
        days = []
        for plugged in session_days().values():
            windows = [(row, *clock.window(row.arrival_hour, row.departure_hour)) for row in plugged]
            day = tuple(
                Session(row.name, row.group if _as_in_ieee33(case) else station, first, last, row.energy_kwh, power_kw)
                for row, first, last in windows
                if first < last <= clock.periods and _fits(row, most * (last - first))
            )
            days += [day] if day else []
        own_kwh = _energy_kwh(case.sessions)
        if own_kwh <= 0:
            raise InstanceError(
                "the case's own sessions take 0 kWh, which real days are put to the size of; give one a positive energy_kwh, "
                "or draw without sessions"
            )
        if not days:
            raise InstanceError(
                f"the median power_max_kw of the case's sessions is {power_kw:g}, with which no real session gets its energy; "
                "raise it, or draw without sessions"
            )
        mean_kwh = math.fsum(map(_energy_kwh, days)) / len(days)
        return cls(case, tuple(days), own_kwh / mean_kwh)

    def draw(self, generator: np.random.Generator, evs: int | None) -> tuple[Session, ...]:
        """Return the sessions of a day drawn evenly; where ``evs`` is given, so many of them by `scale`, which take its energy."""
        day = self.days[int(generator.integers(len(self.days)))]
        lot, seed = np.random.default_rng(generator.integers(2**63)), int(generator.integers(2**63))
        if not _as_in_ieee33(self.case):
            day = self._plugged_in(day, lot)
        whole_kwh = _energy_kwh(day)
        if evs is not None:
            day = scale(replace(self.case, sessions=day, credit=None), evs, seed, share=None).sessions
        count = self.count * whole_kwh / _energy_kwh(day)
        return tuple(replace(session, count=count) for session in day)

    def _plugged_in(self, day: tuple[Session, ...], lot: np.random.Generator) -> tuple[Session, ...]:
        vehicles = dict.fromkeys(self.case.station_bus, 0.0)
        for session in self.case.sessions:
            vehicles[session.station] += session.count
        weights = np.array(list(vehicles.values()))
        chosen = lot.choice(weights.size, len(day), p=weights / weights.sum()).tolist()
        stations = list(vehicles)
        return tuple(replace(session, station=stations[row]) for session, row in zip(day, chosen, strict=True))


def _as_in_ieee33(case: Instance) -> bool:
    return case.station_bus.keys() >= GROUPS.keys()


def _fits(row: Plugged, most_kwh: float) -> bool:
    return row.energy_kwh <= most_kwh * (1 + tolerances.ENERGY_SLACK)


def _energy_kwh(sessions: Iterable[Session]) -> float:
    return math.fsum(session.count * session.energy_kwh for session in sessions)
