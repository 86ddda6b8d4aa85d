"""What the engine does to compressed sparse row matrices over and over, on their arrays.

scipy's own products with diagonal matrices and its stacking cost a tenth of a millisecond each, which is more than a small
program's numbers take; a small solve asks for hundreds.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def row_of(matrix: sp.csr_array) -> NDArray[np.int64]:
    """The row of every stored entry, in the order of `matrix.data`."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def scaled(
    matrix: sp.csr_array, rows: NDArray[np.float64] | None = None, columns: NDArray[np.float64] | None = None
) -> sp.csr_array:
    """diag(rows) @ matrix @ diag(columns), with the same entries stored."""
    data = matrix.data if columns is None else matrix.data * columns[matrix.indices]
    data = data if rows is None else data * np.repeat(rows, np.diff(matrix.indptr))
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def part(matrix: sp.csr_array, entries: NDArray[np.bool_]) -> sp.csr_array:
    """The matrix with some of its stored entries only, a mask in the order of `matrix.data`."""
    # A row ends behind as many entries as were kept before its old end
    ends = np.concatenate([[0], np.cumsum(entries)])[matrix.indptr]
    return sp.csr_array((matrix.data[entries], matrix.indices[entries], ends), shape=matrix.shape)


def largest(matrix: sp.csr_array) -> NDArray[np.float64]:
    """Largest absolute entry of every row; 0 for one without entries."""
    size = np.zeros(matrix.shape[0])
    # Not `reduceat`, which gives a row without entries that of the next one
    np.maximum.at(size, row_of(matrix), np.abs(matrix.data))
    return size


def stacked(matrices: Sequence[sp.csr_array]) -> sp.csr_array:
    """Matrices of the same width, one under the other."""
    # Without any rows the first matrix still tells the width
    filled = [matrix for matrix in matrices if matrix.shape[0]] or list(matrices[:1])
    if len(filled) == 1:
        return filled[0]
    before = np.cumsum([0, *(matrix.nnz for matrix in filled[:-1])])
    ends = [matrix.indptr[1:] + first for matrix, first in zip(filled, before, strict=True)]
    return sp.csr_array(
        (
            # SciPy may keep room behind the entries that count
            np.concatenate([matrix.data[: matrix.nnz] for matrix in filled]),
            np.concatenate([matrix.indices[: matrix.nnz] for matrix in filled]),
            np.concatenate([[0], *ends]),
        ),
        shape=(sum(matrix.shape[0] for matrix in filled), filled[0].shape[1]),
    )


def magnitude(matrix: sp.csr_array, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sizes of the terms of every row, added up, where columns have these sizes."""
    terms = np.abs(matrix.data) * size[matrix.indices]
    return np.bincount(row_of(matrix), weights=terms, minlength=matrix.shape[0]).astype(float)


def column_magnitude(matrix: sp.csr_array, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sizes of the terms of every column, added up, where rows have these sizes."""
    terms = np.abs(matrix.data) * size[row_of(matrix)]
    return np.bincount(matrix.indices, weights=terms, minlength=matrix.shape[1]).astype(float)
