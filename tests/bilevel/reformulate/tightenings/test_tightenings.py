"""What makes roots tighter: the relaxation rises to what is known in closed form, and no optimum is cut off."""

import time
from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.budget import Budget
from bilevel.compile.compiler import compile_model
from bilevel.errors import UnknownNameError
from bilevel.progress import Progress
from bilevel.reformulate.modes import find
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.reformulate.tightenings import TIGHTENINGS, limits, primal_dual
from bilevel.relax import tangent
from bilevel.search.plan import parts_of
from bilevel.search.state import ROOT, ROOTS, precise_session

EVERY = ",".join(ROOTS)


def least_above(unit: float = 1.0, most: float = 10.0) -> pyo.ConcreteModel:
    """The leader wants y large, the follower small above 1 - x, all in `unit`: y = 1 at x = 0.

    Without complementarity y goes to its bound.  Stationarity is 1 = m1 + m2 - m3, and the inequality y <= m1 - most m3 <= 1.
    """
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 3 * unit))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, most * unit))
    model.f.row = pyo.Constraint(expr=model.f.y >= unit - model.x)
    model.f.cost = pyo.Objective(expr=model.f.y)
    model.cost = pyo.Objective(expr=-model.f.y)
    return model


def value(form: Reformulation) -> float:
    """The optimum of the relaxation without complementarity."""
    budget = Budget(1e-6, time.monotonic() + 60, Progress(False))
    return precise_session(form, form.mip, budget).converge(tangent).value


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_the_primal_dual_inequality_closes_a_root_in_closed_form(unit: float) -> None:
    form = assemble(compile_model(least_above(unit)))
    assert value(form) == pytest.approx(-10 * unit)
    assert value(replace(form, mip=primal_dual.add(form, form.mip))) == pytest.approx(-unit)


@pytest.mark.parametrize("far", [1e9, 1e20, None])
def test_no_inequality_where_the_leader_has_no_limit_near(far: float | None) -> None:
    """With x >= -far the least of the leader's part says nothing; a limit of y would limit x by the follower's row."""
    model = least_above()
    model.f.y.setub(None)
    model.x.setlb(None if far is None else -far)
    form = assemble(compile_model(model))
    assert primal_dual.add(form, form.mip).rows.count == form.mip.rows.count
    model.x.setlb(-2)
    tight = assemble(compile_model(model))
    assert primal_dual.add(tight, tight.mip).rows.count == tight.mip.rows.count + 1


def test_followers_that_see_prices_or_equalities_of_the_leader_have_no_inequality() -> None:
    for change in ("price", "equality", "quadratic"):
        model = least_above()
        if change == "price":
            model.f.cost.expr = model.f.y * (1 + model.x)
        elif change == "equality":
            model.f.z = pyo.Var(bounds=(0, 5))
            model.f.fixed = pyo.Constraint(expr=model.f.z == model.x)
        else:
            model.f.cost.expr = model.f.y + model.f.y**2
        form = assemble(compile_model(model))
        assert primal_dual.add(form, form.mip).rows.count == form.mip.rows.count, change


def test_limits_shrink_with_each_other_and_keep_the_optimum() -> None:
    """A follower with y >= 1 - x and a slack of at most 12 of 10 + 3 - 1: the relaxation with both big-M rows knows no less."""
    form = assemble(compile_model(least_above()))
    tight = limits.tighter(form, find("big_m"))
    assert (tight.bounds.slack_upper <= form.bounds.slack_upper).all()
    assert (tight.bounds.mu_upper <= form.bounds.mu_upper).all()
    unlimited = limits.tighter(form, find("branching"))
    assert unlimited is form


@pytest.mark.parametrize("solver", ["highs", "scip"])
@pytest.mark.parametrize("root", ["none", *ROOTS, EVERY])
def test_every_part_of_the_root_keeps_the_optimum(root: str, solver: str) -> None:
    found = bilevel.solve(least_above(), solver, root=root, gap=1e-6, progress=False)
    assert found.status == "certified" and found.objective == pytest.approx(-1.0)
    assert found.settings["root"] == ("" if root == "none" else root)


def random_problem(seed: int) -> pyo.ConcreteModel:
    """A small linear problem with the leader in the follower's rows; big-M has limits, as its columns are boxed."""
    rng = np.random.default_rng(seed)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), bounds=(0, 4))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(range(2), bounds=(0, 5))
    model.f.rows = pyo.ConstraintList()
    x, y = [*model.x.values()], [*model.f.y.values()]
    for _ in range(3):
        a = rng.integers(-3, 4, 4).tolist()
        if any(a[2:]):
            model.f.rows.add(a[0] * x[0] + a[1] * x[1] + a[2] * y[0] + a[3] * y[1] <= int(rng.integers(1, 9)))
    c = rng.integers(-4, 5, 6).tolist()
    model.f.cost = pyo.Objective(expr=c[0] * y[0] + c[1] * y[1])
    model.cost = pyo.Objective(expr=c[2] * x[0] + c[3] * x[1] + c[4] * y[0] + c[5] * y[1])
    return model


@pytest.mark.parametrize("seed", range(25))
def test_every_part_of_the_root_has_the_same_answers_on_random_problems(seed: int) -> None:
    answers = []
    for mode, root in (("branching", "none"), *(("auto", part) for part in (*ROOTS, EVERY)), ("branching", EVERY)):
        found = bilevel.solve(random_problem(seed), "highs", mode, root=root, gap=1e-6, progress=False)
        answers.append((str(found.status), None if np.isnan(found.objective) else round(found.objective, 5)))
    assert len(set(answers)) == 1, answers
    assert answers[0][0] in ("certified", "infeasible")


def test_an_infeasible_problem_is_proven_without_the_rows_that_only_tighten() -> None:
    """The follower answers y = 1 - x <= 1, the leader asks for 2; with the inequality the very root has no point."""
    model = least_above()
    model.asked = pyo.Constraint(expr=model.f.y >= 2)
    found = bilevel.solve(model, "highs", "branching", root=EVERY, progress=False)
    assert found.status == "infeasible" and found.certificate.ok


def test_parts_of_the_root_are_found_by_name() -> None:
    assert parts_of("auto") == ROOT and parts_of("none") == ()
    assert parts_of("limits, primal_dual") == ("limits", "primal_dual")
    assert set(ROOTS) == {*TIGHTENINGS, "limits", "alternating"}
    with pytest.raises(UnknownNameError, match="part of the root 'primal-dual': did you mean 'primal_dual'"):
        bilevel.solve(least_above(), root="primal-dual")
