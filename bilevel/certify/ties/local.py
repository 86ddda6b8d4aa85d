"""Ties by tangents, where the followers' optima are no polyhedron: values that are attained, and no bound."""

from dataclasses import replace

import numpy as np

from bilevel import tolerances
from bilevel.certify.ties.broken import Broken
from bilevel.certify.ties.face import TieProblem
from bilevel.program.cones import stack_cones
from bilevel.program.rows import Vector, stack_rows
from bilevel.relax import outer_approximation

_MOST_STEPS = 5


def together(problem: TieProblem) -> outer_approximation.Problem:
    """The leader's problem over all ties that keep its rows."""
    mip = problem.program(stack_rows([replace(problem.rows, names=()), problem.face]))
    return outer_approximation.Problem(mip, stack_cones(problem.cones, problem.face_cones), problem.at)


def climbed(problem: TieProblem) -> tuple[float, Vector, tuple[Broken, ...]]:
    """The largest minimised objective that steps along its slope find, the followers' answer there, and what it breaks."""
    given, mine = together(problem), problem.follower
    value, best, y = -np.inf, problem.at[mine], problem.at[mine]
    # The leader's least objective is convex in the answers, so a vertex that its slope points to is no better for it
    for _ in range(_MOST_STEPS):
        given.hold(mine, y)
        outcome = given.optimum()
        if outcome.x is None or outcome.reduced_cost is None:
            return np.inf, y, (Broken("the leader's rows", np.nan, np.nan, mine),)
        if outcome.objective <= value + tolerances.TIE_DIFFERENCE * abs(value):
            break
        value, best = outcome.objective, y
        found = vertex(problem, -outcome.reduced_cost[mine])
        if found is None:
            break
        y = found
    return value, best, ()


def vertex(problem: TieProblem, cost: Vector) -> Vector | None:
    """A best point of the followers' optimal sets for a linear cost, leader rows aside."""
    mip, mine = problem.program(problem.face), problem.follower
    lower, upper, whole = mip.lower.copy(), mip.upper.copy(), np.zeros(mip.columns)
    lower[problem.state], upper[problem.state], whole[mine] = 0.0, 0.0, cost
    alone = replace(mip, cost=whole, offset=0.0, lower=lower, upper=upper)
    x = outer_approximation.converge(outer_approximation.opened(alone), problem.face_cones).x
    return None if x is None else x[mine]
