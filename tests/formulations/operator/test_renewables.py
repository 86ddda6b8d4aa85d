"""What renewables feed in counts wherever base load does: the network, its AC replay, and the days of credit points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles import grid_engine

import formulations
import instances
from formulations.operator import checks
from instances import Network, Renewable


def test_the_network_carries_what_renewables_feed_in() -> None:
    case = instances.load("ieee33_carbon")
    network, charging = Network.from_feeder(case.feeder), instances.uncontrolled_load_kw(case)
    dispatch = formulations.Dispatch(case)
    best = dispatch.at(charging)
    load_kw = np.outer(case.load_factor, network.load_kw)
    for station, drawn in zip(case.stations, charging, strict=True):
        load_kw[:, network.index[station.bus]] += drawn
    for renewable in case.renewables:
        load_kw[:, network.index[renewable.bus]] -= renewable.power_kw
    for k, turbine in enumerate(case.generators):
        load_kw[:, network.index[turbine.bus]] -= best.generator_kw[:, k]
    loss_kw, _, _ = grid_engine(case, network, load_kw, np.outer(case.load_factor, network.load_kvar))
    assert best.supply_kw == pytest.approx(load_kw.sum(axis=1) + loss_kw, rel=1e-7)
    assert best.loss_kwh == pytest.approx(loss_kw.sum(), rel=1e-6)
    assert all(check.value <= check.tolerance for check in checks.ac_replay(case, network)(dispatch.model))


def test_a_renewable_is_a_negative_load() -> None:
    case = instances.load("ieee33")
    sun = Renewable("sun", "18", tuple(50.0 * factor for factor in case.load_factor))
    buses = tuple(replace(bus, load_kw=bus.load_kw - 50.0 * (bus.name == "18")) for bus in case.feeder.buses)
    less = replace(case, feeder=replace(case.feeder, buses=buses))
    charging = instances.uncontrolled_load_kw(case)
    found, expected = (formulations.Dispatch(c).at(charging) for c in (replace(case, renewables=(sun,)), less))
    assert found.loss_kwh == pytest.approx(expected.loss_kwh, rel=1e-8)
    assert found.supply_kw == pytest.approx(expected.supply_kw, rel=1e-9)
    assert found.loss_kwh < formulations.Dispatch(case).at(charging).loss_kwh - 1


def test_days_of_credit_points_count_renewables_in_the_feeders_load() -> None:
    case = instances.load("ieee33_aggregator")
    sun = Renewable("sun", "18", tuple(np.linspace(0.0, 230.0, 24).tolist()))

    def no_prices(load_kw: np.ndarray) -> np.ndarray:
        return np.zeros_like(load_kw)

    with_sun, without = (
        formulations.credit.simulate(c, days=1, nodal_prices=no_prices).load
        for c in (replace(case, renewables=(sun,)), case)
    )
    fed = (without.feeder_kw - with_sun.feeder_kw).to_numpy().reshape(-1, 24)
    np.testing.assert_allclose(fed, np.broadcast_to(sun.power_kw, fed.shape), atol=1e-9)
