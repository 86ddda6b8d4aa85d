"""A bound that closes the gap by one call of a solver alone: the same question asked again, before it is believed."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.errors import LicenceError
from bilevel.program.solver_program import SolverProgram
from bilevel.reformulate.modes import MODES, Mode, branching
from bilevel.relax import tangent
from bilevel.search.branching.part import whole
from bilevel.search.cut_session import CutSession
from bilevel.search.evaluate import evaluate
from bilevel.search.sides import sides_at
from bilevel.search.state import SearchState, opened
from bilevel.search.steps.small_tree import whole_tree_on
from bilevel.solvers import SOLVERS, Feature, Outcome
from bilevel.status import SolverStatus

OTHER_MODE_SECONDS = 1.0
"""What another mode may take at least, whatever the first call took: it is for small programs, and may be far slower."""

TREE_SHARE, TREE_SECONDS = 0.1, 2.0
"""What a tree of linear programs may take, of the first call's time and at least: mostly it is the quickest of all looks."""

_UNITS = np.array([2.0, 1.0, 0.5])


def below(state: SearchState) -> float:
    """The objective that a point has to keep to be better than the best one by what a solver's gap leaves open."""
    size = max(abs(state.incumbent.objective), state.floor)
    return state.incumbent.objective - tolerances.MIP_SHARE * state.budget.gap * size


def closes(state: SearchState, bound: float) -> bool:
    """Whether this bound would close the gap."""
    best = state.incumbent.objective
    return state.incumbent.x is not None and best - bound <= state.budget.gap * max(abs(best), state.floor)


def confirmed(state: SearchState, bound: float, seconds: float) -> float:
    """The bound, if a second look finds no better point; less where it leaves more open. The first call took so many seconds.

    A solver that cuts off the optimum closes the gap at the point that is left, and its answer does not contradict itself: another
    way through the program does.  A better point that is found there is the best one from then on.
    """
    found = state.incumbent
    state.budget.progress.phase("second look")
    best, cutoff = found.objective, below(state)
    _tree(state, max(TREE_SHARE * seconds, TREE_SECONDS))
    if state.incumbent.objective < best:
        return -np.inf
    if closes(state, found.bound):
        return found.bound
    outcome = Outcome(SolverStatus.NUMERICAL_ERROR, None, np.inf, -np.inf)
    for session, most in _ways(state, seconds):
        # A row that gives the relaxation an end is part of the question
        with session.priced(state.least + session.mip.offset, cutoff):
            outcome = session.solve(integer=True, improving=True, seconds=most)
        if outcome.status == SolverStatus.INFEASIBLE:
            return min(bound, cutoff)
        if outcome.x is not None:
            evaluate(state, sides_at(state.form, outcome.x), outcome.x)
        if state.incumbent.objective < best:
            # The first answer was wrong, and so may the second be: the search goes on without either
            return -np.inf
        if state.budget.over():
            state.finish()
            break
    # A point that is better by rounding alone is no contradiction, if its bound says so
    left = min(bound, cutoff, outcome.bound)
    if not closes(state, left) and not state.budget.over():
        found.ended = f"the bound of {state.solver.name} closes the gap, and no second look confirms it"
    return left


def _tree(state: SearchState, seconds: float) -> None:
    """Branching on pairs by linear programs for so long: it shares neither solver nor M with the first call, and proves its bounds.

    Where a small tree has left parts it was too slow.
    """
    if not state.splits_into_linear or len(state.parts) > 1 or state.budget.over():
        return
    budget = replace(state.budget, deadline=min(state.budget.deadline, time.monotonic() + seconds))
    session = opened(state.form, SOLVERS["highs"], MODES[branching.name], tangent, budget).master
    tree = whole_tree_on(state, session, tangent)
    replace(tree, enough=lambda: state.over() or budget.over()).run(
        state.incumbent.bound, whole(state.form.kkt.pairs.count)
    )


def _ways(state: SearchState, seconds: float) -> Iterator[tuple[CutSession, float]]:
    """Sessions over the same points that know nothing of the first call, and how long each may take.

    Another mode shares nothing with the first call but the solver, yet may take a hundred times as long, as the model's own
    numbers may where there is no other mode; a little different units make the search take another way at the same pace.
    """
    form, master, budget = state.form, state.master, replace(state.budget, scaling=True)
    limited = max(seconds, OTHER_MODE_SECONDS)
    other = _other_mode(state)
    # Tangents of the first call are not over the columns of another mode
    if other is not None and (master.mip.cones.count or not master.cones.count):
        # Another mode has other columns, which a licence of limited size may not hold
        with suppress(LicenceError):
            yield opened(form, state.solver, other, state.treatment, budget).master, limited
    else:
        yield _again(state, master.mip, replace(budget, scaling=not state.budget.scaling)), limited
    scale = master.mip.scale * _UNITS[np.arange(master.mip.columns) % len(_UNITS)]
    yield _again(state, replace(master.mip, scale=scale), budget), np.inf


def _again(state: SearchState, mip: SolverProgram, budget: Budget) -> CutSession:
    """A new session with the columns, cones and tangents of the first call."""
    session = CutSession(state.form, mip, state.master.cones, state.solver, budget)
    session.add_cuts(state.master.tangents)
    return session


def _other_mode(state: SearchState) -> Mode | None:
    """The first other mode that needs no limits of multipliers; it brings no products into a convex program."""
    form, features = state.form, state.solver.features
    if form.mip.products is None:
        features -= {Feature.NONCONVEX}
    for mode in MODES.values():
        able = (
            not (mode.needs_bounds or mode.branches)
            and mode.features(form) <= features
            and (mode.conic or not form.conic)
            and (mode.pairs or form.secure is None)
        )
        if able and mode.name != state.mode.name:
            return mode
    return None
