"""Roots of quadratics in rows, as of a norm: sqrt(q), q**0.5, and multiples of these."""

from dataclasses import dataclass
from typing import Any

from pyomo.common.numeric_types import native_numeric_types
from pyomo.core.expr.numeric_expr import (
    DivisionExpression,
    NegationExpression,
    PowExpression,
    ProductExpression,
    SumExpression,
    UnaryFunctionExpression,
)


@dataclass(frozen=True)
class Root:
    """factor * sqrt(inside), where `inside` is the quadratic representation of `expression`."""

    factor: float
    inside: Any
    expression: Any


def roots_of(expression: Any, factor: float = 1.0) -> list[tuple[float, Any]] | None:
    """(factor, what stands under the root) of an expression that is a sum of roots; None where it is another one."""
    factor, expression = _without_factor(expression, factor)
    if isinstance(expression, SumExpression):
        parts = [roots_of(part, factor) for part in expression.args]
        return None if any(part is None for part in parts) else [root for part in parts for root in part or ()]
    if isinstance(expression, UnaryFunctionExpression) and expression.getname() == "sqrt":
        return [(factor, expression.args[0])]
    if isinstance(expression, PowExpression) and _is_number(expression.args[1]) and float(expression.args[1]) == 0.5:
        return [(factor, expression.args[0])]
    return None


def power_of(expression: Any) -> tuple[float, Any, float] | None:
    """(factor, base, exponent) of factor * base ** exponent + numbers, as a root is; None where an expression is another one."""
    factor, expression = _without_factor(expression, 1.0)
    if isinstance(expression, SumExpression):
        parts = [part for part in expression.args if not _is_number(part)]
        found = power_of(parts[0]) if len(parts) == 1 else None
        return None if found is None else (factor * found[0], *found[1:])
    if isinstance(expression, UnaryFunctionExpression) and expression.getname() == "sqrt":
        return factor, expression.args[0], 0.5
    if isinstance(expression, PowExpression) and _is_number(expression.args[1]):
        return factor, expression.args[0], float(expression.args[1])
    return None


def _without_factor(expression: Any, factor: float) -> tuple[float, Any]:
    """A number and what it multiplies."""
    while True:
        if isinstance(expression, NegationExpression):
            factor, expression = -factor, expression.args[0]
        elif isinstance(expression, SumExpression) and len(expression.args) == 1:
            expression = expression.args[0]
        elif isinstance(expression, ProductExpression) and any(_is_number(part) for part in expression.args):
            first, second = expression.args
            number, expression = (first, second) if _is_number(first) else (second, first)
            factor *= float(number)
        elif isinstance(expression, DivisionExpression) and _is_number(expression.args[1]):
            factor, expression = factor / float(expression.args[1]), expression.args[0]
        elif hasattr(expression, "is_named_expression_type") and expression.is_named_expression_type():
            expression = expression.args[0]
        else:
            return factor, expression


def _is_number(part: Any) -> bool:
    return part.__class__ in native_numeric_types
