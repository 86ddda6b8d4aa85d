"""Whose a variable or row is, and what is refused by name: references, other models' components, idle followers, raw errors."""

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.common.collections import ComponentMap

import bilevel
from bilevel import ModelError


def market() -> Any:
    """Leader max x y at prices x in [1, 4], follower buys y at x or e at 3, 6 together: x = 3, so 18."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 4))
    m.k = pyo.Var(bounds=(0, 3))
    m.f = bilevel.Follower()
    m.f.y, m.f.e = pyo.Var(bounds=(0, 10)), pyo.Var(bounds=(0, 10))
    m.f.c = pyo.Constraint(expr=m.f.y + m.f.e == 6)
    m.f.o = pyo.Objective(expr=m.x * m.f.y + 3 * m.f.e)
    m.o = pyo.Objective(expr=m.x * m.f.y, sense=pyo.maximize)
    return m


def solved(m: Any, **options: Any) -> float:
    solution = bilevel.solve(m, progress=False, **options)
    assert solution.status == "certified", solution.reason
    return solution.objective


# ---- references ---------------------------------------------------------------------------------------------


def block_inside(m: Any) -> None:
    """A row of a follower's block: z >= y - 3 with z <= 1, so y <= 4 and the optimum is 3 * 4."""
    m.f.b = pyo.Block()
    m.f.b.z = pyo.Var(bounds=(0, 1))
    m.f.b.c = pyo.Constraint(expr=m.f.b.z >= m.f.y - 3)


def another_follower(m: Any) -> None:
    m.g = bilevel.Follower()
    m.g.w = pyo.Var(bounds=(0, 1))
    m.g.o = pyo.Objective(expr=m.g.w)
    m.g.c = pyo.Constraint(expr=m.g.w >= 0.5 * m.x - 1)


def nothing(_: Any) -> None:
    pass


REFERENCES: dict[str, tuple[Callable[[Any], None], Callable[[Any], Any]]] = {
    "leader's variable": (nothing, lambda m: setattr(m.f, "see", pyo.Reference(m.x))),
    "leader's variable on the model": (nothing, lambda m: setattr(m, "see", pyo.Reference(m.x))),
    "follower's variable on the model": (nothing, lambda m: setattr(m, "see", pyo.Reference(m.f.y))),
    "follower's row on the model": (nothing, lambda m: setattr(m, "see", pyo.Reference(m.f.c))),
    "follower's objective on the model": (nothing, lambda m: setattr(m, "see", pyo.Reference(m.f.o))),
    "leader's objective": (nothing, lambda m: setattr(m.f, "see", pyo.Reference(m.o))),
    "follower": (nothing, lambda m: setattr(m, "see", pyo.Reference(m.f))),
    "follower's block": (block_inside, lambda m: setattr(m, "see", pyo.Reference(m.f.b))),
    "another follower's variable": (another_follower, lambda m: setattr(m.g, "see", pyo.Reference(m.f.y))),
    "another follower's row": (another_follower, lambda m: setattr(m.g, "see", pyo.Reference(m.f.c))),
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_reference_declares_nothing(kind: str) -> None:
    add, refer = REFERENCES[kind]
    plain, seen = market(), market()
    add(plain)
    add(seen)
    refer(seen)
    right = 12.0 if add is block_inside else 18.0
    assert solved(plain) == pytest.approx(right, rel=1e-6)
    assert solved(seen) == pytest.approx(right, rel=1e-6)
    single = bilevel.reformulate(seen)
    pyo.SolverFactory("appsi_highs").solve(single)
    bilevel.load_values(single, seen)
    assert bilevel.certify(seen, bound=right).ok
    front = bilevel.pareto(seen, maximize=seen.x * seen.f.y, limit=seen.x, points=2, progress=False)
    assert front.points[-1].maximized == pytest.approx(right, rel=1e-3) and seen.f.o.active and seen.o.active


def test_a_variable_used_through_a_reference_stays_the_leaders() -> None:
    """Follower y = cap through the reference, leader min y + cap: 0.  As the follower's own, cap would be 8."""
    for indexed in (False, True):
        m = pyo.ConcreteModel()
        m.cap = pyo.Var([0, 1], bounds=(0, 8)) if indexed else pyo.Var(bounds=(0, 8))
        m.f = bilevel.Follower()
        m.f.y = pyo.Var(bounds=(0, 10))
        m.f.cap = pyo.Reference(m.cap[:]) if indexed else pyo.Reference(m.cap)
        cap = m.f.cap[0] if indexed else m.f.cap[None]
        m.f.c = pyo.Constraint(expr=m.f.y <= cap)
        m.f.o = pyo.Objective(expr=m.f.y, sense=pyo.maximize)
        m.o = pyo.Objective(expr=m.f.y + cap)
        assert solved(m) == pytest.approx(0.0, abs=1e-6)


def test_a_reference_to_a_leader_row_leaves_it_the_leaders() -> None:
    """y = 8 - x always, and the leader wants y + x <= 6."""
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(bounds=(0, 4)), bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.o = pyo.Objective(expr=m.f.y, sense=pyo.maximize)
    m.f.c = pyo.Constraint(expr=m.f.y <= 8 - m.x)
    m.cap = pyo.Constraint(expr=m.f.y + m.x <= 6)
    m.f.see = pyo.Reference(m.cap)
    m.o = pyo.Objective(expr=m.x)
    assert bilevel.solve(m, progress=False).status == "infeasible"


def test_another_followers_variable_is_refused_through_a_reference_too() -> None:
    m = market()
    another_follower(m)
    m.g.see = pyo.Reference(m.f.y)
    m.g.o.set_value(m.g.w + m.g.see[None])
    with pytest.raises(ModelError, match=r"objective 'g\.o' of follower 'g' uses 'f\.y', a variable of follower 'f'"):
        bilevel.solve(m, progress=False)


# ---- followers that decide nothing ----------------------------------------------------------------------------


def test_a_follower_without_a_variable_is_refused() -> None:
    """PAO's documentation declares the follower's variable on the model."""
    for through_reference in (False, True):
        m = pyo.ConcreteModel()
        m.x, m.y = pyo.Var(bounds=(0, 10)), pyo.Var(bounds=(0, 10))
        m.f = bilevel.Follower()
        if through_reference:
            m.f.y = pyo.Reference(m.y)
        m.f.o = pyo.Objective(expr=m.y)
        m.f.c = pyo.Constraint(expr=m.x + m.y >= 4)
        m.o = pyo.Objective(expr=m.x - 2 * m.y)
        with pytest.raises(ModelError, match=r"follower 'f' has no variable of its own.*declare its variables inside"):
            bilevel.solve(m, progress=False)


def test_a_follower_whose_variables_are_fixed_is_fine() -> None:
    m = market()
    m.g = bilevel.Follower()
    m.g.w = pyo.Var(bounds=(0, 1))
    m.g.w.fix(1)
    m.g.o = pyo.Objective(expr=m.g.w)
    m.g.c = pyo.Constraint(expr=m.x <= 3 * m.g.w - 1)  # its problem has a point only where x <= 2
    assert solved(m) == pytest.approx(12.0, rel=1e-6)


# ---- other models ---------------------------------------------------------------------------------------------


def foreign_row(m: Any, n: Any) -> None:
    m.extra = pyo.Constraint(expr=n.x <= 2)


def foreign_follower_row(m: Any, n: Any) -> None:
    m.f.extra = pyo.Constraint(expr=n.f.y <= 2)


def foreign_fixed(m: Any, n: Any) -> None:
    n.x.fix(2)
    m.extra = pyo.Constraint(expr=m.x <= n.x)


def foreign_expression(m: Any, n: Any) -> None:
    n.e = pyo.Expression(expr=n.x + 1)
    m.extra = pyo.Constraint(expr=m.x <= n.e)


def foreign_objective(m: Any, n: Any) -> None:
    m.o.set_value(n.x * m.f.y)


def foreign_cost(m: Any, n: Any) -> None:
    m.f.o.set_value(n.x * m.f.y + 3 * m.f.e)


def foreign_dual_row(m: Any, n: Any) -> None:
    m.o.set_value(m.x * m.f.y + m.f.dual(n.f.c))


def foreign_dual(m: Any, n: Any) -> None:
    m.o.set_value(m.x * m.f.y + n.f.dual(n.f.c))


def foreign_limit(m: Any, n: Any) -> None:
    m.f.limit_dual(n.f.c, 5)


def of_none(m: Any, _: Any) -> None:
    z = m.z = pyo.Var(bounds=(0, 1))
    m.extra = pyo.Constraint(expr=m.x <= 2 + z)
    m.del_component(z)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (foreign_row, r"row 'extra' uses variable 'x'"), (foreign_follower_row, r"row 'f\.extra' uses variable 'f\.y'"),
        (foreign_fixed, r"row 'extra' uses variable 'x'"), (foreign_expression, r"row 'extra' uses variable 'x'"),
        (foreign_objective, r"objective 'o' uses variable 'x'"), (foreign_cost, r"objective 'f\.o' uses variable 'x'"),
        (foreign_dual_row, r"the dual is used of row 'f\.c'"), (foreign_dual, r"objective 'o' uses variable 'f\.dual_values\[1\]'"),
        (foreign_limit, r"follower 'f' limits the dual of 'f\.c'"), (of_none, r"row 'extra' uses variable 'z'"),
    ],
)  # fmt: skip
def test_what_is_of_another_model_is_refused(spoil: Callable[[Any, Any], None], words: str) -> None:
    m, n = market(), market()
    spoil(m, n)
    for use in (lambda: bilevel.solve(m, "scip", progress=False), lambda: bilevel.reformulate(m)):
        with pytest.raises(ModelError, match=words + ".* of another model, or of none: use the one of this model"):
            use()


def test_a_clone_is_a_model_of_its_own() -> None:
    m = market()
    m.o.set_value(m.x * m.f.y - 0.1 * m.f.dual(m.f.c))
    n = m.clone()
    assert solved(n, solver="scip") == pytest.approx(17.7)
    assert n.f.dual(n.f.c).value == pytest.approx(3.0) and m.x.value is None


def test_starts_and_limits_are_about_the_models_own_components() -> None:
    m, n = market(), market()
    assert solved(m, warm_start=[ComponentMap([(m.x, 2.0)])]) == pytest.approx(18.0)
    with pytest.raises(ModelError, match="warm_start gives a value for 'x' of another model"):
        bilevel.solve(m, progress=False, warm_start=[ComponentMap([(n.x, 2.0)])])
    with pytest.raises(ModelError, match="warm_start gives a value for 'x', which is no component"):
        bilevel.solve(m, progress=False, warm_start=[{"x": 2.0}])
    m.f.limit_dual(m.x, 5)
    with pytest.raises(ModelError, match="'f' limits the dual of 'x', which is no single row or variable of its own"):
        bilevel.solve(m, progress=False)


def test_values_are_kept_by_component() -> None:
    """z[1] and the component that is called "z[1]" are two variables; x <= 2 + z[1] + half of the other, so at most 3."""
    m = market()
    m.z = pyo.Var([1], bounds=(0, 0.25))
    m.add_component("z[1]", pyo.Var(bounds=(0, 1.5)))
    other = m.component("z[1]")
    m.row = pyo.Constraint(expr=m.x <= 2 + m.z[1] + other / 2)
    solution = bilevel.solve(m, progress=False)
    assert solution.objective == pytest.approx(18.0)
    assert (solution.value(m.z[1]), solution.value(other)) == (m.z[1].value, other.value) == pytest.approx((0.25, 1.5))
    with pytest.raises(ModelError, match="'x' is no free variable in use of the model that was solved"):
        solution.value(market().x)
    front = bilevel.pareto(m, maximize=m.x * m.f.y, limit=m.x, points=2, progress=False)
    other.set_value(0.0)
    front.load(1)
    assert (m.z[1].value, other.value) == pytest.approx((0.25, 1.5), abs=1e-3)
    single = bilevel.reformulate(m)
    pyo.SolverFactory("appsi_highs").solve(single)
    other.set_value(0.0)
    bilevel.load_values(single, m)
    assert (m.z[1].value, other.value) == pytest.approx((0.25, 1.5))


# ---- what Pyomo raises ------------------------------------------------------------------------------------------


def without_value(m: Any) -> None:
    m.q = pyo.Param(mutable=True)


def param_in_cost(m: Any) -> None:
    without_value(m)
    m.f.o.set_value(m.q * m.x * m.f.y + 3 * m.f.e)


def param_in_limit(m: Any) -> None:
    without_value(m)
    m.row = pyo.Constraint(expr=m.x <= m.q)


def param_in_bound(m: Any) -> None:
    without_value(m)
    m.z = pyo.Var(bounds=(0, m.q))
    m.row = pyo.Constraint(expr=m.x <= 2 + m.z)


def fixed_without_value(m: Any) -> None:
    m.k.fixed = True
    m.row = pyo.Constraint(expr=m.x <= 2 + m.k)


def condition(m: Any) -> None:
    m.q = pyo.Param(initialize=1, mutable=True)
    m.row = pyo.Constraint(expr=pyo.Expr_if(m.q >= 1, m.x, 2 * m.x) <= 3)


def variable_limit(m: Any) -> None:
    m.row = pyo.Constraint(expr=pyo.inequality(m.k, m.x, 3))


def division_by_nothing(m: Any) -> None:
    m.k.fix(0)
    m.row = pyo.Constraint(expr=m.x / m.k <= 3)


def sos_on_the_model(m: Any) -> None:
    m.f.z = pyo.Var(bounds=(0, 100))
    m.pw = pyo.Piecewise(m.f.z, m.f.y, pw_pts=[0, 2, 6], f_rule=[0, 6, 8], pw_constr_type="LB", pw_repn="SOS2")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (param_in_cost, r"objective 'f\.o' uses 'q', which has no value"), (param_in_limit, r"row 'row' uses 'q', which has no"),
        (param_in_bound, r"the bounds of variable 'z' cannot be evaluated"), (fixed_without_value, r"row 'row' uses 'k', which"),
        (condition, r"row 'row' cannot be evaluated"), (variable_limit, r"row 'row' cannot be evaluated .*variable lower bound"),
        (division_by_nothing, r"row 'row' holds a coefficient that is not a finite number"),
        (sos_on_the_model, r"'pw\.SOS2_sosconstraint' of kind SOSConstraint would be ignored"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_nothing_is_logged(
    spoil: Callable[[Any], None], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    m = market()
    spoil(m)
    capsys.readouterr()
    with pytest.raises(ModelError, match=words):
        bilevel.solve(m, progress=False)
    assert capsys.readouterr() == ("", "")


def test_expressions_that_are_linear_once_something_is_fixed() -> None:
    m = market()
    m.k.fix(0.5)
    m.f.o.set_value(m.x * m.f.y / m.k + 3 * m.f.e)  # x / 0.5 <= 3
    assert solved(m) == pytest.approx(9.0)
    m = market()
    m.f.o.set_value((m.x + m.f.y) ** 2 - m.x**2 - m.f.y**2 - m.x * m.f.y + 3 * m.f.e)
    assert solved(m) == pytest.approx(18.0)
    m = market()
    m.k.fix(0)
    m.row = pyo.Constraint(expr=m.k * m.x * m.f.y >= 0)
    assert solved(m) == pytest.approx(18.0)
    m.row.set_value(m.k * m.f.y >= 1)
    assert bilevel.solve(m, progress=False).status == "infeasible"


def test_a_convex_piecewise_cost_in_the_follower() -> None:
    """Slopes 1, 2, 4: at price x in (1, 2] the follower makes 2 itself and buys 4, so 8 at x = 2; or 2 at x = 4."""
    m = market()
    m.f.z = pyo.Var(bounds=(0, 100))
    m.f.pw = pyo.Piecewise(m.f.z, m.f.y, pw_pts=[0, 2, 4, 6], f_rule=[0, 2, 6, 14], pw_constr_type="LB", pw_repn="SOS2")
    m.f.o.set_value(m.f.z + m.x * m.f.e)
    m.o.set_value(m.x * m.f.e)
    assert solved(m) == pytest.approx(8.0, rel=1e-6)


@pytest.mark.parametrize("given", [None, 3, "model", {}, pyo.AbstractModel(), pyo.Block()])
def test_what_is_no_model_is_refused(given: Any) -> None:
    for use in (
        lambda: bilevel.solve(given), lambda: bilevel.certify(given), lambda: bilevel.reformulate(given),
        lambda: bilevel.cooperative(given), lambda: bilevel.write_model(given, "no.lp"), lambda: bilevel.LeaderProblem(given),
        lambda: bilevel.load_values(given, market()), lambda: bilevel.pareto(given, market().o, market().o),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=r"is no Pyomo model|has no data yet|is no expression"):
            use()


@pytest.mark.parametrize("kind", ["dual read", "quadratic row"])
@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_a_follower_row_without_follower_variables(kind: str, solver: str) -> None:
    """x <= 1.5 whatever the follower does; y = 2 where x < 1, 0 above, so y - x is at least -1.5."""
    m = pyo.ConcreteModel()
    m.x, m.f = pyo.Var(bounds=(0, 3)), bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.o = pyo.Objective(expr=(m.x - 1) * m.f.y)
    m.f.row = pyo.Constraint(expr=m.x + 0 * m.f.y <= 1.5)
    goal = m.f.y - m.x
    if kind == "dual read":
        goal += m.f.dual(m.f.row) ** 2  # at x = 1.5 any multiplier is one, and 0 is the best
    else:
        m.f.disc = pyo.Constraint(expr=m.f.y**2 <= 5)
    m.o = pyo.Objective(expr=goal)
    try:
        solution = bilevel.solve(m, solver, progress=False)
    except ModelError:
        assert solver == "highs", "multipliers without limits and quadratic rows need SCIP"
        return
    assert solution.objective == pytest.approx(-1.5, abs=1e-5), solution.reason
