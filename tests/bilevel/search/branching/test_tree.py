"""The tree over pairs: right answers beside enumeration, divisions that lose nothing, what is learnt on the way."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from fuzz_oracles import optimum
from fuzz_writing import to_pyomo
from fuzzing import draw

import bilevel
from bilevel.budget import Budget
from bilevel.compile.compiler import compile_model
from bilevel.errors import BilevelError, FeatureError, UnboundedDualError
from bilevel.progress import Progress
from bilevel.reformulate.single_level import Reformulation, assemble
from bilevel.relax import tangent
from bilevel.search.branching.choice import RELIABLE, Choice, PseudoCosts, promise
from bilevel.search.branching.fixing import idle
from bilevel.search.branching.part import Subproblem, whole
from bilevel.search.branching.tree import Tree
from bilevel.search.sides import Sides, incomplementarity, limits
from bilevel.search.state import precise_session

QUIET = Progress(False)


def endless() -> pyo.ConcreteModel:
    """min x - 4 y over x in [0, 5] with y <= 2 x, where the follower takes the least y: max(3 - x, 2 x - 6).

    That is -7 at (1, 2), and -11 at (5, 4), from where it would fall without end if x might grow.
    """
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, None))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var()
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.first = pyo.Constraint(expr=m.x + m.f.y >= 3)
    m.f.second = pyo.Constraint(expr=m.f.y >= 2 * m.x - 6)
    m.lead = pyo.Constraint(expr=m.f.y <= 2 * m.x)
    m.most = pyo.Constraint(expr=m.x <= 5)
    m.goal = pyo.Objective(expr=m.x - 4 * m.f.y)
    return m


def test_followers_without_bounds_are_solved_by_default() -> None:
    with pytest.raises(UnboundedDualError):
        bilevel.solve(unlimited(), mode="big_m", progress=False)
    for mode in ("auto", "branching"):
        m = unlimited()
        solution = bilevel.solve(m, mode=mode, progress=False)
        assert solution.status == "certified" and solution.settings["mode"] == "branching"
        assert solution.objective == pytest.approx(-11.0, rel=1e-6) and m.x.value == pytest.approx(5.0)


def unlimited() -> pyo.ConcreteModel:
    """`endless`, with a second row of the same kind that shares y, so that no limit of a multiplier can be derived."""
    m = endless()
    m.f.z = pyo.Var()
    m.f.joined = pyo.Constraint(expr=m.f.z - m.f.y >= m.x - 40)
    m.f.apart = pyo.Constraint(expr=m.f.z + m.f.y >= -100 - m.x)
    m.f.cost.set_value(m.f.y + m.f.z)
    return m


@pytest.mark.parametrize("solver", ["scip", "gurobi"])
def test_solvers_that_keep_no_basis_are_refused_by_name(solver: str) -> None:
    with pytest.raises(FeatureError, match=r"mode='branching' needs incremental.*'highs'"):
        bilevel.solve(endless(), solver, mode="branching", progress=False)


def test_a_relaxation_without_end_is_branched_on() -> None:
    """The multiplier that the leader reads has no limit, so that the relaxation falls without end until sides are fixed."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=2 * m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= 1 + m.x)
    m.goal = pyo.Objective(expr=-m.f.dual(m.f.row) + m.f.y)
    solution = bilevel.solve(m, mode="branching", progress=False)
    # The multiplier is the cost of one more y, 2, and y is least at x = 0
    assert solution.status == "certified" and solution.objective == pytest.approx(-1.0, rel=1e-6)


def test_a_leader_without_end_is_unbounded_by_branching() -> None:
    m = endless()
    m.most.deactivate()
    assert bilevel.solve(m, mode="branching", progress=False).status == "unbounded"


def test_no_point_is_infeasible_with_a_tree_for_proof() -> None:
    """The follower takes y = x, or less nowhere; the leader wants y >= x + 1, which cooperation would give."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 4))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var()
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y >= m.x)
    m.wish = pyo.Constraint(expr=m.f.y >= m.x + 1)
    m.goal = pyo.Objective(expr=m.x)
    solution = bilevel.solve(m, mode="branching", progress=False)
    assert solution.status == "infeasible" and solution.certificate.ok and "cooperate" in solution.reason


@pytest.mark.parametrize("seed", range(60))
def test_random_problems_beside_enumeration(seed: int) -> None:
    """Every answer is right or none, whole leaders and quadratic followers too."""
    problem = draw(17_000 + seed)
    try:
        solution = bilevel.solve(to_pyomo(problem), mode="branching", gap=1e-6, time_limit=20, progress=False)
    except BilevelError:
        return
    known = optimum(problem)
    if solution.status == "certified" and known is not None:
        assert problem.sense * solution.objective == pytest.approx(known, rel=1e-5, abs=1e-5)


def pairs_of(m: Any) -> Reformulation:
    return assemble(compile_model(m))


def ranged() -> Reformulation:
    """One y between 1 and 4: two pairs, each the other's twin."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(1, 4))
    m.f.cost = pyo.Objective(expr=m.x * m.f.y)
    m.goal = pyo.Objective(expr=m.f.y)
    return pairs_of(m)


def test_what_is_at_one_of_two_limits_is_not_at_the_other() -> None:
    form = ranged()
    choice = Choice(form, lambda x: incomplementarity(form, x), lambda _sides: 0.0, lambda: np.inf)
    neither = np.zeros(2, dtype=bool)
    held, free = choice.sides_of(Sides(neither, neither), 0)
    assert held.slack_zero.tolist() == [True, False] and held.dual_zero.tolist() == [False, True]
    assert free.slack_zero.tolist() == [False, False] and free.dual_zero.tolist() == [True, False]


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_a_tree_hold_every_complementary_point(seed: int) -> None:
    """Each choice of sides of all pairs lies in a part of the division that the tree ends with, found points or not."""
    rng = np.random.default_rng([seed, 23])
    # Pairs alone, as integers are divided at values that no choice of sides has
    drawn = (draw(23_000 + seed + 100 * k) for k in range(100))
    form = pairs_of(to_pyomo(next(p for p in drawn if not (p.integer.any() or p.weight.any() or p.pay.any()))))
    count = form.kkt.pairs.count
    parts = list(whole(count))
    session = precise_session(form, form.mip, Budget(1e-4, np.inf, QUIET))
    choice = Choice(form, lambda x: incomplementarity(form, x), lambda _sides: 0.0, lambda: np.inf)
    for _ in range(6):
        part = parts.pop(int(rng.integers(len(parts))))
        low, high, _, _ = limits(form, session.mip, part.sides, None)
        x = np.where(np.isfinite(high), high, np.where(np.isfinite(low), low + 1.0, 1.0))
        split = choice.split(session.mip, Subproblem(part.sides, 0.0), x)
        parts += [part] if not split else list(split)
    twin = form.kkt.pairs.twin
    for _ in range(200):
        slack_zero = rng.random(count) < 0.5
        # A complementary point is at one limit of two at most
        slack_zero &= ~((twin >= 0) & slack_zero[twin] & (np.arange(count) > twin))
        assert any(
            not (part.sides.slack_zero & ~slack_zero).any() and not (part.sides.dual_zero & slack_zero).any()
            for part in parts
        )


def test_pseudo_costs_are_means_per_unit_and_of_all_pairs_where_nothing_is_known() -> None:
    costs = PseudoCosts.none(3)
    for gain, taken in ((2.0, 1.0), (4.0, 4.0)):
        costs.learn(0, 1, gain, taken)
    costs.learn(1, 1, 5.0, 0.0)
    costs.learn(1, 1, np.inf, 1.0)
    expected = costs.expected(np.array([0, 1]), np.array([[2.0, 2.0], [3.0, 3.0]]))
    assert expected.tolist() == [[3.0, 3.0], [3.0, 3.0]]
    assert not costs.reliable(1, RELIABLE)
    assert [costs.reliable(0, looks) for looks in (0, 1)] == [True, False]
    # Neither side may stay where it was
    assert promise(np.array([[4.0, 2.0], [0.0, 1.0]]), 1e-9).argmax() == 1


def test_a_bound_is_reached_when_a_time_limit_ends_the_tree() -> None:
    """What is open keeps its bound, the parts that are done count too."""
    rng = np.random.default_rng(5)
    m = pyo.ConcreteModel()
    size = 25
    m.x = pyo.Var(range(size), bounds=(-1000, 1000))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(size), bounds=(-1000, 1000))
    parts = [np.where(rng.random((size, size)) < 0.4, rng.normal(20, 15, (size, size)), 0.0) for _ in range(4)]
    right, goal = rng.uniform(1, 50, (2, size)), rng.normal(0, 10, (2, size))

    def rows(block: Any, over_x: Any, over_y: Any, limit: Any) -> None:
        for k in range(size):
            terms = [*zip(over_x[k], m.x.values(), strict=True), *zip(over_y[k], m.f.y.values(), strict=True)]
            block.add(sum(float(value) * variable for value, variable in terms if value) <= float(limit[k]))

    m.rows, m.f.rows = pyo.ConstraintList(), pyo.ConstraintList()
    rows(m.rows, parts[0], parts[1], right[0])
    rows(m.f.rows, parts[2], parts[3], right[1])
    m.f.cost = pyo.Objective(expr=sum(float(c) * y for c, y in zip(goal[1], m.f.y.values(), strict=True)))
    m.goal = pyo.Objective(expr=sum(float(c) * x for c, x in zip(goal[0], m.x.values(), strict=True)))
    short = bilevel.solve(m, mode="branching", time_limit=1.0, progress=False)
    longer = bilevel.solve(m, mode="branching", time_limit=3.0, progress=False)
    assert short.status in ("certified", "feasible") and longer.status in ("certified", "feasible")
    assert short.bound <= longer.bound + 1e-6 * abs(longer.bound)
    assert longer.bound <= min(short.objective, longer.objective) + 1e-6 * abs(longer.objective)


@pytest.mark.parametrize(
    ("path", "late"),
    [
        # The mean pace before the limit: half of the way in half of the nodes, or less
        (np.linspace(0.0, 0.5, 201), False),
        (np.linspace(0.0, 0.4, 201), True),
        # Too early to tell
        (np.zeros(50), False),
        # A hair from the end at the limit, and at a pace of late that gets there
        (np.linspace(0.0, 0.99, 401), False),
        (np.linspace(0.0, 1.6, 1201) / 2.0, False),
        # Most of the way, but standing still
        (np.concatenate([np.linspace(0.0, 0.9, 201), np.full(200, 0.9)]), True),
        (np.concatenate([np.linspace(0.0, 0.9, 201), np.full(2000, 0.9)]), True),
    ],
)
def test_a_tree_is_left_where_its_pace_would_not_end_it(path: np.ndarray, late: bool) -> None:
    """No number of nodes alone ends it; the cutoff is 1."""
    form = assemble(compile_model(endless()))
    session = precise_session(form, form.mip, Budget(1e-4, np.inf, QUIET))
    tree = Tree(session, tangent, lambda x: incomplementarity(form, x), lambda: 1.0, lambda *_: None,
                lambda _bound: None, lambda: False, 0.0)  # fmt: skip
    assert tree._late(path.tolist()) == late


def test_followers_that_the_optimum_does_not_depend_on_are_looked_at_last() -> None:
    """Two buyers at prices of their own; the leader earns from the first alone, and the second one's pairs move no bound."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var([0, 1, 2, 3], bounds=(1, 5))
    m.cap = pyo.Constraint([0, 1], rule=lambda m, k: m.price[2 * k] + m.price[2 * k + 1] <= 6)
    m.f = bilevel.Follower([0, 1])
    for k in (0, 1):
        m.f[k].p = pyo.Var([0, 1], bounds=(0, 2))
        m.f[k].energy = pyo.Constraint(expr=m.f[k].p[0] + m.f[k].p[1] == 3)
        m.f[k].bill = pyo.Objective(expr=sum(m.price[2 * k + t] * m.f[k].p[t] for t in (0, 1)))
    income = sum((m.price[t] - (0.5, 2.0)[t]) * m.f[0].p[t] for t in (0, 1))
    m.goal = pyo.Objective(expr=income, sense=pyo.maximize)
    form = pairs_of(m)
    session = precise_session(form, form.mip, Budget(1e-6, np.inf, QUIET))
    outcome = session.solve(integer=False)
    assert outcome.row_dual is not None
    useless = idle(form, outcome.row_dual)
    owner = form.kkt.pairs.owner
    assert not useless[owner == 0].any() and useless[owner == 1].all()
    assert not idle(form, np.zeros(len(outcome.row_dual))).any()
