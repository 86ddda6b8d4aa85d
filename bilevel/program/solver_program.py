"""The program that a solver gets: rows, cones, products, bounds, integrality."""

from dataclasses import dataclass, replace

import numpy as np

from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Mask, Rows, Vector, stack_rows
from bilevel.program.sparse import part


@dataclass(frozen=True)
class SolverProgram:
    """A mixed-integer conic program: minimise cost @ x + offset over rows, cones, bounds, integrality and what modes add.

    `sos1` holds pairs of columns of which one must be zero; `indicators` (binary, value, column): where the binary has the
    value, the column is <= 0; `products` are nonconvex rows, None without.
    """

    cost: Vector
    offset: float
    lower: Vector
    upper: Vector
    integer: Mask
    rows: Rows
    cones: Cones
    sos1: tuple[tuple[int, int], ...]
    scale: Vector
    indicators: tuple[tuple[int, int, int], ...] = ()
    products: Products | None = None

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.cost)

    @property
    def convex(self) -> bool:
        """Whether, integrality and pairs aside, linear programs and tangents are enough."""
        return not self.cones.count and self.products is None

    def with_columns(self, lower: Vector, upper: Vector, scale: Vector, integer: bool = False) -> "SolverProgram":
        """The program with columns appended at no cost; the first of them is column `self.columns`."""
        # Behind the others, so that what sets, indicators and products say of columns stays true
        more = len(lower)
        total = self.columns + more
        return replace(
            self,
            cost=np.concatenate([self.cost, np.zeros(more)]),
            lower=np.concatenate([self.lower, lower]),
            upper=np.concatenate([self.upper, upper]),
            integer=np.concatenate([self.integer, np.full(more, integer)]),
            scale=np.concatenate([self.scale, scale]),
            rows=self.rows.widened(total),
            cones=self.cones.widened(total),
            products=None if self.products is None else self.products.widened(total),
        )

    def with_rows(self, rows: Rows) -> "SolverProgram":
        """The program with linear rows appended."""
        return replace(self, rows=stack_rows([self.rows, rows]))

    def without_idle(self, first: int) -> "SolverProgram":
        """The same program without cost and row entries of columns from `first` on that are held at zero.

        However large such an entry is, and a limit of 1e17 is one, it says nothing; solvers lose their digits to it.
        """
        idle = (self.lower == 0) & (self.upper == 0)
        idle[:first] = False
        if not idle.any():
            return self
        matrix = part(self.rows.matrix, ~idle[self.rows.matrix.indices])
        return replace(self, cost=np.where(idle, 0.0, self.cost), rows=replace(self.rows, matrix=matrix))
