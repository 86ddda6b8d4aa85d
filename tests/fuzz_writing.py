"""A `fuzzing.Problem` as a Pyomo model, in one of many ways of writing the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from fuzzing import Array, Lower, Problem
from pyomo.core.expr import LinearExpression

import bilevel

WRITINGS = ("range", "sides", "zero", "negated", "swapped", "param", "named")
REFERENCES = ("x in a follower", "row in a follower", "one x in a follower", "follower in the leader", "follower in another",
              "follower's row in the leader", "follower in itself")  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How a model is written: `rows` is one of WRITINGS by turns, `references` some of REFERENCES, `idle` what a quadratic row that
    no point reaches allows of the squares of a follower's variables (0: no such row)."""

    rows: tuple[str, ...] = ("range",)
    references: tuple[str, ...] = ()
    idle: float = 0.0

    def __str__(self) -> str:
        parts = [f"rows {', '.join(self.rows)}"] * (self.rows != ("range",)) + [
            f"References {', '.join(self.references)}"
        ] * bool(self.references)
        return "; ".join(parts + [f"an idle disc of {self.idle:g}"] * (self.idle > 0))


PLAIN = Style()


def to_pyomo(p: Problem, style: Style = PLAIN) -> Any:
    """The problem as a Pyomo model with variables `x` and `f[k].y`; `m.f[k].row[i]` are the followers' rows."""
    m = pyo.ConcreteModel("fuzz")
    limits = [(_bound(a), _bound(b)) for a, b in zip(p.x_low, p.x_high, strict=True)]
    domain = [_domain(m, p, k) for k in range(len(p.c))]
    m.x = pyo.Var(range(len(p.c)), bounds=lambda _, k: limits[k], domain=lambda _, k: domain[k])
    x = list(m.x.values())
    m.f = bilevel.Follower(range(len(p.followers)))
    reads = [_write_lower(f, block, x, style) for f, block in zip(p.followers, m.f.values(), strict=True)]
    ys = [list(block.y.values()) for block in m.f.values()]
    pays = [_bilinear(x, f.C, y) for f, y in zip(p.followers, ys, strict=True)]
    y = [variable for part in ys for variable in part]
    squares = pyo.quicksum(_dot(row, x + y) ** 2 for row in p.S)
    income = pyo.quicksum(float(w) * pay for w, pay in zip(p.weight, pays, strict=True) if w)
    m.goal = _objective(_dot(p.c, x) + _dot(p.d, y) + income + squares + pyo.quicksum(reads), p.sense)
    m.row = pyo.Constraint(range(len(p.low)))
    for k, (g, h, pay) in enumerate(zip(p.G, p.H, p.pay, strict=True)):
        paid = pyo.quicksum(float(w) * part for w, part in zip(pay, pays, strict=True) if w)
        _write_row(m, k, _dot(h, y) + paid, _dot(g, x), (p.low[k], p.high[k]), style)
    _refer(m, style.references)
    return m


def _domain(m: Any, p: Problem, k: int) -> Any:
    """Reals, Integers, a step, a set of numbers, or 0 with an interval, as declared sets of the model."""
    pieces = p.domains[k]
    if p.integer[k] or not pieces:
        return pyo.Integers if p.integer[k] else pyo.Reals
    points = [a for a, b in pieces if a == b]
    steps = np.diff(points)
    if len(points) == len(pieces) and len(steps) and np.all(steps == steps[0]):
        found = pyo.RangeSet(points[0], points[-1], float(steps[0]))
    elif len(points) == len(pieces):
        found = pyo.Set(initialize=points)
    else:
        parts = [pyo.RangeSet(a, b, 0) for a, b in pieces]
        for at, part in enumerate(parts):
            m.add_component(f"piece{k}_{at}", part)
        found = parts[0]
        for part in parts[1:]:
            found = found | part
    m.add_component(f"domain{k}", found)
    return found


def _write_lower(f: Lower, block: Any, x: list[Any], style: Style) -> Any:
    """Gives back what the leader pays for the follower's multipliers."""
    limits = [(_bound(a), _bound(b)) for a, b in zip(f.y_low, f.y_high, strict=True)]
    block.y = pyo.Var(range(len(f.c)), bounds=lambda _, k: limits[k])
    y = list(block.y.values())
    cost = _dot(f.c, y) + _bilinear(x, f.C, y) + _bilinear(y, f.Q / 2, y)
    block.cost = _objective(cost, f.sense)
    block.row = pyo.Constraint(range(len(f.low)))
    reads = []
    for k, (a, b) in enumerate(zip(f.A, f.B, strict=True)):
        # A side without any variable of the follower is the right-hand side; where both are, no writing but this one says which
        how = replace(style, rows=("range",)) if f.prices[k] and not a.any() else style
        sign = _write_row(block, k, _dot(a, y), _dot(b, x), (f.low[k], f.high[k]), how)
        if f.prices[k]:
            reads.append(float(f.prices[k]) * f.sense * sign * block.dual(block.row[k]))
    if style.idle:
        block.disc = pyo.Constraint(expr=pyo.quicksum(v**2 for v in y) <= style.idle)
    return pyo.quicksum(reads)


def _write_row(block: Any, k: int, own: Any, other: Any, limits: tuple[float, float], style: Style) -> float:
    """low <= own + other <= high as row[k]; the sign of its multiplier against that of this form, 0 for a row without limits."""
    low, high = (_bound(limit) for limit in limits)
    how = style.rows[k % len(style.rows)]
    if low is None and high is None:
        return 0.0
    if how == "negated":
        block.row[k] = (None if high is None else -high, -own - other, None if low is None else -low)
        return -1.0
    if how == "named":
        name = f"part{k}"
        block.add_component(name, pyo.Expression(expr=own + other))
        own, other = block.component(name), 0.0
    if how in ("range", "named") or (low is not None and high is not None and low != high):
        block.row[k] = (low, own + other, high)
        return 1.0
    return _write_sides(block, k, own, other, (low, high), how)


def _write_sides(
    block: Any, k: int, own: Any, other: Any, limits: tuple[float | None, float | None], how: str
) -> float:
    """A row of one limit, or an equality, with variables on both of its sides."""
    low, high = limits
    right: Any = high if low is None else low
    if how == "param":
        block.add_component(f"limit{k}", pyo.Param(initialize=right, mutable=True))
        right = block.component(f"limit{k}")
    left, right = {
        "sides": (own, right - other), "zero": (own + other - right, 0.0), "swapped": (-own, other - right),
        "param": (own + other, right),
    }[how]  # fmt: skip
    sign = -1.0 if how == "swapped" else 1.0
    if low is not None and high is not None:
        block.row[k] = left == right
    else:
        block.row[k] = left >= right if (low is not None) == (sign > 0) else left <= right
    return sign


def _refer(m: Any, references: tuple[str, ...]) -> None:
    """References, which name what others declare and declare nothing."""
    blocks = list(m.f.values())
    first, last = blocks[0], blocks[-1]
    if "x in a follower" in references:
        first.see_x = pyo.Reference(m.x)
    if "one x in a follower" in references:
        last.see_one = pyo.Reference(m.x[0])
    if "row in a follower" in references and len(m.row):
        last.see_row = pyo.Reference(m.row)
    if "follower in the leader" in references:
        m.see_y = pyo.Reference(m.f[:].y[:])
    if "follower in another" in references and last is not first:
        last.see_y = pyo.Reference(first.y)
    if "follower's row in the leader" in references and len(first.row):
        m.see_row = pyo.Reference(first.row)
    if "follower in itself" in references:
        first.see_own = pyo.Reference(first.y)


def _bound(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _dot(coefficients: Array, variables: list[Any]) -> Any:
    """A linear expression that keeps its zero coefficients, so that empty rows stay rows."""
    return LinearExpression(constant=0, linear_coefs=coefficients.tolist(), linear_vars=variables)


def _bilinear(x: list[Any], matrix: Array, y: list[Any]) -> Any:
    return pyo.quicksum(float(matrix[i, j]) * x[i] * y[j] for i, j in zip(*np.nonzero(matrix), strict=True))


def _objective(expression: Any, sense: float) -> Any:
    return pyo.Objective(expr=sense * expression, sense=pyo.minimize if sense > 0 else pyo.maximize)
