"""The pessimistic optimum of several continuous decisions in two classes where it can be enumerated exactly.

- Prices alone (`priced`): decisions stand in the followers' cost and not in their rows.  The optimal face is one of finitely many
  faces V of one polytope; the decisions with exactly V are an open cone's part, over which the worst of finitely many linear
  functions has the infimum that it has over the closure.
- Rows alone (`limited`): decisions stand in the followers' rows and not in their cost, and no leader row sees an answer.  The worst
  tie is w(x, phi(x)) with w(x, t) = max {F(x, y): rows of y at x, cost of y <= t}, which is concave, and phi the least cost; so its
  minimum over {(x, y): rows} is at a vertex.  It is always attained.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linprog
from ties.matrices import Array, Tied
from ties.responses import NOTHING, ZERO, Bases, Known, decided, distinct

_STRICT = 1e-6
_MOST_SETS = 60_000


def priced(p: Tied) -> Known:
    """The infimum for a leader with prices alone, minimised."""
    if p.R.any() or p.integer.any():
        raise ValueError("followers' rows see the leader, or it has integers")
    bases = Bases(p)
    y, feasible = bases.feasible(np.zeros(len(p.x)))
    vertices = distinct(y[feasible])
    best = NOTHING
    for face in _faces(p, vertices):
        found = _over(p, vertices, face)
        nearly = (
            abs(found.value - best.value) <= ZERO if np.isfinite(found.value) and np.isfinite(best.value) else False
        )
        if (nearly and found.attained and not best.attained) or (not nearly and found.value < best.value):
            best = found
    return best


def _faces(p: Tied, vertices: Array) -> set[frozenset[int]]:
    """All faces as sets of vertices: those on which some set of rows is active."""
    active = np.abs(vertices @ p.M.T - p.r) <= 1e-7
    faces = {frozenset(range(len(vertices)))}
    for row in active.T:
        with_row = frozenset(np.flatnonzero(row).tolist())
        faces |= {face & with_row for face in faces}
        if len(faces) > _MOST_SETS:
            raise ValueError("too many faces")
    return faces - {frozenset()}


def _over(p: Tied, vertices: Array, face: frozenset[int]) -> Known:
    """The infimum over the decisions whose optimal face this is; columns x, t (the worst) and s (how strictly)."""
    n, mine = len(p.x), vertices[sorted(face)]
    others = np.delete(vertices, sorted(face), axis=0)
    # (e + C x)'(u - v) >= s for other vertices u, 0 for its own
    equal, right = (mine[1:] - mine[0]) @ p.C, -(mine[1:] - mine[0]) @ p.e
    apart = np.column_stack([-(others - mine[0]) @ p.C, np.zeros(len(others)), np.ones(len(others))])
    leader = [np.column_stack([p.G, np.zeros((len(p.g), 2))]) for _ in mine]
    worst = np.column_stack([p.c + mine @ p.E.T, -np.ones(len(mine)), np.zeros(len(mine))])
    rows = np.vstack([apart, *leader, worst])
    room = np.concatenate([(others - mine[0]) @ p.e, *(p.g - p.H @ v for v in mine), -(p.k + mine @ p.d)])
    fixed = np.column_stack([equal, np.zeros((len(equal), 2))])
    bounds = [*zip(p.lower, p.upper, strict=True), (None, None), (0.0, 1.0)]

    def solve(cost: list[float], most: float | None = None) -> Array | None:
        ranges = [*bounds[:n], (None, most), bounds[-1]]
        found = linprog(cost, rows, room, fixed, right, bounds=ranges)
        return found.x if found.status == 0 else None

    strict = solve([0.0] * (n + 1) + [-1.0])
    if strict is None or (len(others) and strict[-1] <= _STRICT):
        return NOTHING
    least = solve([0.0] * n + [1.0, 0.0])
    if least is None:
        return Known(-np.inf, False)
    again = solve([0.0] * (n + 1) + [-1.0], float(least[n]) + ZERO)
    attained = again is not None and (not len(others) or again[-1] > _STRICT)
    return Known(float(least[n]), attained, tuple(least[:n].tolist()))


def limited(p: Tied) -> Known:
    """The optimum for a leader in the followers' rows alone, minimised."""
    if p.C.any() or p.E.any() or p.coupled.any() or p.integer.any():
        raise ValueError("the leader has prices, products, rows that see answers, or integers")
    bases, best = Bases(p), NOTHING
    for x in _vertices(p):
        decision = decided(p, bases, x)
        if decision is not None and decision.worst < best.value - ZERO:
            best = Known(decision.worst, True, tuple(x.tolist()))
    return best


def _vertices(p: Tied) -> Array:
    """The decisions at the vertices of {(x, y): all rows}; a ValueError where it is not bounded."""
    n, eye = len(p.x), np.eye(len(p.x) + len(p.y))[: len(p.x)]
    low, high = np.isfinite(p.lower), np.isfinite(p.upper)
    rows = np.vstack([np.hstack([-p.R, p.M]), np.hstack([p.G, p.H]), -eye[low], eye[high]])
    right = np.concatenate([p.r, p.g, -p.lower[low], p.upper[high]])
    equal = np.concatenate([p.equal, np.zeros(len(rows) - len(p.equal), dtype=bool)])
    for direction in np.vstack([np.eye(rows.shape[1]), -np.eye(rows.shape[1])]):
        if linprog(-direction, rows, right, rows[equal], right[equal], bounds=(None, None)).status == 3:
            raise ValueError("the decisions are not bounded")
    sets = itertools.combinations(np.flatnonzero(~equal), rows.shape[1] - int(equal.sum()))
    every = np.array([[*np.flatnonzero(equal), *chosen] for chosen in itertools.islice(sets, _MOST_SETS + 1)])
    if len(every) > _MOST_SETS:
        raise ValueError("too many sets of rows")
    every = every[np.abs(np.linalg.det(rows[every])) > ZERO]
    points = np.linalg.solve(rows[every], right[every][:, :, None])[:, :, 0]
    points = points[(points @ rows.T <= right + 1e-7).all(axis=1)]
    return distinct(points[:, :n])
