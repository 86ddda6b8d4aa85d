"""Rows and bounds that are asked for the largest value of one linear form after another."""

from dataclasses import dataclass

import numpy as np

from bilevel import budget, tolerances
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled
from bilevel.status import SolverStatus

PROVING = "limits of the followers' multipliers were being proven"
"""What is told when the time is over meanwhile."""


@dataclass(frozen=True)
class Polyhedron:
    """A living linear program that is asked for the largest value of one linear form after another."""

    session: Scaled
    scale: Vector

    @staticmethod
    def of(rows: Rows, lower: Vector, upper: Vector, scale: Vector) -> "Polyhedron":
        """Over columns with these bounds and expected sizes."""
        n = len(lower)
        session = Scaled(SOLVERS["highs"].open())
        session.load(
            SolverProgram(np.zeros(n), 0.0, lower, upper, np.zeros(n, dtype=bool), rows, Cones.none(n), (), scale)
        )
        return Polyhedron(session, scale)

    def largest(self, form: Vector) -> float:
        """Largest value, a little above what the solver says; infinite without an answer."""
        self.session.set_cost(-form, 0.0)
        budget.require(PROVING)
        outcome = self.session.solve(False, 0.0, budget.seconds(), False, budget.watch())
        if outcome.status != SolverStatus.OPTIMAL:
            return np.inf
        # The floor gives room where the largest value is 0, a share of which is none
        floor = tolerances.SIZE_FLOOR * float(np.abs(form) @ self.scale)
        return -outcome.objective + tolerances.LIMIT_SAFETY * max(abs(outcome.objective), floor)
