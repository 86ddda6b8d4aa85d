"""Products of multipliers with quantities, made linear by the followers' optimality conditions, against enumeration."""

import itertools

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.reformulate import optimality_products

SEEDS = range(4)
SHED = 300.0


def market(hours: int, units: int, seed: int, paid: str = "own") -> tuple[pyo.ConcreteModel, float]:
    """A generator offers a quantity at a price and is paid the balance's dual; and the best that it can earn, by enumeration.

    `paid`: for its own output, or a retailer pays for a rival's ("rival"), or it sells the leader's own injection ("injection").
    """
    rng = np.random.default_rng(seed)
    cap, cost = rng.uniform(20, 100, units), np.sort(rng.uniform(5, 60, units))
    demand = cap.sum() * rng.uniform(0.4, 0.9, hours)
    most, own_cost = 0.3 * float(cap.sum()), 12.0
    m = pyo.ConcreteModel()
    m.offer = pyo.Var(range(hours), bounds=(0, most))
    m.f = bilevel.Follower()
    m.f.p = pyo.Var(range(units), range(hours), bounds=lambda _, g, t: (0, cap[g]))
    m.f.shed = pyo.Var(range(hours), bounds=(0, None))
    bill = sum(cost[g] * m.f.p[g, t] for g in range(units) for t in range(hours)) + SHED * pyo.quicksum(m.f.shed[:])
    own = m.offer
    if paid == "own":
        m.bid = pyo.Var(range(hours), bounds=(0, 200))
        m.f.s = pyo.Var(range(hours), bounds=(0, most))
        m.f.limit = pyo.Constraint(range(hours), rule=lambda b, t: b.s[t] <= m.offer[t])
        bill += sum(m.bid[t] * m.f.s[t] for t in range(hours))
        own = m.f.s
    m.f.cost = pyo.Objective(expr=bill)
    m.f.balance = pyo.Constraint(
        range(hours),
        rule=lambda b, t: sum(b.p[g, t] for g in range(units)) + b.shed[t] == demand[t] - own[t],
    )
    price = [m.f.dual(m.f.balance[t]) for t in range(hours)]
    m.profit = pyo.Objective(expr=sum((price[t] - own_cost) * own[t] for t in range(hours)), sense=pyo.maximize)
    return m, sum(best(cap, cost, demand[t], most, own_cost) for t in range(hours))


def best(cap: np.ndarray, cost: np.ndarray, demand: float, most: float, own_cost: float) -> float:
    """The most that is earned in an hour: at the cost of each unit, or of unserved load, as much as the cheaper units leave."""
    quantities = [(level, min(most, max(demand - cap[cost < level].sum(), 0.0))) for level in (*cost, SHED)]
    return max(0.0, *((level - own_cost) * quantity for level, quantity in quantities))


@pytest.mark.parametrize("paid", ["own", "injection"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("solver", ["highs", "scip", "gurobi", "auto"])
def test_a_generator_paid_the_dual_earns_what_enumeration_finds(paid: str, seed: int, solver: str) -> None:
    model, known = market(3, 3, seed, paid)
    solution = bilevel.solve(model, solver, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(known, rel=1e-6)


@pytest.mark.parametrize("solver", ["highs", "auto"])
def test_a_day_of_hours_and_ten_units(solver: str) -> None:
    """Its hours share nothing, and are searched one by one."""
    model, known = market(24, 10, 0)
    solution = bilevel.solve(model, solver, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(known, rel=1e-6)


def network(limit: float) -> pyo.ConcreteModel:
    """Two buses and a line; the leader's wind at bus 1 is paid that bus's price, a unit at bus 2 is dearer, demand is at bus 2."""
    m = pyo.ConcreteModel()
    m.wind = pyo.Var(bounds=(0, 10))
    m.f = bilevel.Follower()
    m.f.cheap, m.f.dear = pyo.Var(bounds=(0, 8)), pyo.Var(bounds=(0, 20))
    m.f.flow = pyo.Var(bounds=(-limit, limit))
    m.f.cost = pyo.Objective(expr=10 * m.f.cheap + 40 * m.f.dear)
    m.f.one = pyo.Constraint(expr=m.f.cheap - m.f.flow == -m.wind)
    m.f.two = pyo.Constraint(expr=m.f.dear + m.f.flow == 15)
    m.profit = pyo.Objective(expr=m.f.dual(m.f.one) * m.wind, sense=pyo.maximize)
    return m


@pytest.mark.parametrize(("limit", "known"), [(20.0, 40 * 7.0), (5.0, 10 * 5.0), (12.0, 40 * 4.0)])
def test_the_price_of_the_own_bus_is_earned_across_a_line(limit: float, known: float) -> None:
    """Short of the line's limit with all of the cheap unit the price is 40; where the line is full first it is 10 at most."""
    solution = bilevel.solve(network(limit), "highs", progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(known, rel=1e-6)


def curved(weight: float) -> pyo.ConcreteModel:
    """The leader sells x into a market with a unit of cost y + y^2 / 2 and a demand of 10: the price is 1 + y = 11 - x."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 20))
    m.f.cost = pyo.Objective(expr=m.f.y + m.f.y**2 / 2)
    m.f.balance = pyo.Constraint(expr=m.f.y == 10 - m.x)
    m.profit = pyo.Objective(expr=weight * m.f.dual(m.f.balance) * m.x - m.x, sense=pyo.maximize)
    return m


def test_squares_of_rivals_that_the_leader_wants_small_are_exact() -> None:
    """(11 - x) x - x is most at x = 5: 25."""
    solution = bilevel.solve(curved(1.0), "highs", progress=False, time_limit=60, gap=1e-6)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(25.0, rel=1e-6)


def test_squares_that_the_leader_wants_large_are_refused_by_name() -> None:
    with pytest.raises(bilevel.ModelError, match="wants the revenue from follower 'f' small"):
        bilevel.solve(curved(-1.0), "highs", progress=False)


def test_a_row_may_hold_what_a_dual_earns() -> None:
    """At least 30 of revenue (11 - x) x at the least x: x^2 - 11 x + 30 = 0 at x = 5."""
    m = curved(1.0)
    m.profit.deactivate()
    m.least = pyo.Constraint(expr=m.f.dual(m.f.balance) * m.x >= 30)
    m.small = pyo.Objective(expr=m.x)
    solution = bilevel.solve(m, "highs", progress=False, time_limit=60, gap=1e-6)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(5.0, rel=1e-5)


def shares(weights: tuple[float, float]) -> pyo.ConcreteModel:
    """Two users of one follower that share nothing; of their bills the leader gets these shares."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(0, 3))
    m.f = bilevel.Follower()
    m.f.y, m.f.other = pyo.Var([0, 1], bounds=(0, 2)), pyo.Var([0, 1], bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=sum(m.x[k] * m.f.y[k] + 2 * m.f.other[k] for k in (0, 1)))
    m.f.need = pyo.Constraint([0, 1], rule=lambda b, k: b.y[k] + b.other[k] == 1 + k / 2)
    m.income = pyo.Objective(
        expr=sum(weight * m.x[k] * m.f.y[k] for k, weight in enumerate(weights)), sense=pyo.maximize
    )
    return m


@pytest.mark.parametrize("weights", list(itertools.product([0.5, 1.0, 2.5], [0.5, 1.0])))
def test_bills_of_parts_that_share_no_row_may_have_weights_of_their_own(weights: tuple[float, float]) -> None:
    """A price of 2, where the other way costs as much, is the best for each: 2 x 1 and 2 x 1.5."""
    solution = bilevel.solve(shares(weights), "highs", progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(2 * weights[0] + 3 * weights[1], rel=1e-6)


def test_a_product_that_stands_in_no_row_is_refused_with_both_names() -> None:
    m, _ = market(2, 2, 0)
    m.profit.set_value(m.f.dual(m.f.balance[0]) * m.f.s[1])
    with pytest.raises(
        bilevel.ModelError, match=r"dual of row 'f.balance\[0\]' and 'f.s\[1\]' has no linear form.*solver='scip'"
    ):
        bilevel.solve(m, "highs", progress=False)


def test_what_one_rival_earns_has_a_weight_of_its_own() -> None:
    """Its own optimality says what it earns: its cost, and what its limit is worth."""
    m, _ = market(2, 2, 0, "injection")
    m.profit.set_value(m.f.dual(m.f.balance[0]) * (m.offer[0] + 2 * m.f.p[0, 0]))
    found = [bilevel.solve(m, solver, progress=False, time_limit=60) for solver in ("highs", "scip")]
    assert [solution.status for solution in found] == ["certified", "certified"]
    assert found[0].objective == pytest.approx(found[1].objective, rel=1e-4)


def test_injections_into_one_balance_with_weights_that_differ_are_refused_with_the_row_s_name() -> None:
    m = curved(1.0)
    m.z = pyo.Var(bounds=(0, 2))
    m.f.balance.set_value(m.f.y == 10 - m.x - m.z)
    m.profit.set_value(m.f.dual(m.f.balance) * (m.x + 2 * m.z))
    with pytest.raises(bilevel.ModelError, match=r"'f.balance'.*optimality conditions do not cancel it"):
        bilevel.solve(m, "highs", progress=False)


def test_a_product_that_a_quadratic_row_holds_up_is_refused_too() -> None:
    """The leader's x in the disc holds its weight at 0, and the price of y at another one."""
    m = pyo.ConcreteModel()
    m.x, m.price = pyo.Var(bounds=(0, 2)), pyo.Var(bounds=(0, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 5))
    m.f.cost = pyo.Objective(expr=(2 + m.price) * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= 1)
    m.f.disc = pyo.Constraint(expr=m.f.y**2 <= 9 + m.x)
    m.goal = pyo.Objective(expr=(m.f.dual(m.f.row) + m.price) * m.f.y, sense=pyo.maximize)
    with pytest.raises(bilevel.ModelError, match=r"a multiplier of a quadratic row and .*no linear form"):
        bilevel.solve(m, "highs", progress=False)


def drawn(seed: int) -> pyo.ConcreteModel:
    """A follower with some rows whose duals the leader multiplies by what stands in them, with weights of a row each."""
    rng = np.random.default_rng([seed, 67])
    columns, rows = int(rng.integers(2, 4)), int(rng.integers(1, 3))
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(0, 3))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(columns), bounds=(0, float(rng.integers(2, 6))))
    cost = sum(float(rate) * m.f.y[j] for j, rate in enumerate(rng.integers(-3, 6, columns)))
    m.f.cost = pyo.Objective(expr=cost + (m.x[0] * m.f.y[0] if rng.random() < 0.5 else 0))
    m.f.rows = pyo.ConstraintList()
    goal = m.x[0] * float(rng.integers(-2, 3)) + m.x[1] * float(rng.integers(-2, 3))
    for _ in range(rows):
        entries, limit = rng.integers(1, 4, columns), float(rng.integers(1, 5))
        total = sum(float(entry) * m.f.y[j] for j, entry in enumerate(entries))
        # At most 3 times as much of one row as of another: all of them have a point
        row = m.f.rows.add(total <= 3 + limit if rng.random() < 0.5 else total >= limit / 4)
        goal += float(rng.integers(-2, 3)) * m.f.dual(row) * total
    m.goal = pyo.Objective(expr=goal + 0 * m.f.y[0])
    return m


@pytest.mark.parametrize("seed", range(15))
def test_linear_products_are_what_a_nonconvex_solver_makes_of_them(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same problem with its products left as they are, to SCIP."""
    found = bilevel.solve(drawn(seed), "highs", progress=False, time_limit=60)

    def refuse(*_: object) -> None:
        raise bilevel.ModelError("left as they are")

    monkeypatch.setattr(optimality_products, "cancelled", refuse)
    known = bilevel.solve(drawn(seed), "scip", progress=False, time_limit=60)
    proven = ("certified", "infeasible", "unbounded")
    assert found.status in proven, found.reason
    if known.status in proven:
        assert found.status == known.status
        assert found.objective == pytest.approx(known.objective, rel=1e-4, abs=1e-4, nan_ok=True)
