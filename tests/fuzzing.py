"""Random small bilevel problems as raw numbers: drawn from a seed, written as Pyomo models, changed without changing their answer.

`fuzz_oracles` solves them from the same numbers, `fuzz_verdicts` compares with `bilevel.solve`.  Minimised forms throughout:
`sense` -1 only says that the model writes the negative, to be maximised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.expr import LinearExpression

import bilevel

Array = NDArray[np.float64]
INF = np.inf


@dataclass(frozen=True)
class Lower:
    """min y'Qy/2 + (c + C'x)'y  s.t.  low <= A y + B x <= high, y_low <= y <= y_high."""

    sense: float
    c: Array
    C: Array
    Q: Array
    A: Array
    B: Array
    low: Array
    high: Array
    y_low: Array
    y_high: Array


@dataclass(frozen=True)
class Problem:
    """min c x + d y + sum_f weight_f x'C_f y_f + |S (x, y)|^2  s.t.  low <= G x + H y + sum_f pay_f x'C_f y_f <= high.

    y are the followers' variables one after the other, x has bounds and an integrality mask; `pay` is (rows x followers).
    """

    sense: float
    c: Array
    d: Array
    weight: Array
    S: Array
    G: Array
    H: Array
    pay: Array
    low: Array
    high: Array
    x_low: Array
    x_high: Array
    integer: NDArray[np.bool_]
    followers: tuple[Lower, ...]

    @property
    def starts(self) -> list[int]:
        """Where each follower's variables start in y, and where the last ends."""
        return [0, *np.cumsum([len(f.c) for f in self.followers]).tolist()]

    def parts(self, y: Array) -> list[Array]:
        """y split by follower."""
        return np.split(y, self.starts[1:-1])

    def revenue(self, x: Array, y: Array) -> Array:
        """x'C_f y_f of each follower."""
        return np.array([x @ f.C @ part for f, part in zip(self.followers, self.parts(y), strict=True)])

    def objective(self, x: Array, y: Array) -> float:
        """The leader's minimised objective."""
        square = self.S @ np.concatenate([x, y])
        return float(self.c @ x + self.d @ y + self.weight @ self.revenue(x, y) + square @ square)


# Drawing


def _ints(rng: np.random.Generator, most: int, *shape: int, density: float = 0.8) -> Array:
    return rng.integers(-most, most + 1, shape) * (rng.random(shape) < density) + 0.0


def _limits(rng: np.random.Generator, at: Array, free: bool) -> tuple[Array, Array]:
    """Limits of every kind around values: two-sided mostly, also one-sided, fixed, and free where allowed."""
    low, high = at - rng.integers(0, 4, len(at)), at + rng.integers(0, 6, len(at))
    kind = rng.choice(5, len(at), p=[0.62, 0.16, 0.1, 0.06, 0.06] if free else [0.9, 0, 0, 0, 0.1])
    low = np.where(np.isin(kind, (2, 3)), -INF, np.where(kind == 4, at, low))
    high = np.where(np.isin(kind, (1, 3)), INF, np.where(kind == 4, at, high))
    return low, high


def _sides(rng: np.random.Generator, at: Array) -> tuple[Array, Array]:
    """Row limits that hold at the activities, or now and then anywhere: <=, >=, =, ranges."""
    at = at + np.where(rng.random(len(at)) < 0.06, rng.integers(-5, 6, len(at)), 0)
    low, high = at - rng.integers(0, 5, len(at)), at + rng.integers(0, 5, len(at))
    kind = rng.choice(4, len(at), p=[0.4, 0.3, 0.18, 0.12])
    return (
        np.where(kind == 0, -INF, np.where(kind == 2, at, low)),
        np.where(kind == 1, INF, np.where(kind == 2, at, high)),
    )


def _curve(rng: np.random.Generator, n: int) -> Array:
    """Q: none mostly; diagonal, dense, or singular."""
    kind = rng.choice(4, p=[0.6, 0.12, 0.12, 0.16])
    if kind == 0:
        return np.zeros((n, n))
    if kind == 1:
        return np.diag(rng.integers(1, 4, n) * 1.0)
    factor = _ints(rng, 2, n if kind == 2 else 1, n)
    return factor.T @ factor + (np.eye(n) if kind == 2 else 0.0)


def _degenerate(rng: np.random.Generator, f: Lower) -> Lower:
    """Repeated, multiplied, added and empty rows; a column that no row holds."""
    picks = [(f.A[[k]], f.B[[k]], f.low[[k]], f.high[[k]]) for k in range(len(f.low)) if rng.random() < 0.3]
    picks = [(s * A, s * B, s * low, s * high) for A, B, low, high in picks for s in (rng.choice([1.0, 2.0]),)]
    if rng.random() < 0.1:
        picks.append((np.zeros((1, len(f.c))), np.zeros((1, len(f.C))), np.array([-1.0]), np.ones(1)))
    rows = [np.concatenate(group) for group in zip((f.A, f.B, f.low, f.high), *picks, strict=True)]
    if rng.random() < 0.1:
        rows[0][:, rng.integers(rows[0].shape[1])] = 0.0
    order = rng.permutation(len(rows[2]))
    return replace(f, A=rows[0][order], B=rows[1][order], low=rows[2][order], high=rows[3][order])


def _lower(rng: np.random.Generator, x: Array, n: int, free: bool, prices: bool, moves: bool) -> tuple[Lower, Array]:
    rows, y = int(rng.integers(0, 4 if n > 1 else 3)), rng.integers(0, 4, n) * 1.0
    A = _ints(rng, 3, rows, n)
    B = _ints(rng, 2, rows, len(x), density=0.6) if moves else np.zeros((rows, len(x)))
    low, high = _sides(rng, A @ y + B @ x)
    y_low, y_high = _limits(rng, y, free)
    C = _ints(rng, 2, len(x), n, density=0.6) if prices else np.zeros((len(x), n))
    f = Lower(float(rng.choice([1, -1])), _ints(rng, 4, n), C, _curve(rng, n), A, B, low, high, y_low, y_high)
    return (_degenerate(rng, f) if rng.random() < 0.3 else f), y


def draw(seed: int) -> Problem:
    """The problem of a seed: mostly feasible and bounded, every feature of the engine's model class now and then."""
    rng = np.random.default_rng([seed, 1])
    nx, count, free = int(rng.integers(1, 4)), int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12])), bool(rng.random() < 0.4)
    x = rng.integers(0, 4, nx) * 1.0
    earns = rng.random(count) < 0.3
    prices, moves = earns | (rng.random(count) < 0.4), (~earns & (rng.random(count) < 0.7)) | (rng.random(count) < 0.03)
    drawn = [
        _lower(rng, x, int(rng.integers(1, 4 if count < 3 else 3)), free, *with_)
        for with_ in zip(prices, moves, strict=True)
    ]  # fmt: skip
    y = np.concatenate([at for _, at in drawn])
    rows = int(rng.choice([0, 1, 2], p=[0.45, 0.35, 0.2]))
    G, H = _ints(rng, 2, rows, nx, density=0.5), _ints(rng, 2, rows, len(y), density=0.5)
    pay = np.where((rng.random((rows, count)) < 0.25) & earns, rng.choice([-1.0, 1.0], (rows, count)), 0.0)
    revenue = np.array([x @ f.C @ at for f, at in drawn])
    low, high = _sides(rng, G @ x + H @ y + pay @ revenue)
    x_low, x_high = _limits(rng, x, free=free and bool(rng.random() < 0.25))
    weight = np.where(earns, -rng.choice([1.0, 1.0, 0.5, 2.0, -1.0], count, p=[0.5, 0.2, 0.1, 0.1, 0.1]), 0.0)
    S = (
        _ints(rng, 1, int(rng.integers(1, 3)), nx + len(y), density=0.5)
        if rng.random() < 0.15
        else np.zeros((0, nx + len(y)))
    )
    if rng.random() < 0.8:
        S[:, nx:] = 0.0
    whole = (rng.random(nx) < 0.5) & (rng.random() < 0.25) & np.isfinite(x_low) & np.isfinite(x_high)
    return Problem(
        float(rng.choice([1, -1])), _ints(rng, 4, nx), _ints(rng, 5, len(y)), weight, S, G, H, pay, low, high,
        x_low, x_high, whole, tuple(f for f, _ in drawn),
    )  # fmt: skip


# Writing


def _bound(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _dot(coefficients: Array, variables: list[Any]) -> Any:
    """A linear expression that keeps its zero coefficients, so that empty rows stay rows."""
    return LinearExpression(constant=0, linear_coefs=coefficients.tolist(), linear_vars=variables)


def _add_rows(block: Any, bodies: list[Any], low: Array, high: Array) -> None:
    limits = [(_bound(a), _bound(b)) for a, b in zip(low, high, strict=True)]
    keep = [k for k, limit in enumerate(limits) if limit != (None, None)]
    block.row = pyo.Constraint(keep, rule=lambda _, k: (limits[k][0], bodies[k], limits[k][1]))


def _bilinear(x: list[Any], matrix: Array, y: list[Any]) -> Any:
    return pyo.quicksum(float(matrix[i, j]) * x[i] * y[j] for i, j in zip(*np.nonzero(matrix), strict=True))


def _objective(expression: Any, sense: float) -> Any:
    return pyo.Objective(expr=sense * expression, sense=pyo.minimize if sense > 0 else pyo.maximize)


def to_pyomo(p: Problem) -> Any:
    """The problem as a Pyomo model with variables `x` and `f[k].y`."""
    m = pyo.ConcreteModel("fuzz")
    whole = [pyo.Integers if mask else pyo.Reals for mask in p.integer]
    limits = [(_bound(a), _bound(b)) for a, b in zip(p.x_low, p.x_high, strict=True)]
    m.x = pyo.Var(range(len(p.c)), bounds=lambda _, k: limits[k], domain=lambda _, k: whole[k])
    x = list(m.x.values())
    m.f = bilevel.Follower(range(len(p.followers)))
    for f, block in zip(p.followers, m.f.values(), strict=True):
        _write_lower(f, block, x)
    ys = [list(block.y.values()) for block in m.f.values()]
    pays = [_bilinear(x, f.C, y) for f, y in zip(p.followers, ys, strict=True)]
    y = [variable for part in ys for variable in part]
    squares = pyo.quicksum(_dot(row, x + y) ** 2 for row in p.S)
    income = pyo.quicksum(float(w) * pay for w, pay in zip(p.weight, pays, strict=True) if w)
    m.goal = _objective(_dot(p.c, x) + _dot(p.d, y) + income + squares, p.sense)
    bodies = [
        _dot(g, x) + _dot(h, y) + pyo.quicksum(float(w) * pay for w, pay in zip(row, pays, strict=True) if w)
        for g, h, row in zip(p.G, p.H, p.pay, strict=True)
    ]
    _add_rows(m, bodies, p.low, p.high)
    return m


def _write_lower(f: Lower, block: Any, x: list[Any]) -> None:
    limits = [(_bound(a), _bound(b)) for a, b in zip(f.y_low, f.y_high, strict=True)]
    block.y = pyo.Var(range(len(f.c)), bounds=lambda _, k: limits[k])
    y = list(block.y.values())
    cost = _dot(f.c, y) + _bilinear(x, f.C, y) + _bilinear(y, f.Q / 2, y)
    block.cost = _objective(cost, f.sense)
    _add_rows(block, [_dot(a, y) + _dot(b, x) for a, b in zip(f.A, f.B, strict=True)], f.low, f.high)


# Changes that keep the optimum (times `factor` for the leader's objective)


def relabelled(p: Problem, rng: np.random.Generator) -> Problem:
    """Variables, rows and followers in another order."""
    order, X = rng.permutation(len(p.followers)), rng.permutation(len(p.c))
    Y = [rng.permutation(len(f.c)) for f in p.followers]
    flat = np.concatenate([p.starts[k] + Y[k] for k in order])
    K = rng.permutation(len(p.low))
    lowers = [_relabelled_lower(p.followers[k], X, Y[k], rng.permutation(len(p.followers[k].low))) for k in order]
    return replace(
        p, c=p.c[X], d=p.d[flat], weight=p.weight[order], S=p.S[:, np.concatenate([X, len(X) + flat])],
        G=p.G[K][:, X], H=p.H[K][:, flat], pay=p.pay[K][:, order], low=p.low[K], high=p.high[K],
        x_low=p.x_low[X], x_high=p.x_high[X], integer=p.integer[X], followers=tuple(lowers),
    )  # fmt: skip


def _relabelled_lower(f: Lower, X: Any, Y: Any, K: Any) -> Lower:
    return replace(
        f, c=f.c[Y], C=f.C[X][:, Y], Q=f.Q[Y][:, Y], A=f.A[K][:, Y], B=f.B[K][:, X], low=f.low[K], high=f.high[K],
        y_low=f.y_low[Y], y_high=f.y_high[Y],
    )  # fmt: skip


def repeated(p: Problem) -> Problem:
    """Every row of leader and followers twice."""
    two = np.tile
    lowers = [
        replace(f, A=two(f.A, (2, 1)), B=two(f.B, (2, 1)), low=two(f.low, 2), high=two(f.high, 2)) for f in p.followers
    ]
    return replace(
        p, G=two(p.G, (2, 1)), H=two(p.H, (2, 1)), pay=two(p.pay, (2, 1)), low=two(p.low, 2), high=two(p.high, 2),
        followers=tuple(lowers),
    )  # fmt: skip


def scaled(p: Problem, x_unit: float, y_unit: float, factor: float) -> Problem:
    """Continuous x and all y in other units (x = unit * new x), the leader's objective and the followers' costs times `factor`."""
    unit = np.where(p.integer, 1.0, x_unit)
    lowers = [
        replace(
            f, c=factor * y_unit * f.c, C=factor * y_unit * unit[:, None] * f.C, Q=factor * y_unit**2 * f.Q, A=y_unit * f.A,
            B=f.B * unit, y_low=f.y_low / y_unit, y_high=f.y_high / y_unit,
        )
        for f in p.followers
    ]  # fmt: skip
    every = np.concatenate([unit, np.full(len(p.d), y_unit)])
    return replace(
        p, c=factor * unit * p.c, d=factor * y_unit * p.d, S=np.sqrt(factor) * p.S * every, G=p.G * unit, H=p.H * y_unit,
        pay=p.pay / factor, x_low=p.x_low / unit, x_high=p.x_high / unit, followers=tuple(lowers),
    )  # fmt: skip
