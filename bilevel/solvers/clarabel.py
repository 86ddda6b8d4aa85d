"""Convex programs with quadratic rows by Clarabel's interior point: no tangents, no corners, and objectives near zero.

Source: P. J. Goulart, Y. Chen, Clarabel: an interior-point solver for conic programs with quadratic objectives, 2024,
arXiv 2405.12762.
"""

from dataclasses import dataclass, replace

import clarabel
import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Rows, Vector, split_limits
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import largest, scaled, stacked
from bilevel.solvers import Feature, Outcome, Watch
from bilevel.status import SolverStatus

name = "clarabel"
features = frozenset({Feature.CONE})

_SOLVED, _NEARLY = clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved
_STATUS = {
    clarabel.SolverStatus.PrimalInfeasible: SolverStatus.INFEASIBLE,
    clarabel.SolverStatus.DualInfeasible: SolverStatus.UNBOUNDED,
    clarabel.SolverStatus.MaxTime: SolverStatus.TIME_LIMIT,
}


def version() -> str:
    """Clarabel's version."""
    return str(clarabel.__version__)


_NEVER = 1e9  # seconds, the most that it takes


def open() -> "_Interior":
    """A new session."""
    return _Interior()


class _Interior:
    """A solver session that holds cones and knows no integers; every solve starts from nothing."""

    drops = tolerances.FINE_DUST

    def load(self, mip: SolverProgram) -> None:
        # The columns come scaled
        self.mip = replace(mip, scale=np.ones(mip.columns))

    def add_rows(self, rows: Rows) -> None:
        self.mip = self.mip.with_rows(rows)

    def delete_rows(self, rows: Index) -> None:
        kept = np.setdiff1d(np.arange(self.mip.rows.count), rows)
        self._put(self.mip.rows.lower[kept], self.mip.rows.upper[kept], sp.csr_array(self.mip.rows.matrix[kept]))

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        low, high = self.mip.lower.copy(), self.mip.upper.copy()
        low[columns], high[columns] = lower, upper
        self.mip = replace(self.mip, lower=low, upper=high)

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        low, high = self.mip.rows.lower.copy(), self.mip.rows.upper.copy()
        low[rows], high[rows] = lower, upper
        self._put(low, high, self.mip.rows.matrix)

    def set_cost(self, cost: Vector, offset: float) -> None:
        self.mip = replace(self.mip, cost=cost, offset=offset)

    def solve(self, _integer: bool, _gap: float, seconds: float, _improving: bool, watch: Watch) -> Outcome:
        outcome = solve(self.mip, seconds)
        return replace(outcome, status=SolverStatus.INTERRUPTED) if watch.stop() else outcome

    def _put(self, lower: Vector, upper: Vector, matrix: sp.csr_array) -> None:
        self.mip = replace(self.mip, rows=Rows(matrix, lower, upper))


def solve(mip: SolverProgram, seconds: float, tolerance: float | None = None) -> Outcome:
    """The optimum of the program, its integrality and products aside, with the dual objective as bound.

    `tolerance`: relative, of rows and of the gap between both objectives; 1e-10 by default.

    Columns are scaled by their sizes, rows and the factors of cones by their largest entry.  A point that is good to a few digits
    only has no bound, and a program without end that has no point is infeasible.
    """
    matrix, b, cones, places = _rows(mip)
    cost = mip.cost * mip.scale
    # Both of Clarabel's gaps are absolute for objectives below 1, so that the largest cost is made 1
    weight = float(np.abs(cost).max(initial=0.0)) or 1.0
    tolerance = tolerances.INTERIOR_POINT if tolerance is None else tolerance
    found = _run(cost / weight, matrix, b, cones, seconds, tolerance)
    if found.status not in (_SOLVED, _NEARLY):
        status = _STATUS.get(found.status, SolverStatus.NUMERICAL_ERROR)
        if status == SolverStatus.UNBOUNDED:
            # A ray proves that there is no end only where there is a point
            point = _run(np.zeros(mip.columns), matrix, b, cones, seconds, tolerance)
            status = status if point.status == _SOLVED else _STATUS.get(point.status, SolverStatus.NUMERICAL_ERROR)
        return Outcome(status, None, np.inf, -np.inf)
    # An interior point keeps bounds within its tolerance; the objective is that of the point that is handed out
    x = np.clip(np.array(found.x) * mip.scale, mip.lower, mip.upper)
    bound = weight * float(found.obj_val_dual) + mip.offset if found.status == _SOLVED else -np.inf
    # Multipliers are those of a x <= b, at least 0: a reduced cost is the lower limit's less the upper limit's
    reduced = -weight * places.of_columns(np.array(found.z)) / mip.scale
    return Outcome(SolverStatus.OPTIMAL, x, float(mip.cost @ x) + mip.offset, bound, reduced)


@dataclass(frozen=True)
class Answer:
    """A program's optimum at some values of its held columns.

    `high` and `low` are on both sides of the optimum: the primal and the dual objective, moved outwards by what the point's
    residuals are worth at its multipliers; inf and -inf without a point.  `slope` is d(optimum)/d(value).
    """

    status: SolverStatus
    high: float
    low: float
    slope: Vector


class Moving:
    """A program whose columns `held` take other values at every solve; the solver's symbolic factors live on."""

    def __init__(self, mip: SolverProgram, held: Index) -> None:
        lower, upper = mip.lower.copy(), mip.upper.copy()
        lower[held] = upper[held] = 0.0
        self.mip, self.held = replace(mip, lower=lower, upper=upper), held
        self.matrix, self.b, self.cones, places = _rows(self.mip)
        self.at = np.searchsorted(places.equal, mip.rows.count + held)
        cost = mip.cost * mip.scale
        self.weight = float(np.abs(cost).max(initial=0.0)) or 1.0
        self.cost = cost / self.weight
        self.solvers: dict[bool, clarabel.DefaultSolver] = {}

    def solve(self, values: Vector, seconds: float) -> Answer:
        """The optimum with the held columns at these values."""
        b = self.b.copy()
        b[self.at] = values / self.mip.scale[self.held]
        answer = self._attempt(b, seconds, True)
        if answer.high - answer.low <= tolerances.AS_GOOD * max(abs(answer.high), self.weight):
            return answer
        # Rows that are told apart too far by their sizes lose digits, of which the better count on either side
        again = self._attempt(b, seconds, False)
        if not np.isfinite(answer.high) or not np.isfinite(again.high):
            return answer if np.isfinite(answer.high) else again
        better = again if again.high - again.low < answer.high - answer.low else answer
        return replace(better, high=min(answer.high, again.high), low=max(answer.low, again.low))

    def _attempt(self, b: Vector, seconds: float, sized: bool) -> Answer:
        settings = _settings(seconds, tolerances.INTERIOR_POINT)
        # Data of a program that was made smaller cannot be replaced
        settings.presolve_enable, settings.equilibrate_enable = False, sized
        if sized in self.solvers:
            self.solvers[sized].update(b=b, settings=settings)
        else:
            n = len(self.cost)
            zero = sp.csc_matrix((n, n))
            self.solvers[sized] = clarabel.DefaultSolver(zero, self.cost, self.matrix, b, self.cones, settings)
        found = self.solvers[sized].solve()
        z = np.array(found.z)
        slope = -self.weight * z[self.at] / self.mip.scale[self.held]
        if found.status not in (_SOLVED, _NEARLY):
            return Answer(_STATUS.get(found.status, SolverStatus.NUMERICAL_ERROR), np.inf, -np.inf, slope)
        x, ends = np.array(found.x), (found.obj_val, found.obj_val_dual)
        # What has no number is no bound.
        # To first order: what is off by a residual is worth as much at the multipliers, and at the columns
        with np.errstate(invalid="ignore", over="ignore"):
            off = float(np.abs(z) @ np.abs(b - self.matrix @ x - np.array(found.s)))
            below = off + float(np.abs(x) @ np.abs(self.cost + self.matrix.T @ z))
            high, low = (self.weight * end + self.mip.offset for end in (max(ends) + off, min(ends) - below))
        return Answer(
            SolverStatus.OPTIMAL, np.inf if np.isnan(high) else high, -np.inf if np.isnan(low) else low, slope
        )


def last_point(mip: SolverProgram, seconds: float, tolerance: float) -> Vector | None:
    """Where the interior point came to, whatever it says of it, for those who look for themselves; None where it is no number."""
    cost = mip.cost * mip.scale
    found = _run(cost / (float(np.abs(cost).max(initial=0.0)) or 1.0), *_rows(mip)[:3], seconds, tolerance)
    x = np.array(found.x)
    return np.clip(x * mip.scale, mip.lower, mip.upper) if np.isfinite(x).all() else None


def _run(
    cost: Vector, matrix: sp.csc_matrix, b: Vector, cones: list[object], seconds: float, tolerance: float
) -> clarabel.DefaultSolution:
    n = len(cost)
    settings = _settings(seconds, tolerance)
    return clarabel.DefaultSolver(sp.csc_matrix((n, n)), cost, matrix, b, cones, settings).solve()


def _settings(seconds: float, tolerance: float) -> clarabel.DefaultSettings:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = min(max(seconds, tolerances.AT_ONCE), _NEVER)
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    return settings


@dataclass(frozen=True)
class _Places:
    """Where limits of rows, then of columns, stand among the first constraints of the solver."""

    rows: int
    columns: int
    equal: Index
    low: Index
    high: Index

    def of_columns(self, z: Vector) -> Vector:
        """The multipliers of the limits of columns, those of lower limits negative."""
        ends = np.cumsum([len(self.equal), len(self.low), len(self.high)])
        equal, low, high, _ = np.split(z, ends)
        total = np.zeros(self.rows + self.columns)
        for place, value in ((self.equal, equal), (self.low, -low), (self.high, high)):
            # A column with both limits has two multipliers
            total[place] += value
        return total[self.rows :]


def _rows(mip: SolverProgram) -> tuple[sp.csc_matrix, Vector, list[object], _Places]:
    """a x + s == b with s in the cones: equalities, limits of rows and columns, then |(2 S x, u - w)| <= u + w."""
    q = _sized(mip.cones, mip.scale)
    matrix = scaled(
        stacked([mip.rows.matrix, sp.csr_array(sp.eye_array(mip.columns, format="csr"))]), columns=mip.scale
    )
    lower, upper = np.concatenate([mip.rows.lower, mip.lower]), np.concatenate([mip.rows.upper, mip.upper])
    size = _positive(largest(matrix))
    matrix, lower, upper = scaled(matrix, 1.0 / size), lower / size, upper / size
    equal, low, high = split_limits(lower, upper)
    parts, right = [matrix[equal], -matrix[low], matrix[high]], [upper[equal], -lower[low], upper[high]]
    cones: list[object] = [clarabel.ZeroConeT(len(equal)), clarabel.NonnegativeConeT(len(low) + len(high))]
    # Clarabel takes its cones one after the other, so that squares have to stand by cone
    order = np.argsort(q.owner, kind="stable")
    count = np.bincount(q.owner, minlength=q.count)
    # Rows of cone k: u + w, u - w, then its squares
    blocks = sp.csr_array(sp.vstack([q.u + q.w, q.u - q.w, 2.0 * q.squares[order]], format="csr"))
    constant = np.concatenate([q.u0 + q.w0, q.u0 - q.w0, np.zeros(len(order))])
    start = np.concatenate([[0], np.cumsum(count)])
    place = np.concatenate(
        [np.r_[k, q.count + k, 2 * q.count + np.arange(start[k], start[k + 1])] for k in range(q.count)] or [[]]
    ).astype(np.int64)
    # The members of a cone are s = b - a x, so that its rows come with the other sign
    parts.append(-blocks[place])
    right.append(constant[place])
    cones += [clarabel.SecondOrderConeT(2 + int(terms)) for terms in count]
    places = _Places(mip.rows.count, mip.columns, equal, low, high)
    return sp.csc_matrix(sp.vstack(parts, format="csc")), np.concatenate(right), cones, places


def _sized(q: Cones, scale: Vector) -> Cones:
    """The cones over scaled columns, their factors over their sizes and the squares over the root of these."""
    u, w = scaled(q.u, columns=scale), scaled(q.w, columns=scale)
    u_size, w_size = _positive(np.maximum(largest(u), np.abs(q.u0))), _positive(q.w_scale)
    # With the root of both sizes it stays the same cone
    root = np.sqrt(u_size * w_size)[q.owner]
    return replace(
        q, squares=scaled(q.squares, 1.0 / root, scale), u=scaled(u, 1.0 / u_size), u0=q.u0 / u_size,
        w=scaled(w, 1.0 / w_size), w0=q.w0 / w_size,
    )  # fmt: skip


def _positive(size: Vector) -> Vector:
    return np.where(size > 0, size, 1.0)
