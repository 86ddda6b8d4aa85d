"""Records of a market on the feeder: generators, aggregators with storage, market prices, and credit points."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instances.records import checks
from instances.records.errors import InstanceError

__all__ = ["Aggregator", "Credit", "Distance", "Generator", "Market", "Reservation"]


@dataclass(frozen=True, slots=True)
class Generator:
    """A dispatchable generator at a bus, with active cost, reactive and apparent limits, and a ramp per period.

    ``emission_kg_per_kwh`` is its carbon emission factor in kg of CO2 per kWh fed in.
    """

    name: str
    bus: str
    active_min_kw: float
    active_max_kw: float
    reactive_min_kvar: float
    reactive_max_kvar: float
    cost_per_kwh: float
    apparent_max_kva: float = math.inf
    ramp_max_kw: float = math.inf
    emission_kg_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields and the order of the limits."""
        checks.text("a generator", "name", self.name)
        owner = f"generator {self.name}"
        checks.text(owner, "bus", self.bus)
        for field in ("active_min_kw", "active_max_kw", "reactive_min_kvar", "reactive_max_kvar", "cost_per_kwh"):
            checks.number(owner, field, getattr(self, field))
        checks.number(owner, "apparent_max_kva", self.apparent_max_kva, above=0, unlimited=True)
        checks.number(owner, "ramp_max_kw", self.ramp_max_kw, at_least=0, unlimited=True)
        checks.number(owner, "emission_kg_per_kwh", self.emission_kg_per_kwh, at_least=0)
        for low, high in (("active_min_kw", "active_max_kw"), ("reactive_min_kvar", "reactive_max_kvar")):
            if getattr(self, low) > getattr(self, high):
                raise InstanceError(
                    f"{owner} has {low} {getattr(self, low)} above {high} {getattr(self, high)}; swap them"
                )
        least = max(self.active_min_kw, -self.active_max_kw, 0.0)
        if least > self.apparent_max_kva:
            raise InstanceError(
                f"{owner} has apparent_max_kva {self.apparent_max_kva} below its least active power of {least} kW; "
                "raise the apparent power or lower active_min_kw"
            )


@dataclass(frozen=True, slots=True)
class Aggregator:
    """An aggregator that runs one station: storage, a contract and the real-time market ([YZ] (14) to (21)).

    ``contract_max_kw`` limits what it buys by contract in each period, ``real_time_max_kw`` what it buys and
    what it sells in real time; ``storage_energy_kwh`` 0 is no storage. The storage ends each horizon as it began.
    ``elasticity_own`` and ``elasticity_cross`` are relative changes of demand in a period per relative change
    of the price in the same and in another period, for users that answer to prices.
    """

    name: str
    station: str
    storage_energy_kwh: float
    storage_initial_kwh: float
    charge_max_kw: float
    discharge_max_kw: float
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    contract_max_kw: float = math.inf
    real_time_max_kw: float = math.inf
    chargers: int = 1
    elasticity_own: float = -0.5
    elasticity_cross: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("an aggregator", "name", self.name)
        owner = f"aggregator {self.name}"
        checks.text(owner, "station", self.station)
        for field in ("storage_energy_kwh", "storage_initial_kwh", "charge_max_kw", "discharge_max_kw"):
            checks.number(owner, field, getattr(self, field), at_least=0)
        for field in ("charge_efficiency", "discharge_efficiency"):
            checks.number(owner, field, getattr(self, field), above=0, at_most=1)
        for field in ("contract_max_kw", "real_time_max_kw"):
            checks.number(owner, field, getattr(self, field), at_least=0, unlimited=True)
        checks.integer(owner, "chargers", self.chargers, at_least=1)
        checks.number(owner, "elasticity_own", self.elasticity_own, at_most=0)
        checks.number(owner, "elasticity_cross", self.elasticity_cross, at_least=0)
        if self.elasticity_own == 0:
            raise InstanceError(f"{owner} has elasticity_own 0; give a negative number, such as -0.5")
        if self.storage_initial_kwh > self.storage_energy_kwh:
            raise InstanceError(
                f"{owner} has storage_initial_kwh {self.storage_initial_kwh} above storage_energy_kwh "
                f"{self.storage_energy_kwh}; lower the first or raise the second"
            )


@dataclass(frozen=True, slots=True)
class Market:
    """Aggregators and the prices of their two markets, one value a period, in currency per kWh.

    ``loss_price_per_kwh`` is what the operator counts for a kWh of losses beside its cost of supply ([YZ] alpha 2).
    """

    aggregators: tuple[Aggregator, ...]
    contract_price_per_kwh: tuple[float, ...]
    real_time_buy_price_per_kwh: tuple[float, ...]
    real_time_sell_price_per_kwh: tuple[float, ...]
    loss_price_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields; the instance checks lengths and references."""
        checks.as_tuples(self, "aggregators", *SERIES)
        checks.filled("the market", "aggregators", self.aggregators)
        checks.unique("aggregators", (aggregator.name for aggregator in self.aggregators))
        checks.number("the market", "loss_price_per_kwh", self.loss_price_per_kwh, at_least=0)
        runs: dict[str, str] = {}
        for aggregator in self.aggregators:
            if aggregator.station in runs:
                raise InstanceError(
                    f"aggregators {runs[aggregator.station]} and {aggregator.name} both run station "
                    f"{aggregator.station}; give each its own"
                )
            runs[aggregator.station] = aggregator.name


SERIES = ("contract_price_per_kwh", "real_time_buy_price_per_kwh", "real_time_sell_price_per_kwh")


@dataclass(frozen=True, slots=True)
class Reservation:
    """How a session kept its reservation: minutes between the reserved time and its arrival."""

    session: str
    lateness_minutes: float

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a reservation", "session", self.session)
        checks.number(
            f"the reservation of session {self.session}", "lateness_minutes", self.lateness_minutes, at_least=0
        )


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the user of a session is from a station."""

    session: str
    station: str
    distance_km: float

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a distance", "session", self.session)
        checks.text(f"a distance of session {self.session}", "station", self.station)
        checks.number(
            f"the distance of session {self.session} from station {self.station}",
            "distance_km",
            self.distance_km,
            at_least=0,
        )


@dataclass(frozen=True, slots=True)
class Credit:
    """Rules of the credit points ([YZ] 5.1 to 5.3) and the records that they are counted from.

    ``lateness_factor_per_minute`` is phi, ``time_factor`` mu, ``fee_factor_per_kwh`` epsilon (currency per kWh);
    the fee stays within ``fee_min_per_kwh`` and ``fee_max_per_kwh``. ``recommended_stations`` is how many stations
    the system recommends to a user, ``congestion_cost_km`` how many km of way the user would go to avoid a full station.
    """

    lateness_factor_per_minute: float
    time_factor: float
    fee_factor_per_kwh: float
    fee_min_per_kwh: float
    fee_max_per_kwh: float
    recommended_stations: int
    congestion_cost_km: float
    valley_periods: tuple[int, ...]
    peak_periods: tuple[int, ...]
    reservations: tuple[Reservation, ...]
    distances: tuple[Distance, ...]

    def __post_init__(self) -> None:
        """Check the fields; the instance checks periods and references."""
        checks.as_tuples(self, "valley_periods", "peak_periods", "reservations", "distances")
        for field in ("lateness_factor_per_minute", "time_factor", "fee_factor_per_kwh", "congestion_cost_km"):
            checks.number("the credit rules", field, getattr(self, field), at_least=0)
        for field in ("fee_min_per_kwh", "fee_max_per_kwh"):
            checks.number("the credit rules", field, getattr(self, field))
        checks.integer("the credit rules", "recommended_stations", self.recommended_stations, at_least=1)
        if self.fee_min_per_kwh > self.fee_max_per_kwh:
            raise InstanceError(
                f"the credit rules have fee_min_per_kwh {self.fee_min_per_kwh} above fee_max_per_kwh "
                f"{self.fee_max_per_kwh}; swap them"
            )
        for field in ("valley_periods", "peak_periods"):
            for period in getattr(self, field):
                checks.integer("the credit rules", field, period, at_least=0)
        both = sorted(set(self.valley_periods) & set(self.peak_periods))
        if both:
            raise InstanceError(f"the credit rules have period {both[0]} in valley and peak; keep it in one of them")
        checks.unique("reservations", (item.session for item in self.reservations))
        checks.unique("distances", ((item.session, item.station) for item in self.distances))
