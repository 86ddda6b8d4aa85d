"""What a search holds while its steps work on it: the program, its solver sessions, the bound and the best point."""

from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.followers.best_response import fixed_follower_rows
from bilevel.program.rows import Index, Mask, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes import Mode, strong_duality
from bilevel.reformulate.single_level import Reformulation
from bilevel.reformulate.stages import Chain
from bilevel.reformulate.tightenings import TIGHTENINGS, envelopes, limits
from bilevel.relax import ConeTreatment, tangent
from bilevel.search.branching.part import Subproblem, whole
from bilevel.search.cut_session import CutSession, Point
from bilevel.search.incumbent import Incumbent
from bilevel.solvers import SOLVERS, Feature, SessionFactory, clarabel

MANY_CONES = 2000
"""Cones from which convex programs are left to an interior-point method, as it is faster than linear programs with tangents."""

ALTERNATING = "alternating"
"""The name under which the step of alternating directions is switched on or off."""

ROOTS = {tightening.name: tightening.about for tightening in TIGHTENINGS.values()} | {
    limits.name: limits.about,
    ALTERNATING: "points by alternating directions, before any branching",
}
"""What may be done at the root, with words for people."""

ROOT = (envelopes.name, ALTERNATING)
"""What is done there unless told otherwise: what paid where it was measured (docs/benchmarks.md)."""


@dataclass
class Sessions:
    """The living solvers of a search.

    - `master` holds the mode's program, with the rows that only make it tighter: relaxations and branch and bound;
    - `precise` takes the last step, with one side of every pair fixed: linear programs with tangents, whose corners keep rows as
      no interior point does; the master itself where that is as good;
    - `interior` does the same for many cones by an interior-point method, until its points are made precise; None without.
    """

    master: CutSession
    precise: CutSession
    interior: CutSession | None

    def each(self) -> tuple[CutSession, ...]:
        """Every session once."""
        found = {id(session): session for session in (self.master, self.precise, self.interior) if session is not None}
        return tuple(found.values())


@dataclass
class SearchState:
    """The state of a branch-and-bound search: bounds, the incumbent, and what is still open.

    The steps share it; each reads it and leaves in it what it has found.

    - `chain`: the stages from `form.mip` to what the master holds;
    - `incumbent`: the bound and the best point; `relaxed`: the optimum of the relaxation, None before;
    - `parts`: a division of the decision space, of each part a lower bound; `least`: an objective so low that it is no bound;
    - `tried`: points of sides that were tried, where nothing else decides them;
    - `root`: names of `ROOTS` that are done;
    - `resumed`: whether the search goes on from points of an earlier program; `finished`: whether only digits are left to do;
    - `trace`: name and seconds of every step, in order.
    """

    form: Reformulation
    solver: SessionFactory
    mode: Mode
    treatment: ConeTreatment
    budget: Budget
    chain: Chain
    sessions: Sessions
    parts: tuple[Subproblem, ...]
    root: tuple[str, ...] = ROOT
    incumbent: Incumbent = field(default_factory=Incumbent)
    relaxed: Vector | None = None
    least: float = -np.inf
    tried: dict[bytes, Point] = field(default_factory=dict)
    resumed: bool = False
    finished: bool = False
    trace: list[tuple[str, float]] = field(default_factory=list)

    @property
    def master(self) -> CutSession:
        """The session that holds the whole program."""
        return self.sessions.master

    @property
    def precise(self) -> CutSession:
        """The session of the last step."""
        return self.sessions.precise

    @property
    def floor(self) -> float:
        """What gaps are relative to at least, at the best point."""
        return self.form.program.objective_floor(self.incumbent.x)

    @property
    def holds_cones(self) -> bool:
        """Whether the solver is given cones or products, and decides all by itself."""
        return not self.master.mip.convex

    @property
    def splits_into_linear(self) -> bool:
        """Whether linear programs and tangents are left where sides are decided: no products, no followers with cones."""
        return self.form.mip.products is None and not self.form.conic

    @property
    def incremental(self) -> bool:
        """Whether `change` is possible: what some solvers are told of one objective must not stay for the next."""
        return Feature.INCREMENTAL in self.solver.features

    def change(self, cost: Vector, columns: Index, lower: Vector, upper: Vector, budget: Budget) -> None:
        """Another objective, and other bounds of some columns; tangents and solvers stay, what was found does not.

        `cost` is over the columns of `form.mip`, as `columns` are.
        """
        mip = self.form.mip
        low, high = mip.lower.copy(), mip.upper.copy()
        # An end that stays infinite has not moved, though inf - inf is no number
        with np.errstate(invalid="ignore"):
            moves = [np.nan_to_num(new - old, nan=0.0, posinf=np.inf, neginf=-np.inf)
                     for new, old in ((lower, low[columns]), (upper, high[columns]))]  # fmt: skip
        # A front changes limits and keeps the objective: dual points of parts stay feasible, so their bounds follow
        same = np.array_equal(cost, mip.cost)
        self.parts = tuple(part.moved(columns, *moves) if same else replace(part, value=-np.inf) for part in self.parts)
        low[columns], high[columns] = lower, upper
        program = replace(self.form.program, cost=self.form.program.part_of(cost))
        self.form = replace(self.form, program=program, mip=replace(mip, cost=cost, lower=low, upper=high))
        self.incumbent, self.relaxed, self.least = Incumbent(), None, -np.inf
        self.budget, self.tried, self.trace = budget, {}, []
        for session in self.sessions.each():
            session.change(self.form, cost, columns, lower, upper, budget)

    def over(self) -> bool:
        """Whether the gap is closed, a verdict found, or the budget spent."""
        gap = self.budget.gap
        if self.sessions.interior is not None:
            # What an interior point leaves open is found out when its point is made precise
            gap *= 1.0 - tolerances.INTERIOR_DIGITS
        closed = self.incumbent.gap(self.floor) <= gap
        return bool(self.incumbent.verdict) or closed or self.budget.over()

    def finish(self) -> None:
        """Time is up, or nearly: what follows only makes the best point precise."""
        self.finished = True
        # Called again it adds no time: the grace is spent by the first call
        self.budget = self.master.budget = self.precise.budget = self.budget.finishing()

    def resume(self, budget: Budget) -> None:
        """Search on, and hear Ctrl-C again."""
        budget.progress.finishing = self.finished = False
        self.budget = self.master.budget = self.precise.budget = budget

    def take(self, x: Vector, slack_zero: Mask) -> None:
        """Make a point of the master, or over the reformulation's columns, the best one."""
        self.incumbent.objective = self.objective(x)
        self.incumbent.slack_zero, self.incumbent.x = slack_zero, self.chain.restore(x).copy()
        self.budget.progress.update(self.incumbent.bound, self.incumbent.objective)

    def drop_incumbent(self) -> None:
        """Give the best point up; the bound stays."""
        self.incumbent.x, self.incumbent.objective, self.incumbent.slack_zero = None, np.inf, None

    def objective(self, x: Vector) -> float:
        """The minimised objective at x."""
        mip = self.form.mip
        return float(mip.cost @ self.chain.restore(x)) + mip.offset

    def as_good(self) -> float:
        """The worst objective that is as good as the best point's."""
        room = tolerances.INTERIOR_DIGITS * self.budget.gap * max(abs(self.incumbent.objective), self.floor)
        return self.incumbent.objective + room

    def raise_bound(self, bound: float) -> None:
        """Take note of a lower bound; an infinite one says that there is no point, which exhaustion looks at."""
        # `least` is below zero, so that 0.99 of it lies above the wall: bounds from there down are the wall's own doing
        if bound < np.inf and bound > tolerances.AT_THE_WALL * self.least + self.form.mip.offset:
            self.incumbent.bound = max(self.incumbent.bound, bound)
        self.budget.progress.update(self.incumbent.bound, self.incumbent.objective)

    def share_tangents(self) -> None:
        """Give a new precise session the tangents that the relaxation has found, which it would find round by round."""
        precise, rows = self.precise, self.master.tangents
        if precise is self.master or precise.tangents.count or not rows.count:
            return
        # Tangents are over the cones' columns, which stand before those that a mode or a tightening appends
        n = precise.mip.columns
        if not rows.matrix[:, n:].nnz:
            precise.add_cuts(Rows(sp.csr_array(rows.matrix[:, :n]), rows.lower, rows.upper))

    def padded(self, x: Vector) -> Vector:
        """A point over the columns of the precise session."""
        # Zeros will do: no cone of that session has the columns that a mode or a tightening appends
        own = self.form.columns
        return np.concatenate([own.part_of(x), np.zeros(self.precise.mip.columns - own.size)])


def opened(
    form: Reformulation, solver: SessionFactory, mode: Mode, treatment: ConeTreatment, budget: Budget,
    root: tuple[str, ...] = ROOT,
) -> SearchState:  # fmt: skip
    """A search before its first step: the mode's program in the solver, and the session of the last step beside it."""
    known = fixed_follower_rows(form.program)

    def tightened(mip: SolverProgram) -> SolverProgram:
        mip = mip.with_rows(known.widened(mip.columns))
        for tightening in (found for name, found in TIGHTENINGS.items() if name in root):
            mip = tightening.add(form, mip)
        return mip.without_idle(form.program.columns)

    written = limits.tighter(form, mode) if limits.name in root else form
    with_mode = Chain(form.mip).apply(mode.name, lambda _mip: mode.apply(written))
    chain = with_mode.apply(treatment.name, treatment.prepare).apply("rows that tighten", tightened)
    # The true cones are those from before the treatment: tangent and tower take them out of the program
    master = CutSession(form, chain.program, with_mode.program.cones, solver, budget)
    # An interior point finds the place of thousands of tangents at once; for a few cones it only costs its start
    lives = Feature.INCREMENTAL in solver.features
    many = treatment is tangent and lives and master.cones.count >= MANY_CONES
    plain = form.mip.products is None
    held = many and plain and not form.conic
    interior = CutSession(form, form.mip, form.mip.cones, clarabel, budget) if held else None
    # With products every point gets a precise session of its own, around it (`evaluate`)
    apart = interior is not None or (plain and not _as_precise(master, solver, mode, known))
    precise = precise_session(form, form.mip, budget, fine=True) if apart else master
    sessions = Sessions(master, precise, interior)
    return SearchState(form, solver, mode, treatment, budget, chain, sessions, whole(form.kkt.pairs.count), root)


def _as_precise(master: CutSession, solver: SessionFactory, mode: Mode, known: Rows) -> bool:
    """Whether the last step can be left to the master.

    Other solvers keep rows less well, or are given cones or products.  Rows that one computed answer of a follower gave may
    contradict its own, by rounding; the tangents of strong duality leave a quadratic follower's answer off by a root.
    """
    whole_rows = Feature.INCREMENTAL in solver.features and not known.count and not master.lacks_entries
    return master.mip.convex and whole_rows and mode.name != strong_duality.name


def precise_session(form: Reformulation, mip: SolverProgram, budget: Budget, fine: bool = False) -> CutSession:
    """A session of linear programs with tangents, in scaled numbers; with `fine`, as in `Scaled`, for points and not for bounds."""
    # Scaled even where the user's solver gets the model's own numbers: here the digits are what counts
    return CutSession(form, tangent.prepare(mip), mip.cones, SOLVERS["highs"], replace(budget, scaling=True), fine)
