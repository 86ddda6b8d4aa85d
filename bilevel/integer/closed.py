"""Points of the master that only closed sets have: an answer is just allowed there, and a limit is told to keep it away.

"The leader keeps the follower from this answer" is a strict inequality where its decisions are continuous, and the master has the
closed one.  Where the integers of such a point leave no room at any of the limits that they say are broken, no point of the program
has these integers, and some of them are ruled out together.
"""

import numpy as np

from bilevel import tolerances
from bilevel.integer.master import Cuts
from bilevel.program.rows import Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation
from bilevel.solvers.scaling.scaled import Scaled

MOST_TRIED = 40
"""Integers of which it is tried whether they are needed: with more of them the rule is weaker, and holds as well."""


def rule_out(cuts: Cuts, x: Vector) -> bool:
    """Rule out the integers of a master's point, as few together as do, if they leave no room; gives whether they do."""
    mip, margin = cuts.program(0.0), cuts.margin
    if margin is None:
        return False
    value = np.round(x)
    broken = [at for at in cuts.strict if value[at] == 1.0]
    # Decisions that are this near to a limit are none of a solver's
    enough = min((tolerances.STRICT * size / reach for size, reach in (cuts.strict[at] for at in broken)), default=0.0)
    whole = np.flatnonzero(mip.integer & (mip.lower < mip.upper))
    session = _session(mip, margin)

    def none(held: list[int]) -> bool:
        at = np.array(held, dtype=np.int64)
        session.set_column_bounds(whole, mip.lower[whole], mip.upper[whole])
        session.set_column_bounds(at, value[at], value[at])
        room = outer_approximation.converge(session, cuts.problem.program.cones.none(mip.columns))
        return room.x is not None and -room.objective <= enough

    held = next((some for some in (broken, whole.tolist()) if broken and none(some)), None)
    if held is None:
        return False
    for at in held[:MOST_TRIED]:
        fewer = [other for other in held if other != at]
        held = fewer if fewer and none(fewer) else held
    cuts.forbid({at: float(value[at]) for at in held})
    return True


def _session(mip: SolverProgram, margin: int) -> Scaled:
    """The master with the most room for its objective, its integers relaxed."""
    mip.cost[:] = 0.0
    mip.cost[margin], mip.lower[margin], mip.upper[margin] = -1.0, 0.0, 1.0
    mip.integer[:] = False
    return outer_approximation.opened(mip)
