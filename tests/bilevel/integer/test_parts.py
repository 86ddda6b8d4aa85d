"""Steps of rows, products in a linear form, and what an answer rules out."""

import itertools
from fractions import Fraction

import integer_problems
import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.errors import ModelError
from bilevel.followers.steps import common_step, next_below, written
from bilevel.integer.draft import Draft
from bilevel.integer.master import Cuts
from bilevel.integer.problem import Problem
from bilevel.integer.products import ExactProducts
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled

STEPS = [
    ([2.0, 4.0, -6.0], Fraction(2)), ([0.1, 0.25], Fraction(1, 20)), ([3.0], Fraction(3)), ([], Fraction(1)), ([0.0], Fraction(1)),
    ([0.1 * 3, 0.2], Fraction(1, 10)), ([np.pi, 1.0], None), ([1 / 3, 1.0], Fraction(1, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("coefficients", "step"), STEPS)
def test_common_step(coefficients: list[float], step: Fraction | None) -> None:
    assert common_step(coefficients) == step


@given(st.lists(st.integers(-40, 40).filter(bool), min_size=1, max_size=4), st.integers(1, 200))
def test_sums_are_multiples(numbers: list[int], over: int) -> None:
    step = common_step([number / over for number in numbers])
    assert step is not None
    for whole in itertools.product((-2, 0, 1, 3), repeat=len(numbers)):
        total = sum(Fraction(number, over) * times for number, times in zip(numbers, whole, strict=True))
        assert (total / step).denominator == 1
        below = next_below(total, step)
        assert below < total <= below + step


def test_written() -> None:
    assert written(0.1) == Fraction(1, 10)
    assert written(0.1 * 3) == Fraction(3, 10)
    assert written(np.sqrt(2)) is None


@pytest.mark.parametrize(
    ("low", "high", "ends"), [(0, 1, (-2.0, 3.0)), (-3, 4, (0.5, 2.0)), (2, 9, (-1.0, -1.0)), (5, 5, (0, 1))]
)
def test_products_are_exact(low: int, high: int, ends: tuple[float, float]) -> None:
    """At every whole number the rows leave one value of the product, which is the product."""
    m = pyo.ConcreteModel()
    m.x, m.z = pyo.Var(domain=pyo.Integers, bounds=(low, high)), pyo.Var(bounds=ends)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Binary)
    m.f.cost = pyo.Objective(expr=m.f.y * m.x)
    m.goal = pyo.Objective(expr=m.z + m.x)
    program = compile_model(m)
    x, z = (next(at for at, variable in program.own if variable is own) for own in (m.x, m.z))
    draft = Draft(program.columns)
    form = ExactProducts(program, draft, program.lower, program.upper).form(x, z)
    base = Problem(program).base
    nothing = (program.integer, program.rows, base.cones.none(program.columns), ())
    first = type(base)(np.zeros(program.columns), 0.0, program.lower, program.upper, *nothing, program.scale)
    mip = draft.on(first)
    for value, other in itertools.product(range(low, high + 1), np.linspace(*ends, 3)):
        lower, upper = mip.lower.copy(), mip.upper.copy()
        lower[[x, z]] = upper[[x, z]] = value, other
        for sign in (1.0, -1.0):
            session = Scaled(SOLVERS["highs"].open())
            cost = np.zeros(mip.columns)
            for column, factor in form.items():
                cost[column] += sign * factor
            session.load(type(mip)(cost, 0.0, lower, upper, mip.integer, mip.rows, mip.cones, (), mip.scale))
            outcome = session.solve(True, 0.0, 10.0, False, bilevel.budget.Quiet())
            assert sign * outcome.objective == pytest.approx(value * other, abs=1e-6)


def whole_problem(seed: int) -> tuple[integer_problems.Whole, float]:
    """The first drawn problem from a seed on whose followers decide in whole numbers alone and that has an optimum, with it."""
    for at in itertools.count(seed):
        p = integer_problems.draw(at)
        known = integer_problems.optimum(p) if all(lower.whole.all() for lower in p.followers) else np.inf
        if np.isfinite(known):
            return p, known
    raise AssertionError


@pytest.mark.parametrize("seed", range(300, 500, 10))
def test_cuts_keep_every_bilevel_point(seed: int) -> None:
    """Whatever followers could answer anywhere is told to the master, and the optimum by enumeration stays in it."""
    p, known = whole_problem(seed)
    program = compile_model(integer_problems.to_pyomo(p))
    column = {str(variable.name): at for at, variable in program.own}
    cuts, rng, told = Cuts(Problem(program)), np.random.default_rng(seed), 0
    for _ in range(12):
        x = np.array([rng.integers(low, high + 1) for low, high in zip(p.low, p.high, strict=True)], dtype=float)
        for at, lower in enumerate(p.followers):
            answers = integer_problems.best_answers(lower, x)
            if answers:
                y = np.zeros(program.columns)
                for j, value in enumerate(answers[int(rng.integers(len(answers)))]):
                    # A column that no row or cost uses is none
                    if f"f[{at}].y[{j}]" in column:
                        y[column[f"f[{at}].y[{j}]"]] = value
                told += cuts.add(at, y)
    session = Scaled(SOLVERS["highs"].open())
    session.load(cuts.program())
    outcome = session.solve(True, 0.0, 20.0, False, bilevel.budget.Quiet())
    assert told
    assert outcome.bound <= known + 1e-6 * max(1.0, abs(known))


def test_products_without_an_integer_are_refused() -> None:
    m = pyo.ConcreteModel()
    m.x, m.z = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Binary)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.goal = pyo.Objective(expr=m.z + m.x)
    program = compile_model(m)
    products = ExactProducts(program, Draft(program.columns), program.lower, program.upper)
    with pytest.raises(ModelError, match=r"'x' and 'z'|'z' and 'x'"):
        products.form(*(at for at, variable in program.own if any(variable is own for own in (m.x, m.z))))
