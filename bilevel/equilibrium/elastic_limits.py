"""Limits that may be broken at a price, for a leader's problem that cannot meet them all (docs/model.md section 6)."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude


@dataclass(frozen=True)
class Broken:
    """How many limits a point breaks, and the worst of them: its name, and by how much over its scale."""

    count: int = 0
    worst: float = 0.0
    name: str = ""


@dataclass(frozen=True)
class Elastic:
    """A program and its cones with one slack column for each limit, the last columns; `unit` and `names` are the limits'."""

    mip: SolverProgram
    cones: Cones
    unit: Vector
    names: tuple[str, ...]

    def broken(self, x: Vector) -> Broken:
        """The limits that x of this program breaks by more than `FEASIBILITY`."""
        share = x[len(x) - len(self.unit) :] / self.unit
        count = int(np.count_nonzero(share > tolerances.FEASIBILITY))
        worst = int(np.argmax(share)) if count else -1
        return Broken(count, float(share[worst]), self.names[worst]) if count else Broken()


def elastic(program: Program, mip: SolverProgram) -> Elastic:
    """A program whose first rows are the leader's, with every limit elastic at `SCARCITY_RATE`.

    Limits are the bounds of the leader's columns that are not held, the sides of the leader's inequality rows, and cones that
    need not be tight (a branch's greatest power).  Equalities hold, and a column that a cone multiplies stays nonnegative, as it
    has to.
    """
    kept = program.rows.count
    rows, lower, upper, columns = _bounds_as_rows(program, mip)
    # Rows between the leader's and the bounds stay firm: tangents and followers' rows are no limits of the leader's
    own = (np.arange(rows.count) < kept) | (np.arange(rows.count) >= mip.rows.count)
    # Equalities are laws, such as a balance, and have no price at which they may be broken
    under = np.flatnonzero(own & (rows.lower < rows.upper) & np.isfinite(rows.lower))
    over = np.flatnonzero(own & (rows.lower < rows.upper) & np.isfinite(rows.upper))
    cones = soft_cones(program)
    at, side = np.concatenate([under, over]), np.repeat([1.0, -1.0], [len(under), len(over)])
    # A limit is passed in shares of its row's terms, so that no unit makes one cheaper than another
    size = magnitude(rows.matrix, mip.scale)
    unit = np.concatenate([size[at], program.cones.w_scale[cones]])
    unit = np.where(unit > 0, unit, 1.0)
    n, count = mip.columns, len(unit)
    wide = replace(mip, rows=rows, lower=lower, upper=upper).with_columns(np.zeros(count), np.full(count, np.inf), unit)
    slack = sp.csr_array((side, (at, n + np.arange(len(at)))), shape=wide.rows.matrix.shape)
    # The slack joins the second factor, which leaves the cone a cone
    given = sp.csr_array(
        (np.ones(len(cones)), (cones, n + len(at) + np.arange(len(cones)))), shape=(program.cones.count, n + count)
    )
    every = program.cones.widened(n + count)
    # Without terms in the objective any price will do
    rate = tolerances.SCARCITY_RATE * (program.largest_term(program.scale) or 1.0)
    row_names = (*program.rows.names, *("" for _ in range(mip.rows.count - kept)), *map(program.name, columns.tolist()))
    names = [row_names[row] for row in at.tolist()] + [program.cones.names[cone] for cone in cones.tolist()]
    return Elastic(
        replace(
            wide, cost=np.concatenate([mip.cost, rate / unit]),
            rows=replace(wide.rows, matrix=sp.csr_array(wide.rows.matrix + slack)),
        ),
        replace(every, w=sp.csr_array(every.w + given)), unit, tuple(names),
    )  # fmt: skip


def soft_cones(program: Program) -> Index:
    """The cones that limit something: neither an equality relaxed, nor a piece of the objective."""
    # A cone over an epigraph says what the objective is, and limits nothing
    added = np.array([variable is None for variable in program.variables], dtype=float)
    return np.flatnonzero(~program.cones.relaxes_equality & (magnitude(program.cones.w, added) == 0))


def _bounds_as_rows(program: Program, mip: SolverProgram) -> tuple[Rows, Vector, Vector, Index]:
    """The rows with the bounds of free columns under them, the bounds that stay, and the column of each added row."""
    # What is held, as loads and prices are, is given and cannot give way
    free = (program.followers.owner < 0) & (mip.lower < mip.upper)
    factor = np.zeros(mip.columns, dtype=bool)
    factor[np.concatenate([program.cones.u.indices, program.cones.w.indices])] = True
    low = np.flatnonzero(free & np.isfinite(mip.lower) & ~(factor & (mip.lower == 0)))
    high = np.flatnonzero(free & np.isfinite(mip.upper))
    # Upper bounds are turned round, so that every slack is added
    at, side = np.concatenate([low, high]), np.repeat([1.0, -1.0], [len(low), len(high)])
    matrix = sp.csr_array((side, (np.arange(len(at)), at)), shape=(len(at), mip.columns))
    limits = Rows(matrix, side * np.concatenate([mip.lower[low], mip.upper[high]]), np.full(len(at), np.inf))
    lower, upper = mip.lower.copy(), mip.upper.copy()
    # A factor whose bound is above zero may pass it, down to zero and not further
    lower[low], upper[high] = np.where(factor[low] & (mip.lower[low] > 0), 0.0, -np.inf), np.inf
    return stack_rows([mip.rows, limits]), lower, upper, at
