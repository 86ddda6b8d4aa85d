"""The search: the relaxation with the followers' integers in the leader's hands, answers at its decision, rows, and again.

The relaxation's bound holds at any moment.  At its decision every follower is asked; the leader's favourite among their best
answers is a point of the bilevel program, and a follower that pays more than its best answer costs gives a row.  An answer is one
of finitely many, and none is given twice, so that it ends.

Points come sooner where the integers are held at what the followers have just answered: what is left is a program of continuous
followers.  Its bound is none of the whole, its prices are as good as any to ask at.
"""

import time
from dataclasses import dataclass, field, replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.deadline import PhaseClock
from bilevel.integer.favourites import Favourites
from bilevel.integer.master import DIGITS
from bilevel.integer.oracle import FollowerOracle, Reply
from bilevel.integer.priced import prices
from bilevel.integer.priced.moved import moved, together, with_answers
from bilevel.integer.problem import Problem
from bilevel.integer.solving import solved
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.progress import Progress
from bilevel.search import attempts
from bilevel.search.incumbent import Incumbent
from bilevel.search.plan import Asked
from bilevel.solvers import SOLVERS
from bilevel.status import Status

SHARE = 0.5
"""Of the gap, for the relaxation's own."""
HELD_SHARE = 0.25
"""Of the time that is left, for a program with held integers."""


@dataclass
class PricedHunt:
    """One search; `run` gives what it finds."""

    program: Program
    asked: Asked
    allowed: Budget
    clock: PhaseClock
    found: Incumbent = field(default_factory=Incumbent)
    answers: int = 0
    nodes: int = 0
    solver: str = ""

    def run(self) -> Incumbent:
        """Until the gap is closed, the time is over, or nothing more is ruled out."""
        self.base = moved(self.program)
        self.known: list[tuple[int, Vector]] = []
        self.told: set[tuple[int, bytes]] = set()
        stack = self.program.followers
        self.size = stack.cost_size(self.program.least_size)
        self.whole = np.isin(np.arange(len(stack.names)), stack.owner[self.program.whole_answers])
        self.held: set[bytes] = set()
        self.latest: Vector | None = None
        self.allowed.progress.phase("answers")
        self._begin()
        while not self._over() and self._round():
            self.found.rounds += 1
        return self.found

    def _over(self) -> bool:
        return self.allowed.over() or self._closed()

    def _closed(self) -> bool:
        return (
            self.found.x is not None and self.found.gap(self.program.objective_floor(self.found.x)) <= self.allowed.gap
        )

    def _begin(self) -> None:
        """What all can do together, integers and products aside: a bound, and a decision to ask at."""
        outcome = solved(together(self.program), self.program.cones, SOLVERS["highs"], self.allowed)
        if outcome.x is None:
            return
        if not (self.program.bilinear.row < 0).any():
            self._raise(outcome.bound)
        self._ask(self.program.within(outcome.x))

    def _round(self) -> bool:
        """One relaxation, and what follows from it; whether to go on."""
        while not self._over() and self._with_held():
            self.found.rounds += 1
        if self._over():
            return False
        answer = self._relaxed(self.base, self.allowed.deadline)
        self.solver = str(answer.told.get("solver", self.solver))
        if answer.found.verdict and answer.found.x is None:
            return self._without_point(answer.found)
        self._raise(answer.found.bound)
        if answer.found.x is None:
            self.found.ended = answer.found.ended
            return False
        ruled = self._asked(answer.found.x)
        if not ruled and not self._closed():
            self.found.ended = "the followers' known answers rule nothing more out"
        return ruled

    def _with_held(self) -> bool:
        """The same with the integers that were answered last; gives whether they had not been held before."""
        whole = self.program.whole_answers
        if self.latest is None or self.latest[whole].tobytes() in self.held:
            return False
        self.held.add(self.latest[whole].tobytes())
        lower, upper = self.base.lower.copy(), self.base.upper.copy()
        lower[whole] = upper[whole] = self.latest[whole]
        soon = time.monotonic() + HELD_SHARE * self.allowed.seconds
        answer = self._relaxed(replace(self.base, lower=lower, upper=upper), min(soon, self.allowed.deadline))
        if answer.found.x is not None:
            self._asked(answer.found.x)
        return True

    def _asked(self, point: Vector) -> bool:
        """Ask at a point, and at prices that suit its answers; gives whether anything was ruled out."""
        x = self.program.within(self.program.part_of(point))
        ruled = self._ask(x)
        if not self._closed():
            ruled = self._suit(x) or ruled
        self.allowed.progress.update(self.found.bound, self.found.objective)
        return ruled

    def _raise(self, bound: float) -> None:
        self.found.bound = max(self.found.bound, bound)
        self.allowed.progress.update(self.found.bound, self.found.objective)

    def _relaxed(self, base: Program, deadline: float) -> attempts.Answer:
        """The relaxation with what is known, solved like any program; neither its points nor its bounds are shown."""
        with Progress(False) as inner:
            part = replace(self.allowed, gap=SHARE * self.allowed.gap, progress=inner, deadline=deadline)
            program = with_answers(base, self.program, self.known)
            found = attempts.found(self.asked, program, part, self.clock, lambda: ())
        self.nodes += inner.nodes
        return found

    def _without_point(self, found: Incumbent) -> bool:
        if self.found.x is not None:
            # A point that was rechecked speaks against it
            self.found.ended = "no point is found in a relaxation that has one"
        elif found.verdict in (Status.INFEASIBLE, Status.UNBOUNDED):
            # A relaxation without an end says nothing of the program's
            self.found.ended = "" if found.verdict == Status.INFEASIBLE else "its relaxation has no end: give bounds"
            if found.verdict == Status.INFEASIBLE:
                self.found.verdict, self.found.proof = found.verdict, found.proof
        return False

    def _ask(self, x: Vector) -> bool:
        """Ask every follower at the decision in x; keep the leader's favourite; gives whether anything was ruled out."""
        problem, oracles = self._at(x)
        replies = [oracle.reply(x) for oracle in oracles]
        if any(reply.y is None for reply in replies):
            self.found.ended = "a follower's answer was not found"
            return False
        self.latest = np.round(np.sum([reply.y for reply in replies if reply.y is not None], axis=0))
        self._keep(Favourites(problem, oracles, SOLVERS["highs"]).at(x, replies))
        paid, ruled = self.program.followers.costs(x), False
        for at, reply in enumerate(replies):
            size = max(abs(reply.cost), float(self.size[at]))
            if self.whole[at] and paid[at] - reply.cost > tolerances.FOLLOWER_CONE * size:
                ruled = self._rule(at, reply) or ruled
        return ruled

    def _at(self, x: Vector) -> tuple[Problem, list[FollowerOracle]]:
        """The program with what followers see held, in which every product is linear, and its followers."""
        lower, upper = self.program.lower.copy(), self.program.upper.copy()
        seen = self.program.linking_columns
        lower[seen] = upper[seen] = x[seen]
        problem = Problem(replace(self.program, lower=lower, upper=upper))
        return problem, [FollowerOracle(problem, at, SOLVERS["highs"]) for at in range(len(self.whole))]

    def _rule(self, at: int, reply: Reply) -> bool:
        key = (at, b"" if reply.y is None else reply.y.round(DIGITS).tobytes())
        if reply.y is None or key in self.told:
            return False
        self.told.add(key)
        self.known.append((at, reply.y))
        self.answers += 1
        self.allowed.progress.answers = self.answers
        return True

    def _suit(self, x: Vector) -> bool:
        """Prices at which the answers in x are best ones, exactly; gives whether an answer came up that was not known."""
        before = self.answers

        def ask(point: Vector) -> list[Reply]:
            replies = [oracle.reply(point) for oracle in self._at(point)[1]]
            for at, reply in enumerate(replies):
                if self.whole[at]:
                    self._rule(at, reply)
            return replies

        point = prices.suited(self.program, x, self.known, ask, self.allowed)
        if point is not None:
            self._ask(point)
        return self.answers > before

    def _keep(self, x: Vector | None) -> None:
        objective = np.inf if x is None else self.program.sign * self.program.objective(x)
        if objective < self.found.objective:
            self.found.x, self.found.objective = x, objective
