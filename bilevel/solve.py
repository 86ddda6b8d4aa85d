"""`solve`: a Pyomo model with followers to a certified global optimum."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bilevel import budget
from bilevel.budget import Budget
from bilevel.certify import certificate
from bilevel.certify.certificate import Certificate
from bilevel.compile.compiler import compile_model
from bilevel.compile.walk import require_own
from bilevel.deadline import PhaseClock
from bilevel.errors import require
from bilevel.followers.replayed import at_zero, replayed
from bilevel.integer.answer import answered
from bilevel.pessimistic.answer import pessimistic
from bilevel.pessimistic.bracket import SHARE
from bilevel.program.bilevel_program import Program
from bilevel.progress import Progress, ProgressEvent, Quiet
from bilevel.reformulate.ties import OPTIMISTIC, PESSIMISTIC, SECURE, wanted
from bilevel.search import attempts
from bilevel.search.answered import load_point, solution_of
from bilevel.search.attempts import Answer
from bilevel.search.diagnose.explain import explained
from bilevel.search.diagnose.finer import resolved
from bilevel.search.incumbent import Incumbent
from bilevel.search.plan import AUTO, Asked, pick
from bilevel.search.proving import proof as proving
from bilevel.solution import Solution

LIMITS = {SECURE: 600.0, PESSIMISTIC: 600.0}
"""Seconds where no time limit is given, by the convention of ties."""

_FOREVER, _ENDLESS = 1e15, 1e14


def solve(
    model: Any, solver: str = AUTO, mode: str = AUTO, cones: str = "tangent", gap: float = 1e-4,
    time_limit: float | None = None, progress: bool | Callable[[ProgressEvent], None] = True, scaling: bool = True,
    warm_start: bool | Sequence[Mapping[Any, float]] = False, root: str = AUTO, proof: bool = False,
    ties: str = OPTIMISTIC, margin: float | None = None,
) -> Solution:  # fmt: skip
    """Solve a Pyomo model with `Follower` blocks to global optimality.

    - `solver`: auto (highs where linear programs will do, then scip, or gurobi with a licence of your own; what was tried is in
      `Solution.attempts`), highs, scip, gurobi, or "pyomo:<name>" for any solver that Pyomo knows;
    - `mode`: auto (the first that fits, reported in `settings`), big_m (needs bounds that can be proven), branching (on highs,
      needs none), sos1, indicator, product (these on scip and gurobi), or strong_duality (nonconvex where a follower sees a
      leader variable times its own);
    - `cones`: tangent, tower, or exact (scip, gurobi), for convex quadratic rows of the leader;
    - `gap`: relative gap |objective - bound| / |objective| at which to stop; `time_limit`: seconds, None for no limit (for 600 of
      secure and of pessimistic answers, whose gap may stay open by a thousandth where users share hours: math.inf for none);
    - `progress`: True for a live line on standard error, False for silence, or a callable that takes `ProgressEvent`s;
    - `scaling`: False hands the solver the model's own numbers, for comparing with tools that do the same;
    - `warm_start`: decisions of the leader to try first, each a `ComponentMap` from variable to value (others as they stand in the
      model); True for the values that stand in the model;
    - `root`: what is done before branching: "auto", "none", or names with commas between them, out of envelopes, primal_dual,
      limits and alternating (docs/choosing.md);
    - `proof`: prove the bound by a tree whose leaves the checker follows without a solver: `Solution.proof`, time apart in
      `seconds["prove"]`; the bound is then the proven one; not with secure answers;
    - `ties`: optimistic (followers who are indifferent do what suits the leader), secure (every follower's response is unique, by
      the margin, which the check `response unique` proves) or pessimistic (they do what suits the leader least: docs/ties.md);
    - `margin`: of secure answers, in the unit of the leader's variables that price a follower's columns (in its cost over its
      columns for a follower without prices); None for 1e-4 of these variables' range (of the size of its cost).

    The values found are loaded into the model; Ctrl-C and the time limit keep the best point with its bound.  Example:

        solution = bilevel.solve(model, gap=1e-4)
        print(solution.status, solution.objective, solution.bound)
        print(solution.certificate.to_frame())

    Raises `ModelError` (the model cannot be solved exactly, the component is named), `UnknownNameError` (solver, mode, cones,
    root, ties), `FeatureError` (the solver lacks what mode or cones need), `LicenceError`, or `BilevelError` (gap, time, margin).
    """
    # Bad settings are refused before any work
    time_limit = _limited(ties, time_limit, scaling, proof)
    asked = pick(solver, mode, cones, gap, time_limit, root, wanted(ties, margin, proof))
    # Decisions are keyed by variables, which no file of settings holds
    settings = {
        "solver": solver, "solver_asked": solver, "mode": mode, "mode_asked": mode, "cones": cones, "gap": gap,
        "time_limit": time_limit, "scaling": scaling, "warm_start": bool(warm_start), "root": ",".join(asked.root), "proof": proof,
        **asked.ties.told(),
    }  # fmt: skip
    if asked.ties.name == PESSIMISTIC:

        def ask(other: Any, convention: str, least: float | None, seconds: float) -> Solution:
            # Bound and decision come from two solves, and margins need room too
            share, starts = gap * SHARE, warm_start if other is model else False
            return solve(
                other,
                solver,
                mode,
                cones,
                share,
                _limit(seconds),
                False,
                scaling,
                starts,
                root,
                False,
                convention,
                least,
            )

        with Progress(progress) as line:
            return pessimistic(model, ask, settings, asked.nonconvex, line, _budget(gap, time_limit, line, scaling))
    return _solved(model, asked, settings, progress, lambda program: _decisions(model, program, warm_start))


def _solved(
    model: Any, asked: Asked, settings: dict[str, Any], progress: bool | Callable[[ProgressEvent], None],
    decisions: Callable[[Program], tuple[np.ndarray, ...]],
) -> Solution:  # fmt: skip
    """One search, with a proof where the settings ask for it, and its recheck."""
    gap, proof = settings["gap"], settings["proof"]
    clock = PhaseClock(model)
    with Progress(progress) as line:
        # Begun here, so that compiling counts as time
        allowed = _budget(gap, settings["time_limit"], line, settings["scaling"])
        program = compile_model(model)
        line.sign = program.sign
        if len(program.whole_answers):
            return explained(model, answered(model, program, settings, line, allowed, clock, asked))
        with budget.until(allowed.deadline, line):
            answer = attempts.found(asked, program, allowed, clock, lambda: decisions(program))
            answer, log = proving.proven(answer, allowed, clock) if proof else (answer, None)
        clock.end("compile", "solve")
        # From here on Ctrl-C is not why the search ended, nor does it end the recheck, without which no point counts
        stopped, line.finishing = line.why if line.interrupted else "", True
        line.phase("rechecking")
        spent = time.monotonic() - line.started
        # A solver that goes on beyond its time takes nothing from the recheck, which would know neither ties nor losses
        end = max(allowed.deadline, time.monotonic()) + allowed.grace
        with budget.until(end, Quiet(), spent, lambda: line.interrupted):
            found, x, recheck = _rechecked(model, answer, gap)
        line.finishing = False
    clock.end("certify")
    settings |= answer.told
    phases = clock.seconds()
    told = solution_of(answer.program, found, x, recheck, phases, settings, stopped, line.nodes, answer.attempts, log)
    # The model's own words for loose cones are about its values, which stand in it by now
    return explained(model, told)


def _limited(ties: Any, time_limit: float | None, scaling: Any, proof: Any) -> float | None:
    """The time limit that stands; refuses flags that are none."""
    for name, flag in (("scaling", scaling), ("proof", proof)):
        require(name, flag, isinstance(flag, bool), "True or False")
    if isinstance(ties, str) and ties in LIMITS:
        return LIMITS[ties] if time_limit is None else None if time_limit == math.inf else time_limit
    return time_limit


def _limit(seconds: float) -> float | None:
    """A time limit of what is left, None where that is no limit."""
    return None if seconds >= _ENDLESS else max(seconds, 0.0)


def _budget(gap: float, time_limit: float | None, line: Progress, scaling: bool) -> Budget:
    """From now on."""
    limit = _FOREVER if time_limit is None else float(time_limit)
    return Budget(gap, time.monotonic() + limit, line, scaling, budget.grace(limit))


def _decisions(model: Any, program: Program, starts: bool | Sequence[Mapping[Any, float]]) -> tuple[np.ndarray, ...]:
    """Points for the leader's decisions given; without a value for some variable that followers see, a decision is none."""
    listed = isinstance(starts, Sequence) and all(isinstance(each, Mapping) for each in starts)
    require(
        "warm_start",
        starts,
        isinstance(starts, bool) or listed,
        "True, False, or a list of maps from variable to value",
    )
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
        # Followers may see the choices of a domain, which go with the decision
        x = program.domains.completed(x)
        if not np.isnan(x[program.linking_columns]).any():
            x = np.clip(np.where(np.isnan(x), 0.0, x), program.lower, program.upper)
            found.append(program.domains.completed(x))
    return tuple(found)


def _rechecked(model: Any, answer: Answer, gap: float) -> tuple[Incumbent, np.ndarray | None, Certificate]:
    """What was found without a bound that means nothing, the point as it stands in the model now, and its certificate."""
    form, found = answer.form, answer.found
    x = load_point(answer.program, found)
    # Before the certificate, which compares the point with the bound
    found = resolved(answer.program, form, found)
    if form is None or x is None or found.x is None:
        told = tuple(line for line in answer.doubts if line.name == proving.NAME)
        recheck = Certificate((*found.proof, *told), found.verdict)
    else:
        bound, duals = form.program.sign * found.bound, form.kkt.multipliers(found.x)
        recheck = certificate.check_point(model, form.program, x, form, duals, bound, gap, answer.doubts)
        if not recheck.valid and form.conic and not len(form.program.links.column):
            x, recheck = _answered_again(model, answer, x, recheck, gap)
    # Once more: a point that fails says nothing of the objective's size, beside which its bound looked fine
    return resolved(answer.program, form, found, recheck.valid), x, recheck


def _answered_again(
    model: Any, answer: Answer, x: np.ndarray, recheck: Certificate, gap: float
) -> tuple[np.ndarray, Certificate]:
    """A point that fails, or one with the followers' own answers in its place: valid at best, as it has no multipliers."""
    program = answer.program
    for decision in (at_zero(program, x), x):
        other = replayed(program, decision)
        if other is not None:
            other = program.load(other)
            bound = program.sign * answer.found.bound
            again = certificate.check_point(model, program, other, answer.form, None, bound, gap, answer.doubts)
            if again.valid:
                return other, again
    return program.load(x), recheck
