"""Rotated second-order cones over the shared columns."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.rows import Index, Mask, Vector, widen
from bilevel.program.sparse import stacked


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
            # As cones come in order, where one stands among those taken is its new number
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
        expected = np.maximum(np.maximum(np.abs(u), tolerances.CONE_NOTHING) * self.w_scale, tolerances.LEAST_PRODUCT)
        return float(((total - u * w) / expected).max(initial=0.0))

    @property
    def norms(self) -> Mask:
        """The cones whose factors are one column, the same: root of the sum of squares <= that column."""
        alone = [(np.diff(part.indptr) == 1) & (zero == 0) for part, zero in ((self.u, self.u0), (self.w, self.w0))]
        both = np.flatnonzero(alone[0] & alone[1])
        same = self.u.indices[self.u.indptr[both]] == self.w.indices[self.w.indptr[both]]
        return np.isin(np.arange(self.count), both[same])

    def closed(self, x: Vector) -> Vector:
        """x with the columns that are at least a norm at that norm, where nothing else is meant."""
        at = np.flatnonzero(self.norms & self.relaxes_equality)
        if not len(at):
            return x
        _, total, _, _ = self.parts(x)
        x, first = x.copy(), self.u.indptr[at]
        product = self.u.data[first] * self.w.data[self.w.indptr[at]]
        x[self.u.indices[first]] = np.sqrt(total[at] / product)
        return x

    def held(self, x: Vector) -> Mask:
        """Which cones x lies on, within a hundredth of their expected product."""
        _, total, u, w = self.parts(x)
        return np.asarray(u * w - total <= tolerances.CONE_HELD * np.maximum(total, np.abs(u) * self.w_scale))

    def snapped(self, x: Vector) -> Vector:
        """x with cones that are nearly tight made so, by the one column that is their w; what an interior point leaves open."""
        _, total, u, w = self.parts(x)
        # Other cones may be loose, and of several columns in w it is open which one to move
        alone = (np.diff(self.w.indptr) == 1) & (u > 0) & self.relaxes_equality & ~self.norms
        least = total / np.where(u > 0, u, 1.0)
        near = np.flatnonzero(
            alone & (np.abs(w - least) <= tolerances.CONE_SNAP * np.maximum(self.w_scale, tolerances.LEAST_PRODUCT))
        )
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
        expected = np.maximum(np.abs(u) * self.w_scale, tolerances.LEAST_PRODUCT)
        # The floor follows the largest cone: beside it what a dead branch carries is noise
        floor = tolerances.CONE_NOTHING * expected * float((np.abs(product) / expected).max(initial=1.0))
        gaps: Vector = (product - total) / np.maximum(np.maximum(np.abs(product), total), floor)
        return np.where(self.relaxes_equality, gaps, np.minimum(gaps, 0.0))


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
