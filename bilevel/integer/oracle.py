"""What a follower answers: its least cost at the leader's decisions, and of its best answers the one that most decisions allow."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.errors import ModelError
from bilevel.integer.draft import Draft
from bilevel.integer.problem import Problem
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import largest, scaled
from bilevel.solvers import SessionFactory
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus


@dataclass(frozen=True)
class Reply:
    """An answer over the program's columns (0 at all others), its cost, and the least that the solver proves; `y` None for none."""

    y: Vector | None
    cost: float
    bound: float


@dataclass(frozen=True)
class Face:
    """All that costs a follower the least where its integers are held: bounds of its columns and limits of its rows.

    `cost` is what it pays there; `columns` and `rows` are places among the program's columns and the followers' rows.
    """

    cost: float
    columns: Index
    lower: Vector
    upper: Vector
    rows: Index
    row_lower: Vector
    row_upper: Vector


class FollowerOracle:
    """One follower's problem in a living session, solved again and again at other decisions."""

    def __init__(self, problem: Problem, follower: int, solver: SessionFactory) -> None:
        self.problem, self.follower, self.solver = problem, follower, solver
        program, stack = problem.program, problem.program.followers
        self.columns = np.flatnonzero(stack.owner == follower)
        self.rows = np.flatnonzero(stack.row_owner == follower)
        leader = stack.owner < 0
        matrix = sp.csr_array(stack.rows.matrix[self.rows])
        self.seen = sp.csr_array(matrix[:, np.flatnonzero(leader)])
        self.leader = np.flatnonzero(leader)
        self.lower, self.upper = stack.rows.lower[self.rows], stack.rows.upper[self.rows]
        # Declared bounds: what the leader's rows imply binds no follower
        ends = (
            np.where(program.integer, np.ceil(program.lower - tolerances.NOTHING), program.lower),
            np.where(program.integer, np.floor(program.upper + tolerances.NOTHING), program.upper),
        )
        self.own = SolverProgram(
            stack.cost[self.columns], 0.0, ends[0][self.columns], ends[1][self.columns], program.integer[self.columns],
            Rows(sp.csr_array(matrix[:, self.columns]), self.lower, self.upper), Cones.none(len(self.columns)), (),
            program.scale[self.columns],
        )  # fmt: skip
        self.session = Scaled(solver.open())
        self.session.load(self.own)

    def reply(self, x: Vector) -> Reply:
        """The follower's least cost at the leader's part of x.

        Raises `ModelError` for a cost without end.
        """
        low, high = self._limits(x)
        rates = self._rates(x)
        at = np.arange(len(self.rows))
        self.session.set_row_bounds(at, low, high)
        self.session.set_cost(rates, 0.0)
        outcome = self.session.solve(True, 0.0, budget.seconds(), False, budget.watch())
        if outcome.status == SolverStatus.UNBOUNDED:
            name = self.problem.program.followers.names[self.follower]
            raise ModelError(
                f"follower {name!r} has a cost without end at a decision of the leader: give its variables bounds"
            )
        y = None if outcome.x is None else self._polished(self.session, outcome.x)
        if y is None:
            return Reply(None, np.inf, outcome.bound)
        return Reply(self._over(y), float(rates @ y), outcome.bound)

    def face(self, x: Vector, point: Vector) -> Face | None:
        """The face of the best answers at the decision in x with the integers in `point`; None where it is not found.

        It is read from one optimal dual, to whose slacks every best answer is complementary: no row has to say what it costs, which
        solvers would keep by their own tolerance only.
        """
        low, high = self._limits(x)
        rates, at = self._rates(x), np.arange(len(self.rows))
        self.session.set_row_bounds(at, low, high)
        self.session.set_cost(rates, 0.0)
        whole, own = self.own.integer, self.own
        held = np.where(whole, np.round(point[self.columns]), 0.0)
        lower, upper = np.where(whole, held, own.lower), np.where(whole, held, own.upper)
        every = np.arange(len(self.columns))
        self.session.set_column_bounds(every, lower, upper)
        outcome = self.session.solve(False, 0.0, budget.seconds(), False, budget.watch())
        self.session.set_column_bounds(every, own.lower, own.upper)
        if outcome.x is None or outcome.reduced_cost is None or outcome.row_dual is None:
            return None
        size = max(float(np.abs(rates * own.scale).max(initial=0.0)), tolerances.NOT_ZERO)
        reduced = outcome.reduced_cost * own.scale / size
        upper = np.where(reduced > tolerances.FACE, lower, upper)
        lower = np.where(reduced < -tolerances.FACE, upper, lower)
        terms = largest(scaled(own.rows.matrix, columns=own.scale))
        dual = outcome.row_dual * terms / size
        high = np.where(dual > tolerances.FACE, low, high)
        low = np.where(dual < -tolerances.FACE, high, low)
        moved = self.seen @ x[self.leader]
        y = np.where(whole, held, outcome.x)
        return Face(float(rates @ y), self.columns, lower, upper, self.rows, low + moved, high + moved)

    def widest(self, x: Vector, cost: float) -> Vector | None:
        """Of the answers that cost no more, the one whose limits leave most of the leader's decisions; None without one."""
        sides = [side for side in self.problem.sides[self.follower] if side.high > side.low]
        low, high = self._limits(x)
        n, rates = len(self.columns), self._rates(x)
        place = {int(column): at for at, column in enumerate(self.columns)}
        draft = Draft(n)
        for side in sides:
            low_end, reach = float(side.low), float(side.high - side.low)
            need = draft.column(0.0, np.inf)
            form = {place[column]: value / reach for column, value in side.own.items()}
            draft.row({**form, need: 1.0}, (side.limit - low_end) / reach, np.inf, side.name)
        room = tolerances.SOLVER_FEASIBILITY * max(abs(cost), float(np.abs(rates * self.own.scale).max(initial=0.0)))
        draft.row({at: float(value) for at, value in enumerate(rates) if value}, -np.inf, cost + room, "no dearer")
        wide = draft.on(self._at(low, high))
        wide.cost[:] = np.concatenate([np.zeros(n), np.ones(len(sides))])
        session = Scaled(self.solver.open())
        session.load(wide)
        outcome = session.solve(True, WIDEST_GAP, min(budget.seconds(), WIDEST_SECONDS), False, budget.watch())
        return None if outcome.x is None else self._on_face(session, x, self._over(outcome.x[:n]), cost)

    def _on_face(self, session: Scaled, x: Vector, y: Vector, cost: float) -> Vector | None:
        """A widest answer with the integers of y that costs not a digit more: the session's row for its cost has a tolerance."""
        face = self.face(x, y)
        if face is None or self.dear(x, face.cost, cost):
            return None
        moved = self.seen @ x[self.leader]
        n = len(self.columns)
        session.set_column_bounds(np.arange(n), face.lower, face.upper)
        session.set_row_bounds(np.arange(len(self.rows)), face.row_lower - moved, face.row_upper - moved)
        session.set_row_bounds(np.array([session.loaded - 1]), np.array([-np.inf]), np.array([np.inf]))
        outcome = session.solve(False, 0.0, budget.seconds(), False, budget.watch())
        if outcome.x is None:
            return None
        return self._over(np.where(self.own.integer, np.round(y[self.columns]), outcome.x[:n]))

    def dear(self, x: Vector, paid: float, least: float) -> bool:
        """Whether the follower pays more than rounding above its least."""
        terms = np.abs(self._rates(x) * self.own.scale)
        return paid - least > tolerances.OBJECTIVE_ROUNDING * max(abs(least), float(terms.max(initial=0.0)))

    def _limits(self, x: Vector) -> tuple[Vector, Vector]:
        moved = self.seen @ x[self.leader]
        return self.lower - moved, self.upper - moved

    def _rates(self, x: Vector) -> Vector:
        stack = self.problem.program.followers
        return np.asarray((stack.cost + stack.price.T @ np.where(stack.owner < 0, x, 0.0))[self.columns])

    def _at(self, low: Vector, high: Vector) -> SolverProgram:
        own = self.own
        return SolverProgram(
            own.cost, 0.0, own.lower, own.upper, own.integer, Rows(own.rows.matrix, low, high), own.cones, (), own.scale
        )

    def _polished(self, session: Scaled, x: Vector) -> Vector:
        """The point with its integers rounded, and the rest by a linear program, which keeps rows to more digits."""
        return polished(
            session, x, np.concatenate([self.own.integer, np.zeros(len(x) - len(self.columns), dtype=bool)])
        )

    def _over(self, y: Vector) -> Vector:
        full = np.zeros(self.problem.program.columns)
        full[self.columns] = y
        return full


WIDEST_SECONDS, WIDEST_GAP = 5.0, 1e-2
"""What the widest of the best answers may take, and how near to the widest it has to be: any of them is right."""


def polished(session: Scaled, x: Vector, whole: np.ndarray) -> Vector:
    """A session's point with its integers held at whole numbers, and its other columns by a linear program; bounds are put back."""
    at = np.flatnonzero(whole)
    if not len(at):
        return x
    rounded = np.where(whole, np.round(x), x)
    if len(at) == len(x):
        return rounded
    lower, upper = session.lower[at] * session.column[at], session.upper[at] * session.column[at]
    session.set_column_bounds(at, rounded[at], rounded[at])
    outcome = session.solve(False, 0.0, budget.seconds(), False, budget.watch())
    session.set_column_bounds(at, lower, upper)
    if outcome.x is None:
        return rounded
    return np.where(whole, rounded, outcome.x)
