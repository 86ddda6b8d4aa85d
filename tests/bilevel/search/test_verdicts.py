"""Verdicts without a point: what proves them, and that each part of a proof fails alone."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp
from fuzz_verdicts import check
from fuzzing import draw

import bilevel
from bilevel.budget import Budget
from bilevel.certify.certificate import Certificate
from bilevel.compile.compiler import compile_model
from bilevel.model import Check
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Progress
from bilevel.reformulate.single_level import assemble
from bilevel.relax.elastic import least_violation
from bilevel.search import strategy, verdicts
from bilevel.search.branching.part import Subproblem
from bilevel.search.branching.tree import Tree
from bilevel.search.cut_session import CutSession, Point
from bilevel.search.sides import Sides
from bilevel.search.state import precise_session
from bilevel.search.steps import exhaustion, relaxation
from bilevel.solvers import Outcome
from bilevel.status import SolverStatus

SEEDS = (1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 18, 21, 22)
GOOD, BAD = Check("good", 0.0, 1.0, "relative"), Check("bad", 2.0, 1.0, "relative")


def test_a_certificate_without_checks_certifies_nothing() -> None:
    nothing = Certificate(())
    assert not nothing.ok and not nothing.valid and nothing.status == "unknown" and nothing.first_failure is None


@pytest.mark.parametrize("verdict", ["infeasible", "unbounded"])
def test_a_verdict_is_no_point(verdict: str) -> None:
    proven = Certificate((GOOD,), verdict)
    assert proven.ok and not proven.valid and proven.status == verdict
    assert Certificate((GOOD, BAD), verdict).status == "unknown"
    assert Certificate((), verdict).status == "unknown"


# Infeasible


def crossed(upper: float = 1.0) -> SolverProgram:
    """a + b >= 3 and a - b <= upper - 2 with b <= 1: a >= 2 and a <= upper - 1, so it contradicts itself where upper < 3."""
    rows = Rows(
        sp.csr_array([[1.0, 1.0], [1.0, -1.0]]),
        np.array([3.0, -np.inf]),
        np.array([np.inf, upper - 2.0]),
        ("sum", "gap"),
    )
    return SolverProgram(
        np.zeros(2), 0.0, np.array([-np.inf, 0.0]), np.array([np.inf, 1.0]), np.zeros(2, dtype=bool), rows, Cones.none(2), (),
        np.ones(2),
    )  # fmt: skip


@pytest.mark.parametrize(("least", "contradicts"), [(1e-3, True), (1.0, True), (-1e-3, False), (1e-7, False)])
def test_what_followers_without_a_choice_do_contradicts_the_leader(least: float, contradicts: bool) -> None:
    """min a + 2 b over a + b >= 3, a <= 2 has its only optimum at (2, 1); the leader wants b of 1 + least."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.a, m.f.b = pyo.Var(bounds=(0, 2)), pyo.Var(bounds=(0, None))
    m.f.cost = pyo.Objective(expr=m.f.a + 2 * m.f.b)
    m.f.rows = pyo.Constraint(expr=m.f.a + m.f.b >= 3)
    m.want = pyo.Constraint(expr=m.f.b >= 1 + least)
    m.objective = pyo.Objective(expr=m.x)
    proof = verdicts.no_answer(assemble(compile_model(m), nonconvex=False))
    assert bool(proof) == contradicts
    assert not proof or (proof[0].ok and verdicts.ANSWERS in proof[0].detail)


NOWHERE = Outcome(SolverStatus.INFEASIBLE, None, np.inf, np.inf)


def lying_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CutSession, "solve", lambda *_, **__: NOWHERE)


def lying_in_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    true = CutSession.solve
    monkeypatch.setattr(
        CutSession, "solve", lambda own, integer, **more: NOWHERE if integer else true(own, integer, **more)
    )
    monkeypatch.setattr(CutSession, "decided", lambda *_: Point(SolverStatus.INFEASIBLE, None, np.inf))
    monkeypatch.setattr(Tree, "_solve", lambda _, part, __: Subproblem(part.sides, np.inf))


@pytest.mark.parametrize("lying", [lying_everywhere, lying_in_the_tree])
@pytest.mark.parametrize(("least", "status"), [(2.0, "unknown"), (8.5, "unknown"), (12.0, "infeasible")])
def test_that_a_solver_finds_no_point_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, lying: Any, least: float, status: str
) -> None:
    """Solvers have called feasible programs infeasible: of x + y >= least, y = x <= 4, the first has a point, and the second none
    that a relaxation without sides would rule out; the rows of the third contradict each other, whoever cooperates."""
    lying(monkeypatch)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= m.x)
    m.want = pyo.Constraint(expr=m.f.y + m.x >= least)
    m.objective = pyo.Objective(expr=m.x)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == status
    assert solution.status == "infeasible" or "no multipliers prove it" in solution.reason


@pytest.mark.parametrize(("pairs", "empty"), [((), False), ((0,), False), ((1,), False), ((0, 1), True)])
@pytest.mark.parametrize("kind", ["row", "column"])
def test_a_part_that_asks_for_both_limits_at_once_is_empty(kind: str, pairs: tuple[int, ...], empty: bool) -> None:
    """The lower and the upper limit of 1 <= y <= 3, as a row or as bounds, are the first two pairs."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(1, 3) if kind == "column" else (None, None))
    m.f.cost = pyo.Objective(expr=(m.x - 2) * m.f.y)
    if kind == "row":
        m.f.row = pyo.Constraint(expr=(1, m.f.y, 3))
    m.goal = pyo.Objective(expr=m.x)
    form = assemble(compile_model(m))
    budget = Budget(1e-4, time.monotonic() + 60, Progress(False))
    session = precise_session(form, form.mip, budget)
    mask = np.isin(np.arange(form.kkt.pairs.count), pairs)
    sides = Sides(mask, np.zeros_like(mask))
    assert form.kkt.pairs.count == 2 and exhaustion._empty(session, sides) == empty


@pytest.mark.parametrize(("least", "status"), [(8.0, "certified"), (8.5, "infeasible")])
@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
def test_a_tree_is_proven_empty_by_the_multipliers_of_its_parts(least: float, status: str, solver: str) -> None:
    """As above, by solvers that say what they find; three such users, so that there is something to branch on."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2, 3], bounds=(0, 4))
    m.f = bilevel.Follower([1, 2, 3])
    for k, block in m.f.items():
        block.y = pyo.Var(bounds=(0, 5))
        block.cost = pyo.Objective(expr=block.y)
        block.row = pyo.Constraint(expr=block.y >= m.x[k])
    m.want = pyo.Constraint([1, 2, 3], rule=lambda m, k: m.f[k].y + m.x[k] >= least)
    m.objective = pyo.Objective(expr=sum(m.x[k] for k in m.x))
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == status, solution.reason


@pytest.mark.parametrize("upper", [-1e3, 0.0, 1.0, 2.0, 2.9, 2.999])
def test_rows_that_contradict_each_other_are_proven_so(upper: float) -> None:
    check = verdicts.contradiction(crossed(upper), "rows")
    assert check.ok and check.where in ("sum", "gap")


@pytest.mark.parametrize("upper", [3.0, 3.001, 10.0, 1e6])
def test_rows_that_do_not_are_not(upper: float) -> None:
    assert not verdicts.contradiction(crossed(upper), "rows").ok


def test_cones_enter_by_their_tangents() -> None:
    """a^2 <= b (b is u, 1 is w) with a >= 2 and b <= 3.9; with b <= 4.1 there is a point."""
    one = sp.csr_array([[1.0, 0.0]])
    cones = Cones(
        one, np.zeros(1, dtype=np.int64), sp.csr_array([[0.0, 1.0]]), np.zeros(1), sp.csr_array((1, 2)), np.ones(1), np.ones(1),
        np.zeros(1, dtype=bool), ("cone",),
    )  # fmt: skip
    for most, impossible in ((3.9, True), (4.1, False)):
        rows = Rows(sp.csr_array([[1.0, 0.0]]), np.array([2.0]), np.array([np.inf]), ("least",))
        mip = replace(crossed(), rows=rows, cones=cones, lower=np.zeros(2), upper=np.array([10.0, most]))
        assert verdicts.contradiction(mip, "rows").ok == impossible


@pytest.mark.parametrize("spoilt", ["signs", "size", "column"])
def test_multipliers_that_prove_nothing_are_seen(spoilt: str) -> None:
    mip = crossed()
    least = least_violation(mip.rows, mip.lower, mip.upper, mip.scale)
    assert least is not None and least.dual is not None
    dual = least.dual
    assert verdicts._lack(mip, mip.rows, dual)[0] <= 1e-6
    # a is free, so its row of A'y must vanish
    wrong = {"signs": -dual, "size": 0.0 * dual, "column": dual * np.array([1.0, 0.5])}[spoilt]
    assert verdicts._lack(mip, mip.rows, wrong)[0] > 1e-6


def wishing(least: float, most: float = 3.0) -> Any:
    """The follower takes y = most, the leader wants y <= least."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, most))
    m.f.cost = pyo.Objective(expr=m.f.y, sense=pyo.maximize)
    m.wish = pyo.Constraint(expr=m.f.y <= least)
    m.objective = pyo.Objective(expr=m.x)
    return m


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
def test_the_reason_of_infeasible_says_whether_cooperation_would_help(solver: str) -> None:
    alone = bilevel.solve(wishing(1.0), solver=solver, progress=False)
    assert alone.status == "infeasible" and "followers that cooperate could" in alone.reason
    assert alone.certificate.ok and not alone.certificate.valid
    never = bilevel.solve(wishing(-1.0), solver=solver, progress=False)
    assert (
        never.status == "infeasible"
        and "even with followers that cooperate; of rows that contradict each other" in never.reason
    )
    assert [check.name for check in never.certificate.checks] == [verdicts.RELAXATION]
    assert never.certificate[verdicts.RELAXATION].where


def answering() -> Any:
    """The follower answers y = 1 - x in [0, 1]; the leader wants x + y >= 3, which followers that cooperate (y <= 2) meet."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.row = pyo.Constraint(expr=m.x + m.f.y >= 1)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.wish = pyo.Constraint(expr=m.x + m.f.y >= 3)
    m.objective = pyo.Objective(expr=m.x)
    return m


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
def test_infeasible_through_the_answer_alone(solver: str) -> None:
    solution = bilevel.solve(answering(), solver=solver, progress=False)
    assert solution.status == "infeasible", solution.reason
    assert solution.certificate.ok and "followers that cooperate could" in solution.reason


def test_a_cooperative_relaxation_is_proven_infeasible_too() -> None:
    solution = bilevel.cooperative(wishing(-1.0), progress=False)
    assert solution.status == "infeasible" and solution.certificate.ok
    m = wishing(1.0)
    m.half = pyo.Var(domain=pyo.Integers, bounds=(0, 3))
    m.odd = pyo.Constraint(expr=2 * m.half == 3)
    whole = bilevel.cooperative(m, progress=False)
    assert whole.status == "infeasible" and whole.certificate[verdicts.EXHAUSTED].ok


# Unbounded


def falling(price: float = 0.0, cost: float = 1.0) -> Any:
    """The leader raises x without end; the follower's cost is cost * y + price * x y, its answer y = 0 while that rises with y."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, None))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1))
    m.f.cost = pyo.Objective(expr=cost * m.f.y + price * m.x * m.f.y)
    m.objective = pyo.Objective(expr=-m.x)
    return m


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
def test_a_ray_is_followed_far_out(solver: str) -> None:
    solution = bilevel.solve(falling(), solver=solver, progress=False)
    assert solution.status == "unbounded" and solution.certificate.ok, solution.reason
    names = [check.name for check in solution.certificate.checks]
    assert names == ["leader rows", "follower rows", "follower optimality", "ray improves"]


def along(model: Any, start: list[float], away: list[float]) -> dict[str, bool]:
    """Which checks pass for this ray; columns are x, y."""
    checks = verdicts._along(compile_model(model), np.array(start), np.array(away), answers=True)
    return {check.name: check.ok for check in checks}


def test_every_check_of_a_ray_fails_alone() -> None:
    good = {"leader rows": True, "follower rows": True, "follower optimality": True, "ray improves": True}
    assert along(falling(), [0, 0], [1, 0]) == good
    limited = falling()
    limited.limit = pyo.Constraint(expr=limited.x <= 5)
    assert along(limited, [0, 0], [1, 0]) == good | {"leader rows": False}
    narrow = falling()
    narrow.f.row = pyo.Constraint(expr=narrow.f.y >= narrow.x)
    assert along(narrow, [0, 0], [1, 0])["follower rows"] is False
    assert along(falling(price=-1.0), [0, 0], [1, 0]) == good | {"follower optimality": False}, (
        "from x = 1 on it takes y = 1"
    )
    worse = falling()
    worse.objective.set_value(worse.x)
    assert along(worse, [0, 0], [1, 0]) == good | {"ray improves": False}


# A solver's branch and bound is not needed for the right answer: the tree by linear programs finishes alone


@pytest.mark.parametrize("seed", SEEDS)
def test_the_thorough_tree_closes_what_a_solver_leaves(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against enumeration, with leader integers among the problems; nothing but relaxation, guesses and tree."""
    for step in ("branch_and_bound", "small_tree", "restricted"):
        monkeypatch.setattr(strategy, step, lambda state: None)
    p = draw(seed)
    assert check(p, (p, 1.0, "as drawn"), "highs", "auto", seed).verdict == "right"


def test_a_tree_that_comes_to_no_end_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "exhaustion", lambda state: None)
    solution = bilevel.solve(answering(), progress=False)
    assert solution.status == "unknown" and not solution.certificate.ok


# What is known of a follower that sees no leader variable must not contradict the follower's own rows


def test_rows_that_are_nearly_parallel_are_not_called_infeasible() -> None:
    """The last row repeats the one before it, 1e-7 off.  The leader's best is 1002: x = -3, y0 = 1 (max 1000 - 2 x - 4 y0)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-3, 3))
    m.f = bilevel.Follower()
    limits = {0: (1, 3), 1: (-1, 4), 2: (-2, 3)}
    m.f.y = pyo.Var(range(3), bounds=lambda _, k: limits[k])
    y = m.f.y
    m.f.cost = pyo.Objective(expr=y[2], sense=pyo.maximize)
    m.f.r0 = pyo.Constraint(expr=-y[0] >= -2)
    m.f.r1 = pyo.Constraint(expr=-3 * y[0] - 2 * y[2] <= -3)
    m.f.r2 = pyo.Constraint(expr=(-5, -y[0] - y[1], 2))
    m.f.r3 = pyo.Constraint(expr=(-4, -y[0] - y[2], 1))
    m.f.r4 = pyo.Constraint(expr=(-4, -1.000000012006 * y[0] - 8.775000182016e-08 * y[1] - 1.000000086806 * y[2], 1))
    m.objective = pyo.Objective(expr=1000 - 2 * m.x - 4 * y[0], sense=pyo.maximize)
    solution = bilevel.solve(m, progress=False)
    assert solution.status != "infeasible" and solution.objective == pytest.approx(1002.0)


def test_strong_duality_with_quadratic_followers_ends_with_the_answer() -> None:
    """Tangents of squares leave the follower's y off by a root.  The leader sees y1 = 2 only: -2 * 3 + 2 + 2 * 2 = 0."""
    m = pyo.ConcreteModel()
    bounds = [(-1, 3), (2, 7)]
    m.x = pyo.Var([0, 1], domain=pyo.Integers, bounds=lambda _, k: bounds[k])
    m.f = bilevel.Follower()
    limits = {0: (0, 3), 1: (2, 2), 2: (None, None)}
    m.f.y = pyo.Var(range(3), bounds=lambda _, k: limits[k])
    y = m.f.y
    m.f.cost = pyo.Objective(expr=y[0] - 2 * y[1] + 2 * y[2] + 0.5 * (y[1] + y[2]) ** 2 + 0.5 * y[2] ** 2)
    m.f.row = pyo.Constraint(expr=3 * y[0] + y[2] == 6)
    m.objective = pyo.Objective(expr=-2 * m.x[0] + m.x[1] + 2 * y[1])
    solution = bilevel.solve(m, mode="strong_duality", progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(-6 + 2 + 4)


def test_followers_that_cooperate_keep_cones_at_whole_numbers_too() -> None:
    """z is 0 or 1, and (z - 1/2)^2 <= 0.01 holds between only: nobody's cooperation helps."""
    m = pyo.ConcreteModel()
    m.z, m.x = pyo.Var(domain=pyo.Binary), pyo.Var(bounds=(0, 1))
    m.ball = pyo.Constraint(expr=(m.z - 0.5) ** 2 <= 0.01)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1))
    m.f.above = pyo.Constraint(expr=m.f.y >= m.x)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.goal = pyo.Objective(expr=m.x + m.f.y + m.z)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "infeasible", solution.reason
    assert "followers that cooperate could" not in solution.reason


def test_no_point_above_the_wall_is_no_proof_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that ends an endless relaxation is in every session; an objective beyond it must not be called infeasible."""
    m = pyo.ConcreteModel()
    m.x, m.z = pyo.Var(bounds=(None, 10)), pyo.Var(bounds=(1, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 4))
    m.f.cost = pyo.Objective(expr=m.f.y * m.z)
    m.far = pyo.Constraint(expr=m.x * m.f.y + m.x <= -1000)
    m.goal = pyo.Objective(expr=m.x)
    # A wall so near that every point lies behind it
    monkeypatch.setattr(relaxation, "far", lambda _state: -10.0)
    solution = bilevel.solve(m, "scip", progress=False, time_limit=30)
    assert solution.status != "infeasible", solution.reason
