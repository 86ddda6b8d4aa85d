"""The leader's problem beside an answer of the followers, in blocks that share no free column.

With the answers y fixed the leader's rows and cones fall apart into the connected parts of its free columns (of a network: one part
a period).  Each part sees y through few linear forms z = L y (the load of a bus: the powers of a station), and its least cost is a
convex function of z.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from bilevel import budget, tolerances
from bilevel.certify.ties.face import Face, TieProblem
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows, Vector, coo, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation
from bilevel.solvers.clarabel import Answer, Moving

_DIGITS = 12
"""Decimals in which rows over their largest entries are compared."""
MOST_ENTRIES = 10_000_000
"""Entries of forms, were all rows that answers enter one each, from which the leader's problem is not split."""


@dataclass(frozen=True)
class Block:
    """min cost of `state` (program columns) over its rows and cones, beside the values of the forms.

    `forms`: (forms x the face's columns), of sizes `size`; `mip` has the cones in it, and columns state, forms, and one that is 1.
    """

    state: Index
    forms: Vector
    size: Vector
    mip: SolverProgram
    known: dict[bytes, Answer] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many forms."""
        return len(self.forms)

    def value(self, z: Vector) -> Answer:
        """The least cost at these values of the forms, its slope over them."""
        key = z.tobytes()
        if key not in self.known:
            answer = self._cost.solve(z, budget.seconds())
            # Multipliers of no cost are what an interior point has left of them
            free = np.isfinite(answer.high) and not self.mip.cost.any()
            self.known[key] = replace(answer, high=0.0, low=0.0, slope=0.0 * answer.slope) if free else answer
        return self.known[key]

    def values(self, corners: Vector) -> list[Answer]:
        """The least cost at each of these."""
        return [self.value(z) for z in corners]

    def beyond(self, z: Vector) -> tuple[float, Vector, float]:
        """How far z is from values at which there is a point, over the forms' sizes, and (a, b) with a @ z <= b for all of these.

        The distance is convex, so that its tangent at z is what no value with a point is above.
        """
        answer = self._distance.solve(z, budget.seconds())
        if not np.isfinite(answer.low):
            return 0.0, np.zeros(self.count), 0.0
        return max(answer.low, 0.0), answer.slope, float(answer.slope @ z) - answer.low

    @cached_property
    def _cost(self) -> Moving:
        return Moving(self.mip, len(self.state) + np.arange(self.count))

    @cached_property
    def _distance(self) -> Moving:
        """The same rows and cones without cost, the forms off the values by what is paid: form - value - more + less = 0."""
        n, k = self.mip.columns, self.count
        wide = self.mip.with_columns(
            np.concatenate([np.full(k, -np.inf), np.zeros(2 * k)]), np.full(3 * k, np.inf), np.tile(self.size, 3)
        )
        unit = sp.eye_array(k)
        at = sp.csr_array((k, len(self.state))), unit, sp.csr_array((k, 1)), -unit, -unit, unit
        off = Rows(sp.csr_array(sp.hstack(at)), np.zeros(k), np.zeros(k))
        cost = np.concatenate([np.zeros(n + k), np.tile(1.0 / self.size, 2)])
        whole = replace(wide, cost=cost, rows=stack_rows([replace(wide.rows, names=()), off]))
        return Moving(whole, n + np.arange(k))


def split(problem: TieProblem, face: Face) -> tuple[list[Block], Index]:
    """The blocks, those that no answer moves as one, and the leader's rows that hold none of its free columns."""
    state = problem.state[~problem.held[problem.state]]
    touched, seen = _entries(problem, state), _entries(problem, face.columns)
    m, n = touched.shape
    above = sp.hstack([sp.csr_array((m, m)), touched])
    graph = sp.csr_array(sp.vstack([above, sp.csr_array((n, m + n))]))
    label = connected_components(graph, directed=False)[1]
    moved = np.isin(label, label[:m][np.diff(seen.indptr) > 0])
    rest = -1
    label = np.where(moved, label, rest)
    alone = np.diff(touched.indptr) == 0
    k = problem.rows.count
    blocks = []
    for at in np.unique(label[m:]):
        mine = (label[:m] == at) & ~alone
        blocks.append(_block(problem, face, state[label[m:] == at], mine[:k], mine[k:]))
    return blocks, np.flatnonzero(alone[:k])


def too_large(problem: TieProblem, face: Face) -> bool:
    """Whether the forms may not fit."""
    seen = np.diff(_entries(problem, face.columns).indptr) > 0
    return int(seen.sum()) * len(face.columns) > MOST_ENTRIES


def _entries(problem: TieProblem, columns: Index) -> sp.csr_array:
    """Sizes of entries of rows, then of cones, in these columns."""
    cones = problem.cones
    terms = (np.ones(len(cones.owner)), (cones.owner, np.arange(len(cones.owner))))
    squares = sp.csr_array(terms, shape=(cones.count, len(cones.owner))) @ abs(cones.squares[:, columns])
    return sp.csr_array(
        sp.vstack([abs(problem.rows.matrix[:, columns]), abs(cones.u[:, columns]) + abs(cones.w[:, columns]) + squares])
    )


def _block(problem: TieProblem, face: Face, state: Index, rows: Mask, cones: Mask) -> Block:
    part, taken = problem.rows.taken(np.flatnonzero(rows)), problem.cones.take(np.flatnonzero(cones))
    parts = [part.matrix, taken.u, taken.w, taken.squares]
    forms, factor = independent(sp.csr_array(sp.vstack([each[:, face.columns] for each in parts])))
    ends = np.cumsum([0, *(each.shape[0] for each in parts)])
    fixed = [each @ face.fixed for each in parts]
    k = len(forms)

    def over(at: int, constant: Vector) -> sp.csr_array:
        """A part over state, forms, and the column that is 1."""
        body = [parts[at][:, state], factor[ends[at] : ends[at + 1]], sp.csr_array(constant[:, None])]
        return sp.csr_array(sp.hstack(body))

    none = [np.zeros(len(each)) for each in fixed]
    # Squares have no constant of their own
    own = Cones(
        over(3, fixed[3]), taken.owner, over(1, none[1]), taken.u0 + fixed[1], over(2, none[2]), taken.w0 + fixed[2],
        taken.w_scale, taken.relaxes_equality, taken.names,
    )  # fmt: skip
    size = np.maximum(np.abs(forms) @ face.scale, tolerances.LEAST_SIZE)
    total, open_ = len(state) + k + 1, np.full(k, np.inf)
    mip = SolverProgram(
        np.concatenate([problem.cost[state], np.zeros(k + 1)]), 0.0,
        np.concatenate([problem.lower[state], -open_, [1.0]]), np.concatenate([problem.upper[state], open_, [1.0]]),
        outer_approximation.continuous(total),
        Rows(over(0, none[0]), part.lower - fixed[0], part.upper - fixed[0], part.names), own, (),
        np.concatenate([problem.scale[state], size, [1.0]]),
    )  # fmt: skip
    return Block(state, forms, size, mip)


def independent(matrix: sp.csr_array) -> tuple[Vector, sp.csr_array]:
    """Rows of a matrix that are multiples of none before them, over their largest entries, and what each row is of these."""
    place: dict[tuple[bytes, bytes], int] = {}
    forms: list[Vector] = []
    entries: list[tuple[int, int, float]] = []
    matrix = sp.csr_array(matrix)
    matrix.sort_indices()
    for at in np.flatnonzero(np.diff(matrix.indptr) > 0):
        row = slice(matrix.indptr[at], matrix.indptr[at + 1])
        columns, data = matrix.indices[row], matrix.data[row]
        lead = data[np.abs(data).argmax()]
        # An entry may be a zero that is stored
        if lead == 0:
            continue
        # Multiples that rounding tells apart are two forms, which makes no bound wrong
        key = columns.tobytes(), np.round(data / lead, _DIGITS).tobytes()
        if key not in place:
            place[key] = len(forms)
            forms.append(matrix[[at]].toarray().ravel() / lead)
        entries.append((int(at), place[key], float(lead)))
    return np.array(forms).reshape(len(forms), matrix.shape[1]), coo(entries, (matrix.shape[0], len(forms)))
