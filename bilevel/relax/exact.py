"""Cones handed as they are to a solver that takes them."""

from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector, no_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.solvers import Feature

name = "exact"
features = frozenset({Feature.CONE})


def prepare(mip: SolverProgram) -> SolverProgram:
    """Nothing to change."""
    return mip


def cuts(cones: Cones, _x: Vector, _tolerance: float) -> Rows:
    """None: the solver keeps the cones itself."""
    return no_rows(cones.u.shape[1])
