"""The whole search by branching on pairs and integers: linear programs alone, until the gap is closed or the time is over."""

import numpy as np
import scipy.sparse as sp

from bilevel.program.rows import Rows
from bilevel.search.branching.part import whole
from bilevel.search.cut_session import CutSession
from bilevel.search.state import SearchState, precise_session
from bilevel.search.steps.relaxation import far
from bilevel.search.steps.small_tree import whole_tree_on


def pair_branching(state: SearchState) -> None:
    """Branch on pairs and integers without M; its parts are left in the state, for what is to be proven of them."""
    state.budget.progress.phase("branching on pairs")
    session = state.master if state.relaxed is not None else _walled(state)
    tree = whole_tree_on(state, session, state.treatment)
    state.parts = tree.run(state.incumbent.bound, whole(state.form.kkt.pairs.count))


def _walled(state: SearchState) -> CutSession:
    """A session of its own where the relaxation has no end, with a row far out that gives it one.

    What lies at the row shows which pairs a ray breaks; the row must not stay in the master, which may get another objective.
    """
    mip = state.form.mip
    state.least = far(state)
    row = Rows(sp.csr_array(mip.cost[None, :]), np.array([state.least]), np.array([np.inf]))
    return precise_session(state.form, mip.with_rows(row), state.budget)
