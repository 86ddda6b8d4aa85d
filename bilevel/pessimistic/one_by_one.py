"""The pessimistic problem of a leader who has few decisions, all of them integers: each is looked at."""

import itertools
from collections.abc import Iterator

import numpy as np

from bilevel.certify.point_checks import leader_rows
from bilevel.errors import ModelError
from bilevel.followers.best_response import best_response
from bilevel.followers.optimal_cost import respond
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector

MOST = 200
"""Decisions up to which each is looked at."""


def decisions(program: Program) -> Iterator[Vector]:
    """Every decision with an answer of the followers, shape (columns,); without those that have none, or one that breaks a row.

    Raises `ModelError` where the leader has cones or other columns than integers within bounds, or too many decisions.
    """
    mine = np.flatnonzero(program.followers.owner < 0)
    low, high = np.ceil(program.lower[mine]), np.floor(program.upper[mine])
    if not program.integer[mine].all() or not np.isfinite(high - low).all():
        raise ModelError("decisions are looked at one by one where all are integers within bounds")
    if program.cones.count or len(program.links.column):
        raise ModelError("decisions are looked at one by one without cones of the leader or multipliers that it reads")
    count = float(np.prod(np.maximum(high - low + 1.0, 0.0)))
    if count > MOST:
        raise ModelError(f"{count:.3g} decisions are more than {MOST}")
    return _answered(program, itertools.product(*(np.arange(a, b + 1.0) for a, b in zip(low, high, strict=True))))


def _answered(program: Program, every: Iterator[tuple[float, ...]]) -> Iterator[Vector]:
    leader = program.followers.owner < 0
    for values in every:
        x = np.zeros(program.columns)
        x[leader] = values
        if not respond(program, x).impossible:
            x[~leader] = best_response(program, x)
            # What ties move in the leader's rows is for the worst tie to say, what they leave alone is not
            if leader_rows(program, x).ok:
                yield x
