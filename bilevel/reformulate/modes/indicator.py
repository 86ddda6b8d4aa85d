"""Complementarity by indicator constraints: z = 0 forces the slack to zero, z = 1 the dual; needs no big-M."""

from dataclasses import replace

import numpy as np

from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes.slacks import with_slacks
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "indicator"
needs_bounds, conic, branches, pairs = False, False, False, True
needs = frozenset({Feature.INTEGER, Feature.INDICATOR})


def features(_form: Reformulation) -> frozenset[Feature]:
    """Indicator constraints on binaries."""
    return needs


def apply(form: Reformulation) -> SolverProgram:
    """Append a slack column and a binary a pair, and two indicators (binary, value, column): the column is then <= 0."""
    # An indicator holds one column, not an expression
    mip, slack = with_slacks(form)
    count, first = form.kkt.pairs.count, mip.columns
    mip = mip.with_columns(np.zeros(count), np.ones(count), np.ones(count), integer=True)
    z = (first + np.arange(count)).tolist()
    no_slack = tuple((binary, 0, column) for binary, column in zip(z, slack.tolist(), strict=True))
    no_dual = tuple((binary, 1, column) for binary, column in zip(z, form.kkt.pairs.dual.tolist(), strict=True))
    if form.secure is not None:
        mip = mip.with_rows(form.secure.counted(first + np.arange(count), form.kkt.pairs.dual, mip.columns))
    return replace(mip, indicators=mip.indicators + no_slack + no_dual)
