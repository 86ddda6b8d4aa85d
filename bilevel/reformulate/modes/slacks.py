"""Columns that equal the slacks, and marks of multipliers at zero, for the modes that need no big-M."""

import numpy as np
import scipy.sparse as sp

from bilevel.program.rows import Index, Rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.security import Secure
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


def with_marks(form: Reformulation, secure: Secure, mip: SolverProgram) -> tuple[SolverProgram, list[int]]:
    """The program with a column z in [0, 1] for each pair with a margin, and rows that ask for its margin where z is 0.

    z is 1 where the multiplier is 0, if the mode sees to it that one of both is 0; the second value is these columns.
    """
    asked, first = np.flatnonzero(secure.asked), mip.columns
    count = len(asked)
    mip = mip.with_columns(np.zeros(count), np.ones(count), np.ones(count))
    z = np.zeros(len(secure.least), dtype=np.int64)
    z[asked] = first + np.arange(count)
    return mip.with_rows(secure.counted(z, form.kkt.pairs.dual, mip.columns)), z[asked].tolist()
