"""Every refusal of the records: the sentence names the object, its value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from instances import (
    Branch,
    Bus,
    Feeder,
    Horizon,
    Instance,
    InstanceError,
    PriceLimits,
    Session,
    Source,
    Station,
)

NAN = math.nan
REFUSED: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    (lambda: Bus("3", NAN, 0), ("bus 3", "load_kw nan", "finite")),
    (lambda: Bus("3", math.inf, 0), ("bus 3", "load_kw inf", "finite")),
    (lambda: Bus("3", 10**400, 0), ("bus 3", "load_kw", "finite")),
    (lambda: Bus("3", 0, "7"), ("bus 3", "load_kvar '7'", "give a number")),  # type: ignore[arg-type]
    (lambda: Bus("3", 0, True), ("bus 3", "load_kvar True", "give a number")),
    (lambda: Bus("3", 0, 0, 1.1, 0.9), ("bus 3", "1.1", "0.9", "swap")),
    (lambda: Bus("3", 0, 0, -0.1), ("bus 3", "voltage_min_pu -0.1", "at least 0")),
    (lambda: Bus("", 0, 0), ("a bus", "name ''", "text")),
    (lambda: Bus(" 3", 0, 0), ("name ' 3'", "without spaces")),
    (lambda: Bus("3\n4", 0, 0), ("name", "one line")),
    (lambda: Bus(3, 0, 0), ("name 3", 'such as "3"')),  # type: ignore[arg-type]
    (lambda: Branch("3", "4", -0.1, 0), ("branch 3-4", "resistance_ohm -0.1", "at least 0")),
    (lambda: Branch("3", "4", 0.1, -1), ("branch 3-4", "reactance_ohm -1", "at least 0")),
    (lambda: Branch("3", "4", math.inf, 0), ("branch 3-4", "resistance_ohm inf", "finite")),
    (lambda: Branch("3", "4", 0, 0, 0), ("branch 3-4", "current_max_a 0", "above 0")),
    (lambda: Branch("3", "4", 0, 0, 1, NAN), ("branch 3-4", "power_max_kva nan", "finite")),
    (lambda: Branch("3", "3", 0, 0), ("branch 3-3", "itself", "different")),
    (lambda: Session("e", "s", 4, 4, 1, 1), ("session e", "departure_period 4", "arrival_period 4", "leave")),
    (lambda: Session("e", "s", -1, 4, 1, 1), ("session e", "arrival_period -1", "at least 0")),
    (lambda: Session("e", "s", 0.5, 4, 1, 1), ("session e", "0.5", "whole")),  # type: ignore[arg-type]
    (lambda: Session("e", "s", 0, 4, -1, 1), ("session e", "energy_kwh -1", "at least 0")),
    (lambda: Session("e", "s", 0, 4, 1, 0), ("session e", "power_max_kw 0", "above 0")),
    (lambda: Session("e", "s", 0, 4, 1, 1, 0), ("session e", "count 0", "above 0")),
    (lambda: Horizon(0, 1, "2024-01-01"), ("horizon", "periods 0", "at least 1")),
    (lambda: Horizon(1, 0, "2024-01-01"), ("horizon", "period_hours 0", "above 0")),
    (lambda: Horizon(1, 1, "today"), ("horizon", "today", "ISO")),
    (lambda: PriceLimits(0.5, 0.4, 0.6), ("price_min_per_kwh 0.5", "price_max_per_kwh 0.4", "lower")),
    (lambda: PriceLimits(0.2, 0.4, 0.1), ("mean", "0.1", "price_min_per_kwh 0.2", "raise the mean cap")),
    (lambda: PriceLimits(NAN, 0.4, 0.1), ("price_min_per_kwh nan", "finite")),
    (lambda: Source("x", "", "MIT"), ("source x", "source ''", "text")),
    (lambda: Station("s", ""), ("station s", "bus ''", "text")),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_a_record_refuses_bad_values(make: Callable[[], object], words: tuple[str, ...]) -> None:
    refuses(make, *words)


FEEDER: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"base_kv": 0}, ("feeder", "base_kv 0", "at least 0.001")),
    ({"substation": "z"}, ("substation", '"z"', "existing bus")),
    ({"substation_voltage_pu": 1.2}, ("substation_voltage_pu 1.2", "0.9 to 1.1", "bus a")),
    ({"buses": ()}, ("no buses", "at least one")),
    ({"branches": ()}, ("no branches", "at least one")),
    ({"buses": (Bus("a", 0, 0), Bus("a", 0, 0))}, ("two buses", '"a"', "own name")),
    ({"branches": (Branch("a", "bb", 0, 0),)}, ("branch a-bb", '"bb"', 'did you mean "b"')),
    ({"branches": (Branch("a", "b", 0, 0),)}, ("substation a", "bus c", "islanded", "add")),
    ({"branches": (Branch("a", "b", 0, 0), Branch("b", "a", 0, 0))}, ("parallel", "b and a", "merge")),
    (
        {"branches": (Branch("a", "b", 0, 0), Branch("b", "c", 0, 0), Branch("c", "a", 0, 0))},
        ("cycle", "a", "b", "c", "open"),
    ),
]


@pytest.mark.parametrize(("change", "words"), FEEDER)
def test_a_feeder_refuses_bad_networks(small: Instance, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refuses(lambda: replace(small.feeder, **change), *words)


INSTANCE: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"name": ""}, ("instance", "name")),
    ({"charging_efficiency": 0}, ("charging_efficiency 0", "above 0")),
    ({"charging_efficiency": 1.01}, ("charging_efficiency 1.01", "at most 1")),
    ({"charging_efficiency": NAN}, ("charging_efficiency nan", "finite")),
    ({"stations": ()}, ("no stations",)),
    ({"sessions": ()}, ("no sessions",)),
    ({"stations": (Station("s", "c"), Station("s", "b"))}, ("two stations", '"s"')),
    ({"stations": (Station("s", "x"),)}, ("station s", "unknown bus", '"x"')),
    ({"sessions": (Session("e", "s", 0, 1, 1, 9), Session("e", "s", 0, 1, 1, 9))}, ("two sessions", '"e"')),
    ({"sessions": (Session("e", "q", 0, 1, 1, 9),)}, ("session e", "unknown station", '"q"')),
    (
        {"sessions": (Session("e", "s", 0, 3, 1, 9),)},
        ("session e", "departure_period 3", "2 periods", "by 2"),
    ),
    (
        {"sessions": (Session("e", "s", 1, 2, 5, 10),)},
        ("session e", "energy_kwh 5", "4.5 kWh", "0.5 hours", "lower"),
    ),
    ({"load_factor": (1.0,)}, ("load_factor", "1 values", "2 periods", "one value per period")),
    ({"load_factor": (1.0, -1.0)}, ("period 1", "load_factor -1.0", "at least 0")),
    ({"wholesale_price_per_kwh": (1.0, NAN)}, ("period 1", "wholesale_price_per_kwh nan", "finite")),
    ({"wholesale_price_per_kwh": (1.0, 2.0, 3.0)}, ("wholesale_price_per_kwh", "3 values", "2 periods")),
]


@pytest.mark.parametrize(("change", "words"), INSTANCE)
def test_an_instance_refuses_bad_tables(small: Instance, change: dict[str, Any], words: tuple[str, ...]) -> None:
    refuses(lambda: replace(small, **change), *words)


def refuses(make: Callable[[], object], *words: str) -> None:
    with pytest.raises(InstanceError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_energy_that_fills_its_window_exactly_passes(small: Instance) -> None:
    exact = Session("e", "s", 0, 2, 0.9 * 10.0 * 2 * 0.5, 10.0)
    assert replace(small, sessions=(exact,)).sessions == (exact,)


def test_records_are_frozen_and_lists_become_tuples(small: Instance) -> None:
    with pytest.raises(FrozenInstanceError):
        small.name = "other"  # type: ignore[misc]
    feeder = Feeder(10.0, "a", 1.0, list(small.feeder.buses), list(small.feeder.branches))  # type: ignore[arg-type]
    assert feeder == small.feeder
    assert hash(feeder) == hash(small.feeder)


def test_properties(small: Instance) -> None:
    assert small.peak_load_kw == 100.0
    assert small.station_bus == {"s": "c"}
    assert list(small.window(small.sessions[0])) == [0, 1]
    assert small.feeder.branches[1].name == "c-b"
