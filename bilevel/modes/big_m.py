"""Complementarity by binaries and proven limits: slack <= S z, mu <= M (1 - z), z in {0, 1} (model page section 4)."""

import numpy as np
import scipy.sparse as sp

from bilevel.bounds import Bounds
from bilevel.kkt import Pairs
from bilevel.program import Index, Mask, Mip, Rows, Vector

name = "big_m"
features = frozenset({"integer"})
needs_bounds = True


def apply(mip: Mip, pairs: Pairs, bounds: Bounds) -> Mip:
    """Append one binary a pair; a row or column with two limits also gets z_lower + z_upper >= 1."""
    count, first = pairs.count, mip.columns
    mip = mip.with_columns(np.zeros(count), np.ones(count), np.ones(count), integer=True)
    n, z = mip.columns, first + np.arange(count)
    at = np.arange(count)
    slack = sp.csr_array(
        (pairs.slack_matrix.data, pairs.slack_matrix.indices, pairs.slack_matrix.indptr), shape=(count, n)
    )
    slack_switch = sp.csr_array((-bounds.slack_upper, (at, z)), shape=(count, n))
    dual = sp.csr_array(
        (
            np.concatenate([np.ones(count), bounds.mu_upper]),
            (np.tile(at, 2), np.concatenate([pairs.dual, z])),
        ),
        shape=(count, n),
    )
    lower = np.full(count, -np.inf)
    mip = mip.with_rows(Rows(sp.csr_array(slack + slack_switch), lower, -pairs.slack_constant))
    mip = mip.with_rows(Rows(dual, lower, bounds.mu_upper.copy()))
    return mip.with_rows(_one_limit_at_a_time(pairs, z, n))


def complete(x: Vector, first: int, pairs: Pairs, slack_zero: Mask) -> Vector:
    """A full point: the binary of a pair is 0 where its slack is zero."""
    x[first : first + pairs.count] = np.where(slack_zero, 0.0, 1.0)
    return x


def _one_limit_at_a_time(pairs: Pairs, z: Index, columns: int) -> Rows:
    low = np.flatnonzero((pairs.side == 1) & (pairs.twin >= 0))
    at = np.arange(len(low))
    column = np.concatenate([z[low], z[pairs.twin[low]]])
    matrix = sp.csr_array((np.ones(2 * len(low)), (np.tile(at, 2), column)), shape=(len(low), columns))
    return Rows(matrix, np.ones(len(low)), np.full(len(low), np.inf))
