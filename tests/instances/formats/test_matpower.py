"""Reading MATPOWER cases: every conversion that distribution cases write as code, and refusals of the rest."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import instances
from instances import Feeder, InstanceError, read_matpower
from instances.formats.matlab_terms import Workspace, evaluate

COLUMNS = """
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;
[F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, RATE_B, RATE_C, ...
    TAP, SHIFT, BR_STATUS, PF, QF, PT, QT, MU_SF, MU_ST, ...
    ANGMIN, ANGMAX, MU_ANGMIN, MU_ANGMAX] = idx_brch;
"""
OHM = """
Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in volts
Sbase = mpc.baseMVA * 1e6;              %% in VA
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
"""
KW = "mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;\n"
# Three buses in a row and an open tie; loads 60 + 20j and 40 + 10j, lines 0.5 + 0.25j and 1.0 + 0.5j
BUS = """
    1  3  0   0   0 0 1 1 0 10 1 1   1;
    2, 1, 60, 20, 0,0,1,1,0,10,1,1.1,0.9; % commas too
    5  1  40  10  0 0 1 1 0 10 1 1.1 0.9
"""
GEN = "1 0 0 10 -10 1 100 1 10 0;"
BRANCH = """
    1 2 0.5 0.25 0 0   0 0 0 0 1 -360 360;
    5 2 1.0 0.5  0 2.5 0 0 0 0 1 -360 360;
    1 5 9   9    0 0   0 0 0 0 0 -360 360;
"""


def case(bus: str = BUS, gen: str = GEN, branch: str = BRANCH, code: str = COLUMNS + OHM + KW, base: str = "10") -> str:
    return f"""function mpc = small
%SMALL  A made-up case, with 'quotes' and [brackets in its comments
%{{
mpc.bus = [1 2 3];
%}}
mpc.version = '2';
mpc.baseMVA = {base};
mpc.bus = [  %% kW
{bus}];
mpc.gen = [{gen}];
mpc.branch = [{branch}];
mpc.gencost = [2 0 0 3 0 20 0];
mpc.bus_name = {{'a % b'; 'c'; 'd'}};
{code}"""


def read(tmp_path: Path, text: str, **options: bool) -> Feeder:
    path = tmp_path / "small.m"
    path.write_text(text, encoding="utf-8")
    return read_matpower(path, **options)


def test_ohm_and_kw_are_converted_there_and_back(tmp_path: Path) -> None:
    feeder = read(tmp_path, case())
    assert (feeder.base_kv, feeder.substation, feeder.substation_voltage_pu) == (10.0, "1", 1.0)
    assert [bus.name for bus in feeder.buses] == ["1", "2", "5"]
    assert [(bus.voltage_min_pu, bus.voltage_max_pu) for bus in feeder.buses] == [(1.0, 1.0), (0.9, 1.1), (0.9, 1.1)]
    assert [bus.load_kw for bus in feeder.buses] == pytest.approx([0.0, 60.0, 40.0])
    assert [bus.load_kvar for bus in feeder.buses] == pytest.approx([0.0, 20.0, 10.0])
    assert [line.name for line in feeder.branches] == ["1-2", "5-2"]
    assert [line.resistance_ohm for line in feeder.branches] == pytest.approx([0.5, 1.0])
    assert [line.reactance_ohm for line in feeder.branches] == pytest.approx([0.25, 0.5])
    assert [line.power_max_kva for line in feeder.branches] == [math.inf, 2500.0]
    assert {line.current_max_a for line in feeder.branches} == {math.inf}


def test_without_code_the_tables_are_mw_and_per_unit(tmp_path: Path) -> None:
    feeder = read(tmp_path, case(code=""))
    # 10 kV and 10 MVA: the base impedance is 10 ohm
    assert [bus.load_kw for bus in feeder.buses] == pytest.approx([0.0, 60e3, 40e3])
    assert [line.resistance_ohm for line in feeder.branches] == pytest.approx([5.0, 10.0])


def test_loads_in_kva_at_a_power_factor(tmp_path: Path) -> None:
    code = """
    pf = 0.85;
    mpc.bus(:, QD) = mpc.bus(:, PD) * sin(acos(pf));
    mpc.bus(:, PD) = mpc.bus(:, PD) * pf;
    """
    feeder = read(tmp_path, case(code=COLUMNS + OHM + KW + code))
    assert [bus.load_kw for bus in feeder.buses] == pytest.approx([0.0, 51.0, 34.0])
    # The reactive load of the table is replaced: sqrt(1 - 0.85²) of 60 and 40 kVA
    assert [bus.load_kvar for bus in feeder.buses] == pytest.approx([0.0, 60 * 0.5267827, 40 * 0.5267827])


def test_other_ways_of_writing_the_same(tmp_path: Path) -> None:
    code = """
    define_constants
    Zbase = (mpc.bus(1, 10)*1e3)^2/(mpc.baseMVA*1e6);
    mpc.branch(:, BR_R) = mpc.branch(:, BR_R) ./ Zbase; mpc.branch(:, BR_X) = mpc.branch(:, 4) * Zbase^-1;
    mpc.bus(:, [PD QD]) = 1e-3 .* mpc.bus(:, [3, 4]);
    end
    """
    assert read(tmp_path, case(code=code, base="2*5")) == read(tmp_path, case())


def test_one_row_may_be_addressed(tmp_path: Path) -> None:
    feeder = read(tmp_path, case(code=COLUMNS + OHM + KW + "mpc.bus(2, PD) = mpc.bus(3, PD) + 0.002;"))
    assert feeder.buses[1].load_kw == pytest.approx(42.0)


def test_the_last_value_of_a_name_holds(tmp_path: Path) -> None:
    code = "PD = 4; k = 7; k = 1e3;" + COLUMNS + OHM + KW.replace("1e3", "k")
    assert read(tmp_path, case(code=code)) == read(tmp_path, case())


def test_data_of_one_phase_are_asked_about(tmp_path: Path) -> None:
    bus = BUS.replace(" 10 ", " 10/sqrt(3) ").replace(",10,1,1.1", ",10/sqrt(3),1,1.1")
    with pytest.raises(InstanceError, match=r"small.m writes voltages with sqrt\(3\).*per_phase=True, or False"):
        read(tmp_path, case(bus, code=COLUMNS + KW, base="10/3"))
    code = COLUMNS + KW + "mpc.bus(:, BASE_KV) = mpc.bus(:, BASE_KV) / sqrt( 3 );"
    with pytest.raises(InstanceError, match=r"writes voltages with sqrt\(3\)"):
        read(tmp_path, case(code=code))
    assert read(tmp_path, case(code=code), per_phase=False).base_kv == pytest.approx(10 / math.sqrt(3))


def test_nothing_is_run_behind_a_return(tmp_path: Path) -> None:
    assert read(tmp_path, case(code=COLUMNS + OHM + KW + "return;\nmpc.bus(:, PD) = 0;")) == read(tmp_path, case())


def test_three_phases_are_three_times_one(tmp_path: Path) -> None:
    bus = BUS.replace(" 10 1 ", " 10/sqrt(3) 1 ").replace(",10,1,", ",10/sqrt(3),1,")
    code = COLUMNS + OHM + KW + "mpc.bus(:, [PD QD]) = mpc.bus(:, [PD QD]) / 3;\n"
    phase = read(tmp_path, case(bus, code=code, base="10/3"), per_phase=False)
    whole = read(tmp_path, case(bus, code=code, base="10/3"), per_phase=True)
    line = read(tmp_path, case(branch=BRANCH.replace("2.5", "7.5")))
    assert whole.base_kv == pytest.approx(10.0)
    assert phase.base_kv == pytest.approx(10.0 / math.sqrt(3))
    assert [b.load_kw for b in phase.buses] == pytest.approx([0.0, 20.0, 40 / 3])
    for ours, theirs in zip(whole.buses, line.buses, strict=True):
        assert (ours.load_kw, ours.load_kvar) == pytest.approx((theirs.load_kw, theirs.load_kvar))
    for a, b in zip(whole.branches, line.branches, strict=True):
        assert (a.resistance_ohm, a.reactance_ohm) == pytest.approx((b.resistance_ohm, b.reactance_ohm))
        assert a.power_max_kva == pytest.approx(b.power_max_kva)


def test_behind_a_nominal_transformer_impedances_are_referred(tmp_path: Path) -> None:
    # In per unit of 10 MVA, 0.01 at 110 kV and 0.02 at 10 kV; most buses have 10 kV
    bus = BUS.replace("0 0 1 1 0 10 1 1   1;", "0 0 1 1 0 110 1 1 1;")
    feeder = read(tmp_path, case(bus, branch="1 2 0.01 0 0 0 0 0 1 0 1 0 0; 2 5 0.02 0 0 0 0 0 0 0 1 0 0", code=""))
    assert feeder.base_kv == 10.0
    assert [line.resistance_ohm for line in feeder.branches] == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize("name", ["case33bw", "case69", "case118zh", "case136ma", "case141"])
def test_shipped_feeders_survive_as_case_files(tmp_path: Path, name: str) -> None:
    """Ohm and kW written with the usual conversions, read back."""
    feeder = instances.load_feeder(name)
    kv = feeder.base_kv
    bus = "".join(
        f"{b.name} {3 if b.name == feeder.substation else 1} {b.load_kw!r} {b.load_kvar!r} 0 0 1 1 0 {kv!r} 1 "
        f"{b.voltage_max_pu} {b.voltage_min_pu};\n"
        for b in feeder.buses
    )
    branch = "".join(
        f"{line.from_bus}\t{line.to_bus}\t{line.resistance_ohm!r}\t{line.reactance_ohm!r}\t0\t0\t0\t0\t0\t0\t1\t-360\t360;\n"
        for line in feeder.branches
    )
    back = read(tmp_path, case(bus, branch=branch))
    assert [b.name for b in back.buses] == [b.name for b in feeder.buses]
    assert [b.load_kw for b in back.buses] == pytest.approx([b.load_kw for b in feeder.buses], rel=1e-14)
    assert [b.load_kvar for b in back.buses] == pytest.approx([b.load_kvar for b in feeder.buses], rel=1e-14)
    for ours, theirs in zip(back.branches, feeder.branches, strict=True):
        assert ours.name == theirs.name
        assert (ours.resistance_ohm, ours.reactance_ohm) == pytest.approx(
            (theirs.resistance_ohm, theirs.reactance_ohm), rel=1e-14
        )


def edited(row: str, column: int, value: str) -> str:
    """The row with one of its numbers, counted from 1, replaced."""
    cells = row.replace(";", "").split()
    cells[column - 1] = value
    return " ".join(cells) + ";"


LINE = "2 5 1.0 0.5 0 0 0 0 0 0 1 -360 360;"
FIRST = "1 2 0.5 0.25 0 0 0 0 0 0 1 -360 360;"


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        (3, "-1", r"branch 2-5 has resistance_ohm -1.*at least 0"),
        (5, "Inf", r"branch 2-5 has charging_kvar inf; give a finite number"),
        (9, "-0.98", r"branch 2-5 has tap_ratio -0.98; give a value of at least 0.2"),
        (10, "30", r"branch 2-5 has angle 30; a feeder has no phase shifters"),
        (12, "-30", r"branch 2-5 has angle limit -30"),
        (13, "30", r"branch 2-5 has angle limit 30"),
        (3, "NaN", r"branch 2-5 has resistance_ohm nan; give a finite number"),
        (2, "7", r"branch 2-7 names the unknown bus \"7\""),
        (11, "0", r"no path leads from substation 1 to bus 5 \(islanded\)"),
        (1, "5", r"branch 5-5 joins bus 5 to itself"),
        (6, "-1", r"branch 2-5 has power_max_kva -1000.*above 0"),
    ],
)
def test_branches_that_a_feeder_does_not_have(tmp_path: Path, column: int, value: str, match: str) -> None:
    with pytest.raises(InstanceError, match=match):
        read(tmp_path, case(branch=FIRST + edited(LINE, column, value), code=COLUMNS + OHM + KW))


def test_networks_that_are_not_radial(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"small.m: the feeder has a cycle through buses"):
        read(tmp_path, case(branch=FIRST + LINE + edited(LINE, 1, "1")))


def test_parallel_branches_become_one(tmp_path: Path) -> None:
    """0.6 + 0.3j beside 0.3 + 0.15j is 0.2 + 0.1j ohm, two thirds of which flow in the second, whose 2 MVA bind."""
    two = FIRST + "2 5 0.6 0.3 0 2 0 0 0 0 1 -360 360; 5 2 0.3 0.15 0 2 0 0 0 0 1 -360 360;"
    line = read(tmp_path, case(branch=two)).branches[1]
    assert (line.name, line.resistance_ohm, line.reactance_ohm) == ("2-5", pytest.approx(0.2), pytest.approx(0.1))
    assert line.power_max_kva == pytest.approx(3000.0)
    with pytest.raises(
        InstanceError, match=r"small.m: parallel branches between buses 2 and 5 have transformers of different"
    ):
        read(tmp_path, case(branch=FIRST + LINE + edited(LINE, 9, "0.98")))


def test_taps_shunts_and_charging_are_kept(tmp_path: Path) -> None:
    feeder = read(tmp_path, case(branch=FIRST + edited(edited(LINE, 9, "0.98"), 5, "0.01")))
    assert [line.tap_ratio for line in feeder.branches] == [1.0, 0.98]
    assert [line.charging_kvar for line in feeder.branches] == pytest.approx([0.0, 100.0])
    feeder = read(tmp_path, case(SLACK + edited(edited(LOAD, 5, "0.05"), 6, "-0.3"), branch=FIRST + LINE))
    assert [bus.shunt_kw for bus in feeder.buses] == pytest.approx([0.0, 0.0, 50.0])
    assert [bus.capacitor_kvar for bus in feeder.buses] == pytest.approx([0.0, 0.0, -300.0])


def test_charging_is_left_out_on_demand(tmp_path: Path) -> None:
    charged = read(tmp_path, case(branch=FIRST + edited(LINE, 5, "0.01")), ignore_charging=True)
    assert charged == read(tmp_path, case(branch=FIRST + LINE))


@pytest.mark.parametrize(("option", "factor"), [({}, 1.0), ({"per_phase": True}, 3.0)])
def test_generators_at_the_reference_bus_limit_the_supply(
    tmp_path: Path, option: dict[str, bool], factor: float
) -> None:
    """Columns 4, 5, 9, 10 are Qmax, Qmin, Pmax, Pmin, in MW and Mvar of one phase or three."""
    gen = "1 0 0 4 -3 1 100 1 1.5 -Inf;1 0 0 1 -2 1 100 1 2 0.5;"
    feeder = read(tmp_path, case(gen=gen), **option)
    limits = feeder.supply_min_kw, feeder.supply_max_kw, feeder.supply_min_kvar, feeder.supply_max_kvar
    assert limits == pytest.approx((-math.inf, 3500.0 * factor, -5000.0 * factor, 5000.0 * factor))
    assert read(tmp_path, case(gen=gen), **option, ignore_supply_limits=True).supply_max_kw == math.inf
    with pytest.raises(InstanceError, match=r"small.m: the generator at bus 1 has a limit that is no number; give one"):
        read(tmp_path, case(gen=edited(GEN, 9, "NaN")))
    with pytest.raises(
        InstanceError, match=r"small.m: the feeder has supply_min_kw 20000.0 above supply_max_kw 10000.0; swap"
    ):
        read(tmp_path, case(gen=edited(GEN, 10, "20")))


LOAD = "5 1 40 10 0 0 1 1 0 10 1 1.1 0.9;"
SLACK = "1 3 0 0 0 0 1 1 0 10 1 1 1; 2 1 60 20 0 0 1 1 0 10 1 1.1 0.9;"


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        (2, "4", r"small.m: bus 5 has type 4; delete an isolated bus"),
        (2, "3", r"small.m has 2 reference buses \(type 3\): 1, 5; keep one"),
        (5, "-0.1", r"bus 5 has shunt_kw -100.0; give a value of at least 0"),
        (6, "Inf", r"bus 5 has capacitor_kvar inf; give a finite number"),
        (3, "Inf", r"bus 5 has load_kw inf; give a finite number"),
        (13, "1.2", r"bus 5 has voltage_min_pu 1.2 above voltage_max_pu 1.1"),
        (1, "2", r"two buses are named \"2\""),
    ],
)
def test_buses_that_a_feeder_does_not_have(tmp_path: Path, column: int, value: str, match: str) -> None:
    with pytest.raises(InstanceError, match=match):
        read(tmp_path, case(SLACK + edited(LOAD, column, value)))


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ("5 1 0 0 0 1 100 1 0 0;", "generator at bus 5, which is not the reference bus; set its status to 0"),
        ("5 0 0 0 0 1 100 1 2 0;", "generator at bus 5"),
        ("5 0 0 3 -3 1 100 1 0 0;", "generator at bus 5"),
        (
            "1 0 0 3 -3 1.02 100 1 0 0;",
            "2 voltages held by generators at reference bus 1; put one generator in service there",
        ),
    ],
)
def test_other_generators_are_refused(tmp_path: Path, extra: str, match: str) -> None:
    with pytest.raises(InstanceError, match=match):
        read(tmp_path, case(gen=GEN + extra))
    off = " ".join("0" if place == 7 else cell for place, cell in enumerate(extra.split()))
    assert read(tmp_path, case(gen=f"{GEN}{off};")) == read(tmp_path, case())


def test_generators_that_do_nothing_are_no_obstacle_unless_they_hold_a_voltage(tmp_path: Path) -> None:
    idle = GEN + "5 0 0 0 0 1 100 1 0 0;"
    assert read(tmp_path, case(gen=idle)) == read(tmp_path, case())
    with pytest.raises(InstanceError, match="generator at bus 5"):
        read(tmp_path, case(SLACK + edited(LOAD, 2, "2"), gen=idle))
    with pytest.raises(InstanceError, match="0 voltages held"):
        read(tmp_path, case(gen=edited(GEN, 8, "0")))


def test_the_generator_at_the_substation_gives_its_voltage(tmp_path: Path) -> None:
    bus = BUS.replace("1 1   1;", "1 1.1 0.9;")
    assert read(tmp_path, case(bus, gen=edited(GEN, 6, "1.05"))).substation_voltage_pu == 1.05
    with pytest.raises(InstanceError, match=r"substation_voltage_pu 1.05 outside the limits 1.0 to 1.0 of bus 1"):
        read(tmp_path, case(gen=edited(GEN, 6, "1.05")))


@pytest.mark.parametrize(
    "code",
    [
        "if 1\n",
        "for k = 1:3\n",
        "mpc.bus(:, PD) = scale_load(2, mpc);",
        "mpc = scale_load(2, mpc);",
        "x(3) = 4;",
        "other.bus = 3;",
        "mpc.bus(2:3, PD) = 0;",
        "mpc.bus(:, end) = 0;",
        "mpc.bus(:, PD) = mpc.bus(:, PD)';",
        "mpc.bus(:, PD) = mpc.bus(:, PD) / undefined;",
        "mpc.bus(:, PD) = mpc.gen(:, 1);",
        "mpc.bus(:, PD) = mpc.bus(:, [PD QD]);",
        "mpc.bus(:, PD) = mpc.bus(:, PD) * mpc.bus(:, QD);",
        "mpc.bus(:, PD) = 2 / mpc.bus(:, PD);",
        "mpc.bus(:, PD) = mpc.bus(:, PD)^2;",
        "mpc.bus(9, PD) = 0;",
        "mpc.bus(:, MU_ANGMAX) = 0;",
        "mpc.bus = [1 2; 3];",
        "mpc.bus = [1 2 - 3];",
        "mpc.bus = [1 2 3]/2;",
        "mpc.bus = [1 2 3] + [1 2 3];",
        "mpc.bus = [1 2 3",
        "mpc.bus = 1 2];",
        "mpc.dcline = [1 2 3];",
        "PD = 4;",
        "sqrt = 4;",
        "mpc = 4;",
        "a = (1 + 2;",
        "a = 1 +;",
        "a = ;",
        "a = 1 $ 2;",
        "[a, b] = idx_dcline;",
        "function x = other",
        "mpc.version = '1';",
        "mpc.baseMVA = 0;",
        "mpc.gen = [];",
        "mpc.branch = 'none';",
        "mpc.bus(:, BASE_KV) = 0;",
    ],
)
def test_what_is_not_understood_is_refused_with_file_and_line(tmp_path: Path, code: str) -> None:
    with pytest.raises(InstanceError, match=r"small\.m(:| line \d+| has| is no| writes)"):
        read(tmp_path, case(code=COLUMNS + code))


def test_a_refusal_names_line_statement_and_remedy(tmp_path: Path) -> None:
    text = case(code="\nif mpc.bus(1, 3) > 0\n mpc.baseMVA = 3;\nend\n")
    line = text.split("\n").index("if mpc.bus(1, 3) > 0") + 1
    match = rf'small.m line {line}: "if mpc.bus\(1, 3\) > 0" is not understood; work out what it does and write plain numbers'
    with pytest.raises(InstanceError, match=match):
        read(tmp_path, text)
    with pytest.raises(InstanceError, match=r'row 2 "1 x 3": "x" has the unknown name "x"; write the number instead'):
        read(tmp_path, case(branch="1 2 3; 1 x 3;"))


def test_old_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"small.m is no case of version 2; convert it"):
        read(tmp_path, case().replace("mpc.version = '2';", ""))
    with pytest.raises(InstanceError, match=r"small.m line 1"):
        read(tmp_path, "function [baseMVA, bus, gen, branch] = small\n")
    with pytest.raises(InstanceError, match="is missing"):
        read_matpower(tmp_path / "none.m")


def test_case_structs_may_have_another_name_and_line_ends(tmp_path: Path) -> None:
    assert read(tmp_path, case().replace("mpc", "s")) == read(tmp_path, case())
    assert read(tmp_path, case().replace("\n", "\r\n")) == read(tmp_path, case())


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("-2^2", -4.0),
        ("2^-1", 0.5),
        ("2^3^2", 64.0),
        ("1./4", 0.25),
        ("8/2/2", 2.0),
        ("1 - -2", 3.0),
        ("2*(3+4)", 14.0),
        ("sqrt(16)/pi", 4 / math.pi),
        ("sin(acos(0.6))", 0.8),
        (".5e1", 5.0),
    ],
)
def test_arithmetic_binds_as_in_matlab(term: str, value: float) -> None:
    assert evaluate(term, Workspace()) == pytest.approx(value)


NUMBERS = st.floats(0.1, 100.0).map(lambda value: f"{value:.3f}")
TERMS = st.recursive(
    NUMBERS,
    lambda inner: (
        st.tuples(inner, st.sampled_from([" + ", " - ", " * ", " / "]), inner).map("".join)
        | inner.map("({})".format)
        | inner.map("-{}".format)
    ),
    max_leaves=12,
)


@given(TERMS)
@settings(max_examples=200, deadline=None)
def test_sums_and_products_agree_with_python(term: str) -> None:
    try:
        expected = eval(term.replace("--", "- -"))
    except ZeroDivisionError:
        return
    assert evaluate(term, Workspace()) == pytest.approx(expected, rel=1e-12)


@given(st.text("0123456789.eE+-", min_size=1, max_size=6))
@settings(max_examples=500, deadline=None)
@example("1E")
@example("0.047e")
@example("1e+")
def test_what_looks_like_a_number_is_one_or_refused(term: str) -> None:
    """Regular expressions of some releases of Python take "1E" for a number; whatever is read is what Python reads."""
    try:
        value = evaluate(term, Workspace())
    except InstanceError:
        return
    with contextlib.suppress(ValueError):
        assert value == float(term)
