"""Carbon emission flow against closed forms, a dense solve of the law as written, and the laws of sharing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bilevel import BilevelError
from formulations.carbon.emission_flow import EmissionFlow, Sources, emission_flow
from instances import Branch, Bus, Feeder, InstanceError, Network, PerUnit, PowerFlow, ac_power_flow

SEEDS = st.integers(0, 2**32 - 1)
GRID, LOCAL = 0.6, 0.2


def random_feeder(rng: np.random.Generator) -> Feeder:
    """A random tree of 2 to 30 buses, n0 the substation, lines in random directions."""
    size = int(rng.integers(2, 31))
    buses = tuple(Bus(f"n{i}", 0.0, 0.0) for i in range(size))
    branches = []
    for child in range(1, size):
        ends = [f"n{rng.integers(max(0, child - 4), child)}", f"n{child}"]
        rng.shuffle(ends)
        branches.append(Branch(*ends, *rng.uniform(0.0, 0.6, 2).tolist()))
    return Feeder(12.66, "n0", 1.0, buses, tuple(branches))


def random_case(seed: int, cases: tuple[int, ...]) -> tuple[Network, Any, Any, Sources]:
    """A feeder, loads in kW and kvar, and sources, several of them at a bus, from too little to far more than the loads."""
    rng = np.random.default_rng(seed)
    network = Network.from_feeder(random_feeder(rng))
    size, count = len(network.buses), int(rng.integers(0, 8))
    load = rng.uniform(0, 100, (*cases, size)) * (rng.random((*cases, size)) < 0.6)
    power = rng.uniform(0, 1, (*cases, count)) * (rng.random((*cases, count)) < 0.8)
    power *= rng.choice([0.1, 100.0, 400.0])
    factors = rng.uniform(0, 1, (*cases, count)) * (rng.random((*cases, count)) < 0.8)
    return network, load, 0.3 * load, Sources(rng.integers(0, size, count), power, factors, rng.uniform(0, 1, cases))


def net_load(network: Network, load_kw: Any, sources: Sources) -> Any:
    fed = sources.power_kw @ np.eye(len(network.buses))[sources.bus]
    return np.asarray(load_kw) - fed


def run(network: Network, load_kw: Any, load_kvar: Any, sources: Sources) -> tuple[PowerFlow, EmissionFlow]:
    try:
        flow = ac_power_flow(network, net_load(network, load_kw, sources), load_kvar)
    except InstanceError:
        assume(False)
    return flow, emission_flow(network, flow, load_kw, sources)


def line(*resistances_ohm: float, reactance_ohm: float = 0.5) -> Network:
    """Buses a, b, c, ... in a row at 10 kV, on 1 MVA; the base is 100 ohm."""
    names = "abcdef"[: len(resistances_ohm) + 1]
    branches = tuple(
        Branch(up, down, r, reactance_ohm) for up, down, r in zip(names, names[1:], resistances_ohm, strict=False)
    )
    feeder = Feeder(10.0, "a", 1.0, tuple(Bus(name, 0, 0) for name in names), branches)
    return Network.from_feeder(feeder, PerUnit(1000.0, 10.0))


def closed_loss_kw(p_kw: float, q_kvar: float, r: float, x: float) -> float:
    """Loss of a line of r + xi pu that feeds p + qi from 1 pu, by the larger root of the squared voltage."""
    p, q = p_kw / 1000, q_kvar / 1000
    half = 0.5 - (r * p + x * q)
    squared = half + math.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    return 1000 * r * (p**2 + q**2) / squared


# Closed forms


def test_the_grid_alone_gives_every_bus_its_factor() -> None:
    network = line(2.0)
    _, found = run(network, [30.0, 400.0], [0.0, 100.0], Sources([], [], [], GRID))
    loss = closed_loss_kw(400, 100, 0.02, 0.005)
    assert found.factor_kg_per_kwh == pytest.approx([GRID, GRID], rel=1e-12)
    assert found.load_emission_kg_per_h == pytest.approx([30 * GRID, 400 * GRID], rel=1e-12)
    assert found.loss_emission_kg_per_h == pytest.approx([loss * GRID], rel=1e-9)
    assert float(found.source_emission_kg_per_h) == pytest.approx((430 + loss) * GRID, rel=1e-9)
    assert float(found.exported_emission_kg_per_h) == 0.0


def test_a_local_source_takes_over_and_exports_at_the_substation() -> None:
    network = line(2.0)
    # 100 kW of another source and 30 of load at the substation itself
    sources = Sources([1, 0], [500.0, 100.0], [LOCAL, 0.9], GRID)
    _, found = run(network, [30.0, 50.0], [0.0, 0.0], sources)
    loss = closed_loss_kw(-450, 0, 0.02, 0.005)
    arriving = 450 - loss
    mixed = (arriving * LOCAL + 100 * 0.9) / (arriving + 100)
    assert found.factor_kg_per_kwh == pytest.approx([mixed, LOCAL], rel=1e-9)
    assert found.loss_emission_kg_per_h == pytest.approx([loss * LOCAL], rel=1e-9)
    assert found.load_emission_kg_per_h == pytest.approx([30 * mixed, 50 * LOCAL], rel=1e-9)
    assert float(found.exported_emission_kg_per_h) == pytest.approx((arriving + 70) * mixed, rel=1e-9)
    assert float(found.source_emission_kg_per_h) == pytest.approx(500 * LOCAL + 90, rel=1e-12)


def test_flows_from_both_sides_mix_at_the_bus_between() -> None:
    network = line(1.0, 4.0)
    flow, found = run(network, [0.0, 300.0, 20.0], [0.0, 0.0, 0.0], Sources([2], [120.0], [LOCAL], GRID))
    # Bus c sends 100 kW back; losses by currents, for the voltage at b has no simple closed form
    loss_ab, loss_bc = 1000 * network.resistance_pu * np.abs(flow.branch_current_pu) ** 2
    back = 100 - loss_bc
    ahead = 300 - back
    mixed = (back * LOCAL + ahead * GRID) / 300
    assert found.factor_kg_per_kwh == pytest.approx([GRID, mixed, LOCAL], rel=1e-9)
    assert found.loss_emission_kg_per_h == pytest.approx([loss_ab * GRID, loss_bc * LOCAL], rel=1e-9)
    assert float(found.source_emission_kg_per_h) == pytest.approx((ahead + loss_ab) * GRID + 120 * LOCAL, rel=1e-9)


def test_both_ends_feed_a_loss_each_with_its_own_factor() -> None:
    network = line(2.0)
    loss = closed_loss_kw(-1.0, 400.0, 0.02, 0.005)
    assert loss > 2.0
    _, found = run(network, [0.0, 0.0], [0.0, 400.0], Sources([1], [1.0], [LOCAL], GRID))
    assert found.factor_kg_per_kwh == pytest.approx([GRID, LOCAL], rel=1e-12)
    assert found.loss_emission_kg_per_h == pytest.approx([(loss - 1.0) * GRID + 1.0 * LOCAL], rel=1e-8)


def test_several_sources_at_a_bus_mix_by_power() -> None:
    network = line(2.0)
    _, found = run(network, [0.0, 500.0], [0.0, 0.0], Sources([1, 1, 1], [100.0, 50.0, 0.0], [0.0, LOCAL, 5.0], GRID))
    assert found.factor_kg_per_kwh == pytest.approx([GRID, (50 * LOCAL + 350 * GRID) / 500], rel=1e-9)


def test_hours_at_a_time_with_a_factor_of_the_grid_for_each() -> None:
    network = line(2.0)
    grid = np.array([0.1, 0.5, 0.9])
    sources = Sources([1], np.array([[0.0], [0.0], [1000.0]]), [LOCAL], grid)
    _, found = run(network, [0.0, 400.0], [0.0, 0.0], sources)
    assert found.factor_kg_per_kwh == pytest.approx(np.array([[0.1, 0.1], [0.5, 0.5], [LOCAL, LOCAL]]))


# Buses without throughput


def test_a_bus_without_throughput_has_no_factor() -> None:
    network = line(1.0, 1.0, 1.0)
    _, found = run(network, [[0, 10.0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 5.0]], np.zeros(4), Sources([], [], [], GRID))
    assert found.undefined.tolist() == [[False, False, True, True], [True] * 4, [False] * 4]
    assert np.array_equal(np.isnan(found.factor_kg_per_kwh), found.undefined)
    assert (found.load_emission_kg_per_h[found.undefined] == 0).all()
    assert found.imbalance() <= 1e-12


def test_what_only_rounding_sends_is_no_throughput() -> None:
    network = line(0.0, 0.0, 0.0)
    # 0.1 + 0.2 is a little more than 0.3, so that 4e-17 kW are on their way through b
    _, found = run(network, [1.0, 0.0, 0.1, 0.2], np.zeros(4), Sources([2], [0.3], [LOCAL], GRID))
    assert found.undefined.tolist() == [False, True, False, False]
    assert found.factor_kg_per_kwh[[0, 2, 3]] == pytest.approx([GRID, LOCAL, LOCAL])


# Laws


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_emissions_are_conserved_and_factors_lie_between_those_of_the_sources(seed: int) -> None:
    network, load, kvar, sources = random_case(seed, (3,))
    _, found = run(network, load, kvar, sources)
    assert found.imbalance() <= 1e-9
    size = len(network.buses)
    assert found.factor_kg_per_kwh.shape == found.load_emission_kg_per_h.shape == found.undefined.shape == (3, size)
    assert found.loss_emission_kg_per_h.shape == (3, size - 1)
    for case in range(3):
        factors = [*sources.factor_kg_per_kwh[case], sources.grid_factor_kg_per_kwh[case]]
        known = found.factor_kg_per_kwh[case][~found.undefined[case]]
        assert (known >= min(factors) * (1 - 1e-12)).all()
        assert (known <= max(factors) * (1 + 1e-12)).all()
        assert (found.load_emission_kg_per_h[case] >= 0).all() and (found.loss_emission_kg_per_h[case] >= 0).all()


def dense(network: Network, flow: PowerFlow, load: Any, sources: Sources) -> tuple[Any, Any, float]:
    """[X23] (5) of one case as written, by a dense solve: factors, throughput and losses' emissions, from the flow alone."""
    size, base = len(network.buses), network.per_unit.base_kva
    sent = flow.sending_power_pu.real * base
    received = sent - network.resistance_pu * np.abs(flow.branch_current_pu) ** 2 * base
    matrix, right = np.zeros((size, size)), np.zeros(size)
    feeds = [(int(b), p, f) for b, p, f in zip(sources.bus, sources.power_kw, sources.factor_kg_per_kwh, strict=True)]
    root = load[0] + sent[network.parent[1:] == 0].sum() - sum(p for b, p, _ in feeds if b == 0)
    for bus, power, factor in [*feeds, (0, max(root, 0.0), float(sources.grid_factor_kg_per_kwh))]:
        matrix[bus, bus] += power
        right[bus] += power * factor
    for k in range(1, size):
        for into, source, power in ((k, network.parent[k], received[k - 1]), (network.parent[k], k, -sent[k - 1])):
            matrix[into, into] += max(power, 0.0)
            matrix[into, source] -= max(power, 0.0)
    inflow = matrix.diagonal().copy()
    matrix[inflow < 1e-9] = np.eye(size)[inflow < 1e-9]
    factor = np.linalg.solve(matrix, right)
    leaving = np.maximum(sent, 0) * factor[network.parent[1:]] + np.maximum(-received, 0) * factor[1:]
    arriving = np.maximum(received, 0) * factor[network.parent[1:]] + np.maximum(-sent, 0) * factor[1:]
    return factor, inflow, leaving - arriving


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_a_dense_solve_of_the_law_agrees(seed: int) -> None:
    network, load, kvar, sources = random_case(seed, ())
    flow, found = run(network, load, kvar, sources)
    factor, inflow, losses = dense(network, flow, load, sources)
    flowing = inflow > 1e-3
    assert found.factor_kg_per_kwh[flowing] == pytest.approx(factor[flowing], rel=1e-6, abs=1e-12)
    assert found.loss_emission_kg_per_h == pytest.approx(losses, rel=1e-6, abs=1e-6)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_names_and_order_of_buses_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network, load, kvar, sources = random_case(seed, (2,))
    feeder = random_feeder(np.random.default_rng(seed))
    order = rng.permutation(len(feeder.branches))
    name = {bus: f"m{k}" for bus, k in zip(network.buses, rng.permutation(len(network.buses)), strict=True)}
    branches = tuple(
        replace(feeder.branches[i], from_bus=name[feeder.branches[i].to_bus], to_bus=name[feeder.branches[i].from_bus])
        for i in order
    )
    buses = tuple(sorted((replace(bus, name=name[bus.name]) for bus in feeder.buses), key=lambda bus: bus.name))
    other = Network.from_feeder(Feeder(feeder.base_kv, name["n0"], 1.0, buses, branches))
    at = [other.index[name[bus]] for bus in network.buses]
    moved = replace(sources, bus=np.array(at)[sources.bus])
    _, one = run(network, load, kvar, sources)
    load_there, kvar_there = np.zeros_like(load), np.zeros_like(kvar)
    load_there[:, at], kvar_there[:, at] = load, kvar
    _, two = run(other, load_there, kvar_there, moved)
    assert np.array_equal(one.undefined, two.undefined[:, at])
    flowing = one.load_emission_kg_per_h > 1e-6
    np.testing.assert_allclose(
        one.factor_kg_per_kwh[flowing], two.factor_kg_per_kwh[:, at][flowing], rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(one.load_emission_kg_per_h, two.load_emission_kg_per_h[:, at], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(one.exported_emission_kg_per_h, two.exported_emission_kg_per_h, rtol=1e-6, atol=1e-6)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_many_cases_at_once_are_each_as_alone(seed: int) -> None:
    network, load, kvar, sources = random_case(seed, (2, 3))
    flow, found = run(network, load, kvar, sources)
    for case in np.ndindex(2, 3):
        alone = replace(
            flow, voltage_pu=flow.voltage_pu[case], branch_current_pu=flow.branch_current_pu[case],
            sending_power_pu=flow.sending_power_pu[case], loss_kw=flow.loss_kw[case],
        )  # fmt: skip
        given_there = Sources(
            sources.bus, sources.power_kw[case], sources.factor_kg_per_kwh[case], sources.grid_factor_kg_per_kwh[case]
        )
        one = emission_flow(network, alone, load[case], given_there)
        for field in ("factor_kg_per_kwh", "load_emission_kg_per_h", "loss_emission_kg_per_h", "undefined"):
            np.testing.assert_array_equal(getattr(one, field), getattr(found, field)[case])
        for field in ("source_emission_kg_per_h", "exported_emission_kg_per_h"):
            assert float(getattr(one, field)) == pytest.approx(float(getattr(found, field)[case]), rel=1e-14)


def test_no_cases_have_no_emissions() -> None:
    _, found = run(line(1.0), np.zeros((0, 2)), np.zeros(2), Sources([1], np.zeros((0, 1)), [LOCAL], GRID))
    assert found.factor_kg_per_kwh.shape == (0, 2)
    assert found.imbalance() == 0.0


def test_an_imbalance_is_the_share_of_emissions_that_is_missing() -> None:
    _, found = run(line(2.0), [0.0, 400.0], [0.0, 0.0], Sources([], [], [], GRID))
    halved = replace(found, load_emission_kg_per_h=found.load_emission_kg_per_h / 2)
    missing = 400 * GRID / 2 / float(found.source_emission_kg_per_h)
    assert halved.imbalance() == pytest.approx(missing, rel=1e-9)
    invented = replace(found, source_emission_kg_per_h=np.array(0.0))
    assert invented.imbalance() == math.inf


# Refusals


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"power_kw": [1.0, -2.0]}, "source 1 has power_kw -2: give a number of at least 0"),
        ({"power_kw": [[1.0, 2.0], [math.nan, 2.0]]}, "source 0 has power_kw nan in case 1"),
        ({"factor_kg_per_kwh": [-0.1, 0.0], "names": ("gas", "wind")}, "source gas has factor_kg_per_kwh -0.1"),
        ({"factor_kg_per_kwh": [0.1, math.inf]}, "source 1 has factor_kg_per_kwh inf"),
        ({"grid_factor_kg_per_kwh": [0.5, -1.0]}, "the main grid has grid_factor_kg_per_kwh -1 in case 1"),
        ({"power_kw": [1.0]}, r"power_kw has shape \(1,\): give \(..., 2\)"),
        ({"bus": [0.5, 1.0]}, "give a list of positions"),
        ({"names": ("gas",)}, "1 names for 2 buses"),
    ],
)
def test_bad_sources_are_refused_by_name_and_case(fields: dict[str, Any], message: str) -> None:
    good = {"bus": [0, 1], "power_kw": [1.0, 2.0], "factor_kg_per_kwh": [0.1, 0.2], "grid_factor_kg_per_kwh": 0.5}
    Sources(**good)
    with pytest.raises(BilevelError, match=message):
        Sources(**(good | fields))


def test_sources_cannot_be_changed_after_their_check() -> None:
    power = np.array([1.0])
    sources = Sources([0], power, [0.1], 0.5)
    power[0] = -1.0
    assert sources.power_kw.tolist() == [1.0]
    with pytest.raises(ValueError, match="read-only"):
        sources.power_kw[0] = -1.0


def test_loads_flows_and_cases_must_fit() -> None:
    network, sources = line(2.0), Sources([1], [0.0], [LOCAL], GRID)
    flow = ac_power_flow(network, [0.0, 400.0], [0.0, 0.0])
    with pytest.raises(BilevelError, match=r"bus b has load_kw -400: .* model generation as a source"):
        emission_flow(network, flow, [0.0, -400.0], sources)
    with pytest.raises(BilevelError, match=r"load_kw has shape \(3,\): give \(..., 2\)"):
        emission_flow(network, flow, [0.0, 1.0, 2.0], sources)
    with pytest.raises(BilevelError, match="bus position 2: give 0 to 1"):
        emission_flow(network, flow, [0.0, 400.0], replace(sources, bus=np.array([2])))
    with pytest.raises(BilevelError, match="the power flow has 2 buses"):
        emission_flow(line(1.0, 1.0), flow, [0.0, 1.0, 2.0], sources)
    with pytest.raises(BilevelError, match=r"do not fit together \(flow \(\), load_kw \(3,\), power_kw \(2,\)"):
        emission_flow(network, flow, np.zeros((3, 2)), replace(sources, power_kw=np.zeros((2, 1))))


def test_a_power_flow_of_other_loads_is_refused() -> None:
    network, sources = line(2.0), Sources([1], [100.0], [LOCAL], GRID)
    load = np.array([[0.0, 400.0], [0.0, 500.0]])
    flow = ac_power_flow(network, load, np.zeros(2))
    with pytest.raises(
        BilevelError, match="bus b draws 400 kW in the power flow in case 0 but load less sources is 300"
    ):
        emission_flow(network, flow, load, sources)
    flow = ac_power_flow(network, load - [0.0, 100.0], np.zeros(2))
    assert emission_flow(network, flow, load, sources).imbalance() <= 1e-12
    with pytest.raises(BilevelError, match=r"in case 1 but load less sources is 400\.01"):
        emission_flow(network, flow, load + np.array([[0.0, 0.0], [0.0, 0.01]]), sources)
