"""The fuzzer's own parts against closed forms and each other, by enumeration alone: no answer here comes from the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from fuzz_changes import Units, drawn_units, relabelled, rescaled
from fuzz_families import FAMILIES, Case, build
from fuzz_loose import NOTHING, Changes, Side, changed, keep_the_optimum, loosening, slackening
from fuzz_oracles import Enumeration, folded, optimum
from fuzz_samples import outside, snapped
from fuzz_verdicts import Verdict, contradicted
from fuzz_writing import WRITINGS, Style, to_pyomo
from fuzzing import INF, Lower, Problem, draw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

SEEDS = st.integers(0, 2**31 - 1)
FEW = settings(max_examples=15, deadline=None, derandomize=True)


def market(sense: float = 1.0, read: float = 1.0) -> Problem:
    """x in 0..3 is demand; the follower: min g + 3 h, g + h >= x, g <= 1, h <= 5.  The price is 1 up to x = 1, then 3."""
    f = Lower(
        sense, np.array([1.0, 3.0]), np.zeros((1, 2)), np.zeros((2, 2)), np.ones((1, 2)), -np.ones((1, 1)), np.zeros(1),
        np.array([INF]), np.zeros(2), np.array([1.0, 5.0]), np.array([read]),
    )  # fmt: skip
    none, empty = np.zeros(0), np.zeros((0, 1))
    return Problem(
        1.0, np.zeros(1), np.zeros(2), np.zeros(1), np.zeros((0, 3)), empty, np.zeros((0, 2)), empty, none, none, np.zeros(1),
        np.array([3.0]), np.zeros(1, dtype=bool), (f,),
    )  # fmt: skip


def one_buyer(pieces: tuple[tuple[float, float], ...], low: float = -INF, high: float = INF) -> Problem:
    """min 2 x + 3 y, x in its domain, y the follower's least with y >= 6 - x, 0 <= y <= 10."""
    f = Lower(
        1.0, np.ones(1), np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)), np.array([6.0]), np.array([INF]),
        np.zeros(1), np.array([10.0]),
    )  # fmt: skip
    none, empty = np.zeros(0), np.zeros((0, 1))
    return Problem(
        1.0, np.array([2.0]), np.array([3.0]), np.zeros(1), np.zeros((0, 2)), empty, empty, empty, none, none, np.array([low]),
        np.array([high]), np.zeros(1, dtype=bool), (f,), (pieces,),
    )  # fmt: skip


@pytest.mark.parametrize(("read", "least"), [(1.0, 0.0), (-1.0, -3.0)])
def test_the_oracle_prices_multipliers(read: float, least: float) -> None:
    """From 0 (no demand) to 3, a margin more than the reduced cost of g allows being free at x = 3."""
    assert optimum(market(read=read)) == pytest.approx(least)
    assert optimum(replace(market(read=read), x_low=np.ones(1), x_high=np.ones(1))) == pytest.approx(
        1.0 if read > 0 else -3.0
    )


@pytest.mark.parametrize("demand", [0.5, 2.5])
def test_the_multiplier_is_what_one_more_unit_costs(demand: float) -> None:
    """d(optimum)/d(right-hand side) by two solves of the follower in SciPy."""
    cost = [
        linprog([1, 3], A_ub=[[-1, -1]], b_ub=[-(demand + step)], bounds=[(0, 1), (0, 5)]).fun for step in (-0.01, 0.01)
    ]
    p = replace(market(), x_low=np.array([demand]), x_high=np.array([demand]))
    assert optimum(p) == pytest.approx((cost[1] - cost[0]) / 0.02)


@pytest.mark.parametrize("sense", [1.0, -1.0])
@pytest.mark.parametrize("how", WRITINGS)
def test_every_writing_reads_the_same_multiplier(how: str, sense: float) -> None:
    """The leader's expression at a known follower optimum, x = 2.5: the sum of signs, sense and multiplier as documented is 3."""
    m = to_pyomo(market(sense), Style(rows=(how,)))
    row, dual = m.f[0].row[0], m.f[0].dual(m.f[0].row[0])
    m.x[0].value, m.f[0].y[0].value, m.f[0].y[1].value = 2.5, 1.0, 1.5
    raised = _right_hand_side_raises_demand(how)
    dual.value = sense * (3.0 if raised else -3.0)
    assert pyo.value(m.goal) == pytest.approx(3.0)
    assert row.lslack() == pytest.approx(0) or row.uslack() == pytest.approx(0)


def _right_hand_side_raises_demand(how: str) -> bool:
    """g + h >= x + r takes more for more r; -(g + h) <= -x + r takes less."""
    return how not in ("negated", "swapped")


DOMAINS = {
    "step": (((0.0, 0.0), (4.0, 4.0), (8.0, 8.0)), -INF, INF, 14.0), "set": (((1.0, 1.0), (4.5, 4.5)), -INF, INF, 13.5),
    "gap": (((0.0, 0.0), (4.0, 7.0)), -INF, INF, 12.0), "gap cut by its bounds": (((0.0, 0.0), (4.0, 7.0)), 0.0, 5.0, 13.0),
    "nothing left": (((0.0, 0.0), (4.0, 7.0)), 1.0, 3.0, INF),
}  # fmt: skip


@pytest.mark.parametrize("name", DOMAINS)
def test_the_oracle_knows_domains(name: str) -> None:
    """2 x + 3 max(0, 6 - x) over the values that the domain leaves."""
    pieces, low, high, right = DOMAINS[name]
    assert optimum(one_buyer(pieces, low, high)) == pytest.approx(right)


def test_domains_are_written_as_what_they_are() -> None:
    inside = {"step": ((0, 4, 8), (2, 5, 12)), "set": ((1, 4.5), (2, 4)), "gap": ((0, 4, 5.5), (2, 8))}
    for name, (points, no_points) in inside.items():
        p = one_buyer(DOMAINS[name][0])
        domain = to_pyomo(p).x[0].domain
        assert all(value in domain for value in points) and not any(value in domain for value in no_points)
        assert all(outside(p, np.array([value])) == 0 for value in points), "and the fuzzer agrees"
        assert all(outside(p, np.array([value * 1.0])) > 0.4 for value in no_points)
        assert outside(p, snapped(p, np.array([2.3]))) == 0
    cut = one_buyer(DOMAINS["gap"][0], 0.5, 5.0)
    assert snapped(cut, np.zeros(1)) == 4 and outside(cut, np.zeros(1)) == 4, "0 is below its bound"
    assert outside(one_buyer(*DOMAINS["nothing left"][:3]), np.ones(1)) == INF


@given(SEEDS)
@FEW
def test_revenue_of_fixed_prices_is_a_cost(seed: int) -> None:
    """`folded` against the problem itself at every integer price: what it is worth at the follower's answer is the same."""
    p = build("integer revenue", seed).base
    x = np.where(np.isfinite(p.x_low), p.x_low, 0.0)
    part = folded(p, np.stack([x, x], axis=1))
    y = np.arange(len(p.d)) % 3 * 1.0
    assert part.objective(x, y) == pytest.approx(p.objective(x, y))
    assert not any(f.C.any() or f.B.any() for f in part.followers)
    for old, new in zip(p.followers, part.followers, strict=True):
        np.testing.assert_allclose(new.c, old.c + x @ old.C)


@given(SEEDS)
@FEW
def test_choices_one_by_one_are_all_choices(seed: int) -> None:
    """Integers by the branches of one enumeration, and as problems of their own."""
    p = draw(seed)
    p = replace(p, integer=p.x_high - p.x_low <= 3)
    known = Enumeration(p).optimum()
    points = [
        tuple((v, v) for v in np.arange(p.x_low[k], p.x_high[k] + 1).tolist()) if p.integer[k] else ()
        for k in range(len(p.c))
    ]
    other = optimum(replace(p, integer=np.zeros(len(p.c), dtype=bool), pieces=tuple(points)))
    assert known is None or other == pytest.approx(known, rel=1e-6, abs=1e-6)


@given(SEEDS)
@FEW
def test_changes_keep_the_optimum(seed: int) -> None:
    """Permuted, and in other units; multipliers that the leader reads included."""
    rng = np.random.default_rng(seed)
    p = build("duals" if seed % 2 else "drawn", seed).base
    known, units = optimum(p), drawn_units(p, rng, -2, 2, 0.5)
    if known is None:
        return
    assert optimum(relabelled(p, rng)) == pytest.approx(known, rel=1e-6, abs=1e-6)
    assert optimum(rescaled(p, units)) == pytest.approx(known * units.factor, rel=1e-5, abs=1e-5 * units.factor)


@given(SEEDS)
@settings(FEW, max_examples=8)
def test_loose_limits_and_slacks_keep_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = build("drawn", seed).base
    for changes in (loosening(p, rng), slackening(p, rng)):
        known = optimum(p)
        if known is None or changes == NOTHING:
            continue
        sevens = replace(
            changes,
            far=(7e5,) * len(changes.far),
            slack=changes.slack and (*changes.slack[:1], 7e5, *changes.slack[2:]),
        )
        assert optimum(changed(p, sevens)) == pytest.approx(known, rel=1e-6, abs=1e-6)
        assert keep_the_optimum(p, changes, known)
        assert all(abs(far) >= 1e3 for far in changes.far)


def test_a_limit_that_binds_is_not_called_loose() -> None:
    p = one_buyer(((0.0, 10.0),))
    assert optimum(p) == pytest.approx(12.0)
    cut = replace(p, followers=(replace(p.followers[0], y_high=np.array([4.0])),), pieces=())
    cut = replace(cut, x_low=np.zeros(1), x_high=np.array([5.0]))
    assert optimum(cut) == pytest.approx(13.0), "x = 5, y = 1"
    assert not keep_the_optimum(cut, Changes((Side(-1, 0, 1.0),), (1e6,)), 13.0), "x = 6 is better"
    assert keep_the_optimum(cut, Changes((Side(0, 0, 1.0),), (1e6,)), 13.0), "y <= 4 is idle"


def test_units_are_what_they_say() -> None:
    """The follower's row in kW instead of W, the demand in hundreds: the same price of 3 per W."""
    p = replace(market(), x_low=np.array([2.5]), x_high=np.array([2.5]))
    units = Units(np.array([100.0]), np.array([1.0, 0.1]), np.ones(0), (np.array([1e-3]),), (7.0,), 2.0)
    other = rescaled(p, units)
    assert other.x_low[0] == 0.025 and other.followers[0].A[0].tolist() == [1e-3, 1e-4]
    assert optimum(other) == pytest.approx(6.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_reproducible_and_of_their_kind(family: str) -> None:
    cases = [build(family, seed) for seed in range(12)]
    for case in cases:
        again = build(family, case.seed)
        np.testing.assert_equal(again.written.x_high, case.written.x_high)
        assert again.note == case.note and str(to_pyomo(again.written, again.style).goal.expr)
    assert sum(_is_of_its_kind(case) for case in cases) >= 6, [case.note for case in cases]


def _is_of_its_kind(case: Case) -> bool:
    p, far = case.base, case.changes.far
    return {
        "drawn": True, "loose": bool(far) and min(far) >= 1e3, "units": case.changes.units is not None,
        "references": bool(case.style.references), "domains": any(p.domains) or bool(np.any(p.x_low[np.isfinite(p.x_low)] % 1)),
        "integer revenue": bool(p.integer.any() and p.weight.any()), "semidefinite": any(_is_flat(f.Q) for f in p.followers),
        "shared rows": len(p.followers) > 1 and bool(p.H.any()), "duals": p.reads,
        "idle rows": case.style.idle > 0 or any(not row.any() for f in p.followers for row in f.A),
        "slacks": case.changes.slack is not None, "together": case.note != "as drawn",
        "decimals": case.changes.units is not None and p.reads,
    }[case.family]  # fmt: skip


def _is_flat(Q: np.ndarray) -> bool:
    return bool(Q.any()) and float(np.linalg.eigvalsh(Q)[0]) < 1e-9


def test_answers_that_differ_are_not_both_believed() -> None:
    told = [
        Verdict(1, "unrefuted", "k", solver, "auto", "", "", 0.1, value)
        for solver, value in (("highs", 2.0), ("scip", 2.1))
    ]
    assert [verdict.verdict for verdict in contradicted(told)] == ["WRONG", "WRONG"]
    same = [replace(told[0]), replace(told[1], objective=2.00001), replace(told[1], objective=np.nan)]
    assert contradicted(same) == same
