"""A small branch and bound over complementarity pairs, by linear programs on the living session.

Where the relaxation is good only a few pairs are open, and going through them costs less than a mixed-integer solver's root node.
Each node fixes one side of some pairs; its linear program is a relaxation, so the least value of the open nodes is a lower bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import count

import numpy as np

from bilevel import tolerances
from bilevel.cones import ConeTreatment
from bilevel.program import Index, Mask, Vector
from bilevel.stage import Sides, Stage

MOST_NODES = 400
"""Nodes after which the mixed-integer solver takes over."""

FIRST_LOOK = 60
"""Nodes after which the tree is left if it would not be done in time at its mean pace, for the pace only falls."""

MOST_PARTS = 60
"""Parts of an earlier division up to which it is worth starting from it."""


@dataclass(frozen=True)
class Part:
    """A part of a division: `value` is a lower bound of its least objective, with the reduced costs of the linear program that
    gave it (None where it was not solved)."""

    sides: Sides
    value: float
    reduced_cost: Vector | None = None

    def moved(self, columns: Index, lower: Vector, upper: Vector) -> "Part":
        """The same part after bounds of columns have moved up by `lower` and `upper`: a dual point stays one, its value follows."""
        if self.reduced_cost is None:
            return Part(self.sides, -np.inf)
        price = self.reduced_cost[columns]
        used = price != 0
        value = self.value + float(np.sum(price[used] * np.where(price > 0, lower, upper)[used]))
        return replace(self, value=value if np.isfinite(value) else -np.inf)


def whole(pairs: int) -> tuple[Part, ...]:
    """The division into one part."""
    neither = np.zeros(pairs, dtype=bool)
    return (Part(Sides(neither, neither), -np.inf),)


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

    def run(self, bound: float, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Search a division, of which this is a bound as a whole; gives the division at the end.

        Other bounds of columns leave a division one, so the next program can start from it.
        """
        number, start = count(), bound
        heap = [(max(bound, part.value), next(number), part) for part in parts]
        heapify(heap)
        done: list[Part] = []
        closed = np.inf
        for node in range(MOST_NODES):
            if not heap:
                break
            value, _, part = heap[0]
            self.report(min(value, closed))
            start = max(start, value) if node == 0 else start
            if self.enough() or (node >= FIRST_LOOK and self._late(start, value, node)):
                break
            solved = part if value >= self._cutoff() else self._solve(part, node)
            if solved is None:
                break
            heappop(heap)
            if isinstance(solved, Part):
                closed = min(closed, max(value, solved.value))
                done.append(solved)
                continue
            for child in solved:
                heappush(heap, (max(value, child.value), next(number), child))
        self.report(min(closed, heap[0][0]) if heap else closed)
        return (*done, *(part for _, _, part in heap))

    def _solve(self, part: Part, node: int) -> Part | tuple[Part, ...] | None:
        """The part as it is done, or what to solve in its place; None if its linear program is not solved."""
        with self.stage.restricted(part.sides) as possible:
            if not possible:
                return Part(part.sides, np.inf)
            outcome = self.stage.solve(integer=False)
        self.stage.effort.progress.nodes += 1
        if outcome.status == "infeasible":
            return Part(part.sides, np.inf)
        if outcome.status != "optimal" or outcome.x is None:
            return None
        solved = Part(part.sides, outcome.value, outcome.reduced_cost)
        if solved.value >= self._cutoff():
            return solved
        score = self.open_pairs(outcome.x)
        worst = int(score.argmax())
        # The root has tangents where they count; more of them only at points that would be answers
        rows = self.treatment.cuts(self.stage.cones, outcome.x, tolerances.CONE_CUT) if score[worst] <= 0 else None
        if node % 10 == 0 or node < 3 or rows is not None:
            self.attempt(outcome.x)
        if solved.value >= self._cutoff():
            return solved
        if rows is None:
            return tuple(replace(solved, sides=sides) for sides in self._sides(part.sides, worst))
        self.stage.add_cuts(rows)
        return (solved,) if rows.count else solved

    def _late(self, start: float, value: float, node: int) -> bool:
        """Whether the bound, which has risen from `start` to `value` in `node` nodes, is too slow for the nodes that there are."""
        return np.isfinite(self._cutoff()) and (value - start) * MOST_NODES < (self._cutoff() - start) * node

    def _cutoff(self) -> float:
        """Nodes of at least this value are within the gap of the incumbent."""
        best = self.incumbent()
        return best - self.share * abs(best) if np.isfinite(best) else np.inf

    @staticmethod
    def _sides(sides: Sides, pair: int) -> tuple[Sides, Sides]:
        one: Mask = np.zeros(len(sides.slack_zero), dtype=bool)
        one[pair] = True
        return Sides(sides.slack_zero | one, sides.dual_zero), Sides(sides.slack_zero, sides.dual_zero | one)
