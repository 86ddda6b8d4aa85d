"""Polynomials of the leader, by columns that are products, on nonconvex solvers; each with its optimum in closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model


def model(goal: Callable[[Any, float], Any], sense: Any, row: Callable[[Any, float], Any] | None, size: float) -> Any:
    """The follower's z is what x + y is above 0."""
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(bounds=(-2 * size, 3 * size)), pyo.Var(bounds=(-2 * size, 2 * size))
    m.f = bilevel.Follower()
    m.f.z = pyo.Var(bounds=(0, 9 * size))
    m.f.cost = pyo.Objective(expr=m.f.z)
    m.f.row = pyo.Constraint(expr=m.f.z >= m.x + m.y)
    m.goal = pyo.Objective(expr=goal(m, size), sense=sense)
    if row is not None:
        m.row = pyo.Constraint(expr=row(m, size))
    return m


def curve() -> float:
    """The most of 2 x + y on x^3 + y^2 = 1, where y is 3 x^2 / 4."""
    roots = np.roots([9 / 16, 1.0, 0.0, 0.0, -1.0])
    x = float(roots[(abs(roots.imag) < 1e-12) & (roots.real > 0)][0].real)
    return 2 * x + 0.75 * x**2


FORMS: dict[str, tuple[Any, Any, Any, float]] = {
    "cubic of both levels": (lambda m, size: m.x / size * (m.f.z / size) ** 2, pyo.maximize, None, 75.0),
    "cubic": (lambda m, size: (m.x / size) ** 3 - 3 * m.x / size, pyo.minimize, None, -2.0),
    "fourth power": (lambda m, size: 1 + (m.x / size - 1) ** 4 + m.f.z / size, pyo.minimize, None, 1.0),
    "cubic row": (
        lambda m, size: (m.x + m.f.z) / size, pyo.maximize, lambda m, size: (m.x / size) ** 3 + (m.y / size) ** 2 <= 1, curve(),
    ),
    "row of fourth powers": (
        lambda m, size: (m.x + m.f.z) / size, pyo.maximize, lambda m, size: (m.x / size) ** 4 + (m.y / size) ** 4 <= 1,
        (2 ** (4 / 3) + 1) ** 0.75,
    ),
}  # fmt: skip


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("form", FORMS)
def test_a_polynomial_has_its_optimum(form: str, solver: str) -> None:
    goal, sense, row, best = FORMS[form]
    m = model(goal, sense, row, 1.0)
    solution = bilevel.solve(m, solver, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(best, rel=1e-4)
    assert pyo.value(m.goal) == pytest.approx(solution.objective, rel=1e-6)
    assert bilevel.certify(m, solution.bound).valid


@pytest.mark.parametrize("size", [1e4, 1e-4])
@pytest.mark.parametrize("form", ["cubic", "cubic row"])
def test_a_polynomial_in_other_units(form: str, size: float) -> None:
    goal, sense, row, best = FORMS[form]
    solution = bilevel.solve(model(goal, sense, row, size), "scip", progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(best, rel=1e-4)


def test_the_default_takes_a_solver_that_can() -> None:
    goal, sense, row, best = FORMS["cubic of both levels"]
    solution = bilevel.solve(model(goal, sense, row, 1.0), progress=False, time_limit=60)
    assert solution.status == "certified" and solution.objective == pytest.approx(best)
    with pytest.raises(bilevel.ModelError, match="scip"):
        bilevel.solve(model(goal, sense, row, 1.0), "highs", progress=False)


def test_powers_share_their_columns() -> None:
    m = model(lambda m, _: m.x**4 + m.x**2 * m.y + m.x**2 * m.f.z, pyo.minimize, None, 1.0)
    program = compile_model(m)
    assert [v.name for v in program.variables if v is not None].count("x*x") == 1


@pytest.mark.parametrize("cost", [lambda m: m.f.z**3 + m.f.z * m.x, lambda m: m.f.z**2 * m.x])
def test_a_follower_s_polynomial_is_refused(cost: Any) -> None:
    m = model(lambda m, _: m.x, pyo.minimize, None, 1.0)
    m.f.cost.set_value(cost(m))
    with pytest.raises(bilevel.ModelError, match=r"'f\.cost' is not linear or quadratic"):
        compile_model(m)
