"""SCIP through PySCIPOpt: mixed-integer programs, SOS1 sets and convex quadratic cones."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyscipopt
import scipy.sparse as sp
from pyscipopt import SCIP_EVENTTYPE, Eventhdlr, quicksum

from bilevel import tolerances
from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers.base import WITH_POINT, Feature, Outcome, Session, Watch
from bilevel.solvers.silence import calling
from bilevel.status import SolverStatus

name = "scip"
# Points and bounds of one objective would be kept for the next
features = frozenset(Feature) - {Feature.INCREMENTAL}

# Parts of SCIP 10.0 that cut off optima: the first of linear programs, the others next to nonconvex rows (tests: solver releases)
_WRONG = {
    "presolving/dualsparsify/maxrounds": 0,
    "presolving/inttobinary/maxrounds": 0,
    # Cuts from bounds of SOS1 columns
    "constraints/SOS1/boundcutsfreq": -1,
}

_IPOPT = str(Path(__file__).with_name("ipopt.opt"))
"""Options of the nonlinear solver that SCIP asks for points."""

_STATUS = {
    "optimal": SolverStatus.OPTIMAL,
    # The gap that was asked for is what optimal means here
    "gaplimit": SolverStatus.OPTIMAL,
    "infeasible": SolverStatus.INFEASIBLE,
    "inforunbd": SolverStatus.INFEASIBLE_OR_UNBOUNDED,
    "unbounded": SolverStatus.UNBOUNDED,
    "timelimit": SolverStatus.TIME_LIMIT,
    "userinterrupt": SolverStatus.INTERRUPTED,
}


def version() -> str:
    """SCIP version."""
    return str(pyscipopt.Model().version())


def open() -> Session:
    """A new SCIP session."""
    return _Scip()


class _Events(Eventhdlr):
    """Reports progress at every node and stops on demand."""

    def __init__(self) -> None:
        self.watch: Watch | None = None

    def eventinit(self) -> None:
        self.model.catchEvent(SCIP_EVENTTYPE.NODESOLVED, self)
        self.model.catchEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

    def eventexit(self) -> None:
        self.model.dropEvent(SCIP_EVENTTYPE.NODESOLVED, self)
        self.model.dropEvent(SCIP_EVENTTYPE.BESTSOLFOUND, self)

    def eventexec(self, _event: Any) -> None:
        if self.watch is None:
            return
        self.watch.report(float(self.model.getDualbound()), float(self.model.getPrimalbound()))
        if self.watch.stop():
            self.model.interruptSolve()


class _Scip:
    """Keeps the program; rows are added and bounds changed after `freeTransform`.

    The model is written anew for every search with integers, and after it: SCIP rounds bounds of integer columns for good, SOS1
    sets and indicators leave parts behind that cut off points, and a model with integers that was solved before may be called
    infeasible with one row more, though it is not.
    """

    drops = tolerances.DUST

    def __init__(self) -> None:
        self.model: Any = None
        self.events: Any = None
        self.columns: list[Any] = []
        self.rows: list[Any] = []
        self.mip: SolverProgram | None = None
        self.is_mip, self.careful, self.refused = False, False, False

    def load(self, mip: SolverProgram) -> None:
        # Bounds and limits are changed in place, and the caller keeps its own
        rows = replace(mip.rows, lower=mip.rows.lower.copy(), upper=mip.rows.upper.copy())
        self.mip = replace(mip, rows=rows, lower=mip.lower.copy(), upper=mip.upper.copy())
        self.is_mip = False
        self._write(self.mip)

    def _write(self, mip: SolverProgram) -> None:
        self.model, self.events, self.rows, self.refused = pyscipopt.Model(), _Events(), [], False
        self.model.hideOutput()
        self.model.includeEventhdlr(self.events, "progress", "progress and interruption")
        self.model.setParam("numerics/feastol", tolerances.MIP_FEASIBILITY)
        self.model.setParams(_WRONG)
        # It would take signals away from Python, and nobody but SCIP would know of them
        self.model.setParam("misc/catchctrlc", False)
        # A SCIP that is built without Ipopt has no place for its options
        with suppress(KeyError):
            self.model.setParam("nlpi/ipopt/optfile", _IPOPT)
        # Presolve cuts off points of product rows, which have no interior
        if self.careful or mip.products is not None:
            self.model.setParam("presolving/maxrounds", 0)
            # Without presolve SCIP 10.0 crashes where it looks for symmetries and finds a variable times itself
            self.model.setParam("misc/usesymmetry", 0)
        whole = mip.integer & self.is_mip
        self.columns = [
            self.model.addVar(lb=_finite(low), ub=_finite(high), vtype=_type(low, high) if integer else "C")
            for low, high, integer in zip(mip.lower.tolist(), mip.upper.tolist(), whole.tolist(), strict=True)
        ]
        self._write_rows(mip.rows)
        self._add_cones(mip.cones)
        self._add_products(mip.products)
        if self.is_mip:
            self._add_sets(mip)
        self._write_cost(mip)

    def _add_sets(self, mip: SolverProgram) -> None:
        for i, j in mip.sos1:
            self.model.addConsSOS1([self.columns[i], self.columns[j]])
        for z, value, j in mip.indicators:
            self.model.addConsIndicator(self.columns[j] <= 0.0, self.columns[z], activeone=bool(value))

    @property
    def program(self) -> SolverProgram:
        """What is loaded, with every change since."""
        if self.mip is None:
            raise RuntimeError("a SCIP session has to load a program first")
        return self.mip

    def add_rows(self, rows: Rows) -> None:
        self._change()
        self.mip = self.program.with_rows(rows)
        self._write_rows(rows)

    def _write_rows(self, rows: Rows) -> None:
        m = rows.matrix
        if np.abs(m.data).max(initial=0.0) >= tolerances.INFINITE:
            # SCIP ends the program with an error; a row without entries keeps the place of each
            self.refused, m = True, sp.csr_array(m.shape)
        for at in range(rows.count):
            part = slice(m.indptr[at], m.indptr[at + 1])
            body = quicksum(
                value * self.columns[column]
                for column, value in zip(m.indices[part].tolist(), m.data[part].tolist(), strict=True)
            )
            self.rows.append(self._add_row(body, float(rows.lower[at]), float(rows.upper[at])))

    def _add_row(self, body: Any, lower: float, upper: float) -> Any:
        # One row object for every kind of limit, so that both sides can be changed later
        far = 0.99 * tolerances.INFINITE  # a limit that nothing can meet is still a number
        low = -self.model.infinity() if lower <= -tolerances.INFINITE else min(lower, far)
        high = self.model.infinity() if upper >= tolerances.INFINITE else max(upper, -far)
        if isinstance(body, (int, float)) or not body.terms:
            # A row without columns stays a row, as rows are found by their number
            body = 0.0 * self.columns[0]
        return self.model.addCons(low <= (body <= high))

    def _add_cones(self, cones: Cones) -> None:
        for k in range(cones.count):
            mine = np.flatnonzero(cones.owner == k)
            squares = quicksum(self._affine(cones.squares, int(at), 0.0) ** 2 for at in mine)
            product = self._affine(cones.u, k, float(cones.u0[k])) * self._affine(cones.w, k, float(cones.w0[k]))
            self.model.addCons(squares <= product)

    def _add_products(self, products: Products | None) -> None:
        if products is None:
            return
        bodies = [self._affine(products.linear.matrix, k, 0.0) for k in range(products.count)]
        for row, i, j, value in zip(products.row, products.first, products.second, products.value, strict=True):
            bodies[row] += float(value) * self.columns[i] * self.columns[j]
        for body, upper in zip(bodies, products.linear.upper.tolist(), strict=True):
            self.model.addCons(body <= upper)

    def _affine(self, matrix: Any, row: int, constant: float) -> Any:
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True)
        return quicksum(value * self.columns[column] for column, value in terms) + constant

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        self._change()
        self.program.lower[columns], self.program.upper[columns] = lower, upper
        for column, low, high in zip(columns.tolist(), lower.tolist(), upper.tolist(), strict=True):
            self.model.chgVarLb(self.columns[column], _finite(low))
            self.model.chgVarUb(self.columns[column], _finite(high))

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        self._change()
        self.program.rows.lower[rows], self.program.rows.upper[rows] = lower, upper
        for row, low, high in zip(rows.tolist(), lower.tolist(), upper.tolist(), strict=True):
            self.model.chgLhs(self.rows[row], _finite(low))
            self.model.chgRhs(self.rows[row], _finite(high))

    def set_cost(self, cost: Vector, offset: float) -> None:
        self._change()
        self.mip = replace(self.program, cost=cost, offset=offset)
        self._write_cost(self.mip)

    def _write_cost(self, mip: SolverProgram) -> None:
        used = np.flatnonzero(mip.cost).tolist()
        self.model.setObjective(
            quicksum(float(mip.cost[at]) * self.columns[at] for at in used) + mip.offset, "minimize"
        )

    def solve(self, integer: bool, gap: float, seconds: float, _improving: bool, watch: Watch) -> Outcome:
        self._change()
        self._set_integrality(integer)
        if self.refused:
            # Without the rows that it does not take, it would answer another program
            return Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
        self.model.setParam("limits/gap", gap)
        self.model.setParam("limits/time", min(max(seconds, 0.0), 1e20))
        self.events.watch = watch
        try:
            # SoPlex says on standard error, however quiet SCIP is, that it takes 1e-10 where SCIP asks for less
            with calling():
                # Without Python's lock, so that a thread that listens to signals is not deaf meanwhile
                self.model.optimizeNogil()
        except Exception as error:
            # PySCIPOpt raises bare exceptions; after an error within SCIP the model is of no more use
            if not str(error).startswith("SCIP"):
                raise
            self._write(self.program)
            return Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
        self.events.watch = None
        return self._outcome()

    def solve_carefully(self, integer: bool, gap: float, seconds: float, watch: Watch) -> Outcome:
        self._change()
        self.careful = True
        try:
            self._write(self.program)
            return self.solve(integer, gap, seconds, False, watch)
        finally:
            # What makes a solve careful stands in the model, so that it is written anew without
            self.careful = False
            self._write(self.program)

    def _set_integrality(self, integer: bool) -> None:
        mip, changed = self.program, integer != self.is_mip
        self.is_mip = integer
        if (integer or changed) and (mip.integer.any() or mip.sos1 or mip.indicators):
            self._write(mip)

    def _change(self) -> None:
        # SCIP takes changes of the problem in its first stage only
        if self.model.getStage() != pyscipopt.SCIP_STAGE.PROBLEM:
            self.model.freeTransform()

    def _outcome(self) -> Outcome:
        status = _STATUS.get(self.model.getStatus(), SolverStatus.NUMERICAL_ERROR)
        # Of an infeasible program SCIP's bound is its infinity, 1e20, which looks like a number
        bound = float(self.model.getDualbound()) if status in WITH_POINT else -np.inf
        # Of all runs, as SCIP may start anew on the way
        nodes = int(self.model.getNTotalNodes()) if self.is_mip or self.program.products is not None else 0
        if not self.model.getNSols():
            return Outcome(status, None, np.inf, bound, nodes=nodes)
        best = self.model.getBestSol()
        x = np.array([self.model.getSolVal(best, column) for column in self.columns])
        return Outcome(status, x, float(self.model.getSolObjVal(best)), bound, nodes=nodes)


def _type(lower: float, upper: float) -> str:
    return "B" if (lower, upper) == (0.0, 1.0) else "I"


def _finite(value: float) -> float | None:
    return None if abs(value) >= tolerances.INFINITE else value
