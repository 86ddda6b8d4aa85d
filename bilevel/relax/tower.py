"""The polyhedral tower of Ben-Tal and Nemirovski ([Z19] Algorithm 1, model page section 2).

||(x1, x2)|| <= x3 within a relative error 1 / cos(pi / 2^(levels + 1)) - 1, by 2 (levels + 1) columns and about three times
as many rows.  A cone sum s_k^2 <= u w is || (2 s_1, 2 s_2, ..., u - w) || <= u + w, taken two terms at a time, with u and w
first brought to equal expected size, which makes the error relative.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, no_rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude, scaled
from bilevel.solvers import Feature

name = "tower"
features: frozenset[Feature] = frozenset()
RELATIVE_ERROR = 1e-7


def levels(relative_error: float = RELATIVE_ERROR) -> int:
    """The fewest levels whose relative error is at most the given one (12 for 1e-7)."""
    count = 0
    while 1.0 / np.cos(np.pi / 2 ** (count + 1)) - 1.0 > relative_error:
        count += 1
    return count


def cuts(cones: Cones, _x: Vector, _tolerance: float) -> Rows:
    """None: the tower is complete from the start."""
    return no_rows(cones.u.shape[1])


@dataclass(frozen=True)
class _Forms:
    """Affine forms matrix @ x + constant, one a row."""

    matrix: sp.csr_array
    constant: Vector

    def take(self, rows: Index) -> "_Forms":
        return _Forms(sp.csr_array(self.matrix[rows]), self.constant[rows])

    def widened(self, columns: int) -> "_Forms":
        return _Forms(widen(self.matrix, columns), self.constant)

    def plus(self, other: "_Forms", factor: float = 1.0) -> "_Forms":
        return _Forms(sp.csr_array(self.matrix + factor * other.matrix), self.constant + factor * other.constant)

    def times(self, factor: float) -> "_Forms":
        return _Forms(sp.csr_array(factor * self.matrix), factor * self.constant)

    def at_least_zero(self) -> Rows:
        return Rows(self.matrix, -self.constant, np.full(len(self.constant), np.inf))

    def equal_zero(self) -> Rows:
        return Rows(self.matrix, -self.constant, -self.constant)


def prepare(mip: SolverProgram) -> SolverProgram:
    """Replace every cone by towers of linear rows over new columns; the cones leave the program."""
    cones = mip.cones
    mip = replace(mip, cones=Cones.none(mip.columns))
    if not cones.count:
        return mip
    root = np.sqrt(np.maximum(cones.w_scale, tolerances.LEAST_SIZE))
    first = _Forms(scaled(cones.u, root), root * cones.u0)
    second = _Forms(scaled(cones.w, 1.0 / root), cones.w0 / root)
    tip, chain = first.plus(second), first.plus(second, -1.0)
    size = np.maximum(magnitude(tip.matrix, mip.scale) + np.abs(tip.constant), tolerances.LEAST_TERM)
    terms = np.bincount(cones.owner, minlength=cones.count)
    order = np.arange(len(cones.owner)) - np.searchsorted(cones.owner, cones.owner)
    reach = np.flatnonzero(terms == 0)
    if len(reach):
        mip = mip.with_rows(tip.take(reach).at_least_zero())
    # The k-th squares of all cones at once: a few large blocks of rows instead of many small ones
    for k in range(int(order.max(initial=-1)) + 1):
        at = np.flatnonzero(order == k)
        who = cones.owner[at]
        squares = _Forms(sp.csr_array(2.0 * cones.squares[at]), np.zeros(len(at)))
        mip, chain = _join(mip, squares, who, chain, tip, size, terms[who] == k + 1)
    return mip


def _join(
    mip: SolverProgram, squares: _Forms, who: Index, chain: _Forms, tip: _Forms, size: Vector, last: np.ndarray
) -> tuple[SolverProgram, _Forms]:
    """Add norm(square term, chain) <= new column for the cones `who`; a cone's last new column equals its tip."""
    count, start = len(who), mip.columns
    mip = mip.with_columns(np.zeros(count), np.full(count, np.inf), size[who])
    n = mip.columns
    top = _columns(start, count, n)
    tip = tip.widened(n)
    # The last norm of a cone is its tip, those before are what the next square joins
    mip = mip.with_rows(tip.take(who[last]).plus(top.take(np.flatnonzero(last)), -1.0).equal_zero())
    mip = _tower(mip, squares.widened(n), chain.widened(n).take(who), top, size[who])
    keep = np.ones(len(chain.constant))
    keep[who] = 0.0
    place = sp.csr_array((np.ones(count), (who, np.arange(count))), shape=(len(keep), count))
    matrix = sp.diags_array(keep) @ widen(chain.matrix, n) + place @ top.matrix
    return mip, _Forms(sp.csr_array(matrix), chain.constant * keep)


def _tower(mip: SolverProgram, x1: _Forms, x2: _Forms, x3: _Forms, size: Vector) -> SolverProgram:
    """norm(x1, x2) <= x3 row by row; the columns are alpha_0, beta_0, alpha_1, beta_1, ... in blocks."""
    depth, count, start = levels(), len(size), mip.columns
    per = 2 * (depth + 1)
    mip = mip.with_columns(np.zeros(per * count), np.full(per * count, np.inf), np.tile(size, per))
    n = mip.columns
    blocks = [_columns(start + k * count, count, n) for k in range(per)]
    rows = []
    for block, form in ((blocks[0], x1.widened(n)), (blocks[1], x2.widened(n))):
        rows += [block.plus(form, sign).at_least_zero() for sign in (1.0, -1.0)]
    for level in range(1, depth + 1):
        # Turned by half the angle it may have, and folded up, a point has that half left: in the end next to none
        angle = np.pi / 2 ** (level + 1)
        alpha, beta = blocks[2 * level - 2], blocks[2 * level - 1]
        turned = beta.times(np.cos(angle)).plus(alpha, -np.sin(angle))
        along = alpha.times(np.cos(angle)).plus(beta, np.sin(angle))
        rows.append(blocks[2 * level].plus(along, -1.0).equal_zero())
        rows += [blocks[2 * level + 1].plus(turned, sign).at_least_zero() for sign in (1.0, -1.0)]
    alpha, beta = blocks[-2], blocks[-1]
    rows.append(x3.widened(n).plus(alpha, -1.0).at_least_zero())
    # Within the last angle alpha is the norm but for the factor 1 / cos, which is the error
    rows.append(alpha.times(np.tan(np.pi / 2 ** (depth + 1))).plus(beta, -1.0).at_least_zero())
    for part in rows:
        mip = mip.with_rows(part)
    return mip


def _columns(start: int, count: int, columns: int) -> _Forms:
    """The columns from `start` on as forms."""
    at = np.arange(count)
    return _Forms(sp.csr_array((np.ones(count), (at, start + at)), shape=(count, columns)), np.zeros(count))
