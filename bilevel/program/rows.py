"""The sparse data between a Pyomo model and a solver: rows, cones, followers, and the program that a solver gets.

Every matrix shares one column space: the leader's variables, the followers' variables, then whatever a reformulation
appends (duals, binaries, auxiliary columns).  Quantities are in the model's own units; scaling is `bilevel.solvers.scaled`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bilevel import tolerances
from bilevel.program.sparse import magnitude, part, stacked

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_HELD = 0.01


@dataclass(frozen=True)
class Rows:
    """Linear constraints: lower <= matrix @ x <= upper; matrix is (rows x columns) in CSR, names has one entry a row."""

    matrix: sp.csr_array
    lower: Vector
    upper: Vector
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    def widened(self, columns: int) -> "Rows":
        """The same rows over a larger column space; new columns do not enter them."""
        return replace(self, matrix=widen(self.matrix, columns))

    def violation(self, x: Vector) -> Vector:
        """How far each row is broken at x, in the row's unit (0 where it holds)."""
        activity = self.matrix @ x
        broken: Vector = np.maximum(0.0, np.maximum(self.lower - activity, activity - self.upper))
        return broken


@dataclass(frozen=True)
class Cones:
    """Rotated second-order cones: sum of squares (S x)_k^2 over k of the cone <= (U x + u0)(W x + w0), both factors >= 0.

    `squares` is (square terms x columns) with `owner` the cone of each; `u`, `w` are (cones x columns).  `w_scale` is the
    expected size of the second factor, which makes errors relative.  A ball P^2 + Q^2 <= S^2 has u constant.  A cone that
    `relaxes_equality` (as l v >= P^2 + Q^2 does) is an error where it is loose.
    """

    squares: sp.csr_array
    owner: Index
    u: sp.csr_array
    u0: Vector
    w: sp.csr_array
    w0: Vector
    w_scale: Vector
    relaxes_equality: Mask
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of cones."""
        return int(self.u.shape[0])

    def widened(self, columns: int) -> "Cones":
        """The same cones over a larger column space."""
        return replace(self, squares=widen(self.squares, columns), u=widen(self.u, columns), w=widen(self.w, columns))

    def take(self, cones: Index) -> "Cones":
        """Some of the cones, in increasing order."""
        terms = np.flatnonzero(np.isin(self.owner, cones))
        return Cones(
            sp.csr_array(self.squares[terms]), np.searchsorted(cones, self.owner[terms]), sp.csr_array(self.u[cones]),
            self.u0[cones], sp.csr_array(self.w[cones]), self.w0[cones], self.w_scale[cones], self.relaxes_equality[cones],
            tuple(self.names[at] for at in cones.tolist()) if self.names else (),
        )  # fmt: skip

    def parts(self, x: Vector) -> tuple[Vector, Vector, Vector, Vector]:
        """The square terms s (one each), and per cone the sum of squares, u and w at x."""
        s = self.squares @ x
        total = np.bincount(self.owner, weights=s**2, minlength=self.count)
        return s, total.astype(float), self.u @ x + self.u0, self.w @ x + self.w0

    def excess(self, x: Vector) -> float:
        """By how much the worst cone is broken, over its expected product: what a solver sees of it in a scaled row."""
        _, total, u, w = self.parts(x)
        expected = np.maximum(np.maximum(np.abs(u), 1e-9) * self.w_scale, 1e-30)
        return float(((total - u * w) / expected).max(initial=0.0))

    def held(self, x: Vector) -> Mask:
        """Which cones x lies on, within a hundredth of their expected product."""
        _, total, u, w = self.parts(x)
        return np.asarray(u * w - total <= _HELD * np.maximum(total, np.abs(u) * self.w_scale))

    def snapped(self, x: Vector) -> Vector:
        """x with cones that are nearly tight made so, by the one column that is their w; what an interior point leaves open."""
        _, total, u, w = self.parts(x)
        alone = (np.diff(self.w.indptr) == 1) & (u > 0) & self.relaxes_equality
        least = total / np.where(u > 0, u, 1.0)
        near = np.flatnonzero(alone & (np.abs(w - least) <= tolerances.CONE_SNAP * np.maximum(self.w_scale, 1e-30)))
        x, at = x.copy(), self.w.indptr[near]
        x[self.w.indices[at]] = (least[near] - self.w0[near]) / self.w.data[at]
        return x

    @staticmethod
    def none(columns: int) -> "Cones":
        """No cones over that many columns."""
        empty, nothing = sp.csr_array((0, columns)), np.zeros(0)
        return Cones(
            empty, np.zeros(0, dtype=np.int64), empty, nothing, empty, nothing, nothing, np.zeros(0, dtype=bool)
        )

    def gaps(self, x: Vector) -> Vector:
        """(u w - sum of squares) / (u w) of every cone: positive when loose, negative when broken.

        Cones that relax no equality, such as a ball, may stay off their limit, and their gap is 0 then.

        The scale has a floor of 1e-9 of the cone's own expected product (or of what the largest cone is over its own, which
        may be more), under which it carries nothing that counts: squares that should be 0 would be chased for ever.
        """
        _, total, u, w = self.parts(x)
        product = u * w
        expected = np.maximum(np.abs(u) * self.w_scale, 1e-30)
        floor = 1e-9 * expected * float((np.abs(product) / expected).max(initial=1.0))
        gaps: Vector = (product - total) / np.maximum(np.maximum(np.abs(product), total), floor)
        return np.where(self.relaxes_equality, gaps, np.minimum(gaps, 0.0))


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
        return float((self.activity(x) / np.maximum(self.sizes(scale), 1e-300)).max(initial=0.0))

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


def stack_cones(first: Cones, second: Cones) -> Cones:
    """Cones of the same width, one block after the other."""
    return Cones(
        squares=stacked([first.squares, second.squares]),
        owner=np.concatenate([first.owner, first.count + second.owner]),
        u=stacked([first.u, second.u]),
        u0=np.concatenate([first.u0, second.u0]),
        w=stacked([first.w, second.w]),
        w0=np.concatenate([first.w0, second.w0]),
        w_scale=np.concatenate([first.w_scale, second.w_scale]),
        relaxes_equality=np.concatenate([first.relaxes_equality, second.relaxes_equality]),
        names=first.names + second.names,
    )


def widen(matrix: sp.csr_array, columns: int) -> sp.csr_array:
    """The matrix with zero columns appended up to `columns`."""
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], columns))


def empty_rows(count: int, columns: int) -> Rows:
    """Rows without entries or limits."""
    return Rows(sp.csr_array((count, columns)), np.full(count, -np.inf), np.full(count, np.inf))


def no_rows(columns: int) -> Rows:
    """No rows over that many columns."""
    return empty_rows(0, columns)


def stack_rows(parts: Sequence[Rows]) -> Rows:
    """Rows of the same width, one block under the other."""
    return Rows(
        matrix=stacked([part.matrix for part in parts]),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
        names=tuple(name for part in parts for name in part.names),
    )


def coo(entries: Any, shape: tuple[int, int]) -> sp.csr_array:
    """A CSR matrix from a list of (row, column, value); repeated places add up."""
    if not len(entries):
        return sp.csr_array(shape)
    row, column, value = zip(*entries, strict=True)
    return sp.csr_array((np.asarray(value, dtype=float), (row, column)), shape=shape)
