"""Followers, prices and objectives against closed forms and recomputation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import cheapest_bill, tiny_case

import bilevel
import formulations
from bilevel import BilevelError, UnknownNameError
from formulations import followers, objectives, power_flow
from instances import Instance, Network, PriceLimits, Session, ac_power_flow
from studies.pricing import tables
from studies.writing import frames

SERIES = (0.30, 0.20, 0.10)


@pytest.mark.parametrize("objective", ["loss", "profit", "bill"])
def test_an_ev_fills_its_cheapest_hours(objective: str) -> None:
    case = replace(tiny_case(), sessions=(Session("ev", "s", 0, 3, 135.0, 100.0, count=2.0),))
    model = formulations.charging_pricing(case, objective)
    for t, price in enumerate(SERIES):
        model.price["s", t].fix(price)
    assert bilevel.solve(model, progress=False).status == "certified"
    # 135 kWh of battery are 150 kWh of grid at efficiency 0.9: an hour in full, the next cheapest half, both for two vehicles
    power = tables.station_power_kw(model, case)["s"].to_numpy()
    assert power == pytest.approx([0.0, 100.0, 200.0], abs=1e-4)
    assert pyo.value(model.ev_bill) == pytest.approx(cheapest_bill(SERIES, 300.0, 200.0), rel=1e-6)


def test_a_window_keeps_an_ev_from_cheaper_hours() -> None:
    case = replace(tiny_case(), sessions=(Session("ev", "s", 0, 2, 90.0, 100.0),))
    model = formulations.charging_pricing(case, "profit")
    for t, price in enumerate(SERIES):
        model.price["s", t].fix(price)
    bilevel.solve(model, progress=False)
    assert tables.station_power_kw(model, case)["s"].to_numpy() == pytest.approx([0.0, 100.0, 0.0], abs=1e-4)


def test_equal_price_bounds_leave_a_flat_price_and_the_schedule_to_the_leader() -> None:
    case = replace(tiny_case(), price_limits=PriceLimits(0.25, 0.25, 0.25))
    model = formulations.charging_pricing(case, "profit")
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified"
    # The users do not mind when they charge, so the leader buys in the cheapest hours of the market
    energy = {"s": 150.0 / 0.9, "r": 80.0 / 0.9}
    bought = cheapest_bill(case.wholesale_price_per_kwh, energy["s"], 100.0)
    bought += cheapest_bill(case.wholesale_price_per_kwh[1:], energy["r"], 60.0)
    assert solution.objective == pytest.approx(0.25 * sum(energy.values()) - bought, rel=1e-6)


def test_the_mean_price_stays_under_its_cap_and_reaches_it_for_profit() -> None:
    case = replace(tiny_case(), sessions=(Session("ev", "s", 0, 3, 230.0, 100.0),))
    model = formulations.charging_pricing(case, "profit")
    solution = bilevel.solve(model, progress=False)
    prices = tables.prices(model, case)
    for station in ("s", "r"):
        series = prices[f"price_{station}_per_kwh"]
        assert series.mean() <= 0.35 + 1e-9
        assert series.between(0.1 - 1e-9, 0.5 + 1e-9).all()
    assert prices["price_s_per_kwh"].mean() == pytest.approx(0.35)
    uncapped = replace(case, price_limits=PriceLimits(0.1, 0.5, 0.5))
    most = formulations.charging_pricing(uncapped, "profit")
    assert bilevel.solve(most, progress=False).objective > solution.objective
    assert pyo.value(most.ev_bill) == pytest.approx(0.5 * 230.0 / 0.9, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ("loss", {"loss": 1.0}),
        ("loss=1,profit=0.5", {"loss": 1.0, "profit": 0.5}),
        (" profit = 2 , bill ", {"profit": 2.0, "bill": 1.0}),
        ({"loss": 1, "bill": 0.25}, {"loss": 1.0, "bill": 0.25}),
    ],
)
def test_objectives_are_read(given: str | Mapping[str, float], weights: dict[str, float]) -> None:
    assert objectives.parse(given) == weights


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("los", UnknownNameError, "did you mean 'loss'"),
        ("", UnknownNameError, "known are bill, cost, loss, profit"),
        ("loss,profit=0", BilevelError, "'profit' has weight '0'"),
        ("loss=nan", BilevelError, "give a positive number"),
        ("loss=1,loss=2", BilevelError, "twice"),
        ({}, BilevelError, "empty"),
        ({"profit": -1.0}, BilevelError, "-1.0"),
    ],
)
def test_objectives_that_make_no_sense_are_refused(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        formulations.charging_pricing(tiny_case(), given)


def test_unknown_followers_and_power_flows_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ev_user'"):
        formulations.charging_pricing(tiny_case(), follower="ev_users")
    with pytest.raises(UnknownNameError, match="did you mean 'distflow'"):
        formulations.charging_pricing(tiny_case(), flow="dist_flow")


def test_sense_and_weights_of_the_objective(solved: Any) -> None:
    case, model, solution = solved
    loss, profit, bill = (pyo.value(e) for e in (model.network_loss, model.station_profit, model.ev_bill))
    assert solution.objective == pytest.approx(loss - profit, rel=1e-9)
    signs = {"loss": (loss, pyo.minimize), "profit": (2 * profit, pyo.maximize), "bill": (bill, pyo.minimize)}
    for name, (value, sense) in signs.items():
        other = formulations.charging_pricing(case, {name: 2.0 if name == "profit" else 1.0})
        for at, variable in model.price.items():
            other.price[at].set_value(pyo.value(variable))
        for at, variable in model.l.items():
            other.l[at].set_value(pyo.value(variable))
        for user, block in model.user.items():
            for t, power in block.p.items():
                other.user[user].p[t].set_value(pyo.value(power))
        assert other.objective.sense == sense
        assert pyo.value(other.objective) == pytest.approx(value, rel=1e-9)


def test_the_named_numbers_follow_from_the_tables(solved: Any) -> None:
    case, model, _ = solved
    charging = tables.charging(model, case)
    wholesale = np.array(case.wholesale_price_per_kwh)
    energy, price, period = (charging[name].to_numpy() for name in ("energy_kwh", "price_per_kwh", "period"))
    assert pyo.value(model.ev_bill) == pytest.approx((energy * price).sum(), rel=1e-6)
    profit = (energy * (price - wholesale[period])).sum()
    assert pyo.value(model.station_profit) == pytest.approx(profit, rel=1e-6)
    network = Network.from_feeder(case.feeder)
    load_kw = np.outer(case.load_factor, network.load_kw)
    np.add.at(load_kw, (period, [network.index[bus] for bus in charging["bus"]]), charging["power_kw"].to_numpy())
    flow = ac_power_flow(network, load_kw, np.outer(case.load_factor, network.load_kvar))
    assert pyo.value(model.network_loss) == pytest.approx(flow.loss_kw.sum(), rel=1e-6)


@pytest.mark.parametrize("flow", power_flow.POWER_FLOWS)
@pytest.mark.parametrize("follower", followers.FOLLOWERS)
def test_every_registered_part_builds_and_solves(follower: str, flow: str) -> None:
    case = tiny_case()
    model = formulations.charging_pricing(case, "loss=1,profit=1", follower=follower, flow=flow)
    assert set(model.price) == {(s.name, t) for s in case.stations for t in range(3)}
    assert model.build_seconds > 0
    chosen = power_flow.find(flow)
    solution = bilevel.solve(model, "highs" if chosen.convex else "scip", progress=False)
    assert solution.status == ("certified" if chosen.exact else "feasible")
    for expression in (model.network_loss, model.station_profit, model.ev_bill):
        assert pyo.value(expression) > 0


def test_a_row_of_the_users_own_is_respected() -> None:
    # Energy is cheapest for the station when the feeder is loaded most
    case = replace(tiny_case(), wholesale_price_per_kwh=(0.3, 0.1, 0.2))
    losses, profits = [], []
    for objective in ("loss", "profit"):
        model = formulations.charging_pricing(case, objective)
        bilevel.solve(model, progress=False)
        losses.append(pyo.value(model.network_loss))
        profits.append(pyo.value(model.station_profit))
    assert losses[0] < losses[1]
    model.my_cap = pyo.Constraint(expr=model.network_loss <= sum(losses) / 2)
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified"
    assert pyo.value(model.network_loss) <= sum(losses) / 2 * (1 + 1e-6)
    assert profits[0] - 1e-6 <= solution.objective <= profits[1] + 1e-6


def test_hours_go_on_past_midnight(solved: Any) -> None:
    case: Instance = solved[0]
    hours = frames.hours(replace(case, horizon=replace(case.horizon, start="2019-09-27T18:30:00")))
    assert (hours[0], hours[-1]) == (18.5, 42.5)
