"""A solver's answer compared with itself: cost at its point, its objective, its bound, its rows, and the relaxation's bound.

Solvers are wrong now and then: a start comes back as the optimum, a presolve loses a row, a point breaks what it should keep.  An
answer that contradicts itself is asked for again in another way, and where that contradicts itself too it is no answer.
"""

import time
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.rows import Index, Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import column_magnitude
from bilevel.solvers.base import WITH_POINT, Careful, Coarse, Forgetful, Outcome, Session, Watch
from bilevel.status import SolverStatus

_FAILED = Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
_AGREE = tolerances.AGREEMENT
_AGAIN, _SHARE = 1.0, 0.1
"""Seconds of a second look at an infeasible search, and the share of what the first took, if that is more."""


class Checked:
    """Same verbs as a `Session`, in the numbers that the solver sees; every answer with a point is looked at."""

    def __init__(self, session: Session) -> None:
        self.session, self.drops = session, session.drops
        self.relaxed = -np.inf

    def load(self, mip: SolverProgram) -> None:
        """Start from this program."""
        self.mip = replace(mip, lower=mip.lower.copy(), upper=mip.upper.copy())
        rows = mip.rows
        self.parts = [replace(rows, lower=rows.lower.copy(), upper=rows.upper.copy())]
        self.relaxed = -np.inf
        self.session.load(mip)

    def add_rows(self, rows: Rows) -> None:
        """Append rows; what a relaxation was worth without them it is worth at least."""
        self.parts.append(rows)
        self.session.add_rows(rows)

    def delete_rows(self, rows: Index) -> None:
        """Remove rows of a session that can."""
        if not isinstance(self.session, Forgetful):
            raise TypeError(f"{type(self.session).__name__} cannot delete rows")
        every = self._rows()
        kept = np.setdiff1d(np.arange(every.count), rows)
        self.parts = [Rows(sp.csr_array(every.matrix[kept]), every.lower[kept], every.upper[kept])]
        self.relaxed = -np.inf
        self.session.delete_rows(rows)

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        """Replace bounds of columns."""
        self.mip.lower[columns], self.mip.upper[columns] = lower, upper
        self.relaxed = -np.inf
        self.session.set_column_bounds(columns, lower, upper)

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        """Replace bounds of rows."""
        every = self._rows()
        every.lower[rows], every.upper[rows] = lower, upper
        self.relaxed = -np.inf
        self.session.set_row_bounds(rows, lower, upper)

    def set_cost(self, cost: Vector, offset: float) -> None:
        """Replace the objective."""
        self.mip = replace(self.mip, cost=cost, offset=offset)
        self.relaxed = -np.inf
        self.session.set_cost(cost, offset)

    def solve(self, integer: bool, gap: float, seconds: float, improving: bool, watch: Watch) -> Outcome:
        """The session's answer where it agrees with itself, else what it says in another way, else "numerical_error"."""
        if seconds <= 0 and integer and self.mip.integer.any():
            # Presolve of mixed-integer programs looks at no clock, and takes seconds for nothing
            return Outcome(SolverStatus.TIME_LIMIT, None, np.inf, -np.inf)
        began = time.monotonic()
        outcome = self.session.solve(integer, gap, seconds, improving, watch)
        spent = time.monotonic() - began
        if not self._agrees(outcome, integer, gap) and isinstance(self.session, Careful) and not watch.stop():
            outcome = self.session.solve_carefully(integer, gap, seconds, watch)
        if not self._agrees(outcome, integer, gap):
            return replace(_FAILED, nodes=outcome.nodes)
        none, linear = outcome.status == SolverStatus.INFEASIBLE, not (integer and self.mip.integer.any())
        if none and linear and isinstance(self.session, Coarse) and not self._contradictory(outcome.ray):
            # Within 1e-9 it may be rounding: only what is infeasible within 1e-7 too is called so
            outcome = self.session.solve_coarsely(watch)
            if not self._agrees(outcome, integer, gap):
                return replace(_FAILED, nodes=outcome.nodes)
        none = outcome.status == SolverStatus.INFEASIBLE
        if none and integer and isinstance(self.session, Careful) and not watch.stop():
            outcome = self._looked_again(
                self.session, outcome, gap, min(seconds - spent, max(_AGAIN, _SHARE * spent)), watch
            )
        if outcome.status == SolverStatus.OPTIMAL and not integer:
            outcome = self._proven(outcome)
            self.relaxed = outcome.value
        return outcome

    def _looked_again(self, session: Careful, outcome: Outcome, gap: float, seconds: float, watch: Watch) -> Outcome:
        """An infeasible search without presolve, for a short time: a point that it finds proves the first answer wrong."""
        if seconds <= 0:
            return outcome
        again = session.solve_carefully(True, gap, seconds, watch)
        found = again.x is not None and again.status in WITH_POINT and self._agrees(again, True, gap)
        return replace(again, nodes=outcome.nodes + again.nodes) if found else outcome

    def _contradictory(self, ray: Vector | None) -> bool:
        """Whether these factors of rows leave no point even where every limit is loosened by the tolerance of branch and bound."""
        if ray is None:
            return False
        rows, mip = self._rows(), self.mip
        # Any factors will do, and next to nothing is rounding that may price a column without end
        ray = np.where(np.abs(ray) > tolerances.FARKAS_MARGIN * np.abs(ray).max(initial=0.0), ray, 0.0)
        rate = rows.matrix.T @ ray
        # What cancels leaves rounding, which is no rate of a column without end
        rate[np.abs(rate) <= tolerances.FARKAS_ROUNDING * column_magnitude(rows.matrix, np.abs(ray))] = 0.0
        used, moved = ray != 0, rate != 0
        least = ray[used] * np.where(ray > 0, rows.lower, rows.upper)[used]
        most = rate[moved] * np.where(rate > 0, mip.upper, mip.lower)[moved]
        loose = tolerances.MIP_FEASIBILITY * (np.abs(ray).sum() + np.abs(rate).sum())
        return bool(least.sum() - most.sum() > loose)

    def _proven(self, outcome: Outcome) -> Outcome:
        """A linear program's optimum with the bound that its multipliers prove, where that is not the same.

        For any multipliers y and z = cost - A'y, weak duality gives y times the rows' limits plus z times the columns' bounds.
        Where costs are many decades apart a solver calls multipliers optimal whose errors times far bounds are more than the
        objective.
        """
        x, row_dual = outcome.x, outcome.row_dual
        # Beside cones and products the rows' multipliers are not all that a proof needs
        if x is None or row_dual is None or self.mip.cones.count or self.mip.products is not None:
            return outcome
        rows, mip = self._rows(), self.mip
        terms = [_at_limit(row_dual, rows.lower, rows.upper, rows.matrix @ x)]
        terms.append(_at_limit(mip.cost - rows.matrix.T @ row_dual, mip.lower, mip.upper, x))
        bound = sum(float(part.sum()) for part in terms) + mip.offset
        size = max(1.0, *(float(np.abs(part).max(initial=0.0)) for part in terms))
        return outcome if bound >= outcome.value - _AGREE * size else replace(outcome, bound=bound)

    def _rows(self) -> Rows:
        """All rows, as one block from now on."""
        if len(self.parts) > 1:
            self.parts = [stack_rows([replace(part, names=()) for part in self.parts])]
        return self.parts[0]

    def _agrees(self, outcome: Outcome, integer: bool, gap: float) -> bool:
        """Whether point, objective, bound and rows go together; an answer without a point says nothing to compare."""
        x = outcome.x
        if x is None or outcome.status not in WITH_POINT:
            # An optimum without a point contradicts itself; any other end without one claims no point
            return outcome.status != SolverStatus.OPTIMAL
        if not np.isfinite(x).all():
            return False
        if np.abs(x).max(initial=0.0) >= tolerances.ENDLESS:
            # An optimum at the solver's own infinity, which is for the caller to see
            return True
        mip = self.mip
        # Terms that cancel leave rounding of their own size, not of the objective's
        size = max(1.0, float(np.abs(mip.cost) @ np.abs(x)), abs(mip.offset))
        off = abs(float(mip.cost @ x) + mip.offset - outcome.objective)
        over = outcome.bound - outcome.objective - gap * abs(outcome.objective)
        # No point with integers is better than the relaxation's optimum
        under = self.relaxed - outcome.objective if integer else 0.0
        return max(off, over, under) <= _AGREE * size and self._holds(x, integer)

    def _holds(self, x: Vector, integer: bool) -> bool:
        """Whether bounds, integers and rows hold, over the size of the row's terms where that is more than 1."""
        mip = self.mip
        outside = np.maximum(mip.lower - x, x - mip.upper) / np.maximum(1.0, np.abs(x))
        if float(outside.max(initial=0.0)) > _AGREE:
            return False
        whole = x[mip.integer]
        if integer and float(np.abs(whole - np.round(whole)).max(initial=0.0)) > _AGREE:
            return False
        return all(_kept(rows, x) for rows in self.parts)


def _at_limit(rate: Vector, lower: Vector, upper: Vector, at: Vector) -> Vector:
    """rate times the end that makes it least; where there is none, what rounding left of a rate counts at the point itself."""
    end = np.where(rate > 0, lower, upper)
    return rate * np.where(np.isfinite(end), end, at)


def _kept(rows: Rows, x: Vector) -> bool:
    broken = rows.violation(x)
    bad = np.flatnonzero(broken > _AGREE)
    if not len(bad):
        return True
    # Only of the few rows that are off, as every row of every answer passes here
    size = np.maximum(1.0, abs(rows.matrix[bad]) @ np.abs(x))
    return bool((broken[bad] <= _AGREE * size).all())
