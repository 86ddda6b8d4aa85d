"""Convex programs beside the search: linear programs on HiGHS with tangents added until no cone is broken.

Large ones are left to an interior-point method first, which starts from nothing as fast as a simplex goes on from a basis.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bilevel import budget, tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import tangent
from bilevel.solvers import SOLVERS, Outcome, clarabel
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus

MOST_ROUNDS = 200
STALLED = 5
"""Rounds in a row after which nothing more is hoped for: neither the value nor the worst cone moves."""
LARGE = 10_000
"""Columns from which an interior-point method is asked first."""


def opened(mip: SolverProgram) -> Scaled:
    """A living session with this program, whose own cones must be empty."""
    session = Scaled(SOLVERS["highs"].open())
    session.load(mip)
    return session


class Problem:
    """A program whose own cones are empty, over these cones, solved again and again with some columns held.

    `near` is a point where first tangents are laid.  A large problem is solved by an interior point, whose dual objective is then
    the outcome's, and by linear programs only where that fails.
    """

    def __init__(self, mip: SolverProgram, cones: Cones, near: Vector | None = None) -> None:
        self.mip, self.cones, self.near = mip, cones, near
        self.session: Scaled | None = None

    def hold(self, columns: Index, values: Vector) -> None:
        """Fix some columns."""
        lower, upper = self.mip.lower.copy(), self.mip.upper.copy()
        lower[columns] = upper[columns] = values
        self.mip = replace(self.mip, lower=lower, upper=upper)
        if self.session is not None:
            self.session.set_column_bounds(columns, values, values)

    def optimum(self, attained: float = np.inf) -> Outcome:
        """What `converge` gives."""
        if self.mip.columns >= LARGE:
            outcome = clarabel.solve(
                replace(self.mip, cones=self.cones), budget.seconds(), tolerances.OUTER_INTERIOR_POINT
            )
            # Where a point is known an interior point that finds none is wrong, and linear programs are asked
            if outcome.status == SolverStatus.INFEASIBLE and np.isinf(attained):
                return outcome
            if outcome.x is not None and np.isfinite(outcome.bound):
                # A lower bound is promised, and an interior point's own objective may be on either side
                return replace(outcome, objective=outcome.bound)
        if self.session is None:
            self.session = opened(self.mip)
            if self.near is not None:
                # Of all cones, broken there or not: near the optimum each would cost a round later
                self.session.add_rows(tangent.cuts(self.cones, self.near, -np.inf))
        return converge(self.session, self.cones, attained)


def converge(session: Scaled, cones: Cones, attained: float = np.inf) -> Outcome:
    """The optimum over the session's rows and these cones; `x` is None without one.

    Its objective is a lower bound of the minimum, as tangents hold everywhere; its point may break cones by `CONE_CUT`.  Where some
    point is known to have the objective `attained`, a bound that meets it ends the rounds.
    """

    def solve() -> Outcome:
        return walled(lambda: _solve(session), session.add_rows, cones)

    def enough(value: float) -> bool:
        return value >= attained - tolerances.BOUND_MEETS * abs(attained)

    return rounds(solve, session.add_rows, tangent.cuts, cones, enough)


def walled(
    solve: Callable[[], Outcome],
    add: Callable[[Rows], None],
    cones: Cones,
    sizes: tuple[float, ...] = (tolerances.FIRST_WALL,),
) -> Outcome:
    """What a program says, with first tangents of its cones (at these `sizes`, over theirs) where without any it has no end."""
    outcome = solve()
    for size in sizes:
        # Tangents are laid at points, and a program without end has none to give
        if outcome.status == SolverStatus.UNBOUNDED and cones.count:
            add(tangent.initial_tangents(cones, size))
            outcome = solve()
    return outcome


def rounds(
    solve: Callable[[], Outcome],
    add: Callable[[Rows], None],
    cuts: Callable[[Cones, Vector, float], Rows],
    cones: Cones,
    enough: Callable[[float], bool] = lambda _value: False,
    over: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Solve, cut off the point by tangents of the cones that it breaks, and again: Kelley's method on a living session.

    The value rises from round to round.  It ends with a point where no cone is broken by more than a solver sees, or where the
    value is `enough`; else without one, and the last value, which stays a lower bound, is the outcome's `bound`.
    """
    last, excess, before, stalled = Outcome(SolverStatus.TIME_LIMIT, None, np.inf, -np.inf), np.inf, None, 0
    for _ in range(MOST_ROUNDS):
        if over():
            return Outcome(SolverStatus.TIME_LIMIT, None, np.inf, last.value if last.x is not None else -np.inf)
        outcome = solve()
        if outcome.status != SolverStatus.OPTIMAL or outcome.x is None:
            # What earlier rounds have proven stays a bound
            return Outcome(outcome.status, None, np.inf, last.value if last.x is not None else -np.inf)
        risen = last.x is None or outcome.value > last.value + tolerances.AS_GOOD * abs(last.value)
        last = outcome
        if enough(outcome.value):
            return outcome
        rows = cuts(cones, outcome.x, tolerances.CONE_CUT)
        earlier, excess = excess, cones.excess(outcome.x)
        still, before = before is not None and np.array_equal(outcome.x, before), outcome.x
        stalled = 0 if risen or excess < (1.0 - tolerances.AS_GOOD) * earlier else stalled + 1
        # A tangent nearer than the solver keeps rows moves nothing
        if not rows.count or (earlier <= excess <= tolerances.TANGENT_UNSEEN):
            return outcome
        # The solver does not see its last tangents, so that more of them would move nothing
        if still or stalled >= STALLED:
            break
        add(rows)
    # Corners that take turns within the solver's tolerance are near enough; a point that breaks a cone is better than any true one
    if last.x is not None and cones.gaps(last.x).min(initial=0.0) < -tolerances.CONE_GAP:
        return Outcome(SolverStatus.TIME_LIMIT, None, np.inf, last.value)
    return last


def _solve(session: Scaled) -> Outcome:
    return session.solve(False, 0.0, budget.seconds(), False, budget.watch())


def continuous(count: int) -> np.ndarray:
    """No integer columns."""
    return np.zeros(count, dtype=bool)
