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


def hyperbola(upper=None, shift=0.0):
    """The leader wants y least over x y >= 1: the infimum is `shift`, attained at a bound of x only."""
    m = pyo.ConcreteModel()
    m.x, m.y, m.one = pyo.Var(bounds=(0, upper)), pyo.Var(bounds=(0, None)), pyo.Var(bounds=(1, 1))
    m.c = pyo.Constraint(expr=m.one**2 <= m.x * m.y)
    m.f = bilevel.Follower()
    m.f.z = pyo.Var(bounds=(0, 1))
    m.f.cost = pyo.Objective(expr=m.f.z)
    m.objective = pyo.Objective(expr=m.y + m.f.z + shift)
    return m


@pytest.mark.parametrize("solver", ["highs", "scip"])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_an_infimum_that_is_not_attained_is_told_apart(solver, shift):
    solution = bilevel.solve(hyperbola(shift=shift), solver=solver, progress=False)
    assert solution.status == "not_attained" and "give them bounds" in solution.reason
    assert solution.bound == pytest.approx(shift, abs=1e-12), "tangents far out must not cut off what lies further"
    assert solution.certificate.valid and shift < solution.objective < shift + 1e-3


def test_a_bound_makes_it_an_optimum():
    solution = bilevel.solve(hyperbola(upper=50.0), progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(0.02, rel=1e-4)


def test_an_optimum_far_out_is_no_infimum():
    """The optimum is attained at x = 300, where the scale of x says 1."""
    m = hyperbola()
    m.objective.set_value(m.y + m.x / 9e4)
    solution = bilevel.solve(m, progress=False, gap=1e-3)
    assert solution.status in ("certified", "feasible")
    assert solution.objective == pytest.approx(2 / 300, rel=1e-3)
