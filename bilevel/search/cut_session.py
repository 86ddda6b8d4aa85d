"""One living solver session over a reformulated program: cut loops, and restrictions that are undone again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, no_rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import ConeTreatment, exact, outer_approximation, tangent
from bilevel.search.sides import Sides, limits, possible
from bilevel.solvers import Outcome, SessionFactory, clarabel
from bilevel.solvers.base import Forgetful, Restartable
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus

MAX_ROUNDS = 100
"""Of branch and bound and its tangents."""
_ENDLESS = (SolverStatus.UNBOUNDED, SolverStatus.NUMERICAL_ERROR)  # what a program without end may be called
_WALLS = (1.0, 1e3, 1e6)


@dataclass(frozen=True)
class Point:
    """Result of a convex solve: `x` is None unless status is optimal; `value` is the minimised objective."""

    status: SolverStatus
    x: Vector | None
    value: float


class CutSession:
    """`mip` is what the solver holds, `cones` the true cones over its columns; `fine` as in `Scaled`, for points alone."""

    def __init__(
        self, form: Reformulation, mip: SolverProgram, cones: Cones, solver: SessionFactory, budget: Budget,
        fine: bool = False,
    ) -> None:  # fmt: skip
        self.form, self.mip, self.budget = form, mip, budget
        self.cones = cones.widened(mip.columns)
        session = solver.open()
        self.forgets = isinstance(session, Forgetful)
        # A basis has no units, so that scaling does not stand between
        self.restarts = session if isinstance(session, Restartable) else None
        self.session = Scaled(session, budget.scaling, fine)
        self.session.load(mip)
        self.tangents = no_rows(mip.columns)

    @property
    def lacks_entries(self) -> bool:
        """Whether rows lost entries, so that points may break them by a little."""
        return self.session.dust.nnz > 0

    def change(
        self, form: Reformulation, cost: Vector, columns: Index, lower: Vector, upper: Vector, budget: Budget
    ) -> None:
        """Another objective and other bounds of some columns; rows stay."""
        low, high = self.mip.lower.copy(), self.mip.upper.copy()
        low[columns], high[columns] = lower, upper
        whole = np.concatenate([cost, np.zeros(self.mip.columns - len(cost))])
        self.form, self.mip, self.budget = form, replace(self.mip, cost=whole, lower=low, upper=high), budget
        self.session.set_cost(whole, self.mip.offset)
        self.session.set_column_bounds(columns, lower, upper)

    def solve(self, integer: bool, improving: bool = False, seconds: float = np.inf) -> Outcome:
        """One call of the solver within what is left of the budget, and so many seconds.

        Without the solver holding the cones, "unbounded" proves nothing: tangents ever further out are tried, then it fails.
        """
        outcome = self._solve(integer, improving, seconds)
        if outcome.status not in _ENDLESS or not self.cones.count or self.mip.cones.count:
            return outcome
        # They hold everywhere; near ones come first, as slopes grow with the distance
        for size in _WALLS:
            self.add_cuts(tangent.initial_tangents(self.cones, size))
            outcome = self._solve(integer, improving, seconds)
            if outcome.status not in _ENDLESS:
                return outcome
        return replace(outcome, status=SolverStatus.NUMERICAL_ERROR)

    def _solve(self, integer: bool, improving: bool, seconds: float) -> Outcome:
        seconds = min(seconds, self.budget.seconds)
        outcome = self.session.solve(
            integer, tolerances.MIP_SHARE * self.budget.gap, seconds, improving, self.budget.progress
        )
        self.budget.progress.nodes += outcome.nodes
        return outcome

    def basis(self) -> Any:
        """The basis of the last linear program, None where there is none."""
        return None if self.restarts is None else self.restarts.basis()

    def go_on_from(self, basis: Any) -> None:
        """Start the next linear program from an earlier one's basis; None leaves it to the session."""
        if self.restarts is not None and basis is not None:
            self.restarts.go_on_from(basis)

    def add_cuts(self, rows: Rows) -> None:
        """Append rows that hold everywhere."""
        if rows.count:
            self.session.add_rows(rows)
            self.tangents = stack_rows([self.tangents, rows])

    def seed(self) -> Outcome:
        """The optimum by an interior point, which holds the cones; those that it lies on get tangents: few rounds are left."""
        held = replace(self.mip, cones=self.cones)
        outcome = clarabel.solve(held, self.budget.seconds, tolerances.SOLVER_FEASIBILITY)
        if outcome.x is not None:
            self.add_active_tangents(outcome.x)
        return outcome

    def settled(self, outcome: Outcome) -> float:
        """The value that linear programs will come near enough to after an interior point's optimum; it is no bound."""
        if outcome.x is None:
            return np.inf
        return outcome.objective - tolerances.SETTLED * self.budget.gap * abs(outcome.objective)

    def add_active_tangents(self, x: Vector) -> None:
        """Add tangents to the cones that x lies on."""
        held = self.cones.take(np.flatnonzero(self.cones.held(x)))
        # Without a tolerance: x need not break these cones to show where they matter
        self.add_cuts(tangent.cuts(held, x, -np.inf))

    def drop_slack_tangents(self, x: Vector) -> None:
        """Drop tangents that are far from x, over their largest term there: many come on the way, few hold in the end."""
        size = magnitude(self.tangents.matrix, np.abs(x)) + np.abs(self.tangents.lower)
        near = self.tangents.matrix @ x - self.tangents.lower <= tolerances.TANGENT_NEAR * size
        # Rows of others behind the tangents would be deleted in their place
        if len(self.session.row) != self.mip.rows.count + self.tangents.count or near.all():
            return
        self.session.delete_rows(self.mip.rows.count + np.flatnonzero(~near))
        kept = self.tangents
        self.tangents = Rows(sp.csr_array(kept.matrix[near]), kept.lower[near], kept.upper[near])

    def converge(self, treatment: ConeTreatment, enough: Callable[[float], bool] = lambda _value: False) -> Point:
        """Linear programs and cuts until no cone is broken, or until the value, which only rises, is `enough`."""
        outcome = outer_approximation.rounds(
            partial(self.solve, integer=False), self.add_cuts, treatment.cuts, self.cones, enough, self.budget.over
        )
        return Point(outcome.status, outcome.x, outcome.bound if outcome.x is None else outcome.value)

    def decided(self, sides: Sides, near: Vector) -> Point:
        """The convex optimum with these sides fixed, and the leader's integers rounded from `near`."""
        # A solver that holds the cones needs no tangents, and leaves tight ones open by its tolerance
        held = self.mip.cones.count > 0
        with self.restricted(sides, near) as possible:
            nowhere = Point(SolverStatus.INFEASIBLE, None, np.inf)
            point = self.converge(exact if held else tangent) if possible else nowhere
        return replace(point, x=self.cones.snapped(point.x)) if held and point.x is not None else point

    def tightened(self, sides: Sides, best: Vector) -> Point:
        """Among points as good as `best`, with the same sides, the one with the smallest factors w of cones that must be tight."""
        # Loose cones are closed by a second objective, after the first: no weight of one against the other has to be guessed
        allowed = float(self.mip.cost[: len(best)] @ best)
        row = sp.csr_array(self.mip.cost[None, :])
        limit = len(self.session.row)
        self.session.add_rows(Rows(row, np.array([-np.inf]), np.array([allowed + tolerances.AS_GOOD * abs(allowed)])))
        size = np.maximum(self.cones.w_scale, tolerances.LEAST_SIZE)
        self.session.set_cost((self.cones.relaxes_equality / size) @ self.cones.w, 0.0)
        point = self.decided(sides, best)
        self.session.set_cost(self.mip.cost, self.mip.offset)
        self.session.delete_rows(np.array([limit]))
        return point

    @contextmanager
    def priced(self, least: float, most: float) -> Iterator[None]:
        """Inside, only points whose objective is within these limits count; no rows may be added there."""
        at = np.array([len(self.session.row)])
        row = sp.csr_array(self.mip.cost[None, :])
        offset = self.mip.offset
        self.session.add_rows(Rows(row, np.array([least - offset]), np.array([most - offset])))
        try:
            yield
        finally:
            # Not every session can drop rows: elsewhere it stays behind without limits
            if self.forgets:
                self.session.delete_rows(at)
            else:
                self.session.set_row_bounds(at, np.array([-np.inf]), np.array([np.inf]))

    @contextmanager
    def restricted(self, sides: Sides, near: Vector | None = None) -> Iterator[bool]:
        """Fix sides (and the leader's integers, rounded from `near`) inside the context; False if they contradict."""
        low, high, row_low, row_high = limits(self.form, self.mip, sides, near)
        # Crossed limits are how sides contradict each other, and no program that solvers take
        if bool((low > high).any()) or bool((row_low > row_high).any()) or not possible(self.form, sides):
            yield False
            return
        mip = self.mip
        columns = np.flatnonzero((low != mip.lower) | (high != mip.upper))
        rows = np.flatnonzero((row_low != mip.rows.lower) | (row_high != mip.rows.upper))
        self.session.set_column_bounds(columns, low[columns], high[columns])
        self.session.set_row_bounds(rows, row_low[rows], row_high[rows])
        try:
            yield True
        finally:
            self.session.set_column_bounds(columns, mip.lower[columns], mip.upper[columns])
            self.session.set_row_bounds(rows, mip.rows.lower[rows], mip.rows.upper[rows])
