"""`solve`: a Pyomo model with followers to a certified global optimum."""

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from pyomo.common.collections import ComponentMap

from bilevel import budget, solvers
from bilevel.budget import Budget, OutOfTimeError
from bilevel.certify import certificate
from bilevel.certify.certificate import Certificate
from bilevel.compile.compiler import compile_model
from bilevel.compile.walk import require_own
from bilevel.deadline import PhaseClock
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.progress import Progress, ProgressEvent, Quiet
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.search import verdicts
from bilevel.search.diagnose import loose_cones, reasons, unattained, user_limits
from bilevel.search.diagnose.explain import explained
from bilevel.search.diagnose.finer import finer, resolved
from bilevel.search.diagnose.infeasible import explain_infeasibility
from bilevel.search.incumbent import Incumbent
from bilevel.search.plan import AUTO, Asked, Plan, pick
from bilevel.solution import Solution
from bilevel.solvers import Feature, clarabel, tested
from bilevel.status import Status

_FOREVER = 1e15


def solve(
    model: Any,
    solver: str = "highs",
    mode: str = AUTO,
    cones: str = "tangent",
    gap: float = 1e-4,
    time_limit: float | None = None,
    progress: bool | Callable[[ProgressEvent], None] = True,
    scaling: bool = True,
    warm_start: bool | Sequence[Mapping[Any, float]] = False,
) -> Solution:
    """Solve a Pyomo model with `Follower` blocks to global optimality, optimistic in the followers' ties.

    - `solver`: highs (needs no licence), scip, gurobi, or "pyomo:<name>" for any solver that Pyomo knows;
    - `mode`: auto (the first that fits, reported in `settings`), big_m (needs bounds that can be proven), branching (on highs,
      needs none), sos1, indicator, product (these on scip and gurobi), or strong_duality (nonconvex where a follower sees a
      leader variable times its own);
    - `cones`: tangent, tower, or exact (scip, gurobi), for convex quadratic rows of the leader;
    - `gap`: relative gap |objective - bound| / |objective| at which to stop; `time_limit`: seconds, None for no limit;
    - `progress`: True for a live line on standard error, False for silence, or a callable that takes `ProgressEvent`s;
    - `scaling`: False hands the solver the model's own numbers, for comparing with tools that do the same;
    - `warm_start`: decisions of the leader to try first, each a `ComponentMap` from variable to value (others as they stand in the
      model); True for the values that stand in the model.

    The values found are loaded into the model; Ctrl-C and the time limit keep the best point with its bound.  Example:

        solution = bilevel.solve(model, gap=1e-4)
        print(solution.status, solution.objective, solution.bound)
        print(solution.certificate.to_frame())

    Raises `ModelError` (the model cannot be solved exactly, the component is named), `UnknownNameError` (solver, mode, cones),
    `FeatureError` (the solver lacks what mode or cones need), `LicenceError`, or `BilevelError` (gap, time limit).
    """
    # Bad settings are refused before any work
    asked = pick(solver, mode, cones, gap, time_limit)
    limit = _FOREVER if time_limit is None else float(time_limit)
    settings = {"solver": solver, "mode": mode, "mode_asked": mode, "cones": cones, "gap": gap}
    # Decisions are keyed by variables, which no file of settings holds
    settings |= {"time_limit": time_limit, "scaling": scaling, "warm_start": bool(warm_start)}
    clock = PhaseClock(model)
    with Progress(progress) as line:
        # Begun here, so that compiling counts as time
        allowed = Budget(gap, time.monotonic() + limit, line, scaling, budget.grace(limit))
        program = compile_model(model)
        line.sign = program.sign
        with budget.until(allowed.deadline, line):
            answer = _found(asked, program, allowed, clock, lambda: _decisions(model, program, warm_start))
        clock.end("compile", "solve")
        # From here on Ctrl-C is not why the search ended, nor does it end the recheck, without which no point counts
        stopped, line.finishing = line.interrupted, True
        line.phase("rechecking")
        with budget.until(allowed.deadline + allowed.grace, Quiet()):
            found, x, recheck = _rechecked(model, answer, gap)
        line.finishing = False
    clock.end("certify")
    settings |= answer.told
    # The model's own words for loose cones are about its values, which stand in it by now
    return explained(
        model, solution_of(answer.program, found, x, recheck, clock.seconds(), settings, stopped, line.nodes)
    )


@dataclass(frozen=True)
class _Answer:
    """What was found on a program and its one level, the checks that came with it, and what `Solution.settings` tells of the way:
    mode and cones, the steps of the search with their seconds, the stages with their sizes."""

    program: Program
    form: Reformulation | None = None
    found: Incumbent = field(default_factory=Incumbent)
    doubts: tuple[Check, ...] = ()
    told: dict[str, Any] = field(default_factory=dict)


def _found(
    asked: Asked, program: Program, allowed: Budget, clock: PhaseClock, decisions: Callable[[], tuple[np.ndarray, ...]]
) -> _Answer:
    """What the plan for a program finds; what is known so far where the time is over before there is a plan."""
    answer = _Answer(program)
    try:
        allowed.progress.phase("proving limits", later=True)
        form = assemble(program, Feature.NONCONVEX in asked.solver.features)
        answer = _Answer(program, form)
        # Only now: which mode fits depends on the limits that were proven
        plan = asked.plan(form)
        answer = _Answer(program, form, told={"mode": plan.mode.name, "cones": plan.treatment.name})
        clock.end("compile")
        return _answered(form, plan, allowed, decisions())
    except OutOfTimeError as error:
        answer.found.ended = str(error)
        return answer


def _answered(form: Reformulation, plan: Plan, allowed: Budget, decisions: tuple[np.ndarray, ...]) -> _Answer:
    """What is found, once more in finer units where that was solved too coarsely; and the program in these units."""
    answer = _searched(form, plan, allowed, decisions)
    found = answer.found
    done = found.gap(form.program.objective_floor(found.x)) <= allowed.gap
    # Where the gap is open, coarse units are not what is missing
    fine = finer(form, found.x) if done and not allowed.over() else None
    if fine is not None:
        again = _searched(fine, plan, allowed, decisions)
        # Both searches took their time, whichever answer counts
        told = {**answer.told, "strategy": [*answer.told["strategy"], *again.told["strategy"]]}
        # The time may end before the finer program has a point, and a coarse one is better than none
        answer = replace(again if again.found.x is not None else answer, told=told)
    return answer


def _searched(form: Reformulation, plan: Plan, allowed: Budget, decisions: tuple[np.ndarray, ...]) -> _Answer:
    """What the search finds, and looks that it takes afterwards: unattained infima, limits of the user's, loose cones."""
    program = form.program
    search = plan.search(form, allowed)
    found = search.run(decisions=decisions)
    told = {
        "mode": plan.mode.name,
        "cones": plan.treatment.name,
        "strategy": [{"step": name, "seconds": spent} for name, spent in search.trace],
        "stages": list(search.state.chain.sizes()),
    }
    # A bound that the point meets is attained; behind an open gap may be an infimum that no decision attains
    if not allowed.over() and found.gap(program.objective_floor(found.x)) > allowed.gap:
        found = unattained.probe(form, found, plan.solver, plan.mode, plan.treatment, allowed)
        # The probe may have found a point below the bound, which proves the bound wrong
        found = found.refuted(allowed.gap, program.objective_floor(found.x))
    doubts: tuple[Check, ...] = ()
    # In every mode: the limits hold the multiplier columns, whether an M rests on them or not
    if form.bounds.user and found.x is not None:

        def again(wide: Reformulation) -> Incumbent:
            return plan.search(wide, allowed).run()

        doubts = user_limits.checks(form, found, allowed, Feature.NONCONVEX in plan.solver.features, again)
    charged = loose_cones.close(form, search, found, allowed)
    if found.verdict == Status.INFEASIBLE:
        # A follower that can do nothing at all is named by a refusal, which says more than a verdict
        explain_infeasibility(form)
        # That a solver finds no point is its claim; rows that contradict each other prove it
        found.proof = verdicts.infeasible(form, found.proof)
    return _Answer(program, form, charged.found, (*doubts, *([charged.check] if charged.check else [])), told)


def _decisions(model: Any, program: Program, starts: bool | Sequence[Mapping[Any, float]]) -> tuple[np.ndarray, ...]:
    """Points for the leader's decisions given; without a value for some variable that followers see, a decision is none."""
    given: Sequence[Mapping[Any, float]] = [{}] if starts is True else starts or []
    column = {id(variable): at for at, variable in program.own}
    found = []
    for decision in given:
        x = program.values()
        for variable, value in decision.items():
            require_own(variable, model, "warm_start gives a value for")
            # A variable that nothing uses has no column, and decides nothing
            if id(variable) in column:
                x[column[id(variable)]] = value
        if not np.isnan(x[program.linking_columns]).any():
            x = np.clip(np.where(np.isnan(x), 0.0, x), program.lower, program.upper)
            found.append(program.domains.completed(x))
    return tuple(found)


def load_point(program: Program, found: Incumbent) -> np.ndarray | None:
    """The point within its column bounds, put into the Pyomo variables."""
    if found.x is None:
        return None
    return program.load(program.part_of(found.x))


def _rechecked(model: Any, answer: _Answer, gap: float) -> tuple[Incumbent, np.ndarray | None, Certificate]:
    """What was found without a bound that means nothing, the point as it stands in the model now, and its certificate."""
    form, found = answer.form, answer.found
    x = load_point(answer.program, found)
    # Before the certificate, which compares the point with the bound
    found = resolved(answer.program, form, found)
    if form is None or x is None or found.x is None:
        recheck = Certificate(found.proof, found.verdict)
    else:
        bound, duals = form.program.sign * found.bound, form.kkt.multipliers(found.x)
        recheck = certificate.check_point(model, form.program, x, form, duals, bound, gap, answer.doubts)
    # Once more: a point that fails says nothing of the objective's size, beside which its bound looked fine
    return resolved(answer.program, form, found, recheck.valid), x, recheck


def solution_of(
    program: Program, found: Incumbent, x: np.ndarray | None, recheck: Certificate, seconds: dict[str, float],
    settings: dict[str, Any], stopped: bool, nodes: int = 0,
) -> Solution:  # fmt: skip
    """The answer for what a search found, with the status that its certificate gives."""
    # A bound that a tie refutes leaves no gap
    known = math.isfinite(found.bound) and (x is None or math.isfinite(recheck["global gap"].value))
    bound = program.sign * found.bound if known else math.nan
    if x is None:
        status = recheck.status
        objective, gap, values, found_values = math.nan, math.inf, {}, ComponentMap()
    else:
        status, objective, gap = recheck.status, program.objective(x), recheck["global gap"].value
        # A point that fails, or that rests on an assumption, is told as such first
        if status in (Status.CERTIFIED, Status.FEASIBLE) and found.verdict == Status.NOT_ATTAINED:
            status = Status.NOT_ATTAINED
        found_values = ComponentMap((variable, float(x[at])) for at, variable in program.own)
        values = {str(variable.name): value for variable, value in found_values.items()}
    reason = reasons.reason(
        status, recheck, found.ended, stopped, seconds["compile"] + seconds["solve"], settings["time_limit"]
    )
    # This sentence names the variable, where the proof knows only a row that is empty
    if status == Status.INFEASIBLE and program.domains.nowhere:
        reason = program.domains.nowhere
    reason = "; ".join(filter(None, (reason, tested.remark(settings["solver"]))))
    return Solution(
        status, objective, bound, gap, seconds, values, recheck, reason, settings, _versions(settings["solver"]), nodes,
        found_values,
    )  # fmt: skip


def _versions(solver: str) -> dict[str, str]:
    names = ("bilevel-grid", "pyomo", "numpy", "scipy")
    return {
        "python": platform.python_version(),
        **{name: tested.release(name) for name in names},
        # Clarabel answers in `cooperative`, and is none of the solvers of `solve`
        solver: tested.release(solver) if solver == clarabel.name else solvers.find(solver).version(),
        **{package: f"{installed} (not tested)" for package, installed in tested.untested(solver).items()},
    }
