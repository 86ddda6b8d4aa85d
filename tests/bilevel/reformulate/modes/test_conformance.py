"""Everything registered reaches the same, independently known optimum: modes x cones x solvers, literature, closed forms."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import LinearBilevel, cheapest_bill, enumerate_optimum, linear_model, search, tiny_case

import bilevel
import formulations
from bilevel.compile.compiler import compile_model
from bilevel.errors import FeatureError, LicenceError, UnboundedDualError
from bilevel.progress import Progress
from bilevel.reformulate.modes import MODES
from bilevel.reformulate.single_level import assemble
from bilevel.relax import CONES
from bilevel.solvers import SOLVERS
from bilevel.solvers.scaling.scaled import Scaled

COMBINATIONS = sorted(itertools.product(SOLVERS, MODES, CONES))

# Every follower row stands alone, so every mode has its bounds
SEPARABLE = LinearBilevel(
    c=[1.0, -1.0], d=[-1.0, 2.0, -2.0], e=[1.0, -1.0, 0.5],
    A=[[1.0, -1.0], [-1.0, 0.5]], B=[[-1.0, -2.0, 0.0], [0.0, 0.0, -1.0]], b=[-1.0, -0.5],
    G=[[1.0, 1.0], [0.0, 0.0]], H=[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], g=[3.0, 6.0],
)  # fmt: skip


def capped(p: LinearBilevel) -> LinearBilevel:
    """The same with y <= 4 as follower rows for the enumeration (bounds of the Pyomo model)."""
    return replace(
        p, A=[*p.A, *np.zeros((p.ny, p.nx)).tolist()], B=[*p.B, *np.eye(p.ny).tolist()], b=[*p.b, *[4.0] * p.ny]
    )  # fmt: skip


def separable_model() -> Any:
    m = linear_model(SEPARABLE, limit=100.0)
    for y in m.f.y.values():
        y.setub(4.0)
    return m


def missing(model: Any, solver: str, mode: str, cones: str, conic: bool) -> bool:
    needed = MODES[mode].features(assemble(compile_model(model)))
    return not needed | (CONES[cones].features if conic else frozenset()) <= SOLVERS[solver].features


@pytest.fixture(scope="module")
def linear_optimum() -> float:
    value = enumerate_optimum(capped(SEPARABLE))
    assert np.isfinite(value)
    return value


@pytest.mark.parametrize(("solver", "mode", "cones"), COMBINATIONS)
def test_linear_conformance(solver: str, mode: str, cones: str, linear_optimum: float) -> None:
    def run() -> bilevel.Solution:
        # Modes without binaries are as precise as solvers keep rows, 1e-7
        return bilevel.solve(separable_model(), solver, mode, cones, gap=1e-6, progress=False)

    if missing(separable_model(), solver, mode, cones, conic=False):
        with pytest.raises(FeatureError, match=f"which solver {solver!r} does not have"):
            run()
        return
    solution = run()
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(linear_optimum, rel=1e-6)
    assert solution.bound == pytest.approx(linear_optimum, rel=1e-6)


OBJECTIVE = {"loss": 1.0, "profit": 0.3}


@pytest.fixture(scope="module")
def conic_optimum() -> float:
    """The default's answer; the other 11 combinations, with other algorithms and solvers, have to agree with it."""
    solution = bilevel.solve(formulations.charging_pricing(tiny_case(), OBJECTIVE), gap=1e-6, progress=False)
    assert solution.status == "certified", solution.reason
    return solution.objective


@pytest.mark.parametrize(("solver", "mode", "cones"), COMBINATIONS)
def test_conic_conformance(solver: str, mode: str, cones: str, conic_optimum: float) -> None:
    model = formulations.charging_pricing(tiny_case(), OBJECTIVE)

    def run() -> bilevel.Solution:
        return bilevel.solve(model, solver, mode, cones, gap=1e-5, time_limit=60, progress=False)

    if missing(model, solver, mode, cones, conic=True):
        with pytest.raises(FeatureError, match=f"which solver {solver!r} does not have"):
            run()
        return
    try:
        solution = run()
    except LicenceError as error:
        # Gurobi's pip licence ends at 200 columns with any quadratic row, and a tower has more
        assert (solver, cones) == ("gurobi", "tower") and "too large" in str(error)
        return
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(conic_optimum, rel=3e-5)
    assert solution.bound <= conic_optimum + 3e-5 * abs(conic_optimum)


def test_conic_optimum_by_a_grid_of_prices(conic_optimum: float) -> None:
    """No prices of a coarse grid do better (followers by closed form, ties broken for the leader by the network model)."""
    best = np.inf
    levels = (0.1, 0.3, 0.35, 0.5)
    case = tiny_case()
    model = formulations.charging_pricing(case, OBJECTIVE)
    for first in itertools.product(levels, repeat=3):
        if sum(first) / 3 > 0.35 + 1e-9:
            continue
        for at, price in enumerate(first):
            for station in ("s", "r"):
                model.price[station, at].fix(price)
        best = min(best, search(model, gap=1e-5)[1])
    assert conic_optimum <= best + 1e-5 * abs(best)


# Published optima.  Each is also enumerated here, so that a misprint cannot pass
BARD_1998 = LinearBilevel(
    # Bard, Practical Bilevel Optimization (1998), example 5.1.1: (4, 4), F = -12
    c=[1], d=[-4], e=[1], A=[[-1], [-2], [2], [3]], B=[[-1], [1], [1], [-2]], b=[-3, 0, 12, 4]
)  # fmt: skip
CANDLER_TOWNSLEY_1982 = LinearBilevel(
    # Candler and Townsley, Computers & OR 9 (1982): x = (0, 0.9), y = (0, 0.6, 0.4), F = 29.2 (maximised)
    c=[-8, -4], d=[4, -40, -4], e=[1, 1, 2],
    A=[[0, 0], [2, 0], [0, 2]], B=[[-1, 1, 1], [-1, 2, -0.5], [2, -1, -0.5]], b=[1, 1, 1],
)  # fmt: skip
LIU_HART_1994 = LinearBilevel(
    # Liu and Hart, EJOR 73 (1994): (4, 4), F = -16
    c=[-1], d=[-3], e=[1], A=[[-1], [1], [4]], B=[[1], [2], [-1]], b=[3, 12, 12]
)  # fmt: skip
BIALAS_KARWAN_1984 = LinearBilevel(
    # Bialas and Karwan, Management Science 30 (1984): (16, 11), F = -11
    c=[0], d=[-1], e=[1], A=[[-1], [1], [2], [1], [-1]], B=[[-2], [-2], [-1], [2], [2]], b=[-10, 6, 21, 38, 18]
)  # fmt: skip
# Bard 1998 again with a leader row on the follower's variable alone: y <= 3 moves the optimum
SHARED_ROW = replace(BARD_1998, G=[[0]], H=[[1]], g=[3])
PUBLISHED = {
    "bard 1998": (BARD_1998, -12.0),
    "candler-townsley 1982": (CANDLER_TOWNSLEY_1982, -29.2),
    "liu-hart 1994": (LIU_HART_1994, -16.0),
    "bialas-karwan 1984": (BIALAS_KARWAN_1984, -11.0),
    "leader row on follower variables": (SHARED_ROW, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_published_optima(name: str, solver: str) -> None:
    problem, published = PUBLISHED[name]
    known = enumerate_optimum(problem)
    if published is not None:
        assert known == pytest.approx(published)
    solution = bilevel.solve(linear_model(problem), solver, "sos1", progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(known, rel=1e-6)
    assert solution.bound == pytest.approx(known, rel=1e-4)


@pytest.mark.parametrize("name", ["bard 1998", "bialas-karwan 1984"])
def test_coupled_rows_get_a_proven_big_m(name: str) -> None:
    """PAO answers such models with M = 100000; here every M has a proof: all rows limit one column."""
    problem, _ = PUBLISHED[name]
    solution = bilevel.solve(linear_model(problem), "highs", "big_m", progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(enumerate_optimum(problem), rel=1e-6)
    assert "unknown" not in solution.certificate["bounds used"].detail


@pytest.mark.parametrize("seed", range(12))
def test_random_bilevel_programs_match_their_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nx, ny, rows = 1, 2, 2
    problem = LinearBilevel(
        c=rng.integers(-3, 4, nx), d=rng.integers(-4, 5, ny), e=rng.integers(-3, 4, ny),
        A=[*rng.integers(-3, 4, (rows, nx)), *np.zeros((ny, nx))], B=[*rng.integers(-3, 4, (rows, ny)), *np.eye(ny)],
        b=[*rng.integers(1, 9, rows), *[5.0] * ny], G=[[1.0] * nx], H=[rng.integers(-1, 2, ny)], g=[6.0],
    )  # fmt: skip
    known = enumerate_optimum(problem)
    solution = bilevel.solve(linear_model(problem, 50.0), "scip", "sos1", progress=False)
    if np.isinf(known):
        assert solution.status == "infeasible"
    else:
        assert solution.status == "certified", solution.reason
        assert solution.objective == pytest.approx(known, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_random_single_row_followers_match_their_enumeration(seed: int) -> None:
    """The default way, with derived limits only."""
    rng = np.random.default_rng(seed)
    nx, ny = 2, 2
    problem = LinearBilevel(
        c=rng.integers(-3, 4, nx), d=rng.integers(-4, 5, ny), e=rng.integers(-3, 4, ny),
        A=[*rng.integers(-3, 4, (1, nx)), *np.zeros((ny, nx))],
        B=[rng.choice([-3, -2, -1, 1, 2, 3], ny), *np.eye(ny)], b=[float(rng.integers(1, 9)), *[5.0] * ny],
        G=[[1.0, 1.0]], H=[rng.integers(-1, 2, ny)], g=[6.0],
    )  # fmt: skip
    known = enumerate_optimum(problem)
    short = replace(problem, A=problem.A[:1], B=problem.B[:1], b=problem.b[:1])
    m = linear_model(short, 20.0)
    for y in m.f.y.values():
        y.setub(5.0)
    solution = bilevel.solve(m, progress=False)
    if np.isinf(known):
        assert solution.status == "infeasible"
    else:
        assert solution.status == "certified", solution.reason
        assert solution.objective == pytest.approx(known, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_random_pricing_is_the_same_without_limits_and_with_products(seed: int) -> None:
    """Revenue made linear with big-M against SOS1, and the reported objective against the products themselves."""
    rng = np.random.default_rng(seed)
    m = pyo.ConcreteModel()
    m.price = pyo.Var(range(3), bounds=(-1, 6))
    m.cap = pyo.Constraint(expr=pyo.quicksum(m.price.values()) <= 8)
    m.user = bilevel.Follower(range(2))
    terms = []
    for f in m.user.values():
        f.p = pyo.Var(range(3), bounds=(0, float(rng.integers(2, 5))))
        f.other = pyo.Var(bounds=(0, 20))
        sense = pyo.minimize if rng.random() < 0.5 else pyo.maximize
        sign, pays = (1 if sense == pyo.minimize else -1), pyo.quicksum(m.price[t] * f.p[t] for t in range(3))
        f.cost = pyo.Objective(expr=sign * (pays + float(rng.integers(2, 6)) * f.other), sense=sense)
        f.need = pyo.Constraint(expr=pyo.quicksum(f.p.values()) + f.other == float(rng.integers(3, 7)))
        terms.append(pays - float(rng.uniform(0, 2)) * f.p[0] - float(rng.uniform(0, 2)) * f.p[2])
    m.profit = pyo.Objective(expr=pyo.quicksum(terms), sense=pyo.maximize)
    first = bilevel.solve(m, gap=1e-7, progress=False)
    assert first.status == "certified", first.reason
    assert pyo.value(m.profit) == pytest.approx(first.objective, rel=1e-9)
    for solver in ("scip", "gurobi"):
        other = bilevel.solve(m, solver, "sos1", gap=1e-7, progress=False)
        assert other.objective == pytest.approx(first.objective, rel=1e-6), solver


def two_followers() -> Any:
    """Two buyers of one seller, demands 3 and 5; each may walk away to its own outside price 4 and 2."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(["a", "b"], bounds=(0, 10))
    m.cap = pyo.Var(bounds=(0, None))
    m.buyer = bilevel.Follower(["a", "b"])
    for name, (demand, outside) in {"a": (3, 4), "b": (5, 2)}.items():
        f = m.buyer[name]
        f.buy, f.other = pyo.Var(bounds=(0, 9)), pyo.Var(bounds=(0, 9))
        f.cost = pyo.Objective(expr=m.price[name] * f.buy + outside * f.other)
        f.need = pyo.Constraint(expr=f.buy + f.other == demand)
    m.revenue = pyo.Objective(
        expr=pyo.quicksum((m.price[name] - 1) * m.buyer[name].buy for name in ("a", "b")), sense=pyo.maximize
    )
    return m


def test_two_followers_each_pay_their_outside_price() -> None:
    solution = bilevel.solve(two_followers(), progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(3 * (4 - 1) + 5 * (2 - 1))


def test_two_followers_under_one_uniform_price() -> None:
    """At price 4 only a buys (9), at price 2 both do (8): the leader takes 4."""
    m = two_followers()
    m.uniform = pyo.Constraint(expr=m.price["a"] == m.price["b"])
    assert bilevel.solve(m, progress=False).objective == pytest.approx(9)
    m.supply = pyo.Constraint(expr=pyo.quicksum(f.buy for f in m.buyer.values()) <= 2)
    assert bilevel.solve(m, progress=False).objective == pytest.approx(2 * 3)


def test_a_follower_that_maximises() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.gain = pyo.Objective(expr=(m.x - 1) * m.f.y, sense=pyo.maximize)
    m.f.room = pyo.Constraint(expr=m.f.y <= 6)
    m.objective = pyo.Objective(expr=m.x + m.f.y + 1, sense=pyo.minimize)
    assert bilevel.solve(m, progress=False).objective == pytest.approx(1)
    m.objective.sense = pyo.maximize
    solution = bilevel.solve(m, progress=False)
    assert (solution.objective, solution.bound) == (pytest.approx(11), pytest.approx(11))


def test_infeasible_models_give_no_values() -> None:
    """PAO loads whatever an infeasible solve left behind; here the verdict comes first."""
    m = separable_model()
    m.never = pyo.Constraint(expr=m.f.y[0] + m.x[0] <= -1)
    solution = bilevel.solve(m, progress=False)
    assert solution.status == "infeasible"
    assert not solution.values and np.isnan(solution.objective)


def test_infeasible_only_through_the_followers_optimality() -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(1, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= 1)
    m.wish = pyo.Constraint(expr=m.f.y >= 2)
    m.objective = pyo.Objective(expr=m.x)
    assert bilevel.solve(m, progress=False).status == "infeasible"


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_an_unbounded_leader_is_not_called_infeasible(solver: str) -> None:
    m = separable_model()
    m.free = pyo.Var()
    m.objective.set_value(m.objective.expr + m.free)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "unbounded" and not solution.values


@pytest.mark.parametrize("cones", sorted(CONES))
@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_a_leader_limited_by_a_cone_alone_is_not_called_unbounded(cones: str, solver: str) -> None:
    """Before the first tangent the linear program has no bound."""
    m = separable_model()
    m.free = pyo.Var([1, 2])
    m.ball = pyo.Constraint(expr=m.free[1] ** 2 + m.free[2] ** 2 <= 25)
    m.objective.set_value(m.objective.expr + 3 * m.free[1] + 4 * m.free[2])
    if missing(m, solver, "big_m", cones, conic=True):
        with pytest.raises(FeatureError):
            bilevel.solve(m, solver, cones=cones, progress=False)
        return
    solution = bilevel.solve(m, solver, cones=cones, progress=False)
    known = enumerate_optimum(capped(SEPARABLE)) - 25
    assert solution.objective == pytest.approx(known, rel=1e-4), solution.reason
    assert solution.bound <= known + 1e-4 * abs(known)


def test_a_quadratic_leader_objective() -> None:
    m = separable_model()
    m.free = pyo.Var()
    m.objective.set_value(m.objective.expr + (m.free - 3) ** 2 + 2 * m.free)
    solution = bilevel.solve(m, progress=False)
    known = enumerate_optimum(capped(SEPARABLE)) + 5  # least of (z - 3)^2 + 2 z, at z = 2
    assert solution.objective == pytest.approx(known, rel=1e-3)
    assert solution.objective >= known - 1e-9, "no point is reported better than it is"
    assert solution.bound <= known + 1e-4 * abs(known)


def test_an_integer_leader() -> None:
    m = pyo.ConcreteModel()
    m.level = pyo.Var(range(3), domain=pyo.Binary)
    m.one = pyo.Constraint(expr=pyo.quicksum(m.level.values()) == 1)
    m.price = pyo.Var(bounds=(0, 6))
    m.is_level = pyo.Constraint(expr=m.price == pyo.quicksum((1.5 + 1.5 * k) * m.level[k] for k in range(3)))
    m.f = bilevel.Follower()
    m.f.buy, m.f.other = pyo.Var(bounds=(0, 9)), pyo.Var(bounds=(0, 9))
    m.f.cost = pyo.Objective(expr=m.price * m.f.buy + 4 * m.f.other)
    m.f.need = pyo.Constraint(expr=m.f.buy + m.f.other == 2)
    m.objective = pyo.Objective(expr=m.price * m.f.buy, sense=pyo.maximize)
    solution = bilevel.solve(m, progress=False)
    assert solution.objective == pytest.approx(6) and m.level[1].value == 1


# Closed forms


@pytest.mark.parametrize("seed", range(4))
def test_ev_users_fill_their_cheapest_hours(seed: int) -> None:
    case = tiny_case()
    prices = np.random.default_rng(seed).uniform(0.1, 0.35, 3).round(3)
    model = formulations.charging_pricing(case, "loss")
    for (_, t), price in model.price.items():
        price.fix(float(prices[t]))
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified", solution.reason
    known = sum(
        cheapest_bill(prices[list(case.window(s))], s.energy_kwh / case.charging_efficiency, s.power_max_kw)
        for s in case.sessions
    )
    assert pyo.value(model.ev_bill) == pytest.approx(known, rel=1e-6)


def test_a_captive_ev_pays_the_price_cap() -> None:
    """A full window leaves no choice: the bill is power times the sum of prices, which the mean cap limits."""
    case = tiny_case()
    full = replace(case.sessions[0], energy_kwh=3 * 100.0 * case.charging_efficiency)
    case = replace(case, sessions=(full,), wholesale_price_per_kwh=(0.0, 0.0, 0.0))
    solution = bilevel.solve(formulations.charging_pricing(case, "profit"), progress=False)
    assert solution.objective == pytest.approx(100.0 * 3 * 0.35, rel=1e-5)


def test_a_dual_limit_that_is_too_small_gives_a_wrong_answer_and_is_never_made_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Model page section 4: the second row's multiplier is 10, and M = 5 cuts the optimum off without a trace."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 100))
    m.f.cost = pyo.Objective(expr=m.f.y[1])
    m.f.first = pyo.Constraint(expr=m.f.y[1] - 10 * m.f.y[2] >= 0)
    m.f.second = pyo.Constraint(expr=m.f.y[2] + m.x >= 1)
    m.objective = pyo.Objective(expr=m.x + 0.05 * m.f.y[1])
    monkeypatch.setattr("bilevel.bounds.by_bases.MOST_BASES", 0)
    default = bilevel.solve(m, mode="big_m", progress=False)
    assert default.status == "certified" and default.objective == pytest.approx(0.5)
    assert "proven" in default.certificate["bounds used"].detail
    for solver in ("scip", "gurobi"):
        solution = bilevel.solve(m, solver, "sos1", progress=False)
        assert solution.status == "certified" and solution.objective == pytest.approx(0.5)
    assert guessed_optimum(m, 5.0) == pytest.approx(1.0), "the wrong answer that a guess gives"
    assert guessed_optimum(m, 20.0) == pytest.approx(0.5)


def guessed_optimum(m: Any, big: float) -> float:
    """The optimum with one made-up M for every dual and slack, as other packages do it."""
    form = assemble(compile_model(m))
    count = form.kkt.pairs.count
    guess = replace(form.bounds, mu_upper=np.full(count, big), slack_upper=np.full(count, 2000.0))
    session = Scaled(SOLVERS["highs"].open())
    session.load(MODES["big_m"].apply(replace(form, bounds=guess)))
    return session.solve(True, 1e-9, 30, None, Progress(False)).objective


def test_proven_limits_hold_every_optimal_dual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sensitivity: min y1 with y1 >= 10 y2, y2 >= 1 - x: duals 1 and 10, proven at most 100/90 and 100/9."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 100))
    m.f.cost = pyo.Objective(expr=m.f.y[1])
    m.f.first = pyo.Constraint(expr=m.f.y[1] - 10 * m.f.y[2] >= 0)
    m.f.second = pyo.Constraint(expr=m.f.y[2] + m.x >= 1)
    m.objective = pyo.Objective(expr=m.x)
    exact = assemble(compile_model(m))
    limits = dict(zip(exact.kkt.pairs.row.tolist(), exact.bounds.mu_upper.tolist(), strict=True))
    assert limits[1] == pytest.approx(10.0, rel=1e-5)
    monkeypatch.setattr("bilevel.bounds.by_bases.MOST_BASES", 0)
    form = assemble(compile_model(m))
    mu = dict(zip(form.kkt.pairs.row.tolist(), form.bounds.mu_upper.tolist(), strict=True))
    assert 1.0 <= mu[0] <= 100 / 90 * (1 + 1e-3)
    assert 10.0 <= mu[1] <= 100 / 9 * (1 + 1e-3)


def test_rows_that_no_single_point_meets_for_every_leader_decision_have_no_proven_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Coupled equalities that move with the leader: refused on HiGHS by name, solved without M elsewhere."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y[1] + 2 * m.f.y[2])
    m.f.first = pyo.Constraint(expr=m.f.y[1] + m.f.y[2] == 2 + m.x)
    m.f.second = pyo.Constraint(expr=m.f.y[1] - m.f.y[2] <= m.x)
    m.objective = pyo.Objective(expr=m.f.y[2] - 0.6 * m.x)
    assert bilevel.solve(m, progress=False).status == "certified", "small enough to go through its bases"
    monkeypatch.setattr("bilevel.bounds.by_bases.MOST_BASES", 0)
    with pytest.raises(UnboundedDualError, match=r"'f\.second'.*branching.*sos1"):
        bilevel.solve(m, mode="big_m", progress=False)
    assert bilevel.solve(m, "highs", progress=False).settings["mode"] == "branching"
    solution = bilevel.solve(m, "scip", progress=False)
    # y1 = 1 + x, y2 = 1 whatever x
    assert solution.status == "certified" and solution.objective == pytest.approx(0.4)
    assert solution.settings["mode"] == "sos1" and solution.settings["mode_asked"] == "auto"


@pytest.mark.parametrize(("solver", "mode"), [("highs", "product"), ("highs", "sos1"), ("highs", "indicator")])
def test_a_mode_that_the_solver_lacks_is_refused_before_limits_are_proven(
    solver: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("nothing is compiled for a refusal that is known before")

    monkeypatch.setattr(sys.modules["bilevel.solve"], "compile_model", never)
    with pytest.raises(bilevel.BilevelError, match=f"mode='{mode}'"):
        bilevel.solve(pyo.ConcreteModel(), solver, mode, progress=False)
