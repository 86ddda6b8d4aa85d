"""Roots of quadratics in rows, as of a norm: sqrt(q), q**0.5, and multiples of these."""

from dataclasses import dataclass
from typing import Any

from pyomo.common.numeric_types import native_numeric_types
from pyomo.core.expr.numeric_expr import (
    NegationExpression,
    PowExpression,
    ProductExpression,
    SumExpression,
    UnaryFunctionExpression,
)


@dataclass(frozen=True)
class Root:
    """factor * sqrt(inside), where `inside` is a quadratic representation."""

    factor: float
    inside: Any


def root_of(expression: Any) -> tuple[float, Any] | None:
    """The factor and what stands under the root, of an expression that is one root; None where it is another one."""
    factor = 1.0
    while True:
        if isinstance(expression, NegationExpression):
            factor, expression = -factor, expression.args[0]
        elif isinstance(expression, SumExpression) and len(expression.args) == 1:
            expression = expression.args[0]
        elif isinstance(expression, ProductExpression) and any(_is_number(part) for part in expression.args):
            first, second = expression.args
            number, expression = (first, second) if _is_number(first) else (second, first)
            factor *= float(number)
        else:
            break
    if isinstance(expression, UnaryFunctionExpression) and expression.getname() == "sqrt":
        return factor, expression.args[0]
    if isinstance(expression, PowExpression) and _is_number(expression.args[1]) and float(expression.args[1]) == 0.5:
        return factor, expression.args[0]
    return None


def _is_number(part: Any) -> bool:
    return part.__class__ in native_numeric_types
