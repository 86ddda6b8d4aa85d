"""The followers' optimal answers at the leader's decisions, and the leader's problem over them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.followers.optimal_cost import Response, optimal_face
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation
from bilevel.solvers import Outcome
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus


@dataclass(frozen=True)
class TieProblem:
    """The leader's minimised objective over all program columns, with the decisions that followers see fixed.

    `rows` and `cones` are the leader's, products held at its decisions; `state` its free columns, `follower` the followers'
    columns; `face` and `face_cones` keep followers optimal.  `at` is the point that was found, `name` tells a column's name.
    """

    cost: Vector
    offset: float
    lower: Vector
    upper: Vector
    scale: Vector
    rows: Rows
    cones: Cones
    state: Index
    follower: Index
    face: Rows
    face_cones: Cones
    at: Vector
    name: Callable[[int], str]

    @property
    def attained(self) -> float:
        """The minimised objective at the point that was found."""
        return float(self.cost @ self.at) + self.offset

    @property
    def fixed(self) -> float:
        """What the leader's columns cost as they were found."""
        mine = np.zeros(len(self.cost), dtype=bool)
        mine[self.follower] = True
        return float(self.cost[~mine] @ self.at[~mine]) + self.offset

    @property
    def held(self) -> Mask:
        """Columns of one value: what followers see, and what no optimal answer moves."""
        return np.asarray(self.lower == self.upper)

    def program(self, rows: Rows) -> SolverProgram:
        """The objective over these rows, cones aside."""
        n = len(self.cost)
        return SolverProgram(
            self.cost, self.offset, self.lower, self.upper, outer_approximation.continuous(n), rows, Cones.none(n), (),
            self.scale,
        )  # fmt: skip


def tie_problem(program: Program, x: Vector, response: Response) -> TieProblem:
    """The problem of ties at x; a follower with cones has no polyhedron of optima, and stays within its tolerance of the least."""
    stack = program.followers
    leader = stack.owner < 0
    seen = leader & _used(stack.price, axis=0)
    for part in (stack.rows.matrix, stack.cones.squares, stack.cones.u, stack.cones.w):
        seen |= leader & _used(part, axis=1)
    # No row here says what a multiplier is, so those that are read stay; integers stay to keep it convex
    fixed = seen | program.integer
    fixed[program.links.column] = True
    low, high, row_low, row_high = optimal_face(program, response)
    lower, upper = np.where(fixed, x, program.lower), np.where(fixed, x, program.upper)
    flat, rounded = ~stack.conic[stack.owner[stack.columns]], stack.conic[stack.row_owner]
    mine = stack.columns[flat]
    lower[mine], upper[mine] = low[flat], high[flat]
    curve = stack.quadratic[np.unique(stack.quadratic.indices)]
    level = curve @ x
    active = Rows(
        stack.rows.matrix,
        np.where(row_high & ~rounded, stack.rows.upper, stack.rows.lower),
        np.where(row_low & ~rounded, stack.rows.lower, stack.rows.upper),
    )
    # All optima of a convex quadratic program share Qy, and so its gradient
    face = stack_rows([active, Rows(sp.csr_array(curve), level, level), _cost_levels(program, x, response)])
    products = program.bilinear.held(x, program.rows.count)
    cost = program.cost + products[[0]].toarray().ravel()
    rows = replace(program.rows, matrix=sp.csr_array(program.rows.matrix + products[1:]))
    state = np.flatnonzero(leader & ~fixed)
    return TieProblem(
        cost, program.offset, lower, upper, program.scale, rows, program.cones, state, stack.columns, face, stack.cones, x,
        program.name,
    )  # fmt: skip


def _cost_levels(program: Program, x: Vector, response: Response) -> Rows:
    """Followers with cones have no polyhedron of optima: their cost stays within its tolerance of the least."""
    stack = program.followers
    conic = np.flatnonzero(stack.conic)
    mine = np.flatnonzero(np.append(stack.conic, False)[stack.owner])
    at = np.searchsorted(conic, stack.owner[mine])
    matrix = sp.csr_array((stack.rates(x)[mine], (at, mine)), shape=(len(conic), program.columns))
    # Whichever is dearer, so that neither the point nor a true optimum falls outside
    level = np.maximum(response.lower_bound, response.linear_cost) + tolerances.FOLLOWER * response.size
    return Rows(matrix, np.full(len(conic), -np.inf), level[conic])


def _used(matrix: sp.csr_array, axis: int) -> np.ndarray:
    """Columns (axis 1) or rows (axis 0) of a matrix that hold an entry."""
    at = sp.coo_array(matrix).coords[axis]
    return np.asarray(np.bincount(at, minlength=matrix.shape[axis]) > 0)


class Face:
    """The followers' optimal answers as a polyhedron over the columns that it leaves free: one living linear program.

    `columns` are these columns of the program, `fixed` the program's columns with all that it does not leave free.
    """

    def __init__(self, problem: TieProblem) -> None:
        held = problem.held
        self.columns = problem.follower[~held[problem.follower]]
        self.fixed = np.where(held, problem.lower, 0.0)
        matrix = sp.csr_array(problem.face.matrix[:, self.columns])
        moved = problem.face.matrix @ self.fixed
        used = np.flatnonzero(np.diff(matrix.indptr) > 0)
        lower, upper = (problem.face.lower - moved)[used], (problem.face.upper - moved)[used]
        self.rows = Rows(sp.csr_array(matrix[used]), lower, upper)
        self.lower, self.upper = problem.lower[self.columns], problem.upper[self.columns]
        self.scale = problem.scale[self.columns]
        n = len(self.columns)
        self.mip = SolverProgram(
            np.zeros(n), 0.0, self.lower, self.upper, outer_approximation.continuous(n), self.rows, Cones.none(n), (),
            self.scale,
        )  # fmt: skip
        self.session = outer_approximation.opened(self.mip) if n else None
        self.endless = False

    def most(self, rates: Vector) -> tuple[float, Vector | None]:
        """The largest value of linear rates over the face, from above, and an answer that has it; inf and None without one.

        `endless` says then whether it has no end, or was not found.
        """
        if self.session is None:
            return 0.0, np.zeros(0)
        self.session.set_cost(-rates, 0.0)
        outcome = solved(self.session)
        if outcome.status != SolverStatus.OPTIMAL or outcome.x is None:
            self.endless = outcome.status == SolverStatus.UNBOUNDED
            return np.inf, None
        return -outcome.value, outcome.x

    def add(self, matrix: Vector | sp.csr_array, lower: Vector, upper: Vector) -> None:
        """More rows over the face's columns."""
        if self.session is not None and len(lower):
            self.session.add_rows(Rows(sp.csr_array(matrix), lower, upper))

    def whole(self, y: Vector) -> Vector:
        """The program's columns at this answer; the leader's free columns at 0."""
        full = self.fixed.copy()
        full[self.columns] = y
        return full


def solved(session: Scaled) -> Outcome:
    """A linear program's outcome within what a small program may take."""
    return session.solve(False, 0.0, budget.seconds(), False, budget.watch())
