"""Drawn fleets keep the credit records of their sessions; facts of the shipped case with a market."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import instances
from instances import Instance, read, write


@pytest.fixture(scope="session")
def shipped() -> Instance:
    return instances.load("ieee33_aggregator")


def records(case: Instance) -> dict[str, tuple[float, dict[str, float]]]:
    """Lateness, and distance by station, of each session."""
    assert case.credit is not None
    ways: dict[str, dict[str, float]] = {session.name: {} for session in case.sessions}
    for item in case.credit.distances:
        ways[item.session][item.station] = item.distance_km
    return {item.session: (item.lateness_minutes, ways[item.session]) for item in case.credit.reservations}


@pytest.mark.parametrize(("evs", "seed", "share"), [(1, 0, 0.2), (20, 1, None), (54, 2, 0.3), (200, 3, 0.2)])
def test_a_drawn_fleet_carries_its_records(shipped: Instance, evs: int, seed: int, share: float | None) -> None:
    fleet = instances.scale(shipped, evs, seed, share)
    found, known = records(fleet), records(shipped)
    assert set(found) == {session.name for session in fleet.sessions}
    assert all(found[name] == known[name.partition("#")[0]] for name in found)
    assert fleet.credit is not None
    assert len(fleet.credit.distances) == 4 * evs
    if evs == 54:
        assert fleet.credit == shipped.credit


def test_copies_of_copies_carry_their_records(tmp_path: Path, shipped: Instance) -> None:
    fleet = instances.scale(instances.scale(shipped, 150), 400, seed=1)
    found, known = records(fleet), records(shipped)
    assert len(found) == 400
    assert all(found[name] == known[name.partition("#")[0]] for name in found)
    write(fleet, tmp_path / "case")
    assert read(tmp_path / "case") == fleet


def test_a_session_without_records_stays_without(full: Instance) -> None:
    assert full.credit is not None
    bare = replace(full, credit=replace(full.credit, reservations=(), distances=()))
    assert instances.scale(bare, 5).credit == bare.credit
    assert instances.scale(replace(full, credit=None), 5).credit is None


def test_a_share_leaves_the_market_alone(shipped: Instance) -> None:
    fleet = instances.set_share(shipped, 0.5)
    assert (fleet.market, fleet.credit, fleet.generators) == (shipped.market, shipped.credit, shipped.generators)


def test_the_shipped_case_is_ieee33_with_parts(shipped: Instance, ieee33: Instance) -> None:
    assert shipped.name == "ieee33_aggregator"
    for field in ("horizon", "stations", "sessions", "load_factor", "wholesale_price_per_kwh", "charging_efficiency"):
        assert getattr(shipped, field) == getattr(ieee33, field)
    assert shipped.feeder.buses == ieee33.feeder.buses
    lines = tuple(replace(branch, power_max_kva=math.inf) for branch in shipped.feeder.branches)
    assert lines == ieee33.feeder.branches
    items = {source.item for source in shipped.sources}
    assert items >= {"power_max_kva", "generators", "aggregators", "market", "credit", "reservations", "distances"}


def test_the_shipped_aggregators(shipped: Instance) -> None:
    assert shipped.market is not None
    runs = {aggregator.station: aggregator for aggregator in shipped.market.aggregators}
    assert list(runs) == [station.name for station in shipped.stations]
    for aggregator, load in zip(runs.values(), instances.uncontrolled_load_kw(shipped), strict=True):
        elasticity = np.full((24, 24), aggregator.elasticity_cross)
        np.fill_diagonal(elasticity, aggregator.elasticity_own)
        assert np.linalg.eigvalsh(elasticity).max() < -0.01
        assert 0.75 * load.max() < aggregator.contract_max_kw < load.max()  # some of the charging needs more than it
        assert math.isinf(aggregator.real_time_max_kw)
        assert aggregator.storage_initial_kwh == aggregator.storage_energy_kwh / 2
        assert aggregator.chargers * 6.6 > load.max()


def test_the_shipped_prices(shipped: Instance) -> None:
    assert shipped.market is not None
    assert shipped.credit is not None
    market, limits = shipped.market, shipped.price_limits
    assert market.contract_price_per_kwh == shipped.wholesale_price_per_kwh
    buy, sell = market.real_time_buy_price_per_kwh, market.real_time_sell_price_per_kwh
    assert all(s + 0.001 <= c <= b - 0.001 for s, c, b in zip(sell, market.contract_price_per_kwh, buy, strict=True))
    low, high = min(shipped.wholesale_price_per_kwh), max(shipped.wholesale_price_per_kwh)
    assert low < market.loss_price_per_kwh < high
    assert limits.price_min_per_kwh < 0.9 * low + shipped.credit.fee_min_per_kwh
    assert 1.2 * high + shipped.credit.fee_max_per_kwh < limits.price_max_per_kwh
    assert 1.2 * market.loss_price_per_kwh + shipped.credit.fee_max_per_kwh < limits.price_mean_max_per_kwh


def test_the_shipped_generators_run_in_some_hours_only(shipped: Instance) -> None:
    prices = np.array(shipped.wholesale_price_per_kwh)
    assert len(shipped.generators) == 2
    for generator in shipped.generators:
        assert 4 <= np.count_nonzero(prices > generator.cost_per_kwh) <= 20
        assert generator.active_min_kw == 0
        assert generator.reactive_min_kvar == -generator.reactive_max_kvar
        assert generator.active_max_kw < generator.apparent_max_kva
        # Full active and full reactive power at once are more than the machine can give
        assert math.hypot(generator.active_max_kw, generator.reactive_max_kvar) > generator.apparent_max_kva
        assert generator.ramp_max_kw == 0.4 * generator.active_max_kw


def test_the_shipped_credit_points(shipped: Instance) -> None:
    credit = shipped.credit
    assert credit is not None
    assert [item.session for item in credit.reservations] == [session.name for session in shipped.sessions]
    late = [item.lateness_minutes for item in credit.reservations]
    assert late.count(0.0) == 34
    assert max(late) <= 45
    assert len(credit.distances) == 54 * 4
    plugged = {period for session in shipped.sessions for period in shipped.window(session)}
    assert {*credit.valley_periods, *credit.peak_periods} <= plugged
    price = shipped.wholesale_price_per_kwh
    middle = plugged - {*credit.valley_periods, *credit.peak_periods}
    assert max(price[t] for t in credit.valley_periods) <= min(price[t] for t in middle)
    assert max(price[t] for t in middle) <= min(price[t] for t in credit.peak_periods)


def flows(
    case: Instance, charging: np.ndarray[Any, np.dtype[np.float64]], share: float
) -> tuple[dict[str, float], float]:
    """Largest use of each branch's limit over the day, and the lowest voltage (pu), with generators at ``share``."""
    network, factor = instances.Network.from_feeder(case.feeder), np.array(case.load_factor)[:, np.newaxis]
    kw = network.load_kw * factor
    for row, bus in zip(charging, case.station_bus.values(), strict=True):
        kw[:, network.index[bus]] += row
    for generator in case.generators:
        kw[:, network.index[generator.bus]] -= share * generator.active_max_kw
    flow = instances.ac_power_flow(network, kw, network.load_kvar * factor)
    used = (np.abs(flow.sending_power_pu) / network.power_max_pu).max(axis=0)
    return dict(zip(network.branch_names, used.tolist(), strict=True)), float(np.abs(flow.voltage_pu).min())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_shipped_limits_admit_uncontrolled_charging(shipped: Instance, share: float) -> None:
    used, lowest = flows(shipped, instances.uncontrolled_load_kw(shipped), share)
    assert max(used.values()) <= 1 / 1.75
    assert lowest > 0.9


def test_the_shipped_limits_admit_even_that_all_charge_at_once(shipped: Instance) -> None:
    rows = {station.name: row for row, station in enumerate(shipped.stations)}
    charging = np.zeros((4, 24))
    for session in shipped.sessions:
        window = slice(session.arrival_period, session.departure_period)
        charging[rows[session.station], window] += session.count * session.power_max_kw
    used, _ = flows(shipped, charging, 0.0)
    assert 0.75 < max(used.values()) < 1
