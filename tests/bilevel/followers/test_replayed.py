"""Followers whose quadratic rows leave them no room at some decision: an answer without a multiplier is an answer all the same."""

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel import tolerances
from bilevel.compile.compiler import compile_model
from bilevel.errors import LicenceError
from bilevel.followers.optimal_cost import respond
from bilevel.followers.replayed import at_zero, replayed


def ball(dimensions: int = 1) -> pyo.ConcreteModel:
    """Dempe (1992): the follower's answer is the point of the ball of radius root x nearest to `3 (0.6, 0.8)` (or to 3)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var()
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(dimensions))
    aim = AIMS[dimensions]
    m.f.cost = pyo.Objective(expr=sum((m.f.y[k] - aim[k]) ** 2 for k in range(dimensions)))
    m.f.row = pyo.Constraint(expr=sum(m.f.y[k] ** 2 for k in range(dimensions)) <= m.x)
    m.goal = pyo.Objective(expr=(m.x - 3.5) ** 2 + sum((m.f.y[k] + 4 / 3 * aim[k]) ** 2 for k in range(dimensions)))
    return m


AIMS = {1: (3.0,), 2: (1.8, 2.4)}


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("x", [0.0, 1e-8, 1e-4, 0.5, 4.0, 8.99, 9.0, 20.0])
def test_answer_is_the_nearest_point(x: float, dimensions: int) -> None:
    program = compile_model(ball(dimensions))
    values = np.zeros(program.columns)
    column = {str(v.name): at for at, v in program.own}
    values[column["x"]] = x
    found = replayed(program, values)
    assert found is not None
    y = [found[column[f"f.y[{k}]"]] for k in range(dimensions)]
    # Along a curve the cost hardly changes, so that tangents tell the place to the root of their tolerance
    assert np.allclose(y, np.array(AIMS[dimensions]) * min(1.0, np.sqrt(x) / 3), rtol=0, atol=1e-4)
    response = respond(program, found)
    assert ((response.linear_cost - response.lower_bound) / response.size <= tolerances.FOLLOWER).all()


def test_decision_that_is_nothing_is_zero_where_its_bounds_let_it() -> None:
    m = ball()
    program = compile_model(m)
    x = np.full(program.columns, 1e-12)
    assert at_zero(program, x)[0] == 0 and (at_zero(program, x)[program.followers.columns] == 1e-12).all()
    m.x.setlb(1e-13)
    assert at_zero(compile_model(m), x)[0] == 1e-12


@pytest.mark.parametrize(("y", "valid"), [((0.0,), True), ((1e-5,), False), ((0.0, 0.0), True), ((0.0, 1e-5), False)])
def test_recheck_at_the_tip(y: tuple[float, ...], valid: bool) -> None:
    """With x = 0 there is one answer, which tangents alone approach by halves."""
    m = ball(len(y))
    m.x.value = 0.0
    for k, value in enumerate(y):
        m.f.y[k].value = value
    assert bilevel.certify(m).valid == valid


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_optimum_without_a_multiplier_is_feasible_and_never_certified(solver: str) -> None:
    """28.25 at x = 0, where the best point with multipliers is at x = 1 with 31.25 (a local optimum)."""
    try:
        solution = bilevel.solve(ball(), solver=solver, progress=False, time_limit=6)
    except LicenceError as error:
        pytest.skip(str(error))
    assert solution.status == "feasible", solution.reason
    assert solution.objective == pytest.approx(28.25, abs=1e-6)
    assert not solution.certificate["follower interior"].ok and "follower interior" in solution.reason
