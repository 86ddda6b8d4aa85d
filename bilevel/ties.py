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
from bilevel.canonical import Program
from bilevel.cones import tangent
from bilevel.followers import Response, optimal_face
from bilevel.model import Check
from bilevel.program import Cones, Mip, Rows, Vector, stack_rows
from bilevel.progress import Quiet
from bilevel.scaling import Scaled
from bilevel.solvers import SOLVERS, Outcome

_MAX_STEPS = 5
_MAX_ROUNDS = 60
_BETTER = 1e-7


@dataclass(frozen=True)
class _Problem:
    """The leader's minimised objective over all program columns, with the seen decisions fixed; `state` are the leader's
    free columns, `face` the rows and bounds that keep followers optimal."""

    mip: Mip
    cones: Cones
    state: np.ndarray
    follower: np.ndarray
    face: Rows


def tie_checks(program: Program, x: Vector, response: Response) -> list[Check]:
    """Two lines that only report: the best and the worst of the leader's objective over the followers' ties."""
    name_best, name_worst = "ties, best objective", "ties, worst objective"
    if not response.solved:
        lost = "followers could not be solved again"
        return [Check(name, float("nan"), None, "objective", detail=lost) for name in (name_best, name_worst)]
    problem = _problem(program, x, response)
    session = Scaled(SOLVERS["highs"].open())
    session.load(problem.mip)
    best = _converge(session, problem)
    low = program.sign * best.objective if best.x is not None else float("nan")
    detail = "exact" if best.x is not None else "no tie keeps the leader's rows"
    high, how = _worst(program, problem, session, x)
    return [
        Check(name_best, low, None, "objective", detail=detail),
        Check(name_worst, program.sign * high, None, "objective", detail=how),
    ]


def _problem(program: Program, x: Vector, response: Response) -> _Problem:
    stack, n = program.followers, program.columns
    leader = stack.owner < 0
    seen = leader & (_used(stack.price, axis=0) | _used(stack.rows.matrix, axis=1))
    fixed = seen | program.integer
    fixed[program.links.column] = True
    low, high, row_low, row_high = optimal_face(program, response)
    lower, upper = np.where(fixed, x, program.lower), np.where(fixed, x, program.upper)
    lower[stack.columns], upper[stack.columns] = low, high
    curve = stack.quadratic[np.unique(stack.quadratic.indices)]
    level = curve @ x
    active = Rows(
        stack.rows.matrix,
        np.where(row_high, stack.rows.upper, stack.rows.lower),
        np.where(row_low, stack.rows.lower, stack.rows.upper),
    )
    # All optima of a convex quadratic program share Qy, and so its gradient
    face = stack_rows([active, Rows(sp.csr_array(curve), level, level)])
    b = program.bilinear
    products = sp.csr_array((b.coefficient * x[b.leader], (b.row + 1, b.follower)), shape=(program.rows.count + 1, n))
    cost = program.cost + products[[0]].toarray().ravel()
    rows = Rows(sp.csr_array(program.rows.matrix + products[1:]), program.rows.lower, program.rows.upper)
    mip = Mip(
        cost, program.offset, lower, upper, np.zeros(n, dtype=bool), stack_rows([rows, face]), Cones.none(n), (),
        program.scale,
    )  # fmt: skip
    return _Problem(mip, program.cones, np.flatnonzero(leader & ~fixed), stack.columns, face)


def _used(matrix: sp.csr_array, axis: int) -> np.ndarray:
    """Columns (axis 1) or rows (axis 0) of a matrix that hold an entry."""
    at = sp.coo_array(matrix).coords[axis]
    return np.asarray(np.bincount(at, minlength=matrix.shape[axis]) > 0)


def _converge(session: Scaled, problem: _Problem) -> Outcome:
    outcome = session.solve(False, 0.0, tolerances.SIDE_SECONDS, None, Quiet())
    for _ in range(_MAX_ROUNDS):
        if outcome.status != "optimal" or outcome.x is None:
            return replace(outcome, x=None)
        rows = tangent.cuts(problem.cones, outcome.x, tolerances.CONE_CUT)
        if not rows.count:
            break
        session.add_rows(rows)
        outcome = session.solve(False, 0.0, tolerances.SIDE_SECONDS, None, Quiet())
    return outcome


def _worst(program: Program, problem: _Problem, session: Scaled, x: Vector) -> tuple[float, str]:
    """Largest minimised objective over ties, and how it is known."""
    mip, mine = problem.mip, problem.follower
    if not np.any(mip.cost[problem.state]):
        fixed = float(mip.cost @ np.where(program.followers.owner < 0, x, 0.0)) + mip.offset
        vertex = _vertex(problem, -mip.cost[mine])
        return (fixed + float(mip.cost[mine] @ vertex), "exact") if vertex is not None else (np.nan, "no optimum")
    value, y = -np.inf, x[mine]
    for _ in range(_MAX_STEPS):
        session.set_column_bounds(mine, y, y)
        outcome = _converge(session, problem)
        if outcome.x is None or outcome.reduced_cost is None:
            return np.inf, "some tie breaks the leader's rows"
        if outcome.objective <= value + _BETTER * abs(value):
            break
        value = outcome.objective
        vertex = _vertex(problem, -outcome.reduced_cost[mine])
        if vertex is None:
            break
        y = vertex
    return value, "attained by a tie; the worst is at least this bad"


def _vertex(problem: _Problem, cost: Vector) -> Vector | None:
    """A best point of the followers' optimal sets for a linear cost, leader rows aside."""
    mine = problem.follower
    keep = problem.face.matrix[:, mine]
    seen = np.where(np.isin(np.arange(problem.mip.columns), mine), 0.0, np.nan_to_num(problem.mip.lower))
    seen[problem.state] = 0.0
    moved = problem.face.matrix @ seen
    rows = Rows(sp.csr_array(keep), problem.face.lower - moved, problem.face.upper - moved)
    mip = Mip(
        cost, 0.0, problem.mip.lower[mine], problem.mip.upper[mine], np.zeros(len(mine), dtype=bool), rows,
        Cones.none(len(mine)), (), problem.mip.scale[mine],
    )  # fmt: skip
    session = Scaled(SOLVERS["highs"].open())
    session.load(mip)
    return session.solve(False, 0.0, tolerances.SIDE_SECONDS, None, Quiet()).x
