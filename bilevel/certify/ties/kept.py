"""The worst found among ties that keep the leader's rows: up the slope, away from answers that leave the leader no point."""

from collections.abc import Callable

import numpy as np

from bilevel import tolerances
from bilevel.certify.ties.broken import Broken, of_block
from bilevel.certify.ties.face import Face, TieProblem
from bilevel.certify.ties.search import Objective
from bilevel.program.rows import Index, Vector

_MOST_TURNS = 40


class Kept:
    """`best` is attained by `y`, none is worse than `bound` (infinite where the blocks cost something).

    `broken`: the rows that the first answer without a point breaks, and `tie` that answer.
    """

    def __init__(self, problem: TieProblem, objective: Objective, alone: Index, first: Vector) -> None:
        self.problem, self.objective, self.y = problem, objective, first
        self.broken: tuple[Broken, ...] = ()
        self.tie = first
        self.face = Face(problem)
        rows = problem.rows.taken(alone)
        fixed = rows.matrix @ self.face.fixed
        self.face.add(rows.matrix[:, self.face.columns], rows.lower - fixed, rows.upper - fixed)
        self.best, self.bound = -np.inf, np.inf

    def run(self, over: Callable[[], bool]) -> "Kept":
        """Go up until no answer is better, or the time is over."""
        free = not any(block.mip.cost.any() for block in self.objective.blocks)
        self.best, slope = self.objective.value(self.y)
        for turn in range(_MOST_TURNS):
            if turn and over():
                break
            most, other = self.face.most(slope)
            if other is None:
                break
            self.bound = max(most + self.objective.high, self.best) if free else np.inf
            value, there = self.objective.value(other)
            if not np.isfinite(value):
                if self._cut(other):
                    continue
                # At the edge rounding keeps a point from being one: the least step back
                other = other + tolerances.FEASIBILITY * (self.y - other)
                value, there = self.objective.value(other)
            if value <= self.best + tolerances.AS_GOOD * abs(self.best):
                break
            self.best, self.y, slope = value, other, there
        return self

    def _cut(self, y: Vector) -> bool:
        """Leave out this answer by how far its blocks are from a point; whether any is."""
        found = False
        for block in self.objective.blocks:
            z = block.forms @ y
            if np.isfinite(block.value(z).high):
                continue
            far, a, b = block.beyond(z)
            if far <= tolerances.AS_GOOD:
                continue
            if not self.broken:
                self.broken, self.tie = of_block(self.problem, self.face, block, y), y
            self.face.add((a @ block.forms)[None, :], np.array([-np.inf]), np.array([b]))
            found = True
        return found
