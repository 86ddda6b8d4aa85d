"""A leader's choice times a follower's variable in the follower's rows, against an enumeration of the choices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

import bilevel
from bilevel.errors import FeatureError, LicenceError, ModelError

PAIRS = [
    ("auto", "auto"), ("highs", "big_m"), ("highs", "branching"), ("scip", "big_m"), ("scip", "sos1"), ("scip", "indicator"),
    ("scip", "product"), ("scip", "strong_duality"), ("gurobi", "auto"), ("gurobi", "big_m"), ("gurobi", "sos1"),
]  # fmt: skip


def solved(model: Any, solver: str = "auto", mode: str = "auto") -> bilevel.Solution:
    try:
        return bilevel.solve(model, solver=solver, mode=mode, progress=False, time_limit=60)
    except (LicenceError, FeatureError, bilevel.UnboundedDualError) as error:
        pytest.skip(str(error))


def barguel() -> Any:
    """The follower wants y1 = u z; 0 without the switch, 2 with it."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
    m.f.gain = pyo.Objective(expr=m.f.y + m.u, sense=pyo.maximize)
    m.f.switch = pyo.Constraint(expr=m.f.y == m.u * m.f.z)
    m.goal = pyo.Objective(expr=m.f.y + m.u)
    return m


def lines() -> Any:
    """A generator ships over lines of 3 and 5 at costs of 1 and 4, the leader wins 2 a unit: the first alone, 6 - 1."""
    m = pyo.ConcreteModel()
    m.open = pyo.Var([1, 2], domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.flow = pyo.Var([1, 2], bounds=(0, 8))
    m.f.sold = pyo.Objective(expr=m.f.flow[1] + m.f.flow[2], sense=pyo.maximize)
    m.f.used = pyo.Constraint(expr=m.open[1] * m.f.flow[1] + m.open[2] * m.f.flow[2] >= m.f.flow[1] + m.f.flow[2])
    m.f.first, m.f.second = pyo.Constraint(expr=m.f.flow[1] <= 3), pyo.Constraint(expr=m.f.flow[2] <= 5)
    m.goal = pyo.Objective(expr=2 * m.f.flow[1] - 1 * m.open[1] + 0.5 * m.f.flow[2] - 4 * m.open[2], sense=pyo.maximize)
    return m


def away_from_zero() -> Any:
    """y1 in [-3, -1]: of y2 >= u y1 + 2 the least y2 + 2 y1 is at y1 = -3, y2 = 2 - 3 u; beside 2.5 u that is 0 or -0.5."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(domain=pyo.Integers, bounds=(4, 5))
    m.f = bilevel.Follower()
    m.f.y1, m.f.y2 = pyo.Var(bounds=(-3, -1)), pyo.Var(bounds=(-20, 20))
    m.f.cost = pyo.Objective(expr=m.f.y2 + 2 * m.f.y1)
    m.f.row = pyo.Constraint(expr=m.f.y2 - m.u * m.f.y1 >= 2)
    m.goal = pyo.Objective(expr=m.f.y2 + 2.5 * m.u)
    return m


def knapsack() -> Any:
    """Room 2 + k s for goods worth 3 (6 of them) and 2 (5 of them), where s costs 2.5 and k of 0, 1, 3 costs the leader 5 each.

    k = 0: 2 goods, 6.  k = 1: s = 4, as a good of the second kind does not pay for s: 18 - 5.  k = 3: s = 3, 18 + 9.5 - 15.
    """
    m = pyo.ConcreteModel()
    m.k = pyo.Var(domain=pyo.Set(initialize=[0, 1, 3]))
    m.f = bilevel.Follower()
    m.f.y1, m.f.y2, m.f.unit = pyo.Var(bounds=(0, 6)), pyo.Var(bounds=(0, 5)), pyo.Var(bounds=(1, 9))
    m.f.worth = pyo.Objective(expr=3 * m.f.y1 + 2 * m.f.y2 - 2.5 * m.f.unit, sense=pyo.maximize)
    m.f.room = pyo.Constraint(expr=m.f.y1 + m.f.y2 <= 2 + m.k * m.f.unit)
    m.goal = pyo.Objective(expr=3 * m.f.y1 + 1.9 * m.f.y2 - 5 * m.k, sense=pyo.maximize)
    return m


def quadratic() -> Any:
    """min (y - 3)^2 with y <= u z, z <= 2: y = 2 at u = 1 and 0 else; the leader wants y - 1.5 u large: 0.5."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(0, 9)), pyo.Var(bounds=(0, 2))
    m.f.off = pyo.Objective(expr=(m.f.y - 3) ** 2)
    m.f.row = pyo.Constraint(expr=m.f.y <= m.u * m.f.z)
    m.goal = pyo.Objective(expr=m.f.y - 1.5 * m.u, sense=pyo.maximize)
    return m


PROBLEMS: dict[str, tuple[Callable[[], Any], float]] = {
    "barguel": (barguel, 0.0), "lines": (lines, 5.0), "away from zero": (away_from_zero, -0.5),
    "knapsack": (knapsack, 13.0), "quadratic": (quadratic, 0.5),
}  # fmt: skip


@pytest.mark.parametrize(("solver", "mode"), PAIRS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_optimum(name: str, solver: str, mode: str) -> None:
    build, optimum = PROBLEMS[name]
    solution = solved(build(), solver, mode)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(optimum, abs=1e-5)


def best(p: dict[str, Any]) -> float:
    """The optimistic optimum by a pair of linear programs for every choice; infinite where no choice has an answer."""
    found = [np.inf]
    for u in map(np.array, itertools.product(*p["values"])):
        a, b = p["A"] + np.tensordot(u, p["P"], 1), p["b"] - p["C"] @ u
        cost = p["cost"] + u @ p["price"]
        first = linprog(cost, a, b, bounds=p["bounds"])
        if first.status == 0:
            then = linprog(p["goal"], np.vstack([a, cost]), np.append(b, first.fun + 1e-9), bounds=p["bounds"])
            found.append(then.fun + p["fee"] @ u)
    return float(min(found))


def drawn(seed: int) -> dict[str, Any]:
    """Rows (A + sum of u_i P_i) y + C u <= b of a follower with small whole numbers, which some choices leave empty."""
    rng = np.random.default_rng(seed)
    nu, ny, rows = int(rng.integers(1, 3)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
    low = rng.integers(-3, 2, ny)
    kinds = [(0.0, 1.0), (0.0, 1.0), (2.0, 3.0), (-1.0, 0.0, 1.0), (0.0, 2.0, 5.0)]
    return {
        "values": [kinds[k] for k in rng.integers(0, len(kinds), nu)],
        "A": rng.integers(-3, 4, (rows, ny)).astype(float), "P": rng.integers(-2, 3, (nu, rows, ny)).astype(float),
        "C": rng.integers(-2, 3, (rows, nu)).astype(float), "b": rng.integers(0, 9, rows).astype(float),
        "cost": rng.integers(-4, 5, ny).astype(float), "price": rng.integers(-2, 3, (nu, ny)).astype(float),
        "goal": rng.integers(-4, 5, ny).astype(float), "fee": rng.integers(-3, 4, nu).astype(float),
        "bounds": [(float(a), float(a + d)) for a, d in zip(low, rng.integers(1, 6, ny), strict=True)],
    }  # fmt: skip


def written(p: dict[str, Any], sense: int) -> Any:
    """The same in Pyomo; with `sense` -1 the follower maximises what it would minimise."""
    m = pyo.ConcreteModel()
    us, ys = range(len(p["values"])), range(len(p["bounds"]))
    m.u = pyo.Var(us, domain=lambda _, i: pyo.Set(initialize=list(p["values"][i])))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(ys, bounds=lambda _, j: p["bounds"][j])
    rate = [p["cost"][j] + sum(p["price"][i, j] * m.u[i] for i in us) for j in ys]
    m.f.cost = pyo.Objective(
        expr=sense * sum(rate[j] * m.f.y[j] for j in ys), sense=pyo.minimize if sense > 0 else pyo.maximize
    )
    m.f.rows = pyo.ConstraintList()
    for k, right in enumerate(p["b"]):
        row = sum((p["A"][k, j] + sum(p["P"][i, k, j] * m.u[i] for i in us)) * m.f.y[j] for j in ys)
        row += sum(p["C"][k, i] * m.u[i] for i in us)
        if not isinstance(row, float):
            m.f.rows.add(row <= right)
    m.goal = pyo.Objective(
        expr=sum(p["goal"][j] * m.f.y[j] for j in ys) + sum(p["fee"][i] * m.u[i] for i in us) + 0 * m.f.y[0]
    )
    return m


@pytest.mark.parametrize("seed", range(32))
def test_random_problems_by_enumeration(seed: int) -> None:
    p = drawn(seed)
    solver = ("auto", "highs", "scip", "gurobi")[seed % 4]
    optimum, model = best(p), written(p, 1 if seed % 3 else -1)
    if np.isinf(optimum):
        # Rows that no decision helps may be told as a refusal, which names them
        with suppress(ModelError):
            assert solved(model, solver).status == "infeasible"
        return
    solution = solved(model, solver)
    assert solution.status == "certified" or (solution.status == "feasible" and abs(optimum) < 1e-6), solution.reason
    assert solution.objective == pytest.approx(optimum, abs=1e-4 * max(1.0, abs(optimum)))


def test_values_tell_the_products() -> None:
    """A certificate of values that a user sets knows the columns of products, and refutes a wrong answer."""
    m = barguel()
    for values, holds in (((1, 1, 1), True), ((1, 0.5, 0.5), False), ((1, 1, 0.5), False), ((0, 0, 0.3), True)):
        m.u.value, m.f.y.value, m.f.z.value = values
        assert bilevel.certify(m).valid == holds, values


def test_decision_to_start_at_reaches_the_choices() -> None:
    m = knapsack()
    start = pyo.ComponentMap([(m.k, 3)])
    assert bilevel.solve(m, warm_start=[start], progress=False).objective == pytest.approx(13)


def test_dual_of_a_row_with_a_product() -> None:
    """One more unit of room saves one of s, which costs 2.5."""
    m = knapsack()
    m.k.fix(1)
    m.goal.deactivate()
    m.worth = pyo.Objective(expr=m.f.dual(m.f.room), sense=pyo.maximize)
    fixed = bilevel.solve(m, progress=False)
    m.k.unfix()
    m.only = pyo.Constraint(expr=m.k == 1)
    free = bilevel.solve(m, progress=False)
    assert fixed.status == free.status == "certified", (fixed.reason, free.reason)
    assert fixed.objective == pytest.approx(2.5) and free.objective == pytest.approx(2.5)


@pytest.mark.parametrize("name", ["barguel", "knapsack", "away from zero"])
def test_exported_model_has_the_same_optimum(name: str) -> None:
    build, optimum = PROBLEMS[name]
    model = build()
    single = bilevel.reformulate(model, mode="big_m")
    pyo.SolverFactory("appsi_highs").solve(single)
    assert pyo.value(single.kkt.objective) == pytest.approx(optimum, abs=1e-5)
    bilevel.load_values(single, model)
    assert bilevel.certify(model, bound=optimum).valid


def test_continuous_choice_is_refused_by_name() -> None:
    m = barguel()
    m.u.domain = pyo.Reals
    m.u.setlb(0)
    m.u.setub(1)
    with pytest.raises(
        ModelError, match=r"row 'f.switch' multiplies leader variable 'u' by .*'f.z'.* binary, or has at most 16"
    ):
        bilevel.solve(m, progress=False)


def test_too_many_values_are_refused_by_name() -> None:
    m = barguel()
    m.u.domain = pyo.Integers
    m.u.setub(16)
    with pytest.raises(ModelError, match="at most 16 values"):
        bilevel.solve(m, progress=False)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_variable_without_a_bound_is_refused_by_name(side: str) -> None:
    m = barguel()
    m.f.z.setlb(None) if side == "lower" else m.f.z.setub(None)
    with pytest.raises(
        ModelError, match=r"'f.switch'.*no finite bounds on both sides: give 'f.z' a lower and an upper bound"
    ):
        bilevel.solve(m, progress=False)


def test_two_followers_and_one_choice() -> None:
    """Each may use the switch; the leader pays 3 for it and wins 2 from each."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(domain=pyo.Binary)
    m.f = bilevel.Follower(["a", "b"])
    for f in m.f.values():
        f.y = pyo.Var(bounds=(0, 2))
        f.gain = pyo.Objective(expr=f.y, sense=pyo.maximize)
        f.row = pyo.Constraint(expr=(1 - m.u) * f.y <= 0)
    m.goal = pyo.Objective(expr=m.f["a"].y + m.f["b"].y - 3 * m.u, sense=pyo.maximize)
    assert solved(m).objective == pytest.approx(1)


def beside(worth: str, high: float, fee: float) -> Any:
    """A follower with `s` in [0, high] of which each costs it 0.1, and a switch that costs the leader `fee`."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y, m.f.s = pyo.Var([1, 2], bounds=(0, 9)), pyo.Var(bounds=(0, high))
    m.f.worth = pyo.Objective(expr=(3 * m.f.y[1] + 4 * m.f.y[2] if worth == "3, 4" else m.f.y[1] + m.f.y[2]) - 0.1 * m.f.s,
                              sense=pyo.maximize)  # fmt: skip
    m.goal = pyo.Objective(expr=m.f.y[1] + m.f.y[2] - fee * m.u, sense=pyo.maximize)
    return m


def beside_squares() -> Any:
    """A disc of radius 1, or 5 with the switch: 3 + 4 - 3."""
    m = beside("3, 4", 24, 3)
    m.f.row = pyo.Constraint(expr=m.f.y[1] ** 2 + m.f.y[2] ** 2 <= 1 + m.u * m.f.s)
    return m


def beside_a_root() -> Any:
    """The same disc by a norm."""
    m = beside("3, 4", 4, 3)
    m.f.row = pyo.Constraint(expr=pyo.sqrt(m.f.y[1] ** 2 + m.f.y[2] ** 2) <= 1 + m.u * m.f.s)
    return m


def beside_roots() -> Any:
    """Both y are 1, or 2 with the switch: 2 + 2 - 1."""
    m = beside("1, 1", 2 * np.sqrt(5) - 2 * np.sqrt(2), 1)
    ways = [pyo.sqrt(y**2 + 1) for y in m.f.y.values()]
    m.f.row = pyo.Constraint(expr=sum(ways) <= 2 * float(np.sqrt(2)) + m.u * m.f.s)
    return m


def turned(domain: Any = pyo.Binary) -> Any:
    """(2 u + y) (u + 2 y) >= 9: y = 1 at u = 1; without its product it would be no cone."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(domain=domain, bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=2 * m.u**2 + 5 * m.u * m.f.y + 2 * m.f.y**2 >= 9)
    m.goal = pyo.Objective(expr=m.f.y + 0.5 * m.u)
    return m


def beside_a_polynomial() -> Any:
    """3 x^2 - x^3 is 4 at x = 2, beside the 13 of the knapsack."""
    m = knapsack()
    m.x = pyo.Var(bounds=(0, 3))
    m.goal.set_value(m.goal.expr + 3 * m.x**2 - m.x**3)
    m.row = pyo.Constraint(expr=m.x**3 <= 8)
    return m


def beside_roots_of_the_leader() -> Any:
    """A norm that is 1 at best, beside the 13 of the knapsack."""
    m = knapsack()
    m.x = pyo.Var(bounds=(-3, 3))
    m.goal.set_value(m.goal.expr - pyo.sqrt((m.x - 1) ** 2 + 1))
    m.row = pyo.Constraint(expr=pyo.sqrt(m.x**2 + m.k**2) + pyo.sqrt(m.x**2 + 4) <= 100)
    return m


BESIDE: dict[str, tuple[Callable[[], Any], float]] = {
    "squares": (beside_squares, 4.0), "root": (beside_a_root, 4.0), "roots": (beside_roots, 3.0), "turned": (turned, 1.5),
    "turned continuous": (lambda: turned(pyo.Reals), 1.5), "polynomial": (beside_a_polynomial, 17.0),
    "roots of the leader": (beside_roots_of_the_leader, 12.0),
}  # fmt: skip


@pytest.mark.parametrize("solver", ["auto", "scip", "gurobi"])
@pytest.mark.parametrize("name", BESIDE)
def test_beside_what_else_a_row_may_hold(name: str, solver: str) -> None:
    build, optimum = BESIDE[name]
    solution = solved(build(), solver)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(optimum, abs=1e-5)


def test_beside_what_highs_takes_of_the_leader() -> None:
    assert solved(beside_roots_of_the_leader(), "highs").objective == pytest.approx(12.0, abs=1e-5)
    with pytest.raises(ModelError, match=r"'product x\*x' .* use solver='scip' or 'gurobi'"):
        bilevel.solve(beside_a_polynomial(), "highs", progress=False)


@pytest.mark.parametrize(("mode", "solver"), [("product", "scip_direct"), ("strong_duality", "gurobi_direct")])
@pytest.mark.parametrize("name", ["squares", "root", "roots"])
def test_exported_rows_beside_cones_have_the_same_optimum(name: str, mode: str, solver: str) -> None:
    exported(*BESIDE[name], mode, solver)


@pytest.mark.parametrize(("mode", "solver"), [("sos1", "scip_direct"), ("big_m", "gurobi_direct")])
@pytest.mark.parametrize("name", ["polynomial", "roots of the leader"])
def test_exported_rows_beside_the_leader_s_own_have_the_same_optimum(name: str, mode: str, solver: str) -> None:
    exported(*BESIDE[name], mode, solver)


def exported(build: Callable[[], Any], optimum: float, mode: str, solver: str) -> None:
    model = build()
    single = bilevel.reformulate(model, mode=mode)
    written = [row.name for row in single.f.component_data_objects(pyo.Constraint, active=True)]
    assert not written and len(single.kkt.follower)
    pyo.SolverFactory(solver).solve(single)
    assert pyo.value(single.kkt.objective) == pytest.approx(optimum, abs=1e-5)
    bilevel.load_values(single, model)
    assert bilevel.certify(model, bound=optimum).valid


def test_values_tell_products_beside_a_root() -> None:
    m = beside_a_root()
    for values, holds in (
        ((1, 3, 4, 4), True),
        ((0, 0.6, 0.8, 0), True),
        ((1, 0.6, 0.8, 0), False),
        ((1, 3, 4, 2), False),
    ):
        m.u.value, m.f.y[1].value, m.f.y[2].value, m.f.s.value = values
        assert bilevel.certify(m).valid == holds, values


def test_continuous_choice_beside_a_root_is_refused_by_name() -> None:
    m = beside_a_root()
    m.u.domain = pyo.Reals
    m.u.setlb(0)
    m.u.setub(1)
    with pytest.raises(ModelError, match=r"row 'f.row' multiplies leader variable 'u' by .*'f.s'.* binary, or has"):
        bilevel.solve(m, progress=False)


def test_values_that_are_nearly_alike_have_rows_of_their_own() -> None:
    m = barguel()
    m.u.domain = pyo.Set(initialize=[0, 1, 1.00000001])
    single = bilevel.reformulate(m, mode="sos1")
    assert {"f.z where u is 1: all", "f.z where u is 1.00000001: all"} <= set(single.kkt.follower)
