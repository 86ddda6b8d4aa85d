"""Leader products that have no linear form: kept as rows for a nonconvex solver, and as tangents where a point is made precise."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.bilevel_program import Bilinear
from bilevel.program.products import Products, stack_products
from bilevel.program.rows import Index, Rows, Vector, coo, stack_rows
from bilevel.program.solver_program import SolverProgram


def keep(mip: SolverProgram, left: Bilinear) -> SolverProgram:
    """Add the products to the rows they stand in (leader rows come first), and those of the objective by a new column >= them."""
    if (left.row < 0).any():
        mip = mip.with_columns(np.array([-np.inf]), np.array([np.inf]), np.array([_size(mip, left)]))
        cost = mip.cost.copy()
        cost[-1] = 1.0
        mip = replace(mip, cost=cost)
    n = mip.columns
    lower, upper = mip.rows.lower.copy(), mip.rows.upper.copy()
    for row in np.unique(left.row).tolist():
        mine = left.row == row
        if row < 0:
            linear, limits = coo([(0, n - 1, -1.0)], (1, n)), [(1.0, 0.0)]
        else:
            linear = sp.csr_array(mip.rows.matrix[[row]])
            # Product rows have upper limits alone, so a lower one is turned round
            sides = ((1.0, upper[row]), (-1.0, lower[row]))
            limits = [(side, side * limit) for side, limit in sides if np.isfinite(limit)]
            # The product rows take the limits over; the linear row stays, as layouts count on its place
            lower[row], upper[row] = -np.inf, np.inf
        for side, limit in limits:
            rows = Rows(sp.csr_array(side * linear), np.array([-np.inf]), np.array([limit]))
            place = np.zeros(int(mine.sum()), dtype=np.int64)
            added = Products(place, left.leader[mine], left.follower[mine], side * left.coefficient[mine], rows)
            mip = replace(mip, products=stack_products(mip.products, added))
    return replace(mip, rows=replace(mip.rows, lower=lower, upper=upper))


def near(mip: SolverProgram, point: Vector) -> SolverProgram:
    """The program with its products replaced by their tangents at `point`, and their columns held within 1e-5 of it.

    A solver's point is off by its tolerances, so holding it exactly would leave nothing feasible; inside the box a tangent is off
    by at most the square of its size.  The leader's integer columns are rounded.
    """
    products = mip.products
    if products is None:
        return mip
    n = mip.columns
    columns = np.unique(np.concatenate([products.first, products.second]))
    mip = hold(mip, point, columns, tolerances.PRODUCT_BOX)
    # Within the box that was just made, where whole numbers are rounded already
    at = np.clip(point[:n], mip.lower, mip.upper)
    return replace(mip, products=None, rows=stack_rows([mip.rows, products.tangents(at)]))


def hold(mip: SolverProgram, point: Vector, columns: Index, box: float) -> SolverProgram:
    """The program with these columns held within `box` of their scale around `point`, integer ones at the nearest integer."""
    at = np.clip(np.where(mip.integer, np.round(point[: mip.columns]), point[: mip.columns]), mip.lower, mip.upper)
    width = np.where(mip.integer, 0.0, box * mip.scale)[columns]
    lower, upper = mip.lower.copy(), mip.upper.copy()
    lower[columns] = np.maximum(lower[columns], at[columns] - width)
    upper[columns] = np.minimum(upper[columns], at[columns] + width)
    return replace(mip, lower=lower, upper=upper)


def _size(mip: SolverProgram, left: Bilinear) -> float:
    mine = left.row < 0
    terms = np.abs(left.coefficient * mip.scale[left.leader] * mip.scale[left.follower])[mine]
    return max(float(terms.max(initial=0.0)), tolerances.LEAST_TERM)
