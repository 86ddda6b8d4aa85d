"""Sides that no better point has, by the reduced costs of a node: what a column's move costs is known without a linear program."""

import numpy as np

from bilevel import tolerances
from bilevel.program.layout import Group
from bilevel.program.rows import Mask, Vector
from bilevel.reformulate.single_level import Reformulation


def least_cost(form: Reformulation, x: Vector, reduced_cost: Vector) -> Vector:
    """What a slack of 0 costs at least, of every pair: the move of its column to the limit and of its multiplier to the margin."""
    pairs = form.kkt.pairs
    found = np.zeros(pairs.count)
    at = np.flatnonzero(pairs.column >= 0)
    column = form.columns[Group.VARIABLES].start + pairs.column[at]
    limit = np.where(pairs.side[at] == 1, form.mip.lower[column], form.mip.upper[column])
    found[at] = np.maximum(reduced_cost[column] * (limit - x[column]), 0.0)
    if form.secure is not None:
        # The same dual point prices both moves, so that they add up
        rise = np.maximum(form.secure.least - x[pairs.dual], 0.0)
        found += rise * np.maximum(reduced_cost[pairs.dual], 0.0)
    return found


def idle(form: Reformulation, row_dual: Vector) -> Mask:
    """Pairs of followers whose stationarity has no price in a linear program: its optimum gains nothing where they do not answer.

    Fixing their sides moves no bound at first, as on days that are not among the worst ones that a risk is reckoned from.  All
    False where no follower's has a price.
    """
    stack = form.program.followers
    price, worst = np.abs(row_dual[form.rows[Group.STATIONARITY]]), np.zeros(len(stack.names))
    np.maximum.at(worst, stack.owner[stack.columns], price)
    largest = worst.max(initial=0.0)
    return np.asarray(((worst <= tolerances.NOTHING * largest) & (largest > 0))[form.kkt.pairs.owner])
