"""Secure answers: every follower's response is unique, with a margin (docs/model.md section 4, "Secure answers").

If some optimal multipliers are at least a margin > 0 on limits I, every optimal y meets these exactly; where the limits of I, the
equalities and the curvature of the cost have the rank of the follower's columns, the response is unique, and stays so while costs
move by less than the margin.  So every pair has its slack at 0 and a multiplier of at least its margin, or a multiplier of 0, and
enough pairs are of the first kind.

Rank is looked at part by part: columns of a follower that no row and no square joins.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from bilevel import tolerances
from bilevel.followers.kkt import Kkt
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Index, Mask, Rows, Vector
from bilevel.program.sparse import magnitude, row_of, scaled
from bilevel.reformulate.held_counts import Counts, held_counts, within
from bilevel.reformulate.margins import column_margins, free_columns

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """Columns of follower `owner` that nothing joins with others: what equalities and curvature leave open of them, and which pairs
    decide it.

    `rows`: gradient of each pair's slack over the open directions, (pairs, directions), over the length of its row, `length`: its
    entries are shares; a part is decided where the rows of pairs that are held have as many independent ones as directions.
    `counts`: pairs, and how many of them are held at least.  `basic`: multipliers with margins keep the limits of a basis.
    """

    owner: int
    pairs: Index
    rows: Matrix
    length: Vector
    counts: Counts = ()
    basic: bool = False

    @property
    def open(self) -> int:
        """Directions that equalities and curvature leave open."""
        return int(self.rows.shape[1])

    def rank(self, held: Mask) -> int:
        """Independent rows among the pairs held, a mask over the part's pairs."""
        return _rank(self.rows[held])


@dataclass(frozen=True)
class Secure:
    """`least`: of each pair the multiplier that it has at least where its slack is at 0, in cost over its row's or column's unit; 0
    for pairs on which no response depends.  `parts`: all parts with something open; `margin`: what was asked, None for the default.
    """

    least: Vector
    parts: tuple[Part, ...]
    margin: float | None = None
    _known: dict[tuple[int, bytes], int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def asked(self) -> Mask:
        """Pairs with a margin."""
        return np.asarray(self.least > 0)

    @property
    def beyond_bases(self) -> Vector:
        """`least` of the pairs whose multipliers may be beyond the limits of those of a basis; 0 for the others."""
        found = self.least.copy()
        found[_joined([part.pairs for part in self.parts if part.basic])] = 0.0
        return found

    def rank(self, at: int, held: Mask) -> int:
        """Rank of a part, by its number, where the pairs of this mask over all pairs are held."""
        mine = held[self.parts[at].pairs]
        key = at, mine.tobytes()
        # A tree asks for the same sides of a part in thousands of nodes
        if key not in self._known:
            self._known[key] = self.parts[at].rank(mine)
        return self._known[key]

    def lacking(self, held: Mask) -> list[int]:
        """Numbers of the parts that the pairs held leave open."""
        return [at for at, part in enumerate(self.parts) if self.rank(at, held) < part.open]

    def possible(self, dual_zero: Mask) -> bool:
        """Whether the pairs whose multiplier is not held at zero are enough to decide every part."""
        return not self.lacking(~dual_zero)

    def short(self, dual: Vector) -> Mask:
        """Pairs whose multiplier is below its margin by more than rounding."""
        return np.asarray(dual < self.least * (1.0 - tolerances.FEASIBILITY))

    def completed(self, slack_zero: Mask, slack: Vector, twin: Index) -> Mask:
        """These pairs, with those more at which the answer ends that moves within what they leave open, nearest limits first.

        `slack` is that of every pair at the answer.  A part that no limit ends keeps what it has.
        """
        held = slack_zero.copy()
        for at in self.lacking(slack_zero):
            part = self.parts[at]
            held[part.pairs] |= _corner(part, held[part.pairs], np.maximum(slack[part.pairs], 0.0) / part.length)
        # Both limits of a row at once, as rounding may read them, contradict each other
        both = held & (twin >= 0)
        both[both] = held[twin[both]]
        held[both & ~slack_zero] = False
        return held

    @property
    def counts(self) -> Counts:
        """Pairs of every part, and how many of them are held at least."""
        return tuple(count for part in self.parts for count in ((part.pairs, part.open), *part.counts))

    def rows(self, dual: Index, columns: int) -> Rows:
        """A row a count: so many multipliers are at least their margins, and their sum over margins is as large.

        `dual` are the multipliers' columns.
        """
        counts = self.counts
        value = [self.least[pairs].min() / self.least[pairs] for pairs, _ in counts]
        low = np.array([most * self.least[pairs].min() for pairs, most in counts])
        row = np.repeat(np.arange(len(counts)), [len(pairs) for pairs, _ in counts])
        column = dual[_joined([pairs for pairs, _ in counts])]
        matrix = sp.csr_array((np.concatenate([*value, []]), (row, column)), shape=(len(counts), columns))
        return Rows(matrix, low, np.full(len(counts), np.inf), ("margins of multipliers",) * len(counts))

    def counted(self, z: Index, dual: Index, columns: int) -> Rows:
        """With z = 1 where the multiplier is 0, else 0: mu + margin z >= margin, and enough z of every count at 0."""
        at, counts = np.flatnonzero(self.asked), self.counts
        place = np.tile(np.arange(len(at)), 2)
        entries = np.concatenate([np.ones(len(at)), self.least[at]])
        one = sp.csr_array((entries, (place, np.concatenate([dual[at], z[at]]))), shape=(len(at), columns))
        size = np.array([len(pairs) for pairs, _ in counts], dtype=np.int64)
        row = np.repeat(np.arange(len(counts)), size)
        column = z[_joined([pairs for pairs, _ in counts])]
        many = sp.csr_array((np.ones(len(row)), (row, column)), shape=(len(counts), columns))
        most = size - np.array([held for _, held in counts], dtype=np.int64)
        matrix = sp.csr_array(sp.vstack([one, many], format="csr"))
        low = np.concatenate([self.least[at], np.full(len(counts), -np.inf)])
        return Rows(matrix, low, np.concatenate([np.full(len(at), np.inf), most]))

    def weakest(self, dual: Vector) -> tuple[float, int, int]:
        """The part that is decided with the least margin: its share of the margin, its number, and its rank at multipliers above 0.

        The share is the largest s for which the pairs with multipliers of at least s margins decide the part; 0 where none do.
        """
        worst = (np.inf, -1, 0)
        for at, part in enumerate(self.parts):
            share = np.maximum(dual[part.pairs], 0.0) / self.least[part.pairs]
            # Rows of the largest multipliers first: the one that completes the rank is what the part rests on
            order = np.argsort(-share, kind="stable")
            kept = _independent(part.rows[order])
            kept = kept[share[order[kept]] > 0]
            found = float(share[order[kept[-1]]]) if len(kept) == part.open else 0.0
            if found < worst[0]:
                worst = found, at, len(kept)
        return worst


def secure(program: Program, kkt: Kkt, margin: float | None) -> Secure:
    """The margins of all pairs, and the parts that they decide.

    `margin` is in the unit of the leader's variables that price a column, in cost over column for a follower without prices; None
    for `tolerances.RESOLUTION` of the prices' range, or of the size of the cost.
    """
    pairs = kkt.pairs
    free = free_columns(program)
    own = _own(pairs.slack_matrix, free)
    parts = _parts(program, kkt, free)
    least = np.zeros(pairs.count)
    per_column = column_margins(program, margin)
    entries = np.full(pairs.count, np.inf)
    ratio = per_column[own.indices] / np.abs(own.data)
    np.minimum.at(entries, row_of(own), ratio)
    for part in parts:
        least[part.pairs] = entries[part.pairs]
    return Secure(least, parts, margin)


def _own(matrix: sp.csr_array, free: Mask) -> sp.csr_array:
    """The entries of columns that followers are free to choose."""
    keep = free[matrix.indices] & (matrix.data != 0)
    ends = np.concatenate([[0], np.cumsum(keep)])[matrix.indptr]
    return sp.csr_array((matrix.data[keep], matrix.indices[keep], ends), shape=matrix.shape)


def _parts(program: Program, kkt: Kkt, free: Mask) -> tuple[Part, ...]:
    """Parts with open directions, in the order of their first columns."""
    stack, size = program.followers, program.size
    rows, equal = _own(stack.rows.matrix, free), _own(kkt.equal_matrix, free)
    slack, curve = _own(kkt.pairs.slack_matrix, free), _own(sp.csr_array(stack.quadratic), free)
    label = _labels(rows, curve, program.columns)
    place = {"equal": _first_label(equal, label), "slack": _first_label(slack, label)}
    found = []
    for one in np.unique(label[np.flatnonzero(free)]).tolist():
        columns = np.flatnonzero((label == one) & free)
        held = np.flatnonzero(place["equal"] == one)
        base = sp.vstack([equal[held][:, columns], curve[columns][:, columns]], format="csr")
        open_ = _null_space(scaled(sp.csr_array(base), columns=size[columns]).toarray())
        pairs = np.flatnonzero(place["slack"] == one)
        part = scaled(sp.csr_array(slack[pairs][:, columns]), columns=size[columns])
        length = np.sqrt(magnitude(sp.csr_array(part.multiply(part)), np.ones(len(columns))))
        gradient = (part @ open_) / length[:, None]
        # Limits of what equalities decide anyway have nothing to say
        used = np.abs(gradient).max(axis=1, initial=0.0) > tolerances.FIXED_FOLLOWER_ROOM
        if open_.shape[1]:
            known, square = (program, kkt, columns, held, pairs[used]), curve[columns].nnz > 0
            counts, basic = () if square else held_counts(*known), not square and within(*known)
            found.append(Part(int(stack.owner[columns[0]]), pairs[used], gradient[used], length[used], counts, basic))
    return tuple(found)


def _labels(rows: sp.csr_array, curve: sp.csr_array, columns: int) -> Index:
    """Which part each column is in."""
    first = np.concatenate([columns + row_of(rows), row_of(curve)])
    second = np.concatenate([rows.indices, curve.indices])
    count = columns + rows.shape[0]
    graph = sp.csr_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1][:columns])


def _first_label(matrix: sp.csr_array, label: Index) -> Index:
    """The part of each row, -1 for one without entries."""
    found = np.full(matrix.shape[0], -1, dtype=np.int64)
    filled = np.diff(matrix.indptr) > 0
    found[filled] = label[matrix.indices[matrix.indptr[:-1][filled]]]
    return found


def _null_space(base: Matrix) -> Matrix:
    """An orthonormal basis of what rows, each over its length, leave open: (columns, directions)."""
    length = np.sqrt((base**2).sum(axis=1))
    kept = base[length > 0] / length[length > 0][:, None]
    if not len(kept):
        return np.eye(base.shape[1])
    _, values, right = np.linalg.svd(kept)
    rank = int((values > tolerances.SINGULAR * values[0]).sum())
    return np.asarray(right[rank:].T)


def _rank(rows: Matrix) -> int:
    if not rows.size:
        return 0
    values = np.linalg.svd(rows, compute_uv=False)
    # Rows are shares, so that nothing but rounding is this small
    return int((values > tolerances.SINGULAR).sum())


def _independent(rows: Matrix) -> Index:
    """The first rows that are independent of those before them."""
    basis = np.zeros((0, rows.shape[1]))
    found = []
    for at, row in enumerate(rows):
        left = row - basis.T @ (basis @ row)
        # Once more, as the first difference may cancel
        left -= basis.T @ (basis @ left)
        size = float(np.sqrt(left @ left))
        if size > tolerances.FIXED_FOLLOWER_ROOM:
            basis = np.vstack([basis, left / size])
            found.append(at)
            if len(found) == rows.shape[1]:
                break
    return np.array(found, dtype=np.int64)


def _corner(part: Part, held: Mask, slack: Vector) -> Mask:
    """Pairs that an answer meets which moves, within what is held, to the nearest limit again and again."""
    held, slack = held.copy(), slack.copy()
    for _ in range(part.open):
        open_ = _null_space(part.rows[held]) if held.any() else np.eye(part.open)
        if not open_.shape[1]:
            break
        slope = part.rows @ open_
        loose = ~held & (np.abs(slope).max(axis=1) > tolerances.FIXED_FOLLOWER_ROOM)
        if not loose.any():
            break
        to = int(np.flatnonzero(loose)[slack[loose].argmin()])
        # Straight to the nearest limit, as far as the others let it go
        move = -(part.rows @ (open_ @ slope[to]))
        falls = loose & (move < -tolerances.FIXED_FOLLOWER_ROOM)
        steps = np.where(falls, slack / np.where(falls, -move, 1.0), np.inf)
        end = int(steps.argmin())
        slack = np.maximum(slack + steps[end] * move, 0.0)
        held[end] = True
    return held


def _joined(indices: list[Index]) -> Index:
    return np.concatenate([*indices, np.zeros(0, dtype=np.int64)])
