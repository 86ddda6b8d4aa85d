"""Complementarity by special ordered sets of type 1: of a slack and its dual at most one is nonzero; needs no big-M."""

from dataclasses import replace

import numpy as np

from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes.slacks import with_marks, with_slacks
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "sos1"
needs_bounds, conic, branches, pairs = False, False, False, True
needs = frozenset({Feature.SOS1})


def features(_form: Reformulation) -> frozenset[Feature]:
    """SOS1 sets."""
    return needs


def apply(form: Reformulation) -> SolverProgram:
    """Append one slack column a pair, and a set {slack, mu} for each pair; of secure answers a column z and a set {mu, z}."""
    mip, slack = with_slacks(form)
    dual = form.kkt.pairs.dual.tolist()
    sets = tuple(zip(slack.tolist(), dual, strict=True))
    if form.secure is not None:
        # Where mu is above 0 its set leaves z no other value than 0, and its row asks for the margin
        mip, z = with_marks(form, form.secure, mip)
        sets += tuple((dual[at], column) for at, column in zip(np.flatnonzero(form.secure.asked), z, strict=True))
    return replace(mip, sos1=mip.sos1 + sets)
