"""Leader products that strong duality cannot make linear: solved on nonconvex solvers, refused elsewhere."""

import itertools

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel


def subsidy(kind: str):
    """A user buys 2 units over two hours at prices x; the leader counts income at other prices than the user's bill.

    "objective": earn x0 p0 + 3 x1 p1 - x0^2-free terms; "row": the same income must be at least 3; "rows of the follower": a
    leader variable moves the follower's row while the leader counts the revenue.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(1, 3))
    m.cap = pyo.Constraint(expr=m.x[0] + m.x[1] <= 4)
    m.f = bilevel.Follower()
    m.f.p = pyo.Var([0, 1], bounds=(0, 1.5))
    m.f.bill = pyo.Objective(expr=m.x[0] * m.f.p[0] + m.x[1] * m.f.p[1])
    m.need = pyo.Var(bounds=(1, 2))
    m.f.energy = pyo.Constraint(expr=m.f.p[0] + m.f.p[1] == (m.need if kind == "rows" else 2))
    income = m.x[0] * m.f.p[0] + (1 if kind == "rows" else 3) * m.x[1] * m.f.p[1]
    if kind == "row":
        m.floor = pyo.Constraint(expr=income >= 6)
        m.objective = pyo.Objective(expr=m.x[0] + m.x[1] + m.f.p[1] + 0 * m.need)
    else:
        m.objective = pyo.Objective(expr=income - (0.5 * m.need if kind == "rows" else 0), sense=pyo.maximize)
    return m


def scanned(kind: str) -> float:
    """Best over a grid of prices (and needs), the user's best responses in closed form, ties for the leader."""
    best = np.inf if kind == "row" else -np.inf
    needs = np.linspace(1, 2, 11) if kind == "rows" else [2.0]
    for a, b, need in itertools.product(np.linspace(1, 3, 81), np.linspace(1, 3, 81), needs):
        if a + b > 4 + 1e-9:
            continue
        first = min(1.5, need)
        for p in [(first, need - first), (need - first, first), (need / 2, need / 2)]:
            if a * p[0] + b * p[1] > min(a, b) * first + max(a, b) * (need - first) + 1e-9:
                continue
            income = a * p[0] + (1 if kind == "rows" else 3) * b * p[1]
            if kind == "row":
                best = min(best, a + b + p[1]) if income >= 6 - 1e-9 else best
            else:
                best = max(best, income - (0.5 * need if kind == "rows" else 0))
    return best


@pytest.mark.parametrize("kind", ["objective", "row", "rows"])
@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_nonconvex_solvers_reach_the_scanned_optimum(kind, solver):
    known = scanned(kind)
    solution = bilevel.solve(subsidy(kind), solver, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    # The scan is a grid: it may miss a little, and never be better
    better = solution.objective <= known + 1e-4 if kind == "row" else solution.objective >= known - 1e-4
    assert better
    assert solution.objective == pytest.approx(known, rel=0.02)


@pytest.mark.parametrize("kind", ["objective", "row", "rows"])
def test_highs_refuses_with_both_names_and_a_solver(kind):
    with pytest.raises(bilevel.ModelError, match=r"'(x\[\d\]|need)'.*solver='scip'"):
        bilevel.solve(subsidy(kind), "highs", progress=False)


def test_a_tampered_product_row_fails():
    m = subsidy("row")
    solution = bilevel.solve(m, "scip", progress=False)
    m.f.p[0].set_value(1.5)
    m.f.p[1].set_value(0.5)
    m.x[0].set_value(1.0)
    m.x[1].set_value(1.5)
    assert not bilevel.certify(m, bound=solution.bound)["leader rows"].ok
