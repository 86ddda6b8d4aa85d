"""Whether a search without an answer chased an infimum that no decision attains, as of 1/x over x > 0.

Linear and convex quadratic programs attain their least value wherever it is finite; cones need not.  Here columns without bounds
get some, ever further out.  What is found inside is a point of the whole problem, as the leader could have chosen these bounds.
An infimum that is approached but not met shows as objectives that come nearer to the proven bound with every step.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from bilevel.budget import Budget
from bilevel.reformulate.modes import Mode
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax import ConeTreatment
from bilevel.search.engine import Search
from bilevel.search.incumbent import Incumbent
from bilevel.solvers import SessionFactory
from bilevel.status import Status

STEPS = (1e2, 1e3, 1e4)
"""How far out columns without bounds may go, over their scale."""

_NEARER = 0.5


def probe(
    form: Reformulation, found: Incumbent, solver: SessionFactory, mode: Mode, treatment: ConeTreatment, budget: Budget
) -> Incumbent:
    """`found` with the best point inside the steps; "not_attained" where each one at least halves the distance to the bound."""
    mip = form.mip
    endless = np.flatnonzero(
        ~np.isfinite(form.program.part_of(mip.lower)) | ~np.isfinite(form.program.part_of(mip.upper))
    )
    if found.verdict or not mip.cones.count or not len(endless) or not np.isfinite(found.bound):
        return found
    # A point that is nowhere far out ran after no infimum
    if found.x is not None and (np.abs(found.x[endless]) <= STEPS[0] * mip.scale[endless]).all():
        return found
    away = []
    best = found
    for step in STEPS:
        if budget.over():
            return best
        lower, upper = mip.lower.copy(), mip.upper.copy()
        lower[endless] = np.maximum(lower[endless], -step * mip.scale[endless])
        upper[endless] = np.minimum(upper[endless], step * mip.scale[endless])
        inside = replace(form, mip=replace(mip, lower=lower, upper=upper))
        budget.progress.phase(f"within {step:g} times the scale", local=True)
        near = Search(inside, solver, mode, treatment, budget).run()
        if near.x is None:
            return best
        away.append(near.objective - found.bound)
        # A bound that is proven inside these limits holds inside only
        if near.objective < best.objective:
            best = replace(near, bound=found.bound, verdict="")
    halved = all(after <= _NEARER * before for before, after in pairwise(away))
    # A bound that is met is attained
    return replace(best, verdict=Status.NOT_ATTAINED) if halved and away[-1] > 0 else best
