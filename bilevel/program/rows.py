"""The rows of every program between a Pyomo model and a solver, and the arrays that they are made of.

Every matrix shares one column space: the leader's variables, the followers' variables, then whatever a reformulation
appends (duals, binaries, auxiliary columns).  Quantities are in the model's own units; `bilevel.solvers.scaling` scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bilevel import tolerances
from bilevel.program.sparse import magnitude, stacked

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Linear constraints: lower <= matrix @ x <= upper; matrix is (rows x columns) in CSR, names has one entry a row."""

    matrix: sp.csr_array
    lower: Vector
    upper: Vector
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    def widened(self, columns: int) -> "Rows":
        """The same rows over a larger column space; new columns do not enter them."""
        return replace(self, matrix=widen(self.matrix, columns))

    def taken(self, rows: Index) -> "Rows":
        """Some of the rows."""
        names = tuple(self.names[at] for at in rows.tolist()) if self.names else ()
        return Rows(sp.csr_array(self.matrix[rows]), self.lower[rows], self.upper[rows], names)

    def violation(self, x: Vector) -> Vector:
        """How far each row is broken at x, in the row's unit (0 where it holds)."""
        activity = self.matrix @ x
        broken: Vector = np.maximum(0.0, np.maximum(self.lower - activity, activity - self.upper))
        return broken

    def relative_violation(self, x: Vector, size: Vector) -> Vector:
        """The same over the terms of each row, with columns near zero at a share of what they are expected to be, `size`."""
        terms = magnitude(self.matrix, np.maximum(np.abs(x), tolerances.SIZE_FLOOR * size))
        relative: Vector = self.violation(x) / np.maximum(terms, tolerances.NOT_ZERO)
        return relative


def split_limits(lower: Vector, upper: Vector) -> tuple[Index, Index, Index]:
    """Positions of equalities, of the finite lower limits of others, and of their finite upper limits."""
    # To the last digit: limits that rounding sets apart are a thin range, which is no less true
    equal = lower == upper
    return (
        np.flatnonzero(equal),
        np.flatnonzero(np.isfinite(lower) & ~equal),
        np.flatnonzero(np.isfinite(upper) & ~equal),
    )


def widen(matrix: sp.csr_array, columns: int) -> sp.csr_array:
    """The matrix with zero columns appended up to `columns`."""
    # Compressed rows know nothing of the width, so that columns behind the others change no entry
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], columns))


def empty_rows(count: int, columns: int) -> Rows:
    """Rows without entries or limits."""
    return Rows(sp.csr_array((count, columns)), np.full(count, -np.inf), np.full(count, np.inf))


def no_rows(columns: int) -> Rows:
    """No rows over that many columns."""
    return empty_rows(0, columns)


def stack_rows(parts: Sequence[Rows]) -> Rows:
    """Rows of the same width, one block under the other."""
    return Rows(
        matrix=stacked([part.matrix for part in parts]),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
        names=tuple(name for part in parts for name in part.names),
    )


def coo(entries: Any, shape: tuple[int, int]) -> sp.csr_array:
    """A CSR matrix from a list of (row, column, value); repeated places add up."""
    if not len(entries):
        return sp.csr_array(shape)
    row, column, value = zip(*entries, strict=True)
    return sp.csr_array((np.asarray(value, dtype=float), (row, column)), shape=shape)
