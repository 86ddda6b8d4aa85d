"""Rows of a compiled program back to Pyomo expressions, for single-level models and for solvers behind Pyomo."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.core.expr import LinearExpression

from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Vector


def linear(matrix: sp.csr_array, row: int, variables: Sequence[Any], constant: float = 0.0) -> Any:
    """Row `row` of matrix @ variables + constant."""
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    columns = matrix.indices[part].tolist()
    return LinearExpression(
        constant=constant, linear_coefs=matrix.data[part].tolist(), linear_vars=[variables[j] for j in columns]
    )


def objective(cost: Vector, offset: float, variables: Sequence[Any], sign: float = 1.0) -> Any:
    """sign * (cost @ variables + offset)."""
    used = np.flatnonzero(cost)
    return LinearExpression(
        constant=sign * offset,
        linear_coefs=(sign * cost[used]).tolist(),
        linear_vars=[variables[j] for j in used.tolist()],
    )


def limited(body: Any, lower: float, upper: float) -> Any:
    """lower <= body <= upper as Pyomo takes it, None where neither limit is finite."""
    if lower == upper:
        return body == lower
    low, high = (float(limit) if np.isfinite(limit) else None for limit in (lower, upper))
    if low is None and high is None:
        return None
    return (low, body, high)


def cone(cones: Cones, at: int, variables: Sequence[Any]) -> Any:
    """Sum of squares <= u w of one cone."""
    forms = [linear(cones.squares, k, variables) for k in np.flatnonzero(cones.owner == at).tolist()]
    w = linear(cones.w, at, variables, float(cones.w0[at]))
    u: Any = float(cones.u0[at])
    if cones.u.indptr[at] < cones.u.indptr[at + 1]:
        u = linear(cones.u, at, variables, u)
    return pyo.quicksum(form**2 for form in forms) - u * w <= 0


def product(products: Products, at: int, variables: Sequence[Any]) -> Any:
    """Sum of products + linear part <= upper of one nonconvex row."""
    mine = np.flatnonzero(products.row == at)
    terms = zip(
        products.first[mine].tolist(), products.second[mine].tolist(), products.value[mine].tolist(), strict=True
    )
    quadratic = pyo.quicksum(value * variables[i] * variables[j] for i, j, value in terms)
    return quadratic + linear(products.linear.matrix, at, variables) <= float(products.linear.upper[at])
