"""Bounds that rows imply where declared ones are loose: interval propagation, for limits of slacks and cost rates.

Every bilevel feasible point meets the leader's and the followers' rows, so what they imply holds wherever a limit is used.  A
declared bound of 1e9 that the rows never let a column come near would make every big-M of its follower 1e9.
"""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.rows import Mask, Rows, Vector
from bilevel.program.sparse import part, row_of

# Around a circle of rows bounds may shrink for ever; those of every round hold
_ROUNDS = 12

_SHARE = 2.0**-50 / tolerances.IMPLIED_ROUNDING
"""Of a row's terms, rounding errors of their sum, in the unit of `tolerances.IMPLIED_ROUNDING`."""


def tightened(rows: Rows, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """The bounds, with those replaced that are finite and a thousand times as far as what the rows imply."""
    low, high = _propagated(rows, lower, upper)
    held = _at_zero(rows, lower, upper, low, high)
    loose_low, loose_high = _loose(lower, low, high) & ~held, _loose(upper, high, low) & ~held
    return np.where(loose_low, low, lower), np.where(loose_high, high, upper)


def known(rows: Rows, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """`tightened`, with what the rows imply where there is no bound."""
    low, high = _propagated(rows, lower, upper)
    held = _at_zero(rows, lower, upper, low, high)
    near_low, near_high = (_loose(*ends) | np.isinf(ends[0]) for ends in ((lower, low, high), (upper, high, low)))
    return np.where(near_low & ~held, low, lower), np.where(near_high & ~held, high, upper)


def limits(rows: Rows, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """What bounds and rows imply for every column, without room for rounding: for signs, not for sizes."""
    return _propagated(rows, lower, upper, 0.0)


def activity(rows: Rows, lower: Vector, upper: Vector) -> Vector:
    """The largest size that each row can have anywhere within the bounds that all rows imply; infinite where nothing limits it."""
    low, high = _propagated(rows, lower, upper)
    matrix = sp.csr_array(rows.matrix)
    row = row_of(matrix)
    # A stored zero times no end is undefined
    used = matrix.data != 0
    row, column, value = row[used], matrix.indices[used], matrix.data[used]
    ends = np.stack([value * low[column], value * high[column]])
    least, most = (np.bincount(row, weights=end, minlength=rows.count) for end in (ends.min(axis=0), ends.max(axis=0)))
    return np.maximum(np.abs(least), np.abs(most))


def _at_zero(rows: Rows, lower: Vector, upper: Vector, low: Vector, high: Vector) -> Mask:
    """Columns whose implied ends are margins for rounding, mostly: the rows hold them at zero, which says nothing of their size."""
    with np.errstate(invalid="ignore"):
        wide = np.maximum(np.abs(low), np.abs(high))
        # A second propagation is worth its time only where something shrank enough to count
        if not (wide < np.maximum(np.abs(lower), np.abs(upper)) / tolerances.BOUND_LOOSE).any():
            return np.zeros(len(lower), dtype=bool)
        # What shrinks further without margins was held open by them alone
        exact_low, exact_high = _propagated(rows, lower, upper, 0.0)
        return np.maximum(np.abs(exact_low), np.abs(exact_high)) < 0.5 * wide


def _loose(declared: Vector, implied: Vector, other: Vector) -> Mask:
    with np.errstate(invalid="ignore"):
        # A column that goes far on the other side is no smaller for a near end on this one
        reach = np.maximum(np.abs(implied), np.where(np.isfinite(other), np.abs(other), 0.0))
        return (
            np.isfinite(declared)
            & np.isfinite(implied)
            & (np.abs(declared) > tolerances.BOUND_LOOSE * reach)
            & (reach > 0)
        )


def _propagated(
    rows: Rows, lower: Vector, upper: Vector, margin: float = tolerances.IMPLIED_ROUNDING
) -> tuple[Vector, Vector]:
    """Bounds after some rounds of: no term of a row may be more than its limit leaves when the others are at their best."""
    # Rows are divided by each of their entries below; a mask, as eliminating zeros would change the caller's arrays
    matrix = sp.csr_array(rows.matrix)
    matrix = part(matrix, matrix.data != 0)
    row, column, value = row_of(matrix), matrix.indices, matrix.data
    low, high = lower.copy(), upper.copy()
    for _ in range(_ROUNDS):
        ends = np.where(value > 0, value * low[column], value * high[column])
        tops = np.where(value > 0, value * high[column], value * low[column])
        least, least_size = others(row, ends, rows.count)
        most, most_size = others(row, tops, rows.count)
        # What the limits leave for the term of this entry
        with np.errstate(invalid="ignore"):
            room = rows.upper[row] - least + margin * (least_size + np.abs(rows.upper[row]))
            need = rows.lower[row] - most - margin * (most_size + np.abs(rows.lower[row]))
        above, below = np.where(value > 0, room, need) / value, np.where(value > 0, need, room) / value
        new_low, new_high = low.copy(), high.copy()
        # A margin of 0 times no limit is undefined, and tells nothing
        np.fmin.at(new_high, column, np.where(np.isnan(above), np.inf, above))
        np.fmax.at(new_low, column, np.where(np.isnan(below), -np.inf, below))
        # Contradictions are the solver's to find
        crossed = new_low > new_high
        # But without a margin ends may cross by rounding, and what lies between them is where the rows hold the column
        left, right = (low, high) if margin else (new_high, new_low)
        new_low, new_high = np.where(crossed, left, new_low), np.where(crossed, right, new_high)
        if np.array_equal(new_low, low) and np.array_equal(new_high, high):
            break
        low, high = new_low, new_high
    return low, high


def others(row: np.ndarray, term: Vector, rows: int) -> tuple[Vector, Vector]:
    """For every entry the sum of the other terms of its row (or column), infinite where one is, and the sum of their sizes.

    The own term is subtracted from the row's sum, which rounds; the size has a share of it for that, but in a row of its own.
    """
    bad = ~np.isfinite(term)
    finite = np.where(bad, 0.0, term)
    alone = np.bincount(row, minlength=rows)[row] == 1
    count = np.bincount(row, weights=bad, minlength=rows)[row] - bad
    total = np.where(alone, 0.0, np.bincount(row, weights=finite, minlength=rows)[row] - finite)
    whole = np.bincount(row, weights=np.abs(finite), minlength=rows)[row]
    size = np.where(alone, 0.0, np.maximum(whole - np.abs(finite), 0.0) + _SHARE * whole)
    sign = np.sign(np.where(bad, term, 0.0))
    worst = np.bincount(row, weights=sign, minlength=rows)[row] - sign
    endless = np.where(worst != 0, np.sign(worst), -1.0) * np.inf
    return np.where(count > 0, endless, total), size
