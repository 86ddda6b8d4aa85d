"""Transformers with taps, shunts and line charging: the sweep against nodal admittances, another engine and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import power_grid_model as pgm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import root

import instances
from instances import Branch, Bus, Feeder, InstanceError, Network, PerUnit, ac_power_flow
from instances.grid.parallel import merged

SEEDS = st.integers(0, 2**32 - 1)


def random_feeder(seed: int, size: int = 12, taps: bool = True) -> Feeder:
    """A random tree with branches named in either direction, a third of them transformers, shunts and charging everywhere."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, size + 1))
    shunts = zip(
        rng.uniform(-50, 200, size),
        rng.uniform(-30, 100, size),
        rng.uniform(0, 60, size),
        rng.uniform(-80, 150, size),
        strict=True,
    )
    buses = tuple(
        Bus(f"n{i}", p, q, shunt_kw=g, capacitor_kvar=b)
        for i, (p, q, g, b) in enumerate(np.array(list(shunts)).tolist())
    )
    branches = []
    for child in range(1, size):
        ends = [f"n{rng.integers(0, child)}", f"n{child}"]
        rng.shuffle(ends)
        tap = float(rng.uniform(0.9, 1.1)) if taps and rng.random() < 1 / 3 else 1.0
        z = rng.uniform(0.05, 1.0, 2).tolist()
        branches.append(Branch(*ends, *z, tap_ratio=tap, charging_kvar=float(rng.uniform(0, 60))))
    return Feeder(12.66, "n0", float(rng.uniform(0.95, 1.05)), buses, tuple(branches))


def admittances(feeder: Feeder, base_kva: float) -> np.ndarray:
    """The nodal admittance matrix in per unit, straight from the records: MATPOWER User's Manual, equations (3.2) and (3.7)."""
    at = {bus.name: k for k, bus in enumerate(feeder.buses)}
    matrix = np.diag([complex(bus.shunt_kw, bus.capacitor_kvar) / base_kva for bus in feeder.buses])
    base_ohm = 1000 * feeder.base_kv**2 / base_kva
    for line in feeder.branches:
        series, half = base_ohm / complex(line.resistance_ohm, line.reactance_ohm), 0.5j * line.charging_kvar / base_kva
        f, t = at[line.from_bus], at[line.to_bus]
        matrix[f, f] += (series + half) / line.tap_ratio**2
        matrix[t, t] += series + half
        matrix[f, t] -= series / line.tap_ratio
        matrix[t, f] -= series / line.tap_ratio
    return matrix


def nodal(feeder: Feeder, base_kva: float) -> tuple[np.ndarray, complex]:
    """Voltages in the order of the buses, the first of which is the substation, and the power that the main grid feeds in, pu."""
    matrix = admittances(feeder, base_kva)
    load = np.array([complex(bus.load_kw, bus.load_kvar) for bus in feeder.buses]) / base_kva
    slack = feeder.substation_voltage_pu

    def whole(x: np.ndarray) -> np.ndarray:
        return np.concatenate([[slack], x[::2] + 1j * x[1::2]])

    def residual(x: np.ndarray) -> np.ndarray:
        voltage = whole(x)
        return (voltage * np.conj(matrix @ voltage) + load)[1:].view(float)

    idle = np.linalg.solve(matrix[1:, 1:], -matrix[1:, 0] * slack)
    voltage = whole(root(residual, idle.view(float), tol=1e-13).x)
    assert abs(residual(voltage[1:].view(float))).max() < 1e-9
    return voltage, (voltage * np.conj(matrix @ voltage) + load)[0]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_sweep_solves_the_nodal_equations(seed: int) -> None:
    feeder = random_feeder(seed)
    network = Network.from_feeder(feeder)
    flow = ac_power_flow(network, network.load_kw, network.load_kvar)
    voltage, supply = nodal(feeder, network.per_unit.base_kva)
    order = [[bus.name for bus in feeder.buses].index(name) for name in network.buses]
    np.testing.assert_allclose(flow.voltage_pu, voltage[order], atol=1e-8)
    assert complex(flow.supply_pu) == pytest.approx(supply, abs=1e-7)
    # What enters branches, by the same records
    kva = network.per_unit.base_kva
    entered = {
        name: abs(power) for name, power in zip(network.branch_names, flow.entering_power_pu.tolist(), strict=True)
    }
    for line in feeder.branches:
        expected = sending(feeder, line, dict(zip((b.name for b in feeder.buses), voltage, strict=True)), kva)
        name = next(name for name in (line.name, f"{line.to_bus}-{line.from_bus}") if name in entered)
        assert entered[name] == pytest.approx(expected[name == line.name], abs=1e-6)
    conducted = kva * (network.conductance_pu * np.abs(flow.voltage_pu) ** 2).sum()
    assert kva * supply.real == pytest.approx(network.load_kw.sum() + conducted + float(flow.loss_kw), abs=1e-6 * kva)


def sending(feeder: Feeder, line: Branch, voltage: dict[str, complex], base_kva: float) -> tuple[float, float]:
    """Apparent power that enters a branch at its second and at its first bus, pu."""
    two = replace(
        feeder,
        substation=line.from_bus,
        buses=(Bus(line.from_bus, 0, 0), Bus(line.to_bus, 0, 0)),
        branches=(line,),
    )
    ends = np.array([voltage[line.from_bus], voltage[line.to_bus]])
    powers = np.abs(ends * np.conj(admittances(two, base_kva) @ ends))
    return float(powers[1]), float(powers[0])


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_shunts_and_charging_agree_with_power_grid_model(seed: int) -> None:
    feeder = random_feeder(seed, taps=False)
    network = Network.from_feeder(feeder)
    flow = ac_power_flow(network, network.load_kw, network.load_kvar)
    order = [[bus.name for bus in feeder.buses].index(name) for name in network.buses]
    np.testing.assert_allclose(np.abs(flow.voltage_pu), engine(feeder)[order], atol=1e-9)


def engine(feeder: Feeder) -> np.ndarray:
    """Voltage magnitudes by power-grid-model, in the order of the buses."""
    size = len(feeder.buses)
    at = {bus.name: k for k, bus in enumerate(feeder.buses)}
    node = pgm.initialize_array("input", "node", size)
    node["id"], node["u_rated"] = np.arange(size), feeder.base_kv * 1e3
    line = pgm.initialize_array("input", "line", size - 1)
    line["id"] = np.arange(size, 2 * size - 1)
    line["from_node"] = [at[branch.from_bus] for branch in feeder.branches]
    line["to_node"] = [at[branch.to_bus] for branch in feeder.branches]
    line["from_status"] = line["to_status"] = 1
    line["r1"] = [branch.resistance_ohm for branch in feeder.branches]
    line["x1"] = [branch.reactance_ohm for branch in feeder.branches]
    siemens = np.array([branch.charging_kvar for branch in feeder.branches]) / 1e3 / feeder.base_kv**2
    line["c1"], line["tan1"] = siemens / (2 * math.pi * 50), 0.0
    load = pgm.initialize_array("input", "sym_load", size)
    load["id"], load["node"] = np.arange(2 * size, 3 * size), np.arange(size)
    load["status"], load["type"] = 1, pgm.LoadGenType.const_power
    load["p_specified"] = [1e3 * bus.load_kw for bus in feeder.buses]
    load["q_specified"] = [1e3 * bus.load_kvar for bus in feeder.buses]
    shunt = pgm.initialize_array("input", "shunt", size)
    shunt["id"], shunt["node"], shunt["status"] = np.arange(3 * size, 4 * size), np.arange(size), 1
    shunt["g1"] = [bus.shunt_kw / 1e3 / feeder.base_kv**2 for bus in feeder.buses]
    shunt["b1"] = [bus.capacitor_kvar / 1e3 / feeder.base_kv**2 for bus in feeder.buses]
    source = pgm.initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"] = 4 * size, 0, 1
    source["u_ref"], source["sk"] = feeder.substation_voltage_pu, 1e20
    model = pgm.PowerGridModel({"node": node, "line": line, "sym_load": load, "shunt": shunt, "source": source})
    return np.asarray(model.calculate_power_flow(error_tolerance=1e-12, max_iterations=50)["node"]["u_pu"])


def test_a_transformer_without_load_divides_the_voltage_by_its_ratio() -> None:
    """Ratio 0.95 at the parent's end raises what is behind it; at the child's end it lowers it."""
    for ends, expected in ((("a", "b"), 1 / 0.95), (("b", "a"), 0.95)):
        feeder = Feeder(10.0, "a", 1.0, (Bus("a", 0, 0), Bus("b", 0, 0)), (Branch(*ends, 1.0, 1.0, tap_ratio=0.95),))
        network = Network.from_feeder(feeder)
        assert abs(ac_power_flow(network, [0.0, 0.0], [0.0, 0.0]).voltage_pu[1]) == pytest.approx(expected, rel=1e-12)


def test_a_capacitor_raises_the_voltage_and_a_reactor_lowers_it() -> None:
    """Without resistance and load v_j = v_i / (1 - x b)^2: the current b v_j flows back through x."""
    for kvar in (300.0, -300.0):
        buses = Bus("a", 0, 0), Bus("b", 0, 0, capacitor_kvar=kvar)
        network = Network.from_feeder(
            Feeder(10.0, "a", 1.0, buses, (Branch("a", "b", 0.0, 10.0),)), PerUnit(1000.0, 10.0)
        )
        flow = ac_power_flow(network, [0.0, 0.0], [0.0, 0.0])
        voltage = 1 / (1 - 0.1 * kvar / 1000)
        assert abs(flow.voltage_pu[1]) == pytest.approx(voltage, rel=1e-12)
        assert complex(flow.supply_pu) == pytest.approx(-1j * kvar / 1000 * voltage, rel=1e-12)


def test_limits_turn_with_the_branch() -> None:
    """A current limit is that behind the transformer, wherever the branch is seen from."""
    buses = Bus("a", 0, 0), Bus("b", 500, 100)
    for ends, ratio, limit in ((("a", "b"), 1.25, 100.0), (("b", "a"), 0.8, 80.0)):
        network = Network.from_feeder(Feeder(10.0, "a", 1.0, buses, (Branch(*ends, 1.0, 1.0, 100.0, tap_ratio=1.25),)))
        assert network.ratio[0] == pytest.approx(ratio)
        assert network.per_unit.ampere(network.current_max_pu[0]) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tap_ratio": 0.0}, r"branch a-b has tap_ratio 0.0; give a value of at least 0.2"),
        ({"tap_ratio": 110.0}, r"branch a-b has tap_ratio 110.0; give a value of at most 5"),
        ({"charging_kvar": math.nan}, r"branch a-b has charging_kvar nan; give a finite number"),
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        Branch("a", "b", 1.0, 1.0, **values)
    with pytest.raises(InstanceError, match=r"bus a has shunt_kw -1.0; give a value of at least 0"):
        Bus("a", 0.0, 0.0, shunt_kw=-1.0)


def test_supply_limits_are_checked() -> None:
    feeder = random_feeder(1)
    with pytest.raises(InstanceError, match=r"supply_min_kw 2.0 above supply_max_kw 1.0; swap them"):
        replace(feeder, supply_min_kw=2.0, supply_max_kw=1.0)
    for field in instances.records.feeder.SUPPLY_LIMITS:
        with pytest.raises(InstanceError, match=rf"the feeder has {field} nan"):
            replace(feeder, **{field: math.nan})


def test_files_keep_the_new_columns_and_leave_out_idle_ones(tmp_path, small) -> None:
    feeder = replace(random_feeder(3), supply_max_kw=1500.5, supply_min_kvar=-20.0)
    instances.write_feeder(feeder, tmp_path / "feeder")
    assert instances.read_feeder(tmp_path / "feeder") == feeder
    plain = (tmp_path / "feeder" / "feeder.json").read_text(encoding="utf-8")
    assert "supply_max_kw" in plain and "supply_max_kvar" not in plain
    instances.write(small, tmp_path / "case")
    assert "capacitor" not in (tmp_path / "case" / "buses.csv").read_text(encoding="utf-8")
    assert "tap_ratio" not in (tmp_path / "case" / "branches.csv").read_text(encoding="utf-8")
    case = replace(
        small,
        feeder=replace(
            small.feeder, branches=tuple(replace(b, tap_ratio=0.95) for b in small.feeder.branches), supply_max_kw=3e3
        ),
    )
    instances.write(case, tmp_path / "case")
    assert instances.read(tmp_path / "case") == case


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_merged_branches_carry_what_the_parallel_ones_do(seed: int) -> None:
    """The same admittances, and the first of the limits is reached at the merged limit."""
    rng = np.random.default_rng(seed)
    tap = float(rng.choice([1.0, 0.97]))
    group = [
        Branch(
            *(("a", "b") if tap != 1 or rng.random() < 0.5 else ("b", "a")),
            *rng.uniform(0.1, 2.0, 2).tolist(),
            *rng.uniform(50, 300, 2).tolist(),
            tap_ratio=tap,
        )
        for _ in range(int(rng.integers(2, 5)))
    ]
    (one,) = merged(group)
    feeder = Feeder(10.0, "a", 1.0, (Bus("a", 0, 0), Bus("b", 0, 0)), (one,))
    apart = sum(admittances(replace(feeder, branches=(branch,)), 1000.0) for branch in group)
    np.testing.assert_allclose(admittances(feeder, 1000.0), apart, rtol=1e-12)
    impedances = np.array([complex(b.resistance_ohm, b.reactance_ohm) for b in group])
    currents = one.current_max_a * (1 / impedances) / (1 / impedances).sum()
    limits = np.array([b.current_max_a for b in group])
    assert (np.abs(currents) / limits).max() == pytest.approx(1.0)
    assert one.power_max_kva == pytest.approx(
        (np.array([b.power_max_kva for b in group]) / np.abs(currents)).min() * one.current_max_a
    )


def test_parallel_branches_that_are_no_single_one_are_refused() -> None:
    plain = Branch("a", "b", 1.0, 1.0)
    for other, match in (
        (replace(plain, tap_ratio=0.95), "buses a and b have transformers of different ratios; give them one ratio"),
        (
            replace(plain, resistance_ohm=0.0, reactance_ohm=0.0),
            "a branch without impedance beside others; keep it alone",
        ),
        (
            replace(plain, charging_kvar=5.0, current_max_a=9.0),
            "limits and charging that differ; leave out the charging",
        ),
    ):
        with pytest.raises(InstanceError, match=match):
            merged((plain, other))
    turned = Branch("b", "a", 1.0, 1.0, tap_ratio=0.95)
    with pytest.raises(InstanceError, match="transformers of different ratios"):
        merged((replace(plain, tap_ratio=0.95), turned))
    both = merged((plain, replace(plain, charging_kvar=5.0)))
    assert (both[0].resistance_ohm, both[0].charging_kvar) == (pytest.approx(0.5), 5.0)
