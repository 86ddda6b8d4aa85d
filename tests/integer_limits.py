"""Random bilevel problems in which whole followers see one continuous decision t, and their infima by intervals.

An answer may be given where its rows hold, a closed interval of t, and is given where no cheaper one may: of what is left of the
interval some ends are open.  The oracle shares no code with the engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

import bilevel

Array = NDArray[np.float64]
NEAR = 1e-9
UNITS = (1.0, 1.0, 1.0, 0.1, 1 / 3, 1e-4, 1e5)


@dataclass(frozen=True)
class Answering:
    """min (c + C'x)'y over low <= A y + B x + T t <= high, y whole; rows and cost are written in odd units."""

    c: Array
    C: Array
    A: Array
    B: Array
    T: Array
    low: Array
    high: Array
    ends: tuple[Array, Array]
    units: Array
    unit: float


@dataclass(frozen=True)
class Half:
    """min c'x + a t + d'y over G x + H y + K t <= g, x whole."""

    c: Array
    a: float
    d: Array
    G: Array
    H: Array
    K: Array
    g: Array
    x: tuple[Array, Array]
    t: tuple[float, float]
    followers: tuple[Answering, ...]


def draw(seed: int) -> Half:
    """A problem of up to 2 whole decisions and 2 followers of up to 3 columns."""
    rng = np.random.default_rng([seed, 78])
    nx = int(rng.integers(0, 3))
    low = rng.integers(-1, 2, nx).astype(float)
    first = float(rng.integers(-2, 2))
    ends = (low, low + rng.integers(0, 3, nx)), (first, first + float(rng.choice([1, 2, 3, 1.5])))
    followers = tuple(_follower(rng, *ends) for _ in range(int(rng.choice([1, 1, 2]))))
    ny, rows = sum(len(each.c) for each in followers), int(rng.integers(0, 2))
    G, H, K = _some(rng, (rows, nx), 0.5), _some(rng, (rows, ny), 0.5), _some(rng, rows, 0.5)
    used = G.any(axis=1) | H.any(axis=1) | (K != 0)
    g = rng.integers(0, 6, rows).astype(float)
    c, a, d = _some(rng, nx), float(rng.integers(-3, 4)), _some(rng, ny)
    return Half(c, a, d, G[used], H[used], K[used], g[used], *ends, followers)


def _follower(rng: np.random.Generator, x: tuple[Array, Array], t: tuple[float, float]) -> Answering:
    n, rows = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    low = rng.integers(-1, 2, n).astype(float)
    high = low + rng.integers(1, 4, n)
    A, B, T = _some(rng, (rows, n)), _some(rng, (rows, len(x[0])), 0.4), _some(rng, rows)
    at = A @ rng.integers(low, high + 1).astype(float) + B @ x[0] + T * sum(t) / 2
    kind = rng.random(rows)
    limits = (
        np.where(kind < 0.5, -np.inf, at - rng.integers(0, 4, rows) * 0.5),
        np.where((kind >= 0.5) & (kind < 0.85), np.inf, at + rng.integers(0, 4, rows) * 0.5),
    )
    low_row, high_row = (np.where(kind > 0.96, at, limit) for limit in limits)
    used = A.any(axis=1)
    C = _some(rng, (len(x[0]), n), 0.4) * (rng.random() < 0.3)
    units, unit = rng.choice(UNITS, rows), float(rng.choice(UNITS))
    rows_of = (A[used], B[used], T[used], low_row[used], high_row[used])
    return Answering(_some(rng, n), C, *rows_of, (low, high), units[used], unit)


def _some(rng: np.random.Generator, shape: Any, share: float = 0.7) -> Array:
    return np.where(rng.random(shape) < share, rng.integers(-4, 5, shape), 0).astype(float)


def to_pyomo(p: Half) -> Any:
    """The problem as a model."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(len(p.c)), domain=pyo.Integers, bounds=lambda _m, i: (p.x[0][i], p.x[1][i]))
    m.t = pyo.Var(bounds=p.t)
    m.f = bilevel.Follower(range(len(p.followers)))
    y: list[Any] = []
    for at, each in enumerate(p.followers):
        block = m.f[at]
        ends = [(float(low), float(high)) for low, high in zip(*each.ends, strict=True)]
        block.y = pyo.Var(range(len(each.c)), domain=pyo.Integers, bounds=lambda _b, j, ends=ends: ends[j])
        own = list(block.y.values())
        y += own
        cost = _sum(each.unit * each.c, own)
        cost += sum(each.unit * each.C[i, j] * m.x[i] * own[j] for i, j in np.argwhere(each.C).tolist())
        block.cost = pyo.Objective(expr=cost)
        block.rows = pyo.ConstraintList()
        for k, unit in enumerate(each.units.tolist()):
            body = _sum(unit * each.A[k], own) + _sum(unit * each.B[k], m.x) + unit * float(each.T[k]) * m.t
            low, high = unit * float(each.low[k]), unit * float(each.high[k])
            block.rows.add(body == low if low == high else (_finite(low), body, _finite(high)))
    m.goal = pyo.Objective(expr=_sum(p.c, m.x) + p.a * m.t + _sum(p.d, y))
    m.rows = pyo.ConstraintList()
    for k in range(len(p.g)):
        m.rows.add(_sum(p.G[k], m.x) + _sum(p.H[k], y) + float(p.K[k]) * m.t <= float(p.g[k]))
    return m


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _sum(values: Array, variables: Any) -> Any:
    return sum(float(value) * variables[at] for at, value in enumerate(values))


def infimum(p: Half) -> tuple[float, bool]:
    """The infimum, infinite without a point, and whether a decision attains it."""
    found = [
        one
        for x in itertools.product(*(np.arange(low, high + 1) for low, high in zip(*p.x, strict=True)))
        for one in _values(p, np.array(x, dtype=float))
    ]
    least = min((value for value, _ in found), default=np.inf)
    return least, any(attained for value, attained in found if value <= least + NEAR)


def _values(p: Half, x: Array) -> Iterator[tuple[float, bool]]:
    known = [_answers(each, x, p.t) for each in p.followers]
    for given in itertools.product(*known):
        y = np.concatenate([answer for answer, _, _ in given])
        low, high = max(span[0] for *_, span in given), min(span[1] for *_, span in given)
        span = _span(p.K, np.full(len(p.g), -np.inf), p.g - p.G @ x - p.H @ y, (low, high))
        if span is None:
            continue
        cheaper = [
            other[2] for one, rest in zip(given, known, strict=True) for other in rest if other[1] < one[1] - NEAR
        ]
        fixed = float(p.c @ x + p.d @ y)
        yield from _left(span, cheaper, lambda t, fixed=fixed: fixed + p.a * t)  # type: ignore[misc]


def _left(
    span: tuple[float, float], cut: list[tuple[float, float]], value: Callable[[float], float]
) -> Iterator[tuple[float, bool]]:
    """What is worth looking at of an interval less closed ones."""

    def free(t: float) -> bool:
        return not any(low - NEAR <= t <= high + NEAR for low, high in cut)

    ends = sorted({*span, *(min(max(end, span[0]), span[1]) for one in cut for end in one)})
    yield from ((value(t), True) for t in ends if free(t))
    for first, last in itertools.pairwise(ends):
        if last - first > 4 * NEAR and free((first + last) / 2):
            yield from ((value(t), False) for t in (first, last) if not free(t))


def _answers(each: Answering, x: Array, t: tuple[float, float]) -> list[tuple[Array, float, tuple[float, float]]]:
    """Every whole answer, what it costs, and where it may be given."""
    found = []
    for whole in itertools.product(*(np.arange(low, high + 1) for low, high in zip(*each.ends, strict=True))):
        y = np.array(whole)
        at = each.A @ y + each.B @ x
        span = _span(each.T, each.low - at, each.high - at, t)
        if span is not None:
            found.append((y, float((each.c + each.C.T @ x) @ y), span))
    return found


def _span(slopes: Array, low: Array, high: Array, ends: tuple[float, float]) -> tuple[float, float] | None:
    first, last = ends
    for slope, least, most in zip(slopes, low, high, strict=True):
        if slope:
            reached = sorted((least / slope, most / slope))
            first, last = max(first, reached[0]), min(last, reached[1])
        elif least > NEAR or most < -NEAR:
            return None
    return (first, max(first, last)) if first <= last + NEAR else None
