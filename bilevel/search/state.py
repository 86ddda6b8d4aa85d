"""What a search holds while it goes on: the program, its solvers, the bound and the best point."""

from dataclasses import replace

import numpy as np

from bilevel.followers.best_response import known_values
from bilevel.program.rows import Index, Mask, Mip, Vector
from bilevel.reformulate import envelopes
from bilevel.reformulate.modes import Mode, strong_duality
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import ConeTreatment, tangent
from bilevel.search.cut_session import MANY_CONES, Effort, Point, Sides, Stage
from bilevel.search.found import Found
from bilevel.search.small_tree import whole
from bilevel.solvers import SOLVERS, SessionFactory, clarabel

_SMALL = 1e-6
ROUGH = 0.01
"""Of the gap: how far an interior point's optimum may be off in its last digits."""
_NEAR = 0.99
"""Of the objective's floor far out: what counts as there."""


class State:
    """The parts of a search that its steps share."""

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
        self.started = self.finished = False
        full = mode.apply(form)
        prepared = treatment.prepare(full)
        known = known_values(form.program).widened(prepared.columns)
        strong = envelopes.add(form, prepared.with_rows(known))
        self.main = Stage(form, strong, full.cones, solver, effort)
        # The last, precise step is left to tangents on HiGHS: other solvers keep rows less well, or are given cones or products
        self.whole = not self.main.mip.convex
        # Nor are rows that one computed answer of a follower gave: they may contradict its own, by rounding;
        # nor strong duality, whose tangents leave a quadratic follower's answer off by a root
        sure = solver is SOLVERS["highs"] and not known.count and mode.name != strong_duality.name
        apart = form.mip.products is None and (self.whole or not sure)
        many = treatment is tangent and self.lives and self.main.cones.count >= MANY_CONES
        self.quick: Stage | None = None
        if many and form.mip.products is None and not form.conic:
            self.quick, apart = Stage(form, form.mip, form.mip.cones, clarabel, effort), True
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

    def _precise(self, mip: Mip) -> Stage:
        return Stage(self.form, tangent.prepare(mip), mip.cones, SOLVERS["highs"], replace(self.effort, scaling=True))

    def _over(self) -> bool:
        # The optimum of an interior point may be off in its last digits
        gap = self.effort.gap * (1.0 if self.quick is None else 1.0 - ROUGH)
        return bool(self.found.verdict) or self.found.gap(self.floor) <= gap or self.effort.over()

    def _finish(self) -> None:
        """Time is up, or nearly: what follows only makes the best point precise."""
        self.finished = True
        self.effort = self.main.effort = self.exact.effort = self.effort.finishing()

    def _resume(self, effort: Effort) -> None:
        """Search on, and hear Ctrl-C again."""
        effort.progress.finishing = self.finished = False
        self.effort = self.main.effort = self.exact.effort = effort

    def _fixed(self, slack_zero: Mask) -> Sides:
        """Every pair decided but those of followers with cones, which are held as they are."""
        given = ~self.form.program.followers.conic[self.form.kkt.pairs.owner]
        return Sides(slack_zero & given, ~slack_zero & given)

    def _padded(self, x: Vector) -> Vector:
        """A point over the columns of the precise stage."""
        n = self.form.mip.columns
        return np.concatenate([x[:n], np.zeros(self.exact.mip.columns - n)])

    def _take(self, x: Vector, slack_zero: Mask) -> None:
        self.found.objective = self._objective(x)
        self.found.slack_zero, self.found.x = slack_zero, x[: self.form.mip.columns].copy()
        self.effort.progress.update(self.found.bound, self.found.objective)

    def _objective(self, x: Vector) -> float:
        mip = self.form.mip
        return float(mip.cost @ x[: mip.columns]) + mip.offset

    def _raise_bound(self, bound: float) -> None:
        # An infinite one says that there is no point, which `_exhaust` looks at
        if bound < np.inf and bound > _NEAR * self.floor_value + self.form.mip.offset:
            self.found.bound = max(self.found.bound, bound)
        self.effort.progress.update(self.found.bound, self.found.objective)

    def _small_slack(self, x: Vector) -> Mask:
        return np.asarray(self.form.kkt.pairs.slack(x) <= _SMALL * self.form.slack_scale())

    def _small_dual(self, x: Vector) -> Mask:
        return np.asarray(x[self.form.kkt.pairs.dual] <= _SMALL * self.form.dual_scale())

    def _sides(self, x: Vector) -> Mask:
        """Which pairs of a complementary point have their slack at zero: the smaller of both, each in its own scale."""
        slack = np.abs(self.form.kkt.pairs.slack(x)) / self.form.slack_scale()
        dual = np.abs(x[self.form.kkt.pairs.dual]) / self.form.dual_scale()
        return np.asarray((slack < dual) & (dual > _SMALL))
