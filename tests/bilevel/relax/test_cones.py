"""Treatments of convex quadratic rows: towers within their relative error, tangents that hold everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from bilevel import tolerances
from bilevel.errors import UnknownNameError
from bilevel.program.cones import Cones
from bilevel.program.rows import no_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.relax import CONES, exact, find, tangent, tower

NUMBER = st.floats(-10, 10, allow_nan=False)
POSITIVE = st.floats(0.01, 10, allow_nan=False)


def rotated(w_scale: float = 1.0) -> Cones:
    """P^2 + Q^2 <= v l over the columns (P, Q, v, l)."""
    squares = sp.csr_array(np.eye(2, 4))
    u, w = sp.csr_array([[0.0, 0, 1, 0]]), sp.csr_array([[0.0, 0, 0, 1]])
    return Cones(
        squares,
        np.zeros(2, dtype=np.int64),
        u,
        np.zeros(1),
        w,
        np.zeros(1),
        np.array([w_scale]),
        np.ones(1, bool),
        ("cone",),
    )


def ball(radius: float) -> Cones:
    """P^2 + Q^2 <= radius^2 over the columns (P, Q)."""
    squares, none = sp.csr_array(np.eye(2)), sp.csr_array((1, 2))
    limit = np.array([radius**2])
    return Cones(
        squares, np.zeros(2, dtype=np.int64), none, np.ones(1), none, limit, limit, np.zeros(1, bool), ("ball",)
    )


def program(cones: Cones, cost: list[float], scale: list[float]) -> SolverProgram:
    n = len(cost)
    free = np.full(n, np.inf)
    return SolverProgram(
        np.array(cost), 0.0, -free, free, np.zeros(n, dtype=bool), no_rows(n), cones, (), np.array(scale, dtype=float)
    )


def solve(mip: SolverProgram, fixed: dict[int, float]) -> float | None:
    """SciPy's optimum of a linear program with columns fixed; None if infeasible."""
    lower, upper = mip.lower.copy(), mip.upper.copy()
    for column, value in fixed.items():
        lower[column] = upper[column] = value
    matrix = mip.rows.matrix
    equal = mip.rows.lower == mip.rows.upper
    up, down = np.isfinite(mip.rows.upper) & ~equal, np.isfinite(mip.rows.lower) & ~equal
    result = linprog(
        mip.cost,
        A_ub=sp.vstack([matrix[up], -matrix[down]]),
        b_ub=np.concatenate([mip.rows.upper[up], -mip.rows.lower[down]]),
        A_eq=matrix[equal],
        b_eq=mip.rows.lower[equal],
        bounds=np.column_stack([lower, upper]),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return float(result.fun) if result.status == 0 else None


def test_levels_for_the_papers_error() -> None:
    assert tower.levels() == 12
    assert 1 / np.cos(np.pi / 2**13) - 1 <= 1e-7 < 1 / np.cos(np.pi / 2**12) - 1


@pytest.mark.parametrize("seed", range(8))
def test_tower_holds_the_cone_within_its_relative_error(seed: int) -> None:
    """The least l over the tower of ||(2P, 2Q, v - l)|| <= v + l lies just under (P^2 + Q^2) / v."""
    rng = np.random.default_rng(seed)
    P, Q, v = rng.normal(), rng.normal(), rng.uniform(0.5, 1.5)
    least = (P**2 + Q**2) / v
    mip = tower.prepare(program(rotated(least), [0, 0, 0, 1.0], [1, 1, 1, least]))
    assert mip.cones.count == 0
    found = solve(mip, {0: P, 1: Q, 2: v})
    assert found is not None
    # x3 >= (1 - eps) ||.|| twice; v and l are brought to equal size, so tip^2 - chain^2 = 4 u w moves by eps tip^2
    allowed = 4 * 1e-7 * (np.sqrt(least * v) * 0 + (v * np.sqrt(least) + least / np.sqrt(least)) ** 2) / v
    assert least - allowed - 1e-8 <= found <= least + 1e-7 * (1 + least)


@pytest.mark.parametrize("seed", range(8))
def test_tower_of_a_ball_from_inside_and_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 20)
    direction = np.array([np.cos(angle), np.sin(angle)])
    mip = tower.prepare(program(ball(radius), (-direction).tolist(), [radius, radius]))
    found = solve(mip, {})
    assert found is not None
    reach = -found / radius
    assert 1 - 1e-8 <= reach <= 1 + 2e-7, "never inside the ball, at most its relative error outside"


@settings(max_examples=200, deadline=None)
@given(P=NUMBER, Q=NUMBER, v=POSITIVE, short=st.floats(0, 0.99), p=NUMBER, q=NUMBER, u=POSITIVE, more=st.floats(0, 5))
def test_tangents_keep_the_cone_and_cut_their_point(
    P: float, Q: float, v: float, short: float, p: float, q: float, u: float, more: float
) -> None:
    cones = rotated()
    assume(P**2 + Q**2 > 1e-6)
    outside = np.array([P, Q, v, short * (P**2 + Q**2) / v])
    rows = tangent.cuts(cones, outside, tolerances.CONE_CUT)
    assert rows.count == 1
    assert rows.violation(outside)[0] > 0
    inside = np.array([p, q, u, (p**2 + q**2) / u + more])
    assert rows.violation(inside)[0] <= 1e-7 * max(1.0, float(np.abs(rows.matrix).toarray()[0] @ np.abs(inside)))


@settings(max_examples=100, deadline=None)
@given(P=NUMBER, Q=NUMBER, radius=POSITIVE, angle=st.floats(0, 6.3), share=st.floats(0, 1))
def test_tangents_of_a_ball(P: float, Q: float, radius: float, angle: float, share: float) -> None:
    assume(np.hypot(P, Q) > radius * 1.001)
    rows = tangent.cuts(ball(radius), np.array([P, Q]), tolerances.CONE_CUT)
    assert rows.count == 1 and rows.violation(np.array([P, Q]))[0] > 0
    inside = share * radius * np.array([np.cos(angle), np.sin(angle)])
    assert rows.violation(inside)[0] <= 1e-9 * (radius + np.hypot(P, Q)) ** 2


@settings(max_examples=100, deadline=None)
@given(size=st.sampled_from([1.0, 1e3]), p=NUMBER, q=NUMBER, u=POSITIVE, more=st.floats(0, 5))
def test_walls_keep_the_cone(size: float, p: float, q: float, u: float, more: float) -> None:
    rows = tangent.initial_tangents(rotated(), size)
    assert rows.count == 4
    inside = np.array([p, q, u, (p**2 + q**2) / u + more])
    assert (rows.violation(inside) <= 1e-9 * size**2 * 100).all()


def test_no_cut_inside_and_none_from_the_complete_treatments() -> None:
    cones = rotated()
    assert tangent.cuts(cones, np.array([1.0, 1, 1, 2]), tolerances.CONE_CUT).count == 0
    broken = np.array([1.0, 1, 1, 0])
    assert exact.cuts(cones, broken, 1e-7).count == tower.cuts(cones, broken, 1e-7).count == 0


def test_a_vanishing_factor_still_gives_a_valid_cut() -> None:
    cones = rotated()
    rows = tangent.cuts(cones, np.array([1.0, 0, 0, 5]), tolerances.CONE_CUT)
    assert rows.count == 1 and np.isfinite(rows.matrix.data).all()
    for v in (0.1, 1.0, 30.0):
        assert rows.violation(np.array([2.0, 0, v, 4 / v]))[0] == 0


def test_a_cone_is_measured_in_its_own_unit() -> None:
    """A ball in watts must not hide a broken per-unit cone of the same model."""
    small, large = rotated(), ball(1e8)
    both = Cones(
        squares=sp.csr_array(sp.block_diag([small.squares, large.squares])),
        owner=np.array([0, 0, 1, 1]),
        u=sp.csr_array(sp.block_diag([small.u, large.u])),
        u0=np.array([0.0, 1.0]),
        w=sp.csr_array(sp.block_diag([small.w, large.w])),
        w0=np.array([0.0, 1e16]),
        w_scale=np.array([1.0, 1e16]),
        relaxes_equality=np.array([True, False]),
    )
    gaps = both.gaps(np.array([0.1, 0.1, 1.0, 0.0, 1e8, 0.0]))
    assert gaps[0] == pytest.approx(-1.0) and gaps[1] == pytest.approx(0.0)
    assert tangent.cuts(both, np.array([0.1, 0.1, 1.0, 0.0, 1e8, 0.0]), 1e-7).count == 1


@settings(max_examples=50, deadline=None)
@given(factor=st.sampled_from([1e-3, 1e3]), P=NUMBER, v=POSITIVE, l=POSITIVE)
def test_gaps_do_not_depend_on_the_unit(factor: float, P: float, v: float, l: float) -> None:  # noqa: E741
    x = np.array([P, 0.0, v, l])
    scaled = np.array([P * factor, 0.0, v, l * factor**2])
    assert rotated().gaps(x) == pytest.approx(rotated(factor**2).gaps(scaled), rel=1e-6, abs=1e-12)


def test_registry() -> None:
    assert set(CONES) == {"tangent", "tower", "exact"}
    with pytest.raises(UnknownNameError, match="did you mean 'tower'"):
        find("towr")
