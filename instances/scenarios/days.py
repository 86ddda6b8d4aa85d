"""The real days that come with the package: sessions, day-ahead prices and load shapes of working days in autumn.

`scripts/make_scenario_data.py` writes the tables, whose heads say where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from instances.files.objects import as_list, build, read_object
from instances.files.tables import read_table
from instances.grid.units import FloatArray
from instances.records.schema import Source

__all__ = [
    "DAYS",
    "GROUPS",
    "HOURS",
    "LoadHour",
    "Plugged",
    "PriceHour",
    "load_days",
    "price_days",
    "scenario_sources",
    "session_days",
]

DAYS = Path(__file__).parents[1] / "data" / "scenario_days"
HOURS = 24
GROUPS = {
    "caltech_3": ("CA-3",),
    "caltech_4_5": ("CA-4", "CA-5"),
    "jpl_floor_1": ("AG-1F",),
    "jpl_floor_3": ("AG-3F",),
}
"""Stations of ``ieee33``, and how the labels of their charging points begin."""


@dataclass(frozen=True, slots=True)
class Plugged:
    """A line of sessions.csv: a vehicle plugged in at a charging point, in hours of the clock."""

    day: str
    point: str
    arrival_hour: float
    departure_hour: float
    energy_kwh: float

    @property
    def name(self) -> str:
        """The point and the minute of the arrival, as in ``ieee33``."""
        hour, minute = divmod(int(self.arrival_hour * 60), 60)
        return f"{self.point}@{hour:02d}:{minute:02d}"

    @property
    def group(self) -> str:
        """The station of ``ieee33`` to which the point belongs."""
        return next(name for name, labels in GROUPS.items() if self.point.startswith(labels))


@dataclass(frozen=True, slots=True)
class PriceHour:
    """A line of prices.csv."""

    day: str
    hour: int
    price_per_kwh: float


@dataclass(frozen=True, slots=True)
class LoadHour:
    """A line of loads.csv; the largest value of all days is 1."""

    day: str
    hour: int
    load_factor: float


@cache
def session_days() -> dict[str, tuple[Plugged, ...]]:
    """Return the sessions of each day, by date, in order of arrival."""
    found: dict[str, list[Plugged]] = {}
    for row in read_table(DAYS / "sessions.csv", Plugged):
        found.setdefault(row.day, []).append(row)
    return {day: tuple(rows) for day, rows in found.items()}


@cache
def price_days() -> FloatArray:
    """Return day-ahead prices in EUR/kWh, shape (days, 24)."""
    rows = read_table(DAYS / "prices.csv", PriceHour)
    return np.array([row.price_per_kwh for row in rows]).reshape(-1, HOURS)


@cache
def load_days() -> FloatArray:
    """Return load factors, shape (days, 24); the largest is 1."""
    rows = read_table(DAYS / "loads.csv", LoadHour)
    return np.array([row.load_factor for row in rows]).reshape(-1, HOURS)


def scenario_sources(*, sessions: bool = True, prices: bool = True, loads: bool = True) -> tuple[Source, ...]:
    """Return where the real days come from, and their licences; the items are the tables that hold what is drawn from them.

    What is switched off is left out. A case that is written with drawn scenarios should have them among its ``sources``.
    """
    where = DAYS / "sources.json"
    values = as_list(f"{where} sources", read_object(where, ("sources",))["sources"])
    wanted = zip(values, (sessions, prices, loads), strict=True)
    return tuple(build(f"{where} sources", Source, value) for value, want in wanted if want)
