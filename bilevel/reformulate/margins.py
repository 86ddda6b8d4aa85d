"""What the margin of secure answers is for every column of a follower, and which columns it has a choice of."""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Mask, Vector


def column_margins(program: Program, margin: float | None) -> Vector:
    """The margin of a limit of each follower column, in cost over column, shape (columns,); 0 for the leader's."""
    stack, size = program.followers, program.size
    price = sp.coo_array(stack.price)
    leader, column = price.coords
    reach = program.upper - program.lower
    reach = tolerances.RESOLUTION * np.where(np.isfinite(reach), reach, program.size)
    found = np.zeros(program.columns)
    np.maximum.at(found, column, np.abs(price.data) * (reach[leader] if margin is None else margin))
    mine = stack.columns
    owner = stack.owner[mine]
    # Of a follower with prices, a column without one has the margin that moves its cost by as much
    worth = np.zeros(len(stack.names))
    np.maximum.at(worth, owner, (found * size)[mine])
    plain = tolerances.RESOLUTION * stack.cost_size(size)[owner] / size[mine]
    plain = plain if margin is None else np.full(len(mine), margin)
    other = np.where(worth[owner] > 0, worth[owner] / size[mine], plain)
    found[mine] = np.where(found[mine] > 0, found[mine], other)
    return found


def free_columns(program: Program) -> Mask:
    """Follower columns that their followers' rows and bounds leave a choice of, shape (columns,)."""
    stack = program.followers
    low, high = implied.limits(stack.rows, program.lower, program.upper)
    with np.errstate(invalid="ignore"):
        wide = high - low > tolerances.FIXED_FOLLOWER_ROOM * program.size
    return np.asarray((stack.owner >= 0) & ~(np.isfinite(low) & np.isfinite(high) & ~wide))
