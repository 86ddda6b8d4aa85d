"""Any other Pyomo solver as `solver="pyomo:<name>"`: the whole model is handed over anew at every solve.

Which features a solver is trusted with is declared, not asked: `KNOWN` lists the interfaces that were tried here or are
documented to take the construct, and every other solver gets `integer` alone.  Its tolerances and gap can only be set where
their option names are known; elsewhere the solver's defaults stand, and without a bound of its own an optimum of a mixed-integer
program comes back without a bound, so it is reported as feasible, not as certified.
"""

import io
from collections.abc import Callable
from typing import Any, TypeVar

import gurobipy
import numpy as np
import pyomo.environ as pyo
from pyomo.common.errors import ApplicationError, InfeasibleConstraintException, PyomoException
from pyomo.common.log import LoggingIntercept
from pyomo.opt import TerminationCondition

from bilevel import tolerances
from bilevel.compile import to_pyomo
from bilevel.errors import BilevelError, FeatureError, LicenceError, UnknownNameError
from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers.base import WITH_POINT, Outcome, Session, Watch
from bilevel.solvers.pyomo_interfaces import KNOWN, OTHER, Interface
from bilevel.solvers.silence import silent
from bilevel.status import SolverStatus

PREFIX = "pyomo:"

_T = TypeVar("_T")
_FOREVER = 1e7  # seconds: no limit is passed on

_STATUS = {
    TerminationCondition.optimal: SolverStatus.OPTIMAL,
    TerminationCondition.globallyOptimal: SolverStatus.OPTIMAL,
    TerminationCondition.infeasible: SolverStatus.INFEASIBLE,
    TerminationCondition.unbounded: SolverStatus.UNBOUNDED,
    TerminationCondition.infeasibleOrUnbounded: SolverStatus.INFEASIBLE_OR_UNBOUNDED,
    TerminationCondition.maxTimeLimit: SolverStatus.TIME_LIMIT,
    # Stopped without a proof: the point counts, and the bound if there is one, as at a time limit
    TerminationCondition.maxIterations: SolverStatus.TIME_LIMIT,
    TerminationCondition.feasible: SolverStatus.TIME_LIMIT,
    TerminationCondition.userInterrupt: SolverStatus.INTERRUPTED,
}


class PyomoSolver:
    """A `SessionFactory` for one Pyomo solver; its name is the one the user wrote, prefix included."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = KNOWN.get(name.removeprefix(PREFIX), OTHER)
        self.features = self.kind.features

    def open(self) -> Session:
        """A new session; raises `FeatureError` when the solver cannot be used here, naming those that can."""
        return _Pyomo(self.name, self.kind, _interface(self.name))

    def version(self) -> str:
        """The solver's version."""
        found = _quietly(_interface(self.name).version)
        return ".".join(str(part) for part in found) if found else "unknown"


def find(name: str) -> PyomoSolver:
    """The solver of a name such as "pyomo:highs"; raises `UnknownNameError` for one that Pyomo does not know."""
    names = [known for known in pyo.SolverFactory if not known.startswith("_")]
    if name.removeprefix(PREFIX) not in names:
        near = sorted({*KNOWN, *available()} & set(names))
        raise UnknownNameError("solver", name, [PREFIX + known for known in near])
    return PyomoSolver(name)


def available() -> list[str]:
    """The well-known Pyomo solvers that can be used here."""
    return [known for known in KNOWN if _usable(pyo.SolverFactory(known))]


def _interface(name: str) -> Any:
    solver = pyo.SolverFactory(name.removeprefix(PREFIX))
    if not _usable(solver):
        ready = ", ".join(repr(PREFIX + known) for known in available())
        raise FeatureError(
            f"solver {name!r} is known to Pyomo, but not installed or not licensed here: use solver='highs', or {ready}"
        )
    return solver


def _usable(solver: Any) -> bool:
    return bool(_quietly(lambda: solver.available(exception_flag=False)))


def _quietly(call: Callable[[], _T]) -> _T:
    """The result of a call, with what it logs through Pyomo's logger, and what C code prints, swallowed."""
    with silent(), LoggingIntercept(io.StringIO(), "pyomo"):
        return call()


class _Pyomo:
    # What such a solver drops is unknown: as much as the coarsest of the known ones
    drops = tolerances.DUST

    def __init__(self, name: str, kind: Interface, solver: Any) -> None:
        self.name, self.kind, self.solver = name, kind, solver
        self.model: Any = pyo.ConcreteModel()
        self.bodies: list[Any] = []
        self.impossible: set[int] = set()
        self.integer, self.nonconvex = np.zeros(0, dtype=bool), False
        self.lower, self.upper = np.zeros(0), np.zeros(0)
        self.cost, self.offset = np.zeros(0), 0.0

    def load(self, mip: SolverProgram) -> None:
        self.__init__(self.name, self.kind, self.solver)  # type: ignore[misc]
        model = self.model
        model.x = pyo.Var(range(mip.columns))
        self.integer, self.nonconvex = mip.integer, mip.products is not None
        self.lower, self.upper = mip.lower.copy(), mip.upper.copy()
        self.set_column_bounds(np.arange(mip.columns), mip.lower, mip.upper)
        x = self.columns
        model.rows = pyo.Constraint(pyo.Any)
        self.add_rows(mip.rows)
        model.cones = pyo.Constraint(range(mip.cones.count), rule=lambda _, k: to_pyomo.cone(mip.cones, k, x))
        if mip.products is not None:
            products = mip.products
            model.products = pyo.Constraint(range(products.count), rule=lambda _, k: to_pyomo.product(products, k, x))
        model.sets = pyo.SOSConstraint(range(len(mip.sos1)), rule=lambda _, k: [x[at] for at in mip.sos1[k]], sos=1)
        model.objective = pyo.Objective(expr=0.0)
        self.set_cost(mip.cost, mip.offset)

    @property
    def columns(self) -> list[Any]:
        return list(self.model.x.values())

    def add_rows(self, rows: Rows) -> None:
        x, first = self.columns, len(self.bodies)
        matrix = rows.matrix.copy()
        # Stored zeros would hide that a row has no columns
        matrix.eliminate_zeros()
        for at in range(rows.count):
            filled = matrix.indptr[at] < matrix.indptr[at + 1]
            self.bodies.append(to_pyomo.linear(matrix, at, x) if filled else None)
        self.set_row_bounds(first + np.arange(rows.count), rows.lower, rows.upper)

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        self.lower[columns], self.upper[columns] = lower, upper
        for column, low, high in zip(columns.tolist(), lower.tolist(), upper.tolist(), strict=True):
            self.model.x[column].setlb(_finite(low))
            self.model.x[column].setub(_finite(high))

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        for row, low, high in zip(rows.tolist(), lower.tolist(), upper.tolist(), strict=True):
            body = self.bodies[row]
            # Pyomo takes neither crossed limits nor rows without columns
            self.impossible.discard(row)
            if low > high or (body is None and (low > tolerances.EMPTY_ROW or high < -tolerances.EMPTY_ROW)):
                self.impossible.add(row)
            if row in self.model.rows:
                del self.model.rows[row]
            limited = None if body is None or low > high else to_pyomo.limited(body, low, high)
            if limited is not None:
                self.model.rows[row] = limited

    def set_cost(self, cost: Vector, offset: float) -> None:
        self.cost, self.offset = cost, offset
        self.model.objective.set_value(to_pyomo.objective(cost, offset, self.columns))

    def solve(self, integer: bool, gap: float, seconds: float, _improving: bool, watch: Watch) -> Outcome:
        # Nothing reaches a solver behind Pyomo once it runs, so that all is asked before
        if watch.stop() or seconds <= 0:
            return Outcome(SolverStatus.INTERRUPTED if watch.stop() else SolverStatus.TIME_LIMIT, None, np.inf, -np.inf)
        if self.impossible:
            return Outcome(SolverStatus.INFEASIBLE, None, np.inf, np.inf)
        discrete = self._set_integrality(integer)
        if self._is_empty():
            return Outcome(SolverStatus.OPTIMAL, self._free(), self.offset, self.offset)
        for column in self.columns:
            # A value of the last solve would pass for one of this solve
            column.set_value(None, skip_validation=True)
        results = self._run(self._settings(gap, discrete, seconds))
        if results is None:
            return Outcome(SolverStatus.INFEASIBLE, None, np.inf, np.inf)
        outcome = self._outcome(results, gap, discrete)
        if outcome.x is not None:
            watch.report(outcome.bound, outcome.objective)
        return outcome

    def _settings(self, gap: float, discrete: bool, seconds: float) -> dict[str, Any]:
        row = tolerances.MIP_FEASIBILITY if discrete else tolerances.SOLVER_FEASIBILITY
        options: dict[str, Any] = {**dict.fromkeys(self.kind.feasibility, row), **dict(self.kind.always)}
        if self.kind.gap and discrete:
            options[self.kind.gap] = gap
        # The status, which comes with the results, says whether there is a point to load
        settings: dict[str, Any] = {"load_solutions": False, "options": options}
        if seconds >= _FOREVER:
            return settings
        if self.kind.time:
            options[self.kind.time] = seconds
            return settings
        return {**settings, "timelimit": seconds}

    def _set_integrality(self, integer: bool) -> bool:
        domain = pyo.Integers if integer else pyo.Reals
        for column in np.flatnonzero(self.integer).tolist():
            self.model.x[column].domain = domain
        (self.model.sets.activate if integer else self.model.sets.deactivate)()
        return self.nonconvex or (integer and bool(self.integer.any() or len(self.model.sets)))

    def _run(self, settings: dict[str, Any]) -> Any:
        """The solver's results; None where Pyomo itself finds a row that cannot hold."""
        try:
            return _quietly(lambda: self.solver.solve(self.model, **settings))
        except InfeasibleConstraintException:
            return None
        except gurobipy.GurobiError as error:
            raise LicenceError(
                f"solver {self.name!r} refused: {error}; use solver='highs', which needs no licence"
            ) from error
        except (ApplicationError, PyomoException, ValueError, RuntimeError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise BilevelError(f"solver {self.name!r} failed: {reason}; use another solver, such as 'highs'") from error

    def _outcome(self, results: Any, gap: float, discrete: bool) -> Outcome:
        status = _STATUS.get(results.solver.termination_condition, SolverStatus.NUMERICAL_ERROR)
        x = self._point(results) if status in WITH_POINT else None
        if status == SolverStatus.OPTIMAL and x is None:
            status = SolverStatus.NUMERICAL_ERROR
        objective = np.inf if x is None else float(self.cost @ x) + self.offset
        return Outcome(status, x, objective, self._bound(results, status, objective, gap, discrete))

    def _point(self, results: Any) -> Vector | None:
        if not len(results.solution):
            return None
        try:
            _quietly(lambda: self.model.solutions.load_from(results))
        except (ValueError, RuntimeError, AttributeError):
            return None
        values = [column.value for column in self.columns]
        if self.cost.any() and all(value is None for value in values):
            return None
        # A column that no row and no cost uses comes back without a value
        free = self._free()
        return np.array([free[at] if value is None else value for at, value in enumerate(values)], dtype=float)

    def _is_empty(self) -> bool:
        """Whether any point within its bounds is as good as another; some solvers have no answer to that."""
        parts = any(True for _ in self.model.component_data_objects((pyo.Constraint, pyo.SOSConstraint), active=True))
        return not parts and not self.cost.any() and bool((self.lower <= self.upper).all())

    def _free(self) -> Vector:
        """The point within the bounds that is nearest to 0, with whole integers."""
        near: Vector = np.clip(0.0, self.lower, self.upper)
        # Nearest to 0 is the lower bound where it is positive, else the upper one
        return np.where(self.integer, np.where(near > 0, np.ceil(near), np.floor(near)), near)

    def _bound(self, results: Any, status: SolverStatus, objective: float, gap: float, discrete: bool) -> float:
        """The solver's own bound; else what "optimal" claims: exact without integers, to the gap that was asked for with them."""
        if status not in WITH_POINT:
            return -np.inf
        if not discrete:
            return objective if status == SolverStatus.OPTIMAL else -np.inf
        claimed = results.problem.lower_bound
        if isinstance(claimed, (int, float)) and np.isfinite(claimed):
            return float(claimed)
        known = status == SolverStatus.OPTIMAL and bool(self.kind.gap)
        return objective - gap * abs(objective) if known else -np.inf


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
