"""Random bilevel problems whose optimum is found by enumeration, for proofs of their bounds."""

from fractions import Fraction

import numpy as np
import pyomo.environ as pyo
from scipy.optimize import linprog

import bilevel


def random_model(seed: int) -> tuple[pyo.ConcreteModel, float]:
    """A linear follower and an integer leader, with the optimum by enumeration; infinite where there is no point."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-3, 4, (3, 2)), rng.integers(-3, 4, (3, 2))
    limit, c, d, e = rng.integers(1, 8, 3), rng.integers(-4, 5, 2), rng.integers(-4, 5, 2), rng.integers(-4, 5, 2)
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2), bounds=(0, 2), domain=pyo.Integers)
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(range(2), bounds=(0, 4))
    model.f.rows = pyo.ConstraintList()
    for k in range(3):
        if b[k].any():
            left = sum(int(a[k, i]) * model.x[i] for i in range(2)) + sum(int(b[k, j]) * model.f.y[j] for j in range(2))
            model.f.rows.add(left <= int(limit[k]))
    model.f.cost = pyo.Objective(expr=sum(int(c[j]) * model.f.y[j] for j in range(2)))
    model.cost = pyo.Objective(expr=sum(int(d[i]) * model.x[i] + int(e[i]) * model.f.y[i] for i in range(2)))
    used, best = b.any(axis=1), np.inf
    for x in np.ndindex(3, 3):
        room = (limit - a @ np.array(x))[used]
        answer = linprog(c, b[used], room, bounds=[(0, 4)] * 2)
        if answer.status == 0:
            # The leader's favourite among the answers
            among = linprog(e, np.vstack([b[used], c]), [*room, answer.fun + 1e-9], bounds=[(0, 4)] * 2)
            # At a corner of two rows of whole numbers up to 3 in size, so that its denominator is at most 18
            best = min(best, float(d @ np.array(x) + Fraction(among.fun).limit_denominator(18)))
    return model, best
