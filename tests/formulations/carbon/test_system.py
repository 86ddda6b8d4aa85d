"""The physical system of carbon-aware dispatch against hand calls, linear programs, closed forms and laws of conservation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from carbon_cases import CAR_KW, GRID, LOAD_KW, bus_factor, tiny_carbon, two_periods, weak_line
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import instances
from bilevel import BilevelError
from formulations.carbon.emission_flow import Sources, emission_flow
from formulations.carbon.system import CarbonState, CarbonSystem, Costs
from instances import Carbon, Generator, Instance, Network, Renewable, Session, ac_power_flow

NAMES = ("tiny", "weekday", "weekend")
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def systems() -> Mapping[str, CarbonSystem]:
    """A tiny case and the two shipped ones."""
    cases = (tiny_carbon(), instances.load("ieee33_carbon"), instances.load("ieee33_carbon_weekend"))
    return {name: CarbonSystem(case) for name, case in zip(NAMES, cases, strict=True)}


def random_outputs(system: CarbonSystem, lead: tuple[int, ...], seed: int) -> Any:
    shape = (*lead, system.case.horizon.periods, len(system.case.generators))
    share = np.random.default_rng(seed).random(shape)
    return system.output_min_kw + share * (system.output_max_kw - system.output_min_kw)


def random_charging(system: CarbonSystem, lead: tuple[int, ...], seed: int) -> Any:
    shape = (*lead, system.case.horizon.periods, len(system.case.stations))
    return np.random.default_rng(seed).uniform(0.0, 150.0, shape)


def random_factors(system: CarbonSystem, lead: tuple[int, ...], seed: int) -> Any:
    shape = (*lead, system.case.horizon.periods, len(system.case.stations))
    return np.random.default_rng(seed).uniform(0.0, 2.0, shape)


# State


@pytest.mark.parametrize("name", NAMES)
def test_state_is_the_power_flow_and_the_emission_flow(name: str, systems: Mapping[str, CarbonSystem]) -> None:
    system = systems[name]
    case, network = system.case, Network.from_feeder(system.case.feeder)
    output, charging = random_outputs(system, (), 1), random_charging(system, (), 2)
    consumed = np.outer(case.load_factor, network.load_kw)
    for c, station in enumerate(case.stations):
        consumed[:, network.index[station.bus]] += charging[:, c]
    units = [*case.generators, *case.renewables]
    power = np.column_stack([output, *(unit.power_kw for unit in case.renewables)])
    net = consumed.copy()
    for k, unit in enumerate(units):
        net[:, network.index[unit.bus]] -= power[:, k]
    flow = ac_power_flow(network, net, np.outer(case.load_factor, network.load_kvar))
    at = np.array([network.index[unit.bus] for unit in units])
    factors = np.broadcast_to([unit.emission_kg_per_kwh for unit in units], power.shape)
    shared = emission_flow(network, flow, consumed, Sources(at, power, factors, case.carbon.grid_factor_kg_per_kwh))

    state = system.state(output, charging)
    fed = flow.sending_power_pu[:, network.parent[1:] == 0].sum(axis=1).real * network.per_unit.base_kva
    supply = fed + net[:, 0]
    hours = case.horizon.period_hours
    np.testing.assert_allclose(state.supply_kw, supply, rtol=1e-8, atol=1e-6)
    assert state.variance_kw2 == pytest.approx(((supply - supply.mean()) ** 2).mean(), rel=1e-7)
    assert state.loss_kwh == pytest.approx(hours * flow.loss_kw.sum(), rel=1e-9)
    np.testing.assert_allclose(state.factor_kg_per_kwh, shared.factor_kg_per_kwh, rtol=1e-9)
    bus = [network.index[station.bus] for station in case.stations]
    np.testing.assert_allclose(state.station_factor, shared.factor_kg_per_kwh[:, bus], rtol=1e-9)
    emitted = hours * (charging * shared.factor_kg_per_kwh[:, bus]).sum()
    assert state.charging_emission_kg == pytest.approx(emitted, rel=1e-9)
    voltage = np.abs(flow.voltage_pu)
    assert (state.lowest_voltage_pu, state.highest_voltage_pu) == pytest.approx((voltage.min(), voltage.max()))
    assert state.converged and state.supply_kw.shape == (case.horizon.periods,)


def test_variance_losses_and_factors_of_a_line_without_losses_by_hand() -> None:
    system = CarbonSystem(two_periods(0.9))
    state = system.state([[60.0], [120.0]], [[0.0], [100.0]])
    assert state.supply_kw == pytest.approx([140.0, 180.0], rel=1e-9)
    assert state.variance_kw2 == pytest.approx(400.0, rel=1e-9)
    assert state.loss_kwh == pytest.approx(0.0, abs=1e-9)
    expected = [[GRID, bus_factor(60.0, 0.0, 0.9)], [GRID, bus_factor(120.0, 100.0, 0.9)]]
    assert state.factor_kg_per_kwh == pytest.approx(np.array(expected), rel=1e-9)
    assert state.charging_emission_kg == pytest.approx(100.0 * bus_factor(120.0, 100.0, 0.9), rel=1e-9)
    # More than is drawn goes back to the main grid, and the bus has the factor of its generator
    export = CarbonSystem(two_periods(0.9, active_max_kw=500.0)).state([[500.0], [0.0]], [[0.0], [0.0]])
    assert export.supply_kw == pytest.approx([-300.0, 200.0], rel=1e-9)
    assert export.station_factor[:, 0] == pytest.approx([0.9, GRID], rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_what_is_fed_in_is_drawn_or_lost_and_factors_are_between_those_of_sources(seed: int) -> None:
    system = CarbonSystem(tiny_carbon())
    case, hours = system.case, system.case.horizon.period_hours
    output, charging = random_outputs(system, (4,), seed), random_charging(system, (4,), seed + 1)
    state = system.state(output, charging)
    fed = state.supply_kw.sum(axis=1) + output.sum(axis=(1, 2)) + sum(sum(unit.power_kw) for unit in case.renewables)
    drawn = sum(case.load_factor) * sum(bus.load_kw for bus in case.feeder.buses) + charging.sum(axis=(1, 2))
    np.testing.assert_allclose(hours * (fed - drawn), state.loss_kwh, atol=1e-6)
    assert (state.loss_kwh > 0).all()
    factors = state.factor_kg_per_kwh
    assert np.nanmin(factors) >= -1e-12 and np.nanmax(factors) <= 0.6 * (1 + 1e-12)


def test_reactive_power_is_that_next_to_zero_and_takes_its_share_of_apparent_power() -> None:
    limits = {"reactive_min_kvar": 48.0, "reactive_max_kvar": 60.0, "apparent_max_kva": 80.0}
    system = CarbonSystem(two_periods(active_max_kw=100.0, **limits))
    assert system.output_max_kw == pytest.approx([64.0])
    state = system.state([[64.0], [0.0]], [[0.0], [0.0]])
    network = system.network
    flow = ac_power_flow(network, [[0.0, LOAD_KW - 64.0], [0.0, LOAD_KW]], [0.0, -48.0])
    assert state.highest_voltage_pu == pytest.approx(np.abs(flow.voltage_pu).max(), rel=1e-12)
    assert state.lowest_voltage_pu == pytest.approx(np.abs(flow.voltage_pu).min(), rel=1e-12)
    below = CarbonSystem(two_periods(reactive_min_kvar=-60.0, reactive_max_kvar=-48.0, apparent_max_kva=80.0))
    assert below.output_max_kw == pytest.approx([64.0])
    free = CarbonSystem(two_periods(reactive_min_kvar=-60.0, reactive_max_kvar=60.0, apparent_max_kva=80.0))
    assert free.output_max_kw == pytest.approx([80.0])


def test_broken_limits_are_told_relative_to_their_size() -> None:
    case = weak_line(current_max_a=40.0, power_max_kva=700.0)
    system, network = CarbonSystem(case), Network.from_feeder(case.feeder)
    output, charging = np.array([[0.0], [100.0]]), np.array([[0.0], [1500.0]])
    state = system.state(output, charging)
    flow = ac_power_flow(network, [[0.0, 80.0], [0.0, 2200.0]], [[0.0, 30.0], [0.0, 300.0]])
    voltage = abs(flow.voltage_pu[1, 1])
    ampere = abs(flow.branch_current_pu[1, 0]) * network.per_unit.base_kva / (math.sqrt(3) * 10.0)
    kva = abs(flow.sending_power_pu[1, 0]) * network.per_unit.base_kva
    expected = (0.9 - voltage) / 0.9 + (ampere / 40.0 - 1) + (kva / 700.0 - 1)
    assert voltage < 0.9 and ampere > 40.0 and kva > 700.0
    assert state.limit_violation == pytest.approx(expected, rel=1e-9)
    assert state.worst_voltage_violation_pu == pytest.approx(0.9 - voltage, rel=1e-9)


def test_a_bus_without_throughput_has_no_factor_but_its_station_has_that_of_the_first_kwh() -> None:
    case = tiny_carbon()
    buses = tuple(bus if bus.name != "c" else replace(bus, load_kw=0.0, load_kvar=0.0) for bus in case.feeder.buses)
    clean = replace(case.generators[1], active_max_kw=300.0)
    system = CarbonSystem(replace(case, feeder=replace(case.feeder, buses=buses), generators=(clean,)))
    output = np.array([[20.0], [90.0], [300.0]])
    idle = system.state(output, np.zeros((3, 2)))
    bus_b, bus_c = system.network.index["b"], system.network.index["c"]
    assert np.isnan(idle.factor_kg_per_kwh[:, bus_c]).all()
    np.testing.assert_array_equal(idle.station_factor[:, 1], idle.factor_kg_per_kwh[:, bus_b])
    first = system.state(output, np.tile([0.0, 1e-6], (3, 1)))
    np.testing.assert_allclose(idle.station_factor[:, 1], first.factor_kg_per_kwh[:, bus_c], rtol=1e-6)
    dark = CarbonSystem(replace(two_periods(), load_factor=(0.0, 1.0)))
    none = dark.state(np.zeros((2, 1)), np.zeros((2, 1)))
    assert np.isnan(none.factor_kg_per_kwh[0]).all() and none.station_factor[0, 0] == GRID


def test_a_case_without_generators_has_a_state() -> None:
    system = CarbonSystem(replace(tiny_carbon(), generators=()))
    state = system.state(np.zeros((3, 0)), np.zeros((3, 2)))
    wind, load = np.array([100.0, 0.0, 400.0]), 500.0 * np.array([0.6, 1.0, 0.8])
    assert state.supply_kw.sum() == pytest.approx((load - wind).sum() + state.loss_kwh / 0.5, rel=1e-9)
    assert system.settle(np.zeros((4, 3, 0))).settled.shape == (4,)


def test_the_supply_alone_is_that_of_the_state(systems: Mapping[str, CarbonSystem]) -> None:
    system = systems["weekday"]
    output, charging = random_outputs(system, (2, 3), 5), random_charging(system, (3,), 6)
    np.testing.assert_array_equal(system.supply_kw(output, charging), system.state(output, charging).supply_kw)
    weak = CarbonSystem(weak_line())
    charging = np.array([[[0.0], [0.0]], [[1e6], [1e6]]])
    supply = weak.supply_kw(np.zeros((2, len(weak.case.generators))), charging)
    assert np.isfinite(supply[0]).all() and np.isnan(supply[1]).all()


# Response


def least_cost(case: Instance, session: Session, price: Any) -> float:
    """Cost of all vehicles of a session, by a linear program in kWh from the grid."""
    window = list(case.window(session))
    kwh = session.count * session.energy_kwh / case.charging_efficiency
    most = session.count * session.power_max_kw * case.horizon.period_hours
    found = linprog(price[window], A_eq=np.ones((1, len(window))), b_eq=[kwh], bounds=(0, most))
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize("name", NAMES)
def test_users_pay_the_least_that_linear_programs_find(name: str, systems: Mapping[str, CarbonSystem]) -> None:
    system = systems[name]
    case = system.case
    factor = random_factors(system, (), 3)
    price = np.array(case.wholesale_price_per_kwh)[:, np.newaxis] + case.carbon.price_per_kg * factor
    station = {s.name: k for k, s in enumerate(case.stations)}
    power, hours = system.schedule(factor), case.horizon.period_hours
    least = np.zeros(len(case.stations))
    for drawn, session in zip(power, case.sessions, strict=True):
        own = price[:, station[session.station]]
        cost = least_cost(case, session, own)
        assert hours * drawn @ own == pytest.approx(cost, rel=1e-9)
        least[station[session.station]] += cost
        inside = np.isin(np.arange(case.horizon.periods), case.window(session))
        assert (drawn[~inside] == 0).all() and (drawn >= 0).all()
        assert (drawn <= session.count * session.power_max_kw * (1 + 1e-12)).all()
        stored = case.charging_efficiency * hours * drawn.sum()
        assert stored == pytest.approx(session.count * session.energy_kwh, rel=1e-9)
    response = system.respond(factor)
    assert response.costs.station_bill == pytest.approx(least, rel=1e-9)
    assert response.costs.bill == pytest.approx(least.sum(), rel=1e-9)
    together = np.zeros_like(factor)
    for drawn, session in zip(power, case.sessions, strict=True):
        together[:, station[session.station]] += drawn
    np.testing.assert_allclose(response.charging_kw, together, rtol=1e-12, atol=1e-9)


def test_costs_are_those_of_electricity_and_of_carbon_by_hand() -> None:
    system = CarbonSystem(tiny_carbon(0.2))
    costs = system.costs([[10.0, 0.0], [0.0, 20.0], [30.0, 40.0]], [[0.1, 9.0], [9.0, 0.2], [0.3, 0.4]])
    assert costs.station_electricity_cost == pytest.approx([0.5 * (1.0 + 4.5), 0.5 * (6.0 + 6.0)])
    assert costs.station_carbon_cost == pytest.approx([0.5 * 0.2 * (1.0 + 9.0), 0.5 * 0.2 * (4.0 + 16.0)])
    assert costs.electricity_cost == pytest.approx(8.75) and costs.carbon_cost == pytest.approx(3.0)
    assert costs.station_bill == pytest.approx([3.75, 8.0]) and costs.bill == pytest.approx(11.75)


def test_equal_prices_are_taken_in_the_order_of_the_base_load_then_of_time() -> None:
    case = replace(
        tiny_carbon(), sessions=(Session("ev", "s", 0, 3, 67.5, 100.0),), renewables=()
    )  # 150 kW for half an hour
    even = replace(case, wholesale_price_per_kwh=(0.1, 0.1, 0.1))
    flat = np.full((3, 2), 0.3)
    low_last = CarbonSystem(replace(even, load_factor=(0.6, 1.0, 0.5)))
    assert low_last.respond(flat).charging_kw[:, 0] == pytest.approx([50.0, 0.0, 100.0])
    level = CarbonSystem(replace(even, load_factor=(1.0, 0.6, 0.6)))
    assert level.respond(flat).charging_kw[:, 0] == pytest.approx([0.0, 100.0, 50.0])
    windy = replace(level.case, renewables=(Renewable("wind", "c", (400.0, 0.0, 0.0)),))
    assert CarbonSystem(windy).respond(flat).charging_kw[:, 0] == pytest.approx([100.0, 50.0, 0.0])
    # Wholesale and carbon may make up for each other; errors of a power flow's size are none
    offset = replace(level.case, wholesale_price_per_kwh=(0.1, 0.2, 0.1), carbon=Carbon(0.5, (0.4, 0.4, 0.4)))
    factor = np.array([[0.3, 0.3], [0.1 + 1e-13, 0.3], [0.3 - 1e-13, 0.3]])
    assert CarbonSystem(offset).respond(factor).charging_kw[:, 0] == pytest.approx([0.0, 100.0, 50.0])
    factor[0, 0] -= 1e-6
    assert CarbonSystem(offset).respond(factor).charging_kw[:, 0] == pytest.approx([100.0, 50.0, 0.0])


# The day without optimisation


def test_average_charging_spreads_each_energy_over_its_stay() -> None:
    # 75 kWh in 3 periods, 2.5 vehicles of 15 kWh in 2 periods, 40 kWh in 2 periods, of half an hour at an efficiency of 0.9
    expected = [[75 / 1.35 + 37.5 / 0.9, 0.0], [75 / 1.35 + 37.5 / 0.9, 40 / 0.9], [75 / 1.35, 40 / 0.9]]
    assert CarbonSystem(tiny_carbon()).average_charging_kw() == pytest.approx(np.array(expected))


def test_the_baseline_runs_generators_where_they_cost_less_than_the_main_grid() -> None:
    system = CarbonSystem(tiny_carbon())
    found = system.baseline()
    # gas at 0.12 against 0.10, 0.30 and 0.15; hydro at 0.02 has a least output of 20 kW
    assert found.output_kw == pytest.approx(np.array([[0.0, 90.0], [120.0, 90.0], [120.0, 90.0]]))
    equal = replace(system.case.generators[1], cost_per_kwh=0.30)
    dear = CarbonSystem(replace(system.case, generators=(equal,))).baseline()
    assert dear.output_kw == pytest.approx(np.full((3, 1), 20.0))
    np.testing.assert_array_equal(found.charging_kw, system.average_charging_kw())
    state = system.state(found.output_kw, found.charging_kw)
    assert found.state.variance_kw2 == state.variance_kw2
    assert found.costs.bill == system.costs(found.charging_kw, state.station_factor).bill


@pytest.mark.parametrize("name", ["weekday", "weekend"])
def test_turbines_run_where_the_price_is_above_their_cost(name: str, systems: Mapping[str, CarbonSystem]) -> None:
    system = systems[name]
    running = np.array([1240.0 if price > 0.0822 else 0.0 for price in system.case.wholesale_price_per_kwh])
    found = system.baseline()
    np.testing.assert_array_equal(found.output_kw, np.column_stack([running, running]))
    assert 0 < np.count_nonzero(running) < 24
    assert found.costs.bill > system.settle(found.output_kw).costs.bill


# The exchange


@pytest.mark.parametrize("name", NAMES)
def test_settled_charging_is_the_response_to_its_own_factors(name: str, systems: Mapping[str, CarbonSystem]) -> None:
    system = systems[name]
    output = random_outputs(system, (12,), 4)
    found = system.settle(output)
    assert found.settled.any()
    np.testing.assert_array_equal(found.settled, found.period == 1)
    state = system.state(output, found.charging_kw)
    same_fields(found.state, state)
    response = system.respond(state.station_factor)
    slack = 1e-9 * found.charging_kw.max()
    same = (np.abs(response.charging_kw - found.charging_kw) <= slack).all(axis=(1, 2))
    np.testing.assert_array_equal(same, found.settled)
    np.testing.assert_allclose(found.costs.bill, system.costs(found.charging_kw, state.station_factor).bill, rtol=1e-12)


def same_fields(found: Any, expected: Any, at: Any = ...) -> None:
    for field in fields(found):
        value, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(value, (CarbonState, Costs)):
            same_fields(value, other, at)
        else:
            # Power flows stop at 1e-12 pu, so that sums over a day differ by some 1e-8 kW
            np.testing.assert_allclose(value, other[at], rtol=1e-8, atol=1e-7, err_msg=field.name)


def test_a_clean_source_draws_the_vehicle_where_its_output_is_larger() -> None:
    system = CarbonSystem(two_periods())
    found = system.settle([[30.0], [140.0]])
    # With the vehicle the second period has 0.5 (1 - 140/300), less than 0.5 (1 - 30/200) in the first without it
    assert found.settled and found.charging_kw[:, 0] == pytest.approx([0.0, CAR_KW])
    expected = [bus_factor(30.0, 0.0), bus_factor(140.0, CAR_KW)]
    assert expected[1] < expected[0]
    assert found.state.station_factor[:, 0] == pytest.approx(expected, rel=1e-9)
    assert found.costs.bill == pytest.approx(CAR_KW * (0.1 + expected[1]), rel=1e-9)
    assert found.state.variance_kw2 == pytest.approx(((170.0 - 160.0) / 2) ** 2, rel=1e-9)


def test_a_vehicle_that_dilutes_a_clean_source_goes_round_in_circles() -> None:
    system = CarbonSystem(two_periods())
    output = np.full((2, 1), 140.0)
    assert bus_factor(140.0, 0.0) < bus_factor(140.0, CAR_KW)  # wherever the vehicle is, the other period is cleaner
    found = system.settle(output)
    assert not found.settled and found.period == 2
    assert sorted(found.charging_kw[:, 0]) == pytest.approx([0.0, CAR_KW])
    away = system.respond(found.state.station_factor).charging_kw
    np.testing.assert_allclose(away, found.charging_kw[::-1])
    # Half of it in each period is the equilibrium, at which users are indifferent; their response is not
    half = system.state(output, np.full((2, 1), CAR_KW / 2))
    assert half.station_factor[0, 0] == pytest.approx(half.station_factor[1, 0], rel=1e-12)


def test_a_vehicle_that_dilutes_a_dirty_source_stays_where_it_starts() -> None:
    system = CarbonSystem(two_periods(0.9))
    for start in ([[CAR_KW], [0.0]], [[0.0], [CAR_KW]]):
        found = system.settle(np.full((2, 1), 140.0), start_kw=start)
        assert found.settled and found.charging_kw == pytest.approx(np.array(start))


def test_too_few_rounds_are_told() -> None:
    system, output = CarbonSystem(two_periods()), [[30.0], [140.0]]
    first = system.settle(output, rounds=1)
    assert first.period == 0 and not first.settled
    np.testing.assert_array_equal(first.charging_kw, system.average_charging_kw())
    assert system.settle(output, rounds=2).settled
    assert system.settle(np.full((2, 1), 140.0), rounds=2).period == 0


# Many cases


def test_a_batch_is_each_case_alone(systems: Mapping[str, CarbonSystem]) -> None:
    system = systems["weekday"]
    output, charging = random_outputs(system, (2, 3), 5), random_charging(system, (2, 3), 6)
    states, settled = system.state(output, charging), system.settle(output)
    responses = system.respond(states.station_factor)
    assert states.factor_kg_per_kwh.shape == (2, 3, 24, 33) and settled.charging_kw.shape == (2, 3, 24, 3)
    assert responses.costs.station_bill.shape == (2, 3, 3) and settled.period.shape == (2, 3)
    for at in np.ndindex(2, 3):
        same_fields(system.state(output[at], charging[at]), states, at)
        same_fields(system.settle(output[at]), settled, at)
        same_fields(system.respond(states.station_factor[at]), responses, at)
    one = system.state(output, charging[0, 0])
    same_fields(system.state(output[1, 2], charging[0, 0]), one, (1, 2))
    assert system.state(output[:0], charging[:0]).variance_kw2.shape == (0, 3)
    assert system.settle(output[:0]).settled.shape == (0, 3)


def test_a_mixture_of_endings_is_each_alone() -> None:
    system = CarbonSystem(two_periods())
    output = np.array([[30.0, 140.0], [140.0, 140.0], [140.0, 30.0], [0.0, 0.0]])[..., np.newaxis]
    found = system.settle(output)
    assert found.period.tolist() == [1, 2, 1, 1]
    for k in range(4):
        same_fields(system.settle(output[k]), found, k)


def test_a_case_without_power_flow_takes_no_other_with_it() -> None:
    system = CarbonSystem(weak_line())
    output = np.array([[0.0, 4000.0], [0.0, 0.0], [4000.0, 4000.0]])[..., np.newaxis]
    found = system.settle(output)
    assert found.settled.tolist() == [True, False, True] and found.period.tolist() == [1, 0, 1]
    assert found.state.converged.tolist() == [True, False, True]
    for name in ("variance_kw2", "loss_kwh", "charging_emission_kg", "limit_violation", "lowest_voltage_pu"):
        assert np.array_equal(np.isnan(getattr(found.state, name)), [False, True, False]), name
    assert np.array_equal(np.isnan(found.costs.bill), [False, True, False])
    assert np.isnan(found.state.supply_kw[1]).tolist() == [False, True]
    for k in (0, 2):
        same_fields(system.settle(output[k]), found, k)


# Refusals


def test_a_case_needs_carbon_rules_and_sources_that_only_feed_in() -> None:
    case = two_periods()
    with pytest.raises(BilevelError, match="has no carbon factors"):
        CarbonSystem(replace(case, carbon=None))
    with pytest.raises(BilevelError, match="generator gas has active_min_kw -10"):
        CarbonSystem(two_periods(active_min_kw=-10.0))
    with pytest.raises(BilevelError, match="generator gas has apparent_max_kva 30, too little for 40 kvar"):
        CarbonSystem(two_periods(reactive_min_kvar=40.0, reactive_max_kvar=50.0, apparent_max_kva=30.0))
    buses = (case.feeder.buses[0], replace(case.feeder.buses[1], load_kw=-5.0))
    with pytest.raises(BilevelError, match="bus b has load_kw -5, and proportional sharing knows no negative load"):
        CarbonSystem(replace(case, feeder=replace(case.feeder, buses=buses)))


def test_values_outside_their_limits_are_refused_by_name() -> None:
    system = CarbonSystem(two_periods())
    output, charging = np.full((2, 2, 1), 100.0), np.zeros((2, 1))
    for bad in (-1.0, 151.0, math.nan, math.inf):
        wrong = output.copy()
        wrong[1, 0, 0] = bad
        for ask in (lambda given: system.state(given, charging), system.settle):
            with pytest.raises(
                BilevelError, match=rf"gas has output_kw {bad:g} in period 0 in case 1: .* from 0 to 150"
            ):
                ask(wrong)
    for bad in (-1.0, math.nan):
        with pytest.raises(BilevelError, match=rf"station s has charging_kw {bad:g} in period 1: give a finite number"):
            system.state(output, [[0.0], [bad]])
    with pytest.raises(BilevelError, match="station s has station_factor nan in period 0: give a finite number"):
        system.respond([[math.nan], [0.0]])


def test_rounding_of_solvers_is_taken_at_the_limit() -> None:
    system = CarbonSystem(two_periods())
    exact = system.state([[0.0], [150.0]], [[0.0], [100.0]])
    same_fields(system.state([[-1e-9], [150.0 + 1e-9]], [[-1e-9], [100.0]]), exact)


def test_other_shapes_are_refused() -> None:
    system = CarbonSystem(two_periods())
    with pytest.raises(BilevelError, match=r"output_kw has shape \(1, 2\): give \(\.\.\., 2, 1\)"):
        system.settle([[100.0, 100.0]])
    with pytest.raises(BilevelError, match=r"charging_kw has shape \(2,\)"):
        system.state(np.zeros((2, 1)), [0.0, 0.0])
    with pytest.raises(BilevelError, match="give both the same cases"):
        system.state(np.zeros((3, 2, 1)), np.zeros((4, 2, 1)))
    with pytest.raises(BilevelError, match="give one case"):
        system.schedule(np.zeros((3, 2, 1)))
    with pytest.raises(BilevelError, match="rounds is 0"):
        system.settle(np.zeros((2, 1)), rounds=0)


def test_generators_may_share_a_bus() -> None:
    case = two_periods()
    twin = Generator("twin", "b", 0.0, 150.0, 0.0, 0.0, 0.05)
    both = CarbonSystem(replace(case, generators=(*case.generators, twin)))
    stations = (*case.stations, instances.Station("t", "b"))
    shared = CarbonSystem(replace(case, stations=stations))
    alone = CarbonSystem(case).state([[100.0], [140.0]], [[50.0], [80.0]])
    for other in (
        both.state([[40.0, 60.0], [140.0, 0.0]], [[50.0], [80.0]]),
        shared.state([[100.0], [140.0]], [[20.0, 30.0], [80.0, 0.0]]),
    ):
        np.testing.assert_allclose(other.supply_kw, alone.supply_kw, rtol=1e-9)
        np.testing.assert_allclose(other.factor_kg_per_kwh, alone.factor_kg_per_kwh, rtol=1e-9)
