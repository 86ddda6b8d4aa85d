"""What the answers of a front prove together: its ends, and every point rechecked with the best bound for its limit."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from bilevel import budget
from bilevel.certify import certificate
from bilevel.certify.proof.log import Proof
from bilevel.front.pareto_front import FrontPoint, nondominated
from bilevel.front.proofs import LEAST, MOST, Told, under
from bilevel.front.runner import Runner
from bilevel.front.tasks import Task
from bilevel.model import Check
from bilevel.program.rows import Vector
from bilevel.progress import Quiet

_PATIENCE_SECONDS = 10.0
"""What rechecking may go on for after Ctrl-C: nobody who has pressed it waits longer."""


@dataclass(frozen=True)
class Found:
    """An answer that is a point of the front: both expressions, the limit that it is the best under, its task, columns, seconds."""

    limited: float
    maximized: float
    limit: float
    task: Task
    x: Vector
    seconds: float


@dataclass(frozen=True)
class Ends:
    """The least of the limited and the most of the maximised expression, infinite where unknown, with their proofs by name and
    what a certificate says of each."""

    least: float
    most: float
    proofs: dict[str, Proof]
    checks: dict[str, Check]


def ends(run: Runner, told: Mapping[Task, Told]) -> Ends:
    """What is proven of the ends; a proof replaces what the solver says, which is a little more."""
    least, most = _claimed(run)
    parts = {"least_limited": told.get(LEAST), "most_maximized": told.get(MOST)}
    proofs = {name: part[0] for name, part in parts.items() if part is not None and part[0] is not None}
    checks = {name: part[1] for name, part in parts.items() if part is not None}
    least = proofs["least_limited"].bound if "least_limited" in proofs else least
    most = proofs["most_maximized"].bound if "most_maximized" in proofs else most
    return Ends(least, most, proofs, checks)


def _claimed(run: Runner) -> tuple[float, float]:
    """Least of the limited and most of the maximised expression, by the solver's bounds."""
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


def found(run: Runner) -> tuple[Found, ...]:
    """Every answer that is a point of the front."""
    points = []
    for task in dict.fromkeys(run.tasks):
        answer = run.store.get(task)
        if answer is None or answer.x is None or task in run.helpers:
            continue
        limited, maximized, *_ = _loaded(run, answer.x)
        limit = task.limit if task.maximized_weight else limited
        points.append(Found(limited, maximized, limit, task, answer.x, answer.seconds))
    return nondominated(points)


def to_prove(run: Runner, kept: Iterable[Found]) -> dict[Task, float]:
    """Tasks whose bounds the front rests on, with the best objective (minimised) of any answer that each allows."""
    answers = [run.store.get(task) for task in dict.fromkeys(run.tasks)]
    at = [run.two.limited, run.two.maximized]
    known = [answer.x[at] for answer in answers if answer is not None and answer.x is not None]
    least, most = _claimed(run)
    wanted: dict[Task, float] = {}
    if known and math.isfinite(least):
        wanted[LEAST] = min(float(limited) for limited, _ in known)
    # A front that ended early may have no word on its ends
    best = {MOST: -math.inf} if known and math.isfinite(most) else {}
    # By rounding a point may exceed its limit
    best |= {under(point.limit): point.maximized for point in kept}
    for task, own in best.items():
        wanted[task] = -max([own, *(float(maximized) for limited, maximized in known if limited <= task.limit)])
    return wanted


def points(run: Runner, kept: Iterable[Found], told: Mapping[Task, Told]) -> tuple[FrontPoint, ...]:
    """The points rechecked, each with its proof's bound, else with the best one that any answer gives for its limit.

    After Ctrl-C those of the next seconds, and one at least; the others are left out.
    """
    kept = tuple(kept)
    run.line.phase("rechecking")
    began = time.monotonic()
    # Not deaf to Ctrl-C as the recheck of a single answer is: where there are many, those done are worth keeping
    with budget.until(math.inf, Quiet(), 0.0, lambda: bool(run.line.interrupted)):
        return tuple(_points(run, kept, told, lambda: _patient(run, began)))


def _patient(run: Runner, began: float) -> bool:
    """Whether there is time for another point: `_PATIENCE_SECONDS` after Ctrl-C."""
    return bool(time.monotonic() < max(began, run.line.interrupted_at) + _PATIENCE_SECONDS)


def _points(
    run: Runner, kept: Sequence[Found], told: Mapping[Task, Told], patient: Callable[[], bool]
) -> Iterator[FrontPoint]:
    bounds = _bounds(run)
    for done, point in enumerate(kept):
        if done and not patient():
            return
        x_found, limit = point.x, point.limit
        limited, maximized, x, values = _loaded(run, x_found)
        proof, *lines = told.get(under(limit), (None,))
        bound = min([most for known, most in bounds if known >= limit], default=math.inf)
        bound = bound if proof is None else proof.bound
        recheck = _recheck(run, x, x_found, bound, point.task.limit, tuple(lines))
        gap, named = recheck["global gap"].value, {str(variable.name): value for variable, value in values.items()}
        rest = limit, bound, gap, recheck.status, recheck, point.seconds, named, values, proof
        yield FrontPoint(limited, maximized, *rest)


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
