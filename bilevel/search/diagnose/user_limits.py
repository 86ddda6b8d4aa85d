"""Whether limits of multipliers that the user gave cut off anything: the search again with limits a thousand times as large."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget, OutOfTimeError
from bilevel.model import Check
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.reformulate.ties import secured
from bilevel.search.incumbent import Incumbent
from bilevel.status import CheckKind

ENLARGED, CONFIRMED = "user bounds enlarged", "user bounds confirmed"


def checks(
    form: Reformulation, found: Incumbent, budget: Budget, nonconvex: bool, search: Callable[[Reformulation], Incumbent]
) -> tuple[Check, ...]:
    """A better point proves the limits too small; a second search that comes to no end confirms nothing, and fails a check.

    `search` runs on the reformulation with the larger limits.
    """
    stack = form.program.followers
    wide = replace(
        stack,
        row_dual_limit=tolerances.LIMITS_ENLARGED * stack.row_dual_limit,
        column_dual_limit=tolerances.LIMITS_ENLARGED * stack.column_dual_limit,
    )
    budget.progress.phase("user bounds again")
    second = Incumbent()
    try:
        if not budget.over():
            level = assemble(replace(form.program, followers=wide), nonconvex)
            second = search(level if form.secure is None else secured(level, form.secure.margin))
    except OutOfTimeError:
        # Without a second result nothing is confirmed, which its missing bound says below
        pass
    floor = form.program.objective_floor(found.x)
    size = max(abs(found.objective), floor)
    better = max(0.0, found.objective - second.objective) / size
    # How much better a point the second search leaves open
    unsure = max(0.0, found.objective - second.bound) / size if np.isfinite(second.bound) else np.inf
    if second.x is None:
        detail = f"with limits {tolerances.LIMITS_ENLARGED:g} times as large no point was found in the time left"
    else:
        best = form.program.sign * second.objective
        detail = f"with limits {tolerances.LIMITS_ENLARGED:g} times as large the best is {best:.9g}"
    enlarged = Check(ENLARGED, better, budget.gap, "relative", detail=detail)
    # Either search may stop a gap short of its optimum
    if enlarged.ok and unsure > 2.0 * budget.gap:
        detail = f"{detail}: not confirmed"
        confirmed = Check(CONFIRMED, unsure, 2.0 * budget.gap, "relative", detail=detail, kind=CheckKind.ASSUMPTION)
        return (enlarged, confirmed)
    return (enlarged,)
