"""The answer does not depend on the units of the data."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp
from oracles import tiny_case

import bilevel
import formulations
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Progress
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled

FACTORS = (1e-3, 1e3)


def optimum(objective: str, price: float = 1.0, power: float = 1.0) -> float:
    solution = bilevel.solve(
        formulations.charging_pricing(tiny_case(price, power), objective), gap=1e-7, progress=False
    )
    assert solution.certificate.valid, solution.reason
    assert solution.gap <= 1e-6
    return solution.objective


@pytest.mark.parametrize("factor", FACTORS)
def test_prices_in_another_currency(factor: float) -> None:
    assert optimum("profit", price=factor) == pytest.approx(factor * optimum("profit"), rel=1e-6)
    assert optimum("loss", price=factor) == pytest.approx(optimum("loss"), rel=1e-6)


@pytest.mark.parametrize("factor", FACTORS)
def test_powers_and_energies_in_another_size(factor: float) -> None:
    """Ohms shrink as powers grow, so that the network stays the same in per unit."""
    assert optimum("profit", power=factor) == pytest.approx(factor * optimum("profit"), rel=1e-6)
    assert optimum("loss", power=factor) == pytest.approx(factor * optimum("loss"), rel=1e-6)


@pytest.mark.parametrize("money", FACTORS)
@pytest.mark.parametrize("goods", FACTORS)
def test_a_plain_bilevel_model_in_other_units(money: float, goods: float) -> None:
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, 10 * money))
    m.f = bilevel.Follower()
    m.f.buy, m.f.other = pyo.Var(bounds=(0, 9 * goods)), pyo.Var(bounds=(0, 9 * goods))
    m.f.cost = pyo.Objective(expr=m.price * m.f.buy + 4 * money * m.f.other)
    m.f.need = pyo.Constraint(expr=m.f.buy + m.f.other == 3 * goods)
    m.objective = pyo.Objective(expr=m.price * m.f.buy - money * m.f.buy, sense=pyo.maximize)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(9 * money * goods, rel=1e-6)


def test_scaled_sessions_speak_the_programs_units() -> None:
    """Column scales over nine orders of magnitude, and a unit objective that is not 1."""
    program = SolverProgram(
        cost=np.array([3e-6, 2e4]), offset=5.0, lower=np.array([0.0, 0.0]), upper=np.array([1e7, 1e-2]),
        integer=np.array([False, False]),
        rows=Rows(sp.csr_array([[1e-6, 1e3]]), np.array([8.0]), np.array([np.inf])),
        cones=Cones.none(2), sos1=(), scale=np.array([1e6, 1e-3]),
    )  # fmt: skip
    session = Scaled(SOLVERS["highs"].open())
    session.load(program)
    outcome = session.solve(False, 1e-9, 10, None, Progress(False))
    # 1e-6 a + 1e3 b >= 8: a costs 3 a unit of the row, b 20
    assert outcome.x == pytest.approx([8e6, 0.0])
    assert outcome.objective == pytest.approx(29.0) and outcome.bound == pytest.approx(29.0)
    session.set_column_bounds(np.array([0]), np.array([0.0]), np.array([5e6]))
    assert session.solve(False, 1e-9, 10, None, Progress(False)).x == pytest.approx([5e6, 3e-3])


def test_scales_are_powers_of_two_so_nothing_is_rounded() -> None:
    session = Scaled(SOLVERS["highs"].open())
    rng = np.random.default_rng(0)
    program = SolverProgram(
        rng.normal(size=5), 0.0, -np.ones(5), np.ones(5), np.zeros(5, dtype=bool),
        Rows(sp.csr_array(rng.normal(size=(3, 5))), -np.ones(3), np.ones(3)), Cones.none(5), (), 10.0 ** rng.uniform(-9, 9, 5),
    )  # fmt: skip
    session.load(program)
    for factor in (*session.column, *session.row, session.unit):
        assert np.frexp(factor)[0] == 0.5


@pytest.mark.parametrize("entry", [1e-10, -1e-10, 1e-16])
def test_an_entry_that_is_cleared_takes_its_row_away_only_where_bounds_are_proven(entry: float) -> None:
    """a + entry * b = 1 with b >= 0 without an end: a may be anything on one side of 1, and is 1 for points near their sizes."""
    program = SolverProgram(
        cost=np.array([np.sign(entry), 0.0]), offset=0.0, lower=np.array([-5.0, 0.0]), upper=np.array([5.0, np.inf]),
        integer=np.zeros(2, dtype=bool), rows=Rows(sp.csr_array([[1.0, entry]]), np.ones(1), np.ones(1)),
        cones=Cones.none(2), sos1=(), scale=np.ones(2),
    )  # fmt: skip
    for reach, at in ((np.inf, -5.0 * np.sign(entry)), (1e3, 1.0)):
        session = Scaled(SOLVERS["highs"].open(), reach=reach)
        session.load(program)
        found = session.solve(False, 1e-9, 10, None, Progress(False)).x
        assert found is not None
        assert found[0] == pytest.approx(at, abs=1e-6)
