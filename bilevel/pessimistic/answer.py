"""The answer of a pessimistic solve: the bracket's best decision with its worst tie, rechecked."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bilevel import budget
from bilevel.budget import Budget
from bilevel.certify import certificate
from bilevel.certify.certificate import Certificate
from bilevel.compile.compiler import compile_model
from bilevel.deadline import PhaseClock
from bilevel.errors import ModelError
from bilevel.model import Check
from bilevel.pessimistic.bracket import Ask, Bracket, Decision, Hunt
from bilevel.program.bilevel_program import Program
from bilevel.progress import Progress, Quiet
from bilevel.search.answered import load_point, solution_of
from bilevel.search.incumbent import Incumbent
from bilevel.solution import Solution
from bilevel.status import CheckKind, Status

WORST = "worst tie"


def pessimistic(
    model: Any, ask: Ask, settings: Mapping[str, Any], nonconvex: bool, line: Progress, allowed: Budget
) -> Solution:
    """Narrow the bracket of a model, and tell its best decision; `ask` solves a model with the user's settings.

    Raises `ModelError` for followers with quadratic rows and for products of the leader's own, whose ties have no proven worst.
    """
    clock = PhaseClock(model)
    program = compile_model(model)
    _refuse(program)
    line.sign = program.sign
    clock.end("compile")
    with budget.until(allowed.deadline, line):
        found = Hunt(model, program, ask, allowed, nonconvex).run()
    clock.end("solve")
    line.finishing = True
    line.phase("rechecking")
    with budget.until(allowed.deadline + allowed.grace, Quiet(), 0.0, lambda: line.interrupted):
        told = _told(model, program, found, allowed.gap, clock, dict(settings))
    line.finishing = False
    return told


def _refuse(program: Program) -> None:
    stack = program.followers
    if stack.cones.count:
        name = stack.names[int(stack.cone_owner[0])]
        raise ModelError(
            f"follower {name!r} has quadratic rows, whose ties have no proven worst: leave out ties='pessimistic'"
        )
    own = program.followers.owner[program.bilinear.follower] < 0
    if own.any():
        at = int(np.flatnonzero(own)[0])
        first, second = (program.name(int(part[at])) for part in (program.bilinear.leader, program.bilinear.follower))
        raise ModelError(
            f"the product of leader variables {first!r} and {second!r} ties what followers see to their answers, so that no worst "
            "tie is proven: leave out ties='pessimistic', or the product"
        )


def _told(
    model: Any, program: Program, found: Bracket, gap: float, clock: PhaseClock, settings: dict[str, Any]
) -> Solution:
    best, first = found.best, found.first
    settings["pessimistic"] = [{key: _plain(value) for key, value in step.items()} for step in found.steps]
    settings["margin"] = None if best is None else best.margin
    if (
        best is None
        and first is not None
        and not found.verdict
        and first.status in (Status.INFEASIBLE, Status.UNBOUNDED)
    ):
        # Without a decision for the best tie there is none for the worst; what has no end for the best may have one for the worst
        verdict = first.status == Status.INFEASIBLE
        return replace(first, settings={**first.settings, **settings}) if verdict else _nothing(first, settings)
    incumbent = Incumbent(
        found.bound, found.objective, None if best is None else best.x, verdict=found.verdict, proof=found.proof
    )
    if best is None and not found.verdict:
        incumbent.ended = "some tie breaks the leader's rows at every decision that was found"
    x = load_point(program, incumbent)
    recheck = _recheck(model, program, found, best, x, gap)
    # One that is worth less may pass where the best one does not: near 0 rounding is all that an objective is
    for other in reversed(found.decisions[:-1]) if not recheck.valid else ():
        x = program.load(other.x)
        again = _recheck(model, program, found, other, x, gap)
        if again.valid:
            best, recheck, incumbent.x, incumbent.objective = other, again, other.x, other.worst.bound
            break
    else:
        x = load_point(program, incumbent)
    clock.end("certify")
    told = solution_of(
        program, incumbent, x, recheck, clock.seconds(), settings, found.stopped, attempts=tuple(found.attempts)
    )
    if told.status == Status.NOT_ATTAINED:
        return replace(told, reason=_reason(told, best))
    nowhere = "every decision has a tie that breaks a row of the leader's, or whose cost has no end"
    return replace(told, reason=nowhere) if told.status == Status.INFEASIBLE and best is None else told


def _recheck(model: Any, program: Program, found: Bracket, best: Decision | None, x: Any, gap: float) -> Certificate:
    if best is None or x is None:
        return Certificate(found.proof, found.verdict)
    objective, limit = program.objective(x), program.sign * best.worst.bound
    size = max(abs(objective), program.objective_floor(x))
    way = best.way if best.margin is None else f"secure answers with the margin {best.margin:.3g}"
    line = Check(
        WORST, max(0.0, program.sign * (limit - objective)) / size, gap, "relative",
        detail=f"no tie is worse than {limit:.9g}; decision of: {way}", kind=CheckKind.OPTIMALITY,
    )  # fmt: skip
    bound = program.sign * found.bound
    return certificate.check_point(model, program, x, None, None, bound, gap, (line,), worst=True)


def _nothing(first: Solution, settings: dict[str, Any]) -> Solution:
    return replace(
        first, status=Status.UNKNOWN, settings={**first.settings, **settings},
        reason="the best tie has no end, and no decision was found whose worst tie keeps the leader's rows",
    )  # fmt: skip


def _reason(told: Solution, best: Decision | None) -> str:
    """Why there is no best decision, with what comes near."""
    near = "decisions come near" if best is None or best.margin is None else f"the margin {best.margin:.3g} comes near"
    return (
        f"no decision is known to attain the worst tie's infimum, {told.bound:.9g}, where some tie is worse; {near}, with "
        f"{told.objective:.9g}"
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
