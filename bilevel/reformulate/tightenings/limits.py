"""Limits of slacks and multipliers over the relaxation of a mode, again and again while that makes them smaller.

A limit of big-M that is proven for itself alone is larger than what the other limits leave: with them in the relaxation, the
largest value of a slack or a multiplier is a limit too, and a smaller one makes the relaxation tighter.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import budget
from bilevel.bounds.dual_bounds import Bounds
from bilevel.bounds.polyhedron import Polyhedron
from bilevel.program.rows import Vector, widen
from bilevel.reformulate.modes import Mode
from bilevel.reformulate.single_level import Reformulation

name = "limits"
about = "limits of slacks and multipliers are proven again over the relaxation, while that makes them smaller"

MOST_ROUNDS, SHRUNK = 3, 0.9
"""Rounds at most, and the share of all limits, in the mean, above which another round does not pay."""


def tighter(form: Reformulation, mode: Mode) -> Reformulation:
    """The program with smaller limits of slacks and multipliers; the same where the mode has none, or time is over."""
    if not mode.needs_bounds:
        return form
    for _ in range(MOST_ROUNDS):
        limits = _over(form, mode)
        if limits is None:
            break
        before, form = form.bounds, _with(form, limits)
        if _mean_share(before, limits) > SHRUNK:
            break
    return form


def _over(form: Reformulation, mode: Mode) -> Bounds | None:
    """Limits over the linear relaxation of the mode's program; None once time is over."""
    pairs, mip = form.kkt.pairs, mode.apply(form)
    space = Polyhedron.of(mip.rows, mip.lower, mip.upper, mip.scale)
    slack = sp.csr_array(widen(pairs.slack_matrix, mip.columns))
    most_slack, most_dual = form.bounds.slack_upper.copy(), form.bounds.mu_upper.copy()
    for pair in np.flatnonzero(most_dual > 0).tolist():
        if budget.seconds() <= 0:
            return None
        most_slack[pair] = min(
            most_slack[pair], space.largest(slack[[pair]].toarray().ravel()) + pairs.slack_constant[pair]
        )
        one = np.zeros(mip.columns)
        one[pairs.dual[pair]] = 1.0
        most_dual[pair] = min(most_dual[pair], space.largest(one))
    # A slack that is never more than rounding keeps its room for it
    return replace(form.bounds, slack_upper=np.maximum(most_slack, 0.0), mu_upper=np.maximum(most_dual, 0.0))


def _with(form: Reformulation, limits: Bounds) -> Reformulation:
    upper = form.mip.upper.copy()
    upper[form.kkt.pairs.dual] = np.minimum(upper[form.kkt.pairs.dual], limits.mu_upper)
    return replace(form, bounds=limits, mip=replace(form.mip, upper=upper))


def _mean_share(before: Bounds, after: Bounds) -> float:
    """What is left of the limits that were finite and not 0, in the mean."""
    shares = [_share(one, other) for one, other in
              ((before.slack_upper, after.slack_upper), (before.mu_upper, after.mu_upper))]  # fmt: skip
    return float(np.concatenate(shares).mean()) if sum(map(len, shares)) else 1.0


def _share(before: Vector, after: Vector) -> Vector:
    known = np.isfinite(before) & (before > 0)
    return np.asarray(after[known] / before[known])
