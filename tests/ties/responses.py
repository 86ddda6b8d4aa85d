"""What followers may answer at a decision, by enumeration of bases: vertices of the optimal face, worst and best for the leader.

A basis is a set of rows, the equalities among them, that fixes y.  At x it gives y = y0 + y1 x and multipliers mu = mu0 + mu1 x;
the optimal face at x has as its vertices the y of the bases whose y keeps all rows and whose mu are at least 0.  Data are small
integers or short decimals, so that values that differ do so by far more than `ZERO`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linprog
from ties.matrices import Array, Tied

ZERO = 1e-8
MOST_BASES = 20_000


def distinct(points: Array) -> Array:
    """Points that differ, each once and as it is."""
    # No answer stands where these cells end
    _, first = np.unique(np.floor(points * 1e6 + 0.3183), axis=0, return_index=True)
    return points[first]


@dataclass(frozen=True)
class Bases:
    """All bases of the followers of `p`: rows of each, and its answer and multipliers as affine functions of x."""

    p: Tied

    @cached_property
    def rows(self) -> Array:
        """Rows of each basis, the equalities first."""
        p, n = self.p, len(self.p.y)
        equal = list(np.flatnonzero(p.equal))
        if np.linalg.matrix_rank(p.M[equal]) < len(equal) if equal else False:
            raise ValueError("equalities depend on each other")
        sets = itertools.combinations(np.flatnonzero(~p.equal), n - len(equal))
        if unlimited(p):
            raise ValueError("followers' answers have no limits")
        every = np.array([[*equal, *chosen] for chosen in itertools.islice(sets, MOST_BASES + 1)]).reshape(-1, n)
        if len(every) > MOST_BASES:
            raise ValueError("too many bases")
        return every[np.abs(np.linalg.det(p.M[every])) > ZERO]

    @cached_property
    def inverse(self) -> Array:
        return np.linalg.inv(self.p.M[self.rows])

    @cached_property
    def answer(self) -> tuple[Array, Array]:
        """y0 (bases, y) and y1 (bases, y, x)."""
        p = self.p
        return np.einsum("bij,bj->bi", self.inverse, p.r[self.rows]), np.einsum(
            "bij,bjk->bik", self.inverse, p.R[self.rows]
        )

    @cached_property
    def multipliers(self) -> tuple[Array, Array]:
        """mu0 (bases, y) and mu1 (bases, y, x): e + C x + M' mu = 0."""
        p = self.p
        return -np.einsum("bij,i->bj", self.inverse, p.e), -np.einsum("bij,ik->bjk", self.inverse, p.C)

    def feasible(self, x: Array) -> tuple[Array, Array]:
        """The answers of all bases at x, and which of them keep the followers' rows."""
        p = self.p
        y = self.answer[0] + self.answer[1] @ x
        return y, (y @ p.M.T <= p.r + p.R @ x + ZERO).all(axis=1)

    def optimal(self, x: Array) -> Array:
        """Which bases are optimal at x; none where followers have no answer."""
        _, feasible = self.feasible(x)
        mu = self.multipliers[0] + self.multipliers[1] @ x
        return feasible & ((mu >= -ZERO) | self.p.equal[self.rows]).all(axis=1)

    def vertices(self, x: Array) -> Array:
        """The vertices of the optimal face at x, each once."""
        y, _ = self.feasible(x)
        return distinct(y[self.optimal(x)])


def unlimited(p: Tied) -> bool:
    """Whether followers can go on without end in a direction that costs no more: vertices are then not all of their ties."""
    eye = np.eye(len(p.y))
    if all((side == p.M).all(axis=1).any() for side in (*eye, *-eye)):
        return False
    ends = [(low, high) if used else (0.0,) for used, low, high in zip(p.C.any(axis=0), p.lower, p.upper, strict=True)]
    known = np.isfinite(np.concatenate([(0.0,), *ends])).all()
    costs = [p.e + p.C @ np.array(corner) for corner in itertools.product(*ends)] if known else [np.zeros(len(p.y))]
    return any(_way(p, cost, side) for cost in costs for side in (*eye, *-eye))


def _way(p: Tied, cost: Array, side: Array) -> bool:
    rows, equal = np.vstack([p.M, cost]), p.M[p.equal]
    ends = linprog(-side, rows, np.zeros(len(rows)), equal, np.zeros(len(equal)), bounds=(-1, 1))
    return bool(ends.fun < -ZERO)


@dataclass(frozen=True)
class Decision:
    """At x, minimised: the leader's objective at its best and at its worst tie, infinite where no tie keeps the leader's rows, or
    where some tie breaks one; `unique` where there is no other tie."""

    best: float
    worst: float
    unique: bool


def decided(p: Tied, bases: Bases, x: Array) -> Decision | None:
    """What a decision is worth; None where it breaks bounds or leader rows that see no answer, or where followers have none."""
    vertices = bases.vertices(x) if allowed(p, x) else np.zeros((0, len(p.y)))
    if not len(vertices):
        return None
    value, room = p.objective(x, vertices), (p.g - p.G @ x)[p.coupled]
    use = vertices @ p.H[p.coupled].T
    worst = float(value.max()) if (use <= room + ZERO).all() else np.inf
    return Decision(_best(value, use, room), worst, len(vertices) == 1)


def allowed(p: Tied, x: Array) -> bool:
    alone = ~p.coupled
    inside = (x >= p.lower - ZERO).all() and (x <= p.upper + ZERO).all()
    return bool(inside and (p.G[alone] @ x <= p.g[alone] + ZERO).all())


def _best(value: Array, use: Array, room: Array) -> float:
    """The least objective over mixtures of the vertices that keep the leader's rows."""
    if (use <= room + ZERO).all():
        return float(value.min())
    found = linprog(value, use.T, room + ZERO, np.ones((1, len(value))), [1.0], bounds=(0, 1))
    return float(found.fun) if found.status == 0 else np.inf


@dataclass(frozen=True)
class Known:
    """Minimised, infinite where there is no decision: the infimum, whether it is attained, and where it is (nearly) met."""

    value: float
    attained: bool = True
    x: tuple[float, ...] = ()


NOTHING = Known(np.inf, True)


def decisions(p: Tied) -> list[Array]:
    """All decisions of a leader who has integers only."""
    if not p.integer.all() or not np.isfinite(p.upper - p.lower).all():
        raise ValueError("the leader has a continuous or unlimited variable")
    ranges = [np.arange(low, high + 1) for low, high in zip(p.lower, p.upper, strict=True)]
    return [np.array(x, dtype=float) for x in itertools.product(*ranges)]
