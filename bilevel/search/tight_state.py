"""The leader's state at given decisions, with cones tight: what an interior point leaves loose where the objective does not care.

Prices, followers and duals stay as they are.  Over what is left of the leader's columns, which is the network's state, the
factors w of the cones that relax equalities are made small together with the objective.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.sparse import magnitude
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import clarabel


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
    return None if outcome.x is None else cones.snapped(outcome.x)


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
