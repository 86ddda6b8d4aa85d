"""Credit points of charging appointments and the service fee that they set: [YZ] sections 5.1 to 5.3, as written there.

A session with a reservation is one appointment; each earns or loses points at its station in the period of its appointment:

    (C1) points of an appointment = exp(-phi * dt) + K + mu * t_c                [YZ] 5.2, the summand
    (C2) gra[k, t] = sum of (C1) over users and their charging times             [YZ] 5.2
    (C3) fee[k, t] = epsilon * exp(-gra[k, t]), within [fee_min, fee_max]        [YZ] 5.3

dt: minutes between reserved time and arrival; K: +1 at a station recommended to the user, else -1; t_c: +1 in the valley, -1 at the
peak.  More points, less fee.  The fee is of a station and a period, so it is the same for every user there.  What the
paper leaves open is decided here and listed in docs/credit-points.md.  Everything is a pure function of records.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bilevel.errors import BilevelError
from formulations import tolerances
from formulations.case_parts import rules
from formulations.moved import moved
from instances import Credit, Instance

CANCELLED_MINUTES, RECORDED_MINUTES = 20.0, 30.0
"""An appointment that is this late or later is cancelled, and recorded as the second number of minutes late ([YZ] 5.1)."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One kept (or missed) appointment: who, at which station, in which period, how many minutes late, recommended or not."""

    user: str
    station: str
    period: int
    lateness_minutes: float
    recommended: bool

    def __post_init__(self) -> None:
        """Refuse a lateness that is negative or no number, and a negative period."""
        if not (math.isfinite(self.lateness_minutes) and self.lateness_minutes >= 0):
            raise BilevelError(
                f"the record of {self.user} has lateness_minutes {self.lateness_minutes}; give a finite number of at least 0"
            )
        if self.period < 0:
            raise BilevelError(f"the record of {self.user} has period {self.period}; number periods from 0")


# Points and fees


def recorded_lateness_minutes(lateness_minutes: ArrayLike) -> FloatArray:
    """The lateness that counts, minutes, in the shape given: 30 from 20 on (the appointment is cancelled), else as it is; [YZ] 5.1.

    The paper names three classes (0 to 5, 5 to 20, 20 or more minutes); its formula uses minutes, so the first two act alike.
    """
    late = np.asarray(lateness_minutes, dtype=float)
    return np.asarray(np.where(late >= CANCELLED_MINUTES, RECORDED_MINUTES, late))


def time_class(credit: Credit, period: ArrayLike) -> NDArray[np.int64]:
    """t_c of periods, in the shape given: +1 in the valley, -1 at the peak; 0 otherwise, where the paper says nothing; [YZ] 5.1."""
    periods = np.asarray(period)
    valley, peak = np.isin(periods, credit.valley_periods), np.isin(periods, credit.peak_periods)
    return np.asarray(valley.astype(int) - peak.astype(int))


def session_points(record: SessionRecord, credit: Credit) -> float:
    """Points of one appointment, equation (C1), no unit: exp(-phi * dt) + K + mu * t_c, between -1 - mu and 2 + mu."""
    return float(_points([record], credit)[0])


def points(records: Sequence[SessionRecord], credit: Credit, stations: Sequence[str], periods: int) -> FloatArray:
    """Points of each station and period, equation (C2): the sum of (C1) over all records; 0 where there is none.

    Shape (len(stations), periods), in the order of `stations`.  A record counts once, in its period at its station, whatever the
    number of vehicles of its session.  Raises `BilevelError` for a record of an unknown station or after the last period.
    """
    row = {name: k for k, name in enumerate(stations)}
    for record in records:
        if record.station not in row:
            raise BilevelError(
                f"the record of {record.user} is of station {record.station!r}; known are {', '.join(stations)}"
            )
        if record.period >= periods:
            raise BilevelError(
                f"the record of {record.user} has period {record.period} of {periods}; number periods from 0 to {periods - 1}"
            )
    total = np.zeros((len(row), periods))
    if records:
        at = [row[record.station] for record in records], [record.period for record in records]
        # An indexed sum would count one record of those that share a place
        np.add.at(total, at, _points(records, credit))
    return total


def _points(records: Sequence[SessionRecord], credit: Credit) -> FloatArray:
    """Equation (C1) of every record, shape (records,)."""
    dt = recorded_lateness_minutes([record.lateness_minutes for record in records])
    place = np.where([record.recommended for record in records], 1.0, -1.0)
    time = time_class(credit, [record.period for record in records])
    return np.asarray(np.exp(-credit.lateness_factor_per_minute * dt) + place + credit.time_factor * time)


def fee_per_kwh(points: ArrayLike, credit: Credit) -> FloatArray:
    """Service fee, currency/kWh, in the shape of `points`, equation (C3): epsilon * exp(-points) within fee_min and fee_max."""
    factor = math.log(credit.fee_factor_per_kwh) if credit.fee_factor_per_kwh > 0 else -math.inf
    # Far below any limit's logarithm the exponential would only overflow
    exponent = np.minimum(factor - np.asarray(points, dtype=float), 700.0)
    return np.asarray(np.clip(np.exp(exponent), credit.fee_min_per_kwh, credit.fee_max_per_kwh))


# Recommended stations


def recommendations(case: Instance, present: FloatArray) -> BoolArray:
    """Which stations the system recommends to each session: the `recommended_stations` of least `station_cost_km`; [YZ] 5.1, I_re.

    `present` and the result: shape (sessions, stations, ...).  Ties go by the order of `case.stations`; a station
    without a distance for a session is not recommended to it.
    """
    cost = station_cost_km(case, present)
    rank = cost.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return (rank < rules(case).recommended_stations) & np.isfinite(cost)


def station_cost_km(case: Instance, present: FloatArray) -> FloatArray:
    """Way and congestion of each station for each session, km: distance_km + congestion_cost_km * present / chargers; [YZ] 5.1.

    `present`: vehicles of others at each station, shape (sessions, stations, ...) with any trailing dimensions, as the result;
    inf where the case has no distance.  Rounded to 1e-9 km, so that ties are ties.
    """
    share = (present.swapaxes(1, -1) / chargers(case)).swapaxes(1, -1)
    way = distances_km(case)
    way = way.reshape(way.shape + (1,) * (present.ndim - 2))
    return np.asarray(np.round(way + rules(case).congestion_cost_km * share, tolerances.WAY_DECIMALS))


def distances_km(case: Instance) -> FloatArray:
    """Way of each session's user to each station, km, shape (sessions, stations); inf where the case gives none."""
    row = {session.name: k for k, session in enumerate(case.sessions)}
    column = {station.name: k for k, station in enumerate(case.stations)}
    way = np.full((len(row), len(column)), np.inf)
    for item in rules(case).distances:
        way[row[item.session], column[item.station]] = item.distance_km
    return way


def chargers(case: Instance) -> FloatArray:
    """Chargers of each station, shape (stations,): its aggregator's; without one, the most vehicles plugged in there at once.

    At least 1 each, so that the second rule gives a station that nobody uses a size too.
    """
    own = {item.station: float(item.chargers) for item in case.market.aggregators} if case.market else {}
    busiest = np.maximum(plugged(case, *visits(case)).max(axis=1), 1.0)
    return np.array([own.get(item.name, busiest[k]) for k, item in enumerate(case.stations)])


def visits(case: Instance) -> tuple[IntArray, IntArray, IntArray]:
    """Station (its index), arrival and length of stay (periods) of each session of the case, each of shape (sessions,)."""
    index = {station.name: k for k, station in enumerate(case.stations)}
    station = np.array([index[session.station] for session in case.sessions])
    arrival = np.array([session.arrival_period for session in case.sessions])
    return station, arrival, np.array([session.departure_period for session in case.sessions]) - arrival


def plugged(case: Instance, station: IntArray, start: IntArray, stay: IntArray) -> FloatArray:
    """Vehicles plugged in, shape (stations, periods): each session's `count`, `stay` periods from `start` or to the horizon's end.

    `station` (an index), `start` and `stay` (periods): shape (sessions,).
    """
    count = np.array([session.count for session in case.sessions])
    present = np.zeros((len(case.stations), case.horizon.periods))
    np.add.at(present, station, count[:, None] * during(case, start, stay))
    return present


def during(case: Instance, start: IntArray, stay: IntArray) -> BoolArray:
    """Whether each session is there, shape (sessions, periods): `stay` periods from `start` on, each of shape (sessions,)."""
    elapsed = np.arange(case.horizon.periods) - start[:, None]
    return np.asarray((elapsed >= 0) & (elapsed < stay[:, None]))


def others(case: Instance, station: IntArray, start: IntArray, stay: IntArray) -> FloatArray:
    """Vehicles of other sessions plugged in, shape (sessions, stations, periods), for visits as `plugged` takes them."""
    count = np.array([session.count for session in case.sessions])
    present = np.repeat(plugged(case, station, start, stay)[None], len(count), axis=0)
    present[np.arange(len(count)), station] -= count[:, None] * during(case, start, stay)
    return present


def recommended(case: Instance) -> dict[str, tuple[str, ...]]:
    """Names of the stations recommended to each session by session name, best first, as the system sees its arrival; [YZ] 5.1.

    Cost as in `station_cost_km`, counting the `count` vehicles of all other sessions plugged in at the session's arrival.  A
    session for which the case has no distances gets (), so that every station counts as another one.
    """
    station, arrival, stay = visits(case)
    rows = np.arange(len(arrival))
    present = others(case, station, arrival, stay)[rows, :, arrival]
    chosen, order = recommendations(case, present), station_cost_km(case, present).argsort(axis=1, kind="stable")
    names = [item.name for item in case.stations]
    return {
        session.name: tuple(names[k] for k in order[row] if chosen[row, k]) for row, session in enumerate(case.sessions)
    }


# A case's own records


def records(case: Instance) -> tuple[SessionRecord, ...]:
    """The appointments of the case, in the order of its reservations; a session without a reservation has none and no points."""
    sessions = {session.name: session for session in case.sessions}
    near = recommended(case)
    return tuple(
        SessionRecord(item.session, session.station, session.arrival_period, item.lateness_minutes,
                      session.station in near[item.session])
        for item in rules(case).reservations
        for session in [sessions[item.session]]
    )  # fmt: skip


def fees(case: Instance) -> FloatArray:
    """Service fee from the case's own records, currency/kWh, shape (stations, periods); equations (C1) to (C3)."""
    names = [station.name for station in case.stations]
    return fee_per_kwh(points(records(case), rules(case), names, case.horizon.periods), rules(case))


__getattr__ = moved(__name__, {"simulate": "studies.market.days.simulate"})
