"""Ranges of row duals by propagation through stationarity, for parts of followers with many rows (model page section 4).

With the reduced cost d = rate - A' lam of a follower column, at an optimum d >= 0 unless the column is at its upper bound, and
d <= 0 unless it is at its lower one.  So, over the leader's bounds and what is known of the other duals:

1. A column without an upper bound has d >= 0, one without a lower bound d <= 0, which limits every dual in it.  A bound that cannot
   hold up a column counts as none: one at which the row that would push the column there cannot bind, or some row is broken.
2. Where the dual of a row exceeds what makes every column of the row go to the end that raises its activity, it can be lowered to
   that: nothing else changes, and the multipliers stay optimal.  So one optimal dual has no larger value; the same downwards.

Every rule keeps the multipliers that the earlier ones have kept, so all ranges hold for one optimal dual at once.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from bilevel import tolerances
from bilevel.program.implied import others
from bilevel.program.rows import Mask, Rows, Vector
from bilevel.program.sparse import row_of

_ROUNDS = 30


@dataclass(frozen=True)
class Entries:
    """The follower rows' entries on follower columns, one by one: row, column and value."""

    row: np.ndarray
    column: np.ndarray
    value: Vector
    rows: int
    columns: int

    @staticmethod
    def of(matrix: sp.csr_array) -> "Entries":
        """Those of a CSR matrix."""
        row = row_of(matrix)
        return Entries(row, matrix.indices.astype(np.int64), matrix.data, matrix.shape[0], matrix.shape[1])

    def parts(self) -> np.ndarray:
        """The number of the part that each row belongs to: rows that share columns, directly or not."""
        size = self.rows + self.columns
        graph = sp.coo_array((np.ones(len(self.row)), (self.row, self.rows + self.column)), shape=(size, size))
        found: np.ndarray = connected_components(graph, directed=False)[1][: self.rows]
        return found


def propagate(
    matrix: sp.csr_array, whole: Rows, lower: Vector, upper: Vector, rates: tuple[Vector, Vector], shift: Mask
) -> tuple[Vector, Vector]:
    """Ranges of the net dual of every row, from its sign on.

    `matrix` are the follower rows on follower columns, `whole` the rows on all columns, `lower` and `upper` limits of the columns,
    `rates` the intervals of the cost rates; rule 2 is applied to the rows in `shift`.
    """
    entries = Entries.of(matrix)
    # The net dual is the lower limit's multiplier less the upper one's, so a limit that is missing gives its sign
    low = np.where(np.isfinite(whole.upper), -np.inf, 0.0)
    high = np.where(np.isfinite(whole.lower), np.inf, 0.0)
    for _ in range(_ROUNDS):
        # Asked anew in every round: a row whose dual has lost a sign pushes no column up any more
        no_upper = ~np.isfinite(upper) | _idle(entries, whole, lower, upper, low, high, rates[0])
        no_lower = ~np.isfinite(lower)
        new_low, new_high = _round(entries, low, high, rates, no_lower, no_upper, shift, whole)
        if np.array_equal(new_low, low) and np.array_equal(new_high, high):
            break
        low, high = new_low, new_high
    return low, high


def _round(
    entries: Entries, low: Vector, high: Vector, rates: tuple[Vector, Vector], no_lower: Mask, no_upper: Mask, shift: Mask,
    whole: Rows,
) -> tuple[Vector, Vector]:  # fmt: skip
    """Both rules once, to all rows at the same time."""
    a, row, column = entries.value, entries.row, entries.column
    least, most = _others(entries, low, high)
    # d_j >= 0 means a lam <= most of (rate - others), d_j <= 0 the converse
    top, bottom = rates[1][column] - least, rates[0][column] - most
    ceiling, floor = np.full(entries.rows, np.inf), np.full(entries.rows, -np.inf)
    for mine, value in ((no_upper[column], top), (no_lower[column], bottom)):
        up = mine & ((a > 0) == (value is top))
        np.minimum.at(ceiling, row[up], value[up] / a[up])
        down = mine & ((a > 0) != (value is top))
        np.maximum.at(floor, row[down], value[down] / a[down])
    # Beyond the largest of these every column has the sign that raises the row's activity
    reach, depth = np.full(entries.rows, -np.inf), np.full(entries.rows, np.inf)
    np.maximum.at(reach, row, np.where(a > 0, top, bottom) / a)
    np.minimum.at(depth, row, np.where(a > 0, bottom, top) / a)
    one_sided = whole.lower != whole.upper
    # Only an equality's dual may be moved past 0; any other would get the sign of a limit that does not bind
    reach = np.where(shift, np.where(one_sided, np.maximum(reach, 0.0), reach), np.inf)
    depth = np.where(shift, np.where(one_sided, np.minimum(depth, 0.0), depth), -np.inf)
    new_low = np.maximum(low, np.maximum(floor, np.where(np.isnan(depth), -np.inf, depth)))
    new_high = np.minimum(high, np.minimum(ceiling, np.where(np.isnan(reach), np.inf, reach)))
    # Rounding must not make ranges contradict each other
    return np.minimum(new_low, np.maximum(new_high, low)), np.maximum(new_high, np.minimum(new_low, high))


def _others(entries: Entries, low: Vector, high: Vector) -> tuple[Vector, Vector]:
    """For every entry, least and most of the sum over the other rows of its column of value * dual, rounding allowed for."""
    a, row, column = entries.value, entries.row, entries.column
    ends = np.where(a > 0, a * low[row], a * high[row]), np.where(a > 0, a * high[row], a * low[row])
    (least, small), (most, large) = (others(column, end, entries.columns) for end in ends)
    return least - tolerances.IMPLIED_ROUNDING * small, most + tolerances.IMPLIED_ROUNDING * large


def _idle(
    entries: Entries, whole: Rows, lower: Vector, upper: Vector, low: Vector, high: Vector, rate_low: Vector
) -> Mask:
    """Upper bounds that no optimum needs: at them some row is broken, or no row that pushes the column up can bind and it costs."""
    matrix = whole.matrix
    row = row_of(matrix)
    column, value = matrix.indices, matrix.data
    with np.errstate(invalid="ignore"):
        ends = value * lower[column], value * upper[column]
        small, large = np.minimum(*ends), np.maximum(*ends)
        small, large = np.where(np.isnan(small), -np.inf, small), np.where(np.isnan(large), np.inf, large)
    a, top = entries.value, upper[entries.column]
    limits = whole.lower[entries.row], whole.upper[entries.row]
    with np.errstate(invalid="ignore"):
        moved = a * (top - lower[entries.column])
        # The row's activity with this column at its upper bound, and what rounding may shift it by: terms may cancel
        (least, least_room), (most, most_room) = (
            (
                _of_row(row, end, entries) + step,
                tolerances.PROPAGATION_ROUNDING * (_of_row(row, np.abs(end), entries) + np.abs(step)),
            )
            for end, step in ((small, np.where(a > 0, moved, 0.0)), (large, np.where(a > 0, 0.0, moved)))
        )
        broken = (least - least_room > limits[1]) | (most + most_room < limits[0])
        slack = np.where(a > 0, least - least_room > limits[0], most + most_room < limits[1])
    pushing = np.where(a > 0, high[entries.row] > 0, low[entries.row] < 0)
    impossible = np.bincount(entries.column, weights=broken, minlength=entries.columns) > 0
    pushed = np.bincount(entries.column, weights=pushing & ~slack, minlength=entries.columns) > 0
    return np.asarray(np.isfinite(upper) & (impossible | (~pushed & (rate_low >= 0))))


def _of_row(row: np.ndarray, term: Vector, entries: Entries) -> Vector:
    """For every entry the sum of these terms over its row, the leader's included."""
    total: Vector = np.bincount(row, weights=term, minlength=entries.rows)[entries.row]
    return total
