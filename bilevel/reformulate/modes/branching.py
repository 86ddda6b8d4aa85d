"""Complementarity left to the search, which branches on pairs by linear programs: no M, no binaries, no limit of multipliers."""

from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "branching"
needs_bounds, conic, branches, pairs = False, False, True, True
needs = frozenset({Feature.INCREMENTAL})


def features(form: Reformulation) -> frozenset[Feature]:
    """Linear programs on living sessions; rows with products are none, so that they ask for what no such solver has."""
    return needs if form.mip.products is None else needs | {Feature.NONCONVEX}


def apply(form: Reformulation) -> SolverProgram:
    """`form.mip` as it stands."""
    return form.mip
