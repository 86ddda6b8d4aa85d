"""The leader's own problem at given loads and prices, and the duals of its rows (docs/model.md section 6)."""

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.equilibrium.elastic_limits import Broken, elastic, soft_cones
from bilevel.errors import LooseConeError, ModelError
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows, Vector, no_rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation, tangent
from bilevel.solvers import Outcome
from bilevel.status import SolverStatus


class GivenLoads:
    """min of the leader's objective over its columns but the prices, with the followers' columns and the prices held.

    Rows on prices alone do not enter: what the network can do does not depend on them.  Cones enter by tangents.
    """

    def __init__(self, program: Program, prices: Index) -> None:
        _require_linear(program)
        self.program = program
        self.price = np.zeros(program.columns, dtype=bool)
        self.price[prices] = True
        self.held: Mask = self.price | (program.followers.owner >= 0)
        self.price_rows = price_rows(program, self.price)
        # Tangents of limits are not kept: at the next loads the limit may have to give way, and a row would not
        self.firm = program.cones.take(np.setdiff1d(np.arange(program.cones.count), soft_cones(program)))
        self.tangents = no_rows(program.columns)

    def solve(self, x: Vector, iteration: int) -> tuple[Vector, Vector, Broken]:
        """x with the leader's free columns at their optimum, the dual of every leader row, and the limits that had to break.

        A dual is d(minimised objective)/d(right-hand side of the row).  Where no point meets every limit, limits are elastic (see
        `elastic`), and duals hold the scarcity price of those that break.  Raises `ModelError` naming the iteration when there is
        no optimum even so, or the cone when a cone that stands for an equality is loose or broken by more than `CONE_GAP`.
        """
        mip = self._linear_program(x)
        outcome, broken, cones = self._optimum(mip, self.program.cones), Broken(), self.program.cones
        # An objective without end within the limits has none beyond them
        if outcome.x is None and outcome.status != SolverStatus.UNBOUNDED:
            given = elastic(self.program, mip)
            outcome, cones = self._optimum(given.mip, given.cones), given.cones
            broken = Broken() if outcome.x is None else given.broken(outcome.x)
        if outcome.x is None or outcome.row_dual is None:
            remedy = "bound its variables, so that it has an optimum at these loads"
            if outcome.status == SolverStatus.INFEASIBLE:
                remedy = "no matter how far its limits give way, so its equality rows contradict these loads: relax one of them"
            raise ModelError(
                f"the leader's own problem at the loads of iteration {iteration} is {outcome.status}: {remedy}"
            )
        self._require_exact(cones, outcome.x, iteration, broken)
        free = self.program.part_of(outcome.x)
        # Held columns stay as given, not as a solver rounds them; behind the leader's rows stand tangents
        return np.where(self.held, x, free), outcome.row_dual[: self.program.rows.count], broken

    def _optimum(self, mip: SolverProgram, cones: Cones) -> Outcome:
        """The optimum over these cones, with tangents at the point itself."""
        session = outer_approximation.opened(mip)
        outcome = outer_approximation.converge(session, cones)
        if outcome.x is not None and cones.count:
            # A tangent's slope at a point that breaks its cone by e is off by the root of e: tangents at the point mend that
            session.add_rows(tangent.cuts(cones, outcome.x, -np.inf))
            # The next loads are near, so that these tangents are a start there; they leave slacks out
            self.tangents = tangent.cuts(self.firm, self.program.part_of(outcome.x), -np.inf)
            outcome = outer_approximation.converge(session, cones)
        return outcome

    def _linear_program(self, x: Vector) -> SolverProgram:
        program = self.program
        # At given loads and prices products are constants, and go over to the limits
        products = program.bilinear.sums(x, program.rows.count)
        rows = program.rows
        held = Rows(
            rows.matrix,
            np.where(self.price_rows, -np.inf, rows.lower - products[1:]),
            np.where(self.price_rows, np.inf, rows.upper - products[1:]),
        )
        n = program.columns
        return SolverProgram(
            program.cost, program.offset + float(products[0]),
            np.where(self.held, x, program.lower), np.where(self.held, x, program.upper), outer_approximation.continuous(n),
            stack_rows([held, self.tangents]), Cones.none(n), (), program.scale,
        )  # fmt: skip

    def _require_exact(self, cones: Cones, x: Vector, iteration: int, broken: Broken) -> None:
        gaps = cones.gaps(x)
        worst = int(np.argmax(np.abs(gaps))) if cones.count else -1
        # A cone that is broken counts as much: the duals are then those of an infeasible point
        if worst >= 0 and abs(gaps[worst]) > tolerances.CONE_GAP:
            # A limit that has to give way is why, more often than not, and what a user can mend
            limits = (
                f"the loads of iteration {iteration} break {broken.count} limits of the leader's, at worst {broken.name!r} by "
                f"{broken.worst:.3g} of its scale: widen it or lower the loads; and "
            )
            said = limits if broken.count else ""
            raise LooseConeError(
                f"{said}cone {cones.names[worst]!r} has the gap {gaps[worst]:.3g} at the loads of iteration {iteration}, allowed "
                f"{tolerances.CONE_GAP:g}: the relaxation is not exact there and its duals are no nodal prices, so give the leader "
                "an objective that pays for what the cone bounds, such as losses",
                x,
            )


def _require_linear(program: Program) -> None:
    b = program.bilinear
    own = np.flatnonzero(program.followers.owner[b.follower] == LEADER)
    if len(own):
        first, second = program.name(int(b.leader[own[0]])), program.name(int(b.follower[own[0]]))
        raise ModelError(
            f"the leader multiplies its own variables {first!r} and {second!r}, so that its rows have no duals of a convex "
            "program: leave the product out, or fix one of them"
        )


def price_rows(program: Program, price: Mask) -> Mask:
    """The leader rows that hold prices and nothing else, shape (rows,)."""
    entries = sp.coo_array(program.rows.matrix)
    row, column = entries.coords[0][entries.data != 0], entries.coords[1][entries.data != 0]
    count = program.rows.count
    others = np.bincount(row[~price[column]], minlength=count)
    # A product of a price and a load depends on more than prices; the first count is the objective's
    others += np.bincount(program.bilinear.row + 1, minlength=count + 1)[1:]
    found: Mask = (others == 0) & (np.bincount(row, minlength=count) > 0)
    return found
