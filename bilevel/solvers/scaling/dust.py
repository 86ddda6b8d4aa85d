"""Entries so small beside their rows that solvers drop them, and what keeps such rows.

A row is s (m'x + d'z) >= s limit for its lower limit (s = 1) and its upper one (s = -1), where d are the dropped entries.  Where z
has bounds, d'z is at most some number, and m'x alone keeps the limit less that number.  A column without the end that matters
would take the row away: there the entry is made as large as a solver keeps, which is no less than it adds from the column's other
end on.  For z >= 0 and s d > 0 that is s d z <= g z, and s m'x + g z >= s limit holds wherever the row does.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel.program.rows import Index, Mask, Rows, Vector
from bilevel.program.sparse import row_of, scaled


@dataclass(frozen=True)
class Held:
    """Rows that stand for a side of others: those that they stand for, the side (1 or -1), and entries that were made larger.

    `fixed` are the dropped entries of these rows, signed by their side; `grown` what they were made, where they were.
    """

    row: Index
    side: Vector
    matrix: sp.csr_array
    fixed: sp.csr_array
    grown: sp.csr_array

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.row)

    def rows(self, lower: Vector, upper: Vector, limits: tuple[Vector, Vector]) -> Rows:
        """These rows, for columns between `lower` and `upper`, and rows whose limits were these before entries were dropped."""
        at = row_of(self.fixed)
        grown, value, column = self.grown.data, self.fixed.data, self.fixed.indices
        # A grown entry is true from the end that its column has, another one at the end where it adds most
        anchor = np.where(value > 0, lower[column], upper[column])
        most = np.where(value > 0, upper[column], lower[column])
        with np.errstate(invalid="ignore"):
            adds = np.where(grown != 0, (value - grown) * anchor, value * most)
        limit = self.side * np.where(self.side > 0, limits[0][self.row], limits[1][self.row])
        with np.errstate(invalid="ignore"):
            least = limit - np.bincount(at, weights=adds, minlength=self.count)
        # Undefined says nothing, and no limit cuts nothing off
        least = np.where(np.isnan(least), -np.inf, least)
        return Rows(self.matrix, least, np.full(self.count, np.inf))


def held(rows: Rows, dropped: sp.csr_array, lower: Vector, upper: Vector, drops: float) -> Held:
    """What stands for the sides that rows lose with the entries `dropped`; `rows` are without these, their limits as before.

    A solver drops what is no more than `drops`.
    """
    row, side = np.tile(np.arange(rows.count), 2), np.repeat([1.0, -1.0], rows.count)
    fixed = scaled(sp.csr_array(dropped[row]), side)
    at, endless, other = row_of(fixed), *_endless(fixed, lower, upper)
    lost = np.bincount(at, weights=endless, minlength=len(row)) > 0
    # Without an end on either side there is none to measure the enlarged entry from: such a side stays lost
    free = np.bincount(at, weights=endless & other, minlength=len(row)) > 0
    which = np.flatnonzero(lost & ~free & np.isfinite(np.concatenate([rows.lower, rows.upper])))
    row, side, fixed = row[which], side[which], sp.csr_array(fixed[which])
    endless, _ = _endless(fixed, lower, upper)
    # Twice what is dropped, so that no rounding drops it after all; larger still would only weaken the row
    larger = np.where(endless, 2.0 * np.sign(fixed.data) * drops, 0.0)
    grown = sp.csr_array((larger, fixed.indices, fixed.indptr), shape=fixed.shape)
    return Held(row, side, sp.csr_array(scaled(sp.csr_array(rows.matrix[row]), side) + grown), fixed, grown)


def _endless(fixed: sp.csr_array, lower: Vector, upper: Vector) -> tuple[Mask, Mask]:
    """Whether the column of each entry has no end where the entry adds to its row, and none at the other end."""
    low, high = np.isinf(lower[fixed.indices]), np.isinf(upper[fixed.indices])
    return np.where(fixed.data > 0, high, low), np.where(fixed.data > 0, low, high)
