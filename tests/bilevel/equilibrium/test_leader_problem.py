"""Cooperating followers against closed forms and direct solves, and the leader's own problem with its duals by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import LinearBilevel, enumerate_optimum, linear_model
from pyomo.common.collections import ComponentMap
from scipy.optimize import linprog

import bilevel
from bilevel import ModelError

SEEDS = st.integers(0, 2**32 - 1)


def nearest(sum_max: float = 5.0, integer: bool = False) -> Any:
    """The squared distance of (x, y) from (3, 4) under x + y <= sum_max; the follower wants y small."""
    m = pyo.ConcreteModel("nearest")
    m.x = pyo.Var(bounds=(0, 10), within=pyo.Integers if integer else pyo.Reals)
    m.distance = pyo.Var(bounds=(0, 200))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.limit = pyo.Constraint(expr=m.x + m.f.y <= sum_max)
    m.ball = pyo.Constraint(expr=(m.x - 3) ** 2 + (m.f.y - 4) ** 2 <= m.distance)
    m.objective = pyo.Objective(expr=m.distance)
    return m


def test_cooperation_is_the_projection_and_the_follower_alone_is_worse() -> None:
    model = nearest()
    found = bilevel.cooperative(model, gap=1e-6, progress=False)
    assert found.status == "certified", found.reason
    assert found.objective == pytest.approx(2.0, rel=1e-5)
    assert found.bound <= 2.0 + 1e-9 and found.bound == pytest.approx(2.0, rel=1e-5)
    assert (pyo.value(model.x), pyo.value(model.f.y)) == pytest.approx((2.0, 3.0), abs=5e-3)
    assert found.settings["followers"] == "cooperate"
    assert not {"follower optimality", "stationarity", "complementarity"} & {c.name for c in found.certificate.checks}
    alone = bilevel.solve(model, progress=False)
    assert alone.status == "certified" and alone.objective == pytest.approx(16.0, rel=1e-5)
    assert pyo.value(model.f.y) == pytest.approx(0.0, abs=1e-6)


def test_integers_of_the_leader_stay_integers() -> None:
    model = nearest(5.5, integer=True)
    found = bilevel.cooperative(model, gap=1e-6, progress=False)
    assert found.status == "certified", found.reason
    by_hand = min((x - 3) ** 2 + max(4 - (5.5 - x), 0.0) ** 2 for x in range(6))
    assert by_hand == 1.25 and found.objective == pytest.approx(by_hand, rel=1e-5)
    assert (pyo.value(model.x), pyo.value(model.f.y)) == pytest.approx((2.0, 3.5), abs=1e-3)


def test_what_nobody_can_do_is_infeasible_and_without_a_point() -> None:
    found = bilevel.cooperative(nearest(-1.0), progress=False)
    assert found.status == "infeasible" and not found.values and found.certificate["infeasible relaxation"].ok
    assert np.isnan(found.objective)


def test_products_of_leader_and_follower_are_refused_in_rows_and_objective_alone() -> None:
    model = nearest()
    model.f.cost.set_value(-model.x * model.f.y)  # the follower's own product does not matter
    assert bilevel.cooperative(model, progress=False).status == "certified"
    model.row = pyo.Constraint(expr=model.x * model.f.y <= 3)
    with pytest.raises(ModelError, match=r"row 'row' holds 'x' times 'f\.y'"):
        bilevel.cooperative(model, progress=False)
    model.row.deactivate()
    model.objective.set_value(model.distance + model.x * model.f.y)
    with pytest.raises(ModelError, match=r"the leader's objective holds 'x' times 'f\.y'"):
        bilevel.cooperative(model, progress=False)
    model.x.fix(2.0)
    assert bilevel.cooperative(model, progress=False).status == "certified"


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_random_linear_models_cooperate_as_one_linear_program_and_bound_the_bilevel_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nx, ny, rows = 2, 2, 3
    A, B = rng.integers(-3, 6, (rows, nx)), rng.integers(1, 6, (rows, ny))
    p = LinearBilevel(
        *(rng.integers(-5, 6, n) for n in (nx, ny, ny)), A, B, rng.integers(8, 20, rows), [[1, 1]], [[0, 0]], [6]
    )
    found = bilevel.cooperative(linear_model(p), gap=1e-7, progress=False)
    matrix = np.vstack([np.hstack([A, B]), [1, 1, 0, 0]])
    direct = linprog(np.concatenate([p.c, p.d]), matrix, [*p.b, 6], bounds=[(0, 100)] * (nx + ny))
    assert found.status == "certified"
    assert found.objective == pytest.approx(direct.fun, rel=1e-6, abs=1e-6)
    assert found.bound <= enumerate_optimum(p) + 1e-6


# The leader's own problem


def supply(second_max: float = 100.0) -> Any:
    """Two sources at 1 and 3 a unit in two hours, the first up to 5, and a loss of 0.01 z^2 at 10 a unit; the follower draws."""
    m = pyo.ConcreteModel("supply")
    m.T = pyo.RangeSet(0, 1)
    m.price = pyo.Var(m.T, bounds=(0, 9))
    m.cap = pyo.Constraint(expr=m.price[0] + m.price[1] <= 10)
    m.first = pyo.Var(m.T, bounds=(0, 5))
    m.second = pyo.Var(m.T, bounds=(0, second_max))
    m.loss = pyo.Var(m.T, bounds=(0, 50))
    m.user = bilevel.Follower()
    m.user.y = pyo.Var(m.T, bounds=(0, 20))
    m.user.need = pyo.Constraint(expr=m.user.y[0] + m.user.y[1] == 12)
    m.user.cost = pyo.Objective(expr=sum(m.price[t] * m.user.y[t] for t in m.T))
    m.balance = pyo.Constraint(m.T, rule=lambda m, t: m.first[t] + m.second[t] == m.user.y[t])
    m.cone = pyo.Constraint(m.T, rule=lambda m, t: (0.1 * m.user.y[t] + 0.1) ** 2 <= m.loss[t])
    m.objective = pyo.Objective(expr=sum(m.first[t] + 3 * m.second[t] + 10 * m.loss[t] for t in m.T))
    return m


def cost(y: float) -> float:
    return min(y, 5.0) + 3 * max(y - 5.0, 0.0) + 10 * (0.1 * y + 0.1) ** 2


def loads(model: Any, drawn: tuple[float, float]) -> Any:
    return ComponentMap((model.user.y[t], drawn[t]) for t in model.T)


def test_optimum_and_duals_by_hand_for_one_load_after_another() -> None:
    model = supply()
    problem = bilevel.LeaderProblem(model, model.price.values())
    for drawn in itertools.product((0.0, 2.0, 4.5, 7.0, 20.0), repeat=2):  # the follower's own rows do not matter
        best = problem.solve(loads(model, drawn))
        assert best.objective == pytest.approx(sum(map(cost, drawn)), rel=1e-6)
        assert (best.limits_broken, best.worst_limit, best.worst_violation) == (0, "", 0.0)
        for t, y in enumerate(drawn):
            assert best.values[model.user.y[t]] == y
            assert best.values[model.second[t]] == pytest.approx(max(y - 5.0, 0.0), abs=1e-7)
            if y:  # at 0 the source's lower limit takes part
                assert best.dual(model.balance[t]) == pytest.approx(3.0 if y > 5 else 1.0, abs=1e-6)
    assert problem.solves == 25


def test_duals_behind_a_cone_are_slopes_of_the_cost() -> None:
    m = supply()
    m.through = pyo.Var(m.T, bounds=(0, 50))
    m.flow = pyo.Constraint(m.T, rule=lambda m, t: m.through[t] == m.user.y[t])
    for t in m.T:
        m.cone[t].set_value((0.1 * m.through[t] + 0.1) ** 2 <= m.loss[t])
    problem = bilevel.LeaderProblem(m, m.price.values())
    for drawn in ((2.0, 7.0), (11.0, 0.5)):
        best = problem.solve(loads(m, drawn))
        assert best.objective == pytest.approx(sum(map(cost, drawn)), rel=1e-6)
        for t, y in enumerate(drawn):
            assert best.dual(m.flow[t]) == pytest.approx(2 * (0.1 * y + 0.1), rel=2e-4)


def test_limits_that_have_to_break_are_told_and_priced() -> None:
    model = supply(second_max=2.0)
    problem = bilevel.LeaderProblem(model, model.price.values())
    within, beyond = problem.solve(loads(model, (7.0, 1.0))), problem.solve(loads(model, (10.0, 1.0)))
    assert within.limits_broken == 0 and within.dual(model.balance[0]) >= 3.0 - 1e-6
    assert beyond.limits_broken >= 1 and beyond.worst_limit in ("first[0]", "second[0]")
    assert beyond.dual(model.balance[0]) > 30 and beyond.dual(model.balance[1]) == pytest.approx(1.0, abs=1e-6)
    assert beyond.values[model.first[0]] + beyond.values[model.second[0]] == pytest.approx(10.0, rel=1e-7)


def test_loads_that_are_no_followers_and_rows_that_are_no_leaders_are_refused() -> None:
    model = supply()
    problem = bilevel.LeaderProblem(model, model.price.values())
    with pytest.raises(ModelError, match=r"variable 'first\[0\]' is no follower's"):
        problem.solve(ComponentMap([(model.first[0], 1.0)]))
    with pytest.raises(ModelError, match="'stray' is no follower's"):
        stray = pyo.Var(name="stray")
        stray.construct()
        problem.solve(ComponentMap([(stray, 1.0)]))
    best = problem.solve(ComponentMap([(model.user.y[1], 3.0)]))  # others are 0
    assert best.values[model.user.y[0]] == 0 and best.objective == pytest.approx(cost(0.0) + cost(3.0), rel=1e-6)
    with pytest.raises(KeyError):
        best.dual(model.user.need)


def test_duals_have_one_sign_however_their_row_is_written() -> None:
    """The second source at 3 a unit meets what is more than 5: 3 for one more unit of load, whichever side the load stands on."""
    for write in (
        lambda m, y: m.first[0] + m.second[0] == y, lambda m, y: y == m.first[0] + m.second[0],
        lambda m, y: y <= m.first[0] + m.second[0], lambda m, y: m.first[0] + m.second[0] >= y,
        lambda m, y: m.first[0] + m.second[0] - y >= 0,
    ):  # fmt: skip
        model = supply()
        model.balance[0].set_value(write(model, model.user.y[0]))
        best = bilevel.LeaderProblem(model, model.price.values()).solve(loads(model, (7.0, 5.0)))
        assert best.dual(model.balance[0]) == pytest.approx(3.0, abs=1e-6)
    with pytest.raises(ModelError, match="the dual is asked of 'balance"):
        best.dual(supply().balance[0])


def test_integer_leaders_have_no_duals() -> None:
    model = supply()
    model.second[0].domain = pyo.Integers
    with pytest.raises(ModelError, match=r"'second\[0\]' is integer, so rows have no duals"):
        bilevel.LeaderProblem(model, model.price.values())
