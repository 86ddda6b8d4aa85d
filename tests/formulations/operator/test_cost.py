"""The operator's cost has one definition: posted prices, the dispatch table and finite differences of the objective agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from market_oracles import answer, post, series, small_market
from pyomo.common.collections import ComponentMap

import bilevel
import formulations
from bilevel import BilevelError
from instances import Aggregator, Instance, PriceLimits, Session, Station

WEIGHTS = [(1.0, 0.0), (2.0, 0.0), (2.0, 0.3), (0.0, 0.5)]


def two_buses() -> Instance:
    """An aggregator at the end of the line and one at the substation."""
    case = small_market()
    assert case.market is not None
    second = Aggregator("other", "r", 0.0, 0.0, 0.0, 0.0, 0.9, 0.9)
    return replace(
        case,
        stations=(Station("s", "b"), Station("r", "a")),
        sessions=(*case.sessions, Session("ev2", "r", 0, 3, 45.0, 40.0)),
        market=replace(case.market, aggregators=(*case.market.aggregators, second)),
    )


def posted(case: Instance, **weights: Any) -> tuple[np.ndarray, np.ndarray]:
    """Loads in kW that aggregators draw at some prices, and the nodal prices that the market's rules post there, without fee."""
    model = formulations.aggregator_market(case, fee_per_kwh=0.0, **weights)
    post(model, "s", (0.3, 0.2, 0.4))
    post(model, "r", (0.2, 0.4, 0.3))
    answer(model)
    owned = [v for block in model.aggregator.values() for v in block.component_data_objects(pyo.Var) if not v.fixed]
    best = bilevel.LeaderProblem(model, model.price.values()).solve(ComponentMap((v, v.value) for v in owned))
    rules = formulations.nodal_rules(model, case)

    def price(c: str, t: int) -> float:
        rule = rules[model.price[c, t]]
        return float(rule.fee + (0.0 if rule.row is None else rule.factor * best.dual(rule.row)))

    blocks = model.aggregator.values()
    load = [series(model, b, "ev") + series(model, b, "charge") - series(model, b, "discharge") for b in blocks]
    return np.array(load), np.array([[price(c, t) for t in model.T] for c in model.C])


@pytest.mark.parametrize(("supply", "loss"), WEIGHTS)
def test_posted_prices_the_table_and_finite_differences_of_the_objective_are_one(supply: float, loss: float) -> None:
    case, weights = two_buses(), {"supply_weight": supply, "loss_price_per_kwh": loss}
    load, prices = posted(case, **weights)
    model = formulations.aggregator_market(case, **weights)
    dispatch = formulations.Dispatch.of(model, case)
    at = [dispatch.buses.index(station.bus) for station in case.stations]
    table = dispatch.at(load).nodal_price_per_kwh[:, at].T
    assert prices == pytest.approx(table, rel=1e-4, abs=1e-7)
    for c in range(2):
        for t in range(3):
            step = np.zeros_like(load)
            step[c, t] = 1.0
            slope = (dispatch.at(load + step).dso_cost - dispatch.at(load - step).dso_cost) / 2
            assert table[c, t] == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_twice_the_weight_of_supply_is_twice_the_price_of_supply() -> None:
    case = two_buses()
    once, twice = (posted(case, supply_weight=weight, loss_price_per_kwh=0.0)[1] for weight in (1.0, 2.0))
    assert twice == pytest.approx(2 * once, rel=1e-4)
    assert twice[1] == pytest.approx(2 * np.array(case.wholesale_price_per_kwh))


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_a_converged_market_posts_the_prices_of_its_table(weight: float) -> None:
    # Limits so wide that no nodal price is clipped
    case = replace(two_buses(), price_limits=PriceLimits(0.0, 2.0, 2.0))
    found = formulations.three_ways(case, progress=False, time_limit=60.0, supply_weight=weight, fee_per_kwh=0.0)
    run = found.runs["equilibrium"]
    assert found.trace.status == "converged", found.trace.reason
    prices = run.aggregators.set_index(["bus", "period"])["nodal_price_per_kwh"]
    table = run.buses.set_index(["bus", "period"])["nodal_price_per_kwh"]
    assert prices.to_numpy() == pytest.approx(table.loc[prices.index].to_numpy(), rel=1e-3)
    assert run.solution.objective == pytest.approx(weight * run.figures["supply_cost"], rel=1e-7)


@pytest.mark.parametrize("name", ["supply_weight", "loss_price_per_kwh"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "much"])
def test_weights_that_are_no_number_of_at_least_0_are_refused(name: str, value: Any) -> None:
    with pytest.raises(BilevelError, match=f"{name} is .*: give a number of at least 0"):
        formulations.Dispatch(small_market(), **{name: value})
    with pytest.raises(BilevelError, match=f"{name} is .*: give a number of at least 0"):
        formulations.aggregator_market(small_market(), **{name: value})


def test_the_market_and_its_dispatch_weigh_alike() -> None:
    case = two_buses()
    model = formulations.aggregator_market(case, "scheduled", "jabr", supply_weight=3.0, loss_price_per_kwh=0.7)
    dispatch = formulations.Dispatch.of(model, case)
    assert pyo.value(dispatch.model.supply_weight) == 3.0
    assert dispatch.loss_price_per_kwh == 0.7 and dispatch.model.power_flow == "jabr"
