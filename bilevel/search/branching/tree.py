"""A branch and bound over complementarity pairs, by linear programs on a living session.

Each node fixes one side of some pairs; its linear program is a relaxation, so the least value of the open nodes is a lower bound.
No big-M and no integrality tolerance is in it, so that it needs no limits of multipliers, and closes what a mixed-integer solver's
tolerances leave open.  Nodes are taken by their bounds, the least one first; from each the search dives along the better
children, as linear programs go on best from their parents, and points lie deep.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from bilevel import tolerances
from bilevel.program.rows import Vector
from bilevel.relax import ConeTreatment
from bilevel.search.branching.choice import LOOKS_AHEAD, LOOKS_AHEAD_SECURE, RELIABLE, RELIABLE_SOON, Choice
from bilevel.search.branching.part import Subproblem
from bilevel.search.cut_session import MAX_ROUNDS, CutSession
from bilevel.search.sides import Sides
from bilevel.status import SolverStatus

MOST_NODES = 400
"""Nodes after which the mixed-integer solver takes over, unless the tree's pace of late would end it within as many nodes again."""

FIRST_LOOK = 60
"""Nodes after which the tree is left if it would not be done in time at its mean pace, for the pace only falls."""

DIVE_SHARE = 0.25
"""A dive ends where a child has used up this share of what lies between the bound and the incumbent."""


_UNANSWERED = (SolverStatus.UNBOUNDED, SolverStatus.NUMERICAL_ERROR)


@dataclass
class Tree:
    """`open_pairs(x)` scores how far each pair is from complementary (0 where it is); `incumbent()` is the best objective so far,
    which `attempt(x)` may better; `report(bound)` hears of every better bound; `enough()` ends it; `share` is the relative gap
    within which nodes are closed; `most` is how many nodes it may take
    before it is judged by its pace of late.

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
    choice: Choice = field(init=False)
    here: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Nothing is known of the pairs."""
        form, looks = self.session.form, RELIABLE if self.thorough else RELIABLE_SOON
        # Hundreds of pairs miss their margins by the same, so that looks far down the list find nothing
        ahead = LOOKS_AHEAD if form.secure is None else LOOKS_AHEAD_SECURE
        self.choice = Choice(form, self.open_pairs, self._value, self._cutoff, looks, ahead)

    def run(self, bound: float, parts: Sequence[Subproblem]) -> tuple[Subproblem, ...]:
        """Search a division, of which this is a bound as a whole; gives the division at the end.

        Other bounds of columns leave a division one, so the next program can start from it.
        """
        number = count(0, -1)
        # The numbers break ties, as parts cannot be compared: of equal ones the last, which lies deepest
        heap = [(max(bound, part.value), next(number), part) for part in parts]
        heapify(heap)
        done: list[Subproblem] = []
        closed, dive = np.inf, None
        # The bound before each node
        path: list[float] = []
        while dive is not None or heap:
            value = min(heap[0][0] if heap else np.inf, np.inf if dive is None else dive.value)
            # Parts that are done count too: within the gap of the incumbent they may be below every open one
            self.report(min(value, closed))
            path.append(max(bound, value))
            if self.enough() or (not self.thorough and self._late(path)):
                break
            if dive is None:
                at, _, part = heappop(heap)
            else:
                at, part = dive.value, dive
            dive = None
            solved = replace(part, value=at) if at >= self._cutoff() else self._solve(part, len(path) - 1)
            if solved is None:
                # A part whose program was not solved stays in the division, and its bound counts
                heappush(heap, (at, next(number), part))
                break
            if isinstance(solved, Subproblem):
                closed = min(closed, max(at, solved.value))
                done.append(replace(solved, basis=None))
                continue
            # A child is a part of its parent, whose bound may be the better one
            children = [replace(child, value=max(at, child.value)) for child in solved]
            if self._dives(value, children[-1].value):
                dive = children.pop()
            for child in children:
                heappush(heap, (child.value, next(number), child))
        left = [*([dive] if dive is not None else []), *(part for _, _, part in heap)]
        self.report(min([closed, *(part.value for part in left)] if left else [closed]))
        return (*done, *left)

    def _dives(self, bound: float, value: float) -> bool:
        """Whether to go on with a child of this value before any other part."""
        best = self.incumbent()
        if not self.thorough or value >= self._cutoff():
            return False
        return not np.isfinite(best) or not np.isfinite(bound) or value - bound <= DIVE_SHARE * (best - bound)

    def _value(self, sides: Sides) -> float:
        """A lower bound of the part with these sides; infinite where it has no point."""
        with self.session.restricted(sides) as possible:
            if not possible:
                return np.inf
            self.session.go_on_from(self.here)
            outcome = self.session.solve(integer=False)
        self.session.budget.progress.nodes += 1
        if outcome.status == SolverStatus.INFEASIBLE:
            return np.inf
        return outcome.value if outcome.status == SolverStatus.OPTIMAL and outcome.x is not None else -np.inf

    def _solve(self, part: Subproblem, node: int) -> Subproblem | tuple[Subproblem, ...] | None:
        """The part as it is done, or what to solve in its place; None if its linear program is not solved."""
        with self.session.restricted(part.sides) as possible:
            if not possible:
                return Subproblem(part.sides, np.inf)
            self.session.go_on_from(part.basis)
            outcome = self.session.solve(integer=False)
            self.here = self.session.basis() if self.thorough else None
        # Counted where a program was solved: contradictions of bounds cost nothing
        self.session.budget.progress.nodes += 1
        if outcome.status == SolverStatus.INFEASIBLE:
            return Subproblem(part.sides, np.inf)
        if outcome.status in _UNANSWERED and self.thorough:
            return self._divided(part)
        if outcome.status != SolverStatus.OPTIMAL or outcome.x is None:
            return None
        x = outcome.x
        # Reduced costs are for the next objective of a front; a thorough tree has no next one
        solved = Subproblem(part.sides, outcome.value, None if self.thorough else outcome.reduced_cost, basis=self.here)
        if solved.value >= self._cutoff():
            return solved
        split = self.choice.split(self.session.mip, solved, x, outcome.reduced_cost, outcome.row_dual)
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
            split = tuple(
                replace(solved, sides=half) for half in (self.choice.doubtful(part.sides, x) if self.thorough else ())
            )
        return split or solved

    def _divided(self, part: Subproblem) -> Subproblem | tuple[Subproblem, ...]:
        """A part without a least value, or with none that a solver finds, is divided by any pair.

        Where none is left it is a candidate like others: there may be a ray in it, or a point.
        """
        sides = part.sides
        undecided = np.flatnonzero(~(sides.slack_zero | sides.dual_zero))
        if len(undecided):
            return tuple(replace(part, sides=half) for half in self.choice.sides_of(sides, int(undecided[0])))
        # With all sides decided the point is not read for them
        self.attempt(np.zeros(self.session.form.mip.columns), sides)
        return Subproblem(sides, part.value)

    def _late(self, path: list[float]) -> bool:
        """Whether the bound, as it was before every node so far, rises too slowly for the nodes that there are.

        At first its mean pace counts, as it only falls; later on that of the last half of the nodes.
        """
        node, left = len(path) - 1, self._cutoff() - path[-1]
        if not np.isfinite(left):
            return node >= self.most
        if node < self.most:
            risen, nodes = path[-1] - path[0], self.most - node
            return node >= FIRST_LOOK and risen * nodes < left * node
        risen, nodes = path[-1] - path[node // 2], node - node // 2
        return risen * node < left * nodes

    def _cutoff(self) -> float:
        """Nodes of at least this value are within the gap of the incumbent."""
        best = self.incumbent()
        # Part of the gap is left to the tangents that a point still lacks
        return best - self.share * abs(best) if np.isfinite(best) else np.inf
