"""The optima of one continuous decision x, exactly: between breakpoints the followers' bases stay the same.

A basis is optimal where its slacks and multipliers, affine in x, are at least 0, so that their roots divide the line.  Inside of a
piece every vertex of the optimal face moves along a line and the leader's objective at it is a parabola in x; the infimum over the
piece of the largest is at an end (as a limit), at a crossing, or at the foot of one.  Breakpoints themselves are decided alone:
there ties appear that no neighbour has.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.optimize import linprog
from ties.matrices import Array, Tied
from ties.responses import NOTHING, ZERO, Bases, Known, allowed, decided, distinct
from ties.security import Margins, secure

FAR = 1e3


def breakpoints(p: Tied, bases: Bases) -> Array:
    """The ends of the line and where a slack or a multiplier of some basis, or a leader row without answers, changes its sign.

    A line without an end is cut `FAR` behind the last root, where no optimum may be.
    """
    y0, y1 = bases.answer
    slack = (p.r - y0 @ p.M.T, p.R[:, 0] - y1[:, :, 0] @ p.M.T)
    alone = ~p.coupled
    roots = [_roots(*slack), _roots(bases.multipliers[0], bases.multipliers[1][:, :, 0])]
    found = np.sort(np.concatenate([*roots, _roots(p.g[alone], -p.G[alone, 0])]))
    low = p.lower[0] if np.isfinite(p.lower[0]) else found.min(initial=0.0) - FAR
    high = p.upper[0] if np.isfinite(p.upper[0]) else found.max(initial=0.0) + FAR
    inner = found[(found > low + ZERO) & (found < high - ZERO)]
    # Not rounded: ties stand where costs are equal to the last digits
    return np.concatenate([[low], inner[np.diff(inner, prepend=-np.inf) > ZERO], [high]])


def _roots(constant: Array, slope: Array) -> Array:
    moving = np.abs(slope) > ZERO
    return (-constant[moving] / slope[moving]).ravel()


def pessimistic(p: Tied) -> Known:
    """The infimum over the line of the worst tie, minimised."""
    bases = Bases(p)
    points = breakpoints(p, bases)
    best = NOTHING
    for x in points:
        decision = decided(p, bases, np.array([x]))
        if decision is not None:
            best = _less(best, Known(decision.worst, True, (float(x),)))
    for left, right in itertools.pairwise(points):
        for found in _inside(p, bases, left, right):
            best = _less(best, found)
    cut = [end for end, given in ((points[0], p.lower[0]), (points[-1], p.upper[0])) if not np.isfinite(given)]
    if best.x and any(abs(best.x[0] - end) < 1.0 for end in cut):
        raise ValueError("the infimum is where the line was cut")
    return best


def optimistic(p: Tied) -> Known:
    """The least over the line of the best tie, minimised; it is always attained.

    Ties that keep the leader's rows have their vertices on some of those rows too, so that these count among the followers'.
    """
    own, on = Bases(p), p.coupled
    both = Bases(
        replace(
            p, M=np.vstack([p.M, p.H[on]]), R=np.vstack([p.R, -p.G[on]]), r=np.append(p.r, p.g[on]),
            equal=np.append(p.equal, np.zeros(int(on.sum()), dtype=bool)),
        )
    )  # fmt: skip
    points = breakpoints(both.p, both)
    best = NOTHING
    for x in points:
        decision = decided(p, own, np.array([x]))
        best = best if decision is None else _less(best, Known(decision.best, True, (float(x),)))
    for left, right in itertools.pairwise(points):
        middle = np.array([(left + right) / 2])
        y, feasible = both.feasible(middle)
        ties = own.vertices(middle)
        if not len(ties) or not allowed(p, middle):
            continue
        cost = p.e + p.C @ middle
        cheapest = feasible & (y @ cost <= ties[0] @ cost + ZERO)
        for line in np.hstack([both.answer[0][cheapest], both.answer[1][cheapest][:, :, 0]]):
            curve = parabola(p, line)
            foot = [-curve[1] / (2 * curve[0])] if abs(curve[0]) > ZERO else []
            for place in (left, right, *(x for x in foot if left <= x <= right)):
                best = _less(best, Known(float(np.polyval(curve, place)), True, (float(place),)))
    return best


def _less(a: Known, b: Known) -> Known:
    """The lesser of two; of equal ones the one that is attained."""
    if (
        abs(a.value - b.value) <= ZERO * max(1.0, abs(a.value))
        if np.isfinite(a.value) and np.isfinite(b.value)
        else False
    ):
        return a if a.attained else b
    return a if a.value <= b.value else b


def _moving(p: Tied, bases: Bases, left: float, right: float) -> Array:
    """The vertices of the optimal face inside a piece, as rows (y0, y1)."""
    optimal = bases.optimal(np.array([(left + right) / 2]))
    lines = np.hstack([bases.answer[0][optimal], bases.answer[1][optimal][:, :, 0]])
    return distinct(lines)


def parabola(p: Tied, line: Array) -> Array:
    """The leader's objective at y = y0 + y1 x as coefficients of x^2, x and 1."""
    y0, y1 = np.split(line, 2)
    c, E = float(p.c[0]), p.E[0]
    return np.array([E @ y1, c + p.d @ y1 + E @ y0, p.k + p.d @ y0])


def _inside(p: Tied, bases: Bases, left: float, right: float) -> Iterator[Known]:
    """Candidates for the infimum inside of a piece; those at its ends are limits, which the piece does not attain."""
    lines = _moving(p, bases, left, right)
    kept = _kept(p, lines, left, right) if len(lines) else None
    if kept is None:
        return
    first, last = kept
    curves = np.array([parabola(p, line) for line in lines])
    places = [first, last, *(-c[1] / (2 * c[0]) for c in curves if abs(c[0]) > ZERO)]
    for a, b in itertools.combinations(curves, 2):
        roots = np.roots(np.trim_zeros(np.where(np.abs(a - b) > ZERO, a - b, 0.0), "f"))
        places += [float(root.real) for root in roots if abs(root.imag) < ZERO]
    for place in places:
        if first - ZERO <= place <= last + ZERO:
            yield Known(float(max(np.polyval(c, place) for c in curves)), left + ZERO < place < right - ZERO, (place,))


def _kept(p: Tied, lines: Array, left: float, right: float) -> tuple[float, float] | None:
    """The part of a piece in which all ties keep all leader rows; None where it holds no point inside of the piece."""
    first, last, n = left, right, len(p.y)
    for line in lines:
        slope, room = p.G[:, 0] + p.H @ line[n:], p.g - p.H @ line[:n]
        for a, b in zip(slope, room, strict=True):
            if a > ZERO:
                last = min(last, b / a)
            elif a < -ZERO:
                first = max(first, b / a)
            elif b < -ZERO:
                return None
    if first > last + ZERO or last <= left + ZERO or first >= right - ZERO:
        return None
    return first, last


def secured(p: Tied, margin: float) -> Known:
    """The least objective, minimised, over decisions whose answer is secure (see `security`)."""
    bases, margins = Bases(p), Margins(p, margin)
    points = breakpoints(p, bases)
    best = NOTHING
    for x in points:
        best = _less(best, Known(secure(p, bases, np.array([x]), margins), True, (float(x),)))
    for left, right in itertools.pairwise(points):
        lines = _moving(p, bases, left, right)
        if len(lines) == 1:
            for first, last in _with_margin(p, margins, lines[0], left, right):
                curve = parabola(p, lines[0])
                foot = [-curve[1] / (2 * curve[0])] if abs(curve[0]) > ZERO else []
                for place in (first, last, *(x for x in foot if first <= x <= last)):
                    best = _less(best, Known(float(np.polyval(curve, place)), True, (place,)))
    return best


def _with_margin(p: Tied, margins: Margins, line: Array, left: float, right: float) -> Iterator[tuple[float, float]]:
    """For each set of limits that fixes the moving vertex the part of the piece in which their multipliers can have their margins.

    Columns of the program: x, and multipliers of the rows that are active all along.
    """
    n = len(p.y)
    active = np.flatnonzero(
        (np.abs(p.r - p.M @ line[:n]) <= 1e-6) & (np.abs(p.R[:, 0] - p.M @ line[n:]) <= 1e-6)
    )  # fmt: skip
    kept = _kept(p, line[None, :], left, right)
    if kept is None:
        return
    stationary = np.column_stack([p.C[:, 0], p.M[active].T])
    for held in margins.sets(active[margins.least[active] > 0]):
        ends = []
        for sign in (1.0, -1.0):
            bounds = [kept, *margins.bounds(active, held)]
            found = linprog([sign, *np.zeros(len(active))], A_eq=stationary, b_eq=-p.e, bounds=bounds)
            ends += [float(found.x[0])] if found.status == 0 else []
        if len(ends) == 2:
            yield ends[0], ends[1]
