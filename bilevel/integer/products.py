"""Products of a whole number and another column as linear forms, exactly.

x = low + sum of 2^k b_k with binaries b_k, so that x y = low y + sum of 2^k p_k with p_k = b_k y, which four rows say where y is
bounded (McCormick).
"""

import numpy as np

from bilevel.errors import ModelError
from bilevel.integer.draft import Draft, Form, added
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector

MOST_BITS = 30
"""Of a factor's range: more values than 2^30 nobody counts."""


class ExactProducts:
    """Products of a program's columns, each made once and written into a draft; `lower` and `upper` are what the rows leave."""

    def __init__(self, program: Program, draft: Draft, lower: Vector, upper: Vector) -> None:
        self.program, self.draft, self.lower, self.upper = program, draft, lower, upper
        self.bits: dict[int, list[tuple[int, float]]] = {}
        self.known: dict[tuple[int, int], Form] = {}

    def form(self, first: int, second: int) -> Form:
        """The product of two columns.

        One that is held leaves the other's multiple.  Raises `ModelError`, naming both, where neither is an integer with bounds, or
        the other has none.
        """
        key = (min(first, second), max(first, second))
        if key not in self.known:
            self.known[key] = self._made(*key)
        return self.known[key]

    def _made(self, first: int, second: int) -> Form:
        for held, other in ((first, second), (second, first)):
            if self.program.lower[held] == self.program.upper[held]:
                return {other: float(self.program.lower[held])}
        able = [at for at in (first, second) if self.program.integer[at] and self._range(at) < 2.0**MOST_BITS]
        if not able or not np.isfinite([self._range(first), self._range(second)]).all():
            names = " and ".join(repr(self.program.name(at)) for at in (first, second))
            raise ModelError(
                f"the product of {names} has no exact linear form beside a follower with integers: one of them must be an integer "
                "variable, and both need bounds"
            )
        whole = min(able, key=self._range)
        other = second if whole == first else first
        form: Form = {}
        # A square has its own column as the other one
        for bit, value in self._bits_of(whole):
            added(form, {self._switched(bit, other): value})
        return added(form, {other: float(self.lower[whole])})

    def _range(self, column: int) -> float:
        return float(self.upper[column] - self.lower[column])

    def _bits_of(self, column: int) -> list[tuple[int, float]]:
        """Binaries and values with column = its lower bound + sum of values times binaries."""
        if column not in self.bits:
            low, most = float(self.lower[column]), int(self._range(column))
            if (low, most) == (0.0, 1):
                self.bits[column] = [(column, 1.0)]
            else:
                found = [(self.draft.column(0.0, 1.0, whole=True), 2.0**k) for k in range(most.bit_length())]
                self.draft.row(
                    {column: 1.0, **{bit: -value for bit, value in found}}, low, low, f"bits of {self._name(column)}"
                )
                self.bits[column] = found
        return self.bits[column]

    def _switched(self, bit: int, other: int) -> int:
        """A column that is the other one where the bit is 1, else 0."""
        low, high = float(self.lower[other]), float(self.upper[other])
        column = self.draft.column(min(low, 0.0), max(high, 0.0), scale=float(self.program.scale[other]))
        name = f"product with {self._name(other)}"
        self.draft.row({column: 1.0, bit: -high}, -np.inf, 0.0, name)
        self.draft.row({column: 1.0, bit: -low}, 0.0, np.inf, name)
        self.draft.row(added({column: 1.0, bit: -low}, {other: -1.0}), -np.inf, -low, name)
        self.draft.row(added({column: 1.0, bit: -high}, {other: -1.0}), -high, np.inf, name)
        return column

    def _name(self, column: int) -> str:
        return self.program.name(column)
