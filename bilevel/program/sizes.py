"""Expected sizes of columns, from bounds that something can reach and from the data of rows and objective.

A bound says how large a column may become, not how large it does.  An "unbounded" sentinel of 1e9, or a generous limit of a
penalty, would make every relative test vacuous.  So a bound counts as loose where it is far beyond what the rows of its column
are about: in each row, the limit and the largest term that is far below the column's own at its bound.  A row's limit that nothing
comes near says as little, and of two limits far apart the nearer one tells more.  Terms of the same size as
the column's own may balance it, and count as a reason for its bound unless that is further still.  Loose columns, and those
without bounds, get what their rows are about; those in no row what makes their cost a term like the others of the objective.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel.program import implied
from bilevel.program.rows import Index, Mask, Rows, Vector
from bilevel.program.sparse import row_of

_LOOSE = 1e3
"""Share of a column's term at its bound, over what its row is about, from which the bound is loose.

Relative tolerances of 1e-6 then leave 1e-6 of what the rows are about at most, with the floor of 1e-3 (`tolerances.SIZE_FLOOR`)."""

_FURTHER = 1e6
"""The same where another column of the row may balance this one."""

_ROUNDS = 8
"""How far sizes travel from row to row."""

_ENDLESS = 1e100
"""Stands for no bound while sizes are looked for; decades are counted up to it."""


@dataclass(frozen=True)
class Terms:
    """The leader's objective: linear coefficients, and products first * second * value."""

    linear: Vector
    first: Index
    second: Index
    value: Vector

    def rates(self, size: Vector) -> Vector:
        """Largest absolute coefficient of every column, with the other factor of a product at its size."""
        rates = np.abs(self.linear)
        np.maximum.at(rates, self.first, np.abs(self.value) * size[self.second])
        np.maximum.at(rates, self.second, np.abs(self.value) * size[self.first])
        return rates


def expected(rows: Rows, terms: Terms, lower: Vector, upper: Vector, hint: Vector | None = None) -> Vector:
    """Expected size of every column, shape (columns,): its bound, or where that is loose what its rows and cost are about, else 1.

    `rows` are all linear rows of leader and followers; `hint` stands for the bounds of columns without (NaN: nothing is known).
    """
    missing = np.isinf(lower) | np.isinf(upper)
    lower, upper = implied.known(rows, lower, upper)
    bound = np.maximum(np.abs(lower), np.abs(upper))
    told = np.full(len(bound), np.nan) if hint is None else hint
    bound = np.where(np.isfinite(bound), bound, np.where(np.isnan(told), _ENDLESS, told))
    least = np.maximum(np.maximum(lower, -upper), 0.0)
    size, about, entries = bound, np.zeros(len(bound)), _Entries.of(rows, lower, upper, missing)
    for _ in range(_ROUNDS):
        about = entries.about(bound, size)
        new = np.where((about > 0) & (bound > _LOOSE * np.maximum(about, least)), np.maximum(about, least), bound)
        if np.array_equal(new, size):
            break
        size = new
    return _by_cost(terms, bound, size, about)


@dataclass(frozen=True)
class _Entries:
    """The entries of all rows: row, column, absolute value, the row's limit, the nearer one where it has two that are far apart,
    whether the column has no bound of its own, and whether the row keeps it from growing."""

    row: Index
    column: Index
    value: Vector
    limit: Vector
    nearer: Vector
    open: Mask
    held: Mask
    columns: int

    @staticmethod
    def of(rows: Rows, lower: Vector, upper: Vector, missing: Mask) -> "_Entries":
        matrix = sp.csr_array(rows.matrix)
        row = row_of(matrix)
        used = matrix.data != 0
        row, column, value = row[used], matrix.indices[used], matrix.data[used]
        reach = implied.activity(rows, lower, upper)
        kept = [
            np.isfinite(end) & ~(np.abs(end) > _LOOSE * np.where(reach > 0, reach, np.inf))
            for end in (rows.lower, rows.upper)
        ]
        low, high = kept[0][row], kept[1][row]
        ends = [np.where(known, np.abs(end), 0.0) for known, end in zip(kept, (rows.lower, rows.upper), strict=True)]
        near, far = np.minimum(*ends), np.maximum(*ends)
        nearer = np.where((near > 0) & (far > _LOOSE * near), near, far)
        held = np.where(lower[column] >= 0, np.where(value > 0, high, low), low & high)
        return _Entries(row, column, np.abs(value), far[row], nearer[row], missing[column], held, len(lower))

    def about(self, bound: Vector, size: Vector) -> Vector:
        """For every column what its rows are about, in the column's unit; 0 where no row says anything.

        The least of the rows that keep it from growing; else the most of the others, or what lies between for a column without end.
        """
        own, term = self.value * bound[self.column], self.value * size[self.column]
        below, balanced = _others(self.row, own, term)
        limit = np.where(self.open | (own > _FURTHER * self.nearer), self.nearer, self.limit)
        found = np.maximum(limit, below)
        # A balance of two columns is a reason for their bounds, unless these are further still
        found = np.where(balanced & (own < _ENDLESS * self.value) & (own <= _FURTHER * found), own, found) / self.value
        known = found > 0
        least, most = np.full(self.columns, np.inf), np.zeros(self.columns)
        np.minimum.at(least, self.column[known], found[known])
        np.maximum.at(most, self.column[known], found[known])
        held = known & self.held & ~balanced
        kept = np.full(self.columns, np.inf)
        np.minimum.at(kept, self.column[held], found[held])
        other = np.where(bound >= _ENDLESS, np.sqrt(np.where(np.isfinite(least), least, 0.0) * most), most)
        return np.where(np.isfinite(kept), kept, other)


def _others(row: Index, own: Vector, term: Vector) -> tuple[Vector, Mask]:
    """For every entry the largest other term of its row that is under its own by `_LOOSE`, and whether another one is not."""
    if not len(row):
        return np.zeros(0), np.zeros(0, dtype=bool)
    with np.errstate(divide="ignore"):
        decades, reach = np.maximum(np.log10(term), -300.0), np.maximum(np.log10(own), -300.0) - np.log10(_LOOSE)
    least = min(float(decades.min()), float(reach.min()))
    width = max(float(decades.max()), float(reach.max())) - least + 1.0
    key, wanted = row * width + (decades - least), row * width + (reach - least)
    order = np.argsort(key, kind="stable")
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row))
    first = np.searchsorted(key[order], wanted, side="right")
    end = np.searchsorted(row[order], row, side="right")
    balanced = end - first - (place >= first) > 0
    at = np.where(first - 1 == place, first - 2, first - 1)
    known = (at >= 0) & (row[order[at]] == row)
    return np.where(known, term[order[at]], 0.0), balanced


def _by_cost(terms: Terms, bound: Vector, size: Vector, about: Vector) -> Vector:
    """Sizes of loose columns limited to what makes their cost a term like the largest of the others; 1 where nothing is known."""
    known = size < _ENDLESS
    cost = terms.rates(np.where(known, size, 0.0))
    term = np.where(known, cost * size, 0.0)
    trusted = (about > 0) & (term > 0)
    if not trusted.any():
        trusted = term == np.min(term[term > 0], initial=np.inf)
    others = _largest_of_others(np.where(trusted, term, 0.0))
    limit = np.where((cost > 0) & (others > 0), others / np.where(cost > 0, cost, 1.0), np.inf)
    loose = (about > 0) & (size < bound)
    alone = (about == 0) & (bound > _LOOSE * limit)
    size = np.where(loose | alone | ~known, np.minimum(size, limit), size)
    return np.where((size > 0) & (size < _ENDLESS), size, 1.0)


def _largest_of_others(term: Vector) -> Vector:
    """For every column the largest term of another one."""
    if len(term) < 2:
        return np.zeros(len(term))
    at = int(term.argmax())
    second = float(np.partition(term, -2)[-2])
    return np.asarray(np.where(np.arange(len(term)) == at, second, term[at]))
