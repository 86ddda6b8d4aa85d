"""The leader's state at given decisions, with cones tight: what an interior point leaves loose where the objective does not care.

Prices, followers and duals stay as they are.  Over what is left of the leader's columns, which is the network's state, the
factors w of the cones that relax equalities are made small together with the objective.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.sparse import largest, magnitude, scaled, stacked
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import clarabel

_STEPS = 3
"""Newton steps at most: a point that an interior point leaves needs one."""


def tight_state(form: Reformulation, x: Vector, seconds: float) -> Vector | None:
    """The point (columns of the reformulation) with the state of least w, nearly tight cones made so; None without one.

    Whether its objective is as good as that of `x`, and all rows hold, is for the caller to look at.
    """
    mip, state = form.mip, _state(form)
    lower, upper = x.copy(), x.copy()
    lower[state], upper[state] = mip.lower[state], mip.upper[state]
    touched = np.zeros(mip.columns, dtype=bool)
    touched[state] = True
    # All else is held, so that rows without a column of the state stay as they are
    rows = np.flatnonzero(magnitude(mip.rows.matrix, touched) > 0)
    cones = mip.cones.take(_cones(form, touched))
    if not cones.count:
        return None
    # Other cones are inequalities, which may be slack
    small = (cones.relaxes_equality / np.maximum(cones.w_scale, tolerances.LEAST_SIZE)) @ cones.w
    own = np.where(touched, mip.cost, 0.0)
    # Both parts get largest terms of one size, so that neither is lost in the other's digits
    weight = float(np.abs(small * mip.scale).max(initial=0.0)) / (
        float(np.abs(own * mip.scale).max(initial=0.0)) or 1.0
    )
    part = Rows(sp.csr_array(mip.rows.matrix[rows]), mip.rows.lower[rows], mip.rows.upper[rows])
    outcome = clarabel.solve(
        replace(mip, cost=small + weight * own, lower=lower, upper=upper, rows=part, cones=cones), seconds
    )
    return None if outcome.x is None else _corrected(form, part, cones, state, cones.snapped(outcome.x))


def _corrected(form: Reformulation, rows: Rows, cones: Cones, columns: Index, x: Vector) -> Vector:
    """x with equalities and tight cones met to all digits: Newton steps, each the least one over the columns' sizes.

    An interior point is as near as its tolerance over the columns' sizes, of which a branch near the end of a feeder carries a
    thousandth.
    """
    equal = np.flatnonzero(rows.lower == rows.upper)
    matrix = sp.csr_array(rows.matrix[equal][:, columns])
    tight = cones.take(np.flatnonzero(cones.relaxes_equality & (np.abs(cones.gaps(x)) <= tolerances.CONE_GAP)))
    low, high = form.mip.lower[columns], form.mip.upper[columns]
    for _ in range(_STEPS):
        s, total, u, w = tight.parts(x)
        slope = 2.0 * _by_owner(tight) @ scaled(tight.squares, s) - scaled(tight.u, w) - scaled(tight.w, u)
        # A step is measured in what columns are, as rows are looked at in these sizes
        size = np.maximum(np.abs(x), tolerances.SIZE_FLOOR * form.size)[columns]
        every = scaled(stacked([matrix, sp.csr_array(slope[:, columns])]), columns=size)
        terms = np.maximum(largest(every), tolerances.NOT_ZERO)
        off = np.concatenate([rows.matrix[equal] @ x - rows.lower[equal], total - u * w]) / terms
        if np.abs(off).max(initial=0.0) <= tolerances.INTERIOR_POINT:
            break
        step = _least_step(scaled(every, 1.0 / terms), -off)
        if step is None:
            break
        x = x.copy()
        x[columns] = np.clip(x[columns] + size * step, low, high)
    return x


def _least_step(matrix: sp.csr_array, wanted: Vector) -> Vector | None:
    """The shortest step with matrix @ step = wanted; None where no digits are left to find it with."""
    rows, columns = matrix.shape
    # Rows that follow from others would leave the system singular
    room = -tolerances.SINGULAR_ROUNDING * sp.eye_array(rows)
    system = sp.vstack([sp.hstack([sp.eye_array(columns), matrix.T]), sp.hstack([matrix, room])])
    try:
        found = splu(sp.csc_matrix(system)).solve(np.concatenate([np.zeros(columns), wanted]))[:columns]
    except RuntimeError:
        return None
    return found if np.isfinite(found).all() else None


def _by_owner(cones: Cones) -> sp.csr_array:
    """(cones x square terms): which terms belong to a cone."""
    terms = len(cones.owner)
    return sp.csr_array((np.ones(terms), (cones.owner, np.arange(terms))), shape=(cones.count, terms))


def _state(form: Reformulation) -> Index:
    """Continuous columns of the leader that no follower sees."""
    program = form.program
    free = (program.followers.owner < 0) & ~program.integer
    free[program.linking_columns] = False
    return np.flatnonzero(free)


def _cones(form: Reformulation, touched: np.ndarray) -> Index:
    """Cones in which the state stands."""
    cones = form.mip.cones
    entries = magnitude(cones.u, touched) + magnitude(cones.w, touched)
    entries += np.bincount(cones.owner, weights=magnitude(cones.squares, touched), minlength=cones.count)
    return np.flatnonzero(entries > 0)
