"""Stationarity against Pyomo's own KKT transformation, an independent reading of the same follower."""

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.followers.kkt import optimality_conditions


def fill(block, x, rng, sense):
    """A random convex follower with every kind of row and bound; the same draw for the same generator state."""
    n = 4
    block.y = pyo.Var(range(n))
    for j, (low, high) in enumerate([(0, 5), (None, 4), (-1, None), (None, None)]):
        block.y[j].setlb(low)
        block.y[j].setub(high)
    root = rng.integers(-2, 3, (n, n))
    c, price = rng.integers(-3, 4, n), rng.integers(-2, 3, (2, n))
    quadratic = sum(float(v) * block.y[i] * block.y[j] for (i, j), v in np.ndenumerate(root.T @ root))
    linear = sum(float(c[j]) * block.y[j] for j in range(n))
    product = sum(float(v) * x[i] * block.y[j] for (i, j), v in np.ndenumerate(price))
    cost = quadratic + linear + product
    block.cost = pyo.Objective(expr=sense * cost, sense=pyo.minimize if sense == 1 else pyo.maximize)
    a, b = rng.integers(-3, 4, (4, n)), rng.integers(-2, 3, (4, 2))
    body = [
        sum(float(a[k, j]) * block.y[j] for j in range(n)) + sum(float(b[k, i]) * x[i] for i in (0, 1))
        for k in range(4)
    ]
    block.low = pyo.Constraint(expr=body[0] + block.y[0] >= 1)
    block.high = pyo.Constraint(expr=body[1] + block.y[1] <= 7)
    block.equal = pyo.Constraint(expr=body[2] + block.y[2] == 2)
    block.range = pyo.Constraint(expr=pyo.inequality(-3, body[3] + block.y[3], 6))


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("seed", range(8))
def test_stationarity_is_that_of_pyomo(seed, sense):
    ours = pyo.ConcreteModel()
    ours.x = pyo.Var([0, 1], bounds=(-2, 2))
    ours.f = bilevel.Follower()
    fill(ours.f, ours.x, np.random.default_rng(seed), sense)
    ours.objective = pyo.Objective(expr=ours.x[0] + ours.x[1])
    program = compile_model(ours)
    kkt = optimality_conditions(program)

    theirs = pyo.ConcreteModel()
    theirs.x = pyo.Var([0, 1])
    theirs.g = pyo.Block()
    fill(theirs.g, theirs.x, np.random.default_rng(seed), sense)
    transformation = pyo.TransformationFactory("core.kkt")
    transformation.apply_to(theirs, parameterize_wrt=[theirs.x])

    rng = np.random.default_rng(100 + seed)
    point = rng.normal(size=kkt.columns)
    place = {id(v): k for k, v in enumerate(program.variables)}
    for mine, other in ((ours.x, theirs.x), (ours.f.y, theirs.g.y)):
        for key in mine:
            other[key].set_value(point[place[id(mine[key])]])
    rows = {"f." + name: getattr(theirs.g, name) for name in ("low", "high", "equal", "range")}
    for k, row in enumerate(kkt.equal_row):
        set_multiplier(transformation, theirs, rows[program.followers.rows.names[row]], 0, point[kkt.lam[k]])
    for k in range(kkt.pairs.count):
        row, column = int(kkt.pairs.row[k]), int(kkt.pairs.column[k])
        names = program.followers.rows.names
        mine = rows[names[row]] if row >= 0 else theirs.g.y[program.variables[column].index()]
        set_multiplier(transformation, theirs, mine, int(kkt.pairs.side[k]), point[kkt.pairs.dual[k]])

    residual = kkt.stationarity.matrix @ point - kkt.stationarity.lower
    expected = sorted(float(pyo.value(row.body)) for row in theirs.kkt.stationarity_conditions.values())
    assert sorted(residual.tolist()) == pytest.approx(expected)


def set_multiplier(transformation, model, component, side, value):
    """Put a multiplier of a row or bound: side 0 is an equality, 1 a lower and -1 an upper limit."""
    found = transformation.get_multiplier_from_object(model, component)
    pair = found if isinstance(found, tuple) else (found, found)
    (pair[0] if side >= 0 else pair[1]).set_value(float(value), skip_validation=True)
