"""Followers with integers whose continuous variables the leader prices, against enumeration; and what is refused by name."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

import bilevel
from bilevel.errors import ModelError

LEVELS = (1.0, 4.0, 7.0)


def retailer(seed: int, levels: bool = True) -> tuple[Any, dict[str, np.ndarray | float]]:
    """A customer of two or three hours with start costs and a least purchase; the retailer pays for what it sells."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    data: dict[str, Any] = {
        "start": rng.integers(1, 9, n) + 0.37, "own": rng.integers(0, 4, n) + rng.random(n), "most": rng.integers(3, 6, n) * 1.0,
        "least": rng.random(n), "paid": rng.integers(-3, 9, n) + rng.random(n), "need": 4.0,
    }  # fmt: skip
    model = pyo.ConcreteModel()
    model.T = pyo.RangeSet(0, n - 1)
    model.price = pyo.Var(model.T, bounds=(0, 8))
    model.customer = c = bilevel.Follower()
    c.bought = pyo.Var(model.T, bounds=(0, 9))
    c.on = pyo.Var(model.T, domain=pyo.Binary)
    c.limit = pyo.Constraint(model.T, rule=lambda c, t: c.bought[t] <= data["most"][t] * c.on[t])
    c.least = pyo.Constraint(model.T, rule=lambda c, t: c.bought[t] >= data["least"][t] * c.on[t])
    c.need = pyo.Constraint(expr=sum(c.bought[t] for t in model.T) >= data["need"])
    bill = sum(model.price[t] * c.bought[t] for t in model.T)
    c.cost = pyo.Objective(expr=bill + sum(data["start"][t] * c.on[t] + data["own"][t] * c.bought[t] for t in model.T))
    model.goal = pyo.Objective(expr=bill - sum(data["paid"][t] * c.bought[t] for t in model.T), sense=pyo.maximize)
    if levels:
        model.at = pyo.Var(model.T, range(len(LEVELS)), domain=pyo.Binary)
        model.one = pyo.Constraint(model.T, rule=lambda m, t: sum(m.at[t, k] for k in range(len(LEVELS))) == 1)
        model.level = pyo.Constraint(
            model.T, rule=lambda m, t: m.price[t] == sum(v * m.at[t, k] for k, v in enumerate(LEVELS))
        )
    return model, data


def answer(data: Any, price: np.ndarray) -> tuple[float, np.ndarray]:
    """The customer's least cost and what it buys, by SciPy alone."""
    n, eye = len(price), np.eye(len(price))
    rows = np.block([[eye, -np.diag(data["most"])], [eye, -np.diag(data["least"])]])
    need = np.concatenate([np.ones(n), np.zeros(n)])
    found = milp(
        np.concatenate([price + data["own"], data["start"]]), integrality=np.repeat([0, 1], n),
        bounds=Bounds(np.zeros(2 * n), np.repeat([9.0, 1.0], n)),
        constraints=[
            LinearConstraint(rows, np.repeat([-np.inf, 0.0], n), np.repeat([0.0, np.inf], n)),
            LinearConstraint(need, data["need"], np.inf),
        ],
    )  # fmt: skip
    return float(found.fun), found.x[:n]


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_price_levels(seed: int) -> None:
    model, data = retailer(seed)
    best = -np.inf
    for levels in itertools.product(LEVELS, repeat=len(model.T)):
        price = np.array(levels)
        best = max(best, float((price - data["paid"]) @ answer(data, price)[1]))
    solution = bilevel.solve(model, gap=1e-6, time_limit=60, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(best, rel=1e-6, abs=1e-6)


def best_of_patterns(data: Any) -> float:
    """The most that prices within 0 and 8 earn: a program for each pattern and each corner of its purchases.

    At a best price the customer buys a corner of its pattern, which costs no more than any other corner of any pattern.
    """
    n, corners = len(data["start"]), []
    for on in itertools.product((0, 1), repeat=n):
        low, high = np.array(on) * data["least"], np.array(on) * data["most"]
        for sides in itertools.product((0, 1, 2), repeat=n):
            if sides.count(2) > 1:
                continue
            bought = np.where(np.array(sides) == 1, high, low)
            if 2 in sides:
                free = sides.index(2)
                bought[free] = data["need"] - np.delete(bought, free).sum()
            if (
                (bought >= low - 1e-12).all()
                and (bought <= high + 1e-12).all()
                and bought.sum() >= data["need"] - 1e-12
            ):
                corners.append((bought, float(data["start"] @ np.array(on) + data["own"] @ bought)))
    best = -np.inf
    for bought, fixed in corners:
        rows = np.array([bought - other for other, _ in corners])
        found = linprog(-bought, A_ub=rows, b_ub=[cost - fixed for _, cost in corners], bounds=[(0, 8)] * n)
        if found.status == 0:
            best = max(best, float(-found.fun - data["paid"] @ bought))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_prices(seed: int) -> None:
    model, data = retailer(seed, levels=False)
    solution = bilevel.solve(model, gap=1e-6, time_limit=60, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(best_of_patterns(data), rel=1e-6, abs=1e-6)
    assert solution.certificate["follower optimality"].value <= 1e-9


def _leader_in_row(model: Any) -> None:
    model.x = pyo.Var(bounds=(0, 1))
    model.customer.seen = pyo.Constraint(expr=model.customer.bought[0] <= 3 + model.x)


def _equality(model: Any) -> None:
    model.customer.equal = pyo.Constraint(expr=model.customer.bought[0] == 3 * model.customer.on[0])


def _two(model: Any) -> None:
    model.customer.two = pyo.Constraint(
        expr=model.customer.bought[0] <= 3 * model.customer.on[0] + model.customer.on[1]
    )


def _priced(model: Any) -> None:
    model.customer.cost.set_value(model.customer.cost.expr + model.price[0] * model.customer.on[0])


def _wide(model: Any) -> None:
    model.customer.more = pyo.Var(bounds=(0, None))
    model.customer.wide = pyo.Constraint(
        expr=model.customer.bought[0] + model.customer.more <= 3 * model.customer.on[0]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_leader_in_row, r"'x' stands in row 'customer\.seen' .*keep it out of the rows"),
        (_equality, r"'customer\.equal' holds .*'customer\.on\[0\]' .*no limit that one binary switches"),
        (_two, r"'customer\.two' holds .*no limit that one binary switches"),
        (_priced, r"'price\[0\]' prices integer variable 'customer\.on\[0\]'"),
        (_wide, r"'customer\.wide' .*has no bounds: give it some"),
    ],
)
def test_what_is_refused_by_name(change: Any, words: str) -> None:
    model, _ = retailer(0, levels=False)
    change(model)
    with pytest.raises(ModelError, match=words):
        bilevel.solve(model, progress=False)


def test_rows_of_integers_alone_bind_the_follower() -> None:
    model, _ = retailer(1, levels=False)
    model.customer.never = pyo.Constraint(expr=model.customer.on[0] + model.customer.on[1] <= 1)
    solution = bilevel.solve(model, gap=1e-6, time_limit=60, progress=False)
    assert solution.status == "certified", solution.reason
    assert pyo.value(model.customer.on[0] + model.customer.on[1]) <= 1


def test_a_leaders_binary_that_switches_a_limit_leaves_revenue_linear() -> None:
    model = pyo.ConcreteModel()
    model.price, model.open = pyo.Var(bounds=(0, 5)), pyo.Var(domain=pyo.Binary)
    model.buyer = bilevel.Follower()
    model.buyer.q = pyo.Var(bounds=(0, 4))
    model.buyer.gain = pyo.Objective(expr=(3 - model.price) * model.buyer.q, sense=pyo.maximize)
    model.buyer.gate = pyo.Constraint(expr=model.buyer.q <= 5 * model.open)
    model.income = pyo.Objective(expr=model.price * model.buyer.q - 7 * model.open, sense=pyo.maximize)
    solution = bilevel.solve(model, solver="highs", progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(5.0)
