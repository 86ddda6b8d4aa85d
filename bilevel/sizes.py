"""Expected sizes of columns, from bounds that something can reach and from the data of rows and objective.

A bound says how large a column may become, not how large it does.  An "unbounded" sentinel of 1e9, or a generous limit of a
penalty, would make every relative test vacuous.  So a bound counts as loose where it is far beyond what the rows of its column
are about: in each row, the limit and the largest term that is far below the column's own at its bound.  Terms of the same size as
the column's own say nothing, as two loose columns may balance each other.  Loose columns, and those without bounds, get what
their rows are about; those in no row what makes their cost a term like the others of the objective.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from bilevel.program import Index, Rows, Vector

_LOOSE = 1e3
"""Share of a column's term at its bound, over what its row is about, from which the bound is loose.

Relative tolerances of 1e-6 then leave 1e-6 of what the rows are about at most, with the floor of 1e-3 (`tolerances.SIZE_FLOOR`)."""

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


def expected(rows: Rows, terms: Terms, lower: Vector, upper: Vector) -> Vector:
    """Expected size of every column, shape (columns,): its bound, or where that is loose what its rows and cost are about, else 1.

    `rows` are all linear rows of leader and followers.
    """
    bound = np.maximum(np.abs(lower), np.abs(upper))
    bound = np.where(np.isfinite(bound), bound, _ENDLESS)
    size, about = bound, np.zeros(len(bound))
    for _ in range(_ROUNDS):
        about = _about(rows, bound, size)
        new = np.where((about > 0) & (bound > _LOOSE * about), about, bound)
        if np.array_equal(new, size):
            break
        size = new
    return _by_cost(terms, bound, size, about)


def _about(rows: Rows, bound: Vector, size: Vector) -> Vector:
    """For every column the most that one of its rows is about, in the column's unit; 0 where no row says anything."""
    matrix = sp.csr_array(rows.matrix)
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    value = np.abs(matrix.data)
    used = (value > 0) & (bound[matrix.indices] > 0) & (size[matrix.indices] > 0)
    row, column, value = row[used], matrix.indices[used], value[used]
    if not len(row):
        return np.zeros(len(size))
    ends = [np.where(np.isfinite(end), np.abs(end), 0.0) for end in (rows.lower, rows.upper)]
    about = np.maximum(np.maximum(*ends)[row], _below(row, value * bound[column], value * size[column]))
    found = np.zeros(len(size))
    np.maximum.at(found, column, about / value)
    return found


def _below(row: np.ndarray, own: Vector, term: Vector) -> Vector:
    """For every entry the largest other term of its row that is under its own by `_LOOSE`, 0 without one."""
    decades, reach = np.log10(term), np.log10(own) - np.log10(_LOOSE)
    least = min(float(decades.min()), float(reach.min()))
    width = max(float(decades.max()), float(reach.max())) - least + 1.0
    key, wanted = row * width + (decades - least), row * width + (reach - least)
    order = np.argsort(key, kind="stable")
    at = np.searchsorted(key[order], wanted, side="right") - 1
    at = np.where((at >= 0) & (order[at] == np.arange(len(row))), at - 1, at)
    known = (at >= 0) & (row[order[at]] == row)
    return np.where(known, term[order[at]], 0.0)


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
