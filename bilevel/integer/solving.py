"""The master given to a solver, with tangents of the leader's cones until none is broken."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.integer.draft import Draft
from bilevel.program.cones import Cones
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation, tangent
from bilevel.solvers import Outcome, SessionFactory
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus


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
    best, nodes = -np.inf, 0

    def solve() -> Outcome:
        nonlocal best, nodes
        outcome = session.solve(True, tolerances.MIP_SHARE * allowed.gap, allowed.seconds, False, allowed.progress)
        nodes += outcome.nodes
        if outcome.status != SolverStatus.INFEASIBLE:
            best = max(best, outcome.bound)
        return outcome

    wide = cones.widened(mip.columns)
    outcome = outer_approximation.rounds(solve, session.add_rows, tangent.cuts, wide, over=allowed.over)
    if outcome.status == SolverStatus.INFEASIBLE:
        return replace(outcome, nodes=nodes)
    return replace(outcome, bound=best, nodes=nodes)
