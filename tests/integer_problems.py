"""Random bilevel problems whose followers decide in whole numbers, and their optima by enumeration.

The oracle goes through every decision of the leader that followers see and every whole answer; what is continuous is left to
linear programs of SciPy.  It shares no code with the engine.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from scipy.optimize import linprog

import bilevel

Array = NDArray[np.float64]
INF = np.inf
TOLERANCE = 1e-7


@dataclass(frozen=True)
class Lower:
    """min (c + C'x)'y over A y + B x (<=, =) b; whole y first."""

    c: Array
    C: Array
    A: Array
    B: Array
    b: Array
    equal: NDArray[np.bool_]
    high: Array
    whole: NDArray[np.bool_]
    maximises: bool = False


@dataclass(frozen=True)
class Whole:
    """min c'x + d'y + f'w + x'R y over G x + H y + F w <= g; x whole and seen by followers, w continuous and not."""

    c: Array
    d: Array
    f: Array
    R: Array
    G: Array
    H: Array
    F: Array
    g: Array
    low: Array
    high: Array
    followers: tuple[Lower, ...]
    maximises: bool = False


def draw(seed: int) -> Whole:
    """A problem of up to 4 whole decisions and 2 followers of up to 4 columns."""
    rng = np.random.default_rng([seed, 21])
    nx = int(rng.integers(1, 5))
    low = np.where(rng.random(nx) < 0.8, 0.0, rng.integers(-2, 1, nx)).astype(float)
    high = low + np.where(rng.random(nx) < 0.6, 1, rng.integers(1, 4, nx))
    lowers = tuple(_lower(rng, nx) for _ in range(int(rng.choice([1, 2], p=[0.7, 0.3]))))
    ny, nw = sum(len(f.c) for f in lowers), int(rng.choice([0, 1], p=[0.8, 0.2]))
    rows = int(rng.integers(0, 3))
    revenue = rng.random() < 0.2
    G, H, F = _some(rng, (rows, nx), 0.6), _some(rng, (rows, ny), 0.4), -np.abs(_some(rng, (rows, nw)))
    g = rng.integers(-1, 6, rows).astype(float)
    # A row without a term says nothing to a model
    g = np.where(G.any(axis=1) | H.any(axis=1) | F.any(axis=1), g, np.abs(g))
    return Whole(
        c=_some(rng, nx), d=_some(rng, ny), f=np.abs(_some(rng, nw)), R=_some(rng, (nx, ny), 0.3) * revenue,
        G=G, H=H, F=F, g=g, low=low, high=high, followers=lowers, maximises=bool(rng.random() < 0.3),
    )  # fmt: skip


def _lower(rng: np.random.Generator, nx: int) -> Lower:
    ny, rows = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    whole = rng.random(ny) < (1.0 if rng.random() < 0.6 else 0.6)
    whole[0] = True
    whole = np.sort(whole)[::-1]
    shape = rng.random()
    A, B = _some(rng, (rows, ny), 0.7), _some(rng, (rows, nx), 0.5)
    b = rng.integers(0, 7, rows).astype(float)
    if shape < 0.3:
        # Knapsacks whose items the leader takes away
        A, B = np.abs(A), np.zeros((rows, nx))
        n = min(nx, ny)
        A, B = np.vstack([A, np.eye(ny)[:n]]), np.vstack([B, 2.0 * np.eye(nx)[:n]])
        b = np.concatenate([b, np.full(n, 2.0)])
    decimals = rng.random() < 0.15
    priced = rng.random() < 0.3
    return Lower(
        c=_some(rng, ny), C=_some(rng, (nx, ny), 0.4) * priced, A=A * (0.1 if decimals else 1.0), B=B * (0.1 if decimals else 1.0),
        b=b * (0.1 if decimals else 1.0), equal=(rng.random(len(b)) < 0.07) & bool(shape >= 0.3) & A.any(axis=1),
        high=np.where(rng.random(ny) < 0.6, 1.0, rng.integers(1, 4, ny)), whole=whole, maximises=bool(rng.random() < 0.3),
    )  # fmt: skip


def _some(rng: np.random.Generator, shape: Any, share: float = 0.8) -> Array:
    return np.where(rng.random(shape) < share, rng.integers(-4, 5, shape), 0).astype(float)


def to_pyomo(p: Whole) -> Any:
    """The problem as a model."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(len(p.c)), domain=pyo.Integers, bounds=lambda _m, i: (p.low[i], p.high[i]))
    m.w = pyo.Var(range(len(p.f)), bounds=(0, 10))
    m.f = bilevel.Follower(range(len(p.followers)))
    y: list[Any] = []
    for at, lower in enumerate(p.followers):
        block = m.f[at]
        block.y = pyo.Var(range(len(lower.c)), bounds=lambda _b, j, high=lower.high: (0, high[j]))
        for j in np.flatnonzero(lower.whole).tolist():
            block.y[j].domain = pyo.Binary if lower.high[j] == 1 else pyo.Integers
        y += list(block.y.values())
        cost = sum((lower.c[j] + sum(lower.C[i, j] * m.x[i] for i in m.x)) * block.y[j] for j in block.y)
        sense = -1 if lower.maximises else 1
        block.cost = pyo.Objective(expr=sense * cost, sense=pyo.maximize if lower.maximises else pyo.minimize)
        block.rows = pyo.ConstraintList()
        for k in range(len(lower.b)):
            if lower.A[k].any() or lower.B[k].any():
                body = _sum(lower.A[k], block.y) + _sum(lower.B[k], m.x)
                block.rows.add(body == lower.b[k] if lower.equal[k] else body <= lower.b[k])
    goal = _sum(p.c, m.x) + _sum(p.f, m.w) + sum(p.d[j] * y[j] for j in range(len(y)))
    goal += sum(p.R[i, j] * m.x[i] * y[j] for i, j in zip(*np.nonzero(p.R), strict=True))
    m.goal = pyo.Objective(expr=(-goal if p.maximises else goal), sense=pyo.maximize if p.maximises else pyo.minimize)
    m.rows = pyo.ConstraintList()
    for k in range(len(p.g)):
        if p.G[k].any() or p.H[k].any() or p.F[k].any():
            m.rows.add(_sum(p.G[k], m.x) + sum(p.H[k, j] * y[j] for j in range(len(y))) + _sum(p.F[k], m.w) <= p.g[k])
    return m


def _sum(values: Array, variables: Any) -> Any:
    return sum(float(value) * variables[at] for at, value in enumerate(values))


def optimum(p: Whole) -> float:
    """The minimised optimum; infinite where there is no bilevel feasible point."""
    best = INF
    for x in itertools.product(*(np.arange(low, high + 1) for low, high in zip(p.low, p.high, strict=True))):
        best = min(best, at(p, np.array(x)))
    return best


def at(p: Whole, x: Array) -> float:
    """The leader's best at one decision: over all that is best for every follower."""
    answers = [_best(lower, x) for lower in p.followers]
    best = INF
    for choice in itertools.product(*(whole for whole, _ in answers)):
        best = min(best, _leader(p, x, choice, [cost for _, cost in answers]))
    return best


def best_answers(lower: Lower, x: Array) -> list[Array]:
    """The whole parts of the follower's best answers at a decision."""
    return _best(lower, x)[0]


def _best(lower: Lower, x: Array) -> tuple[list[Array], float]:
    """The whole parts of the follower's best answers, and what they cost."""
    rest, rates = lower.b - lower.B @ x, lower.c + lower.C.T @ x
    n = int(lower.whole.sum())
    costs = []
    for z in itertools.product(*(range(int(high) + 1) for high in lower.high[:n])):
        if n < len(lower.c):
            found = _program(
                rates[n:], lower.A[:, n:], rest - lower.A[:, :n] @ np.array(z), lower.equal, lower.high[n:]
            )
            costs.append((float(rates[:n] @ np.array(z)) + found, np.array(z, dtype=float)))
        elif _holds(lower, np.array(z), rest):
            costs.append((float(rates @ np.array(z)), np.array(z, dtype=float)))
    least = min((cost for cost, _ in costs), default=INF)
    return [z for cost, z in costs if np.isfinite(cost) and cost <= least + TOLERANCE], least


def _holds(lower: Lower, z: Array, rest: Array) -> bool:
    left = lower.A @ z - rest
    return bool(np.all(np.where(lower.equal, np.abs(left), left) <= TOLERANCE))


def _program(cost: Array, A: Array, b: Array, equal: NDArray[np.bool_], high: Array) -> float:
    ends = [(0.0, float(end)) for end in high]
    found = linprog(cost, A[~equal], b[~equal] + TOLERANCE / 100, A[equal], b[equal], ends)
    return float(found.fun) if found.status == 0 else INF


def _leader(p: Whole, x: Array, choice: tuple[Array, ...], costs: list[float]) -> float:
    """The leader's least where followers have these whole parts, over their best continuous ones and its own w."""
    fixed = [(k, j, z[j]) for k, z in enumerate(choice) for j in range(len(z))]
    first = np.concatenate([[0], np.cumsum([len(f.c) for f in p.followers])]).astype(int)
    ny, nw = first[-1], len(p.f)
    low, high = np.zeros(ny), np.concatenate([f.high for f in p.followers])
    for k, j, value in fixed:
        low[first[k] + j] = high[first[k] + j] = value
    rows, limits, equals, values = [], [], [], []
    for k, lower in enumerate(p.followers):
        for r in range(len(lower.b)):
            row = np.zeros(ny + nw)
            row[first[k] : first[k + 1]] = lower.A[r]
            value = lower.b[r] - lower.B[r] @ x
            (equals if lower.equal[r] else rows).append(row)
            (values if lower.equal[r] else limits).append(value)
        row = np.zeros(ny + nw)
        row[first[k] : first[k + 1]] = lower.c + lower.C.T @ x
        rows.append(row)
        limits.append(costs[k] + TOLERANCE)
    for r in range(len(p.g)):
        rows.append(np.concatenate([p.H[r], p.F[r]]))
        limits.append(p.g[r] - p.G[r] @ x)
    cost = np.concatenate([p.d + p.R.T @ x, p.f])
    ends = [*zip(low, high, strict=True), *[(0.0, 10.0)] * nw]
    same = np.array(equals).reshape(len(equals), ny + nw)
    found = linprog(cost, np.array(rows), np.array(limits) + TOLERANCE / 100, same, np.array(values), ends)
    return float(found.fun + p.c @ x) if found.status == 0 else INF
