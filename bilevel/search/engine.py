"""The search for the optimum of a reformulated program: relaxation, guesses, branch and bound, cone cuts.

Two facts make it short.  Tangents hold everywhere, so the optimum of every relaxation is a lower bound of the bilevel
optimum.  And once one side of every complementarity pair is fixed (slack = 0 or dual = 0), what is left is convex: its
optimum, found by linear programs and tangents, is a bilevel feasible point and an upper bound.

What is done in which order `bilevel.search.strategy` says; here the steps are taken, and timed.
"""

import logging
import time

from bilevel.budget import Budget
from bilevel.program.rows import Index, Mask, Vector
from bilevel.reformulate.modes import Mode
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import ConeTreatment
from bilevel.search.incumbent import Incumbent, Known
from bilevel.search.state import ROOT, opened
from bilevel.search.steps.refinement import sharpened
from bilevel.search.strategy import Step, Strategy, strategy
from bilevel.solvers import SessionFactory

_LOG = logging.getLogger("bilevel.search")


class Search:
    """One search; `run` gives what was found and may be stopped by time or Ctrl-C at any moment."""

    def __init__(
        self, form: Reformulation, solver: SessionFactory, mode: Mode, treatment: ConeTreatment, budget: Budget,
        root: tuple[str, ...] = ROOT,
    ) -> None:  # fmt: skip
        self.state = opened(form, solver, mode, treatment, budget, root)

    @property
    def incremental(self) -> bool:
        """Whether `change` is possible."""
        return self.state.incremental

    @property
    def trace(self) -> tuple[tuple[str, float], ...]:
        """Name and seconds of every step of the last run."""
        return tuple(self.state.trace)

    def change(self, cost: Vector, columns: Index, lower: Vector, upper: Vector, budget: Budget) -> None:
        """Another objective, and other bounds of some columns of `form.mip`; solvers and tangents stay."""
        self.state.change(cost, columns, lower, upper, budget)

    def run(
        self,
        starts: tuple[tuple[Mask, Vector], ...] = (),
        decisions: tuple[Vector, ...] = (),
        known: Known | None = None,
    ) -> Incumbent:
        """Search until the gap is closed, the time is over, or the user stops; the arguments as in `strategy`."""
        state = self.state
        state.resumed, state.finished = bool(starts), False
        try:
            self._run(strategy(state, starts, decisions, known))
        finally:
            # Whatever comes next hears Ctrl-C again
            state.budget.progress.finishing = False
        return state.incumbent.refuted(state.budget.gap, state.floor)

    def _run(self, chosen: Strategy) -> None:
        state, budget = self.state, self.state.budget
        for step in chosen.opening:
            self._take(step)
        self._search(chosen.search)
        if state.sessions.interior is not None and not sharpened(state):
            # What is remembered of sides is what the interior point said of them: linear programs are asked anew
            state.sessions.interior, state.tried = None, {}
            state.resume(budget)
            self._search(chosen.search)
        for step in chosen.closing:
            self._take(step)

    def _search(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if self.state.finished or self.state.over():
                return
            self._take(step)

    def _take(self, step: Step) -> None:
        began = time.perf_counter()
        step.act(self.state)
        spent = time.perf_counter() - began
        self.state.trace.append((step.name, spent))
        found = self.state.incumbent
        _LOG.debug("%s: %.3f s, bound %.9g, objective %.9g", step.name, spent, found.bound, found.objective)
