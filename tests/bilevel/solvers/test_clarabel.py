"""Cooperation by an interior point against closed forms and against linear programs with tangents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import tiny_case
from scipy.optimize import linprog

import bilevel
import formulations
import instances
from bilevel import ModelError, tolerances
from bilevel.errors import UnknownNameError
from bilevel.program.cones import Cones
from bilevel.program.rows import Rows, coo
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import outer_approximation, tangent
from bilevel.search import state
from bilevel.search.cut_session import CutSession, Point
from bilevel.search.sides import Sides
from bilevel.search.steps import refinement
from bilevel.solvers import clarabel

SEEDS = st.integers(0, 2**32 - 1)
SOLVERS = ("clarabel", "highs")


def base(scale: float = 1.0) -> Any:
    """A leader's x, and a follower's y that cooperation takes from 0 to 3, at least x - 5."""
    m = pyo.ConcreteModel("base")
    m.x = pyo.Var(bounds=(0, None))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3 * scale))
    m.f.row = pyo.Constraint(expr=m.f.y >= m.x - 5 * scale)
    m.f.cost = pyo.Objective(expr=m.f.y)
    return m


def cooperative(model: Any, solver: str = "clarabel", **options: Any) -> bilevel.Solution:
    return bilevel.cooperative(model, progress=False, solver=solver, **options)


# Closed forms


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_a_cone_in_any_unit(scale: float) -> None:
    """min t / s + x with t >= x^2 + y^2, x + y >= 4 s: x = 1.75 where 2 x - 2 y + 1 = 0, y = 2.25."""
    m = pyo.ConcreteModel("cone")
    m.x, m.t = pyo.Var(bounds=(0, 10 * scale)), pyo.Var(bounds=(0, 100 * scale**2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 3 * scale))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.cone = pyo.Constraint(expr=m.x**2 + m.f.y**2 <= m.t)
    m.sum = pyo.Constraint(expr=m.x + m.f.y >= 4 * scale)
    m.objective = pyo.Objective(expr=m.t / scale + m.x)
    found = cooperative(m)
    assert found.status == "certified", found.reason
    assert found.objective / scale == pytest.approx(1.75**2 + 2.25**2 + 1.75, rel=1e-7)
    assert found.bound / scale == pytest.approx(9.875, rel=1e-7) and found.gap <= 1e-7
    assert (m.x.value / scale, m.f.y.value / scale) == pytest.approx((1.75, 2.25), abs=1e-4)
    assert (
        found.settings["solver"] == "clarabel" and found.settings["cones"] == "exact" and "clarabel" in found.versions
    )


@pytest.mark.parametrize("weight", [1e-6, 1.0, 1e6])
def test_an_objective_that_comes_to_nothing(weight: float) -> None:
    m = base()
    m.objective = pyo.Objective(expr=weight * ((m.x - 2) ** 2 + (m.f.y - m.x) ** 2))
    found = cooperative(m)
    # An epigraph has no scale of its own, so that small weights are under its resolution, and the certificate says so
    assert found.status == "certified" if weight >= 1 else "objective resolution" in found.reason, found.reason
    # Against the squares of which it is the difference, 4 weight each
    assert abs(found.objective) <= 1e-8 * weight and abs(found.bound) <= 1e-7 * weight
    assert (m.x.value, m.f.y.value) == pytest.approx((2.0, 2.0), abs=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
def test_squares_that_nothing_else_bounds(solver: str) -> None:
    """Without a tangent the linear program of the objective has no end."""
    m = base()
    m.objective = pyo.Objective(expr=-((m.x - 2) ** 2) - m.f.y**2 + 4, sense=pyo.maximize)
    found = cooperative(m, solver)
    assert found.status == "certified", found.reason
    assert found.objective == pytest.approx(4.0, rel=1e-6) and found.bound >= 4.0 - 1e-6
    m = base()
    m.t = pyo.Var()
    m.cone = pyo.Constraint(expr=m.t >= m.x**2 + 2 * m.f.y**2)
    m.objective = pyo.Objective(expr=m.t - 6 * m.x - 4 * m.f.y)
    found = cooperative(m, solver)
    assert found.status == "certified", found.reason
    assert found.objective == pytest.approx(-9.0 - 2.0, rel=1e-5)
    assert found.bound <= -11.0 + 1e-6


def test_linear_programs_equalities_and_constants() -> None:
    m = base()
    m.objective = pyo.Objective(expr=7 - m.x + m.f.y)
    assert cooperative(m).objective == pytest.approx(2.0, rel=1e-8)
    m.pinned = pyo.Constraint(expr=m.x + m.f.y == 6)
    assert cooperative(m).objective == pytest.approx(7 - 5.5 + 0.5, rel=1e-8)
    m.x.fix(6.0)
    m.pinned.deactivate()
    assert cooperative(m).objective == pytest.approx(7 - 6 + 1, rel=1e-8)
    still = base()
    still.objective = pyo.Objective(expr=3 + 0 * still.x + 0 * still.f.y)
    assert cooperative(still).objective == pytest.approx(3.0, rel=1e-9)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_random_linear_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    matrix = rng.uniform(-1, 1, (rows, columns)) * (rng.random((rows, columns)) < 0.7)
    inside = rng.uniform(-1, 1, columns)
    limit = matrix @ inside + rng.uniform(0, 1, rows) * (rng.random(rows) < 0.7)
    cost, size = rng.uniform(-1, 1, columns), 10.0 ** rng.uniform(-3, 3, columns)
    known = linprog(cost, A_ub=matrix, b_ub=limit, bounds=(-2, 2))
    assert known.status == 0
    found = clarabel.solve(
        SolverProgram(
            cost / size, 1.5, -2 * size, 2 * size, np.zeros(columns, dtype=bool),
            Rows(coo_of(matrix / size), np.full(rows, -np.inf), limit), Cones.none(columns), (), size,
        ),
        60.0,
    )  # fmt: skip
    assert found.status == "optimal" and found.x is not None
    assert found.objective == pytest.approx(known.fun + 1.5, abs=1e-7)
    assert found.bound == pytest.approx(known.fun + 1.5, abs=1e-7)
    assert (found.x >= -2 * size).all() and (found.x <= 2 * size).all()


def coo_of(matrix: Any) -> Any:
    places = np.argwhere(matrix)
    return coo([(int(i), int(j), float(matrix[i, j])) for i, j in places], matrix.shape)


# Against tangents on HiGHS


@pytest.fixture(scope="module")
def pricing() -> Any:
    return formulations.charging_pricing(instances.scale(instances.load("ieee33"), 3), "loss")


def test_losses_of_the_shipped_feeder_as_by_tangents(pricing: Any) -> None:
    interior, tangents = cooperative(pricing), cooperative(pricing, "highs", gap=1e-6)
    assert interior.status == "certified", interior.reason
    assert tangents.status == "certified", tangents.reason
    assert interior.bound == pytest.approx(tangents.bound, rel=1e-6)
    assert interior.objective == pytest.approx(interior.bound, rel=1e-7)
    assert interior.certificate["AC replay, losses"].value <= 1e-6


def test_the_bilevel_optimum_is_no_better(pricing: Any) -> None:
    found = bilevel.solve(pricing, progress=False)
    assert found.status == "certified"
    # Tangents stop within tolerances of cones, which let losses be a little smaller
    assert cooperative(pricing).bound <= found.objective * (1 + 1e-6)


@pytest.mark.parametrize("power", [1e-2, 1.0, 1e2])
def test_a_tiny_feeder_in_any_unit(power: float) -> None:
    model = formulations.charging_pricing(tiny_case(power=power), "loss")
    interior, tangents = cooperative(model), cooperative(model, "highs", gap=1e-6)
    assert interior.status == tangents.status == "certified"
    assert interior.bound == pytest.approx(tangents.bound, rel=1e-6)
    assert interior.objective / power == pytest.approx(
        cooperative(formulations.charging_pricing(tiny_case(), "loss")).objective, rel=1e-6
    )


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_random_balls_and_rotated_cones(seed: int) -> None:
    """Both solvers over random cones with a point inside: one optimum, the bound of each below the other's objective."""
    rng = np.random.default_rng(seed)
    m = pyo.ConcreteModel("random")
    m.x = pyo.Var(range(3), bounds=(0, 10))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(2), bounds=(-1, 4))
    m.f.cost = pyo.Objective(expr=m.f.y[0])
    terms = [*m.x.values(), *m.f.y.values()]
    inside = rng.uniform(0.5, 3.0, 5)
    m.cones = pyo.ConstraintList()
    for _ in range(int(rng.integers(1, 4))):
        a, b = rng.uniform(-1, 1, (2, 5))
        first, second = (float(part @ inside) for part in (a, b))
        radius = first**2 + second**2 + rng.uniform(0.1, 2.0)
        one, two = (sum(float(v) * t for v, t in zip(part, terms, strict=True)) for part in (a, b))
        m.cones.add(one**2 + two**2 <= radius)
    room = inside[3] ** 2 + inside[4] ** 2 <= inside[0] * inside[1]
    if room:
        m.cones.add(m.f.y[0] ** 2 + m.f.y[1] ** 2 <= m.x[0] * m.x[1])
    m.objective = pyo.Objective(expr=sum(float(v) * t for v, t in zip(rng.uniform(-1, 1, 5), terms, strict=True)))
    interior, tangents = cooperative(m), cooperative(m, "highs", gap=1e-6)
    assert interior.bound == pytest.approx(tangents.bound, rel=1e-5, abs=1e-5)
    assert interior.bound <= tangents.objective + 1e-5 and tangents.bound <= interior.objective + 1e-5


# Verdicts


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_cannot_be_and_what_has_no_end(solver: str) -> None:
    m = base()
    m.far = pyo.Constraint(expr=m.x >= 20)
    m.objective = pyo.Objective(expr=m.x + m.f.y)
    found = cooperative(m, solver)
    assert found.status == "infeasible" and not found.values and np.isnan(found.bound)
    m.far.deactivate()
    m.u = pyo.Var()
    m.objective.set_value(m.u + m.x + m.f.y)
    assert cooperative(m, solver).status == "unbounded"
    # Both at once: there is no point, so that a ray is none
    m.far.activate()
    assert cooperative(m, solver).status == "infeasible"


def test_programs_without_end_along_cones() -> None:
    m = base()
    m.u, m.t = pyo.Var(), pyo.Var(bounds=(0, None))
    m.cone = pyo.Constraint(expr=m.u**2 <= m.t)
    m.objective = pyo.Objective(expr=m.u + m.x + m.f.y)
    # Only a parabola leads away, no ray: no verdict, and above all no bound
    endless = cooperative(m)
    assert endless.status in ("rejected", "unknown") and np.isnan(endless.bound)
    m.objective.set_value(m.u + m.t + m.x + m.f.y)
    found = cooperative(m)
    assert found.status == "certified" and found.objective == pytest.approx(-0.25, rel=1e-6)
    m.cone.deactivate()
    m.broken = pyo.Constraint(expr=m.u**2 + m.x <= -1)
    assert cooperative(m).status == "infeasible"


def test_no_time_is_no_answer() -> None:
    m = base()
    m.objective = pyo.Objective(expr=(m.x - 2) ** 2 + m.f.y)
    found = cooperative(m, time_limit=1e-9)
    assert found.status == "unknown" and "time limit reached" in found.reason


def test_an_answer_of_a_few_digits_has_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    m = base()
    m.objective = pyo.Objective(expr=(m.x - 2) ** 2 + m.f.y)
    monkeypatch.setattr(tolerances, "INTERIOR_POINT", 1e-30)
    found = cooperative(m)
    assert found.status == "feasible" and np.isnan(found.bound)
    assert found.certificate.first_failure is not None and found.certificate.first_failure.name == "global gap"


# Refusals


def test_integers_and_other_solvers_are_refused_by_name() -> None:
    m = base()
    m.whole = pyo.Var(domain=pyo.Integers, bounds=(0, 3))
    m.objective = pyo.Objective(expr=m.x + m.f.y + m.whole)
    with pytest.raises(
        ModelError, match=r"variable 'whole' is integer, which clarabel does not take: use solver='highs'"
    ):
        cooperative(m)
    with pytest.raises(UnknownNameError, match=r"unknown solver 'claribel': did you mean 'clarabel'\? known are"):
        cooperative(m, "claribel")


def test_a_product_of_leader_and_follower_is_refused_by_name() -> None:
    m = base()
    m.objective = pyo.Objective(expr=m.x * m.f.y + m.x)
    with pytest.raises(ModelError, match=r"the leader's objective holds 'x' times 'f.y'"):
        cooperative(m)


def test_cones_are_scaled_without_changing_what_they_hold() -> None:
    """A point on the edge of a cone stays on the edge, in any unit of its columns."""
    cones = Cones(
        coo([(0, 0, 3.0), (1, 1, 0.5)], (2, 4)), np.zeros(2, dtype=np.int64), coo([(0, 2, 2e3)], (1, 4)), np.zeros(1),
        coo([(0, 3, 1e-4)], (1, 4)), np.zeros(1), np.array([1e-4]), np.ones(1, dtype=bool), ("cone",),
    )  # fmt: skip
    scale = np.array([1e3, 1e-2, 10.0, 1e5])
    point = np.array([2.0, 3.0, 4.0, 0.0])
    point[3] = ((3 * 2.0) ** 2 + (0.5 * 3.0) ** 2) / (2e3 * 4.0) / 1e-4
    assert abs(cones.gaps(point)[0]) <= 1e-12
    sized = clarabel._sized(cones, scale)
    assert abs(sized.gaps(point / scale)[0]) <= 1e-12
    assert tangent.cuts(sized, point / scale, 1e-6).count == 0


# Large programs, which are left to an interior point: here small ones that are called large


@pytest.mark.parametrize("objective", ["loss", "profit", "loss=1,profit=1"])
def test_interior_points_and_linear_programs_agree(monkeypatch: pytest.MonkeyPatch, objective: str) -> None:
    case = instances.scale(instances.load("ieee33"), 12)
    plain = bilevel.solve(formulations.charging_pricing(case, objective), progress=False)
    monkeypatch.setattr(state, "MANY_CONES", 1)
    monkeypatch.setattr(outer_approximation, "LARGE", 1)
    model = formulations.charging_pricing(case, objective)
    found = bilevel.solve(model, progress=False)
    assert (plain.status, found.status) == ("certified", "certified"), found.reason
    assert found.objective == pytest.approx(plain.objective, rel=2e-4)
    assert found.certificate["cones"].value <= 1e-6
    for name in ("ties, best objective", "ties, worst objective"):
        assert found.certificate[name].value == pytest.approx(plain.certificate[name].value, rel=1e-3)


@pytest.mark.parametrize("broken", ["state", "points"])
def test_linear_programs_take_over_where_interior_points_fail(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    case = instances.scale(instances.load("ieee33"), 6)
    plain = bilevel.solve(formulations.charging_pricing(case, "loss=1,profit=1"), progress=False)
    monkeypatch.setattr(state, "MANY_CONES", 1)
    if broken == "state":
        monkeypatch.setattr(refinement, "tight_state", lambda *_: None)
    else:
        monkeypatch.setattr(clarabel, "_SOLVED", None)
        monkeypatch.setattr(clarabel, "_NEARLY", None)
    found = bilevel.solve(formulations.charging_pricing(case, "loss=1,profit=1"), progress=False)
    assert found.status == "certified" and found.objective == pytest.approx(plain.objective, rel=1e-4)


def test_a_point_that_is_not_confirmed_is_given_up_and_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    case = instances.scale(instances.load("ieee33"), 6)
    plain = bilevel.solve(formulations.charging_pricing(case, "loss=1,profit=1"), progress=False)
    monkeypatch.setattr(state, "MANY_CONES", 1)
    monkeypatch.setattr(refinement, "tight_state", lambda *_: None)
    decided, refused = CutSession.decided, []

    def once(session: CutSession, sides: Sides, near: Any) -> Point:
        if session.mip.cones.count or refused:
            return decided(session, sides, near)
        refused.append(session.budget.progress)
        return Point("numerical_error", None, np.inf)

    monkeypatch.setattr(CutSession, "decided", once)
    found = bilevel.solve(formulations.charging_pricing(case, "loss=1,profit=1"), progress=False)
    assert found.status == "certified" and found.objective == pytest.approx(plain.objective, rel=1e-4)
    # Ctrl-C, which is not heard while a point is made precise, was heard again
    assert refused and not refused[0].finishing


def test_reduced_costs_are_those_of_a_simplex() -> None:
    """min 3 x - y, x + y >= 1, 0 <= x, y <= 2: y = 2, x = 0, reduced costs 3 and -1."""
    rows = Rows(coo([(0, 0, 1.0), (0, 1, 1.0)], (1, 2)), np.array([1.0]), np.array([np.inf]))
    mip = SolverProgram(
        np.array([3.0, -1.0]), 0.0, np.zeros(2), np.full(2, 2.0), np.zeros(2, dtype=bool), rows, Cones.none(2), (),
        np.array([0.1, 10.0]),
    )  # fmt: skip
    assert clarabel.solve(mip, 10.0).reduced_cost == pytest.approx([3.0, -1.0], abs=1e-7)


def test_a_cone_that_an_interior_point_leaves_open_is_closed_by_its_factor() -> None:
    squares = coo([(0, 0, 1.0), (1, 1, 1.0)], (2, 3))
    u = coo([(0, 2, 0.0)], (1, 3))
    cone = Cones(
        squares,
        np.array([0, 0]),
        u,
        np.array([1.0]),
        coo([(0, 2, 1.0)], (1, 3)),
        np.zeros(1),
        np.ones(1),
        np.array([True]),
    )
    assert cone.snapped(np.array([3.0, 4.0, 25.0 + 1e-9]))[2] == 25.0
    assert cone.snapped(np.array([3.0, 4.0, 26.0]))[2] == 26.0
    assert cone.held(np.array([3.0, 4.0, 25.0])).all() and not cone.held(np.array([3.0, 4.0, 30.0])).any()


# One program at other values of some columns


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_program_moves_with_its_held_columns(scale: float) -> None:
    """min 2 t + x with t >= (x + v)^2, x >= 0: 7/8 with slope -1 at v = -1 (x = 3/4), 8 with slope 8 at v = 2 (x = 0)."""
    none = coo([], (1, 3))
    cones = Cones(
        coo([(0, 0, 1.0), (0, 1, 1.0)], (1, 3)), np.zeros(1, dtype=np.int64), none, np.ones(1),
        coo([(0, 2, scale)], (1, 3)), np.zeros(1),
        np.array([scale**2]), np.zeros(1, dtype=bool), ("cone",),
    )  # fmt: skip
    mip = SolverProgram(
        np.array([1.0, 0.0, 2.0]), 0.0, np.array([0.0, -np.inf, 0.0]), np.full(3, np.inf), np.zeros(3, dtype=bool),
        Rows(coo([(0, 0, 1.0)], (1, 3)), np.array([-np.inf]), np.array([5.0 * scale]), ("row",)), cones, (), np.full(3, scale),
    )  # fmt: skip
    moving = clarabel.Moving(mip, np.array([1]))
    for value, optimum, slope in ((-1.0, 0.875, -1.0), (2.0, 8.0, 8.0), (-1.0, 0.875, -1.0)):
        found = moving.solve(np.array([value * scale]), 10.0)
        assert found.status == "optimal"
        assert found.low <= optimum * scale * (1 + 1e-9) and optimum * scale * (1 - 1e-9) <= found.high
        assert found.high - found.low <= 1e-7 * optimum * scale
        assert found.slope == pytest.approx([slope], rel=1e-5)


def test_a_program_that_moves_out_of_its_rows_has_no_value() -> None:
    """x = v with 0 <= x <= 1: at v = 2 there is no point, and at 1/2 there is one again."""
    rows = Rows(coo([(0, 0, 1.0), (0, 1, -1.0)], (1, 2)), np.zeros(1), np.zeros(1), ("row",))
    mip = SolverProgram(
        np.array([3.0, 0.0]),
        1.0,
        np.array([0.0, -np.inf]),
        np.array([1.0, np.inf]),
        np.zeros(2, dtype=bool),
        rows,
        Cones.none(2),
        (),
        np.ones(2),
    )
    moving = clarabel.Moving(mip, np.array([1]))
    out = moving.solve(np.array([2.0]), 10.0)
    assert (out.status, out.high, out.low) == ("infeasible", np.inf, -np.inf)
    found = moving.solve(np.array([0.5]), 10.0)
    assert found.high == pytest.approx(2.5) == found.low and found.slope == pytest.approx([3.0])
