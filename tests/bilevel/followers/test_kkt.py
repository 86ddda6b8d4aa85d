"""Optimality conditions against SciPy's marginals and finite differences, limits of duals, and linear revenue."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import bilevel
from bilevel.bounds.dual_bounds import derive, require_finite
from bilevel.compile.compiler import compile_model
from bilevel.errors import ModelError, UnboundedDualError
from bilevel.followers.kkt import Kkt, optimality_conditions
from bilevel.program.bilevel_program import Program
from bilevel.reformulate.revenue import linearise

SEEDS = st.integers(0, 2**32 - 1)
KINDS = ("=", ">=", "<=", "range")


def random_model(seed: int, rows: int, columns: int = 3, leaders: int = 2, in_rows: bool = True) -> Any:
    """A follower with random data; it is feasible at every leader decision more often than not."""
    rng = np.random.default_rng(seed)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(leaders), bounds=(-1.0, 2.0))
    m.f = bilevel.Follower()
    low, span = rng.integers(-3, 1, columns), rng.integers(1, 5, columns)
    m.f.y = pyo.Var(range(columns), bounds=lambda _b, j: (float(low[j]), float(low[j] + span[j])))
    cost, price = rng.normal(size=columns), rng.normal(size=(leaders, columns)) * (rng.random((leaders, columns)) < 0.7)
    body = pyo.quicksum(
        (cost[j] + pyo.quicksum(price[i, j] * m.x[i] for i in range(leaders))) * m.f.y[j] for j in range(columns)
    )
    m.f.cost = pyo.Objective(expr=body, sense=pyo.minimize if rng.random() < 0.6 else pyo.maximize)
    m.f.rows = pyo.ConstraintList()
    inside = low + span * rng.random(columns)
    for _ in range(rows):
        a = np.where(rng.random(columns) < 0.8, rng.integers(-3, 4, columns), 0).astype(float)
        if not a.any():
            a[0] = 1.0
        b = rng.normal(size=leaders) * 0.2 * in_rows
        activity = pyo.quicksum(a[j] * m.f.y[j] for j in range(columns)) + pyo.quicksum(
            float(b[i]) * m.x[i] for i in range(leaders)
        )
        right, kind = float(a @ inside), KINDS[rng.integers(4)]
        if kind == "=":
            m.f.rows.add(activity == right)
        elif kind == ">=":
            m.f.rows.add(activity >= right)
        elif kind == "<=":
            m.f.rows.add(activity <= right)
        else:
            m.f.rows.add((right - 1.0, activity, right + float(rng.random())))
    m.objective = pyo.Objective(expr=m.x[0])
    # Everything is a column, whether or not the data use it
    m.seen = pyo.Constraint(expr=(-1e3, pyo.quicksum(m.x.values()) + pyo.quicksum(m.f.y.values()), 1e3))
    return m


def leader_columns(p: Program) -> np.ndarray:
    return np.flatnonzero(p.followers.owner < 0)


def decide(p: Program, seed: int) -> np.ndarray:
    x = np.zeros(p.columns)
    at = leader_columns(p)
    x[at] = p.lower[at] + (p.upper[at] - p.lower[at]) * np.random.default_rng(seed + 1).random(len(at))
    return x


def lower_level(p: Program, x: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """SciPy's optimum of the followers at x, the net row marginals, and those of the lower and upper bounds."""
    mine, rows = p.followers.columns, p.followers.rows
    cost = (p.followers.cost + p.followers.price.toarray().T @ x)[mine]
    moved = rows.matrix @ np.where(p.followers.owner < 0, x, 0.0)
    matrix = rows.matrix.toarray()[:, mine]
    low, high = rows.lower - moved, rows.upper - moved
    equal = rows.lower == rows.upper
    up, down = np.isfinite(high) & ~equal, np.isfinite(low) & ~equal
    result = linprog(
        cost,
        A_ub=np.vstack([matrix[up], -matrix[down]]),
        b_ub=np.concatenate([high[up], -low[down]]),
        A_eq=matrix[equal],
        b_eq=low[equal],
        bounds=np.column_stack([p.lower[mine], p.upper[mine]]),
    )
    net = np.zeros(rows.count)
    if result.status == 0:
        net[equal] = result.eqlin.marginals
        net[up] += result.ineqlin.marginals[: up.sum()]
        net[down] -= result.ineqlin.marginals[up.sum() :]
        return result, net, result.lower.marginals, result.upper.marginals
    return result, net, np.zeros(0), np.zeros(0)


def full_point(p: Program, kkt: Kkt, x: np.ndarray, answer: Any) -> np.ndarray:
    """Primal values and SciPy's duals in the KKT columns, signs as the module's table says."""
    result, net, below, above = answer
    mine = p.followers.columns
    full = np.zeros(kkt.columns)
    full[: p.columns] = x
    full[mine] = result.x
    place = {int(column): k for k, column in enumerate(mine)}
    rows = kkt.equal_row >= 0
    full[kkt.lam[rows]] = net[kkt.equal_row[rows]]
    pairs = kkt.pairs
    for k in range(pairs.count):
        if pairs.row[k] >= 0:
            value = pairs.side[k] * net[pairs.row[k]]
        else:
            at = place[int(pairs.column[k])]
            value = below[at] if pairs.side[k] == 1 else -above[at]
        full[pairs.dual[k]] = max(0.0, value)
    return full


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, rows=st.integers(1, 3))
def test_scipy_optimum_and_marginals_satisfy_the_conditions(seed: int, rows: int) -> None:
    p = compile_model(random_model(seed, rows))
    kkt = optimality_conditions(p)
    x = decide(p, seed)
    answer = lower_level(p, x)
    assume(answer[0].status == 0)
    full = full_point(p, kkt, x, answer)
    slack, dual = kkt.pairs.slack(full), full[kkt.pairs.dual]
    assert kkt.residual(full).max(initial=0) < 1e-8
    assert slack.min() > -1e-8
    assert np.abs(slack * dual).max() < 1e-7
    assert kkt.equal_matrix @ full[: p.columns] == pytest.approx(kkt.equal_value)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_a_point_that_is_not_optimal_fails_the_conditions(seed: int) -> None:
    p = compile_model(random_model(seed, 1))
    kkt = optimality_conditions(p)
    x = decide(p, seed)
    answer = lower_level(p, x)
    assume(answer[0].status == 0)
    mine = p.followers.columns
    rates = p.followers.rates(x)[mine]
    worst = np.where(rates > 0, p.upper[mine], p.lower[mine])
    full = full_point(p, kkt, x, answer)
    assume(rates @ worst > answer[0].fun + 1e-3)
    full[mine] = worst
    slack, dual = kkt.pairs.slack(full), full[kkt.pairs.dual]
    broken = max(np.abs(slack * dual).max(), -slack.min())
    if len(kkt.equal_value):
        broken = max(broken, np.abs(kkt.equal_matrix @ full[: p.columns] - kkt.equal_value).max())
    assert broken > 1e-6


def test_multipliers_are_derivatives_of_the_optimal_value() -> None:
    """The sign table: d cost / d right-hand side is lam, mu (>=) and -mu (<=), for rows and bounds."""

    def follower(equal: float = 2.0, least: float = 1.0, most: float = 3.0, low: float = 0.5, high: float = 4.0) -> Any:
        m = pyo.ConcreteModel()
        m.x = pyo.Var(bounds=(1, 1))
        m.f = bilevel.Follower()
        m.f.y = pyo.Var(range(5), bounds=(0, 9))
        y = m.f.y
        y[3].setlb(low)
        y[4].setub(high)
        # Separable, each part limited by another kind of limit
        m.f.cost = pyo.Objective(expr=3 * m.x * y[0] + 2 * y[1] - 5 * y[2] + 7 * y[3] - 11 * y[4])
        m.f.equal = pyo.Constraint(expr=2 * y[0] == equal)
        m.f.least = pyo.Constraint(expr=4 * y[1] >= least)
        m.f.most = pyo.Constraint(expr=2 * y[2] <= most)
        m.objective = pyo.Objective(expr=m.x)
        return m

    def value(**data: float) -> tuple[float, dict[str, float]]:
        p = compile_model(follower(**data))
        kkt = optimality_conditions(p)
        x = np.ones(p.columns)
        answer = lower_level(p, x)
        full = full_point(p, kkt, x, answer)
        assert kkt.residual(full).max() < 1e-9
        duals = {p.followers.rows.names[r]: full[c] for r, c in zip(kkt.equal_row, kkt.lam, strict=True) if r >= 0}
        for k, (r, c, side) in enumerate(zip(kkt.pairs.row, kkt.pairs.column, kkt.pairs.side, strict=True)):
            name = p.followers.rows.names[r] if r >= 0 else f"{p.name(int(c))} {side}"
            duals[name] = full[kkt.pairs.dual[k]]
        return float(answer[0].fun), duals

    cost, duals = value()
    for key, name, sign in (
        ("equal", "f.equal", 1),
        ("least", "f.least", 1),
        ("most", "f.most", -1),
        ("low", "f.y[3] 1", 1),
        ("high", "f.y[4] -1", -1),
    ):
        base = {"equal": 2.0, "least": 1.0, "most": 3.0, "low": 0.5, "high": 4.0}[key]
        slope = (value(**{key: base + 1e-3})[0] - cost) / 1e-3
        assert sign * duals[name] == pytest.approx(slope, rel=1e-6), name
        assert abs(slope) > 0.1


def test_twins_are_the_two_limits_of_one_row_or_column() -> None:
    for seed in range(20):
        p = compile_model(random_model(seed, 3))
        pairs = optimality_conditions(p).pairs
        for k, twin in enumerate(pairs.twin):
            if twin >= 0:
                assert pairs.twin[twin] == k and pairs.side[k] == -pairs.side[twin]
                assert (pairs.row[k], pairs.column[k]) == (pairs.row[twin], pairs.column[twin])
        finite = np.isfinite(p.lower) & np.isfinite(p.upper) & (p.followers.owner >= 0) & (p.lower < p.upper)
        assert set(np.flatnonzero(finite)) <= set(pairs.column[pairs.twin >= 0])


# Limits of the duals


def dual_within_limits(p: Program, kkt: Kkt, x: np.ndarray, value: float) -> float | None:
    """Smallest error of dual objective = optimal value over duals within the derived limits; None if there are none."""
    limits, mine, n = derive(p, kkt), p.followers.columns, p.columns
    moved = kkt.stationarity.matrix.toarray()
    rates = p.followers.rates(x)[mine]
    equal_slope = kkt.equal_value - kkt.equal_matrix @ np.where(p.followers.owner < 0, x, 0.0)
    leader_part = kkt.pairs.slack_matrix @ np.where(p.followers.owner < 0, x, 0.0)
    slope = np.concatenate([equal_slope, -kkt.pairs.slack_constant - leader_part])
    low = np.concatenate([limits.lam_lower, np.zeros(kkt.pairs.count)])
    high = np.concatenate([limits.lam_upper, limits.mu_upper])
    result = linprog(
        -slope,
        A_eq=moved[:, n:],
        b_eq=-rates,
        bounds=np.column_stack([low - 1e-9, high + 1e-9]),
    )
    return abs(-result.fun - value) if result.status == 0 else None


@settings(max_examples=120, deadline=None)
@given(seed=SEEDS, columns=st.integers(1, 4))
def test_an_optimal_dual_lies_within_the_derived_limits(seed: int, columns: int) -> None:
    p = compile_model(random_model(seed, 1, columns))
    kkt = optimality_conditions(p)
    x = decide(p, seed)
    answer = lower_level(p, x)
    assume(answer[0].status == 0)
    require_finite(p, kkt, derive(p, kkt))
    error = dual_within_limits(p, kkt, x, float(answer[0].fun))
    assert error is not None and error < 1e-6


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS)
def test_slacks_stay_within_their_limits(seed: int) -> None:
    p = compile_model(random_model(seed, 2))
    kkt = optimality_conditions(p)
    x = decide(p, seed)
    answer = lower_level(p, x)
    assume(answer[0].status == 0)
    x[p.followers.columns] = answer[0].x
    assert (kkt.pairs.slack(x) <= derive(p, kkt).slack_upper + 1e-9).all()


def test_several_parts_of_one_follower_are_limited_apart() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 3))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(3), bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y[0] + 2 * m.f.y[1] - m.f.y[2])
    m.f.a = pyo.Constraint(expr=m.f.y[0] + m.f.y[1] >= 1)
    m.f.b = pyo.Constraint(expr=-4 * m.f.y[2] >= -2)
    m.objective = pyo.Objective(expr=m.x)
    p = compile_model(m)
    kkt = optimality_conditions(p)
    limits = derive(p, kkt)
    by_row = {p.followers.rows.names[r]: limits.mu_upper[k] for k, r in enumerate(kkt.pairs.row) if r >= 0}
    assert by_row == {"f.a": 3.0, "f.b": 0.25}
    assert limits.sources() == {"derived": 2 * kkt.pairs.count}


@pytest.mark.parametrize("fixed", [False, True])
def test_a_follower_without_rows_has_its_reduced_costs_as_limits(fixed: bool) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(3, 3) if fixed else (0, 3))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.objective = pyo.Objective(expr=m.x + m.f.y)
    p = compile_model(m)
    limits = derive(p, optimality_conditions(p))
    if fixed:
        assert (limits.lam_lower.tolist(), limits.lam_upper.tolist()) == ([-1.0], [2.0])
    else:
        assert limits.mu_upper.tolist() == [2.0, 1.0]
    # x < 0 makes the follower take all it may; the tie at x = 0 is the leader's
    assert bilevel.solve(m, progress=False).objective == pytest.approx(2.0 if fixed else 0.0)


def coupled() -> Any:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 100))
    m.f.cost = pyo.Objective(expr=m.f.y[1])
    m.f.first = pyo.Constraint(expr=m.f.y[1] - 10 * m.f.y[2] >= 0)
    m.f.second = pyo.Constraint(expr=m.f.y[2] + m.x >= 1)
    m.objective = pyo.Objective(expr=m.x + 0.05 * m.f.y[1])
    return m


def test_coupled_rows_have_no_limits_and_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bilevel.bounds.by_bases.MOST_BASES", 0)
    p = compile_model(coupled())
    kkt = optimality_conditions(p)
    limits = derive(p, kkt)
    assert np.isinf(limits.mu_upper).any()
    with pytest.raises(UnboundedDualError, match=r"dual of follower row 'f.first' has no proven bound.*sos1"):
        require_finite(p, kkt, limits)


def test_an_unbounded_leader_price_is_refused_by_name() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, None))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= 1)
    m.objective = pyo.Objective(expr=m.x)
    p = compile_model(m)
    kkt = optimality_conditions(p)
    with pytest.raises(UnboundedDualError, match=r"row 'f.row'"):
        require_finite(p, kkt, derive(p, kkt))


def test_an_unbounded_follower_variable_is_refused_by_name() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, None))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= 1)
    m.objective = pyo.Objective(expr=m.x)
    p = compile_model(m)
    kkt = optimality_conditions(p)
    with pytest.raises(UnboundedDualError, match=r"slack of follower row 'f.row'"):
        require_finite(p, kkt, derive(p, kkt))


# Revenue


def add_revenue(m: Any, weight: float) -> None:
    """The leader's own copy of the follower's bilinear term, in its objective and in a row."""
    p = compile_model(m)
    entries = p.followers.price.tocoo()
    sign = float(p.followers.sense[0])
    terms = [
        sign * float(v) * p.variables[int(i)] * p.variables[int(j)]
        for i, j, v in zip(*entries.coords, entries.data, strict=True)
    ]
    m.objective.set_value(weight * pyo.quicksum(terms) + 2 * m.x[0])
    m.cap = pyo.Constraint(expr=-weight * pyo.quicksum(terms) + m.x[1] <= 7)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, rows=st.integers(1, 3), weight=st.sampled_from([1.0, -2.5, 0.4]))
def test_linear_revenue_equals_the_products_at_every_optimum(seed: int, rows: int, weight: float) -> None:
    m = random_model(seed, rows, in_rows=False)
    assume(compile_model(m).followers.price.nnz)
    add_revenue(m, weight)
    p = compile_model(m)
    kkt = optimality_conditions(p)
    x = decide(p, seed)
    answer = lower_level(p, x)
    assume(answer[0].status == 0)
    full = full_point(p, kkt, x, answer)
    linear = linearise(p, kkt)
    point = full[: p.columns]
    assert p.cost @ point + linear.cost @ full == pytest.approx(p.objective(point), abs=1e-6)
    b = p.bilinear
    inside = b.row >= 0
    products = np.sum(b.coefficient[inside] * point[b.leader[inside]] * point[b.follower[inside]])
    at = p.rows.names.index("cap")
    assert (linear.rows @ full)[at] == pytest.approx(products, abs=1e-6)


def test_a_product_that_no_follower_pays_is_refused_with_both_names() -> None:
    m = random_model(3, 1, in_rows=False)
    m.other = pyo.Var(bounds=(0, 1))
    m.objective.set_value(m.other * m.f.y[1])
    p = compile_model(m)
    with pytest.raises(ModelError, match=r"leader variable 'other' and follower variable 'f.y\[1\]' is no multiple"):
        linearise(p, optimality_conditions(p))


def test_weights_that_differ_between_the_products_of_a_follower_are_refused() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.x[1] * m.f.y[1] + m.x[2] * m.f.y[2])
    m.f.row = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] == 1)
    m.objective = pyo.Objective(expr=m.x[1] * m.f.y[1] + 2 * m.x[2] * m.f.y[2])
    p = compile_model(m)
    with pytest.raises(ModelError, match=r"'x\[[12]\]' and follower variable 'f.y\[[12]\]' is no multiple"):
        linearise(p, optimality_conditions(p))


def test_part_of_a_followers_products_is_refused() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.x[1] * m.f.y[1] + m.x[2] * m.f.y[2])
    m.f.row = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] == 1)
    m.objective = pyo.Objective(expr=m.x[1] * m.f.y[1])
    p = compile_model(m)
    with pytest.raises(ModelError, match="no multiple"):
        linearise(p, optimality_conditions(p))


def test_a_leader_variable_in_the_rows_of_a_paying_follower_is_refused_with_both_names() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y + m.x == 1)
    m.objective = pyo.Objective(expr=m.x * m.f.y)
    p = compile_model(m)
    with pytest.raises(ModelError, match=r"leader variable 'x' enters row 'f.row'.*move it out"):
        linearise(p, optimality_conditions(p))


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("row", [(0, None), (None, 1), (0, 0), (-1, 1)], ids=str)
def test_a_model_of_rows_without_columns(row: tuple[float | None, float | None], solver: str) -> None:
    """What nothing reads is no column: a follower's row may be all that is left of a model."""
    m = pyo.ConcreteModel()
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(3, 4))
    m.f.cost = pyo.Objective(expr=0 * m.f.y)
    m.f.row = pyo.Constraint(expr=(row[0], 0 * m.f.y, row[1]))
    m.goal = pyo.Objective(expr=0 * m.f.y + 1)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "certified" and solution.objective == 1.0
