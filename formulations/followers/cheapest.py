"""EV users who fill their cheapest periods, for many prices at once: the exact response of `followers.ev_user` without a solver.

Sessions of one station and window share one order of periods, so that they are added up in classes, and a fleet of any size has
few (docs/model.md section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instances import Instance

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Users:
    """k groups of users by station: when they are plugged in, and what they draw in kW in the r-th best of these periods."""

    station: NDArray[np.int64]  # (k,)
    plugged: NDArray[np.bool_]  # (k, periods)
    power_kw: FloatArray  # (k, periods), by rank r


class CheapestPeriods:
    """The users of a case's sessions, who charge at full power in their cheapest periods and take the rest in the next one.

    Periods of one price are taken in the order of `load_kw` (periods,), lowest first, then in time.
    """

    def __init__(self, case: Instance, load_kw: FloatArray) -> None:
        self._stations = len(case.stations)
        # Stable sorts by price of periods in this order break ties by load, then by time
        self._by_load = np.argsort(load_kw, kind="stable")
        self._sessions = _sessions(case)
        self._classes = _classes(self._sessions)

    def charging_kw(self, price: FloatArray) -> FloatArray:
        """What each station draws in kW at prices (n, stations, periods), in their shape."""
        order = self._preference(price)
        drawn = np.zeros(price.shape)
        for station in range(self._stations):
            ranked = _ranked(self._classes, self._classes.station == station, order[:, station])
            np.put_along_axis(drawn[:, station], order[:, station], ranked.sum(axis=0), axis=1)
        return drawn

    def schedule(self, price: FloatArray) -> FloatArray:
        """Charging power of all vehicles of each session in kW at prices (stations, periods): (sessions, periods)."""
        order = self._preference(price[np.newaxis])
        power = np.zeros(self._sessions.plugged.shape)
        for station in range(self._stations):
            mine = self._sessions.station == station
            power[np.ix_(mine, order[0, station])] = _ranked(self._sessions, mine, order[:, station])[:, 0]
        return power

    def _preference(self, price: FloatArray) -> NDArray[np.int64]:
        """Periods (n, stations, periods) from the best to the worst for users."""
        best = np.argsort(price[..., self._by_load], axis=-1, kind="stable")
        return np.asarray(self._by_load[best])


def _sessions(case: Instance) -> _Users:
    """Every session by itself: its rank-th best period takes what the better ones left of its energy."""
    index = {station.name: position for position, station in enumerate(case.stations)}
    rank = np.arange(case.horizon.periods)
    plugged = np.array([(rank >= s.arrival_period) & (rank < s.departure_period) for s in case.sessions])
    limit = np.array([s.power_max_kw for s in case.sessions])[:, np.newaxis]
    # What would bring all of the energy in a single period
    mean_kw = np.array([s.energy_kwh for s in case.sessions]) / (case.charging_efficiency * case.horizon.period_hours)
    count = np.array([s.count for s in case.sessions])[:, np.newaxis]
    power = count * np.clip(mean_kw[:, np.newaxis] - rank * limit, 0.0, limit)
    return _Users(np.array([index[s.station] for s in case.sessions]), plugged, power)


def _classes(users: _Users) -> _Users:
    """Add up the users of each station and window."""
    key, group = np.unique(np.column_stack([users.station, users.plugged]), axis=0, return_inverse=True)
    power = np.zeros((len(key), users.power_kw.shape[1]))
    np.add.at(power, group.ravel(), users.power_kw)
    return _Users(key[:, 0], key[:, 1:].astype(np.bool_), power)


def _ranked(users: _Users, mine: NDArray[np.bool_], order: NDArray[np.int64]) -> FloatArray:
    """Power in kW of the users `mine` (k of them) in each period of `order` (n, periods): (k, n, periods), best period first."""
    plugged = users.plugged[mine][:, order]
    # A rank counts the better periods in which the vehicle is there, and no others
    rank = plugged.cumsum(axis=2) - 1
    return np.where(plugged, np.take_along_axis(users.power_kw[mine][:, np.newaxis], rank, axis=2), 0.0)
