"""Alternating directions: the points that they end at are the followers' answers, and mostly good ones."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.search import strategy
from bilevel.search.steps import alternating

SIZE = 12


def market(seed: int) -> pyo.ConcreteModel:
    """Dense linear rows of both levels over boxes, where the relaxation's optimum is no answer."""
    rng = np.random.default_rng([seed, 31])
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(SIZE), bounds=(-100, 100))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(SIZE), bounds=(-100, 100))
    every = [*m.x.values(), *m.f.y.values()]
    for block in (m, m.f):
        block.rows = pyo.ConstraintList()
        for _ in range(SIZE):
            value = np.where(rng.random(2 * SIZE) < 0.4, rng.normal(20, 15, 2 * SIZE), 0.0)
            block.rows.add(
                sum(float(a) * v for a, v in zip(value, every, strict=True) if a) <= float(rng.uniform(1, 50))
            )
    m.f.cost = pyo.Objective(
        expr=sum(float(c) * y for c, y in zip(rng.normal(0, 10, SIZE), m.f.y.values(), strict=True))
    )
    m.goal = pyo.Objective(expr=sum(float(c) * x for c, x in zip(rng.normal(0, 10, SIZE), m.x.values(), strict=True)))
    return m


def alone(monkeypatch: pytest.MonkeyPatch, *others: str) -> None:
    """Every other step that finds points does nothing."""
    for step in ("guess", "small_tree", "restricted", "branch_and_bound", "exhaustion", "pair_branching", *others):
        monkeypatch.setattr(strategy, step, lambda _state: None)


def test_points_are_answers_and_mostly_good(monkeypatch: pytest.MonkeyPatch) -> None:
    best = [bilevel.solve(market(seed), mode="branching", time_limit=60, progress=False) for seed in range(6)]
    assert all(solution.status == "certified" for solution in best)
    alone(monkeypatch)
    good = 0
    for seed, known in enumerate(best):
        found = bilevel.solve(market(seed), mode="branching", progress=False)
        if found.values:
            # Every check of validity passes, and none is better than the best
            assert found.status in ("certified", "feasible"), found.reason
            assert found.objective >= known.objective - 1e-6 * abs(known.objective)
            good += found.objective <= known.objective + 0.05 * abs(known.objective)
    assert good >= 4


def test_multipliers_that_meet_decisions_elsewhere_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A price in the follower's cost joins both halves by stationarity: holding one would hold the other."""
    asked: list[Any] = []
    monkeypatch.setattr(alternating, "_settled", lambda *given: asked.append(given))
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, 5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=(m.price - 2) * m.f.y)
    m.goal = pyo.Objective(expr=-m.price * m.f.y)
    assert bilevel.solve(m, progress=False).objective == pytest.approx(-6.0)
    assert not asked


def test_time_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch)
    monkeypatch.setattr(alternating, "MOST_PENALTIES", 10**9)
    monkeypatch.setattr(alternating, "incomplementarity", lambda _form, _x: np.ones(1))
    # Without the limit its penalties would go on for years
    solution = bilevel.solve(market(0), "highs", "branching", time_limit=1.0, progress=False)
    assert "time limit reached" in solution.reason
