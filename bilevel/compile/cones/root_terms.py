"""What expressions beyond quadratic ones are made of: roots (sqrt(q), q**0.5), powers, and polynomials."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyomo.common.numeric_types import native_numeric_types, value
from pyomo.core.expr.numeric_expr import (
    DivisionExpression,
    NegationExpression,
    PowExpression,
    ProductExpression,
    SumExpression,
    UnaryFunctionExpression,
)

Polynomial = dict[tuple[int, ...], float]
Multiply = Callable[[int, int], tuple[int, float]]

_HIGHEST = 8
"""The highest power that is multiplied out."""

_MOST_TERMS = 20_000
"""Terms of a product beyond which it is none to solve."""


@dataclass(frozen=True)
class Root:
    """factor * sqrt(inside), where `inside` is the quadratic representation of `expression`."""

    factor: float
    inside: Any
    expression: Any


def roots_of(expression: Any, factor: float = 1.0) -> tuple[list[tuple[float, Any]], list[tuple[float, Any]]]:
    """(factor, what stands under the root) of the roots of a sum, and (factor, expression) of its other terms."""
    factor, expression = _without_factor(expression, factor)
    if isinstance(expression, SumExpression):
        parts = [roots_of(part, factor) for part in expression.args]
        return [root for roots, _ in parts for root in roots], [other for _, others in parts for other in others]
    if isinstance(expression, UnaryFunctionExpression) and expression.getname() == "sqrt":
        return [(factor, expression.args[0])], []
    if isinstance(expression, PowExpression) and _is_number(expression.args[1]) and float(expression.args[1]) == 0.5:
        return [(factor, expression.args[0])], []
    return [], [(factor, expression)]


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


def polynomial(expression: Any) -> Polynomial | None:
    """The coefficients of a polynomial by the sorted ids of the variables that each term multiplies; None for what is none."""
    if not hasattr(expression, "is_potentially_variable") or not expression.is_potentially_variable():
        return {(): float(value(expression))}
    if not expression.is_expression_type():
        return {(): float(expression.value)} if expression.fixed else {(id(expression),): 1.0}
    parts = [polynomial(part) for part in expression.args]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    if isinstance(expression, NegationExpression):
        return _times(known[0], {(): -1.0})
    if isinstance(expression, SumExpression):
        total: Polynomial = {}
        for part in known:
            for key, coefficient in part.items():
                total[key] = total.get(key, 0.0) + coefficient
        return total
    if isinstance(expression, ProductExpression):
        return _times(known[0], known[1])
    if isinstance(expression, DivisionExpression) and set(known[1]) == {()} and known[1][()]:
        return _times(known[0], {(): 1.0 / known[1][()]})
    if isinstance(expression, PowExpression) and set(known[1]) <= {()}:
        exponent = known[1].get((), 0.0)
        return _power(known[0], int(exponent)) if exponent in range(_HIGHEST + 1) else None
    return known[0] if expression.is_named_expression_type() else None


def add_polynomial(
    repn: Any, factor: float, terms: Polynomial, multiply: Multiply | None, found: dict[int, Any]
) -> None:
    """Adds a polynomial to a quadratic representation, its higher terms by columns that are products."""
    for ids, coefficient in terms.items():
        value = coefficient
        # By first use, as ids differ from run to run; a square first, whose sign is known
        order = {key: at for at, key in enumerate(found)}
        key = tuple(sorted(ids, key=order.__getitem__))
        while len(key) > 2 and multiply is not None:
            first = next((each for each in key if key.count(each) > 1), key[0])
            rest = list(key)
            rest.remove(first)
            second = first if first in rest else rest[0]
            rest.remove(second)
            product, unit = multiply(first, second)
            key, value = (*rest, product), value * unit
        if not key:
            repn.constant += factor * value
        elif len(key) == 1:
            repn.linear[key[0]] = repn.linear.get(key[0], 0.0) + factor * value
        else:
            repn.quadratic = {} if repn.quadratic is None else repn.quadratic
            # The visitor orders a pair as it met its variables
            pair = key[::-1] if key[::-1] in repn.quadratic else key
            repn.quadratic[pair] = repn.quadratic.get(pair, 0.0) + factor * value


def _times(first: Polynomial, second: Polynomial) -> Polynomial | None:
    if len(first) * len(second) > _MOST_TERMS:
        return None
    total: Polynomial = {}
    for a, u in first.items():
        for b, v in second.items():
            key = tuple(sorted(a + b))
            total[key] = total.get(key, 0.0) + u * v
    return total


def _power(base: Polynomial, exponent: int) -> Polynomial | None:
    total: Polynomial | None = {(): 1.0}
    for _ in range(exponent):
        total = _times(total, base) if total is not None else None
    return total


def _is_number(part: Any) -> bool:
    return part.__class__ in native_numeric_types
