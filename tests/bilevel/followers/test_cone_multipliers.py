"""Followers with convex quadratic rows: optima known in closed form, what is proven of them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bilevel
from bilevel.certify.certificate import check_point
from bilevel.compile.compiler import compile_model
from bilevel.errors import BilevelError, LicenceError, ModelError
from bilevel.followers import optimal_cost
from bilevel.reformulate.single_level import assemble

CONIC_MODES = ("strong_duality", "product")
SOLVERS = ("scip", "gurobi")


def direction() -> tuple[Any, float]:
    """The follower minimises x'y over the unit disc: y = -x / |x|.  The leader wants y1 small: x = (2, 1/2)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var([1, 2], bounds=(0.5, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(-2, 2))
    m.f.cost = pyo.Objective(expr=m.x[1] * m.f.y[1] + m.x[2] * m.f.y[2])
    m.f.disc = pyo.Constraint(expr=m.f.y[1] ** 2 + m.f.y[2] ** 2 <= 1)
    m.o = pyo.Objective(expr=m.f.y[1])
    return m, -2 / sqrt(4.25)


def area(least: float = 0.01, size: float = 1.0) -> tuple[Any, float]:
    """The leader pays for the disc: y1 = sqrt(r / 2), and sqrt(r / 2) - r is largest at r = 1/8.  `size` is the unit of length."""
    m = pyo.ConcreteModel()
    m.r = pyo.Var(bounds=(least * size**2, size**2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=(-2 * size, 2 * size))
    m.f.cost = pyo.Objective(expr=-m.f.y[1] - m.f.y[2])
    m.f.disc = pyo.Constraint(expr=m.f.y[1] ** 2 + m.f.y[2] ** 2 <= m.r)
    m.o = pyo.Objective(expr=m.f.y[1] - m.r / size, sense=pyo.maximize)
    return m, 0.125 * size


def capability() -> tuple[Any, float]:
    """Active and reactive power within an apparent power that the leader buys: q = s t / sqrt(1 + t^2), best at t = 1, s = 5."""
    m = pyo.ConcreteModel()
    m.s, m.t = pyo.Var(bounds=(0.1, 5)), pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.p, m.f.q = pyo.Var(bounds=(0, 10)), pyo.Var(bounds=(-10, 10))
    m.f.gain = pyo.Objective(expr=m.f.p + m.t * m.f.q, sense=pyo.maximize)
    m.f.rating = pyo.Constraint(expr=m.f.p**2 + m.f.q**2 <= m.s**2)
    m.o = pyo.Objective(expr=2 * m.f.q - m.s, sense=pyo.maximize)
    return m, 5 * (sqrt(2) - 1)


def revenue() -> tuple[Any, float]:
    """Utility u <= sqrt(y) at price p: y = 1 / (4 p^2), and p y - 0.3 y = 1 / (4 p) - 0.3 / (4 p^2) is largest at p = 0.6."""
    m = pyo.ConcreteModel()
    m.p = pyo.Var(bounds=(0.1, 2))
    m.f = bilevel.Follower()
    m.f.y, m.f.u = pyo.Var(bounds=(0, 4)), pyo.Var(bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.p * m.f.y - m.f.u)
    m.f.utility = pyo.Constraint(expr=m.f.u**2 <= m.f.y)
    m.o = pyo.Objective(expr=m.p * m.f.y - 0.3 * m.f.y, sense=pyo.maximize)
    return m, 1 / 2.4 - 0.3 / 1.44


def rotated() -> tuple[Any, float]:
    """u^2 <= v w with v + w <= x: v = w = u = x / 2, so u - x^2 / 8 is largest at x = 2.  A second, linear follower takes part."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0.5, 6))
    m.f = bilevel.Follower()
    m.f.u, m.f.v, m.f.w = pyo.Var(bounds=(0, 9)), pyo.Var(bounds=(0, 9)), pyo.Var(bounds=(0, 9))
    m.f.gain = pyo.Objective(expr=m.f.u, sense=pyo.maximize)
    m.f.mean = pyo.Constraint(expr=m.f.u**2 <= m.f.v * m.f.w)
    m.f.budget = pyo.Constraint(expr=m.f.v + m.f.w <= m.x)
    m.g = bilevel.Follower()
    m.g.z = pyo.Var(bounds=(0, 9))
    m.g.cost = pyo.Objective(expr=m.g.z)
    m.g.row = pyo.Constraint(expr=m.g.z >= m.x)
    m.t = pyo.Var(bounds=(0, 40))
    m.square = pyo.Constraint(expr=m.g.z**2 <= m.t)
    m.o = pyo.Objective(expr=m.f.u - m.t / 8, sense=pyo.maximize)
    return m, 0.5


CASES: tuple[Callable[[], tuple[Any, float]], ...] = (direction, area, capability, revenue, rotated)


def solved(model: Any, **given: Any) -> bilevel.Solution:
    try:
        return bilevel.solve(model, progress=False, time_limit=60, **given)
    except LicenceError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", [*CONIC_MODES, "auto"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_closed_forms(case: Callable[[], tuple[Any, float]], mode: str, solver: str) -> None:
    model, best = case()
    found = solved(model, solver=solver, mode=mode)
    assert found.status == "certified", found.reason
    assert found.objective == pytest.approx(best, rel=1.1e-4), "the solver may stop within the gap"
    assert found.bound == pytest.approx(best, rel=1.2e-4)
    assert found.settings["mode"] in CONIC_MODES and found.certificate["follower interior"].detail == "proven"


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_units_do_not_matter(size: float) -> None:
    model, best = area(size=size)
    found = solved(model, solver="scip")
    assert found.status == "certified", found.reason
    assert found.objective == pytest.approx(best, rel=2e-5)


def test_without_an_interior_the_answer_is_conditional() -> None:
    """At r = 0 the disc is a point, and no multiplier is finite there."""
    model, best = area(least=0.0)
    found = solved(model, solver="scip")
    assert found.status == "conditional" and "an interior at every leader decision" in found.reason
    assert found.objective == pytest.approx(best, rel=2e-5)
    check = found.certificate["follower interior"]
    assert check.value == 1 and check.where == "f" and "bounds" in check.detail


def test_a_missed_optimum_is_not_called_certified() -> None:
    """The one response at x = 0 is y = 0, which has no multipliers: optimality conditions alone would lose the leader's best."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1), domain=pyo.Binary)
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(-1, 1)), pyo.Var(bounds=(-1, 1))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.row = pyo.Constraint(expr=m.f.y**2 <= m.x)
    m.o = pyo.Objective(expr=m.x)
    found = solved(m, solver="scip")
    assert found.status in ("conditional", "feasible", "rejected", "unknown") and not found.certificate.ok


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(-3, 3), min_size=4, max_size=4).filter(lambda a: a[0] * a[3] != a[1] * a[2]),
    st.integers(1, 3), st.integers(-2, 2), st.integers(-2, 2),
)  # fmt: skip
def test_ellipses_against_a_grid(a: list[int], radius: int, slope: int, weight: int) -> None:
    """min (c + x d)'y over |A y| <= radius has y = -radius B g / sqrt(g'B g), B = (A'A)^-1; the best x from a fine grid."""
    matrix = np.array(a, dtype=float).reshape(2, 2)
    inverse = np.linalg.inv(matrix.T @ matrix)
    c, d = np.array([1.0, 2.0]), np.array([float(slope), 1.0])

    def value(x: float) -> float:
        g = c + x * d
        y = -radius * inverse @ g / sqrt(g @ inverse @ g)
        return float(y[0] + weight * y[1] + 0.25 * x)

    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-1, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([0, 1], bounds=(-50, 50))
    m.f.cost = pyo.Objective(expr=sum((c[k] + m.x * d[k]) * m.f.y[k] for k in (0, 1)))
    rows = [sum(matrix[i, k] * m.f.y[k] for k in (0, 1)) for i in (0, 1)]
    m.f.ellipse = pyo.Constraint(expr=rows[0] ** 2 + rows[1] ** 2 <= radius**2)
    m.o = pyo.Objective(expr=m.f.y[0] + weight * m.f.y[1] + 0.25 * m.x)
    found = bilevel.solve(m, solver="scip", progress=False, time_limit=30)
    best = min(value(x) for x in np.linspace(-1, 1, 4001))
    assert found.status in ("certified", "feasible"), found.reason
    size = max(abs(best), 0.05)
    assert found.bound <= best + 2e-4 * size
    assert found.objective >= best - 2e-4 * size
    if found.status == "certified":
        assert found.objective <= best + 3e-4 * size


def test_each_check_fails_alone() -> None:
    model, _ = capability()
    found = solved(model, solver="scip")
    program = compile_model(model)
    form = assemble(program, nonconvex=True)
    x = program.values()
    name = [program.name(at) for at in range(program.columns)]
    full = np.zeros(form.kkt.columns)
    # Multipliers of q = t-weighted disc at the answer: theta = |g| / (2 s), g = (1, t)
    s, t = x[name.index("s")], x[name.index("t")]
    theta = sqrt(1 + t**2) / (2 * s)
    z = program.followers.cones.squares @ x
    full[form.kkt.conic.p], full[form.kkt.conic.q], full[form.kkt.conic.r] = -2 * theta * z, theta * s, theta * s

    def failing(point: np.ndarray, duals: np.ndarray) -> set[str]:
        recheck = check_point(model, program, point, form, duals, found.bound, 1e-4)
        return {check.name for check in recheck.checks if not check.ok}

    duals = full[program.columns :]
    assert failing(x, duals) == set()
    off = duals.copy()
    off[form.kkt.conic.q - program.columns] *= 0.5
    assert failing(x, off) == {"cone multipliers", "stationarity"} or failing(x, off) == {"cone multipliers"}
    far = x.copy()
    far[name.index("f.q")] *= 1.01
    assert "follower cones" in failing(far, duals)
    near = x.copy()
    near[name.index("f.p")] *= 0.9
    near[name.index("f.q")] *= 0.9
    assert {"follower optimality"} <= failing(near, duals)


def big_m_for_cones(m: Any) -> None:
    bilevel.solve(m, solver="scip", mode="big_m", progress=False)


def highs(m: Any) -> None:
    bilevel.solve(m, solver="highs", progress=False)


def dual_of_a_cone(m: Any) -> None:
    m.o.expr += 0 * m.f.y[1] + m.f.dual(m.f.disc)
    bilevel.solve(m, solver="scip", progress=False)


def limit_for_a_cone(m: Any) -> None:
    m.f.limit_dual(m.f.disc, 10)
    bilevel.solve(m, solver="scip", progress=False)


def concave(m: Any) -> None:
    m.f.hole = pyo.Constraint(expr=m.f.y[1] ** 2 + m.f.y[2] ** 2 >= 0.5)
    bilevel.solve(m, solver="scip", progress=False)


def equality(m: Any) -> None:
    m.f.shell = pyo.Constraint(expr=m.f.y[1] ** 2 + m.f.y[2] ** 2 == 0.5)
    bilevel.solve(m, solver="scip", progress=False)


def written_big_m(m: Any) -> None:
    bilevel.reformulate(m, mode="big_m")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (big_m_for_cones, r"row 'f.disc' of follower 'f' is quadratic.*mode='strong_duality' or 'product'"),
        (highs, r"row 'f.disc' of follower 'f' is quadratic.*solver='scip' or 'gurobi'"),
        (dual_of_a_cone, r"the dual of row 'f.disc' of follower 'f' is used, but the row is quadratic"),
        (limit_for_a_cone, r"the dual of row 'f.disc' of follower 'f' is used, but the row is quadratic"),
        (concave, r"'f.hole' is quadratic and not convex"),
        (equality, r"row 'f.shell' is a quadratic equality or range"),
        (written_big_m, r"row 'f.disc' of follower 'f' is quadratic.*mode='strong_duality' or 'product'"),
    ],
)
def test_refusals(use: Callable[[Any], None], message: str) -> None:
    model, _ = direction()
    with pytest.raises(ModelError, match=message):
        use(model)


def test_mps_refuses_quadratic_rows(tmp_path: Any) -> None:
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=-m.f.y)
    m.f.disc = pyo.Constraint(expr=m.f.y**2 + m.x <= 2)
    m.o = pyo.Objective(expr=m.f.y)
    with pytest.raises(BilevelError, match=r"'f.disc' is quadratic"):
        bilevel.write_mps(m, tmp_path / "a.mps", tmp_path / "a.aux")


@pytest.mark.parametrize("mode", CONIC_MODES)
def test_the_single_level_model_has_the_same_optimum(mode: str) -> None:
    """Solved by SCIP through Pyomo's own interface, without the engine's search."""
    solver = pyo.SolverFactory("scip_direct")
    if not solver.available():
        pytest.skip("Pyomo's scip_direct is not available")
    for case in (area, capability):
        model, best = case()
        single = bilevel.reformulate(model, mode=mode)
        solver.solve(single)
        bilevel.load_values(single, model)
        recheck = bilevel.certify(model, bound=best, gap=1e-3)
        assert recheck.valid, recheck.to_frame()
        assert pyo.value(model.o) == pytest.approx(best, rel=1e-4)


def test_the_answer_can_be_certified_again() -> None:
    model, best = revenue()
    found = solved(model, solver="scip")
    again = bilevel.certify(model, bound=found.bound)
    assert again.ok, again.to_frame()
    assert again["follower optimality"].value <= 1e-6
    assert pyo.value(model.o) == pytest.approx(best, rel=2e-5)


def test_a_later_round_without_an_answer_takes_nothing_from_an_earlier_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tangents come round by round, each with a bound of its own; -y - 2 z over the unit disc is least at -sqrt(5)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(bounds=(-3, 3)), pyo.Var(bounds=(-3, 3))
    m.f.disc = pyo.Constraint(expr=m.f.y**2 + m.f.z**2 <= 1)
    m.f.cost = pyo.Objective(expr=-m.f.y - 2 * m.f.z)
    m.goal = pyo.Objective(expr=m.x + m.f.y)
    program = compile_model(m)
    x, angle = np.zeros(program.columns), np.arctan2(2, 1) + 6e-4
    x[program.followers.columns] = np.cos(angle), np.sin(angle)
    solved, turns = optimal_cost.multipliers, []

    def failing(stack: Any) -> Any:
        turns.append(len(stack.lower))
        return (None, np.zeros(len(stack.lower)), False) if len(turns) > 1 else solved(stack)

    monkeypatch.setattr(optimal_cost, "multipliers", failing)
    response = optimal_cost.respond(program, x)
    assert len(turns) == 2 and response.solved
    assert -np.sqrt(5) - 0.1 < response.lower_bound[0] <= -np.sqrt(5)
