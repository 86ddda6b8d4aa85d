"""A follower stack to its optimality conditions (model page section 4).

Every row and finite bound of the followers becomes one or two of these, with a'y + b'x the activity:

| as written        | slack (>= 0)        | dual                  | sign: the dual is d(cost)/d(right-hand side)        |
|-------------------|---------------------|-----------------------|------------------------------------------------------|
| activity  = r     | none                | lam, free             | raising r by 1 changes the cost by lam               |
| activity >= r     | activity - r        | mu >= 0               | raising r by 1 changes the cost by mu                |
| activity <= r     | r - activity        | mu >= 0               | raising r by 1 changes the cost by -mu               |

Stationarity, for the cost min y'Qy/2 + (c + C'x)'y:   Q y + c + C'x - sum lam a - sum (d slack / dy) mu = 0.
A follower that maximises is negated first, so its duals refer to the negated cost.
Complementarity: slack * mu = 0 for every pair.

Quadratic rows and their multipliers: `bilevel.followers.cone_multipliers`.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel.followers.cone_multipliers import ConeDuals, cone_duals
from bilevel.program.bilevel_program import FollowerStack, Program
from bilevel.program.layout import Group, Layout
from bilevel.program.rows import Index, Rows, Vector, split_limits
from bilevel.program.sparse import scaled


@dataclass(frozen=True)
class Pairs:
    """Complementary slackness: 0 <= slack_matrix @ x + slack_constant, perpendicular to column `dual` >= 0, a pair a row.

    A pair comes from follower row `row` or from a bound of column `column` (the other is -1); `side` is +1 for a lower
    limit and -1 for an upper one; `twin` is the pair of the opposite limit or -1; `owner` is the follower.
    """

    slack_matrix: sp.csr_array
    slack_constant: Vector
    dual: Index
    row: Index
    column: Index
    side: Index
    twin: Index
    owner: Index

    @property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.dual)

    def slack(self, x: Vector) -> Vector:
        """The slack of every pair at x (over at least the compiled columns)."""
        slack: Vector = self.slack_matrix @ x[: self.slack_matrix.shape[1]] + self.slack_constant
        return slack

    def told(self, rows: Vector, columns: Vector) -> Vector:
        """Of every pair what is told of its row, or of its column; either may have nothing to tell of."""
        found: Vector = np.concatenate([rows, columns])[np.where(self.row >= 0, self.row, len(rows) + self.column)]
        return found


@dataclass(frozen=True)
class Kkt:
    """The Karush-Kuhn-Tucker conditions of the lower level, which an answer of the followers meets where it is optimal.

    They are over the columns of `layout`: the program's, then lam, then mu, then those of `conic`.
    `equal_matrix` @ x = `equal_value` are the equalities (rows, then fixed columns) that the columns `lam` price;
    `equal_row` is their follower row or -1, `equal_owner` their follower.
    """

    layout: Layout
    lam: Index
    equal_matrix: sp.csr_array
    equal_value: Vector
    equal_row: Index
    equal_owner: Index
    pairs: Pairs
    conic: ConeDuals
    stationarity: Rows

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.layout.size

    def part_of(self, values: Vector) -> Vector:
        """The part of a vector over more columns that stands for the conditions' own."""
        return self.layout.part_of(values)

    def multipliers(self, x: Vector) -> Vector:
        """Every multiplier in a point: lam, then mu, then those of `conic`."""
        return x[self.layout.after(Group.VARIABLES)]

    def residual(self, x: Vector) -> Vector:
        """Stationarity residual of every follower column at x."""
        return self.stationarity.violation(x)


@dataclass(frozen=True)
class _Limits:
    """One-sided limits side * (matrix @ x - value) >= 0, or equalities, before duals have columns."""

    matrix: sp.csr_array
    value: Vector
    row: Index
    column: Index
    side: Index
    owner: Index

    def take(self, mask: Index) -> "_Limits":
        """The chosen limits."""
        return _Limits(
            self.matrix[mask],
            self.value[mask],
            self.row[mask],
            self.column[mask],
            self.side[mask],
            self.owner[mask],
        )


def optimality_conditions(program: Program) -> Kkt:
    """The KKT system of the program's followers: sufficient, and necessary where rows are linear or cones have an interior."""
    stack = program.followers
    program.require_continuous_answers("optimality conditions")
    limits = _all_limits(program)
    equal, one_sided = (
        limits.take(np.flatnonzero(limits.side == 0)),
        limits.take(np.flatnonzero(limits.side != 0)),
    )
    layout = program.layout.then(Group.EQUALITY_MULTIPLIERS, len(equal.value))
    layout = layout.then(Group.LIMIT_MULTIPLIERS, len(one_sided.value))
    conic = cone_duals(program, layout.size)
    layout = layout.then(Group.CONE_MULTIPLIERS, len(conic.columns))
    lam, dual = layout.at(Group.EQUALITY_MULTIPLIERS), layout.at(Group.LIMIT_MULTIPLIERS)
    # Slacks are turned so that every multiplier is at least 0, that of an upper limit too
    signed = scaled(one_sided.matrix, one_sided.side.astype(float))
    pairs = Pairs(
        slack_matrix=signed, slack_constant=-one_sided.side * one_sided.value, dual=dual, row=one_sided.row,
        column=one_sided.column, side=one_sided.side, twin=_twins(one_sided), owner=one_sided.owner,
    )  # fmt: skip
    return Kkt(
        layout=layout, lam=lam, equal_matrix=equal.matrix, equal_value=equal.value, equal_row=equal.row,
        equal_owner=equal.owner, pairs=pairs, conic=conic, stationarity=_stationarity(program, stack, equal.matrix, signed),
    )  # fmt: skip


def _all_limits(program: Program) -> _Limits:
    """Equalities (side 0), lower limits (side 1) and upper limits (side -1) of rows, then of columns."""
    stack, rows = program.followers, program.followers.rows
    mine = stack.columns
    # A bound is a limit like any row, and its multiplier is, but for the sign, the column's reduced cost
    unit = sp.csr_array((np.ones(len(mine)), (np.arange(len(mine)), mine)), shape=(len(mine), program.columns))
    matrix = sp.csr_array(sp.vstack([rows.matrix, unit], format="csr"))
    lower = np.concatenate([rows.lower, program.lower[mine]])
    upper = np.concatenate([rows.upper, program.upper[mine]])
    row = np.concatenate([np.arange(rows.count), np.full(len(mine), -1)])
    column = np.concatenate([np.full(rows.count, -1), mine])
    owner = np.concatenate([stack.row_owner, stack.owner[mine]])
    # An equality has one multiplier of either sign and no pair, which spares a binary
    equal, low, high = split_limits(lower, upper)
    at = np.concatenate([equal, low, high])
    side = np.repeat([0, 1, -1], [len(equal), len(low), len(high)])
    value = np.concatenate([lower[equal], lower[low], upper[high]])
    return _Limits(sp.csr_array(matrix[at]), value, row[at], column[at], side, owner[at])


def _twins(limits: _Limits) -> Index:
    """The opposite limit of each two-sided row or column, -1 where there is none."""
    # Columns are numbered behind the rows, so that one number finds both limits of either
    place = np.where(limits.row >= 0, limits.row, limits.column + int(limits.row.max(initial=-1)) + 1)
    twin = np.full(len(place), -1)
    low, high = np.flatnonzero(limits.side == 1), np.flatnonzero(limits.side == -1)
    _, at_low, at_high = np.intersect1d(place[low], place[high], return_indices=True)
    twin[low[at_low]] = high[at_high]
    twin[high[at_high]] = low[at_low]
    return twin


def _stationarity(program: Program, stack: FollowerStack, equal: sp.csr_array, slack: sp.csr_array) -> Rows:
    mine = stack.columns
    # The leader's variables are columns here, so that its prices leave stationarity linear
    matrix = sp.hstack(
        [(stack.price.T + stack.quadratic).tocsr()[mine], -equal[:, mine].T, -slack[:, mine].T]
        + [-part[:, mine].T for part in (stack.cones.squares, stack.cones.u, stack.cones.w)],
        format="csr",
    )
    value = -stack.cost[mine]
    return Rows(sp.csr_array(matrix), value, value, tuple(f"stationarity of {program.name(int(j))}" for j in mine))
