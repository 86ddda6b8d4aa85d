"""Programs of a cell: the optimality conditions with sides fixed, how strict a point can be, and the worst of its ties."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from bilevel import tolerances
from bilevel.program.layout import Group
from bilevel.program.rows import Rows, Vector, stack_rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation, without_limits
from bilevel.search.sides import Sides, limits

_INFEASIBLE, _UNBOUNDED = 2, 3


@dataclass(frozen=True)
class Answer:
    """Of a linear program: its value, -inf without an end; `empty` where it has no point; x where it has an optimum."""

    value: float
    empty: bool
    x: Vector | None = None

    @property
    def room(self) -> float:
        """How strict a point is that was asked for its strictness: its last column; 0 where there is none."""
        return 0.0 if self.empty else np.inf if self.x is None else float(self.x[-1])


@dataclass(frozen=True)
class System:
    """Rows and limits over the columns of one level and then some of its own; `mip` has no integers here.

    `pairs` are rows and columns of which one has to be at its lower limit: those of a worst tie that no linear program tells.
    """

    mip: SolverProgram
    pairs: tuple[tuple[int, int], ...] = ()

    def least(self) -> Answer:
        """Solve it, by a tree over its pairs."""
        best, stack = Answer(np.inf, True), [self.mip]
        while stack:
            mip = stack.pop()
            found = _solved(mip)
            if found.empty or (found.value >= best.value and not best.empty):
                continue
            if found.x is None:
                return found
            at = self._open(mip, found.x)
            if at is None:
                best = found
            else:
                stack += [self._half(mip, at, row) for row in (True, False)]
        return best

    def most(self) -> Answer:
        """Solve it for its last column."""
        cost = np.zeros(self.mip.columns)
        cost[-1] = -1.0
        return replace(self, mip=replace(self.mip, cost=cost, offset=0.0)).least()

    def _open(self, mip: SolverProgram, x: Vector) -> tuple[int, int] | None:
        """The pair that is furthest from having a side at its limit."""
        if not self.pairs:
            return None
        rows, columns = (np.array(part) for part in zip(*self.pairs, strict=True))
        far = np.minimum((mip.rows.matrix[rows] @ x) - mip.rows.lower[rows], x[columns])
        at = int(far.argmax())
        return self.pairs[at] if far[at] > tolerances.PAIR_SIDE else None

    def _half(self, mip: SolverProgram, pair: tuple[int, int], row: bool) -> SolverProgram:
        high, row_high = mip.upper.copy(), mip.rows.upper.copy()
        if row:
            row_high[pair[0]] = mip.rows.lower[pair[0]]
        else:
            high[pair[1]] = 0.0
        return replace(mip, upper=high, rows=replace(mip.rows, upper=row_high))


def opened(form: Reformulation) -> System:
    """One level without limits of multipliers, as a strict one may lie beyond those that some optimal one keeps."""
    return System(without_limits(form))


def of_ties(system: System, form: Reformulation, sides: Sides) -> tuple[System, bool]:
    """With the worst of a cell's ties in the objective and in the leader's rows, and whether that is what it says.

    The answers of a cell are those with its slacks at 0.  Where there is one, it is that of the optimality conditions.  Where the
    followers' rows see no leader, the worst of a linear form over them is the least of its dual: linear in prices too.  Elsewhere
    it is an answer with optimality conditions of its own, as long as no product with a decision is in the form.
    """
    ties = _Ties(form, sides)
    return (system, True) if ties.one else (ties.written(system), True) if ties.able else (system, False)


def closed(system: System, form: Reformulation, sides: Sides) -> System:
    """With sides fixed."""
    low, high, row_low, row_high = limits(form, system.mip, sides, None)
    rows = replace(system.mip.rows, lower=row_low, upper=row_high)
    return replace(system, mip=replace(system.mip, lower=low, upper=high, rows=rows))


def strict(system: System, form: Reformulation, sides: Sides, most: float = np.inf) -> System:
    """With a last column that the slack or the multiplier of every decided pair is at least, in its size; cost at most `most`."""
    mip, pairs = closed(system, form, sides).mip, form.kkt.pairs
    slack, dual = np.flatnonzero(sides.dual_zero), np.flatnonzero(sides.slack_zero)
    n = mip.columns
    mip = mip.with_columns(np.zeros(1), np.ones(1), np.ones(1))
    size = np.concatenate([form.slack_scale()[slack], form.dual_scale()[dual]])
    of_slack = sp.coo_array(pairs.slack_matrix[slack])
    row = np.concatenate([of_slack.coords[0], len(slack) + np.arange(len(dual)), np.arange(len(size))])
    column = np.concatenate([of_slack.coords[1], pairs.dual[dual], np.full(len(size), n)])
    value = np.concatenate([of_slack.data, np.ones(len(dual)), -size])
    low = np.concatenate([-pairs.slack_constant[slack], np.zeros(len(dual))])
    matrix = sp.csr_array((value, (row, column)), shape=(len(size), n + 1))
    rows = [mip.rows.widened(n + 1), Rows(matrix, low, np.full(len(low), np.inf))]
    if np.isfinite(most):
        cost = sp.csr_array(np.append(system.mip.cost, 0.0)[None, :])
        rows.append(Rows(cost, np.array([-np.inf]), np.array([most - mip.offset])))
    return replace(system, mip=replace(mip, rows=stack_rows(rows)))


def at_least(system: System, form: Reformulation, sides: Sides, room: float) -> Answer:
    """The best point that is strict by so much."""
    found = strict(system, form, sides)
    lower = found.mip.lower.copy()
    lower[-1] = room
    return replace(found, mip=replace(found.mip, lower=lower)).least()


class _Ties:
    """The ties of a cell: equalities and slacks at 0, other slacks at least 0, over the followers' columns."""

    def __init__(self, form: Reformulation, sides: Sides) -> None:
        self.form, self.program, kkt = form, form.program, form.kkt
        self.mine, pairs = self.program.followers.columns, kkt.pairs
        whole = sp.csr_array(sp.vstack([kkt.equal_matrix, pairs.slack_matrix[sides.slack_zero]]))
        beside = sp.csr_array(pairs.slack_matrix[sides.dual_zero])
        held = whole[:, self.mine].toarray()
        self.one = np.linalg.matrix_rank(held) == len(self.mine) if held.size else not len(self.mine)
        self.leader = np.flatnonzero(self.program.followers.owner < 0)
        self.whole, self.beside = whole, beside
        self.level = np.concatenate([kkt.equal_value, -pairs.slack_constant[sides.slack_zero]])
        self.least = -pairs.slack_constant[sides.dual_zero]
        # Rows that decisions move
        self.moved = bool(abs(whole[:, self.leader]).sum() + abs(beside[:, self.leader]).sum())
        self.able = not self._follows() and not (self.moved and len(self.program.bilinear.row))

    def _seeing(self) -> Vector:
        """Leader rows that see answers; the objective last."""
        program = self.program
        rows = abs(program.rows.matrix[:, self.mine]).sum(axis=1) > 0
        found = np.append(rows, bool(np.any(program.cost[self.mine])))
        found[program.bilinear.row] = True
        return np.asarray(found)

    def _follows(self) -> bool:
        """Whether a leader column that no follower sees stands in a row with answers: it is decided after them."""
        program, stack = self.program, self.program.followers
        seen = (abs(stack.price).sum(axis=1) > 0) | (abs(stack.rows.matrix).sum(axis=0) > 0) | (stack.owner >= 0)
        late = np.flatnonzero(~seen)
        rows = np.flatnonzero(self._seeing()[:-1])
        return bool(abs(program.rows.matrix[rows][:, late]).sum()) or bool(np.isin(program.bilinear.leader, late).any())

    def written(self, system: System) -> System:
        """The program with the worst ties in place of answers, in the objective and on each side of the leader's rows."""
        program, seeing, mip = self.program, self._seeing(), system.mip
        leader = np.where(program.followers.owner < 0, 1.0, 0.0)
        first, pairs = self.form.rows[Group.LEADER].start, list(system.pairs)
        low, high = mip.rows.lower.copy(), mip.rows.upper.copy()
        # What the followers' own answers say of these rows is nothing beside their ties
        for row in np.flatnonzero(seeing[:-1]).tolist():
            low[first + row], high[first + row] = -np.inf, np.inf
        mip = replace(mip, rows=replace(mip.rows, lower=low, upper=high))
        if seeing[-1]:
            cost = np.zeros(mip.columns)
            cost[: program.columns] = program.cost * leader
            mip, worth = self._worst(replace(mip, cost=cost), -1, 1.0, pairs)
            mip = replace(mip, cost=mip.cost + worth)
        for row in np.flatnonzero(seeing[:-1]).tolist():
            own = program.rows.matrix[[row]].toarray().ravel() * leader
            for side, end in ((1.0, program.rows.upper[row]), (-1.0, program.rows.lower[row])):
                if np.isfinite(end):
                    mip, worth = self._worst(mip, row, side, pairs)
                    worth[: program.columns] += side * own
                    limit = Rows(sp.csr_array(worth[None, :]), np.array([-np.inf]), np.array([side * end]))
                    mip = replace(mip, rows=stack_rows([replace(mip.rows, names=()), limit]))
        return System(mip, tuple(pairs))

    def _worst(
        self, mip: SolverProgram, row: int, side: float, pairs: list[tuple[int, int]]
    ) -> tuple[SolverProgram, Vector]:
        """More columns and rows for max side * (the row's terms of answers) over the ties, and what this is in all columns."""
        program, k, m, f = self.program, len(self.level), len(self.least), len(self.mine) if self.moved else 0
        own = side * (program.cost if row < 0 else program.rows.matrix[[row]].toarray().ravel())[self.mine]
        n, count = mip.columns, mip.rows.count
        low = np.concatenate([np.full(f + k, -np.inf), np.zeros(m)])
        mip = mip.with_columns(low, np.full(len(low), np.inf), np.ones(len(low)))
        b, place = program.bilinear, np.full(program.columns, -1)
        place[self.mine] = np.arange(len(self.mine))
        here = b.row == row
        entries = side * b.coefficient[here], (place[b.follower[here]], b.leader[here])
        price = sp.csr_array(entries, shape=(len(self.mine), n + f))
        # whole' a - beside' c - side * D' x = own
        dual = Rows(
            sp.csr_array(sp.hstack([-price, self.whole[:, self.mine].T, -self.beside[:, self.mine].T])), own, own
        )
        rows = [replace(mip.rows, names=()), dual]
        if not self.moved:
            return replace(mip, rows=stack_rows(rows)), np.concatenate([np.zeros(n), self.level, -self.least])
        rows += [self._answer(self.whole, n, k + m, self.level, self.level),
                 self._answer(self.beside, n, k + m, self.least, np.full(m, np.inf))]  # fmt: skip
        pairs += [(count + len(self.mine) + k + at, n + f + k + at) for at in range(m)]
        return replace(mip, rows=stack_rows(rows)), np.concatenate([np.zeros(n), own, np.zeros(k + m)])

    def _answer(self, matrix: sp.csr_array, first: int, more: int, low: Vector, high: Vector) -> Rows:
        """Rows of the ties for an answer whose columns begin at `first`, with `more` columns after them."""
        decided = sp.csr_array(matrix @ sp.diags_array((self.program.followers.owner < 0).astype(float)))
        parts = [widen(decided, first), matrix[:, self.mine], sp.csr_array((matrix.shape[0], more))]
        return Rows(sp.csr_array(sp.hstack(parts)), low, high)


def _solved(mip: SolverProgram) -> Answer:
    low, high, matrix = mip.rows.lower, mip.rows.upper, mip.rows.matrix
    equal = low == high
    above, below = np.isfinite(high) & ~equal, np.isfinite(low) & ~equal
    if (low > high).any() or (mip.lower > mip.upper).any():
        return Answer(np.inf, True)
    result = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrices
        mip.cost, A_ub=sp.vstack([matrix[above], -matrix[below]]) if (above | below).any() else None,
        b_ub=np.concatenate([high[above], -low[below]]) if (above | below).any() else None,
        A_eq=matrix[equal] if equal.any() else None, b_eq=low[equal] if equal.any() else None,
        bounds=np.stack([mip.lower, mip.upper], axis=1), method="highs",
        options={"primal_feasibility_tolerance": tolerances.SOLVER_FEASIBILITY,
                 "dual_feasibility_tolerance": tolerances.SOLVER_FEASIBILITY},
    )  # fmt: skip
    if result.status == _INFEASIBLE:
        return Answer(np.inf, True)
    if result.status == _UNBOUNDED or result.x is None:
        return Answer(-np.inf, False)
    return Answer(float(result.fun) + mip.offset, False, np.asarray(result.x))
