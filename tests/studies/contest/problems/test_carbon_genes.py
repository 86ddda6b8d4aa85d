"""Candidates of carbon-aware dispatch against the physical system, penalties by hand and closed forms."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from carbon_cases import CAR_KW, LOAD_KW, MOST_KW, bus_factor, tiny_carbon, two_periods, weak_line

import instances
from bilevel import BilevelError, heuristics, tolerances
from formulations.carbon.system import CarbonSystem
from studies.contest.problems.carbon_genes import UNSETTLED, CarbonCandidates

RATE = tolerances.SCARCITY_RATE


@pytest.fixture(scope="module")
def weekday() -> CarbonCandidates:
    return CarbonCandidates(instances.load("ieee33_carbon"))


def test_genes_span_the_outputs_generator_by_generator() -> None:
    candidates = CarbonCandidates(tiny_carbon())
    assert candidates.genes == 6
    expected = np.array([[0.0, 20.0], [60.0, 37.5], [120.0, 90.0]])  # gas 0 to 120 kW, hydro 20 to 90 kW
    assert candidates.outputs([0.0, 0.5, 1.0, 0.0, 0.25, 1.0]) == pytest.approx(expected, rel=1e-12)
    limited = CarbonCandidates(two_periods(reactive_min_kvar=48.0, reactive_max_kvar=60.0, apparent_max_kva=80.0))
    assert limited.outputs([1.0, 0.5]) == pytest.approx(np.array([[64.0], [32.0]]))


def test_a_settled_day_by_hand() -> None:
    found = CarbonCandidates(two_periods()).evaluate([[30.0 / MOST_KW, 140.0 / MOST_KW]])
    # The vehicle goes to the second period: 200 - 30 and 300 - 140 kW are left for the main grid
    factor = bus_factor(140.0, CAR_KW)
    assert found.settled.tolist() == [True]
    assert found.variance_kw2 == pytest.approx([25.0], rel=1e-8)
    assert found.penalty.tolist() == [0.0] and found.fitness == pytest.approx([25.0], rel=1e-8)
    assert found.electricity_cost == pytest.approx([0.1 * CAR_KW])
    assert found.carbon_cost == pytest.approx([factor * CAR_KW], rel=1e-9)
    assert found.bill == pytest.approx([(0.1 + factor) * CAR_KW], rel=1e-9)
    assert found.loss_kwh == pytest.approx([0.0], abs=1e-9)
    assert found.worst_voltage_violation_pu.tolist() == [0.0]


def test_values_are_those_of_the_settled_system(weekday: CarbonCandidates) -> None:
    genes = np.random.default_rng(1).random((8, weekday.genes))
    found = weekday.evaluate(genes)
    for k, gene in enumerate(genes):
        day = CarbonSystem(weekday.case).settle(weekday.outputs(gene))
        assert found.settled[k] == day.settled
        expected = {
            "variance_kw2": day.state.variance_kw2, "bill": day.costs.bill, "electricity_cost": day.costs.electricity_cost,
            "carbon_cost": day.costs.carbon_cost, "loss_kwh": day.state.loss_kwh,
        }  # fmt: skip
        for name, value in expected.items():
            assert getattr(found, name)[k] == pytest.approx(value, rel=1e-8), name
        supply = day.state.supply_kw
        assert found.variance_kw2[k] == pytest.approx(((supply - supply.mean()) ** 2).mean(), rel=1e-8)
    np.testing.assert_allclose(found.fitness, found.variance_kw2 + found.penalty, rtol=1e-12)
    np.testing.assert_allclose(found.bill, found.electricity_cost + found.carbon_cost, rtol=1e-12)
    np.testing.assert_array_equal(weekday(genes), found.fitness)


def test_a_candidate_that_does_not_settle_pays_for_it() -> None:
    # The day without optimisation: 200 + 50 - 150 and 220 + 50 - 150 kW, a variance of 100 kW^2
    found = CarbonCandidates(two_periods(load_factor=(1.0, 1.1))).evaluate([[1.0, 1.0], [0.2, 0.9]])
    assert found.settled.tolist() == [False, True]
    assert found.penalty == pytest.approx([RATE * 100.0 * UNSETTLED, 0.0], rel=1e-8)
    assert found.fitness == pytest.approx(found.variance_kw2 + found.penalty, rel=1e-12)
    # The last charging is in one of the periods: 50 and 170 kW, or 150 and 70 kW are left
    assert found.variance_kw2[0] == pytest.approx(3600.0, rel=1e-8) or found.variance_kw2[0] == pytest.approx(1600.0)


def test_penalties_have_a_size_where_the_day_without_optimisation_is_level() -> None:
    found = CarbonCandidates(two_periods()).evaluate([[1.0, 1.0]])
    assert found.penalty == pytest.approx([RATE * UNSETTLED])


def test_ramps_are_penalised_by_what_is_beyond_them() -> None:
    case = two_periods(load_factor=(1.0, 1.1), ramp_max_kw=30.0)
    genes = [[20.0 / MOST_KW, 80.0 / MOST_KW], [20.0 / MOST_KW, 50.0 / MOST_KW], [140.0 / MOST_KW, 0.0]]
    found = CarbonCandidates(case).evaluate(genes)
    assert found.settled.all()
    assert found.penalty == pytest.approx([RATE * 100.0 * share / MOST_KW for share in (30.0, 0.0, 110.0)], abs=1e-6)
    still = CarbonCandidates(two_periods(load_factor=(1.0, 1.1), ramp_max_kw=0.0)).evaluate(genes[:1])
    assert still.penalty == pytest.approx([RATE * 100.0 * 60.0 / MOST_KW], rel=1e-9)


def test_broken_limits_of_the_network_are_penalised() -> None:
    candidates = CarbonCandidates(weak_line())
    found = candidates.evaluate([[0.0, 0.5], [0.0, 1.0]])
    base = float(candidates.system.baseline().state.variance_kw2)
    states = candidates.system.settle(np.array([[[0.0], [2000.0]], [[0.0], [4000.0]]])).state
    assert states.limit_violation[0] > 0
    assert found.penalty == pytest.approx(RATE * base * states.limit_violation, rel=1e-9)
    assert found.worst_voltage_violation_pu == pytest.approx(states.worst_voltage_violation_pu, rel=1e-9)


def test_a_candidate_without_power_flow_takes_no_other_with_it() -> None:
    candidates = CarbonCandidates(weak_line())
    lost = np.array([False, True, False, True])
    found = candidates.evaluate([[0.0, 1.0], [0.0, 0.0], [1.0, 0.9], [0.0, 0.01]])
    np.testing.assert_array_equal(np.isposinf(found.fitness), lost)
    np.testing.assert_array_equal(np.isposinf(found.penalty), lost)
    for name in ("variance_kw2", "bill", "carbon_cost", "loss_kwh", "worst_voltage_violation_pu"):
        np.testing.assert_array_equal(np.isnan(getattr(found, name)), lost, err_msg=name)
    assert not found.settled[lost].any()
    assert found.fitness[0] == pytest.approx(candidates([[0.0, 1.0]])[0], rel=1e-9)


def test_a_population_is_each_candidate_alone(weekday: CarbonCandidates) -> None:
    genes = np.random.default_rng(7).random((12, weekday.genes))
    genes[::3] = np.round(genes[::3])
    found = weekday.evaluate(genes)
    for k in range(len(genes)):
        alone = weekday.evaluate(genes[k : k + 1])
        for field in fields(found):
            value: Any = getattr(alone, field.name)[0]
            assert getattr(found, field.name)[k] == pytest.approx(value, rel=1e-8, abs=1e-9), field.name
    assert weekday(genes[:0]).shape == (0,)


def test_heuristics_level_the_day_of_two_periods() -> None:
    case = two_periods(load_factor=(1.0, 1.1))
    candidates = CarbonCandidates(case)
    run = heuristics.minimize(candidates, candidates.genes, "gmo", budget=600, seed=1)
    # Outputs make up for load and vehicle: supply is level where they differ by 80 kW (or 120 the other way)
    output = candidates.outputs(run.best_genes)[:, 0]
    assert run.best_value < 1.0
    day = candidates.system.settle(output[:, np.newaxis])
    drawn = LOAD_KW * np.array([1.0, 1.1]) + day.charging_kw[:, 0]
    assert day.settled and np.ptp(drawn - output) < 2.0


def test_what_cannot_be_dispatched_is_refused() -> None:
    case = two_periods()
    with pytest.raises(BilevelError, match="case 'two periods' has no carbon factors"):
        CarbonCandidates(replace(case, carbon=None))
    with pytest.raises(BilevelError, match="case 'two periods' has no generator, so that nothing is dispatched"):
        CarbonCandidates(replace(case, generators=()))
    dark = replace(weak_line(), generators=(replace(weak_line().generators[0], cost_per_kwh=9.0),))
    with pytest.raises(BilevelError, match="no power flow on the day without optimisation"):
        CarbonCandidates(replace(dark, load_factor=(0.1, 7.0)))


def test_genes_of_another_shape_or_range_are_refused() -> None:
    candidates = CarbonCandidates(two_periods())
    with pytest.raises(BilevelError, match=r"shape \(2,\): give \(candidates, 2\), one gene per generator and period"):
        candidates([0.5, 0.5])
    with pytest.raises(BilevelError, match=r"shape \(1, 2\): give \(2,\)"):
        candidates.outputs([[0.5, 0.5]])
    for value in (-1e-9, 1.5, math.nan):
        with pytest.raises(BilevelError, match=rf"gene \[0, 1\] is {value}: give numbers from 0 to 1"):
            candidates([[0.5, value]])
