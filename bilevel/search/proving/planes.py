"""Tangents of cones as a proof writes them, and a session that has no others."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector, no_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import tangent
from bilevel.search.cut_session import CutSession
from bilevel.search.proving.log import NoProofError
from bilevel.solvers import Outcome

Plane = tuple[int, list[float], float, float]
"""Of a tangent p squares + q u + r w >= 0, with |p|^2 <= 4 q r: its cone, p over the cone's squares, q and r."""

AROUND = 1e-4
"""Of a square's expected size: how far tangents around a point lie from it; a combination of them loses the square of that."""


@dataclass
class Tangents:
    """A treatment of cones that knows its rows as planes; `told` are those that a session took, from `rings` on around points."""

    name: str = "tangent"
    features: frozenset[Any] = tangent.features
    told: list[Plane] = field(default_factory=list)
    offered: tuple[Rows | None, list[Plane]] = (None, [])
    rings: int | None = None

    def prepare(self, mip: SolverProgram) -> SolverProgram:
        """Start without the cones."""
        return tangent.prepare(mip)

    def cuts(self, cones: Cones, x: Vector, tolerance: float, shift: Vector | None = None) -> Rows:
        """One tangent for every cone that x breaks by more than the tolerance."""
        if not cones.count:
            return no_rows(cones.u.shape[1])
        found = tangent.planes(cones, x, tolerance, shift)
        first = np.searchsorted(cones.owner, np.arange(cones.count + 1))
        slope, planes = sp.csr_array(found.slope), []
        for at, cone in enumerate(found.cone.tolist()):
            p = -slope[[at]].toarray().ravel()[first[cone] : first[cone + 1]]
            # What rounding lacks for |p|^2 <= 4 q is given to q
            q = max(float(found.curve[at]), float(p @ p) / 4) * (1.0 + tolerances.PRODUCT_WITHOUT_SQUARE * (len(p) + 4))
            planes.append((cone, p.tolist(), q, 1.0))
        return self._offer(found.rows(cones), planes)

    def around(self, cones: Cones, x: Vector) -> Iterator[Rows]:
        """Tangents on both sides of every square at x: with them any slope near that at x is one of a combination."""
        self.rings = len(self.told) if self.rings is None else self.rings
        step = AROUND * np.sqrt(np.maximum(cones.w_scale, tolerances.LEAST_SIZE))[cones.owner]
        place = np.arange(len(cones.owner)) - np.searchsorted(cones.owner, cones.owner)
        for at in range(int(place.max(initial=-1)) + 1):
            for side in (1.0, -1.0):
                yield self.cuts(cones, x, -np.inf, np.where(place == at, side * step, 0.0))

    def walls(self, cones: Cones, size: float) -> Rows:
        """Tangents on both sides of every square at `size` times its expected size, for programs without an end."""
        k = cones.owner
        u_size = np.maximum(np.abs(cones.u0), 1.0)[k]
        at = size * np.sqrt(np.maximum(cones.w_scale[k], tolerances.LEAST_SIZE) * u_size) / u_size
        first, planes = np.searchsorted(k, np.arange(cones.count + 1)), []
        for side in (1.0, -1.0):
            for square, cone in enumerate(k.tolist()):
                p = np.zeros(int(first[cone + 1] - first[cone]))
                p[square - first[cone]] = -2.0 * side * at[square]
                planes.append(
                    (cone, p.tolist(), float(at[square] ** 2 * (1.0 + tolerances.PRODUCT_WITHOUT_SQUARE)), 1.0)
                )
        return self._offer(tangent.initial_tangents(cones, size), planes)

    def _offer(self, rows: Rows, planes: list[Plane]) -> Rows:
        self.offered = rows, planes
        return rows

    def take(self, rows: Rows) -> None:
        """A session took the rows that were given last."""
        if rows is not self.offered[0]:
            raise NoProofError("the relaxation has rows that no proof knows of")
        self.told += self.offered[1]


class ProofSession(CutSession):
    """A session whose rows are those of `tangents` alone: a program without an end stays one."""

    tangents_told: Tangents

    def solve(self, integer: bool, improving: bool = False, seconds: float = np.inf) -> Outcome:
        """One call of the solver."""
        return self._solve(integer, improving, seconds)

    def add_cuts(self, rows: Rows) -> None:
        """Append tangents, and remember them."""
        if rows.count:
            self.tangents_told.take(rows)
        super().add_cuts(rows)
