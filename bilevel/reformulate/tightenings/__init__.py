"""Rows that every bilevel point meets, and that make the relaxation tighter; a new kind is one file and a line here.

A tightening of `TIGHTENINGS` appends rows, and columns of its own, to the program that goes to the solver.  `limits` is another
matter: it makes the limits of slacks and multipliers smaller before a mode writes them down.
"""

from typing import Protocol, cast

from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation
from bilevel.reformulate.tightenings import envelopes, primal_dual


class Tightening(Protocol):
    """`add` gives the program with its rows, the same program where it has nothing to say."""

    name: str
    about: str

    def add(self, form: Reformulation, mip: SolverProgram) -> SolverProgram:
        """The program with more rows, and columns behind its own."""


TIGHTENINGS: dict[str, Tightening] = {t.name: t for t in (cast(Tightening, m) for m in (envelopes, primal_dual))}
