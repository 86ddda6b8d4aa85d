"""A pricing problem whose front of income and load is known in closed form."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

import bilevel
from bilevel.front.pareto_front import ParetoFront


def ladder(steps: int = 1) -> Any:
    """Users of 1 unit each, who pay at most k for theirs (k = 2, 3, ...): the income under a limit of the load.

    User k buys at a price p while p <= k (ties in the seller's favour); every user has a price of its own.  With a load of n units
    the n dearest users are served at their limits: the front is a staircase with steps at whole loads.
    """
    m = pyo.ConcreteModel()
    m.U = pyo.RangeSet(2, 1 + steps)
    m.price = pyo.Var(m.U, bounds=(0, 2 + steps))
    m.user = bilevel.Follower(list(m.U))
    for k, user in m.user.items():
        user.bought, user.elsewhere = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
        user.bill = pyo.Objective(expr=m.price[k] * user.bought + k * user.elsewhere)
        user.need = pyo.Constraint(expr=user.bought + user.elsewhere == 1)
    m.income = pyo.Expression(expr=pyo.quicksum(m.price[k] * m.user[k].bought for k in m.U))
    m.energy = pyo.Expression(expr=pyo.quicksum(m.user[k].bought for k in m.U))
    m.objective = pyo.Objective(expr=m.energy)
    return m


def income(load: float, steps: int) -> float:
    """Best income of a ladder: at a price equal to a user's limit any share of that user may be sold."""
    best, left = 0.0, load
    for k in range(1 + steps, 1, -1):
        best += k * min(1.0, max(0.0, left))
        left -= 1
    return best


def traced(model: Any, **given: Any) -> ParetoFront:
    return bilevel.pareto(model, maximize=model.income, limit=model.energy, progress=False, **given)
