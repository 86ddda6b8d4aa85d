"""Rows with the root of a quadratic, such as a norm, to cones."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bilevel.compile.columns import Columns
from bilevel.compile.quadratic_rows import ConeBuilder
from bilevel.errors import ModelError

Limit = tuple[list[tuple[int, float]], float, float, str]


def keys_of(repn: Any) -> Iterator[int]:
    """The ids of all variables of a representation, those under a root included."""
    yield from repn.linear
    for pair in repn.quadratic or ():
        yield from pair
    if repn.nonlinear is not None:
        yield from keys_of(repn.nonlinear.inside)


def take_root(cones: ConeBuilder, columns: Columns, repn: Any, lower: float, upper: float, name: str) -> list[Limit]:
    """Gives `cones` the row lower <= factor sqrt(quadratic) + linear <= upper, and its caller the rows that go with it.

    Raises `ModelError` for a root that is bounded from below, and for a norm about a point beside variables.
    """
    root, terms = repn.nonlinear, columns.linear(repn)
    if np.isfinite(lower if root.factor > 0 else upper):
        raise ModelError(
            f"row {name!r} keeps a root at least as large as something, which is not convex: keep the other limit alone"
        )
    limit = (upper if root.factor > 0 else lower) / root.factor
    right = {column: -value / root.factor for column, value in terms}
    form, linear = columns.quadratic(root.inside, 1.0), dict(columns.linear(root.inside))
    constant = float(root.inside.constant)
    if not right:
        # A root with a number as its limit is a quadratic row with the square of it
        cones.row(form, linear, -np.inf, limit**2 - constant, name)
        return [([], -limit, np.inf, f"{name}: limit")] if limit < 0 else []
    if linear or constant:
        raise ModelError(
            f"row {name!r} has linear terms or a constant under its root, and variables beside it: put each (x - a) of the norm "
            "into a variable of its own, d == x - a, and write the norm of these"
        )
    cones.norm(form, (right, limit), name)
    return [(list(right.items()), -limit, np.inf, f"{name}: right-hand side")]
