"""Risk and chances: what is read, what is refused, and CVaR against its definition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import tiny_case
from uncertain_days import late_or_free, two_buses

import bilevel
import formulations
from bilevel import BilevelError, UnknownNameError
from bilevel.model import own_checks
from formulations.scenarios import chance, risk
from formulations.scenarios.risk import Risk
from instances import Scenario, Scenarios, Session


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("cvar=0.9", Risk(0.9, 1.0)),
        (" cvar = 0.9 , weight=0.5", Risk(0.9, 0.5)),
        ({"cvar": 0, "weight": 0}, Risk(0.0, 0.0)),
        ({"weight": 0.25, "cvar": 0.999}, Risk(0.999, 0.25)),
    ],
)
def test_risk_is_read(given: Any, read: Risk) -> None:
    assert risk.parse(given) == read


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("", UnknownNameError, "known are cvar, weight"),
        ("cvr=0.9", UnknownNameError, "did you mean 'cvar'"),
        ("weight=0.5", BilevelError, "has no level: give one, such as cvar=0.9"),
        ({}, BilevelError, "has no level"),
        ("cvar=1", BilevelError, "give a level below 1"),
        ("cvar=1.5", BilevelError, "cvar is 1.5: give a number from 0 to 1"),
        ("cvar=-0.1", BilevelError, "cvar is -0.1"),
        ("cvar=nan", BilevelError, "cvar is nan"),
        ("cvar", BilevelError, "cvar is : give a number"),
        ("cvar=0.9,weight=2", BilevelError, "weight is 2"),
        ("cvar=0.9,cvar=0.8", BilevelError, "names a term twice"),
        ({"cvar": True}, BilevelError, "cvar is True"),
        (0.9, BilevelError, "risk is 0.9: give a text"),
    ],
)
def test_risk_that_makes_no_sense_is_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        formulations.charging_pricing(two_buses(), scenarios=late_or_free(0.5), risk=given)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("voltag=0.9", UnknownNameError, "did you mean 'voltage'"),
        ("voltage=0", BilevelError, "voltage is 0: give a "),
        ("voltage", BilevelError, "voltage is : give"),
        ({"voltage": 1.5}, BilevelError, "voltage is 1.5"),
        ("supply=0.9", BilevelError, "the feeder has no limit of its supply: leave it out"),
        (["voltage"], BilevelError, "chance is .* give a text"),
    ],
)
def test_chances_that_make_no_sense_are_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        formulations.charging_pricing(two_buses(), scenarios=late_or_free(0.5), chance=given)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"risk": "cvar=0.9"}, "risk is given without scenarios"),
        ({"chance": "voltage=0.9"}, "chance is given without scenarios"),
        ({"scenarios": 20}, "scenarios is 20: give instances.Scenarios"),
    ],
)
def test_what_needs_scenarios_is_refused_without(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BilevelError, match=words):
        formulations.charging_pricing(two_buses(), **options)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0.01, 1.0)), min_size=1, max_size=8),
    st.floats(0.0, 0.99),
)
def test_cvar_is_its_definition(days: list[tuple[float, float]], level: float) -> None:
    cost, weight = (np.array(part) for part in zip(*days, strict=True))
    probability = weight / weight.sum()
    least = min(h + float(probability @ np.maximum(cost - h, 0.0)) / (1 - level) for h in cost)
    size = max(1.0, float(np.abs(cost).max()))
    found = risk.conditional_value_at_risk(cost, probability, level)
    assert found == pytest.approx(least, abs=1e-9 * size / (1 - level))
    assert probability @ cost - 1e-9 * size <= found <= cost.max() + 1e-9 * size


def with_limits(lowest: float) -> Any:
    """The tiny case with a lowest voltage, and branches that carry anything."""
    feeder = tiny_case().feeder
    buses = tuple(replace(bus, voltage_min_pu=lowest) for bus in feeder.buses)
    branches = tuple(replace(branch, power_max_kva=float("inf")) for branch in feeder.branches)
    return replace(tiny_case(), feeder=replace(feeder, buses=buses, branches=branches))


WILD = (Session("ev1", "s", 0, 1, 180.0, 200.0), Session("ev2", "r", 0, 1, 225.0, 250.0))


@pytest.mark.parametrize("flow", ["distflow", "jabr", "ac"])
def test_a_voltage_that_one_day_breaks_holds_with_a_probability(flow: str) -> None:
    # The wild day leaves no choice, and its lowest voltage is below that of any calm one
    scenarios = Scenarios((Scenario("calm", 0.9), Scenario("wild", 0.1, sessions=WILD)))
    free = formulations.charging_pricing(with_limits(0.9), "profit", flow=flow, scenarios=scenarios)
    assert bilevel.solve(free, progress=False).status == "certified"
    deepest = {name: lowest_voltage(block) for name, block in free.scenario.items()}
    lowest = (deepest["calm"] + deepest["wild"]) / 2 - 0.05 * (deepest["calm"] - deepest["wild"])
    case = with_limits(lowest)

    def status(chance: str | None) -> tuple[Any, Any]:
        model = formulations.charging_pricing(case, "profit", flow=flow, scenarios=scenarios, chance=chance)
        solution = bilevel.solve(model, progress=False)
        return model, solution

    assert status(None)[1].status == "infeasible"
    # Of the worst twentieth all is wild; of the worst fifth half is calm, and its room makes up for the rest
    assert status("voltage=0.95")[1].status == "infeasible"
    model, solution = status("voltage=0.8")
    assert solution.status == "certified", solution.reason
    check = solution.certificate["voltage chance"]
    assert (check.ok, check.where) == (True, "wild")
    assert "kept with probability 0.9 in the sample, 0.8 asked for" in check.detail
    assert lowest_voltage(model.scenario["wild"]) < lowest < lowest_voltage(model.scenario["calm"])
    # A point that breaks it is told: the wild day alone is worse than its chance
    for variable in model.scenario["wild"].component("u" if flow == "jabr" else "v").values():
        variable.set_value(0.7 * variable.value, skip_validation=True)
    assert not next(check for check in own_checks(model) if check.name == "voltage chance").ok


def lowest_voltage(block: Any) -> float:
    return float(formulations.power_flow.voltages(block)[0].min())


def test_a_supply_that_one_day_passes_holds_with_a_probability() -> None:
    case = with_limits(0.9)
    scenarios = Scenarios((Scenario("calm", 0.9), Scenario("wild", 0.1, sessions=WILD)))
    feeder = replace(case.feeder, supply_max_kw=700.0)
    case = replace(case, feeder=feeder)
    assert chance.parse("supply=1") == {}
    for asked, status in ((None, "infeasible"), ("supply=0.95", "infeasible"), ("supply=0.8", "certified")):
        model = formulations.charging_pricing(case, "cost", scenarios=scenarios, chance=asked)
        solution = bilevel.solve(model, progress=False)
        assert solution.status == status, (asked, solution.reason)
    assert solution.certificate["supply chance"].ok
