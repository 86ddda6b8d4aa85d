"""Cases generated on feeders: the rule, its limits, and that every shipped feeder carries one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import formulations
import instances
from instances import Branch, Bus, Feeder, Instance, InstanceError, Network, Source, ac_power_flow, generate
from instances.fleet.generate import refine
from instances.fleet.placement import distances, spread_buses

FEEDERS = instances.list_feeders()


def uncontrolled_flow(case: Instance) -> tuple[Network, instances.PowerFlow]:
    network = Network.from_feeder(case.feeder)
    kw = instances.base_load_kw(case, network)
    for row, bus in zip(instances.uncontrolled_load_kw(case), case.station_bus.values(), strict=True):
        kw[:, network.index[bus]] += row
    return network, ac_power_flow(network, kw, instances.base_load_kvar(case, network))


@pytest.mark.parametrize("periods", [24, 96])
@pytest.mark.parametrize("name", FEEDERS)
def test_every_shipped_feeder_carries_a_case(name: str, periods: int) -> None:
    case = generate(name, periods=periods)
    assert (case.name, len(case.sessions), len(case.stations)) == (name, 50, 4)
    assert (case.horizon.periods, case.horizon.period_hours) == (periods, 24 / periods)
    assert len(set(case.station_bus.values())) == 4
    drawn_kw = sum(max(bus.load_kw, 0.0) for bus in case.feeder.buses) * max(case.load_factor)
    assert instances.uncontrolled_load_kw(case).sum(axis=0).max() == pytest.approx(0.2 * drawn_kw, rel=1e-9)
    network, flow = uncontrolled_flow(case)
    voltage = np.abs(flow.voltage_pu)
    assert (voltage >= network.voltage_min_pu).all()
    assert (voltage <= network.voltage_max_pu).all()
    assert (np.abs(flow.sending_power_pu) <= network.power_max_pu).all()
    assert (np.abs(flow.branch_current_pu) <= network.current_max_pu).all()


@pytest.mark.parametrize("name", ["case33bw", "case69"])
def test_the_pricing_problem_builds_on_the_small_feeders(name: str) -> None:
    model = formulations.charging_pricing(generate(name, evs=5, stations=2))
    assert len(model.price) == 2 * 24


def test_the_same_arguments_give_the_same_case() -> None:
    assert generate("case69", seed=3) == generate("case69", seed=3)
    assert generate("case69", seed=3) == generate(
        instances.load_feeder("case69"), seed=3, name="case69", sources=instances.feeder_sources("case69")
    )
    other = generate("case69", seed=4)
    assert other.station_bus != generate("case69", seed=3).station_bus
    assert other.sessions != generate("case69", seed=3).sessions


@given(st.integers(1, 12), st.integers(0, 150), st.integers(0, 2**32), st.sampled_from([24, 48, 96]))
@settings(max_examples=15, deadline=None)
def test_sessions_are_real_ones_dealt_out_evenly(stations: int, more: int, seed: int, periods: int) -> None:
    evs, fine = stations + more, periods // 24
    case = generate("case33bw", stations=stations, evs=evs, periods=periods, seed=seed)
    real = {
        (s.arrival_period * fine, s.departure_period * fine, s.energy_kwh, s.power_max_kw)
        for s in instances.load("ieee33").sessions
    }
    assert {(s.arrival_period, s.departure_period, s.energy_kwh, s.power_max_kw) for s in case.sessions} <= real
    sizes = [sum(s.station == station.name for s in case.sessions) for station in case.stations]
    assert sum(sizes) == evs
    assert max(sizes) - min(sizes) <= 1
    assert len({s.count for s in case.sessions}) == 1


def test_ten_thousand_sessions_stand_for_the_same_load() -> None:
    small, large = generate("case69", evs=100), generate("case69", evs=10_000)
    assert len({session.name for session in large.sessions}) == 10_000
    peaks = [instances.uncontrolled_load_kw(case).sum(axis=0).max() for case in (small, large)]
    assert peaks[0] == pytest.approx(peaks[1])


def test_prices_limits_and_loads_of_an_hourly_case_are_those_of_ieee33(ieee33: Instance) -> None:
    case = generate("case69")
    for field in (
        "load_factor",
        "wholesale_price_per_kwh",
        "price_limits",
        "charging_efficiency",
        "currency",
        "horizon",
    ):
        assert getattr(case, field) == getattr(ieee33, field)


def test_quarter_hours_keep_the_means_of_the_hours(ieee33: Instance) -> None:
    case = generate("case69", periods=96)
    for field in ("load_factor", "wholesale_price_per_kwh"):
        quarters = np.array(getattr(case, field)).reshape(24, 4)
        np.testing.assert_allclose(quarters.mean(axis=1), getattr(ieee33, field), rtol=1e-12)
        assert np.ptp(quarters, axis=1).max() > 0


def test_refining_is_exact_for_lines_and_parabolas_and_closes_the_day() -> None:
    # Means of x² over hours around the middle of a long day; quarter-hour means of x² are known
    hours = np.arange(-12, 12)
    means = hours**2 + hours + 1 / 3
    edges = hours[:, None] + np.arange(5) / 4
    parts = np.diff(edges**3 / 3, axis=1) * 4
    fine = np.array(refine(means, 4)).reshape(24, 4)
    # Averages of neighbouring means are the edge values of a parabola but for 1/3, which the mean takes out again
    bend = np.diff(np.stack([(s := np.arange(5) / 4) ** 2 * (3 - 2 * s) - s] * 24), axis=1) * 4 / -3
    np.testing.assert_allclose(fine[1:-1], (parts + bend)[1:-1], atol=1e-9)
    assert refine([5.0, 5.0], 3) == pytest.approx((5.0,) * 6)
    shifted = refine(np.roll(means, 1), 4)
    assert shifted == pytest.approx(np.roll(refine(means, 4), 4).tolist())


def test_distances_are_shortest_paths() -> None:
    network = Network.from_feeder(instances.load_feeder("case118zh"))
    length = np.hypot(network.resistance_pu, network.reactance_pu)
    graph = nx.Graph()
    for child, value in enumerate(length.tolist(), start=1):
        graph.add_edge(int(network.parent[child]), child, weight=value)
    for start in (0, 17, 60, 117):
        expected = nx.single_source_dijkstra_path_length(graph, start)
        found = distances(network.parent, length, start)
        np.testing.assert_allclose(found, [expected[bus] for bus in range(118)], rtol=1e-12)


def star(loads: list[float], resistance_ohm: float = 0.1) -> Feeder:
    """Buses s, 0, 1, ... each on a line of its own from s."""
    buses = (Bus("s", 0.0, 0.0), *(Bus(str(row), kw, 0.0) for row, kw in enumerate(loads)))
    return Feeder(10.0, "s", 1.0, buses, tuple(Branch("s", str(row), resistance_ohm, 0.1) for row in range(len(loads))))


def test_stations_are_far_apart_more_often_than_by_chance() -> None:
    network = Network.from_feeder(instances.load_feeder("case118zh"))
    length = np.hypot(network.resistance_pu, network.reactance_pu)

    def nearest(buses: Any) -> float:
        places = [network.index[bus] for bus in buses]
        return min(distances(network.parent, length, a)[b] for a, b in itertools.combinations(places, 2))

    rng = np.random.default_rng(0)
    drawn = [nearest(spread_buses(network, 4, 0.0, rng)) for _ in range(60)]
    chance = [nearest(rng.choice(network.buses[1:], 4, replace=False)) for _ in range(60)]
    assert np.median(drawn) > 1.5 * np.median(chance)


def test_stations_are_where_power_is_drawn_and_can_be_taken() -> None:
    case = generate(star([100.0, 0.0, 100.0, -50.0, 100.0]), stations=3, evs=3)
    assert set(case.station_bus.values()) == {"0", "2", "4"}
    # A fourth station has to take a bus without load
    assert len(set(generate(star([100.0, 0.0, 100.0, -50.0, 100.0]), stations=4, evs=4).station_bus.values())) == 4
    # 40 kW through 130 ohm at 10 kV drop 0.052 pu, through 120 ohm 0.048 pu
    rng = np.random.default_rng(0)
    assert spread_buses(Network.from_feeder(star([200.0], 120.0)), 1, 40.0, rng) == ("0",)
    with pytest.raises(InstanceError, match=r"stations 1 but only 0 buses can take 40 kW within 0.05 pu; lower share"):
        generate(star([200.0], 130.0), stations=1, evs=1)
    with pytest.raises(InstanceError, match=r"stations 3 but only 2 buses can take"):
        generate(star([200.0, 100.0]), stations=3, evs=3)


def tight(**limits: float) -> Feeder:
    feeder = star([2000.0, 2000.0], 3.0)
    buses = {field: value for field, value in limits.items() if field.startswith("voltage")}
    lines = {field: value for field, value in limits.items() if not field.startswith("voltage")}
    return replace(
        feeder,
        buses=tuple(bus if bus.name == "s" else replace(bus, **buses) for bus in feeder.buses),
        branches=tuple(replace(line, **lines) for line in feeder.branches),
    )


@pytest.mark.parametrize(
    ("field", "limit", "match"),
    [
        ("voltage_min_pu", 0.99, r"bus \d reaches 0.9\d+ in period \d+, and its voltage_min_pu is 0.99; lower share"),
        ("voltage_max_pu", 0.95, r"bus \d reaches 0.9\d+ in period \d+, and its voltage_max_pu is 0.95"),
        ("power_max_kva", 1500.0, r"branch s-\d reaches 2\d+.* in period \d+, and its power_max_kva is 1500"),
        ("current_max_a", 100.0, r"branch s-\d reaches 1\d+.* in period \d+, and its current_max_a is 100"),
    ],
)
def test_limits_are_widened_and_told_or_refused(field: str, limit: float, match: str) -> None:
    feeder = tight(**{field: limit})
    with pytest.raises(InstanceError, match=match):
        generate(feeder, stations=2, evs=10, widen_limits=False)
    case = generate(feeder, stations=2, evs=10)
    network, flow = uncontrolled_flow(case)
    voltage = np.abs(flow.voltage_pu)
    assert ((network.voltage_min_pu <= voltage) & (voltage <= network.voltage_max_pu)).all()
    assert (np.abs(flow.sending_power_pu) <= network.power_max_pu).all()
    assert (np.abs(flow.branch_current_pu) <= network.current_max_pu).all()
    told = [source for source in case.sources if "widened by instances.generate" in source.source]
    assert [source.item for source in told] == [field]
    assert case.feeder.buses[0] == feeder.buses[0]
    roomy = generate(tight(), stations=2, evs=10)
    assert generate(tight(), stations=2, evs=10, widen_limits=False) == roomy
    assert roomy.feeder == tight()


def test_a_feeder_that_collapses_is_refused() -> None:
    with pytest.raises(InstanceError, match=r"period.*does not converge.*reduce the load"):
        generate(star([1e6], 0.1), stations=1, evs=1, share=1e-6)


def test_own_feeders_say_where_they_come_from() -> None:
    case = generate(star([100.0, 50.0]), stations=2, evs=2)
    assert case.name == "feeder"
    given = {source.item: source.source for source in case.sources}
    assert given["buses"] == given["branches"] == "as given to instances.generate"
    mine = generate(star([100.0]), stations=1, evs=1, name="mine", sources=[Source("buses", "measured", "mine")])
    assert mine.name == "mine"
    assert Source("buses", "measured", "mine") in mine.sources
    assert [source.item for source in mine.sources].count("branches") == 1


def test_everything_has_a_source_and_survives_the_disk(tmp_path: Path) -> None:
    case = generate("case533mt_hi", periods=96)
    items = [source.item for source in case.sources]
    assert len(items) == len(set(items))
    assert set(items) >= {"buses", "branches", "stations", "sessions", "fleet", "count", "load_factor"}
    assert set(items) >= {"wholesale_price_per_kwh", "price_limits", "charging_efficiency"}
    instances.write(case, tmp_path / "case")
    assert instances.read(tmp_path / "case") == case


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"stations": 0}, "stations 0; give a whole number of at least 1"),
        ({"evs": 3}, "evs 3 but stations 4; give at least one session to each station"),
        ({"evs": 1.5}, "evs 1.5; give a whole number"),
        ({"periods": 36}, "periods 36; give a multiple of 24"),
        ({"periods": 12}, "periods 12; give a whole number of at least 24"),
        ({"seed": -1}, "seed -1"),
        ({"share": 0.0}, "share 0.0; give a value above 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InstanceError, match=match):
        generate("case33bw", **options)


def test_feeders_that_are_unknown_or_draw_nothing_are_refused() -> None:
    with pytest.raises(InstanceError, match='no feeder "case34"'):
        generate("case34")
    with pytest.raises(InstanceError, match="no bus of the feeder draws power"):
        generate(star([-5.0, 0.0]))
