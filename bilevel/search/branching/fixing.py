"""Sides that no better point has, by the reduced costs of a node: what a column's move costs is known without a linear program."""

import numpy as np

from bilevel.program.layout import Group
from bilevel.program.rows import Vector
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
