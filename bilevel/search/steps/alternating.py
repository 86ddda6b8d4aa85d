"""Points by alternating directions: decisions for given multipliers, multipliers for given decisions, and a penalty on what
complementarity lacks (the penalty alternating direction method of Kleinert and Schmidt 2021, INFORMS Journal on Computing 33(1)).

Each half is a linear program.  Where multipliers and decisions meet in complementarity alone the halves do not disturb each other,
and a handful of rounds ends at points that the optimum of the relaxation is far from.
"""

import numpy as np

from bilevel import tolerances
from bilevel.program.layout import Group
from bilevel.program.rows import Index, Vector
from bilevel.search.cut_session import CutSession
from bilevel.search.evaluate import evaluate
from bilevel.search.sides import incomplementarity, sides_at
from bilevel.search.state import SearchState, precise_session
from bilevel.status import SolverStatus

QUICK, SLOW, HEAVY = (0.1, 2.0), (0.01, 1.5), (10.0, 2.0)
"""Penalties to begin with, over the one that makes both objectives alike, and what they grow by: slower ones find better points,
and heavy ones find some where these do not."""

MOST_PENALTIES, MOST_ROUNDS = 40, 30
"""Penalties tried, and rounds with one of them."""


def alternating(state: SearchState) -> None:
    """Try the points that alternating directions end at."""
    form = state.form
    if state.relaxed is None or state.resumed or not _apart(state):
        return
    state.budget.progress.phase("alternating directions")
    halves = _Halves(precise_session(form, form.mip, state.budget))
    relaxed = form.columns.part_of(state.relaxed)
    for penalty, growth in (QUICK, SLOW, HEAVY):
        if (penalty, growth) == HEAVY and state.incumbent.x is not None:
            return
        point = _settled(state, halves, relaxed, penalty, growth)
        if point is not None:
            evaluate(state, sides_at(form, point), point)
        if state.over():
            return


def _apart(state: SearchState) -> bool:
    """Whether multipliers and decisions meet in complementarity alone, all else being linear."""
    form = state.form
    own = form.columns[Group.VARIABLES]
    # Prices and quadratic costs stand in stationarity beside the multipliers
    joined = form.kkt.stationarity.matrix.indices < own.stop
    linear = state.splits_into_linear and not form.mip.cones.count
    return bool(form.kkt.pairs.count) and linear and not joined.any() and not form.rows.count(Group.DUALS_READ)


class _Halves:
    """The two linear programs, in one session: each holds the columns of the other where they are."""

    def __init__(self, session: CutSession) -> None:
        self.session, self.form = session, session.form
        first = self.form.columns[Group.VARIABLES].stop
        self.own, self.multipliers = np.arange(first), np.arange(first, session.mip.columns)
        self.cost = session.mip.cost

    def multipliers_at(self, x: Vector) -> Vector | None:
        """The multipliers that pay least for what limits have to spare at x: those of the followers' answer, if x holds one."""
        pairs, cost = self.form.kkt.pairs, np.zeros(len(self.cost))
        cost[pairs.dual] = np.maximum(pairs.slack(x), 0.0)
        return self._optimum(cost, self.own, x)

    def decisions_at(self, x: Vector, penalty: float) -> Vector | None:
        """The leader's optimum with a penalty on the slack of every limit, in proportion to its multiplier."""
        return self._optimum(self.cost + penalty * self.lacking(x), self.multipliers, x)

    def lacking(self, x: Vector) -> Vector:
        """The gradient over the decisions of what complementarity lacks."""
        pairs, slope = self.form.kkt.pairs, np.zeros(len(self.cost))
        slope[: pairs.slack_matrix.shape[1]] = pairs.slack_matrix.T @ x[pairs.dual]
        return slope

    def _optimum(self, cost: Vector, held: Index, x: Vector) -> Vector | None:
        solver, mip = self.session.session, self.session.mip
        solver.set_cost(cost, 0.0)
        solver.set_column_bounds(held, x[held], x[held])
        found = self.session.solve(integer=False)
        solver.set_column_bounds(held, mip.lower[held], mip.upper[held])
        return found.x if found.status == SolverStatus.OPTIMAL else None


def _settled(state: SearchState, halves: _Halves, x: Vector, share: float, growth: float) -> Vector | None:
    """A complementary point; None where the penalties end at one that is not, or a half is not solved."""
    form, penalty = state.form, 0.0
    for _ in range(MOST_PENALTIES):
        for _ in range(MOST_ROUNDS):
            if state.budget.over():
                return None
            before, priced = x, halves.multipliers_at(x)
            if priced is None:
                return None
            # A first penalty beside which neither objective is lost; multipliers of 0, which secure answers do not take, have none
            lacks = float(np.abs(halves.lacking(priced)).max(initial=0.0))
            penalty = penalty or (share * _largest(halves.cost) / lacks if lacks > tolerances.NOT_ZERO else 0.0)
            found = halves.decisions_at(priced, penalty)
            if found is None:
                return None
            x = found
            if not incomplementarity(form, x).any():
                return x
            moved = np.abs(x - before)[halves.own]
            if (moved <= tolerances.PAIR_SIDE * form.mip.scale[halves.own]).all():
                break
        penalty *= growth
    return None


def _largest(values: Vector) -> float:
    return max(float(np.abs(values).max(initial=0.0)), tolerances.NOT_ZERO)
