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


def secure(p: Tied, bases: Bases, x: Array, margin: float) -> float:
    """The minimised objective at x if the answer is unique with this margin, else infinite.

    Unique with a margin: some optimal multipliers are at least `margin` on rows that, with the equalities, fix y.
    """
    vertices = bases.vertices(x) if allowed(p, x) else np.zeros((0, len(p.y)))
    if len(vertices) != 1 or (vertices @ p.H.T > p.g - p.G @ x + ZERO).any():
        return np.inf
    return float(p.objective(x, vertices[0])) if _fixed(p, bases, x, vertices[0], margin) else np.inf


def _fixed(p: Tied, bases: Bases, x: Array, vertex: Array, margin: float) -> bool:
    """Whether some basis at the vertex can have multipliers of at least `margin`, beside others of at least 0 on active rows."""
    mu = bases.multipliers[0] + bases.multipliers[1] @ x
    free = p.equal[bases.rows]
    if (bases.optimal(x) & ((mu >= margin - ZERO) | free).all(axis=1)).any():
        return True
    active = np.flatnonzero(p.r + p.R @ x - p.M @ vertex <= 1e-6)
    if len(active) == len(p.y):
        return False
    most = {at: _largest(p, active, p.e + p.C @ x, at) for at in active if not p.equal[at]}
    able = [at for at in active if p.equal[at] or most[at] >= margin - ZERO]
    mine = bases.rows[np.isin(bases.rows, able).all(axis=1)]
    return any(_multipliers(p, active, rows, p.e + p.C @ x, margin) for rows in mine)


def _largest(p: Tied, active: Array, cost: Array, row: int) -> float:
    """The largest multiplier that a row can have."""
    bounds = [(None, None) if p.equal[at] else (0, None) for at in active]
    found = linprog(-(active == row).astype(float), A_eq=p.M[active].T, b_eq=-cost, bounds=bounds)
    return np.inf if found.status == 3 else -float(found.fun)


def _multipliers(p: Tied, active: Array, fixing: Array, cost: Array, margin: float) -> bool:
    """Whether multipliers of the active rows exist that are at least `margin` on those of a basis."""
    bounds = [(None, None) if p.equal[at] else (margin * (at in fixing), None) for at in active]
    return bool(linprog(np.zeros(len(active)), A_eq=p.M[active].T, b_eq=-cost, bounds=bounds).status == 0)


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


def enumerated(p: Tied, margin: float) -> dict[str, Known]:
    """The optimistic, pessimistic and secure optimum over all integer decisions."""
    bases, found = Bases(p), {"optimistic": NOTHING, "pessimistic": NOTHING, "secure": NOTHING}
    for x in decisions(p):
        decision = decided(p, bases, x)
        if decision is None:
            continue
        worths = {"optimistic": decision.best, "pessimistic": decision.worst, "secure": secure(p, bases, x, margin)}
        for name, value in worths.items():
            if value < found[name].value:
                found[name] = Known(value, True, tuple(x.tolist()))
    return found
