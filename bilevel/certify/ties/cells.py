"""Cells that hold the values of one block's forms: the convex hull of a few of its points, at each of which the block has a value.

A convex function is nowhere in a cell above what weights of its corners make of their values, which is what bounds the worst tie.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from bilevel.program.rows import Index, Vector

MOST_FORMS = 6
"""Up to here a cell has a corner for every corner of its box; with more forms it is a simplex about it."""
MOST_CORNERS = 1000
"""A cut that would leave more corners than these is left out."""


@dataclass(frozen=True)
class Cell:
    """A box of a block's forms with cuts a @ z <= b, as the hull of `corners` (corners x forms)."""

    lower: Vector
    upper: Vector
    cuts: tuple[tuple[Vector, float], ...] = ()
    corners: Vector = field(init=False)

    def __post_init__(self) -> None:
        corners = _simplex(self.lower, self.upper) if len(self.lower) > MOST_FORMS else _box(self.lower, self.upper)
        for a, b in self.cuts:
            corners = cut(corners, a, b)
        object.__setattr__(self, "corners", corners)

    def halves(self, form: int, value: float) -> tuple["Cell", "Cell"]:
        """The cell below and above a value of a form."""
        upper, lower = self.upper.copy(), self.lower.copy()
        upper[form] = lower[form] = value
        return Cell(self.lower, upper, self.cuts), Cell(lower, self.upper, self.cuts)


def _box(lower: Vector, upper: Vector) -> Vector:
    ends = [(low,) if low == high else (low, high) for low, high in zip(lower, upper, strict=True)]
    return np.array(list(itertools.product(*ends))).reshape(-1, len(lower))


def _simplex(lower: Vector, upper: Vector) -> Vector:
    """Corners of a simplex about a box: its lower corner, and that one with one form further by all that they may move together."""
    width = upper - lower
    open_ = np.flatnonzero(width > 0)
    corners = np.tile(lower, (len(open_) + 1, 1))
    corners[1 + np.arange(len(open_)), open_] += len(open_) * width[open_]
    return corners


def cut(corners: Vector, a: Vector, b: float) -> Vector:
    """Corners of the hull's part with a @ z <= b; all of them where the part would have too many."""
    side = corners @ a - b
    inside, outside = np.flatnonzero(side <= 0), np.flatnonzero(side > 0)
    if not len(outside) or not len(inside):
        return corners if not len(outside) else corners[:0]
    if len(inside) * (1 + len(outside)) > MOST_CORNERS:
        return corners
    i, o = (part.ravel() for part in np.meshgrid(inside, outside))
    share = (-side[i] / (side[o] - side[i]))[:, None]
    between = corners[i] + share * (corners[o] - corners[i])
    return _extreme(np.unique(np.vstack([corners[inside], between]), axis=0))


def _extreme(points: Vector) -> Vector:
    """The points without those that others have between them, where that can be told."""
    wide = np.ptp(points, axis=0)
    moving: Index = np.flatnonzero(wide > 0)
    # Hulls of many dimensions have no end of facets
    if len(points) <= len(moving) + 1 or len(moving) > MOST_FORMS:
        return points
    if len(moving) == 1:
        along = points[:, moving[0]]
        return points[[int(along.argmin()), int(along.argmax())]]
    try:
        return points[ConvexHull(points[:, moving] / wide[moving]).vertices]
    except QhullError:
        # Flat in some slanted direction: points too many make no bound wrong
        return points
