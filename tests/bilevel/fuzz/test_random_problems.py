"""Fifty random problems against oracles that share no code with the engine, and a test for each bug they have found.

`scripts/fuzz.py` runs more of the same.  A failure prints its seed: `fuzz_verdicts.judge(seed)` repeats it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from fuzz_changes import relabelled, repeated, scaled
from fuzz_oracles import Enumeration
from fuzz_samples import reach
from fuzz_stored import STORED, optimum, problem
from fuzz_verdicts import BAD, Truth, check, compare, judge
from fuzzing import INF, Lower, Problem, draw

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.errors import BilevelError, UnboundedDualError
from bilevel.program.convexity import square_root
from bilevel.solvers import Outcome
from bilevel.solvers.scaling.scaled import Scaled

COUNT, CHUNK = 50, 25


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_no_answer_to_a_random_problem_is_wrong(first: int) -> None:
    verdicts = [judge(seed) for seed in range(first, first + CHUNK)]
    bad = [str(verdict) for verdict in verdicts if verdict.verdict in BAD]
    assert not bad, "\n".join(bad)
    counts = Counter(verdict.verdict for verdict in verdicts)
    # About 92 % are right, 6 % refused; more would mean that the test has grown hollow
    assert counts["right"] >= 0.7 * CHUNK, (first, counts)
    assert counts["no oracle"] <= 2, (first, counts)


def one_follower() -> Problem:
    """min -x - y over x in 0..4 and the y of: min (x - 2) y, 0 <= y <= 3; the optimum is -5 at x = 2, where y is free to be 3."""
    none, empty = np.zeros(0), np.zeros((0, 1))
    f = Lower(
        1.0,
        np.array([-2.0]),
        np.array([[1.0]]),
        np.zeros((1, 1)),
        empty,
        empty,
        none,
        none,
        np.zeros(1),
        np.array([3.0]),
    )
    return Problem(
        1.0, -np.ones(1), -np.ones(1), np.zeros(1), np.zeros((0, 2)), empty, empty, empty, none, none,
        np.zeros(1), np.array([4.0]), np.zeros(1, dtype=bool), (f,),
    )  # fmt: skip


def test_the_oracles_know_ties_and_revenue() -> None:
    p = one_follower()
    assert Enumeration(p).optimum() == pytest.approx(-5)
    assert reach(p, np.array([2.0])) == pytest.approx(-5)
    assert reach(p, np.array([2.5])) == pytest.approx(-2.5)
    paid = replace(p, c=np.zeros(1), d=np.zeros(1), weight=-np.ones(1))
    assert Enumeration(paid).optimum() == pytest.approx(-6), "x y is 2 * 3"
    assert Enumeration(replace(p, x_high=np.array([1.0]))).optimum() == pytest.approx(-4)
    assert Enumeration(replace(p, x_low=np.array([-INF]), c=np.ones(1))).optimum() == -INF


@pytest.mark.parametrize("seed", range(20))
def test_disguises_keep_the_optimum(seed: int) -> None:
    """By enumeration alone, so that the oracle is tested too."""
    p = draw(seed)
    known = Enumeration(p).optimum()
    if known is None:
        return
    for other, factor in (
        (relabelled(p, np.random.default_rng(seed)), 1.0), (repeated(p), 1.0), (scaled(p, 4.0, 0.5, 8.0), 8.0),
    ):  # fmt: skip
        assert Enumeration(other).optimum() == pytest.approx(known * factor, rel=1e-6, abs=1e-6), seed


def test_a_wrong_answer_is_seen() -> None:
    truth = Truth(3.0, 4.0)
    assert compare("certified", 3.0, 3.0, truth)[0] == "right"
    for claim in (("certified", 2.0, 2.0), ("certified", 4.0, 4.0), ("infeasible", np.nan, np.nan),
                  ("unbounded", np.nan, np.nan), ("feasible", 5.0, 4.0), ("unknown", np.nan, 4.0)):  # fmt: skip
        assert compare(*claim, truth)[0] == "WRONG", claim
    assert compare("feasible", 5.0, 2.0, truth)[0] == "not certified"


# What the fuzzer has found, each with its cause; all were solved wrongly, crashed, or were not solved


@pytest.mark.parametrize("cause", STORED)
def test_bugs_of_solvers_do_not_reach_the_answer(cause: str) -> None:
    """Each was answered wrongly or given up once, for the cause that names it."""
    entry = STORED[cause]
    p = problem(entry["problem"])
    assert Enumeration(p).optimum() == pytest.approx(optimum(entry), rel=1e-8)
    units = entry.get("units")
    written = (p, 1.0, "as stored") if units is None else (scaled(p, *units), units[2], "scaled")
    if "written" in entry:
        written = problem(entry["written"]), 1.0, "with other limits"
    verdict = check(p, written, entry["solver"], entry["mode"], seed=0)
    assert verdict.verdict not in BAD if entry["verdict"] == "not wrong" else verdict.verdict == entry["verdict"], (
        verdict
    )


def small(x: tuple[float | None, float | None] = (0, 4), count: int = 1) -> Any:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=x)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(count), bounds=(0, 5))
    return m


def test_a_follower_equality_without_variables() -> None:
    """Its row has no entries, and no column to look up."""
    m = small()
    m.f.cost = pyo.Objective(expr=(m.x - 1) * m.f.y[0])
    m.f.nothing = pyo.Constraint(expr=(0.0, 0 * m.x + 0.0 * m.f.y[0], 0.0))
    m.goal = pyo.Objective(expr=m.x - m.f.y[0])
    assert bilevel.solve(m, progress=False).objective == pytest.approx(-5)


def test_a_follower_whose_variables_nothing_uses() -> None:
    m = small()
    m.f.cost = pyo.Objective(expr=0 * m.f.y[0])
    m.f.row = pyo.Constraint(expr=m.x >= 1)
    m.goal = pyo.Objective(expr=m.x)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(1)


@pytest.mark.parametrize(("solver", "mode"), [("highs", "auto"), ("scip", "sos1"), ("gurobi", "indicator")])
def test_half_a_row_bounds_nothing(solver: str, mode: str) -> None:
    """A leader row with a product was read without the product, to bound a follower's free variable: "infeasible" came out."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 3))
    m.f = bilevel.Follower([1, 2])
    m.f[1].y = pyo.Var(bounds=(0, 5))
    m.f[1].cost = pyo.Objective(expr=(m.x - 2) * m.f[1].y)
    m.f[2].z = pyo.Var(bounds=(None, 4))
    m.f[2].cost = pyo.Objective(expr=m.f[2].z ** 2 + 8 * m.f[2].z)
    m.row = pyo.Constraint(expr=m.f[2].z + m.x * m.f[1].y >= 1)
    m.goal = pyo.Objective(expr=m.x)
    try:
        solution = bilevel.solve(m, solver, mode, progress=False)
    except UnboundedDualError:
        assert solver == "highs"
        return
    assert solution.objective == pytest.approx(1), "z is -4 and y is 5"


def test_squares_that_are_zero_at_the_optimum_are_not_chased(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tangents at ever smaller squares are nearer than a solver keeps rows; 100 rounds went by and no point was taken."""
    m = small((-1, 2), count=2)
    m.z = pyo.Var(bounds=(0, 1))
    m.f.cost = pyo.Objective(expr=1.5 * m.f.y[0] ** 2 - 4 * m.f.y[0] + m.f.y[1])
    m.goal = pyo.Objective(expr=(m.x - m.z) ** 2 - 2 * m.f.y[0], sense=pyo.minimize)
    solved, solve = [], Scaled.solve

    def counted(session: Scaled, *arguments: Any) -> Outcome:
        solved.append(solve(session, *arguments))
        return solved[-1]

    monkeypatch.setattr(Scaled, "solve", counted)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(-8 / 3, rel=1e-6)
    assert 0 < len(solved) < 90


def test_cost_terms_that_cancel_are_no_size_to_compare_with() -> None:
    """A rate of 9e-16 costs y = 2 nothing; over itself it cost 2."""
    m = small((-1, 1))
    m.f.cost = pyo.Objective(expr=(1 + m.x) * m.f.y[0])
    m.goal = pyo.Objective(expr=-m.f.y[0])
    m.x.value, m.f.y[0].value = -0.9999999999999991, 2
    assert bilevel.certify(m)["follower optimality"].value <= 1e-9


def test_units_do_not_make_a_form_convex() -> None:
    """1e6 x^2 + 2 x y has an eigenvalue of -1e-6, which is nothing beside 1e6, and everything when y is 3000."""
    assert square_root(np.array([[1e6, 1.0], [1.0, 0.0]])) is None
    assert square_root(np.array([[1e6, 1.0], [1.0, 1e-7]])) is None
    factor = square_root(np.array([[1e12, 1.0], [1.0, 4e-12]]))
    assert factor is not None
    np.testing.assert_allclose(factor.T @ factor, [[1e12, 1.0], [1.0, 4e-12]], rtol=1e-9)
    small_and_large = square_root(np.diag([1e9, 0.0, 1e-9]))
    assert small_and_large is not None and small_and_large.shape == (2, 3)


def test_a_product_beside_a_large_square_stays() -> None:
    """The objective lost its product with y = 3000, and 19 was certified for 10."""
    m = small((-1e-3, 4e-3))
    m.f.y[0].setlb(3000)
    m.f.y[0].setub(3000)
    m.f.cost = pyo.Objective(expr=2 * m.x * m.f.y[0])
    m.goal = pyo.Objective(expr=1e6 * m.x**2 + 1000 * m.x + 2 * m.x * m.f.y[0])
    assert len(compile_model(m).bilinear.row) == 1


def test_a_small_price_of_a_large_variable_is_not_overlooked() -> None:
    """The leader earns x1 y1 + 1e-10 x2 y2, the follower pays x1 y1 only: no multiple, whatever the units."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 1e10))
    m.f.cost = pyo.Objective(expr=m.x[1] * m.f.y[1] - m.f.y[2])
    m.f.row = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] <= 1e10)
    m.goal = pyo.Objective(expr=m.x[1] * m.f.y[1] + 1e-10 * m.x[2] * m.f.y[2], sense=pyo.maximize)
    with pytest.raises(BilevelError, match=r"'x\[2\]' and follower variable 'f.y\[2\]'|nonconvex"):
        bilevel.solve(m, "highs", progress=False)


@pytest.mark.parametrize(
    ("solver", "mode"), [("scip", "sos1"), ("scip", "indicator"), ("gurobi", "sos1"), ("gurobi", "product")]
)
def test_a_leader_without_end_is_known_by_a_ray(solver: str, mode: str) -> None:
    """The relaxation has a ray anyway; the linear program of one choice of sides proves that the leader has one."""
    m = small((None, 5))
    m.f.cost = pyo.Objective(expr=(m.x - 1) * m.f.y[0])
    m.goal = pyo.Objective(expr=m.x - m.f.y[0])
    solution = bilevel.solve(m, solver, mode, progress=False)
    assert solution.status == "unbounded", (solution.status, solution.objective)


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_a_relaxation_without_end_does_not_make_the_leader_unbounded(solver: str) -> None:
    """Without complementarity x and the dual may grow for ever; with it x = 3."""
    m = small((0, None))
    m.f.y[0].setub(3)
    m.f.cost = pyo.Objective(expr=-m.f.y[0])
    m.f.row = pyo.Constraint(expr=m.f.y[0] - m.x >= 0)
    m.goal = pyo.Objective(expr=-m.x)
    solution = bilevel.solve(m, solver, "sos1", progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(-3)


def test_a_model_of_constants_only() -> None:
    """HiGHS calls a program without columns and rows empty, not optimal."""
    m = small()
    m.f.y[0].fix(2)
    m.x.fix(1)
    m.f.cost = pyo.Objective(expr=m.x * m.f.y[0])
    m.goal = pyo.Objective(expr=m.x + m.f.y[0])
    for solver in ("highs", "scip"):
        assert bilevel.solve(m, solver, progress=False).objective == pytest.approx(3), solver
