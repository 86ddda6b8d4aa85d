"""Why a program is infeasible: a follower that can do nothing, a follower without a least cost, or the leader's rows."""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.errors import ModelError
from bilevel.program.layout import Group
from bilevel.program.rows import Rows, Vector
from bilevel.reformulate.single_level import Reformulation
from bilevel.relax.elastic import least_violation


def explain_infeasibility(form: Reformulation) -> None:
    """For an infeasible program: raise `ModelError` naming a follower that no leader decision within its bounds can help."""
    program, kkt = form.program, form.kkt
    stack = program.followers
    for at, name in enumerate(stack.names):
        mine = np.flatnonzero(stack.row_owner == at)
        rows = Rows(
            sp.csr_array(stack.rows.matrix[mine]), stack.rows.lower[mine], stack.rows.upper[mine],
            tuple(stack.rows.names[k] for k in mine),
        )  # fmt: skip
        # The leader may decide anything within its bounds here: what cannot be met even so never can
        row = _broken_row(rows, program.lower, program.upper, program.scale)
        if row is not None:
            raise ModelError(
                f"follower {name!r} has no feasible decision for any leader decision: row {row!r} cannot be met with the "
                "others and the bounds, so relax one of them"
            )
        # Any decision, answer and multipliers will do here: without stationarity even so nothing is optimal
        own = np.flatnonzero(stack.owner[stack.columns] == at)
        lower, upper = np.full(kkt.columns, -np.inf), np.full(kkt.columns, np.inf)
        variables = kkt.layout[Group.VARIABLES]
        lower[variables], upper[variables] = program.lower, program.upper
        lower[kkt.pairs.dual] = 0.0
        stationary = kkt.stationarity
        rows = Rows(
            sp.csr_array(stationary.matrix[own]), stationary.lower[own], stationary.upper[own],
            tuple(stationary.names[k] for k in own),
        )  # fmt: skip
        row = _broken_row(rows, lower, upper, kkt.part_of(form.mip.scale))
        if row is not None:
            variable = row.removeprefix("stationarity of ")
            raise ModelError(
                f"follower {name!r} has no least cost for any leader decision: its cost falls without end in variable "
                f"{variable!r}, so give that variable a bound"
            )


def _broken_row(rows: Rows, lower: Vector, upper: Vector, scale: Vector) -> str | None:
    """The row that is broken most where the sum of violations is least; None if the rows can be met."""
    least = least_violation(rows, lower, upper, scale) if rows.count else None
    if least is None:
        return None
    worst = int(least.broken.argmax())
    return rows.names[worst] if least.broken[worst] > tolerances.BLAMED_ROW else None
