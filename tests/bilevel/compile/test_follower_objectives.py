"""Followers' objectives that are a root or a power, of the same optimum as a quadratic; each in closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model


def with_cost(cost: Callable[[Any, float], Any], sense: Any, size: float) -> pyo.ConcreteModel:
    """max y - z / 2 + x / 4 over the follower's answer on y + z >= 2 size."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4 * size))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(-9 * size, 9 * size)), pyo.Var(bounds=(-9 * size, 9 * size))
    m.f.cost = pyo.Objective(expr=cost(m, size), sense=sense)
    m.f.row = pyo.Constraint(expr=m.f.y + m.f.z >= 2 * size)
    m.goal = pyo.Objective(expr=m.f.y - m.f.z / 2 + m.x / 4, sense=pyo.maximize)
    return m


def near(m: Any, size: float) -> Any:
    return (m.f.y - m.x) ** 2 + (m.f.z - size) ** 2


COSTS: dict[str, tuple[Callable[[Any, float], Any], Any, float]] = {
    # y = x, z = 1 where x is above 1
    "root": (lambda m, size: 3 + 2 * pyo.sqrt(near(m, size)), pyo.minimize, 4.5),
    "power of a convex form, turned": (lambda m, size: -(near(m, size) ** 1.5) / size, pyo.maximize, 4.5),
    "square of a convex form": (lambda m, size: 1 + near(m, size) ** 2 / size, pyo.minimize, 4.5),
    # y + z is the larger one of 2 and x + 1: y = 9, and x = 1
    "fourth power": (lambda m, size: (m.f.y - m.x + m.f.z - size) ** 4, pyo.minimize, 12.75),
    # y + 2 z is least at y = 9, z = -7
    "third power": (lambda m, size: (m.f.y + 2 * m.f.z - m.x) ** 3, pyo.minimize, 13.5),
    "third power, turned": (lambda m, size: 1 - 2 * (m.f.y + 2 * m.f.z - m.x) ** 3, pyo.maximize, 13.5),
}


@pytest.mark.parametrize("size", [1.0, 1e4, 1e-4])
@pytest.mark.parametrize("cost", COSTS)
def test_a_follower_s_objective_that_is_one_power(cost: str, size: float) -> None:
    expression, sense, best = COSTS[cost]
    for solver in ("highs", "scip", "gurobi"):
        m = with_cost(expression, sense, size)
        solution = bilevel.solve(m, solver, progress=False, time_limit=60)
        assert solution.status == "certified", (solver, solution.reason)
        assert solution.objective == pytest.approx(best * size, rel=2e-4)
        assert bilevel.certify(m, solution.bound).valid


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_follower_s_root_beside_other_terms(size: float, solver: str) -> None:
    """On y + z = x + 3, at (x + 1 + t, 2 - t), the way is root (2 + 2 t^2), and t^2 = 1 / 7."""
    m = with_cost(lambda m, size: pyo.sqrt(near(m, size)) + m.f.z / 2, pyo.minimize, size)
    m.f.row.set_value(m.f.y + m.f.z >= 3 * size + m.x)
    solution = bilevel.solve(m, solver, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx((5 + 1.5 / np.sqrt(7)) * size, rel=1e-4)


@pytest.mark.parametrize(
    ("cost", "sense", "said"),
    [
        (lambda m, size: (m.f.y - m.x) ** 4, pyo.maximize, "minimises a cost that is not convex"),
        (lambda m, size: (m.f.y - m.x) ** 4 + m.f.z, pyo.minimize, "is not linear or quadratic"),
        (lambda m, size: (m.f.y * m.f.z) ** 2, pyo.minimize, "is not linear or quadratic"),
        (lambda m, size: (m.f.y - m.x) ** -2.0, pyo.minimize, "is not linear or quadratic"),
        (lambda m, size: (m.f.y + 10) ** 0.5, pyo.minimize, "under a root, which is no sum of squares"),
    ],
)
def test_powers_that_say_nothing_of_an_optimum_are_refused(cost: Any, sense: Any, said: str) -> None:
    with pytest.raises(bilevel.ModelError, match=said):
        compile_model(with_cost(cost, sense, 1.0))


def test_multipliers_are_those_of_the_objective_as_it_is_written() -> None:
    """A root is 1 away per unit of its row; of its square's multiplier, 2 times the way, nothing is said."""
    m = with_cost(lambda m, size: pyo.sqrt(near(m, size)), pyo.minimize, 1.0)
    m.x.fix(-0.0)
    m.goal.set_value(m.f.dual(m.f.row))
    solution = bilevel.solve(m, "scip", progress=False, time_limit=60)
    # (0, 1) to y + z >= 2: the way grows by 1 / root 2 per unit
    assert solution.objective == pytest.approx(1 / np.sqrt(2), rel=1e-4)
    m = with_cost(lambda m, size: near(m, size) ** 2, pyo.minimize, 1.0)
    m.goal.set_value(m.f.dual(m.f.row))
    with pytest.raises(bilevel.ModelError, match=r"is a power, .* multipliers of its follower are used"):
        compile_model(m)
