"""Rows with products of two columns."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.rows import Index, Rows, Vector, stack_rows
from bilevel.program.sparse import magnitude


@dataclass(frozen=True)
class Products:
    """Bilinear constraints: sum value * x[first] * x[second] over entries of `row`, plus `linear.matrix` @ x, <= linear.upper."""

    row: Index
    first: Index
    second: Index
    value: Vector
    linear: Rows

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.linear.count

    def widened(self, columns: int) -> "Products":
        """The same rows over a larger column space."""
        return replace(self, linear=self.linear.widened(columns))

    def excess(self, x: Vector, scale: Vector) -> float:
        """By how much the worst row is broken at x, over the size of its terms at the columns' scales."""
        return float((self.activity(x) / np.maximum(self.sizes(scale), tolerances.NOT_ZERO)).max(initial=0.0))

    def sizes(self, scale: Vector) -> Vector:
        """The size of every row's terms at the columns' scales."""
        sizes = np.abs(self.value * scale[self.first] * scale[self.second])
        size: Vector = np.bincount(self.row, weights=sizes, minlength=self.count) + magnitude(self.linear.matrix, scale)
        return size

    def loosened(self, share: float, scale: Vector) -> "Products":
        """The same rows with limits further out by this share of their terms."""
        upper = self.linear.upper + share * self.sizes(scale)
        return replace(self, linear=replace(self.linear, upper=upper))

    def activity(self, x: Vector) -> Vector:
        """Left side less limit of every row at x."""
        terms = self.value * x[self.first] * x[self.second]
        total: Vector = np.bincount(self.row, weights=terms, minlength=self.count) + self.linear.matrix @ x
        return total - self.linear.upper

    def tangents(self, x: Vector) -> Rows:
        """The linear rows that the products are near x; `linear` with what they add to it there."""
        slope, total = linearised(self.row, self.first, self.second, self.value, x, self.linear.matrix.shape)
        linear = self.linear
        # A product is slope @ x - total near x, and the constant goes to the limits
        return Rows(sp.csr_array(linear.matrix + slope), linear.lower + total, linear.upper + total, linear.names)


def linearised(
    row: Index, first: Index, second: Index, value: Vector, x: Vector, shape: tuple[int, int]
) -> tuple[sp.csr_array, Vector]:
    """Slope of sums of value * x[first] * x[second] at x, and those sums: the product is slope @ x - sum near x."""
    # A square has both places in one, where its halves add up to 2 value x
    places = (np.concatenate([row, row]), np.concatenate([first, second]))
    slope = sp.csr_array((np.concatenate([value * x[second], value * x[first]]), places), shape=shape)
    total: Vector = np.bincount(row, weights=value * x[first] * x[second], minlength=shape[0]).astype(float)
    return slope, total


def stack_products(first: Products | None, second: Products) -> Products:
    """Product rows of the same width, one block after the other."""
    if first is None:
        return second
    return Products(
        row=np.concatenate([first.row, first.count + second.row]),
        first=np.concatenate([first.first, second.first]),
        second=np.concatenate([first.second, second.second]),
        value=np.concatenate([first.value, second.value]),
        linear=stack_rows([first.linear, second.linear]),
    )
