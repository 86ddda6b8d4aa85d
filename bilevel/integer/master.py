"""The master: everything that leader and followers can do together, less what known answers of the followers rule out.

Of an answer r that follower f once gave, every bilevel feasible point says: a limit that the leader sees keeps f from r, or f pays
at most what r costs.  With v_k = 1 only where limit k breaks r,

    cost_f(x, y) <= cost_f(x, r) + K (sum of v_k),        seen_k @ x <= (next value below what r needs) where v_k = 1,

in which K is proven: the most that the follower can pay less the least that r costs.  Where whole numbers make seen_k @ x a
multiple of a step, nothing is lost by "next value below"; where they do not, the closed set keeps the bound valid.  A limit of
one binary is the binary itself.  Where a limit says no more than that some y_j is at most a cap if the binary is 1, and less of
y_j breaks no row, the follower could still have r with less of y_j: the price of the difference stands in K's place, without any
further column (the interdiction cut).
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bilevel import budget, tolerances
from bilevel.errors import ModelError
from bilevel.followers.steps import next_below
from bilevel.integer.draft import Draft, Form, added
from bilevel.integer.problem import Problem
from bilevel.integer.sides import Side
from bilevel.program.rows import Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus

DIGITS = 9
"""Behind the decimal point, to which answers that are the same agree."""


@dataclass(frozen=True)
class _Capped:
    """A limit by which a binary caps one column of the follower's."""

    column: int
    binary: int
    cap: float


class Cuts:
    """What answers rule out, as columns and rows over a problem's base."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.draft = Draft(problem.base.columns)
        self.broken: dict[tuple[int, int, Fraction | float], int] = {}
        self.most: dict[int, float] = {}
        self.margin: int | None = None
        self.strict: dict[int, tuple[float, float]] = {}
        self.known: set[tuple[int, bytes]] = set()
        self.capped = [_capped(problem, at) for at in range(len(problem.sides))]

    def program(self, margin: float = 0.0) -> SolverProgram:
        """The base with all cuts; `margin`: how far, of its range, a continuous limit is to be from where it just allows."""
        found = self.draft.on(self.problem.base)
        if self.margin is not None:
            found.lower[self.margin] = found.upper[self.margin] = margin
        return found

    def add(self, follower: int, y: Vector) -> bool:
        """Rule out that this follower pays more than for its answer `y` (over the program's columns) where it may give it.

        False where nothing is ruled out, as some limit always breaks the answer, where it was known, or where time was up.
        """
        key = (follower, y.round(DIGITS).tobytes())
        if key in self.known:
            return False
        self.known.add(key)
        problem = self.problem
        fixed, priced = problem.cost_of(follower, y)
        most = self._most(follower)
        if most is None:
            self.known.discard(key)
            return False
        room = most - fixed - _least(priced, problem.lower, problem.upper)
        form, limit = added(added({}, problem.costs[follower]), priced, -1.0), fixed
        for at, side in enumerate(problem.sides[follower]):
            capped = self.capped[follower].get(at)
            if capped is not None:
                lost = self._lost(y, capped)
                added(form, {capped.binary: -lost} if lost > 0 else {})
                continue
            broken = self._broken(follower, at, side, y)
            if broken is None:
                return False
            literal, constant = broken
            added(form, literal, -room)
            limit += room * constant
        name = f"answer {len(self.draft.rows)} of {problem.program.followers.names[follower]}"
        self.draft.row({column: value for column, value in form.items() if value}, -np.inf, limit, name)
        return True

    def forbid(self, values: dict[int, float]) -> None:
        """Rule out that integer columns all have these values."""
        other: Form = {}
        limit = 1.0
        for column, value in values.items():
            literal, constant = self._another(column, value)
            added(other, literal)
            limit -= constant
        self.draft.row(other, limit, np.inf, "no room at a limit")

    def _another(self, column: int, value: float) -> tuple[Form, float]:
        """A form and a constant whose sum is 1 only where an integer column has another value than this."""
        base, draft = self.problem.base, self.draft
        at = column - draft.first
        low, high = (base.lower[column], base.upper[column]) if at < 0 else (draft.lower[at], draft.upper[at])
        if (low, high) == (0.0, 1.0):
            return ({column: -1.0}, 1.0) if value else ({column: 1.0}, 0.0)
        below, above = (draft.column(0.0, 1.0, whole=True) for _ in range(2))
        draft.row({column: 1.0, below: float(high) - value + 1.0}, -np.inf, float(high), "below a value")
        draft.row({column: 1.0, above: float(low) - value - 1.0}, float(low), np.inf, "above a value")
        return {below: 1.0, above: 1.0}, 0.0

    def rules_out(self, follower: int, y: Vector, x: Vector) -> bool:
        """Whether a cut by this answer would say something of the decision in x: no limit that it sees is broken there."""
        return not any(
            _breaks(side, y, x)
            for at, side in enumerate(self.problem.sides[follower])
            if at not in self.capped[follower]
        )

    def _most(self, follower: int) -> float | None:
        """The most that the follower pays anywhere; None where time was up, and raises `ModelError` where nothing limits it."""
        if follower not in self.most:
            cost = np.zeros(self.problem.base.columns)
            for column, value in self.problem.costs[follower].items():
                cost[column] = -value
            session = Scaled(SOLVERS["highs"].open())
            session.load(replace(self.problem.base, cost=cost, offset=0.0))
            outcome = session.solve(False, 0.0, budget.seconds(), False, budget.watch())
            if outcome.status == SolverStatus.INFEASIBLE:
                return 0.0
            if outcome.status in (SolverStatus.TIME_LIMIT, SolverStatus.INTERRUPTED):
                return None
            if outcome.status != SolverStatus.OPTIMAL:
                name = self.problem.program.followers.names[follower]
                raise ModelError(
                    f"nothing limits what follower {name!r} may pay ({outcome.status}), which its rules need: give its variables "
                    "bounds"
                )
            # A little more than the most loses nothing
            self.most[follower] = -outcome.objective + tolerances.FEASIBILITY * max(1.0, abs(outcome.objective))
        return self.most[follower]

    def _lost(self, y: Vector, capped: _Capped) -> float:
        """What the follower's cost rises by at most where the answer has to do with the cap."""
        rate = float(self.problem.program.followers.cost[capped.column])
        return max(-rate, 0.0) * max(float(y[capped.column]) - capped.cap, 0.0)

    def _broken(self, follower: int, at: int, side: Side, y: Vector) -> tuple[Form, float] | None:
        """A form and a constant whose sum is 1 only where the side keeps the follower from y, and 0 elsewhere if the leader likes.

        None where it always does; an empty form and 0 where it never does.
        """
        most = _next_value(side, y)
        if most < side.low or (most == side.low and side.step is None):
            return {}, 0.0
        # Of a closed set the end is left, and the margin says how far from it
        if most > side.high or (most == side.high and side.step is not None):
            return None
        (column, value), *others = side.seen.items()
        if not others and self.problem.upper[column] - self.problem.lower[column] == 1 and side.step is not None:
            low = float(self.problem.lower[column])
            return ({column: -1.0}, 1.0 + low) if value > 0 else ({column: 1.0}, -low)
        key = (follower, at, most)
        if key not in self.broken:
            self.broken[key] = self.draft.column(0.0, 1.0, whole=True)
            self._says_broken(side, float(most), self.broken[key])
            self._in_order(key)
        return {self.broken[key]: 1.0}, 0.0

    def _says_broken(self, side: Side, most: float, binary: int) -> None:
        """seen @ x <= most where the binary is 1, less the margin of a limit that has no step."""
        high, reach = float(side.high), 0.0
        form = {**side.seen, binary: high - most}
        if side.step is None:
            if self.margin is None:
                self.margin = self.draft.column(0.0, 1.0)
            reach = high - float(side.low)
            # Limits of different answers are so far apart
            apart = min((abs(value) for value in side.own.values()), default=0.0)
            self.strict[binary] = (max(abs(most), apart), reach)
            form |= {binary: high - most + reach, self.margin: reach}
        self.draft.row(form, -np.inf, high + reach, f"{side.name} breaks")

    def _in_order(self, key: tuple[int, int, Fraction | float]) -> None:
        """What breaks a limit by more breaks it by less: rows that only help the solver."""
        others = [other for other in self.broken if other[:2] == key[:2] and other != key]
        above = min((other for other in others if other[2] > key[2]), key=lambda other: other[2], default=None)
        below = max((other for other in others if other[2] < key[2]), key=lambda other: other[2], default=None)
        for tight, loose in ((key, above), (below, key)):
            if tight is not None and loose is not None:
                self.draft.row({self.broken[tight]: 1.0, self.broken[loose]: -1.0}, -np.inf, 0.0, "order of limits")


def _next_value(side: Side, y: Vector) -> Fraction | float:
    """The largest value of seen @ x at which the answer y is broken."""
    size = max(abs(side.limit), *(abs(value * y[column]) for column, value in side.own.items()), 0.0)
    if side.step is None:
        # The closed set, in which y may be allowed at the end; an end that rounding misses is met
        most, near = side.needs(y), tolerances.COEFFICIENT_ROUNDING * size
        return next((float(end) for end in (side.low, side.high) if abs(most - float(end)) <= near), most)
    if side.exact is not None:
        limit, own = side.exact
        return next_below(limit - sum(value * round(float(y[column])) for column, value in own.items()), side.step)
    return next_below(Fraction(side.needs(y) - tolerances.FOLLOWER_CONE * size), side.step)


def _breaks(side: Side, y: Vector, x: Vector) -> bool:
    """Whether the answer y is broken at the decision in x, by the sets that stand in the master."""
    seen = sum(value * x[column] for column, value in side.seen.items())
    # Half a step from the next value, whole numbers decide
    return bool(seen <= float(_next_value(side, y)) + (0.5 * float(side.step) if side.step is not None else 0.0))


def _least(form: Form, lower: Vector, upper: Vector) -> float:
    return float(sum(min(value * lower[column], value * upper[column]) for column, value in form.items()))


def _capped(problem: Problem, follower: int) -> dict[int, _Capped]:
    """The sides of a follower that only cap one of its columns, of which less never breaks a row."""
    program, stack = problem.program, problem.program.followers
    rows = stack.rows
    own = np.flatnonzero(stack.row_owner == follower)
    matrix = rows.matrix[own].toarray() if len(own) else np.zeros((0, program.columns))
    bounded_below, bounded_above = np.isfinite(rows.lower[own])[:, None], np.isfinite(rows.upper[own])[:, None]
    # Less of a column breaks no row where it has no coefficient that a lower limit likes, nor one that an upper limit does not
    safe = np.asarray(~(((matrix > 0) & bounded_below) | ((matrix < 0) & bounded_above)).any(axis=0))
    priced = np.zeros(program.columns, dtype=bool)
    priced[stack.price.tocoo().coords[1]] = True
    found = {}
    for at, side in enumerate(problem.sides[follower]):
        if len(side.own) != 1 or len(side.seen) != 1:
            continue
        ((column, own_value),), ((binary, value),) = side.own.items(), side.seen.items()
        whole = program.integer[binary] and (problem.lower[binary], problem.upper[binary]) == (0.0, 1.0)
        if not (whole and own_value < 0 and value < 0 and safe[column] and not priced[column]):
            continue
        cap, free = (side.limit - value) / own_value, side.limit / own_value
        if program.integer[column]:
            cap = float(np.floor(cap + tolerances.FOLLOWER_CONE))
        # Where the binary is 0 the limit must keep nothing that bounds allow; where it is 1 something must be left
        if cap >= program.lower[column] and free >= program.upper[column]:
            found[at] = _Capped(column, binary, cap)
    return found
