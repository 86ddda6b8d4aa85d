"""HiGHS through highspy: linear and mixed-integer programs; no cones, no SOS1 sets."""

import functools
import time
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers.base import Feature, Outcome, Session, Watch
from bilevel.solvers.silence import calling
from bilevel.status import SolverStatus

name = "highs"
# No objective's points or bounds are kept for the next one
features = frozenset({Feature.INCREMENTAL, Feature.INTEGER})

# Searches within the search: beside a good point they took half of the time on ieee33 and found nothing
_SUB_SEARCHES = ("mip_heuristic_run_rins", "mip_heuristic_run_rens", "mip_heuristic_run_root_reduced_cost")

_STEPS, _STEPS_EACH = 500, 10
"""Steps of the quadratic active set method: so many, and so many for every row and column."""

_DUAL, _PRIMAL, _INTERIOR_COLUMNS = 1, 4, 200_000
"""From so many on a linear program without a basis is solved by an interior point with crossover: 64 s, not 184 s, at 264,513."""
_STALLED, _PATIENCE = 2.0, 3.0
"""Seconds, and times of the longest solve from nothing, after which a linear program on a basis is started from nothing."""

_STATUS = {
    highspy.HighsModelStatus.kOptimal: SolverStatus.OPTIMAL,
    highspy.HighsModelStatus.kModelEmpty: SolverStatus.OPTIMAL,
    highspy.HighsModelStatus.kInfeasible: SolverStatus.INFEASIBLE,
    highspy.HighsModelStatus.kUnbounded: SolverStatus.UNBOUNDED,
    highspy.HighsModelStatus.kUnboundedOrInfeasible: SolverStatus.INFEASIBLE_OR_UNBOUNDED,
    highspy.HighsModelStatus.kTimeLimit: SolverStatus.TIME_LIMIT,
    highspy.HighsModelStatus.kInterrupt: SolverStatus.INTERRUPTED,
}


def version() -> str:
    """HiGHS version."""
    return str(new().version())


def open() -> Session:
    """A new HiGHS session."""
    return _Highs()


def new() -> Any:
    """A HiGHS object that prints nothing."""
    spend_banner()
    highs = highspy.Highs()
    highs.silent()
    return highs


@functools.cache
def spend_banner() -> None:
    """Make the process's first HiGHS object in silence: from 1.16 on that one prints a banner, which no option turns off."""
    with calling():
        highspy.Highs()


def solve_quadratic(mip: SolverProgram, hessian: sp.csr_array, seconds: float, watch: Watch) -> Outcome:
    """min cost @ x + x' hessian x / 2 over the program's rows and bounds, once; hessian is symmetric, semidefinite and may be 0.

    Its active set method may go round for ever: "numerical_error" after as many steps as no program of this size needs.
    """
    session = _Highs()
    session.highs.setOptionValue("qp_iteration_limit", _STEPS + _STEPS_EACH * (mip.columns + mip.rows.count))
    session.load(mip)
    lower = sp.csc_array(sp.tril(hessian, format="csc"))
    if lower.nnz:
        model = highspy.HighsHessian()
        model.dim_, model.format_ = mip.columns, highspy.HessianFormat.kTriangular
        model.start_, model.index_, model.value_ = lower.indptr, lower.indices, lower.data
        session.highs.passHessian(model)
    return session.solve(False, 0.0, seconds, False, watch)


@dataclass(frozen=True)
class Basis:
    """A linear program's basis, and how many rows it is of."""

    found: Any
    rows: int


class _Highs:
    drops = tolerances.FINE_DUST

    def __init__(self) -> None:
        self.highs = new()
        self.integer = np.zeros(0, dtype=bool)
        self.is_mip, self.longest, self.refused = False, 0.0, False
        self.last: Basis | None = None
        self.watch: Watch | None = None
        self.highs.setOptionValue("mip_feasibility_tolerance", tolerances.SOLVER_INTEGRALITY)
        # HiGHS drops smaller entries without a word, 1e-9 by default
        self.highs.setOptionValue("small_matrix_value", self.drops)
        # And it takes no row of those with a larger entry, 1e15 by default
        self.highs.setOptionValue("large_matrix_value", tolerances.LARGEST_ENTRY)
        # The gap asked for is relative: an absolute one, 1e-6 by default, would end searches whose objectives are small
        self.highs.setOptionValue("mip_abs_gap", 0.0)
        self.highs.cbMipInterrupt.subscribe(self._mip_event)
        self.highs.cbSimplexInterrupt.subscribe(self._event)
        self.highs.cbIpmInterrupt.subscribe(self._event)

    def load(self, mip: SolverProgram) -> None:
        model = highspy.HighsLp()
        columns = sp.csc_array(mip.rows.matrix)
        model.num_col_, model.num_row_ = mip.columns, mip.rows.count
        model.col_cost_, model.offset_ = mip.cost, mip.offset
        model.col_lower_, model.col_upper_ = mip.lower, mip.upper
        model.row_lower_, model.row_upper_ = mip.rows.lower, mip.rows.upper
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = columns.indptr
        model.a_matrix_.index_ = columns.indices
        model.a_matrix_.value_ = columns.data
        self.integer = mip.integer
        self.is_mip, self.last = False, None
        self.refused = self.highs.passModel(model) == highspy.HighsStatus.kError

    def add_rows(self, rows: Rows) -> None:
        m = rows.matrix
        done = self.highs.addRows(
            rows.count,
            rows.lower,
            rows.upper,
            m.nnz,
            m.indptr[:-1].astype(np.int32),
            m.indices.astype(np.int32),
            m.data,
        )
        self.refused = self.refused or done == highspy.HighsStatus.kError

    def delete_rows(self, rows: Index) -> None:
        self.last = None
        self.highs.deleteRows(len(rows), rows.astype(np.int32))

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        self.highs.changeColsBounds(len(columns), columns.astype(np.int32), lower, upper)

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        self.highs.changeRowsBounds(len(rows), rows.astype(np.int32), lower, upper)

    def set_cost(self, cost: Vector, offset: float) -> None:
        self.highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)
        self.highs.changeObjectiveOffset(offset)

    def solve(self, integer: bool, gap: float, seconds: float, improving: bool, watch: Watch) -> Outcome:
        if self.refused:
            # Without the rows that it did not take, it would answer another program
            return Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
        # Without integer columns a linear program is left, which has multipliers and a basis to go on from
        mip = integer and bool(self.integer.any())
        self._set_integrality(mip)
        highs = self.highs
        feasibility = tolerances.MIP_FEASIBILITY if mip else tolerances.SOLVER_FEASIBILITY
        highs.setOptionValue("primal_feasibility_tolerance", feasibility)
        highs.setOptionValue("dual_feasibility_tolerance", feasibility)
        highs.setOptionValue("mip_rel_gap", gap)
        if not mip and self.last is not None and not highs.getBasis().valid:
            # A program that presolve found infeasible leaves none, and the next one would begin from nothing
            self.go_on_from(self.last)
        seconds, fresh = max(seconds, 0.0), not mip and not highs.getBasis().valid
        # From nothing there is no basis to crawl from, and what was done so far would be lost
        patience = np.inf if mip or fresh else max(_STALLED, _PATIENCE * self.longest)
        self._limit(min(seconds, patience))
        for option in (*_SUB_SEARCHES, "mip_allow_restart"):
            highs.setOptionValue(option, not improving)
        self.watch, started = watch, time.monotonic()
        highs.setOptionValue("solver", "ipm" if fresh and highs.getNumCol() >= _INTERIOR_COLUMNS else "choose")
        self._run()
        if seconds > patience and highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit:
            # From a basis of other bounds the simplex may crawl where it is quick from nothing
            highs.clearSolver()
            self._limit(seconds - patience)
            fresh, started = True, time.monotonic()
            self._run()
        if fresh:
            self.longest = max(self.longest, time.monotonic() - started)
        if not mip and highs.getModelStatus() not in _STATUS:
            self._run_again()
        outcome = self._outcome(mip)
        self.watch = None
        if not mip and outcome.status == SolverStatus.OPTIMAL:
            self.last = self.basis()
        return outcome

    def basis(self) -> Basis | None:
        found = self.highs.getBasis()
        return Basis(found, self.highs.getNumRow()) if found.valid else None

    def go_on_from(self, basis: Basis) -> None:
        more = self.highs.getNumRow() - basis.rows
        if more > 0:
            found = highspy.HighsBasis()
            found.col_status = basis.found.col_status
            found.row_status = [*basis.found.row_status, *[highspy.HighsBasisStatus.kBasic] * more]
            found.valid = True
            basis = Basis(found, basis.rows + more)
        # Of rows that were deleted nobody knows which
        if more >= 0:
            self.highs.setBasis(basis.found)

    def solve_carefully(self, integer: bool, gap: float, seconds: float, watch: Watch) -> Outcome:
        # The basis may be what led to the answer that contradicts itself
        self.highs.clearSolver()
        self.last = None
        self.highs.setOptionValue("presolve", "off")
        try:
            return self.solve(integer, gap, seconds, False, watch)
        finally:
            self.highs.setOptionValue("presolve", "choose")

    def solve_coarsely(self, watch: Watch) -> Outcome:
        self.highs.clearSolver()
        # Not put back, as every solve sets its own
        for option in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
            self.highs.setOptionValue(option, tolerances.MIP_FEASIBILITY)
        self.watch = watch
        self._run()
        if self.highs.getModelStatus() not in _STATUS:
            self._run_again()
        outcome = self._outcome(False)
        self.watch = None
        return outcome

    def _run(self) -> None:
        """Its postsolve now and then prints to standard output, and so do its errors from a basis, whatever the options say."""
        with calling():
            self.highs.run()

    def _limit(self, seconds: float) -> None:
        """Time for the next run; HiGHS counts from the session's beginning."""
        self.highs.setOptionValue("time_limit", min(self.highs.getRunTime() + seconds, 1e20))

    def _run_again(self) -> None:
        """A linear program that the dual simplex gave up without a status: once more from there, then by the primal simplex.

        Its proof that there is no point leaves rates out that are no more than the smallest entry; with one of 1e-12 rounding
        stays in, and prices free columns without end.
        """
        self.highs.setOptionValue("small_matrix_value", tolerances.DUST)
        self._run()
        # Put back at once: rows that come later keep their small entries
        self.highs.setOptionValue("small_matrix_value", self.drops)
        if self.highs.getModelStatus() in _STATUS:
            return
        self.highs.clearSolver()
        self.highs.setOptionValue("simplex_strategy", _PRIMAL)
        self._run()
        self.highs.setOptionValue("simplex_strategy", _DUAL)

    def _set_integrality(self, mip: bool) -> None:
        if mip == self.is_mip:
            return
        at = np.flatnonzero(self.integer).astype(np.int32)
        kind = highspy.HighsVarType.kInteger if mip else highspy.HighsVarType.kContinuous
        self.highs.changeColsIntegrality(len(at), at, np.full(len(at), int(kind), dtype=np.uint8))
        self.is_mip = mip

    def _outcome(self, mip: bool) -> Outcome:
        status = _STATUS.get(self.highs.getModelStatus(), SolverStatus.NUMERICAL_ERROR)
        info = self.highs.getInfo()
        empty = self.highs.getModelStatus() == highspy.HighsModelStatus.kModelEmpty
        # What stands in the solution may be the last iterate of a program without a point
        feasible = empty or info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        x = np.array(self.highs.getSolution().col_value) if feasible else None
        # HiGHS does not evaluate an empty model, and says 0 whatever its offset
        value = self.highs.getLp().offset_ if empty else info.objective_function_value
        objective = float(value) if feasible else np.inf
        bound = float(info.mip_dual_bound) if mip else (objective if status == SolverStatus.OPTIMAL else -np.inf)
        if mip:
            # HiGHS says -1 where it counted none
            return Outcome(status, x, objective, bound, nodes=max(0, int(info.mip_node_count)))
        if not feasible:
            return Outcome(status, x, objective, bound, ray=self._ray() if status == SolverStatus.INFEASIBLE else None)
        found = self.highs.getSolution()
        return Outcome(status, x, objective, bound, np.array(found.col_dual), np.array(found.row_dual))

    def _ray(self) -> Vector | None:
        """Factors of rows that contradict each other; without any where presolve ended it, as HiGHS would solve it from nothing."""
        return np.array(self.highs.getDualRay()[2]) if self.highs.getDualRayExist()[1] else None

    def _mip_event(self, event: Any) -> None:
        if self.watch is not None:
            self.watch.report(float(event.data_out.mip_dual_bound), float(event.data_out.mip_primal_bound))
            event.interrupt(self.watch.stop())

    def _event(self, event: Any) -> None:
        if self.watch is not None:
            event.interrupt(self.watch.stop())
