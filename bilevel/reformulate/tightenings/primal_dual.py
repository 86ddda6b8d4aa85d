"""The primal-dual inequality of linear followers in whose limits the leader stands (model page section 4, "Stronger roots").

At a follower's optimum each multiplier times its slack is 0.  With the slack written as a'y + h(x) + r, and stationarity, the sum
of all of them is c'y + sum mu (h(x) + r) - sum lam value = 0.  As mu >= 0 and h(x) is at least its least value h_min over what all
points meet,

    c'y + sum mu (h_min + r) - sum lam value <= 0

is linear and holds at every bilevel point (Kleinert, Labbe, Plein and Schmidt 2021, Optimization Letters 15,
doi 10.1007/s11590-020-01660-6).
"""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.bounds.dual_bounds import interval, true_rows
from bilevel.bounds.polyhedron import Polyhedron
from bilevel.program import implied
from bilevel.program.rows import Index, Rows, Vector, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude, part
from bilevel.reformulate import revenue
from bilevel.reformulate.single_level import Reformulation

name = "primal_dual"
about = "what a linear follower pays is at most its dual objective with the leader's part of every limit at its least"

MOST_PROGRAMS = 500
"""Limits whose leader's part gets its least value by a linear program; of more, what bounds imply has to do."""


def add(form: Reformulation, mip: SolverProgram) -> SolverProgram:
    """Append one row for every follower that has the inequality."""
    who = _followers(form)
    if not len(who):
        return mip
    pairs = form.kkt.pairs
    mine = np.flatnonzero(np.isin(pairs.owner, who))
    least = _least(form, mine)
    # A multiplier that is always zero needs no least value, any other one does
    idle = form.bounds.mu_upper[mine] == 0
    lost = pairs.owner[mine[~np.isfinite(least) & ~idle]]
    who = np.setdiff1d(who, lost)
    kept = np.isin(pairs.owner[mine], who) & ~idle & (least != 0)
    dual = revenue.dual_objectives(form.program, form.kkt)[who]
    shift = sp.csr_array(
        (least[kept], (np.searchsorted(who, pairs.owner[mine[kept]]), pairs.dual[mine[kept]])), shape=dual.shape
    )
    names = tuple(f"primal-dual inequality of {form.program.followers.names[k]}" for k in who)
    rows = Rows(widen(sp.csr_array(dual - shift), mip.columns), np.zeros(len(who)), np.full(len(who), np.inf), names)
    return mip.with_rows(rows)


def _followers(form: Reformulation) -> Index:
    """Linear followers that see no price, with the leader in some limit and in no equality."""
    stack, kkt = form.program.followers, form.kkt
    leader = stack.owner < 0
    in_limits = _touched(kkt.pairs.slack_matrix, kkt.pairs.owner, leader)
    in_equalities = _touched(kkt.equal_matrix, kkt.equal_owner, leader)
    curved = stack.owner[np.unique(stack.quadratic.indices[stack.quadratic.data != 0])]
    priced = stack.owner[np.unique(stack.price.indices[stack.price.data != 0])]
    out = np.concatenate([in_equalities, curved, priced, np.flatnonzero(stack.conic)])
    return np.setdiff1d(in_limits, out).astype(np.int64)


def _touched(matrix: sp.csr_array, owner: Index, columns: np.ndarray) -> Index:
    """Owners of rows that have an entry in these columns."""
    own = sp.csr_array(part(matrix, columns[matrix.indices] & (matrix.data != 0)))
    return np.unique(owner[np.diff(own.indptr) > 0])


def _least(form: Reformulation, pairs: Index) -> Vector:
    """Least value of the leader's part of each of these slacks; -inf where there is none, or one far beyond its size."""
    program = form.program
    matrix = sp.csr_array(form.kkt.pairs.slack_matrix[pairs])
    leader = sp.csr_array(part(matrix, (program.followers.owner < 0)[matrix.indices]))
    rows = true_rows(program)
    lower, upper = implied.tightened(rows, program.lower, program.upper)
    least = interval(leader, lower, upper)[0]
    asked = np.flatnonzero(np.diff(leader.indptr) > 0)
    if len(asked) <= MOST_PROGRAMS:
        space = Polyhedron.of(rows, lower, upper, program.scale)
        for at in asked.tolist():
            least[at] = max(least[at], -space.largest(-leader[[at]].toarray().ravel()))
    # Beside numbers of the follower's own size such a row says nothing, and costs digits
    far = least < -tolerances.BOUND_LOOSE * (
        magnitude(leader, program.size) + np.abs(form.kkt.pairs.slack_constant[pairs])
    )
    return np.where(far & (np.diff(leader.indptr) > 0), -np.inf, least)
