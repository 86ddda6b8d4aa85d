"""Prices on days that were not known: by hand, against the certified model, and their statistics against closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uncertain_days import DAYS, two_hours

import bilevel
import formulations
import instances
from bilevel.errors import BilevelError
from instances import InstanceError, Scenario, Scenarios
from studies.uncertainty import out_of_sample, summary


def test_profits_by_hand() -> None:
    """10 kWh in the cheaper hour; at equal prices in the second, whose base load is lower; on arrival always in the first."""
    case = two_hours()
    policies = {"flat": out_of_sample.flat(case), "early": [[0.2, 0.4]]}
    found = out_of_sample.evaluate(case, policies, DAYS)
    assert list(found.columns) == list(out_of_sample.COLUMNS)
    expected = [
        10 * (0.3 - 0.0),
        10 * (0.3 - 0.2),
        10 * (0.3 - 0.1),
        10 * (0.2 - 0.3),
        10 * (0.2 - 0.1),
        10 * (0.2 - 0.1),
    ]
    np.testing.assert_allclose(found["objective"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["station_profit"], expected, rtol=1e-9)
    assert not found["limits_broken"].any()
    assert found["scenario"].tolist() == 2 * [scenario.name for scenario in DAYS.scenarios]


def test_agrees_with_the_certified_model() -> None:
    """Where prices leave no tie, a certified answer's own prices give its objective on its own day."""
    case = instances.scale(instances.load("ieee33"), 4, seed=1)
    model = formulations.charging_pricing(case, "profit")
    solution = bilevel.solve(model, ties="secure", margin=0.002, progress=False)
    assert solution.status == "certified"
    prices = [[pyo.value(model.price[station.name, t]) for t in model.T] for station in case.stations]
    found = out_of_sample.evaluate(case, {"secure": prices}, Scenarios((Scenario("as it is", 1.0),)))
    assert found["objective"][0] == pytest.approx(solution.objective, rel=1e-6)


def test_a_limit_that_breaks_and_a_flow_that_there_is_not() -> None:
    case = two_hours()
    many = Scenario("many", 0.5, (replace(case.sessions[0], count=2500.0),))
    days = Scenarios((many, Scenario("far too many", 0.5, (replace(case.sessions[0], count=1e7),))))
    found = out_of_sample.evaluate(case, {"flat": out_of_sample.flat(case)}, days)
    assert found["limits_broken"].tolist() == [True, True]
    assert np.isfinite(found["objective"][0]) and found["worst_voltage_violation_pu"][0] > 0.01
    assert np.isnan(found["network_loss_kwh"][1])


REFUSED: dict[str, tuple[Any, str]] = {
    "no policy": ({}, "no policy"),
    "another shape": ({"x": [0.1, 0.2]}, r"'x' have shape \(2,\)"),
    "no number": ({"x": [[0.1, np.nan]]}, "finite"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    given, words = REFUSED[what]
    with pytest.raises(BilevelError, match=words):
        out_of_sample.evaluate(two_hours(), given, DAYS)


def test_scenarios_of_another_case() -> None:
    odd = Scenarios((Scenario("odd", 1.0, load_factor=(1.0,)),))
    with pytest.raises(InstanceError, match="scenario odd"):
        out_of_sample.evaluate(two_hours(), {"flat": out_of_sample.flat(two_hours())}, odd)


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=12),
    st.floats(0, 0.95),
    st.sampled_from([1, -1]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_cvar_is_the_least_over_eta(values: list[float], level: float, sense: int, seed: int) -> None:
    """Rockafellar and Uryasev: the function of eta is piecewise linear, so that its least value is at one of the values."""
    weight = np.random.default_rng(seed).random(len(values)) + 0.01
    weight /= weight.sum()
    bad = sense * np.array(values)
    least = min(eta + (weight * np.maximum(0, bad - eta)).sum() / (1 - level) for eta in bad)
    assert sense * summary.cvar(np.array(values), weight, level, sense) == pytest.approx(least, abs=1e-7)


def outcomes(values: dict[str, Any], probability: Any = None, broken: Any = False) -> pd.DataFrame:
    rows = [
        {"policy": name, "scenario": str(at), "probability": 1 / len(given) if probability is None else probability[at],
         "objective": value, "limits_broken": bool(np.broadcast_to(broken, len(given))[at])}
        for name, given in values.items() for at, value in enumerate(given)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_numbers_of_a_summary() -> None:
    first = np.arange(1.0, 21.0)
    table = summary.summarise(outcomes({"a": first, "b": first + 2}, broken=[True] + [False] * 19), sense=-1, level=0.9)
    a, b = (table.iloc[k] for k in range(2))
    found = [a["mean"], b["mean"], a["cvar"], a["gain"], b["gain"]]
    np.testing.assert_allclose(found, [10.5, 12.5, 1.5, 0.0, 2.0], atol=1e-12)
    assert (a["violation_rate"], a["days"]) == (pytest.approx(0.05), 20)
    assert a["mean_low"] < 10.5 < a["mean_high"] and a["violation_rate_low"] < 0.05 < a["violation_rate_high"]
    # The same days under both policies: what differs has no spread
    np.testing.assert_allclose([b["gain_low"], b["gain_high"]], 2.0)


def test_intervals_cover_as_often_as_they_say() -> None:
    """95 % intervals of the mean of 60 normal days hold it in 85 to 100 of 100 samples."""
    drawn = np.random.default_rng(5).normal(3.0, 1.0, (100, 60))
    held = 0
    for sample in drawn:
        low, high = summary._bootstrap(sample, np.mean, 0.95, 1)
        held += low <= 3.0 <= high
    assert 85 <= held <= 100


def test_no_sample_has_no_interval() -> None:
    values = np.arange(12.0)
    weight = np.arange(1.0, 13.0) / 78
    table = summary.summarise(outcomes({"a": values}, probability=weight), sense=1)
    assert table["mean"][0] == pytest.approx(float(values @ weight))
    assert table[["mean_low", "cvar_high", "violation_rate_low"]].isna().all().all()
    few = summary.summarise(outcomes({"a": [1.0, 2.0]}), sense=1)
    assert few["mean"][0] == 1.5 and np.isnan(few["mean_low"][0])
    with pytest.raises(BilevelError, match="level is 1"):
        summary.summarise(outcomes({"a": [1.0]}), sense=1, level=1)


def test_a_day_without_a_flow_is_a_violation_and_in_no_mean() -> None:
    table = summary.summarise(outcomes({"a": [1.0, np.nan, 3.0]}, broken=[False, True, False]), sense=1)
    assert (table["mean"][0], table["violation_rate"][0]) == (2.0, pytest.approx(1 / 3))
