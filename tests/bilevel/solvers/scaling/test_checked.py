"""Answers of solvers compared with themselves: a solver that lies is asked again another way, and is no answer where it lies on."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp

import bilevel
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Quiet
from bilevel.solvers import SOLVERS, convex_qp, highs
from bilevel.solvers.base import Outcome
from bilevel.solvers.scaling.checked import Checked


def knapsack() -> SolverProgram:
    """min -3 a - 2 b over 2 a + b <= 3, a and b in {0, 1, 2}: -5 at (1, 1), and -7 at (0.5, 2) -> -5.5 without integrality."""
    rows = Rows(sp.csr_array([[2.0, 1.0], [1.0, 1.0]]), np.full(2, -np.inf), np.array([3.0, 2.0]))
    return SolverProgram(
        np.array([-3.0, -2.0]),
        0.0,
        np.zeros(2),
        np.full(2, 2.0),
        np.ones(2, dtype=bool),
        rows,
        Cones.none(2),
        (),
        np.ones(2),
    )


class Liar:
    """HiGHS, whose answers are spoilt by `lie`; careful ones are not, unless `always`."""

    def __init__(self, lie: Callable[[Outcome], Outcome], always: bool = False) -> None:
        self.inner: Any = highs.open()
        self.lie, self.always = lie, always

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def solve(self, *given: Any) -> Outcome:
        return self.lie(self.inner.solve(*given))

    def solve_carefully(self, *given: Any) -> Outcome:
        told: Outcome = self.inner.solve_carefully(*given)
        return self.lie(told) if self.always else told


LIES: dict[str, Callable[[Outcome], Outcome]] = {
    "an objective that its point does not have": lambda told: replace(told, objective=told.objective - 1.0),
    "a bound above its own point": lambda told: replace(told, bound=told.objective + 1.0),
    "a point that breaks a row": lambda told: replace(told, x=np.array([2.0, 2.0]), objective=-10.0, bound=-10.0),
    "a point outside of its bounds": lambda told: replace(told, x=np.array([-1.0, 3.0]), objective=-3.0, bound=-3.0),
    "an integer that is none": lambda told: replace(told, x=np.array([0.5, 1.5]), objective=-4.5, bound=-4.5),
    "an optimum without a point": lambda told: replace(told, x=None),
    "no number": lambda told: replace(told, x=np.array([np.nan, 1.0])),
}


def opened(lie: Callable[[Outcome], Outcome], always: bool = False) -> Checked:
    session = Checked(Liar(lie, always))  # type: ignore[arg-type]
    session.load(knapsack())
    return session


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_seen_and_the_question_put_another_way(lie: str) -> None:
    outcome = opened(LIES[lie]).solve(True, 0.0, 10.0, False, Quiet())
    assert outcome.status == "optimal" and outcome.objective == pytest.approx(-5.0)
    assert opened(LIES[lie], always=True).solve(True, 0.0, 10.0, False, Quiet()).status == "numerical_error"


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
def test_a_search_that_is_called_infeasible_is_looked_at_again(solver: str) -> None:
    """What has a point is not infeasible, whoever says so; what has none stays so."""
    no_point = Outcome("infeasible", None, np.inf, -np.inf)
    liar = Liar(lambda _told: no_point)
    liar.inner = SOLVERS[solver].open()
    session = Checked(liar)  # type: ignore[arg-type]
    session.load(knapsack())
    outcome = session.solve(True, 0.0, 10.0, False, Quiet())
    assert outcome.status == "optimal" and outcome.objective == pytest.approx(-5.0)
    session.add_rows(Rows(sp.csr_array([[1.0, 1.0]]), np.array([5.0]), np.array([np.inf])))
    assert session.solve(True, 0.0, 10.0, False, Quiet()).status == "infeasible"


def test_a_bound_is_what_multipliers_prove() -> None:
    """A cost of 3e-12 is under the tolerance of duals: the column stays at 2e10, where an earlier objective left it."""
    none = Rows(sp.csr_array([[1.0, 0.0]]), np.array([0.5]), np.array([np.inf]))
    mip = SolverProgram(
        np.array([1.0, -1.0]), 0.0, np.zeros(2), np.array([2.0, 2e10]), np.zeros(2, dtype=bool), none, Cones.none(2), (),
        np.ones(2),
    )  # fmt: skip
    session = Checked(highs.open())
    session.load(mip)
    assert session.solve(False, 0.0, 10.0, False, Quiet()).bound == pytest.approx(0.5 - 2e10)
    session.set_cost(np.array([1.0, 3e-12]), 0.0)
    outcome = session.solve(False, 0.0, 10.0, False, Quiet())
    assert outcome.status == "optimal" and outcome.value == pytest.approx(0.5, abs=1e-9)


def test_the_truth_is_let_through() -> None:
    session = opened(lambda told: told)
    assert session.solve(False, 0.0, 10.0, False, Quiet()).objective == pytest.approx(-5.0)
    assert session.solve(True, 0.0, 10.0, False, Quiet()).objective == pytest.approx(-5.0)


def test_without_time_no_search_is_begun() -> None:
    """A solver would spend seconds in presolve before it looked at the clock; a bound of the whole may not be lost by it."""
    begun: list[Outcome] = []
    session = opened(lambda told: begun.append(told) or told)  # type: ignore[func-returns-value]
    outcome = session.solve(True, 0.0, 0.0, False, Quiet())
    assert (outcome.status, outcome.x, outcome.bound, len(begun)) == ("time_limit", None, -np.inf, 0)
    assert session.solve(True, 0.0, 10.0, False, Quiet()).objective == pytest.approx(-5.0)


def test_a_point_below_the_relaxation_is_a_lie() -> None:
    """-6 at a point that keeps the rows as they are told, but not as they were: only the relaxation knows."""
    session = opened(lambda told: told)
    assert session.solve(False, 0.0, 10.0, False, Quiet()).status == "optimal"
    session.relaxed = -4.0
    assert session.solve(True, 0.0, 10.0, False, Quiet()).status == "numerical_error"
    session.set_cost(np.array([-3.0, -2.0]), 0.0)
    assert session.solve(True, 0.0, 10.0, False, Quiet()).status == "optimal", "what changes makes the relaxation void"


def test_rows_that_are_added_and_deleted_are_followed() -> None:
    session = opened(lambda told: told)
    session.add_rows(Rows(sp.csr_array([[1.0, 0.0], [0.0, 1.0]]), np.full(2, -np.inf), np.array([0.0, 1.0])))
    assert session.solve(True, 0.0, 10.0, False, Quiet()).objective == pytest.approx(-2.0)
    session.delete_rows(np.array([2]))
    session.set_row_bounds(np.array([2]), np.array([-np.inf]), np.array([2.0]))
    session.set_column_bounds(np.array([0]), np.array([0.0]), np.array([0.0]))
    outcome = session.solve(True, 0.0, 10.0, False, Quiet())
    assert outcome.status == "optimal" and outcome.objective == pytest.approx(-4.0)
    assert session._rows().count == 3 and session._rows().upper[2] == 2.0


# A start that comes back as the optimum, as one release of HiGHS gave it


def priced_leader() -> Any:
    """The leader's optimum is 48 at x = (1, -1, 1), y = (4, 6, -8/3), found by another engine and certified as a point."""
    m = pyo.ConcreteModel()
    limits = {0: (-4, 1), 1: (-1, 1), 2: (1, 1)}
    m.x = pyo.Var(range(3), bounds=lambda _, k: limits[k], domain=lambda _, k: pyo.Integers if k == 1 else pyo.Reals)
    m.f = bilevel.Follower()
    own = {0: (0, 4), 1: (2, 6), 2: (-3, 5)}
    m.f.y = pyo.Var(range(3), bounds=lambda _, k: own[k])
    x, y = m.x, m.f.y
    bill = 2 * x[0] * y[1] - 2 * x[1] * y[2] + 2 * x[2] * y[0] - x[2] * y[2]
    m.f.cost = pyo.Objective(expr=y[0] + 3 * y[1] - bill, sense=pyo.maximize)
    m.f.first = pyo.Constraint(expr=-3 * y[0] - 2 * y[1] - 3 * y[2] <= -16)
    m.f.second = pyo.Constraint(expr=-3 * y[0] + 3 * y[2] <= -5)
    m.income = pyo.Constraint(expr=bill >= 3.5 / 3)
    m.goal = pyo.Objective(expr=-2 * x[0] + 3 * x[1] + x[2] + 5 * y[0] + 2 * y[1] - y[2] + bill, sense=pyo.maximize)
    return m


def test_what_is_better_than_a_point_is_asked_without_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """One release of HiGHS gave a start back as the optimum; nothing hands it one."""
    started = []
    monkeypatch.setattr(highspy.Highs, "setSolution", lambda self, *_: started.append(self))
    solution = bilevel.solve(priced_leader(), progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(48.0)
    assert not started


# Quadratic followers on which the active set method goes round for ever


def singular() -> tuple[SolverProgram, sp.csr_array]:
    """Four variables, the second without a cost, 3 y3 = 0: y0 = 7/36, y2 = -5/18 by the first-order conditions."""
    q = np.array([[8.0, 0, 2, -4], [0, 0, 0, 0], [2, 0, 5, 4], [-4, 0, 4, 8]])
    rows = Rows(sp.csr_array([[0.0, 0.0, 0.0, 3.0]]), np.zeros(1), np.zeros(1))
    mip = SolverProgram(
        np.array([-1.0, 0.0, 1.0, 1.0]), 0.0, np.array([0.0, -2, -2, -2]), np.array([7.0, 1, 6, 2]), np.zeros(4, dtype=bool),
        rows, Cones.none(4), (), np.ones(4),
    )  # fmt: skip
    return mip, sp.csr_array(q)


def test_a_quadratic_program_that_goes_round_is_solved_by_an_interior_point() -> None:
    mip, q = singular()
    found = convex_qp.solve(mip, q)
    assert found.status == "optimal" and found.x is not None
    assert found.x[[0, 2, 3]] == pytest.approx([7 / 36, -5 / 18, 0.0], abs=1e-7)


def test_steps_of_the_active_set_method_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(highs, "_STEPS", 0)
    monkeypatch.setattr(highs, "_STEPS_EACH", 0)
    mip, q = singular()
    assert highs.solve_quadratic(mip, q, 10.0, Quiet()).status != "optimal", "no step is allowed"
    found = convex_qp.solve(mip, q)
    assert found.status == "optimal" and found.x is not None and found.x[0] == pytest.approx(7 / 36, abs=1e-7)


def test_gaps_are_relative_even_where_objectives_are_tiny() -> None:
    """HiGHS ends at an absolute gap of 1e-6 by default."""
    session: Any = highs.open()
    assert session.highs.getOptionValue("mip_abs_gap") == (highspy.HighsStatus.kOk, 0.0)


def apart(by: float) -> SolverProgram:
    """a + b >= 2 + by and a + b <= 2, with a and b without an end."""
    rows = Rows(sp.csr_array([[1.0, 1.0], [1.0, 1.0]]), np.array([2.0 + by, -np.inf]), np.array([np.inf, 2.0]))
    free = np.full(2, np.inf)
    return SolverProgram(np.ones(2), 0.0, -free, free, np.zeros(2, dtype=bool), rows, Cones.none(2), (), np.ones(2))


class Patient(Liar):
    """HiGHS without presolve, which counts how often it is asked once more, within a coarser tolerance."""

    def __init__(self, lie: Callable[[Outcome], Outcome] = lambda told: told) -> None:
        super().__init__(lie)
        self.inner.highs.setOptionValue("presolve", "off")
        self.coarse = 0

    def solve_coarsely(self, *given: Any) -> Outcome:
        self.coarse += 1
        return self.inner.solve_coarsely(*given)


@pytest.mark.parametrize(
    ("by", "status", "asked"), [(1.0, "infeasible", 0), (1e-6, "infeasible", 0), (1e-8, "optimal", 1)]
)
def test_rows_that_contradict_each_other_by_more_than_rounding_are_not_asked_twice(
    by: float, status: str, asked: int
) -> None:
    session = Patient()
    checked = Checked(session)
    checked.load(apart(by))
    assert checked.solve(False, 0.0, 10.0, False, Quiet()).status == status
    assert session.coarse == asked


RAYS = {
    "none": lambda _ray: None,
    "of the wrong sign": lambda ray: -ray,
    "of one row alone": lambda ray: ray * np.array([1.0, 0.0]),
    "that prices a column without an end": lambda ray: ray * np.array([1.0, 0.9]),
}


@pytest.mark.parametrize("kind", RAYS)
def test_a_ray_that_proves_nothing_is_no_reason(kind: str) -> None:
    session = Patient(lambda told: replace(told, ray=RAYS[kind](told.ray)))
    checked = Checked(session)
    checked.load(apart(1.0))
    assert checked.solve(False, 0.0, 10.0, False, Quiet()).status == "infeasible"
    assert session.coarse == 1


def test_a_feasible_program_is_not_infeasible_by_a_ray() -> None:
    """a + b >= 2 and a + b <= 3: the solver's word and factors of its rows are no proof of anything."""
    session = Patient(lambda _told: Outcome("infeasible", None, np.inf, -np.inf, ray=np.array([1.0, -1.0])))  # type: ignore[arg-type]
    checked = Checked(session)
    checked.load(apart(-1.0))
    assert checked.solve(False, 0.0, 10.0, False, Quiet()).status == "optimal"
    assert session.coarse == 1
