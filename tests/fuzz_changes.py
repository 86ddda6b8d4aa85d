"""Changes of a `fuzzing.Problem` that keep its optimum (times a factor for the leader's objective)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fuzzing import Array, Lower, Problem


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
        pieces=tuple(p.pieces[k] for k in X) if p.pieces else (),
    )  # fmt: skip


def _relabelled_lower(f: Lower, X: Any, Y: Any, K: Any) -> Lower:
    return replace(
        f, c=f.c[Y], C=f.C[X][:, Y], Q=f.Q[Y][:, Y], A=f.A[K][:, Y], B=f.B[K][:, X], low=f.low[K], high=f.high[K],
        y_low=f.y_low[Y], y_high=f.y_high[Y], read=f.prices[K],
    )  # fmt: skip


def repeated(p: Problem) -> Problem:
    """Every row of leader and followers twice."""
    two = np.tile
    lowers = [
        replace(f, A=two(f.A, (2, 1)), B=two(f.B, (2, 1)), low=two(f.low, 2), high=two(f.high, 2), read=np.zeros(0))
        for f in p.followers
    ]
    return replace(
        p, G=two(p.G, (2, 1)), H=two(p.H, (2, 1)), pay=two(p.pay, (2, 1)), low=two(p.low, 2), high=two(p.high, 2),
        followers=tuple(lowers),
    )  # fmt: skip


def scaled(p: Problem, x_unit: float, y_unit: float, factor: float) -> Problem:
    """Continuous x and all y in other units (x = unit * new x), the leader's objective and the followers' costs times `factor`."""
    count = len(p.followers)
    return rescaled(
        p,
        Units(
            np.full(len(p.c), x_unit),
            np.full(len(p.d), y_unit),
            np.ones(len(p.low)),
            (1.0,) * count,
            (factor,) * count,
            factor,
        ),
    )


@dataclass(frozen=True)
class Units:
    """New units: x = unit * new x (continuous ones), y likewise; rows, followers' costs and the leader's objective are multiplied.

    `lower`: factor of the rows of each follower, an array or one number.
    """

    x: Array
    y: Array
    rows: Array
    lower: tuple[Any, ...]
    costs: tuple[float, ...]
    factor: float


def drawn_units(p: Problem, rng: np.random.Generator, least: int, most: int, share: float) -> Units:
    """Powers of ten from `least` to `most` for this share of columns and rows."""

    def some(count: int) -> Array:
        return np.where(rng.random(count) < share, 10.0 ** rng.integers(least, most + 1, count), 1.0)

    lower = tuple(some(len(f.low)) for f in p.followers)
    return Units(
        some(len(p.c)),
        some(len(p.d)),
        some(len(p.low)),
        lower,
        tuple(some(len(p.followers)).tolist()),
        float(some(1)[0]),
    )


def rescaled(p: Problem, units: Units) -> Problem:
    """The problem in other units, its optimum times `units.factor`; x with a domain of its own keep theirs."""
    whole = p.integer | np.array([bool(pieces) for pieces in p.domains])
    x, y, costs, factor = np.where(whole, 1.0, units.x), units.y, np.array(units.costs), units.factor
    lowers = tuple(
        _rescaled_lower(f, x, part, rows * np.ones(len(f.low)), cost, factor)
        for f, part, rows, cost in zip(p.followers, p.parts(y), units.lower, units.costs, strict=True)
    )
    return replace(
        p, c=factor * x * p.c, d=factor * y * p.d, S=np.sqrt(factor) * p.S * np.concatenate([x, y]),
        weight=p.weight * factor / costs,
        G=units.rows[:, None] * p.G * x, H=units.rows[:, None] * p.H * y, pay=units.rows[:, None] * p.pay / costs,
        low=units.rows * p.low, high=units.rows * p.high, x_low=p.x_low / x, x_high=p.x_high / x, followers=lowers,
    )  # fmt: skip


def _rescaled_lower(f: Lower, x: Array, y: Array, rows: Array, cost: float, factor: float) -> Lower:
    return replace(
        f, c=cost * y * f.c, C=cost * x[:, None] * f.C * y, Q=cost * y[:, None] * f.Q * y, A=rows[:, None] * f.A * y,
        B=rows[:, None] * f.B * x, low=rows * f.low, high=rows * f.high, y_low=f.y_low / y, y_high=f.y_high / y,
        read=factor * f.prices * rows / cost,
    )  # fmt: skip
