"""Changes of a `fuzzing.Problem` that leave its optimum, as data: limits moved far away, slacks that are not used, other units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from fuzz_changes import Units, rescaled
from fuzz_lp import TooLargeError
from fuzz_oracles import optimum
from fuzzing import INF, Array, Problem


@dataclass(frozen=True)
class Side:
    """One side of a limit: `place` -1 for x, -2 for the leader's rows, k for y of follower k, count + k for its rows."""

    place: int
    at: int
    sign: float


@dataclass(frozen=True)
class Changes:
    """What is done to a problem, whose optimum becomes `units.factor` times as large.

    Limits are moved far away (`far` for each of `sides`), a slack comes that no optimum uses (cost, most, row of the leader or -1,
    sign), units are others.
    """

    sides: tuple[Side, ...] = ()
    far: tuple[float, ...] = ()
    slack: tuple[float, float, int, float] | None = None
    units: Units | None = None

    @property
    def factor(self) -> float:
        return 1.0 if self.units is None else self.units.factor

    def __str__(self) -> str:
        parts = [f"{len(self.sides)} loose limits ({', '.join(f'{far:.3g}' for far in self.far)})"] * bool(self.sides)
        parts += [] if self.slack is None else ["a slack at {:g} to {:g} in row {}".format(*self.slack[:3])]
        return "; ".join(parts + ([] if self.units is None else [f"units, objective times {self.factor:g}"]))


NOTHING = Changes()


def changed(p: Problem, changes: Changes) -> Problem:
    """The problem after these changes."""
    if changes.sides:
        p = moved(p, changes.sides, changes.far)
    if changes.slack is not None:
        p = with_slack(p, *changes.slack)
    return p if changes.units is None else rescaled(p, _longer(changes.units, len(p.c)))


def _longer(units: Units, count: int) -> Units:
    return replace(units, x=np.append(units.x, np.ones(count - len(units.x))))


def keep_the_optimum(p: Problem, changes: Changes, known: float) -> bool:
    """By enumeration: with 1e4 instead of what was moved or added, without any limit there, and with some far beyond others."""
    order = np.argsort(np.argsort(changes.far))

    def at(far: float, beyond: int = len(changes.sides)) -> Problem:
        near = [far if rank < beyond else 1e4 * far for rank in order]
        sides = [
            each if np.isinf(each) else each * max(1.0, abs(limit(p, side)))
            for each, side in zip(near, changes.sides, strict=True)
        ]
        slack = None if changes.slack is None else (changes.slack[0], far, *changes.slack[2:])
        return changed(p, replace(changes, far=tuple(sides), slack=slack, units=None))

    steps = [(1e4, beyond) for beyond in range(1, len(changes.sides))]
    cases = [(1e4, len(changes.sides)), (INF, len(changes.sides)), *steps]
    return all(_same(known, _optimum(at(*case))) for case in cases)


def _optimum(p: Problem) -> float | None:
    """By enumeration; None also where there is too much to enumerate."""
    try:
        return optimum(p, _NODES)
    except TooLargeError:
        return None


def loosening(p: Problem, rng: np.random.Generator, share: float = 0.7) -> Changes:
    """Limits that do not bind times 10^3 to 10^25, or 1e20 or 1e30 outright: of x, of y, and single sides of rows."""
    known = _optimum(p)
    sides = [side for side in _sides(p) if rng.random() < share]
    rng.shuffle(sides)  # type: ignore[arg-type]
    for picked in (sides, *([side] for side in sides[:6])):
        found = Changes(tuple(picked), tuple(_far(max(1.0, abs(limit(p, side))), rng) for side in picked))
        # What has no optimum may get one where several limits move, one further than another
        if known is not None and np.isfinite(known) and picked and keep_the_optimum(p, found, known):
            return found
    return NOTHING


def slackening(p: Problem, rng: np.random.Generator) -> Changes:
    """One more x, 0 to 10^1..10^20 at a cost, that no optimum uses: in no row, or in one of the leader's that it relaxes."""
    known, most = _optimum(p), float(10.0 ** rng.integers(1, 21))
    cost = float(rng.choice([1e-3, 1.0, 100.0, 1e5]))
    row = int(rng.integers(len(p.low))) if len(p.low) and rng.random() < 0.7 else -1
    sign = 1.0 if row < 0 or np.isfinite(p.low[row]) else -1.0
    for slack in ((price, most, row, sign) for price in (cost, 1e3, 1e6) if row >= 0):
        if known is not None and keep_the_optimum(p, Changes(slack=slack), known):
            return Changes(slack=slack)
    return Changes(slack=(cost, most, -1, 0.0))


_NODES = 3000


def _far(size: float, rng: np.random.Generator) -> float:
    return float(rng.choice([1e20, 1e30, size * 10.0 ** rng.integers(3, 26)], p=[0.15, 0.1, 0.75]))


def _same(known: float, other: float | None) -> bool:
    if other is None or not np.isfinite(known):
        return known == other
    return abs(known - other) <= 1e-6 * max(1.0, abs(known))


def _pair(p: Problem, place: int) -> tuple[Array, Array]:
    count = len(p.followers)
    if place < 0:
        return (p.x_low, p.x_high) if place == -1 else (p.low, p.high)
    f = p.followers[place % count]
    return (f.y_low, f.y_high) if place < count else (f.low, f.high)


def limit(p: Problem, side: Side) -> float:
    """What stands there."""
    return float(_pair(p, side.place)[int(side.sign > 0)][side.at])


def _sides(p: Problem) -> list[Side]:
    """Every finite side that may be moved: not those of equalities, of integers, of domains, of rows with one side."""
    found: list[Side] = []
    for place in range(-2, 2 * len(p.followers)):
        low, high = _pair(p, place)
        rows = place == -2 or place >= len(p.followers)
        for k in range(len(low)):
            fixed = low[k] == high[k] or (place == -1 and bool(p.integer[k] or p.domains[k]))
            if fixed or (rows and not np.isfinite(high[k] - low[k])):
                continue
            found += [Side(place, k, sign) for sign, value in ((-1.0, low[k]), (1.0, high[k])) if np.isfinite(value)]
    return found


def moved(p: Problem, sides: tuple[Side, ...], far: tuple[float, ...]) -> Problem:
    """These limits put at `far`, on their own side of 0."""
    copy = replace(
        p, x_low=p.x_low.copy(), x_high=p.x_high.copy(), low=p.low.copy(), high=p.high.copy(),
        followers=tuple(
            replace(f, y_low=f.y_low.copy(), y_high=f.y_high.copy(), low=f.low.copy(), high=f.high.copy()) for f in p.followers
        ),
    )  # fmt: skip
    for side, value in zip(sides, far, strict=True):
        _pair(copy, side.place)[int(side.sign > 0)][side.at] = side.sign * value
    return copy


def with_slack(p: Problem, cost: float, most: float, row: int, sign: float) -> Problem:
    """One more x, 0 to `most` at `cost`, times `sign` in this row of the leader (-1: in none)."""
    column = np.zeros((len(p.low), 1))
    if row >= 0:
        column[row] = sign
    nx = len(p.c)
    lowers = tuple(
        replace(f, C=np.vstack([f.C, np.zeros((1, len(f.c)))]), B=np.hstack([f.B, np.zeros((len(f.low), 1))]))
        for f in p.followers
    )
    return replace(
        p, c=np.append(p.c, cost), S=np.insert(p.S, nx, 0.0, axis=1), G=np.hstack([p.G, column]), x_low=np.append(p.x_low, 0.0),
        x_high=np.append(p.x_high, most), integer=np.append(p.integer, False), followers=lowers,
        pieces=(*p.domains, ()) if p.pieces else (),
    )  # fmt: skip
