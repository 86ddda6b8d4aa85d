"""Prices under which given answers of the followers are best ones, the best for the leader and as far from ties as they may be.

A master meets the followers' indifference to its solver's digits only, and a follower with integers is checked to more.  With the
answers held, what each costs and what others cost is linear in the prices, so that these come from linear programs.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.budget import Budget
from bilevel.integer.draft import Draft, Form, added
from bilevel.integer.oracle import Reply
from bilevel.integer.priced.moved import Known
from bilevel.integer.problem import Problem
from bilevel.integer.solving import solved
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.solvers import SOLVERS

MOST_ROUNDS = 30
"""Of other answers that are cheaper at the prices found."""
DIGITS = 1e3
"""Costs over their size are this large to the solver, which makes its tolerance so much finer."""
MARGIN = 1e-3
"""Of a follower's cost, by which other answers need not be dearer."""

Ask = Callable[[Vector], list[Reply]]


def suited(program: Program, x: Vector, known: Known, ask: Ask, allowed: Budget) -> Vector | None:
    """The leader's part of a point at which the followers' answers in x are best ones; None where there is none.

    `ask` gives their best answers at a point; `known` are some of them, with their followers.
    """
    stack = program.followers
    lower, upper = program.lower.copy(), program.upper.copy()
    held = stack.columns
    lower[held] = upper[held] = program.within(x)[held]
    problem = Problem(replace(program, lower=lower, upper=upper))
    size = stack.cost_size(program.least_size)
    others = [(at, _dearer(problem, at, y, size[at])) for at, y in known]
    for _ in range(MOST_ROUNDS):
        point = _at_prices(problem, others, allowed)
        if point is None or allowed.over():
            return None
        paid, found = stack.costs(point), False
        for at, reply in enumerate(ask(point)):
            if reply.y is not None and paid[at] - reply.cost > tolerances.FOLLOWER_CONE * max(
                abs(reply.cost), size[at]
            ):
                others.append((at, _dearer(problem, at, reply.y, size[at])))
                found = True
        if not found:
            return point
    return None


def _dearer(problem: Problem, follower: int, y: Vector, size: float) -> tuple[Form, float]:
    """What the held answer costs less what y costs, at most 0: a form and its limit, in the solver's digits."""
    fixed, priced = problem.cost_of(follower, y)
    form = added(added({}, problem.costs[follower]), priced, -1.0)
    factor = DIGITS / size
    return {column: factor * value for column, value in form.items() if value}, factor * fixed


def _at_prices(problem: Problem, others: list[tuple[int, tuple[Form, float]]], allowed: Budget) -> Vector | None:
    """First the leader's best, then the prices at which the nearest other answer is dearest."""
    best = np.inf
    x: Vector | None = None
    for margin in (0.0, MARGIN * DIGITS):
        draft = Draft(problem.base.columns)
        slack = draft.column(0.0, margin)
        for _, (form, limit) in others:
            # What costs the same at every price has no margin
            free = any(problem.lower[c] < problem.upper[c] for c in form if c < problem.program.columns)
            draft.row({**form, slack: 1.0} if free else form, -np.inf, limit, "no dearer")
        mip = draft.on(problem.base)
        if margin:
            room = tolerances.AS_GOOD * max(abs(best), problem.program.objective_floor(x))
            objective = {int(at): float(mip.cost[at]) for at in np.flatnonzero(mip.cost)}
            draft.row(objective, -np.inf, best - mip.offset + room, "as good")
            mip = draft.on(problem.base)
            mip.cost[:] = 0.0
            mip.cost[slack] = -1.0
        outcome = solved(mip, problem.program.cones, SOLVERS["highs"], allowed)
        if outcome.x is None:
            return x
        best, x = min(best, outcome.objective), problem.program.within(outcome.x[: problem.program.columns])
    return x
