"""The limits of followers' rows that leaders see, and what whole numbers can make of them, in exact arithmetic."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.followers.steps import common_step, written
from bilevel.integer.draft import Form, added
from bilevel.program.bilevel_program import Program
from bilevel.program.choices import Split
from bilevel.program.rows import Vector

Ends = tuple[Fraction | float, Fraction | float]


@dataclass(frozen=True)
class Side:
    """One limit of a follower's row with leader columns in it: own @ y + seen @ x >= limit.

    `step`: what seen @ x is a multiple of, None where a leader column is continuous or there is none; `low` and `high` are the ends
    of seen @ x, as fractions where there is a step; `exact`: the limit and the coefficients of y as they were written, None where
    they were not.
    """

    name: str
    follower: int
    own: Form
    seen: Form
    limit: float
    low: Fraction | float
    high: Fraction | float
    step: Fraction | None
    exact: tuple[Fraction, dict[int, Fraction]] | None

    def needs(self, y: Vector) -> float:
        """What seen @ x must be at least for this answer (over the program's columns)."""
        return self.limit - sum(value * float(y[column]) for column, value in self.own.items())


def sides_of(program: Program, lower: Vector, upper: Vector) -> list[list[Side]]:
    """Of every follower, the limits in which it sees the leader, whose columns are between `lower` and `upper`."""
    stack = program.followers
    matrix = sp.csr_array(stack.rows.matrix)
    splits = {split.column: split for split in program.domains.splits}
    found: list[list[Side]] = [[] for _ in stack.names]
    for row in range(stack.rows.count):
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = zip(matrix.indices[entries].tolist(), matrix.data[entries].tolist(), strict=True)
        own: Form = {}
        seen: Form = {}
        moved = 0.0
        for column, value in terms:
            if stack.owner[column] >= 0:
                added(own, {column: value} if value else {})
            elif value:
                part, constant = _chosen(splits.get(column), column)
                added(seen, part, value)
                moved += value * constant
        if seen:
            limits = (float(stack.rows.lower[row]) - moved, float(stack.rows.upper[row]) - moved)
            found[int(stack.row_owner[row])] += _both(program, (lower, upper), row, own, seen, limits)
    return found


def _chosen(split: Split | None, column: int) -> tuple[Form, float]:
    """A leader column as a form and a constant: by the whole columns of its domain, where it has steps or gaps."""
    if split is None:
        return {column: 1.0}, 0.0
    w = {k: split.first + split.binaries + at for at, k in enumerate(split.long)}
    form: Form = {at: split.pieces[k].step or 1.0 for k, at in w.items()}
    if not split.binaries:
        return form, split.pieces[0].anchor
    return form | {split.first + k: piece.low for k, piece in enumerate(split.pieces) if piece.low}, 0.0


def _both(
    program: Program, ends: tuple[Vector, Vector], row: int, own: Form, seen: Form, limits: tuple[float, float]
) -> list[Side]:
    found = []
    for sign, limit in zip((1.0, -1.0), limits, strict=True):
        forms = ({c: sign * v for c, v in own.items()}, {c: sign * v for c, v in seen.items()})
        found += [_side(program, ends, row, sign, forms, sign * limit)] if np.isfinite(limit) else []
    return found


def _side(
    program: Program, ends: tuple[Vector, Vector], row: int, sign: float, forms: tuple[Form, Form], limit: float
) -> Side:
    stack, (own, seen) = program.followers, forms
    fractions = {column: written(value) for column, value in own.items()}
    known = written(limit)
    pure = known is not None and all(program.integer[column] and fractions[column] is not None for column in own)
    step = _seen_step(program, seen, ends)
    low, high = _reach(seen, ends, step)
    return Side(
        name=f"{stack.rows.names[row]} ({'at least' if sign > 0 else 'at most'})", follower=int(stack.row_owner[row]),
        own=own, seen=seen, limit=limit, low=low, high=high, step=step,
        exact=(known, fractions) if pure and known is not None else None,  # type: ignore[arg-type]
    )  # fmt: skip


def _reach(seen: Form, ends: tuple[Vector, Vector], step: Fraction | None) -> Ends:
    """The ends of a row's leader part: with a step as fractions, as a rounding above a value would make it one never reached."""
    reached: list[list[Fraction | float]] = []
    for column, value in seen.items():
        low, high = float(ends[0][column]), float(ends[1][column])
        if step is None:
            reached.append(sorted((value * low, value * high)))
        else:
            # Whole numbers of steps, whatever the coefficient is off by
            steps = round(Fraction(value) / step) * step
            reached.append(sorted((steps * round(low), steps * round(high))))
    return sum(low for low, _ in reached), sum(high for _, high in reached)


def _seen_step(program: Program, seen: Form, ends: tuple[Vector, Vector]) -> Fraction | None:
    """The step of a row's leader part; None for one that solvers do not see beside its range, or with a continuous column."""
    if not all(program.integer[column] for column in seen):
        return None
    step = common_step(seen.values())
    reach = sum(abs(value) * float(ends[1][column] - ends[0][column]) for column, value in seen.items())
    return step if step is not None and float(step) > tolerances.NOTHING * reach else None
