"""Small programs with a known optimum, on every solver: a release that gives wrong answers is told by name, before all other tests.

`tests/solver_programs.json` holds them in minimised form, null for a limit that is not there, with the reason for the optimum.
"""

from __future__ import annotations

import itertools
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

from bilevel import solvers
from bilevel.errors import LicenceError
from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Quiet
from bilevel.solvers import SOLVERS, Outcome, clarabel, convex_qp, highs, pyomo
from bilevel.solvers.scaling.scaled import Scaled

STORED = json.loads((Path(__file__).parents[2] / "solver_programs.json").read_text(encoding="utf-8"))
PROGRAMS = {program["name"]: program for program in STORED}
PYOMO = [pyomo.PREFIX + name for name in pyomo.available()]
PACKAGES = {"highs": "highspy", "scip": "pyscipopt", "gurobi": "gurobipy", "clarabel": "clarabel"}
QUADRATIC = {
    "highs": lambda mip, hessian: highs.solve_quadratic(mip, hessian, 60.0, Quiet()),
    "clarabel": convex_qp._interior_point,
    "highs and clarabel": convex_qp.solve,
}
FEATURES = {"cone": "cone", "sos1": "sos1", "products": "nonconvex"}
GAP, DIGITS = 1e-6, 1e-5


def limits(values: list[float | None], missing: float) -> np.ndarray:
    return np.array([missing if value is None else value for value in values], dtype=float)


def cones(program: dict[str, Any], columns: int) -> Cones:
    if "cone" not in program:
        return Cones.none(columns)
    found = {part: np.atleast_1d(np.array(value, dtype=float)) for part, value in program["cone"].items()}
    return Cones(
        sp.csr_array(found["squares"]), np.zeros(len(found["squares"]), dtype=np.int64), sp.csr_array(found["u"][None]),
        found["u0"], sp.csr_array(found["w"][None]), found["w0"], np.maximum(found["w0"], 1.0), np.array([False]), ("cone",),
    )  # fmt: skip


def products(program: dict[str, Any]) -> Products | None:
    """Rows sum value x[first] x[second] + linear x <= 0, one for each product."""
    if "products" not in program:
        return None
    found = {part: np.array(value) for part, value in program["products"].items()}
    count = len(found["value"])
    linear = Rows(sp.csr_array(found["linear"].astype(float)), np.full(count, -np.inf), np.zeros(count))
    return Products(np.arange(count), found["first"], found["second"], found["value"], linear)


def as_mip(program: dict[str, Any]) -> SolverProgram:
    columns = len(program["cost"])
    rows = Rows(
        sp.csr_array(np.array(program["rows"], dtype=float).reshape(-1, columns)),
        limits(program["row_lower"], -np.inf),
        limits(program["row_upper"], np.inf),
    )
    return SolverProgram(
        np.array(program["cost"], dtype=float), 0.0, limits(program["lower"], -np.inf), limits(program["upper"], np.inf),
        np.array(program["integer"]), rows, cones(program, columns), tuple(map(tuple, program.get("sos1", ()))),
        np.ones(columns), products=products(program),
    )  # fmt: skip


def engines(program: dict[str, Any]) -> list[str]:
    """The solvers that take this program."""
    if "hessian" in program:
        return list(QUADRATIC)
    needed = {feature for part, feature in FEATURES.items() if part in program}
    whole = {"integer"} if any(program["integer"]) else set()
    able = [name for name in (*SOLVERS, *PYOMO) if needed | whole <= solvers.find(name).features]
    return able if whole else [*able, clarabel.name]


def outcome(program: dict[str, Any], engine: str) -> Outcome:
    mip = as_mip(program)
    if "hessian" in program:
        return QUADRATIC[engine](mip, sp.csr_array(np.array(program["hessian"], dtype=float)))
    try:
        session = Scaled(clarabel.open() if engine == clarabel.name else solvers.find(engine).open())
        session.load(mip)
    except LicenceError as refused:
        pytest.skip(str(refused))
    return session.solve(True, GAP, 60.0, False, Quiet())


def started(program: dict[str, Any]) -> Outcome:
    """What HiGHS itself says of a program with a start, which the package gives it no longer."""
    session: Any = highs.open()
    session.load(as_mip(program))
    start = highspy.HighsSolution()
    start.col_value = program["start"]
    session.highs.setSolution(start)
    answer: Outcome = session.solve(True, GAP, 60.0, False, Quiet())
    return answer


def release(engine: str) -> str:
    """Package and release behind an engine, as pip names them."""
    packages = [package for word, package in PACKAGES.items() if word in engine]
    return " and ".join(f"{package} {metadata.version(package)}" for package in packages)


def cost(program: dict[str, Any], x: np.ndarray) -> float:
    hessian = np.array(program.get("hessian", np.zeros((len(x), len(x)))), dtype=float)
    return float(np.array(program["cost"]) @ x + x @ hessian @ x / 2)


RUNS = [(name, engine) for name, program in PROGRAMS.items() for engine in engines(program)]


@pytest.mark.parametrize(("name", "engine"), RUNS)
def test_a_stored_program_has_its_known_answer(name: str, engine: str) -> None:
    program = PROGRAMS[name]
    found = started(program) if engine == "highs" and "start" in program else outcome(program, engine)
    who = release(engine)
    assert found.status == program["status"], f"{who} says {found.status} where {name!r} is {program['status']}"
    if program["status"] != "optimal":
        return
    optimum, mip, x = program["optimum"], as_mip(program), found.x
    assert found.objective == pytest.approx(optimum, rel=DIGITS), (
        f"{who} returns {found.objective:g} where {optimum:g} is optimal in {name!r}"
    )
    assert not np.isfinite(found.bound) or found.bound <= optimum + DIGITS * abs(optimum), (
        f"{who} gives the bound {found.bound:g} where {optimum:g} is attained in {name!r}"
    )
    assert x is not None and cost(program, x) == pytest.approx(optimum, rel=DIGITS), f"{who}: {name!r} at {x}"
    sets = [min(abs(x[i]), abs(x[j])) for i, j in mip.sos1]
    above = mip.products.activity(x) if mip.products else []
    broken = np.concatenate([mip.rows.violation(x), mip.lower - x, x - mip.upper, -mip.cones.gaps(x), sets, above])
    assert broken.max() <= DIGITS and np.abs(x - np.round(x))[mip.integer].max(initial=0.0) <= DIGITS, (
        f"{who}: {name!r}"
    )


def with_products(mip: SolverProgram, rows: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The rows, and below them those of the products, whose second columns are held."""
    if mip.products is None:
        return rows
    below = mip.products.linear.matrix.toarray()
    np.add.at(below, (mip.products.row, mip.products.first), mip.products.value * lower[mip.products.second])
    return np.vstack([rows, below])


def enumerated(mip: SolverProgram) -> tuple[str, float]:
    """Status and optimum by one linear program of SciPy for each choice of the whole columns, and of a column of each set."""
    whole = np.flatnonzero(mip.integer)
    matrix, high, low = mip.rows.matrix.toarray(), np.isfinite(mip.rows.upper), np.isfinite(mip.rows.lower)
    rows = np.vstack([matrix[high], -matrix[low]])
    right = np.concatenate([mip.rows.upper[high], -mip.rows.lower[low]])
    right = np.concatenate([right, [] if mip.products is None else mip.products.linear.upper])
    values = [np.arange(mip.lower[at], mip.upper[at] + 1) for at in whole]
    best = np.inf
    for choice in itertools.product(*values, *mip.sos1):
        lower, upper = mip.lower.copy(), mip.upper.copy()
        lower[whole] = upper[whole] = choice[: len(whole)]
        zero = np.array(choice[len(whole) :], dtype=int)
        lower[zero] = upper[zero] = 0.0
        exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
        left = with_products(mip, rows, lower)
        found = linprog(mip.cost, A_ub=left, b_ub=right, bounds=np.column_stack([lower, upper]), options=exact)
        assert found.status in (0, 2, 3), found.message
        best = min(best, {0: found.fun, 2: np.inf, 3: -np.inf}[found.status])
    return {np.inf: "infeasible", -np.inf: "unbounded"}.get(best, "optimal"), best


LINEAR = [name for name, program in PROGRAMS.items() if not {"hessian", "cone"} & set(program)]


@pytest.mark.parametrize("name", LINEAR)
def test_the_stored_answers_of_linear_programs_are_those_of_enumeration(name: str) -> None:
    status, best = enumerated(as_mip(PROGRAMS[name]))
    assert status == PROGRAMS[name]["status"]
    if status == "optimal":
        assert best == pytest.approx(PROGRAMS[name]["optimum"], rel=1e-9)


@pytest.mark.parametrize("name", [name for name, program in PROGRAMS.items() if "start" in program])
def test_a_stored_start_is_feasible_and_not_optimal(name: str) -> None:
    mip, start = as_mip(PROGRAMS[name]), np.array(PROGRAMS[name]["start"])
    assert max(mip.rows.violation(start).max(), (mip.lower - start).max(), (start - mip.upper).max()) <= 1e-9
    assert mip.cost @ start > PROGRAMS[name]["optimum"] + 1e-3


def test_scipy_adds_up_repeated_places() -> None:
    """1.13.0 leaves them apart, and HiGHS aborts the process at rows with a column twice."""
    matrix = sp.csr_array((np.array([0.5, 0.5, 1.0]), ([0, 0, 1], [0, 0, 1])), shape=(2, 2))
    assert matrix.data.tolist() == [1.0, 1.0]
