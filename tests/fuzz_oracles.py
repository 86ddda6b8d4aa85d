"""The exact optimum of a `fuzzing.Problem` from its raw numbers, by enumeration: `optimum(p)`.

Enumeration: y is an optimum of its follower iff every limit (of a row or of a bound) has duals low, high >= 0 with

    Q y + c + C'x = sum of (low - high) a,   and it is idle (both 0), at its lower limit (high = 0) or at its upper (low = 0).

The tree of these choices is searched by warm linear programs whose duals have no bounds.  At its leaves x'C y is dual times limit
minus c'y - y'Qy wherever x moves no limit of that follower; every leaf is evaluated again with x'C y as it stands.  Squares are met
by tangents.  A limit that is moved and paid for, or a square that must be large, has no exact answer here, only samples
(`fuzz_samples`), unless the decisions that move it are discrete: every choice of them is a problem of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from fuzz_lp import Lp, TooLargeError
from fuzzing import INF, Array, Problem

_ZERO = 1e-7


class _UnboundedError(Exception):
    pass


@dataclass(frozen=True)
class _Limit:
    """low <= row'z <= high, in row `row` of the program or the bounds of column `column`, duals in columns `dual`, `dual` + 1."""

    body: Array
    low: float
    high: float
    dual: int
    row: int = -1
    column: int = -1

    def set(self, lp: Lp, side: str) -> None:
        """Take a side (open, idle, low, high)."""
        low, high = self.high if side == "high" else self.low, self.low if side == "low" else self.high
        (lp.limit(self.row, low, high) if self.row >= 0 else lp.bound(self.column, low, high))
        equal = self.low == self.high
        priced = [
            np.isfinite(self.low) and side in ("open", "low"),
            np.isfinite(self.high) and side in ("open", "high"),
        ]
        lp.bound(self.dual, -INF if equal else 0.0, INF if equal or priced[0] else 0.0)
        lp.bound(self.dual + 1, 0.0, INF if priced[1] and not equal else 0.0)

    def sides(self) -> list[str]:
        """What a choice may be; only open for an equality."""
        if self.low == self.high or not (np.isfinite(self.low) or np.isfinite(self.high)):
            return []
        return ["idle"] + ["low"] * bool(np.isfinite(self.low)) + ["high"] * bool(np.isfinite(self.high))

    def product(self, z: Array) -> float:
        """How far from complementary."""
        activity, (low, high) = float(self.body @ z), z[self.dual : self.dual + 2]
        return max(min(low, activity - self.low), min(high, self.high - activity)) if self.sides() else 0.0

    def worth(self, z: Array) -> float:
        """What complementarity lacks, in the follower's cost."""
        activity, (low, high) = float(self.body @ z), z[self.dual : self.dual + 2]
        return sum(dual * abs(activity - end) for dual, end in ((low, self.low), (high, self.high)) if np.isfinite(end))


class Enumeration:
    """Columns z: x, y, two duals a limit, one t for each leader square and each factor of a Q; `optimum()` is the answer."""

    def __init__(self, p: Problem, most_nodes: int = 20000) -> None:
        self.p, self.most_nodes, self.nodes = p, most_nodes, 0
        self.nx, self.ny = len(p.c), len(p.d)
        count = self.ny + sum(len(f.low) for f in p.followers)
        self.t = self.nx + self.ny + 2 * count
        paid = (p.weight != 0) | p.pay.any(axis=0)
        self.factors = [_factor(f.Q)[: None if pays else 0] for f, pays in zip(p.followers, paid, strict=True)]
        self.n = self.t + len(p.S) + sum(len(factor) for factor in self.factors)
        self.rows: list[tuple[Array, float, float]] = []
        self.reading = np.zeros(self.n)
        self.limits: list[_Limit] = []
        self.squares = [(self._row(0, s), self.t + k) for k, s in enumerate(p.S)]
        self.revenue = [self._follower(k) for k in range(len(p.followers))]
        cost = self._leader()
        lower, upper = np.full(self.n, -INF), np.full(self.n, INF)
        lower[self.t :] = 0.0
        lower[: self.nx], upper[: self.nx] = p.x_low, p.x_high
        self.lp = Lp(cost, self.rows, lower, upper, self.squares)
        self.best, self.x, self.y = INF, np.zeros(0), np.zeros(0)

    def _row(self, start: int, values: Array) -> Array:
        row = np.zeros(self.n)
        row[start : start + len(values)] = values
        return row

    def _follower(self, k: int) -> Array:
        """Adds limits, stationarity and squares of follower k; its revenue as a row over z."""
        f, y = self.p.followers[k], self.nx + self.p.starts[k]
        first = len(self.limits)
        for i in range(len(f.c)):
            self._limit(self._row(y + i, np.ones(1)), f.y_low[i], f.y_high[i], column=y + i)
        for i in range(len(f.low)):
            body = self._row(y, f.A[i]) + self._row(0, f.B[i])
            self._limit(body, f.low[i], f.high[i], row=len(self.rows))
            self.rows.append((body, f.low[i], f.high[i]))
            self.reading[self.limits[-1].dual :][:2] = f.prices[i] * np.array([1.0, -1.0])
        revenue, mine = self._row(y, -f.c), self.limits[first:]
        for i in range(len(f.c)):
            row = self._row(y, f.Q[i]) + self._row(0, f.C[:, i])
            for limit in mine:
                row[limit.dual : limit.dual + 2] = limit.body[y + i] * np.array([-1.0, 1.0])
            self.rows.append((row, -f.c[i], -f.c[i]))
        for limit in mine:
            ends = np.array([limit.low, -limit.high])
            revenue[limit.dual : limit.dual + 2] = np.where(np.isfinite(ends), ends, 0.0)
        for factor in self.factors[k]:
            t = self.t + len(self.squares)
            self.squares.append((self._row(y, factor), t))
            revenue[t] = -1.0
        return revenue if f.C.any() else np.zeros(self.n)

    def _limit(self, body: Array, low: float, high: float, row: int = -1, column: int = -1) -> None:
        dual = self.nx + self.ny + 2 * len(self.limits)
        self.limits.append(_Limit(body, float(low), float(high), dual, row, column))

    def _leader(self) -> Array:
        p = self.p
        revenue = np.array(self.revenue)
        for k in range(len(p.low)):
            body = self._row(0, p.G[k]) + self._row(self.nx, p.H[k]) + p.pay[k] @ revenue
            self.rows.append((body, p.low[k], p.high[k]))
        cost = self._row(0, p.c) + self._row(self.nx, p.d) + p.weight @ revenue + self.reading
        cost[self.t : self.t + len(p.S)] = 1.0
        return cost

    def optimum(self) -> float | None:
        """The minimised optimum; inf when infeasible, -inf when unbounded, None when there is no linear form."""
        if not is_linear(self.p):
            return None
        try:
            for whole in _integers(self.p):
                for column, value in whole:
                    self.lp.bound(column, value, value)
                for limit in self.limits:
                    limit.set(self.lp, "open")
                self._descend(frozenset(range(len(self.limits))))
        except _UnboundedError:
            return -INF
        return self.best

    def _descend(self, still_open: frozenset[int]) -> None:
        self.nodes += 1
        if self.nodes > self.most_nodes:
            raise TooLargeError("too many nodes")
        status, z = self.lp.solve()
        if status == "infeasible" or (status == "optimal" and self.lp.cost @ z >= self.best - 1e-9):
            return
        choices = [k for k in sorted(still_open) if self.limits[k].sides()]
        if status == "optimal":
            far = [self.limits[k].product(z) for k in choices]
            if max(far, default=0.0) <= _ZERO:
                if self._take(z):
                    return
                # A multiplier next to 0 of a limit that is 1e8 away is no 0: what it is worth decides
                far = [self.limits[k].worth(z) for k in choices]
            if not choices:
                raise TooLargeError("the objective of a leaf is not that of its point")
            choices = [choices[int(np.argmax(far))]]
        if not choices:
            raise _UnboundedError
        limit = self.limits[choices[0]]
        for side in limit.sides():
            limit.set(self.lp, side)
            self._descend(still_open - {choices[0]})
        limit.set(self.lp, "open")

    def _take(self, z: Array) -> bool:
        """Whether a leaf's point is worth what its linear program says; the best one is kept."""
        x, y = z[: self.nx], z[self.nx : self.nx + self.ny]
        value = self.p.objective(x, y) + float(self.reading @ z)
        if abs(value - self.lp.cost @ z) > 1e-5 * max(1.0, abs(value)):
            return False
        if value < self.best:
            self.best, self.x, self.y = value, x, y
        return True


_MOST_CHOICES = 600


def optimum(p: Problem, most_nodes: int = 20000) -> float | None:
    """The minimised optimum; inf when infeasible, -inf when unbounded, None when there is no linear form."""
    if not any(p.domains) and is_linear(p):
        return Enumeration(p, most_nodes).optimum()
    pieces = [intervals(p, k) for k in range(len(p.c))]
    if np.prod([len(group) for group in pieces]) > _MOST_CHOICES:
        raise TooLargeError("too many choices of the leader")
    best = INF
    for choice in itertools.product(*pieces):
        value = Enumeration(folded(p, np.array(choice)), most_nodes).optimum()
        if value is None:
            return None
        best = min(best, value)
    return best


def intervals(p: Problem, k: int) -> list[tuple[float, float]]:
    """The intervals of x[k] within its bounds, single points where it is integer."""
    low, high = float(p.x_low[k]), float(p.x_high[k])
    if p.integer[k]:
        return [(value, value) for value in np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1).tolist()]
    inside = [(max(a, low), min(b, high)) for a, b in p.domains[k] or ((low, high),)]
    return [(a, b) for a, b in inside if a <= b]


def folded(p: Problem, choice: Array) -> Problem:
    """The problem with x in these intervals (x, 2), those of one point taken out of the followers and of the revenue."""
    low, high = choice.reshape(-1, 2).T
    fixed = low == high
    at = np.where(fixed, low, 0.0)
    rates = [at @ f.C for f in p.followers]
    owner = np.repeat(np.arange(len(p.followers)), [len(f.c) for f in p.followers])
    paid = np.concatenate(rates)
    lowers = [
        replace(
            f, c=f.c + rate, C=np.where(fixed[:, None], 0.0, f.C), B=np.where(fixed, 0.0, f.B), low=f.low - f.B @ at,
            high=f.high - f.B @ at,
        )
        for f, rate in zip(p.followers, rates, strict=True)
    ]  # fmt: skip
    gone = np.array([not f.C.any() for f in lowers])
    return replace(
        p, d=p.d + p.weight[owner] * paid, H=p.H + p.pay[:, owner] * paid, weight=np.where(gone, 0.0, p.weight),
        pay=np.where(gone, 0.0, p.pay), x_low=low, x_high=high, integer=np.zeros(len(low), dtype=bool), pieces=(),
        followers=tuple(lowers),
    )  # fmt: skip


def is_linear(p: Problem) -> bool:
    """Whether enumeration is exact: no paid follower has moved limits, and no paid square must be large."""
    for k, f in enumerate(p.followers):
        pay = p.pay[:, k]
        if not f.C.any() or not (p.weight[k] or pay.any()):
            continue
        small = p.weight[k] > 0 or ((pay > 0) & np.isfinite(p.high)).any() or ((pay < 0) & np.isfinite(p.low)).any()
        if f.B.any() or (f.Q.any() and small):
            return False
    return True


def _factor(Q: Array) -> Array:
    """Rows whose squares add up to y'Qy."""
    values, vectors = np.linalg.eigh(Q)
    keep = values > 1e-9
    return np.asarray((vectors[:, keep] * np.sqrt(values[keep])).T)


def _integers(p: Problem) -> Iterator[list[tuple[int, float]]]:
    """Every choice of the integer variables."""
    at = np.flatnonzero(p.integer).tolist()
    values = [np.arange(np.ceil(p.x_low[k]), np.floor(p.x_high[k]) + 1).tolist() for k in at]
    for choice in itertools.product(*values):
        yield list(zip(at, choice, strict=True))
