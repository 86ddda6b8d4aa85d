"""A small model whose search nobody sees the end of, at once with a point: for time limits and Ctrl-C."""

import random
from typing import Any

import pyomo.environ as pyo

import bilevel


def market_split(products: int = 4) -> Any:
    """Thirty customers, each to one of two sellers, so that of each product both sell the same; what is off is minimised.

    Branch and bound has nothing to go by but trying (Cornuejols and Dawande 1998); 10 is added, so that gaps are relative to more
    than 0.  The follower pays or takes for one customer.
    """
    draw = random.Random(1)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(30), within=pyo.Binary)
    model.off = pyo.Var(range(products), bounds=(0, None))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, 1))
    model.f.cost = pyo.Objective(expr=model.f.y * (model.x[0] - 0.5))
    weights = [[draw.randrange(100) for _ in model.x] for _ in range(products)]

    def short(k: int) -> Any:
        return sum(weights[k]) // 2 - sum(w * model.x[j] for j, w in enumerate(weights[k]))

    model.under = pyo.Constraint(range(products), rule=lambda m, k: m.off[k] >= short(k))
    model.over = pyo.Constraint(range(products), rule=lambda m, k: m.off[k] >= -short(k))
    model.goal = pyo.Objective(expr=10 + sum(model.off.values()) + model.f.y)
    return model
