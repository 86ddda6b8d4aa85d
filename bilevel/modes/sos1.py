"""Complementarity by special ordered sets of type 1: of a slack and its dual at most one is nonzero; needs no big-M."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel.bounds import Bounds
from bilevel.kkt import Pairs
from bilevel.program import Mask, Mip, Rows, Vector

name = "sos1"
features = frozenset({"sos1"})
needs_bounds = False


def apply(mip: Mip, pairs: Pairs, bounds: Bounds) -> Mip:
    """Append one column a pair that equals the slack, and a set {slack, mu} for each pair."""
    count, first = pairs.count, mip.columns
    size = np.where(np.isfinite(bounds.slack_upper) & (bounds.slack_upper > 0), bounds.slack_upper, 1.0)
    mip = mip.with_columns(np.zeros(count), bounds.slack_upper, size)
    n, s = mip.columns, first + np.arange(count)
    form = pairs.slack_matrix
    slack = sp.csr_array((form.data, form.indices, form.indptr), shape=(count, n))
    own = sp.csr_array((np.ones(count), (np.arange(count), s)), shape=(count, n))
    value = -pairs.slack_constant
    mip = mip.with_rows(Rows(sp.csr_array(slack - own), value, value))
    sets = tuple(zip(s.tolist(), pairs.dual.tolist(), strict=True))
    return replace(mip, sos1=mip.sos1 + sets)


def complete(x: Vector, first: int, pairs: Pairs, slack_zero: Mask) -> Vector:
    """A full point: the slack columns follow from the others."""
    x[first : first + pairs.count] = np.where(slack_zero, 0.0, np.maximum(pairs.slack(x), 0.0))
    return x
