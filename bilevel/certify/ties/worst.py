"""The worst of the leader's objective over the followers' ties, between what is attained and what is proven (`worst_tie`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bilevel import tolerances
from bilevel.certify.ties.blocks import Block, split, too_large
from bilevel.certify.ties.broken import Broken, of_rows
from bilevel.certify.ties.cells import Cell
from bilevel.certify.ties.face import Face, TieProblem, tie_problem
from bilevel.certify.ties.kept import Kept
from bilevel.certify.ties.local import climbed, most
from bilevel.certify.ties.reach import Reach, reach
from bilevel.certify.ties.search import Objective, Search
from bilevel.followers.optimal_cost import Response
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.rows import Vector


class Allowance(Protocol):
    """What tells when to stop, such as a `bilevel.budget.Budget`."""

    def over(self) -> bool:
        """Whether the time is up, or the user stopped it."""


@dataclass(frozen=True)
class WorstTie:
    """The worst tie, minimised: some tie has `attained`, none is worse than `bound`.

    `tie`: an answer that has it, over the followers' columns.  Where a tie breaks rows of the leader that no choice of its own
    mends, both are infinite, `tie` is that tie, `broken` its rows, and `kept` and `kept_bound` are `attained` and `bound` over the
    ties that keep all rows; elsewhere they are the same.  A bound that could not be proven is infinite, with `broken` empty; a
    value that was not found is -inf.  `floor`: the least size that gaps are relative to.
    """

    tie: Vector
    kept: float
    kept_bound: float
    broken: tuple[Broken, ...] = ()
    floor: float = 0.0

    @property
    def attained(self) -> float:
        """What some tie costs the leader; inf where one breaks its rows."""
        return np.inf if self.broken else self.kept

    @property
    def bound(self) -> float:
        """What no tie costs it more than."""
        return np.inf if self.broken else self.kept_bound

    def closed(self, gap: float = tolerances.BOUND_MEETS) -> bool:
        """Whether the bound of ties that keep all rows is within this of what one of them has, relatively or of `floor`."""
        return bool(self.kept_bound - self.kept <= gap * max(abs(self.kept), self.floor))


def tied_decisions(program: Program) -> bool:
    """Whether the leader's own products tie what followers see to their answers, so that ties are not looked for."""
    return bool((program.followers.owner[program.bilinear.follower] == LEADER).any())


def worst_tie(
    program: Program, x: Vector, response: Response, budget: Allowance, gap: float = tolerances.BOUND_MEETS
) -> WorstTie | None:
    """The worst of the leader's minimised objective over the followers' optimal answers to its decisions in x (program columns).

    What followers see, integers and multipliers that the leader reads stay as they are in x; its other columns follow the answers,
    in its rows and cones.  `response` is the followers' own (`bilevel.followers.optimal_cost.respond`); `gap`: relative, at which
    to stop.  Without an answer of the followers, and with products of the leader's own between what they see and do, it is None.

    Of followers with cones, whose optima are no polyhedron, a value within the tolerance of their cost is attained, none is proven.
    """
    if tied_decisions(program) or not response.solved:
        return None
    problem = tie_problem(program, x, response)
    floor, face = program.objective_floor(x), Face(problem)
    if not problem.face_cones.count and not too_large(problem, face):
        search = _Worst(problem, face, budget.over, gap, floor)
        if search.solved:
            return search.found()
    value, y, broken = climbed(problem)
    return WorstTie(y, -np.inf if broken else value, most(problem), broken, floor)


class _Worst:
    """One problem on its way."""

    def __init__(self, problem: TieProblem, face: Face, over: Callable[[], bool], gap: float, floor: float) -> None:
        self.problem, self.face, self.over, self.gap, self.floor = problem, face, over, gap, floor
        blocks, self.alone = split(problem, self.face)
        self.blocks = tuple(block for block in blocks if block.count)
        still = [block.value(np.zeros(0)) for block in blocks if not block.count]
        fixed = float(problem.cost @ self.face.fixed) + problem.offset
        low, high = (fixed + sum(getattr(answer, end) for answer in still) for end in ("low", "high"))
        self.first = problem.at[self.face.columns]
        self.objective = Objective(problem.cost[self.face.columns], low, high, self.blocks, self.face)

    @property
    def solved(self) -> bool:
        """Whether every block has a value at the answers that were found."""
        return bool(np.isfinite(self.objective.value(self.first)[0]))

    def room(self, value: float) -> float:
        """How far above a value a bound is none the less met."""
        return self.gap * max(abs(value), self.floor)

    def found(self) -> WorstTie:
        answer, broken, done = of_rows(self.problem, self.face, self.alone, self.over)
        reached = [] if broken else [self._reach(block) for block in self.blocks]
        for each in reached:
            if each.broken and (not broken or each.broken[0].share > broken[0].share):
                answer, broken = each.y, each.broken
        cells = tuple(each.cell for each in reached if each.cell is not None)
        if not broken and done and len(cells) == len(self.blocks):
            return self._searched(cells) if self.blocks else self._linear()
        kept = Kept(self.problem, self.objective, self.alone, self.first).run(self.over)
        if broken:
            return self._told(self.first if answer is None else answer, kept.best, kept.bound, broken)
        if kept.broken:
            return self._told(kept.tie, kept.best, kept.bound, kept.broken)
        return self._told(kept.y, kept.best, np.inf)

    def _searched(self, cells: tuple[Cell, ...]) -> WorstTie:
        search = Search(self.objective, self.first, self.room, self.over)
        bound = search.run(cells)
        return self._told(search.y, search.best, bound)

    def _told(self, y: Vector, kept: float, bound: float, broken: tuple[Broken, ...] = ()) -> WorstTie:
        return WorstTie(self.face.whole(y)[self.problem.follower], kept, bound, broken, self.floor)

    def _linear(self) -> WorstTie:
        """Where no answer moves the leader's free columns it is one linear program."""
        most, y = self.face.most(self.objective.rates)
        y = self.first if y is None else y
        return self._told(y, self.objective.value(y)[0], most + self.objective.high)

    def _reach(self, block: Block) -> Reach:
        return Reach(None) if self.over() else reach(self.problem, self.face, block, self.over)
