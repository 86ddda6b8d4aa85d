"""Elastic users against closed forms and enumeration; their response is unique."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import cheapest_bill, tiny_case
from scipy.optimize import brentq

import bilevel
import formulations
import instances
from bilevel import BilevelError
from instances import Instance, Network, PriceLimits, Session, ac_power_flow
from studies.pricing import tables

WINDOW = Session("ev", "s", 0, 2, 90.0, 100.0)
"""100 kWh from the grid within periods 0 and 1, at most 100 kW."""


def fixed(case: Instance, prices: dict[str, Any], discomfort_per_kwh: float) -> Any:
    """The model with prices fixed by station, solved."""
    model = formulations.charging_pricing(case, follower="elastic", discomfort_per_kwh=discomfort_per_kwh)
    for station, series in prices.items():
        for t, price in enumerate(series):
            model.price[station, t].fix(price)
    assert bilevel.solve(model, progress=False).status == "certified"
    return model


def response_kw(case: Instance, session: Session, prices: Any, discomfort_per_kwh: float) -> np.ndarray:
    """The response by its optimality conditions: p_t = clip((value - price_t) P / kappa, 0, P), its energy found by bisection."""
    window = list(case.window(session))
    most, paid = session.count * session.power_max_kw, np.array(prices)[window]
    energy = session.count * session.energy_kwh / case.charging_efficiency / case.horizon.period_hours

    def power(value: float) -> np.ndarray:
        return np.clip((value - paid) * most / discomfort_per_kwh, 0.0, most)

    value = brentq(lambda v: power(v).sum() - energy, paid.min(), paid.max() + discomfort_per_kwh, xtol=1e-14)
    found = np.zeros(case.horizon.periods)
    found[window] = power(value)
    return found


@pytest.mark.parametrize(
    ("difference", "expected"),
    # Of 100 kW, half and half, moved by (price difference) P / (2 kappa) = 100 kW per 0.4 currency/kWh, and no further than 100 kW
    [(0.0, 50.0), (0.1, 25.0), (-0.1, 75.0), (0.2, 0.0), (0.3, 0.0), (-0.3, 100.0)],
)
@pytest.mark.parametrize("count", [1.0, 2.5])
def test_two_periods_have_the_closed_form(difference: float, expected: float, count: float) -> None:
    case = replace(tiny_case(), sessions=(replace(WINDOW, count=count),))
    first, other = 0.2 + max(difference, 0.0), 0.2 + max(-difference, 0.0)
    model = fixed(case, {"s": (first, other, 0.1)}, 0.2)
    power = tables.station_power_kw(model, case)["s"].to_numpy()
    assert power == pytest.approx([count * expected, count * (100.0 - expected), 0.0], abs=1e-3)
    bill = count * (first * expected + other * (100.0 - expected))
    assert pyo.value(model.ev_bill) == pytest.approx(bill, rel=1e-5)
    bought = count * (0.1 * expected + 0.3 * (100.0 - expected))
    assert pyo.value(model.station_profit) == pytest.approx(bill - bought, abs=1e-3)
    discomfort = count * 0.2 / (2 * 100.0) * (expected**2 + (100.0 - expected) ** 2)
    assert pyo.value(model.user["ev"].discomfort) == pytest.approx(discomfort, rel=1e-5)
    assert pyo.value(model.user["ev"].cost) == pytest.approx(bill + discomfort, rel=1e-5)


def test_less_discomfort_approaches_the_least_bill() -> None:
    case, prices = tiny_case(), {"s": (0.3, 0.25, 0.1), "r": (0.2, 0.4, 0.3)}
    least = cheapest_bill(prices["s"], 150.0 / 0.9, 100.0) + cheapest_bill(prices["r"][1:], 80.0 / 0.9, 60.0)
    bills = [pyo.value(fixed(case, prices, kappa).ev_bill) for kappa in (0.5, 0.05, 0.005)]
    assert bills[0] > bills[1] >= bills[2] - 1e-6
    assert bills[0] > 1.01 * least
    assert bills[2] == pytest.approx(least, rel=1e-6)


def test_the_best_prices_have_the_closed_form() -> None:
    # With price 0.5 in period 1 and 0.5 - a in period 0, p_0 = 50 + a 100 / 0.3 kW; profit 50 - (a + 0.1) p_0 - 0.3 (100 - p_0) is
    # largest at a = (0.3 - 0.1) / 2 - 0.15 / 2 = 0.025
    case = replace(tiny_case(), sessions=(WINDOW,), price_limits=PriceLimits(0.1, 0.5, 0.5))
    model = formulations.charging_pricing(case, "profit", follower="elastic", discomfort_per_kwh=0.15)
    solution = bilevel.solve(model, progress=False, gap=1e-6)
    assert solution.status == "certified"
    charged = 50.0 + 0.025 * 100.0 / 0.3
    assert solution.objective == pytest.approx(50.0 - 0.125 * charged - 0.3 * (100.0 - charged), rel=1e-6)
    # The profit is flat at its top, so prices are known to the square root of the gap only
    assert pyo.value(model.price["s", 0]) == pytest.approx(0.475, abs=2e-3)
    assert pyo.value(model.price["s", 1]) == pytest.approx(0.5, abs=2e-3)


def test_levels_for_elastic_users_are_the_best_of_all_combinations() -> None:
    case, prices, kappa = tiny_case(), (0.2, 0.4), 0.3
    network = Network.from_feeder(case.feeder)
    factor, wholesale = np.array(case.load_factor), np.array(case.wholesale_price_per_kwh)
    best = np.inf
    for series in itertools.product(itertools.product(prices, repeat=3), repeat=2):
        if np.mean(series, axis=1).max() > case.price_limits.price_mean_max_per_kwh:
            continue
        load, profit = np.outer(factor, network.load_kw), 0.0
        for session, paid in zip(case.sessions, series, strict=True):
            power = response_kw(case, session, paid, kappa)
            load[:, network.index[case.station_bus[session.station]]] += power
            profit += float((np.array(paid) - wholesale) @ power)
        lost = float(ac_power_flow(network, load, np.outer(factor, network.load_kvar)).loss_kw.sum())
        best = min(best, lost - profit)
    model = formulations.charging_pricing(
        case, "loss=1,profit=1", follower="elastic", tariff="levels", levels=prices, discomfort_per_kwh=kappa
    )
    solution = bilevel.solve(model, progress=False, gap=1e-6)
    assert solution.status == "certified"
    assert solution.objective == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("objective", ["loss", "profit", "loss=1,profit=1"])
def test_optimistic_and_pessimistic_answers_agree(objective: str) -> None:
    case = instances.scale(instances.load("ieee33"), 3)
    spread = {}
    for follower in ("ev_user", "elastic"):
        model = formulations.charging_pricing(case, objective, follower=follower)
        solution = bilevel.solve(model, progress=False, gap=1e-3)
        assert solution.status == "certified"
        best, worst = (solution.certificate[f"ties, {end} objective"].value for end in ("best", "worst"))
        spread[follower] = max(abs(best - solution.objective), abs(worst - solution.objective)) / abs(
            solution.objective
        )
    assert spread["elastic"] < 1e-7
    assert spread["ev_user"] > 1e-3  # users who mind the bill alone are indifferent at the leader's best prices


def test_a_small_bill_of_elastic_users_is_refused_by_name() -> None:
    model = formulations.charging_pricing(tiny_case(), "bill", follower="elastic")
    with pytest.raises(
        BilevelError, match=r"revenue from follower '.*ev1.*' small, .* quadratic, .* make the follower linear"
    ):
        bilevel.solve(model, "highs", progress=False)


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), float("inf")])
def test_discomfort_has_to_be_positive(value: float) -> None:
    with pytest.raises(BilevelError, match=f"discomfort_per_kwh is {value}: give a positive number"):
        formulations.charging_pricing(tiny_case(), follower="elastic", discomfort_per_kwh=value)


def test_discomfort_belongs_to_elastic_users() -> None:
    with pytest.raises(
        BilevelError, match=r"follower 'ev_user' takes no discomfort_per_kwh: .* choose follower 'elastic'"
    ):
        formulations.charging_pricing(tiny_case(), discomfort_per_kwh=0.1)
