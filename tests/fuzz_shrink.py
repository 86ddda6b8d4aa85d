"""Less and less of a case whose answer is wrong, as long as it stays wrong; and what is left, to read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from fuzz_families import Case
from fuzz_loose import NOTHING, Changes, keep_the_optimum
from fuzz_lp import TooLargeError
from fuzz_oracles import optimum
from fuzz_verdicts import Trial, Verdict
from fuzz_writing import PLAIN
from fuzzing import INF, Array, Lower, Problem

_BAD = ("WRONG", "CRASHED")
_LEADER, _LOWER = ("c", "d", "weight", "S", "G", "H", "pay"), ("c", "C", "Q", "A", "B", "read")


def shrink(case: Case, solver: str, mode: str, most: int = 600) -> Case:
    """The smallest case found in at most so many solves."""
    wanted, left = _kind(case, solver, mode), most
    if wanted[0] not in _BAD:
        return case
    progress = True
    while progress and left > 0:
        progress = False
        for smaller in _smaller(case):
            left -= 1
            if left > 0 and _sound(smaller) and _kind(smaller, solver, mode) == wanted:
                case, progress = smaller, True
                break
    return case


def _verdict(case: Case, solver: str, mode: str) -> Verdict:
    return Trial(case.base, case.written, case.changes.factor, case.style, case.seed, case.family, case.note).run(
        solver, mode
    )


def _kind(case: Case, solver: str, mode: str) -> tuple[str, str, bool, bool]:
    """What must stay: the verdict, where it crashed, whether the answer is certified, whether the optimum is finite."""
    told = _verdict(case, solver, mode)
    try:
        known = optimum(case.base, 2000)
    except (TooLargeError, AssertionError):
        known = None
    place = (
        [line for line in told.detail.splitlines() if line.strip().startswith("File ")]
        if told.verdict == "CRASHED"
        else [""]
    )
    return told.verdict, place[-1], bool(np.isfinite(told.objective)), known is not None and bool(np.isfinite(known))


def _sound(case: Case) -> bool:
    """Whether the changes still keep the optimum, by enumeration."""
    try:
        known = optimum(case.base, 2000)
        return known is not None and (case.changes == NOTHING or keep_the_optimum(case.base, case.changes, known))
    except (TooLargeError, AssertionError):
        return False


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less: large things first."""
    yield from (replace(case, changes=changes) for changes in _less(case.changes))
    if case.style != PLAIN:
        yield replace(case, style=PLAIN)
        yield from (replace(case, style=replace(case.style, references=(name,))) for name in case.style.references[1:])
        yield from (
            replace(case, style=replace(case.style, rows=(name,)))
            for name in case.style.rows
            if len(case.style.rows) > 1
        )
    for at in range(len(case.base.followers) if case.changes.units is None else 0):
        if not any(side.place >= 0 for side in case.changes.sides) and len(case.base.followers) > 1:
            yield replace(case, base=_without(case.base, at))
    for base in _smaller_problems(case.base):
        yield replace(case, base=base)


def _less(changes: Changes) -> Iterator[Changes]:
    for k in range(len(changes.sides)):
        yield replace(
            changes, sides=changes.sides[:k] + changes.sides[k + 1 :], far=changes.far[:k] + changes.far[k + 1 :]
        )
    if changes.slack is not None:
        yield replace(changes, slack=None)
    if changes.units is not None:
        yield replace(changes, units=None)
        units = changes.units
        ones = {"x": np.ones(len(units.x)), "y": np.ones(len(units.y)), "rows": np.ones(len(units.rows)), "factor": 1.0}
        ones |= {"costs": (1.0,) * len(units.costs), "lower": (1.0,) * len(units.lower)}
        for name, value in ones.items():
            if np.any(_flat(getattr(units, name)) != 1.0):
                yield replace(changes, units=replace(units, **{name: value}))


def _flat(value: object) -> Array:
    parts = value if isinstance(value, tuple) else (value,)
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in parts]) if parts else np.zeros(0)


def _smaller_problems(p: Problem) -> Iterator[Problem]:
    """Rows without limits, then coefficients that become 0, then variables without bounds or domains."""
    for k in np.flatnonzero(np.isfinite(p.low) | np.isfinite(p.high)):
        yield replace(p, low=_put(p.low, k, -INF), high=_put(p.high, k, INF))
    for at, f in enumerate(p.followers):
        for k in np.flatnonzero(np.isfinite(f.low) | np.isfinite(f.high)):
            yield _with(
                p, at, replace(f, low=_put(f.low, k, -INF), high=_put(f.high, k, INF), read=_put(f.prices, k, 0.0))
            )
    for name in _LEADER:
        yield from (replace(p, **{name: less}) for less in _zeros(getattr(p, name)))
    for at, f in enumerate(p.followers):
        for name in _LOWER:
            yield from (_with(p, at, replace(f, **{name: less})) for less in _zeros(getattr(f, name)) if name != "Q")
        for i in np.flatnonzero(f.Q.any(axis=0)):
            keep = np.arange(len(f.c)) != i
            yield _with(p, at, replace(f, Q=f.Q * np.outer(keep, keep)))
    yield from (replace(p, integer=_put(p.integer, k, False)) for k in np.flatnonzero(p.integer))
    if p.pieces:
        yield from (
            replace(p, pieces=(*p.pieces[:k], (), *p.pieces[k + 1 :])) for k in range(len(p.pieces)) if p.pieces[k]
        )
    yield from (replace(p, sense=1.0) for sense in (p.sense,) if sense < 0)
    yield from (_with(p, at, replace(f, sense=1.0)) for at, f in enumerate(p.followers) if f.sense < 0)


def _without(p: Problem, at: int) -> Problem:
    """The problem without a follower."""
    keep = np.ones(len(p.d), dtype=bool)
    keep[p.starts[at] : p.starts[at + 1]] = False
    others = np.arange(len(p.followers)) != at
    return replace(
        p, d=p.d[keep], weight=p.weight[others], S=p.S[:, np.concatenate([np.ones(len(p.c), dtype=bool), keep])], H=p.H[:, keep],
        pay=p.pay[:, others], followers=(*p.followers[:at], *p.followers[at + 1 :]),
    )  # fmt: skip


def _zeros(values: Array) -> Iterator[Array]:
    for place in zip(*np.nonzero(values), strict=True):
        yield _put(values, place, 0.0)


def _put(values: Array, place: object, value: float) -> Array:
    copy = values.copy()
    copy[place] = value  # type: ignore[index]
    return copy


def _with(p: Problem, at: int, f: Lower) -> Problem:
    return replace(p, followers=(*p.followers[:at], f, *p.followers[at + 1 :]))


# To read


def sketch(case: Case, solver: str, mode: str) -> str:
    """The model of a case in lines of algebra, without its zeros, and what came of it."""
    p = case.written
    x = [f"x{k}" for k in range(len(p.c))]
    y = [[f"y{at}{k}" for k in range(len(f.c))] for at, f in enumerate(p.followers)]
    flat = [name for part in y for name in part]
    pays = [_products(x, f.C, part) for f, part in zip(p.followers, y, strict=True)]
    paid = [f"{w:+g}*({pay})" for w, pay in zip(p.weight, pays, strict=True) if w and pay]
    reads = [
        f"{value:+g}*dual(f{at}.row{k})"
        for at, f in enumerate(p.followers)
        for k, value in enumerate(f.prices)
        if value
    ]
    lines = [f"{'min' if p.sense > 0 else 'max of -'} " + " ".join([_sum(p.c, x), _sum(p.d, flat), *paid, *reads])]
    lines += [f"  +({_sum(s, x + flat)})^2" for s in p.S]
    used = (
        " ".join(lines)
        + " ".join(pays)
        + "".join(_sum(b, x) for f in p.followers for b in f.B)
        + "".join(_sum(g, x) for g in p.G)
    )
    for k, name in enumerate(x):
        if name in used:
            kind = " integer" * bool(p.integer[k]) + (f" in {p.domains[k]}" if p.domains[k] else "")
            lines.append(f"  {p.x_low[k]:g} <= {name} <= {p.x_high[k]:g}{kind}")
    for k, (g, h) in enumerate(zip(p.G, p.H, strict=True)):
        income = [f"{w:+g}*({pay})" for w, pay in zip(p.pay[k], pays, strict=True) if w and pay]
        lines += _row("row", k, " ".join([_sum(g, x), _sum(h, flat), *income]), p.low[k], p.high[k])
    for at, (f, part) in enumerate(zip(p.followers, y, strict=True)):
        squares = f" +1/2({_products(part, f.Q, part)})" if f.Q.any() else ""
        lines.append(f"  f{at}: {'min' if f.sense > 0 else 'max of -'} {_sum(f.c, part)} {pays[at]}{squares}")
        lines += [f"    {f.y_low[k]:g} <= {name} <= {f.y_high[k]:g}" for k, name in enumerate(part)]
        for k in range(len(f.low)):
            lines += [
                "  " + line for line in _row("row", k, f"{_sum(f.A[k], part)} {_sum(f.B[k], x)}", f.low[k], f.high[k])
            ]
    told = _verdict(case, solver, mode)
    return "\n".join(
        [f"{case.family}:{case.seed}, {solver} {mode} ({case.note}): {told.verdict}: {told.detail}", *lines]
    )


def _row(name: str, k: int, body: str, low: float, high: float) -> list[str]:
    return [f"  {name}{k}: {low:g} <= {body} <= {high:g}"] if np.isfinite(low) or np.isfinite(high) else []


def _sum(values: Array, names: list[str]) -> str:
    return " ".join(f"{value:+g}*{name}" for value, name in zip(values, names, strict=True) if value)


def _products(first: list[str], matrix: Array, second: list[str]) -> str:
    return " ".join(f"{matrix[i, j]:+g}*{first[i]}*{second[j]}" for i, j in zip(*np.nonzero(matrix), strict=True))
