"""Whether a bound is attained, where followers see continuous decisions: an answer may be ruled out next to a decision only.

The master has closed sets where the program has open ones: "the leader keeps the follower from this answer" is a strict inequality.
If all points of the master that are as good as its bound sit at the end of such a set, no decision attains the bound.
"""

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.integer.draft import Draft
from bilevel.integer.master import Cuts
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus

NO_ROOM = tolerances.NOTHING
"""Room of a limit's range that is none, in a solver's digits."""


def room(cuts: Cuts, bound: float, size: float, allowed: Budget) -> float:
    """The most room, as a share of their range, that limits leave at the bound; infinite where it is not known.

    Quadratic rows of the leader are left out, which only makes it more.
    """
    mip = cuts.program(0.0)
    draft = Draft(mip.columns)
    most = bound + tolerances.AS_GOOD * size
    draft.row(
        {int(at): float(mip.cost[at]) for at in np.flatnonzero(mip.cost)},
        -np.inf,
        most - mip.offset,
        "as good as the bound",
    )
    mip = draft.on(mip)
    mip.cost[:] = 0.0
    if cuts.margin is None:
        return np.inf
    mip.cost[cuts.margin], mip.lower[cuts.margin], mip.upper[cuts.margin] = -1.0, 0.0, 1.0
    session = Scaled(SOLVERS["highs"].open(), allowed.scaling)
    session.load(mip)
    outcome = session.solve(True, 0.0, allowed.seconds, False, allowed.progress)
    return -outcome.bound if outcome.status == SolverStatus.OPTIMAL else np.inf
