"""Facts of the shipped cases with gas turbines, wind, sun and carbon, against what the paper says of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import instances
from instances import Instance, Network, ac_power_flow, base_load_kvar, base_load_kw
from studies.command_line.main import app

NAMES = ("ieee33_carbon", "ieee33_carbon_weekend")
BATTERY_KWH = {"cluster_1": 40.0, "cluster_2": 50.0, "cluster_3": 60.0}
POWER_KW, EXPECTED_SOC, TURBINE_KW, COST = 7.0, 0.90, 1240.0, 0.0822


@pytest.fixture(scope="module", params=NAMES)
def case(request: Any) -> Instance:
    return instances.load(request.param)


@pytest.fixture(scope="module")
def both() -> tuple[Instance, Instance]:
    weekday, weekend = (instances.load(name) for name in NAMES)
    return weekday, weekend


def clock(case: Instance, period: int) -> int:
    return (int(case.horizon.start[11:13]) + period) % 24


def test_the_feeder_is_that_of_ieee33(case: Instance, ieee33: Instance) -> None:
    assert case.feeder == ieee33.feeder
    assert (case.currency, case.horizon.periods, case.horizon.period_hours) == ("USD", 24, 1.0)
    assert clock(case, 0) == 8
    voltages = {(bus.voltage_min_pu, bus.voltage_max_pu) for bus in case.feeder.buses}
    assert voltages == {(0.9, 1.1)}


def test_the_turbines_are_those_of_the_paper(case: Instance) -> None:
    assert len({turbine.bus for turbine in case.generators}) == 2
    for turbine in case.generators:
        assert (turbine.active_min_kw, turbine.active_max_kw) == (0.0, TURBINE_KW)
        assert (turbine.reactive_min_kvar, turbine.reactive_max_kvar) == (0.0, 0.0)
        assert turbine.cost_per_kwh == COST
        # IPCC 2006: 56.1 kg of CO2 per GJ of natural gas; 3.6 MJ per kWh; 40 % of them become electricity
        assert turbine.emission_kg_per_kwh == pytest.approx(56.1 * 3.6e-3 / 0.40, abs=5e-5)


def test_carbon_costs_what_it_does_in_the_paper(case: Instance) -> None:
    assert case.carbon is not None
    assert case.carbon.price_per_kg == 0.0068
    factor = np.array(case.carbon.grid_factor_kg_per_kwh)
    # Gas turbines emit more than the main grid's margin, in which a kWh from gas is some 0.4 kg and one from the sun 0
    assert factor.min() > 0
    assert factor.max() < min(turbine.emission_kg_per_kwh for turbine in case.generators)
    assert factor.std() > 0.02


def test_the_price_is_lowest_at_3_to_5_and_on_both_sides_of_the_turbines_cost(case: Instance) -> None:
    price = np.array(case.wholesale_price_per_kwh)
    assert {clock(case, t) for t in np.argsort(price)[:2].tolist()} == {3, 4}
    assert 0 < price.min() < COST < price.max()
    limits = case.price_limits
    assert limits.price_min_per_kwh < price.min()
    assert price.max() < limits.price_max_per_kwh
    assert price.mean() < limits.price_mean_max_per_kwh


def test_loads_are_those_of_ieee33_on_a_working_day_and_less_on_a_weekend(
    both: tuple[Instance, Instance], ieee33: Instance
) -> None:
    weekday, weekend = both
    assert weekday.load_factor == ieee33.load_factor[8:] + ieee33.load_factor[:8]  # the same profiles, from 08:00
    assert sum(weekend.load_factor) < sum(weekday.load_factor)
    assert weekend.wholesale_price_per_kwh == weekday.wholesale_price_per_kwh


def test_there_are_three_clusters_of_single_vehicles(case: Instance) -> None:
    assert [station.name for station in case.stations] == list(BATTERY_KWH)
    assert case.charging_efficiency == 1.0
    for station in BATTERY_KWH:
        fleet = [session for session in case.sessions if session.station == station]
        assert len(fleet) == 20
        assert {(session.count, session.power_max_kw) for session in fleet} == {(1.0, POWER_KW)}


def test_the_initial_state_of_charge_is_normal_within_20_to_50_percent(case: Instance) -> None:
    initial = np.array([EXPECTED_SOC - s.energy_kwh / BATTERY_KWH[s.station] for s in case.sessions])
    assert initial.min() >= 0.20 - 1e-4
    assert initial.max() <= 0.50 + 1e-4
    # Mean 35 %, deviation 5 %: four standard errors of 60 draws
    assert abs(initial.mean() - 0.35) < 4 * 0.05 / np.sqrt(60)
    assert abs(initial.std() - 0.05) < 4 * 0.05 / np.sqrt(120)


def test_the_weekend_is_an_hour_longer_by_night_and_two_shorter_by_day(both: tuple[Instance, Instance]) -> None:
    for day, end in zip(both[0].sessions, both[1].sessions, strict=True):
        assert (day.name, day.station, day.energy_kwh) == (end.name, end.station, end.energy_kwh)
        more = -2 if day.station == "cluster_2" else 1
        assert len(both[1].window(end)) - len(both[0].window(day)) == more


def test_nights_hold_the_cheapest_hours_and_days_are_working_hours(case: Instance) -> None:
    for session in case.sessions:
        hours = {clock(case, t) for t in case.window(session)}
        if session.station == "cluster_2":
            assert hours <= set(range(8, 18))
        else:
            assert hours >= {22, 23, 0, 1, 2, 3, 4}
            assert not hours & set(range(8, 16))


def test_cluster_3_is_fed_by_the_wind_alone(case: Instance) -> None:
    wind = next(renewable for renewable in case.renewables if renewable.name == "wind")
    assert wind.bus == case.station_bus["cluster_3"]
    assert wind.emission_kg_per_kwh == 0
    network = Network.from_feeder(case.feeder)
    assert network.index[wind.bus] not in network.parent  # the end of a lateral
    most_kw = POWER_KW * sum(session.station == "cluster_3" for session in case.sessions)
    local = base_load_kw(case, network)[:, network.index[wind.bus]] + most_kw
    assert (local < 0).all()  # whatever its vehicles do, the bus feeds the others


def test_the_sun_shines_by_day(case: Instance) -> None:
    sun = next(renewable for renewable in case.renewables if renewable.name == "pv")
    shines = {clock(case, t) for t, power in enumerate(sun.power_kw) if power > 10}
    assert set(range(9, 17)) <= shines <= set(range(7, 18))
    assert 200 < max(sun.power_kw) < 400
    assert 10 <= clock(case, int(np.argmax(sun.power_kw))) <= 14


def substation_kw(case: Instance, charging: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """What the substation feeds in, and all voltages, with each turbine at ``share`` of its size, by AC power flow."""
    network = Network.from_feeder(case.feeder)
    kw = base_load_kw(case, network)
    for row, bus in zip(charging, case.station_bus.values(), strict=True):
        kw[:, network.index[bus]] += row
    for turbine in case.generators:
        kw[:, network.index[turbine.bus]] -= share * turbine.active_max_kw
    flow = ac_power_flow(network, kw, base_load_kvar(case, network))
    return kw.sum(axis=1) + flow.loss_kw, np.abs(flow.voltage_pu)


@pytest.mark.parametrize("charges", ["not", "uncontrolled", "all at once"])
def test_voltages_hold_and_the_turbines_can_make_the_substation_flat(case: Instance, charges: str) -> None:
    plugged = np.zeros((len(case.stations), case.horizon.periods))
    for session in case.sessions:
        row = list(case.station_bus).index(session.station)
        plugged[row, list(case.window(session))] += session.power_max_kw
    charging = {"not": 0 * plugged, "uncontrolled": instances.uncontrolled_load_kw(case), "all at once": plugged}[
        charges
    ]
    without, low = substation_kw(case, charging, 0.0)
    full, high = substation_kw(case, charging, 1.0)
    for voltage in (low, high):
        assert voltage.min() >= 0.9
        assert voltage.max() <= 1.1
    # Between them lies a power that the turbines reach in every period
    assert full.max() < without.min()


def test_average_charging_costs_several_times_the_cheapest_hour(case: Instance) -> None:
    price, bill, kwh = np.array(case.wholesale_price_per_kwh), 0.0, 0.0
    for session in case.sessions:  # "without optimisation" each vehicle charges at its average power
        bill += session.energy_kwh * price[list(case.window(session))].mean()
        kwh += session.energy_kwh
    assert 54 < bill < 218  # the paper's 108.97 within a factor of two
    assert 3 < bill / kwh / price.min() < 5


def test_every_choice_has_a_source(case: Instance) -> None:
    items = {source.item for source in case.sources}
    assert items >= {
        "buses", "branches", "stations", "sessions", "load_factor", "wholesale_price_per_kwh", "price_limits",
        "charging_efficiency", "generators", "renewables", "renewable_power", "carbon", "price_per_kg",
    }  # fmt: skip
    carbon = next(source for source in case.sources if source.item == "carbon")
    assert "marginal" in carbon.source


def test_a_smaller_fleet_is_drawn(case: Instance) -> None:
    fleet = instances.scale(case, 6, seed=2, share=None)
    assert len(fleet.sessions) == 6
    assert (fleet.renewables, fleet.carbon, fleet.generators) == (case.renewables, case.carbon, case.generators)


def test_the_command_line_checks_it(case: Instance) -> None:
    done = CliRunner().invoke(app, ["check", case.name])
    assert done.exit_code == 0
    assert "60, for 60.0 vehicles" in done.output
