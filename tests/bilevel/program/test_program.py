"""The walk from Pyomo to matrices: what it reads, and what it refuses by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunction
from pyomo.mpec import Complementarity, complements

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.errors import ModelError
from bilevel.program.bilevel_program import LEADER, Program
from bilevel.reformulate.single_level import assemble


def model() -> Any:
    """min x + y, x in [0, 1], over the follower min x y, y >= 1 - x, y in [0, 2]."""
    m = pyo.ConcreteModel("m")
    m.x = pyo.Var(bounds=(0, 1))
    m.z = pyo.Var(bounds=(0, 3))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= 1 - m.x)
    m.objective = pyo.Objective(expr=m.x + m.f.y)
    return m


def column(program: Program, name: str) -> int:
    return [program.name(k) for k in range(program.columns)].index(name)


def row(rows: Any, name: str) -> tuple[dict[int, float], float, float]:
    at = rows.names.index(name)
    part = rows.matrix[[at]].tocoo()
    terms = {int(c): float(v) for c, v in zip(part.coords[1], part.data, strict=True) if v}
    return terms, float(rows.lower[at]), float(rows.upper[at])


def test_owners_bounds_and_follower_price() -> None:
    p = compile_model(model())
    x, y = column(p, "x"), column(p, "f.y")
    assert (p.followers.owner[x], p.followers.owner[y]) == (LEADER, 0)
    assert (p.lower[y], p.upper[y]) == (0, 2)
    assert p.followers.price.toarray()[x, y] == 1
    assert row(p.followers.rows, "f.row") == ({x: 1.0, y: 1.0}, 1.0, np.inf) or row(p.followers.rows, "f.row") == (
        {x: -1.0, y: -1.0},
        -np.inf,
        -1.0,
    )
    assert "z" not in [v.name for v in p.variables]


def test_fixed_variables_params_and_expressions_become_numbers() -> None:
    m = model()
    m.a = pyo.Param(initialize=3.0, mutable=True)
    m.k = pyo.Var()
    m.k.fix(2.0)
    m.total = pyo.Expression(expr=m.a * m.x + m.k * m.f.y + m.k)
    m.c = pyo.Constraint(expr=m.total <= 10)
    p = compile_model(m)
    x, y = column(p, "x"), column(p, "f.y")
    assert row(p.rows, "c") == ({x: 3.0, y: 2.0}, -np.inf, 8.0)
    m.a = 5.0
    assert row(compile_model(m).rows, "c")[0][x] == 5.0


def test_a_fixed_price_is_a_plain_cost() -> None:
    m = model()
    m.x.fix(0.25)
    p = compile_model(m)
    y = column(p, "f.y")
    assert p.followers.cost[y] == 0.25
    assert p.followers.price.nnz == 0
    assert p.objective(np.array([2.0])) == 2.25


def test_deactivated_rows_and_followers_do_not_count() -> None:
    m = model()
    m.c = pyo.Constraint(expr=m.x >= 0.5)
    m.c.deactivate()
    m.f.row.deactivate()
    m.g = bilevel.Follower()
    m.g.y = pyo.Var()
    m.g.cost = pyo.Objective(expr=m.g.y)
    m.g.deactivate()
    p = compile_model(m)
    assert (p.rows.count, p.followers.rows.count, p.followers.names) == (0, 0, ("f",))


@pytest.mark.parametrize("fix", [False, True])
def test_variable_of_a_deactivated_follower_never_becomes_the_leaders(fix: bool) -> None:
    m = model()
    m.g = bilevel.Follower([1, 2])
    for g in m.g.values():
        g.y = pyo.Var(bounds=(0, 1))
        g.cost = pyo.Objective(expr=g.y)
    m.c = pyo.Constraint(expr=m.g[1].y + m.g[2].y + m.x <= 1)
    m.g[2].deactivate()
    if fix:
        m.g[2].y.fix(0.5)
        assert compile_model(m).followers.names == ("f", "g[1]")
    else:
        with pytest.raises(ModelError, match=r"'g\[2\].y'.*'g\[2\]' is deactivated: fix"):
            compile_model(m)


def test_variable_of_a_follower_in_a_deactivated_block_is_refused_too() -> None:
    m = model()
    m.b = pyo.Block()
    m.b.g = bilevel.Follower()
    m.b.g.y = pyo.Var(bounds=(0, 1))
    m.b.g.cost = pyo.Objective(expr=m.b.g.y)
    m.c = pyo.Constraint(expr=m.b.g.y + m.x <= 1)
    m.b.deactivate()
    with pytest.raises(ModelError, match=r"'b.g' is deactivated"):
        compile_model(m)


def test_maximising_leader_and_follower() -> None:
    m = model()
    m.objective.sense = pyo.maximize
    m.f.cost.sense = pyo.maximize
    p = compile_model(m)
    x, y = column(p, "x"), column(p, "f.y")
    assert p.sign == -1 and p.followers.sense.tolist() == [-1]
    assert p.followers.price.toarray()[x, y] == -1
    at = np.zeros(p.columns)
    at[[x, y]] = 0.5, 1.5
    assert p.cost[x] == -1 and p.objective(at) == 2.0


def test_range_rows_and_equalities() -> None:
    m = model()
    m.f.range = pyo.Constraint(expr=(-1, m.f.y - m.x, 4))
    m.f.equal = pyo.Constraint(expr=2 * m.f.y + 1 == m.x)
    p = compile_model(m)
    assert row(p.followers.rows, "f.range")[1:] == (-1, 4)
    terms, low, high = row(p.followers.rows, "f.equal")
    assert low == high and abs(low) == 1 and len(terms) == 2


def test_products_are_found_in_either_order() -> None:
    m = model()
    m.c = pyo.Constraint(expr=3 * m.f.y * m.x + m.x * m.f.y <= 5)
    b = compile_model(m).bilinear
    p = compile_model(m)
    assert b.coefficient.sum() == 4 and set(b.leader) == {column(p, "x")} and set(b.follower) == {column(p, "f.y")}


def test_follower_variable_in_leader_rows_only() -> None:
    m = model()
    m.f.free = pyo.Var(bounds=(0, 1))
    m.c = pyo.Constraint(expr=m.f.free + m.f.y <= 1)
    p = compile_model(m)
    assert p.followers.owner[column(p, "f.free")] == 0


def test_indexed_and_nested_followers() -> None:
    m = model()
    m.station = pyo.Block([1, 2])
    for b in m.station.values():
        b.user = bilevel.Follower(["p", "q"])
        for u in b.user.values():
            u.inner = pyo.Block()
            u.inner.y = pyo.Var(bounds=(0, 1))
            u.cost = pyo.Objective(expr=m.x * u.inner.y)
            u.inner.c = pyo.Constraint(expr=u.inner.y >= 0.5)
    p = compile_model(m)
    assert len(p.followers.names) == 5 and "station[2].user[q]" in p.followers.names
    assert p.followers.rows.count == 5
    assert len(set(p.followers.owner[p.followers.columns])) == 5


def test_quadratic_objective_is_valued_as_written() -> None:
    m = model()
    m.objective.deactivate()
    m.quadratic = pyo.Objective(expr=(m.z - 2) ** 2 + m.f.y)
    p = compile_model(m)
    x = np.full(p.columns, np.nan)
    x[[column(p, "z"), column(p, "f.y"), column(p, "x")]] = 2.5, 1.0, 0.0
    assert p.objective(x) == pytest.approx(1.25)
    x[np.isnan(x)] = -50.0  # an epigraph that a solver left too low buys nothing
    assert p.objective(x) == pytest.approx(1.25)


def test_rotated_cone_and_ball() -> None:
    m = model()
    m.v = pyo.Var(bounds=(0.8, 1.2))
    m.w = pyo.Var(bounds=(0, None))
    m.P = pyo.Var()
    m.cone = pyo.Constraint(expr=m.P**2 + 4 * m.z**2 <= 2 * m.v * m.w)
    m.ball = pyo.Constraint(expr=m.P**2 + m.z**2 <= 9)
    p = compile_model(m)
    x = np.zeros(p.columns)
    for name, value in (("P", 1.0), ("z", 2.0), ("v", 1.1), ("w", 3.0)):
        x[column(p, name)] = value
    _, total, u, w = p.cones.parts(x)
    assert total == pytest.approx([17.0, 5.0])
    assert u * w == pytest.approx([6.6, 9.0])
    assert u[0] in (pytest.approx(1.1), pytest.approx(2.2)), "the factor that stays away from zero is u"


# Refusals: each names the component and says what to do


def no_follower(m: Any) -> None:
    m.f.deactivate()
    m.objective.set_value(m.x)


def no_objective(m: Any) -> None:
    m.objective.deactivate()


def two_objectives(m: Any) -> None:
    m.second = pyo.Objective(expr=m.x)


def no_follower_objective(m: Any) -> None:
    m.f.cost.deactivate()


def two_follower_objectives(m: Any) -> None:
    m.f.second = pyo.Objective(expr=m.f.y)


def nested(m: Any) -> None:
    m.f.g = bilevel.Follower()
    m.f.g.y = pyo.Var()
    m.f.g.cost = pyo.Objective(expr=m.f.g.y)


def stepping_follower(m: Any) -> None:
    m.f.y.domain = pyo.RangeSet(0, 4, 2)


def quadratic_follower_cost(m: Any) -> None:
    m.f.cost.set_value(-(m.f.y**2))


def quadratic_follower_row(m: Any) -> None:
    m.f.bad = pyo.Constraint(expr=m.x * m.f.y <= 1)


def _second_follower(m: Any) -> Any:
    m.g = bilevel.Follower()
    m.g.y = pyo.Var(bounds=(0, 1))
    m.g.cost = pyo.Objective(expr=m.g.y)
    return m.g


def foreign_variable_in_row(m: Any) -> None:
    g = _second_follower(m)
    g.bad = pyo.Constraint(expr=g.y >= m.f.y)


def foreign_variable_in_cost(m: Any) -> None:
    _second_follower(m).cost.set_value(m.g.y + m.f.y)


def foreign_variable_in_product(m: Any) -> None:
    _second_follower(m).cost.set_value(m.g.y * m.f.y)


def nonlinear(m: Any) -> None:
    m.bad = pyo.Constraint(expr=pyo.exp(m.x) <= 2)


def nonlinear_objective(m: Any) -> None:
    m.objective.set_value(pyo.exp(m.x))


def concave_root(m: Any) -> None:
    m.objective.set_value(pyo.sqrt(m.x))


def nan_coefficient(m: Any) -> None:
    m.a = pyo.Param(initialize=float("nan"), mutable=True, within=pyo.Any)
    m.bad = pyo.Constraint(expr=m.a * m.x + m.z <= 1)


def infinite_coefficient(m: Any) -> None:
    m.bad = pyo.Constraint(expr=float("inf") * m.x <= 1)


def fixed_without_value(m: Any) -> None:
    m.z.fix(None)
    m.bad = pyo.Constraint(expr=m.z + m.x <= 1)


def crossed_bounds(m: Any) -> None:
    m.x.setlb(2)


def complementarity(m: Any) -> None:
    m.bad = Complementarity(expr=complements(m.x >= 0, m.z >= 0))


def complementarity_in_follower(m: Any) -> None:
    m.f.bad = Complementarity(expr=complements(m.f.y >= 0, m.x >= 0))


def disjunction_in_block_of_follower(m: Any) -> None:
    m.f.b = pyo.Block()
    m.f.b.bad = Disjunction(expr=[[m.f.y <= 0], [m.f.y >= 1]])


def sos(m: Any) -> None:
    m.v = pyo.Var([1, 2], bounds=(0, 1))
    m.bad = pyo.SOSConstraint(var=m.v, sos=1)


def sos_in_follower(m: Any) -> None:
    m.f.v = pyo.Var([1, 2], bounds=(0, 1))
    m.f.bad = pyo.SOSConstraint(var=m.f.v, sos=1)


def disjunction(m: Any) -> None:
    m.bad = Disjunction(expr=[[m.x <= 0], [m.x >= 1]])


def quadratic_equality(m: Any) -> None:
    m.bad = pyo.Constraint(expr=m.x**2 + m.z**2 == 1)


def quadratic_range(m: Any) -> None:
    m.bad = pyo.Constraint(expr=(0, m.x**2 + m.z**2, 1))


def concave(m: Any) -> None:
    m.bad = pyo.Constraint(expr=m.x**2 - m.z**2 <= 1)


def reverse_convex(m: Any) -> None:
    m.bad = pyo.Constraint(expr=(m.x - 0.5) ** 2 >= 0.125)


def concave_objective(m: Any) -> None:
    m.objective.sense = pyo.maximize
    m.objective.set_value(m.x**2 + m.f.y)


def free_cone_factor(m: Any) -> None:
    m.w = pyo.Var()
    m.bad = pyo.Constraint(expr=m.x**2 <= m.w * m.z)


def negative_cone_factor(m: Any) -> None:
    m.w = pyo.Var(bounds=(-1, 1))
    m.bad = pyo.Constraint(expr=m.x**2 <= m.w * m.z)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_follower, r"'m' has no active Follower block: add one"),
        (no_objective, r"leader \(model 'm'\) needs exactly one .* found none: add"),
        (two_objectives, r"leader .* found 'objective', 'second': deactivate all but one"),
        (no_follower_objective, r"follower 'f' needs exactly one .* found none: add"),
        (two_follower_objectives, r"follower 'f' .* 'f.cost', 'f.second': deactivate all but one"),
        (nested, r"follower 'f.g' sits inside follower 'f': only two levels"),
        (stepping_follower, r"'f.y' is limited to .*whole numbers only.*times the step"),
        (quadratic_follower_cost, r"follower 'f' minimises a cost that is not convex .*make it convex"),
        (
            quadratic_follower_row,
            r"'f.bad' multiplies leader variable 'x' by follower variable 'f.y'.*give it such a domain",
        ),
        (foreign_variable_in_row, r"row 'g.bad' of follower 'g' uses 'f.y', a variable of follower 'f'"),
        (foreign_variable_in_cost, r"objective 'g.cost' of follower 'g' uses 'f.y', a variable of follower 'f'"),
        (foreign_variable_in_product, r"objective 'g.cost' of follower 'g' uses 'f.y'"),
        (nonlinear, r"row 'bad' is not linear or quadratic .*rewrite it"),
        (nonlinear_objective, r"objective 'objective' is not linear or quadratic .*rewrite it"),
        (concave_root, r"'objective' has x under a root, which is no sum of squares"),
        (nan_coefficient, r"row 'bad' holds a coefficient that is not a finite number: check its data"),
        (infinite_coefficient, r"row 'bad' holds a coefficient that is not a finite number: check its data"),
        (fixed_without_value, r"row 'bad' uses 'z', which has no value: give it one"),
        (crossed_bounds, r"'x' has lower bound 2 above its upper bound 1: swap them"),
        (complementarity, r"'bad' of kind Complementarity would be ignored: transform it"),
        (complementarity_in_follower, r"'f.bad' of kind Complementarity would be ignored: transform it"),
        (disjunction, r"'bad' of kind Disjunction would be ignored: transform it"),
        (disjunction_in_block_of_follower, r"'f.b.bad' of kind Disjunction would be ignored: transform it"),
        (sos, r"'bad' of kind SOSConstraint would be ignored: transform it"),
        (sos_in_follower, r"'f.bad' of kind SOSConstraint would be ignored: transform it"),
        (free_cone_factor, r"row 'bad' is a cone only if .*give their variables a lower bound of 0"),
        (negative_cone_factor, r"row 'bad' is a cone only if .*give their variables a lower bound of 0"),
    ],
)
def test_refusals(spoil: Any, message: str) -> None:
    m = model()
    spoil(m)
    with pytest.raises(ModelError, match=message):
        compile_model(m)


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (quadratic_equality, "row 'bad'"),
        (quadratic_range, "row 'bad'"),
        (concave, "row 'bad'"),
        (reverse_convex, "row 'bad'"),
        (concave_objective, "the leader's objective"),
    ],
)
def test_the_leaders_own_products_are_for_nonconvex_solvers(spoil: Any, place: str) -> None:
    m = model()
    spoil(m)
    program = compile_model(m)
    assert len(program.bilinear.row) and not program.cones.count
    with pytest.raises(ModelError, match=rf"{place} holds the product of leader variables 'x' and .*solver='scip'"):
        assemble(program)
    products = assemble(program, nonconvex=True).mip.products
    assert products is not None and products.count == (2 if spoil in (quadratic_equality, quadratic_range) else 1)


def test_deactivated_unknown_components_are_no_matter() -> None:
    m = model()
    complementarity_in_follower(m)
    m.f.bad.deactivate()
    assert compile_model(m).followers.names == ("f",)


@pytest.mark.parametrize("suffix", ["lp", "nl"])
def test_pyomo_writers_refuse_a_follower(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Follower"):
        model().write(str(tmp_path / f"model.{suffix}"))
