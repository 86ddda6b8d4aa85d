"""The operator's prices for aggregators on days that may come, against enumeration by the paper's equations."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from market_oracles import paper_response, small_market

import bilevel
import formulations
from bilevel import BilevelError
from formulations.scenarios.risk import conditional_value_at_risk
from instances import Credit, Instance, Reservation, Scenario, Scenarios, Session, realise

LEVELS = ((0.12, 0.31), (0.14, 0.27, 0.43), (0.17, 0.36))
"""Prices of each period that no response ties at."""
DAYS = Scenarios(
    (
        Scenario("usual", 0.5),
        Scenario("full", 0.3, sessions=(Session("ev", "s", 0, 3, 90.0, 60.0), Session("late", "s", 1, 3, 60.0, 50.0))),
        Scenario(
            "dear", 0.2, wholesale_price_per_kwh=(0.3, 0.2, 0.45), sessions=(Session("ev", "s", 1, 3, 72.0, 60.0),)
        ),
    )
)


def on_levels(case: Instance, **options: Any) -> Any:
    """The market whose leader chooses every price among `LEVELS`."""
    model = formulations.aggregator_market(case, **options)
    model.level = pyo.Var([(t, k) for t, levels in enumerate(LEVELS) for k in range(len(levels))], within=pyo.Binary)
    model.one = pyo.Constraint(model.T, rule=lambda m, t: sum(m.level[t, k] for k in range(len(LEVELS[t]))) == 1)
    model.chosen_level = pyo.Constraint(
        model.T, rule=lambda m, t: m.price["s", t] == sum(value * m.level[t, k] for k, value in enumerate(LEVELS[t]))
    )
    return model


def operator_cost(day: Instance, prices: Any) -> float:
    """Supply of the one line of 0.04 + 0.03i pu from 1.02 pu, whose squared current is the smaller root of a quadratic."""
    powers = paper_response(day, np.array(prices), exclusive=True).powers
    net = powers["ev"] + powers["charge"] - powers["discharge"]
    p, q, r, x, v = (800.0 + net) / 1000.0, 0.3, 0.04, 0.03, 1.02**2
    a, b, c = r**2 + x**2, 2 * (r * p + x * q) - v, p**2 + q**2
    current = (-b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    return float(1000.0 * np.array(day.wholesale_price_per_kwh) @ (p + r * current))


@pytest.mark.parametrize(
    ("risk", "level", "weight"), [(None, 0.0, 0.0), ("cvar=0.7", 0.7, 1.0), ("cvar=0.9,weight=0.5", 0.9, 0.5)]
)
def test_enumeration_of_levels_agrees(risk: str | None, level: float, weight: float) -> None:
    case = small_market()
    weights = [scenario.probability for scenario in DAYS.scenarios]
    found = {}
    for prices in itertools.product(*LEVELS):
        costs = [operator_cost(realise(case, scenario), prices) for scenario in DAYS.scenarios]
        tail = conditional_value_at_risk(costs, weights, level)
        found[prices] = (1 - weight) * float(np.dot(weights, costs)) + weight * tail
    model = on_levels(case, scenarios=DAYS, risk=risk)
    solution = bilevel.solve(model, progress=False, gap=1e-7)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(min(found.values()), rel=1e-6)


@pytest.mark.parametrize("demand", ["scheduled", "elastic"])
def test_one_day_and_equal_days_are_the_case_itself(demand: str) -> None:
    case = small_market()
    model = formulations.aggregator_market(case, demand)
    alone = bilevel.solve(model, progress=False, gap=1e-8)
    for names, risk in (("a", None), ("ab", "cvar=0.9")):
        scenarios = Scenarios(tuple(Scenario(name, 1 / len(names)) for name in names))
        other = formulations.aggregator_market(case, demand, scenarios=scenarios, risk=risk)
        solution = bilevel.solve(other, progress=False, gap=1e-8)
        assert (solution.status, list(other.scenario)) == (alone.status, ["a"])
        assert solution.objective == pytest.approx(alone.objective, rel=1e-9)
        assert pyo.value(other.dso_cost) == pytest.approx(pyo.value(model.dso_cost), rel=1e-6)


@pytest.mark.parametrize("demand", ["scheduled", "elastic"])
@pytest.mark.parametrize("flow", ["distflow", "jabr", "ac"])
def test_every_demand_and_flow_works_over_days(demand: str, flow: str) -> None:
    model = formulations.aggregator_market(small_market(), demand, flow, scenarios=DAYS, risk="cvar=0.7,weight=0.5")
    solution = bilevel.solve(model, progress=False, gap=1e-3)
    assert solution.status == "certified", solution.reason
    costs = [pyo.value(block.dso_cost) for block in model.scenario.values()]
    weights = [scenario.probability for scenario in DAYS.scenarios]
    told = 0.5 * np.dot(weights, costs) + 0.5 * conditional_value_at_risk(costs, weights, 0.7)
    assert solution.objective == pytest.approx(told, rel=1e-6)
    assert pyo.value(model.dso_cost) == pytest.approx(np.dot(weights, costs))
    assert solution.certificate["prices paid"].where.startswith("scenario[") or solution.certificate["prices paid"].ok


def test_fees_are_those_of_the_case_whatever_a_day_has() -> None:
    credit = Credit(
        lateness_factor_per_minute=0.1, time_factor=1.0, valley_periods=(0,), peak_periods=(1,), fee_factor_per_kwh=0.05,
        fee_min_per_kwh=0.01, fee_max_per_kwh=0.2, recommended_stations=1, congestion_cost_km=1.0,
        reservations=(Reservation("ev", 4.0),), distances=(),
    )  # fmt: skip
    case = replace(small_market(), credit=credit)
    model = formulations.aggregator_market(case, scenarios=DAYS)
    fees = formulations.credit.fees(case)
    assert [pyo.value(model.fee["s", t]) for t in model.T] == pytest.approx(fees[0])


def test_a_station_without_an_aggregator_is_refused_on_any_day() -> None:
    case = small_market()
    lone = replace(case, stations=(*case.stations, replace(case.stations[0], name="lone")))
    scenarios = Scenarios((Scenario("odd", 1.0, sessions=(Session("ev", "lone", 0, 3, 90.0, 60.0),)),))
    with pytest.raises(BilevelError, match="station 'lone' of session 'ev' has no aggregator"):
        formulations.aggregator_market(lone, scenarios=scenarios)


def test_nodal_rules_are_refused() -> None:
    model = formulations.aggregator_market(small_market(), scenarios=DAYS)
    with pytest.raises(bilevel.ModelError, match="the model has 3 scenarios"):
        formulations.nodal_rules(model, small_market())
