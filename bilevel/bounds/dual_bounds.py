"""Proven limits for duals and slacks: every big-M of this package has a value and a source, never a default.

`derived`: for a follower part with one row (after splitting it into parts that share no row), an optimal basis holds one
column, so an optimal row dual is cost rate / coefficient of one of its columns, or 0 when the row's slack is basic.
The same holds for several rows on one column, of which at most one has a dual that is not 0, and for every small part by
going through its bases (`bilevel.bounds.by_bases`).
(A quadratic cost enters by its gradient: an optimum of a convex program is one of the linear program with that gradient.)
Interval arithmetic over the leader's bounds then limits the rates, the row dual and the reduced costs, for one optimal
dual of every follower optimum at once, which is what a reformulation needs.

`proven`: by linear programs, in `bilevel.bounds.by_linear_programs`, where algebra is not enough.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.bounds import by_propagation
from bilevel.bounds.by_bases import basis_ranges
from bilevel.errors import UnboundedDualError
from bilevel.followers.kkt import Kkt
from bilevel.program import implied
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Mask, Rows, Vector, stack_rows
from bilevel.program.sparse import part, row_of

DERIVED = "derived"
PROVEN = "proven"
USER = "user"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Bounds:
    """The constants of big-M: limits of duals (lam_lower <= lam <= lam_upper, 0 <= mu <= mu_upper) and slacks, with sources."""

    lam_lower: Vector
    lam_upper: Vector
    mu_upper: Vector
    slack_upper: Vector
    derived: int = 0
    user: int = 0

    def sources(self) -> dict[str, int]:
        """How many dual and slack limits come from each source; `derived` counts those that needed no linear program."""
        known = self.known()
        unknown = len(self.lam_lower) + len(self.mu_upper) + len(self.slack_upper) - known
        proven = known - self.derived - self.user
        counts = {DERIVED: self.derived, PROVEN: proven, USER: self.user, UNKNOWN: unknown}
        return {source: count for source, count in counts.items() if count}

    def known(self) -> int:
        """Number of finite limits."""
        values = np.concatenate([self.lam_upper - self.lam_lower, self.mu_upper, self.slack_upper])
        return int(np.isfinite(values).sum())


@dataclass(frozen=True)
class Ranges:
    """What is known of columns and rows: limits of every column, and of the net dual of every follower row."""

    lower: Vector
    upper: Vector
    row_dual_lower: Vector
    row_dual_upper: Vector


def derive(program: Program, kkt: Kkt) -> Bounds:
    """Limits by interval algebra; infinite where none can be derived."""
    limits = assemble(
        program, kkt, known_ranges(program, *implied.tightened(true_rows(program), program.lower, program.upper))
    )
    return replace(limits, derived=limits.known())


def known_ranges(program: Program, lower: Vector, upper: Vector) -> Ranges:
    """These limits of the columns, and row duals by the basis argument where a row stands alone."""
    rate_low, rate_high = rate_interval(program, lower, upper)
    # One optimal dual is not enough where the leader reads the dual; with quadratic rows an optimum has no basis
    read = np.isin(program.followers.row_owner, program.followers.row_owner[program.links.row])
    read |= program.followers.conic[program.followers.row_owner]
    low, high = _row_duals(program, rate_low, rate_high, single_row_parts(program), single_column_parts(program))
    open_rows = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)) & ~read)
    if len(open_rows):
        base_low, base_high = basis_ranges(own_matrix(program), rate_low, rate_high, open_rows)
        low, high = np.maximum(low, base_low), np.minimum(high, base_high)
    low, high = np.where(read, -np.inf, low), np.where(read, np.inf, high)
    low, high = _propagated(program, lower, upper, (rate_low, rate_high), read, low, high)
    return Ranges(lower, upper, low, high)


def _propagated(
    program: Program, lower: Vector, upper: Vector, rates: tuple[Vector, Vector], read: Mask, low: Vector, high: Vector
) -> tuple[Vector, Vector]:
    """Ranges by propagation for the rows of parts of which something is not known yet; the others keep theirs."""
    matrix, rows = own_matrix(program), program.followers.rows
    known = np.isfinite(low) & np.isfinite(high)
    if known.all():
        return low, high
    parts = by_propagation.Entries.of(matrix).parts()
    wanted = np.isin(parts, parts[~known]) & ~program.followers.conic[program.followers.row_owner]
    # Rule 2 settles for one optimal dual, and the leader may like another one better
    shift = wanted & ~np.isin(parts, parts[read])
    # Bounds that a follower column has by rows only are no bounds of its own
    leader = program.followers.owner < 0
    ends = np.where(leader, lower, program.lower), np.where(leader, upper, program.upper)
    new_low, new_high = by_propagation.propagate(matrix, rows, ends[0], ends[1], rates, shift)
    return np.where(wanted, new_low, low), np.where(wanted, new_high, high)


def assemble(program: Program, kkt: Kkt, ranges: Ranges) -> Bounds:
    """Limits of all duals and slacks from the ranges of columns and row duals; reduced costs follow from stationarity."""
    rate_low, rate_high = rate_interval(program, ranges.lower, ranges.upper)
    lam_low, lam_high = ranges.row_dual_lower, ranges.row_dual_upper
    cost_low, cost_high = _reduced_costs(program, lam_low, lam_high, rate_low, rate_high)
    # Reduced costs of followers with cones rest on the cones' multipliers too, of which no ranges are known here
    conic = np.append(program.followers.conic, False)[program.followers.owner]
    cost_low, cost_high = np.where(conic, -np.inf, cost_low), np.where(conic, np.inf, cost_high)
    pairs, rows = kkt.pairs, len(lam_low)
    # Rows, then columns, so that a program without follower rows needs no case of its own
    low, high = np.concatenate([lam_low, cost_low]), np.concatenate([lam_high, cost_high])
    at = np.where(pairs.row >= 0, pairs.row, rows + pairs.column)
    equal = np.where(kkt.equal_row >= 0, kkt.equal_row, rows + fixed_columns(kkt))
    most = interval(pairs.slack_matrix, ranges.lower, ranges.upper)[1]
    # Of two limits at most one binds, so that each multiplier is the net dual with its sign, or 0
    mu = np.maximum(0.0, np.where(pairs.side == 1, high[at], -low[at]))
    # A limit that no point of the rows comes near prices nothing
    mu = np.where(never_reached(kkt, ranges.lower, ranges.upper), 0.0, mu)
    return Bounds(lam_lower=low[equal], lam_upper=high[equal], mu_upper=mu, slack_upper=most + pairs.slack_constant)


def never_reached(kkt: Kkt, lower: Vector, upper: Vector) -> Mask:
    """Pairs whose slack is above 0 all over lower <= x <= upper."""
    matrix, constant = kkt.pairs.slack_matrix, kkt.pairs.slack_constant
    # Terms that cancel leave rounding, which is no distance
    usual = _corner_size(matrix, lower, upper) + np.abs(constant)
    return np.asarray(interval(matrix, lower, upper)[0] + constant > tolerances.NEVER_REACHED * usual)


def first_unbounded(kkt: Kkt, bounds: Bounds) -> int | None:
    """The first pair without finite limits of its dual and slack (rows before columns), None if there is none.

    A dual that is always zero asks nothing of its slack.
    """
    bad = np.flatnonzero(~(np.isfinite(bounds.mu_upper) & (np.isfinite(bounds.slack_upper) | (bounds.mu_upper == 0))))
    rows = bad[kkt.pairs.row[bad] >= 0]
    return int((rows if len(rows) else bad)[0]) if len(bad) else None


def require_finite(program: Program, kkt: Kkt, bounds: Bounds) -> None:
    """Raise `UnboundedDualError` naming the first row or variable whose pair has no finite limits."""
    at = first_unbounded(kkt, bounds)
    if at is None:
        return
    pairs = kkt.pairs
    row = int(pairs.row[at])
    name = (
        f"row {program.followers.rows.names[row]!r}"
        if row >= 0
        else f"variable {program.name(int(pairs.column[at]))!r}"
    )
    what = "dual" if not np.isfinite(bounds.mu_upper[at]) else "slack"
    raise UnboundedDualError(
        f"the {what} of follower {name} has no proven bound, so no big-M is valid: give finite bounds to the leader and "
        "follower variables in it, or use mode='branching', which needs none (mode='sos1' with solver='scip' or 'gurobi')"
    )


def require_linear(program: Program) -> None:
    """Raise `UnboundedDualError` naming the first quadratic row of a follower, for modes that go by pairs of limits and duals."""
    stack = program.followers
    if stack.cones.count:
        raise UnboundedDualError(
            f"row {stack.cones.names[0]!r} of follower {stack.names[int(stack.cone_owner[0])]!r} is quadratic, so its conditions "
            "are no pairs of a limit and a dual: use mode='strong_duality' or 'product' with solver='scip' or 'gurobi'"
        )


def true_rows(program: Program) -> Rows:
    """The leader's rows and the followers', without those that are half of a row: their products are kept apart."""
    whole = np.setdiff1d(np.arange(program.rows.count), program.bilinear.row)
    rows = program.rows
    own = Rows(
        sp.csr_array(rows.matrix[whole]),
        rows.lower[whole],
        rows.upper[whole],
        tuple(rows.names[k] for k in whole.tolist()),
    )
    return stack_rows([own, program.followers.rows])


def interval(matrix: sp.csr_array, low: Vector, high: Vector) -> tuple[Vector, Vector]:
    """Smallest and largest matrix @ x over low <= x <= high."""
    return -_upper(sp.csr_array(-matrix), low, high), _upper(matrix, low, high)


def _upper(matrix: sp.csr_array, low: Vector, high: Vector) -> Vector:
    column = matrix.indices
    most = np.where(matrix.data > 0, matrix.data * high[column], matrix.data * low[column])
    row = row_of(matrix)
    return np.bincount(row, weights=most, minlength=matrix.shape[0]).astype(float)


def _corner_size(matrix: sp.csr_array, low: Vector, high: Vector) -> Vector:
    """Sum of the sizes of the terms of each row where the row is smallest over low <= x <= high."""
    column = matrix.indices
    least = np.where(matrix.data > 0, matrix.data * low[column], matrix.data * high[column])
    return np.bincount(row_of(matrix), weights=np.abs(least), minlength=matrix.shape[0]).astype(float)


def rate_interval(program: Program, lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """Interval of the cost rate of every column over lower <= x <= upper."""
    gradient = program.followers.price.T + program.followers.quadratic
    low, high = interval(sp.csr_array(gradient), lower, upper)
    cost, room = program.followers.cost, program.followers.rate_room
    room = np.zeros(program.columns) if room is None else room
    return cost + low - room, cost + high + room


def own_matrix(program: Program) -> sp.csr_array:
    """The follower rows with the leader's columns blanked."""
    stack = program.followers
    own = stack.owner >= 0
    matrix = stack.rows.matrix
    # A stored 0 would join rows into one part, and be divided by
    return part(matrix, own[matrix.indices] & (matrix.data != 0))


def single_row_parts(program: Program) -> np.ndarray:
    """Whether each follower row shares none of its follower columns with another row."""
    matrix = own_matrix(program)
    uses = np.bincount(matrix.indices, minlength=program.columns)
    row = row_of(matrix)
    most = np.zeros(matrix.shape[0])
    np.maximum.at(most, row, uses[matrix.indices].astype(float))
    return np.asarray(most <= 1)


def single_column_parts(program: Program) -> np.ndarray:
    """Whether each follower row is on one follower column whose other rows are on it alone too: limits of that column."""
    matrix = own_matrix(program)
    length = np.diff(matrix.indptr)
    longest = np.zeros(program.columns)
    np.maximum.at(longest, matrix.indices, np.repeat(length, length).astype(float))
    if not matrix.nnz:
        return np.zeros(len(length), dtype=bool)
    # The last rows may be empty, and start behind the last entry then
    first = matrix.indices[np.minimum(matrix.indptr[:-1], matrix.nnz - 1)]
    return np.asarray((length == 1) & (longest[first] <= 1))


def _row_duals(
    program: Program, rate_low: Vector, rate_high: Vector, single: np.ndarray, lone: np.ndarray
) -> tuple[Vector, Vector]:
    """Interval of the net dual (lower-limit mu minus upper-limit mu, or lam) of every follower row.

    Of several rows that limit one column, at most one is in an optimal basis with it; the others' duals are 0.
    """
    matrix = own_matrix(program)
    row = row_of(matrix)
    ends = np.stack([rate_low[matrix.indices] / matrix.data, rate_high[matrix.indices] / matrix.data])
    low, high = np.full(matrix.shape[0], np.inf), np.full(matrix.shape[0], -np.inf)
    np.minimum.at(low, row, ends.min(axis=0))
    np.maximum.at(high, row, ends.max(axis=0))
    rows = program.followers.rows
    # A dual may be 0 where a slack is basic, no column is in the row, or another row holds its column
    slack_basic = (rows.lower != rows.upper) | (low > high) | (lone & ~single)
    low, high = (
        np.where(slack_basic, np.minimum(low, 0), low),
        np.where(slack_basic, np.maximum(high, 0), high),
    )
    known = single | lone
    return np.where(known, low, -np.inf), np.where(known, high, np.inf)


def _reduced_costs(
    program: Program, lam_low: Vector, lam_high: Vector, rate_low: Vector, rate_high: Vector
) -> tuple[Vector, Vector]:
    """Interval of rate - A' lam of every column."""
    low, high = interval(sp.csr_array(own_matrix(program).T), lam_low, lam_high)
    return rate_low - high, rate_high - low


def fixed_columns(kkt: Kkt) -> np.ndarray:
    """The column of each equality that fixes a column; 0 for equalities from rows."""
    if not len(kkt.equal_matrix.indices):
        return np.zeros(len(kkt.equal_row), dtype=np.int64)
    first = kkt.equal_matrix.indptr[:-1]
    column = kkt.equal_matrix.indices[np.minimum(first, len(kkt.equal_matrix.indices) - 1)]
    return np.where(kkt.equal_row >= 0, 0, column)
