"""Secure answers from outside the package: enumeration of sides with their ranks, and of price grids with sorted prices."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from scipy.optimize import linprog

import bilevel


@dataclass(frozen=True)
class Priced:
    """min c x + d y over x in [0, top] and the y in [0, high] of: min (e + C'x) y, B y >= b - A x; leader rows G x + H y <= g."""

    c: Any
    d: Any
    e: Any
    C: Any
    A: Any
    B: Any
    b: Any
    G: Any
    H: Any
    g: Any
    top: float
    high: float

    def model(self) -> Any:
        """As a Pyomo model."""
        m = pyo.ConcreteModel()
        nx, ny = len(self.c), len(self.d)
        m.x = pyo.Var(range(nx), bounds=(0, self.top))
        m.f = bilevel.Follower()
        m.f.y = pyo.Var(range(ny), bounds=(0, self.high))
        m.objective = pyo.Objective(expr=_dot(self.c, m.x) + _dot(self.d, m.f.y))
        rate = [self.e[j] + _dot([self.C[i][j] for i in range(nx)], m.x) for j in range(ny)]
        m.f.cost = pyo.Objective(expr=pyo.quicksum(rate[j] * m.f.y[j] for j in range(ny)))
        m.f.rows, m.rows = pyo.ConstraintList(), pyo.ConstraintList()
        for a, row, right in zip(self.A, self.B, self.b, strict=True):
            m.f.rows.add(_dot(a, m.x) + _dot(row, m.f.y) >= right)
        for a, row, right in zip(self.G, self.H, self.g, strict=True):
            m.rows.add(_dot(a, m.x) + _dot(row, m.f.y) <= right)
        return m


def drawn(seed: int) -> Priced:
    """Whole numbers, so that there are ties."""
    rng = np.random.default_rng(seed)
    nx, ny, m, k = 2, 3, 2, 1
    C = np.zeros((nx, ny))
    C[0, 0], C[1, 1] = 1.0, 1.0
    B = rng.integers(0, 3, (m, ny)).astype(float)
    B[:, 0] = np.maximum(B[:, 0], 1.0)
    return Priced(
        c=rng.integers(-2, 3, nx), d=rng.integers(-3, 4, ny), e=rng.integers(0, 3, ny), C=C,
        A=rng.integers(-1, 2, (m, nx)) * 0.25, B=B, b=rng.integers(1, 3, m), G=rng.integers(0, 2, (k, nx)),
        H=rng.integers(0, 2, (k, ny)), g=rng.integers(4, 8, k), top=4.0, high=2.0,
    )  # fmt: skip


def secure_optimum(p: Priced, margin: float) -> float:
    """The least objective over sides of pairs (slack 0 and a multiplier of its margin, or a multiplier of 0) whose rows of the
    first kind have the rank of y; inf without any.

    Each column's margin is `margin` (prices have coefficients of 1), a row's that of its largest entry.
    """
    nx, ny, m = len(p.c), len(p.d), len(p.b)
    B, A, C = np.array(p.B, dtype=float), np.array(p.A, dtype=float), np.array(p.C, dtype=float)
    rows = np.vstack([B, np.eye(ny), -np.eye(ny)])
    count = len(rows)
    least = np.concatenate([margin / np.abs(B).max(axis=1), np.full(2 * ny, margin)])
    # Slack of every pair over (x, y): matrix @ (x, y) - right
    slack = np.block([[A, B], [np.zeros((2 * ny, nx)), rows[m:]]])
    right = np.concatenate([p.b, np.zeros(ny), np.full(ny, -p.high)]).astype(float)
    # Stationarity: e + C'x - rows' mu = 0
    equal = np.hstack([C.T, np.zeros((ny, ny)), -rows.T])
    cost = np.concatenate([p.c, p.d, np.zeros(count)])
    wide = np.hstack([slack, np.zeros((count, count))])
    leader = np.hstack([np.array(p.G), np.array(p.H), np.zeros((len(p.g), count))])
    best = np.inf
    for sides in itertools.product((False, True), repeat=count):
        held = np.array(sides)
        if held[m : m + ny].astype(int) @ held[m + ny :] or np.linalg.matrix_rank(rows[held]) < ny:
            continue
        low = np.concatenate([np.zeros(nx + ny), np.where(held, least, 0.0)])
        high = np.concatenate([np.full(nx, p.top), np.full(ny, p.high), np.where(held, np.inf, 0.0)])
        found = linprog(
            cost, A_ub=np.vstack([-wide, leader]), b_ub=np.concatenate([-right, p.g]),
            A_eq=np.vstack([equal, wide[held]]), b_eq=np.concatenate([-np.array(p.e, dtype=float), right[held]]),
            bounds=np.column_stack([low, high]),
        )  # fmt: skip
        if found.status == 0:
            best = min(best, float(found.fun))
    return best


def grid_model(cost: Any, need: float, most: float, levels: int, cap: float) -> Any:
    """A seller with whole prices of 0 to `levels`, their sum capped, to a buyer of `need`, at most `most` in each period."""
    m = pyo.ConcreteModel()
    T = range(len(cost))
    m.price = pyo.Var(T, domain=pyo.Integers, bounds=(0, levels))
    m.buyer = bilevel.Follower()
    m.buyer.p = pyo.Var(T, bounds=(0, most))
    m.buyer.bill = pyo.Objective(expr=pyo.quicksum(m.price[t] * m.buyer.p[t] for t in T))
    m.buyer.energy = pyo.Constraint(expr=pyo.quicksum(m.buyer.p[t] for t in T) == need)
    m.profit = pyo.Objective(
        expr=pyo.quicksum((m.price[t] - float(cost[t])) * m.buyer.p[t] for t in T), sense=pyo.maximize
    )
    m.cap = pyo.Constraint(expr=pyo.quicksum(m.price[t] for t in T) <= cap)
    return m


def grid_optimum(cost: Any, need: float, most: float, levels: int, cap: float, margin: float) -> float:
    """The best profit over all whole prices whose cheapest way to buy is the only one, by a margin of `margin` < 1."""
    cost, best = np.array(cost, dtype=float), -np.inf
    for prices in itertools.product(range(levels + 1), repeat=len(cost)):
        price = np.array(prices, dtype=float)
        if price.sum() > cap:
            continue
        order = np.argsort(price, kind="stable")
        full = int(need / most + 1e-9)
        bought = np.zeros(len(cost))
        bought[order[:full]] = most
        if full < len(cost):
            bought[order[full]] += need - full * most
        if _apart(price[order], full, need > full * most + 1e-9, margin):
            best = max(best, float((price - cost) @ bought))
    return best


def _apart(price: Any, full: int, between: bool, margin: float) -> bool:
    """Whether a multiplier of the energy is at least a margin from all rising prices, or from all but one that it equals."""
    for value in [*price, *(price - margin), *(price + margin), *((price[1:] + price[:-1]) / 2)]:
        away = np.abs(price - value)
        held, equal = away >= margin - 1e-9, away <= 1e-9
        # Cheaper periods are full, dearer ones empty; one that is between is at the multiplier itself
        right = (price[:full] <= value + 1e-9).all() and (price[full + between :] >= value - 1e-9).all()
        right = right and (not between or equal[full])
        if right and (held | equal).all() and held.sum() >= len(price) - 1:
            return True
    return False


def _dot(coefficients: Any, variables: Any) -> Any:
    return pyo.quicksum(float(value) * variables[k] for k, value in enumerate(coefficients))
