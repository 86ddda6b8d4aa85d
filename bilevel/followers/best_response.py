"""Every follower's exact answer to given prices, as one block-diagonal program on HiGHS (docs/model.md section 6)."""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.followers.optimal_cost import Response, respond
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, no_rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import largest, magnitude, scaled
from bilevel.relax import outer_approximation
from bilevel.solvers import Outcome, convex_qp
from bilevel.status import SolverStatus

_REFINED = 6


def best_response(program: Program, x: Vector, iteration: int = 0) -> Vector:
    """The followers' columns of an optimum of (7) at the leader's part of x, in the order of `followers.columns`.

    Linear and convex quadratic costs; where several responses are best it is one of them.  Raises `ModelError` naming the
    follower and the iteration when a follower has no optimum.
    """
    stack = program.followers
    outcome = _solve(program, x, np.arange(len(stack.names)))
    if outcome.x is None or outcome.status != SolverStatus.OPTIMAL:
        # Only these say something of a follower; time and lost digits are no fault of one
        if outcome.status in (SolverStatus.INFEASIBLE, SolverStatus.UNBOUNDED, SolverStatus.INFEASIBLE_OR_UNBOUNDED):
            _blame(program, x, iteration)
        raise ModelError(
            f"the followers could not be solved at the prices of iteration {iteration} (HiGHS says {outcome.status}): "
            "check the scales of their rows and costs"
        )
    # Solvers keep bounds within a tolerance, and what follows takes them as kept
    return np.clip(outcome.x * program.scale[stack.columns], program.lower[stack.columns], program.upper[stack.columns])


def fixed_follower_rows(program: Program, room: float = tolerances.FIXED_FOLLOWER_ROOM) -> Rows:
    """Rows for every follower that sees no free leader variable: what its optima have in common, whatever the leader does.

    Linear costs are least, gradients of quadratic ones the same for all optima.  Followers with quadratic rows get none.  `room`:
    by how much more than rounding the rows may be wide, over the size of their terms.
    """
    stack, free = program.followers, program.lower < program.upper
    leader = np.flatnonzero((stack.owner < 0) & free)
    moved = np.zeros(len(stack.names), dtype=bool)
    moved[stack.owner[sp.coo_array(stack.price[leader]).coords[1]]] = True
    moved[stack.row_owner[sp.coo_array(stack.rows.matrix[:, leader]).coords[0]]] = True
    which = np.flatnonzero(~moved & ~stack.conic)
    mine = np.flatnonzero(np.isin(stack.owner, which))
    # None of these followers sees a free leader variable, so that any value will do for it
    x = np.where(stack.owner < 0, program.lower, 0.0)
    x = np.where(np.isfinite(x), x, 0.0)
    answer = _solve(program, x, which) if len(which) else None
    if answer is None or answer.x is None or answer.status != SolverStatus.OPTIMAL:
        return no_rows(program.columns)
    x[mine] = np.clip(answer.x * program.scale[mine], program.lower[mine], program.upper[mine])
    proof = respond(program, x)
    # An answer that breaks rows may be cheaper than every feasible one, whatever solved it
    broken = stack.rows.relative_violation(x, program.least_size) > tolerances.FEASIBILITY
    if not proof.solved or broken[np.isin(stack.row_owner, which)].any():
        return no_rows(program.columns)
    # What the point breaks of its rows may make it cheaper than every feasible one, by the rows' duals times that
    cheaper = np.bincount(
        stack.row_owner, weights=np.abs(proof.row_dual) * stack.rows.violation(x), minlength=len(stack.names)
    ).astype(float)
    least, pinned = _least_costs(program, x, which, cheaper, room), _pinned(program, x, which, proof, cheaper, room)
    return stack_rows([least, pinned])


def _least_costs(program: Program, x: Vector, which: Index, cheaper: Vector, room: float) -> Rows:
    """Convexity makes the gradient at a feasible point a limit: no optimum is dearer in it than the point."""
    stack = program.followers
    mine = np.flatnonzero(np.isin(stack.owner, which))
    rates = stack.rates(x)
    # What a solver leaves of a 0 is no rate: next to the rates of columns that are held it would be all that is left of the row
    usual = np.abs(stack.cost) + abs(stack.price.T) @ np.abs(x) + magnitude(stack.quadratic, program.scale)
    rates = np.where(np.abs(rates) <= tolerances.FINE_DUST * usual, 0.0, rates)
    place = np.searchsorted(which, stack.owner[mine])
    matrix = sp.csr_array((rates[mine], (place, mine)), shape=(len(which), program.columns))
    wide = room * magnitude(matrix, np.maximum(np.abs(x), program.scale))
    names = tuple(f"least cost of {stack.names[k]}" for k in which.tolist())
    return Rows(matrix, np.full(len(which), -np.inf), matrix @ x + wide + cheaper[which], names)


def _pinned(program: Program, x: Vector, which: Index, proof: Response, cheaper: Vector, room: float) -> Rows:
    """Q y == Q x, where an optimum has curvature, as far as the point's own excess e proves it: (Q d)_j^2 <= 2 e Q_jj."""
    stack = program.followers
    curved = np.unique(stack.quadratic.nonzero()[1])
    curved = curved[np.isin(stack.owner[curved], which)]
    # Rounding may hide an excess, whose root is far larger than rounding
    excess = np.maximum(proof.linear_cost - proof.lower_bound, 0.0) + cheaper
    excess += tolerances.SOLVER_FEASIBILITY**2 * proof.size
    # Cauchy-Schwarz in Q, as d'Qd / 2 is at most what the point costs above the least
    wide = np.sqrt(2.0 * excess[stack.owner[curved]] * stack.quadratic.diagonal()[curved])
    matrix = sp.csr_array(stack.quadratic[curved])
    wide += room * magnitude(matrix, program.scale)
    names = tuple(f"gradient of {program.name(int(column))}" for column in curved)
    return Rows(matrix, matrix @ x - wide, matrix @ x + wide, names)


def _solve(program: Program, x: Vector, which: Index) -> Outcome:
    """Some of the followers: those with linear costs together, the others one by one, as the active set method of HiGHS needs.

    HiGHS regularises quadratic costs; solved again around its answer, what that costs goes away.
    """
    stack = program.followers
    curved = np.unique(stack.owner[np.unique(stack.quadratic.nonzero()[1])])
    groups = [np.setdiff1d(which, curved), *(np.array([k]) for k in np.intersect1d(which, curved))]
    found = np.where(stack.owner < 0, x, 0.0)
    for at, group in enumerate(groups):
        for step in range(1 + _REFINED * bool(at)):
            answer = _solve_together(program, found, group) if len(group) else None
            if answer is None:
                break
            if answer.x is None or answer.status != SolverStatus.OPTIMAL:
                # A refinement that fails takes nothing from the answer before it
                if step:
                    break
                return answer
            mine = np.isin(stack.owner, group)
            found[mine] += answer.x * program.scale[mine]
            if step and np.abs(answer.x).max(initial=0.0) <= tolerances.RESPONSE_STILL:
                break
    mine = np.isin(stack.owner, which)
    return Outcome(SolverStatus.OPTIMAL, found[mine] / program.scale[mine], 0.0, -np.inf)


def _solve_together(program: Program, x: Vector, which: Index) -> Outcome:
    """The best move of some followers from the point x; columns in units of their scale, every cost in units of its own."""
    stack = program.followers
    mine, rows = np.flatnonzero(np.isin(stack.owner, which)), np.isin(stack.row_owner, which)
    unit, owner = program.scale[mine], stack.owner[mine]
    rates = stack.rates(x)[mine]
    curve = stack.quadratic[mine][:, mine]
    # The solver's tolerance is one for all, and would hide a follower with small costs beside one with large
    share = unit / _cost_units(np.abs(rates) * unit, abs(curve.diagonal()) * unit**2, owner, len(stack.names))[owner]
    whole = stack.rows.matrix[rows]
    moved = whole @ x
    matrix = scaled(sp.csr_array(whole[:, mine]), columns=unit)
    size = largest(matrix)
    size = np.where(size > 0, size, 1.0)
    limits = Rows(
        scaled(matrix, 1.0 / size),
        (stack.rows.lower[rows] - moved) / size,
        (stack.rows.upper[rows] - moved) / size,
    )
    n = len(mine)
    mip = SolverProgram(
        rates * share, 0.0, (program.lower[mine] - x[mine]) / unit, (program.upper[mine] - x[mine]) / unit,
        outer_approximation.continuous(n), limits, Cones.none(n), (), np.ones(n),
    )  # fmt: skip
    return convex_qp.solve(mip, scaled(sp.csr_array(curve), share, unit))


def _cost_units(rates: Vector, curves: Vector, owner: Index, count: int) -> Vector:
    """What each follower's cost is measured in: its largest curvature, else its largest rate, else 1.

    The quadratic simplex of HiGHS goes round for ever on curvatures of 1e-3 and less.
    """
    rate, curve = np.zeros(count), np.zeros(count)
    np.maximum.at(rate, owner, rates)
    np.maximum.at(curve, owner, curves)
    return np.where(curve > 0, curve, np.where(rate > 0, rate, 1.0))


def _blame(program: Program, x: Vector, iteration: int) -> None:
    """Raises for the first follower that has no optimum alone."""
    for at, name in enumerate(program.followers.names):
        status = _solve(program, x, np.array([at])).status
        if status != SolverStatus.OPTIMAL:
            raise ModelError(
                f"follower {name!r} is {status} at the prices of iteration {iteration}: give it rows and bounds that leave it a "
                "best response at every price"
            )
