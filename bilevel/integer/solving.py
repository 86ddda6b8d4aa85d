"""The master given to a solver, with tangents of the leader's cones until none is broken."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.integer.draft import Draft
from bilevel.program.cones import Cones
from bilevel.program.rows import Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation, tangent
from bilevel.solvers import Outcome, SessionFactory
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus

WALLS = (1.0, tolerances.FIRST_WALL)
"""Where first tangents are laid, over a cone's size: near ones first, as slopes grow with the distance."""

ACTIVE = tolerances.STRICT
"""A limit nearer than this, over its terms, is one that a linear program stopped at."""

MOVED = tolerances.NOTHING
"""How far, over its own size, a column may be moved onto limits."""

MOST_ENTRIES = 4_000_000
"""Of the dense least squares that move a point; a larger one is left where it is."""


def solved(
    mip: SolverProgram, cones: Cones, solver: SessionFactory, allowed: Budget, cutoff: float = np.inf
) -> Outcome:
    """The best point, no dearer than `cutoff`, with a bound: that of every round holds, as tangents cut nothing off a cone."""
    if np.isfinite(cutoff):
        draft = Draft(mip.columns)
        draft.row(
            {int(at): float(mip.cost[at]) for at in np.flatnonzero(mip.cost)}, -np.inf, cutoff - mip.offset, "better"
        )
        mip = draft.on(mip)
    session = Scaled(solver.open(), allowed.scaling)
    session.load(mip)
    wide = cones.widened(mip.columns)
    best, nodes = -np.inf, 0

    def once() -> Outcome:
        return session.solve(True, tolerances.MIP_SHARE * allowed.gap, allowed.seconds, False, allowed.progress)

    def solve() -> Outcome:
        nonlocal best, nodes
        outcome = outer_approximation.walled(once, session.add_rows, wide, WALLS)
        nodes += outcome.nodes
        if outcome.status != SolverStatus.INFEASIBLE:
            best = max(best, outcome.bound)
        return outcome

    outcome = outer_approximation.rounds(solve, session.add_rows, tangent.cuts, wide, over=allowed.over)
    if outcome.status == SolverStatus.INFEASIBLE:
        return replace(outcome, nodes=nodes)
    x = outcome.x if outcome.x is None else sharpened(mip, wide, outcome.x)
    return replace(outcome, x=x, bound=best, nodes=nodes)


def sharpened(mip: SolverProgram, cones: Cones, x: Vector) -> Vector:
    """The point with its integers as they are and its other columns by linear programs, which keep rows to more digits.

    Where prices make answers tie, branch and bound stops within its tolerance of the tie, and followers answer on the wrong side.
    """
    value = np.round(x)
    held = replace(
        mip,
        lower=np.where(mip.integer, np.clip(value, mip.lower, mip.upper), mip.lower),
        upper=np.where(mip.integer, np.clip(value, mip.lower, mip.upper), mip.upper),
        integer=np.zeros(mip.columns, dtype=bool),
    )
    found = outer_approximation.Problem(held, cones, x if cones.count else None).optimum()
    return x if found.x is None else _on_limits(held, found.x)


def _on_limits(program: SolverProgram, x: Vector) -> Vector:
    """The point moved onto the bounds and limits that it is near: linear programs, too, stop within a tolerance of them."""
    near = ACTIVE * np.where(program.scale > 0, program.scale, 1.0)
    x = np.where(np.abs(x - program.lower) <= near, program.lower, x)
    x = np.where(np.abs(x - program.upper) <= near, program.upper, x)
    rows = program.rows
    at = rows.matrix @ x
    size = np.maximum(abs(rows.matrix) @ np.abs(x), tolerances.NOT_ZERO)
    limit = np.where(np.abs(at - rows.lower) <= np.abs(at - rows.upper), rows.lower, rows.upper)
    active = np.flatnonzero(np.abs(at - limit) <= ACTIVE * size)
    free = np.flatnonzero((x > program.lower) & (x < program.upper))
    if not len(active) or not len(free) or len(active) * len(free) > MOST_ENTRIES:
        return x
    # Rows over their size, as least squares weigh what numbers they are written in
    matrix = rows.matrix[active][:, free].toarray() / size[active, None]
    step = np.linalg.lstsq(matrix, (limit - at)[active] / size[active])[0]
    moved = x.copy()
    moved[free] += step
    return moved if (np.abs(step) <= MOVED * np.maximum(np.abs(x[free]), near[free] / ACTIVE)).all() else x
