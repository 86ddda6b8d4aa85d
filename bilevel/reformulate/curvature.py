"""Squares y'Qy of followers' costs as columns t, each at least a square: a cone each.

What stands for a part of a follower's cost is exact only where a larger t never helps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.convexity import square_root
from bilevel.program.rows import Index, Vector, widen
from bilevel.program.sparse import magnitude, stacked


@dataclass(frozen=True)
class Squares:
    """Squares that columns t stand for: the follower of each, its linear form (squares x columns), and a name."""

    owner: Index
    forms: sp.csr_array
    names: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of squares."""
        return len(self.owner)


def squares(program: Program, followers: Sequence[int]) -> Squares:
    """y'Qy of these followers as sums of squares."""
    stack, found = program.followers, []
    for follower in followers:
        mine = np.flatnonzero(stack.owner == follower)
        rows = square_root(stack.quadratic[mine][:, mine].toarray())
        # There is a root: the compiler refuses followers with a cost that is not convex
        if rows is not None:
            found.append(named(program, int(follower), mine, rows))
    return joined(program, found)


def named(program: Program, follower: int, columns: Index, rows: Vector) -> Squares:
    """Squares of rows over some columns of one follower."""
    at, place = np.nonzero(rows)
    forms = sp.csr_array((rows[at, place], (at, columns[place])), shape=(len(rows), program.columns))
    names = tuple(f"y'Qy of {program.followers.names[follower]}, square {n}" for n in range(1, len(rows) + 1))
    return Squares(np.full(len(rows), follower, dtype=np.int64), forms, names)


def joined(program: Program, parts: Sequence[Squares]) -> Squares:
    """All of these, in order."""
    none = Squares(np.zeros(0, dtype=np.int64), sp.csr_array((0, program.columns)), ())
    every = [none, *parts]
    return Squares(
        np.concatenate([part.owner for part in every]),
        stacked([part.forms for part in every]),
        tuple(name for part in every for name in part.names),
    )


def curvature(program: Program, found: Squares, columns: int) -> Cones:
    """Cones square <= t, one for each of these, over `columns` columns of which the last are the t.

    One t a square: tangents of a sum of squares would need far more rounds.
    """
    count = found.count
    t, at = columns - count + np.arange(count), np.arange(count)
    w = sp.csr_array((np.ones(count), (at, t)), shape=(count, columns))
    size = magnitude(found.forms, program.scale) ** 2
    none = sp.csr_array((count, columns))
    # They relax equalities, as only a t that is its square stands for revenue
    return Cones(
        widen(found.forms, columns), at, none, np.ones(count), w, np.zeros(count), size, np.ones(count, dtype=bool),
        found.names,
    )  # fmt: skip
