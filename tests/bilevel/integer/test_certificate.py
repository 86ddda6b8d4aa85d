"""The certificate of integer followers: every line fails alone, and the tree behind "follower optimality" proves what it says."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp

import bilevel
from bilevel import budget
from bilevel.budget import Leisure
from bilevel.certify import integer_answers, integer_tree
from bilevel.compile.compiler import compile_model
from bilevel.followers.linear_answer import LinearAnswer


def market() -> Any:
    """The follower takes whole lots y and a rest z; the leader likes lots and pays for the rest."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(0, 2))
    m.w = pyo.Var(bounds=(0, 5))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(domain=pyo.Integers, bounds=(0, 3)), pyo.Var(bounds=(0, 1))
    m.f.row = pyo.Constraint(expr=m.f.y + m.f.z >= 2.5 - m.x)
    m.f.cost = pyo.Objective(expr=2 * m.f.y + 3 * m.f.z)
    m.row = pyo.Constraint(expr=m.w >= 2 * m.f.z)
    m.goal = pyo.Objective(expr=2 * m.x - 4 * m.f.y + m.w)
    return m


def values(m: Any) -> dict[str, Any]:
    return {"x": m.x, "w": m.w, "y": m.f.y, "z": m.f.z}


def certified() -> tuple[Any, float]:
    m = market()
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified"
    return m, solution.bound


def test_by_hand() -> None:
    """x = 0: y = 2, z = 0.5 costs 5.5, and 3 lots 6, so that it is worth -8 + 1.  x = 1: -1.  x = 2: 5."""
    m, _ = certified()
    assert pyo.value(m.goal) == pytest.approx(-7)
    assert [round(v.value, 6) for v in values(m).values()] == [0, 1, 2, 0.5]


BROKEN: dict[str, tuple[str, float]] = {
    "leader rows": ("w", 1 - 2e-5),
    "follower rows": ("z", 0.4),
    "follower optimality": ("z", 0.5 + 1e-8),
    "global gap": ("w", 2.0),
}


@pytest.mark.parametrize("line", BROKEN)
def test_each_line_fails_alone(line: str) -> None:
    m, bound = certified()
    name, value = BROKEN[line]
    values(m)[name].set_value(value, skip_validation=True)
    if line == "follower optimality":
        m.w.set_value(2 * value)
    found = bilevel.certify(m, bound)
    assert [check.name for check in found.checks if not check.ok] == [line]


def test_whole_numbers() -> None:
    """Half a lot more and half a unit less is cheaper than any whole answer, and no answer."""
    m, bound = certified()
    m.f.y.set_value(2.5, skip_validation=True)
    m.f.z.set_value(0.0)
    found = bilevel.certify(m, bound)
    assert not found["follower rows"].ok
    assert "f.y" in found["follower rows"].where


def test_a_dearer_answer() -> None:
    """Three lots are an answer that costs 6 and not 5.5."""
    m, bound = certified()
    m.f.y.set_value(3)
    m.f.z.set_value(0.0)
    m.w.set_value(0.0)
    found = bilevel.certify(m, bound)
    assert found.status == "rejected"
    assert found.first_failure is not None and found.first_failure.name == "follower optimality"
    assert "proven by a tree" in found["follower optimality"].detail


def test_ties() -> None:
    """Two lots at the same price: the leader likes one of them, and its worst answer is the other."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2, 3], domain=pyo.Binary)
    m.f.row = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] + m.f.y[3] + m.x >= 1)
    m.f.cost = pyo.Objective(expr=2 * m.f.y[1] + 2 * m.f.y[2] + 3 * m.f.y[3])
    m.goal = pyo.Objective(expr=9 * m.x + m.f.y[1] + 4 * m.f.y[2] - m.f.y[3])
    solution = bilevel.solve(m, progress=False)
    assert (solution.status, solution.objective) == ("certified", pytest.approx(1))
    assert solution.certificate["ties, best objective"].value == pytest.approx(1)
    assert solution.certificate["ties, worst objective"].value == pytest.approx(4)


def test_without_a_bound() -> None:
    m, _ = certified()
    assert bilevel.certify(m).status == "feasible"


def random_follower(seed: int) -> tuple[LinearAnswer, np.ndarray]:
    rng = np.random.default_rng(seed)
    n, rows = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    matrix = rng.integers(-4, 5, (rows, n)).astype(float)
    low = np.where(rng.random(rows) < 0.3, matrix @ rng.integers(0, 3, n), -np.inf)
    high = np.where(np.isfinite(low), low + rng.integers(0, 2, rows), rng.integers(-3, 8, rows))
    ends = np.zeros(n), rng.integers(1, 4, n).astype(float)
    return LinearAnswer(rng.integers(-5, 6, n).astype(float), sp.csr_array(matrix), low, high, *ends), np.ones(
        n, dtype=bool
    )


@pytest.mark.parametrize("seed", range(60))
def test_the_tree_proves_the_least_cost(seed: int) -> None:
    problem, whole = random_follower(seed)
    answers = [
        float(problem.rates @ y)
        for y in map(np.array, itertools.product(*(range(int(high) + 1) for high in problem.y_upper)))
        if np.all(problem.matrix @ y >= problem.lower - 1e-9) and np.all(problem.matrix @ y <= problem.upper + 1e-9)
    ]
    least = min(answers, default=np.inf)
    leisure = Leisure(np.inf, lambda: False)
    found = integer_tree.least(problem, whole, min(least, 1e3) - 1e-7, leisure)
    assert found.bound <= least + 1e-7
    assert found.bound >= min(least, 1e3) - 1e-6
    # What asks for more than there is gets no proof of it
    if np.isfinite(least):
        assert integer_tree.least(problem, whole, least + 0.5, leisure).bound <= least + 1e-7


@pytest.mark.parametrize("unit", [1e-9, 1e-7, 1 / 3, 1e5])
@pytest.mark.parametrize("seed", range(12))
def test_the_tree_reads_rows_in_any_unit(seed: int, unit: float) -> None:
    """A violation is one in every unit: a branch without a point is known as such, and the least cost proven."""
    problem, whole = random_follower(seed)
    leisure = Leisure(np.inf, lambda: False)
    known = integer_tree.least(problem, whole, 1e3, leisure).bound
    moved = LinearAnswer(
        problem.rates,
        problem.matrix * unit,
        problem.lower * unit,
        problem.upper * unit,
        problem.y_lower,
        problem.y_upper,
    )
    assert integer_tree.least(moved, whole, 1e3, leisure).bound == pytest.approx(known, abs=1e-7)


def test_the_tree_looks_at_every_leaf() -> None:
    """min -y, y <= 3, in a row that leaves y = 0 or 3: a leaf that proves too little hides none that proves less."""
    ends = np.array([0.0, 0.0]), np.array([3.0, 1.0])
    problem = LinearAnswer(
        np.array([-1.0, 1e-3]), sp.csr_array(np.array([[1.0, -3.0]])), np.zeros(1), np.zeros(1), *ends
    )
    for rates in ((-1.0, 1e-3), (1e-3, -1.0), (1e-3, 0.0), (-1e-3, 0.0)):
        least = min(0.0, 3 * rates[0] + rates[1])
        found = integer_tree.least(
            replace(problem, rates=np.array(rates)), np.ones(2, dtype=bool), 5.0, Leisure(np.inf, lambda: False)
        )
        assert found.bound == pytest.approx(least)


def test_without_time_the_word_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    m, bound = certified()
    monkeypatch.setattr(integer_tree, "MOST_NODES", 0)
    found = bilevel.certify(m, bound)
    assert found.status == "certified"
    assert "by the word of SciPy's branch and bound" in found["follower optimality"].detail


SIZES: dict[str, Callable[[float], float]] = {"small": lambda v: 1e-4 * v, "large": lambda v: 1e4 * v}


@pytest.mark.parametrize("size", SIZES)
def test_costs_of_any_size(size: str) -> None:
    m = market()
    m.f.cost.set_value(SIZES[size](1.0) * m.f.cost.expr)
    m.goal.set_value(SIZES[size](1.0) * m.goal.expr)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified"
    assert solution.objective == pytest.approx(SIZES[size](-7.0))


def test_answer_over_costs() -> None:
    """What is proven is in the cost's own unit."""
    m, _ = certified()
    program = compile_model(m)
    with budget.until(np.inf, budget.Quiet()):
        found = integer_answers.answer(program, program.values(), 0)
    assert found.bound == pytest.approx(5.5, abs=1e-8)
