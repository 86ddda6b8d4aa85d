"""Ways to treat convex quadratic rows; a new one is one file with `name`, `features`, `prepare`, `cuts` and a line here."""

from typing import Protocol, cast

from bilevel.errors import UnknownNameError
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, Vector
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import exact, tangent, tower
from bilevel.solvers import Feature


class ConeTreatment(Protocol):
    """`prepare` turns a program with cones into what the solver gets; `cuts` gives rows that x breaks, none when done."""

    name: str
    features: frozenset[Feature]

    def prepare(self, mip: SolverProgram) -> SolverProgram:
        """The program for the solver."""

    def cuts(self, cones: Cones, x: Vector, tolerance: float) -> Rows:
        """Valid rows that x violates."""


CONES: dict[str, ConeTreatment] = {c.name: c for c in (cast(ConeTreatment, m) for m in (tangent, tower, exact))}


def find(name: str) -> ConeTreatment:
    """The registered treatment; raises `UnknownNameError` with the nearest name."""
    if not isinstance(name, str) or name not in CONES:
        raise UnknownNameError("cone treatment", name, CONES)
    return CONES[name]
