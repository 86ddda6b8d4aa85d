"""Columns that equal the slacks, for the modes that need no big-M."""

import numpy as np
import scipy.sparse as sp

from bilevel.program.rows import Index, Rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation


def with_slacks(form: Reformulation) -> tuple[SolverProgram, Index]:
    """The program with one column a pair that equals its slack; the second value is these columns."""
    pairs, upper = form.kkt.pairs, form.bounds.slack_upper
    count, first = pairs.count, form.mip.columns
    # A limit that is not known stays infinite, as nothing is multiplied by it
    mip = form.mip.with_columns(np.zeros(count), upper, form.slack_scale())
    n, s = mip.columns, first + np.arange(count)
    own = sp.csr_array((np.ones(count), (np.arange(count), s)), shape=(count, n))
    value = -pairs.slack_constant
    return mip.with_rows(Rows(sp.csr_array(widen(pairs.slack_matrix, n) - own), value, value)), s
