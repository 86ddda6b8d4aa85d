"""Convex programs beside the search: linear programs on HiGHS with tangents added until no cone is broken.

Large ones are left to an interior-point method first, which starts from nothing as fast as a simplex goes on from a basis.
"""

from dataclasses import replace

import numpy as np

from bilevel import budget, tolerances
from bilevel.program.rows import Cones, Index, Mip, Vector
from bilevel.relax import tangent
from bilevel.solvers import SOLVERS, Outcome, clarabel
from bilevel.solvers.scaled import Scaled

_MAX_ROUNDS = 60
_WALL = 1e3
LARGE = 10_000
"""Columns from which an interior-point method is asked first."""


def opened(mip: Mip) -> Scaled:
    """A living session with this program, whose own cones must be empty."""
    session = Scaled(SOLVERS["highs"].open())
    session.load(mip)
    return session


class Problem:
    """A program whose own cones are empty, over these cones, solved again and again with some columns held.

    `near` is a point where first tangents are laid.  A large problem is solved by an interior point, whose dual objective is then
    the outcome's, and by linear programs only where that fails.
    """

    def __init__(self, mip: Mip, cones: Cones, near: Vector | None = None) -> None:
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
            if outcome.status == "infeasible" and np.isinf(attained):
                return outcome
            if outcome.x is not None and np.isfinite(outcome.bound):
                return replace(outcome, objective=outcome.bound)
        if self.session is None:
            self.session = opened(self.mip)
            if self.near is not None:
                self.session.add_rows(tangent.cuts(self.cones, self.near, -np.inf))
        return converge(self.session, self.cones, attained)


def converge(session: Scaled, cones: Cones, attained: float = np.inf) -> Outcome:
    """The optimum over the session's rows and these cones; `x` is None without one.

    Its objective is a lower bound of the minimum, as tangents hold everywhere; its point may break cones by `CONE_CUT`.  Where some
    point is known to have the objective `attained`, a bound that meets it ends the rounds.
    """
    outcome = _solve(session)
    if outcome.status == "unbounded" and cones.count:
        session.add_rows(tangent.walls(cones, _WALL))
        outcome = _solve(session)
    for _ in range(_MAX_ROUNDS):
        if outcome.status != "optimal" or outcome.x is None:
            return replace(outcome, x=None)
        if outcome.objective >= attained - tolerances.BOUND_MEETS * abs(attained):
            break
        rows = tangent.cuts(cones, outcome.x, tolerances.CONE_CUT)
        if not rows.count:
            break
        session.add_rows(rows)
        outcome = _solve(session)
    return outcome


def _solve(session: Scaled) -> Outcome:
    return session.solve(False, 0.0, budget.seconds(), False, budget.watch())


def continuous(count: int) -> np.ndarray:
    """No integer columns."""
    return np.zeros(count, dtype=bool)
