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
from bilevel.solvers.scaling import dust
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


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("entry", [1e-10, -1e-10, 1e-16, -1e-16])
@pytest.mark.parametrize("dear", [1e-6, 1.0])
def test_a_row_is_kept_though_an_entry_of_it_is_dropped(dear: float, entry: float, solver: str) -> None:
    """a + entry * b = 1 with b >= 0 without an end, which costs: a stays at 1, but for what b is worth."""
    sign = float(np.sign(entry))
    program = SolverProgram(
        cost=np.array([sign, dear]), offset=0.0, lower=np.array([-5.0, 0.0]), upper=np.array([5.0, np.inf]),
        integer=np.zeros(2, dtype=bool), rows=Rows(sp.csr_array([[1.0, entry]]), np.ones(1), np.ones(1)),
        cones=Cones.none(2), sos1=(), scale=np.ones(2),
    )  # fmt: skip
    session = Scaled(SOLVERS[solver].open())
    session.load(program)
    outcome = session.solve(False, 1e-9, 10, None, Progress(False))
    assert outcome.x == pytest.approx([1.0, 0.0], abs=1e-6)
    # The rows that stand for it move with it, and rows behind them keep their places
    session.add_rows(Rows(sp.csr_array([[0.0, 1.0]]), np.array([3.0]), np.array([np.inf])))
    session.set_row_bounds(np.array([0]), np.array([2.0]), np.array([2.0]))
    assert session.solve(False, 1e-9, 10, None, Progress(False)).x == pytest.approx([2.0, 3.0], abs=1e-6)
    session.set_row_bounds(np.array([1]), np.array([4.0]), np.array([np.inf]))
    last = session.solve(False, 1e-9, 10, None, Progress(False))
    assert last.x == pytest.approx([2.0, 4.0], abs=1e-6)
    if last.row_dual is not None:
        assert last.row_dual == pytest.approx([sign, dear], abs=1e-6)


@pytest.mark.parametrize("seed", range(200))
def test_what_stands_for_a_row_holds_wherever_the_row_does(seed: int) -> None:
    """Random rows with entries of 1e-16 to 1e-3 and columns with and without ends, at points where the rows hold."""
    rng = np.random.default_rng(seed)
    n, m, drops = 4, 3, 1e-9
    matrix = rng.choice([-1.0, 1.0], (m, n)) * 10.0 ** rng.uniform(-16, 0, (m, n)) * (rng.random((m, n)) < 0.8)
    matrix[:, 0] = 1.0
    low, high = np.where(rng.random(n) < 0.5, -np.inf, rng.normal(size=n)), np.full(n, np.inf)
    high = np.where((rng.random(n) < 0.5) & np.isfinite(low), low + 10.0, high)
    ends = np.where(np.isfinite(low), low, rng.normal(size=n))
    x = np.clip(ends + 10.0 ** rng.uniform(-3, 12, n), low, high)
    activity = matrix @ x
    lower, upper = np.where(rng.random(m) < 0.6, activity, -np.inf), np.where(rng.random(m) < 0.6, activity, np.inf)
    small = np.abs(matrix) < drops
    kept = Rows(sp.csr_array(np.where(small, 0.0, matrix)), lower, upper)
    dropped = sp.csr_array(np.where(small, matrix, 0.0))
    dropped.eliminate_zeros()
    held = dust.held(kept, dropped, low, high, drops)
    rows = held.rows(low, high, (lower, upper))
    size = np.abs(rows.matrix) @ np.abs(x) + np.abs(np.where(np.isfinite(rows.lower), rows.lower, 0.0))
    assert (rows.violation(x) <= 1e-12 * np.maximum(size, 1.0)).all()
    entries = np.abs(rows.matrix.data[rows.matrix.data != 0])
    assert not len(entries) or entries.min() >= drops


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize(("lower", "upper"), [(np.inf, np.inf), (-np.inf, -np.inf)])
def test_limits_that_nothing_can_meet_are_not_dropped(solver: str, lower: float, upper: float) -> None:
    session = Scaled(SOLVERS[solver].open())
    rows = Rows(sp.csr_array(np.ones((1, 1))), np.ones(1), np.full(1, 3.0))
    none = np.zeros(1, dtype=bool)
    session.load(
        SolverProgram(np.ones(1), 0.0, np.zeros(1), np.full(1, 5.0), none, rows, Cones.none(1), (), np.ones(1))
    )
    line = Progress(False, 1.0)
    assert session.solve(False, 1e-6, 10.0, False, line).objective == pytest.approx(1.0)
    session.set_row_bounds(np.array([0]), np.array([lower]), np.array([upper]))
    # Such a number may be too far out for a solver to judge, which is no answer rather than a wrong one
    assert session.solve(False, 1e-6, 10.0, False, line).status in ("infeasible", "numerical_error")
