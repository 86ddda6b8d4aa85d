"""Market days with credit points: prices, fees from the points of past days, users who reconsider where and when they charge.

A day takes four steps: (1) nodal prices at the charging of the day before; (2) fees from the appointments of the last days,
equations (C1) to (C3) of `formulations.credit`, and price = nodal price + fee within the case's price limits; (3) a share of the
users draws a station and a starting period anew; (4) everybody charges at full power from there until full.

The paper has no users' model and no days; the choices are in `Assumptions` and docs/credit-points.md.  A session is one user, whose
`count` vehicles move together.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd

from bilevel.errors import BilevelError
from formulations import case_parts
from formulations.operator.dispatch import Dispatch
from formulations.prices import credit
from formulations.prices.credit import BoolArray, FloatArray, IntArray, SessionRecord
from instances import Instance, Network, base_load_kw
from studies import tolerances

NodalPrices = Callable[[FloatArray], FloatArray]
"""Charging power in kW, shape (stations, periods), to nodal prices at the stations' buses in currency/kWh, same shape."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a simulation of days needs and the paper does not give.

    `way_cost_per_km`, currency/km: energy, wear and time of the way to a station.  `shift_cost_per_hour`, currency/h of a vehicle:
    discomfort of starting earlier or later than in the case.  `choice_scale`, currency of a vehicle: spread of what users value
    beside costs (scale of the logit's Gumbel terms).  `reconsider_share`: probability that a user chooses anew on a day.
    `memory_days`: days whose appointments count; the paper's sum has no end, so that its fee would stay at a limit for ever.
    """

    way_cost_per_km: float = 0.20
    shift_cost_per_hour: float = 0.20
    choice_scale: float = 0.20
    reconsider_share: float = 0.20
    memory_days: int = 7

    def __post_init__(self) -> None:
        """Refuse what is negative, no number, or no share."""
        for name, value in asdict(self).items():
            most = 1.0 if name == "reconsider_share" else 1e9
            least = 1 if name == "memory_days" else 0
            if not least <= value <= most:
                raise BilevelError(f"the assumptions have {name} {value}; give a number from {least} to {most:g}")


@dataclass(frozen=True, eq=False)
class CreditDays:
    """Days of one simulation; day 0 is the case as given, before anybody reconsiders, and every other row is a market day.

    `days`, a row a day: day, valley_share and peak_share (energy charged in those periods over all), recommended_share (of
    vehicles, at a station recommended to them in the period of their start), ev_peak_kw, feeder_peak_kw (base load and charging,
    without losses), ev_valley_kwh, ev_kwh (grid side), mean_fee_per_kwh, mean_price_per_kwh (weighted with energy),
    moved_share (vehicles not at their first station and start).
    `fees`, a row a day, station and period: points, fee_per_kwh (by the rule), nodal_price_per_kwh (beyond the price limits where
    the network's limits break), price_per_kwh (paid, within the price limits).
    `load`, a row a day and period: ev_kw, feeder_kw.
    """

    case: str
    credit: bool
    seed: int
    assumptions: Assumptions
    days: pd.DataFrame
    fees: pd.DataFrame
    load: pd.DataFrame


@dataclass(frozen=True, eq=False)
class _Users:
    """The sessions as arrays: (users,), (users, periods) or (users, stations)."""

    count: FloatArray
    stay: IntArray
    wanted: IntArray
    profile_kwh: FloatArray  # of one vehicle, grid side, by period since its start
    way_cost: FloatArray
    lateness: FloatArray  # of all reservations, to draw from
    reserves: BoolArray


@dataclass(frozen=True, eq=False)
class _Choice:
    """Where (index) and when everybody starts: (users,); the records that this makes."""

    station: IntArray
    start: IntArray
    records: tuple[SessionRecord, ...] = field(default=())


def simulate(
    case: Instance,
    days: int = 30,
    seed: int = 0,
    credit: bool = True,
    assumptions: Assumptions | None = None,
    nodal_prices: NodalPrices | None = None,
    flat_fee_per_kwh: float | None = None,
) -> CreditDays:
    """Market days 1 to `days` of a case with credit rules, after day 0 as given.

    With `credit` False the fee is flat: `flat_fee_per_kwh`, by default the fee at zero points (epsilon within the limits).  Both
    draw the same random numbers for the same seed, so the two are a pair.  `nodal_prices` defaults to the operator's dispatch.
    Raises `BilevelError` for a case without credit rules, fewer than 1 day or a negative seed.
    """
    if days < 1 or seed < 0:
        raise BilevelError(
            f"the simulation has days {days} and seed {seed}; give at least 1 day and a seed of at least 0"
        )
    given = assumptions or Assumptions()
    return _Market(case, given, credit, flat_fee_per_kwh, nodal_prices or dispatch_prices(case)).run(days, seed)


class _Market:
    """The days of one simulation: what stays the same, and the steps of a day."""

    def __init__(
        self, case: Instance, given: Assumptions, points: bool, flat: float | None, nodal_prices: NodalPrices
    ) -> None:
        self.case, self.given, self.on, self.nodal_prices = case, given, points, nodal_prices
        self.rules = case_parts.rules(case)
        self.base_kw = base_load_kw(case, Network.of(case.feeder)).sum(axis=1)
        self.flat = float(credit.fee_per_kwh(0.0, self.rules)) if flat is None else flat
        self.names = [station.name for station in case.stations]
        self.users = _users(case, given)
        self.time = credit.time_class(self.rules, np.arange(case.horizon.periods))

    def run(self, days: int, seed: int) -> CreditDays:
        """Day after day, from the case's own visits and records."""
        generator = np.random.default_rng(seed)
        station, start, _ = credit.visits(self.case)
        choice = _Choice(station, start, credit.records(self.case))
        past = [choice.records]
        nothing = np.zeros((len(self.names), self.case.horizon.periods))
        tables = [self._day(0, choice, choice, self._prices([], nothing))]
        for day in range(1, days + 1):
            prices = self._prices(past[-self.given.memory_days :], self._load_kw(choice))
            before, choice = choice, self._choose(choice, prices["price_per_kwh"], generator)
            past.append(choice.records)
            tables.append(self._day(day, before, choice, prices))
        frames = [pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True)]
        return CreditDays(self.case.name, self.on, seed, self.given, *frames)

    def _prices(self, past: list[tuple[SessionRecord, ...]], load_kw: FloatArray) -> dict[str, FloatArray]:
        """Steps 1 and 2: points, fee, nodal price and the price paid, each (stations, periods)."""
        records = [record for day in past for record in day]
        points = credit.points(records, self.rules, self.names, load_kw.shape[1])
        fee = credit.fee_per_kwh(points, self.rules) if self.on else np.full_like(points, self.flat)
        nodal, limits = self.nodal_prices(load_kw), self.case.price_limits
        price = np.clip(nodal + fee, limits.price_min_per_kwh, limits.price_max_per_kwh)
        return {"points": points, "fee_per_kwh": fee, "nodal_price_per_kwh": nodal, "price_per_kwh": price}

    def _choose(self, before: _Choice, price: FloatArray, generator: np.random.Generator) -> _Choice:
        """Step 3: users who reconsider take the cheapest option, costs and Gumbel terms together (a logit choice)."""
        users, cost = self.users, option_cost(self.users, price, self.given, self.case.horizon.period_hours)
        noise = generator.gumbel(size=cost.shape)  # drawn for everybody, so that pairs of runs stay in step
        again = generator.random(len(users.count)) < self.given.reconsider_share
        late = generator.choice(users.lateness, size=len(users.count))
        best = (cost - self.given.choice_scale * noise).reshape(len(cost), -1).argmin(axis=1)
        station, start = np.unravel_index(best, cost.shape[1:])
        station, start = np.where(again, station, before.station), np.where(again, start, before.start)
        near = self._recommended(before, station, start)
        rows = np.flatnonzero(users.reserves)
        records = tuple(
            SessionRecord(
                self.case.sessions[k].name, self.names[station[k]], int(start[k]), float(late[k]), bool(near[k])
            )
            for k in rows
        )
        return _Choice(station, start, records)

    def _recommended(self, seen: _Choice, station: IntArray, start: IntArray) -> BoolArray:
        """Whether each station is recommended to its user at that start, as the system `seen` the vehicles; shape (users,)."""
        rows = np.arange(len(station))
        present = credit.others(self.case, seen.station, seen.start, self.users.stay)[rows, :, start]
        return np.asarray(credit.recommendations(self.case, present)[rows, station])

    def _load_kw(self, choice: _Choice) -> FloatArray:
        """Step 4: charging power at the grid side, shape (stations, periods)."""
        users, periods = self.users, self.case.horizon.periods
        at = choice.start[:, None] + np.arange(periods)
        rows = np.broadcast_to(choice.station[:, None], at.shape)
        inside = at < periods
        load_kwh = np.zeros((len(self.names), periods))
        np.add.at(load_kwh, (rows[inside], at[inside]), (users.count[:, None] * users.profile_kwh)[inside])
        return load_kwh / self.case.horizon.period_hours

    def _day(
        self, day: int, before: _Choice, choice: _Choice, prices: dict[str, FloatArray]
    ) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The day's rows of `CreditDays.days`, `.fees` and `.load`."""
        load_kw = self._load_kw(choice)
        ev_kw = load_kw.sum(axis=0)
        row = {"day": day} | self._shares(before, choice) | self._energies(load_kw, prices)
        row |= {"ev_peak_kw": ev_kw.max(), "feeder_peak_kw": (self.base_kw + ev_kw).max()}
        stations, periods = load_kw.shape
        labels = {
            "day": day,
            "station": np.repeat(self.names, periods),
            "period": np.tile(np.arange(periods), stations),
        }
        fees = pd.DataFrame(labels | {name: value.ravel() for name, value in prices.items()})
        load = pd.DataFrame(
            {"day": day, "period": np.arange(periods), "ev_kw": ev_kw, "feeder_kw": self.base_kw + ev_kw}
        )
        return pd.DataFrame([row]), fees, load

    def _shares(self, before: _Choice, choice: _Choice) -> dict[str, float]:
        """Vehicles at recommended stations, and away from where and when the case has them."""
        count = self.users.count / self.users.count.sum()
        station, start, _ = credit.visits(self.case)
        moved = (choice.station != station) | (choice.start != start)
        near = self._recommended(before, choice.station, choice.start)
        return {"recommended_share": float(count @ near), "moved_share": float(count @ moved)}

    def _energies(self, load_kw: FloatArray, prices: dict[str, FloatArray]) -> dict[str, float]:
        """Energy by class of period, and means of fee and price weighted with it."""
        kwh = load_kw * self.case.horizon.period_hours
        total = max(float(kwh.sum()), tolerances.LEAST_ENERGY_KWH)
        valley, peak = float(kwh[:, self.time > 0].sum()), float(kwh[:, self.time < 0].sum())
        return {
            "valley_share": valley / total, "peak_share": peak / total,
            "ev_valley_kwh": valley, "ev_kwh": float(kwh.sum()),
            "mean_fee_per_kwh": float((kwh * prices["fee_per_kwh"]).sum()) / total,
            "mean_price_per_kwh": float((kwh * prices["price_per_kwh"]).sum()) / total,
        }  # fmt: skip


def option_cost(users: _Users, price: FloatArray, given: Assumptions, hours: float) -> FloatArray:
    """Cost of each option of one vehicle, currency, shape (users, stations, starts): bill + way + shift; inf where it cannot be.

    The bill is the energy of each period since the start times the price (stations, periods) there; an option cannot be when the
    energy does not fit before the horizon ends, or when the case gives no way to the station.
    """
    periods = price.shape[1]
    ahead = np.pad(price, ((0, 0), (0, periods)))
    windows = np.lib.stride_tricks.sliding_window_view(ahead, periods, axis=1)[:, :periods]
    bill = np.einsum("nk,stk->nst", users.profile_kwh, windows)
    length = (users.profile_kwh > 0).sum(axis=1)
    away = np.arange(periods) - users.wanted[:, None]
    shift = np.where(
        np.arange(periods) + length[:, None] <= periods, given.shift_cost_per_hour * hours * abs(away), np.inf
    )
    return np.asarray(bill + users.way_cost[:, :, None] + shift[:, None, :])


def _users(case: Instance, given: Assumptions) -> _Users:
    """The sessions of a case as arrays; users without distances have no other station to go to, and no way to their own."""
    station, arrival, stay = credit.visits(case)
    rows, rules = np.arange(len(station)), case_parts.rules(case)
    way = credit.distances_km(case)
    own = way[rows, station]
    way[rows, station] = np.where(np.isfinite(own), own, 0.0)
    step_kwh = np.array([session.power_max_kw for session in case.sessions])[:, None] * case.horizon.period_hours
    grid_kwh = np.array([session.energy_kwh for session in case.sessions])[:, None] / case.charging_efficiency
    profile = np.clip(grid_kwh - step_kwh * np.arange(case.horizon.periods), 0.0, step_kwh)
    late = [item.lateness_minutes for item in rules.reservations] or [0.0]
    kept = {item.session for item in rules.reservations}
    return _Users(
        count=np.array([session.count for session in case.sessions]), stay=stay, wanted=arrival,
        profile_kwh=np.where(profile > tolerances.FILLED * step_kwh, profile, 0.0),
        way_cost=np.where(np.isfinite(way), given.way_cost_per_km * np.where(np.isfinite(way), way, 0.0), np.inf),
        lateness=np.array(late), reserves=np.array([session.name in kept for session in case.sessions]),
    )  # fmt: skip


def dispatch_prices(case: Instance) -> NodalPrices:
    """Nodal prices of the operator's dispatch at the stations' buses, for one charging after another.

    Where network limits had to break they are scarcity prices, of any size: a user pays at most the case's largest price.
    """
    dispatch = Dispatch(case)
    at = [dispatch.network.index[station.bus] for station in case.stations]

    def prices(charging_kw: FloatArray) -> FloatArray:
        return np.asarray(dispatch.at(charging_kw).nodal_price_per_kwh[:, at].T)

    return prices
