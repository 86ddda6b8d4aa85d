"""The market of an operator and aggregators, solved three ways: what bounds what, any number of aggregators anywhere, refusals."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from market_oracles import paper_response, small_market
from scipy.optimize import minimize

import bilevel
import formulations
import instances
from bilevel import BilevelError, UnknownNameError
from formulations.prices import credit
from instances import Aggregator, Instance, Market, Session, Station
from studies.market.three_ways import COOPERATIVE, EQUILIBRIUM, EXACT, MarketComparison, capped

WAYS = [EXACT, EQUILIBRIUM, COOPERATIVE]


def some_hours(buses: tuple[str, ...], hours: tuple[int, ...] = (5, 13, 19)) -> Instance:
    """Hours of ieee33_aggregator with an aggregator at each of these buses, each with a session of its own."""
    case = instances.load("ieee33_aggregator")
    assert case.market is not None

    def pick(series: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(series[hour] for hour in hours)

    agents = tuple(
        Aggregator(f"agent{k}", f"s{k}", 100.0 * (k % 2), 30.0 * (k % 2), 50.0, 50.0, 0.95, 0.95, 150.0)
        for k in range(len(buses))
    )
    market = Market(
        agents, pick(case.market.contract_price_per_kwh), pick(case.market.real_time_buy_price_per_kwh),
        pick(case.market.real_time_sell_price_per_kwh), case.market.loss_price_per_kwh,
    )  # fmt: skip
    return replace(
        case, market=market, credit=None, horizon=replace(case.horizon, periods=len(hours)),
        stations=tuple(Station(f"s{k}", bus) for k, bus in enumerate(buses)),
        sessions=tuple(Session(f"ev{k}", f"s{k}", 0, len(hours), 80.0 + 20 * k, 100.0) for k in range(len(buses))),
        load_factor=pick(case.load_factor), wholesale_price_per_kwh=pick(case.wholesale_price_per_kwh),
    )  # fmt: skip


def three(case: Instance, demand: str = "scheduled", **options: Any) -> MarketComparison:
    return formulations.three_ways(case, demand, progress=False, time_limit=60.0, **options)


@cache
def reduced() -> tuple[Instance, MarketComparison]:
    """Six sessions of the shipped case in all of its 24 hours."""
    case = instances.scale(instances.load("ieee33_aggregator"), 6)
    return case, three(case, max_iterations=8)


def require_order(found: MarketComparison) -> None:
    """Cooperation bounds the exact optimum, which is no worse than the iteration; every point is a checked one."""
    exact, iterated, together = (found.runs[way].solution for way in WAYS)
    assert list(found.runs) == WAYS and found.to_frame()["way"].tolist() == WAYS
    assert exact.status in ("certified", "feasible") and together.status == "certified", exact.reason
    assert iterated.status in ("certified", "feasible", "infeasible"), iterated.reason
    room = 1e-6 * abs(exact.objective)
    assert together.bound <= exact.bound + 1e-3 * abs(exact.objective)
    assert together.bound <= exact.objective + room
    assert exact.bound <= exact.objective + room
    assert np.isnan(iterated.objective) or exact.objective <= iterated.objective + room
    points = [run.solution for run in found.runs.values() if not np.isnan(run.solution.objective)]
    for certificate in (solution.certificate for solution in points):
        assert certificate.valid and certificate["exclusivity"].value <= 1e-6 and certificate["AC replay, losses"].ok


def test_the_reduced_case_is_bounded_and_ordered() -> None:
    case, found = reduced()
    require_order(found)
    assert found.runs[EQUILIBRIUM].solution.status == "certified"
    assert case.market is not None and found.runs[EXACT].solution.gap <= 1e-3
    frame = found.to_frame().set_index("way")
    assert frame.loc[COOPERATIVE, "dso_cost"] < frame.loc[EQUILIBRIUM, "dso_cost"] - 1
    for run in found.runs.values():
        figures = run.figures
        cost = figures["supply_cost"] + case.market.loss_price_per_kwh * figures["loss_kwh"]
        assert run.solution.objective == pytest.approx(cost, rel=1e-7)
        assert figures["peak_kw"] == run.network["supply_kw"].max()
        table = run.aggregators
        paid = float((table["ev_kw"] * table["paid_per_kwh"]).sum())
        assert figures["users_bill"] == pytest.approx(paid, rel=1e-6)
        energy = sum(s.count * s.energy_kwh for s in case.sessions) / case.charging_efficiency
        assert table["ev_kw"].sum() == pytest.approx(energy, rel=1e-6)
        assert (table["price_per_kwh"] - table["fee_per_kwh"]).to_numpy() == pytest.approx(
            table["nodal_price_per_kwh"].to_numpy()
        )
        assert len(run.buses) == 33 * 24


def test_fees_are_those_of_the_credit_points_by_default() -> None:
    case, found = reduced()
    table = found.runs[EXACT].aggregators.set_index(["station", "period"])["fee_per_kwh"]
    wanted = credit.fees(case)
    for k, station in enumerate(case.stations):
        assert [table[station.name, t] for t in range(24)] == pytest.approx(wanted[k].tolist())
    model = formulations.aggregator_market(small_market(), fee_per_kwh=np.array([[0.01, 0.02, 0.03]]))
    model.price["s", 1].set_value(0.3)
    assert pyo.value(model.nodal_price["s", 1]) == pytest.approx(0.28)
    assert pyo.value(formulations.aggregator_market(small_market()).fee["s", 0]) == 0.0


def test_aggregators_earn_at_the_exact_prices_what_the_paper_allows() -> None:
    case = small_market()
    found = three(case, fee_per_kwh=0.02)
    require_order(found)
    for way in (EXACT, EQUILIBRIUM):
        run = found.runs[way]
        best = paper_response(case, run.aggregators["price_per_kwh"].to_numpy(), True)
        assert run.figures["profit_agent"] == pytest.approx(best.profit, rel=1e-6)
    last = found.runs[EQUILIBRIUM].aggregators
    limits, nodal = case.price_limits, found.runs[EQUILIBRIUM].buses.query("bus == 'b'")["nodal_price_per_kwh"]
    if found.trace.status == "converged":
        wanted = np.clip(nodal.to_numpy() + 0.02, limits.price_min_per_kwh, limits.price_max_per_kwh)
        assert last["price_per_kwh"].to_numpy() == pytest.approx(wanted, rel=1e-2)


@pytest.mark.parametrize(("buses", "demand"), [
    (("18",), "scheduled"), (("25", "7"), "scheduled"), (("33", "33", "2"), "scheduled"), (("1", "30"), "elastic"),
])  # fmt: skip
def test_any_number_of_aggregators_at_any_bus_by_data_alone(buses: tuple[str, ...], demand: str) -> None:
    case = some_hours(buses)
    found = three(case, demand)
    require_order(found)
    table = found.runs[EXACT].aggregators
    assert sorted(table["aggregator"].unique()) == [f"agent{k}" for k in range(len(buses))]
    assert dict(zip(table["station"], table["bus"], strict=True)) == {f"s{k}": bus for k, bus in enumerate(buses)}
    for k in range(len(buses)):
        charged = table.loc[table["station"] == f"s{k}", "ev_kw"].sum() * case.charging_efficiency
        assert charged == pytest.approx(80.0 + 20 * k, rel=1e-6)
        assert (table.loc[table["station"] == f"s{k}", "stored_kwh"].max() > 1) == bool(k % 2)


def test_nodal_rules_are_the_duals_of_the_balances_and_wholesale_at_the_substation() -> None:
    case = some_hours(("1", "30"))
    model = formulations.aggregator_market(case, fee_per_kwh=0.04)
    rules = formulations.nodal_rules(model, case)
    assert len(rules) == 6
    for t in range(3):
        root, other = rules[model.price["s0", t]], rules[model.price["s1", t]]
        assert root.row is None and root.fee == pytest.approx(case.wholesale_price_per_kwh[t] + 0.04)
        assert other.row is model.active_balance["29", "30", t] and other.fee == 0.04
        assert other.factor == pytest.approx(1 / model.per_unit.base_kva)


def test_the_weights_of_supply_and_losses_make_the_objective() -> None:
    case = some_hours(("18",))
    model = formulations.aggregator_market(case, supply_weight=0.0, loss_price_per_kwh=2.0)
    solution = bilevel.solve(model, progress=False, time_limit=30.0, gap=1e-3)
    assert solution.status == "certified"
    assert solution.objective == pytest.approx(2.0 * pyo.value(model.network_loss), rel=1e-7)
    plain = three(case).runs[EXACT].figures
    assert pyo.value(model.network_loss) < plain["loss_kwh"] * (1 + 1e-3)


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds")  # SLSQP of older releases clips its own steps
@pytest.mark.parametrize("seed", range(20))
def test_capped_prices_are_the_nearest_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0.0, 0.2, 5)
    high, wanted = low + rng.uniform(0.0, 0.3, 5), rng.uniform(-0.1, 0.7, 5)
    cap = float(rng.uniform(low.mean(), high.mean()))
    rows = [{"type": "ineq", "fun": lambda price: cap - price.mean()}]
    best = minimize(
        lambda price: float(((price - wanted) ** 2).sum()), (low + high) / 2, bounds=list(zip(low, high, strict=True)),
        constraints=rows, options={"ftol": 1e-14},
    )  # fmt: skip
    assert capped(wanted, low, high, cap) == pytest.approx(best.x, abs=1e-5)
    assert capped(wanted, low, high, cap).mean() <= cap + 1e-12


def test_a_cap_that_the_least_prices_exceed_by_rounding_gives_these() -> None:
    low = np.array([0.1, 0.3])
    assert capped(np.array([0.5, 0.4]), low, np.array([0.5, 0.5]), 0.2 - 1e-9).tolist() == low.tolist()


@pytest.mark.parametrize("demand", ["scheduled", "elastic"])
def test_cooperation_is_told_at_prices_that_the_limits_allow_at_its_charging(demand: str) -> None:
    case = some_hours(("18", "30"))
    case = replace(case, price_limits=replace(case.price_limits, price_mean_max_per_kwh=0.12))
    found = three(case, demand)
    require_order(found)
    limits, run = case.price_limits, found.runs[COOPERATIVE]
    table, exact = run.aggregators, found.runs[EXACT].aggregators
    for prices in (table["price_per_kwh"], table["paid_per_kwh"]):
        assert prices.min() >= limits.price_min_per_kwh - 1e-7 and prices.max() <= limits.price_max_per_kwh + 1e-7
        assert prices.groupby(table["station"]).mean().max() <= 0.12 + 1e-7
    assert run.figures["users_bill"] == pytest.approx(float((table["ev_kw"] * table["paid_per_kwh"]).sum()), rel=1e-6)
    if demand == "scheduled":
        assert table["price_per_kwh"].to_numpy() == pytest.approx(exact["price_per_kwh"].to_numpy(), abs=1e-6)


def test_refusals_name_object_value_and_remedy() -> None:
    market = formulations.aggregator_market
    with pytest.raises(BilevelError, match=r"'ieee33' has no market: give it aggregators\.csv and market\.csv"):
        market(instances.load("ieee33"))
    case = some_hours(("18", "25"))
    assert case.market is not None
    alone = replace(case, market=replace(case.market, aggregators=case.market.aggregators[:1]))
    with pytest.raises(BilevelError, match="station 's1' of session 'ev1' has no aggregator: add one"):
        market(alone)
    for fee in (np.zeros(3), np.zeros((3, 2)), np.nan, [[0.0] * 3, [0.0, 0.0, np.inf]]):
        with pytest.raises(
            BilevelError, match=r"fee_per_kwh has shape .*: give a finite number, or an array of 2 stations x 3"
        ):
            market(case, fee_per_kwh=fee)
    for name in ("supply_weight", "loss_price_per_kwh"):
        for value in (-1.0, float("nan"), "much"):
            with pytest.raises(BilevelError, match=f"{name} is {value!r}: give a number of at least 0"):
                market(case, **{name: value})
    with pytest.raises(UnknownNameError, match="demand"):
        market(case, "schedule")
    with pytest.raises(UnknownNameError, match="power flow"):
        market(case, flow="dist")
