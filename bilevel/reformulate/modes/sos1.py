"""Complementarity by special ordered sets of type 1: of a slack and its dual at most one is nonzero; needs no big-M."""

from dataclasses import replace

from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes.slacks import with_slacks
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "sos1"
needs_bounds, conic, branches = False, False, False
needs = frozenset({Feature.SOS1})


def features(_form: Reformulation) -> frozenset[Feature]:
    """SOS1 sets."""
    return needs


def apply(form: Reformulation) -> SolverProgram:
    """Append one slack column a pair, and a set {slack, mu} for each pair."""
    mip, slack = with_slacks(form)
    return replace(mip, sos1=mip.sos1 + tuple(zip(slack.tolist(), form.kkt.pairs.dual.tolist(), strict=True)))
