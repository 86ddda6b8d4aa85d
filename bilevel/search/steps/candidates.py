"""Points that a search tries before it branches: earlier ones, guesses, the followers' answers to a decision."""

import numpy as np
import scipy.sparse as sp

from bilevel.certify.repair import multipliers
from bilevel.errors import ModelError
from bilevel.followers.best_response import best_response
from bilevel.program.layout import Group
from bilevel.program.rows import Mask, Vector
from bilevel.reformulate.margins import column_margins
from bilevel.reformulate.security import Secure
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.evaluate import evaluate, holds
from bilevel.search.incumbent import Known
from bilevel.search.sides import Sides, sides_at, small_dual, small_slack
from bilevel.search.state import SearchState

SPREAD = 5.0
"""Margins by which equal prices are moved apart: more than one, as users with different windows see different neighbours."""


def earlier_points(state: SearchState, starts: tuple[tuple[Mask, Vector], ...]) -> None:
    """The best points with the same sides as those of earlier programs."""
    state.budget.progress.phase("earlier points" if starts else "relaxation")
    for slack_zero, x in starts:
        if not state.over():
            evaluate(state, slack_zero, x)


def known_point(state: SearchState, known: Known) -> None:
    """A point by its sides, and a bound that was proven of it."""
    evaluate(state, known.slack_zero, known.x)
    state.raise_bound(known.bound)


def guess(state: SearchState) -> None:
    """Keep the relaxation's schedule and find prices that make it the followers' choice; then the converse; then answers."""
    if state.relaxed is None or state.resumed:
        return
    state.budget.progress.phase("first schedules")
    for slack_zero in (small_slack(state.form, state.relaxed), ~small_dual(state.form, state.relaxed)):
        evaluate(state, slack_zero, state.relaxed)
        if state.over():
            return
    if state.form.secure is not None and state.incumbent.x is not None:
        # Answers to these decisions have ties, of which the first schedules are the better guess
        return
    for decision in (state.relaxed, _middle(state)):
        # Followers with cones get their exact answer in `evaluate`
        if not (state.form.conic or state.over()):
            answer(state, decision)


def _middle(state: SearchState) -> Vector:
    """The middle of every column's bounds, the end where there is one bound only."""
    program = state.form.program
    low, high = np.isfinite(program.lower), np.isfinite(program.upper)
    ends = [np.where(np.isfinite(end), end, 0.0) for end in (program.lower, program.upper)]
    return np.asarray(np.where(low & high, (ends[0] + ends[1]) / 2, ends[0] + ends[1]))


def answer(state: SearchState, x: Vector) -> None:
    """Keep the leader's decision: the followers' exact answer to it, with multipliers that say which limits have to hold."""
    form = state.form
    own, priced = form.columns[Group.VARIABLES], form.kkt.layout.after(Group.VARIABLES)
    answered = np.zeros(form.kkt.columns)
    answered[own] = x[own]
    try:
        answered[form.program.followers.columns] = best_response(form.program, x[own])
    except ModelError:
        return
    # Within their proven limits, as the program cuts off what lies beyond
    answered[priced] = multipliers(form, answered[own], bounded=True)
    if not np.isfinite(answered).all():
        return
    point = evaluate(state, ~small_dual(form, answered), answered)
    if point.x is not None or state.over():
        return
    # Pairs with nothing on either side may have been read wrongly: leave them open, and read them from what comes of it
    slack, dual = small_slack(form, answered), small_dual(form, answered)
    with state.master.restricted(Sides(slack & ~dual, dual & ~slack), answered) as possible:
        point = state.master.converge(state.treatment) if possible else point
    if point.x is not None:
        evaluate(state, sides_at(form, point.x), point.x)


def apart(state: SearchState) -> None:
    """Where guesses have no secure answer: the relaxation's prices moved apart, so that every follower has one response.

    What followers buy more of gets cheaper, so that all of them see prices in one order.
    """
    form = state.form
    if form.secure is None or state.relaxed is None or state.resumed or state.incumbent.x is not None:
        return
    state.budget.progress.phase("prices apart")
    moved = form.columns.part_of(state.relaxed).copy()
    step = _apart_by(form, form.secure, moved)
    # Integers are held where they are put, so that none may be put beyond its bounds
    moved[: len(step)] = np.clip(moved[: len(step)] + SPREAD * step, form.program.lower, form.program.upper)
    if step.any():
        answer(state, moved)


def _apart_by(form: Reformulation, secure: Secure, x: Vector) -> Vector:
    """Of every column that prices followers its rank by what they buy at its price, in margins of theirs; 0 of others."""
    program, stack = form.program, form.program.followers
    price = sp.coo_array(stack.price)
    leader, column = price.coords
    bought = np.bincount(leader, weights=np.abs(price.data) * x[column], minlength=program.columns)
    margin = np.zeros(program.columns)
    np.maximum.at(margin, leader, column_margins(program, secure.margin)[column] / np.abs(price.data))
    found = np.zeros(program.columns)
    priced = np.unique(leader)
    found[priced[np.argsort(bought[priced], kind="stable")]] = -np.arange(1.0, len(priced) + 1.0)
    return found * margin


def given_point(state: SearchState, x: Vector) -> None:
    """A point for a nonconvex program: as it is where it is bilevel feasible, else with the followers' answer in it."""
    form, program = state.form, state.form.program
    if form.conic:
        return
    own, priced = form.columns[Group.VARIABLES], form.kkt.layout.after(Group.VARIABLES)
    state.budget.progress.phase("given point")
    for answers in (False, True):
        point = np.zeros(form.mip.columns)
        point[own] = np.where(program.integer, np.round(x[own]), x[own])
        if answers:
            try:
                point[program.followers.columns] = best_response(program, point[own])
            except ModelError:
                return
        point[priced] = multipliers(form, point[own], bounded=True)
        _complete(state, point)
        if not np.isfinite(point).all():
            continue
        slack_zero = ~small_dual(form, point)
        if holds(state, point, slack_zero):
            state.take(point, slack_zero)
            return
        if evaluate(state, slack_zero, point).x is not None:
            return


def _complete(state: SearchState, point: Vector) -> None:
    """Fill the columns after the multipliers: squares of quadratic followers' revenue, and the objective's own products."""
    form, mip = state.form, state.form.mip
    point[form.columns[Group.REVENUE]] = form.cones.part(mip.cones.parts(point)[1], Group.REVENUE)
    if mip.products is not None and form.columns.count(Group.OBJECTIVE):
        # Its rows stand first among the products
        point[form.columns[Group.OBJECTIVE]] = mip.products.activity(point)[0]
