"""Prices for days that may come, against closed forms, enumeration, and the problem of one day."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import tiny_case
from uncertain_days import ODD_NAMES, late_or_free, risks, tails, three_days, two_buses

import bilevel
import formulations
import instances
from formulations.followers import fleet
from formulations.objectives import OBJECTIVES
from formulations.power_flow import POWER_FLOWS
from formulations.scenarios.risk import conditional_value_at_risk
from formulations.tariffs import TARIFFS
from instances import Scenario, Scenarios, Session

ENERGY, GAP = 90.0, 1e-8
PARTS: list[dict[str, Any]] = [
    *({"objective": name} for name in OBJECTIVES),
    {"objective": "loss=1,profit=0.5"},
    *({"objective": "loss=1,profit=1", "tariff": name} for name in TARIFFS),
    *({"objective": "cost", "flow": name} for name in POWER_FLOWS if name != "distflow"),
    {"objective": "profit", "follower": "elastic"},
    {"objective": "profit", "aggregate": False},
]


def solved(case: Any, **options: Any) -> tuple[Any, bilevel.Solution]:
    model = formulations.charging_pricing(case, **options)
    # Other solvers' bounds of nonconvex programs meet their points to about 1e-7
    return model, bilevel.solve(model, progress=False, gap=1e-6 if options.get("flow") == "ac" else GAP)


@pytest.mark.parametrize(
    ("price", "power"), [(1.0, 1.0), (1e-4, 1.0), (1e4, 1.0), (1.0, 1e-4), (1.0, 1e4), (1e4, 1e-4)]
)
@pytest.mark.parametrize(
    ("late", "level", "weight", "spread"),
    [
        # Prices 0.35 -+ d earn 0.35 + (2 late - 1) d of the expectation
        (0.3, 0.0, 0.0, 0.0),
        (0.8, 0.0, 0.0, 0.6),
        # In the worst share the free user pays less: 0.35 + (2 late - 1 - level) / (1 - level) d
        (0.8, 0.4, 1.0, 0.2 / 0.6),
        (0.8, 0.7, 1.0, 0.0),
        (0.8, 0.85, 1.0, 0.0),
        # Weights of both: what stands before d is (1 - w) 0.6 + w (0.6 - a) / (1 - a), and -1 where only the free user is left
        (0.8, 0.7, 0.25, 0.75 * 0.6 - 0.25 / 3),
        (0.8, 0.85, 0.25, 0.75 * 0.6 - 0.25),
        (0.8, 0.85, 0.5, 0.0),
    ],
)
def test_two_days_and_one_user_by_hand(
    late: float, level: float, weight: float, spread: float, price: float, power: float
) -> None:
    case = two_buses(price, power)
    risk = {"cvar": level, "weight": weight} if weight else None
    model, solution = solved(case, objective="profit", scenarios=late_or_free(late, power), risk=risk)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(price * power * ENERGY * (0.25 + 0.15 * spread), rel=1e-6)
    if spread:
        assert [pyo.value(model.price["s", t]) for t in (0, 1)] == pytest.approx([0.2 * price, 0.5 * price], rel=1e-6)


@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_one_day_and_equal_days_are_the_case_itself(parts: dict[str, Any]) -> None:
    model, solution = solved(tiny_case(), **parts)
    for names, risk in (("a", None), ("a", "cvar=0.9"), ("ab", None), ("ab", "cvar=0.9,weight=0.5")):
        scenarios = Scenarios(tuple(Scenario(name, 1 / len(names)) for name in names))
        other, found = solved(tiny_case(), **parts, scenarios=scenarios, risk=risk)
        assert list(other.scenario) == ["a"]
        assert found.status == solution.status
        assert found.objective == pytest.approx(solution.objective, rel=1e-9, abs=1e-9)
        assert pyo.value(other.network_loss) == pytest.approx(pyo.value(model.network_loss), rel=1e-6)


@pytest.mark.parametrize("risk", [None, "cvar=0.5", "cvar=0.9,weight=0.5"])
@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_every_part_works_over_days(parts: dict[str, Any], risk: str | None) -> None:
    case, scenarios = tiny_case(), three_days()
    model, solution = solved(case, **parts, scenarios=scenarios, risk=risk)
    assert solution.status == ("feasible" if parts.get("flow") == "lindistflow" else "certified"), solution.reason
    assert list(model.scenario) == list(ODD_NAMES)
    weights = [scenario.probability for scenario in scenarios.scenarios]
    for name in ("network_loss", "station_profit", "ev_bill", "supply_cost"):
        values = [pyo.value(block.component(name)) for block in model.scenario.values()]
        assert pyo.value(model.component(name)) == pytest.approx(np.dot(weights, values))
    sense = 1 if model.objective.is_minimizing() else -1
    values = [pyo.value(block.leader_objective) for block in model.scenario.values()]
    level, weight = {None: (0.0, 0.0), "cvar=0.5": (0.5, 1.0), "cvar=0.9,weight=0.5": (0.9, 0.5)}[risk]
    worst = sense * conditional_value_at_risk(sense * np.array(values), weights, level)
    told = (1 - weight) * np.dot(weights, values) + weight * worst
    assert solution.objective == pytest.approx(told, rel=1e-6)


@pytest.mark.parametrize(("level", "weight", "risk"), list(risks()))
def test_enumeration_of_levels_agrees(level: float, weight: float, risk: str | None) -> None:
    case = two_buses(periods=3)
    second = Session("other", "s", 1, 3, 45.0, 50.0)
    scenarios = Scenarios(
        (
            Scenario("free", 0.35),
            Scenario("late", 0.45, sessions=(Session("user", "s", 1, 2, 81.0, 100.0), second)),
            Scenario("dear", 0.2, wholesale_price_per_kwh=(0.4, 0.2, 0.3), willing_share=0.5),
        )
    )
    levels = [0.15, 0.25, 0.45]
    _, solution = solved(case, objective="profit", tariff="levels", levels=levels, scenarios=scenarios, risk=risk)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(tails(case, scenarios, levels, level, weight), rel=1e-6)


@pytest.mark.parametrize("objective", ["loss", "profit"])
def test_what_no_price_can_do_on_one_day_is_infeasible_and_names_the_day(objective: str) -> None:
    many = (Session("ev1", "s", 0, 1, 360.0, 400.0), Session("ev2", "r", 0, 1, 450.0, 500.0))
    scenarios = Scenarios((Scenario("calm", 0.9), Scenario("wild, day", 0.1, sessions=many)))
    _, solution = solved(tiny_case(), objective=objective, scenarios=scenarios)
    assert solution.status == "infeasible"
    assert "scenario['wild, day']" in solution.reason and "calm" not in solution.reason


def test_schedules_and_checks_are_those_of_each_day() -> None:
    case = instances.scale(instances.load("ieee33"), 6)
    scenarios = Scenarios((Scenario("all", 0.5), Scenario("half", 0.5, willing_share=0.5)))
    model, solution = solved(case, objective="profit", scenarios=scenarios)
    assert solution.status == "certified", solution.reason
    for scenario in scenarios.scenarios:
        day = instances.realise(case, scenario)
        power = fleet.schedule_kw(model.scenario[scenario.name], day)
        drawn = day.charging_efficiency * day.horizon.period_hours * power.sum(axis=1)
        assert drawn == pytest.approx([s.count * s.energy_kwh for s in day.sessions], rel=1e-6)
    assert solution.certificate["AC replay, losses"].where.startswith("scenario[")


def test_answers_go_from_one_power_flow_to_another() -> None:
    case, scenarios = tiny_case(), three_days()
    model, solution = solved(case, objective="loss", scenarios=scenarios)
    exact = formulations.charging_pricing(case, "loss", flow="ac", scenarios=scenarios)
    formulations.power_flow.start_at(exact, model)
    assert pyo.value(exact.objective) == pytest.approx(solution.objective, rel=1e-9)
    assert bilevel.certify(exact).valid


def test_a_model_with_days_can_be_copied_and_written(tmp_path: Any) -> None:
    model = formulations.charging_pricing(two_buses(), "profit", scenarios=late_or_free(0.8), risk="cvar=0.4")
    copy = model.clone()
    solution = bilevel.solve(copy, progress=False)
    assert solution.objective == pytest.approx(ENERGY * (0.25 + 0.15 * 0.2 / 0.6))
    assert pyo.value(copy.tail_objective) == pytest.approx(solution.objective)
    assert bilevel.reformulate(model) is not None


def test_nodal_prices_are_refused() -> None:
    model = formulations.charging_pricing(two_buses(), "cost", scenarios=late_or_free(0.5))
    with pytest.raises(bilevel.ModelError, match="the model has 2 scenarios: build it without scenarios"):
        formulations.nodal_prices(model, two_buses())


def test_a_scenario_that_does_not_fit_is_refused_by_name() -> None:
    scenarios = Scenarios((Scenario("short", 1.0, load_factor=(1.0,)),))
    with pytest.raises(instances.InstanceError, match="scenario short"):
        formulations.charging_pricing(tiny_case(), scenarios=scenarios)


@pytest.mark.parametrize("willing", [0.0, 1.0])
def test_who_ignores_prices_leaves_the_leader_nothing_to_move(willing: float) -> None:
    case = replace(two_buses(), wholesale_price_per_kwh=(0.4, 0.1))
    scenarios = Scenarios((Scenario("day", 1.0, willing_share=willing),))
    model, solution = solved(case, objective="cost", scenarios=scenarios)
    power = fleet.schedule_kw(model.scenario["day"], instances.realise(case, scenarios.scenarios[0])).sum(axis=0)
    assert solution.status == "certified"
    assert power == pytest.approx([90.0, 0.0] if willing == 0 else [0.0, 90.0], abs=1e-4)
