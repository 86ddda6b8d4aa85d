"""The pessimistic optimum between bounds and decisions: no decision's worst tie is below the one, some decision has the other.

Bounds from below: the optimistic optimum; the problem with duplicate followers, where it is linear (`duplicate`); the cells of the
decisions, where they are few (`cells`); all decisions, where they are few integers (`one_by_one`).  From above: the exact worst tie
of every decision that one of these gives, and of secure answers with ever smaller margins, which have no ties.  It ends where both
meet.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget, Leisure, OutOfTimeError
from bilevel.certify.ties.face import tie_problem
from bilevel.certify.ties.local import together
from bilevel.certify.ties.worst import WorstTie, worst_tie
from bilevel.errors import BilevelError
from bilevel.followers.optimal_cost import respond
from bilevel.model import Check
from bilevel.pessimistic.cells import infimum
from bilevel.pessimistic.duplicate import duplicated
from bilevel.pessimistic.one_by_one import decisions
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import assemble
from bilevel.solution import Attempt, Solution
from bilevel.status import Status, Verdict

Ask = Callable[..., Solution]
"""Solves a model with the user's settings: `ask(model, ties, margin, seconds)`."""

SHARE = 0.25
"""Of the gap, that each solve may leave open: bound and decision come from two of them, and margins need room too."""

TURN, LEAST_TURN = 4.0, 10.0
"""Of the time of the optimistic solve, and at least in seconds: what secure answers of one margin may take.  Their decisions are
good before their gap is closed."""

NEAR = 1e-3
"""Of an infimum that no decision attains, or of the least size of objectives: how near a decision has to come for it to be told."""

VALUED = 5.0
"""Seconds at most for the worst tie of one decision, beyond the time limit too."""

MOST_PAIRS = 60
"""Pairs of complementarity up to which cells of decisions are looked at."""

MARGINS = (1e-4, 2e-5, 4e-6, 1e-6)
"""Of the range of the prices that followers see: margins of secure answers, in turn."""

STILL = 1e-6
"""Of a column's size: answers that differ by less are one."""


@dataclass(frozen=True)
class Decision:
    """A decision with what its worst tie costs, minimised, in the point `x` (program columns) that has this tie."""

    x: Vector
    worst: WorstTie
    way: str
    margin: float | None = None


@dataclass
class Bracket:
    """What is known so far: a `bound` from below, minimised, and the decisions, each better than those before.

    `verdict` as of an `Incumbent`; `steps` tell what was done: its name, bound and worst, minimised, and a remark.
    """

    bound: float = -np.inf
    decisions: list[Decision] = field(default_factory=list)
    verdict: Verdict = ""
    proof: tuple[Check, ...] = ()
    steps: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    stopped: str = ""
    first: Solution | None = None

    @property
    def best(self) -> Decision | None:
        """The best decision; None without one."""
        return self.decisions[-1] if self.decisions else None

    @property
    def objective(self) -> float:
        """What no tie of the best decision costs more than."""
        return np.inf if self.best is None else self.best.worst.bound


class Hunt:
    """Narrows a bracket, way by way."""

    def __init__(self, model: Any, program: Program, ask: Ask, allowed: Budget, nonconvex: bool) -> None:
        self.model, self.program, self.ask, self.allowed, self.nonconvex = model, program, ask, allowed, nonconvex
        self.found, self.took = Bracket(), 0.0

    def run(self) -> Bracket:
        """All ways until one closes the gap, the time is over, or the user stops."""
        for way in (self._optimistic, self._duplicates, self._cells, self._one_by_one, self._margins):
            way()
            if self.closed() or self.found.verdict or self.found.stopped or self.allowed.over():
                break
        return self.found

    def closed(self) -> bool:
        """Whether the bracket is within the gap."""
        best, bound = self.found.objective, self.found.bound
        if not (np.isfinite(best) and np.isfinite(bound)):
            return False
        floor = self.program.objective_floor(self.found.best.x if self.found.best else None)
        return bool(best - bound <= self.allowed.gap * max(abs(best), floor))

    def _optimistic(self) -> None:
        first = self._asked("optimistic", self.model, "optimistic", None)
        self.found.first = first
        if first is None or first.status in (Status.INFEASIBLE, Status.UNBOUNDED):
            return
        # No decision is better for the worst tie than for the best one
        self._bounded(first.bound)
        self._consider("optimistic", first)
        self._told("optimistic")

    def _duplicates(self) -> None:
        try:
            twin = duplicated(self.model, {id(v): float(self.program.size[at]) for at, v in self.program.own})
            asked = self._asked("duplicates", twin.model, "optimistic", None)
        except BilevelError as error:
            self._told("duplicates", f"left out: {error}")
            return
        if asked is None:
            return
        remark = ""
        if asked.status == Status.INFEASIBLE:
            self.found.verdict, self.found.proof = Status.INFEASIBLE, asked.certificate.checks
        else:
            x = self.program.values()
            place = {id(variable): at for at, variable in self.program.own}
            for own, other in twin.decisions:
                if id(own) in place and other in asked.found:
                    x[place[id(own)]] = asked.found[other]
            self._decided("duplicates", x)
            # Rounding of rows with limits that are far too wide
            if self._refuted(asked.bound):
                remark = f"left out: some decision is better than the bound {asked.bound:.9g}"
            else:
                self._bounded(asked.bound)
        self._told("duplicates", remark)

    def _cells(self) -> None:
        try:
            form = assemble(self.program, self.nonconvex)
            if form.kkt.pairs.count > MOST_PAIRS:
                self._told("cells", f"left out: {form.kkt.pairs.count} pairs are more than {MOST_PAIRS}")
                return
            found = infimum(form, self.found.objective, self.allowed.gap, self.allowed.over)
        except (BilevelError, OutOfTimeError) as error:
            self._told("cells", f"left out: {error}")
            return
        if found.complete and not found.cells and found.bound == np.inf:
            self.found.verdict = Status.INFEASIBLE
            line = "every cell of decisions has a tie that breaks a row of the leader's, or no decision"
            self.found.proof = (Check("cells of decisions", 0.0, 0.0, "", detail=line),)
            self._told("cells")
            return
        self.found.bound = max(self.found.bound, min(found.bound, self.found.objective))
        for cell in found.cells:
            for x in cell.decisions:
                self._decided("cells", x)
        floor = self.program.objective_floor(None)
        known = found.complete and all(cell.exact for cell in found.cells if cell.infimum <= self.found.objective)
        # A decision valued at the infimum has it, however little keeps its answers from ties
        beside = self.found.objective - self.found.bound > tolerances.AS_GOOD * max(abs(self.found.bound), floor)
        # Far from it nothing is said: a tie is told from none within tolerances only
        near = self.found.objective - self.found.bound <= NEAR * max(abs(self.found.bound), floor)
        away = np.isfinite(self.found.bound) and beside and near
        if known and away and self.found.best is not None and not found.attained(self.allowed.gap, floor):
            self.found.verdict = Status.NOT_ATTAINED
        self._told("cells")

    def _one_by_one(self) -> None:
        least = np.inf
        try:
            for x in decisions(self.program):
                if self.allowed.over():
                    raise OutOfTimeError("the time is over")
                least = min(least, self._decided("one by one", x))
        except (BilevelError, OutOfTimeError) as error:
            self._told("one by one", f"left out: {error}")
            return
        if least == np.inf:
            self.found.verdict = Status.INFEASIBLE
            line = "every decision has an answer that breaks a row of the leader's, or none"
            self.found.proof = (Check("decisions one by one", 0.0, 0.0, "", detail=line),)
        else:
            self.found.bound = max(self.found.bound, min(least, self.found.objective))
        self._told("one by one")

    def _margins(self) -> None:
        for margin in self._sizes():
            if self.allowed.over():
                return
            try:
                asked = self._asked("margin", self.model, "secure", margin)
            except BilevelError as error:
                self._told("margin", f"left out: {error}", margin)
                return
            if asked is None:
                return
            if asked.status != Status.INFEASIBLE:
                self._consider("margin", asked, margin)
            self._told("margin", str(asked.status), margin)
            if self.found.stopped or self.closed():
                break

    def _sizes(self) -> Iterator[float | None]:
        program = self.program
        priced = np.unique(program.followers.price.tocoo().coords[0])
        ranges = (program.upper - program.lower)[priced]
        ranges = ranges[np.isfinite(ranges) & (ranges > 0)]
        if len(ranges):
            yield from (float(share * ranges.max()) for share in MARGINS)
        else:
            yield None

    def _asked(self, what: str, model: Any, ties: str, margin: float | None) -> Solution | None:
        if self.allowed.over():
            return None
        self.allowed.progress.phase(what if margin is None else f"{what} {margin:.2g}")
        began, left = time.monotonic(), self.allowed.seconds
        if ties == "secure":
            left = min(left, max(LEAST_TURN, TURN * self.took))
        asked = self.ask(model, ties, margin, left)
        self.took = max(self.took, time.monotonic() - began) if ties == "optimistic" else self.took
        self.found.attempts += asked.attempts
        line = self.allowed.progress
        self.found.stopped = line.why if line.interrupted or "Ctrl-C" in asked.reason else ""
        return asked

    def _refuted(self, bound: float) -> bool:
        best = self.found.objective
        floor = self.program.objective_floor(self.found.best.x if self.found.best else None)
        return bool(self.program.sign * bound > best + self.allowed.gap * max(abs(best), floor))

    def _bounded(self, bound: float) -> None:
        if np.isfinite(bound):
            self.found.bound = max(self.found.bound, self.program.sign * bound)

    def _consider(self, way: str, asked: Solution, margin: float | None = None) -> None:
        """Value the decision of a solve by its worst tie; its values stand in the model."""
        if np.isfinite(asked.objective) and asked.status != Status.REJECTED:
            self._decided(way, self.program.values(), margin)

    def _decided(self, way: str, x: Vector, margin: float | None = None) -> float:
        """Value a decision by its worst tie; returns what some tie is known to cost, infinite where one breaks a row."""
        x = self.program.domains.completed(np.where(np.isnan(x), 0.0, x))
        x = np.clip(x, self.program.lower, self.program.upper)
        response = respond(self.program, x)
        if response.impossible:
            return np.inf
        worst = worst_tie(self.program, x, response, Leisure(time.monotonic() + VALUED, self.allowed.progress.stop))
        if worst is not None and worst.bound < self.found.objective:
            point = self._at(x, worst, response)
            if point is not None:
                self.found.decisions.append(Decision(point, worst, way, margin))
        return -np.inf if worst is None else worst.attained

    def _at(self, x: Vector, worst: WorstTie, response: Any) -> Vector | None:
        """The point with the worst tie, and with the leader's state that follows it."""
        mine = self.program.followers.columns
        if (np.abs(worst.tie - x[mine]) <= STILL * self.program.scale[mine]).all():
            return x
        problem = tie_problem(self.program, x, response)
        held = together(problem)
        held.hold(problem.follower, worst.tie)
        return held.optimum().x

    def _told(self, way: str, remark: str = "", margin: float | None = None) -> None:
        sign = self.program.sign
        bound, worst = (float(sign * end) for end in (self.found.bound, self.found.objective))
        self.found.steps.append({"way": way, "margin": margin, "bound": bound, "worst": worst, "remark": remark})
