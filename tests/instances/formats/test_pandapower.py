"""Reading pandapower networks, given as tables of their form: pandapower 3.5 needs pandas 2, so that it is no dependency here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

import instances
from instances import InstanceError, Network, ac_power_flow, from_pandapower

Net = dict[str, pd.DataFrame]


def frame(rows: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict({index: {"in_service": True, **row} for index, row in rows.items()}, orient="index")


def bus(**more: Any) -> dict[str, Any]:
    return {"vn_kv": 10.0, **more}


def line(up: int, down: int, **more: Any) -> dict[str, Any]:
    values = {
        "from_bus": up,
        "to_bus": down,
        "length_km": 2.0,
        "r_ohm_per_km": 0.25,
        "x_ohm_per_km": 0.125,
        "parallel": 1,
    }
    return values | {"c_nf_per_km": 0.0, "g_us_per_km": 0.0, "max_i_ka": 0.2, "df": 1.0} | more


def load(at: int, p_mw: float, q_mvar: float, **more: Any) -> dict[str, Any]:
    return {"bus": at, "p_mw": p_mw, "q_mvar": q_mvar, "scaling": 1.0, **more}


def row_of_three(**tables: pd.DataFrame) -> Net:
    """Buses 4, 7, 9 in a row from the external grid at 4, with loads at 7 and 9."""
    net = {
        "bus": frame({4: bus(), 7: bus(), 9: bus()}),
        "line": frame({0: line(4, 7), 1: line(9, 7, length_km=4.0)}),
        "load": frame({0: load(7, 0.06, 0.02), 1: load(9, 0.04, 0.01)}),
        "ext_grid": frame({0: {"bus": 4, "vm_pu": 1.02}}),
        "res_bus": pd.DataFrame({"vm_pu": [1.0]}),
        "poly_cost": frame({0: {"element": 0}}),
    }
    return net | tables


def test_lines_and_loads_are_taken_in_kw_ohm_and_ampere() -> None:
    feeder = from_pandapower(row_of_three())
    assert (feeder.base_kv, feeder.substation, feeder.substation_voltage_pu) == (10.0, "4", 1.02)
    assert [bus.name for bus in feeder.buses] == ["4", "7", "9"]
    assert [bus.load_kw for bus in feeder.buses] == pytest.approx([0.0, 60.0, 40.0])
    assert [bus.load_kvar for bus in feeder.buses] == pytest.approx([0.0, 20.0, 10.0])
    assert {(bus.voltage_min_pu, bus.voltage_max_pu) for bus in feeder.buses} == {(0.9, 1.1)}
    assert [branch.name for branch in feeder.branches] == ["4-7", "9-7"]
    assert [branch.resistance_ohm for branch in feeder.branches] == pytest.approx([0.5, 1.0])
    assert [branch.reactance_ohm for branch in feeder.branches] == pytest.approx([0.25, 0.5])
    assert [branch.current_max_a for branch in feeder.branches] == pytest.approx([200.0, 200.0])


def test_parallel_lines_scaling_and_limits() -> None:
    lines = {0: line(4, 7, parallel=2, df=0.9, max_loading_percent=50.0), 1: line(7, 9, max_i_ka=math.nan)}
    loads = {0: load(7, 0.06, 0.02, scaling=0.5), 1: load(7, 0.01, 0.0), 2: load(9, 1.0, 1.0, in_service=False)}
    feeder = from_pandapower(
        row_of_three(
            bus=frame({4: bus(), 7: bus(min_vm_pu=0.95, max_vm_pu=1.05), 9: bus(min_vm_pu=math.nan)}),
            line=frame(lines),
            load=frame(loads),
            sgen=frame({0: load(9, 0.2, -0.05, scaling=0.5)}),
        )
    )
    assert [branch.resistance_ohm for branch in feeder.branches] == pytest.approx([0.25, 0.5])
    assert [branch.current_max_a for branch in feeder.branches] == pytest.approx([180.0, math.inf])
    unlimited = from_pandapower(row_of_three(line=frame({0: line(4, 7, max_i_ka=99999.0), 1: line(7, 9)})))
    assert [branch.current_max_a for branch in unlimited.branches] == pytest.approx([math.inf, 200.0])
    assert [bus.load_kw for bus in feeder.buses] == pytest.approx([0.0, 40.0, -100.0])
    assert [bus.load_kvar for bus in feeder.buses] == pytest.approx([0.0, 10.0, 25.0])
    assert [(b.voltage_min_pu, b.voltage_max_pu) for b in feeder.buses] == [(0.9, 1.1), (0.95, 1.05), (0.9, 1.1)]


def switch(at: int, element: int, et: str, closed: bool = True, **more: Any) -> dict[str, Any]:
    return {"bus": at, "element": element, "et": et, "closed": closed, **more}


def test_closed_bus_switches_fuse_and_open_ones_do_not() -> None:
    net = row_of_three(
        bus=frame({4: bus(), 5: bus(min_vm_pu=0.97), 7: bus(), 9: bus(), 8: bus(max_vm_pu=1.03)}),
        line=frame({0: line(5, 7), 1: line(7, 9)}),
        load=frame({0: load(8, 0.04, 0.01), 1: load(9, 0.02, 0.0)}),
        switch=pd.DataFrame.from_dict(
            {0: switch(4, 5, "b"), 1: switch(9, 8, "b"), 2: switch(4, 9, "b", closed=False)}, orient="index"
        ),
    )
    feeder = from_pandapower(net)
    assert [bus.name for bus in feeder.buses] == ["4", "7", "8"]
    assert [bus.load_kw for bus in feeder.buses] == pytest.approx([0.0, 0.0, 60.0])
    assert (feeder.buses[0].voltage_min_pu, feeder.buses[2].voltage_max_pu) == (0.97, 1.03)
    assert [branch.name for branch in feeder.branches] == ["4-7", "7-8"]
    net["switch"].loc[1, "z_ohm"] = 0.1
    with pytest.raises(InstanceError, match=r"switch 1 has z_ohm 0.1; set it to 0, or make it a line"):
        from_pandapower(net)


def test_open_lines_are_left_out() -> None:
    ring = frame({0: line(4, 7), 1: line(7, 9), 2: line(9, 4)})
    with pytest.raises(InstanceError, match="the feeder has a cycle"):
        from_pandapower(row_of_three(line=ring))
    opened = pd.DataFrame.from_dict({5: switch(9, 2, "l", closed=False), 6: switch(4, 0, "l")}, orient="index")
    out = frame({0: line(4, 7), 1: line(7, 9), 2: line(9, 4, in_service=False)})
    expected = from_pandapower(row_of_three(line=frame({0: line(4, 7), 1: line(7, 9)})))
    assert from_pandapower(row_of_three(line=ring, switch=opened)) == expected
    assert from_pandapower(row_of_three(line=out)) == expected


def trafo(high: int, low: int, **more: Any) -> dict[str, Any]:
    """25 MVA from 20 to 10 kV, z = 0.4 + j 12 % about."""
    values = {"hv_bus": high, "lv_bus": low, "sn_mva": 25.0, "vn_hv_kv": 20.0, "vn_lv_kv": 10.0, "vk_percent": 12.0}
    values |= {"vkr_percent": 0.4, "pfe_kw": 0.0, "i0_percent": 0.0, "shift_degree": 150.0, "tap_changer_type": "Ratio"}
    return values | {"tap_side": "hv", "tap_neutral": 0, "tap_pos": 0, "tap_step_percent": 1.5, "parallel": 1} | more


def behind_a_transformer() -> Net:
    """A grid at 20 kV, a transformer from 2 to 4, and the row of three behind it."""
    net = row_of_three()
    net["bus"] = frame({1: bus(vn_kv=20.0), 2: bus(vn_kv=20.0), 4: bus(), 7: bus(), 9: bus()})
    net["line"] = frame({0: line(4, 7), 1: line(9, 7, length_km=4.0), 2: line(1, 2, c_nf_per_km=200.0)})
    net["ext_grid"] = frame({0: {"bus": 1, "vm_pu": 1.03}})
    net["trafo"] = frame({3: trafo(2, 4)})
    return net


def test_a_feeder_may_begin_behind_its_transformer() -> None:
    net = behind_a_transformer()
    feeder = from_pandapower(net, substation=4)
    assert feeder.substation_voltage_pu == 1.0
    assert feeder.branches == from_pandapower(row_of_three()).branches
    assert from_pandapower(net, substation=4, substation_voltage_pu=1.01).substation_voltage_pu == 1.01
    net["switch"] = pd.DataFrame.from_dict({0: switch(2, 3, "t", closed=False)}, orient="index")
    assert from_pandapower(net, substation=4) == feeder


def test_a_transformer_is_a_branch_at_the_voltage_of_most_buses() -> None:
    """z = 0.12 pu of 25 MVA is 0.48 ohm at 10 kV; lines at 20 kV have a quarter of their ohm there."""
    feeder = from_pandapower(behind_a_transformer())
    assert (feeder.base_kv, feeder.substation, feeder.substation_voltage_pu) == (10.0, "1", 1.03)
    branch = {b.name: b for b in feeder.branches}["2-4"]
    assert abs(complex(branch.resistance_ohm, branch.reactance_ohm)) == pytest.approx(0.48)
    assert (branch.resistance_ohm, branch.tap_ratio) == (pytest.approx(0.016), 1.0)
    assert branch.current_max_a == pytest.approx(25e3 / math.sqrt(3) / 10)
    high = {b.name: b for b in feeder.branches}["1-2"]
    assert (high.resistance_ohm, high.current_max_a) == (pytest.approx(0.125), pytest.approx(400.0))
    assert high.charging_kvar == pytest.approx(2e-6 * math.pi * 50 * 20**2 * 200 * 2)


@pytest.mark.parametrize(
    ("side", "position", "ratio"), [("hv", 3, 1.045), ("lv", 3, 1 / 1.045), ("hv", -2, 0.97), ("lv", 0, 1.0)]
)
def test_a_tap_changes_the_ratio(side: str, position: int, ratio: float) -> None:
    net = behind_a_transformer()
    net["trafo"] = frame({3: trafo(2, 4, tap_side=side, tap_pos=position)})
    found = {b.name: b for b in from_pandapower(net).branches}["2-4"]
    assert (found.from_bus, found.tap_ratio) == ("2", pytest.approx(ratio))


def test_transformers_give_what_pandapower_computes() -> None:
    """Three levels, taps on either side, iron losses, two in parallel, one with an open end: runpp of pandapower 3.5.6."""
    steps = {"pfe_kw": 1.35, "i0_percent": 0.3375, "tap_step_percent": 2.5, "vk_percent": 6.0, "vkr_percent": 1.425}
    open_end = {
        "sn_mva": 0.63,
        "vn_lv_kv": 0.42,
        "vk_percent": 6.0,
        "vkr_percent": 1.0,
        "pfe_kw": 5.0,
        "i0_percent": 1.0,
    }
    levels = {1: 110.0, 4: 20.0, 7: 20.0, 9: 0.4, 11: 0.4}
    net = {
        "bus": frame({index: bus(vn_kv=kv) for index, kv in levels.items()}),
        "line": frame({
            0: line(4, 7, length_km=3.0, r_ohm_per_km=0.3, x_ohm_per_km=0.35, c_nf_per_km=210.0),
            1: line(9, 11, length_km=0.15, r_ohm_per_km=0.2, x_ohm_per_km=0.08, c_nf_per_km=200.0),
        }),
        "load": frame({0: load(7, 2.0, 0.5), 1: load(11, 0.12, 0.03)}),
        "ext_grid": frame({0: {"bus": 1, "vm_pu": 1.02}}),
        "trafo": frame({
            0: trafo(1, 4, vn_hv_kv=115.0, vn_lv_kv=21.0, pfe_kw=14.0, i0_percent=0.07, tap_pos=3, parallel=2),
            1: trafo(7, 9, sn_mva=0.4, vn_lv_kv=0.4, tap_side="lv", tap_pos=-1, **steps),
            2: trafo(7, 9, **open_end),
        }),
        "switch": pd.DataFrame.from_dict({0: switch(9, 2, "t", closed=False)}, orient="index"),
    }  # fmt: skip
    network = Network.from_feeder(from_pandapower(net))
    flow = ac_power_flow(network, network.load_kw, network.load_kvar)
    expected = [1.02, 0.978799994107336, 0.9725111149044322, 0.9389392252491774, 0.9117874973827024]
    found = dict(zip(network.buses, abs(flow.voltage_pu), strict=True))
    assert [found[str(index)] for index in levels] == pytest.approx(expected, rel=1e-9)
    supply = flow.supply_pu * network.per_unit.base_kva
    assert (supply.real, supply.imag) == (pytest.approx(2166.277335447919), pytest.approx(507.2319663168162))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"tap_pos": 1, "tap_changer_type": None}, "trafo 3 has tap_pos off tap_neutral.*'Ratio'"),
        ({"tap_pos": 1, "tap_changer_type": "Ideal"}, "trafo 3 has tap_pos off tap_neutral"),
        ({"tap_pos": 1, "tap_step_degree": 30.0}, "trafo 3 has tap_pos off tap_neutral"),
        ({"tap_dependency_table": True}, "trafo 3 has a table of taps"),
        ({"tap2_pos": 2.0, "tap2_neutral": 0.0}, "trafo 3 has a second tap changer"),
        ({"vk_percent": None}, "trafo 3 needs numbers in sn_mva"),
        ({"sn_mva": 0.0}, "trafo 3 needs numbers in sn_mva"),
        ({"vk_percent": 0.0, "vkr_percent": 0.0}, "trafo 3 needs numbers in sn_mva"),
    ],
)
def test_transformers_of_another_kind_are_refused(values: dict[str, Any], match: str) -> None:
    net = behind_a_transformer()
    net["trafo"] = frame({3: trafo(2, 4, **values)})
    with pytest.raises(InstanceError, match=match):
        from_pandapower(net)
    assert from_pandapower(net, substation=4) == from_pandapower(behind_a_transformer(), substation=4)


def test_tables_of_older_versions_tell_taps_by_phase_shifters() -> None:
    net = behind_a_transformer()
    old = {name: value for name, value in trafo(2, 4, tap_pos=2).items() if name != "tap_changer_type"}
    net["trafo"] = frame({3: old | {"tap_phase_shifter": False}})
    assert max(b.tap_ratio for b in from_pandapower(net).branches) == pytest.approx(1.03)
    net["trafo"] = frame({3: old | {"tap_phase_shifter": True}})
    with pytest.raises(InstanceError, match="trafo 3 has tap_pos off tap_neutral"):
        from_pandapower(net)


def test_the_substation_must_exist_and_be_the_only_source() -> None:
    with pytest.raises(InstanceError, match="substation is 3, which is no bus in service"):
        from_pandapower(row_of_three(), substation=3)
    with pytest.raises(InstanceError, match=r"external grids \(or slack generators\) in service at 0 buses"):
        from_pandapower(row_of_three(ext_grid=frame({0: {"bus": 4, "vm_pu": 1.0, "in_service": False}})))
    two = frame({0: {"bus": 4, "vm_pu": 1.0}, 1: {"bus": 9, "vm_pu": 1.0}})
    with pytest.raises(InstanceError, match=r"in service at 2 buses; keep one, or pass substation"):
        from_pandapower(row_of_three(ext_grid=two))
    with pytest.raises(InstanceError, match="an external grid feeds bus 9 beside substation 4"):
        from_pandapower(row_of_three(ext_grid=two), substation=4)
    split = frame({0: {"bus": 4, "vm_pu": 1.0}, 1: {"bus": 4, "vm_pu": 1.01}})
    with pytest.raises(InstanceError, match="external grids hold 2 voltages at bus 4"):
        from_pandapower(row_of_three(ext_grid=split))


def test_buses_without_supply_and_other_voltages_are_refused() -> None:
    with pytest.raises(InstanceError, match=r"no line in service leads from external grid 4 to bus 9"):
        from_pandapower(row_of_three(line=frame({0: line(4, 7)})))
    apart = {4: bus(), 7: bus(), 9: bus(in_service=False)}
    feeder = from_pandapower(row_of_three(bus=frame(apart)))
    assert [b.load_kw for b in feeder.buses] == pytest.approx([0.0, 60.0])
    with pytest.raises(InstanceError, match=r"vn_kv 0.4, 10 at buses 9 and 7, which a line or a switch joins"):
        from_pandapower(row_of_three(bus=frame({4: bus(), 7: bus(), 9: bus(vn_kv=0.4)})))


def charged(**more: Any) -> Net:
    return row_of_three(line=frame({0: line(4, 7), 1: line(9, 7, length_km=4.0, **more)}))


def test_line_charging_is_kept_or_left_out_on_demand() -> None:
    """2 pi 50 Hz times 200 nF/km, 4 km and (10 kV)^2 are 25.13 kvar."""
    kept = from_pandapower(charged(c_nf_per_km=100.0, parallel=2))
    assert kept.branches[1].charging_kvar == pytest.approx(2 * math.pi * 50 * 200e-9 * 4 * 1e5)
    assert from_pandapower(charged(c_nf_per_km=200.0) | {"f_hz": 60.0}).branches[1].charging_kvar == pytest.approx(
        30.159289
    )
    with pytest.raises(InstanceError, match=r"line 1 has g_us_per_km 200.*pass ignore_charging=True"):
        from_pandapower(charged(g_us_per_km=200.0))
    for column in ("c_nf_per_km", "g_us_per_km"):
        assert from_pandapower(charged(**{column: 200.0}), ignore_charging=True) == from_pandapower(row_of_three())


def test_shunts_are_what_they_draw_at_their_voltage() -> None:
    """A capacitor has negative q_mvar; a rating at 9 kV counts (10 / 9)^2 at 10 kV; steps multiply."""
    shunts = frame(
        {
            2: {"bus": 9, "p_mw": 0.01, "q_mvar": -0.3, "step": 2, "vn_kv": 9.0},
            3: {"bus": 9, "p_mw": None, "q_mvar": 0.1},
        }
    )
    last = from_pandapower(row_of_three(shunt=shunts)).buses[2]
    assert (last.shunt_kw, last.capacitor_kvar) == pytest.approx((20 / 0.81, 600 / 0.81 - 100))
    with pytest.raises(InstanceError, match=r"shunt 2 has a table of steps; write p_mw and q_mvar"):
        from_pandapower(row_of_three(shunt=frame({2: {"bus": 9, "q_mvar": 1.0, "step_dependency_table": True}})))


def test_lines_between_the_same_buses_become_one() -> None:
    two = from_pandapower(row_of_three(line=frame({0: line(4, 7), 1: line(9, 7), 2: line(7, 9)})))
    assert two == from_pandapower(row_of_three(line=frame({0: line(4, 7), 1: line(9, 7, parallel=2)})))
    lines = frame({0: line(4, 7), 1: line(9, 7, c_nf_per_km=100.0), 5: line(9, 7)})
    with pytest.raises(
        InstanceError, match="line 1 and line 5, parallel between buses 9 and 7, have limits and charging"
    ):
        from_pandapower(row_of_three(line=lines))


def test_a_slack_generator_is_the_substation() -> None:
    net = row_of_three(gen=frame({0: {"bus": 4, "vm_pu": 1.02, "slack": True, "p_mw": 0.0}}))
    net["ext_grid"] = frame({})
    assert from_pandapower(net) == from_pandapower(net, substation=4) == from_pandapower(row_of_three())
    net["gen"] = frame({0: {"bus": 4, "vm_pu": 1.02, "slack": True}, 1: {"bus": 9, "vm_pu": 1.0, "slack": False}})
    with pytest.raises(InstanceError, match=r"net.gen has element 1 in service, which a feeder does not have"):
        from_pandapower(net)
    both = row_of_three(gen=frame({0: {"bus": 9, "vm_pu": 1.0, "slack": True}}))
    with pytest.raises(InstanceError, match=r"external grids \(or slack generators\) in service at 2 buses"):
        from_pandapower(both)


def test_limits_of_the_external_grid_limit_the_supply() -> None:
    grid = {"bus": 4, "vm_pu": 1.02, "max_p_mw": 1.5, "min_p_mw": 0.0, "max_q_mvar": math.nan, "min_q_mvar": -0.5}
    feeder = from_pandapower(row_of_three(ext_grid=frame({0: grid})))
    limits = feeder.supply_min_kw, feeder.supply_max_kw, feeder.supply_min_kvar, feeder.supply_max_kvar
    assert limits == (0.0, 1500.0, -500.0, math.inf)
    assert from_pandapower(row_of_three(ext_grid=frame({0: grid})), ignore_supply_limits=True) == from_pandapower(
        row_of_three()
    )
    two = from_pandapower(row_of_three(ext_grid=frame({0: grid, 1: grid | {"max_p_mw": None}})))
    assert (two.supply_max_kw, two.supply_min_kvar) == (math.inf, -1000.0)


def test_an_open_end_leaves_the_charging_at_the_other() -> None:
    """An idle cable of 20 km beside the line: y/2 at bus 7 and y/2 behind its 5 + 2.5j ohm."""
    out = {0: line(4, 7), 1: line(9, 7, length_km=4.0), 2: line(7, 9, length_km=20.0, c_nf_per_km=300.0)}
    net = row_of_three(line=frame(out))
    net["switch"] = pd.DataFrame.from_dict({0: switch(9, 2, "l", closed=False)}, orient="index")
    half = 0.5j * 2 * math.pi * 50 * 300e-9 * 20
    expected = 1e5 * (half + 1 / (1 / half + complex(5.0, 2.5)))
    bus7 = from_pandapower(net).buses[1]
    assert (bus7.shunt_kw, bus7.capacitor_kvar) == pytest.approx((expected.real, expected.imag))
    assert from_pandapower(net, ignore_charging=True) == from_pandapower(row_of_three())
    net["bus"] = frame({4: bus(), 7: bus(), 9: bus(in_service=False)})
    net["line"] = frame({0: line(4, 7), 2: line(7, 9, length_km=20.0, c_nf_per_km=300.0)})
    del net["switch"]
    assert from_pandapower(net).buses[1] == bus7


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"load": frame({0: load(7, "much", 0.0)})}, "element 0 has p_mw 'much'; give a number"),
        ({"line": frame({0: line(4, 7), 1: line(7, 9, length_km="2 km")})}, "element 1 has length_km '2 km'; give a number"),
        ({"load": pd.DataFrame({"bus": [7], "p_mw": [1.0], "q_mvar": [0.0]}, index=["a"])}, "net.load has the index 'a'; number"),
        ({"load": frame({0: load(math.inf, 0.1, 0.0)})}, None),
    ],
)  # fmt: skip
def test_tables_that_are_no_numbers_are_refused(table: Net, match: str | None) -> None:
    if match is None:
        assert from_pandapower(row_of_three(**table)).buses[1].load_kw == 0.0
    else:
        with pytest.raises(InstanceError, match=match):
            from_pandapower(row_of_three(**table))


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("gen", {"bus": 9, "p_mw": 0.1, "vm_pu": 1.0}),
        ("storage", {"bus": 7, "p_mw": 0.0}),
        ("ward", {"bus": 7}),
        ("asymmetric_load", {"bus": 9}),
        ("impedance", {"from_bus": 4, "to_bus": 9}),
        ("trafo3w", {"hv_bus": 4, "mv_bus": 1, "lv_bus": 2}),
        ("controller", {"order": 0}),
        ("novelty", {"x": 1}),
    ],
)
def test_elements_that_a_feeder_does_not_have_are_refused_by_name(table: str, values: dict[str, Any]) -> None:
    with pytest.raises(InstanceError, match=rf"net.{table} has element 2 in service, which a feeder does not have"):
        from_pandapower(row_of_three(**{table: frame({2: values})}))
    off = frame({2: values | {"in_service": False}})
    assert from_pandapower(row_of_three(**{table: off})) == from_pandapower(row_of_three())


def test_elements_elsewhere_do_not_matter() -> None:
    net = behind_a_transformer() | {"gen": frame({0: {"bus": 1}}), "shunt": frame({0: {"bus": 2}})}
    net["load"].loc[7] = {**load(2, 5.0, 1.0), "in_service": True}
    assert from_pandapower(net, substation=4) == from_pandapower(behind_a_transformer(), substation=4)


@pytest.mark.parametrize("column", ["const_z_percent", "const_i_p_percent"])
def test_loads_that_depend_on_the_voltage_are_refused(column: str) -> None:
    with pytest.raises(InstanceError, match=rf"load 1 has {column} 30, and a feeder's loads are constant powers"):
        from_pandapower(row_of_three(load=frame({0: load(7, 1, 0), 1: load(9, 1, 0, **{column: 30.0})})))
    assert from_pandapower(row_of_three(load=frame({1: load(9, 0.01, 0.0, **{column: 0.0})}))).buses[2].load_kw == 10.0


def test_numbers_that_are_missing_are_refused() -> None:
    with pytest.raises(InstanceError, match=r"bus 9 has load_kw nan; give a finite number"):
        from_pandapower(row_of_three(load=frame({0: load(9, math.nan, 0.0)})))
    with pytest.raises(InstanceError, match=r"branch 4-7 has resistance_ohm nan"):
        from_pandapower(row_of_three(line=frame({0: line(4, 7, r_ohm_per_km=None), 1: line(7, 9)})))


@pytest.mark.parametrize("net", [None, 3, {}, {"bus": 1, "line": 2}, "net.json"])
def test_what_is_no_network_is_refused(net: Any) -> None:
    with pytest.raises(InstanceError, match="without tables bus and line; give a pandapower network"):
        from_pandapower(net)


@pytest.mark.parametrize("name", ["case33bw", "case118zh", "case533mt_lo"])
def test_shipped_feeders_survive_as_networks(name: str) -> None:
    feeder = instances.load_feeder(name)
    order = {b.name: row for row, b in enumerate(feeder.buses)}
    limits = {
        row: bus(vn_kv=feeder.base_kv, min_vm_pu=b.voltage_min_pu, max_vm_pu=b.voltage_max_pu)
        for row, b in enumerate(feeder.buses)
    }
    lines = {
        row: line(order[b.from_bus], order[b.to_bus], length_km=1.0, max_i_ka=None)
        | {"r_ohm_per_km": b.resistance_ohm, "x_ohm_per_km": b.reactance_ohm}
        for row, b in enumerate(feeder.branches)
    }
    loads = {row: load(row, b.load_kw / 1e3, b.load_kvar / 1e3) for row, b in enumerate(feeder.buses)}
    grid = frame({0: {"bus": order[feeder.substation], "vm_pu": 1.0}})
    back = Network.from_feeder(
        from_pandapower({"bus": frame(limits), "line": frame(lines), "load": frame(loads), "ext_grid": grid})
    )
    network = Network.from_feeder(feeder)
    flow, expected = (ac_power_flow(n, n.load_kw, n.load_kvar) for n in (back, network))
    assert float(flow.loss_kw) == pytest.approx(float(expected.loss_kw), rel=1e-9)


def test_a_cigre_feeder_gives_what_pandapower_computes() -> None:
    """The industrial subnetwork of the CIGRE low-voltage benchmark behind its transformer.

    Source: CIGRE Task Force C6.04.02, Benchmark Systems for Network Integration of Renewable and Distributed Energy Resources,
    2014; one line of 200 m, 0.2647 + 0.0823j ohm/km, and 100 kVA at power factor 0.85. pandapower 3.5.6 (runpp) gives the bus
    0.9652067 pu and the line 3.551594 kW of losses.
    """
    net = {
        "bus": frame({20: bus(vn_kv=20.0), 21: bus(vn_kv=0.4), 22: bus(vn_kv=0.4)}),
        "line": frame({0: line(21, 22, length_km=0.2, r_ohm_per_km=0.2647, x_ohm_per_km=0.0823)}),
        "load": frame({0: load(22, 0.085, 0.052678)}),
        "ext_grid": frame({0: {"bus": 20, "vm_pu": 1.0}}),
        "trafo": frame({0: trafo(20, 21)}),
    }
    network = Network.from_feeder(from_pandapower(net, substation=21))
    flow = ac_power_flow(network, network.load_kw, network.load_kvar)
    assert abs(flow.voltage_pu[1]) == pytest.approx(0.9652067, rel=1e-5)
    assert float(flow.loss_kw) == pytest.approx(3.551594, rel=1e-4)
