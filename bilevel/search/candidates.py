"""Points that a search tries: earlier ones, guesses, the followers' answers, and the optimum with one side of every pair fixed."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.bounds.slater import seen
from bilevel.certify.repair import multipliers
from bilevel.errors import ModelError
from bilevel.followers.best_response import best_response
from bilevel.program.rows import Mask, Vector
from bilevel.reformulate import leader_products
from bilevel.relax import tangent
from bilevel.search import conic_response, verdicts
from bilevel.search.cut_session import Point, Sides
from bilevel.search.found import Found
from bilevel.search.state import ROUGH, State

_SURE = ("optimal", "infeasible")
_EXACT, _LOOSE = 1e-9, 1e-6  # how far columns of followers with cones may be moved, over their scale


class Candidates(State):
    """A search's ways to points."""

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
            # Every point of this linear program should be bilevel feasible, and its ray the leader's: the followers are asked
            proof = verdicts.ray(self.form, self._fixed(slack_zero), near)
            if proof and all(check.ok for check in proof):
                self.found = Found(verdict="unbounded", proof=proof)
        if point.x is not None and self._objective(point.x) < self.found.objective:
            self._take(point.x, slack_zero)
        return point

    def _attempt(self, x: Vector, decided: Sides) -> None:
        """The point with the sides that are decided, and those that x has of the others."""
        self._try((self._sides(x) | decided.slack_zero) & ~decided.dual_zero, x)

    def _decided(self, slack_zero: Mask, near: Vector) -> Point:
        if self.form.mip.products is not None:
            self.exact = self._precise(leader_products.near(self.form.mip, near))
            self.exact.add_cuts(tangent.cuts(self.exact.cones, self._padded(near), -np.inf))
        sides = self._fixed(slack_zero)
        point = self.quick.decided(sides, near) if self.quick is not None else None
        return point if point is not None and point.status in _SURE else self.exact.decided(sides, near)

    def _polished(self, slack_zero: Mask, near: Vector) -> Point:
        """Followers with cones are held at their exact response to the leader's decisions; the rest is as without them."""
        form, n = self.form, self.form.kkt.columns
        response, exact = conic_response.respond(form, near[:n])
        point = np.concatenate([response, near[n : form.mip.columns]])
        program, kkt = form.program, form.kkt
        mine = np.append(program.followers.conic, False)
        columns = [np.flatnonzero(mine[program.followers.owner]), seen(program), kkt.lam[mine[kkt.equal_owner]]]
        columns += [kkt.pairs.dual[mine[kkt.pairs.owner]], kkt.conic.columns]
        kept = np.r_[: program.cones.count, form.first_curved_cone : form.mip.cones.count]
        mip = leader_products.near(replace(form.mip, cones=form.mip.cones.take(kept)), point)
        self.exact = self._precise(
            leader_products.hold(mip, point, np.concatenate(columns), _EXACT if exact else _LOOSE)
        )
        return self.exact.decided(self._fixed(slack_zero), point)

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
        return self.found.objective + ROUGH * self.effort.gap * max(abs(self.found.objective), self.floor)

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
