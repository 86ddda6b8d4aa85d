"""What every solver session offers; sessions live through a whole solve and are changed in place."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bilevel.program.rows import Index, Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.status import SolverStatus, Word

WITH_POINT = (SolverStatus.OPTIMAL, SolverStatus.TIME_LIMIT, SolverStatus.INTERRUPTED)
"""Why a solver stopped where its point and its bound count, if it has any."""


class Feature(Word):
    """What a solver may take beside linear programs; modes and treatments of cones ask for it."""

    INCREMENTAL = (
        "incremental",
        "linear programs that live from one objective to the next and keep rows to the last digits: branching on pairs needs them",
    )
    INTEGER = "integer", "columns that take whole values only: big-M needs them"
    SOS1 = (
        "sos1",
        "sets of columns of which one at most is not zero: they hold complementarity without limits of multipliers",
    )
    INDICATOR = (
        "indicator",
        "rows that hold where a binary says so: they hold complementarity without limits of multipliers",
    )
    CONE = "cone", "convex quadratic rows as they are: without it tangents or the tower stand for them"
    NONCONVEX = (
        "nonconvex",
        "rows with products of two columns: power flows without relaxation and products of the leader's",
    )


@dataclass(frozen=True)
class Outcome:
    """A solver's answer to a program: a point, its objective, a bound, multipliers; `status` is why it stopped.

    `x` is None without a point; `bound` is a lower bound of the minimum (-inf without one).  It is a claim: certificates do not
    read it as proof.  Which of both "infeasible_or_unbounded" is, `Scaled` finds out.  `reduced_cost` (a column) and `row_dual`
    come with a linear program's optimum, where the solver gives them; a row's dual is d(minimised objective)/d(right-hand side),
    the added rows' after the program's own.  `ray`: of an infeasible linear program, factors of rows that contradict each other
    beside the columns' bounds, where the solver gives them.  `nodes`: of branch and bound, 0 where there was none or the solver
    does not tell.
    """

    status: SolverStatus
    x: Vector | None
    objective: float
    bound: float
    reduced_cost: Vector | None = None
    row_dual: Vector | None = None
    nodes: int = 0
    ray: Vector | None = None

    @property
    def value(self) -> float:
        """A lower bound of the minimum of a continuous program that was solved."""
        # Multipliers may prove less than the objective, and rounding may put their bound above it
        return min(self.objective, self.bound) if np.isfinite(self.bound) else self.objective


class Watch(Protocol):
    """Told of progress while a solver runs; asks it to stop."""

    def stop(self) -> bool:
        """Whether the user asked to stop."""

    def report(self, bound: float, incumbent: float) -> None:
        """New bound and incumbent, in the solver's objective."""


class Session(Protocol):
    """One living solver; it drops entries of rows that are no more than `drops`."""

    drops: float

    def load(self, mip: SolverProgram) -> None:
        """Start from this program, forgetting any other."""

    def add_rows(self, rows: Rows) -> None:
        """Append linear rows."""

    def set_column_bounds(self, columns: Index, lower: Vector, upper: Vector) -> None:
        """Replace bounds of columns."""

    def set_row_bounds(self, rows: Index, lower: Vector, upper: Vector) -> None:
        """Replace bounds of linear rows."""

    def set_cost(self, cost: Vector, offset: float) -> None:
        """Replace the linear objective (minimised)."""

    def solve(self, integer: bool, gap: float, seconds: float, improving: bool, watch: Watch) -> Outcome:
        """Solve with (or without) integrality, SOS1 sets and indicators, to a relative gap, within seconds.

        `improving`: a point is known and rows ask for a better one, so that looking for first points is wasted.  No start is
        given: a solver may hand it back as its optimum.
        """


@runtime_checkable
class Forgetful(Session, Protocol):
    """A session that also drops rows, which keeps a long life short; the default solver's does."""

    def delete_rows(self, rows: Index) -> None:
        """Remove rows; those after them move up."""


@runtime_checkable
class Careful(Session, Protocol):
    """A session that can solve in another way, for answers that contradict themselves."""

    def solve_carefully(self, integer: bool, gap: float, seconds: float, watch: Watch) -> Outcome:
        """Solve from nothing, without presolve."""


@runtime_checkable
class Coarse(Session, Protocol):
    """A session whose linear programs keep rows to the last digits, so that "infeasible" may be rounding."""

    def solve_coarsely(self, watch: Watch) -> Outcome:
        """The last linear program from nothing, within the tolerance of branch and bound."""


@runtime_checkable
class Restartable(Session, Protocol):
    """A session whose next linear program can start from the basis of an earlier one."""

    def basis(self) -> Any:
        """The last linear program's basis, for `go_on_from` alone; None where it left none."""

    def go_on_from(self, basis: Any) -> None:
        """Start the next linear program there; rows that were added since count as slack."""


class SessionFactory(Protocol):
    """A solver: `name`, the `features` that it has; `open` gives a session."""

    name: str
    features: frozenset[Feature]

    def open(self) -> Session:
        """A new session; raises `LicenceError` or `FeatureError` when the solver cannot be used here."""

    def version(self) -> str:
        """The solver's version."""
