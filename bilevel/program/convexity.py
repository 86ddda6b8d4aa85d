"""Convexity of quadratic forms, judged in units of their own: no unit of a variable turns a nonconvex form into a convex one."""

import numpy as np

from bilevel import tolerances
from bilevel.program.rows import Vector


def square_root(matrix: Vector) -> Vector | None:
    """Rows r with x' matrix x = sum of (r x)^2; None if the symmetric matrix is not positive semidefinite.

    Eigenvalues are taken of the matrix scaled to a diagonal of ones.  A variable without a square of its own may have no
    products either, however small they are beside the squares of others.
    """
    diagonal = np.diag(matrix)
    used = diagonal > 0
    size = np.sqrt(np.where(used, diagonal, 1.0))
    # A negative square counts here too, as its variable is not among those used
    rest = np.abs(matrix[~used])
    if rest.size and float(rest.max()) > tolerances.PRODUCT_WITHOUT_SQUARE * float(np.abs(matrix).max()):
        return None
    values, vectors = np.linalg.eigh((matrix / np.outer(size, size))[np.ix_(used, used)])
    if len(values) and values[0] < -tolerances.COEFFICIENT_ROUNDING * len(values):
        return None
    # Directions without curvature need no square
    keep = values > tolerances.EIGENVALUE_NOTHING
    rows = np.zeros((int(keep.sum()), len(diagonal)))
    rows[:, used] = (vectors[:, keep] * np.sqrt(values[keep])).T * size[used]
    return rows


def least_eigenvalue(matrix: Vector) -> float:
    """The smallest eigenvalue, for messages."""
    return float(np.linalg.eigvalsh(matrix)[0])
