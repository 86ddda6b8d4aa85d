"""The search: master, answers at its decision, cuts, and again (Zeng and An 2014, with answers instead of patterns).

The master is a relaxation, so that its bound holds at any moment.  At its decision every follower is asked; the leader's favourite
among their best answers is a point of the bilevel program.  A follower that pays more in the master than its best answer costs
gives a cut.  Where the decisions that followers see are whole numbers between bounds no decision comes twice, so that it ends.
"""

import time
from dataclasses import dataclass, field, replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.integer import closed, unattained
from bilevel.integer.favourites import Favourites
from bilevel.integer.master import Cuts
from bilevel.integer.oracle import FollowerOracle, Reply
from bilevel.integer.problem import Problem
from bilevel.integer.solving import solved
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.search import verdicts
from bilevel.search.incumbent import Incumbent
from bilevel.solvers import SOLVERS, Outcome, SessionFactory
from bilevel.status import CheckKind, SolverStatus, Status

SECOND_SECONDS, SECOND_TIMES = 1.0, 10.0
"""What another solver may take for its look at a bound: at least, and times what the first one took."""

MARGINS = (1e-3, 1e-5, 1e-6, 1e-7)
"""How far, of a limit's range, decisions are to be from where an answer is just allowed, once there is nothing else to cut."""


@dataclass
class Hunt:
    """One search; `run` gives what it finds."""

    program: Program
    solver: SessionFactory
    allowed: Budget
    found: Incumbent = field(default_factory=Incumbent)
    answers: int = 0
    nodes: int = 0
    last: Vector | None = None

    def run(self) -> Incumbent:
        """Until the gap is closed, the time is over, or nothing more is ruled out."""
        self.allowed.progress.phase("answers")
        self.problem = Problem(self.program)
        self.cuts = Cuts(self.problem)
        followers = range(len(self.program.followers.names))
        # Faces of best answers are read from multipliers, which not every solver gives
        self.oracles = [FollowerOracle(self.problem, at, SOLVERS["highs"]) for at in followers]
        self.favourites = Favourites(self.problem, self.oracles, SOLVERS["highs"])
        while self._rounds() and (self._near() or self._closed()):
            # What rules decisions near a limit out may rule more out at it
            self.found.ended = ""
        self._attained()
        return self.found

    def _rounds(self) -> bool:
        """Rounds until no answer rules more out; whether decisions next to a limit are then to be looked at."""
        while not self._over() and self._round():
            self.found.rounds += 1
        return not self._over() and not self.found.verdict and self.cuts.margin is not None

    def _over(self) -> bool:
        return self.allowed.over() or self._would_close(self.found.bound)

    def _round(self) -> bool:
        """One master, and what follows from it; whether to go on."""
        began = time.monotonic()
        outcome = self._solved(self.solver, self.allowed)
        if outcome.status == SolverStatus.INFEASIBLE:
            self._without_point()
            return False
        if outcome.x is None:
            self._raise(outcome.bound)
            self.found.ended = self._without_answer(outcome)
            return False
        self.last = outcome.x
        ruled = self._ask(self._of_program(outcome))
        claimed = outcome.bound
        if self._would_close(claimed):
            claimed = self._second_look(claimed, time.monotonic() - began)
        self._raise(claimed)
        # An answer for which no time was left is no sign that there is none
        if self.allowed.over():
            self.found.ended = ""
        elif not ruled and not self.found.ended and not self._would_close(self.found.bound):
            self.found.ended = "the followers' known answers rule nothing more out"
        return ruled

    def _solved(self, solver: SessionFactory, allowed: Budget, cutoff: float = np.inf, margin: float = 0.0) -> Outcome:
        outcome = solved(self.cuts.program(margin), self.program.cones, solver, allowed, cutoff)
        self.nodes += outcome.nodes
        return outcome

    def _of_program(self, outcome: Outcome) -> Vector:
        if outcome.x is None:
            raise RuntimeError("an outcome without a point has none of the program's")
        return self.program.within(outcome.x[: self.program.columns])

    def _without_answer(self, outcome: Outcome) -> str:
        if outcome.status in (SolverStatus.TIME_LIMIT, SolverStatus.INTERRUPTED):
            return ""
        said = f"the program without the followers' costs is called {outcome.status} by {self.solver.name}"
        base = self.problem.base
        endless = (np.abs(np.where(base.cost > 0, base.lower, base.upper)) >= tolerances.ENDLESS) & (base.cost != 0)
        if outcome.status != SolverStatus.UNBOUNDED or not endless[: self.program.columns].any():
            return said
        name = self.program.name(int(np.flatnonzero(endless)[0]))
        return f"{said}, and {name!r} in the leader's objective has no end: give it bounds"

    def _ask(self, x: Vector) -> bool:
        """Ask every follower at the decision in x; keep the leader's favourite, and rule out what is dearer.

        Gives whether anything was ruled out.
        """
        replies = [oracle.reply(x) for oracle in self.oracles]
        if any(reply.y is None for reply in replies):
            self.found.ended = "a follower's answer was not found"
            return False
        self._keep(self.favourites.at(x, replies))
        paid = self.program.followers.costs(x)
        ruled = False
        for at, reply in enumerate(replies):
            size = max(abs(reply.cost), float(self.favourites.size[at]))
            if paid[at] - reply.cost > tolerances.FOLLOWER_CONE * size:
                ruled = self._rule(at, x, reply) or ruled
        return ruled

    def _rule(self, at: int, x: Vector, reply: Reply) -> bool:
        """A cut by the widest best answer that rules this decision out, else by the reply; gives whether it says anything new."""
        answers = [y for y in (self.oracles[at].widest(x, reply.cost), reply.y) if y is not None]
        # Next to a continuous decision an answer may be ruled out and at it not: the cut counts for decisions near it
        ordered = sorted(answers, key=lambda y: not self.cuts.rules_out(at, y, x))
        new = any(self.cuts.add(at, y) for y in ordered[:1])
        self.answers += new
        self.allowed.progress.answers = self.answers
        return new

    def _keep(self, x: Vector | None) -> None:
        objective = np.inf if x is None else self.program.sign * self.program.objective(x)
        if objective < self.found.objective:
            self.found.x, self.found.objective = x, objective
            self.allowed.progress.update(self.found.bound, objective)

    def _raise(self, bound: float) -> None:
        self.found.bound = max(self.found.bound, bound)
        self.allowed.progress.update(self.found.bound, self.found.objective)

    @property
    def _size(self) -> float:
        return max(abs(self.found.objective), self.program.objective_floor(self.found.x))

    def _would_close(self, bound: float) -> bool:
        if self.found.x is None:
            return False
        return self.found.objective - bound <= self.allowed.gap * self._size

    def _other(self) -> SessionFactory:
        return SOLVERS["highs" if self.solver.name == "scip" else "scip"]

    def _second_look(self, bound: float, seconds: float) -> float:
        """The bound, if another look finds nothing better: by another solver, or in other numbers where that is too slow."""
        self.allowed.progress.phase("second look", local=True)
        cutoff = self.found.objective - tolerances.MIP_SHARE * self.allowed.gap * self._size
        soon = time.monotonic() + max(SECOND_TIMES * seconds, SECOND_SECONDS)
        first = replace(self.allowed, deadline=min(self.allowed.deadline, soon))
        for solver, part in (
            (self._other(), first),
            (self.solver, replace(self.allowed, scaling=not self.allowed.scaling)),
        ):
            outcome = self._solved(solver, part, cutoff)
            if outcome.status == SolverStatus.INFEASIBLE:
                self.allowed.progress.phase("answers")
                return min(bound, cutoff)
            if outcome.x is not None:
                # What is better than the first answer proves that wrong, or is ruled out now
                self._ask(self._of_program(outcome))
                self.allowed.progress.phase("answers")
                return min(bound, outcome.bound)
        self.found.ended = "the bound closes the gap, and no second look confirms it"
        return -np.inf

    def _without_point(self) -> None:
        """The first solver finds no point in the master: none at all where another finds none either."""
        if self.found.x is not None:
            # A point that was rechecked speaks against it
            self.found.ended = f"{self.solver.name} finds no point in a program that has one"
            return
        other = self._other()
        again = self._solved(other, self.allowed)
        detail = f"branch and bound of {self.solver.name} and {other.name}, less {self.answers} answers"
        left = float(again.status != SolverStatus.INFEASIBLE)
        self.found.verdict = Status.INFEASIBLE
        self.found.proof = (Check(verdicts.EXHAUSTED, left, 0.0, "of 2 disagree", detail=detail, kind=CheckKind.PROOF),)

    def _near(self) -> bool:
        """Points near decisions at which a follower's answer is just allowed; whether an answer there rules anything out."""
        self.allowed.progress.phase("near the bound", local=True)
        ruled = False
        for margin in MARGINS:
            while not self.allowed.over():
                outcome = self._solved(self.solver, self.allowed, margin=margin)
                if outcome.x is None or not self._ask(self._of_program(outcome)):
                    break
                ruled = True
        self.allowed.progress.update(self.found.bound, self.found.objective)
        return ruled

    def _closed(self) -> bool:
        """Whether the last master's point is one of closed sets alone; its integers are ruled out then."""
        return not self._over() and self.last is not None and closed.rule_out(self.cuts, self.last)

    def _attained(self) -> None:
        """Whether the bound is attained at all, where points come near to it."""
        if (
            self.cuts.margin is None
            or self.found.verdict
            or self.allowed.over()
            or not self._would_close(self.found.bound)
        ):
            return
        if self.found.objective <= self.found.bound + tolerances.AS_GOOD * self._size:
            return
        if unattained.room(self.cuts, self.found.bound, self._size, self.allowed) <= unattained.NO_ROOM:
            self.found.verdict = Status.NOT_ATTAINED
