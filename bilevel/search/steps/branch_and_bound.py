"""Branch and bound by the solver, on the pairs that the relaxation leaves open and then on all of them."""

import time
from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.search.cut_session import MAX_ROUNDS
from bilevel.search.evaluate import evaluate
from bilevel.search.sides import Sides, sides_at, small_dual, small_slack
from bilevel.search.state import SearchState
from bilevel.search.steps.relaxation import far
from bilevel.search.steps.second_look import below, closes, confirmed
from bilevel.solvers import Outcome
from bilevel.status import SolverStatus

RESTRICTED_SHARE, RESTRICTED_SECONDS = 0.5, 60.0
"""What the restricted search may take, of the time that is left and at most: it gives no bound, and its point is seen after it."""


def restricted(state: SearchState) -> None:
    """Branch only on the pairs that the relaxation leaves open."""
    if state.relaxed is None:
        return
    state.budget.progress.phase("restricted search", local=True)
    slack, dual = small_slack(state.form, state.relaxed), small_dual(state.form, state.relaxed)
    # Where both sides are at zero the relaxation says nothing of the pair, which stays open
    with state.master.restricted(Sides(slack & ~dual, dual & ~slack)) as possible:
        if not possible:
            return
        outcome = state.master.solve(
            integer=True, seconds=min(RESTRICTED_SHARE * state.budget.seconds, RESTRICTED_SECONDS)
        )
    if outcome.status == SolverStatus.INTERRUPTED:
        state.finish()
    if outcome.x is not None:
        evaluate(state, sides_at(state.form, outcome.x), outcome.x)


def branch_and_bound(state: SearchState) -> None:
    """Branch and bound on the whole program; again with new tangents until bound and incumbent meet.

    What a solver says of a program without a point is not believed: exhaustion looks for itself, and a ray is looked at.
    """
    state.budget.progress.phase("branch and bound", trusted=state.holds_cones)
    claimed = -np.inf
    for _ in range(MAX_ROUNDS):
        state.incumbent.rounds += 1
        before, began = state.incumbent.objective, time.perf_counter()
        outcome = _better(state)
        spent = time.perf_counter() - began
        if outcome.status == SolverStatus.UNBOUNDED:
            _look_far_out(state)
            return
        if outcome.status in (SolverStatus.TIME_LIMIT, SolverStatus.INTERRUPTED):
            state.finish()
        new_cuts = 0
        if outcome.x is not None:
            rows = state.treatment.cuts(state.master.cones, outcome.x, tolerances.CONE_CUT)
            state.master.add_cuts(rows)
            new_cuts = rows.count
            evaluate(state, sides_at(state.form, outcome.x), outcome.x)
        # "Infeasible" is a claim without a bound: exhaustion decides it
        if outcome.status != SolverStatus.INFEASIBLE:
            claimed = max(claimed, outcome.bound)
        if closes(state, claimed) and not state.over():
            claimed = confirmed(state, claimed, spent)
            state.raise_bound(claimed)
        # Without new tangents or a better point the solver would give the same answer again
        on = new_cuts or state.incumbent.objective < before
        if outcome.status != SolverStatus.OPTIMAL or state.over() or not on:
            break
    # No second look was taken at a bound that leaves the gap open: it is told where no tree comes to find a point that meets it
    if not closes(state, claimed) and (not state.splits_into_linear or state.budget.over()):
        state.raise_bound(claimed)


def _look_far_out(state: SearchState) -> None:
    """A point at a very low objective of a program that a solver calls unbounded: its sides may have a ray."""
    # `far` is without the objective's constant, `priced` counts it
    with state.master.priced(far(state) + state.master.mip.offset, np.inf):
        outcome = state.master.solve(integer=True)
    if outcome.x is not None:
        evaluate(state, sides_at(state.form, outcome.x), outcome.x)


def _better(state: SearchState) -> Outcome:
    """A point better than the best by more than the gap, with a bound of the whole; no start is given.

    A solver may hand a start back as its optimum, with its value as bound.  A limit on the objective prunes as well, and what
    the solver then says, most often that there is no such point, owes nothing to the best one.
    """
    if state.incumbent.x is None:
        return state.master.solve(integer=True)
    cutoff = below(state)
    with state.master.priced(-np.inf, cutoff):
        outcome = state.master.solve(integer=True, improving=True)
    if outcome.status == SolverStatus.INFEASIBLE:
        return Outcome(SolverStatus.OPTIMAL, None, np.inf, cutoff, nodes=outcome.nodes)
    return replace(outcome, bound=min(outcome.bound, cutoff))
