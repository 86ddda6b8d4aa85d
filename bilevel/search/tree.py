"""A branch and bound over complementarity pairs, by linear programs on a living session.

Where the relaxation is good only a few pairs are open, and going through them costs less than a mixed-integer solver's root node.
Each node fixes one side of some pairs; its linear program is a relaxation, so the least value of the open nodes is a lower bound.
No big-M and no integrality tolerance is in it: a `thorough` tree closes what a mixed-integer solver's tolerances leave open, and
branches on the leader's integers too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import count

import numpy as np

from bilevel import tolerances
from bilevel.program.rows import Index, Mask, Vector
from bilevel.relax import ConeTreatment
from bilevel.search.cut_session import MAX_ROUNDS, CutSession
from bilevel.search.sides import Sides
from bilevel.status import SolverStatus

MOST_NODES = 400
"""Nodes after which the mixed-integer solver takes over."""

FIRST_LOOK = 60
"""Nodes after which the tree is left if it would not be done in time at its mean pace, for the pace only falls."""

MOST_PARTS = 60
"""Parts of an earlier division up to which it is worth starting from it."""


@dataclass(frozen=True)
class Subproblem:
    """A part of a division: `value` is a lower bound of its least objective, with the reduced costs of the linear program that
    gave it (None where it was not solved); `rounds`: how often it was solved with more tangents."""

    sides: Sides
    value: float
    reduced_cost: Vector | None = None
    rounds: int = 0

    def moved(self, columns: Index, lower: Vector, upper: Vector) -> "Subproblem":
        """The same part after bounds of columns have moved up by `lower` and `upper`: a dual point stays one, its value follows."""
        if self.reduced_cost is None:
            return Subproblem(self.sides, -np.inf)
        price = self.reduced_cost[columns]
        used = price != 0
        # A positive reduced cost prices the lower bound, a negative one the upper; where it is 0 a move may be endless
        value = self.value + float(np.sum(price[used] * np.where(price > 0, lower, upper)[used]))
        return replace(self, value=value if np.isfinite(value) else -np.inf)


def whole(pairs: int) -> tuple[Subproblem, ...]:
    """The division into one part."""
    neither = np.zeros(pairs, dtype=bool)
    return (Subproblem(Sides(neither, neither), -np.inf),)


@dataclass
class Tree:
    """`open_pairs(x)` scores how far each pair is from complementary (0 where it is); `incumbent()` is the best objective so far,
    which `attempt(x)` may better; `report(bound)` hears of every better bound; `enough()` ends it; `share` is the relative gap
    within which nodes are closed; `most` is how many nodes it may take.

    A `thorough` tree goes on at points that look complementary, but whose sides have no point as good, and drops what it needs no
    more; it ends when it is done, or `enough`.
    """

    session: CutSession
    treatment: ConeTreatment
    open_pairs: Callable[[Vector], Vector]
    incumbent: Callable[[], float]
    attempt: Callable[[Vector, Sides], None]
    report: Callable[[float], None]
    enough: Callable[[], bool]
    share: float
    most: int = MOST_NODES
    thorough: bool = False

    def run(self, bound: float, parts: Sequence[Subproblem]) -> tuple[Subproblem, ...]:
        """Search a division, of which this is a bound as a whole; gives the division at the end.

        Other bounds of columns leave a division one, so the next program can start from it.
        """
        number, start = count(), bound
        # The numbers break ties, as parts cannot be compared
        heap = [(max(bound, part.value), next(number), part) for part in parts]
        heapify(heap)
        done: list[Subproblem] = []
        closed = np.inf
        for node in range(self.most):
            if not heap:
                break
            value, _, part = heap[0]
            # Parts that are done count too: within the gap of the incumbent they may be below every open one
            self.report(min(value, closed))
            start = max(start, value) if node == 0 else start
            if self.enough() or (node >= FIRST_LOOK and not self.thorough and self._late(start, value, node)):
                break
            solved = part if value >= self._cutoff() else self._solve(part, node)
            if solved is None:
                break
            # Taken off only here: a part whose program was not solved stays in the division, and its bound counts
            heappop(heap)
            if isinstance(solved, Subproblem):
                closed = min(closed, max(value, solved.value))
                done.append(solved)
                continue
            for child in solved:
                # A child is a part of its parent, whose bound may be the better one
                heappush(heap, (max(value, child.value), next(number), child))
        self.report(min(closed, heap[0][0]) if heap else closed)
        return (*done, *(part for _, _, part in heap))

    def _solve(self, part: Subproblem, node: int) -> Subproblem | tuple[Subproblem, ...] | None:
        """The part as it is done, or what to solve in its place; None if its linear program is not solved."""
        with self.session.restricted(part.sides) as possible:
            if not possible:
                return Subproblem(part.sides, np.inf)
            outcome = self.session.solve(integer=False)
        # Counted where a program was solved: contradictions of bounds cost nothing
        self.session.budget.progress.nodes += 1
        if outcome.status == SolverStatus.INFEASIBLE:
            return Subproblem(part.sides, np.inf)
        if outcome.status == SolverStatus.UNBOUNDED and self.thorough:
            return self._endless(part)
        if outcome.status != SolverStatus.OPTIMAL or outcome.x is None:
            return None
        x = outcome.x
        # Reduced costs are for the next objective of a front; a thorough tree has no next one
        solved = Subproblem(part.sides, outcome.value, None if self.thorough else outcome.reduced_cost)
        if solved.value >= self._cutoff():
            return solved
        split = self._split(part.sides, x)
        # The root has tangents where they count; more of them only at points that would be answers
        rows = None if split else self.treatment.cuts(self.session.cones, x, tolerances.CONE_CUT)
        # Points cost a convex solve each; the first ones and those that look like answers are worth it
        if node % 10 == 0 or node < 3 or rows is not None:
            self.attempt(x, part.sides)
        # The attempt may have moved the cutoff
        if solved.value >= self._cutoff():
            return solved
        if rows is not None:
            self.session.add_cuts(rows)
            if rows.count:
                return (replace(solved, rounds=part.rounds + 1),) if part.rounds < MAX_ROUNDS else solved
            split = self._doubtful(part.sides, x) if self.thorough else ()
        return tuple(replace(solved, sides=half) for half in split) or solved

    def _endless(self, part: Subproblem) -> Subproblem | tuple[Subproblem, ...]:
        """A part without a least value is divided by any pair; where none is left its ray is looked at."""
        sides = part.sides
        undecided = np.flatnonzero(~(sides.slack_zero | sides.dual_zero))
        if len(undecided):
            return tuple(replace(part, sides=half) for half in self._sides(sides, int(undecided[0])))
        # With all sides decided the point is not read for them
        self.attempt(np.zeros(self.session.form.mip.columns), sides)
        return Subproblem(sides, -np.inf)

    def _split(self, sides: Sides, x: Vector) -> tuple[Sides, ...]:
        """What to branch on at x: the leader's integer that is furthest from whole, else the pair that is furthest from
        complementary; nothing where none is."""
        whole = self.session.form.program.part_of(x)[self.session.form.program.integer]
        off = np.abs(whole - np.round(whole))
        if off.max(initial=0.0) > tolerances.SOLVER_INTEGRALITY:
            return self._halves(sides, int(off.argmax()), float(whole[off.argmax()]))
        score = self.open_pairs(x)
        worst = int(score.argmax()) if len(score) else -1
        return self._sides(sides, worst) if worst >= 0 and score[worst] > 0 else ()

    def _halves(self, sides: Sides, integer: int, value: float) -> tuple[Sides, Sides]:
        """The integer column of this rank at most and at least a whole value."""
        program = self.session.form.program
        low, high = sides.integers or (program.part_of(self.session.mip.lower)[program.integer],
                                       program.part_of(self.session.mip.upper)[program.integer])  # fmt: skip
        down, up = high.copy(), low.copy()
        down[integer], up[integer] = np.floor(value), np.floor(value) + 1.0
        return replace(sides, integers=(low, down)), replace(sides, integers=(up, high))

    def _doubtful(self, sides: Sides, x: Vector) -> tuple[Sides, ...]:
        """Both sides of the undecided pair that is furthest from complementary, however little that is; none where all are
        decided."""
        pairs = self.session.form.kkt.pairs
        undecided = np.flatnonzero(~(sides.slack_zero | sides.dual_zero))
        if not len(undecided):
            return ()
        product = np.abs(pairs.slack(x) * x[pairs.dual])[undecided]
        return self._sides(sides, int(undecided[product.argmax()]))

    def _late(self, start: float, value: float, node: int) -> bool:
        """Whether the bound, which has risen from `start` to `value` in `node` nodes, is too slow for the nodes that there are."""
        return np.isfinite(self._cutoff()) and (value - start) * self.most < (self._cutoff() - start) * node

    def _cutoff(self) -> float:
        """Nodes of at least this value are within the gap of the incumbent."""
        best = self.incumbent()
        # Part of the gap is left to the tangents that a point still lacks
        return best - self.share * abs(best) if np.isfinite(best) else np.inf

    @staticmethod
    def _sides(sides: Sides, pair: int) -> tuple[Sides, Sides]:
        one: Mask = np.zeros(len(sides.slack_zero), dtype=bool)
        one[pair] = True
        return replace(sides, slack_zero=sides.slack_zero | one), replace(sides, dual_zero=sides.dual_zero | one)
