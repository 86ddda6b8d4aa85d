"""What a walk over a model has collected, as arrays: bounds, scales, costs, products."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from pyomo.core.base.component import ComponentData
from pyomo.core.base.suffix import SuffixFinder

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import Bilinear
from bilevel.program.choices import Derived
from bilevel.program.convexity import least_eigenvalue, square_root
from bilevel.program.domains import readable_bounds
from bilevel.program.rows import Index, Vector, coo


def bounds(variables: tuple[Any, ...]) -> tuple[Vector, Vector]:
    """Lower and upper bound of each variable, infinite where there is none or it is 1e20 and more.

    Raises `ModelError` for bounds that cross, or cannot be evaluated.
    """
    lower, upper = np.array([readable_bounds(v) for v in variables], dtype=float).reshape(-1, 2).T
    bad = np.flatnonzero(lower > upper)
    if len(bad):
        at = int(bad[0])
        raise ModelError(
            f"variable {variables[at].name!r} has lower bound {lower[at]:g} above its upper bound {upper[at]:g}: swap them"
        )
    return np.where(lower <= -tolerances.INFINITE, -np.inf, lower), np.where(
        upper >= tolerances.INFINITE, np.inf, upper
    )


def scales(model: Any, variables: tuple[Any, ...]) -> Vector:
    """What Pyomo's `scaling_factor` suffixes say of the size of each column, or a derived one itself; NaN where none does.

    A suffix of the model or of any block in it counts, in Pyomo's own order (`pyomo.core.base.suffix.SuffixFinder`).
    """
    scale = np.array([v.size if isinstance(v, Derived) else np.nan for v in variables])
    finder = SuffixFinder("scaling_factor", context=model)
    for at, variable in enumerate(variables):
        # What the compiler adds is no component of the model
        factor = finder.find(variable) if isinstance(variable, ComponentData) else None
        if factor:
            # Pyomo's factor multiplies the variable, so that it is one over the variable's size
            scale[at] = 1.0 / abs(float(factor))
    return scale


def convex_quadratics(terms: list[tuple[int, int, float]], owner: Index, followers: list[Any]) -> sp.csr_array:
    """The symmetric matrix of the followers' quadratic costs; refuses one that is not convex, follower by follower."""
    matrix = coo(terms, (len(owner), len(owner)))
    used = np.unique(matrix.indices)
    for at in np.unique(owner[used]).tolist():
        mine = used[owner[used] == at]
        # Followers share no variables: a small dense matrix each says as much as a large one of all
        own = matrix[mine][:, mine].toarray()
        if square_root(own) is None:
            least = least_eigenvalue(own)
            raise ModelError(
                f"follower {followers[at].name!r} minimises a cost that is not convex (smallest eigenvalue {least:.3g}): "
                "optimality conditions need a convex cost, so relax it or make it convex"
            )
    return matrix


def dense(terms: list[tuple[int, float]], n: int) -> Vector:
    """A vector of length n from (column, value); repeated columns add up."""
    column = np.array([term[0] for term in terms], dtype=np.int64)
    # Of no entries numpy makes whole numbers, whatever the weights are
    return np.bincount(column, weights=np.array([term[1] for term in terms]), minlength=n).astype(float)


def bilinear(terms: list[tuple[int, int, int, float]]) -> Bilinear:
    """The products from (row, leader column, follower column, coefficient)."""
    # A table of no terms has no columns to take unless its shape says so
    table = np.array(terms, dtype=float).reshape(-1, 4)
    row, leader, follower = (table[:, k].astype(np.int64) for k in range(3))
    return Bilinear(row, leader, follower, table[:, 3])
