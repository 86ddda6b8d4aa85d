"""Small convex programs beside the search: linear programs on HiGHS with tangents added until no cone is broken."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.cones import tangent
from bilevel.program import Cones, Mip
from bilevel.progress import Quiet
from bilevel.scaling import Scaled
from bilevel.solvers import SOLVERS, Outcome

_MAX_ROUNDS = 60
_MEETS = 1e-7
_WALL = 1e3


def opened(mip: Mip) -> Scaled:
    """A living session with this program, whose own cones must be empty."""
    session = Scaled(SOLVERS["highs"].open())
    session.load(mip)
    return session


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
        if outcome.objective >= attained - _MEETS * abs(attained):
            break
        rows = tangent.cuts(cones, outcome.x, tolerances.CONE_CUT)
        if not rows.count:
            break
        session.add_rows(rows)
        outcome = _solve(session)
    return outcome


def _solve(session: Scaled) -> Outcome:
    return session.solve(False, 0.0, tolerances.SIDE_SECONDS, None, Quiet())


def continuous(count: int) -> np.ndarray:
    """No integer columns."""
    return np.zeros(count, dtype=bool)
