"""Secure answers against enumeration on all modes and solvers, what their certificate says, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from secure_oracle import drawn, grid_model, grid_optimum, secure_optimum

import bilevel
from bilevel.errors import BilevelError, FeatureError, LicenceError, ModelError, UnboundedDualError, UnknownNameError

MARGIN = 0.05
WAYS = [
    ("highs", "big_m"), ("highs", "branching"), ("scip", "big_m"), ("scip", "sos1"), ("scip", "indicator"), ("scip", "product"),
    ("gurobi", "sos1"), ("gurobi", "indicator"), ("gurobi", "product"), ("auto", "auto"),
]  # fmt: skip


def solved(model: Any, solver: str, mode: str, margin: float | None = MARGIN) -> Any:
    try:
        return bilevel.solve(model, solver, mode, gap=1e-6, time_limit=60, progress=False, ties="secure", margin=margin)
    except (LicenceError, UnboundedDualError) as refusal:
        pytest.skip(str(refusal))


@pytest.mark.parametrize(("solver", "mode"), WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_linear_followers_as_by_enumeration(seed: int, solver: str, mode: str) -> None:
    problem = drawn(seed)
    best = secure_optimum(problem, MARGIN)
    found = solved(problem.model(), solver, mode)
    if np.isinf(best):
        assert found.status == "infeasible", found.reason
        return
    assert found.status == "certified", found.reason
    assert found.objective == pytest.approx(best, abs=1e-5)
    unique = found.certificate["response unique"]
    assert unique.ok and unique.kind == "validity"
    tie = found.certificate["ties, worst objective"].value
    assert tie == pytest.approx(found.objective, abs=1e-5)


@pytest.mark.parametrize(("solver", "mode"), WAYS)
@pytest.mark.parametrize(
    ("cost", "need", "cap"), [([2, 0, 0], 1.5, 5.0), ([0, 1, 2], 0.5, 7.0), ([0, 0, 2, 0], 1.5, 4.0)]
)
def test_whole_prices_as_by_enumeration(cost: Any, need: float, cap: float, solver: str, mode: str) -> None:
    best = grid_optimum(cost, need, 1.0, 4, cap, 0.75)
    found = solved(grid_model(cost, need, 1.0, 4, cap), solver, mode, 0.75)
    if np.isinf(best):
        assert found.status == "infeasible"
        assert found.reason == "at no decision every follower has one best response by the margin"
        return
    assert found.status == "certified" and found.objective == pytest.approx(best, abs=1e-5)


def seller(**bounds: Any) -> Any:
    """Two hours to sell 1 kWh in, at prices of at most 2 in all; the buyer's own goods cost nothing in the second hour."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(["a", "b"], bounds=bounds.get("price", (0, 2)))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(["a", "b"], bounds=(0, 1))
    m.f.bill = pyo.Objective(expr=m.price["a"] * m.f.y["a"] + m.price["b"] * m.f.y["b"])
    m.f.need = pyo.Constraint(expr=m.f.y["a"] + m.f.y["b"] == 1)
    m.mean = pyo.Constraint(expr=m.price["a"] + m.price["b"] <= 2)
    m.income = pyo.Objective(expr=m.price["a"] * m.f.y["a"] + m.price["b"] * m.f.y["b"], sense=pyo.maximize)
    return m


@pytest.mark.parametrize("margin", [0.5, 0.02, None])
def test_the_price_of_security_is_what_the_margin_says(margin: float | None) -> None:
    # One hour is used up at 1 - m / 2, the other is dearer by m; both prices of 1 would be worth 1
    m = 2e-4 if margin is None else margin
    found = bilevel.solve(seller(), gap=1e-7, progress=False, ties="secure", margin=margin)
    assert found.status == "certified" and found.objective == pytest.approx(1 - m / 2, abs=1e-6)
    assert found.certificate["ties, worst objective"].value == pytest.approx(found.objective, abs=1e-6)
    assert "by multipliers of 1 margins" in found.certificate["response unique"].detail
    assert (found.settings["ties"], found.settings["margin"]) == ("secure", margin)


def test_units_of_quantities_and_money_leave_the_margin_in_prices() -> None:
    m = pyo.ConcreteModel()
    m.price = pyo.Var(["a", "b"], bounds=(0, 2))
    m.f = bilevel.Follower()
    # Quantities in thousandths, money in cents: the margin is one of prices all the same
    m.f.y = pyo.Var(["a", "b"], bounds=(0, 1000))
    bill = 0.1 * (m.price["a"] * m.f.y["a"] + m.price["b"] * m.f.y["b"])
    m.f.bill = pyo.Objective(expr=bill)
    m.f.need = pyo.Constraint(expr=m.f.y["a"] + m.f.y["b"] == 1000)
    m.mean = pyo.Constraint(expr=m.price["a"] + m.price["b"] <= 2)
    m.income = pyo.Objective(expr=bill, sense=pyo.maximize)
    found = bilevel.solve(m, gap=1e-7, progress=False, ties="secure", margin=0.02)
    assert found.status == "certified" and found.objective == pytest.approx(99.0, abs=1e-4)
    assert abs(found.value(m.price["a"]) - found.value(m.price["b"])) == pytest.approx(0.02, abs=1e-6)


def test_optimistic_answers_have_no_line() -> None:
    found = bilevel.solve(seller(), progress=False)
    assert found.status == "certified" and found.objective == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(KeyError):
        found.certificate["response unique"]


def test_a_follower_without_a_choice_needs_no_margin() -> None:
    m = seller()
    m.f.need.deactivate()
    m.f.all = pyo.Constraint(expr=m.f.y["a"] + m.f.y["b"] >= 2)
    found = bilevel.solve(m, gap=1e-7, progress=False, ties="secure", margin=0.5)
    assert found.status == "certified" and found.objective == pytest.approx(2.0, abs=1e-6)


def test_strictly_convex_followers_have_what_is_asked() -> None:
    m = seller()
    m.f.bill.deactivate()
    m.f.cost = pyo.Objective(expr=m.f.bill.expr + 0.5 * sum(m.f.y[k] ** 2 for k in m.f.y))
    both = [bilevel.solve(m, gap=1e-6, progress=False, ties=ties) for ties in ("optimistic", "secure")]
    assert both[0].status == both[1].status == "certified"
    assert both[0].objective == pytest.approx(both[1].objective, abs=1e-5)
    assert both[1].certificate["response unique"].detail == "whatever the multipliers are"


def test_a_square_of_a_sum_leaves_the_difference_to_the_margin() -> None:
    m = seller()
    m.f.bill.deactivate()
    m.f.cost = pyo.Objective(expr=m.f.bill.expr + 0.5 * (m.f.y["a"] + m.f.y["b"]) ** 2)
    found = bilevel.solve(m, gap=1e-7, progress=False, ties="secure", margin=0.02)
    assert found.status == "certified" and found.objective == pytest.approx(0.99, abs=1e-6)


def test_a_follower_that_nobody_can_move_from_its_ties_is_named() -> None:
    m = seller()
    m.idle = bilevel.Follower()
    m.idle.y = pyo.Var(["a", "b"], bounds=(0, 1))
    m.idle.cost = pyo.Objective(expr=3 * m.idle.y["a"] + 3 * m.idle.y["b"])
    m.idle.need = pyo.Constraint(expr=m.idle.y["a"] + m.idle.y["b"] >= 1)
    found = bilevel.solve(m, progress=False, ties="secure", margin=0.02)
    assert found.status == "infeasible"
    assert found.reason.endswith("follower 'idle' sees no decision and has several best responses")


def _bill(margin: float, cost: Any, rows: Any, high: float = 2.0) -> Any:
    """The secure answer to a follower whose rows hold at one point alone while the leader, who pays for x, has x = 0."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(len(cost)), bounds=(0, high))
    m.f.cost = pyo.Objective(expr=_dot(cost, m.f.y))
    m.f.rows = pyo.ConstraintList()
    for row, right in rows:
        m.f.rows.add(_dot(row, m.f.y) <= right * m.x)
    m.cost = pyo.Objective(expr=m.x)
    return m


def _dot(coefficients: Any, variables: Any) -> Any:
    return pyo.quicksum(value * variables[k] for k, value in enumerate(coefficients))


@pytest.mark.parametrize(("solver", "mode"), WAYS)
@pytest.mark.parametrize("margin", [0.5, 3.0])
def test_margins_may_need_multipliers_beyond_those_of_a_basis(margin: float, solver: str, mode: str) -> None:
    # y1 + y2 <= x leaves (0, 0) alone at x = 0; the multiplier 1 + m of the row gives both lower bounds m, a basis at most 1
    found = solved(_bill(margin, (-1.0, -1.0), [((1.0, 1.0), 1.0)]), solver, mode, margin)
    assert found.status == "certified" and found.objective == pytest.approx(0.0, abs=1e-6), found.reason


def test_a_multiplier_between_nothing_and_its_margin_is_no_secure_one() -> None:
    # The multiplier 1.5 of need gives those of the limits 1, 0.5, 1 and 1.5: three of at least 1 fix the answer, and would do
    prices = (0.5, 1.0, 2.5, 3.0)
    for margin, status in ((0.75, "certified"), (1.0, "infeasible")):
        m = pyo.ConcreteModel()
        m.x, m.f = pyo.Var(bounds=(2, 3)), bilevel.Follower()
        m.f.y = pyo.Var(range(4), bounds=(0, 1))
        m.f.bill, m.f.need = pyo.Objective(expr=_dot(prices, m.f.y)), pyo.Constraint(expr=pyo.quicksum(m.f.y[:]) == m.x)
        m.cost = pyo.Objective(expr=m.x)
        found = bilevel.solve(m, gap=1e-7, progress=False, ties="secure", margin=margin)
        assert found.status == status and (np.isnan(found.objective) or found.objective == pytest.approx(2.0))


def test_a_point_of_ties_is_no_secure_answer() -> None:
    # Both prices are held at 1, so that the buyer is indifferent whatever the leader does
    found = bilevel.solve(seller(price=(1, 1)), progress=False, ties="secure", margin=0.02)
    assert found.status == "infeasible"


def test_refusals() -> None:
    def refused(error: type[Exception], words: str, model: Any = None, **given: Any) -> None:
        with pytest.raises(error, match=words):
            bilevel.solve(seller() if model is None else model, progress=False, **given)

    refused(UnknownNameError, "unknown convention of ties 'secur': did you mean 'secure'", ties="secur")
    refused(BilevelError, "keeps none", margin=0.1)
    for margin in (0.0, -1.0, float("nan"), float("inf"), "1"):
        refused(BilevelError, "give a positive number", ties="secure", margin=margin)
    refused(
        BilevelError, r"margin 1e-09 is too small for follower 'f'.*give at least 2.2e-05", ties="secure", margin=1e-9
    )
    assert bilevel.solve(seller(), progress=False, ties="secure", margin=2.2e-5).status == "certified"
    refused(BilevelError, "a proof is one of optimistic answers only", ties="secure", proof=True)
    refused(FeatureError, "has no pairs whose margins", ties="secure", solver="scip", mode="strong_duality")
    conic = seller()
    conic.f.disc = pyo.Constraint(expr=conic.f.y["a"] ** 2 + conic.f.y["b"] ** 2 <= 4)
    refused(ModelError, "follower 'f' has quadratic rows", conic, ties="secure")
