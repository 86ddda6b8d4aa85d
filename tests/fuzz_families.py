"""Families of random problems: a base problem, which the oracles solve, changes that keep its optimum, and a way of writing.

`build(family, seed)` gives the same case each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from fuzz_changes import Units, drawn_units, relabelled, repeated
from fuzz_loose import NOTHING, Changes, changed, loosening, slackening
from fuzz_oracles import is_linear
from fuzz_writing import PLAIN, REFERENCES, WRITINGS, Style
from fuzzing import INF, Lower, Problem, draw

Rng = np.random.Generator
Pieces = tuple[tuple[float, float], ...]
_TRIES = 200


@dataclass(frozen=True)
class Case:
    """The model is that of `base` after `changes`, in this style; its objective is `changes.factor` times that of the base."""

    family: str
    seed: int
    base: Problem
    changes: Changes = NOTHING
    style: Style = PLAIN

    @property
    def written(self) -> Problem:
        return changed(self.base, self.changes)

    @property
    def note(self) -> str:
        parts = [str(part) for part in (self.changes, self.style) if str(part)]
        return "; ".join(parts) or "as drawn"


def draw_where(rng: Rng, test: Callable[[Problem], bool]) -> Problem:
    """The first drawn problem that passes the test."""
    for _ in range(_TRIES):
        p = draw(int(rng.integers(2**31)))
        if test(p):
            return p
    raise AssertionError("no drawn problem is of this kind")


def _writing(rng: Rng, share: float = 0.3) -> Style:
    return Style(rows=tuple(rng.choice(WRITINGS, 4).tolist())) if rng.random() < share else PLAIN


def _drawn(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Everything the engine takes, as drawn, relabelled, with repeated rows, or rows written in other ways."""
    p, how = draw(int(rng.integers(2**31))), rng.random()
    return (relabelled(p, rng) if how < 0.3 else repeated(p) if how < 0.5 else p), NOTHING, _writing(rng)


def _loose(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Limits that do not bind, moved far away."""
    for _ in range(20):
        p = draw_where(rng, is_linear)
        changes = loosening(p, rng)
        if changes.sides:
            break
    return p, changes, _writing(rng, 0.15)


def _units(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Columns, rows and costs in units from 1e-4 to 1e5."""
    p = draw(int(rng.integers(2**31)))
    return p, Changes(units=drawn_units(p, rng, -4, 5, 0.6)), PLAIN


def _references(rng: Rng) -> tuple[Problem, Changes, Style]:
    """References to what others declare."""
    picked = [name for name in REFERENCES if rng.random() < 0.4] or [REFERENCES[0]]
    return draw(int(rng.integers(2**31))), NOTHING, replace(_writing(rng), references=tuple(picked))


def _domains(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Leaders with steps, sets of numbers, gaps, and integers between bounds that are none."""
    p = draw_where(rng, lambda p: not p.reads and bool(np.all(np.isfinite(p.x_high - p.x_low))))
    pieces: list[Pieces] = []
    low, high, integer = p.x_low.copy(), p.x_high.copy(), p.integer.copy()
    for k in range(len(p.c)):
        how = rng.choice(["step", "set", "gap", "integer", "none"], p=[0.2, 0.2, 0.2, 0.25, 0.15])
        # Pyomo knows no domain of a variable that stands nowhere
        pieces.append(_pieces(rng, str(how)) if _used(p, k) else ())
        integer[k] = how == "integer" or (how == "none" and integer[k])
        if how == "integer":
            low[k], high[k] = low[k] - rng.choice([0.2, 0.5, 0.6]), high[k] + rng.choice([0.3, 0.5, 0.8])
        if pieces[-1]:
            low[k], high[k] = (-INF, INF) if rng.random() < 0.6 else (low[k] - 0.5, high[k] + 1.5)
    return replace(p, x_low=low, x_high=high, integer=integer, pieces=tuple(pieces)), NOTHING, _writing(rng, 0.15)


def _used(p: Problem, k: int) -> bool:
    """Whether leader variable k stands in the objective, a row or a follower."""
    mine = [p.c[k], p.G[:, k], p.S[:, k], *(part for f in p.followers for part in (f.B[:, k], f.C[k]))]
    return any(np.any(part) for part in mine)


def _pieces(rng: Rng, how: str) -> Pieces:
    start = float(rng.integers(-2, 3))
    if how == "step":
        step = float(rng.choice([0.5, 1.5, 2.0, 3.0, 4.0]))
        return tuple((start + k * step,) * 2 for k in range(int(rng.integers(2, 5))))
    if how == "set":
        return tuple(
            (float(value),) * 2
            for value in np.sort(rng.choice(np.arange(-4, 13) / 2, int(rng.integers(2, 5)), replace=False))
        )
    if how == "gap":
        least = float(rng.choice([0.5, 1.0, 2.0, 2.5]))
        return (0.0, 0.0), (least, least + float(rng.choice([1.0, 1.5, 3.0])))
    return ()


def _integer_revenue(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Integer prices times what followers take, whose rows the leader moves too."""
    p = draw_where(rng, lambda p: any(f.C.any() for f in p.followers) and len(p.c) < 3)
    priced = np.any([f.C.any(axis=1) for f in p.followers], axis=0)
    low = np.where(priced, np.where(np.isfinite(p.x_low), np.floor(p.x_low), -1.0), p.x_low)
    high = np.where(priced, np.minimum(np.where(np.isfinite(p.x_high), p.x_high, 4.0), low + 5.0), p.x_high)
    weight = np.where(
        [f.C.any() for f in p.followers],
        -rng.choice([1.0, 0.5, 2.0, -1.0], len(p.weight), p=[0.6, 0.1, 0.15, 0.15]),
        0.0,
    )
    lowers = tuple(
        replace(f, B=rng.integers(-1, 2, f.B.shape) * 1.0) if f.C.any() and rng.random() < 0.35 else f
        for f in p.followers
    )
    return (
        replace(p, x_low=low, x_high=high, integer=p.integer | priced, weight=weight, followers=lowers),
        NOTHING,
        _writing(rng),
    )


def _semidefinite(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Followers whose quadratic cost leaves directions flat."""
    p = draw_where(rng, lambda p: bool(p.d.size > len(p.followers)))
    lowers = tuple(replace(f, Q=_flat(rng, len(f.c))) if len(f.c) > 1 else f for f in p.followers)
    return replace(p, followers=lowers), NOTHING, _writing(rng)


def _flat(rng: Rng, n: int) -> np.ndarray:
    factor = rng.integers(-2, 3, (int(rng.integers(1, n)), n)) * 1.0
    return factor.T @ factor


def _shared(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Two or three followers in every row of the leader."""
    p = draw_where(rng, lambda p: len(p.followers) > 1 and len(p.low) > 0)
    H = np.where(
        rng.random(p.H.shape) < 0.8, rng.integers(1, 3, p.H.shape) * rng.choice([1.0, 1.0, -1.0], p.H.shape), 0.0
    )
    return replace(p, H=H), NOTHING, _writing(rng)


def _duals(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Multipliers in the leader's objective, of maximising followers mostly, of rows written in every way."""
    p = draw_where(rng, lambda p: is_linear(p) and any(len(f.low) for f in p.followers))
    lowers = tuple(
        replace(f, sense=float(rng.choice([1, -1], p=[0.25, 0.75])), read=_read(rng, f)) for f in p.followers
    )
    return replace(p, followers=lowers), NOTHING, _writing(rng, 0.8)


def _read(rng: Rng, f: Lower) -> np.ndarray:
    written = np.isfinite(f.low) | np.isfinite(f.high)
    return np.where(
        (rng.random(len(f.low)) < 0.6) & written, rng.choice([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0], len(f.low)), 0.0
    )


def _idle(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Rows of followers that hold none of their variables, quadratic rows that no point reaches, and multipliers."""
    p = draw_where(rng, is_linear)
    lowers = tuple(_with_empty_row(rng, f) if rng.random() < 0.7 else f for f in p.followers)
    if rng.random() < 0.4:
        lowers = tuple(replace(f, read=_read(rng, f)) for f in lowers)
    reach = [np.maximum(np.abs(f.y_low), np.abs(f.y_high)) for f in lowers]
    far = float(max(np.sum(part**2) for part in reach))
    disc = bool(np.isfinite(far) and rng.random() < 0.6)
    return replace(p, followers=lowers), NOTHING, replace(_writing(rng), idle=2.0 * far + 1.0 if disc else 0.0)


def _with_empty_row(rng: Rng, f: Lower) -> Lower:
    b = rng.integers(-1, 3, (1, len(f.C))) * (1.0 if rng.random() < 0.8 else 0.0)
    at = float(rng.integers(0, 6))
    low, high = ((-INF, at), (-at, INF), (-at, at))[rng.integers(3)]
    return replace(
        f, A=np.vstack([f.A, np.zeros((1, len(f.c)))]), B=np.vstack([f.B, b]), low=np.append(f.low, low),
        high=np.append(f.high, high), read=np.zeros(0),
    )  # fmt: skip


def _slacks(rng: Rng) -> tuple[Problem, Changes, Style]:
    """One more variable of the leader, with a wide range and a cost, that no optimum uses."""
    p = draw_where(rng, is_linear)
    return p, slackening(p, rng), _writing(rng, 0.15)


def _together(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Problems of the other families, permuted, with loose limits, slacks, units and writings at once."""
    # Of those before this one: one that is added behind it changes no drawn problem
    p, _, style = list(FAMILIES.values())[rng.integers(list(FAMILIES).index("together"))](rng)
    if rng.random() < 0.5:
        p = relabelled(p, rng)
    loose = loosening(p, rng) if rng.random() < 0.6 else NOTHING
    units = drawn_units(p, rng, -4, 4, 0.4) if rng.random() < 0.5 else None
    slack = slackening(p, rng).slack if rng.random() < 0.4 and not loose.sides else None
    if p.reads or style.references:
        return p, replace(loose, slack=slack, units=units), replace(style, idle=0.0)
    return p, replace(loose, slack=slack, units=units), _writing(rng, 0.5)


def _decimals(rng: Rng) -> tuple[Problem, Changes, Style]:
    """Multipliers that the leader reads, with columns, rows and costs in tenths: 0.1 + 0.2 is not 0.3."""
    p, _, style = _duals(rng) if rng.random() < 0.7 else _drawn(rng)

    def some(count: int) -> np.ndarray:
        return np.where(rng.random(count) < 0.7, rng.choice([0.1, 0.3, 0.7, 1.1], count), 1.0)

    lower = tuple(some(len(f.low)) for f in p.followers)
    units = Units(
        some(len(p.c)), some(len(p.d)), some(len(p.low)), lower, tuple(some(len(lower)).tolist()), float(some(1)[0])
    )
    return p, Changes(units=units), style


FAMILIES: dict[str, Callable[[Rng], tuple[Problem, Changes, Style]]] = {
    "drawn": _drawn, "loose": _loose, "units": _units, "references": _references, "domains": _domains,
    "integer revenue": _integer_revenue, "semidefinite": _semidefinite, "shared rows": _shared, "duals": _duals, "idle rows": _idle,
    "slacks": _slacks, "together": _together, "decimals": _decimals,
}  # fmt: skip


def build(family: str, seed: int) -> Case:
    """The case of a seed."""
    rng = np.random.default_rng([seed, 4, list(FAMILIES).index(family)])
    base, changes, style = FAMILIES[family](rng)
    return Case(family, seed, base, changes, style)
