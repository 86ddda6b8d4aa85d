"""Limits of row duals from the bases of small follower parts.

Write a follower part (rows that hang together by shared columns) as A y + s = r, with a free-of-cost column of its own in each row.
For every leader decision an optimal basis B is a nonsingular choice of columns out of (A, I), and its dual is B^-T c_B.  The leader
moves right-hand sides and costs, never A, so the intervals of B^-T c_B over all choices, with costs in their intervals, hold an
optimal dual of every follower optimum.  Parts with too many choices are left to `bilevel.bounds.by_linear_programs`.
"""

from itertools import combinations
from math import comb

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from bilevel import tolerances
from bilevel.program.rows import Index, Vector

MOST_BASES = 5000

_EQUILIBRATIONS = 3


def basis_ranges(matrix: sp.csr_array, rate_low: Vector, rate_high: Vector, wanted: Index) -> tuple[Vector, Vector]:
    """Lower and upper limit of the net dual of every row of `matrix` (rows x columns), infinite where not `wanted` or too large.

    `rate_low`, `rate_high` are the intervals of the columns' cost rates.
    """
    low, high = np.full(matrix.shape[0], -np.inf), np.full(matrix.shape[0], np.inf)
    row, column = sp.coo_array(matrix).coords
    nodes = sum(matrix.shape)
    graph = sp.csr_array((np.ones(len(row)), (row, matrix.shape[0] + column)), shape=(nodes, nodes))
    _, label = connected_components(graph, directed=False)
    for part in np.unique(label[: matrix.shape[0]][wanted]).tolist():
        rows = np.flatnonzero(label[: matrix.shape[0]] == part)
        columns = np.flatnonzero(label[matrix.shape[0] :] == part)
        # An endless rate is no number where a basis multiplies it by 0, and endless elsewhere
        bounded = np.all(np.isfinite(rate_low[columns]) & np.isfinite(rate_high[columns]))
        if bounded and comb(len(rows) + len(columns), len(rows)) <= MOST_BASES:
            dense = matrix[rows][:, columns].toarray()
            low[rows], high[rows] = _over_bases(dense, rate_low[columns], rate_high[columns])
    return low, high


def _over_bases(dense: np.ndarray, rate_low: Vector, rate_high: Vector) -> tuple[Vector, Vector]:
    """Smallest and largest B^-T c_B of a dense part over all its bases and costs."""
    m = len(dense)
    # Rows and columns near 1, so that singular values tell dependence and not units; the duals are turned back at the end
    size, unit = _equilibrated(dense)
    every = np.hstack([dense / size[:, None] / unit, np.eye(m)])
    cost_low = np.concatenate([rate_low / unit, np.zeros(m)])
    cost_high = np.concatenate([rate_high / unit, np.zeros(m)])
    choice = np.array(list(combinations(range(every.shape[1]), m)))
    bases = np.moveaxis(every[:, choice], 1, 0)
    singular = np.linalg.svd(bases, compute_uv=False)
    usable = singular[:, -1] > tolerances.SINGULAR * singular[:, 0]
    # Rounding tells singular bases by less; what lies between may be a basis, whose dual cannot be told
    if np.any(~usable & (singular[:, -1] > tolerances.SINGULAR_ROUNDING * singular[:, 0])):
        return np.full(m, -np.inf), np.full(m, np.inf)
    inverse = np.linalg.inv(bases[usable]).transpose(0, 2, 1)
    ends = np.stack([inverse * cost_low[choice[usable]][:, None, :], inverse * cost_high[choice[usable]][:, None, :]])
    low, high = ends.min(axis=0).sum(axis=2).min(axis=0), ends.max(axis=0).sum(axis=2).max(axis=0)
    # The basis of all slacks has dual 0, so that 0 is within and widening moves both ends outwards
    wide = 1.0 + tolerances.BASIS_SAFETY
    return wide * np.minimum(low, 0.0) / size, wide * np.maximum(high, 0.0) / size


def _equilibrated(dense: np.ndarray) -> tuple[Vector, Vector]:
    """Units of rows and of columns, powers of two, in which the largest entry of each is near 1."""
    row, column = np.ones(dense.shape[0]), np.ones(dense.shape[1])
    for _ in range(_EQUILIBRATIONS):
        for size, axis in ((row, 1), (column, 0)):
            largest = np.abs(dense / row[:, None] / column).max(axis=axis)
            # Dividing by powers of two rounds nothing, so that dependent columns stay dependent
            size *= np.exp2(np.round(np.log2(np.where(largest > 0, largest, 1.0))))
    return row, column
