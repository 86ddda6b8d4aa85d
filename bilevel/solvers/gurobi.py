"""Gurobi through gurobipy: mixed-integer programs, SOS1 sets and cones; its pip licence is limited in size."""

import os
from pathlib import Path
from typing import Any

import gurobipy
import numpy as np
import scipy.sparse as sp
from gurobipy import GRB

from bilevel import tolerances
from bilevel.errors import LicenceError
from bilevel.interrupts.hearing import held
from bilevel.program.cones import Cones
from bilevel.program.products import Products
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers.base import Feature, Outcome, Session, Watch
from bilevel.status import SolverStatus

name = "gurobi"
# Points and bounds of one objective would be kept for the next
features = frozenset(Feature) - {Feature.INCREMENTAL}

_STATUS = {
    GRB.OPTIMAL: SolverStatus.OPTIMAL,
    GRB.INFEASIBLE: SolverStatus.INFEASIBLE,
    GRB.INF_OR_UNBD: SolverStatus.INFEASIBLE_OR_UNBOUNDED,
    GRB.UNBOUNDED: SolverStatus.UNBOUNDED,
    GRB.TIME_LIMIT: SolverStatus.TIME_LIMIT,
    GRB.INTERRUPTED: SolverStatus.INTERRUPTED,
}
_TOO_LARGE = GRB.Error.SIZE_LIMIT_EXCEEDED


def version() -> str:
    """Gurobi version."""
    return ".".join(str(part) for part in gurobipy.gurobi.version())


def licensed() -> bool:
    """Whether there is a licence of the user's own, where Gurobi looks for one; pip's is limited in size."""
    places = [Path.home() / "gurobi.lic", Path("/opt/gurobi/gurobi.lic"), Path("/Library/gurobi/gurobi.lic")]
    named = os.environ.get("GRB_LICENSE_FILE")
    return bool(os.environ.get("GRB_WLSACCESSID")) or any(
        place.is_file() for place in ([Path(named)] if named else places)
    )


def open() -> Session:
    """A new Gurobi session; raises `LicenceError` without any licence."""
    try:
        environment = gurobipy.Env(params={"OutputFlag": 0})
    except gurobipy.GurobiError as error:
        raise LicenceError(f"gurobi cannot start ({error}): renew its licence, or use solver='highs'") from error
    return _Gurobi(environment)


class _Gurobi:
    drops = tolerances.FINE_DUST

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.model: Any = None
        self.rows: list[Any] = []
        self.sets: list[Any] = []
        self.pairs: tuple[tuple[int, int], ...] = ()
        self.indicators: tuple[tuple[int, int, int], ...] = ()
        self.integer = np.zeros(0, dtype=bool)
        self.is_mip = self.nonconvex = False

    def load(self, mip: SolverProgram) -> None:
        self.model = gurobipy.Model(env=self.environment)
        # Continuous until a solve asks for integers: one session serves the relaxation and the search
        self.columns = self.model.addMVar(mip.columns, lb=mip.lower, ub=mip.upper)
        self.integer, self.pairs, self.is_mip, self.sets, self.rows = mip.integer, mip.sos1, False, [], []
        self.model.Params.IntFeasTol = tolerances.SOLVER_INTEGRALITY
        self.model.Params.FeasibilityTol = tolerances.SOLVER_FEASIBILITY
        self.model.Params.OptimalityTol = tolerances.SOLVER_FEASIBILITY
        if not (np.isfinite(mip.lower).all() and np.isfinite(mip.upper).all()):
            # Presolve of Gurobi 13.0 ends some programs that have no end, and calls the point optimal (tests: solver releases)
            self.model.Params.DualReductions = 0
        self.add_rows(mip.rows)
        self._add_cones(mip.cones)
        self._add_products(mip.products)
        self.nonconvex = mip.products is not None
        self.indicators = mip.indicators
        self.set_cost(mip.cost, mip.offset)
        self._probe_licence()

    def add_rows(self, rows: Rows) -> None:
        # Ranges are split in two rows, because Gurobi would add a column for each
        matrix = sp.csr_matrix(rows.matrix)
        lower = self.model.addMConstr(matrix, self.columns, ">", np.where(rows.lower == -np.inf, -1e100, rows.lower))
        upper = self.model.addMConstr(matrix, self.columns, "<", np.where(rows.upper == np.inf, 1e100, rows.upper))
        self.rows.extend(zip(lower.tolist(), upper.tolist(), strict=True))

    def _add_cones(self, cones: Cones) -> None:
        x = self.columns
        for k in range(cones.count):
            mine = np.flatnonzero(cones.owner == k)
            forms = sp.csr_matrix(cones.squares[mine]) @ x
            u = (sp.csr_matrix(cones.u[[k]]) @ x + cones.u0[[k]]).item()
            w = (sp.csr_matrix(cones.w[[k]]) @ x + cones.w0[[k]]).item()
            self.model.addConstr(gurobipy.quicksum(forms[at].item() ** 2 for at in range(len(mine))) <= u * w)

    def _add_products(self, products: Products | None) -> None:
        if products is None:
            return
        columns = self.columns.tolist()
        linear = sp.csr_matrix(products.linear.matrix) @ self.columns
        bodies = [gurobipy.QuadExpr(linear[at].item()) for at in range(products.count)]
        for row, i, j, value in zip(products.row, products.first, products.second, products.value, strict=True):
            bodies[row].add(columns[i] * columns[j], value)
        for body, upper in zip(bodies, products.linear.upper.tolist(), strict=True):
            self.model.addQConstr(body <= upper)

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        self.columns[columns].LB = lower
        self.columns[columns].UB = upper

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        for row, low, high in zip(rows.tolist(), lower.tolist(), upper.tolist(), strict=True):
            self.rows[row][0].RHS = -1e100 if low == -np.inf else low
            self.rows[row][1].RHS = 1e100 if high == np.inf else high

    def set_cost(self, cost: Vector, offset: float) -> None:
        self.model.setObjective(cost @ self.columns + offset, GRB.MINIMIZE)

    def solve(self, integer: bool, gap: float, seconds: float, _improving: bool, watch: Watch) -> Outcome:
        self._set_integrality(integer)
        self.model.Params.MIPGap = gap
        self.model.Params.TimeLimit = min(max(seconds, 0.0), 1e20)
        self._run(lambda model, where: _event(model, where, watch))
        return self._outcome()

    def solve_carefully(self, integer: bool, gap: float, seconds: float, watch: Watch) -> Outcome:
        # Else Gurobi would go on from the answer that contradicts itself
        self.model.reset()
        self.model.Params.Presolve, self.model.Params.NumericFocus = 0, 3
        try:
            return self.solve(integer, gap, seconds, False, watch)
        finally:
            self.model.Params.Presolve, self.model.Params.NumericFocus = -1, 0

    def _probe_licence(self) -> None:
        """Gurobi says that a model is too large only when it starts, so start it for no time at all."""
        self.model.Params.TimeLimit = 0.0
        self._run(None)
        self.model.reset()

    def _run(self, callback: Any) -> None:
        try:
            with held():
                self.model.optimize(callback)
        except gurobipy.GurobiError as error:
            if error.errno != _TOO_LARGE:
                raise
            raise LicenceError(
                f"the model ({self.model.NumVars} columns, {self.model.NumConstrs} rows, {self.model.NumQConstrs} cones) is "
                "too large for this Gurobi licence: install a full licence, or use solver='highs', which needs none"
            ) from error

    def _set_integrality(self, integer: bool) -> None:
        if integer == self.is_mip:
            return
        if self.integer.any():
            self.columns[np.flatnonzero(self.integer)].VType = GRB.INTEGER if integer else GRB.CONTINUOUS
        if integer:
            columns = self.columns.tolist()
            self.sets = [self.model.addSOS(GRB.SOS_TYPE1, [columns[i], columns[j]]) for i, j in self.pairs]
            self.sets += [
                self.model.addGenConstrIndicator(columns[z], bool(value), columns[j] <= 0.0)
                for z, value, j in self.indicators
            ]
        else:
            # A set or an indicator makes a program mixed-integer even without integers, and takes its multipliers away
            self.model.remove(self.sets)
            self.sets = []
        self.is_mip = integer

    def _outcome(self) -> Outcome:
        status = _STATUS.get(self.model.Status, SolverStatus.NUMERICAL_ERROR)
        nodes = int(self.model.NodeCount) if self.model.IsMIP or self.nonconvex else 0
        if not self.model.SolCount:
            return Outcome(status, None, np.inf, -np.inf, nodes=nodes)
        objective = float(self.model.ObjVal)
        # Gurobi has no bound of a continuous program: its optimum is one, and a point on the way is none
        solved = objective if status == SolverStatus.OPTIMAL else -np.inf
        bound = float(self.model.ObjBound) if self.model.IsMIP or self.nonconvex else solved
        # Beside cones Gurobi has multipliers only on demand (QCPDual)
        linear = status == SolverStatus.OPTIMAL and not (self.model.IsMIP or self.model.IsQCP or self.nonconvex)
        # A row stands as two, whose multipliers add up to its own
        dual = np.array(self.model.getAttr("Pi", self._both())).reshape(-1, 2).sum(axis=1) if linear else None
        return Outcome(status, np.array(self.columns.X), objective, bound, row_dual=dual, nodes=nodes)

    def _both(self) -> list[Any]:
        """The two rows of every row, one after the other."""
        return [row for pair in self.rows for row in pair]


def _event(model: Any, where: int, watch: Watch) -> None:
    if where == GRB.Callback.MIP:
        watch.report(model.cbGet(GRB.Callback.MIP_OBJBND), model.cbGet(GRB.Callback.MIP_OBJBST))
    # At every event, not at those of branch and bound alone: presolve and the root may take long
    if watch.stop():
        model.terminate()
