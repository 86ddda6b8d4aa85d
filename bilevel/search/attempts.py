"""What is tried for a program: its plans one after another, each with what is known so far, until an answer stands."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bilevel.budget import Budget, OutOfTimeError
from bilevel.deadline import PhaseClock
from bilevel.errors import LicenceError
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.search import independent, verdicts
from bilevel.search.diagnose import loose_cones, tied, unattained, user_limits
from bilevel.search.diagnose.finer import finer
from bilevel.search.diagnose.infeasible import explain_infeasibility
from bilevel.search.incumbent import Incumbent
from bilevel.search.plan import Asked, Plan, turns
from bilevel.solution import Attempt
from bilevel.solvers import Feature
from bilevel.status import Status

_FOREVER = 1e14
"""Seconds from which a limit is none."""


@dataclass(frozen=True)
class Answer:
    """What was found on a program and its one level, the checks that came with it, and what `Solution.settings` tells of the way:
    solver, mode and cones, the steps of the search with their seconds, the stages with their sizes; and the plans that were tried.
    """

    program: Program
    form: Reformulation | None = None
    found: Incumbent = field(default_factory=Incumbent)
    doubts: tuple[Check, ...] = ()
    told: dict[str, Any] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()

    @property
    def floor(self) -> float:
        """What gaps are relative to at least, at the point found."""
        return self.program.objective_floor(self.found.x)

    def stands(self, gap: float) -> bool:
        """Whether nothing is left to look for: the gap is closed, or a verdict is proven."""
        proven = bool(self.found.proof) and all(check.ok for check in self.found.proof)
        return self.found.gap(self.floor) <= gap or (bool(self.found.verdict) and (proven or self.found.x is not None))


def found(
    asked: Asked, program: Program, allowed: Budget, clock: PhaseClock, decisions: Callable[[], tuple[Vector, ...]]
) -> Answer:
    """What the plans for a program find; what is known so far where the time is over before there is a plan."""
    answer = Answer(program)
    try:
        allowed.progress.phase("proving limits", later=True)
        form = asked.level(program)
        answer = Answer(program, form)
        # Only now: which mode fits depends on the limits that were proven
        plans = asked.plans(form)
        answer = Answer(program, form, told=_words(plans[0]))
        clock.end("compile")
        for known in _tried(answer, plans, allowed, decisions()):
            answer = known
            # Beside a point of a complete search another plan would only take time
            enough = answer.found.x is not None and not plans[0].mode.branches
            if enough or answer.stands(allowed.gap) or allowed.over():
                break
    except OutOfTimeError as error:
        answer.found.ended = str(error)
    return answer


def _tried(answer: Answer, plans: tuple[Plan, ...], allowed: Budget, decisions: tuple[Vector, ...]) -> Iterator[Answer]:
    """What is known after each attempt; each begins with the best decisions of those before."""
    form, refused = answer.form, None
    over: set[str] = set()
    if form is None:
        raise RuntimeError("plans are for a program that is reformulated")
    seconds = allowed.seconds if allowed.seconds < _FOREVER else np.inf
    for plan, most in turns(plans, seconds):
        # What ended by itself would end in the same way again
        if len(over) == len(plans):
            break
        if plan.solver.name in over:
            continue
        began = time.monotonic()
        part = replace(allowed, deadline=min(allowed.deadline, began + most))
        known = () if answer.found.x is None else (answer.found.x,)
        try:
            new = _answered(form, plan, part, (*known, *decisions))
        except LicenceError as error:
            # Of several plans the next one may need no licence
            refused = error
            over.add(plan.solver.name)
            continue
        if not part.over():
            over.add(plan.solver.name)
        attempt = _attempt(plan, new, time.monotonic() - began, part)
        answer = replace(_better(answer, new, allowed.gap), attempts=(*answer.attempts, attempt))
        yield answer
    if refused is not None and not answer.attempts:
        raise refused


def _words(plan: Plan) -> dict[str, str]:
    return {"solver": plan.solver.name, "mode": plan.mode.name, "cones": plan.treatment.name}


def _attempt(plan: Plan, answer: Answer, seconds: float, part: Budget) -> Attempt:
    found, sign = answer.found, answer.program.sign
    objective = sign * found.objective if found.x is not None else np.nan
    bound = sign * found.bound if np.isfinite(found.bound) else np.nan
    if found.verdict:
        ended = str(found.verdict)
    elif found.gap(answer.floor) <= part.gap:
        ended = "gap closed"
    else:
        late = part.progress.why if part.progress.interrupted else "its time was over"
        ended = late if part.over() else found.ended or "nothing left to try"
    return Attempt(**_words(plan), seconds=seconds, objective=float(objective), bound=float(bound), ended=ended)


def _better(known: Answer, new: Answer, gap: float) -> Answer:
    """The better point with the better bound; a verdict counts where no point speaks against it."""
    if not known.attempts:
        return new
    one, other = known.found, new.found
    best = new if other.x is not None and (one.x is None or other.objective <= one.objective) else known
    if one.x is None and other.x is None:
        best = new if other.verdict else known
    told = {**best.told, "strategy": [*known.told.get("strategy", ()), *new.told.get("strategy", ())]}
    if best.found.verdict:
        return replace(best, told=told)
    found = replace(best.found, bound=max(one.bound, other.bound), ended=other.ended or one.ended)
    return replace(best, found=found.refuted(gap, best.floor), told=told)


def _answered(form: Reformulation, plan: Plan, allowed: Budget, decisions: tuple[Vector, ...]) -> Answer:
    """What is found, once more in finer units where that was solved too coarsely; and the program in these units."""
    answer = _searched(form, plan, allowed, decisions)
    found = answer.found
    done = found.gap(form.program.objective_floor(found.x)) <= allowed.gap
    fine = None if allowed.over() else finer(form, found.x, np.inf if done else allowed.gap)
    if fine is not None:
        again = _searched(fine, plan, allowed, decisions)
        # Both searches took their time, whichever answer counts
        told = {**answer.told, "strategy": [*answer.told["strategy"], *again.told["strategy"]]}
        # The time may end before the finer program has a point, and a coarse one is better than none
        better = again.found.x is not None and (done or again.found.gap(again.floor) <= found.gap(answer.floor))
        answer = replace(again if better else answer, told=told)
    return answer


def _searched(form: Reformulation, plan: Plan, allowed: Budget, decisions: tuple[Vector, ...]) -> Answer:
    """What the search finds, and looks that it takes afterwards: unattained infima, limits of the user's, loose cones."""
    program = form.program
    search = plan.search(form, allowed)
    found = search.run(decisions=decisions, known=independent.known(form, plan, allowed))
    told = {
        **_words(plan),
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
        found.proof = (*found.proof, *(tied.checks(form) if found.proof else ()))
    return Answer(program, form, charged.found, (*doubts, *([charged.check] if charged.check else [])), told)
