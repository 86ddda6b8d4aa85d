"""Every registered solver session, through `Scaled`: changes in place and undone, honest statuses, licences, features."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from bilevel.errors import FeatureError, LicenceError, UnknownNameError
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows
from bilevel.program.solver_program import SolverProgram
from bilevel.progress import Progress
from bilevel.solvers import SOLVERS, Outcome, find, require
from bilevel.solvers.scaling.scaled import Scaled

INF = np.inf
QUIET = Progress(False)


def mip(
    cost: Any, lower: Any, upper: Any, integer: Any, matrix: Any, row_lower: Any, row_upper: Any,
    offset: float = 0.0, sos1: tuple[tuple[int, int], ...] = (), cones: Cones | None = None, scale: Any = None,
) -> SolverProgram:  # fmt: skip
    n = len(cost)
    rows = Rows(
        sp.csr_array(np.array(matrix, dtype=float).reshape(-1, n)),
        np.array(row_lower, dtype=float),
        np.array(row_upper, dtype=float),
    )
    return SolverProgram(
        np.array(cost, dtype=float), offset, np.array(lower, dtype=float), np.array(upper, dtype=float),
        np.array(integer), rows, cones or Cones.none(n), sos1, np.ones(n) if scale is None else np.array(scale),
    )  # fmt: skip


def knapsack(**changes: Any) -> SolverProgram:
    """min -5a -4b + 100, 6a + 4b <= 24, a + 2b <= 6, a integer: LP optimum -21 at (3, 1.5), MIP the same or worse."""
    parts: dict[str, Any] = {
        "cost": [-5, -4], "lower": [0, 0], "upper": [10, 10], "integer": [True, False], "matrix": [[6, 4], [1, 2]],
        "row_lower": [-INF, -INF], "row_upper": [24, 6], "offset": 100.0, "scale": [8.0, 0.25],
    }  # fmt: skip
    return mip(**{**parts, **changes})


def session(solver: str, program: SolverProgram) -> Scaled:
    opened = Scaled(SOLVERS[solver].open())
    opened.load(program)
    return opened


def solve(
    opened: Scaled, integer: bool = False, improving: bool = False, seconds: float = 30, gap: float = 1e-9
) -> Outcome:
    return opened.solve(integer, gap, seconds, improving, QUIET)


def value(opened: Scaled, integer: bool = False) -> float:
    outcome = solve(opened, integer)
    assert outcome.status == "optimal" and outcome.x is not None
    assert outcome.bound == pytest.approx(outcome.objective, rel=1e-6)
    return outcome.objective


@pytest.fixture(params=sorted(SOLVERS))
def solver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_changes_act_and_are_undone(solver: str) -> None:
    opened, program = session(solver, knapsack()), knapsack()
    first, second = np.array([0]), np.array([1])
    assert value(opened) == pytest.approx(79)
    opened.set_column_bounds(first, np.array([0.0]), np.array([2.0]))
    assert value(opened) == pytest.approx(100 - 10 - 8)
    opened.set_column_bounds(first, program.lower[first], program.upper[first])
    opened.set_row_bounds(second, np.array([-INF]), np.array([4.0]))
    assert value(opened) == pytest.approx(100 - 20)
    opened.set_row_bounds(second, np.array([5.0]), np.array([5.0]))
    assert value(opened) == pytest.approx(100 - 5 * 3.5 - 4 * 0.75)
    opened.set_row_bounds(second, program.rows.lower[second], program.rows.upper[second])
    opened.set_cost(np.array([1.0, 1.0]), -7.0)
    assert value(opened) == pytest.approx(-7)
    opened.set_cost(program.cost, program.offset)
    assert value(opened) == pytest.approx(79)
    opened.add_rows(Rows(sp.csr_array([[1.0, 0.0]]), np.array([-INF]), np.array([1.0])))
    assert value(opened) == pytest.approx(100 - 5 - 10)
    added = np.array([2])
    opened.set_row_bounds(added, np.array([-INF]), np.array([INF]))
    assert value(opened) == pytest.approx(79)


def test_integers_on_and_off(solver: str) -> None:
    opened = session(solver, knapsack(cost=[-7, -4]))
    relaxed = value(opened)
    assert relaxed == pytest.approx(100 - 28)
    opened.set_column_bounds(np.array([0]), np.array([0.0]), np.array([3.5]))
    assert value(opened) == pytest.approx(100 - 24.5 - 3)
    assert value(opened, integer=True) == pytest.approx(100 - 21 - 6)
    assert value(opened) == pytest.approx(100 - 24.5 - 3)
    opened.set_column_bounds(np.array([0]), np.array([0.0]), np.array([10.0]))
    assert value(opened, integer=True) == pytest.approx(relaxed)


def test_loading_forgets_the_program_before(solver: str) -> None:
    opened = session(solver, knapsack())
    opened.add_rows(Rows(sp.csr_array([[1.0, 0.0]]), np.array([-INF]), np.array([1.0])))
    assert value(opened, integer=True) == pytest.approx(85)
    opened.load(knapsack())
    assert value(opened) == pytest.approx(79)


def test_a_better_point_than_one_that_is_known_is_found_or_there_is_none(solver: str) -> None:
    for most, status in ((80.0, "optimal"), (78.9, "infeasible")):
        opened = session(solver, knapsack())
        opened.add_rows(
            Rows(sp.csr_array(knapsack().cost[None, :]), np.array([-INF]), np.array([most - knapsack().offset]))
        )
        outcome = solve(opened, True, improving=True)
        assert outcome.status == status and outcome.objective == pytest.approx(79 if status == "optimal" else INF)


@pytest.mark.parametrize("integer", [False, True])
def test_infeasible(solver: str, integer: bool) -> None:
    outcome = solve(session(solver, knapsack(row_lower=[-INF, 20])), integer)
    assert outcome.status == "infeasible" and outcome.x is None


def test_infeasible_only_by_integrality(solver: str) -> None:
    opened = session(solver, knapsack(lower=[0.2, 0], upper=[0.8, 10]))
    assert solve(opened).status == "optimal"
    assert solve(opened, True).status == "infeasible"


@pytest.mark.parametrize("integer", [False, True])
def test_unbounded_is_not_called_infeasible(solver: str, integer: bool) -> None:
    program = mip([-1, -1], [0, 0], [INF, INF], [False, True], [[1, -1]], [-1], [1])
    opened = session(solver, program)
    outcome = solve(opened, integer)
    assert outcome.status == "unbounded" and outcome.x is None and outcome.bound == -INF
    opened.set_column_bounds(np.array([0, 1]), np.zeros(2), np.full(2, 4.0))
    assert value(opened, integer) == pytest.approx(-8), "the question left the objective as it was"


@pytest.mark.parametrize("integer", [False, True])
def test_infeasible_is_not_called_unbounded(solver: str, integer: bool) -> None:
    """A ray of the objective in a program without any point."""
    program = mip(
        [-1, -1, 0], [0, 0, 0], [INF, INF, INF], [False, False, True], [[1, -1, 0], [0, 0, 1], [0, 0, 1]],
        [-1, 2, -INF], [1, INF, 1],
    )  # fmt: skip
    assert solve(session(solver, program), integer).status == "infeasible"


def market_split(rows: int = 5, columns: int = 38) -> SolverProgram:
    """Equal halves of random weights (Cornuejols and Dawande 1998): no solver proves its optimum in a second."""
    rng = np.random.default_rng(4)
    weights = rng.integers(0, 100, (rows, columns))
    slack = np.hstack([np.eye(rows), -np.eye(rows)])
    cost = np.concatenate([np.zeros(columns), np.ones(2 * rows)])
    upper = np.concatenate([np.ones(columns), np.full(2 * rows, 1e4)])
    half = weights.sum(axis=1) // 2
    return mip(
        cost, np.zeros(len(cost)), upper, [True] * columns + [False] * 2 * rows, np.hstack([weights, slack]), half, half
    )


def test_time_limit(solver: str) -> None:
    started = time.monotonic()
    outcome = solve(session(solver, market_split()), True, seconds=1.0)
    assert time.monotonic() - started < 8
    assert outcome.status == "time_limit"
    assert outcome.bound <= outcome.objective
    assert outcome.x is None or outcome.objective < INF


def test_time_limits_count_from_each_call(solver: str) -> None:
    opened = session(solver, knapsack())
    for _ in range(3):
        assert solve(opened, True, seconds=5.0).status == "optimal"


def test_a_watch_can_stop_a_run(solver: str) -> None:
    class Impatient:
        def __init__(self) -> None:
            self.until = time.monotonic() + 0.5

        def stop(self) -> bool:
            return time.monotonic() > self.until

        def report(self, bound: float, incumbent: float) -> None:
            assert bound <= incumbent + 1e-6

    started = time.monotonic()
    outcome = session(solver, market_split()).solve(True, 1e-9, 30, None, Impatient())
    assert outcome.status == "interrupted"
    assert time.monotonic() - started < 10


def test_sos1_pairs(solver: str) -> None:
    if "sos1" not in SOLVERS[solver].features:
        with pytest.raises(FeatureError, match="sos1"):
            require(SOLVERS[solver], frozenset({"sos1"}), "mode='sos1'")
        return
    opened = session(solver, knapsack(integer=[False, False], sos1=((0, 1),)))
    assert value(opened) == pytest.approx(79), "off without integrality"
    assert value(opened, integer=True) == pytest.approx(80)
    assert value(opened) == pytest.approx(79)


def test_cones(solver: str) -> None:
    if "cone" not in SOLVERS[solver].features:
        with pytest.raises(FeatureError, match="cone"):
            require(SOLVERS[solver], frozenset({"cone"}), "cones='exact'")
        return
    # min l over P^2 <= v l, P >= 3, v <= 2
    cones = Cones(
        sp.csr_array([[1.0, 0, 0]]), np.array([0]), sp.csr_array([[0.0, 1, 0]]), np.zeros(1),
        sp.csr_array([[0.0, 0, 1]]), np.zeros(1), np.array([4.0]), np.ones(1, bool), ("c",),
    )  # fmt: skip
    program = mip(
        [0, 0, 1], [3, 0.5, 0], [9, 2, INF], [False] * 3, [[1, 0, 0]], [3], [INF], cones=cones, scale=[4, 1, 4.0]
    )
    outcome = solve(session(solver, program))
    assert outcome.objective == pytest.approx(4.5, rel=1e-5)


def test_a_program_above_the_pip_licence_offers_highs() -> None:
    n = 2500
    program = mip(
        np.ones(n),
        np.zeros(n),
        np.ones(n),
        np.zeros(n, dtype=bool),
        sp.eye_array(n).toarray(),
        np.full(n, 0.5),
        np.ones(n),
    )
    try:
        outcome = solve(session("gurobi", program))
    except LicenceError as error:
        assert "2500 columns" in str(error) and "solver='highs'" in str(error)
    else:
        assert outcome.objective == pytest.approx(n / 2), "a full licence is installed here"


def test_missing_features_name_the_solvers_that_have_them() -> None:
    with pytest.raises(
        FeatureError, match=r"mode='sos1' needs sos1, which solver 'highs' .* use solver='scip' or 'gurobi'"
    ):
        require(SOLVERS["highs"], frozenset({"sos1"}), "mode='sos1'")
    require(SOLVERS["highs"], frozenset({"integer"}), "mode='big_m'")


def test_unknown_solver() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gurobi'"):
        find("gorubi")


def test_nodes_are_counted(solver: str) -> None:
    generator = np.random.default_rng(1)
    weights, n = generator.integers(0, 100, (3, 20)), 20
    worth = -generator.integers(1, 50, n).astype(float)
    opened = session(solver, mip(worth, [0] * n, [1] * n, [True] * n, weights, [-INF] * 3, weights.sum(axis=1) // 2))
    assert solve(opened).nodes == 0
    # Its relaxation is not integral, so that there is a root node at least, and enumeration has no more than these
    assert 1 <= solve(opened, integer=True).nodes <= 2 ** (n + 1)


def test_versions_are_numbers(solver: str) -> None:
    assert SOLVERS[solver].version()[0].isdigit()


@pytest.mark.parametrize("slope", [1e12, 2e16, 1e19])
def test_a_steep_row_is_kept(slope: float) -> None:
    """HiGHS leaves out rows with entries of 1e15 and more unless it is told otherwise: with y >= slope (x - 1), x <= 1."""
    opened = SOLVERS["highs"].open()
    opened.load(mip([-1, 0], [0, 0], [2, 0], [False, False], np.zeros((0, 2)), [], []))
    opened.add_rows(Rows(sp.csr_array([[-slope, 1.0]]), np.array([-slope]), np.array([INF])))
    outcome = opened.solve(False, 0.0, 10.0, False, QUIET)
    assert outcome.status == "optimal" and outcome.objective == pytest.approx(-1.0)
    assert outcome.row_dual is not None and len(outcome.row_dual) == 1


@pytest.mark.parametrize(("name", "slope"), [("highs", 1e31), ("scip", 1e20), ("scip", 1e31)])
@pytest.mark.parametrize("loaded", [True, False])
def test_rows_that_a_solver_does_not_take_are_no_answer_without_them(loaded: bool, name: str, slope: float) -> None:
    steep = Rows(sp.csr_array([[-slope, 1.0]]), np.array([-slope]), np.array([INF]))
    program = mip([-1, 0], [0, 0], [2, 0], [False, False], np.zeros((0, 2)), [], [])
    opened = SOLVERS[name].open()
    opened.load(program.with_rows(steep) if loaded else program)
    if not loaded:
        opened.add_rows(steep)
    assert opened.solve(False, 0.0, 10.0, False, QUIET).status == "numerical_error"
    opened.load(program)
    assert opened.solve(False, 0.0, 10.0, False, QUIET).objective == pytest.approx(-2.0)
