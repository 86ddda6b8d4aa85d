"""What an instance is: frozen records in kW, kWh, ohm, ampere and currency, checked when they are made.

Whatever exists is valid: every constructor raises `InstanceError` with one sentence that names the
object, its value and the remedy. Periods are numbered from 0. Per unit appears only in voltages.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from instances import tolerances
from instances.records import checks
from instances.records.carbon import Carbon, Renewable
from instances.records.errors import InstanceError
from instances.records.feeder import Branch, Bus, Feeder
from instances.records.market import SERIES, Credit, Generator, Market

__all__ = ["Branch", "Bus", "Feeder", "Horizon", "Instance", "PriceLimits", "Session", "Source", "Station"]


@dataclass(frozen=True, slots=True)
class Station:
    """A charging station at a bus; it sets one price per period for the vehicles plugged in there."""

    name: str
    bus: str

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a station", "name", self.name)
        checks.text(f"station {self.name}", "bus", self.bus)


@dataclass(frozen=True, slots=True)
class Session:
    """A vehicle plugged in over periods ``arrival_period`` .. ``departure_period - 1``.

    ``energy_kwh`` (what its battery receives) and ``power_max_kw`` (what it draws at most) are per vehicle;
    ``count`` is the number of identical vehicles that the session stands for, a weight that may be
    fractional.
    """

    name: str
    station: str
    arrival_period: int
    departure_period: int
    energy_kwh: float
    power_max_kw: float
    count: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a session", "name", self.name)
        owner = f"session {self.name}"
        checks.text(owner, "station", self.station)
        checks.integer(owner, "arrival_period", self.arrival_period, at_least=0)
        checks.integer(owner, "departure_period", self.departure_period, at_least=0)
        if self.departure_period <= self.arrival_period:
            raise InstanceError(
                f"{owner} has departure_period {self.departure_period} but arrival_period "
                f"{self.arrival_period}; let it leave at least one period after it arrives"
            )
        checks.number(owner, "energy_kwh", self.energy_kwh, at_least=0)
        checks.number(owner, "power_max_kw", self.power_max_kw, above=0)
        checks.number(owner, "count", self.count, above=0)


@dataclass(frozen=True, slots=True)
class Horizon:
    """``periods`` periods of ``period_hours`` hours from ``start``, an ISO 8601 date and time."""

    periods: int
    period_hours: float
    start: str

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.integer("the horizon", "periods", self.periods, at_least=1)
        checks.number("the horizon", "period_hours", self.period_hours, above=0)
        checks.text("the horizon", "start", self.start)
        try:
            datetime.fromisoformat(self.start)
        except ValueError as error:
            raise InstanceError(
                f'the horizon has start "{self.start}"; give an ISO date and time, "2019-09-27T00:00:00"'
            ) from error


@dataclass(frozen=True, slots=True)
class PriceLimits:
    """Limits of each charging price, and of each station's mean price, in currency per kWh."""

    price_min_per_kwh: float
    price_max_per_kwh: float
    price_mean_max_per_kwh: float

    def __post_init__(self) -> None:
        """Check the fields and their order."""
        for field in ("price_min_per_kwh", "price_max_per_kwh", "price_mean_max_per_kwh"):
            checks.number("the price limits", field, getattr(self, field))
        if self.price_min_per_kwh > self.price_max_per_kwh:
            raise InstanceError(
                f"the price limits have price_min_per_kwh {self.price_min_per_kwh} above "
                f"price_max_per_kwh {self.price_max_per_kwh}; lower the minimum or raise the maximum"
            )
        if self.price_mean_max_per_kwh < self.price_min_per_kwh:
            raise InstanceError(
                f"the price limits have price_mean_max_per_kwh {self.price_mean_max_per_kwh} below "
                f"price_min_per_kwh {self.price_min_per_kwh}; raise the mean cap or lower the minimum"
            )


@dataclass(frozen=True, slots=True)
class Source:
    """Where a table ("buses"), a column ("load_factor") or another item comes from, with its licence."""

    item: str
    source: str
    licence: str

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a source", "item", self.item)
        checks.text(f"source {self.item}", "source", self.source)
        checks.text(f"source {self.item}", "licence", self.licence)


@dataclass(frozen=True, slots=True)
class Instance:
    """One case: a feeder, its charging stations and sessions, loads and prices over a horizon.

    ``load_factor`` multiplies every base load, kW and kvar, in each period; ``wholesale_price_per_kwh`` is
    what the stations pay; both have one value per period. ``charging_efficiency`` is battery energy per
    grid energy, in (0, 1]. ``generators``, ``market``, ``credit``, ``renewables`` and ``carbon`` are for problems
    that have them.
    """

    name: str
    currency: str
    feeder: Feeder
    horizon: Horizon
    stations: tuple[Station, ...]
    sessions: tuple[Session, ...]
    load_factor: tuple[float, ...]
    wholesale_price_per_kwh: tuple[float, ...]
    price_limits: PriceLimits
    charging_efficiency: float
    sources: tuple[Source, ...]
    generators: tuple[Generator, ...] = ()
    market: Market | None = None
    credit: Credit | None = None
    renewables: tuple[Renewable, ...] = ()
    carbon: Carbon | None = None

    def __post_init__(self) -> None:
        """Check the fields, the references, and that every session's energy fits its window."""
        checks.as_tuples(self, "stations", "sessions", "load_factor", "wholesale_price_per_kwh", "sources")
        checks.as_tuples(self, "generators", "renewables")
        checks.text("the instance", "name", self.name)
        checks.text("the instance", "currency", self.currency)
        checks.number("the instance", "charging_efficiency", self.charging_efficiency, above=0, at_most=1)
        checks.filled("the instance", "stations", self.stations)
        checks.filled("the instance", "sessions", self.sessions)
        checks.unique("stations", (station.name for station in self.stations))
        checks.unique("sessions", (session.name for session in self.sessions))
        self._check_series("load_factor", self.load_factor, at_least=0)
        self._check_series("wholesale_price_per_kwh", self.wholesale_price_per_kwh)
        buses = {bus.name for bus in self.feeder.buses}
        for station in self.stations:
            checks.known(f"station {station.name}", "bus", station.bus, buses)
        stations = self.station_bus
        for session in self.sessions:
            checks.known(f"session {session.name}", "station", session.station, stations)
            self._check_session(session)
        self._check_feeding(buses)
        if self.carbon is not None:
            self._check_series("grid_factor_kg_per_kwh", self.carbon.grid_factor_kg_per_kwh)
        if self.market is not None:
            self._check_market(self.market)
        if self.credit is not None:
            self._check_credit(self.credit)

    @property
    def station_bus(self) -> dict[str, str]:
        """The bus of each station, by station name, in the order of ``stations``."""
        return {station.name: station.bus for station in self.stations}

    @property
    def peak_load_kw(self) -> float:
        """The feeder's largest total base load over the horizon in kW, without charging."""
        return math.fsum(bus.load_kw for bus in self.feeder.buses) * max(self.load_factor)

    def window(self, session: Session) -> range:
        """Return the periods in which the session is plugged in."""
        return range(session.arrival_period, session.departure_period)

    def _check_series(self, field: str, series: tuple[float, ...], at_least: float = -math.inf) -> None:
        """Refuse a series of the wrong length or with a value that is out of range."""
        if len(series) != self.horizon.periods:
            raise InstanceError(
                f"{field} has {len(series)} values but the horizon has {self.horizon.periods} periods; "
                "give one value per period"
            )
        for period, value in enumerate(series):
            checks.number(f"period {period}", field, value, at_least=at_least)

    def _check_feeding(self, buses: Collection[str]) -> None:
        """Refuse generators and renewables of the same name or at unknown buses, and outputs of the wrong length."""
        checks.unique("generators", (generator.name for generator in self.generators))
        for generator in self.generators:
            checks.known(f"generator {generator.name}", "bus", generator.bus, buses)
        checks.unique("renewables", (renewable.name for renewable in self.renewables))
        for renewable in self.renewables:
            checks.known(f"renewable {renewable.name}", "bus", renewable.bus, buses)
            self._check_series(f"power_kw of renewable {renewable.name}", renewable.power_kw)

    def _check_market(self, market: Market) -> None:
        """Refuse series of the wrong length, and aggregators of unknown stations."""
        for field in SERIES:
            self._check_series(field, getattr(market, field))
        for aggregator in market.aggregators:
            checks.known(f"aggregator {aggregator.name}", "station", aggregator.station, self.station_bus)

    def _check_credit(self, credit: Credit) -> None:
        """Refuse periods outside the horizon, unknown sessions and stations, and more recommendations than stations."""
        for field in ("valley_periods", "peak_periods"):
            for period in getattr(credit, field):
                if period >= self.horizon.periods:
                    raise InstanceError(
                        f"the credit rules have {field} {period} but the horizon has {self.horizon.periods} periods; "
                        "number them from 0"
                    )
        if credit.recommended_stations > len(self.stations):
            raise InstanceError(
                f"the credit rules have recommended_stations {credit.recommended_stations} but there are "
                f"{len(self.stations)} stations; recommend at most that many"
            )
        sessions = {session.name for session in self.sessions}
        for reservation in credit.reservations:
            checks.known("a reservation", "session", reservation.session, sessions)
        for distance in credit.distances:
            checks.known("a distance", "session", distance.session, sessions)
            checks.known(f"a distance of session {distance.session}", "station", distance.station, self.station_bus)

    def _check_session(self, session: Session) -> None:
        """Refuse a window that leaves the horizon, and an energy that does not fit the window."""
        periods, owner = self.horizon.periods, f"session {session.name}"
        if session.departure_period > periods:
            raise InstanceError(
                f"{owner} has departure_period {session.departure_period} but the horizon has "
                f"{periods} periods; let it leave by {periods}"
            )
        hours = len(self.window(session)) * self.horizon.period_hours
        most_kwh = self.charging_efficiency * session.power_max_kw * hours
        if session.energy_kwh > most_kwh * (1 + tolerances.ENERGY_SLACK):
            raise InstanceError(
                f"{owner} has energy_kwh {session.energy_kwh} but at most {most_kwh:.6g} kWh fit in its "
                f"{hours:g} hours at {session.power_max_kw} kW; lower the energy or widen the window"
            )
