"""Limits of multipliers that are at least margins where they are not 0, as secure answers have them.

`best_bounds` limits one choice of optimal multipliers, those of a basis.  Where more limits hold than there are columns, a basis
need not have the margins that other optimal multipliers have.  So with m the margins of the limits S that hold, write mu = m + nu
on S: nu >= 0 are optimal multipliers for the costs that m moves, and of the rows S alone.  A basis of these is one of all rows, and
its nu keeps the limits that hold wherever rates are by up to sum |a_ij| m_i away from theirs; then mu keeps these limits plus m.
"""

from dataclasses import replace

import numpy as np

from bilevel.bounds.by_linear_programs import best_bounds
from bilevel.bounds.dual_bounds import Bounds, never_reached, true_rows
from bilevel.followers.kkt import Kkt
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector


def with_margins(program: Program, kkt: Kkt, least: Vector) -> Bounds:
    """Limits that one choice of multipliers keeps which are 0 or at least `least`, shape (pairs,), wherever there is one."""
    stack = program.followers
    room = np.where(stack.owner >= 0, abs(kkt.pairs.slack_matrix).T @ least, 0.0)
    limits = best_bounds(replace(program, followers=replace(stack, rate_room=room)), kkt)
    never = never_reached(kkt, *implied.tightened(true_rows(program), program.lower, program.upper))
    return replace(limits, mu_upper=limits.mu_upper + np.where(never, 0.0, least))
