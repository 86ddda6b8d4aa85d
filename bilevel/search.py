"""The search for the optimum of a reformulated program: relaxation, guesses, branch and bound, cone cuts.

Two facts make it short.  Tangents hold everywhere, so the optimum of every relaxation is a lower bound of the bilevel
optimum.  And once one side of every complementarity pair is fixed (slack = 0 or dual = 0), what is left is convex: its
optimum, found by linear programs and tangents, is a bilevel feasible point and an upper bound.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.best_response import known_values
from bilevel.cones import tangent
from bilevel.found import Found
from bilevel.precise import Precise
from bilevel.program import Mask, Rows, Vector
from bilevel.stage import MAX_ROUNDS, MIP_SHARE, Sides
from bilevel.tree import MOST_PARTS, Tree, whole

_FAR = 1e5
"""How far out an unbounded relaxation is stopped, over its largest term."""


class Search(Precise):
    """One search; `run` gives what was found and may be stopped by time or Ctrl-C at any moment."""

    def run(self, starts: tuple[tuple[Mask, Vector], ...] = (), decisions: tuple[Vector, ...] = ()) -> Found:
        """Search until the gap is closed, the time is over, or the user stops.

        `starts` are points of a program with other objectives or bounds: which slacks were zero there, and the point; `decisions`
        are points of which only the leader's part counts.
        """
        self.started = bool(starts)
        self.effort.progress.finishing = False
        if not self.lives:
            self._wall()
        steps: tuple[Callable[[], None], ...] = (
            lambda: self._again(starts), self._relax, *(partial(self._answer, x) for x in decisions),
            self._guess, self._tree, self._restricted,
        )  # fmt: skip
        if self.whole:
            steps = (*(partial(self._given, x) for x in decisions), self._relax_apart) if decisions else ()
        self._go(steps)
        effort = self.effort
        if self.quick is not None and not self._sharpened():
            self.quick, self.tried = None, {}
            self._resume(effort)
            self._go(steps)
        self._agree()
        self._tighten()
        return self.found.refuted(self.effort.gap, self.floor)

    def _go(self, steps: tuple[Callable[[], None], ...]) -> None:
        for step in (*steps, self._branch):
            if not self._over():
                step()

    def _wall(self) -> None:
        """Where the relaxation falls without end, a row gives it one, far out: SCIP and Gurobi may invent ends of their own.

        A bound at that row proves nothing; `_try` finds out whether what lies behind it is a ray.
        """
        mip = self.form.mip
        relaxation = self._precise(replace(mip, products=None)) if self.exact is self.main else self.exact
        if relaxation.solve(integer=False).status not in ("unbounded", "failed"):
            return
        self.floor_value = -_FAR * max(float(np.abs(mip.cost * mip.scale).max(initial=0.0)), 1e-300)
        row = np.concatenate([mip.cost, np.zeros(self.main.mip.columns - mip.columns)])
        self.main.add_cuts(Rows(sp.csr_array(row[None, :]), np.array([self.floor_value]), np.array([np.inf])))

    def _relax(self) -> None:
        """Without complementarity: a lower bound, the first tangents, and a point to guess from."""
        self.effort.progress.phase("relaxation")
        settled = np.inf
        # A small program that goes on from another one has its tangents
        if self.treatment is tangent and self.main.cones.count and (self.quick is not None or not self.started):
            outcome = self.main.seed()
            settled = self.main.settled(outcome)
            if self.quick is not None and outcome.x is not None and np.isfinite(outcome.bound):
                # A linear program of this size takes far longer, and may not be needed
                self._raise_bound(outcome.bound)
                self.point = outcome.x
                self._guess()
                if self._over():
                    return
        self.effort.progress.phase("relaxation")
        point = self.main.converge(self.treatment, lambda bound: self._suffices(bound) or bound >= settled)
        if point.status == "infeasible":
            self.found.verdict = self._confirmed("infeasible")
        self._raise_bound(point.value)
        self.point = point.x
        if point.x is not None and self.lives:
            self.main.forget(point.x)

    def _suffices(self, bound: float) -> bool:
        """Whether a bound that rises is high enough for the incumbent."""
        self._raise_bound(bound)
        return self.found.x is not None and self._over()

    def _relax_apart(self) -> None:
        """The bound of a nonconvex program without its products, by linear programs: enough where a good point is given."""
        self.effort.progress.phase("relaxation")
        known = known_values(self.form.program).widened(self.form.mip.columns)
        relaxation = self._precise(replace(self.form.mip, products=None).with_rows(known))
        self._raise_bound(relaxation.converge(tangent).value)

    def _restricted(self) -> None:
        """Branch only on the pairs that the relaxation leaves open."""
        if self.point is None:
            return
        self.effort.progress.phase("restricted search", local=True)
        slack, dual = self._small_slack(self.point), self._small_dual(self.point)
        with self.main.restricted(Sides(slack & ~dual, dual & ~slack)) as possible:
            if not possible:
                return
            outcome = self.main.solve(integer=True)
        if outcome.x is not None:
            self._try(self._sides(outcome.x), outcome.x)

    def _tree(self) -> None:
        """Branch on the few pairs that are open by linear programs; the leader's own integers are left to the solver."""
        if self.point is None or self.form.program.integer.any() or not (self.lives and self.form.kkt.pairs.count):
            return
        self.effort.progress.phase("small tree")

        def score(x: Vector) -> Vector:
            """slack * dual, in each follower's cost: what strong duality lacks, pair by pair."""
            pairs = self.form.kkt.pairs
            product = np.abs(pairs.slack(x) * x[pairs.dual])
            return np.where(self._small_slack(x) | self._small_dual(x), 0.0, product)

        tree = Tree(
            self.main, self.treatment, score, lambda: self.found.objective, self._attempt,
            self._raise_bound, self._over, MIP_SHARE * self.effort.gap,
        )  # fmt: skip
        parts = tree.run(self.found.bound, self.parts)
        self.parts = parts if len(parts) <= MOST_PARTS else whole(self.form.kkt.pairs.count)

    def _branch(self) -> None:
        """Branch and bound on the whole program; again with new tangents until bound and incumbent meet."""
        self.effort.progress.phase("branch and bound", trusted=self.whole)
        for _ in range(MAX_ROUNDS):
            self.found.rounds += 1
            outcome = self.main.solve(integer=True, start=self._start())
            if outcome.status in ("infeasible", "unbounded"):
                self.found.verdict = "" if self.found.x is not None else self._confirmed(outcome.status)
                return
            self._raise_bound(outcome.bound)
            if outcome.status in ("limit", "interrupted"):
                self._finish()
            new_cuts = 0
            if outcome.x is not None:
                rows = self.treatment.cuts(self.main.cones, outcome.x, tolerances.CONE_CUT)
                self.main.add_cuts(rows)
                new_cuts = rows.count
                self._try(self._sides(outcome.x), outcome.x)
            if outcome.status != "optimal" or not new_cuts or self._over():
                return

    def _confirmed(self, status: str) -> str:
        """What HiGHS says of the relaxation when another solver calls the whole infeasible; "" where it is not that."""
        if status != "infeasible" or self.exact is self.main:
            return status
        return status if self.exact.converge(tangent).status == "infeasible" else ""

    def _start(self) -> Vector | None:
        """The incumbent over all columns of the main program, the mode's own columns included."""
        if self.found.x is None or self.found.slack_zero is None:
            return None
        x = np.concatenate([self.found.x, np.zeros(self.main.mip.columns - len(self.found.x))])
        return self.envelopes.fill(self.mode.complete(x, self.form, self.found.slack_zero))
