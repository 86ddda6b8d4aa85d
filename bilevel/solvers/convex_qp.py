"""Convex quadratic programs of followers: HiGHS by active sets, Clarabel by an interior point where that fails.

HiGHS gives corners, which say what is exactly zero; but where the curvature has empty directions it calls some programs
nonconvex, takes some points for optimal that are worse by 1e-5 of their cost, and goes round for ever on others.
"""

from dataclasses import replace

import clarabel
import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.program.rows import split_limits
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers import Outcome, highs
from bilevel.solvers.scaling.scaled import reachable
from bilevel.status import SolverStatus

_LOOKED_AT = (SolverStatus.OPTIMAL, SolverStatus.NUMERICAL_ERROR, SolverStatus.TIME_LIMIT)
_SOLVED = (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved)


def solve(mip: SolverProgram, hessian: sp.csr_array) -> Outcome:
    """min cost @ x + x' hessian x / 2 over the program's rows and bounds; hessian is symmetric, semidefinite and may be 0."""
    lower, upper = reachable(mip.lower, mip.upper)
    mip = replace(mip, lower=lower, upper=upper)
    corner = _looked_at(mip, highs.solve_quadratic(mip, hessian, budget.seconds(), budget.watch()))
    # Without curvature it was a linear program, whose corner needs no second opinion
    if not hessian.nnz or corner.status not in _LOOKED_AT:
        return corner
    inner = _looked_at(mip, _interior_point(mip, hessian))
    # Of answers that are as good the corner stays, as it alone says what is exactly zero
    if corner.status != SolverStatus.OPTIMAL or (inner.x is not None and _worse(corner.objective, inner.objective)):
        return inner
    return corner


def _looked_at(mip: SolverProgram, outcome: Outcome) -> Outcome:
    """The outcome, or none where its point breaks a row: both solvers do so beside bounds of 1e17."""
    if outcome.x is None:
        return outcome
    kept = mip.rows.relative_violation(outcome.x, mip.scale) <= tolerances.FEASIBILITY
    return outcome if kept.all() else Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)


def _worse(objective: float, other: float) -> bool:
    return objective > other + tolerances.CORNER_WORSE * max(abs(other), tolerances.CORNER_WORSE)


def _interior_point(mip: SolverProgram, hessian: sp.csr_array) -> Outcome:
    """Equalities, then lower and upper limits of rows and columns as nonnegative slacks."""
    n = mip.columns
    matrix = sp.csr_array(sp.vstack([mip.rows.matrix, sp.eye_array(n)], format="csr"))
    lower, upper = np.concatenate([mip.rows.lower, mip.lower]), np.concatenate([mip.rows.upper, mip.upper])
    equal, low, high = split_limits(lower, upper)
    a = sp.csc_matrix(sp.vstack([matrix[equal], -matrix[low], matrix[high]], format="csc"))
    b = np.concatenate([upper[equal], -lower[low], upper[high]])
    cones = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(len(low) + len(high))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = max(budget.seconds(), tolerances.AT_ONCE)
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerances.QUADRATIC_INTERIOR_POINT
    # Clarabel reads the upper triangle, where HiGHS takes the lower one; both halve x' hessian x
    found = clarabel.DefaultSolver(sp.csc_matrix(sp.triu(hessian)), mip.cost, a, b, cones, settings).solve()
    if found.status not in _SOLVED:
        return Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
    x = np.clip(np.array(found.x), mip.lower, mip.upper)
    return Outcome(SolverStatus.OPTIMAL, x, float(found.obj_val), -np.inf)
