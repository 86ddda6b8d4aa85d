"""Limits of multipliers: what rounding, units and solvers' tolerances must not take from them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp

import bilevel
from bilevel.bounds import by_bases, by_linear_programs, by_propagation, dual_bounds
from bilevel.compile.compiler import compile_model
from bilevel.followers.kkt import optimality_conditions
from bilevel.program.rows import Rows

TENTHS = [tuple(int(k) for k in np.random.default_rng(seed).integers(1, 10, 4)) for seed in range(12)]


@pytest.mark.parametrize("solver", ["highs", "scip"])
@pytest.mark.parametrize("tenths", [(1, 2, 1, 1), *TENTHS])
def test_a_row_that_rounding_alone_keeps_from_its_limit_has_its_multiplier(
    tenths: tuple[int, int, int, int], solver: str
) -> None:
    """At x = 1 both columns at their least meet the row exactly: its multiplier is up to the least of cost / coefficient."""
    first, second, low, high = tenths
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var([1, 2], bounds=lambda _m, k: (low if k == 1 else high, 100))
    # Decimal fractions, whose sums are off by rounding: 0.1 + 0.2 is not 0.3
    need = (first * low + second * high) / 10
    m.f.row = pyo.Constraint(expr=first / 10 * m.f.y[1] + second / 10 * m.f.y[2] >= need * m.x)
    m.f.cost = pyo.Objective(expr=m.f.y[1] + m.f.y[2])
    m.earn = pyo.Objective(expr=m.f.dual(m.f.row), sense=pyo.maximize)
    solution = bilevel.solve(m, solver, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(10 / max(first, second), rel=1e-6)


def test_limits_that_linear_programs_prove_take_nothing_from_those_of_algebra() -> None:
    """The net multiplier of what is needed in all is at least 0 by algebra, and sensitivity knows its upper side alone."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, None))
    m.f = bilevel.Follower()
    m.f.bought = pyo.Var(["here", "elsewhere"], bounds=(0, 2))
    m.f.need = pyo.Constraint(expr=m.f.bought["here"] + m.f.bought["elsewhere"] == 2)
    m.f.bill = pyo.Objective(expr=m.price * m.f.bought["here"] + 5 * m.f.bought["elsewhere"])
    m.income = pyo.Objective(expr=m.price * m.f.bought["here"], sense=pyo.maximize)
    program = compile_model(m)
    before = dual_bounds.derive(program, optimality_conditions(program))
    after, ranges = by_linear_programs.prove(program, optimality_conditions(program))
    assert ranges.row_dual_lower[0] == 0
    assert np.all(after.mu_upper <= before.mu_upper) and np.any(np.isclose(after.mu_upper, 5.0))


def duals_over_bases(dense: np.ndarray, rates: np.ndarray) -> tuple[Any, Any]:
    matrix = sp.csr_array(dense)
    return by_bases.basis_ranges(matrix, rates, rates, np.arange(len(dense)))


@pytest.mark.parametrize("unit", [1e-14, 1e-12, 1e-6, 1.0, 1e9])
def test_units_of_columns_and_rows_do_not_make_a_basis_singular(unit: float) -> None:
    """Costs 1, 0, 0; the basis of the second column and the first has the dual (1, 1) in every unit of the second column."""
    low, high = duals_over_bases(np.array([[1.0, -unit, 0.0], [0.0, unit, 1.0]]), np.array([1.0, 0.0, 0.0]))
    assert low == pytest.approx([0, 0], abs=1e-8) and high == pytest.approx([1, 1], rel=1e-8)
    low, high = duals_over_bases(np.array([[1.0, -1.0, 0.0], [0.0, unit, unit]]), np.array([1.0, 0.0, 0.0]))
    assert high == pytest.approx([1, 1 / unit], rel=1e-8)


def test_a_basis_that_may_be_singular_or_not_leaves_its_part_without_limits() -> None:
    """Columns (1, 1) and (1, 1 + e) have duals of 1 / e, which no other basis shows."""
    rates = np.array([1.0, 0.0])
    close = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-12]])
    assert np.all(np.isinf(duals_over_bases(close, rates)))
    assert np.all(np.isfinite(duals_over_bases(np.array([[1.0, 1.0], [1.0, 1.0]]), rates)))
    _, high = duals_over_bases(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-3]]), rates)
    assert high.max() == pytest.approx(1001, rel=1e-6)


@pytest.mark.parametrize("large", [1.0, 1e8, 1e16])
def test_sums_of_the_other_duals_are_no_smaller_than_exact_ones(large: float) -> None:
    low, high = np.array([-large, -0.1, -0.2]), np.array([large, 0.7, 0.6])
    entries = by_propagation.Entries.of(sp.csr_array(np.ones((3, 1))))
    least, most = by_propagation._others(entries, low, high)
    for at in range(3):
        rest = [k for k in range(3) if k != at]
        assert Fraction(least[at]) <= sum(Fraction(low[k]) for k in rest)
        assert Fraction(most[at]) >= sum(Fraction(high[k]) for k in rest)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_an_upper_bound_that_is_out_of_reach_by_rounding_alone_still_holds_its_column(scale: float) -> None:
    """With x at most 1, 0.1 x + 0.2 reaches the limit 0.3 exactly, so that the bound of x may be the one that binds."""
    whole = Rows(sp.csr_array(scale * np.array([[0.1, 0.2, -0.3]])), np.array([-np.inf]), np.array([0.0]))
    entries = by_propagation.Entries.of(sp.csr_array(scale * np.array([[0.1, 0.0, 0.0]])))
    entries = by_propagation.Entries(entries.row[:1], entries.column[:1], entries.value[:1], 1, 3)
    lower, upper = np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 1.0])
    ends = np.array([-np.inf]), np.array([0.0])
    assert not by_propagation._idle(entries, whole, lower, upper, *ends, np.array([-1.0, 0.0, 0.0]))[0]
    beyond = np.array([1.0 + 1e-6, 1.0, 1.0])
    assert by_propagation._idle(entries, whole, lower, beyond, *ends, np.array([-1.0, 0.0, 0.0]))[0]


def test_a_margin_leaves_room_for_what_the_solver_may_be_off_by() -> None:
    rows = Rows(sp.csr_array(np.array([[1.0, 1.0]])), np.array([1.0]), np.array([np.inf]))
    margins = by_linear_programs._Margins(rows, np.zeros(2), np.ones(2), np.ones(2))
    margin = margins.of(0, raise_limit=True)
    assert 1.0 - 1e-6 < margin < 1.0
