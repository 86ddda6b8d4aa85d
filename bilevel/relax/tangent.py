"""Tangent planes where a point breaks a cone: the outer approximation that is the default (model page section 2).

The cone sum s_k^2 <= u w is w >= f(s, u) with the convex, positively homogeneous f = sum s_k^2 / u, so its tangent at a
point (s0, u0) is w >= sum (2 s0/u0) s - (sum s0^2 / u0^2) u.  No tangent cuts off a point of the cone, so the bound of
every program with tangents stays valid.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, no_rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import scaled
from bilevel.solvers import Feature

name = "tangent"
features: frozenset[Feature] = frozenset()


def prepare(mip: SolverProgram) -> SolverProgram:
    """Start without the cones."""
    return replace(mip, cones=Cones.none(mip.columns))


def initial_tangents(cones: Cones, size: float) -> Rows:
    """Tangents on both sides of every square at `size` times the cone's expected size, for programs unbounded without."""
    k = cones.owner
    u_size = np.maximum(np.abs(cones.u0), 1.0)[k]
    at = size * np.sqrt(np.maximum(cones.w_scale[k], tolerances.LEAST_SIZE) * u_size)
    parts = []
    # A square may run off either way, and its tangent at 0 would hold neither
    for side in (1.0, -1.0):
        slope, curve = 2.0 * side * at / u_size, (at / u_size) ** 2
        matrix = cones.w[k] - scaled(cones.squares, slope) + scaled(cones.u[k], curve)
        parts.append(Rows(sp.csr_array(matrix), -cones.w0[k] - curve * cones.u0[k], np.full(len(k), np.inf)))
    return stack_rows(parts)


@dataclass(frozen=True)
class Planes:
    """Planes w >= slope squares - curve u, one for each of these cones; `slope` is (planes x squares)."""

    cone: Index
    slope: sp.csr_array
    curve: Vector

    def rows(self, cones: Cones) -> Rows:
        """As rows over the cones' columns."""
        if not len(self.cone):
            return no_rows(cones.u.shape[1])
        matrix = cones.w[self.cone] - self.slope @ cones.squares + scaled(cones.u[self.cone], self.curve)
        lower = -cones.w0[self.cone] - self.curve * cones.u0[self.cone]
        return Rows(sp.csr_array(matrix), lower, np.full(len(self.cone), np.inf))


def cuts(cones: Cones, x: Vector, tolerance: float) -> Rows:
    """One tangent for every cone that x breaks by more than `tolerance` of its own size."""
    return planes(cones, x, tolerance).rows(cones) if cones.count else no_rows(cones.u.shape[1])


def planes(cones: Cones, x: Vector, tolerance: float, shift: Vector | None = None) -> Planes:
    """The same as planes, at the point whose squares are of forms moved by `shift`."""
    s, total, u, w = cones.parts(x)
    if shift is not None:
        s = s + shift
        total = np.bincount(cones.owner, s**2, minlength=cones.count).astype(float)
    broken = np.flatnonzero(-cones.gaps(x) > tolerance)
    # Near u = 0 the slope at the point has no end; further along u a tangent still cuts the point off
    ahead = total / np.maximum(np.maximum(w, cones.w_scale), tolerances.NOT_ZERO)
    u_safe = np.where(u < tolerances.TANGENT_FACTOR_FLOOR * ahead, ahead, u)
    # Where squares are 0 nothing is ahead, and a u of 0 would be divided by
    u_safe = np.maximum(u_safe, tolerances.CONE_NOTHING * np.maximum(1.0, np.abs(u).max(initial=0.0)))
    rank = np.full(cones.count, -1)
    rank[broken] = np.arange(len(broken))
    mine = np.flatnonzero(rank[cones.owner] >= 0)
    owner = cones.owner[mine]
    slope = sp.csr_array((2.0 * s[mine] / u_safe[owner], (rank[owner], mine)), shape=(len(broken), len(s)))
    # Data of 1e-300 make factors of 1e300, whose squares have no end: a tangent there is flat
    with np.errstate(over="ignore"):
        ratio = (total / u_safe**2)[broken]
    return Planes(broken, slope, ratio)
