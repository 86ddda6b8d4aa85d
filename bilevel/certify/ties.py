"""How much the leader's objective depends on how followers break ties (model page section 4, "Optimistic and pessimistic").

At the leader decisions that followers see, each follower's set of optima is a polyhedron.  Over these sets, with the rest of
the leader's variables (the network) following, the least objective is a convex program and exact.  The largest is exact when
the objective depends on follower and seen variables only; otherwise convex maximisation gives a value that some tie attains,
so the true worst case is at least that bad, and it says so.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.followers.optimal_cost import Response, optimal_face
from bilevel.model import Check
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.cones import Cones, stack_cones
from bilevel.program.rows import Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation
from bilevel.status import CheckKind

_MAX_STEPS = 5
EXACT = "exact"


@dataclass(frozen=True)
class _Problem:
    """The leader's minimised objective over all program columns, with the seen decisions fixed; `state` are the leader's
    free columns, `face` and `face_cones` the rows that keep followers optimal; `cones` are all."""

    mip: SolverProgram
    cones: Cones
    state: np.ndarray
    follower: np.ndarray
    face: Rows
    face_cones: Cones


def tie_checks(program: Program, x: Vector, response: Response) -> list[Check]:
    """Two lines that only report: the best and the worst of the leader's objective over the followers' ties."""
    stack = program.followers
    name_best, name_worst = "ties, best objective", "ties, worst objective"
    own = bool((stack.owner[program.bilinear.follower] == LEADER).any())
    if own or not response.solved:
        lost = "followers could not be solved again"
        if own:
            lost = "not looked for: the leader's own products tie what followers see to their answers"
        return [
            Check(name, float("nan"), None, "objective", detail=lost, kind=CheckKind.REPORT)
            for name in (name_best, name_worst)
        ]
    problem = _problem(program, x, response)
    exact = "over responses within the tolerance of the followers' cost" if stack.cones.count else EXACT
    free = _free_range(program, problem, x)
    low = _best(problem, x, free)
    high, how = _worst(problem, x) if free is None else (free[1], EXACT if np.isfinite(free[1]) else "no optimum")
    how = exact if how == EXACT else how
    detail = exact if np.isfinite(low) else "no tie keeps the leader's rows"
    return [
        Check(name_best, program.sign * low, None, "objective", detail=detail, kind=CheckKind.REPORT),
        Check(name_worst, program.sign * high, None, "objective", detail=how, kind=CheckKind.REPORT),
    ]


def _problem(program: Program, x: Vector, response: Response) -> _Problem:
    stack, n = program.followers, program.columns
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
    rows = Rows(sp.csr_array(program.rows.matrix + products[1:]), program.rows.lower, program.rows.upper)
    mip = SolverProgram(
        cost,
        program.offset,
        lower,
        upper,
        outer_approximation.continuous(n),
        stack_rows([rows, face]),
        Cones.none(n),
        (),
        program.scale,
    )
    cones = stack_cones(program.cones, stack.cones)
    return _Problem(mip, cones, np.flatnonzero(leader & ~fixed), stack.columns, face, stack.cones)


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


def _free_range(program: Program, problem: _Problem, x: Vector) -> tuple[float, float] | None:
    """Least and largest minimised objective over ties, the leader's rows aside, where no free column of the leader enters it."""
    mip, mine = problem.mip, problem.follower
    if np.any(mip.cost[problem.state]):
        return None
    fixed = float(mip.cost @ np.where(program.followers.owner < 0, x, 0.0)) + mip.offset
    ends = [_vertex(problem, sign * mip.cost[mine]) for sign in (1.0, -1.0)]
    low, high = (np.nan if end is None else fixed + float(mip.cost[mine] @ end) for end in ends)
    return float(low), float(high)


def _best(problem: _Problem, x: Vector, free: tuple[float, float] | None) -> float:
    """Least minimised objective over ties that keep the leader's rows; NaN where none does."""
    attained = float(problem.mip.cost @ x) + problem.mip.offset
    # The free range leaves the leader's rows out: where even that is no better, the point is the best tie
    if free is not None and free[0] >= attained - tolerances.TIE_DIFFERENCE * abs(attained):
        return attained
    outcome = outer_approximation.Problem(problem.mip, problem.cones, x).optimum(attained)
    return outcome.objective if outcome.x is not None else float("nan")


def _worst(problem: _Problem, x: Vector) -> tuple[float, str]:
    """Largest minimised objective over ties, and how it is known."""
    given, mine = outer_approximation.Problem(problem.mip, problem.cones, x), problem.follower
    value, y = -np.inf, x[mine]
    # The leader's least objective is convex in the answers, so a vertex that its slope points to is no better for it
    for _ in range(_MAX_STEPS):
        given.hold(mine, y)
        outcome = given.optimum()
        if outcome.x is None or outcome.reduced_cost is None:
            return np.inf, "some tie breaks the leader's rows"
        if outcome.objective <= value + tolerances.TIE_DIFFERENCE * abs(value):
            break
        value = outcome.objective
        vertex = _vertex(problem, -outcome.reduced_cost[mine])
        if vertex is None:
            break
        y = vertex
    return value, "attained by a tie; the worst is at least this bad"


def _vertex(problem: _Problem, cost: Vector) -> Vector | None:
    """A best point of the followers' optimal sets for a linear cost, leader rows aside."""
    mip, mine = problem.mip, problem.follower
    lower, upper, whole = mip.lower.copy(), mip.upper.copy(), np.zeros(mip.columns)
    lower[problem.state], upper[problem.state], whole[mine] = 0.0, 0.0, cost
    alone = replace(mip, cost=whole, offset=0.0, lower=lower, upper=upper, rows=problem.face)
    x = outer_approximation.converge(outer_approximation.opened(alone), problem.face_cones).x
    return None if x is None else x[mine]
