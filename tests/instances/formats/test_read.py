"""Files of MATPOWER and pandapower as cases, and feeders whose units cannot be right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import instances
from instances import Feeder, InstanceError, Network, ac_power_flow, implausible, read_file, read_pandapower


def table(rows: dict[int, dict[str, Any]]) -> dict[str, str]:
    """A table as pandapower 3.5.6 writes it."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    data = [[row.get(name) for name in columns] for row in rows.values()]
    text = json.dumps({"columns": columns, "index": list(rows), "data": data})
    return {"_module": "pandas.core.frame", "_class": "DataFrame", "_object": text, "orient": "split"}


def line(up: int, down: int, length_km: float, **more: Any) -> dict[str, Any]:
    ohm = {"r_ohm_per_km": 0.25, "x_ohm_per_km": 0.125, "c_nf_per_km": 300.0, "g_us_per_km": 0.0, "max_i_ka": None}
    return {
        "from_bus": up,
        "to_bus": down,
        "length_km": length_km,
        **ohm,
        "df": 1.0,
        "parallel": 1,
        "in_service": True,
        **more,
    }


def network(**tables: Any) -> dict[str, Any]:
    """Three buses from a slack generator, with parallel lines, one that hangs, and a capacitor rated at another voltage."""
    bus = {i: {"vn_kv": 10.0, "in_service": True} for i in (4, 7, 9)}
    lines = {0: line(4, 7, 2.0, parallel=2), 1: line(9, 7, 4.0), 2: line(7, 9, 6.0), 3: line(4, 9, 20.0)}
    lines[0]["max_i_ka"] = None
    loads = {0: {"bus": 7, "p_mw": 1.2, "q_mvar": 0.4}, 1: {"bus": 9, "p_mw": 0.8, "q_mvar": 0.3}}
    items = {
        "bus": table(bus),
        "line": table(lines),
        "load": table({k: {**load, "scaling": 1.0, "in_service": True} for k, load in loads.items()}),
        "gen": table({0: {"bus": 4, "p_mw": 0.0, "vm_pu": 1.02, "slack": True, "in_service": True}}),
        "shunt": table({0: {"bus": 9, "p_mw": 0.01, "q_mvar": -0.3, "vn_kv": 9.5, "step": 2, "in_service": True}}),
        "switch": table({0: {"bus": 4, "element": 3, "et": "l", "closed": False}}),
        "ext_grid": table({}),
        "f_hz": 50.0,
        "name": "",
    }
    return {"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": items | tables}


def written(tmp_path: Path, values: Any, name: str = "net.json") -> Path:
    path = tmp_path / name
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


def test_a_file_of_pandapower_gives_what_pandapower_computes(tmp_path: Path) -> None:
    """The same network in pandapower 3.5.6, `pp.runpp(net, tolerance_mva=1e-10)`: `net.res_bus.vm_pu`, `net.res_gen`."""
    net = Network.from_feeder(read_pandapower(written(tmp_path, network())))
    flow = ac_power_flow(net, net.load_kw, net.load_kvar)
    magnitude = dict(zip(net.buses, abs(flow.voltage_pu).tolist(), strict=True))
    assert magnitude == pytest.approx({"4": 1.02, "7": 1.0153525275623732, "9": 1.0123011841909406}, abs=1e-10)
    supply = net.per_unit.kw(complex(flow.supply_pu))
    assert supply == pytest.approx(complex(2039.5942279429664, -302.366453167474), abs=1e-5)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ("{", r"net.json is not usable JSON: .*; write the network with pandapower.to_json"),
        ("[" * 100_000, r"net.json is not usable JSON"),
        ([], r"net.json is no pandapower network; write the network with pandapower.to_json, or give the folder of a case"),
        ({"_class": "pandapowerNet"}, r"net.json has no tables"),
        ({"_class": "pandapowerNet", "_object": {}}, r"net.json: the network is dict without tables bus and line"),
        (network(line={"_class": "DataFrame", "_object": "3"}), r"net.line has no lists columns, index and data"),
        (network(line={"_class": "DataFrame", "_object": {"columns": ["a"], "index": [1], "data": [[]]}}), "rows of different"),
        (network(line={"_class": "DataFrame", "_object": "{"}), r"net.json: net.line is not usable JSON"),
        (network(storage=table({3: {"bus": 7, "in_service": True}})), r"net.json: net.storage has element 3 in service"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_a_network_is_refused(tmp_path: Path, values: Any, match: str) -> None:
    with pytest.raises(InstanceError, match=match):
        read_pandapower(written(tmp_path, values))


def test_a_file_becomes_a_case(tmp_path: Path) -> None:
    path = written(tmp_path, network(), "my net.json")
    case = read_file(path, evs=3, seed=5)
    assert (case.name, len(case.sessions), len(case.stations)) == ("my net", 3, 2)
    assert case.feeder.buses == read_pandapower(path).buses
    assert read_file(path, evs=3, seed=5) == case != read_file(path, evs=3, seed=6)
    assert len(read_file(path).sessions) == 50
    assert {source.item: source.source for source in case.sources}["branches"] == "file my net.json"
    instances.write(case, tmp_path / "case")
    assert instances.read(tmp_path / "case") == case


def test_files_of_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InstanceError, match=r"net.xlsx is no case; give its folder, or a file that ends in .m or .json"
    ):
        read_file(tmp_path / "net.xlsx")
    with pytest.raises(InstanceError, match=r"none.m is missing"):
        read_file(tmp_path / "none.m")


def test_a_supply_below_the_load_is_refused_when_a_case_is_made(tmp_path: Path) -> None:
    grid = {0: {"bus": 4, "vm_pu": 1.02, "max_p_mw": 1.5, "in_service": True}}
    path = written(tmp_path, network(ext_grid=table(grid), gen=table({})))
    with pytest.raises(
        InstanceError, match=r"net.json: the base load alone needs 2039.59 kW .*supply_max_kw is 1500; raise"
    ):
        read_file(path)
    # Uncontrolled charging may break the limit, which is kept: prices move it to where there is room
    grid[0]["max_p_mw"] = 2.1
    case = read_file(written(tmp_path, network(ext_grid=table(grid), gen=table({}))))
    assert case.feeder.supply_max_kw == 2100.0
    assert instances.uncontrolled_load_kw(case).sum(axis=0).max() > 100.0


def scaled(feeder: Feeder, load: float = 1.0, kv: float = 1.0) -> Network:
    buses = tuple(replace(b, load_kw=b.load_kw * load, load_kvar=b.load_kvar * load) for b in feeder.buses)
    return Network.from_feeder(replace(feeder, base_kv=feeder.base_kv * kv, buses=buses))


@pytest.mark.parametrize("name", instances.list_feeders())
def test_shipped_feeders_are_plausible_and_a_thousandth_of_their_load_is_not(name: str) -> None:
    feeder = instances.load_feeder(name)
    assert implausible(scaled(feeder)) == ""
    assert implausible(scaled(feeder, load=0.0)) == ""
    for slip in ({"load": 1e-3}, {"kv": 1e3}):
        assert "implausibly little for a feeder; look at the units of load_kw (kW) and base_kv (kV)" in implausible(
            scaled(feeder, **slip)
        )


def test_small_feeders_are_plausible_too(small: instances.Instance) -> None:
    """A hundred kW at 10 kV, and a house at 400 V: one draws few amperes, the other drops little."""
    assert implausible(Network.from_feeder(small.feeder)) == ""
    house = (instances.Bus("a", 0, 0), instances.Bus("b", 5.0, 1.0))
    short = Feeder(0.4, "a", 1.0, house, (instances.Branch("a", "b", 0.001, 0.001),))
    assert implausible(Network.from_feeder(short)) == ""


def test_currents_beyond_any_busbar_are_implausible() -> None:
    """20 MW at 1 kV over a line of a micro-ohm."""
    buses = (instances.Bus("a", 0, 0), instances.Bus("b", 20_000.0, 0.0))
    feeder = Feeder(1.0, "a", 1.0, buses, (instances.Branch("a", "b", 1e-6, 1e-6),))
    assert "are 1.15e+04 A" in implausible(Network.from_feeder(feeder))
