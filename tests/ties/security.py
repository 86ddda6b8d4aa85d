"""Secure answers by enumeration, as docs/proven.md, "Secure answers", defines them.

At x the answer is secure where for some set of its limits with slack 0 multipliers exist that are at least their margins on the set
and 0 on all other limits, and the rows of the set fix y with the equalities.  Column j has the margin m_j = margin max_i |C_ij| if
prices see it, else the margin itself or its share of it (`Tied.share`; what an unpriced column of a follower with prices has
depends on sizes of columns, which enumeration does not know), and a row the least m_j / |M_ij|.

Columns that followers' rows and bounds of decisions leave no choice of are as if they were fixed, and limits of what equalities and
such columns decide anyway are asked for nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import linprog
from ties.matrices import Array, Tied
from ties.responses import NOTHING, ZERO, Bases, Known, allowed, decided, decisions


@dataclass(frozen=True)
class Margins:
    """What the limits of `p` are asked for where the margin of prices is `margin`."""

    p: Tied
    margin: float

    @cached_property
    def free(self) -> Array:
        """Columns of y that rows and bounds of x leave a choice of."""
        p, n = self.p, len(self.p.x)
        rows = np.hstack([-p.R, p.M])
        bounds = [*zip(p.lower, p.upper, strict=True), *[(None, None)] * len(p.y)]

        def least(cost: Array) -> float:
            found = linprog(cost, rows[~p.equal], p.r[~p.equal], rows[p.equal], p.r[p.equal], bounds=bounds)
            return float(found.fun) if found.status == 0 else -np.inf

        ways = np.eye(n + len(p.y))[n:]
        return np.array([-least(-way) - least(way) > 1e-7 for way in ways])

    @cached_property
    def least(self) -> Array:
        """Of each row the multiplier that it has at least or not at all; 0 for equalities and rows that are asked for nothing."""
        p, free = self.p, self.free
        seen = np.abs(p.C).max(axis=1, initial=0.0)
        column = self.margin * np.where(seen > 0, seen, p.share)
        found = np.zeros(len(p.M))
        for at in np.flatnonzero(
            ~p.equal & (self.rank(np.arange(len(p.M))[:, None]) > self.rank(np.zeros((1, 0), int)))
        ):
            entry = np.where(free, np.abs(p.M[at]), 0.0)
            found[at] = (column[entry > 0] / entry[entry > 0]).min()
        return found

    def rank(self, sets: Array) -> Array:
        """Of the rows of each set, (sets, rows), with the equalities, over the columns with a choice."""
        equal = np.tile(np.flatnonzero(self.p.equal), (len(sets), 1))
        rows = self.p.M[:, self.free][np.hstack([equal, sets])]
        return np.linalg.matrix_rank(rows) if rows.size else np.zeros(len(sets), dtype=int)

    def sets(self, able: Array) -> Iterator[Array]:
        """The sets of these rows that fix y."""
        open_ = int(self.free.sum())
        for size in range(len(able) + 1):
            chosen = list(itertools.combinations(able, size))
            every = np.array(chosen, dtype=int).reshape(len(chosen), size)
            yield from every[self.rank(every) == open_]

    def bounds(self, active: Array, held: Array) -> list[tuple[float | None, float | None]]:
        """Of the multipliers of active rows where these are held with their margins."""
        on, p = np.isin(active, held), self.p
        found: list[tuple[float | None, float | None]] = []
        for at, mine in zip(active, on, strict=True):
            plain = (None, None) if p.equal[at] else (0.0, None)
            asked = (self.least[at], None) if mine else (0.0, 0.0)
            found.append(asked if self.least[at] > 0 else plain)
        return found


def secure(p: Tied, bases: Bases, x: Array, margins: Margins) -> float:
    """The minimised objective at x if the answer is secure, else infinite."""
    vertices = bases.vertices(x) if allowed(p, x) else np.zeros((0, len(p.y)))
    if len(vertices) != 1 or (vertices @ p.H.T > p.g - p.G @ x + ZERO).any():
        return np.inf
    return float(p.objective(x, vertices[0])) if _fixed(p, x, vertices[0], margins) else np.inf


def _fixed(p: Tied, x: Array, vertex: Array, margins: Margins) -> bool:
    active = np.flatnonzero(p.r + p.R @ x - p.M @ vertex <= 1e-6)
    cost, asked = p.e + p.C @ x, active[margins.least[active] > 0]
    able = np.array([at for at in asked if _largest(p, active, cost, at) >= margins.least[at] - ZERO], dtype=int)

    def exist(held: Array) -> bool:
        bounds = margins.bounds(active, held)
        found = linprog(np.zeros(len(active)), A_eq=p.M[active].T, b_eq=-cost, bounds=bounds)
        return bool(found.status == 0)

    return any(exist(held) for held in margins.sets(able))


def _largest(p: Tied, active: Array, cost: Array, row: int) -> float:
    """The largest multiplier that a row can have."""
    bounds = [(None, None) if p.equal[at] else (0, None) for at in active]
    found = linprog(-(active == row).astype(float), A_eq=p.M[active].T, b_eq=-cost, bounds=bounds)
    return np.inf if found.status == 3 else -float(found.fun)


def enumerated(p: Tied, margin: float) -> dict[str, Known]:
    """The optimistic, pessimistic and secure optimum over all integer decisions."""
    bases, margins = Bases(p), Margins(p, margin)
    found = {"optimistic": NOTHING, "pessimistic": NOTHING, "secure": NOTHING}
    for x in decisions(p):
        decision = decided(p, bases, x)
        if decision is None:
            continue
        safe = secure(p, bases, x, margins) if decision.unique and decision.worst < found["secure"].value else np.inf
        worths = {"optimistic": decision.best, "pessimistic": decision.worst, "secure": safe}
        for name, value in worths.items():
            if value < found[name].value:
                found[name] = Known(value, True, tuple(x.tolist()))
    return found
