"""Strong duality as linear rows: what a follower pays is its dual objective, and a product is at least its envelope.

Without complementarity a relaxation pairs prices of one answer with the schedule of another.  At every bilevel point, though,

    sum C x y = dual objective - c'y - y'Qy <= dual objective - c'y,

and each product x y lies above both of its McCormick planes (below both where C < 0), over the bounds of x and y.  With a column
for each product this is linear, and holds at every bilevel point (model page section 4, "Revenue").
"""

import numpy as np
import scipy.sparse as sp

from bilevel.errors import ModelError
from bilevel.program.rows import Index, Rows, Vector, coo, stack_rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate import revenue
from bilevel.reformulate.single_level import Reformulation

name = "envelopes"
about = "what a follower pays is at most its dual objective, with envelopes of price times quantity in its place"


def add(form: Reformulation, mip: SolverProgram) -> SolverProgram:
    """Append columns and rows for the followers whose revenue the leader counts; none where bounds or linearity are missing."""
    price = sp.coo_array(form.program.followers.price)
    x, y = (part.astype(np.int64) for part in price.coords)
    owner = form.program.followers.owner[y]
    kept = np.isin(owner, followers(form)) & (price.data != 0)
    x, y, owner, value = x[kept], y[kept], owner[kept], price.data[kept]
    at = mip.columns + np.arange(len(x))
    if not len(x):
        return mip
    low, high, rows = _planes(form, at, x, y, value)
    mip = mip.with_columns(low, high, form.program.size[x] * form.program.size[y])
    paying = np.unique(owner)
    paid = coo([*zip(np.searchsorted(paying, owner), at, value, strict=True)], (len(paying), mip.columns))
    dual = revenue.bills(form.program, form.kkt)[paying]
    # At most, as y'Qy is left out; planes that hold products from below are enough for that
    duality = Rows(
        sp.csr_array(paid - widen(sp.csr_array(dual), mip.columns)),
        np.full(len(paying), -np.inf),
        np.zeros(len(paying)),
        tuple(f"strong duality of {form.program.followers.names[k]}" for k in paying),
    )
    return mip.with_rows(stack_rows([rows.widened(mip.columns), duality]))


def followers(form: Reformulation) -> Index:
    """Followers whose products the leader counts, with bounds on all their price terms, and no leader variable in their rows."""
    program = form.program
    stack = program.followers
    counted = np.setdiff1d(np.unique(stack.owner[program.bilinear.follower]), [-1])
    price = sp.coo_array(stack.price)
    finite = np.isfinite(program.lower) & np.isfinite(program.upper)
    bad = ~(finite[price.coords[0]] & finite[price.coords[1]])
    counted = np.setdiff1d(counted, stack.owner[price.coords[1][bad]])
    return np.array([k for k in counted.tolist() if not stack.conic[k] and _own_rows(form, k)], dtype=np.int64)


def _own_rows(form: Reformulation, follower: int) -> bool:
    try:
        revenue.refuse_leader_in_rows(form.program, form.kkt, follower)
    except ModelError:
        return False
    return True


def _planes(form: Reformulation, at: Index, x: Index, y: Index, value: Vector) -> tuple[Vector, Vector, Rows]:
    """Bounds of the products, and the two McCormick planes on the side that counts: sign * product >= sign * plane."""
    program, count = form.program, len(at)
    sign = np.sign(value)
    xl, xh, yl, yh = program.lower[x], program.upper[x], program.lower[y], program.upper[y]
    corners = np.stack([xl * yl, xl * yh, xh * yl, xh * yh])
    # Slopes over y and x, and the constant, of the planes through two edges: convex sides for C > 0, concave ones else
    first = np.where(sign > 0, xl, xh), yl, np.where(sign > 0, xl, xh) * yl
    second = np.where(sign > 0, xh, xl), yh, np.where(sign > 0, xh, xl) * yh
    row = np.arange(count)
    # The other two planes hold products on the side to which nothing pulls them
    matrices, limits = [], []
    for over_y, over_x, constant in (first, second):
        data = np.concatenate([sign, -sign * over_y, -sign * over_x])
        places = np.tile(row, 3), np.concatenate([at, y, x])
        matrices.append(sp.csr_array((data, places), shape=(count, int(at[-1]) + 1)))
        limits.append(-sign * constant)
    rows = Rows(
        sp.csr_array(sp.vstack(matrices, format="csr")),
        np.concatenate(limits),
        np.full(2 * count, np.inf),
        ("",) * (2 * count),
    )
    return corners.min(axis=0), corners.max(axis=0), rows
