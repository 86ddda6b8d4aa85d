"""A small tree over the pairs that the relaxation leaves open, before any mixed-integer solver."""

from dataclasses import replace
from functools import partial

from bilevel import tolerances
from bilevel.relax import ConeTreatment
from bilevel.search.branching.part import MOST_PARTS, whole
from bilevel.search.branching.tree import Tree
from bilevel.search.cut_session import CutSession
from bilevel.search.evaluate import evaluate_within
from bilevel.search.sides import incomplementarity
from bilevel.search.state import SearchState


def small_tree(state: SearchState) -> None:
    """Branch on the few pairs that are open by linear programs; the leader's own integers are left to the solver."""
    form = state.form
    if state.relaxed is None or form.program.integer.any() or not (state.incremental and form.kkt.pairs.count):
        return
    state.budget.progress.phase("small tree")
    parts = tree_on(state, state.master, state.treatment).run(state.incumbent.bound, state.parts)
    state.parts = parts if len(parts) <= MOST_PARTS else whole(form.kkt.pairs.count)


def whole_tree_on(state: SearchState, session: CutSession, treatment: ConeTreatment) -> Tree:
    """The same to its end: what it leaves open stays open, and time ends it."""
    return replace(tree_on(state, session, treatment), thorough=True)


def tree_on(state: SearchState, session: CutSession, treatment: ConeTreatment) -> Tree:
    """A tree by linear programs of this session, which takes note of points and bounds in the state."""
    return Tree(
        session, treatment, partial(incomplementarity, state.form), lambda: state.incumbent.objective,
        partial(evaluate_within, state), state.raise_bound, state.over, tolerances.MIP_SHARE * state.budget.gap,
    )  # fmt: skip
