"""Complementarity by binaries and proven limits: slack <= S z, mu <= M (1 - z), z in {0, 1} (model page section 4)."""

import numpy as np
import scipy.sparse as sp

from bilevel.followers.kkt import Pairs
from bilevel.program.rows import Index, Rows, widen
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.single_level import Reformulation
from bilevel.solvers import Feature

name = "big_m"
needs_bounds, conic, branches, pairs = True, False, False, True
needs = frozenset({Feature.INTEGER})


def features(_form: Reformulation) -> frozenset[Feature]:
    """Binaries."""
    return needs


def apply(form: Reformulation) -> SolverProgram:
    """Append one binary a pair; a row or column with two limits also gets z_lower + z_upper >= 1."""
    pairs, bounds = form.kkt.pairs, form.bounds
    count, first = pairs.count, form.mip.columns
    # A dual that is always zero leaves its pair decided
    idle = bounds.mu_upper == 0
    mip = form.mip.with_columns(idle.astype(float), np.ones(count), np.ones(count), integer=True)
    n, z = mip.columns, first + np.arange(count)
    at = np.arange(count)
    slack = widen(pairs.slack_matrix, n)
    # A pair that is decided may have a slack without any limit, and needs none
    most = np.where(idle, 0.0, bounds.slack_upper)
    slack_switch = sp.csr_array((-most, (at, z)), shape=(count, n))
    dual = sp.csr_array(
        (np.concatenate([np.ones(count), bounds.mu_upper]), (np.tile(at, 2), np.concatenate([pairs.dual, z]))),
        shape=(count, n),
    )
    lower = np.full(count, -np.inf)
    limit = np.where(idle, np.inf, -pairs.slack_constant)
    mip = mip.with_rows(Rows(sp.csr_array(slack + slack_switch), lower, limit))
    mip = mip.with_rows(Rows(dual, lower, bounds.mu_upper.copy()))
    mip = mip.with_rows(_one_limit_at_a_time(pairs, z, n))
    return mip if form.secure is None else mip.with_rows(form.secure.counted(z, pairs.dual, n))


def _one_limit_at_a_time(pairs: Pairs, z: Index, columns: int) -> Rows:
    # Both limits of a row cannot bind at once, which the relaxation of two binaries does not know by itself
    low = np.flatnonzero((pairs.side == 1) & (pairs.twin >= 0))
    at = np.arange(len(low))
    column = np.concatenate([z[low], z[pairs.twin[low]]])
    matrix = sp.csr_array((np.ones(2 * len(low)), (np.tile(at, 2), column)), shape=(len(low), columns))
    return Rows(matrix, np.ones(len(low)), np.full(len(low), np.inf))
