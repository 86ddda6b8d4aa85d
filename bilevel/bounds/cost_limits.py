"""No optimum of a follower costs more than a point that it always has: rows that limit columns without, or with loose, bounds.

Where one point y0 meets a follower's rows for every leader decision, every answer y has cost(x, y) <= cost(x, y0).  With the rates
c(x) in [lo, hi], the convex square at least 0, and y = low + z (or high - z) with z >= 0, this leaves the linear row

    sum lo z  <=  sum hi z0 + the square at y0        (rates counted along z),

which holds at every bilevel feasible point (model page section 4, "Every big-M").
"""

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.bounds.dual_bounds import interval
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, coo, no_rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import part
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus


def cost_rows(program: Program, rates: tuple[Vector, Vector], followers: Index) -> Rows:
    """One row for each of these followers that has such a point and sees no price of unknown sign on a free column.

    `rates` are the least and largest coefficient of every column in its follower's linear cost.
    """
    parts = [_row(program, rates, int(follower)) for follower in followers]
    found = [part for part in parts if part is not None]
    return stack_rows(found) if found else no_rows(program.columns)


def _row(program: Program, rates: tuple[Vector, Vector], follower: int) -> Rows | None:
    stack = program.followers
    mine = np.flatnonzero(stack.owner == follower)
    low, high = rates[0][mine], rates[1][mine]
    up = np.isfinite(program.lower[mine])
    sign = np.where(up | ~np.isfinite(program.upper[mine]), 1.0, -1.0)
    free = ~np.isfinite(program.lower[mine]) & ~np.isfinite(program.upper[mine])
    if not np.isfinite(low).all() or not np.isfinite(high).all() or (free & (low != high)).any():
        return None
    least, most = np.where(sign > 0, low, -high), np.where(sign > 0, high, -low)
    origin = np.where(free, 0.0, np.where(sign > 0, program.lower[mine], program.upper[mine]))
    y = robust_point(program, follower, sign * most)
    if y is None:
        return None
    z = sign * (y - origin)
    square = float(y @ stack.quadratic[mine][:, mine] @ y) / 2
    terms = most * z
    # What the origin costs stands on both sides and falls out; the last term only turns z back into y
    limit = float(terms.sum()) + square + float(np.sum(sign * least * origin))
    limit += tolerances.COST_LIMIT_ROOM * (
        float(np.abs(terms).sum()) + abs(square) + float(np.abs(least * origin).sum())
    )
    row = coo(
        [(0, int(at), float(value)) for at, value in zip(mine, sign * least, strict=True) if value],
        (1, program.columns),
    )
    return Rows(row, np.array([-np.inf]), np.array([limit]), (f"cost of {stack.names[follower]}",))


def robust_point(program: Program, follower: int, cost: Vector) -> Vector | None:
    """The cheapest point of a follower that meets its rows whatever the leader does within its bounds; None without one."""
    stack = program.followers
    mine, every = np.flatnonzero(stack.owner == follower), np.flatnonzero(stack.row_owner == follower)
    matrix = sp.csr_array(stack.rows.matrix[every])
    leader = (stack.owner[matrix.indices] < 0) & (matrix.data != 0)
    low, high = interval(part(matrix, leader), program.lower, program.upper)
    # A row without a limit asks nothing, however far the leader goes
    lower, upper = stack.rows.lower[every], stack.rows.upper[every]
    with np.errstate(invalid="ignore"):
        lower = np.where(np.isfinite(lower), lower - low, -np.inf)
        upper = np.where(np.isfinite(upper), upper - high, np.inf)
    if (lower > upper).any() or np.isposinf(lower).any() or np.isneginf(upper).any():
        return None
    rows = Rows(sp.csr_array(matrix[:, mine]), lower, upper)
    n = len(mine)
    session = Scaled(SOLVERS["highs"].open())
    whole = np.zeros(n, dtype=bool)
    session.load(
        SolverProgram(
            cost, 0.0, program.lower[mine], program.upper[mine], whole, rows, Cones.none(n), (), program.size[mine]
        )
    )
    outcome = session.solve(False, 0.0, budget.seconds(), False, budget.watch())
    return outcome.x if outcome.status == SolverStatus.OPTIMAL else None
