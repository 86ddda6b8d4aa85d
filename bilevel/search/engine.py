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
from bilevel.followers.best_response import known_values
from bilevel.model import Check
from bilevel.program.rows import Mask, Mip, Rows, Vector
from bilevel.relax import ConeTreatment, tangent
from bilevel.search.cut_session import MAX_ROUNDS, MIP_SHARE, Sides, Stage
from bilevel.search.found import Found
from bilevel.search.refinement import Precise
from bilevel.search.small_tree import MOST_PARTS, Tree, whole
from bilevel.search.verdicts import EXHAUSTED, no_answer
from bilevel.solvers import Outcome

_ENDLESS = 10**9
_FAR = 1e5
"""How far out an unbounded relaxation is stopped, over its largest term."""


class Search(Precise):
    """One search; `run` gives what was found and may be stopped by time or Ctrl-C at any moment."""

    def run(self, starts: tuple[tuple[Mask, Vector], ...] = (), decisions: tuple[Vector, ...] = ()) -> Found:
        """Search until the gap is closed, the time is over, or the user stops.

        `starts` are points of a program with other objectives or bounds: which slacks were zero there, and the point; `decisions`
        are points of which only the leader's part counts.
        """
        self.started, self.finished = bool(starts), False
        try:
            self._run(starts, decisions)
        finally:
            # Whatever comes next hears Ctrl-C again
            self.effort.progress.finishing = False
        return self.found.refuted(self.effort.gap, self.floor)

    def _run(self, starts: tuple[tuple[Mask, Vector], ...], decisions: tuple[Vector, ...]) -> None:
        effort = self.effort
        if not self.lives:
            self._wall()
        steps: tuple[Callable[[], None], ...] = (
            lambda: self._again(starts), self._relax, *(partial(self._answer, x) for x in decisions),
            self._guess, self._tree, self._restricted,
        )  # fmt: skip
        if self.whole:
            steps = (*(partial(self._given, x) for x in decisions), self._relax_apart) if decisions else ()
        self._go(steps)
        if self.quick is not None and not self._sharpened():
            self.quick, self.tried = None, {}
            self._resume(effort)
            self._go(steps)
        self._agree()
        self._tighten()

    def _go(self, steps: tuple[Callable[[], None], ...]) -> None:
        for step in (*steps, self._branch, self._exhaust):
            if not (self.finished or self._over()):
                step()

    def _wall(self) -> None:
        """Where the relaxation falls without end, a row gives it one, far out: SCIP and Gurobi may invent ends of their own.

        A bound at that row proves nothing; `_try` finds out whether what lies behind it is a ray.
        """
        mip = self.form.mip
        relaxation = self._precise(replace(mip, products=None)) if self.exact is self.main else self.exact
        if relaxation.solve(integer=False).status not in ("unbounded", "failed"):
            return
        self.floor_value = self._far()
        row = np.concatenate([mip.cost, np.zeros(self.main.mip.columns - mip.columns)])
        self.main.add_cuts(Rows(sp.csr_array(row[None, :]), np.array([self.floor_value]), np.array([np.inf])))

    def _far(self) -> float:
        """An objective, without its constant, so low that what lies behind it is looked at as a ray."""
        mip = self.form.mip
        return -_FAR * max(float(np.abs(mip.cost * mip.scale).max(initial=0.0)), 1e-300)

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
            if self._precise(self._plain()).converge(tangent).status == "infeasible":
                self.found.verdict = "infeasible"
            elif proof := no_answer(self.form):
                self.found.verdict, self.found.proof = "infeasible", proof
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
        parts = self._tree_on(self.main, self.treatment).run(self.found.bound, self.parts)
        self.parts = parts if len(parts) <= MOST_PARTS else whole(self.form.kkt.pairs.count)

    def _tree_on(self, stage: Stage, treatment: ConeTreatment) -> Tree:
        def score(x: Vector) -> Vector:
            """slack * dual, in each follower's cost: what strong duality lacks, pair by pair."""
            pairs = self.form.kkt.pairs
            product = np.abs(pairs.slack(x) * x[pairs.dual])
            return np.where(self._small_slack(x) | self._small_dual(x), 0.0, product)

        return Tree(
            stage, treatment, score, lambda: self.found.objective, self._attempt, self._raise_bound, self._over,
            MIP_SHARE * self.effort.gap,
        )  # fmt: skip

    def _branch(self) -> None:
        """Branch and bound on the whole program; again with new tangents until bound and incumbent meet.

        What a solver says of a program without a point is not believed: `_exhaust` looks for itself, and a ray is looked at.
        """
        self.effort.progress.phase("branch and bound", trusted=self.whole)
        for _ in range(MAX_ROUNDS):
            self.found.rounds += 1
            before = self.found.objective
            outcome = self._better()
            if outcome.status == "unbounded":
                with self.main.priced(self._far() + self.main.mip.offset, np.inf):
                    far = self.main.solve(integer=True)
                if far.x is not None:
                    self._try(self._sides(far.x), far.x)
                return
            self._raise_bound(outcome.bound if outcome.status != "infeasible" else -np.inf)
            if outcome.status in ("limit", "interrupted"):
                self._finish()
            new_cuts = 0
            if outcome.x is not None:
                rows = self.treatment.cuts(self.main.cones, outcome.x, tolerances.CONE_CUT)
                self.main.add_cuts(rows)
                new_cuts = rows.count
                self._try(self._sides(outcome.x), outcome.x)
            if outcome.status != "optimal" or self._over() or not (new_cuts or self.found.objective < before):
                return

    def _better(self) -> Outcome:
        """A point better than the best by more than the gap, with a bound of the whole; no start is given.

        A solver may hand a start back as its optimum, with its value as bound.  A limit on the objective prunes as well, and what
        the solver then says, most often that there is no such point, owes nothing to the best one.
        """
        if self.found.x is None:
            return self.main.solve(integer=True)
        size = max(abs(self.found.objective), self.floor)
        cutoff = self.found.objective - MIP_SHARE * self.effort.gap * size
        with self.main.priced(-np.inf, cutoff):
            outcome = self.main.solve(integer=True, improving=True)
        if outcome.status == "infeasible":
            return Outcome("optimal", None, np.inf, cutoff, nodes=outcome.nodes)
        return replace(outcome, bound=min(outcome.bound, cutoff))

    def _exhaust(self) -> None:
        """What the solver's branch and bound leaves open, by linear programs on pairs and integers until it is closed.

        Its tolerances hide a little of a multiplier behind a large limit, which may be worth more than the gap; and that it finds
        no point proves nothing by itself.  Followers with cones and nonconvex rows are no linear programs: there the same solver
        is asked again, in other numbers.
        """
        if self.form.conic or self.form.mip.products is not None:
            self._asked_again()
            return
        self.effort.progress.phase("branching on pairs")
        tree = replace(self._tree_on(self._precise(self._plain()), tangent), most=_ENDLESS, thorough=True)
        parts = tree.run(self.found.bound, whole(self.form.kkt.pairs.count))
        if self.found.x is None and not self.found.verdict and all(part.value == np.inf for part in parts):
            self._exhausted(f"a tree of {len(parts)} parts, each without a point by a linear program")
        elif not self._over():
            self.found.ended = "linear programs of the tree over complementarity pairs were not solved"

    def _asked_again(self) -> None:
        if self.found.x is not None:
            self.found.ended = (
                "the solver's bound does not meet its own point, and nonconvex programs have no other search"
            )
            return
        self.effort.progress.phase("asking again")
        mip = self.main.mip
        ways = [("in other units", mip, not self.effort.scaling)]
        if mip.products is not None:
            # What a certificate would still accept has to be impossible as well
            loose = replace(mip, products=mip.products.loosened(tolerances.FEASIBILITY, mip.scale))
            ways.append(("with nonconvex rows loosened by what a certificate allows", loose, self.effort.scaling))
        first = self.main.solve(integer=True).status
        answers = {}
        for way, again, scaling in ways:
            if first != "infeasible" or self._over():
                return
            stage = Stage(self.form, again, self.main.cones, self.solver, replace(self.effort, scaling=scaling))
            stage.add_cuts(self.main.tangents)
            answers[way] = stage.solve(integer=True).status
            if answers[way] == "infeasible":
                self._exhausted(f"branch and bound of {self.solver.name} leaves no part, nor {way}")
                return
        told = ", ".join(f"{status!r} {way}" for way, status in answers.items())
        self.found.ended = f"{self.solver.name} says 'infeasible' at first, and {told}: nothing is proven"

    def _exhausted(self, how: str) -> None:
        self.found.verdict, self.found.bound = "infeasible", -np.inf
        self.found.proof = (Check(EXHAUSTED, 0.0, 0.0, "open parts", detail=how),)

    def _plain(self) -> Mip:
        """The optimality conditions alone, without products, or what followers are known to do."""
        return replace(self.form.mip, products=None)
