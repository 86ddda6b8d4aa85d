"""Multipliers in leader expressions, and limits of multipliers that a user gives."""

import numpy as np
import pyomo.environ as pyo
import pytest
from scipy.optimize import linprog

import bilevel
from bilevel.bounds.dual_bounds import derive
from bilevel.compile.compiler import compile_model
from bilevel.followers.kkt import optimality_conditions


def supply(sense: int = 1):
    """Two sources (capacity 1 at cost 1, then cost 3) serve the demand 1 + x: the price is 1 up to a demand of 1, then 3.

    The leader earns the price of the demand row times 1, pays 1.5 x, and x is in [0, 0.5].
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 0.5))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, None))
    cost = m.f.y[1] + 3 * m.f.y[2]
    m.f.cost = pyo.Objective(expr=sense * cost, sense=pyo.minimize if sense == 1 else pyo.maximize)
    m.f.capacity = pyo.Constraint(expr=m.f.y[1] <= 1)
    m.f.demand = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] == 0.75 + m.x)
    return m


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_the_leader_reads_a_price(solver):
    """Price 1 while the demand is at most 1, 3 above it; at a demand of 1 any price in [1, 3], and the leader takes 3."""
    m = supply()
    m.earn = pyo.Objective(expr=m.f.dual(m.f.demand) - 1.5 * m.x, sense=pyo.maximize)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(3 - 1.5 * 0.25, rel=1e-6)
    assert pyo.value(m.f.dual(m.f.demand)) == pytest.approx(3.0)
    assert solution.certificate["duals read"].ok


def test_the_sign_is_that_of_the_objective_as_written():
    """The same follower, maximising the negated cost: d(value)/d(demand) = -price, and d(value)/d(capacity) = +2."""
    m = supply(sense=-1)
    m.x.fix(0.5)
    m.earn = pyo.Objective(expr=m.f.dual(m.f.demand) + 10 * m.f.dual(m.f.capacity), sense=pyo.maximize)
    solution = bilevel.solve(m, "scip", progress=False)
    assert solution.status == "certified", solution.reason
    assert pyo.value(m.f.dual(m.f.demand)) == pytest.approx(-3.0)
    assert pyo.value(m.f.dual(m.f.capacity)) == pytest.approx(2.0)


@pytest.mark.parametrize("at", [0.05, 0.4])
def test_a_dual_is_a_finite_difference(at):
    def value(extra):
        m = supply()
        m.x.fix(at)
        m.f.demand.set_value(m.f.y[1] + m.f.y[2] == 0.75 + extra + m.x)
        m.none = pyo.Objective(expr=0 * m.x + m.f.y[1] + 3 * m.f.y[2])
        return bilevel.solve(m, "scip", progress=False).objective

    m = supply()
    m.x.fix(at)
    m.read = pyo.Objective(expr=m.f.dual(m.f.demand))
    price = bilevel.solve(m, "scip", progress=False).objective
    assert price == pytest.approx((value(1e-3) - value(-1e-3)) / 2e-3, rel=1e-6)


def test_a_dual_that_is_not_optimal_fails_its_check():
    m = supply()
    m.x.fix(0.5)
    m.read = pyo.Objective(expr=m.f.dual(m.f.demand))
    solution = bilevel.solve(m, "scip", progress=False)
    assert bilevel.certify(m, bound=solution.bound).ok
    m.f.dual(m.f.demand).set_value(2.0)
    certificate = bilevel.certify(m, bound=2.0)
    assert not certificate.valid


def test_the_dual_of_a_deactivated_row_is_refused():
    m = supply()
    m.read = pyo.Objective(expr=m.f.dual(m.f.capacity))
    m.f.capacity.deactivate()
    with pytest.raises(bilevel.ModelError, match=r"dual of row 'f\.capacity' .*activate it"):
        bilevel.solve(m, "scip", progress=False)


# ---- signs ---------------------------------------------------------------------------------------------------

WRITINGS = {
    "total == number": (lambda m, total: total == 2.5, 1.0), "number == total": (lambda m, total: (2.5, total), 1.0),
    "total == param": (lambda m, total: total == m.q, 1.0), "param == total": (lambda m, total: m.q == total, 1.0),
    "total == var": (lambda m, total: total == m.d, 1.0), "var == total": (lambda m, total: m.d == total, 1.0),
    "total == expression": (lambda m, total: total == 2 * m.d - 2.5, 1.0),
    "expression == total": (lambda m, total: 0.5 * m.d + 1.25 == total, 1.0),
    "total - var == 0": (lambda m, total: total - m.d == 0, 1.0), "0 == var - total": (lambda m, total: (0, m.d - total), -1.0),
    "total >= number": (lambda m, total: total >= 2.5, 1.0), "number <= total": (lambda m, total: (2.5, total, None), 1.0),
    "total >= param": (lambda m, total: total >= m.q, 1.0), "param <= total": (lambda m, total: m.q <= total, 1.0),
    "total >= var": (lambda m, total: total >= m.d, 1.0), "var <= total": (lambda m, total: m.d <= total, 1.0),
    "total >= fixed": (lambda m, total: total >= m.fixed, 1.0), "fixed <= total": (lambda m, total: m.fixed <= total, 1.0),
    "total >= expression": (lambda m, total: total >= m.d + m.q - 2.5, 1.0),
    "named expression": (lambda m, total: m.e <= total, 1.0),
    "total - var >= 0": (lambda m, total: total - m.d >= 0, 1.0), "var - total <= 0": (lambda m, total: m.d - total <= 0, -1.0),
    "-total <= -var": (lambda m, total: -total <= -m.d, -1.0), "-var >= -total": (lambda m, total: -m.d >= -total, -1.0),
    "ranged": (lambda m, total: pyo.inequality(2.5, total, 9), 1.0), "ranged, param": (lambda m, total: (m.q, total, 9), 1.0),
    "ranged by fixed": (lambda m, total: pyo.inequality(m.fixed, total, 9), 1.0),
    "follower's own fixed variable": (lambda m, total: m.f.held <= total, 1.0),
}  # fmt: skip
"""How a follower may need a total of 2.5, and by how much the total needed grows with the side that holds none of its variables."""


def needing(writing: str, sense: int, extra: float = 0.0):
    """Two sources (1 at cost 1, then cost 3) give a total of at least 2.5 + `extra`, so that the next unit costs 3."""
    m = pyo.ConcreteModel()
    m.d, m.fixed = pyo.Var(bounds=(2.5, 2.5)), pyo.Var(initialize=2.5)
    m.fixed.fix()
    m.q = pyo.Param(initialize=2.5, mutable=True)
    m.e = pyo.Expression(expr=m.d)
    m.f = bilevel.Follower()
    m.f.held = pyo.Var(initialize=2.5)
    m.f.held.fix()
    m.f.g = pyo.Var(["a", "b"], bounds=(0, None))
    m.f.o = pyo.Objective(
        expr=sense * (m.f.g["a"] + 3 * m.f.g["b"]), sense=pyo.minimize if sense == 1 else pyo.maximize
    )
    m.f.lim = pyo.Constraint(expr=m.f.g["a"] <= 1)
    m.f.need = pyo.Constraint(expr=WRITINGS[writing][0](m, m.f.g["a"] + m.f.g["b"] - extra))
    return m


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("writing", WRITINGS)
def test_a_dual_has_one_sign_however_its_row_is_written(writing, sense):
    """Against finite differences of the follower's optimal value: the side without its variables, plus or minus a little."""

    def value(extra):
        m = needing(writing, sense, extra)
        m.o = pyo.Objective(expr=m.f.o.expr + 0 * m.d)
        solution = bilevel.solve(m, "scip", progress=False)
        assert solution.status == "certified", solution.reason
        return solution.objective

    grows = WRITINGS[writing][1]
    slope = (value(0.25 * grows) - value(-0.25 * grows)) / 0.5
    assert slope == pytest.approx(3 * sense * grows, rel=1e-6)
    m = needing(writing, sense)
    m.o = pyo.Objective(expr=m.f.dual(m.f.need) + 0 * m.d)
    solution = bilevel.solve(m, "scip", progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(slope, rel=1e-6)
    assert bilevel.certify(m, bound=solution.bound).ok


def test_where_both_sides_hold_follower_variables_the_larger_or_second_side_is_the_right_hand_side():
    """b >= 2.5 - a and 2.5 - a <= b, one object for Pyomo: more on the side of b saves 3.  As equalities the order is kept."""
    for write, right in (
        (lambda a, b: b >= 2.5 - a, -3), (lambda a, b: 2.5 - a <= b, -3), (lambda a, b: b == 2.5 - a, 3),
        (lambda a, b: 2.5 - a == b, -3),
    ):  # fmt: skip
        m = needing("total == var", 1)
        m.f.need.set_value(write(m.f.g["a"], m.f.g["b"]))
        m.o = pyo.Objective(expr=m.f.dual(m.f.need) + 0 * m.d)
        assert bilevel.solve(m, "scip", progress=False).objective == pytest.approx(right)


# ---- limits of the user's --------------------------------------------------------------------------------------


@pytest.fixture
def no_bases(monkeypatch):
    """As if every follower had too many bases to go through."""
    monkeypatch.setattr("bilevel.bounds.by_bases.MOST_BASES", 0)


def moving():
    """Coupled rows that move with the leader, for which nothing is proven: y1 = 1 + x, y2 = 1, duals 3/2 and 1/2."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y[1] + 2 * m.f.y[2])
    m.f.first = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] == 2 + m.x)
    m.f.second = pyo.Constraint(expr=m.f.y[1] - m.f.y[2] <= m.x)
    m.objective = pyo.Objective(expr=m.f.y[2] - 0.6 * m.x)
    return m


def test_a_right_limit_gives_a_conditional_answer(no_bases):
    m = moving()
    m.f.limit_dual(m.f.first, 20)
    m.f.limit_dual(m.f.second, 20)
    solution = bilevel.solve(m, "highs", "big_m", progress=False)
    assert solution.status == "conditional", solution.reason
    assert solution.objective == pytest.approx(0.4)
    assert not solution.certificate["bounds used"].ok and "user" in solution.certificate["bounds used"].detail
    assert solution.certificate["user bounds enlarged"].ok


def test_a_limit_that_is_too_small_is_found_out(no_bases):
    """With M = 5 the only feasible answer is 1 (x = 1); the optimum 0.5 needs a dual of 10 (model page section 4)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 100))
    m.f.w = pyo.Var(bounds=(0, 100))
    m.f.cost = pyo.Objective(expr=m.f.y[1])
    m.f.first = pyo.Constraint(expr=m.f.y[1] - 10 * m.f.y[2] >= 0)
    m.f.second = pyo.Constraint(expr=m.f.y[2] + m.x >= 1)
    # An equality that moves with the leader, so that nothing can be proven
    m.f.third = pyo.Constraint(expr=m.f.w - m.f.y[2] == m.x)
    m.objective = pyo.Objective(expr=m.x + 0.05 * m.f.y[1])
    for row, limit in ((m.f.first, 5), (m.f.second, 5), (m.f.third, 5)):
        m.f.limit_dual(row, limit)
    small = bilevel.solve(m, "highs", "big_m", progress=False)
    assert small.objective == pytest.approx(1.0)
    assert small.status == "rejected"
    assert small.certificate.first_failure is not None
    assert (
        not small.certificate["user bounds enlarged"].ok and "0.5" in small.certificate["user bounds enlarged"].detail
    )
    for row in (m.f.first, m.f.second, m.f.third):
        m.f.limit_dual(row, 50)
    right = bilevel.solve(m, "highs", "big_m", progress=False)
    assert right.status == "conditional" and right.objective == pytest.approx(0.5)


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_no_positive_number_is_refused(limit):
    m = moving()
    with pytest.raises(bilevel.ModelError, match="positive number"):
        m.f.limit_dual(m.f.first, limit)


def test_a_limit_is_left_aside_where_something_is_proven():
    m = moving()
    m.f.second.deactivate()
    m.f.limit_dual(m.f.first, 1e-3)
    solution = bilevel.solve(m, "highs", "big_m", progress=False)
    assert solution.status == "certified", solution.reason
    assert "user" not in solution.certificate["bounds used"].detail


@pytest.mark.parametrize("seed", range(40))
def test_limits_from_bases_hold_an_optimal_dual(seed):
    """Coupled rows, integers for data (so degenerate often), prices and right-hand sides that move with the leader."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.integers(-2, 3, (3, 3)), rng.integers(-1, 2, (3, 2)), rng.integers(-2, 3, (2, 3))
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(-1, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(3), bounds=(0, 4))
    m.f.cost = pyo.Objective(
        expr=sum((float(j) - 1 + sum(float(c[i, j]) * m.x[i] for i in (0, 1))) * m.f.y[j] for j in range(3))
    )
    m.f.row = pyo.Constraint([0, 1, 2], rule=lambda f, k: (
        sum(float(a[k, j]) * f.y[j] for j in range(3)) + sum(float(b[k, i]) * m.x[i] for i in (0, 1)) + 1e-9 * f.y[0]
        <= 3 if k else sum(float(a[0, j]) * f.y[j] for j in range(3)) + 1e-9 * f.y[0] == float(a[0].sum())
    ))  # fmt: skip
    m.objective = pyo.Objective(expr=m.x[0] + m.x[1])
    program = compile_model(m)
    kkt = optimality_conditions(program)
    limits = derive(program, kkt)
    assert np.isfinite(limits.mu_upper).all() and limits.sources() == {"derived": limits.known()}
    for _ in range(5):
        x = program.values()
        x = np.where(program.followers.owner < 0, rng.uniform(-1, 2, program.columns), 0.0)
        rates, rows, mine = program.followers.rates(x), program.followers.rows, program.followers.columns
        shift = rows.matrix @ x
        found = linprog(
            rates[mine], A_ub=rows.matrix[1:, mine].toarray(), b_ub=(rows.upper - shift)[1:],
            A_eq=rows.matrix[:1, mine].toarray(), b_eq=(rows.upper - shift)[:1], bounds=(0, 4),
        )  # fmt: skip
        if found.status != 0:
            continue
        x[mine] = found.x
        free = kkt.columns - program.columns
        matrix = kkt.stationarity.matrix.toarray()
        dual = linprog(
            np.concatenate([np.zeros(len(kkt.lam)), np.maximum(kkt.pairs.slack(x), 0.0)]),
            A_eq=matrix[:, -free:], b_eq=kkt.stationarity.lower - matrix[:, :-free] @ x,
            bounds=[*zip(limits.lam_lower, limits.lam_upper, strict=True), *((0.0, high) for high in limits.mu_upper)],
        )  # fmt: skip
        assert dual.status == 0, f"seed {seed}: no dual within the limits"
        assert dual.fun == pytest.approx(0.0, abs=1e-7), f"seed {seed}: no optimal dual within the limits"


def test_an_equality_that_is_moved_has_points_that_it_had_not() -> None:
    """b is 0 by the rows wherever these stand, but its equality may be moved, at 1 a unit: the multiplier is -1."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 1))
    m.f = bilevel.Follower()
    m.f.a, m.f.b, m.f.c = pyo.Var(bounds=(-1, 4)), pyo.Var(bounds=(-1, 1)), pyo.Var(bounds=(3, 3))
    m.f.cost = pyo.Objective(expr=m.f.a - m.x * m.f.a + m.x * m.f.b)
    m.f.first = pyo.Constraint(expr=m.f.a == 1)
    m.f.second = pyo.Constraint(expr=m.f.a - m.f.b + m.f.c == 4)
    m.objective = pyo.Objective(expr=-2 * m.f.dual(m.f.second))
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "certified" and solution.objective == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("solver", "mode"), [("highs", "big_m"), ("scip", "sos1"), ("gurobi", "sos1"), ("scip", "product")]
)
def test_a_wrong_limit_is_found_out_in_every_mode(solver, mode):
    """At a price of 5 the buyer is indifferent and buys 2 here, for 10; a limit of 3 would hold the price at 3, for 6."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, None))
    m.f = bilevel.Follower()
    m.f.bought = pyo.Var(["here", "elsewhere"], bounds=(0, 2))
    m.f.bill = pyo.Objective(expr=m.price * m.f.bought["here"] + 5 * m.f.bought["elsewhere"])
    m.f.need = pyo.Constraint(expr=m.f.bought["here"] + m.f.bought["elsewhere"] == 2)
    m.income = pyo.Objective(expr=m.price * m.f.bought["here"], sense=pyo.maximize)
    m.f.limit_dual(m.f.bought["here"], 50)
    m.f.limit_dual(m.f.need, 3)
    small = bilevel.solve(m, solver, mode, progress=False)
    assert small.status == "rejected" and not small.certificate["user bounds enlarged"].ok
    m.f.limit_dual(m.f.need, 50)
    right = bilevel.solve(m, solver, mode, progress=False)
    assert right.status == "conditional" and right.objective == pytest.approx(10.0, rel=1e-6)
