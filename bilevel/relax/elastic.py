"""Rows that may be broken at a price: the least sum of violations tells whether they can be met, and which row is why not."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude
from bilevel.relax import outer_approximation


@dataclass(frozen=True)
class LeastViolation:
    """A point of least violation, how far it breaks each row, over the size of the row's terms, and the rows' multipliers."""

    x: Vector
    broken: Vector
    dual: Vector | None


def least_violation(rows: Rows, lower: Vector, upper: Vector, scale: Vector) -> LeastViolation | None:
    """Over columns with these bounds and scales; None where no solver finds any within the time."""
    count, n = rows.count, len(lower)
    size = magnitude(rows.matrix, scale)
    # A violation of 1 is one of the row's size, so that those of all rows add up
    slack = sp.diags_array(np.where(size > 0, size, 1.0))
    total = n + 2 * count
    elastic = SolverProgram(
        cost=np.concatenate([np.zeros(n), np.ones(2 * count)]), offset=0.0,
        lower=np.concatenate([lower, np.zeros(2 * count)]), upper=np.concatenate([upper, np.full(2 * count, np.inf)]),
        integer=outer_approximation.continuous(total),
        rows=Rows(sp.csr_array(sp.hstack([rows.matrix, slack, -slack])), rows.lower, rows.upper),
        cones=Cones.none(total), sos1=(), scale=np.concatenate([scale, np.ones(2 * count)]),
    )  # fmt: skip
    outcome = outer_approximation.converge(outer_approximation.opened(elastic), elastic.cones)
    if outcome.x is None:
        return None
    x, short, over = np.split(outcome.x, [n, n + count])
    return LeastViolation(x, short + over, outcome.row_dual)
