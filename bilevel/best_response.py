"""Every follower's exact answer to given prices, as one block-diagonal program on HiGHS (docs/model.md section 6)."""

import numpy as np
import scipy.sparse as sp

from bilevel import outer
from bilevel.canonical import Program
from bilevel.errors import ModelError
from bilevel.program import Cones, Index, Mip, Rows, Vector, no_rows
from bilevel.solvers import Outcome, highs

_ROOM = 1e-8


def best_response(program: Program, x: Vector, iteration: int = 0) -> Vector:
    """The followers' columns of an optimum of (7) at the leader's part of x, in the order of `followers.columns`.

    Linear and convex quadratic costs; where several responses are best it is one of them.  Raises `ModelError` naming the
    follower and the iteration when a follower has no optimum.
    """
    stack = program.followers
    outcome = _solve(program, x, np.arange(len(stack.names)))
    if outcome.x is None or outcome.status != "optimal":
        if outcome.status in ("infeasible", "unbounded", "unclear"):
            _blame(program, x, iteration)
        raise ModelError(
            f"the followers could not be solved at the prices of iteration {iteration} (HiGHS says {outcome.status}): "
            "check the scales of their rows and costs"
        )
    return np.clip(outcome.x * program.scale[stack.columns], program.lower[stack.columns], program.upper[stack.columns])


def known_values(program: Program) -> Rows:
    """A row rates @ y <= least for every follower that sees no free leader variable: its optima, whatever the leader does.

    With a quadratic cost the rates are its gradient at an optimum, which all optima share.  Followers with quadratic rows get none.
    """
    stack, free = program.followers, program.lower < program.upper
    leader = np.flatnonzero((stack.owner < 0) & free)
    moved = np.zeros(len(stack.names), dtype=bool)
    moved[stack.owner[sp.coo_array(stack.price[leader]).coords[1]]] = True
    moved[stack.row_owner[sp.coo_array(stack.rows.matrix[:, leader]).coords[0]]] = True
    which = np.flatnonzero(~moved & ~stack.conic)
    mine = np.flatnonzero(np.isin(stack.owner, which))
    x = np.where(stack.owner < 0, program.lower, 0.0)
    x = np.where(np.isfinite(x), x, 0.0)
    answer = _solve(program, x, which) if len(which) else None
    if answer is None or answer.x is None or answer.status != "optimal":
        return no_rows(program.columns)
    x[mine] = answer.x * program.scale[mine]
    rates = np.where(np.isin(stack.owner, which), stack.rates(x), 0.0)
    place = np.searchsorted(which, stack.owner[mine])
    matrix = sp.csr_array((rates[mine], (place, mine)), shape=(len(which), program.columns))
    room = _ROOM * (abs(matrix) @ np.maximum(np.abs(x), program.scale))
    names = tuple(f"least cost of {stack.names[k]}" for k in which.tolist())
    return Rows(matrix, np.full(len(which), -np.inf), matrix @ x + room, names)


def _solve(program: Program, x: Vector, which: Index) -> Outcome:
    """Some of the followers; columns in units of their scale, every follower's cost in units of its own."""
    stack = program.followers
    mine, rows = np.flatnonzero(np.isin(stack.owner, which)), np.isin(stack.row_owner, which)
    unit, owner = program.scale[mine], stack.owner[mine]
    rates = (stack.cost + stack.price.T @ x)[mine]
    curve = stack.quadratic[mine][:, mine]
    share = unit / _cost_units(np.abs(rates) * unit, abs(curve.diagonal()) * unit**2, owner, len(stack.names))[owner]
    leader = np.where(stack.owner < 0, x, 0.0)
    whole = stack.rows.matrix[rows]
    moved = whole @ leader
    matrix = sp.csr_array(whole[:, mine] @ sp.diags_array(unit))
    largest = abs(matrix).max(axis=1).toarray().ravel() if matrix.shape[0] else np.zeros(0)
    largest = np.where(largest > 0, largest, 1.0)
    limits = Rows(
        sp.csr_array(sp.diags_array(1.0 / largest) @ matrix),
        (stack.rows.lower[rows] - moved) / largest,
        (stack.rows.upper[rows] - moved) / largest,
    )
    n = len(mine)
    mip = Mip(
        rates * share, 0.0, program.lower[mine] / unit, program.upper[mine] / unit,
        outer.continuous(n), limits, Cones.none(n), (), np.ones(n),
    )  # fmt: skip
    hessian = sp.diags_array(share) @ curve @ sp.diags_array(unit)
    return highs.solve_quadratic(mip, sp.csr_array(hessian))


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
        if status != "optimal":
            raise ModelError(
                f"follower {name!r} is {status} at the prices of iteration {iteration}: give it rows and bounds that leave it a "
                "best response at every price"
            )
