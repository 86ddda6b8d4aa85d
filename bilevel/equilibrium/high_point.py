"""The single-level problem in which followers cooperate: what no leader can do better than (docs/model.md section 6)."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.certify import certificate
from bilevel.certify.certificate import Certificate
from bilevel.compile.compiler import compile_model
from bilevel.deadline import PhaseClock, require_limits
from bilevel.errors import ModelError, UnknownNameError
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones, stack_cones
from bilevel.program.rows import Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import part
from bilevel.progress import Progress, ProgressEvent
from bilevel.relax import exact, outer_approximation, tangent
from bilevel.search import verdicts
from bilevel.search.answered import load_point, solution_of
from bilevel.search.diagnose.explain import explained
from bilevel.search.incumbent import Incumbent
from bilevel.solution import Solution
from bilevel.solvers import SOLVERS, Outcome, clarabel
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import CheckKind, SolverStatus, Status

_VERDICTS = {SolverStatus.INFEASIBLE: Status.INFEASIBLE, SolverStatus.UNBOUNDED: Status.UNBOUNDED}


def cooperative(
    model: Any,
    gap: float = 1e-4,
    time_limit: float | None = None,
    progress: bool | Callable[[ProgressEvent], None] = True,
    solver: str = "highs",
) -> Solution:
    """The leader's best over everything that followers could do, their own costs aside: the high-point relaxation.

    Its bound is one of the bilevel optimum too.  The certificate has the rows, cones and the model's own checks, and none of the
    followers' optimality: they would rather do something else.  The values are loaded into the model.  Example:

        best = bilevel.cooperative(model)
        print(best.objective, "<=", bilevel.solve(model).objective)

    `solver` is "highs" (linear programs with tangents, and the leader's integers) or "clarabel" (an interior point, for continuous
    models: fast where quadratic rows are many, and precise where the objective comes near 0; its bound is the dual objective).

    Raises `ModelError` for a product of a leader's and a follower's variable in the leader's rows or objective, and for an integer
    variable with clarabel; `UnknownNameError` for another solver.
    """
    if solver not in _OPTIMA:
        raise UnknownNameError("solver", solver, _OPTIMA)
    require_limits(gap, time_limit)
    clock, deadline = PhaseClock(model), time.monotonic() + (np.inf if time_limit is None else time_limit)
    program = compile_model(model)
    _require_linear(program)
    clock.end("compile")
    with Progress(progress, program.sign) as line:
        line.phase("cooperation")
        with budget.until(deadline, line):
            found = _OPTIMA[solver](program, gap, deadline, line)
            if found.verdict == Status.INFEASIBLE:
                found.proof = _infeasible(program)
            elif found.verdict == Status.UNBOUNDED:
                found.proof = verdicts.cooperative_ray(program)
    clock.end("solve")
    x = load_point(program, found)
    recheck = Certificate(found.proof, found.verdict)
    if x is not None:
        recheck = certificate.check_relaxation(model, program, x, program.sign * found.bound, gap)
    clock.end("certify")
    cones = tangent.name if solver == "highs" else exact.name
    settings = {"solver": solver, "cones": cones, "gap": gap, "time_limit": time_limit, "followers": "cooperate"}
    return explained(
        model, solution_of(program, found, x, recheck, clock.seconds(), settings, line.why if line.interrupted else "")
    )


def _infeasible(program: Program) -> tuple[Check, ...]:
    """What proves that no point keeps the rows: their contradiction, or, where integers matter, branch and bound twice."""
    proof = verdicts.contradiction(verdicts.high_point(program), verdicts.COOPERATE)
    # Multipliers of the continuous rows are proof enough; where there are none, integers may be the reason
    if proof.ok or not program.integer.any():
        return (proof,)
    # Branch and bound leaves no multipliers to check, so that it has to agree with itself in other numbers
    sessions = [Scaled(SOLVERS["highs"].open(), scaling) for scaling in (True, False)]
    # Without cones more points are left: what has none even so has none
    for session in sessions:
        session.load(_mip(program, Cones.none(program.columns)))
    statuses = [session.solve(True, 0.0, budget.seconds(), False, budget.watch()).status for session in sessions]
    left = float(sum(status != SolverStatus.INFEASIBLE for status in statuses))
    detail = f"{verdicts.COOPERATE}, without cones: branch and bound of highs, scaled and unscaled"
    return (Check(verdicts.EXHAUSTED, left, 0.0, "of 2 disagree", detail=detail, kind=CheckKind.PROOF),)


def _require_linear(program: Program) -> None:
    b = program.bilinear
    if len(b.row):
        place = "objective" if b.row[0] < 0 else f"row {program.rows.names[int(b.row[0])]!r}"
        raise ModelError(
            f"the leader's {place} holds {program.name(int(b.leader[0]))!r} times {program.name(int(b.follower[0]))!r}, which is "
            "nonconvex where followers cooperate: leave the product out, or fix one of them"
        )


def _optimum(program: Program, gap: float, deadline: float, line: Progress) -> Incumbent:
    """Tangents until no cone is broken; leader integers by branch and bound each time."""
    cones = stack_cones(program.cones, program.followers.cones)
    session = Scaled(SOLVERS["highs"].open())
    session.load(_mip(program, Cones.none(program.columns)))
    found, whole = Incumbent(), bool(program.integer.any())
    latest: list[Outcome] = []

    def solve() -> Outcome:
        outcome = session.solve(whole, tolerances.MIP_SHARE * gap, deadline - time.monotonic(), False, line)
        if outcome.status == SolverStatus.UNBOUNDED and cones.count and not latest:
            # Without any tangent of its cones a program may have no end
            session.add_rows(tangent.initial_tangents(cones, tolerances.FIRST_WALL))
            outcome = session.solve(whole, tolerances.MIP_SHARE * gap, deadline - time.monotonic(), False, line)
        # Every round relaxes the cones, so that each of its bounds holds
        found.bound = max(found.bound, outcome.bound)
        line.update(found.bound, found.objective)
        latest.append(outcome)
        return outcome

    outcome = outer_approximation.rounds(solve, session.add_rows, tangent.cuts, cones, over=line.stop)
    said = _VERDICTS.get(outcome.status)
    if said is not None:
        # Tangents surround the cones: no end along tangents is no proof of no end
        return Incumbent(verdict=said if said == Status.INFEASIBLE or not cones.count else "")
    # The rounds may end without a point, and yet near enough to the cones for a certificate
    x = latest[-1].x if latest else None
    if x is not None and cones.gaps(x).min(initial=0.0) >= -tolerances.CONE_GAP:
        found.x, found.objective = x, program.offset + float(program.cost @ x)
    return found


def _with_epigraphs(program: Program) -> Vector:
    """The columns' scales, those of epigraphs as large as their squares."""
    scale, cones = program.scale.copy(), program.cones
    added = np.array([variable is None for variable in program.variables])
    at = sp.coo_array(part(cones.w, added[cones.w.indices]))
    # Epigraphs are compiled with the scale 1, whatever their squares come to
    scale[at.coords[1]] = cones.w_scale[at.coords[0]]
    return scale


def _mip(program: Program, cones: Cones) -> SolverProgram:
    rows = stack_rows([program.rows, program.followers.rows])
    return SolverProgram(
        program.cost, program.offset, program.lower, program.upper, program.integer, rows, cones, (), program.scale
    )


def _interior(program: Program, _gap: float, deadline: float, line: Progress) -> Incumbent:
    whole = np.flatnonzero(program.integer)
    if len(whole):
        raise ModelError(
            f"variable {program.name(int(whole[0]))!r} is integer, which clarabel does not take: use solver='highs', or make it "
            "continuous"
        )
    cones = stack_cones(program.cones, program.followers.cones)
    mip = _mip(program, cones)
    outcome = clarabel.solve(mip, deadline - time.monotonic())
    if outcome.status in (SolverStatus.NUMERICAL_ERROR, SolverStatus.OPTIMAL) and not np.isfinite(outcome.bound):
        # A point good to some digits has no bound: once more in other sizes, of epigraphs or of the values found
        values = np.zeros(0) if outcome.x is None else np.abs(outcome.x)
        scale = (
            _with_epigraphs(program) if outcome.x is None else np.maximum(values, tolerances.INTERIOR_FINER * mip.scale)
        )
        again = clarabel.solve(replace(mip, scale=scale), deadline - time.monotonic())
        outcome = again if np.isfinite(again.bound) else outcome
    if outcome.x is None:
        return Incumbent(verdict=_VERDICTS.get(outcome.status, ""))
    found = Incumbent(outcome.bound, outcome.objective, outcome.x)
    line.update(found.bound, found.objective)
    return found


_OPTIMA = {"highs": _optimum, clarabel.name: _interior}
