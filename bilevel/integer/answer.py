"""The answer of a solve with integer followers: the search's point, rechecked."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bilevel import budget, solvers
from bilevel.budget import Budget
from bilevel.certify import certificate
from bilevel.certify.certificate import Certificate
from bilevel.deadline import PhaseClock
from bilevel.errors import FeatureError
from bilevel.integer.priced.moved import required
from bilevel.integer.priced.search import PricedHunt
from bilevel.integer.search import Hunt
from bilevel.program.bilevel_program import Program
from bilevel.program.sparse import magnitude
from bilevel.progress import Progress, Quiet
from bilevel.search.answered import load_point, solution_of
from bilevel.search.plan import AUTO, Asked
from bilevel.solution import Solution
from bilevel.solvers import SOLVERS, Feature
from bilevel.status import Status

MODE = "answers"
"""What `Solution.settings` call the way: rules about the followers' known answers."""

_NEVER = (
    "the bound is only reached where another answer of a follower is just allowed, and there the follower takes that: decisions "
    "as near to it as one likes come as near to the bound, and none attains it"
)


def answered(
    model: Any,
    program: Program,
    settings: Mapping[str, Any],
    line: Progress,
    allowed: Budget,
    clock: PhaseClock,
    asked: Asked,
) -> Solution:
    """Solve a program whose followers have integer variables.

    Raises `FeatureError` for a mode, secure or pessimistic answers, or a proof; `ModelError` for what the search cannot take.
    """
    told = dict(settings)
    _refuse(program, told)
    program = _measured(program)
    solver = SOLVERS["highs"] if told["solver_asked"] == AUTO else solvers.find(told["solver_asked"])
    solvers.require(solver, frozenset({Feature.INTEGER}), "integer followers")
    told |= {"solver": solver.name, "mode": MODE}
    hunt: Hunt | PricedHunt
    if required(program):
        hunt = PricedHunt(program, asked, allowed, clock)
    else:
        clock.end("compile")
        hunt = Hunt(program, solver, allowed)
    with budget.until(allowed.deadline, line):
        found = hunt.run()
    clock.end("compile", "solve")
    if isinstance(hunt, PricedHunt):
        told["solver"] = hunt.solver or solver.name
    stopped, line.finishing = line.why if line.interrupted else "", True
    line.phase("rechecking")
    told["answers"] = hunt.answers
    with budget.until(allowed.deadline + allowed.grace, Quiet(), 0.0, lambda: line.interrupted):
        x = load_point(program, found)
        recheck = Certificate(found.proof, found.verdict)
        if x is not None:
            recheck = certificate.check_point(model, program, x, None, None, program.sign * found.bound, allowed.gap)
    line.finishing = False
    clock.end("certify")
    answer = solution_of(program, found, x, recheck, clock.seconds(), told, stopped, hunt.nodes)
    return replace(answer, reason=_NEVER) if answer.status == Status.NOT_ATTAINED else answer


def _measured(program: Program) -> Program:
    """The program with the epigraph of a quadratic objective in the size of its squares, in which a solver is to see it."""
    cones, scale = program.cones, program.scale.copy()
    squares = np.bincount(cones.owner, weights=magnitude(cones.squares, scale) ** 2, minlength=cones.count)
    for at in (at for at, variable in enumerate(program.variables) if variable is None):
        size = float(abs(cones.w[:, [at]]).T.dot(squares)[0])
        scale[at] = min(scale[at], size) if size > 0 else scale[at]
    return replace(program, scale=scale)


def _refuse(program: Program, settings: Mapping[str, Any]) -> None:
    name = program.name(int(program.whole_answers[0]))
    asked = [
        (settings["mode_asked"] != AUTO, f"mode={settings['mode_asked']!r}"),
        (settings["ties"] != "optimistic", f"ties={settings['ties']!r}"),
        (bool(settings["proof"]), "proof=True"),
    ]
    for given, what in asked:
        if given:
            raise FeatureError(
                f"{what} is for continuous followers, and follower variable {name!r} is integer: leave it out, or make the "
                "variable continuous"
            )
