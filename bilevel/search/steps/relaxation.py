"""The relaxation without complementarity: the first lower bound, the first tangents, and a point to guess from."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.followers.best_response import fixed_follower_rows
from bilevel.program.rows import Rows
from bilevel.relax import tangent
from bilevel.search.state import SearchState, precise_session
from bilevel.search.steps.candidates import guess
from bilevel.search.verdicts import no_answer
from bilevel.status import SolverStatus, Status


def wall(state: SearchState) -> None:
    """Where the relaxation falls without end, a row gives it one, far out: SCIP and Gurobi may invent ends of their own.

    A bound at that row proves nothing; `evaluate` finds out whether what lies behind it is a ray.
    """
    mip, master = state.form.mip, state.master
    session = state.precise
    if session is master:
        session = precise_session(state.form, replace(mip, products=None), state.budget)
    # Where cones are left to tangents, no end is called a numerical error (`CutSession.solve`)
    if session.solve(integer=False).status not in (SolverStatus.UNBOUNDED, SolverStatus.NUMERICAL_ERROR):
        return
    state.least = far(state)
    row = np.concatenate([mip.cost, np.zeros(master.mip.columns - mip.columns)])
    master.add_cuts(Rows(sp.csr_array(row[None, :]), np.array([state.least]), np.array([np.inf])))


def far(state: SearchState) -> float:
    """An objective, without its constant, so low that what lies behind it is looked at as a ray."""
    mip = state.form.mip
    return -tolerances.OBJECTIVE_WALL * max(float(np.abs(mip.cost * mip.scale).max(initial=0.0)), tolerances.NOT_ZERO)


def relaxation(state: SearchState) -> None:
    """Without complementarity: a lower bound, the first tangents, and a point to guess from."""
    master, interior = state.master, state.sessions.interior
    state.budget.progress.phase("relaxation")
    settled = np.inf
    # A small program that goes on from another one has its tangents
    if state.treatment is tangent and master.cones.count and (interior is not None or not state.resumed):
        outcome = master.seed()
        settled = master.settled(outcome)
        if interior is not None and outcome.x is not None and np.isfinite(outcome.bound):
            # A linear program of this size takes far longer, and may not be needed
            state.raise_bound(outcome.bound)
            state.relaxed = outcome.x
            guess(state)
            if state.over():
                return
    state.budget.progress.phase("relaxation")
    # From the interior point's value on, further rounds could add next to nothing to the bound
    point = master.converge(state.treatment, lambda bound: _suffices(state, bound) or bound >= settled)
    if point.status == SolverStatus.INFEASIBLE:
        _infeasible(state)
    state.raise_bound(point.value)
    state.relaxed = point.x
    if point.x is not None and state.incremental:
        # Branch and bound would carry every tangent of the way through all of its nodes
        master.drop_slack_tangents(point.x)
        state.share_tangents()


def _suffices(state: SearchState, bound: float) -> bool:
    """Whether a bound that rises is high enough for the incumbent."""
    state.raise_bound(bound)
    return state.incumbent.x is not None and state.over()


def _infeasible(state: SearchState) -> None:
    """A verdict needs the optimality conditions alone, without rows that a solver's answer gave; or these widened."""
    plain = precise_session(state.form, replace(state.form.mip, products=None), state.budget)
    # One computed answer of a follower, and its rounding, must not be what makes a program infeasible
    if plain.converge(tangent).status == SolverStatus.INFEASIBLE:
        state.incumbent.verdict = Status.INFEASIBLE
        state.incumbent.ended = "linear programs find no point of the relaxation, but no multipliers prove it"
    elif proof := no_answer(state.form):
        state.incumbent.verdict, state.incumbent.proof = Status.INFEASIBLE, proof


def relaxation_apart(state: SearchState) -> None:
    """The bound of a nonconvex program without its products, by linear programs: enough where a good point is given."""
    state.budget.progress.phase("relaxation")
    known = fixed_follower_rows(state.form.program).widened(state.form.mip.columns)
    session = precise_session(state.form, replace(state.form.mip, products=None).with_rows(known), state.budget)
    state.raise_bound(session.converge(tangent).value)
