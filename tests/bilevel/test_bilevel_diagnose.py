"""Infeasible programs: whose fault it is."""

import pyomo.environ as pyo
import pytest

import bilevel


def base():
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower([0, 1])
    for at in (0, 1):
        m.f[at].y = pyo.Var(bounds=(0, 5))
        m.f[at].cost = pyo.Objective(expr=-m.f[at].y)
        m.f[at].row = pyo.Constraint(expr=m.f[at].y <= 3 + m.x)
    m.objective = pyo.Objective(expr=m.x + m.f[0].y + m.f[1].y)
    return m


def test_the_base_is_solved():
    solution = bilevel.solve(base(), progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(6.0)


def test_a_follower_that_can_do_nothing_is_named_with_its_row():
    m = base()
    m.f[1].more = pyo.Constraint(expr=m.f[1].y >= 4.5 + m.x)
    with pytest.raises(
        bilevel.ModelError, match=r"follower 'f\[1\]' has no feasible decision .* row 'f\[1\]\.\w+' .*relax"
    ):
        bilevel.solve(m, progress=False)


def test_a_follower_without_a_least_cost_is_named_with_its_variable():
    m = base()
    m.f[0].free = pyo.Var(bounds=(0, None))
    m.f[0].cost.set_value(-m.f[0].y - m.f[0].free)
    with pytest.raises(
        bilevel.ModelError, match=r"follower 'f\[0\]' has no least cost .* variable 'f\[0\]\.free'.*bound"
    ):
        bilevel.solve(m, progress=False)


def test_the_leader_s_own_rows_are_an_answer():
    m = base()
    m.never = pyo.Constraint(expr=m.f[0].y + m.f[1].y <= 5.9)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "infeasible" and not solution.values


def test_a_follower_helped_by_one_leader_decision_is_no_error():
    m = base()
    m.f[1].more = pyo.Constraint(expr=m.f[1].y >= 4 * m.x)
    m.push = pyo.Constraint(expr=m.x >= 0.5)
    assert bilevel.solve(m, progress=False).status == "certified"
