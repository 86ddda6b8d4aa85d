"""A bilevel model solved at given prices, with the rows on prices alone checked apart (docs/model.md section 6)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import tolerances
from bilevel.certify.certificate import Certificate
from bilevel.equilibrium.price_rules import Prices
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Mask, Vector
from bilevel.program.sparse import magnitude
from bilevel.progress import ProgressEvent
from bilevel.solution import Solution
from bilevel.solve import solve


def solved(
    model: Any, program: Program, rules: Prices, prices: Vector, price_rows: Mask,
    progress: bool | Callable[[ProgressEvent], None], time_limit: float | None = None,
) -> Solution:  # fmt: skip
    """The model solved by `bilevel.solve` at these prices.

    Rows on prices that these break are left out of the solve and fail as a check of the certificate, so that there is a point to
    look at.
    """
    x = rules.put(np.zeros(program.columns), prices)
    violation = _violation(program, x, price_rows)
    broken = broken_rows(program, x, price_rows)
    with _without(model, broken), _fixed(rules, prices):
        solution = solve(model, progress=progress, time_limit=time_limit)
    if not broken:
        return solution
    worst = int(np.argmax(violation))
    check = Check(
        "rows on prices", float(violation[worst]), tolerances.FEASIBILITY, "relative", where=program.rows.names[worst],
        detail="the iteration does not steer by them",
    )  # fmt: skip
    reason = f"check 'rows on prices' fails at {check.where}: {check.value:.3g} relative, allowed {check.tolerance:.3g}"
    # Without a point there is nothing to fail; a proof that there is none needs none of the rows left out
    if solution.certificate.checks and not solution.certificate.verdict:
        recheck = Certificate((*solution.certificate.checks, check))
        return replace(solution, status=recheck.status, reason=reason, certificate=recheck)
    return replace(solution, reason=f"{solution.reason}; {reason}")


def broken_rows(program: Program, x: Vector, price_rows: Mask) -> list[str]:
    """The rows on prices alone that the prices in x break."""
    return [
        program.rows.names[at] for at in np.flatnonzero(_violation(program, x, price_rows) > tolerances.FEASIBILITY)
    ]


def _violation(program: Program, x: Vector, price_rows: Mask) -> Vector:
    """By how much each row on prices alone is broken, over the size of its terms; 0 for other rows."""
    size = magnitude(program.rows.matrix, np.abs(x))
    return np.where(price_rows, program.rows.violation(x) / np.where(size > 0, size, 1.0), 0.0)


@contextmanager
def _fixed(rules: Prices, prices: Vector) -> Iterator[None]:
    """The price variables fixed at these values for a while."""
    for variable, price in zip(rules.variables, prices.tolist(), strict=True):
        variable.fix(price, skip_validation=True)
    try:
        yield
    finally:
        for variable in rules.variables:
            # The value stays: it is the price of the answer
            variable.unfix()


@contextmanager
def _without(model: Any, names: list[str]) -> Iterator[None]:
    """The model without these rows for a while."""
    # By name, as the program knows its rows
    wanted = set(names)
    rows = [row for row in model.component_data_objects(pyo.Constraint, active=True) if row.name in wanted]
    for row in rows:
        row.deactivate()
    try:
        yield
    finally:
        for row in rows:
            row.activate()
