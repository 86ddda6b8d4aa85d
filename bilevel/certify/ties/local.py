"""Ties by tangents, where the followers' optima are no polyhedron: values that are attained, and no bound."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.certify.ties.broken import Broken
from bilevel.certify.ties.face import TieProblem
from bilevel.program.cones import stack_cones
from bilevel.program.rows import Vector, stack_rows
from bilevel.relax import outer_approximation
from bilevel.solvers import Outcome
from bilevel.status import SolverStatus

_MOST_STEPS = 5


def together(problem: TieProblem) -> outer_approximation.Problem:
    """The leader's problem over all ties that keep its rows."""
    mip = problem.program(stack_rows([replace(problem.rows, names=()), problem.face]))
    return outer_approximation.Problem(mip, stack_cones(problem.cones, problem.face_cones), problem.at)


def climbed(problem: TieProblem) -> tuple[float, Vector, tuple[Broken, ...]]:
    """The largest minimised objective that steps along its slope find, the followers' answer there, and what it breaks.

    Minus infinity where no answer has one within the time.
    """
    given, mine = together(problem), problem.follower
    value, best, y = -np.inf, problem.at[mine], problem.at[mine]
    # The leader's least objective is convex in the answers, so a vertex that its slope points to is no better for it
    for _ in range(_MOST_STEPS):
        given.hold(mine, y)
        outcome = given.optimum()
        if outcome.status == SolverStatus.INFEASIBLE:
            return np.inf, y, (Broken("the leader's rows", np.nan, np.nan, mine),)
        if outcome.x is None or outcome.reduced_cost is None:
            break
        if outcome.objective <= value + tolerances.TIE_DIFFERENCE * abs(value):
            break
        value, best = outcome.objective, y
        found = vertex(problem, -outcome.reduced_cost[mine]).x
        if found is None:
            break
        y = found[mine]
    return value, best, ()


def vertex(problem: TieProblem, cost: Vector) -> Outcome:
    """A best point of the followers' optimal sets for a linear cost of their columns, leader rows aside; its value from below."""
    mip, mine = problem.program(problem.face), problem.follower
    lower, upper, whole = mip.lower.copy(), mip.upper.copy(), np.zeros(mip.columns)
    lower[problem.state], upper[problem.state], whole[mine] = 0.0, 0.0, cost
    alone = replace(mip, cost=whole, offset=0.0, lower=lower, upper=upper)
    return outer_approximation.converge(outer_approximation.opened(alone), problem.face_cones)


def most(problem: TieProblem) -> float:
    """What no tie costs more than, leader rows aside, where none of the leader's free columns has a cost; infinite elsewhere."""
    if np.any(problem.cost[problem.state]):
        return np.inf
    outcome = vertex(problem, -problem.cost[problem.follower])
    return np.inf if outcome.x is None else problem.fixed - outcome.value
