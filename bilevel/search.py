"""The search for the optimum of a reformulated program: relaxation, guesses, branch and bound, cone cuts.

Two facts make it short.  Tangents hold everywhere, so the optimum of every relaxation is a lower bound of the bilevel
optimum.  And once one side of every complementarity pair is fixed (slack = 0 or dual = 0), what is left is convex: its
optimum, found by linear programs and tangents, is a bilevel feasible point and an upper bound.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp

from bilevel import conic, duality_cuts, newton, products, tolerances
from bilevel.assemble import Reformulation
from bilevel.best_response import best_response, known_values
from bilevel.cones import ConeTreatment, tangent
from bilevel.errors import ModelError
from bilevel.interior import seen
from bilevel.mending import multipliers
from bilevel.modes import Mode
from bilevel.program import Index, Mask, Mip, Rows, Vector
from bilevel.solvers import SOLVERS, SessionFactory
from bilevel.stage import MANY_CONES, MAX_ROUNDS, MIP_SHARE, Effort, Point, Sides, Stage
from bilevel.tight_state import tight_state
from bilevel.tree import MOST_PARTS, Tree, whole

_SMALL = 1e-6
_ROUGH, _SURE = 0.01, ("optimal", "infeasible")
_EXACT, _LOOSE = 1e-9, 1e-6  # how far columns of followers with cones may be moved, over their scale
_HOLDS = tolerances.FEASIBILITY / 3
_FAR, _NEAR = (
    1e5,
    0.99,
)  # how far out an unbounded relaxation is stopped, over its largest term, and what counts as there


@dataclass
class Found:
    """What a search has: a bound and the best point (over the reformulation's columns) of the minimised program.

    `verdict` is "infeasible" or "unbounded" when that is what the relaxations say, else "".
    """

    bound: float = -np.inf
    objective: float = np.inf
    x: Vector | None = None
    slack_zero: Mask | None = None
    verdict: str = ""
    rounds: int = 0

    def gap(self, floor: float) -> float:
        """(objective - bound) / |objective| (at least `floor`), infinite without a point or a bound."""
        if self.x is None or not np.isfinite(self.bound):
            return float("inf")
        return max(0.0, self.objective - self.bound) / max(abs(self.objective), floor)

    def refuted(self, gap: float, floor: float) -> "Found":
        """A point below a bound, as solvers may give where a program has no end, proves the bound wrong: nothing is proven then."""
        if self.x is not None and self.bound > self.objective + gap * max(abs(self.objective), floor):
            self.bound = -np.inf
        return self


class Search:
    """One search; `run` gives what was found and may be stopped by time or Ctrl-C at any moment."""

    def __init__(
        self,
        form: Reformulation,
        solver: SessionFactory,
        mode: Mode,
        treatment: ConeTreatment,
        effort: Effort,
    ) -> None:
        self.form, self.mode, self.treatment, self.effort = form, mode, treatment, effort
        self.solver = solver
        self.found = Found()
        self.point: Vector | None = None
        self.parts = whole(form.kkt.pairs.count)
        self.floor_value = -np.inf
        self.started = False
        full = mode.apply(form)
        prepared = treatment.prepare(full)
        known = known_values(form.program).widened(prepared.columns)
        strong, self.envelopes = duality_cuts.add(form, prepared.with_rows(known))
        self.main = Stage(form, strong, full.cones, solver, effort)
        # The last, precise step is left to tangents on HiGHS: other solvers keep rows less well, or are given cones or products
        self.whole = not self.main.mip.convex
        apart = form.mip.products is None and (self.whole or solver is not SOLVERS["highs"])
        many = treatment is tangent and self.lives and self.main.cones.count >= MANY_CONES
        self.quick: Stage | None = None
        if many and form.mip.products is None and not form.conic:
            self.quick, apart = Stage(form, form.mip, form.mip.cones, conic, effort), True
        self.exact = self._precise(form.mip) if apart else self.main
        # Points of sides that were tried, where nothing else decides them
        self.tried: dict[bytes, Point] = {}

    @property
    def floor(self) -> float:
        """What gaps are relative to at least, at the best point."""
        return self.form.program.objective_floor(self.found.x)

    @property
    def lives(self) -> bool:
        """Whether `change` is possible: what other solvers are told of one objective must not stay for the next."""
        return self.solver is SOLVERS["highs"]

    def change(self, cost: Vector, columns: Index, lower: Vector, upper: Vector, effort: Effort) -> None:
        """Another objective, and other bounds of some columns; tangents and solvers stay, what was found does not.

        `cost` is over the columns of `form.mip`, as `columns` are.
        """
        mip = self.form.mip
        low, high = mip.lower.copy(), mip.upper.copy()
        with np.errstate(invalid="ignore"):
            moves = [np.nan_to_num(new - old, nan=0.0, posinf=np.inf, neginf=-np.inf)
                     for new, old in ((lower, low[columns]), (upper, high[columns]))]  # fmt: skip
        same = np.array_equal(cost, mip.cost)
        self.parts = tuple(part.moved(columns, *moves) if same else replace(part, value=-np.inf) for part in self.parts)
        low[columns], high[columns] = lower, upper
        program = replace(self.form.program, cost=cost[: self.form.program.columns])
        self.form = replace(self.form, program=program, mip=replace(mip, cost=cost, lower=low, upper=high))
        self.found, self.point, self.effort, self.tried = Found(), None, effort, {}
        for stage in {id(stage): stage for stage in (self.main, self.exact, self.quick) if stage is not None}.values():
            stage.change(self.form, cost, columns, lower, upper, effort)

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

    def _agree(self) -> None:
        """A point a little below the bound breaks cones that tangents laid later hold: take it again with these."""
        found = self.found
        convex = self.form.mip.products is None and not self.form.conic
        if not convex or found.x is None or found.slack_zero is None or found.objective >= found.bound:
            return
        point = self.exact.decided(self._fixed(found.slack_zero), found.x)
        if point.x is not None and self._objective(point.x) > found.objective:
            self._take(point.x, found.slack_zero)

    def _sharpened(self) -> bool:
        """Make the best point of an interior point precise; false where it is given up.

        With its own decisions, and the network's state of tight cones; if that does not hold, by linear programs, whose corners
        keep rows as no interior point does.  A point that they do not confirm is given up while there is time for another, and
        else left to the certificate.
        """
        found = self.found
        if found.x is None or found.slack_zero is None:
            return True
        stopped = self.effort.over()
        self._finish()
        self.effort.progress.phase("making precise")
        near = tight_state(self.form, found.x, self.effort.deadline - time.monotonic())
        if (
            near is not None
            and self._holds(near, found.slack_zero, _HOLDS)
            and self._objective(near) <= self._allowed()
        ):
            self._take(near, found.slack_zero)
            return True
        self.exact.touch(found.x)
        point = self.exact.decided(self._fixed(found.slack_zero), found.x)
        if point.x is not None:
            self._take(point.x, found.slack_zero)
        elif not stopped:
            found.x, found.objective, found.slack_zero = None, np.inf, None
        return point.x is not None or stopped

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

    def _precise(self, mip: Mip) -> Stage:
        return Stage(self.form, tangent.prepare(mip), mip.cones, SOLVERS["highs"], replace(self.effort, scaling=True))

    def _over(self) -> bool:
        # The optimum of an interior point may be off in its last digits
        gap = self.effort.gap * (1.0 if self.quick is None else 1.0 - _ROUGH)
        return bool(self.found.verdict) or self.found.gap(self.floor) <= gap or self.effort.over()

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

    def _again(self, starts: tuple[tuple[Mask, Vector], ...]) -> None:
        """The best points with the same sides as those of earlier programs."""
        self.effort.progress.phase("earlier points" if starts else "relaxation")
        for slack_zero, x in starts:
            if not self._over():
                self._try(slack_zero, x)

    def _guess(self) -> None:
        """Keep the relaxation's schedule and find prices that make it the followers' choice; then the converse; then answers."""
        if self.point is None or self.started:
            return
        self.effort.progress.phase("first schedules")
        for slack_zero in (self._small_slack(self.point), ~self._small_dual(self.point)):
            self._try(slack_zero, self.point)
            if self._over():
                return
        for decision in (self.point, self._middle()):
            if not (self.form.conic or self._over()):
                self._answer(decision)

    def _middle(self) -> Vector:
        """The middle of every column's bounds, the end where there is one bound only."""
        program = self.form.program
        low, high = np.isfinite(program.lower), np.isfinite(program.upper)
        ends = [np.where(np.isfinite(end), end, 0.0) for end in (program.lower, program.upper)]
        return np.asarray(np.where(low & high, (ends[0] + ends[1]) / 2, ends[0] + ends[1]))

    def _answer(self, x: Vector) -> None:
        """Keep the leader's decision: the followers' exact answer to it, with multipliers that say which limits have to hold."""
        n = self.form.program.columns
        answered = np.zeros(self.form.kkt.columns)
        answered[:n] = x[:n]
        try:
            answered[self.form.program.followers.columns] = best_response(self.form.program, x[:n])
        except ModelError:
            return
        answered[n:] = multipliers(self.form, answered[:n], bounded=True)
        if not np.isfinite(answered).all():
            return
        point = self._try(~self._small_dual(answered), answered)
        if point.x is not None or self._over():
            return
        # Pairs with nothing on either side may have been read wrongly: leave them open, and read them from what comes of it
        slack, dual = self._small_slack(answered), self._small_dual(answered)
        with self.main.restricted(Sides(slack & ~dual, dual & ~slack), answered) as possible:
            point = self.main.converge(self.treatment) if possible else point
        if point.x is not None:
            self._try(self._sides(point.x), point.x)

    def _given(self, x: Vector) -> None:
        """A point for a nonconvex program: as it is where it is bilevel feasible, else with the followers' answer in it."""
        if self.form.conic:
            return
        program = self.form.program
        n = program.columns
        self.effort.progress.phase("given point")
        for answers in (False, True):
            point = np.zeros(self.form.mip.columns)
            point[:n] = np.where(program.integer, np.round(x[:n]), x[:n])
            if answers:
                try:
                    point[program.followers.columns] = best_response(program, point[:n])
                except ModelError:
                    return
            point[n : self.form.kkt.columns] = multipliers(self.form, point[:n], bounded=True)
            self._complete(point)
            if not np.isfinite(point).all():
                continue
            slack_zero = ~self._small_dual(point)
            if self._holds(point, slack_zero):
                self._take(point, slack_zero)
                return
            if self._try(slack_zero, point).x is not None:
                return

    def _complete(self, point: Vector) -> None:
        """Fill the columns after the multipliers: squares of quadratic followers' revenue, and the objective's own products."""
        mip, first = self.form.mip, self.form.kkt.columns
        squares = mip.cones.parts(point)[1][self.form.first_curved_cone :]
        point[first : first + len(squares)] = squares
        if mip.products is not None and mip.columns > first + len(squares):
            point[-1] = mip.products.activity(point)[0]

    def _allowed(self) -> float:
        """The worst objective that is as good as the best point's."""
        return self.found.objective + _ROUGH * self.effort.gap * max(abs(self.found.objective), self.floor)

    def _holds(self, point: Vector, slack_zero: Mask, within: float = _EXACT) -> bool:
        """Whether a point over the reformulation's columns keeps everything within a relative tolerance, with these sides."""
        mip, pairs = self.form.mip, self.form.kkt.pairs
        worst = [float(np.maximum(mip.lower - point, point - mip.upper).max(initial=0.0))]
        size = abs(mip.rows.matrix) @ np.maximum(np.abs(point), tolerances.SIZE_FLOOR * self.form.size)
        worst.append(float((mip.rows.violation(point) / np.maximum(size, 1e-300)).max(initial=0.0)))
        worst.append(float((np.abs(pairs.slack(point)) / self.form.slack_scale())[slack_zero].max(initial=0.0)))
        worst.append(0.0 if mip.products is None else mip.products.excess(point, mip.scale))
        gaps = mip.cones.gaps(point)
        return max(worst) <= within and float(np.abs(gaps).max(initial=0.0)) <= tolerances.CONE_GAP / 10

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

    def _tighten(self) -> None:
        """Where the objective leaves cones loose, take the optimum whose cones are tight, at no loss."""
        found = self.found
        if found.x is None or found.slack_zero is None or not self.exact.cones.count:
            return
        x = np.concatenate([found.x, np.zeros(self.exact.mip.columns - len(found.x))])
        if float(self.exact.cones.gaps(x).max()) <= tolerances.CONE_GAP / 10:
            return
        self._finish()
        self.effort.progress.phase("tightening cones")
        point = self.exact.tightened(self._fixed(found.slack_zero), found.x)
        if point.x is not None:
            self._take(point.x, found.slack_zero)

    def _finish(self) -> None:
        """Time is up, or nearly: what follows only makes the best point precise."""
        self.effort = self.main.effort = self.exact.effort = self.effort.finishing()

    def _resume(self, effort: Effort) -> None:
        """Search on, and hear Ctrl-C again."""
        effort.progress.finishing = False
        self.effort = self.main.effort = self.exact.effort = effort

    def _try(self, slack_zero: Mask, near: Vector) -> Point:
        """Fix one side of every pair and take the optimum of what is left, if there is one and it is better; gives it."""
        key = slack_zero.tobytes()
        if key in self.tried:
            return self.tried[key]
        point = self._polished(slack_zero, near) if self.form.conic else self._decided(slack_zero, near)
        alone = not (self.form.conic or self.form.program.integer.any()) and self.form.mip.products is None
        if alone and point.status in _SURE:
            self.tried[key] = point
        if point.status == "unbounded" and self.form.mip.products is None and not self.form.conic:
            # Every point of this linear program is bilevel feasible, so its ray is the leader's
            self.found = Found(verdict="unbounded")
        if point.x is not None and self._objective(point.x) < self.found.objective:
            self._take(point.x, slack_zero)
        return point

    def _attempt(self, x: Vector) -> None:
        self._try(self._sides(x), x)

    def _decided(self, slack_zero: Mask, near: Vector) -> Point:
        if self.form.mip.products is not None:
            self.exact = self._precise(products.near(self.form.mip, near))
            self.exact.add_cuts(tangent.cuts(self.exact.cones, self._padded(near), -np.inf))
        sides = self._fixed(slack_zero)
        point = self.quick.decided(sides, near) if self.quick is not None else None
        return point if point is not None and point.status in _SURE else self.exact.decided(sides, near)

    def _padded(self, x: Vector) -> Vector:
        """A point over the columns of the precise stage."""
        n = self.form.mip.columns
        return np.concatenate([x[:n], np.zeros(self.exact.mip.columns - n)])

    def _polished(self, slack_zero: Mask, near: Vector) -> Point:
        """Followers with cones are held at their exact response to the leader's decisions; the rest is as without them."""
        form, n = self.form, self.form.kkt.columns
        response, exact = newton.respond(form, near[:n])
        point = np.concatenate([response, near[n : form.mip.columns]])
        program, kkt = form.program, form.kkt
        mine = np.append(program.followers.conic, False)
        columns = [np.flatnonzero(mine[program.followers.owner]), seen(program), kkt.lam[mine[kkt.equal_owner]]]
        columns += [kkt.pairs.dual[mine[kkt.pairs.owner]], kkt.conic.columns]
        kept = np.r_[: program.cones.count, form.first_curved_cone : form.mip.cones.count]
        mip = products.near(replace(form.mip, cones=form.mip.cones.take(kept)), point)
        self.exact = self._precise(products.hold(mip, point, np.concatenate(columns), _EXACT if exact else _LOOSE))
        return self.exact.decided(self._fixed(slack_zero), point)

    def _fixed(self, slack_zero: Mask) -> Sides:
        """Every pair decided but those of followers with cones, which are held as they are."""
        given = ~self.form.program.followers.conic[self.form.kkt.pairs.owner]
        return Sides(slack_zero & given, ~slack_zero & given)

    def _take(self, x: Vector, slack_zero: Mask) -> None:
        self.found.objective = self._objective(x)
        self.found.slack_zero, self.found.x = slack_zero, x[: self.form.mip.columns].copy()
        self.effort.progress.update(self.found.bound, self.found.objective)

    def _objective(self, x: Vector) -> float:
        mip = self.form.mip
        return float(mip.cost @ x[: mip.columns]) + mip.offset

    def _raise_bound(self, bound: float) -> None:
        if bound > _NEAR * self.floor_value + self.form.mip.offset:
            self.found.bound = max(self.found.bound, bound)
        self.effort.progress.update(self.found.bound, self.found.objective)

    def _start(self) -> Vector | None:
        """The incumbent over all columns of the main program, the mode's own columns included."""
        if self.found.x is None or self.found.slack_zero is None:
            return None
        x = np.concatenate([self.found.x, np.zeros(self.main.mip.columns - len(self.found.x))])
        return self.envelopes.fill(self.mode.complete(x, self.form, self.found.slack_zero))

    def _small_slack(self, x: Vector) -> Mask:
        return np.asarray(self.form.kkt.pairs.slack(x) <= _SMALL * self.form.slack_scale())

    def _small_dual(self, x: Vector) -> Mask:
        return np.asarray(x[self.form.kkt.pairs.dual] <= _SMALL * self.form.dual_scale())

    def _sides(self, x: Vector) -> Mask:
        """Which pairs of a complementary point have their slack at zero: the smaller of both, each in its own scale."""
        slack = np.abs(self.form.kkt.pairs.slack(x)) / self.form.slack_scale()
        dual = np.abs(x[self.form.kkt.pairs.dual]) / self.form.dual_scale()
        return np.asarray((slack < dual) & (dual > _SMALL))
