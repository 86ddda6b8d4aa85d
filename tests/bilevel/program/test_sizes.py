"""Sizes come from values and data, never from a declared bound alone: loose bounds, units and scaling factors change no answer."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.program import sizes
from bilevel.program.implied import tightened
from bilevel.program.rows import Rows
from bilevel.reformulate.single_level import assemble, dual_sizes

SOLVERS = ("highs", "scip", "gurobi")
LOOSE = (1e3, 1e5, 1e9, 1e13, 1e15, 1e20, 1e25)
INF = float("inf")


def solved(model: Any, **options: Any) -> bilevel.Solution:
    return bilevel.solve(model, progress=False, time_limit=60, **options)


def right_or_open(solution: bilevel.Solution, right: float) -> None:
    """Certified with the right value, or nothing claimed."""
    if solution.status == "certified":
        assert solution.objective == pytest.approx(right, rel=2e-4, abs=1e-6)
        assert abs(solution.bound - right) <= 2e-4 * max(abs(right), 1e-3)
    else:
        assert solution.status in ("feasible", "rejected", "unknown"), (solution.status, solution.reason)


# What is expected of a column


def rows_of(matrix: list[list[float]], lower: list[float], upper: list[float]) -> Rows:
    names = tuple(str(k) for k in range(len(lower)))
    return Rows(sp.csr_array(np.array(matrix, dtype=float)), np.array(lower), np.array(upper), names)


def no_terms(columns: int, cost: list[float] | None = None) -> sizes.Terms:
    none = np.zeros(0, dtype=np.int64)
    return sizes.Terms(np.zeros(columns) if cost is None else np.array(cost), none, none, np.zeros(0))


@pytest.mark.parametrize(
    ("matrix", "lower", "upper", "bounds", "cost", "right"),
    [
        # y <= x, x in [1, 2]: a sentinel for y is no size
        ([[1.0, -1.0]], [-INF], [0.0], [2.0, 1e13], None, [2.0, 2.0]),
        # Bounds within a thousand times what rows are about are believed
        ([[1.0, -1.0]], [-INF], [0.0], [2.0, 100.0], None, [2.0, 100.0]),
        # 1e9 y >= 2e3 z - 4e5: y without a bound is about 1e-3
        ([[1e9, -2e3]], [-4e5], [INF], [INF, 400.0], None, [8e-4, 400.0]),
        # Two parts of one variable, each with a sentinel
        ([[1.0, -1.0, 1.0]], [0.0], [0.0], [5.0, 1e15, 1e12], None, [5.0, 5.0, 5.0]),
        # Only a cost: as large as the other term of the objective
        ([[1.0, 1.0, 0.0]], [-INF], [4.0], [5.0, 5.0, 1e10], [1.0, -2.0, 4.0], [5.0, 5.0, 2.5]),
        # Nothing known of it
        ([[1.0, 0.0]], [-INF], [4.0], [5.0, INF], None, [5.0, 1.0]),
        # A size travels along a chain of rows
        ([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]], [-INF, -INF], [0.0, 0.0], [3.0, 1e18, 1e19], None, [3.0, 3.0, 3.0]),
    ],
)
def test_expected_sizes(
    matrix: list[list[float]],
    lower: list[float],
    upper: list[float],
    bounds: list[float],
    cost: Any,
    right: list[float],
) -> None:
    rows, high = rows_of(matrix, lower, upper), np.array(bounds)
    found = sizes.expected(rows, [no_terms(len(bounds), cost)], np.zeros(len(bounds)), high)
    assert found == pytest.approx(right)


@pytest.mark.parametrize("unit", [1e-4, 1e-2, 1.0, 1e2, 1e4])
@pytest.mark.parametrize("seed", range(8))
def test_sizes_follow_the_units_of_columns(seed: int, unit: float) -> None:
    """A column in another unit has its size in that unit, whatever bounds are loose."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-3, 4, (4, 5)).astype(float)
    limit = rng.integers(1, 9, 4).astype(float)
    bound = np.where(rng.random(5) < 0.5, 1e12, rng.integers(1, 9, 5))
    rows = rows_of(matrix.tolist(), [-INF] * 4, limit.tolist())
    plain = sizes.expected(rows, [no_terms(5)], np.zeros(5), bound)
    units = np.array([unit, 1.0, 1.0, 1.0, 1.0])
    other = Rows(sp.csr_array(matrix / units), rows.lower, rows.upper, rows.names)
    known = (np.abs(matrix).sum(axis=0) > 0) | (bound < 1e12)
    found = sizes.expected(other, [no_terms(5)], np.zeros(5), bound * units)
    assert found[known] == pytest.approx((plain * units)[known])


def test_columns_without_bounds_do_not_hold_one_another_up_at_a_loose_one() -> None:
    """2 x + 2 y + z + s = 3, y and z without an end, s up to 1e19: all are about what x and the limit are."""
    rows = rows_of([[2.0, 2.0, 1.0, 1.0]], [3.0], [3.0])
    low, high = np.array([-1.0, -3.0, -INF, 0.0]), np.array([4.0, INF, 6.0, 1e19])
    assert sizes.expected(rows, [no_terms(4)], low, high) == pytest.approx([4.0, 4.0, 8.0, 8.0])


def test_a_product_with_a_column_of_unknown_size_tells_nothing_of_the_other() -> None:
    """x in [0, 5] times y in [-1e19, 6], which stand in no row: x is not 1e-19 large because y might be 1e19."""
    terms = sizes.Terms(np.array([0.0, 2.0, 4.0]), np.array([0, 0]), np.array([1, 2]), np.array([2.0, -2.0]))
    found = sizes.expected(
        rows_of([[0.0, 0.0, 1.0]], [-INF], [3.0]), [terms], np.array([0.0, -1e19, 0.0]), np.array([5.0, 6.0, 3.0])
    )
    assert found == pytest.approx([5.0, 6.0, 3.0])


def test_bounds_that_rows_imply_replace_loose_ones_only() -> None:
    rows = rows_of([[1.0, -1.0, 0.0], [0.0, 0.0, 2.0]], [-INF, -INF], [0.0, 10.0])
    low, high = tightened(rows, np.array([0.0, 1.0, 0.0]), np.array([1e9, 2.0, 7.0]))
    assert high == pytest.approx([2.0, 2.0, 7.0]) and low.tolist() == [0.0, 1.0, 0.0]
    assert high[0] >= 2.0


def test_a_multiplier_is_sized_by_cost_over_row_and_cost_over_column() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(0, 2e-3)), pyo.Var(bounds=(0, 500))
    m.f.cost = pyo.Objective(expr=3e6 * m.f.y + 2 * m.f.z)
    m.f.row = pyo.Constraint(expr=1e5 * m.f.y + m.f.z >= 10 * m.x)
    m.goal = pyo.Objective(expr=m.x)
    program = compile_model(m)
    rows, columns = dual_sizes(program)
    cost = 3e6 * 2e-3
    at = {program.name(k): k for k in range(program.columns)}
    assert rows == pytest.approx([cost / 500.0])
    assert columns[[at["f.y"], at["f.z"]]] == pytest.approx([cost / 2e-3, cost / 500.0])


# Bounds that nothing reaches


def taker(limit: float) -> Any:
    """The follower takes y = x: the least y over x in [1, 2] is 1."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, limit))
    m.f.c = pyo.Constraint(expr=m.f.y <= m.x)
    m.f.o = pyo.Objective(expr=m.f.y, sense=pyo.maximize)
    m.o = pyo.Objective(expr=m.f.y)
    return m


def two_costs(limit: float) -> Any:
    """2 x + 3 y, x >= g + 2, y = 5 - g: g = 5 and x = 7 give 14."""
    m = pyo.ConcreteModel()
    m.x, m.g = pyo.Var(bounds=(0, limit)), pyo.Var(bounds=(0, 10))
    m.r = pyo.Constraint(expr=m.x - m.g >= 2)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.c = pyo.Constraint(expr=m.f.y >= 5 - m.g)
    m.f.o = pyo.Objective(expr=m.f.y)
    m.o = pyo.Objective(expr=2 * m.x + 3 * m.f.y)
    return m


def penalty(limit: float) -> Any:
    """x - 2 max(0, x - 1) - w: x = 1 and w = 0 give 1."""
    m = pyo.ConcreteModel()
    m.x, m.w = pyo.Var(bounds=(0, 5)), pyo.Var(bounds=(0, limit))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.r = pyo.Constraint(expr=m.f.y >= m.x - 1)
    m.goal = pyo.Objective(expr=m.x - 2 * m.f.y - m.w, sense=pyo.maximize)
    return m


def own(limit: float) -> Any:
    """The same without w, the follower's own variable being the one with the limit: 1."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, limit))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.r = pyo.Constraint(expr=m.f.y >= m.x - 1)
    m.goal = pyo.Objective(expr=m.x - 2 * m.f.y, sense=pyo.maximize)
    return m


MODELS = {taker: 1.0, two_costs: 14.0, penalty: 1.0, own: 1.0}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("limit", LOOSE)
@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_a_bound_that_nothing_reaches_changes_nothing(build: Any, limit: float, solver: str) -> None:
    solution = solved(build(limit), solver=solver)
    right_or_open(solution, MODELS[build])
    assert limit < 1e5 or solution.status == "certified", solution.reason


def test_no_optimum_costs_more_than_a_point_that_is_always_there() -> None:
    """y >= x - 1 without an upper limit: y = 4 serves every x, so no answer is larger, and big-M has a limit."""
    program = compile_model(own(1e25))
    assert np.isinf(program.upper).any()
    form = assemble(program)
    assert np.isfinite(form.bounds.slack_upper[form.bounds.mu_upper > 0]).all()
    assert form.bounds.slack_upper[form.bounds.mu_upper > 0].max() <= 10.0


@pytest.mark.parametrize("limit", [1e3, 1e13])
@pytest.mark.parametrize("y", [900.0, 0.2])
def test_a_broken_row_and_a_poor_answer_are_seen_beside_any_bound(y: float, limit: float) -> None:
    m = taker(limit)
    m.x.set_value(1.5)
    m.f.y.set_value(y, skip_validation=True)
    certificate = bilevel.certify(m, bound=y)
    failing = [check.name for check in certificate.checks if not check.ok]
    assert certificate.status == "rejected"
    assert ("follower rows" if y > 2 else "follower optimality") in failing


@pytest.mark.parametrize(("w", "y"), [(1e-4, 0.0), (1e-3, 0.0), (1e-3, 1e-3), (2e-3, 1e-3), (1e-2, 0.0)])
def test_small_breaches_beside_a_loose_bound_are_seen(w: float, y: float) -> None:
    """w <= y, the follower pays y, which has a bound of 1e6 that nothing needs: only w = y = 0 is bilevel feasible."""
    m = pyo.ConcreteModel()
    m.w = pyo.Var(bounds=(0, 1), initialize=w)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1e6), initialize=y)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.row = pyo.Constraint(expr=m.w <= m.f.y)
    m.goal = pyo.Objective(expr=1000 * m.w, sense=pyo.maximize)
    assert not bilevel.certify(m, bound=0.0).valid


@pytest.mark.parametrize("limit", LOOSE)
@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("beside", [0, 1])
def test_a_poor_answer_is_seen_where_a_loose_bound_is_all_that_is_known_of_a_column(
    limit: float, curved: bool, beside: int
) -> None:
    """y = 1 costs the follower least.  Its limit stands in no row, and is no size to compare 100 times as much with."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 3), initialize=1)
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(1, limit), initialize=100), pyo.Var(bounds=(1, 4), initialize=1)
    m.f.cost = pyo.Objective(expr=m.x * m.f.y + beside * m.f.z + (m.f.y**2 if curved else 0))
    m.goal = pyo.Objective(expr=m.x * m.f.y, sense=pyo.maximize)
    assert not bilevel.certify(m, bound=100.0).valid
    right_or_open(solved(m), 3.0)


# Units


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("big", [1e-4, 1.0, 1e5, 1e9])
def test_a_row_in_another_unit(big: float, solver: str) -> None:
    """y <= 0.5 + 0.1 x in watts, the rest in megawatts; y = max(0, 0.1 x - 0.1): y - 0.05 x is 0.1 at x = 4."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 0.6))
    m.f.cost = pyo.Objective(expr=0.1 * m.f.y)
    m.f.r = pyo.Constraint(expr=big * m.f.y <= big * (0.5 + 0.1 * m.x))
    m.f.q = pyo.Constraint(expr=m.f.y >= 0.1 * m.x - 0.1)
    m.goal = pyo.Objective(expr=m.f.y - 0.05 * m.x, sense=pyo.maximize)
    solution = solved(m, solver=solver)
    assert solution.status == "certified" and solution.objective == pytest.approx(0.1, rel=1e-4), solution.reason


@pytest.mark.parametrize(
    ("solver", "mode"), [("scip", "sos1"), ("scip", "product"), ("scip", "auto"), ("gurobi", "auto")]
)
def test_a_slack_without_a_limit_has_the_size_of_its_row(solver: str, mode: str) -> None:
    """x = 5, y = 1e-4, z = 400 keep 1e9 y >= 2e3 z - 1e5 x - 4e5, which never binds there: 5."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 5))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(1e-4, None)), pyo.Var(bounds=(200, 400))
    m.f.cost = pyo.Objective(expr=2e3 * m.f.y - 2e-3 * m.f.z)
    m.f.row = pyo.Constraint(expr=1e9 * m.f.y >= 2e3 * m.f.z - 1e5 * m.x - 4e5)
    m.goal = pyo.Objective(expr=m.x, sense=pyo.maximize)
    solution = solved(m, solver=solver, mode=mode)
    assert solution.status == "certified" and solution.objective == pytest.approx(5.0, rel=1e-4), solution.reason


def buyer(factor: float) -> Any:
    """The seller and the buyer of the README, with a scaling factor for every variable: 5."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var([0, 1], bounds=(1, 3))
    m.cap = pyo.Constraint(expr=m.price[0] + m.price[1] <= 5)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([0, 1], bounds=(0, 1.5))
    bill = sum(m.price[t] * m.f.y[t] for t in (0, 1))
    m.f.bill = pyo.Objective(expr=bill)
    m.f.need = pyo.Constraint(expr=m.f.y[0] + m.f.y[1] == 2)
    m.goal = pyo.Objective(expr=bill, sense=pyo.maximize)
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    for v in (*m.price.values(), *m.f.y.values()):
        m.scaling_factor[v] = factor
    return m


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("factor", [1e-8, 1e-4, 1.0, 1e4, 1e6, 1e8])
def test_a_scaling_factor_changes_no_verdict(factor: float, solver: str) -> None:
    right_or_open(solved(buyer(factor), solver=solver), 5.0)


# The certificate is as strict as it says


@pytest.mark.parametrize("w", [0.9999, 0.999, 0.995, 0.99, 0.9])
def test_a_multiplier_of_a_row_with_slack_is_refused(w: float) -> None:
    """y >= x = 1 binds; y >= w does not, so its multiplier is 0 and not 1."""
    m = pyo.ConcreteModel()
    m.x, m.w = pyo.Var(bounds=(0, 1000), initialize=1.0), pyo.Var(bounds=(0, 1000), initialize=w)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1e4), initialize=1.0)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.a, m.f.b = pyo.Constraint(expr=m.f.y - m.x >= 0), pyo.Constraint(expr=m.f.y - m.w >= 0)
    m.fix = pyo.Constraint(expr=m.x == 1)
    m.goal = pyo.Objective(expr=m.f.dual(m.f.b) - m.w, sense=pyo.maximize)
    m.f.dual(m.f.b).value = 1.0
    certificate = bilevel.certify(m, bound=0.0)
    assert not certificate.valid and not certificate["complementarity"].ok


@pytest.mark.parametrize("below", [1e-9, 1e-8, 1e-4])
def test_a_cost_that_is_nearly_convex_is_not(below: float) -> None:
    """(y0 - y1)^2 / 2 - below y1^2 / 2 falls without end along y0 = y1: at 1e5 it is -0.5e10 below."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([0, 1], bounds=(-1e5, 1e5))
    y = m.f.y
    m.f.cost = pyo.Objective(expr=0.5 * y[0] ** 2 - y[0] * y[1] + 0.5 * (1 - below) * y[1] ** 2)
    m.goal = pyo.Objective(expr=m.x + y[0] ** 2 * 1e-3)
    with pytest.raises(bilevel.ModelError, match="not convex"):
        bilevel.solve(m, progress=False)


def disc(case: str) -> Any:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([0, 1], bounds=(-3, 3))
    y = m.f.y
    if case == "idle":
        m.f.cost = pyo.Objective(expr=y[0] ** 2 + y[1] ** 2 - 2 * m.x * y[0] + 0.5 * y[1])
        m.f.k = pyo.Constraint(expr=y[0] ** 2 + y[1] ** 2 <= 25)
        m.goal = pyo.Objective(expr=(y[0] - 0.5 * m.x) - y[1], sense=pyo.maximize)
    elif case == "bounds":
        m.f.cost = pyo.Objective(expr=-y[0] + y[1])
        m.f.k = pyo.Constraint(expr=y[0] ** 2 + y[1] ** 2 <= 25 + m.x)
        m.goal = pyo.Objective(expr=y[0] - y[1] - m.x, sense=pyo.maximize)
    else:
        m.f.cost = pyo.Objective(expr=-y[0] + (1 - m.x) * y[1])
        m.f.k = pyo.Constraint(expr=y[0] ** 2 + y[1] ** 2 <= 1)
        m.f.k2 = pyo.Constraint(expr=(y[0] - 1) ** 2 + y[1] ** 2 <= 9 + m.x)
        m.goal = pyo.Objective(expr=y[1] + 0.1 * m.x, sense=pyo.maximize)
    return m


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize(("case", "right"), [("idle", 1.25), ("bounds", 6.0), ("two", 0.5**0.5 + 0.2)])
def test_quadratic_rows_of_followers_that_do_not_bind(case: str, right: float, solver: str) -> None:
    """y = (x, -1/4); y = (3, -3); y = (1, 1) / sqrt(2) at x = 2."""
    solution = solved(disc(case), solver=solver)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("least", "paid", "right"), [(2.0, 0.0, 1.0), (0.0, 1.0, 6.0)])
def test_a_leaders_quadratic_row_may_be_slack(least: float, paid: float, right: float, solver: str) -> None:
    """x^2 <= t, x <= 1, t <= 5: x + paid t is 1 or 6; the row says nothing of an equality."""
    m = pyo.ConcreteModel()
    m.x, m.t = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(least, 5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.r = pyo.Constraint(expr=m.f.y >= m.x)
    m.cone = pyo.Constraint(expr=m.x**2 <= m.t)
    m.goal = pyo.Objective(expr=m.x + paid * m.t, sense=pyo.maximize)
    solution = solved(m, solver=solver)
    assert solution.status == "certified" and solution.objective == pytest.approx(right, rel=1e-6), solution.reason


def test_a_row_that_stands_for_an_equality_may_not() -> None:
    m = pyo.ConcreteModel()
    m.x, m.t = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(2, 5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.r = pyo.Constraint(expr=m.f.y >= m.x)
    m.cone = pyo.Constraint([0], rule=lambda m, _: m.x**2 <= m.t)
    bilevel.relaxes_equality(m, m.cone)
    m.goal = pyo.Objective(expr=m.x, sense=pyo.maximize)
    solution = solved(m)
    assert solution.status == "rejected" and not solution.certificate["cones"].ok


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_answer_far_under_its_bounds_is_solved_again_in_its_own_units(solver: str) -> None:
    """y = x / 20 where y + z <= 1500 lets it be 1500: 5 x - 40 y is 15 at x = 5, and its terms are 25 and 10."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(0, 1500)), pyo.Var(bounds=(0, 1500))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.need, m.f.room = pyo.Constraint(expr=m.f.y >= 0.05 * m.x), pyo.Constraint(expr=m.f.y + m.f.z <= 1500)
    m.goal = pyo.Objective(expr=5 * m.x - 40 * m.f.y, sense=pyo.maximize)
    solution = solved(m, solver=solver)
    assert solution.status == "certified" and solution.objective == pytest.approx(15.0, rel=1e-6), solution.reason
    coarse = bilevel.certify(m, solution.bound)
    assert [check.name for check in coarse.checks if not check.ok] == ["objective resolution"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("far", [3e9, 3e16, 1e19])
def test_two_limits_in_two_rows_are_as_two_in_one(far: float, solver: str) -> None:
    """The follower takes y = -2, where 3 y + z <= 7 leaves z its bound, 3; that -y >= -far says nothing (loose:7014797)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(-10 * far, None)), pyo.Var(bounds=(None, 3))
    m.f.cost = pyo.Objective(expr=4 * m.f.y - m.f.z)
    m.f.far, m.f.near = pyo.Constraint(expr=-m.f.y >= -far), pyo.Constraint(expr=m.f.y >= -2)
    m.f.both = pyo.Constraint(expr=3 * m.f.y + m.f.z <= 7)
    m.goal = pyo.Objective(expr=m.x - 2 * m.f.y)
    solution = solved(m, solver=solver)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(4.0, rel=1e-6)


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("near", [1.0, 3e3, 3e9])
@pytest.mark.parametrize("far", [5e10, 5e13, 1e17])
@pytest.mark.parametrize("limit", [2e6, 2e13, 1e17])
def test_a_point_that_breaks_rows_beside_a_limit_far_out_is_none(
    limit: float, far: float, near: float, solver: str
) -> None:
    """y >= 0 by 0 <= 3 y: at y = -1 it is broken by 3, however far the limits on the other side are (loose:7016921)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1e6, None))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(-near, far))
    m.f.cost = pyo.Objective(expr=4 * m.f.y + 2 * m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=(0, 3 * m.f.y, limit))
    m.goal = pyo.Objective(expr=5 * m.f.y)
    solution = solved(m, solver=solver)
    assert solution.status in ("rejected", "unknown") or solution.objective == pytest.approx(0.0, abs=1e-6)
    m.x.value, m.f.y.value = -2.0, -near
    assert bilevel.certify(m).status == "rejected"


# Limits of rows may be as loose as bounds of columns (found by random problems: loose:7000133, together:7000155, together:7000011)


@pytest.mark.parametrize("loose", [1e3, 1e7, 2e13, 1e19])
@pytest.mark.parametrize("mode", ["auto", "strong_duality"])
def test_a_row_s_limit_that_nothing_comes_near_is_no_size(loose: float, mode: str) -> None:
    """The follower takes y = -1/3; the leader's row says no more than y >= -loose."""
    m = pyo.ConcreteModel()
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(None, 0))
    m.f.cost = pyo.Objective(expr=3 * m.f.y)
    m.f.row = pyo.Constraint(expr=3 * m.f.y >= -1)
    m.row = pyo.Constraint(expr=(0, -m.f.y, loose))
    m.objective = pyo.Objective(expr=-m.f.y)
    program = compile_model(m)
    assert program.size[0] == pytest.approx(1 / 3)
    solution = bilevel.solve(m, mode=mode, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(1 / 3)


@pytest.mark.parametrize("far", [-5e4, -5e13, -1e19])
def test_of_two_limits_far_apart_the_nearer_one_tells_the_size(far: float) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 6))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var()
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=(far, -3 * m.f.y - m.x, -2))
    m.objective = pyo.Objective(expr=m.f.y)
    assert sorted(compile_model(m).size.tolist()) == pytest.approx([2.0, 6.0])
    m.x.setub(1e3)
    m.f.y.setlb(-5.0)
    m.f.y.setub(5.0)
    assert 5.0 in compile_model(m).size.tolist(), "a bound that the rows leave room for is one"


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("limit", [-1.0, -4e11])
def test_what_is_held_at_zero_is_no_unit_of_the_objective(solver: str, limit: float) -> None:
    """4 x y falls without end: for x < 0 the follower takes y = 2.  The multiplier of its empty row is 0, and would cost 2e11."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var()
    m.f = bilevel.Follower()
    m.f.z, m.f.y = pyo.Var(bounds=(0, 4)), pyo.Var(bounds=(2, 5))
    m.f.cost = pyo.Objective(expr=-2 * m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=0 * m.f.z >= limit)
    m.objective = pyo.Objective(expr=4 * m.x * m.f.y)
    assert bilevel.solve(m, solver, progress=False).status == "unbounded"


@pytest.mark.parametrize("loose", [1e5, 1e12, 1e17, 1e20, 1e30])
@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_bounds_that_rows_imply_stand_for_missing_and_far_ones(solver: str, loose: float) -> None:
    """y = 2 x / 3 is at most 4, so that y >= 4.8 is impossible; with bounds of 1e20 a violation of 0.8 was nothing."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-loose, 6))
    m.f, m.g = bilevel.Follower(), bilevel.Follower()
    m.f.y, m.g.y = pyo.Var(bounds=(-1, loose / 2)), pyo.Var(bounds=(-1, loose))
    m.f.cost, m.f.row = pyo.Objective(expr=0 * m.f.y), pyo.Constraint(expr=-3 * m.f.y + 2 * m.x == 0)
    m.g.cost = pyo.Objective(expr=2 * m.g.y + 2.5 * m.g.y**2)
    m.row = pyo.Constraint(expr=m.f.y + 2 * m.g.y >= 4)
    m.objective = pyo.Objective(expr=m.x)
    assert bilevel.solve(m, solver, progress=False).status == "infeasible"
    m.row.set_value(m.f.y + 2 * m.g.y >= 3)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(5.7)


@pytest.mark.parametrize("loose", [1e5, 1e12, 1e17])
def test_a_far_bound_costs_no_digits(loose: float) -> None:
    """y is 2 by its row: the bound of -1e17 stood in strong duality, times a multiplier that is 0, and HiGHS gave up."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 3))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(-loose, 7))
    m.f.cost, m.f.row = pyo.Objective(expr=m.x * m.f.y), pyo.Constraint(expr=-2 * m.f.y == -4)
    m.objective = pyo.Objective(expr=-m.x * m.f.y)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(-6.0)


@pytest.mark.parametrize(
    "row", [lambda m: (0, -m.x, 0), lambda m: m.x <= 0, lambda m: 3 * m.x == 0, lambda m: 6 - 2 * m.x + 3 * m.z == 12]
)
def test_a_column_that_a_row_holds_at_zero_keeps_its_size(row: Any) -> None:
    """Interval propagation with a margin for rounding shrank it to 1e-108, and y's costs with it."""
    m = pyo.ConcreteModel()
    m.x, m.z = pyo.Var(bounds=(0, 4)), pyo.Var(bounds=(2, 2))
    m.row = pyo.Constraint(expr=row(m))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(-1, 2))
    m.f.cost = pyo.Objective(expr=m.f.y - 2 * m.x * m.f.y)
    m.objective = pyo.Objective(expr=5 * m.f.y + m.x * m.f.y)
    assert {2.0, 4.0} == set(compile_model(m).size.tolist())
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(-5.0)


# Numbers that no solver can tell apart


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("limit", [far for far in LOOSE if far < 1e20])
def test_a_follower_at_its_loose_limit_is_no_trap(limit: float, solver: str) -> None:
    """At x < -2 the follower takes `limit`, which costs the leader as much; at x = 1 it takes 4/3, and -17/3 is least.

    Revenue by strong duality has the limit in its cost: what is small beside it must not be lost, nor a bound be more than true.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-3, 1))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(-1, 6)), pyo.Var(bounds=(-1, limit))
    m.f.cost = pyo.Objective(expr=4 * m.f.y + 4 * m.f.z + 2 * m.x * m.f.z)
    m.f.least = pyo.Constraint(expr=m.f.y + 3 * m.f.z >= 3)
    m.goal = pyo.Objective(expr=-4 * m.x - 5 * m.f.y - 3 * m.f.z - 2 * m.x * m.f.z)
    solution = solved(m, solver=solver)
    right_or_open(solution, -17 / 3)
    assert not solution.bound > -17 / 3 + 1e-3


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("limit", LOOSE)
def test_a_limit_far_out_in_a_product_row_cuts_nothing_off(limit: float, solver: str) -> None:
    """Solvers lose what is near where they multiply it with what is far.

    With d = y0 - y1 the follower pays 2 d**2 - (x + 2) d - y1: y1 = 3, d = (x + 2) / 4.  The leader's -18 - 2 d - 2 x d is -19
    at x = 0.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 5), domain=pyo.Integers)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(2), bounds=lambda _, k: ((-limit, 6), (0, 3))[k])
    y0, y1 = m.f.y[0], m.f.y[1]
    bill = m.x * (y1 - y0)
    m.f.cost = pyo.Objective(expr=bill - 2 * y0 + y1 + 2 * (y0 - y1) ** 2)
    m.paid = pyo.Constraint(expr=y1 + bill <= 3)
    m.goal = pyo.Objective(expr=-2 * y0 - 4 * y1 + 2 * bill, sense=pyo.maximize)
    solution = solved(m, solver=solver)
    right_or_open(solution, -19.0)
    assert not solution.bound < -19.0 - 1e-3


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("cost", [1.0, 1e3])
@pytest.mark.parametrize("limit", LOOSE)
def test_no_bound_is_passed_on_that_tolerances_hide(limit: float, cost: float, solver: str) -> None:
    """A slack at `cost` up to `limit` fills x + y + s = 4, where the follower takes y = 2 - x / 2: the objective is linear in x,
    and least at 0 or 4."""
    m = pyo.ConcreteModel()
    m.x, m.s = pyo.Var(bounds=(0, 4)), pyo.Var(bounds=(0, limit))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, limit))
    m.f.cost = pyo.Objective(expr=-m.f.y)
    m.f.most = pyo.Constraint(expr=2 * m.f.y + m.x <= 4)
    m.balance = pyo.Constraint(expr=m.x + m.f.y + m.s == 4)
    m.goal = pyo.Objective(expr=2 * m.x - 3 * m.f.y + cost * m.s)
    best = min(2 * x - 3 * (2 - x / 2) + cost * (2 - x / 2) for x in (0.0, 4.0))
    solution = solved(m, solver=solver)
    right_or_open(solution, best)
    assert not solution.bound > best + 1e-3 * abs(best)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("limit", LOOSE)
def test_a_curved_cost_tells_the_size_of_its_column(limit: float, solver: str) -> None:
    """3 y**2 - 4 y is least at 2/3, so x = 3 - y is 7/3, wherever their limits are."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2 * limit))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(-limit, 3 * limit))
    m.f.cost = pyo.Objective(expr=3 * m.f.y**2 - 4 * m.f.y)
    m.balance = pyo.Constraint(expr=m.x + m.f.y == 3)
    m.goal = pyo.Objective(expr=2000 * m.x - 2000 * m.f.y, sense=pyo.maximize)
    if limit > 1e4:
        assert compile_model(m).size.max() <= 10
    try:
        solution = solved(m, solver=solver)
    except bilevel.UnboundedDualError:
        assert solver == "highs" and limit >= 1e15
        return
    right_or_open(solution, 10000 / 3)
    assert not solution.bound < 10000 / 3 * (1 - 1e-4)


def test_propagation_leaves_the_rows_that_it_reads_as_they_are() -> None:
    matrix = sp.csr_array((np.array([1.0, 0.0, 2.0]), np.array([0, 1, 1]), np.array([0, 2, 3])), shape=(2, 2))
    rows = Rows(matrix, np.array([1.0, 2.0]), np.array([3.0, INF]))
    tightened(rows, np.zeros(2), np.full(2, 1e9))
    assert rows.matrix.nnz == len(rows.matrix.data) == 3
    assert rows.violation(np.zeros(2)).tolist() == [1.0, 2.0]


def test_a_column_that_rows_hold_at_zero_by_rounding_has_no_size_of_rounding() -> None:
    """With z at least 10 the row leaves y 0, or less than 0 by rounding, or a margin for it: its size is that of its bounds."""
    rows = Rows(sp.csr_array(np.array([[0.33000000000000007, 3.3]])), np.full(1, -INF), np.array([3.3000000000000003]))
    low, high = tightened(rows, np.array([10.0, 0.0]), np.array([50.0, 4.0]))
    assert (low[1], high[1]) == (0.0, 4.0)


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_a_leader_reads_multipliers_that_grow_without_end_whatever_rounding_says(solver: str) -> None:
    """y = (10, 0) alone meets the rows, so that their multipliers have no end, and the leader's objective none."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(2, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([0, 1], bounds=lambda _m, k: ((10, 50), (0, 4))[k])
    y = m.f.y
    m.f.cost = pyo.Objective(expr=0 * y[0] - 0.4 * y[1])
    m.f.row = pyo.ConstraintList()
    m.f.row.add(0.30000000000000004 * y[0] + 2.0 * y[1] - m.x - 1.0 <= 0)
    m.f.row.add(0.33000000000000007 * y[0] + 3.3000000000000003 * y[1] == 3.3000000000000003)
    m.f.row.add(0.06 * y[0] + 0.8999999999999999 * y[1] - 0.6 <= 0)
    read = 3.3 * m.f.dual(m.f.row[2]) - 1.8 * m.f.dual(m.f.row[3])
    m.goal = pyo.Objective(expr=-0.09 * y[0] - 0.9 * y[1] + read, sense=pyo.minimize)
    solution = solved(m, solver=solver, mode="product")
    assert solution.status == "unbounded" or not np.isfinite(solution.bound), solution.reason


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("limit", [10.0, 1e3, 1e4, 1e5, 1e6, 2e6, 1e7, 1e9, 1e12])
def test_that_another_column_could_balance_it_does_not_make_a_loose_limit_a_size(limit: float, solver: str) -> None:
    """b + p + 2 r = -2 would balance any r with a b of its size, which the first follower's 3 b <= 4 - a keeps from above alone.

    It takes a - b = 4 + x where no row holds it, and x = 2 (2 x <= 4) is open to the leader: -2 x is -4.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 5))
    m.f, m.g = bilevel.Follower(), bilevel.Follower()
    m.f.a, m.f.b = pyo.Var(), pyo.Var()
    m.f.cost = pyo.Objective(expr=-(4 + m.x) * m.f.a + 4 * m.f.b + 0.5 * (m.f.a - m.f.b) ** 2)
    m.f.first, m.f.second = pyo.Constraint(expr=m.f.a + 3 * m.f.b <= 4), pyo.Constraint(expr=3 * m.f.b <= 6 + 2 * m.f.a)
    m.g.p, m.g.q, m.g.r = pyo.Var(bounds=(2, 5)), pyo.Var(bounds=(3, 7)), pyo.Var(bounds=(None, limit))
    m.g.cost = pyo.Objective(expr=0 * m.g.p)
    m.g.row = pyo.Constraint(expr=3 * m.g.q + 3 * m.g.r >= 5)
    m.most, m.balance = pyo.Constraint(expr=2 * m.x <= 4), pyo.Constraint(expr=m.f.b + m.g.p + 2 * m.g.r == -2)
    m.goal = pyo.Objective(expr=-2 * m.x)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(-4.0, rel=1e-6)


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("least", [1.0, 0.0])
@pytest.mark.parametrize("limit", [8.0, 8e3, 8e6, 8e9, 8e12, 8e15, 8e18])
def test_of_two_limits_in_two_rows_the_nearer_one_tells_more(limit: float, least: float, solver: str) -> None:
    """The follower takes y = 3.5 where x > -1, which breaks y <= 2.5, and goes without end where x < -1: x^2 = 1 is the least.

    With the size of its far limit the difference between 3.5 and 2.5 is nothing.
    """
    m = pyo.ConcreteModel()
    m.x, m.z = pyo.Var(bounds=(-2, 6)), pyo.Var(bounds=(least, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(-1e22, 1e20))
    m.f.cost = pyo.Objective(expr=-m.f.y - m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=2 * m.f.y <= 7)
    m.far, m.near = pyo.Constraint(expr=2 * m.z + 2 * m.f.y >= -limit), pyo.Constraint(expr=2 * m.f.y <= 5)
    m.goal = pyo.Objective(expr=m.x**2)
    try:
        solution = solved(m, solver=solver)
    except bilevel.UnboundedDualError:
        assert solver == "highs"
        return
    right_or_open(solution, 1.0)
    assert solution.status == "certified" or limit > 1e6


@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi"])
@pytest.mark.parametrize("below", [False, True])
@pytest.mark.parametrize("limit", [7e2, 7e4, 7e6, 7e8, 7e10, 7e14, 7e19])
def test_an_objective_that_is_lost_beside_its_own_terms_is_not_certified(
    limit: float, below: bool, solver: str
) -> None:
    """At x = 2 the follower takes any y, and the leader has x - 2 y + x y = 2 whatever it is; beyond, y is at its limit.

    With y at 1e19 the sum of these terms is 0, in any arithmetic of 16 digits.
    """
    m = pyo.ConcreteModel()
    m.x, m.least = pyo.Var(bounds=(1, 4)), pyo.Var(bounds=(2, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(-1e20, limit) if below else (1, limit))
    m.f.cost = pyo.Objective(expr=2 * m.f.y - m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=-3 * m.f.y <= 6e19) if below else pyo.Constraint(expr=-3 * m.f.y >= -limit / 10)
    m.row = pyo.Constraint(expr=m.least - m.x <= 0)
    m.goal = pyo.Objective(expr=m.x - 2 * m.f.y + m.x * m.f.y)
    right_or_open(solved(m, solver=solver), 2.0)


def test_what_is_near_zero_because_its_terms_are_is_certified() -> None:
    """3 x - 3 y with y = x: terms of one size may cancel to 0."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= m.x)
    m.goal = pyo.Objective(expr=3 * m.x - 3 * m.f.y)
    solution = solved(m)
    assert solution.status == "certified" and solution.objective == pytest.approx(0.0, abs=1e-9)
