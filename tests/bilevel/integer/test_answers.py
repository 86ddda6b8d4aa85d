"""Followers with integer variables against enumeration: published problems, drawn ones, and what is refused."""

import itertools
from collections.abc import Callable
from typing import Any

import integer_problems
import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.errors import BilevelError

GAP = 1e-5


def solved(model: Any, solver: str = "auto", **options: Any) -> bilevel.Solution:
    return bilevel.solve(model, solver, progress=False, **{"time_limit": 60, "gap": GAP, **options})


def moore_and_bard() -> Any:
    """Moore and Bard 1990, example 1: relaxing the follower gives -18, which bounds nothing."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Integers, bounds=(0, 10))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Integers, bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.rows = pyo.ConstraintList()
    for row in (-25 * m.x + 20 * m.f.y <= 30, m.x + 2 * m.f.y <= 10, 2 * m.x - m.f.y <= 15, 2 * m.x + 10 * m.f.y >= 15):
        m.f.rows.add(row)
    m.goal = pyo.Objective(expr=-m.x - 10 * m.f.y)
    return m


def test_moore_and_bard() -> None:
    """-22 at (2, 2), as every pair of whole numbers shows."""
    allowed = [
        (x, y)
        for x, y in itertools.product(range(11), repeat=2)
        if -25 * x + 20 * y <= 30 and x + 2 * y <= 10 and 2 * x - y <= 15 and 2 * x + 10 * y >= 15
    ]
    answers = [(x, min(y for other, y in allowed if other == x)) for x in {x for x, _ in allowed}]
    assert min(-x - 10 * y for x, y in answers) == -22
    solution = solved(moore_and_bard())
    assert (solution.status, round(solution.objective, 9)) == ("certified", -22)
    assert solution.certificate["follower optimality"].value <= 1e-9


VALUES, WEIGHTS, COSTS = (9, 7, 6, 5, 4, 3), (5, 4, 4, 3, 2, 1), (3, 2, 3, 2, 1, 2)


def interdiction(capacity: int = 9, budget: int = 5) -> Any:
    """A knapsack from which the leader takes items away."""
    m = pyo.ConcreteModel()
    m.J = pyo.RangeSet(0, len(VALUES) - 1)
    m.x = pyo.Var(m.J, domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(m.J, domain=pyo.Binary)
    worth = sum(VALUES[j] * m.f.y[j] for j in m.J)
    m.f.worth = pyo.Objective(expr=worth, sense=pyo.maximize)
    m.f.room = pyo.Constraint(expr=sum(WEIGHTS[j] * m.f.y[j] for j in m.J) <= capacity)
    m.f.left = pyo.Constraint(m.J, rule=lambda _b, j: m.f.y[j] <= 1 - m.x[j])
    m.budget = pyo.Constraint(expr=sum(COSTS[j] * m.x[j] for j in m.J) <= budget)
    m.goal = pyo.Objective(expr=worth)
    return m


def test_knapsack_interdiction() -> None:
    def worth(taken: tuple[int, ...]) -> int:
        return max(
            sum(VALUES[j] for j in picked)
            for n in range(len(VALUES) + 1)
            for picked in itertools.combinations([j for j in range(len(VALUES)) if not taken[j]], n)
            if sum(WEIGHTS[j] for j in picked) <= 9
        )

    decisions = [
        x
        for x in itertools.product((0, 1), repeat=len(VALUES))
        if sum(c * t for c, t in zip(COSTS, x, strict=True)) <= 5
    ]
    solution = solved(interdiction())
    assert (solution.status, round(solution.objective, 9)) == ("certified", min(map(worth, decisions)))
    # What is taken away is priced in the rules, so that few answers do
    assert solution.settings["answers"] <= 8


UNITS = ((4.0, 10.0, 2.0, 30.0), (2.0, 8.0, 3.0, 8.0), (1.0, 6.0, 5.0, 2.0))
"""Least and most output, cost of a unit of output, cost of being on."""


def commitment() -> Any:
    """The follower switches units on for a demand that the leader sheds from; the leader pays for emissions of the first unit."""
    m = pyo.ConcreteModel()
    m.shed = pyo.Var(domain=pyo.Integers, bounds=(0, 6))
    m.f = bilevel.Follower()
    m.f.U = pyo.RangeSet(0, 2)
    m.f.on = pyo.Var(m.f.U, domain=pyo.Binary)
    m.f.p = pyo.Var(m.f.U, bounds=(0, 10))
    m.f.most = pyo.Constraint(m.f.U, rule=lambda b, u: b.p[u] <= UNITS[u][1] * b.on[u])
    m.f.least = pyo.Constraint(m.f.U, rule=lambda b, u: b.p[u] >= UNITS[u][0] * b.on[u])
    m.f.demand = pyo.Constraint(expr=sum(m.f.p[u] for u in m.f.U) == 15 - m.shed)
    m.f.cost = pyo.Objective(expr=sum(UNITS[u][2] * m.f.p[u] + UNITS[u][3] * m.f.on[u] for u in m.f.U))
    m.goal = pyo.Objective(expr=5 * m.shed + 4 * m.f.p[0] + m.f.p[1])
    return m


def test_unit_commitment() -> None:
    """A mixed follower: for every demand and every set of units the cheapest outputs follow by merit order."""

    def dispatch(demand: float, on: tuple[int, ...]) -> tuple[float, list[float]] | None:
        low, high = (sum(UNITS[u][k] for u in range(3) if on[u]) for k in (0, 1))
        if not low <= demand <= high:
            return None
        p = [UNITS[u][0] * on[u] for u in range(3)]
        for u in sorted(range(3), key=lambda u: UNITS[u][2]):
            p[u] += on[u] * min(UNITS[u][1] - UNITS[u][0], demand - sum(p))
        return sum(UNITS[u][2] * p[u] + UNITS[u][3] * on[u] for u in range(3)), p

    best = np.inf
    for shed in range(7):
        found = [
            answer for on in itertools.product((0, 1), repeat=3) if (answer := dispatch(15 - shed, on)) is not None
        ]
        least = min((cost for cost, _ in found), default=np.inf)
        best = min([best, *(5 * shed + 4 * p[0] + p[1] for cost, p in found if cost <= least + 1e-9)])
    solution = solved(commitment())
    assert solution.status == "certified"
    assert solution.objective == pytest.approx(best, rel=GAP)


def test_not_attained() -> None:
    """min x - y where y >= x is 0 at x = 0 and 1 beyond: the infimum of -1 is none of a decision."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Binary)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= m.x)
    m.goal = pyo.Objective(expr=m.x - m.f.y)
    solution = solved(m, gap=1e-4)
    assert solution.status == "not_attained"
    assert solution.bound == pytest.approx(-1, abs=1e-9)
    assert -1 < solution.objective < -0.9998
    assert "none attains it" in solution.reason


def test_no_point() -> None:
    """The follower answers 1 - x, and the leader wants both: cooperation could, answers cannot."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(domain=pyo.Binary)
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.x + m.f.y >= 1)
    m.both = pyo.Constraint(expr=m.x + m.f.y >= 2)
    m.goal = pyo.Objective(expr=m.x)
    solution = solved(m)
    assert solution.status == "infeasible"
    assert solution.certificate["exhausted search"].ok


def test_progress_counts_answers() -> None:
    """Each line tells the answers known by then, and a bound and an incumbent that hold on either side of the optimum."""
    lines: list[bilevel.ProgressEvent] = []
    solution = bilevel.solve(interdiction(), progress=lines.append)
    assert solution.status == "certified"
    counts = [line.answers for line in lines]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, solution.settings["answers"])
    assert 1 < solution.settings["answers"] < 2 ** len(VALUES)
    assert f"({counts[-1]})" in lines[-1].line()
    slack = 1e-6 * abs(solution.objective)
    for line in lines:
        assert not line.bound > solution.objective + slack
        assert not line.incumbent < solution.objective - slack


@pytest.mark.parametrize("seed", range(24))
def test_drawn(seed: int) -> None:
    _compare(seed, "auto")


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
@pytest.mark.parametrize("seed", range(100, 104))
def test_drawn_elsewhere(seed: int, solver: str) -> None:
    _compare(seed, solver)


def _compare(seed: int, solver: str) -> None:
    p = integer_problems.draw(seed)
    known = integer_problems.optimum(p)
    solution = solved(integer_problems.to_pyomo(p), solver)
    sign = -1.0 if p.maximises else 1.0
    if np.isinf(known):
        assert solution.status == "infeasible"
        return
    assert solution.status == "certified"
    assert sign * solution.objective == pytest.approx(known, abs=1e-4 * max(1.0, abs(known)))
    assert sign * solution.bound <= known + 1e-6 * max(1.0, abs(known))


@pytest.mark.parametrize("seed", range(200, 206))
def test_bound_at_any_moment(seed: int) -> None:
    """Whatever time there was, the bound is one."""
    p = integer_problems.draw(seed)
    known, sign = integer_problems.optimum(p), -1.0 if p.maximises else 1.0
    for limit in (1e-3, 0.02, 0.05):
        solution = solved(integer_problems.to_pyomo(p), time_limit=limit)
        assert not sign * solution.bound > known + 1e-6 * max(1.0, abs(known))
        assert solution.status != "certified" or sign * solution.objective == pytest.approx(known, rel=1e-4, abs=1e-4)


def _with(change: Callable[[Any], None], build: Callable[[], Any] = moore_and_bard) -> Any:
    model = build()
    change(model)
    return model


def _squared(m: Any) -> None:
    m.f.cost.set_value(m.f.y**2 + m.f.y)


def _round(m: Any) -> None:
    m.f.round = pyo.Constraint(expr=m.f.y**2 <= 50)


def _read(m: Any) -> None:
    m.limit = pyo.Constraint(expr=m.f.dual(m.f.rows[1]) <= 5)


def _endless(m: Any) -> None:
    m.x.setub(None)
    for row in m.f.rows.values():
        row.deactivate()
    m.f.seen = pyo.Constraint(expr=m.f.y + m.x >= 3)


def _unbounded_answer(m: Any) -> None:
    m.f.z = pyo.Var(domain=pyo.NonNegativeIntegers)
    m.f.cost.set_value(m.f.y + m.f.z)


def _steps(m: Any) -> None:
    m.f.z = pyo.Var(domain=pyo.Set(initialize=[0, 2, 5]), bounds=(0, 5))
    m.f.cost.set_value(m.f.y + m.f.z)


def _continuous_product(m: Any) -> None:
    m.f.z, m.price = pyo.Var(bounds=(0, 1)), pyo.Var(bounds=(0, 1))
    m.f.cost.set_value(m.f.y - m.price * m.f.z)


REFUSED = {
    "a quadratic objective": (_squared, {}, "'f' has a quadratic objective, .*have to be linear"),
    "quadratic rows": (_round, {}, "'f' has quadratic rows"),
    "multipliers": (_read, {}, "reads the dual of 'f.rows\\[1\\]'"),
    "an endless decision": (_endless, {}, "leader variable 'x' that followers see has no upper bound"),
    "an endless answer": (_unbounded_answer, {}, "'f.z' has no upper bound"),
    "steps": (_steps, {}, "'f.z' is limited to .*whole numbers only"),
    "a continuous product": (_continuous_product, {}, "'f.z' and 'price'|'price' and 'f.z'"),
    "a mode": (lambda m: None, {"mode": "big_m"}, "mode='big_m' is for continuous followers.*'f.y'"),
    "secure": (lambda m: None, {"ties": "secure"}, "ties='secure'"),
    "pessimistic": (lambda m: None, {"ties": "pessimistic"}, "'f.y'"),
    "a proof": (lambda m: None, {"proof": True}, "proof=True"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_by_name(what: str) -> None:
    change, options, words = REFUSED[what]
    with pytest.raises(BilevelError, match=words):
        solved(_with(change), **options)


OTHERS: dict[str, Callable[[Any], Any]] = {
    "reformulate": bilevel.reformulate,
    "equilibrium": lambda m: bilevel.LeaderProblem(m),
    "front": lambda m: bilevel.pareto(m, m.goal.expr, m.x, points=3, progress=False),
}


@pytest.mark.parametrize("name", OTHERS)
def test_refused_elsewhere(name: str) -> None:
    """What rests on multipliers says so, and does not relax a follower in silence."""
    with pytest.raises(BilevelError, match=r"'f.y' is integer, and .* are for continuous followers"):
        OTHERS[name](moore_and_bard())
