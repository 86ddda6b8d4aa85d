"""Programs that fall into parts which share nothing: each is searched alone, and the whole begins with their points and bounds."""

from dataclasses import replace

import numpy as np

from bilevel.budget import Budget
from bilevel.errors import BilevelError
from bilevel.reformulate import independent_parts
from bilevel.reformulate.independent_parts import Part
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.reformulate.ties import secured
from bilevel.search.incumbent import Incumbent, Known
from bilevel.search.plan import Plan
from bilevel.solvers import Feature

MANY_PAIRS = 100
"""Complementarity pairs from which parts are searched alone: a few of them a tree goes through at once."""

MOST_PARTS = 200
"""More parts than that are so small that looking at each would take longer than the whole."""


def known(form: Reformulation, plan: Plan, budget: Budget) -> Known | None:
    """The parts' points side by side and the sum of their bounds.

    None where there are no parts, or where one of them has no point or no bound in its share of the time.
    """
    if form.kkt.pairs.count < MANY_PAIRS or form.mip.products is not None or form.conic:
        return None
    parts = independent_parts.parts(form.program)
    if not 1 < len(parts) <= MOST_PARTS:
        return None
    budget.progress.phase("independent parts")
    x, bound = np.zeros(form.mip.columns), form.program.offset
    slack_zero = np.zeros(form.kkt.pairs.count, dtype=bool)
    places = _places(form)
    for at, part in enumerate(parts):
        share = replace(budget, deadline=budget.deadline - budget.seconds * (1.0 - 1.0 / (len(parts) - at)))
        level, found = _found(form, part, plan, share)
        if level is None or found.x is None or found.slack_zero is None or not np.isfinite(found.bound):
            return None
        x[part.columns] = part.program.part_of(found.x)
        bound += found.bound
        slack_zero[_whole_pairs(level, part, places)] = found.slack_zero
    return Known(x, slack_zero, bound)


def _found(form: Reformulation, part: Part, plan: Plan, budget: Budget) -> tuple[Reformulation | None, Incumbent]:
    """The level of a part, and what its search finds; nothing where it cannot be searched as the whole is."""
    try:
        level = assemble(part.program, Feature.NONCONVEX in plan.solver.features)
        if form.secure is not None:
            level = secured(level, form.secure.margin)
        return level, plan.search(level, budget).run()
    except BilevelError:
        # The whole says what is wrong, in its own names
        return None, Incumbent()


def _places(form: Reformulation) -> dict[tuple[int, int, int], int]:
    """Where each pair stands, by its row, column and side."""
    pairs = form.kkt.pairs
    keys = zip(pairs.row.tolist(), pairs.column.tolist(), pairs.side.tolist(), strict=True)
    return {key: at for at, key in enumerate(keys)}


def _whole_pairs(level: Reformulation, part: Part, places: dict[tuple[int, int, int], int]) -> list[int]:
    """Where the pairs of a part stand in the whole."""
    pairs = level.kkt.pairs
    rows = np.append(part.rows, -1)[pairs.row]
    columns = np.append(part.columns, -1)[pairs.column]
    return [places[key] for key in zip(rows.tolist(), columns.tolist(), pairs.side.tolist(), strict=True)]
