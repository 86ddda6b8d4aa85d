"""Limits of followers that a leader's binary switches: their multiplier times the binary is linear at every optimum.

Where the binary has one of its values such a limit is above what the follower's own bounds allow, so that its multiplier is 0
there.  mu z is 0 where the limit is idle at z = 1, and mu where it is idle at z = 0, so that a dual objective with the term
-mu (s z + r) of a slack a'y + s z + r has no product.
"""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.bounds.dual_bounds import interval
from bilevel.followers.kkt import Kkt
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.rows import Mask, Vector
from bilevel.program.sparse import magnitude, part


def switches(program: Program, kkt: Kkt) -> tuple[Mask, Vector]:
    """Which pairs are switched, and the coefficient of each multiplier in its dual objective that its binary leaves there."""
    pairs, leader = kkt.pairs, program.followers.owner == LEADER
    seen = sp.csr_array(part(pairs.slack_matrix, leader[pairs.slack_matrix.indices] & (pairs.slack_matrix.data != 0)))
    found, left = np.zeros(pairs.count, dtype=bool), np.zeros(pairs.count)
    one = np.flatnonzero(np.diff(seen.indptr) == 1)
    column, value = seen.indices[seen.indptr[one]], seen.data[seen.indptr[one]]
    binary = program.integer[column] & (program.lower[column] >= 0) & (program.upper[column] <= 1)
    one, column, value = one[binary], column[binary], value[binary]
    if not len(one):
        return found, left
    own = sp.csr_array(part(pairs.slack_matrix, ~leader[pairs.slack_matrix.indices]))[one]
    least = interval(own, program.lower, program.upper)[0] + pairs.slack_constant[one]
    with np.errstate(invalid="ignore"):
        size = magnitude(own, np.maximum(np.abs(program.lower), np.abs(program.upper)))
    room = tolerances.NEVER_REACHED * (size + np.abs(value) + np.abs(pairs.slack_constant[one]))
    idle_off, idle_on = least > room, least + value > room
    found[one] = idle_off | idle_on
    # Idle at both values it has no multiplier at all
    left[one] = np.where(idle_on, 0.0, np.where(idle_off, -value, 0.0))
    return found, left
