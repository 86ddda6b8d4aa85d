"""What followers that see no decision do, as rows."""

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.followers import best_response
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Index, Vector
from bilevel.solvers import Outcome
from bilevel.status import SolverStatus


def alone() -> Program:
    """The follower takes y = 3, the least that its row leaves, whatever x is."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.least = pyo.Constraint(expr=m.f.y >= 3)
    m.goal = pyo.Objective(expr=m.x + m.f.y)
    return compile_model(m)


def test_the_answer_is_a_row() -> None:
    program = alone()
    rows = best_response.fixed_follower_rows(program)
    assert rows.violation(np.array([0.0, 3.0])).max() == 0
    assert rows.violation(np.array([0.0, 3.1])).max() > 0.09


@pytest.mark.parametrize("answer", [0.0, 2.9])
def test_an_answer_that_breaks_rows_is_none(answer: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cheaper than every feasible one, so that rows made of it would contradict the follower's own."""
    program = alone()

    def wrong(_program: Program, _x: Vector, _which: Index) -> Outcome:
        return replace(
            Outcome(SolverStatus.OPTIMAL, np.array([answer]), 0.0, -np.inf), x=np.array([answer]) / program.scale[1]
        )

    monkeypatch.setattr(best_response, "_solve", wrong)
    assert best_response.fixed_follower_rows(program).count == 0


@pytest.mark.parametrize("short", [0.0, 1e-9, 4e-7])
def test_a_point_a_little_outside_its_rows_pins_no_gradient_that_the_optimum_lacks(
    short: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least of (y^2 + z^2) / 2 over y + z >= 1 is at (1/2, 1/2), and an answer short of the row is cheaper."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.z = pyo.Var(bounds=(0, 10))
    m.f.row = pyo.Constraint(expr=m.f.y + m.f.z >= 1)
    m.f.cost = pyo.Objective(expr=m.f.y**2 / 2 + m.f.z**2 / 2)
    m.goal = pyo.Objective(expr=m.x + m.f.y)
    program = compile_model(m)
    mine, at = program.followers.columns, (1 - short) / 2

    def answered(program: Program, _x: Vector, _which: Index) -> Outcome:
        return Outcome(SolverStatus.OPTIMAL, np.full(2, at) / program.scale[mine], 0.0, -np.inf)

    monkeypatch.setattr(best_response, "_solve", answered)
    rows = best_response.fixed_follower_rows(program)
    best = np.zeros(program.columns)
    best[mine] = 0.5
    assert rows.count == 3 and rows.violation(best).max() == 0


@pytest.mark.parametrize("left", [0.0, 5e-22, 1e-14])
def test_what_a_solver_leaves_of_a_zero_is_no_rate_of_the_row(left: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """y is held at 0 and z is best there: beside -4 y the rate of z, its value, would be all that is left of the row."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(0, 0)), pyo.Var(bounds=(-1, None))
    m.f.cost = pyo.Objective(expr=-4 * m.f.y + m.f.y**2 / 2 + m.f.z**2 / 2)
    m.goal = pyo.Objective(expr=m.x + m.f.z)
    program = compile_model(m)
    mine = program.followers.columns
    values = np.array([left if program.name(int(column)) == "f.z" else 0.0 for column in mine])
    answer = Outcome(SolverStatus.OPTIMAL, values / program.scale[mine], 0.0, -np.inf)
    monkeypatch.setattr(best_response, "_solve", lambda *_given: answer)
    rows = best_response.fixed_follower_rows(program)
    (least,) = (k for k, name in enumerate(rows.names) if name == "least cost of f")
    rates = {program.name(int(column)): rows.matrix[[least]].toarray()[0, column] for column in mine}
    assert rates == {"f.y": -4.0, "f.z": 0.0}
