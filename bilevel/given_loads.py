"""The leader's own problem at given loads and prices, and the duals of its rows (docs/model.md section 6)."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import outer, tolerances
from bilevel.canonical import Program
from bilevel.cones import tangent
from bilevel.errors import ModelError
from bilevel.program import Cones, Index, Mask, Mip, Rows, Vector, no_rows, stack_rows


class GivenLoads:
    """min of the leader's objective over its columns but the prices, with the followers' columns and the prices held.

    Rows on prices alone do not enter: what the network can do does not depend on them.  Cones enter by tangents.
    """

    def __init__(self, program: Program, prices: Index) -> None:
        self.program = program
        self.price = np.zeros(program.columns, dtype=bool)
        self.price[prices] = True
        self.held: Mask = self.price | (program.followers.owner >= 0)
        self.price_rows = price_rows(program, self.price)
        self.tangents = no_rows(program.columns)

    def solve(self, x: Vector, iteration: int) -> tuple[Vector, Vector]:
        """x with the leader's free columns at their optimum, and the dual of every leader row.

        A dual is d(minimised objective)/d(right-hand side of the row).  Raises `ModelError` naming the iteration when there is no
        optimum, or the cone when a cone that stands for an equality is loose or broken by more than `CONE_GAP`.
        """
        cones = self.program.cones
        session = outer.opened(self._linear_program(x))
        outcome = outer.converge(session, cones)
        if outcome.x is not None and cones.count:
            # A tangent's slope at a point that breaks its cone by e is off by the root of e: tangents at the point mend that
            self.tangents = tangent.cuts(cones, outcome.x, -np.inf)
            session.add_rows(self.tangents)
            outcome = outer.converge(session, cones)
        if outcome.x is None or outcome.row_dual is None:
            culprit = self._culprit(x) if outcome.status == "infeasible" else ""
            raise ModelError(
                f"the leader's own problem at the loads of iteration {iteration} is {outcome.status}{culprit}: widen the "
                "leader's limits, or bound its variables, so that it has an optimum at these loads"
            )
        self._require_exact(outcome.x, iteration)
        return np.where(self.held, x, outcome.x), outcome.row_dual[: self.program.rows.count]

    def _culprit(self, x: Vector) -> str:
        """The bound that has to give most, over its variable's scale, where all but those at 0 may give at that price."""
        program, mip, n = self.program, self._linear_program(x), self.program.columns
        low = np.flatnonzero(~self.held & np.isfinite(mip.lower) & (mip.lower != 0))
        high = np.flatnonzero(~self.held & np.isfinite(mip.upper) & (mip.upper != 0))
        at = np.concatenate([low, high])
        count, side = len(at), np.repeat([1.0, -1.0], [len(low), len(high)])
        if not count:
            return ""
        wider = mip.with_columns(np.zeros(count), np.full(count, np.inf), program.scale[at])
        limits = np.concatenate([mip.lower[low], mip.upper[high]])
        matrix = sp.hstack([sp.csr_array((side, (np.arange(count), at)), shape=(count, n)), sp.eye_array(count)])
        soft = Rows(sp.csr_array(matrix), side * limits, np.full(count, np.inf))
        lower, upper = wider.lower.copy(), wider.upper.copy()
        lower[low], upper[high] = -np.inf, np.inf
        cost = np.concatenate([np.zeros(n), 1.0 / program.scale[at]])
        session = outer.opened(replace(wider.with_rows(soft), cost=cost, offset=0.0, lower=lower, upper=upper))
        point = outer.converge(session, program.cones.widened(n + count)).x
        if point is None or not (point[n:] > 0).any():
            return ""
        worst = int(np.argmax(point[n:] / program.scale[at]))
        name = program.name(int(at[worst]))
        return f" ({name!r} would have to pass its bound {limits[worst]:.6g} by {point[n + worst]:.3g})"

    def _linear_program(self, x: Vector) -> Mip:
        program, b = self.program, self.program.bilinear
        terms = b.coefficient * x[b.leader] * x[b.follower]
        products = np.bincount(b.row + 1, weights=terms, minlength=program.rows.count + 1)
        rows = program.rows
        held = Rows(
            rows.matrix,
            np.where(self.price_rows, -np.inf, rows.lower - products[1:]),
            np.where(self.price_rows, np.inf, rows.upper - products[1:]),
        )
        n = program.columns
        return Mip(
            program.cost, program.offset + float(products[0]),
            np.where(self.held, x, program.lower), np.where(self.held, x, program.upper), outer.continuous(n),
            stack_rows([held, self.tangents]), Cones.none(n), (), program.scale,
        )  # fmt: skip

    def _require_exact(self, x: Vector, iteration: int) -> None:
        cones = self.program.cones
        gaps = cones.gaps(x)
        worst = int(np.argmax(np.abs(gaps))) if cones.count else -1
        if worst >= 0 and abs(gaps[worst]) > tolerances.CONE_GAP:
            raise ModelError(
                f"cone {cones.names[worst]!r} has the gap {gaps[worst]:.3g} at the loads of iteration {iteration}, allowed "
                f"{tolerances.CONE_GAP:g}: the relaxation is not exact there and its duals are no nodal prices, so give the leader "
                "an objective that pays for what the cone bounds, such as losses"
            )


def price_rows(program: Program, price: Mask) -> Mask:
    """The leader rows that hold prices and nothing else, shape (rows,)."""
    entries = sp.coo_array(program.rows.matrix)
    row, column = entries.coords[0][entries.data != 0], entries.coords[1][entries.data != 0]
    count = program.rows.count
    others = np.bincount(row[~price[column]], minlength=count)
    others += np.bincount(program.bilinear.row + 1, minlength=count + 1)[1:]
    found: Mask = (others == 0) & (np.bincount(row, minlength=count) > 0)
    return found
