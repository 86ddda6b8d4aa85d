"""Parts of the decision space, each with some sides of pairs fixed and a lower bound; together they are all of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bilevel.program.rows import Index, Vector
from bilevel.search.sides import Sides

MOST_PARTS = 60
"""Parts of an earlier division up to which it is worth starting from it."""


@dataclass(frozen=True)
class Subproblem:
    """A part of a division: `value` is a lower bound of its least objective, with the reduced costs of the linear program that
    gave it (None where it was not solved); `rounds`: how often it was solved with more tangents; `basis`: of its
    parent's linear program, None where it is not kept."""

    sides: Sides
    value: float
    reduced_cost: Vector | None = None
    rounds: int = 0
    basis: Any = None

    def moved(self, columns: Index, lower: Vector, upper: Vector) -> "Subproblem":
        """The same part after bounds of columns have moved up by `lower` and `upper`: a dual point stays one, its value follows."""
        if self.reduced_cost is None:
            return Subproblem(self.sides, -np.inf)
        price = self.reduced_cost[columns]
        used = price != 0
        # A positive reduced cost prices the lower bound, a negative one the upper; where it is 0 a move may be endless
        value = self.value + float(np.sum(price[used] * np.where(price > 0, lower, upper)[used]))
        return replace(self, value=value if np.isfinite(value) else -np.inf)


def whole(pairs: int) -> tuple[Subproblem, ...]:
    """The division into one part."""
    neither = np.zeros(pairs, dtype=bool)
    return (Subproblem(Sides(neither, neither), -np.inf),)
