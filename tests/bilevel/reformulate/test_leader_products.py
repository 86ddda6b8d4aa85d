"""Products of two leader variables: closed forms and dense grids on nonconvex solvers, given points, and who refuses them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.common.collections import ComponentMap

import bilevel
from bilevel import ModelError

NONCONVEX = ("scip", "gurobi")
MODES = ("auto", "big_m", "sos1", "indicator", "product", "strong_duality")
# max y - x/10 with y == x z and x + z == 5
AT, BEST = 2.45, 6.0025


def base(scale: float = 1.0, optional: bool = False) -> Any:
    """Leader variables x + z <= 5 and w, and a follower that takes as much as w allows, y == w; all times `scale`, w its square."""
    m = pyo.ConcreteModel("own products")
    m.x, m.z = pyo.Var(bounds=(0, 5 * scale)), pyo.Var(bounds=(0, 5 * scale))
    m.w = pyo.Var(bounds=(0, 25 * scale**2))
    m.sum = pyo.Constraint(expr=m.x + m.z <= 5 * scale)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 25 * scale**2))
    m.f.limit = pyo.Constraint(expr=m.f.y <= m.w)
    m.f.cost = pyo.Objective(expr=-m.f.y)
    return m


def area(scale: float = 1.0) -> Any:
    """The largest rectangle, its width a little dear."""
    m = base(scale)
    m.product = pyo.Constraint(expr=m.w == m.x * m.z)
    m.objective = pyo.Objective(expr=m.f.y - 0.1 * scale * m.x, sense=pyo.maximize)
    return m


def solved(model: Any, solver: str = "scip", **options: Any) -> bilevel.Solution:
    found = bilevel.solve(model, solver, progress=False, time_limit=60, **options)
    assert found.status == "certified", found.reason
    return found


def put(model: Any, **values: float) -> None:
    for name, value in values.items():
        (model.f.y if name == "y" else getattr(model, name)).set_value(value, skip_validation=True)


# Closed forms


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("mode", MODES)
def test_an_equality_in_every_mode_and_unit(mode: str, scale: float) -> None:
    model = area(scale)
    found = solved(model, mode=mode)
    assert found.objective / scale**2 == pytest.approx(BEST, rel=1e-4)
    assert found.bound / scale**2 >= BEST * (1 - 1e-9)
    assert model.x.value / scale == pytest.approx(AT, abs=0.03)
    assert model.f.y.value == pytest.approx(model.x.value * model.z.value, rel=1e-6)


def ranged() -> tuple[Any, float]:
    m = base()
    m.product = pyo.Constraint(expr=pyo.inequality(2, m.x * m.z - m.w, 3))
    m.objective = pyo.Objective(expr=m.f.y - 0.1 * m.x, sense=pyo.maximize)
    return m, BEST - 2


def convex_side() -> tuple[Any, float]:
    """x^2 >= w: of both ends of a convex function the far one, 25 - 20."""
    m = base()
    m.product = pyo.Constraint(expr=m.x**2 >= m.w)
    m.objective = pyo.Objective(expr=m.f.y - 4 * m.x, sense=pyo.maximize)
    return m, 5.0


def hyperbola() -> tuple[Any, float]:
    """x z >= 4 at the least x + z, though w does not matter."""
    m = base()
    m.product = pyo.Constraint(expr=m.x * m.z >= 4)
    m.none = pyo.Constraint(expr=m.w == 0)
    m.objective = pyo.Objective(expr=m.x + m.z + m.f.y)
    return m, 4.0


def in_the_objective() -> tuple[Any, float]:
    """x z + y with y <= 2 z: z (7 - z) at z = 3.5."""
    m = base()
    m.link = pyo.Constraint(expr=m.w <= 2 * m.z)
    m.objective = pyo.Objective(expr=m.x * m.z + m.f.y, sense=pyo.maximize)
    return m, 12.25


def indefinite() -> tuple[Any, float]:
    """A saddle: x^2 - 2 z^2 at z = 5, and a follower that takes 1."""
    m = base()
    m.link = pyo.Constraint(expr=m.w == 1)
    m.objective = pyo.Objective(expr=m.x**2 - 2 * m.z**2 + m.f.y)
    return m, -49.0


def beside_revenue() -> tuple[Any, float]:
    """A price that the user pays up to 3, for 2 units, which strong duality makes linear; beside it a square of side 2.5."""
    m = base()
    m.price = pyo.Var(bounds=(0, 10))
    m.g = bilevel.Follower()
    m.g.y = pyo.Var(bounds=(0, 2))
    m.g.cost = pyo.Objective(expr=(m.price - 3) * m.g.y)
    m.none = pyo.Constraint(expr=m.w == 0)
    m.objective = pyo.Objective(expr=m.price * m.g.y + m.x * m.z + m.f.y, sense=pyo.maximize)
    return m, 12.25


def seen() -> tuple[Any, float]:
    """The follower buys 3 where the price, a product, is at most 2: at the tie in the leader's favour 2 + 2 * 3, else 6."""
    m = pyo.ConcreteModel("seen")
    m.x, m.z, m.w = pyo.Var(bounds=(1, 3)), pyo.Var(bounds=(0, 2)), pyo.Var(bounds=(0, 6))
    m.product = pyo.Constraint(expr=m.w == m.x * m.z)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=(m.w - 2) * m.f.y)
    m.objective = pyo.Objective(expr=m.w + 2 * m.f.y, sense=pyo.maximize)
    return m, 8.0


FORMS = (ranged, convex_side, hyperbola, in_the_objective, indefinite, beside_revenue, seen)


@pytest.mark.parametrize("solver", NONCONVEX)
@pytest.mark.parametrize("form", FORMS)
def test_rows_and_objectives_of_every_form(form: Any, solver: str) -> None:
    model, best = form()
    found = solved(model, solver)
    assert found.objective == pytest.approx(best, rel=1e-4)
    side = 1 if model.objective.is_minimizing() else -1
    assert side * (best - found.bound) >= -1e-5 * abs(best)


@pytest.mark.parametrize("mode", MODES)
def test_a_follower_that_sees_a_product_in_every_mode(mode: str) -> None:
    model, best = seen()
    assert solved(model, mode=mode).objective == pytest.approx(best, rel=1e-4)
    assert (model.w.value, model.f.y.value) == pytest.approx((2.0, 3.0), abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_dense_grid_is_nowhere_better(seed: int) -> None:
    """Random bilinear objectives and rows on the unit square, with a follower that is all or nothing."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.uniform(-2, 2, 4)
    p, q, r = rng.uniform(-1, 1, 3)
    limit = rng.uniform(0.2, 0.8)
    m = pyo.ConcreteModel("random")
    m.x, m.z, m.f = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1)), bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1))
    m.f.cost = pyo.Objective(expr=(p + q * m.x + r * m.z) * m.f.y)
    m.row = pyo.Constraint(expr=m.x * m.z + 0.5 * m.x**2 - m.z**2 <= limit)
    m.objective = pyo.Objective(expr=a * m.x * m.z + b * m.x + c * m.z + d * m.f.y)
    found = solved(m)
    x, z = np.meshgrid(np.linspace(0, 1, 401), np.linspace(0, 1, 401))
    rate = p + q * x + r * z
    y = np.where(rate < -1e-9, 1.0, np.where(rate > 1e-9, 0.0, float(d < 0)))
    value = np.where(x * z + 0.5 * x**2 - z**2 <= limit, a * x * z + b * x + c * z + d * y, np.inf)
    assert found.objective <= value.min() + 1e-4 * abs(value.min())
    # Ties of the follower lie between points of the grid
    near = np.where(np.abs(rate) <= 0.01, np.minimum(0.0, d), d * y)
    near = np.where(x * z + 0.5 * x**2 - z**2 <= limit + 0.01, a * x * z + b * x + c * z + near, np.inf)
    assert found.objective >= near.min() - 0.03


# Given points


def phases(model: Any, **options: Any) -> tuple[bilevel.Solution, list[Any]]:
    events: list[Any] = []
    return bilevel.solve(model, "scip", progress=events.append, time_limit=60, **options), events


def bounded_area() -> Any:
    """A row keeps the objective where its best is, so that the linear rows alone prove it."""
    m = area()
    m.cap = pyo.Constraint(expr=m.f.y - 0.1 * m.x <= BEST)
    return m


def test_a_given_optimum_stands_as_it_is_without_branching() -> None:
    model = bounded_area()
    put(model, x=AT, z=5 - AT, w=AT * (5 - AT), y=AT * (5 - AT))
    found, events = phases(model, warm_start=True)
    assert found.status == "certified" and found.objective == pytest.approx(BEST, rel=1e-12)
    assert (model.x.value, model.z.value) == (AT, 5 - AT)
    assert {event.phase for event in events} == {"given point", "relaxation", "rechecking"}


def test_the_followers_answer_to_a_given_decision() -> None:
    model = bounded_area()
    put(model, x=AT, z=5 - AT, w=AT * (5 - AT), y=0.0)
    found, events = phases(model, warm_start=True)
    assert found.status == "certified" and model.f.y.value == pytest.approx(AT * (5 - AT), rel=1e-5)
    assert "branch and bound" not in {event.phase for event in events}
    # The same by a map from variables to values
    other = bounded_area()
    put(other, x=0.0, z=0.0, w=0.0, y=0.0)
    decision = ComponentMap([(other.x, AT), (other.z, 5 - AT), (other.w, AT * (5 - AT))])
    found, events = phases(other, warm_start=[decision])
    assert found.status == "certified" and "branch and bound" not in {event.phase for event in events}


@pytest.mark.parametrize(
    "point",
    [
        {"x": 1.0, "z": 2.5, "w": 6.0, "y": 6.0},  # w is no product
        {"x": 4.0, "z": 4.0, "w": 16.0, "y": 16.0},  # x + z is too large
        {"x": 40.0, "z": -3.0, "w": 99.0, "y": 99.0},  # outside bounds
    ],
)
def test_a_given_point_that_is_none_is_ignored(point: dict[str, float]) -> None:
    model = area()
    put(model, **point)
    found, _ = phases(model, warm_start=True)
    assert found.status == "certified" and found.objective == pytest.approx(BEST, rel=1e-4)


def test_a_given_fraction_of_an_integer_is_rounded() -> None:
    """At 0.7375 of a switch the best would be 4.5275; switched on it is 4.0025."""
    model = area()
    model.on = pyo.Var(domain=pyo.Binary)
    model.needs = pyo.Constraint(expr=model.x <= 4 * model.on - 0.5)
    model.objective.set_value(model.f.y - 0.1 * model.x - 2 * model.on)
    put(model, x=AT, z=5 - AT, w=AT * (5 - AT), y=AT * (5 - AT), on=0.7375)
    found, events = phases(model, warm_start=True)
    assert found.status == "certified" and found.objective == pytest.approx(BEST - 2, rel=1e-4)
    assert model.on.value == 1.0
    assert max(event.incumbent for event in events if np.isfinite(event.incumbent)) <= (BEST - 2) * (1 + 1e-4)


def test_the_value_of_a_given_point_counts_the_products_of_the_objective() -> None:
    model, best = in_the_objective()
    put(model, x=1.5, z=3.5, w=7.0, y=7.0)
    found, events = phases(model, warm_start=True)
    assert found.status == "certified"
    first = next(event.incumbent for event in events if np.isfinite(event.incumbent))
    assert first == pytest.approx(best, rel=1e-12)


# Certificates


def test_ties_are_not_looked_for_and_say_so() -> None:
    found = solved(area())
    for name in ("ties, best objective", "ties, worst objective"):
        check = found.certificate[name]
        assert np.isnan(check.value) and check.tolerance is None
        assert check.detail.startswith("not looked for: the leader's own products")


def test_a_product_that_its_factors_do_not_have_fails_its_row() -> None:
    model = area()
    found = solved(model)
    assert bilevel.certify(model, found.bound).status == "certified"
    for name in ("x", "z", "w"):
        spoilt = area()
        put(spoilt, x=AT, z=5 - AT, w=AT * (5 - AT), y=AT * (5 - AT))
        assert bilevel.certify(spoilt, BEST).status == "certified"
        put(spoilt, **{name: getattr(spoilt, name).value * (1 - 1e-4)})
        check = bilevel.certify(spoilt, BEST)["leader rows"]
        assert not check.ok and check.where == "product"


# Refusals


@pytest.mark.parametrize("form", [form for form in FORMS if form is not hyperbola])
def test_highs_refuses_with_both_names_and_the_solvers_that_can(form: Any) -> None:
    model, _ = form()
    place = "the leader's objective" if form in (in_the_objective, indefinite, beside_revenue) else "row 'product'"
    with pytest.raises(
        ModelError, match=rf"{place} holds the product of leader variables '[xz]' and '[xz]'.*'scip' or"
    ):
        bilevel.solve(model, "highs", progress=False)


def test_a_hyperbola_of_factors_at_least_0_is_a_cone() -> None:
    model, best = hyperbola()
    assert solved(model, "highs").objective == pytest.approx(best, rel=1e-4)


def test_what_needs_a_convex_leader_refuses_by_name() -> None:
    with pytest.raises(ModelError, match=r"the leader multiplies its own variables '[xz]' and '[xz]'.*no duals"):
        bilevel.LeaderProblem(area())
    for solver in ("highs", "clarabel"):
        with pytest.raises(ModelError, match=r"row 'product' holds '[xz]' times '[xz]', which is nonconvex"):
            bilevel.cooperative(area(), progress=False, solver=solver)
    market = area()
    market.price = pyo.Var(bounds=(0, 5))
    market.f.cost.set_value((market.price - 3) * market.f.y)
    market.f.limit.deactivate()
    market.supply = pyo.Constraint(expr=market.w >= market.f.y)
    with pytest.raises(ModelError, match=r"'[xz]' multiplies another variable"):
        bilevel.equilibrium(market, ComponentMap([(market.price, market.supply)]), progress=False)
