"""A bound that one call of a solver gives: believed where another call finds nothing better, and else not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.errors import LicenceError
from bilevel.search.cut_session import CutSession
from bilevel.search.steps import branch_and_bound, second_look
from bilevel.solvers import Outcome
from bilevel.status import SolverStatus

Solve = Callable[..., Outcome]


def revenue() -> pyo.ConcreteModel:
    """min -5 y - 2 z y over a whole z in [-2, 3], y the follower's answer to (2 z - 1) y: y = 5 where z <= 0, so -25 at z = 0.

    What x is worth in the row, which never binds, is a product with its multiplier, which keeps the program nonconvex.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, None))
    m.z = pyo.Var(bounds=(-2, 3), domain=pyo.Integers)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=2 * m.z * m.f.y - m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y <= m.x + 5)
    m.goal = pyo.Objective(expr=-5 * m.f.y - 2 * m.z * m.f.y)
    return m


def disc() -> pyo.ConcreteModel:
    """min -x - y over x^2 + y^2 <= 2 with y the follower's answer to y >= x - 1 for its least y: -1.8229 where both meet.

    2 x^2 - 2 x - 1 = 0 gives x = (1 + sqrt(3)) / 2 and y = x - 1.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= m.x - 1)
    m.cone = pyo.Constraint(expr=m.x**2 + m.f.y**2 <= 2)
    m.goal = pyo.Objective(expr=-m.x - m.f.y)
    return m


# What is asked, its optimum, and an objective that only worse points have
KINDS = {
    "nonconvex": (revenue, {}, -25.0, -20.0),
    "nonconvex, sets": (revenue, {"mode": "sos1"}, -25.0, -20.0),
    "nonconvex, products": (revenue, {"mode": "product"}, -25.0, -20.0),
    "cones": (disc, {"cones": "exact"}, -np.sqrt(3.0), -1.5),
    "cones, sets": (disc, {"cones": "exact", "mode": "sos1"}, -np.sqrt(3.0), -1.5),
}
NUMB = Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
LATE = Outcome(SolverStatus.TIME_LIMIT, None, np.inf, -np.inf)


def calls(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Solve, CutSession, int, dict[str, Any]], Outcome]) -> None:
    """Every search with integers is answered by `answer`, which is told how many there were before."""
    true, before = CutSession.solve, [0]

    def solve(own: CutSession, integer: bool, **more: Any) -> Outcome:
        if not integer:
            return true(own, integer, **more)
        before[0] += 1
        return answer(true, own, before[0] - 1, more)

    monkeypatch.setattr(CutSession, "solve", solve)


def worse(true: Solve, own: CutSession, least: float, more: dict[str, Any]) -> Outcome:
    """A true point that is not the best one, told as the optimum."""
    with own.priced(least, np.inf):
        return true(own, True, **more)


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lies", [0, 1])
def test_a_first_answer_that_is_not_the_best_is_found_out(
    monkeypatch: pytest.MonkeyPatch, kind: str, solver: str, lies: int
) -> None:
    make, options, optimum, least = KINDS[kind]

    def answer(true: Solve, own: CutSession, before: int, more: dict[str, Any]) -> Outcome:
        return worse(true, own, least, more) if before < lies else true(own, True, **more)

    calls(monkeypatch, answer)
    solution = bilevel.solve(make(), solver, progress=False, **options)
    assert solution.status == "certified"
    assert solution.objective == pytest.approx(optimum, rel=1e-6)
    assert solution.bound <= optimum + 1e-6


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "cones" not in kind])
@pytest.mark.parametrize("after", [NUMB, LATE])
def test_a_bound_that_no_second_look_confirms_is_none(
    monkeypatch: pytest.MonkeyPatch, kind: str, after: Outcome
) -> None:
    make, options, _, least = KINDS[kind]
    calls(monkeypatch, lambda true, own, before, more: after if before else worse(true, own, least, more))
    solution = bilevel.solve(make(), "scip", progress=False, **options)
    assert solution.status == "feasible"
    assert "no second look confirms it" in solution.reason


def test_a_mode_that_a_licence_does_not_hold_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    make, options, optimum, _ = KINDS["nonconvex"]
    refused: list[str] = []

    def too_large(*_: Any) -> Any:
        refused.append("too large")
        raise LicenceError("the model is too large for this Gurobi licence")

    monkeypatch.setattr(second_look, "opened", too_large)
    solution = bilevel.solve(make(), "scip", progress=False, **options)
    assert solution.status == "certified" and solution.objective == pytest.approx(optimum, rel=1e-6)
    assert refused


NOWHERE = Outcome(SolverStatus.INFEASIBLE, None, np.inf, -np.inf)


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize("tree", [True, False])
def test_what_a_linear_program_s_search_says_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, solver: str, restricted: bool, tree: bool
) -> None:
    """The first point is not the best: the restricted search's, after which branch and bound finds no better one, or its own.

    A tree of linear programs finds the best one, and where there is none the solver does, asked again.
    """
    if not tree:
        monkeypatch.setattr(second_look, "_tree", lambda *_: None)
    for step in ("guess", "small_tree", *([] if restricted else ["restricted"])):
        monkeypatch.setattr(f"bilevel.search.strategy.{step}", lambda _state: None)
    m = revenue()
    m.f.row.set_value(m.x >= 4)
    # Without the product: y = 5 where z <= 0, so that -5 y - z is least at z = 0
    m.goal.set_value(-5 * m.f.y - m.z)
    asked: list[int] = []

    def answer(true: Solve, own: CutSession, before: int, more: dict[str, Any]) -> Outcome:
        asked.append(before)
        if before == 1 and restricted:
            return NOWHERE
        return true(own, True, **more) if before else worse(true, own, -24.5, more)

    calls(monkeypatch, answer)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(-25.0, rel=1e-6)
    assert tree or len(asked) >= 3


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "cones" in kind])
def test_a_tree_of_linear_programs_finds_a_lie_out_alone(
    monkeypatch: pytest.MonkeyPatch, kind: str, solver: str
) -> None:
    """The solver stays with its lie, as itself and in every other mode and unit: it is a worse point, told as the optimum."""
    make, options, optimum, least = KINDS[kind]
    calls(monkeypatch, lambda true, own, before, more: NOWHERE if before else worse(true, own, least, more))
    solution = bilevel.solve(make(), solver, progress=False, **options)
    assert solution.status == "certified" and solution.objective == pytest.approx(optimum, rel=1e-6)


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_a_bound_from_before_the_point_gets_its_second_look_too(monkeypatch: pytest.MonkeyPatch, solver: str) -> None:
    """The first call gives a bound and no point that holds, the second one the point that meets it."""
    make, options, optimum, least = KINDS["nonconvex"]
    true_evaluate, looks = branch_and_bound.evaluate, [0]

    def evaluate(state: Any, *rest: Any) -> Any:
        looks[0] += 1
        return None if looks[0] == 1 else true_evaluate(state, *rest)

    monkeypatch.setattr(branch_and_bound, "evaluate", evaluate)

    def cuts(*_: Any) -> Any:
        # As if the first point had broken a cone
        return SimpleNamespace(count=int(looks[0] == 0))

    def answer(true: Solve, own: CutSession, before: int, more: dict[str, Any]) -> Outcome:
        return worse(true, own, least, more) if before < 2 else true(own, True, **more)

    monkeypatch.setattr(CutSession, "add_cuts", lambda *_: None)
    monkeypatch.setattr("bilevel.relax.exact.cuts", cuts)
    calls(monkeypatch, answer)
    solution = bilevel.solve(make(), solver, progress=False, cones="exact", **options)
    assert looks[0] >= 2
    assert solution.status == "certified" and solution.objective == pytest.approx(optimum, rel=1e-6)
