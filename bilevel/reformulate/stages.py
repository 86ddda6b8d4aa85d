"""The stages from one level to what a solver gets, as records: each was applied to the one before, and takes a point back to it.

    single level -> mode -> cones -> rows that tighten

A stage appends columns behind those that it was given, so that it restores a point by dropping its own.  Above the first stand
the compiled program, whose `load` takes a point back into the Pyomo model, and below the last the solver's session, which
measures columns and rows in their sizes (`bilevel.solvers.scaling.scaled`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from bilevel.program.rows import Vector
from bilevel.program.solver_program import SolverProgram

Step = Callable[[SolverProgram], SolverProgram]


@dataclass(frozen=True)
class Stage:
    """A step that was applied: its name, the columns of what it was given, and what it made of it."""

    name: str
    given: int
    program: SolverProgram

    def restore(self, x: Vector) -> Vector:
        """A point of this stage's program as one of the program that it was given."""
        return x[: self.given]

    def sizes(self) -> dict[str, str | int]:
        """Name and size of the program, as `Solution.settings["stages"]` has it."""
        mip = self.program
        return {
            "stage": self.name,
            "columns": mip.columns,
            "integers": int(mip.integer.sum()),
            "rows": mip.rows.count,
            "cones": mip.cones.count,
            # A pair has one set, or an indicator for each of its sides
            "pairs": len(mip.sos1) + len(mip.indicators) // 2,
            "products": 0 if mip.products is None else mip.products.count,
        }


@dataclass(frozen=True)
class Chain:
    """The stages from a program on, first to last."""

    first: SolverProgram
    stages: tuple[Stage, ...] = ()

    @property
    def program(self) -> SolverProgram:
        """What the last stage made."""
        return self.stages[-1].program if self.stages else self.first

    def apply(self, name: str, step: Step) -> "Chain":
        """The chain with one more stage."""
        return Chain(self.first, (*self.stages, Stage(name, self.program.columns, step(self.program))))

    def restore(self, x: Vector) -> Vector:
        """A point of the last program as one of the first: every stage's step back, last to first."""
        for stage in reversed(self.stages):
            x = stage.restore(x)
        return x

    def sizes(self) -> tuple[dict[str, str | int], ...]:
        """Name and size of every program on the way down."""
        whole = Stage("single level", self.first.columns, self.first)
        return tuple(stage.sizes() for stage in (whole, *self.stages))
