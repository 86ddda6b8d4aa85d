"""The AC sweep against the literature, a closed form, an independent engine and the laws of the circuit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import power_grid_model as pgm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instances import Branch, Bus, Feeder, Instance, InstanceError, Network, PerUnit, PowerFlow, ac_power_flow

SEEDS = st.integers(0, 2**32 - 1)


def random_feeder(seed: int, size: int = 30) -> Feeder:
    """A random tree whose lines lead in random directions, some of its buses generating."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, size + 1))
    kw, kvar = rng.uniform(-50, 200, size), rng.uniform(-30, 100, size)
    buses = tuple(Bus(f"n{i}", p, q) for i, (p, q) in enumerate(zip(kw.tolist(), kvar.tolist(), strict=True)))
    branches = []
    for child in range(1, size):
        ends = [f"n{rng.integers(0, child)}", f"n{child}"]
        rng.shuffle(ends)
        branches.append(Branch(*ends, *rng.uniform(0.01, 0.2, 2).tolist()))
    return Feeder(12.66, "n0", float(rng.uniform(0.95, 1.05)), buses, tuple(branches))


def base_flow(network: Network) -> PowerFlow:
    return ac_power_flow(network, network.load_kw, network.load_kvar)


def test_the_base_feeder_matches_the_literature(ieee33: Instance) -> None:
    network = Network.from_feeder(ieee33.feeder)
    flow = base_flow(network)
    magnitude = np.abs(flow.voltage_pu)
    assert float(flow.loss_kw) == pytest.approx(202.677, rel=1e-5)
    assert magnitude.min() == pytest.approx(0.91309, rel=1e-5)
    assert network.buses[magnitude.argmin()] == "18"
    assert flow.mismatch <= 1e-12


def test_two_buses_have_a_closed_form() -> None:
    feeder = Feeder(10.0, "a", 1.02, (Bus("a", 0, 0), Bus("b", 800, 300)), (Branch("b", "a", 4.0, 3.0),))
    network = Network.from_feeder(feeder, PerUnit(1000.0, 10.0))
    flow = base_flow(network)
    r, x, p, q, v0 = 0.04, 0.03, 0.8, 0.3, 1.02
    # v² - (v0² - 2 (r p + x q)) v + |z|² |s|² = 0 in v, the squared voltage; its larger root is stable
    half = v0**2 / 2 - (r * p + x * q)
    squared = half + math.sqrt(half**2 - (r**2 + x**2) * (p**2 + q**2))
    assert abs(flow.voltage_pu[1]) ** 2 == pytest.approx(squared, rel=1e-12)
    assert float(flow.loss_kw) == pytest.approx(1000.0 * r * (p**2 + q**2) / squared, rel=1e-11)


def engine_voltage(feeder: Feeder, network: Network) -> np.ndarray:
    """Voltage magnitudes by power-grid-model, in the order of the network."""
    size = len(network.buses)
    node = pgm.initialize_array("input", "node", size)
    node["id"], node["u_rated"] = np.arange(size), feeder.base_kv * 1e3
    line = pgm.initialize_array("input", "line", size - 1)
    line["id"] = np.arange(size, 2 * size - 1)
    line["from_node"], line["to_node"] = network.parent[1:], np.arange(1, size)
    line["from_status"] = line["to_status"] = 1
    line["r1"] = network.resistance_pu * network.per_unit.base_ohm
    line["x1"] = network.reactance_pu * network.per_unit.base_ohm
    line["c1"] = line["tan1"] = 0.0
    load = pgm.initialize_array("input", "sym_load", size)
    load["id"], load["node"] = np.arange(2 * size, 3 * size), np.arange(size)
    load["status"], load["type"] = 1, pgm.LoadGenType.const_power
    load["p_specified"], load["q_specified"] = network.load_kw * 1e3, network.load_kvar * 1e3
    source = pgm.initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"] = 3 * size, 0, 1
    # A source of practically no impedance is the slack of the sweep
    source["u_ref"], source["sk"] = feeder.substation_voltage_pu, 1e20
    model = pgm.PowerGridModel({"node": node, "line": line, "sym_load": load, "source": source})
    result = model.calculate_power_flow(error_tolerance=1e-12, max_iterations=50)
    return np.asarray(result["node"]["u_pu"])


def test_the_base_feeder_matches_an_independent_engine(ieee33: Instance) -> None:
    network = Network.from_feeder(ieee33.feeder)
    expected = engine_voltage(ieee33.feeder, network)
    np.testing.assert_allclose(np.abs(base_flow(network).voltage_pu), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_random_feeders_match_an_independent_engine(seed: int) -> None:
    feeder = random_feeder(seed)
    network = Network.from_feeder(feeder)
    expected = engine_voltage(feeder, network)
    np.testing.assert_allclose(np.abs(base_flow(network).voltage_pu), expected, rtol=0, atol=1e-9)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_substation_feeds_loads_and_losses(seed: int) -> None:
    network = Network.from_feeder(random_feeder(seed))
    flow = base_flow(network)
    sent_kw = network.per_unit.kw(flow.sending_power_pu[network.parent[1:] == 0].sum())
    supplied_kw = network.load_kw[1:].sum() + float(flow.loss_kw)
    assert sent_kw.real == pytest.approx(supplied_kw, rel=1e-9, abs=1e-6)
    drop = flow.voltage_pu[network.parent[1:]] - flow.voltage_pu[1:]
    impedance = network.resistance_pu + 1j * network.reactance_pu
    np.testing.assert_allclose(drop, impedance * flow.branch_current_pu, atol=1e-12)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_batch_equals_a_loop(seed: int) -> None:
    network = Network.from_feeder(random_feeder(seed))
    factors = np.random.default_rng(seed).uniform(0, 1.2, (2, 3, 1))
    kw, kvar = network.load_kw * factors, network.load_kvar * factors
    batch = ac_power_flow(network, kw, kvar)
    assert batch.voltage_pu.shape == (2, 3, len(network.buses))
    assert batch.branch_current_pu.shape == batch.sending_power_pu.shape == (2, 3, len(network.buses) - 1)
    assert batch.loss_kw.shape == (2, 3)
    for case in np.ndindex(2, 3):
        single = ac_power_flow(network, kw[case], kvar[case])
        np.testing.assert_allclose(batch.voltage_pu[case], single.voltage_pu, atol=1e-11)
        np.testing.assert_allclose(batch.loss_kw[case], single.loss_kw, rtol=1e-9, atol=1e-9)


@given(SEEDS, st.sampled_from([1e-3, 1e3]))
@settings(max_examples=20, deadline=None)
def test_losses_scale_with_the_data(seed: int, factor: float) -> None:
    feeder = random_feeder(seed)
    scaled = replace(
        feeder,
        buses=tuple(Bus(b.name, b.load_kw * factor, b.load_kvar * factor) for b in feeder.buses),
        branches=tuple(
            Branch(b.from_bus, b.to_bus, b.resistance_ohm / factor, b.reactance_ohm / factor) for b in feeder.branches
        ),
    )
    one, other = (base_flow(Network.from_feeder(f)) for f in (feeder, scaled))
    assert float(other.loss_kw) == pytest.approx(factor * float(one.loss_kw), rel=1e-8)
    np.testing.assert_allclose(one.voltage_pu, other.voltage_pu, atol=1e-10)


def test_the_base_does_not_matter(ieee33: Instance) -> None:
    flows = [base_flow(Network.from_feeder(ieee33.feeder, PerUnit(kva, 12.66))) for kva in (10.0, 1e3, 1e6)]
    for flow in flows:
        assert float(flow.loss_kw) == pytest.approx(202.67712, rel=1e-7)


def test_no_load_has_no_loss_and_an_empty_batch_is_empty(small: Instance) -> None:
    network = Network.from_feeder(small.feeder)
    flow = ac_power_flow(network, np.zeros(3), np.zeros(3))
    assert float(flow.loss_kw) == 0.0
    assert (flow.voltage_pu == 1.0).all()
    assert ac_power_flow(network, np.zeros((0, 3)), np.zeros((0, 3))).loss_kw.shape == (0,)


def test_a_voltage_collapse_names_the_period(ieee33: Instance) -> None:
    network = Network.from_feeder(ieee33.feeder)
    factor = np.ones((24, 1))
    factor[7] = 5.0
    with pytest.raises(InstanceError, match=r"period\) 7 does not converge.*reduce the load"):
        ac_power_flow(network, network.load_kw * factor, network.load_kvar * factor)
    with pytest.raises(InstanceError, match="power flow does not converge"):
        ac_power_flow(network, network.load_kw * 1e9, network.load_kvar)


def test_loads_must_fit_the_network(small: Instance) -> None:
    network = Network.from_feeder(small.feeder)
    with pytest.raises(InstanceError, match=r"load_kvar has shape \(2,\); give \(..., 3\)"):
        ac_power_flow(network, np.zeros(3), np.zeros(2))
    with pytest.raises(InstanceError, match=r"shape \(2, 3\) but load_kvar \(4, 3\)"):
        ac_power_flow(network, np.zeros((2, 3)), np.zeros((4, 3)))
    with pytest.raises(InstanceError, match=r"load_kw is nan at bus c of load case \(period\) 1"):
        ac_power_flow(network, [[0, 0, 0], [0, 0, math.nan]], np.zeros(3))
    with pytest.raises(InstanceError, match="tolerance 0"):
        ac_power_flow(network, np.zeros(3), np.zeros(3), tolerance=0)
