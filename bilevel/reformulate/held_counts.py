"""How many limits an answer holds at least at one end: whole numbers that no relaxation knows by itself.

Where one equality with constants alone joins columns within bounds, at most one of them is strictly between its bounds in a secure
answer.  With shares s in [0, 1] of the way from the end that gives the row least to the other, sum w s = r: as many of the largest
w as reach r are above 0, of which all but one are at 1.  The same holds for 1 - s.
"""

import numpy as np

from bilevel import tolerances
from bilevel.followers.kkt import Kkt
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Index, Vector

Counts = tuple[tuple[Index, int], ...]
"""Pairs, and how many of them are held at least."""


def within(program: Program, kkt: Kkt, columns: Index, equal: Index, pairs: Index) -> bool:
    """Whether this part, with these equalities and pairs, is one equality with constants alone over columns within bounds, or one
    column within bounds.

    Multipliers with margins keep the limits of those of a basis there: the equality's lies between rates over entries of two
    columns, as never all of them are at the ends that give the row least, or most.
    """
    bounded = np.isfinite(program.lower[columns]).all() and np.isfinite(program.upper[columns]).all()
    if len(pairs) != 2 * len(columns) or (kkt.pairs.column[pairs] < 0).any() or not bounded:
        return False
    if len(equal) != 1:
        return len(columns) == 1 and not len(equal)
    row = kkt.equal_matrix[equal]
    return np.array_equal(np.sort(row.indices[row.data != 0]), columns)


def held_counts(program: Program, kkt: Kkt, columns: Index, equal: Index, pairs: Index) -> Counts:
    """Of the part with these columns, equalities and pairs: those of either end, where one equality joins it; else none."""
    if len(equal) != 1 or not within(program, kkt, columns, equal, pairs):
        return ()
    low, high, row = program.lower[columns], program.upper[columns], kkt.equal_matrix[equal]
    entry = row[:, columns].toarray()[0]
    weight = np.abs(entry) * (high - low)
    least = float(np.minimum(entry * low, entry * high).sum())
    reach = float(kkt.equal_value[equal[0]]) - least
    # The end of a column that gives the row more is its upper bound where its entry is above 0
    more = np.where(entry > 0, -1, 1)
    place = np.searchsorted(columns, kkt.pairs.column[pairs])
    far = kkt.pairs.side[pairs] == more[place]
    found = (pairs[far], _largest(weight, reach) - 1), (pairs[~far], _largest(weight, weight.sum() - reach) - 1)
    return tuple((index, count) for index, count in found if count > 0)


def _largest(weight: Vector, reach: float) -> int:
    """How many of the largest weights reach so far, but for rounding."""
    total = np.cumsum(np.sort(weight)[::-1])
    room = tolerances.IMPLIED_ROUNDING * float(total[-1])
    return int((total < reach - room).sum()) + 1
