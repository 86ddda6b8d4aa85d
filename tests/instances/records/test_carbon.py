"""Renewables and the main grid's emissions: refusals, base loads less renewables, and exact round trips."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import instances
from instances import Carbon, Instance, InstanceError, Network, Renewable, read, write

WIND = Renewable("w", "c", (3.0, 70.5))
CARBON = Carbon(0.0068, (0.25, 0.1))
POWERS = st.floats(0.0, 1e9)


def refuses(change: dict[str, Any], record: Any, *words: str) -> None:
    with pytest.raises(InstanceError) as caught:
        replace(record, **change)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("record", "change", "words"),
    [
        (WIND, {"name": ""}, ("a renewable", "name ''", "text")),
        (WIND, {"bus": 3}, ("renewable w", "bus 3", 'such as "3"')),
        (WIND, {"power_kw": (1.0, -2.0)}, ("renewable w in period 1", "power_kw -2.0", "at least 0")),
        (WIND, {"power_kw": (math.nan,)}, ("renewable w in period 0", "power_kw nan", "finite")),
        (WIND, {"emission_kg_per_kwh": -0.1}, ("renewable w", "emission_kg_per_kwh -0.1", "at least 0")),
        (CARBON, {"price_per_kg": -1}, ("the carbon rules", "price_per_kg -1", "at least 0")),
        (CARBON, {"price_per_kg": math.inf}, ("the carbon rules", "price_per_kg inf", "finite")),
        (CARBON, {"grid_factor_kg_per_kwh": (0.1, -1)}, ("the main grid in period 1", "kg_per_kwh -1", "at least 0")),
        (CARBON, {"grid_factor_kg_per_kwh": ("a",)}, ("the main grid in period 0", "kg_per_kwh 'a'", "give a number")),
    ],
)
def test_a_record_refuses_bad_values(record: Any, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refuses(change, record, *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"renewables": (WIND, WIND)}, ("two renewables", '"w"', "own name")),
        ({"renewables": (replace(WIND, bus="x"),)}, ("renewable w", 'unknown bus "x"')),
        ({"renewables": (replace(WIND, power_kw=(1.0,)),)}, ("power_kw of renewable w", "1 values", "2 periods")),
        ({"carbon": replace(CARBON, grid_factor_kg_per_kwh=())}, ("grid_factor_kg_per_kwh", "0 values", "2 periods")),
    ],
)
def test_an_instance_refuses_bad_parts(small: Instance, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refuses(change, small, *words)


def test_lists_become_tuples(full: Instance) -> None:
    wind, carbon = replace(WIND, power_kw=[3.0, 70.5]), replace(CARBON, grid_factor_kg_per_kwh=[0.25, 0.1])  # type: ignore[arg-type]
    case = replace(full, renewables=[wind, full.renewables[1]], carbon=carbon)  # type: ignore[arg-type]
    assert case == full
    assert hash(case) == hash(full)


def test_base_loads_are_loads_less_renewables(full: Instance) -> None:
    network = Network.from_feeder(full.feeder)
    assert network.buses == ("a", "b", "c")
    # b draws 60 kW, c 40 kW at factors 0.5 and 1; w feeds 3 and 70.5 kW into c, gas 1 and 0 kW into b
    assert instances.base_load_kw(full, network).tolist() == [[0.0, 29.0, 17.0], [0.0, 60.0, -30.5]]
    assert instances.base_load_kvar(full, network).tolist() == [[0.0, 10.0, 5.0], [0.0, 20.0, 10.0]]


def test_two_renewables_at_a_bus_add_up(full: Instance) -> None:
    network = Network.from_feeder(full.feeder)
    twice = replace(full, renewables=(WIND, replace(WIND, name="w2")))
    found = instances.base_load_kw(replace(full, renewables=()), network) - instances.base_load_kw(twice, network)
    assert found.tolist() == [[0.0, 0.0, 6.0], [0.0, 0.0, 141.0]]


def test_base_loads_of_the_whole_feeder_without_renewables(ieee33: Instance) -> None:
    network = Network.from_feeder(ieee33.feeder)
    total = instances.base_load_kw(ieee33, network).sum(axis=1)
    np.testing.assert_allclose(total, 3715.0 * np.array(ieee33.load_factor), rtol=1e-12)
    assert total.max() == pytest.approx(ieee33.peak_load_kw, rel=1e-12)


def test_drawn_fleets_keep_the_carbon_parts(full: Instance) -> None:
    for fleet in (instances.scale(full, 5, seed=1), instances.set_share(full, 0.3)):
        assert (fleet.renewables, fleet.carbon, fleet.generators) == (full.renewables, full.carbon, full.generators)


def test_rows_of_the_output_may_come_in_any_order(tmp_path: Path, full: Instance) -> None:
    write(full, tmp_path / "case")
    path = tmp_path / "case" / "renewable_power.csv"
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([head, *reversed(rows)]) + "\n", encoding="utf-8")
    assert read(tmp_path / "case") == full


def test_emissions_may_be_left_out_of_the_tables(tmp_path: Path, full: Instance) -> None:
    write(full, tmp_path / "case")
    for table in ("generators", "renewables"):
        path = tmp_path / "case" / f"{table}.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n", encoding="utf-8")
    found = read(tmp_path / "case")
    assert [item.emission_kg_per_kwh for item in (*found.generators, *found.renewables)] == [0.0, 0.0, 0.0]
    assert [item.power_kw for item in found.renewables] == [item.power_kw for item in full.renewables]


@given(POWERS, POWERS, st.floats(0.0, 1e6), st.floats(0.0, 1e6))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_carbon_parts_come_back_exactly(
    tmp_path: Path, full: Instance, first: float, second: float, price: float, factor: float
) -> None:
    case = replace(
        full,
        generators=(replace(full.generators[0], emission_kg_per_kwh=factor),),
        renewables=(replace(WIND, power_kw=(first, second), emission_kg_per_kwh=factor), full.renewables[1]),
        carbon=Carbon(price, (factor, price)),
    )
    write(case, tmp_path / "case")
    assert read(tmp_path / "case") == case


def test_numpy_numbers_are_written_plainly(tmp_path: Path, full: Instance) -> None:
    wind = replace(WIND, power_kw=np.array([3.0, 70.5]), emission_kg_per_kwh=np.float32(0.0))  # type: ignore[arg-type]
    carbon = Carbon(np.float64(0.0068), np.array([0.25, 0.1]))  # type: ignore[arg-type]
    write(replace(full, renewables=(wind, full.renewables[1]), carbon=carbon), tmp_path / "case")
    assert read(tmp_path / "case") == full
