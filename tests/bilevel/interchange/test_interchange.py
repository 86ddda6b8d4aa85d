"""Files and other solvers: MPS + AUX in and out, single-level models solved elsewhere, Pyomo solvers behind a session."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import gurobipy
import highspy
import numpy as np
import pyomo.environ as pyo
import pyscipopt
import pytest
import scipy.sparse as sp
from file_faults import networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bilevel
from bilevel import solvers
from bilevel.budget import Budget
from bilevel.compile.compiler import compile_model
from bilevel.errors import BilevelError, FeatureError, LicenceError, ModelError, UnknownNameError
from bilevel.interchange import read_mps, write_mps
from bilevel.interchange.pyomo_model import load_values, reformulate, write_model
from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Progress
from bilevel.reformulate.modes import MODES
from bilevel.reformulate.single_level import assemble
from bilevel.relax import CONES
from bilevel.search.engine import Search
from bilevel.solvers import pyomo as pyomo_solvers
from bilevel.solvers.scaling.scaled import Scaled

INF = np.inf
QUIET = Progress(False)

# Moore and Bard 1990, Operations Research 38(5), example with its integrality relaxed: optimum -18 at x = 8, y = 1
MOORE_BARD = networks.MPS
BY_NAME = (
    "@NUMVARS\n1\n@NUMCONSTRS\n4\n@VARSBEGIN\nY 1.\n@VARSEND\n@CONSTRSBEGIN\nR1\nR2\nR3\nR4\n@CONSTRSEND\n"
    "@NAME\nmoore\n@MPS\nmoore.mps\n"
)
BY_INDEX = "N 1\nM 4\nLC 1\nLR 0\nLR 1\nLR 2\nLR 3\nLO 1\nOS 1\n"
# As in MibS's own data/moore90WithNameSection.txt: no end marks, counts and sense as in the index form
BY_OLD_NAME = "N 1\nM 4\nOS 1\n@VARSBEGIN\nY 1\n@CONSTSBEGIN\nR1\nR2\nR3\nR4\n"
BY_MIXED = "N 1\nM 4\nLC Y\nLR R1\nLR R2\nLR R3\nLR R4\nLO -1\nOS -1\n"
BY_SENSE = BY_NAME.replace("@VARSBEGIN\nY 1.", "@OBJSENSE\nMAX\n@VARSBEGIN\nY -1").replace("CONSTRS", "CONSTR")
FORMS = {
    "name": BY_NAME, "index": BY_INDEX, "old": BY_OLD_NAME, "mixed": BY_MIXED, "sense": BY_SENSE,
    "comments": "* made by hand\n\n" + BY_INDEX.replace("N 1\nM 4", "N 1 M 4"),
}  # fmt: skip

# Bard 1998, Practical Bilevel Optimization, example 5.1.1: optimum -12 at x = 4, y = 4
BARD = """NAME bard
ROWS
 N F
 G A
 L B
 L C
 L D
COLUMNS
 x F 1 A 1
 x B -2 C 2
 x D 3
 y F -4 A 1
 y B 1 C 1
 y D -2
RHS
 R A 3 C 12
 R D 4
BOUNDS
 UP b x 10
 UP b y 20
ENDATA
"""
BARD_AUX = "N 1\nM 4\nLC 1\nLR 0\nLR 1\nLR 2\nLR 3\nLO 1\nOS 1\n"

# Candler and Townsley 1982, Computers & Operations Research 9(1): leader maximises, optimum 29.2 at x = (0, 0.9), y = (0, 0.6, 0.4)
CANDLER = """NAME candler
OBJSENSE
    MAX
ROWS
 N F
 L r1
 L r2
 L r3
COLUMNS
 x1 F 8 r2 2
 x2 F 4 r3 2
 y1 F -4 r1 -1
 y1 r2 -1 r3 2
 y2 F 40 r1 1
 y2 r2 2 r3 -1
 y3 F 4 r1 1
 y3 r2 -0.5 r3 -0.5
RHS
 b r1 1 r2 1
 b r3 1
ENDATA
"""
CANDLER_AUX = (
    "@NUMVARS\n3\n@NUMCONSTR\n3\n@VARSBEGIN\ny1 1\ny2 1\ny3 2\n@VARSEND\n@CONSTRBEGIN\nr1\nr2\nr3\n@CONSTREND\n"
)

# Made here: integer x in [-3, 4], the follower takes y as large as -2 <= y - x <= 1 and -5 <= y <= 2 let it, so y = min(2, x + 1);
# the leader's 5 - x + 2 y is least at x = -3, y = -2
RANGED = """NAME ranged
ROWS
 N F
 N unused
 L gap
 E tie
COLUMNS
 M1 'MARKER' 'INTORG'
 x F -1 gap -1
 x unused 3
 M2 'MARKER' 'INTEND'
 y F 2 gap 1
 z tie 1
RHS
 b F -5 gap 1
 b tie 2
RANGES
 g gap 3 tie 1
BOUNDS
 LO b x -3
 UP b x 4
 LO b y -5
 UP b y 2
 FR b z
ENDATA
"""
RANGED_AUX = "N 1\nM 1\nLC 1\nLR 0\nLO 1\nOS -1\n"


def files(folder: Path, mps: str, aux: str) -> tuple[Path, Path]:
    (folder / "p.mps").write_text(mps, encoding="utf-8")
    (folder / "p.aux").write_text(aux, encoding="utf-8")
    return folder / "p.mps", folder / "p.aux"


def read(folder: Path, mps: str, aux: str) -> Any:
    return read_mps(*files(folder, mps, aux))


def optimum(model: Any) -> float:
    """By SOS1 on SCIP, which needs no bounds."""
    solution = bilevel.solve(model, solver="scip", mode="sos1", gap=1e-6, progress=False, time_limit=20)
    assert solution.status in ("certified", "feasible") and solution.gap <= 1e-5, solution.reason
    return solution.objective


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_aux_reads_moore_bard(tmp_path: Path, form: str) -> None:
    model = read(tmp_path, MOORE_BARD, FORMS[form])
    assert optimum(model) == pytest.approx(-18, rel=1e-6)
    assert model.column["X"].value == pytest.approx(8) and model.follower.column["Y"].value == pytest.approx(1)
    assert list(model.follower.row) == ["R1", "R2", "R3", "R4"] and not len(model.row)


def test_bard(tmp_path: Path) -> None:
    model = read(tmp_path, BARD, BARD_AUX)
    # The follower's y is its least one, so the leader's optimum can be read off a scan
    scan = []
    for x in np.linspace(0, 10, 2001):
        least = max(3 - x, (3 * x - 4) / 2, 0.0)
        if least <= min(2 * x, 12 - 2 * x) + 1e-9:
            scan.append(x - 4 * least)
    assert min(scan) == pytest.approx(-12)
    assert optimum(model) == pytest.approx(-12, rel=1e-6)


def test_candler_townsley_maximises(tmp_path: Path) -> None:
    model = read(tmp_path, CANDLER, CANDLER_AUX)
    assert optimum(model) == pytest.approx(29.2, rel=1e-6)
    for form in ("name", "index"):
        write_mps(model, tmp_path / "q.mps", tmp_path / "q.aux", form)
        assert "OBJSENSE" not in (tmp_path / "q.mps").read_text(), "COIN's reader ignores it"
        again = read_mps(tmp_path / "q.mps", tmp_path / "q.aux")
        assert not again.objective.is_minimizing()
        assert optimum(again) == pytest.approx(29.2, rel=1e-6)


def test_ranges_bounds_integers_offset_and_a_maximising_follower(tmp_path: Path) -> None:
    model = read(tmp_path, RANGED, RANGED_AUX)
    gap, tie, x = model.follower.row["gap"], model.row["tie"], model.column["x"]
    assert (gap.lower, gap.upper, tie.lower, tie.upper) == (-2, 1, 2, 3)
    assert x.is_integer() and x.bounds == (-3, 4) and model.column["z"].bounds == (None, None)
    assert not model.follower.objective.is_minimizing()
    by_hand = min(5 - x + 2 * min(2, x + 1) for x in range(-3, 5))
    assert by_hand == 4
    assert bilevel.solve(model, gap=1e-6, progress=False).objective == pytest.approx(by_hand)
    assert (x.value, model.follower.column["y"].value) == (pytest.approx(-3), pytest.approx(-2))


def test_an_integer_follower_is_read_and_solved(tmp_path: Path) -> None:
    # MibS's documentation: generalExample.mps, all columns integer, and the optimum of -22 that it gives
    mps = MOORE_BARD.replace(" X cost", " M 'MARKER' 'INTORG'\n X cost").replace(
        "RHS\n RHS R1", " M 'MARKER' 'INTEND'\nRHS\n RHS R1", 1
    )
    model = read(tmp_path, mps, BY_NAME)
    assert model.follower.column["Y"].is_integer()
    # An integer column without bounds is binary to readers, and so the file has to give them
    model.column["X"].setub(None)
    model.follower.column["Y"].setub(None)
    solution = bilevel.solve(model, progress=False)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(-22))


def test_an_integer_column_without_bounds_is_binary(tmp_path: Path) -> None:
    mps = RANGED.replace(" LO b x -3\n UP b x 4\n", "")
    assert read(tmp_path, mps, RANGED_AUX).column["x"].is_binary()


def test_compressed_files(tmp_path: Path) -> None:
    mps, aux = files(tmp_path, BARD, BARD_AUX)
    packed = tmp_path / "p.mps.gz"
    packed.write_bytes(gzip.compress(mps.read_bytes()))
    assert list(read_mps(packed, aux).column) == ["x"]
    packed.write_bytes(b"\x1f\x8b broken")
    with pytest.raises(ModelError, match=r"p\.mps\.gz cannot be read"):
        read_mps(packed, aux)


BROKEN_MPS = [
    (" UP B X 20", " UP B X a20", r"p\.mps, line 19: 'a20' is not a finite number"),
    (" UP B X 20", " UP B Q 20", r"line 19: column 'Q' is not declared"),
    (" UP B X 20", " SC B X 20", r"line 19: bound type 'SC' is not read"),
    (" UP B X 20", " UP B X -20", r"column 'X' has lower bound 0 above its upper bound -20"),
    (" UP B X 20", " UP B X 20\n UP B X 21", r"line 20: column 'X' has two bounds of type UP"),
    (" X R4 2\n", " X R9 2\n", r"line 11: row 'R9' is not declared"),
    (" X R4 2\n", " X R4 2 R3\n", r"line 11: 'X R4 2 R3' is not a column with"),
    (" X R4 2\n", " X R4 1e999\n", r"line 11: '1e999' is not a finite number"),
    (" X R4 2\n", " X R3 2\n", r"line 11: 'X' has two values in row 'R3'"),
    (" Y R4 10\n", " Y R4 10\n X R4 1\n", r"line 15: column 'X' goes on after another one"),
    (" RHS R3 15 R4 15", " RHS R3 15 R7 15", r"line 17: row 'R7' is not declared"),
    (" RHS R3 15 R4 15", " RHS R3 nan", r"line 17: 'nan' is not a finite number"),
    (" L R1\n", " Q R1\n", r"line 4: 'Q R1' is not a row type"),
    (" L R1\n", " L R1\n L R1\n", r"line 5: row 'R1' is declared twice"),
    ("ENDATA\n", "", r"p\.mps is not a whole MPS file: it has no ENDATA"),
    (" N cost\n", " L cost\n", r"it has no objective \(N\) row"),
    ("ENDATA\n", "QUADOBJ\n X X 2\nENDATA\n", r"line 21: section 'QUADOBJ' is not read"),
    ("ROWS\n", "OBJSENSE\n  BEST\nROWS\n", r"line 3: objective sense 'BEST' is neither MIN nor MAX"),
    ("NAME moore90\n", " X 1\n", r"line 1: 'X 1' stands before any section"),
]  # fmt: skip
BROKEN_AUX = [
    (BY_INDEX, "LC 1", "LC 2", r"p\.aux, line 3: column '2' does not exist: use 0 to 1"),
    (BY_INDEX, "LR 3", "LR 4", r"line 7: row '4' does not exist: use 0 to 3 \(the objective does not count\)"),
    (BY_INDEX, "LR 3", "LR 2", r"line 7: row '2' is listed twice"),
    (BY_INDEX, "OS 1", "OS 0", r"line 9: objective sense '0' is neither"),
    (BY_INDEX, "LO 1", "LO one", r"line 8: 'one' is not a finite number"),
    (BY_INDEX, "LO 1\n", "", r"p\.aux: 1 follower columns have 0 coefficients"),
    (BY_INDEX, "M 4", "M 5", r"line 2: 5 follower rows are announced, but 4 are listed"),
    (BY_INDEX, "M 4", "M four", r"line 2: 'four' is not a count"),
    (BY_INDEX, "OS 1", "OS 1\nIB 3", r"has IB and no IC: an interdiction problem needs costs"),
    (BY_INDEX, "N 1", "N 1 3", r"line 1: 'N 1 3' is not made of pairs"),
    (BY_INDEX, "OS 1", "XY 1", r"line 9: key 'XY' is not known"),
    (BY_NAME, "Y 1.", "Z 1.", r"line 6: column 'Z' does not exist: use those of the MPS file"),
    (BY_NAME, "Y 1.", "Y", r"line 6: 'Y' is not a column name and its coefficient"),
    (BY_NAME, "R4\n", "R4 1\n", r"line 12: 'R4 1' should be one word"),
    (BY_NAME, "@NAME", "@TITLE", r"line 14: keyword '@TITLE' is not known"),
    (BY_NAME, "@NUMVARS\n1", "@NUMVARS\n2", r"line 2: 2 follower columns are announced"),
    ("", "", "", r"p\.aux names no follower column"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), BROKEN_MPS)
def test_broken_mps_files_are_refused_with_line_and_value(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MOORE_BARD
    with pytest.raises(ModelError, match=message):
        read(tmp_path, MOORE_BARD.replace(old, new, 1), BY_NAME)


@pytest.mark.parametrize(("aux", "old", "new", "message"), BROKEN_AUX)
def test_broken_aux_files_are_refused_with_line_and_value(
    tmp_path: Path, aux: str, old: str, new: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read(tmp_path, MOORE_BARD, aux.replace(old, new, 1))


def test_files_that_are_missing_or_no_text(tmp_path: Path) -> None:
    mps, aux = files(tmp_path, BARD, BARD_AUX)
    with pytest.raises(ModelError, match=r"none\.mps cannot be read: No such file"):
        read_mps(tmp_path / "none.mps", aux)
    aux.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"p\.aux is not text"):
        read_mps(mps, aux)


# ---- writing


def small() -> Any:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(["a b", 1], bounds=(0, 10))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.obj = pyo.Objective(expr=m.x["a b"] - 2 * m.f.y + m.x[1])
    m.f.obj = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y + m.x["a b"] >= 3)
    m.cap = pyo.Constraint(expr=m.x["a b"] + m.f.y <= 8)
    return m


def test_names_in_files(tmp_path: Path) -> None:
    mps, aux = tmp_path / "p.mps", tmp_path / "p.aux"
    write_mps(small(), mps, aux)
    model = read_mps(mps, aux)
    # A name goes through as it is, but for spaces
    assert set(model.column) == {"x[a_b]", "x[1]"} and set(model.row) == {"cap"}
    assert set(model.follower.column) == {"f.y"} and set(model.follower.row) == {"f.row"}
    first = mps.read_text(), aux.read_text()
    write_mps(model, mps, aux)
    write_mps(read_mps(mps, aux), mps, aux)
    assert (mps.read_text(), aux.read_text()) == first, "nothing grows or moves on a second round"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.aux", "p.mps"], "no drafts are left"


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    def refuse(message: str, **changes: Any) -> None:
        m = small()
        for name, change in changes.items():
            change(m, name)
        with pytest.raises(ModelError, match=message):
            write_mps(m, tmp_path / "p.mps", tmp_path / "p.aux")
        assert not list(tmp_path.iterdir())

    def second(m: Any, name: str) -> None:
        m.add_component(name, bilevel.Follower())
        m.component(name).y = pyo.Var(bounds=(0, 1))
        m.component(name).obj = pyo.Objective(expr=m.component(name).y)

    refuse("holds one follower, and the model has 2", g=second)
    refuse(r"product of 'x\[1\]' and 'f.y'", price=lambda m, _: m.f.obj.set_value(m.f.y * (1 + m.x[1])))
    refuse(r"product of 'x\[1\]' and 'f.y'", sales=lambda m, _: m.cap.set_value(m.x[1] * m.f.y <= 8))
    refuse(r"product of 'f.y' and 'f.y'", quadratic=lambda m, _: m.f.obj.set_value(m.f.y**2))
    refuse(r"'ball' is quadratic", ball=lambda m, name: m.add_component(name, pyo.Constraint(expr=m.x[1] ** 2 <= 9)))
    refuse(r"'obj' is quadratic", objective=lambda m, _: m.obj.set_value(m.x[1] ** 2))
    refuse(r"'f' uses no variable", nothing=lambda m, _: m.f.y.fix(3.0))
    refuse(r"reads that of row 'f.row'", dual=lambda m, _: m.obj.set_value(m.x[1] + m.f.dual(m.f.row)))


def test_two_names_that_become_one(tmp_path: Path) -> None:
    m = small()
    m.column = pyo.Var(["p q", "p_q"], bounds=(0, 1))
    m.cap.set_value(m.column["p q"] + m.column["p_q"] <= 1)
    with pytest.raises(ModelError, match="'p q' and 'p_q' would both be called 'p_q'"):
        write_mps(m, tmp_path / "p.mps", tmp_path / "p.aux")


def test_unknown_form(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'index'"):
        write_mps(small(), tmp_path / "p.mps", tmp_path / "p.aux", form="indices")


NUMBER = st.one_of(
    st.integers(-9, 9).map(float),
    st.floats(-1e6, 1e6, allow_nan=False, width=64).map(lambda v: v if abs(v) > 1e-9 else 0.0),
)
LIMIT = st.one_of(st.just(None), NUMBER)


@st.composite
def linear_bilevel(draw: st.DrawFn) -> Any:
    """A random linear model: any senses, limits, ranges, integers of the leader; not necessarily solvable."""
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(range(draw(st.integers(1, 3)))), bilevel.Follower()
    m.f.y = pyo.Var(range(draw(st.integers(1, 3))))
    everything = [*m.x.values(), *m.f.y.values()]
    for variable in everything:
        low, high = sorted((draw(NUMBER), draw(NUMBER)))
        variable.setlb(draw(st.sampled_from([low, None])))
        variable.setub(draw(st.sampled_from([high, low, None])) if variable.lb is not None else high)
    for variable in m.x.values():
        variable.domain = draw(st.sampled_from([pyo.Reals, pyo.Integers]))

    def expression(variables: Any) -> Any:
        return sum(draw(NUMBER) * v for v in variables) + draw(NUMBER)

    sense = st.sampled_from([pyo.minimize, pyo.maximize])
    m.o = pyo.Objective(expr=expression(everything) + everything[0], sense=draw(sense))
    m.f.o = pyo.Objective(expr=expression(everything) + m.f.y[0], sense=draw(sense))
    for block in (m, m.f):
        block.rows = pyo.ConstraintList()
        for _ in range(draw(st.integers(0, 3))):
            low, high = sorted((draw(NUMBER), draw(NUMBER)))
            body = expression(everything) + everything[-1]
            block.rows.add(
                draw(st.sampled_from([(low, body, high), (low, body, None), (None, body, high), (low, body, low)]))
            )
    return m


def by_name(model: Any) -> dict[str, Any]:
    """Everything a compiled linear model says, by short name."""
    program = compile_model(model)
    names = [re.sub(r"^(?:follower\.)?column\['?(.*?)'?\]$", r"\1", program.name(j)) for j in range(program.columns)]
    found: dict[str, Any] = {"offset": program.offset}
    for j, name in enumerate(names):
        found[name] = (
            program.cost[j],
            program.lower[j],
            program.upper[j],
            program.integer[j],
            program.followers.owner[j],
        )
        found[f"cost {name}"] = program.followers.cost[j]
    for rows in (program.rows, program.followers.rows):
        dense = rows.matrix.toarray()
        for at, name in enumerate(rows.names):
            short = re.sub(r"^(?:follower\.)?row\['?(.*?)'?\]$", r"\1", name)
            entries = {names[j]: value for j, value in enumerate(dense[at]) if value}
            found[f"row {short}"] = (rows.lower[at], rows.upper[at], sorted(entries.items()))
    return found


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=linear_bilevel(), form=st.sampled_from(["name", "index"]))
def test_a_round_trip_keeps_every_number_and_name(tmp_path: Path, model: Any, form: str) -> None:
    mps, aux = tmp_path / "p.mps", tmp_path / "p.aux"
    write_mps(model, mps, aux, form)
    again = read_mps(mps, aux)
    before, after = by_name(model), by_name(again)
    assert before.keys() == after.keys()
    for key, value in before.items():
        if not key.startswith("row "):
            assert value == after[key], key
            continue
        (low, high, entries), (new_low, new_high, new_entries) = value, after[key]
        assert entries == new_entries
        # A range is stored as a width, which costs an ulp
        assert (new_low, new_high) == (
            pytest.approx(low, rel=1e-12, abs=1e-9),
            pytest.approx(high, rel=1e-12, abs=1e-9),
        )
    assert model.o.sense == again.objective.sense
    assert form == "name" or model.f.o.sense == again.follower.objective.sense


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), form=st.sampled_from(["name", "index"]))
def test_a_round_trip_keeps_the_optimum_and_so_does_the_single_level_model(
    tmp_path: Path, seed: int, form: str
) -> None:
    rng = np.random.default_rng(seed)
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(range(2), bounds=(-2, 3)), bilevel.Follower()
    m.x[0].domain = pyo.Integers
    m.f.y = pyo.Var(range(2), bounds=(-1, 4))
    both = [*m.x.values(), *m.f.y.values()]
    m.o = pyo.Objective(
        expr=sum(int(c) * v for c, v in zip(rng.integers(-5, 6, 4), both, strict=True)) + 7, sense=pyo.maximize
    )
    m.f.o = pyo.Objective(expr=sum(int(c) * v for c, v in zip(rng.integers(1, 6, 2), m.f.y.values(), strict=True)))
    m.f.r = pyo.Constraint(
        expr=(0, sum(int(c) * v for c, v in zip(rng.integers(-3, 4, 4), both, strict=True)) + m.f.y[0], 6)
    )
    m.r = pyo.Constraint(expr=m.x[0] + m.x[1] + m.f.y[1] <= 5)
    write_mps(m, tmp_path / "p.mps", tmp_path / "p.aux", form)
    again = read_mps(tmp_path / "p.mps", tmp_path / "p.aux")
    first, second = (bilevel.solve(model, solver="scip", mode="sos1", progress=False) for model in (m, again))
    assert first.status == second.status
    assert first.status == "infeasible" or first.objective == pytest.approx(second.objective, rel=1e-4, abs=1e-6)
    if first.status != "infeasible":
        single = reformulate(m, "sos1")
        pyo.SolverFactory("gurobi_direct").solve(single)
        assert first.objective == pytest.approx(pyo.value(single.kkt.objective), rel=1e-4, abs=1e-6)


# ---- single level


def tolls() -> Any:
    """Two users on a leader's two arcs with another way at 4: revenue, a leader row with revenue, names with spaces."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var([0, 1], bounds=(0, 5))
    m.user = bilevel.Follower(["a b", "c"])
    for key, need in (("a b", 4.0), ("c", 2.0)):
        user = m.user[key]
        user.p, user.other = pyo.Var([0, 1], bounds=(0, 3)), pyo.Var(bounds=(0, 9))
        user.cost = pyo.Objective(expr=sum(m.price[t] * user.p[t] for t in (0, 1)) + 4 * user.other)
        user.need = pyo.Constraint(expr=user.p[0] + user.p[1] + user.other == need)
    revenue = sum(m.price[t] * user.p[t] for t in (0, 1) for user in m.user.values())
    m.revenue = pyo.Constraint(expr=revenue + m.price[0] <= 30)
    m.profit = pyo.Objective(expr=revenue - 0.5 * sum(user.p[0] for user in m.user.values()) + 2, sense=pyo.maximize)
    return m


TOLLS = 2 + 6 * 4 - 0.5  # both arcs at 4; arc 0 carries only the 1 that user "a b" cannot take elsewhere
ELSEWHERE = [
    ("big_m", "appsi_highs"), ("big_m", "highs"), ("big_m", "gurobi_direct"), ("sos1", "gurobi_direct"), ("sos1", "scip_direct"),
    ("product", "scip_direct"), ("strong_duality", "gurobi_direct"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "solver"), ELSEWHERE)
def test_other_solvers_reach_the_optimum_and_the_point_is_certified(mode: str, solver: str) -> None:
    model = tolls()
    single = reformulate(model, mode)
    assert pyo.SolverFactory(solver).solve(single).solver.termination_condition == pyo.TerminationCondition.optimal
    assert pyo.value(single.kkt.objective) == pytest.approx(TOLLS, rel=1e-6)
    assert all(variable.value is None for variable in model.price.values()), "the bilevel model was not touched"
    load_values(single, model)
    certificate = bilevel.certify(model, bound=pyo.value(single.kkt.objective))
    assert certificate.status == "certified", certificate.first_failure
    assert bilevel.solve(tolls(), progress=False).objective == pytest.approx(TOLLS, rel=1e-4)


def test_the_single_level_model_keeps_names_and_names_what_it_adds() -> None:
    single = reformulate(tolls(), "big_m")
    assert set(single.user) == {"a b", "c"} and single.user.ctype is pyo.Block
    need, limit = "user[a b].need", "user[a b].p[0]:upper"
    assert set(single.kkt.lam) == {"user[a b].need", "user[c].need"}
    assert set(single.kkt.mu) == set(single.kkt.z) and limit in single.kkt.mu and single.kkt.z[limit].is_binary()
    assert need not in single.kkt.mu and set(single.kkt.leader) == {"revenue"} and not single.revenue.active
    assert set(single.kkt.stationarity) == {f"user[{u}].{v}" for u in ("a b", "c") for v in ("p[0]", "p[1]", "other")}
    assert {name for name, _ in single.kkt.complementarity} == set(single.kkt.mu)
    assert set(reformulate(tolls(), "sos1").kkt.sets) == set(single.kkt.mu)
    assert {name for name, _ in reformulate(tolls(), "strong_duality").kkt.complementarity} == {"user[a b]", "user[c]"}
    again = tolls()
    again.kkt = pyo.Var(bounds=(0, 1))
    again.cap = pyo.Constraint(expr=again.kkt <= 0.5)
    added = [
        block for block in reformulate(again).component_objects(pyo.Block, descend_into=False) if block.name != "user"
    ]
    assert len(added) == 1 and added[0].name.startswith("kkt") and set(added[0].mu) == set(single.kkt.mu)


def test_quadratic_leaders_and_followers() -> None:
    """Leader min (x - 1)^2 + (y - 3)^2 with x^2 <= 4; follower min (y - x)^2 / 2 + y, so y = max(0, x - 1)."""
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(bounds=(-5, 5)), bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.o = pyo.Objective(expr=(m.x - 1) ** 2 + (m.f.y - 3) ** 2)
    m.ball = pyo.Constraint(expr=m.x**2 <= 4)
    m.f.o = pyo.Objective(expr=0.5 * (m.f.y**2 - 2 * m.f.y * m.x) + m.f.y)
    grid = np.linspace(-2, 2, 4001)
    least = float(np.min((grid - 1) ** 2 + (np.maximum(0, grid - 1) - 3) ** 2))
    for mode, solver in (("sos1", "gurobi_direct"), ("product", "scip_direct")):
        single = reformulate(m, mode)
        pyo.SolverFactory(solver).solve(single)
        assert pyo.value(single.kkt.objective) == pytest.approx(least, abs=1e-4)
        load_values(single, m)
        certificate = bilevel.certify(m, bound=least, gap=1e-3)
        assert certificate["follower optimality"].value < 1e-4 and certificate["leader rows"].value < 1e-4


def elastic() -> Any:
    """Revenue from a quadratic follower: min p^2 + (price - 6) p, so p = (6 - price) / 2 and the revenue is largest at 3: 4.5."""
    m = pyo.ConcreteModel()
    m.price, m.u = pyo.Var(bounds=(0, 6)), bilevel.Follower()
    m.u.p = pyo.Var(bounds=(0, 9))
    m.u.o = pyo.Objective(expr=m.u.p**2 + (m.price - 6) * m.u.p)
    m.o = pyo.Objective(expr=m.price * m.u.p, sense=pyo.maximize)
    return m


@pytest.mark.parametrize("mode", ["big_m", "sos1", "strong_duality"])
def test_revenue_of_a_quadratic_follower(mode: str) -> None:
    single = reformulate(elastic(), mode)
    assert set(single.kkt.t) == {"u, square 1"}
    pyo.SolverFactory("gurobi_direct").solve(single)
    assert pyo.value(single.kkt.objective) == pytest.approx(4.5, rel=1e-4)
    assert single.price.value == pytest.approx(3, abs=0.05)


def test_multipliers_that_the_leader_reads() -> None:
    """The follower covers y >= 3 - x at unit cost 2, so its multiplier is 2 while x < 3; the leader likes both small."""
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(bounds=(0, 5)), bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 9))
    m.f.o = pyo.Objective(expr=2 * m.f.y)
    m.f.need = pyo.Constraint(expr=m.f.y + m.x >= 3)
    m.o = pyo.Objective(expr=m.f.dual(m.f.need) + m.x)
    m.few = pyo.Constraint(expr=m.x <= 2)
    single = reformulate(m, "sos1")
    assert set(single.kkt.dual) == {"f.need"}
    pyo.SolverFactory("scip_direct").solve(single)
    assert pyo.value(single.kkt.objective) == pytest.approx(2) and single.kkt.mu["f.need:lower"].value == pytest.approx(
        2
    )
    load_values(single, m)
    assert m.f.dual(m.f.need).value == pytest.approx(2)
    assert bilevel.certify(m, bound=2.0).status == "certified"


def test_leader_products_without_a_linear_form_stay_products() -> None:
    """Follower y = 4 - x; leader max x y - x with 1 <= x y <= 3.5, an interval: largest at the least x with x (4 - x) = 3.5."""
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(bounds=(0, 4)), bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 9))
    m.f.o = pyo.Objective(expr=m.f.y)
    m.f.need = pyo.Constraint(expr=m.f.y + m.x >= 4)
    m.o = pyo.Objective(expr=m.x * m.f.y - m.x, sense=pyo.maximize)
    m.band = pyo.Constraint(expr=(1, m.x * m.f.y, 3.5))
    at = 2 - 0.5**0.5
    for mode, solver in (("sos1", "scip_direct"), ("product", "gurobi_direct")):
        single = reformulate(m, mode)
        assert set(single.kkt.leader) == {"objective", "band:upper", "band:lower"}
        pyo.SolverFactory(solver).solve(single)
        assert pyo.value(single.kkt.objective) == pytest.approx(3.5 - at, rel=1e-4)
        assert single.x.value == pytest.approx(at, abs=1e-3)


def test_auto_takes_big_m_where_limits_are_proven() -> None:
    assert reformulate(tolls(), "auto").kkt.component("z") is not None
    free = elastic()
    free.x = pyo.Var(bounds=(0, None))
    free.u.y = pyo.Var(bounds=(0, None))
    free.u.need = pyo.Constraint(expr=free.u.y >= free.x)
    free.u.o.set_value(free.u.o.expr + free.u.y)
    assert reformulate(free, "auto").kkt.component("sets") is not None


def test_modes_that_pyomo_cannot_express_are_refused() -> None:
    with pytest.raises(FeatureError, match="indicator constraints, which Pyomo models do not have"):
        reformulate(tolls(), "indicator")
    with pytest.raises(FeatureError, match=r"'branching' leaves complementarity to the search.*mode='sos1'"):
        reformulate(tolls(), "branching")
    with pytest.raises(UnknownNameError, match="did you mean 'big_m'"):
        reformulate(tolls(), "bigm")


def test_values_must_be_there_and_belong(tmp_path: Path) -> None:
    single = reformulate(tolls())
    with pytest.raises(ModelError, match=r"variable '.*' of the single-level model has no value: solve it first"):
        load_values(single, tolls())
    with pytest.raises(ModelError, match=r"is not in the single-level model"):
        load_values(single, read(tmp_path, BARD, BARD_AUX))


def test_loaded_values_stay_in_their_bounds(tmp_path: Path) -> None:
    model = read(tmp_path, RANGED, RANGED_AUX)
    single = reformulate(model, "sos1")
    pyo.SolverFactory("scip_direct").solve(single)
    single.column["x"].set_value(-3.0000004, skip_validation=True)
    load_values(single, model)
    assert model.column["x"].value == -3 and bilevel.certify(model, bound=4.0).status == "certified"


def read_elsewhere(path: Path) -> dict[str, float]:
    """The optimum of a written file by every solver that reads it."""
    found: dict[str, float] = {}
    scip = pyscipopt.Model()
    scip.hideOutput()
    scip.readProblem(str(path))
    scip.optimize()
    found["scip"] = scip.getObjVal()
    with gurobipy.Env(params={"OutputFlag": 0}) as env, gurobipy.read(str(path), env) as model:
        model.optimize()
        found["gurobi"] = model.ObjVal
    highs = highspy.Highs()
    highs.silent()
    if highs.readModel(str(path)) == highspy.HighsStatus.kOk:
        highs.run()
        found["highs"] = highs.getInfo().objective_function_value
    return found


@pytest.mark.parametrize("suffix", [".lp", ".mps", ".MPS"])
@pytest.mark.parametrize("mode", ["big_m", "sos1"])
def test_written_files_have_the_same_optimum_elsewhere(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"tolls{suffix}"
    write_model(tolls(), path, mode)
    assert list(tmp_path.iterdir()) == [path]
    if suffix == ".MPS":
        path = path.rename(tmp_path / "tolls.mps")
    found = read_elsewhere(path)
    assert ("highs" in found) == (mode == "big_m"), "HiGHS has no SOS sets and says so"
    assert found == pytest.approx(dict.fromkeys(found, TOLLS), rel=1e-6)
    assert "user(a_b)_p(0)" in path.read_text()


def test_written_quadratic_files(tmp_path: Path) -> None:
    for suffix in (".lp", ".mps"):
        write_model(reformulate(elastic(), "sos1"), tmp_path / f"e{suffix}")
        scip = pyscipopt.Model()
        scip.hideOutput()
        scip.readProblem(str(tmp_path / f"e{suffix}"))
        scip.optimize()
        assert scip.getObjVal() == pytest.approx(4.5, rel=1e-4)


def test_unknown_suffix_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(BilevelError, match=r"has no known suffix: end the name in \.lp or \.mps"):
        write_model(tolls(), tmp_path / "tolls.nl")
    broken = tolls()
    broken.sine = pyo.Objective(expr=pyo.sin(broken.price[0]))
    (tmp_path / "old.lp").write_text("old")
    with pytest.raises(BilevelError):
        write_model(broken, tmp_path / "old.lp")
    assert (tmp_path / "old.lp").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


# ---- Pyomo solvers behind a session


def knapsack(**changes: Any) -> SolverProgram:
    """min -5a -4b + 100, 6a + 4b <= 24, a + 2b <= 6, a integer; the third column is in no row."""
    parts: dict[str, Any] = {
        "cost": np.array([-5.0, -4.0, 0.0]), "offset": 100.0, "lower": np.array([0.0, 0.0, 1.0]),
        "upper": np.array([10.0, 10.0, 2.0]), "integer": np.array([True, False, False]),
        "rows": Rows(sp.csr_array([[6.0, 4, 0], [1, 2, 0], [0, 0, 0]]), np.full(3, -INF), np.array([24.0, 6.0, 0.0])),
        "cones": Cones.none(3), "sos1": (), "scale": np.array([8.0, 0.25, 1.0]),
    }  # fmt: skip
    return SolverProgram(**{**parts, **changes})


READY = [name for name in ("highs", "appsi_highs", "scip_direct", "gurobi_direct") if name in pyomo_solvers.available()]


@pytest.fixture(params=READY)
def factory(request: pytest.FixtureRequest) -> pyomo_solvers.PyomoSolver:
    return pyomo_solvers.find(f"pyomo:{request.param}")


def session(factory: pyomo_solvers.PyomoSolver, program: SolverProgram) -> Scaled:
    opened = Scaled(factory.open())
    opened.load(program)
    return opened


def value(opened: Scaled, integer: bool = False) -> float:
    outcome = opened.solve(integer, 1e-9, 30, False, QUIET)
    assert outcome.status == "optimal" and outcome.x is not None
    assert outcome.bound == pytest.approx(outcome.objective, rel=1e-6)
    return outcome.objective


def test_pyomo_sessions_change_and_change_back(factory: pyomo_solvers.PyomoSolver) -> None:
    program, first, second = knapsack(), np.array([0]), np.array([1])
    opened = session(factory, program)
    assert value(opened) == pytest.approx(79)
    opened.set_column_bounds(first, np.array([0.0]), np.array([2.0]))
    assert value(opened) == pytest.approx(100 - 10 - 8)
    opened.set_column_bounds(first, program.lower[first], program.upper[first])
    opened.set_row_bounds(second, np.array([5.0]), np.array([5.0]))
    assert value(opened) == pytest.approx(100 - 5 * 3.5 - 4 * 0.75)
    opened.set_row_bounds(second, np.array([-INF]), np.array([INF]))
    assert value(opened) == pytest.approx(100 - 24)
    opened.set_row_bounds(second, np.array([-INF]), np.array([6.0]))
    opened.add_rows(Rows(sp.csr_array([[1.0, 0.0, 0.0]]), np.array([-INF]), np.array([1.0])))
    assert value(opened) == pytest.approx(100 - 5 - 10)
    opened.set_cost(np.array([1.0, 1.0, 0.0]), -7.0)
    assert value(opened) == pytest.approx(-7)
    opened.load(program)
    assert value(opened) == pytest.approx(79)


def test_pyomo_sessions_switch_integers(factory: pyomo_solvers.PyomoSolver) -> None:
    opened = session(factory, knapsack(cost=np.array([-7.0, -4.0, 0.0])))
    opened.set_column_bounds(np.array([0]), np.array([0.0]), np.array([3.5]))
    assert value(opened) == pytest.approx(100 - 24.5 - 3)
    assert value(opened, integer=True) == pytest.approx(100 - 21 - 6)
    assert value(opened) == pytest.approx(100 - 24.5 - 3)
    outcome = opened.solve(True, 1e-9, 30, True, QUIET)
    assert outcome.objective == pytest.approx(100 - 21 - 6)
    assert outcome.x is not None and 1 <= outcome.x[2] <= 2, "a column in no row has a value within its bounds"


def test_pyomo_sessions_are_honest(factory: pyomo_solvers.PyomoSolver) -> None:
    rows = knapsack().rows
    low = Rows(rows.matrix, np.array([-INF, 20.0, -INF]), rows.upper)
    assert session(factory, knapsack(rows=low)).solve(True, 1e-9, 30, False, QUIET).status == "infeasible"
    empty = Rows(rows.matrix, np.array([-INF, -INF, 1.0]), np.array([24.0, 6.0, 2.0]))
    assert session(factory, knapsack(rows=empty)).solve(True, 1e-9, 30, False, QUIET).status == "infeasible"
    loose = Rows(rows.matrix, np.full(3, -INF), np.array([INF, INF, 0.0]))
    free = knapsack(rows=loose, upper=np.array([INF, INF, 2.0]))
    outcome = session(factory, free).solve(False, 1e-9, 30, False, QUIET)
    assert outcome.status == "unbounded" and outcome.x is None and outcome.bound == -INF
    assert session(factory, knapsack()).solve(True, 1e-9, 0.0, False, QUIET).status == "time_limit"


def test_pyomo_sessions_stop_in_time(factory: pyomo_solvers.PyomoSolver) -> None:
    """Equal halves of random weights (Cornuejols and Dawande 1998) are not proven in a second."""
    rng = np.random.default_rng(4)
    weights = rng.integers(0, 100, (5, 38)).astype(float)
    matrix = np.hstack([weights, np.eye(5), -np.eye(5)])
    half = weights.sum(axis=1) // 2
    n = matrix.shape[1]
    program = SolverProgram(
        np.concatenate([np.zeros(38), np.ones(10)]), 0.0, np.zeros(n), np.concatenate([np.ones(38), np.full(10, 1e4)]),
        np.arange(n) < 38, Rows(sp.csr_array(matrix), half, half), Cones.none(n), (), np.ones(n),
    )  # fmt: skip
    outcome = session(factory, program).solve(True, 1e-9, 1.0, False, QUIET)
    assert outcome.status == "time_limit" and outcome.bound <= outcome.objective


def test_pyomo_sessions_take_sets_cones_and_products_where_declared(factory: pyomo_solvers.PyomoSolver) -> None:
    if "sos1" in factory.features:
        opened = session(factory, knapsack(integer=np.zeros(3, dtype=bool), sos1=((0, 1),)))
        assert value(opened) == pytest.approx(79), "off without integrality"
        assert value(opened, integer=True) == pytest.approx(80)
    if "cone" in factory.features:
        # a^2 <= b with b <= 4
        cones = Cones(sp.csr_array([[1.0, 0, 0]]), np.array([0]), sp.csr_array((1, 3)), np.ones(1),
                      sp.csr_array([[0.0, 1, 0]]), np.zeros(1), np.array([4.0]), np.ones(1, bool), ("c",))  # fmt: skip
        free = Rows(sp.csr_array((0, 3)), np.zeros(0), np.zeros(0))
        program = knapsack(rows=free, cones=cones, upper=np.array([10.0, 4.0, 2.0]))
        assert session(factory, program).solve(False, 1e-6, 30, False, QUIET).objective == pytest.approx(
            100 - 10 - 16, rel=1e-5
        )
    if "nonconvex" in factory.features:
        linear = Rows(sp.csr_array((1, 3)), np.array([-INF]), np.zeros(1))
        products = Products(np.array([0]), np.array([0]), np.array([1]), np.ones(1), linear)
        assert session(factory, knapsack(products=products)).solve(
            False, 1e-6, 30, None, QUIET
        ).objective == pytest.approx(80, rel=1e-5)


def test_undeclared_features_and_unknown_or_missing_solvers() -> None:
    highs = pyomo_solvers.find("pyomo:highs")
    with pytest.raises(FeatureError, match="mode='sos1' needs sos1, which solver 'pyomo:highs' does not have"):
        solvers.require(highs, frozenset({"sos1"}), "mode='sos1'")
    assert highs.version()[0].isdigit()
    assert pyomo_solvers.find("pyomo:baron").features == {"integer"}, "a solver that was never tried gets no more"
    assert not pyomo_solvers.find("pyomo:ipopt").features
    with pytest.raises(UnknownNameError, match="did you mean 'pyomo:highs'"):
        pyomo_solvers.find("pyomo:higs")
    with pytest.raises(
        FeatureError, match="known to Pyomo, but not installed or not licensed here: use solver='highs', or 'pyomo:"
    ):
        pyomo_solvers.find("pyomo:baron").open()


def test_a_program_above_the_licence_says_so() -> None:
    n = 2500
    program = SolverProgram(np.ones(n), 0.0, np.zeros(n), np.ones(n), np.zeros(n, dtype=bool),
                  Rows(sp.csr_array(sp.eye_array(n)), np.full(n, 0.5), np.ones(n)), Cones.none(n), (), np.ones(n))  # fmt: skip
    try:
        assert value(session(pyomo_solvers.find("pyomo:gurobi_direct"), program)) == pytest.approx(n / 2), (
            "a full licence"
        )
    except LicenceError as error:
        assert "pyomo:gurobi_direct" in str(error) and "solver='highs'" in str(error)


@pytest.mark.parametrize(("solver", "mode"), [("appsi_highs", "big_m"), ("highs", "big_m"), ("gurobi_direct", "sos1")])
def test_the_engine_runs_on_a_pyomo_solver(solver: str, mode: str) -> None:
    program = compile_model(tolls())
    factory = pyomo_solvers.find(f"pyomo:{solver}")
    budget = Budget(1e-6, 1e15, QUIET)
    found = Search(assemble(program), factory, MODES[mode], CONES["tangent"], budget).run()
    assert program.sign * found.objective == pytest.approx(TOLLS, rel=1e-6)
    assert program.sign * found.bound == pytest.approx(TOLLS, rel=1e-5)


def test_solve_by_name() -> None:
    solution = bilevel.solve(tolls(), solver="pyomo:appsi_highs", progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(TOLLS, rel=1e-4)
    assert "pyomo:appsi_highs" in solution.versions


def test_the_how_to_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[3] / "docs" / "interchange.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"`(\w+\.(?:mps|aux))`:\n\n```\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 4
    space: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "interchange.md", "exec"), space)
        wanted = re.findall(r"# -> (.*)", block)
        printed = capsys.readouterr().out.splitlines()
        assert [line.strip() for line in wanted] == printed[: len(wanted)]


# Infinite bounds of integer columns, and what was meant


@pytest.mark.parametrize(
    ("line", "lower", "upper"),
    [
        ("UI B X 1e+30", 0, None), ("UI B X 1E20", 0, None), ("UI B X 5", 0, 5), ("UP B X 1e30", 0, None), ("LI B X 3", 3, None),
        ("UI B X 3e9", 0, 3e9), ("UI B X 1e9", 0, 1e9), ("LI B X -1e30\n UP B X 1e9", None, 1e9),
        ("LI B X -1e9\n UI B X 1e30", -1e9, None), ("UP B X 1e9", 0, 1e9),
    ],
)  # fmt: skip
def test_an_infinite_bound_of_an_integer_column_is_none_and_a_large_one_is_one(
    tmp_path: Path, line: str, lower: float | None, upper: float | None
) -> None:
    text = f"NAME t\nROWS\n N OBJ\n L R1\nCOLUMNS\n X OBJ -1 R1 1\n Y OBJ -1 R1 1\nRHS\n RHS R1 3\nBOUNDS\n {line}\nENDATA\n"
    (tmp_path / "t.mps").write_text(text)
    (tmp_path / "t.aux").write_text("@NUMVARS\n1\n@NUMCONSTRS\n0\n@VARSBEGIN\nY 1\n@VARSEND\n")
    model = read_mps(tmp_path / "t.mps", tmp_path / "t.aux")
    assert (model.column["X"].lb, model.column["X"].ub) == (lower, upper)
    assert model.column["X"].is_integer() == ("LI" in line or "UI" in line)


@pytest.mark.parametrize(
    ("mps", "aux", "said"),
    [
        (("RHS R1", "RHS R_1"), ("", ""), r"t\.mps, line 9: row 'R_1' .*did you mean 'R1'\?"),
        (("BOUNDS", "BOUND"), ("", ""), r"line 10: section 'BOUND' .*did you mean 'BOUNDS'\?"),
        (("UP B longname", "UP B longnome"), ("", ""), r"line 11: column 'longnome' .*did you mean 'longname'\?"),
        ((" L R1", " GE R1"), ("", ""), r"t\.mps, line 4: 'GE R1' is not a row type"),
        (("UP B longname 4", "UI B longname 2.5"), ("", ""), r"line 11: .*2\.5 is no whole number"),
        (("UP B longname 4", "LO B longname 1e30"), ("", ""), r"line 11: a bound of type LO at 1e30 leaves no value"),
        (("UP B longname 4", "UP B longname -1e20"), ("", ""), r"line 11: a bound of type UP at -1e20 leaves no value"),
        (("", ""), ("@OBJSENSE", "@OBJESENSE"), r"t\.aux, line 8: keyword '@OBJESENSE' .*did you mean '@OBJSENSE'\?"),
        (("", ""), ("longname 1", "longnaem 1"), r"t\.aux, line 6: column 'longnaem' .*did you mean 'longname'\?"),
    ],
)
def test_a_refusal_of_a_file_names_line_and_the_spelling_meant(
    tmp_path: Path, mps: tuple[str, str], aux: tuple[str, str], said: str
) -> None:
    text = (
        "NAME t\nROWS\n N OBJ\n L R1\nCOLUMNS\n X OBJ -1 R1 1\n longname OBJ -1 R1 1\nRHS\n RHS R1 3\nBOUNDS\n"
        " UP B longname 4\nENDATA\n"
    )
    listed = "@NUMVARS\n1\n@NUMCONSTRS\n0\n@VARSBEGIN\nlongname 1\n@VARSEND\n@OBJSENSE\nMIN\n"
    (tmp_path / "t.mps").write_text(text.replace(*mps) if mps[0] else text)
    (tmp_path / "t.aux").write_text(listed.replace(*aux) if aux[0] else listed)
    with pytest.raises(bilevel.ModelError, match=said):
        read_mps(tmp_path / "t.mps", tmp_path / "t.aux")
