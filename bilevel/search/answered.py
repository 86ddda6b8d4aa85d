"""What was found put into the model, and told as a `Solution`."""

import math
import platform
from typing import Any

import numpy as np
from pyomo.common.collections import ComponentMap

from bilevel import solvers
from bilevel.certify.certificate import Certificate
from bilevel.certify.proof.log import Proof
from bilevel.program.bilevel_program import Program
from bilevel.search.diagnose import reasons
from bilevel.search.incumbent import Incumbent
from bilevel.search.plan import AUTO
from bilevel.solution import Attempt, Solution
from bilevel.solvers import clarabel, tested
from bilevel.status import Status


def load_point(program: Program, found: Incumbent) -> np.ndarray | None:
    """The point within its column bounds, put into the Pyomo variables."""
    if found.x is None:
        return None
    return program.load(program.part_of(found.x))


def solution_of(
    program: Program, found: Incumbent, x: np.ndarray | None, recheck: Certificate, seconds: dict[str, float],
    settings: dict[str, Any], stopped: str, nodes: int = 0, attempts: tuple[Attempt, ...] = (), proof: Proof | None = None,
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
    used = tuple(dict.fromkeys((*(attempt.solver for attempt in attempts), settings["solver"])))
    reason = "; ".join(filter(None, (reason, *dict.fromkeys(tested.remark(name) for name in used))))
    return Solution(
        status, objective, bound, gap, seconds, values, recheck, reason, settings, _versions(used), nodes,
        found_values, attempts, proof,
    )  # fmt: skip


def _versions(used: tuple[str, ...]) -> dict[str, str]:
    names = ("bilevel-grid", "pyomo", "numpy", "scipy")
    return {
        "python": platform.python_version(),
        **{name: tested.release(name) for name in names},
        # Clarabel answers in `cooperative`, and is none of the solvers of `solve`; "auto" has ended before it took one
        **{
            name: tested.release(name) if name == clarabel.name else solvers.find(name).version()
            for name in used
            if name != AUTO
        },
        **{package: f"{release} (not tested)" for name in used for package, release in tested.untested(name).items()},
    }
