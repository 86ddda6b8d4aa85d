"""The default solver's living linear programs: rays of contradictions, and bases that it goes on from."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Quiet
from bilevel.solvers import highs
from bilevel.solvers.scaling.checked import Checked
from bilevel.status import SolverStatus

INF = np.inf


def program(
    cost: np.ndarray, matrix: np.ndarray, low: np.ndarray, bounds: tuple[np.ndarray, np.ndarray]
) -> SolverProgram:
    n = len(cost)
    rows = Rows(sp.csr_array(matrix), low, np.full(len(low), INF))
    return SolverProgram(cost, 0.0, *bounds, np.zeros(n, dtype=bool), rows, Cones.none(n), (), np.ones(n))


def contradiction(seed: int) -> SolverProgram:
    """Rows A x >= b with y >= 0, y'A = 0 and y'b = y_m > 0; every other column is free, as a multiplier of an equality is."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(10, 30)), int(rng.integers(10, 30))
    matrix = np.round(rng.normal(size=(m, n)), 3) * (rng.random((m, n)) < 0.7)
    y = np.round(rng.random(m), 2) + 0.1
    matrix[-1] = -(y[:-1] @ matrix[:-1]) / y[-1]
    cost = matrix.T @ rng.random(m)
    low = matrix @ rng.normal(size=n)
    low[-1] += 1.0
    return program(cost, matrix, low, (np.where(np.arange(n) % 2, -INF, 0.0), np.full(n, INF)))


def solve(session: highs._Highs) -> highs.Outcome:
    return session.solve(False, 0.0, 10.0, False, Quiet())


def looked_at(mip: SolverProgram) -> highs.Outcome:
    """What stands in the end, after the looks that an answer is given."""
    checked = Checked(highs.open())
    checked.load(mip)
    return checked.solve(False, 0.0, 10.0, False, Quiet())


@pytest.mark.parametrize("presolve", ["off", "choose"])
def test_a_contradiction_comes_with_factors_that_prove_it(presolve: str) -> None:
    """Of 400 programs some dozen made the dual simplex give up, as rounding on a free column was no proof to it."""
    for seed in range(1000, 1400):
        mip = contradiction(seed)
        session = highs.open()
        session.highs.setOptionValue("presolve", presolve)
        session.load(mip)
        found = solve(session)
        assert found.status == SolverStatus.INFEASIBLE, seed
        if found.ray is None:
            # What presolve found has none: the word of a second, coarser look counts
            assert presolve == "choose", seed
            assert looked_at(mip).status == SolverStatus.INFEASIBLE, seed
            continue
        ray = np.maximum(found.ray, 0.0)
        rate = mip.rows.matrix.T @ ray
        # rate x >= ray low > 0 for every point of the rows, and no column may go where that is
        assert ray @ mip.rows.lower > 1e-6 * np.abs(ray).sum(), seed
        assert np.abs(rate[1::2]).max(initial=0.0) < 1e-6 * np.abs(ray).sum(), seed
        assert rate[::2].max(initial=-INF) < 1e-6 * np.abs(ray).sum(), seed


def box(n: int = 6) -> SolverProgram:
    """min -sum x over x_i + x_(i+1) <= 1.5, written from below, and 0 <= x <= 1: -4.5, as pairs share 1.5."""
    matrix = -(np.eye(n - 1, n) + np.eye(n - 1, n, k=1))
    return program(-np.ones(n), matrix, np.full(n - 1, -1.5), (np.zeros(n), np.ones(n)))


def test_a_basis_starts_the_next_program_where_another_ended() -> None:
    session = highs.open()
    session.load(box())
    assert session.basis() is None
    first = solve(session)
    assert first.objective == pytest.approx(-4.5)
    kept = session.basis()
    assert kept is not None
    session.set_column_bounds(np.array([0, 1]), np.zeros(2), np.zeros(2))
    assert solve(session).objective == pytest.approx(-3.0)
    session.set_column_bounds(np.array([0, 1]), np.zeros(2), np.ones(2))
    session.go_on_from(kept)
    again = solve(session)
    assert again.objective == pytest.approx(-4.5)
    assert session.highs.getInfo().simplex_iteration_count == 0


def test_rows_that_came_since_are_slack_in_an_earlier_basis_and_deleted_ones_make_it_useless() -> None:
    session = highs.open()
    session.load(box())
    solve(session)
    kept = session.basis()
    assert kept is not None
    more = Rows(sp.csr_array(-np.ones((1, 6))), np.array([-4.0]), np.array([INF]))
    session.add_rows(more)
    session.go_on_from(kept)
    assert solve(session).objective == pytest.approx(-4.0)
    longer = session.basis()
    assert longer is not None
    session.delete_rows(np.array([5]))
    session.go_on_from(longer)
    assert solve(session).objective == pytest.approx(-4.5)


def test_a_program_without_a_point_leaves_the_next_one_a_basis() -> None:
    """Presolve finds the contradiction, and drops the basis; the session goes on from that of the last optimum."""
    session = highs.open()
    session.load(box())
    solve(session)
    session.set_column_bounds(np.array([0, 1]), np.ones(2), np.ones(2))
    session.highs.clearSolver()
    assert solve(session).status == SolverStatus.INFEASIBLE
    session.highs.clearSolver()
    session.set_column_bounds(np.array([0, 1]), np.zeros(2), np.ones(2))
    assert solve(session).objective == pytest.approx(-4.5)
    assert session.highs.getInfo().simplex_iteration_count == 0


def test_a_large_program_is_begun_by_an_interior_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimum is a vertex with a basis all the same, from which the next program goes on, and the next one is a simplex's."""
    rng = np.random.default_rng(3)
    matrix, inside = rng.uniform(-1, 1, (20, 30)), rng.uniform(0, 1, 30)
    limit, cost = matrix @ inside + rng.uniform(0, 1, 20), rng.uniform(-1, 1, 30)
    known = linprog(cost, A_ub=matrix, b_ub=limit, bounds=(0, 2))
    assert known.status == 0
    monkeypatch.setattr(highs, "_INTERIOR_COLUMNS", 30)
    session = highs._Highs()
    session.load(program(cost, -matrix, -limit, (np.zeros(30), np.full(30, 2.0))))
    for solver in ("ipm", "choose"):
        outcome = solve(session)
        assert (outcome.status, session.highs.getOptionValue("solver")[1]) == ("optimal", solver)
        assert outcome.value == pytest.approx(known.fun, abs=1e-8)
        assert session.highs.getBasis().valid
