"""Time and Ctrl-C: what is left of a limit for every part of a solve, and what is said where it is not enough."""

import os
import signal
import time
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel import budget, tolerances
from bilevel.bounds import by_linear_programs
from bilevel.budget import Budget
from bilevel.compile.compiler import compile_model
from bilevel.followers.kkt import optimality_conditions
from bilevel.progress import Progress, ProgressEvent, Quiet
from bilevel.reformulate.modes import find
from bilevel.reformulate.single_level import assemble
from bilevel.relax import tangent
from bilevel.search.diagnose.user_limits import CONFIRMED, ENLARGED
from bilevel.search.engine import Search
from bilevel.solvers import SOLVERS


class Stopping(Quiet):
    """Somebody who pressed Ctrl-C."""

    def stop(self) -> bool:
        return True


def test_small_programs_get_what_is_left_and_no_more_than_their_own() -> None:
    assert budget.seconds() == tolerances.SIDE_SECONDS
    with budget.until(time.monotonic() + 1e6, Quiet()):
        assert budget.seconds() == tolerances.SIDE_SECONDS
        with budget.until(time.monotonic() + 1.0, Quiet()):
            assert 0.0 < budget.seconds() <= 1.0
    with budget.until(time.monotonic() - 1.0, Quiet()):
        assert budget.seconds() == 0.0 and budget.seconds(at_least=2.0) == 2.0
    assert budget.seconds() == tolerances.SIDE_SECONDS


def test_a_budget_is_given_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), budget.until(0.0, Stopping()):
        _ = 1 / 0
    assert not budget.watch().stop()


def test_what_an_answer_cannot_go_without_says_that_time_is_over() -> None:
    budget.require("nothing")
    with (
        budget.until(time.monotonic() - 1.0, Quiet()),
        pytest.raises(budget.OutOfTimeError, match=r"time limit .* while x"),
    ):
        budget.require("x")
    with budget.until(np.inf, Stopping()), pytest.raises(budget.OutOfTimeError, match="Ctrl-C while x"):
        budget.require("x")


def test_leisure_is_a_share_of_what_the_solve_has_taken() -> None:
    def left() -> float:
        return budget.leisure().deadline - time.monotonic()

    assert left() == pytest.approx(1.0, abs=0.5)
    far = time.monotonic() + 1e6
    for spent, expected in ((0.0, 1.0), (20.0, 5.0), (1000.0, 10.0)):
        with budget.until(far, Quiet(), spent):
            assert left() == pytest.approx(expected, abs=0.5)
    # A solve whose own time is nearly over has the least
    with budget.until(time.monotonic() + 0.1, Quiet(), 1000.0):
        assert left() == pytest.approx(1.0, abs=0.5)


def test_leisure_ends_at_ctrl_c() -> None:
    pressed = [False]
    with budget.until(time.monotonic() + 1e6, Quiet(), 0.0, lambda: pressed[0]):
        leisure = budget.leisure()
        assert not leisure.over()
        pressed[0] = True
        assert leisure.over()
    with budget.until(time.monotonic() + 1e6, Stopping()):
        assert budget.leisure().over()


def test_grace_is_two_seconds_or_a_twentieth() -> None:
    assert budget.grace(1.0) == 2.0 and budget.grace(600.0) == pytest.approx(30.0)


def test_a_search_that_finishes_keeps_to_its_grace() -> None:
    progress = Progress(False)
    late = Budget(1e-4, time.monotonic() - 1.0, progress, grace=3.0)
    assert late.finishing().deadline == pytest.approx(late.deadline + 3.0)
    assert late.finishing().finishing().deadline == pytest.approx(late.deadline + 3.0), "once only"
    overrun = Budget(1e-4, time.monotonic() - 100.0, progress, grace=3.0)
    assert not overrun.finishing().over(), "a solver that overran leaves its point the least"
    assert overrun.finishing().deadline <= time.monotonic() + 2.0
    progress.interrupted = True
    assert Budget(1e-4, np.inf, progress).finishing().deadline < time.monotonic() + 60.0, (
        "Ctrl-C is no licence to go on"
    )


# Solves


def moving(limit: float | None = None) -> Any:
    """Coupled rows that move with the leader: y1 = 1 + x, y2 = 1, duals 3/2 and 1/2; the optimum is 0.4."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y[1] + 2 * m.f.y[2])
    m.f.first = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] == 2 + m.x)
    m.f.second = pyo.Constraint(expr=m.f.y[1] - m.f.y[2] <= m.x)
    m.objective = pyo.Objective(expr=m.f.y[2] - 0.6 * m.x)
    if limit is not None:
        m.f.limit_dual(m.f.first, limit)
        m.f.limit_dual(m.f.second, limit)
    return m


@pytest.fixture
def no_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every follower had too many bases to go through: limits are left to linear programs, and then to the user."""
    monkeypatch.setattr("bilevel.bounds.by_bases.MOST_BASES", 0)


def test_proving_limits_counts_as_time(no_bases: None) -> None:
    m = moving()
    m.x.setub(None)
    m.most = pyo.Constraint(expr=m.x <= 1)
    program = compile_model(m)
    kkt = optimality_conditions(program)
    with budget.until(time.monotonic() - 1.0, Quiet()), pytest.raises(budget.OutOfTimeError):
        by_linear_programs.prove(program, kkt)


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_no_time_at_all_is_an_answer(no_bases: None, solver: str) -> None:
    solution = bilevel.solve(moving(20), solver=solver, progress=False, time_limit=1e-6)
    assert solution.status == "unknown" and "time limit reached" in solution.reason
    assert not solution.certificate.ok


def interrupting(phase: str) -> Any:
    """A progress callback that presses Ctrl-C once, when this phase begins."""
    pressed = []

    def hear(event: ProgressEvent) -> None:
        if event.phase == phase and not pressed:
            pressed.append(event)
            os.kill(os.getpid(), signal.SIGINT)

    return hear


def test_ctrl_c_is_heard_by_a_later_search_and_leaves_it_unconfirmed(no_bases: None) -> None:
    plain = bilevel.solve(moving(20), "highs", "big_m", progress=False)
    assert plain.status == "conditional" and plain.certificate[ENLARGED].ok
    stopped = bilevel.solve(moving(20), "highs", "big_m", progress=interrupting("user bounds again"))
    assert stopped.status == "conditional" and not stopped.certificate[CONFIRMED].ok
    assert "no time to exclude" in stopped.reason


def test_no_search_leaves_the_progress_deaf() -> None:
    with Progress(False) as progress:
        program = compile_model(moving())
        budget = Budget(1e-4, time.monotonic() - 1.0, progress)
        search = Search(assemble(program), SOLVERS["highs"], find("big_m"), tangent, budget)
        search.state.finish()
        search.run()
        assert not progress.finishing
        progress.interrupted = True
        assert budget.over()
