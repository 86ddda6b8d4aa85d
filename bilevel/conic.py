"""Convex programs with quadratic rows by Clarabel's interior point: no tangents, no corners, and objectives near zero.

Source: P. J. Goulart, Y. Chen, Clarabel: an interior-point solver for conic programs with quadratic objectives, 2024,
arXiv 2405.12762.
"""

import clarabel
import numpy as np
import scipy.sparse as sp

from bilevel.program import Mip, Vector
from bilevel.solvers import Outcome

name = "clarabel"

_TOLERANCE = 1e-10
_SOLVED = (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)
_STATUS = {
    clarabel.SolverStatus.PrimalInfeasible: "infeasible",
    clarabel.SolverStatus.DualInfeasible: "unbounded",
    clarabel.SolverStatus.MaxTime: "limit",
}


def solve(mip: Mip, seconds: float) -> Outcome:
    """The optimum of the program, its integrality and products aside, with the dual objective as bound.

    Columns are scaled by their sizes, rows by their largest entry.
    """
    matrix, b, cones, linear = _rows(mip)
    size = mip.scale
    scaled = sp.csr_array(matrix @ sp.diags_array(size))
    largest = np.maximum(np.asarray(abs(scaled).max(axis=1).todense()).ravel(), 1e-12)
    largest[linear:] = 1.0
    a, b = sp.csc_matrix(sp.diags_array(1.0 / largest) @ scaled), b / largest
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = min(seconds, 1e9)
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
    cost = mip.cost * size
    weight = float(np.abs(cost).max(initial=0.0)) or 1.0
    n = mip.columns
    found = clarabel.DefaultSolver(sp.csc_matrix((n, n)), cost / weight, a, b, cones, settings).solve()
    if found.status not in _SOLVED:
        return Outcome(_STATUS.get(found.status, "failed"), None, np.inf, -np.inf)
    x = np.clip(np.array(found.x) * size, mip.lower, mip.upper)
    bound = weight * float(found.obj_val_dual) + mip.offset
    return Outcome("optimal", x, float(mip.cost @ x) + mip.offset, bound)


def _rows(mip: Mip) -> tuple[sp.csr_array, Vector, list[object], int]:
    """a x + s == b with s in the cones: equalities, limits of rows and columns, then |(2 S x, u - w)| <= u + w.

    The last number is how many rows come before those of cones, whose rows belong together.
    """
    n, q = mip.columns, mip.cones
    matrix = sp.csr_array(sp.vstack([mip.rows.matrix, sp.eye_array(n)], format="csr"))
    lower, upper = np.concatenate([mip.rows.lower, mip.lower]), np.concatenate([mip.rows.upper, mip.upper])
    equal = np.flatnonzero(lower == upper)
    low = np.flatnonzero(np.isfinite(lower) & (lower != upper))
    high = np.flatnonzero(np.isfinite(upper) & (lower != upper))
    parts, right = [matrix[equal], -matrix[low], matrix[high]], [upper[equal], -lower[low], upper[high]]
    cones: list[object] = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(len(low) + len(high))]
    order = np.argsort(q.owner, kind="stable")
    count = np.bincount(q.owner, minlength=q.count)
    # Rows of cone k: u + w, u - w, then its squares
    stacked = sp.csr_array(sp.vstack([q.u + q.w, q.u - q.w, 2.0 * q.squares[order]], format="csr"))
    constant = np.concatenate([q.u0 + q.w0, q.u0 - q.w0, np.zeros(len(order))])
    start = np.concatenate([[0], np.cumsum(count)])
    place = np.concatenate(
        [np.r_[k, q.count + k, 2 * q.count + np.arange(start[k], start[k + 1])] for k in range(q.count)] or [[]]
    ).astype(np.int64)
    parts.append(-stacked[place])
    right.append(constant[place])
    cones += [clarabel.SecondOrderConeT(2 + int(size)) for size in count]
    linear = len(equal) + len(low) + len(high)
    return sp.csr_array(sp.vstack(parts, format="csr")), np.concatenate(right), cones, linear
