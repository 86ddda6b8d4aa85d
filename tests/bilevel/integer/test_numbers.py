"""Numbers that are no whole ones: coefficients and steps in odd units, domains with gaps, prices at which answers tie, squares."""

import itertools
from collections.abc import Callable
from typing import Any

import integer_limits
import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel

GAP = 1e-6


def solved(model: Any, **options: Any) -> bilevel.Solution:
    return bilevel.solve(model, progress=False, **{"time_limit": 60, "gap": GAP, **options})


def filled(unit: float, least: int, most: int, at_least: bool) -> Any:
    """x and y together fill 12 units, at most or at least; the leader would like y to be what the follower does not."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(least, most))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Integers, bounds=(0, 11))
    together = unit * m.x + unit * m.f.y
    m.f.row = pyo.Constraint(expr=together >= unit * 12 if at_least else together <= unit * 12)
    m.f.cost = pyo.Objective(expr=m.f.y if at_least else -m.f.y)
    m.goal = pyo.Objective(expr=-m.f.y - 0.5 * m.x if at_least else m.f.y + 0.5 * m.x)
    return m


UNITS = {
    "tenths": 0.1, "seven tenths": 0.7, "a product": 0.3 * 1.5, "thirds": 1 / 3, "small": 1e-4, "large": 1e5, "tiny": 1e-7,
    "a root": 2**0.5,
}  # fmt: skip


@pytest.mark.parametrize("at_least", [True, False])
@pytest.mark.parametrize("ends", [(3, 4), (3, 6), (5, 7)])
@pytest.mark.parametrize("unit", UNITS)
def test_units(unit: str, ends: tuple[int, int], at_least: bool) -> None:
    """0.1 * 3 is more than 3/10, and 0.7 * 3 less than 21/10: no value that x reaches is one that it never does."""
    x = np.arange(ends[0], ends[1] + 1)
    known = np.min(np.where(at_least, -1, 1) * (12 - x + 0.5 * x))
    solution = solved(filled(UNITS[unit], *ends, at_least))
    assert (solution.status, solution.objective) == ("certified", pytest.approx(known))


DOMAINS = {
    "numbers": [0.0, 0.5, 1.5, 4.0],
    "two": [0.25, 3.0],
    "steps": [round(0.1 * k, 9) for k in range(31)],
    "steps from 0.5": [0.5 + 0.75 * k for k in range(5)],
}


@pytest.mark.parametrize("name", DOMAINS)
def test_domains(name: str) -> None:
    """What a follower sees of a decision with steps or gaps is as much as of a whole number: no limit is left half open."""
    values = DOMAINS[name]
    m = pyo.ConcreteModel()
    m.s = pyo.Var(domain=pyo.Set(initialize=values))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Integers, bounds=(0, 12))
    m.f.row = pyo.Constraint(expr=m.f.y >= 3 * m.s - 0.6)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.goal = pyo.Objective(expr=m.s - 0.4 * m.f.y)
    known = min(s - 0.4 * max(0.0, np.ceil(3 * s - 0.6 - 1e-9)) for s in values)
    solution = solved(m)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(known, abs=1e-9))


@pytest.mark.parametrize("reserve", [0.7, 1 / 3, 1e5 / 3, 2e-4])
def test_prices_at_a_tie(reserve: float) -> None:
    """A mixed follower buys lots and a rest up to its reserve price, at which the leader takes the most: a tie in all digits."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, 4 * reserve))
    m.f = bilevel.Follower()
    m.f.lots, m.f.rest = pyo.Var(domain=pyo.Integers, bounds=(0, 3)), pyo.Var(bounds=(0, 1))
    m.f.room = pyo.Constraint(expr=0.1 * m.f.lots + 0.3 * m.f.rest <= 0.4)
    m.f.cost = pyo.Objective(expr=m.price * m.f.lots - reserve * (m.f.lots + 1.5 * m.f.rest))
    m.goal = pyo.Objective(expr=m.price * m.f.lots, sense=pyo.maximize)

    def paid(lots: int, price: float) -> float:
        return price * lots - reserve * (lots + 1.5 * min(1.0, (0.4 - 0.1 * lots) / 0.3))

    # What k lots may cost before fewer, and the rest instead, are cheaper
    known = 0.0
    for lots in (1, 2, 3):
        ends = [(paid(lots, 0.0) - paid(other, 0.0)) / (other - lots) for other in range(lots)]
        above = [(paid(other, 0.0) - paid(lots, 0.0)) / (lots - other) for other in range(lots + 1, 4)]
        price = min(ends)
        known = max(known, price * lots if all(price >= end - 1e-9 * reserve for end in above) else 0.0)
    solution = solved(m)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(known))
    assert solution.certificate["follower optimality"].value <= 1e-9


GOALS: dict[str, Callable[[int, int], float]] = {
    "a square of its own": lambda x, y: x**2 - 5 * x + y,
    "two squares": lambda x, y: 2e5 * x**2 - 9e5 * x + 3e5 * y**2 - 2e5 * y,
    "in a small unit": lambda x, y: 1e-4 * (x**2 - 3 * x - 2 * y),
}


@pytest.mark.parametrize("name", GOALS)
def test_squares_in_the_objective(name: str) -> None:
    """The column that stands for squares has no end of its own."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(0, 6))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Integers, bounds=(0, 6))
    m.f.row = pyo.Constraint(expr=m.f.y + m.x >= 4)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.goal = pyo.Objective(expr=GOALS[name](m.x, m.f.y))
    known = min(GOALS[name](x, max(0, 4 - x)) for x in range(7))
    solution = solved(m)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(known))


def test_time_is_up_before_the_first_rule() -> None:
    """No time is no sign that nothing limits a cost, nor that no answer rules more out."""
    for limit in (1e-4, 3e-3, 1e-2):
        solution = solved(filled(1.0, 0, 9, True), time_limit=limit)
        assert solution.status == "certified" or "time limit" in solution.reason


def test_a_goal_without_end() -> None:
    m = filled(1.0, 0, 9, True)
    m.spare = pyo.Var(domain=pyo.NonNegativeReals)
    m.goal.set_value(m.x - m.spare)
    solution = solved(m)
    assert solution.status == "unknown"
    assert "'spare' in the leader's objective has no end: give it bounds" in solution.reason


def test_both_sides_of_a_limit() -> None:
    """Near a limit another answer rules out what the closed limit allows; the infimum is that of the open one."""
    m = pyo.ConcreteModel()
    m.s = pyo.Var(bounds=(2, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Integers, bounds=(0, 4))
    m.f.row = pyo.Constraint(expr=m.f.y >= m.s - 1.5)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.goal = pyo.Objective(expr=m.s - 1.5 * m.f.y)
    solution = solved(m, gap=1e-4)
    # y = k right above s = k + 0.5
    assert solution.status in ("not_attained", "certified")
    assert solution.bound == pytest.approx(min(k + 0.5 - 1.5 * k for k in (2, 3)), rel=2e-4)
    assert solution.objective > -1


def test_answers_that_differ_in_the_last_lot() -> None:
    """All sets of three items, by enumeration, with weights in thirds and a leader that takes items away."""
    weight, worth = (1 / 3, 2 / 3, 1 / 3), (3.0, 5.0, 2.0)
    m = pyo.ConcreteModel()
    m.J = pyo.RangeSet(0, 2)
    m.x = pyo.Var(m.J, domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(m.J, domain=pyo.Binary)
    m.f.room = pyo.Constraint(expr=sum(weight[j] * (m.f.y[j] + 0.5 * m.x[j]) for j in m.J) <= 1)
    m.f.worth = pyo.Objective(expr=sum(worth[j] * m.f.y[j] for j in m.J), sense=pyo.maximize)
    m.goal = pyo.Objective(expr=sum(worth[j] * m.f.y[j] + 2.2 * m.x[j] for j in m.J))

    def answer(x: tuple[int, ...]) -> float:
        sets = itertools.product((0, 1), repeat=3)
        return max(
            sum(w * t for w, t in zip(worth, y, strict=True))
            for y in sets
            if sum(w * (t + 0.5 * u) for w, t, u in zip(weight, y, x, strict=True)) <= 1 + 1e-9
        )

    known = min(answer(x) + 2.2 * sum(x) for x in itertools.product((0, 1), repeat=3))
    solution = solved(m)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(known))


@pytest.mark.parametrize("seed", [*range(12), 30, 31, 38, 49, 57, 60, 65])
def test_a_continuous_decision(seed: int) -> None:
    """Closed limits hold points that open ones do not: bound and verdict are those of intervals."""
    p = integer_limits.draw(seed)
    known, attained = integer_limits.infimum(p)
    solution = solved(integer_limits.to_pyomo(p), gap=1e-5)
    if np.isinf(known):
        assert solution.status == "infeasible"
        return
    assert solution.status in (("certified",) if attained else ("certified", "not_attained"))
    assert solution.objective == pytest.approx(known, abs=1e-4 * max(1.0, abs(known)))
    assert solution.bound <= known + 1e-9 * max(1.0, abs(known))
