"""Convex rows as people write them: norms, roots, shifted cones, signs that rows imply; each with its optimum in closed form."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model

Row = Callable[[Any], Any]
SLOPE = np.sqrt(1.25)
"""The most of x / 2 + y on the unit disc."""


def model(row: Row) -> pyo.ConcreteModel:
    """max x + y - z / 2 with z >= x + 1 the follower's, that is x / 2 + y - 1 / 2, under a row of the leader's."""
    m = pyo.ConcreteModel()
    m.x, m.y = pyo.Var(bounds=(-2, 2)), pyo.Var(bounds=(-2, 2))
    m.t, m.c = pyo.Var(bounds=(None, 4)), pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.z = pyo.Var(bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=m.f.z)
    m.f.least = pyo.Constraint(expr=m.f.z >= m.x + 1)
    m.goal = pyo.Objective(expr=m.x + m.y - 0.5 * m.f.z, sense=pyo.maximize)
    m.row = pyo.Constraint(expr=row(m))
    return m


def under_a_row(m: Any) -> Any:
    m.sign = pyo.Constraint(expr=m.t >= 0)
    m.most = pyo.Constraint(expr=m.t <= 1)
    return m.x**2 + m.y**2 <= m.t**2


def under_a_sum(m: Any) -> Any:
    m.sign = pyo.Constraint(expr=m.t == 0.5 * m.c + 0.5)
    return m.x**2 + m.y**2 <= m.t**2


def with_differences(m: Any) -> Any:
    m.d = pyo.Var()
    m.off = pyo.Constraint(expr=m.d == m.y - 0.5)
    return pyo.sqrt(m.x**2 + m.d**2) <= m.c


def best_of_form() -> float:
    """The most of a'v under v'Qv <= 1 is the root of a'Q^-1 a."""
    a, q = np.array([0.5, 1.0]), np.array([[1.0, 0.5], [0.5, 1.0]])
    return float(np.sqrt(a @ np.linalg.solve(q, a)))


FORMS: dict[str, tuple[Row, float]] = {
    "sign by a row": (under_a_row, SLOPE),
    "sign by an equality": (under_a_sum, SLOPE),
    "root": (lambda m: pyo.sqrt(m.x**2 + m.y**2) <= 1, SLOPE),
    "power": (lambda m: (m.x**2 + m.y**2) ** 0.5 <= 1, SLOPE),
    "root of a shifted disc": (lambda m: pyo.sqrt((m.x - 1) ** 2 + (m.y + 0.25) ** 2) <= 1, SLOPE + 0.25),
    "multiple of a root": (lambda m: 3 - 2 * pyo.sqrt(m.x**2 + m.y**2) >= 1, SLOPE),
    "root under a variable": (lambda m: pyo.sqrt(m.x**2 + m.y**2) <= m.c, SLOPE),
    "root under a sum": (lambda m: 2 * pyo.sqrt(m.x**2 + m.y**2) - m.c <= 1, SLOPE),
    "root of a form": (lambda m: pyo.sqrt(m.x**2 + m.x * m.y + m.y**2) <= m.c, best_of_form()),
    "root of differences": (with_differences, SLOPE + 0.5),
    "leader centre": (lambda m: (m.x - m.c) ** 2 + (m.y - 0.5) ** 2 <= 1, SLOPE + 1.0),
    "rotated, both factors of one variable": (lambda m: m.x**2 + m.y**2 <= (1 + m.c) * (2 - m.c), 1.5 * SLOPE),
    "rotated, both ways": (lambda m: m.x**2 + m.y**2 <= (1 + m.c) * (0.5 + 0.25 * m.t), SLOPE * np.sqrt(3.0)),
    "large": (lambda m: 1e6 * m.x**2 + 1e6 * m.y**2 <= 1e6, SLOPE),
    "small, turned": (lambda m: -1e-4 * m.x**2 - 1e-4 * m.y**2 >= -1e-4, SLOPE),
}


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_has_its_optimum(form: str, solver: str) -> None:
    row, most = FORMS[form]
    m = model(row)
    if form == "rotated, both ways":
        # Both factors need signs that bounds declare
        m.t.setlb(0.0)
    solution = bilevel.solve(m, solver, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(most - 0.5, rel=2e-4)


def test_a_follower_s_norm_may_have_its_sign_by_a_row_of_its_own() -> None:
    """It is the same cone as with a bound."""

    def norm(bound: bool) -> pyo.ConcreteModel:
        m = model(lambda m: m.y >= -1)
        m.f.u, m.f.w = pyo.Var(bounds=(-3, 3)), pyo.Var(bounds=(-3, 3))
        m.f.r = pyo.Var(bounds=(0, 2) if bound else (None, 2))
        if not bound:
            m.f.sign = pyo.Constraint(expr=m.f.r >= 0)
        m.f.disc = pyo.Constraint(expr=m.f.u**2 + m.f.w**2 <= m.f.r**2)
        return m

    by_bound, by_row = (compile_model(norm(bound)).followers.cones for bound in (True, False))
    for part in ("squares", "u", "w"):
        # Columns are numbered by first use
        assert getattr(by_bound, part).data.tolist() == getattr(by_row, part).data.tolist()
    assert by_bound.names == by_row.names == ("f.disc",)


def test_what_the_leader_asks_of_a_follower_s_variable_is_no_sign_of_it() -> None:
    m = model(lambda m: m.y >= -1)
    m.f.u, m.f.v = pyo.Var(bounds=(-3, 3)), pyo.Var(bounds=(-3, 3))
    m.f.cone = pyo.Constraint(expr=m.f.v**2 <= m.f.u**2)
    m.asked = pyo.Constraint(expr=m.f.u >= 0)
    with pytest.raises(
        bilevel.ModelError, match=r"'f.cone' is a cone only if both factors.*or a row that keeps them there"
    ):
        compile_model(m)
    m.f.known = pyo.Constraint(expr=m.f.u >= 0)
    assert compile_model(m).followers.cones.count == 1


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (lambda m: pyo.sqrt(m.x**2 + m.y**2) >= 1, "keeps a root at least as large as something, which is not convex"),
        (lambda m: pyo.sqrt(m.x**2 - m.y**2) <= m.c, "'row' has .* under a root, which is no sum of squares"),
        (lambda m: pyo.sqrt(m.x**2 - 1) <= 2, "'row' has .* under a root, which is no sum of squares"),
        (lambda m: pyo.sqrt(m.x**2 + m.y) <= m.c, "'row' has .* under a root, which is no sum of squares"),
        (
            lambda m: pyo.sqrt(m.x**2 + m.y**2) + pyo.sqrt(m.c) <= 1,
            "'row' has c under a root, which is no sum of squares",
        ),
        (lambda m: pyo.sqrt(m.x**2 + 1) - pyo.sqrt(m.y**2 + 1) <= 0, "keeps a root at least as large as something"),
        (lambda m: pyo.sqrt(m.x**2 + 1) + pyo.sqrt(m.y**2 + 1) == 3, "keeps a root at least as large as something"),
        (lambda m: pyo.exp(m.x) <= 1, "'row' is not linear or quadratic"),
    ],
)
def test_roots_that_are_no_cones_are_refused_by_name(row: Row, said: str) -> None:
    with pytest.raises(bilevel.ModelError, match=said):
        compile_model(model(row))


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_a_root_under_a_negative_number_is_infeasible(solver: str) -> None:
    m = model(lambda m: pyo.sqrt(m.x**2 + m.y**2) <= -1)
    assert bilevel.solve(m, solver, progress=False, time_limit=60).status == "infeasible"


def test_factors_of_unknown_sign_stay_products_for_a_nonconvex_solver() -> None:
    """(x + 1) (c - 1 / 2) may have two negative factors."""
    m = model(lambda m: m.y**2 <= (m.x + 1) * (m.c - 0.5))
    solution = bilevel.solve(m, "scip", progress=False, time_limit=60)
    # y = root of 3 / 2 at x = 2, c = 1
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(np.sqrt(1.5) + 1.0 - 0.5, rel=1e-4)
    with pytest.raises(bilevel.ModelError, match="nonconvex"):
        bilevel.solve(m, "highs", progress=False)
