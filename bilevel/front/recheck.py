"""What the answers of a front prove together: its ends, and every point rechecked with the best bound for its limit."""

import math
import time
from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from bilevel.budget import Budget
from bilevel.certify import certificate
from bilevel.certify.proof.log import Proof
from bilevel.front.pareto_front import FrontPoint, nondominated
from bilevel.front.runner import Runner
from bilevel.model import Check
from bilevel.program.rows import Vector
from bilevel.progress import Progress
from bilevel.search.proving.proof import checked_proof

_FOREVER = 1e14


def proven_ends(run: Runner) -> tuple[float, float]:
    """Proven least of the limited and most of the maximised expression."""
    least, most = -math.inf, math.inf
    for task in run.tasks:
        answer = run.store.get(task)
        # Under a limit or a floor a bound speaks of some decisions only
        if answer is None or task.floor > -math.inf:
            continue
        if task.maximized_weight == 0 and task.limit == math.inf:
            least = max(least, answer.bound / task.limited_weight)
        if task.limited_weight == 0 and task.limit == math.inf:
            most = min(most, -answer.bound / task.maximized_weight)
    return least, most


def _bounds(run: Runner) -> list[tuple[float, float]]:
    """(limit, most of the maximised expression under it) of every answer that has a bound of that kind."""
    found = []
    for task in run.tasks:
        answer = run.store.get(task)
        if answer is not None and task.maximized_weight > 0 and task.floor == -math.inf:
            # w z1 - z2 >= B and z1 <= L give z2 <= w L - B; a weight of 0 times no limit would be no number
            more = task.limited_weight * task.limit if task.limited_weight else 0.0
            found.append((task.limit, (more - answer.bound) / task.maximized_weight))
    return found


def points(run: Runner) -> tuple[FrontPoint, ...]:
    """Every answer that is a point of the front, rechecked with the best bound that any answer gives for its limit."""
    bounds, found_points = _bounds(run), []
    for task in dict.fromkeys(run.tasks):
        answer = run.store.get(task)
        if answer is None or answer.x is None or task in run.helpers:
            continue
        limited, maximized, x, values = _loaded(run, answer.x)
        limit = task.limit if task.maximized_weight else limited
        bound = min([most for under, most in bounds if under >= limit], default=math.inf)
        proof, line = _proof(run, limit, maximized) if run.proofs else (None, ())
        bound = bound if proof is None else proof.bound
        recheck = _recheck(run, x, answer.x, bound, task.limit, line)
        gap = recheck["global gap"].value
        named = {str(variable.name): value for variable, value in values.items()}
        found = limited, maximized, limit, bound, gap, recheck.status, recheck, answer.seconds, named, values, proof
        found_points.append(FrontPoint(*found))
    return nondominated(found_points)


def _proof(run: Runner, limit: float, maximized: float) -> tuple[Proof | None, tuple[Check, ...]]:
    """The proof that nothing under the limit has more of the maximised expression, and the certificate's line about it."""
    form, column = run.form, run.two.maximized
    cost, upper = np.zeros(form.program.columns), form.program.upper.copy()
    cost[column], upper[run.two.limited] = -1.0, limit
    program = replace(form.program, cost=cost, offset=0.0, upper=upper, sign=-1.0)
    seconds = math.inf if run.setting.seconds is None else run.setting.seconds
    with Progress(show=False) as quiet:
        budget = Budget(run.setting.gap, time.monotonic() + min(seconds, _FOREVER), quiet)
        proof, line = checked_proof(replace(form, program=program), -maximized, budget)
    return proof, (line,)


def _loaded(run: Runner, found: Vector) -> tuple[float, float, Vector, ComponentMap]:
    """The values in the model, both expressions at them, the program's columns with z1 and z2 equal to the expressions."""
    x = run.two.program.within(run.two.program.part_of(found))
    values = ComponentMap((variable, float(x[at])) for at, variable in run.own)
    for variable, value in values.items():
        variable.set_value(value, skip_validation=True)
    limited, maximized = (float(pyo.value(expression)) for expression in run.expressions)
    # The columns keep to their expressions within a solver's tolerance only
    x[[run.two.limited, run.two.maximized]] = limited, maximized
    return limited, maximized, x, values


def _recheck(
    run: Runner, x: Vector, found: Vector, bound: float, limit: float, more: tuple[Check, ...]
) -> certificate.Certificate:
    """The certificate of a point, with its limit as a row of the leader's: ties have to keep it too."""
    upper = run.alone.upper.copy()
    # The limit is met within rounding
    upper[run.two.limited] = max(limit, float(x[run.two.limited])) if limit < math.inf else math.inf
    alone = replace(run.alone, upper=upper)
    duals = run.form.kkt.multipliers(found)
    return certificate.check_point(run.model, alone, x, run.form, duals, bound, run.setting.gap, more)
