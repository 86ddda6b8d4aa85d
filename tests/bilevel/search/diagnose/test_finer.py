"""Quadratic objectives whose columns are expected to be hundreds of times as large as they are at the optimum."""

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.errors import LicenceError
from bilevel.reformulate.single_level import assemble
from bilevel.search.diagnose.finer import finer

OPTIMUM = 0.3125
"""At x = (5/4, 1/2, 1, 1) and y = (1/4, 1/2): (1/16 + 1/4) / 2 + (1/16 + 1/4) / 2."""


def turned(seed: int, unit: float = 1.0) -> pyo.ConcreteModel:
    """A problem of Calamai and Vicente (1994) with its leader's space turned, so that every term is in every square."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    m = pyo.ConcreteModel()
    m.v = pyo.Var(range(4))
    m.f = bilevel.Follower()
    m.f.w = pyo.Var(range(2))
    x = [unit * sum(float(turn[i, j]) * m.v[j] for j in range(4)) for i in range(4)]
    y = [unit * m.f.w[k] for k in range(2)]
    m.goal = pyo.Objective(expr=sum((each - 1) ** 2 for each in x) / 2 + sum(each**2 for each in y) / 2)
    m.f.cost = pyo.Objective(expr=sum(y[k] ** 2 / 2 - x[k] * y[k] for k in range(2)))
    m.f.rows = pyo.ConstraintList()
    for k, most in enumerate((1.5, 3)):
        m.f.rows.add(y[k] - x[k] >= -1)
        m.f.rows.add(x[k] + y[k] <= most)
        m.f.rows.add(x[k] + y[k] >= 1)
    return m


@pytest.mark.parametrize("solver", ["highs", "gurobi"])
@pytest.mark.parametrize(("seed", "unit"), [(0, 0.1), (0, 10.0), (1, 0.1), (1, 1.0), (1, 100.0), (3, 1.0)])
def test_gap_that_tangents_leave_in_coarse_units_is_closed_in_finer_ones(seed: int, unit: float, solver: str) -> None:
    try:
        solution = bilevel.solve(turned(seed, unit), solver=solver, progress=False, time_limit=60)
    except LicenceError as error:
        pytest.skip(str(error))
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(OPTIMUM, rel=1e-4)
    assert solution.bound <= OPTIMUM * (1 + 1e-6)


def test_squares_alone_count_where_the_gap_is_open() -> None:
    """Units that are fine enough stay; others shrink by the root of what their squares hide, and the cone's size with them."""
    m = turned(1)
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    for variable, value in zip(
        (*m.v.values(), *m.f.w.values()), (*(turn.T @ [1.25, 0.5, 1, 1]), 0.25, 0.5), strict=True
    ):
        variable.set_value(value)
    form = assemble(compile_model(m))
    program = form.program
    x = program.tight(np.nan_to_num(program.values()))
    assert program.objective(x) == pytest.approx(OPTIMUM)
    fine = finer(form, x, open_gap=1e-4)
    assert fine is not None
    share = max(fine.program.scale[at] / program.scale[at] for at, _ in program.own)
    assert share < 0.5
    before, after = program.cones.w_scale[0], fine.program.cones.w_scale[0]
    assert after == pytest.approx(before * share**2, rel=0.5) and after == fine.mip.cones.w_scale[0]
    assert finer(fine, x, open_gap=1e-4) is None and finer(form, None, open_gap=1e-4) is None
