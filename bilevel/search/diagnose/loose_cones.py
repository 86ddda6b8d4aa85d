"""Where an optimum leaves cones loose that stand for equalities: a charge on their factors, which buys a true point.

The relaxation is a bound whatever its cones do, but its point is none of the model: under reverse flow at an upper voltage limit,
say, it invents losses.  With lambda * sum of w, each over its expected size, in the objective such losses are dear.  All points
stay what they were, so one with tight cones is a point of the model; its own objective, without the charge, is held against the
bound of the program without.
"""

from dataclasses import dataclass, replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.model import Check
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.engine import Search
from bilevel.search.incumbent import Incumbent
from bilevel.status import CheckKind

CHARGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""What is tried: the share of the objective that the charge on the loose point comes to."""

_HALVINGS = 2
NAME = "cone charge"


@dataclass(frozen=True)
class Charged:
    """What was found, and the line that says so (None where no cone was loose, or nothing could be done)."""

    found: Incumbent
    check: Check | None


def close(form: Reformulation, search: Search, found: Incumbent, budget: Budget) -> Charged:
    """The best point with tight cones that a charge leads to; what there is where cones are tight already, or none does."""
    able = search.incremental and form.mip.products is None and not form.conic
    loose = _loose(form, found)
    if not able or loose <= tolerances.CONE_GAP or budget.over():
        return Charged(found, None)
    budget.progress.phase("closing cones", local=True)
    best, last, share, used = found, 0.0, 0.0, 0.0
    # Upwards: a charge distorts the objective, so that the least one that serves costs least
    for charge in CHARGES:
        point = _with_charge(form, search, found, charge, budget)
        if point is not None:
            best, share, used = point, charge, charge
            break
        if budget.over():
            return Charged(found, None)
        last = charge
    if best is found:
        return Charged(found, None)
    for _ in range(_HALVINGS):
        # Halved in decades; where the first charge served, two decades below it stand for one that does not
        charge = float(np.sqrt(max(last, share / 100.0) * share))
        point = None if budget.over() else _with_charge(form, search, found, charge, budget)
        if point is None:
            last = charge
            continue
        # Whatever it costs, a smaller charge that serves is where the next halving goes on
        share = charge
        if point.objective <= best.objective:
            best, used = point, charge
    detail = (
        f"cones were loose by up to {loose:.3g} at the optimum of the relaxation; closed by charging their factors with "
        f"{used:.3g} of the objective, at a cost of {_over(best, found, form):.3g} of it"
    )
    return Charged(best, Check(NAME, used, None, "of objective", detail=detail, kind=CheckKind.REPORT))


def _loose(form: Reformulation, found: Incumbent) -> float:
    """The largest gap of the leader's cones that relax equalities."""
    cones = form.program.cones
    if found.x is None or not cones.count:
        return 0.0
    # An epigraph that stands above its least value is no loose cone of the model
    return float(cones.gaps(form.program.tight(form.program.part_of(found.x))).max(initial=0.0))


def _over(best: Incumbent, found: Incumbent, form: Reformulation) -> float:
    floor = form.program.objective_floor(found.x)
    return (best.objective - found.objective) / max(abs(found.objective), floor)


def _with_charge(
    form: Reformulation, search: Search, found: Incumbent, charge: float, budget: Budget
) -> Incumbent | None:
    """The point with this charge and its own objective, with the bound of the program without; None where cones stay loose."""
    if found.x is None or found.slack_zero is None:
        return None
    small = _factors(form)
    size = max(abs(found.objective), form.program.objective_floor(found.x))
    unit = charge * size / max(float(small @ found.x), tolerances.NOT_ZERO)
    none = np.zeros(0, dtype=np.int64)
    search.change(form.mip.cost + unit * small, none, np.zeros(0), np.zeros(0), budget)
    near = search.run(((found.slack_zero, found.x),))
    if near.x is None or _loose(form, near) > tolerances.CONE_GAP:
        return None
    objective = float(form.mip.cost @ near.x) + form.mip.offset
    # Its own bound and verdict are about the objective with the charge
    return replace(near, bound=found.bound, objective=objective, verdict="")


def _factors(form: Reformulation) -> Vector:
    """The factors w of the leader's tight cones, over their expected sizes."""
    # The leader's cones stand first
    cones = form.mip.cones.take(np.arange(form.program.cones.count))
    return np.asarray((cones.relaxes_equality / np.maximum(cones.w_scale, tolerances.LEAST_SIZE)) @ cones.w)
