"""Expected sizes of columns, from bounds that something can reach and from the data of rows and objective.

A bound says how large a column may become, not how large it does.  An "unbounded" sentinel of 1e9, or a generous limit of a
penalty, would make every relative test vacuous.  So a bound counts as loose where it is far beyond what the rows of its column
are about: in each row, the limit and the largest term that is far below the column's own at its bound.  A row's limit that nothing
comes near says as little, and of two limits far apart the nearer one tells more.  That terms of the column's own size could balance
it is no reason to believe its bound: a size that is too large hides what solvers take for nothing, one that is too small costs
digits that they have.  Loose columns, and those without bounds, get what their rows are about; those in no row what makes their
cost a term like the others of the objective.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program import implied
from bilevel.program.rows import Index, Mask, Rows, Vector
from bilevel.program.sparse import row_of

_ROUNDS = 8
"""How far sizes travel from row to row."""

_PASSES = 3
"""How often columns without bounds are asked again, once it is known which bounds of others are loose."""

_ENDLESS = 1e100
"""Stands for no bound while sizes are looked for; decades are counted up to it."""


@dataclass(frozen=True)
class Terms:
    """Objectives side by side: linear coefficients, products first * second * value, and squares value / 2 * column**2.

    `group` tells the objective of every column, as those of followers share none; None is one objective for all columns.  `free`
    columns stand in no row of their follower.
    """

    linear: Vector
    first: Index
    second: Index
    value: Vector
    square: Vector | None = None
    group: Index | None = None
    free: Mask | None = None

    @staticmethod
    def of_followers(
        owner: Index, cost: Vector, price: sp.csr_array, quadratic: sp.csr_array, rows: sp.csr_array
    ) -> "Terms":
        """The followers' costs, over these rows of theirs."""
        free = owner >= 0
        free[rows.indices[rows.data != 0]] = False
        # A symmetric matrix has every product twice; its diagonal goes apart, as squares
        across = row_of(quadratic) < quadratic.indices
        first = np.concatenate([row_of(price), row_of(quadratic)[across]])
        second = np.concatenate([price.indices, quadratic.indices[across]])
        value = np.concatenate([price.data, quadratic.data[across]])
        return Terms(cost, first, second, value, quadratic.diagonal(), owner, free)

    def rates(self, size: Vector) -> Vector:
        """Largest absolute coefficient of every column of its objective, with the other factor of a product at its size."""
        rates = np.abs(self.linear)
        np.maximum.at(rates, self.first, np.abs(self.value) * size[self.second])
        np.maximum.at(rates, self.second, np.abs(self.value) * size[self.first])
        # Leader columns stand in followers' products too, but no follower's cost says how large they are
        return rates if self.group is None else np.where(self.group >= 0, rates, 0.0)

    def least_cost(self, size: Vector) -> Vector:
        """Where a curved cost without rows is least: its rate over its curvature; infinite for other columns."""
        if self.square is None or self.group is None or self.free is None:
            return np.full(len(size), np.inf)
        # Products with columns of the follower itself pull both ways
        rates = np.abs(self.linear)
        given = np.where(self.group[self.first] == self.group[self.second], 0.0, size[self.first])
        np.maximum.at(rates, self.second, np.abs(self.value) * given)
        known = self.free & (self.square > 0) & (rates > 0)
        return np.where(known, rates / np.where(self.square > 0, self.square, 1.0), np.inf)

    def limits(self, size: Vector, sure: Mask) -> Vector:
        """Of every column, the size at which its term is the largest of the other terms, or its square its rate; else infinite.

        Columns that are not `sure` have only a bound for a witness: a product with one is no term, and where others are left,
        their own are none to compare with.
        """
        believed = np.where(sure, size, 0.0)
        rates = self.rates(believed)
        others = self._others(rates * believed, rates * size)
        safe = np.where(rates > 0, rates, 1.0)
        limit = np.where((rates > 0) & (others > 0), others / safe, np.inf)
        if self.square is None:
            return limit
        curved = (self.square > 0) & (rates > 0)
        return np.where(curved, np.minimum(limit, rates / np.where(curved, self.square, 1.0)), limit)

    def _others(self, term: Vector, least: Vector) -> Vector:
        """For every column the largest term of another one of its objective; where there are none, the smallest of `least`."""
        # Place 0 is the leader's, whose group is -1
        group = np.zeros(len(term), dtype=np.int64) if self.group is None else self.group + 1
        count = int(group.max(initial=0)) + 1
        smallest = np.full(count, np.inf)
        np.minimum.at(smallest, group, np.where(least > 0, least, np.inf))
        empty = _largest_by(group, term, count)[group] == 0
        term = np.where(empty, np.where(least == smallest[group], least, 0.0), term)
        # Each term is compared with others: the largest one, and of equals the first, with the second
        top = _largest_by(group, term, count)
        first = np.full(count, len(term))
        np.minimum.at(first, group, np.where(term == top[group], np.arange(len(term)), len(term)))
        mine = first[group] == np.arange(len(term))
        second = _largest_by(group, np.where(mine, 0.0, term), count)
        return np.where(mine, second[group], top[group])


def _largest_by(group: Index, term: Vector, count: int) -> Vector:
    found = np.zeros(count)
    np.maximum.at(found, group, term)
    return found


def expected(
    rows: Rows, objectives: Sequence[Terms], lower: Vector, upper: Vector, hint: Vector | None = None
) -> Vector:
    """Expected size of every column, shape (columns,): its bound, or where that is loose what its rows and cost are about, else 1.

    `rows` are all linear rows of leader and followers, `objectives` the leader's and the followers'; `hint` stands for the bounds
    of columns without (NaN: nothing is known).
    """
    missing = np.isinf(lower) | np.isinf(upper)
    lower, upper = implied.known(rows, lower, upper)
    # From here on a bound is how far a column may go, whichever way
    bound = np.maximum(np.abs(lower), np.abs(upper))
    told = np.full(len(bound), np.nan) if hint is None else hint
    bound = np.where(np.isfinite(bound), bound, np.where(np.isnan(told), _ENDLESS, told))
    # A column that cannot come near zero is never smaller than this
    least = np.maximum(np.maximum(lower, -upper), 0.0)
    for terms in objectives:
        # Without rows a follower goes where its curved cost is least: a bound far beyond that is no size
        best = np.maximum(terms.least_cost(bound), least)
        bound = np.where(bound > tolerances.SIZE_LOOSE * best, best, bound)
    size, about, entries = bound, np.zeros(len(bound)), _Entries.of(rows, lower, upper, missing)
    for _ in range(_PASSES):
        # Columns without bounds would hold one another up at what a loose bound told them before it was found loose
        before, size = size, np.where(bound >= _ENDLESS, bound, size)
        size, about = _settled(entries, bound, size, least)
        if np.array_equal(size, before):
            break
    return _by_cost(objectives, bound, size, about, least)


def _settled(entries: "_Entries", bound: Vector, size: Vector, least: Vector) -> tuple[Vector, Vector]:
    """Sizes after some rounds from row to row, and what the rows of each column are about."""
    for _ in range(_ROUNDS):
        about = entries.about(bound, size)
        # From the bound in every round, so that a size once taken too small can grow again
        new = np.where(
            (about > 0) & (bound > tolerances.SIZE_LOOSE * np.maximum(about, least)), np.maximum(about, least), bound
        )
        if np.array_equal(new, size):
            break
        size = new
    return size, about


@dataclass(frozen=True)
class _Entries:
    """The entries of all rows: row, column, absolute value, the row's limit, the nearer one where it has two that are far apart,
    whether the column has no bound of its own, whether the row limits it from above, from below, and keeps it from growing."""

    row: Index
    column: Index
    value: Vector
    limit: Vector
    nearer: Vector
    open: Mask
    above: Mask
    below: Mask
    held: Mask
    columns: int

    @staticmethod
    def of(rows: Rows, lower: Vector, upper: Vector, missing: Mask) -> "_Entries":
        rows = _together(rows)
        matrix = sp.csr_array(rows.matrix)
        row = row_of(matrix)
        used = matrix.data != 0
        row, column, value = row[used], matrix.indices[used], matrix.data[used]
        reach = implied.activity(rows, lower, upper)
        kept = [
            np.isfinite(end) & ~(np.abs(end) > tolerances.SIZE_LOOSE * np.where(reach > 0, reach, np.inf))
            for end in (rows.lower, rows.upper)
        ]
        # A limit far beyond what the row can reach holds nothing back, and is no size of anything
        low, high = kept[0][row], kept[1][row]
        ends = [np.where(known, np.abs(end), 0.0) for known, end in zip(kept, (rows.lower, rows.upper), strict=True)]
        near, far = np.minimum(*ends), np.maximum(*ends)
        nearer = np.where((near > 0) & (far > tolerances.SIZE_LOOSE * near), near, far)
        # One limit keeps a column of one sign from growing, only both one that goes either way
        above, below = np.where(value > 0, high, low), np.where(value > 0, low, high)
        held = np.where(lower[column] >= 0, above, low & high)
        return _Entries(
            row, column, np.abs(value), far[row], nearer[row], missing[column], above, below, held, len(lower)
        )

    def about(self, bound: Vector, size: Vector) -> Vector:
        """For every column what its rows are about, in the column's unit; 0 where no row says anything.

        The least of the rows that keep it from growing; else the most of the others, or what lies between for a column without end.
        """
        # Its own term at the bound, which is what is judged; others at what is believed of them
        own, term = self.value * bound[self.column], self.value * size[self.column]
        below, balanced = _others(self.row, own, term)
        limit = np.where(self.open | (own > tolerances.SIZE_FURTHER * self.nearer), self.nearer, self.limit)
        found = np.maximum(limit, below) / self.value
        known = found > 0
        least, most = np.full(self.columns, np.inf), np.zeros(self.columns)
        np.minimum.at(least, self.column[known], found[known])
        np.maximum.at(most, self.column[known], found[known])
        held = known & self.held & ~balanced
        kept = np.full(self.columns, np.inf)
        np.minimum.at(kept, self.column[held], found[held])
        other = np.where(bound >= _ENDLESS, np.sqrt(np.where(np.isfinite(least), least, 0.0) * most), most)
        return np.where(np.isfinite(kept), kept, np.minimum(other, self._nearer_side(found, known)))

    def _nearer_side(self, found: Vector, known: Mask) -> Vector:
        """What the rows on one side of a column are about where those on the other side are far beyond it; else infinite.

        Of two limits in two rows the nearer one tells as much as of two in one.
        """
        sides = np.full((2, self.columns), np.inf)
        for side, limits in zip(sides, (self.above, self.below), strict=True):
            at = known & limits
            np.minimum.at(side, self.column[at], found[at])
        near, far = sides.min(axis=0), sides.max(axis=0)
        return np.where(np.isfinite(far) & (far > tolerances.SIZE_FURTHER * near), near, np.inf)


def _together(rows: Rows) -> Rows:
    """The rows, those of one column alone with the nearest limits of all of these: two limits in two rows are as two in one."""
    matrix = sp.csr_array(rows.matrix)
    row, used = row_of(matrix), matrix.data != 0
    alone = used & (np.bincount(row[used], minlength=rows.count) == 1)[row]
    at, column, value = row[alone], matrix.indices[alone], matrix.data[alone]
    low, high = rows.lower[at] / value, rows.upper[at] / value
    low, high = np.where(value > 0, low, high), np.where(value > 0, high, low)
    least, most = np.full(matrix.shape[1], -np.inf), np.full(matrix.shape[1], np.inf)
    np.maximum.at(least, column, low)
    np.minimum.at(most, column, high)
    # Contradictions are the solver's to find
    apart = least[column] > most[column]
    low, high = np.where(apart, low, least[column]), np.where(apart, high, most[column])
    lower, upper = rows.lower.copy(), rows.upper.copy()
    lower[at], upper[at] = np.where(value > 0, low, high) * value, np.where(value > 0, high, low) * value
    return Rows(rows.matrix, lower, upper, rows.names)


def _others(row: Index, own: Vector, term: Vector) -> tuple[Vector, Mask]:
    """For every entry the largest other term of its row that is far under its own (`SIZE_LOOSE`), and whether one is not."""
    if not len(row):
        return np.zeros(0), np.zeros(0, dtype=bool)
    with np.errstate(divide="ignore"):
        decades, reach = (
            np.maximum(np.log10(term), -300.0),
            np.maximum(np.log10(own), -300.0) - np.log10(tolerances.SIZE_LOOSE),
        )
    least = min(float(decades.min()), float(reach.min()))
    width = max(float(decades.max()), float(reach.max())) - least + 1.0
    key, wanted = row * width + (decades - least), row * width + (reach - least)
    # One sort by row and decade answers for all entries at once what each would ask its row
    order = np.argsort(key, kind="stable")
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row))
    first = np.searchsorted(key[order], wanted, side="right")
    end = np.searchsorted(row[order], row, side="right")
    balanced = end - first - (place >= first) > 0
    at = np.where(first - 1 == place, first - 2, first - 1)
    known = (at >= 0) & (row[order[at]] == row)
    return np.where(known, term[order[at]], 0.0), balanced


def _by_cost(objectives: Sequence[Terms], bound: Vector, size: Vector, about: Vector, least: Vector) -> Vector:
    """Sizes of loose columns limited to what makes their cost a term like the largest of the others in some objective.

    A column in no row has its bound for a witness only.  Where no objective knows better, and the bound is far, its size is 1.
    """
    known = size < _ENDLESS
    limit = np.full(len(size), np.inf)
    for terms in objectives:
        limit = np.minimum(limit, terms.limits(np.where(known, size, 0.0), known & (about > 0)))
    loose = (about > 0) & (size < bound)
    alone = (about == 0) & (bound > tolerances.SIZE_LOOSE * np.where(np.isfinite(limit), limit, np.maximum(1.0, least)))
    limit = np.where(np.isinf(limit) & alone, 1.0, limit)
    size = np.where(loose | alone | ~known, np.minimum(size, np.maximum(limit, least)), size)
    return np.where((size > 0) & (size < _ENDLESS), size, 1.0)
