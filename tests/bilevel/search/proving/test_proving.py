"""Proofs of what a solve found: what is proven, and where none can be made, why."""

import math

import numpy as np
import pyomo.environ as pyo
import pytest
from literature_loader import load, problems

import bilevel
import formulations
import instances
from bilevel.certify.proof.checker import check

KINDS = ("LP-LP", "MILP-LP", "QP-LP", "LP-QP", "QP-QP", "pricing", "multi-follower")
SET = [entry for entry in problems() if entry["class"] in KINDS and entry["expect"] in ("optimal", "infeasible")]


@pytest.mark.parametrize("entry", SET[::3], ids=lambda entry: entry["name"])
def test_bounds_of_published_problems_are_proven(entry: dict) -> None:
    """A third of them; `scripts/literature.py --proof` takes all."""
    if entry.get("reason") and entry["expect"] == "infeasible":
        return
    found = bilevel.solve(load(entry), gap=1e-6, time_limit=20, progress=False, proof=True)
    assert found.proven == "checked", found.certificate["bound proof"].detail
    if entry["expect"] == "infeasible":
        assert found.status == "infeasible" and math.isnan(found.proof.bound)
        return
    sense = 1 if entry["leader"]["sense"] == "min" else -1
    over = sense * (found.bound - entry["optimum"])
    assert over <= 1e-6 * max(1.0, abs(entry["optimum"]))
    assert found.bound == found.proof.bound


def small_day(objective: str, evs: int = 5) -> object:
    return formulations.charging_pricing(instances.scale(instances.load("ieee33"), evs), objective)


@pytest.mark.parametrize("objective", ["loss", "profit", "loss=1,profit=1"])
def test_a_day_of_prices_on_a_feeder_is_proven(objective: str) -> None:
    """Cones by their tangents, revenue by strong duality, currents without an upper limit."""
    found = bilevel.solve(small_day(objective), gap=1e-4, progress=False, proof=True)
    assert found.status == "certified" and found.proven == "checked"
    assert found.seconds["prove"] > 0 and found.to_dict()["proven"] == "checked"
    line = found.certificate["bound proof"]
    assert line.value == found.proof.leaves and "nothing assumed" in line.detail
    plain = bilevel.solve(small_day(objective), gap=1e-4, progress=False)
    assert plain.proven == "solver" and plain.proof is None and "prove" not in plain.seconds
    assert found.bound == pytest.approx(plain.bound, rel=1e-4)


def toll(**follower: object) -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 9))
    model.f = bilevel.Follower()
    model.f.y, model.f.z = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
    model.f.all = pyo.Constraint(expr=model.f.y + model.f.z == 1)
    model.f.cost = pyo.Objective(expr=(model.x + 1) * model.f.y + 3 * model.f.z)
    model.gain = pyo.Objective(expr=model.x * model.f.y, sense=pyo.maximize)
    return model


def test_no_point_is_proven_by_leaves_that_are_all_empty() -> None:
    model = toll()
    model.much = pyo.Constraint(expr=model.f.y >= 0.5)
    model.dear = pyo.Constraint(expr=model.x >= 3)
    found = bilevel.solve(model, progress=False, proof=True)
    assert found.status == "infeasible" and found.proven == "checked"
    assert found.proof.leaves == found.proof.empty and found.proof.content["bound"] is None
    line = found.certificate["bound proof"]
    assert line.value == found.proof.leaves and "no point" in line.detail
    assert check(dict(found.proof.content))["leaves"] == found.proof.leaves


def test_where_no_proof_can_be_made_the_certificate_says_why() -> None:
    cones = toll()
    cones.f.round = pyo.Constraint(expr=cones.f.y**2 + cones.f.z**2 <= cones.x + 1)
    cones.gain.expr = cones.x
    cones.f.cost.expr = 3 * cones.f.z + cones.f.y
    products = toll()
    products.gain.expr = products.x * products.f.y + products.x**3
    for model, why in ((cones, "quadratic rows"), (products, "nonconvex products")):
        found = bilevel.solve(model, progress=False, proof=True, time_limit=20)
        assert found.proof is None and found.proven in ("solver", "none")
        if found.certificate.checks:
            assert why in found.certificate["bound proof"].detail


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_revenue_of_quadratic_followers_is_proven(size: float) -> None:
    """y = (2 - x) / 2, so that x y is 1 / 2 at x = 1; and a day of elastic users."""
    model = toll()
    model.f.cost.expr = size * ((model.x + 1) * model.f.y + 3 * model.f.z + model.f.y**2)
    model.gain.expr = size * model.x * model.f.y
    found = bilevel.solve(model, gap=1e-6, progress=False, proof=True)
    assert found.proven == "checked" and found.bound == pytest.approx(0.5 * size, rel=2e-6)
    if size == 1.0:
        day = formulations.charging_pricing(instances.scale(instances.load("ieee33"), 5), "profit", follower="elastic")
        found = bilevel.solve(day, progress=False, proof=True)
        assert found.status == "certified" and found.proven == "checked"


def test_without_time_there_is_no_proof_and_the_bound_is_the_solvers() -> None:
    found = bilevel.solve(small_day("profit"), progress=False, proof=True, time_limit=0.05)
    assert found.proof is None and found.proven in ("solver", "none")


@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_proofs_in_other_units(size: float) -> None:
    model = toll()
    model.gain.expr = size * model.x * model.f.y
    model.f.cost.expr = size * ((model.x + 1) * model.f.y + 3 * model.f.z)
    found = bilevel.solve(model, progress=False, proof=True)
    assert found.proven == "checked" and found.bound == pytest.approx(2 * size)


@pytest.mark.parametrize("far", [1e9, 1e20])
def test_limits_that_are_none_are_no_help_and_no_harm(far: float) -> None:
    model = toll()
    model.x.setub(far)
    found = bilevel.solve(model, progress=False, proof=True)
    if found.proven == "checked":
        assert found.bound >= 2 - 1e-9
        assert found.bound == pytest.approx(2.0, rel=1e-4) or found.status == "feasible"
    assert found.objective == pytest.approx(2.0)


def test_duals_that_the_leader_reads_are_part_of_the_proof() -> None:
    """The price of a market with one seller at cost 2 + x and a buyer of 1: the leader wants it near 3, so x = 1."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 5))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, 4))
    model.f.need = pyo.Constraint(expr=model.f.y == 1)
    model.f.cost = pyo.Objective(expr=(2 + model.x) * model.f.y)
    model.off = pyo.Var(bounds=(0, 9))
    price = model.f.dual(model.f.need)
    model.above, model.below = pyo.Constraint(expr=model.off >= price - 3), pyo.Constraint(expr=model.off >= 3 - price)
    model.cost = pyo.Objective(expr=model.off + model.x / 10)
    found = bilevel.solve(model, progress=False, proof=True, gap=1e-6)
    assert found.objective == pytest.approx(0.1) and found.proven == "checked"
    assert found.bound == pytest.approx(0.1, abs=1e-6) and np.isfinite(found.proof.bound)


def test_every_point_of_a_front_is_proven() -> None:
    """The least loss, the most profit, and one point between them that the limit on the loss holds."""
    model = small_day("loss", 2)
    front = bilevel.pareto(
        model, maximize=model.station_profit, limit=model.network_loss, points=3, progress=False, proofs=True
    )
    assert front.certified and len(front) == 3
    for point in front.points:
        assert point.proven == "checked" and point.bound == point.proof.bound
        assert point.bound >= point.maximized - 1e-6 * abs(point.maximized)
        # The file says under which limit: that of the column that stands for the limited expression
        assert point.limit == math.inf or point.limit in point.proof.content["problem"]["upper"]
    plain = bilevel.pareto(model, maximize=model.station_profit, limit=model.network_loss, points=2, progress=False)
    assert {point.proven for point in plain.points} == {"solver"}
