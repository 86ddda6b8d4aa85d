"""Facts of the shipped case, and the catalogue that finds it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import instances
from instances import Instance, InstanceError, Network, ac_power_flow, uncontrolled_load_kw

DATA = Path(instances.__file__).parent / "data"


def test_the_catalogue_lists_and_refuses() -> None:
    assert "ieee33" in instances.list_cases()
    with pytest.raises(InstanceError, match=r'no case "ieee3"; choose one of .*ieee33.*did you mean "ieee33"\?'):
        instances.load("ieee3")
    with pytest.raises(InstanceError, match="no case"):
        instances.load("../data/ieee33")


def test_size(ieee33: Instance) -> None:
    assert ieee33.name == "ieee33"
    assert len(ieee33.feeder.buses) == 33
    assert len(ieee33.feeder.branches) == 32
    assert len(ieee33.stations) == 4
    assert len(ieee33.sessions) >= 40
    assert (ieee33.horizon.periods, ieee33.horizon.period_hours) == (24, 1.0)
    assert {session.station for session in ieee33.sessions} == {station.name for station in ieee33.stations}
    assert sum(bus.load_kw for bus in ieee33.feeder.buses) == 3715.0
    assert sum(bus.load_kvar for bus in ieee33.feeder.buses) == 2300.0
    assert max(ieee33.load_factor) == 1.0
    assert min(ieee33.wholesale_price_per_kwh) > 0


def test_the_fleet_carries_a_fifth_of_the_peak_within_the_voltage_limits(ieee33: Instance) -> None:
    charging = uncontrolled_load_kw(ieee33)
    assert charging.sum(axis=0).max() == pytest.approx(0.2 * ieee33.peak_load_kw, rel=1e-9)
    network = Network.from_feeder(ieee33.feeder)
    factor = np.array(ieee33.load_factor)[:, np.newaxis]
    kw = network.load_kw * factor
    for row, bus in enumerate(ieee33.station_bus.values()):
        kw[:, network.index[bus]] += charging[row]
    voltage = np.abs(ac_power_flow(network, kw, network.load_kvar * factor).voltage_pu)
    assert (voltage >= network.voltage_min_pu).all()
    assert (voltage <= network.voltage_max_pu).all()


@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.csv")), ids=lambda path: path.name)
def test_every_table_names_source_and_licence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    header = " ".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    assert re.search(r"source: .{10,}; licence: .+", header)


def test_every_table_and_choice_has_a_source(ieee33: Instance) -> None:
    items = {source.item for source in ieee33.sources}
    series = {"load_factor", "wholesale_price_per_kwh"}
    assert items >= {"buses", "branches", "stations", "sessions", "price_limits", "charging_efficiency"} | series
