"""The operator's dispatch: nodal prices as finite differences of its cost, its point on an independent AC engine, broken limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from market_oracles import small_market
from oracles import grid_engine

import formulations
import instances
from bilevel import BilevelError
from formulations.operator import checks
from instances import Bus, Instance, Network, Station

PAIRS, STEP_KW, KINK = 20, 2.0, 2e-3


def with_stations(case: Instance, buses: list[str]) -> Instance:
    """The case with a station more at each bus."""
    return replace(case, stations=(*case.stations, *(Station(f"at {bus}", bus) for bus in buses)))


def test_nodal_prices_are_finite_differences_of_the_cost_at_random_buses_and_periods() -> None:
    rng = np.random.default_rng(20)
    case = instances.load("ieee33_aggregator")
    buses = [str(bus) for bus in rng.choice([bus.name for bus in case.feeder.buses if bus.load_kw > 0], PAIRS, False)]
    dispatch = formulations.Dispatch(with_stations(case, buses))
    charging = np.vstack([instances.uncontrolled_load_kw(case), np.full((PAIRS, case.horizon.periods), 10.0)])
    base, redrawn, errors = dispatch.at(charging), 0, []
    for k, bus in enumerate(buses):
        at = dispatch.buses.index(bus)
        for t in rng.permutation(case.horizon.periods):
            moved = np.zeros_like(charging)
            moved[len(case.stations) + k, t] = STEP_KW
            up, down = dispatch.at(charging + moved), dispatch.at(charging - moved)
            price = base.nodal_price_per_kwh[t, at]
            if abs(up.nodal_price_per_kwh[t, at] - down.nodal_price_per_kwh[t, at]) < KINK * price:
                break
            redrawn += 1  # a generator comes to a limit or leaves it
        slope = (up.dso_cost - down.dso_cost) / (2 * STEP_KW * case.horizon.period_hours)
        errors.append(abs(price / slope - 1))
        assert price > 0.03
    assert max(errors) < 1e-4
    assert redrawn <= 5, redrawn


def test_the_dispatched_point_is_that_of_an_independent_engine() -> None:
    case = instances.load("ieee33_aggregator")
    assert case.market is not None
    dispatch, network = formulations.Dispatch(case), Network.from_feeder(case.feeder)
    charging = instances.uncontrolled_load_kw(case)
    best = dispatch.at(charging)
    assert best.limits_broken == 0 and best.worst_limit == ""
    load_kw = np.outer(case.load_factor, network.load_kw)
    load_kvar = np.outer(case.load_factor, network.load_kvar)
    for station, drawn in zip(case.stations, charging, strict=True):
        load_kw[:, network.index[station.bus]] += drawn
    for k, generator in enumerate(case.generators):
        reactive = [pyo.value(dispatch.model.reactive_power[generator.name, t]) for t in dispatch.model.T]
        load_kw[:, network.index[generator.bus]] -= best.generator_kw[:, k]
        load_kvar[:, network.index[generator.bus]] -= network.per_unit.kw(np.array(reactive))
    loss_kw, voltage, sent_kw = grid_engine(case, network, load_kw, load_kvar)
    assert best.loss_kwh == pytest.approx(loss_kw.sum() * case.horizon.period_hours, rel=1e-6)
    assert best.supply_kw == pytest.approx(load_kw.sum(axis=1) + loss_kw, rel=1e-7)
    supply = float(np.array(case.wholesale_price_per_kwh) @ (load_kw.sum(axis=1) + loss_kw))
    supply += float((best.generator_kw @ [generator.cost_per_kwh for generator in case.generators]).sum())
    assert best.supply_cost == pytest.approx(supply, rel=1e-7)
    assert best.dso_cost == pytest.approx(supply + case.market.loss_price_per_kwh * loss_kw.sum(), rel=1e-7)
    assert case.market.loss_price_per_kwh * loss_kw.sum() > 1
    names = [(network.buses[int(network.parent[k])], network.buses[k]) for k in range(1, len(network.buses))]
    flows = np.array([[pyo.value(dispatch.model.P[i, j, t]) for i, j in names] for t in dispatch.model.T])
    assert network.per_unit.kw(flows) == pytest.approx(sent_kw, abs=1e-2)
    squares = [[pyo.value(dispatch.model.v[bus, t]) for bus in network.buses] for t in dispatch.model.T]
    assert np.sqrt(squares) == pytest.approx(voltage, abs=1e-7)
    assert all(check.ok for check in checks.ac_replay(case, network)(dispatch.model))


def slope_by_hand(load: float) -> float:
    """1 + r dl/dp of the line of 0.04 + 0.03i pu from 1.02 pu at the load + 0.3i pu."""
    r, x, v, q = 0.04, 0.03, 1.02**2, 0.3
    a, b, c = r**2 + x**2, 2 * (r * load + x * q) - v, load**2 + q**2
    current = (-b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    return float(1 - r * (2 * r * current + 2 * load) / (2 * a * current + b))


def test_one_line_by_hand_with_and_without_a_price_of_losses() -> None:
    case = small_market()
    prices = np.array(case.wholesale_price_per_kwh)
    for loss_price in (0.0, 0.5):
        best = formulations.Dispatch(case, loss_price_per_kwh=loss_price).at([[0.0, 100.0, 50.0]])
        slopes = np.array([slope_by_hand(load) for load in (0.8, 0.9, 0.85)])
        assert best.nodal_price_per_kwh[:, 1] == pytest.approx(prices * slopes + loss_price * (slopes - 1), rel=1e-5)
        assert best.nodal_price_per_kwh[:, 0] == pytest.approx(prices)
        assert best.generator_kw.shape == (3, 0)


def test_an_overloaded_feeder_says_which_limit_breaks_and_prices_scarcity() -> None:
    case = small_market()
    buses = (case.feeder.buses[0], replace(case.feeder.buses[1], voltage_min_pu=0.97))
    case = replace(case, feeder=replace(case.feeder, buses=buses))
    dispatch = formulations.Dispatch(case)
    calm, broken, after = (dispatch.at([[0.0, drawn, 0.0]]) for drawn in (0.0, 600.0, 0.0))
    assert (calm.limits_broken, calm.worst_limit) == (0, "")
    assert (broken.limits_broken, broken.worst_limit) == (1, "v[b,1]")
    assert broken.nodal_price_per_kwh[1, 1] > 5 * case.wholesale_price_per_kwh[1]
    for t in (0, 2):
        assert broken.nodal_price_per_kwh[t, 1] == pytest.approx(calm.nodal_price_per_kwh[t, 1], rel=1e-6)
    assert after.limits_broken == 0 and after.dso_cost == pytest.approx(calm.dso_cost, rel=1e-8)
    assert Bus("b", 800.0, 300.0).voltage_min_pu < 0.97


@pytest.mark.parametrize("given", [[[1.0, 2.0]], [1.0, 2.0, 3.0], [[1.0, np.nan, 2.0]], [[1.0, np.inf, 2.0]]])
def test_charging_of_another_shape_or_without_a_number_is_refused(given: object) -> None:
    with pytest.raises(BilevelError, match="give finite numbers for 1 stations x 3 periods"):
        formulations.Dispatch(small_market()).at(given)
