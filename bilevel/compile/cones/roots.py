"""Roots of quadratics, such as norms, in rows and objectives: to cones; followers' objectives that are one power: to quadratics."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import tolerances
from bilevel.compile.columns import Columns
from bilevel.compile.cones.quadratic_rows import Affine, ConeBuilder, affine_squares, with_one
from bilevel.compile.cones.root_terms import Root
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import LEADER
from bilevel.program.choices import Derived

Limit = tuple[list[tuple[int, float]], float, float, str]


def keys_of(repn: Any) -> Iterator[int]:
    """The ids of all variables of a representation, those under a root included."""
    yield from repn.linear
    for pair in repn.quadratic or ():
        yield from pair
    for root in repn.nonlinear or ():
        yield from keys_of(root.inside)


def take_root(
    cones: ConeBuilder, columns: Columns, repn: Any, lower: float, upper: float, name: str
) -> list[Limit] | None:
    """Gives `cones` the row lower <= factor sqrt(quadratic) + linear <= upper, and its caller the rows that go with it.

    None where the row has more than one root, or squares beside it.  Raises `ModelError` for a root that is bounded from below,
    and for one that is not convex.
    """
    if len(repn.nonlinear) != 1 or repn.quadratic:
        return None
    root, terms = repn.nonlinear[0], columns.linear(repn)
    _refuse_from_below(root, limited_side(lower, upper), f"row {name!r}")
    limit = (upper if root.factor > 0 else lower) / root.factor
    right = {column: -value / root.factor for column, value in terms}
    sign = [(list(right.items()), -limit, np.inf, f"{name}: right-hand side")]
    if not right:
        sign = [([], -limit, np.inf, f"{name}: limit")] if limit < 0 else []
        if not root.inside.quadratic:
            constant = float(root.inside.constant)
            # What stands under a root is at least 0
            return [*sign, (columns.linear(root.inside), -constant, limit**2 - constant, name)]
    squares = with_one(_squares(columns, root, f"row {name!r}"), partial(columns.one, name))
    cones.norm(squares, (right, limit), name)
    return sign


def lift_roots(
    cones: ConeBuilder, columns: Columns, roots: list[Root], side: float, name: str, owner: int, tight: bool = False
) -> list[tuple[int, float]]:
    """A column at least as large as each root, given to `cones`, and the linear terms that stand for the roots then.

    `tight`: no column may be larger than its root.
    `side`: 1 where the sum is limited from above (or minimised), -1 from below, 0 on both sides.  Raises `ModelError` where a
    root is limited from below, and for one that is not convex.
    """
    terms = []
    for number, root in enumerate(roots, 1):
        _refuse_from_below(root, side, repr(name))
        squares = _squares(columns, root, repr(name))
        reach = columns.reach(squares)
        far = reach * (1.0 + tolerances.IMPLIED_ROUNDING) if math.isfinite(reach) else None
        # An upper bound of a follower's column would be one more limit with a multiplier
        bounds = (0.0, far if owner == LEADER else None)
        label = f"root {number} of {name}"
        derived = Derived(label, _worth(root.expression), pyo.Reals, bounds, reach if far else math.nan)
        column = columns.derive(derived, owner)
        cones.norm(with_one(squares, partial(columns.one, label)), ({column: 1.0}, 0.0), label, tight)
        terms.append((column, root.factor))
    return terms


def ordered_as(columns: Columns, objective: Any, sense: float, priced: bool) -> tuple[Any, float]:
    """An expression that rises where a follower's objective does, and the sense (1: least, -1: most) in which it is sought.

    factor * base ** exponent + constant rises with the base where that is at least 0, or the exponent is odd, and with the base's
    square where the exponent is even.  `priced`: multipliers are read or limited, which are those of the objective as it is
    written; a power is refused by `ModelError` then, and a root stays one.
    """
    found = columns.power(objective.expr, f"objective {objective.name!r}")
    if found is None:
        return objective.expr, sense
    factor, base, exponent, expression = found
    if exponent <= 0:
        return objective.expr, sense
    turned = sense if factor > 0 else -sense
    if base.quadratic:
        form, linear = columns.quadratic(base, 1.0), dict(columns.linear(base))
        known = affine_squares(form, linear, float(base.constant)) is not None
    else:
        known = exponent == int(exponent)
        expression = expression**2 if exponent % 2 == 0 else expression
    if not known or (priced and exponent == 0.5):
        return objective.expr, sense
    if priced:
        raise ModelError(
            f"objective {objective.name!r} is a power, which is solved by what has the same optimum, and multipliers of its "
            "follower are used, which are those of the objective itself: write the objective without the power, or leave them out"
        )
    return expression, turned


def limited_side(lower: float, upper: float) -> float:
    """1 where a row has an upper limit alone, -1 where it has a lower one, 0 for both."""
    return float(np.isfinite(upper)) - float(np.isfinite(lower))


def _refuse_from_below(root: Root, side: float, what: str) -> None:
    if side * root.factor <= 0:
        raise ModelError(
            f"{what} keeps a root at least as large as something, which is not convex: keep the other limit alone"
        )


def _squares(columns: Columns, root: Root, what: str) -> list[Affine]:
    form, linear = columns.quadratic(root.inside, 1.0), dict(columns.linear(root.inside))
    squares = affine_squares(form, linear, float(root.inside.constant))
    if squares is None:
        raise ModelError(
            f"{what} has {str(root.expression)[:60]} under a root, which is no sum of squares of (variables + numbers), so that "
            "the root is not convex: write a norm, or square the row where both of its sides are at least 0"
        )
    return squares


def _worth(expression: Any) -> Any:
    def worth() -> float | None:
        value = pyo.value(expression, exception=False)
        return None if value is None else math.sqrt(max(float(value), 0.0))

    return worth
