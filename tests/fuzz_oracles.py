"""Two answers to a `fuzzing.Problem` from its raw numbers: the exact optimum by enumeration, and what sampled leaders reach.

Enumeration: y is an optimum of its follower iff every limit (of a row or of a bound) has duals low, high >= 0 with

    Q y + c + C'x = sum of (low - high) a,   and it is idle (both 0), at its lower limit (high = 0) or at its upper (low = 0).

The tree of these choices is searched by warm linear programs whose duals have no bounds.  At its leaves x'C y is dual times limit
minus c'y - y'Qy wherever x moves no limit of that follower; every leaf is evaluated again with x'C y as it stands.  Squares are met
by tangents.  A limit that is moved and paid for, or a square that must be large, has no exact answer here, only samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import highspy
import numpy as np
import scipy.sparse as sp
from fuzzing import INF, Array, Lower, Problem

_ZERO, _TANGENT, _FAR = 1e-7, 1e-8, (10.0, 1e4)
_STATUS = highspy.HighsModelStatus
_RAYS = (_STATUS.kUnbounded, _STATUS.kUnboundedOrInfeasible)
_CLEAR = (_STATUS.kOptimal, _STATUS.kInfeasible, *_RAYS)


class TooLargeError(Exception):
    """The oracle gives up: no verdict on this problem."""


class _UnboundedError(Exception):
    pass


class Lp:
    """A living linear program in HiGHS without presolve; `squares` are (row, column t) with t >= (row'z)^2, met by tangents."""

    def __init__(
        self, cost: Array, rows: list[tuple[Array, float, float]], lower: Array, upper: Array,
        squares: list[tuple[Array, int]],
    ) -> None:  # fmt: skip
        self.highs, self.cost, self.squares = highspy.Highs(), cost, squares
        self.highs.silent()
        for name in ("primal", "dual"):
            self.highs.setOptionValue(f"{name}_feasibility_tolerance", 1e-9)
        self.highs.setOptionValue("presolve", "off")
        lp, n = highspy.HighsLp(), len(cost)
        matrix = sp.csc_array(np.array([row for row, _, _ in rows]).reshape(len(rows), n))
        lp.num_col_, lp.num_row_ = n, len(rows)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
        self.highs.passModel(lp)
        for row, t in squares:
            for at in (side * far for far in _FAR for side in (1.0, -1.0)):
                self._tangent(row, t, at)

    def _tangent(self, row: Array, t: int, at: float) -> None:
        """t >= 2 at (row'z) - at^2."""
        cut = -2.0 * at * row
        cut[t] += 1.0
        used = np.flatnonzero(cut)
        self.highs.addRow(-at * at, highspy.kHighsInf, len(used), used.astype(np.int32), cut[used])

    def bound(self, column: int, low: float, high: float) -> None:
        self.highs.changeColBounds(column, low, high)

    def limit(self, row: int, low: float, high: float) -> None:
        self.highs.changeRowBounds(row, low, high)

    def set_cost(self, cost: Array) -> None:
        self.cost = cost
        self.highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)

    def solve(self) -> tuple[str, Array]:
        """("optimal", point), ("infeasible", ...) or ("unbounded", ...)."""
        for _ in range(200):
            status, z = self._solve()
            broken = [
                (row, t, float(row @ z)) for row, t in self.squares
                if status == "optimal" and (row @ z) ** 2 - z[t] > _TANGENT * max(1.0, z[t])
            ]  # fmt: skip
            if not broken:
                return status, z
            for row, t, at in broken:
                self._tangent(row, t, at)
        raise TooLargeError("tangents do not settle")

    def _solve(self) -> tuple[str, Array]:
        self.highs.run()
        # On free columns the dual simplex now and then gives up without a status
        for name, value, usual in (("simplex_strategy", 4, 1), ("presolve", "on", "off"), ("solver", "ipm", "choose")):
            if self.highs.getModelStatus() not in _CLEAR:
                self.highs.clearSolver()
                self.highs.setOptionValue(name, value)
                self.highs.run()
                self.highs.setOptionValue(name, usual)
        status, z = self.highs.getModelStatus(), np.array(self.highs.getSolution().col_value)
        if status in _RAYS:
            cost = self.cost
            self.set_cost(np.zeros(len(cost)))
            self.highs.run()
            feasible = self.highs.getModelStatus() == _STATUS.kOptimal
            self.set_cost(cost)
            return ("unbounded" if feasible else "infeasible"), z
        if status not in (_STATUS.kOptimal, _STATUS.kInfeasible):
            raise TooLargeError(f"HiGHS says {status}")
        return ("optimal" if status == _STATUS.kOptimal else "infeasible"), z


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
        cost = self._row(0, p.c) + self._row(self.nx, p.d) + p.weight @ revenue
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
            products = [self.limits[k].product(z) for k in choices]
            if max(products, default=0.0) <= _ZERO:
                self._take(z)
                return
            choices = [choices[int(np.argmax(products))]]
        if not choices:
            raise _UnboundedError
        limit = self.limits[choices[0]]
        for side in limit.sides():
            limit.set(self.lp, side)
            self._descend(still_open - {choices[0]})
        limit.set(self.lp, "open")

    def _take(self, z: Array) -> None:
        x, y = z[: self.nx], z[self.nx : self.nx + self.ny]
        value = self.p.objective(x, y)
        if abs(value - self.lp.cost @ z) > 1e-5 * max(1.0, abs(value)):
            raise AssertionError(f"the oracle contradicts itself: {value} is not {self.lp.cost @ z}")
        if value < self.best:
            self.best, self.x, self.y = value, x, y


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


# Samples of the leader's decisions


def respond(f: Lower, x: Array) -> Array | None:
    """A follower's optimum at x, None without one; a quadratic one comes from enumeration and is checked by its gradient."""
    rows = [(f.A[i], f.low[i] - f.B[i] @ x, f.high[i] - f.B[i] @ x) for i in range(len(f.low))]
    if not f.Q.any():
        status, y = Lp(f.c + x @ f.C, rows, f.y_low, f.y_high, []).solve()
        return y if status == "optimal" else None
    alone = Enumeration(_alone(f, x))
    alone.optimum()
    y = alone.y
    if not len(y):
        return None
    near = Lp(f.c + x @ f.C + f.Q @ y, rows, np.maximum(f.y_low, y - 1), np.minimum(f.y_high, y + 1), [])
    status, other = near.solve()
    if status != "optimal" or near.cost @ (y - other) > 1e-6 * max(1.0, float(np.abs(near.cost).max())):
        raise AssertionError(f"enumeration gives y = {y}, but {other} is better for the follower")
    return y


def _alone(f: Lower, x: Array) -> Problem:
    """The follower with the leader's decisions fixed and nothing to win."""
    nx, ny, none = len(x), len(f.c), np.zeros(0)
    return Problem(
        1.0, np.zeros(nx), np.zeros(ny), np.zeros(1), np.zeros((0, nx + ny)), np.zeros((0, nx)), np.zeros((0, ny)),
        np.zeros((0, 1)), none, none, x, x, np.zeros(nx, dtype=bool), (f,),
    )  # fmt: skip


def reach(p: Problem, x: Array) -> float:
    """The leader's best minimised objective at x over the followers' ties; inf where rows break or a follower has no optimum."""
    answers = [respond(f, x) for f in p.followers]
    rows: list[tuple[Array, float, float]] = []
    ny, n = len(p.d), len(p.d) + len(p.S)
    for start, f, y in zip(p.starts, p.followers, answers, strict=False):
        if y is None:
            return INF
        rate, at = f.c + x @ f.C, slice(start, start + len(y))
        parts = [(a, low - b @ x, high - b @ x) for a, b, low, high in zip(f.A, f.B, f.low, f.high, strict=True)]
        parts += [(q, q @ y - 1e-6, q @ y + 1e-6) for q in f.Q if q.any()] + [(rate, -INF, rate @ y + 1e-6)]
        for body, low, high in parts:
            wide = np.zeros(n)
            wide[at] = body
            rows.append((wide, float(low), float(high)))
    pays = np.concatenate([x @ f.C for f in p.followers])
    owner = np.repeat(np.arange(len(p.followers)), np.diff(p.starts))
    for k in range(len(p.low)):
        body = np.concatenate([p.H[k] + p.pay[k][owner] * pays, np.zeros(len(p.S))])
        rows.append((body, p.low[k] - p.G[k] @ x - 1e-7, p.high[k] - p.G[k] @ x + 1e-7))
    cost = np.concatenate([p.d + p.weight[owner] * pays, np.ones(len(p.S))])
    # The constant part of each square is carried by a column fixed at 1
    shift = p.S[:, : len(x)] @ x
    squares = [(np.concatenate([s[len(x) :], np.zeros(len(p.S)), [shift[k]]]), ny + k) for k, s in enumerate(p.S)]
    rows = [(np.append(body, 0.0), low, high) for body, low, high in rows]
    low = np.concatenate([*(f.y_low for f in p.followers), np.zeros(len(p.S)), [1.0]])
    high = np.concatenate([*(f.y_high for f in p.followers), np.full(len(p.S), INF), [1.0]])
    lp = Lp(np.append(cost, 0.0), rows, low, high, squares)
    status, z = lp.solve()
    return {"infeasible": INF, "unbounded": -INF}.get(status, float(lp.cost @ z + p.c @ x))


def samples(p: Problem, rng: np.random.Generator, count: int) -> Iterator[Array]:
    """Leader decisions that leader and followers together could live with: corners, and points between them."""
    nx, ny = len(p.c), len(p.d)
    rows = [(np.concatenate([g, h]), low, high) for g, h, low, high, pay in zip(p.G, p.H, p.low, p.high, p.pay, strict=True)
            if not pay.any()]  # fmt: skip
    for start, f in zip(p.starts, p.followers, strict=False):
        for a, b, low, high in zip(f.A, f.B, f.low, f.high, strict=True):
            body = np.concatenate([b, np.zeros(ny)])
            body[nx + start : nx + start + len(a)] = a
            rows.append((body, low, high))
    box = [
        np.concatenate([p.x_low, *(f.y_low for f in p.followers)]),
        np.concatenate([p.x_high, *(f.y_high for f in p.followers)]),
    ]
    lp = Lp(np.zeros(nx + ny), rows, np.maximum(box[0], -50.0), np.minimum(box[1], 50.0), [])
    last = None
    for _ in range(count):
        lp.set_cost(rng.normal(size=nx + ny) * (np.arange(nx + ny) < nx))
        status, z = lp.solve()
        if status != "optimal":
            return
        x = z[:nx] if last is None or rng.random() < 0.5 else last + rng.random() * (z[:nx] - last)
        last = z[:nx]
        yield np.where(p.integer, np.round(x), x)
