"""What can happen in a case with carbon rules at all: ranges of flows, factors and charging, and the periods that prices decide."""

from typing import Any

import numpy as np

from formulations.carbon.factor_ranges import Feed, factor_ranges
from formulations.case_parts import carbon_of
from formulations.followers import fixed_periods
from formulations.power_flow.ranges import FlowRanges, Interval, flow_ranges
from instances import Instance, Network, base_load_kvar, base_load_kw

Shares = dict[str, dict[int, float]]


class Outlook:
    """Ranges over every decision of the leader within its generators' limits.

    `flows`, and `factors` (low, high), (periods, buses); `share[n]` is the share of full power in the periods of session n that
    are decided; `charging_kw` (least, most), each (periods, stations).
    """

    def __init__(self, case: Instance, network: Network) -> None:
        self.case, self.network = case, network
        self.share: Shares = {}
        # Decided periods narrow charging, and with it the factors, which decide more periods
        for _ in range(2):
            self.charging_kw = charging_range(case, self.share)
            self.flows, self.factors = self._ranges()
            low, high = (end[:, self._stations()] for end in self.factors)
            self.share = shares(case, low, high)
        self.charging_kw = charging_range(case, self.share)

    def _stations(self) -> list[int]:
        return [self.network.index[station.bus] for station in self.case.stations]

    def wanted(self) -> set[tuple[str, int]]:
        """(bus, period) of stations where some response may depend on the factor."""
        case = self.case
        # A period that is decided and not idle still has a bill, of which the factor is a part
        return {
            (case.station_bus[session.station], t)
            for session in case.sessions
            for t in case.window(session)
            if self.share[session.name].get(t) != 0.0
        }

    def _ranges(self) -> tuple[FlowRanges, Interval]:
        case, network, power = self.case, self.network, self.network.per_unit.power
        limits = np.array([(unit.active_min_kw, unit.active_max_kw) for unit in case.generators]).reshape(-1, 2)
        every = np.ones((case.horizon.periods, 1))
        output = power(limits[:, 0]) * every, power(limits[:, 1]) * every
        charging = power(self.charging_kw[0]), power(self.charging_kw[1])
        active, reactive, feeds = drawn(case, network, slice(None), charging, output)
        flows = flow_ranges(network, active, reactive)
        return flows, factor_ranges(network, flows, feeds, np.array(carbon_of(case).grid_factor_kg_per_kwh))


def drawn(
    case: Instance, network: Network, periods: Any, charging: Interval, output: Interval
) -> tuple[Interval, Interval, list[Feed]]:
    """What buses draw, active and reactive, and what sources feed in, pu: `periods` is an index into the horizon.

    `charging` (..., stations) and `output` (..., generators) are the ends of intervals in pu.
    """
    power, index = network.per_unit.power, network.index
    base = power(base_load_kw(case, network)[periods]), power(base_load_kvar(case, network)[periods])
    shape = (*output[0].shape[:-1], len(network.buses))
    active, reactive = ([np.broadcast_to(part, shape).copy() for _ in range(2)] for part in base)
    stations = [index[station.bus] for station in case.stations]
    for end in (0, 1):
        for s, k in enumerate(stations):
            active[end][..., k] += charging[end][..., s]
    feeds = []
    for g, unit in enumerate(case.generators):
        k = index[unit.bus]
        for end in (0, 1):
            # The largest output leaves the least to draw
            active[end][..., k] -= output[1 - end][..., g]
        reactive[0][..., k] -= power(unit.reactive_max_kvar)
        reactive[1][..., k] -= power(unit.reactive_min_kvar)
        feeds.append(
            Feed(k, (np.maximum(output[0][..., g], 0.0), np.maximum(output[1][..., g], 0.0)), unit.emission_kg_per_kwh)
        )
    for source in case.renewables:
        # The base load is less by these already
        fed = np.broadcast_to(power(np.array(source.power_kw))[periods], shape[:-1])
        feeds.append(Feed(index[source.bus], (fed, fed), source.emission_kg_per_kwh))
    return (active[0], active[1]), (reactive[0], reactive[1]), feeds


def shares(case: Instance, low: Any, high: Any) -> Shares:
    """The decided periods of every session where stations' factors lie between `low` and `high`, (periods, stations) in kg/kWh."""
    wholesale, per_kg = np.array(case.wholesale_price_per_kwh)[:, None], carbon_of(case).price_per_kg
    ends = [wholesale + per_kg * np.nan_to_num(end, posinf=0.0, neginf=0.0) for end in (low, high)]
    column = {station.name: k for k, station in enumerate(case.stations)}
    return {
        session.name: fixed_periods.decided(case, session, *(end[:, column[session.station]] for end in ends))
        for session in case.sessions
    }


def charging_range(case: Instance, share: Shares) -> Interval:
    """Least and most that vehicles may draw, (periods, stations) in kW, where some periods are decided."""
    column = {station.name: k for k, station in enumerate(case.stations)}
    least, most = (np.zeros((case.horizon.periods, len(column))) for _ in range(2))
    for session in case.sessions:
        known = share.get(session.name, {})
        power = session.count * session.power_max_kw
        for t in case.window(session):
            least[t, column[session.station]] += power * known.get(t, 0.0)
            most[t, column[session.station]] += power * known.get(t, 1.0)
    return least, most
