"""Limits by linear programs, where `bilevel.bounds.dual_bounds` finds none by algebra (model page section 4, "Every big-M").

- A column without bounds gets its range over the leader's and followers' rows (every bilevel feasible point meets them).
- A row dual gets one by sensitivity.  The follower's least cost is convex in a right-hand side r and every optimal dual is a
  subgradient, so if for every leader decision the row can be tightened by t and the follower stays feasible, then
  |dual| <= (largest - smallest cost of the follower at one leader decision) / t.  To hold for every leader decision, one follower
  point is asked for that meets the rows for all of them at once, which is enough and often there.
- A slack without an interval gets its largest value over the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import budget, tolerances
from bilevel.bounds.cost_limits import cost_rows
from bilevel.bounds.dual_bounds import (
    Bounds,
    Ranges,
    assemble,
    derive,
    first_unbounded,
    interval,
    known_ranges,
    own_matrix,
    rate_interval,
    true_rows,
)
from bilevel.bounds.polyhedron import PROVING, Polyhedron
from bilevel.followers.kkt import Kkt
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Index, Rows, Vector, stack_rows
from bilevel.program.sparse import magnitude
from bilevel.status import SolverStatus


def best_bounds(program: Program, kkt: Kkt) -> Bounds:
    """Limits by algebra; where they are not enough by linear programs too; where these are not, the user's.

    All are widened by 1e-6 of themselves: a limit that is exact leaves no room for rounding where a program has one point only.
    """
    limits = _best(program, kkt)
    wide = tolerances.LIMIT_SAFETY
    return replace(
        limits,
        lam_lower=limits.lam_lower - wide * np.abs(limits.lam_lower),
        lam_upper=limits.lam_upper + wide * np.abs(limits.lam_upper),
        mu_upper=_usable((1.0 + tolerances.LIMIT_SAFETY) * limits.mu_upper),
        slack_upper=_usable((1.0 + tolerances.LIMIT_SAFETY) * limits.slack_upper),
    )


def _usable(limit: Vector) -> Vector:
    """Limits that a solver would take for no end are none: big-M with them says nothing."""
    return np.where(limit >= tolerances.ENDLESS, np.inf, limit)


def _best(program: Program, kkt: Kkt) -> Bounds:
    # Algebra first: it costs nothing beside a linear program a column, and is enough on most models
    derived = derive(program, kkt)
    if first_unbounded(kkt, derived) is None and not _loose(program, kkt, derived):
        return derived
    limits, ranges = prove(program, kkt)
    # The user's word comes last, as an answer that rests on it is conditional
    if first_unbounded(kkt, limits) is not None:
        limits = _with_user(program, kkt, limits, ranges)
    return replace(limits, derived=derived.derived)


def _loose(program: Program, kkt: Kkt, limits: Bounds) -> bool:
    """Whether some slack that counts has a limit far beyond the terms of its row: a declared bound that nothing reaches."""
    usual = magnitude(kkt.pairs.slack_matrix, program.size) + np.abs(kkt.pairs.slack_constant)
    far = _far(program.lower, program.size) | _far(program.upper, program.size)
    touched = magnitude(kkt.pairs.slack_matrix, far.astype(float)) > 0
    return bool((touched & (limits.mu_upper > 0) & (limits.slack_upper > tolerances.BOUND_LOOSE * usual)).any())


def _far(bound: Vector, size: Vector) -> np.ndarray:
    """Which bounds are none, or a thousand times the size of their columns."""
    return np.asarray(~(np.abs(bound) <= tolerances.BOUND_LOOSE * size))


def prove(program: Program, kkt: Kkt) -> tuple[Bounds, Ranges]:
    """All limits that algebra or linear programs can give, infinite where neither can, and the ranges behind them."""
    rows = _optimal_rows(program)
    # Columns first: cost rates, and with them all duals, rest on their ranges
    columns = known_ranges(program, *_column_ranges(program, rows))
    ranges = _row_dual_ranges(program, columns)
    limits = assemble(program, kkt, ranges)
    return replace(limits, slack_upper=_slacks(program, kkt, limits, rows)), ranges


def _optimal_rows(program: Program) -> Rows:
    """What every bilevel feasible point meets: all rows, and limits of what followers with unlimited columns pay."""
    stack, mine = program.followers, program.followers.columns
    low, high = interval(sp.csr_array(stack.price.T), program.lower, program.upper)
    far = _far(program.lower, program.size) | _far(program.upper, program.size)
    # A limit on what a follower pays helps only where its columns have no near bounds; cones would make it no linear row
    wanted = np.setdiff1d(np.unique(stack.owner[mine[far[mine]]]), np.flatnonzero(stack.conic))
    return stack_rows([true_rows(program), cost_rows(program, (stack.cost + low, stack.cost + high), wanted)])


def _with_user(program: Program, kkt: Kkt, limits: Bounds, ranges: Ranges) -> Bounds:
    """The user's limits where nothing is proven; what follows from them by stationarity counts as the user's too."""
    row, column = program.followers.row_dual_limit, program.followers.column_dual_limit
    low = np.where(np.isfinite(ranges.row_dual_lower), ranges.row_dual_lower, -row)
    high = np.where(np.isfinite(ranges.row_dual_upper), ranges.row_dual_upper, row)
    told = assemble(program, kkt, replace(ranges, row_dual_lower=low, row_dual_upper=high))
    # A column's limit is told of its own multiplier, not of those of rows
    mu = np.where(np.isfinite(told.mu_upper), told.mu_upper, kkt.pairs.told(np.full(len(row), np.inf), column))
    # `assemble` knows no slack that linear programs have limited
    told = replace(told, mu_upper=mu, slack_upper=limits.slack_upper)
    return replace(told, user=told.known() - limits.known())


def _column_ranges(program: Program, rows: Rows) -> tuple[Vector, Vector]:
    """Ranges of follower columns, and of the leader columns that followers see, where they have no bounds or far ones."""
    stack = program.followers
    seen = np.zeros(program.columns, dtype=bool)
    seen[stack.columns] = True
    for matrix, axis in ((stack.price, 0), (stack.rows.matrix, 1)):
        seen[sp.coo_array(matrix).coords[axis]] = True
    # Propagation leaves fewer columns to ask a linear program about
    lower, upper = implied.tightened(rows, program.lower, program.upper)
    low, high = (np.flatnonzero(seen & _far(bound, program.size)) for bound in (lower, upper))
    if len(low) or len(high):
        space = Polyhedron.of(rows, program.lower, program.upper, program.scale)
        for column, sign in _signed(high, low):
            form = np.zeros(program.columns)
            form[column] = sign
            value = space.largest(form)
            if sign > 0:
                # Both are proven, so the nearer one holds
                upper[column] = min(upper[column], value)
            else:
                lower[column] = max(lower[column], -value)
    return lower, upper


def _signed(up: Index, down: Index) -> Iterator[tuple[int, float]]:
    yield from ((int(column), 1.0) for column in up)
    yield from ((int(column), -1.0) for column in down)


def _row_dual_ranges(program: Program, ranges: Ranges) -> Ranges:
    """Sensitivity limits for the rows that have none, follower by follower."""
    stack = program.followers
    low, high = ranges.row_dual_lower.copy(), ranges.row_dual_upper.copy()
    # A point that meets the rows need not keep cones: followers with cones have limits from interiors (`slater`)
    open_rows = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)) & ~stack.conic[stack.row_owner])
    # These limits hold for every optimal dual, not for one of them, so rows that the leader reads have them too
    for follower in np.unique(stack.row_owner[open_rows]).tolist():
        rows = open_rows[stack.row_owner[open_rows] == follower]
        least, most = _sensitivity(program, ranges, follower, rows)
        low[rows], high[rows] = np.maximum(low[rows], least), np.minimum(high[rows], most)
    return replace(ranges, row_dual_lower=low, row_dual_upper=high)


def _sensitivity(program: Program, ranges: Ranges, follower: int, rows: Index) -> tuple[Vector, Vector]:
    """Lower and upper limits of the net duals of some rows of one follower."""
    stack = program.followers
    mine = np.flatnonzero(stack.owner == follower)
    every = np.flatnonzero(stack.row_owner == follower)
    own = own_matrix(program)[every]
    leader = sp.csr_array(stack.rows.matrix[every] - own)
    shift_low, shift_high = interval(leader, program.lower, program.upper)
    lower, upper = stack.rows.lower[every], stack.rows.upper[every]
    # One follower point that meets the rows whatever the leader does
    tight_low = np.where(np.isfinite(lower), lower - np.where(np.isfinite(lower), shift_low, 0.0), -np.inf)
    tight_high = np.where(np.isfinite(upper), upper - np.where(np.isfinite(upper), shift_high, 0.0), np.inf)
    robust = Rows(sp.csr_array(own[:, mine]), tight_low, tight_high)
    low, high = np.full(len(rows), -np.inf), np.full(len(rows), np.inf)
    # Rows that no one point can meet for all decisions leave this argument without a point to stand on
    if not np.all((tight_low <= tight_high) & (tight_low < np.inf) & (tight_high > -np.inf)):
        return low, high
    margins = _Margins(robust, program.lower[mine], program.upper[mine], program.scale[mine])
    places = np.searchsorted(every, rows)
    up = np.array([margins.of(at, raise_limit=True) for at in places.tolist()])
    down = np.array([margins.of(at, raise_limit=False) for at in places.tolist()])
    spread = _spread(program, ranges, mine, _moved(stack.rows, rows, up, down))
    for k, at in enumerate(places.tolist()):
        # A net dual is positive by a lower limit alone, and raising that by the margin costs at least dual * margin
        high[k] = _limit(spread, up[k]) if np.isfinite(lower[at]) else 0.0
        low[k] = -_limit(spread, down[k]) if np.isfinite(upper[at]) else 0.0
    return low, high


def _moved(rows: Rows, which: Index, up: Vector, down: Vector) -> Rows:
    """The rows with room for every equality among `which` to move by its margins: moved, it has points that it had not."""
    lower, upper = rows.lower.copy(), rows.upper.copy()
    equal = lower[which] == upper[which]
    lower[which[equal]] -= down[equal]
    upper[which[equal]] += up[equal]
    return replace(rows, lower=lower, upper=upper)


def _limit(spread: float, margin: float) -> float:
    return (1.0 + tolerances.LIMIT_SAFETY) * spread / margin if margin > 0 else np.inf


def _spread(program: Program, ranges: Ranges, mine: Index, rows: Rows) -> float:
    """Largest difference of the follower's cost between two of its points at one leader decision.

    Over what these rows of followers allow, as the tightened follower may use points that no leader row allows.
    """
    rate_low, rate_high = rate_interval(program, ranges.lower, ranges.upper)
    lower, upper = implied.tightened(rows, program.lower, program.upper)
    # A gradient depends on where the follower is, and the moved rows let it go further
    if np.any(program.followers.quadratic[mine].data):
        rate_low, rate_high = rate_interval(program, lower, upper)
    rate = np.maximum(np.abs(rate_low[mine]), np.abs(rate_high[mine]))
    width = upper[mine] - lower[mine]
    # No rate or no width adds nothing, even where the other has no end
    used = (rate > 0) & (width > 0)
    return float(np.sum(rate[used] * width[used]))


@dataclass(frozen=True)
class _Margins:
    """By how much one row can be tightened while one point still meets all rows, largest per row."""

    rows: Rows
    lower: Vector
    upper: Vector
    scale: Vector

    def of(self, at: int, raise_limit: bool) -> float:
        """Margin for raising the lower limit of row `at`, or for lowering its upper one."""
        sign = 1.0 if raise_limit else -1.0
        limit = self.rows.lower[at] if raise_limit else self.rows.upper[at]
        if not np.isfinite(limit):
            return np.inf
        low, high = self.rows.lower.copy(), self.rows.upper.copy()
        # An equality moves as a whole; a range keeps its other side
        equal = low[at] == high[at]
        low[at], high[at] = (-np.inf, np.inf) if equal else (low[at], high[at])
        rows = Rows(self.rows.matrix, low, high)
        space = Polyhedron.of(rows, self.lower, self.upper, self.scale)
        space.session.set_cost(-sign * self.rows.matrix[[at]].toarray().ravel(), 0.0)
        budget.require(PROVING)
        outcome = space.session.solve(False, 0.0, budget.seconds(), False, budget.watch())
        size = max(abs(float(limit)), float((abs(self.rows.matrix[[at]]) @ self.scale)[0]))
        # Any margin is one here; of the row's own size it keeps the limit in the dual's own unit
        if outcome.status == SolverStatus.UNBOUNDED:
            return size
        if outcome.status != SolverStatus.OPTIMAL:
            return 0.0
        # The solver may be off by its tolerance, which would be a thousandth of the smallest margin
        margin = -outcome.objective - sign * float(limit) - tolerances.SOLVER_FEASIBILITY * size
        # A margin within reach of the solver's tolerance may be none
        return 0.0 if margin < tolerances.SLATER_MARGIN * size else margin


def _slacks(program: Program, kkt: Kkt, limits: Bounds, rows: Rows) -> Vector:
    """Largest slacks over these rows, where intervals gave none and the dual may be something."""
    open_pairs = np.flatnonzero(~np.isfinite(limits.slack_upper) & (limits.mu_upper > 0))
    upper = limits.slack_upper.copy()
    if len(open_pairs):
        space = Polyhedron.of(rows, program.lower, program.upper, program.scale)
        for pair in open_pairs.tolist():
            form = kkt.pairs.slack_matrix[[pair]].toarray().ravel()
            upper[pair] = space.largest(form) + kkt.pairs.slack_constant[pair]
    return upper
