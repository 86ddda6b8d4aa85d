"""Expressions of a Pyomo model as linear forms with products."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.visitor import identify_variables
from pyomo.repn import generate_standard_repn

from bilevel.errors import ModelError


@dataclass(frozen=True)
class Form:
    """constant + sum of values times variables + sum of values times pairs of them."""

    constant: float
    linear: tuple[tuple[Any, float], ...]
    products: tuple[tuple[Any, Any, float], ...]

    @property
    def variables(self) -> Iterator[Any]:
        """All of them, those of several terms several times."""
        yield from (variable for variable, _ in self.linear)
        yield from (variable for first, second, _ in self.products for variable in (first, second))

    def part(self, wanted: Callable[[Any], bool]) -> "Form":
        """Its terms with a variable of these, without the constant."""
        return Form(
            0.0, tuple(term for term in self.linear if wanted(term[0])),
            tuple(term for term in self.products if wanted(term[0]) or wanted(term[1])),
        )  # fmt: skip


def read(expression: Any, what: str) -> Form:
    """An expression that is linear or holds products; raises `ModelError` for any other one."""
    repn = generate_standard_repn(expression, quadratic=True)
    if repn.nonlinear_expr is not None:
        raise ModelError(f"{what} holds an answer in a form that is neither linear nor a product")
    linear = tuple((v, float(a)) for v, a in zip(repn.linear_vars, repn.linear_coefs, strict=True) if a)
    products = tuple((i, j, float(a)) for (i, j), a in zip(repn.quadratic_vars, repn.quadratic_coefs, strict=True) if a)
    return Form(float(pyo.value(repn.constant)), linear, products)


def ends(row: Any) -> tuple[float, float]:
    """A row's limits, infinite where there is none."""
    low, high = (pyo.value(end) for end in (row.lower, row.upper))
    return -math.inf if low is None else float(low), math.inf if high is None else float(high)


def variables(expression: Any) -> list[Any]:
    """Variables of an expression that are not fixed."""
    return list(identify_variables(expression, include_fixed=False))
