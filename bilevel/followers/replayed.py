"""Followers with quadratic rows answering a decision again, beside the multipliers that a search relies on.

Where a decision leaves such a row no interior, its follower has an answer and no multiplier: every point with multipliers near it
is off by the root of a solver's tolerance.
"""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.followers.best_response import best_response
from bilevel.followers.optimal_cost import held_by_the_leader, with_tangents
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.rows import Vector
from bilevel.relax import tangent

_MOST_ROUNDS = 60


def replayed(program: Program, x: Vector) -> Vector | None:
    """x with every follower's answer to the leader's part of it, by quadratic programs and tangents; None without one."""
    stack, mine = program.followers, program.followers.columns
    leader = np.where(stack.owner == LEADER, x, 0.0)
    held, cones = held_by_the_leader(stack.cones, leader, mine)
    rows, owner = with_tangents(stack.rows, stack.row_owner, program, held, cones)
    x = x.copy()
    for _ in range(_MOST_ROUNDS):
        lower = replace(stack, rows=rows, row_owner=owner)
        try:
            x[mine] = best_response(replace(program, followers=lower), x)
        except ModelError:
            return None
        broken = np.flatnonzero(-stack.cones.gaps(x) > tolerances.FOLLOWER_CONE)
        if not len(broken):
            break
        more = tangent.cuts(stack.cones, x, tolerances.FOLLOWER_CONE)
        rows, owner = with_tangents(rows, owner, program, more, broken)
    return program.tight(x)


def at_zero(program: Program, x: Vector) -> Vector:
    """x with the leader's columns that are nothing beside their size at zero, where their bounds let them."""
    nothing = np.abs(x) <= tolerances.NOTHING * program.least_size
    nothing &= (program.followers.owner == LEADER) & (program.lower <= 0) & (program.upper >= 0)
    return np.where(nothing, 0.0, x)
