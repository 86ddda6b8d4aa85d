"""A session in the model's own units over a solver that sees numbers near 1.

Columns are measured in their expected size, rows by their largest entry, the objective by its largest entry; all factors
are powers of two, so scaling rounds nothing.  Tolerances of the solver are therefore relative to the named scales.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Index, Rows, Vector, no_rows, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import largest, part, scaled, stacked
from bilevel.solvers.base import Outcome, Session, Watch
from bilevel.solvers.scaling import dust
from bilevel.solvers.scaling.checked import Checked
from bilevel.status import SolverStatus


class Scaled:
    """Same verbs as a `Session`, in the units of the program that was loaded.

    With `active` off the solver sees the program's own numbers, which is what an ordinary model writer hands over.

    Entries that solvers would drop are taken at their extremes; where that takes a side of a row away, a row of `dust.held` stands
    for it behind the rows of the program, which nobody outside sees.  With `fine` whatever the solver keeps is left to it, for
    points that are checked: a solver that divides by such an entry has found programs infeasible that were not.
    """

    def __init__(self, session: Session, active: bool = True, fine: bool = False) -> None:
        self.session, self.active = Checked(session), active
        self.drops = session.drops if fine else max(session.drops, tolerances.DUST)
        self.column = np.ones(0)
        self.row = np.ones(0)
        self.unit = 1.0
        self.lower, self.upper = np.zeros(0), np.zeros(0)
        self.cost, self.offset, self.has_sets = np.zeros(0), 0.0, False
        self.rows, self.dust, self.loaded = no_rows(0), sp.csr_array((0, 0)), 0
        self.held: dust.Held | None = None

    def load(self, mip: SolverProgram) -> None:
        """Load the scaled program."""
        # Integers keep their unit, in which solvers look for whole numbers
        self.column = np.where(mip.integer, 1.0, self._power(mip.scale))
        self.unit = self._unit(mip.cost * self.column)
        self.cost, self.offset = mip.cost, mip.offset
        self.has_sets = bool(mip.sos1 or mip.indicators or mip.products)
        # Before the rows, whose unit leaves out the columns that these bounds hold at zero
        self.lower, self.upper = reachable(mip.lower / self.column, mip.upper / self.column)
        rows, self.row = self._scaled(mip.rows)
        self.rows, self.dust, self.loaded = no_rows(mip.columns), sp.csr_array((0, mip.columns)), rows.count
        rows = self._without_dust(rows)
        self.held = None
        if self.dust.nnz:
            whole = replace(rows, lower=self.rows.lower, upper=self.rows.upper)
            self.held = dust.held(whole, self.dust, self.lower, self.upper, self.drops)
            rows = stack_rows([replace(rows, names=()), self._stand_ins(self.held)])
        self.session.load(
            replace(
                mip, cost=mip.cost * self.column / self.unit, offset=mip.offset / self.unit,
                lower=self.lower, upper=self.upper, rows=rows,
                cones=self._scaled_cones(mip.cones), products=self._scaled_products(mip.products),
            )
        )  # fmt: skip

    def _power(self, size: Vector) -> Vector:
        """The nearest power of two; 1 for zeros, and everywhere when scaling is off."""
        safe = np.where(np.isfinite(size) & (size > 0) & self.active, size, 1.0)
        return np.exp2(np.round(np.log2(safe)))

    def _unit(self, cost: Vector) -> float:
        return float(self._power(np.array([np.abs(cost).max(initial=0.0)]))[0])

    def _scaled(self, rows: Rows) -> tuple[Rows, Vector]:
        matrix = scaled(rows.matrix, columns=self.column)
        size = self._power(self._counted(matrix))
        return Rows(scaled(matrix, 1.0 / size), rows.lower / size, rows.upper / size), size

    def _counted(self, matrix: sp.csr_array) -> Vector:
        """Largest entry of each row, columns that are held at zero aside where others are left: they are no terms of it."""
        free = (self.lower != 0) | (self.upper != 0)
        size = largest(part(matrix, free[matrix.indices]))
        return np.where(size > 0, size, largest(matrix))

    def _scaled_cones(self, cones: Cones) -> Cones:
        if not cones.count:
            return cones
        u, w = scaled(cones.u, columns=self.column), scaled(cones.w, columns=self.column)
        u_size = self._power(np.maximum(largest(u), np.abs(cones.u0)))
        w_size = self._power(np.maximum(largest(w), np.abs(cones.w0)))
        root = np.sqrt(u_size * w_size)[cones.owner]
        return Cones(
            scaled(cones.squares, 1.0 / root, self.column), cones.owner, scaled(u, 1.0 / u_size), cones.u0 / u_size,
            scaled(w, 1.0 / w_size), cones.w0 / w_size, cones.w_scale / w_size, cones.relaxes_equality,
        )  # fmt: skip

    def _scaled_products(self, products: Products | None) -> Products | None:
        if products is None:
            return None
        value = products.value * self.column[products.first] * self.column[products.second]
        matrix = scaled(products.linear.matrix, columns=self.column)
        size = largest(matrix)
        np.maximum.at(size, products.row, np.abs(value))
        size = self._power(size)
        rows = Rows(scaled(matrix, 1.0 / size), products.linear.lower / size, products.linear.upper / size)
        return Products(products.row, products.first, products.second, value / size[products.row], rows)

    def add_rows(self, rows: Rows) -> None:
        """Append rows that may be relaxed, such as tangents."""
        rows, size = self._scaled(rows)
        self.row = np.concatenate([self.row, size])
        self.session.add_rows(self._without_dust(rows))

    def delete_rows(self, rows: Index) -> None:
        """Remove rows of a session that can; those after them move up."""
        behind = self._behind(rows)
        self.row = np.delete(self.row, rows)
        kept = np.setdiff1d(np.arange(self.rows.count), rows)
        self.rows = Rows(sp.csr_array((len(kept), len(self.column))), self.rows.lower[kept], self.rows.upper[kept])
        self.dust = sp.csr_array(self.dust[kept])
        self.session.delete_rows(behind)

    def _without_dust(self, rows: Rows) -> Rows:
        """Rows without the entries that solvers would drop, which are taken at their extremes: nothing true is cut off.

        What was taken out and the limits as they were are kept behind those of the rows before.
        """
        # Solvers drop such entries without moving the row's limits, which cuts points off or lets some in
        small = np.abs(rows.matrix.data) < self.drops
        matrix = part(rows.matrix, ~small) if small.any() else rows.matrix
        first = self.rows.count
        lower, upper = np.concatenate([self.rows.lower, rows.lower]), np.concatenate([self.rows.upper, rows.upper])
        self.rows = Rows(sp.csr_array((first + rows.count, matrix.shape[1])), lower, upper)
        self.dust = stacked([self.dust, part(rows.matrix, small)])
        lower, upper = self._limits(first + np.arange(rows.count))
        return Rows(matrix, lower, upper)

    def _limits(self, rows: Index) -> tuple[Vector, Vector]:
        """Limits of these rows with what was taken out of them at its extremes."""
        lower, upper = self.rows.lower[rows], self.rows.upper[rows]
        if not self.dust.nnz:
            return lower, upper
        dropped = sp.coo_array(self.dust[rows])
        row, column, entry = *dropped.coords, dropped.data
        # No end times no entry is undefined, and either end of it will do
        with np.errstate(invalid="ignore"):
            ends = np.stack([entry * self.lower[column], entry * self.upper[column]])
        most = np.bincount(row, weights=np.fmax(*ends), minlength=len(rows))
        least = np.bincount(row, weights=np.fmin(*ends), minlength=len(rows))
        with np.errstate(invalid="ignore"):
            lower, upper = lower - most, upper - least
        return np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)

    def _stand_ins(self, held: dust.Held) -> Rows:
        return held.rows(self.lower, self.upper, (self.rows.lower, self.rows.upper))

    def _behind(self, rows: Index) -> Index:
        """Where rows stand in the session, which has those of `held` behind the program's own."""
        # Rows that were added later come after those that stand for others
        return rows if self.held is None else rows + self.held.count * (rows >= self.loaded)

    def _renew(self, rows: Index) -> None:
        """Limits of these rows as they are now, and of what stands for them."""
        self.session.set_row_bounds(self._behind(rows), *self._limits(rows))
        if self.held is not None and self.held.count:
            which = np.flatnonzero(np.isin(self.held.row, rows))
            now = self._stand_ins(self.held)
            self.session.set_row_bounds(self.loaded + which, now.lower[which], now.upper[which])

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        """Replace bounds of columns; rows that lost entries of columns that may go further now get wider limits."""
        size = self.column[columns]
        lower, upper = reachable(lower / size, upper / size)
        self.session.set_column_bounds(columns, lower, upper)
        further = (
            columns[(lower < self.lower[columns]) | (upper > self.upper[columns])] if self.dust.nnz else columns[:0]
        )
        # The widest so far: limits for these hold for nearer bounds too, which come and go without a word to the rows
        self.lower[columns], self.upper[columns] = (
            np.minimum(self.lower[columns], lower),
            np.maximum(self.upper[columns], upper),
        )
        rows = np.unique(sp.coo_array(self.dust[:, further]).coords[0]).astype(np.int64) if len(further) else further
        if len(rows):
            self._renew(rows)

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        """Replace bounds of rows."""
        # Trees change the bounds of columns alone, mostly
        if not len(rows):
            return
        size = self.row[rows]
        # HiGHS keeps the old limits, and SCIP none, where a lower one is +inf
        self.rows.lower[rows], self.rows.upper[rows] = reachable(lower / size, upper / size)
        self._renew(rows)

    def _own(self, dual: Vector) -> Vector:
        """Multipliers of the program's rows, with those of what stands for them."""
        if self.held is None or not self.held.count:
            return dual
        behind = slice(self.loaded, self.loaded + self.held.count)
        own = np.delete(dual, behind)
        # What stands for an upper limit is that row turned round, so that its multiplier turns back
        np.add.at(own, self.held.row, self.held.side * dual[behind])
        return own

    def set_cost(self, cost: Vector, offset: float) -> None:
        """Replace the objective."""
        self.cost, self.offset = cost, offset
        self.unit = self._unit(cost * self.column)
        self.session.set_cost(cost * self.column / self.unit, offset / self.unit)

    def solve(self, integer: bool, gap: float, seconds: float, improving: bool, watch: Watch) -> Outcome:
        """Solve; the outcome is in the program's units and its status is never infeasible_or_unbounded."""
        outcome = self._solve(integer, gap, seconds, improving, watch)
        if outcome.status not in (SolverStatus.INFEASIBLE_OR_UNBOUNDED, SolverStatus.UNBOUNDED):
            return outcome
        cost, offset = self.cost, self.offset
        # Without a cost nothing is unbounded, and whether there is a point is all that is left to say
        self.set_cost(np.zeros(len(cost)), 0.0)
        point = self._solve(integer, gap, seconds, False, watch)
        self.set_cost(cost, offset)
        status = SolverStatus.UNBOUNDED if point.x is not None else point.status
        # With SOS1 sets, indicators or products, a ray of the relaxation need not be one of the program
        rayless = status == SolverStatus.UNBOUNDED and integer and self.has_sets
        unproven = rayless or status == SolverStatus.INFEASIBLE_OR_UNBOUNDED
        return Outcome(SolverStatus.NUMERICAL_ERROR if unproven else status, None, np.inf, -np.inf)

    def _solve(self, integer: bool, gap: float, seconds: float, improving: bool, watch: Watch) -> Outcome:
        outcome = self.session.solve(integer, gap, seconds, improving, _Scaled(watch, self.unit))
        if outcome.x is not None and np.abs(outcome.x).max(initial=0.0) >= tolerances.ENDLESS:
            # Some solvers answer an unbounded program with an optimum at their own infinity
            return Outcome(SolverStatus.UNBOUNDED, None, np.inf, -np.inf)
        x = None if outcome.x is None else outcome.x * self.column
        reduced = None if outcome.reduced_cost is None else outcome.reduced_cost * self.unit / self.column
        dual = None if outcome.row_dual is None else self._own(outcome.row_dual) * self.unit / self.row
        objective, bound = outcome.objective * self.unit, outcome.bound * self.unit
        return Outcome(outcome.status, x, objective, bound, reduced, dual, outcome.nodes)


class _Scaled:
    """A watch that hears the program's objective."""

    def __init__(self, watch: Watch, unit: float) -> None:
        self.watch = watch
        self.unit = unit

    def stop(self) -> bool:
        return self.watch.stop()

    def report(self, bound: float, incumbent: float) -> None:
        self.watch.report(bound * self.unit, incumbent * self.unit)


def reachable(lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Bounds, those so far out that a point there counts as none taken away: solvers overflow at them and cut off what is near."""
    far = tolerances.ENDLESS
    return np.where(lower <= -far, -np.inf, lower), np.where(upper >= far, np.inf, upper)
