"""A small branch and bound over complementarity pairs, by linear programs on the living session.

Where the relaxation is good only a few pairs are open, and going through them costs less than a mixed-integer solver's root node.
Each node fixes one side of some pairs; its linear program is a relaxation, so the least value of the open nodes is a lower bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import numpy as np

from bilevel import tolerances
from bilevel.cones import ConeTreatment
from bilevel.program import Mask, Vector
from bilevel.stage import Sides, Stage

MOST_NODES = 400
"""Nodes after which the mixed-integer solver takes over."""


@dataclass
class Tree:
    """`open_pairs(x)` scores how far each pair is from complementary (0 where it is); `incumbent()` is the best objective so far,
    which `attempt(x)` may better; `report(bound)` hears of every better bound; `enough()` ends it; `share` is the relative gap
    within which nodes are closed."""

    stage: Stage
    treatment: ConeTreatment
    open_pairs: Callable[[Vector], Vector]
    incumbent: Callable[[], float]
    attempt: Callable[[Vector], None]
    report: Callable[[float], None]
    enough: Callable[[], bool]
    share: float

    def run(self, bound: float, pairs: int) -> None:
        """Search from the root, whose bound this is."""
        neither = np.zeros(pairs, dtype=bool)
        number = count()
        heap = [(bound, next(number), Sides(neither, neither))]
        closed = np.inf
        for node in range(MOST_NODES):
            if not heap:
                self.report(closed)
                return
            value, _, sides = heappop(heap)
            self.report(min(value, closed))
            if self.enough():
                return
            if value >= self._cutoff():
                closed = min(closed, value)
                continue
            outcome = self._solve(sides)
            if outcome is None:
                return
            value, x = outcome
            if x is None:
                continue
            value = max(value, bound)
            score = self.open_pairs(x)
            worst = int(score.argmax())
            # The root has tangents where they count; more of them only at points that would be answers
            rows = self.treatment.cuts(self.stage.cones, x, tolerances.CONE_CUT) if score[worst] <= 0 else None
            if rows is not None:
                self.stage.add_cuts(rows)
            if node % 10 == 0 or node < 3 or score[worst] <= 0:
                self.attempt(x)
            if value >= self._cutoff():
                closed = min(closed, value)
            elif score[worst] > 0:
                for side in self._children(sides, worst):
                    heappush(heap, (value, next(number), side))
            elif rows is not None and rows.count:
                heappush(heap, (value, next(number), sides))
            else:
                closed = min(closed, value)
        self.report(min(closed, heap[0][0]) if heap else closed)

    def _cutoff(self) -> float:
        """Nodes of at least this value are within the gap of the incumbent."""
        best = self.incumbent()
        return best - self.share * abs(best) if np.isfinite(best) else np.inf

    def _solve(self, sides: Sides) -> tuple[float, Vector | None] | None:
        """Value and point of a node, (inf, None) if it is infeasible, None if its program is not solved."""
        with self.stage.restricted(sides) as possible:
            if not possible:
                return np.inf, None
            outcome = self.stage.solve(integer=False)
        if outcome.status == "infeasible":
            return np.inf, None
        return (outcome.objective, outcome.x) if outcome.status == "optimal" and outcome.x is not None else None

    @staticmethod
    def _children(sides: Sides, pair: int) -> tuple[Sides, Sides]:
        one: Mask = np.zeros(len(sides.slack_zero), dtype=bool)
        one[pair] = True
        return Sides(sides.slack_zero | one, sides.dual_zero), Sides(sides.slack_zero, sides.dual_zero | one)
