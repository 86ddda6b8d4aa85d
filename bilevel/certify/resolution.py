"""What the solvers' tolerances can hide in an objective, and whether its bound and its point mean anything beside it."""

import numpy as np

from bilevel import tolerances
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.status import CheckKind

RESOLUTION = "objective resolution"


def unseen(program: Program, form: Reformulation | None = None) -> float:
    """What the solvers' tolerances can hide in the objective, in its unit: their share of its largest term at the columns' scales.

    With a `form` the terms of the one level that is solved count too, where a multiplier stands for revenue times a limit.
    """
    terms = [program.largest_term(program.scale)]
    if form is not None:
        mip = form.mip
        # A column held at zero hides nothing, however large its cost
        idle = (mip.lower == 0) & (mip.upper == 0)
        terms.append(float(np.abs(np.where(idle, 0.0, mip.cost * mip.scale)).max(initial=0.0)))
    return tolerances.MIP_FEASIBILITY * max(terms)


def resolution(program: Program, x: Vector, form: Reformulation | None = None) -> float:
    """What is `unseen`, over the objective's largest term at x.

    A column whose scale is far above its value is solved too coarsely.  Where every column of the objective is at zero, its
    smallest term is compared with: it passes where all terms are of one size.
    """
    coarse = unseen(program, form)
    return coarse / _term(program, x) if coarse else 0.0


def cancelled(program: Program, x: Vector) -> float:
    """What rounding hides where terms of the objective cancel at x, over the objective, or its least term if that is more.

    An objective of 2 beside terms of 1e19 is no number, whichever decision it stands for.
    """
    lost = tolerances.OBJECTIVE_ROUNDING * _term(program, x)
    return lost / max(abs(program.objective(x)), program.least_term(), tolerances.NOT_ZERO)


def _term(program: Program, x: Vector) -> float:
    """The objective's largest term at x: what lies between a solver's noise and what counts as nothing may be all there is."""
    return program.objective_floor(x, tolerances.SOLVER_FEASIBILITY) / tolerances.OBJECTIVE_FLOOR


def resolution_check(program: Program, x: Vector, form: Reformulation | None = None) -> Check:
    """The resolution at x, which a bound's worth depends on.

    Where variables may hide more than all of the objective, rows may be broken by as much, and the point is worth nothing.
    """
    coarse, lost = resolution(program, x, form), cancelled(program, x)
    value = max(coarse, lost)
    detail = "" if value <= tolerances.RESOLUTION else "give tighter variable bounds, or a scaling_factor"
    if lost > max(coarse, tolerances.RESOLUTION):
        detail = "terms of the objective cancel at a point this far out: give tighter variable bounds"
    # No scale of a user's makes a point worse
    hidden = tolerances.MIP_FEASIBILITY * program.largest_term(program.least_size)
    kind = CheckKind.OPTIMALITY if hidden <= _term(program, x) else CheckKind.VALIDITY
    return Check(RESOLUTION, value, tolerances.RESOLUTION, "relative", "", detail, kind)
