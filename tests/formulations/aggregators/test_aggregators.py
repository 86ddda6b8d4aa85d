"""Aggregators' responses at given prices against the paper's equations as written, solved by SciPy, and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from market_oracles import (
    STORAGE,
    answer,
    paper_form,
    paper_response,
    post,
    random_market,
    random_prices,
    series,
    small_market,
)
from scipy.optimize import linprog, minimize
from typer.main import get_command

import bilevel
import formulations
from bilevel import BilevelError, ModelError
from formulations.aggregators import AGGREGATORS, AggregatorModel, elastic, scheduled, trading
from formulations.aggregators.elastic import inverse_demand
from formulations.aggregators.exclusivity import open_pairs
from formulations.options import Option
from formulations.prices import user_prices
from instances import Aggregator, Instance, Network, PriceLimits, Session
from studies.command_line import market

SEEDS = st.integers(0, 2**32 - 1)


def responded(case: Instance, price: Any, demand: str = "scheduled") -> tuple[Any, Any]:
    """Model and aggregator, with its response to the prices."""
    model = formulations.aggregator_market(case, demand)
    post(model, "s", price)
    answer(model)
    return model, model.aggregator["agent"]


def profit(case: Instance, price: Any, demand: str = "scheduled") -> float:
    """What the response earns; NaN where there is none."""
    try:
        return float(pyo.value(responded(case, price, demand)[1].profit))
    except ModelError as error:
        assert "infeasible" in str(error)
        return float("nan")


@settings(max_examples=120, deadline=None)
@given(SEEDS)
def test_a_response_earns_what_the_paper_allows_and_binaries_change_nothing_where_prices_decide(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_market(rng)
    price = random_prices(case, rng)
    assert case.market is not None and not open_pairs(case, case.market.aggregators[0])
    wanted = paper_response(case, price, exclusive=False).profit
    assert profit(case, price) == pytest.approx(wanted, rel=1e-7, abs=1e-7, nan_ok=True)
    assert paper_response(case, price, exclusive=True).profit == pytest.approx(wanted, rel=1e-7, abs=1e-7, nan_ok=True)


def test_a_day_of_storage_by_hand() -> None:
    # 50 kW in both hours; the 30 kW of hour 1 need 30 / 0.9 kWh, which 30 / 0.81 kW of hour 0 leave in the storage
    agent = replace(STORAGE, storage_initial_kwh=0.0)
    case = small_market((0.1, 0.3), aggregator=agent, sessions=(Session("ev", "s", 0, 2, 90.0, 50.0),))
    model, block = responded(case, (0.4, 0.2))
    charge = 30 / 0.81
    cost = 0.1 * (50 + charge) + 0.3 * 20
    assert pyo.value(block.trading_cost) == pytest.approx(cost, rel=1e-9)
    assert pyo.value(block.bill) == pytest.approx(50 * 0.4 + 50 * 0.2, rel=1e-9)
    assert pyo.value(block.profit) == pytest.approx(30 - cost, rel=1e-9)
    wanted = {
        "contract": [50 + charge, 20],
        "bought": [0, 0],
        "sold": [0, 0],
        "charge": [charge, 0],
        "discharge": [0, 30],
    }
    for name, values in (wanted | {"used": [0, 30], "stored": [30 / 0.9, 0], "ev": [50, 50]}).items():
        assert series(model, block, name) == pytest.approx(values, abs=1e-6), name


@pytest.mark.parametrize(
    ("changes", "bought", "sold"),
    [
        ({"contract_max_kw": 40.0}, 10 + 30 / 0.81, 0.0),
        ({"contract_max_kw": 40.0, "real_time_max_kw": 25.0}, 25.0, 0.0),
        ({"contract_max_kw": 0.0}, 50 + 30 / 0.81, 0.0),
    ],
)
def test_what_a_contract_does_not_give_is_bought_in_real_time(changes: Any, bought: float, sold: float) -> None:
    agent = replace(STORAGE, storage_initial_kwh=0.0, **changes)
    case = small_market((0.1, 0.3), aggregator=agent, sessions=(Session("ev", "s", 0, 2, 90.0, 50.0),))
    model, block = responded(case, (0.4, 0.2))
    assert series(model, block, "bought")[0] == pytest.approx(bought)
    assert series(model, block, "sold")[0] == pytest.approx(sold, abs=1e-6)
    assert profit(case, (0.4, 0.2)) == pytest.approx(paper_response(case, (0.4, 0.2), True).profit, rel=1e-8)


def scarce(energy_kwh: float) -> Instance:
    """At most 20 kW of purchases and 15 kW of discharge; charging earns 0.4 more in hour 0 than in hour 1."""
    agent = Aggregator("agent", "s", 20.0, 10.0, 15.0, 15.0, 0.9, 0.9, 0.0, 20.0)
    session = Session("ev", "s", 0, 2, energy_kwh, 60.0)
    return small_market((0.02, 0.02), (0.02, 0.02), (0.01, 0.01), agent, (session,))


def test_nobody_serves_users_by_energy_from_nowhere_where_purchases_are_limited() -> None:
    # The cheapest energy from nowhere would be relief, at 2 x 0.02 / 0.9 a kWh less than the 0.4 that hour 0 earns more
    case = scarce(27.0)
    model, block = responded(case, (0.5, 0.1))
    assert pyo.value(block.profit) == pytest.approx(paper_response(case, (0.5, 0.1), True).profit, rel=1e-8)
    assert series(model, block, "relief") == pytest.approx([0, 0], abs=1e-9)
    assert paper_response(case, (0.5, 0.1), True).powers["ev"][0] == pytest.approx(29.0, abs=0.5)
    # Users that need more than 40 kWh cannot be served
    assert np.isnan(profit(scarce(40.0), (0.5, 0.1)))
    assert np.isnan(paper_response(scarce(40.0), (0.5, 0.1), False).profit)
    with pytest.raises(ModelError, match=r"'aggregator\[agent\]' has no feasible decision"):
        bilevel.solve(formulations.aggregator_market(scarce(40.0)), progress=False)
    solution = bilevel.solve(formulations.aggregator_market(case), progress=False)
    assert solution.status == "certified", solution.reason


def test_relief_is_there_only_where_prices_are_positive_and_purchases_without_limit() -> None:
    def relieved(case: Instance) -> bool:
        block = formulations.aggregator_market(case).aggregator["agent"]
        assert bool(trading.unused(block)) == trading.positive(case)
        return not any(block.relief[t].fixed for t in block.T)

    assert relieved(small_market())
    assert relieved(small_market(aggregator=replace(STORAGE, contract_max_kw=20.0)))
    assert not relieved(small_market(aggregator=replace(STORAGE, contract_max_kw=60.0, real_time_max_kw=35.0)))
    assert not relieved(
        small_market(
            (0.1, 0.0, 0.2),
            (0.2, 0.2, 0.3),
            (0.1, 0.0, 0.1),
            aggregator=replace(STORAGE, storage_energy_kwh=0.0, storage_initial_kwh=0.0),
        )
    )


# Elastic users

AGENT = replace(STORAGE, elasticity_own=-0.4, elasticity_cross=0.05)
USERS = (Session("ev", "s", 0, 3, 90.0, 60.0),)
WIDE = PriceLimits(-0.9, 1.5, 1.5)
"""Limits that no user pays, with the middle of the others."""


def elasticity(agent: Aggregator, mean_kw: float, periods: int, price: float) -> np.ndarray:
    """kW per currency/kWh."""
    own, cross = agent.elasticity_own, agent.elasticity_cross
    return mean_kw / price * (np.eye(periods) * (own - cross) + cross)


@pytest.mark.parametrize(("own", "cross", "count"), [(-0.5, 0.02, 5), (-0.5, 0.0, 3), (-1.2, 0.3, 4), (-0.4, 0.0, 1)])
def test_inverse_demand_is_the_inverse_of_the_elasticity_matrix(own: float, cross: float, count: int) -> None:
    agent = replace(AGENT, elasticity_own=own, elasticity_cross=cross)
    wanted = np.linspace(0.5, 2.0, count)
    diagonal, other = inverse_demand(small_market(), agent, wanted)
    inverse = np.linalg.inv(elasticity(agent, float(wanted.mean()), count, 0.3))
    assert (diagonal - other) * np.eye(count) + other == pytest.approx(inverse, rel=1e-12)


def test_elasticities_that_are_not_negative_definite_are_refused() -> None:
    for cross in (0.2, 0.25):
        case = small_market(aggregator=replace(AGENT, elasticity_cross=cross), sessions=USERS)
        with pytest.raises(
            BilevelError, match=r"aggregator 'agent' .* over 3 periods .* lower elasticity_cross below 0\.2"
        ):
            formulations.aggregator_market(case, "elastic")
    case = small_market(aggregator=replace(AGENT, elasticity_cross=0.199), sessions=USERS)
    assert np.linalg.eigvalsh(elasticity(replace(AGENT, elasticity_cross=0.199), 1.0, 3, 0.3)).max() < 0
    formulations.aggregator_market(case, "elastic")


def test_elastic_users_without_storage_by_their_optimality_conditions() -> None:
    # Gradient of sum (C + B (ev - d) - cost) ev over ev is the same in all hours, as the day's energy is given
    agent = replace(AGENT, storage_energy_kwh=0.0, storage_initial_kwh=0.0)
    case = small_market(aggregator=agent, sessions=USERS, price_limits=WIDE)
    price, contract, wanted = np.array([0.3, 0.32, 0.25]), np.array([0.10, 0.30, 0.20]), np.array([60.0, 40.0, 0.0])
    inverse = np.linalg.inv(elasticity(agent, 100 / 3, 3, 0.3))
    system = np.block([[2 * inverse, np.ones((3, 1))], [np.ones((1, 3)), np.zeros((1, 1))]])
    ev = np.linalg.solve(system, np.append(inverse @ wanted - price + contract, 100.0))[:3]
    assert (ev > 1).all() and (ev < 59).all()
    model, block = responded(case, price, "elastic")
    assert series(model, block, "ev") == pytest.approx(ev, rel=1e-6)
    paid = price + inverse @ (ev - wanted)
    assert pyo.value(block.bill) == pytest.approx(float(paid @ ev), rel=1e-7)
    assert pyo.value(block.profit) == pytest.approx(float((paid - contract) @ ev), rel=1e-7)


def elastic_bounds(case: Instance, price: np.ndarray, ev: np.ndarray) -> tuple[float, float]:
    """What charging by `ev` earns in the paper's program with the concession, and what none can exceed (its tangent)."""
    assert case.market is not None
    (agent,), (session,) = case.market.aggregators, case.sessions
    total, power = session.count * session.energy_kwh / 0.9, session.count * session.power_max_kw
    wanted = np.array([min(power, max(total - k * power, 0.0)) for k in range(len(ev))])
    inverse = np.linalg.inv(elasticity(agent, float(wanted.mean()), len(ev), 0.3))
    form, slope = paper_form(case, price, exclusive=False), price + inverse @ (2 * ev - wanted)
    at = [form.at["ev", t] for t in range(len(ev))]

    def least(cost: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
        limits = np.column_stack([low, high])
        found = linprog(cost, form.under, form.below, form.equal, form.right, limits)
        assert found.status == 0
        return float(found.fun)

    low, high, trade, tangent = 0 * form.upper, form.upper.copy(), form.cost.copy(), form.cost.copy()
    trade[at], tangent[at] = 0.0, -slope
    # With the day's energy kept, a price moves with its own period's load alone: limits of prices are limits of loads
    steep, limits = inverse[0, 1] - inverse[0, 0], case.price_limits
    low[at] = np.maximum(low[at], wanted - (limits.price_max_per_kwh - price) / steep)
    high[at] = np.minimum(high[at], wanted + (price - limits.price_min_per_kwh) / steep)
    bound = -least(tangent, low, high) + float((price + inverse @ (ev - wanted) - slope) @ ev)
    low[at], high[at] = ev, ev
    return float((price + inverse @ (ev - wanted)) @ ev) - least(trade, low, high), bound


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_elastic_users_with_storage_and_limits_earn_the_most_that_is_possible(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_market(rng)
    assert case.market is not None
    periods, agent = case.horizon.periods, case.market.aggregators[0]
    agent = replace(agent, real_time_max_kw=np.inf, elasticity_own=-0.6, elasticity_cross=float(rng.choice([0.0, 0.1])))
    session = Session("ev", "s", 0, periods, float(rng.uniform(0.2, 0.8)) * 36 * periods, 40.0)
    case = replace(case, sessions=(session,), market=replace(case.market, aggregators=(agent,)))
    price = random_prices(case, rng)
    model, block = responded(case, price, "elastic")
    earned, bound = elastic_bounds(case, price, np.clip(series(model, block, "ev"), 0.0, 40.0))
    size = pyo.value(block.bill)  # what the active set method's tolerances are relative to
    assert pyo.value(block.profit) == pytest.approx(earned, abs=1e-5 * size)
    assert pyo.value(block.profit) == pytest.approx(bound, abs=1e-4 * size)


def elastic_profit(case: Instance, price: np.ndarray) -> tuple[float, np.ndarray]:
    """The most that an aggregator without storage earns within (15) and (16) as written, and the prices paid, by SLSQP."""
    assert case.market is not None
    (agent,), limits, periods = case.market.aggregators, case.price_limits, case.horizon.periods
    wanted = np.array([60.0, 40.0, 0.0])
    inverse = np.linalg.inv(elasticity(agent, 100 / 3, periods, 0.3))
    cost = np.array(case.market.contract_price_per_kwh)

    def paid(ev: np.ndarray) -> np.ndarray:
        return np.asarray(price + inverse @ (ev - wanted))

    rules: list[Any] = [
        {"type": "eq", "fun": lambda ev: ev.sum() - 100.0},
        {"type": "ineq", "fun": lambda ev: limits.price_max_per_kwh - paid(ev)},
        {"type": "ineq", "fun": lambda ev: paid(ev) - limits.price_min_per_kwh},
        {"type": "ineq", "fun": lambda ev: limits.price_mean_max_per_kwh - paid(ev).mean()},
    ]
    found = minimize(
        lambda ev: -float((paid(ev) - cost) @ ev), wanted, bounds=[(0.0, 60.0)] * periods, constraints=rules,
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    assert found.success, found.message
    return -float(found.fun), paid(found.x)


@pytest.mark.parametrize(
    "price", [(0.3, 0.32, 0.25), (0.5, 0.1, 0.1), (0.1, 0.1, 0.5), (0.5, 0.2, 0.1), (0.1, 0.1, 0.1)]
)
def test_elastic_users_pay_within_the_price_limits(price: tuple[float, ...]) -> None:
    agent = replace(AGENT, storage_energy_kwh=0.0, storage_initial_kwh=0.0)
    case = small_market(aggregator=agent, sessions=USERS, price_limits=PriceLimits(0.1, 0.5, 0.4))
    _, block = responded(case, price, "elastic")
    best, paid = elastic_profit(case, np.array(price))
    assert pyo.value(block.profit) == pytest.approx(best, rel=1e-6)
    found = [pyo.value(block.paid[t]) for t in range(3)]
    assert found == pytest.approx(paid, abs=1e-5)
    assert min(found) >= 0.1 - 1e-9 and max(found) <= 0.5 + 1e-9
    assert np.mean(found) == pytest.approx(np.mean(price), abs=1e-9)


def test_what_users_pay_outside_the_limits_fails_its_check_alone() -> None:
    # Without its rows the aggregator has users pay less than the least price: the rest of the point is right
    agent = replace(AGENT, storage_energy_kwh=0.0, storage_initial_kwh=0.0)
    case = small_market(aggregator=agent, sessions=USERS, price_limits=PriceLimits(0.1, 0.5, 0.4))
    kept = bilevel.solve(formulations.aggregator_market(case, "elastic"), progress=False)
    assert kept.status == "certified" and kept.certificate[user_prices.NAME].ok, kept.reason
    model = formulations.aggregator_market(case, "elastic")
    for block in model.aggregator.values():
        block.price_max.deactivate()
        block.price_min.deactivate()
    loose = bilevel.solve(model, progress=False)
    failing = [check.name for check in loose.certificate.checks if not check.ok]
    assert (loose.status, failing) == ("rejected", [user_prices.NAME])
    assert "'prices paid' fails at agent in period" in loose.reason
    assert "users pay" in loose.certificate[user_prices.NAME].detail


@pytest.mark.parametrize(("move", "where"), [(-0.3, "in period 2"), (0.6, "in period 0")])
def test_a_price_moved_out_of_its_limits_is_told_with_its_period(move: float, where: str) -> None:
    case = small_market(sessions=USERS, price_limits=PriceLimits(0.1, 0.5, 0.4))
    model, _ = responded(case, (0.3, 0.3, 0.3), "scheduled")
    (check,) = user_prices.paid_within_limits(case, AGGREGATORS["scheduled"])(model)
    assert check.ok and check.value == 0.0
    model.price["s", int(where[-1])].set_value(0.3 + move, skip_validation=True)
    (check,) = user_prices.paid_within_limits(case, AGGREGATORS["scheduled"])(model)
    assert not check.ok and check.where == f"agent {where}"
    assert check.value == pytest.approx((abs(move) - 0.2) / 0.5)


def test_a_mean_over_its_cap_fails_too() -> None:
    case = small_market(sessions=USERS, price_limits=PriceLimits(0.1, 0.5, 0.3))
    model, _ = responded(case, (0.32, 0.32, 0.32), "scheduled")
    (check,) = user_prices.paid_within_limits(case, AGGREGATORS["scheduled"])(model)
    assert (check.ok, check.where) == (False, "agent in the mean")
    assert check.value == pytest.approx(0.02 / 0.5)


def marked_up(block: Any, *arguments: Any, markup_share: float) -> None:
    """As scheduled, but users pay the posted price and a markup."""
    case, market, aggregator, price, *rest = arguments
    scheduled.add(
        block, case, market, aggregator, {t: (1 + markup_share) * posted for t, posted in price.items()}, *rest
    )


MARKUP = Option(
    name="markup_share", help="what users pay beside the posted price, of it", example="0.1", default=0.0, least=0.0
)
MARKED_UP = AggregatorModel(
    name="marked_up", about="with a markup", add=marked_up, options=(MARKUP,), several=True,
    paid_per_kwh=lambda _case, _aggregator, posted, _ev, *, markup_share: (1 + markup_share) * posted,
)  # fmt: skip


def test_an_option_of_an_aggregator_reaches_its_rows_its_check_and_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(AGGREGATORS, "marked_up", MARKED_UP)
    case = small_market(sessions=USERS, price_limits=PriceLimits(0.1, 0.5, 0.4))
    plain, without = (
        bilevel.solve(formulations.aggregator_market(case, d), progress=False) for d in AGGREGATORS if d != "elastic"
    )
    assert plain.status == without.status == "certified"
    assert without.objective == pytest.approx(plain.objective, rel=1e-6)
    model = formulations.aggregator_market(case, "marked_up", markup_share=0.25)
    post(model, "s", (0.5, 0.3, 0.2))
    answer(model)
    paid = [float(pyo.value(model.aggregator["agent"].paid[t])) for t in model.T]
    assert paid == pytest.approx([0.625, 0.375, 0.25])
    (check,) = user_prices.paid_within_limits(case, MARKED_UP.with_options({"markup_share": 0.25}))(model)
    assert (check.ok, check.where) == (False, "agent in period 0") and check.value == pytest.approx(0.25)
    with pytest.raises(BilevelError, match=r"markup_share is -1: give a number of at least 0, such as 0\.1"):
        formulations.aggregator_market(case, "marked_up", markup_share=-1)
    with pytest.raises(BilevelError, match="demand 'scheduled' takes no markup_share"):
        formulations.aggregator_market(case, markup_share=0.1)
    app = typer.Typer()
    market.register(app)
    command: Any = get_command(app)
    assert "--markup-share" in {flag for parameter in command.params for flag in parameter.opts}


def test_two_aggregators_at_one_bus_answer_each_for_itself() -> None:
    case = small_market()
    assert case.market is not None
    second = replace(STORAGE, name="other", station="r", storage_energy_kwh=0.0, storage_initial_kwh=0.0)
    stations = (*case.stations, replace(case.stations[0], name="r"))
    both = replace(
        case, stations=stations, sessions=(*case.sessions, Session("ev2", "r", 1, 3, 45.0, 30.0)),
        market=replace(case.market, aggregators=(STORAGE, second)),
    )  # fmt: skip
    model = formulations.aggregator_market(both)
    post(model, "s", (0.3, 0.2, 0.4))
    post(model, "r", (0.3, 0.45, 0.2))
    answer(model)
    alone = responded(case, (0.3, 0.2, 0.4))[1]
    assert pyo.value(model.aggregator["agent"].profit) == pytest.approx(pyo.value(alone.profit), rel=1e-9)
    assert pyo.value(model.aggregator["other"].profit) == pytest.approx(30 * (0.45 - 0.3) + 20 * (0.2 - 0.2), rel=1e-9)
    net = sum(series(model, block, "ev") + series(model, block, "charge") - series(model, block, "discharge")
              for block in model.aggregator.values())  # fmt: skip
    drawn = [pyo.value(model.bus_load["b", t]) * Network.from_feeder(both.feeder).per_unit.base_kva for t in model.T]
    assert drawn == pytest.approx(net, rel=1e-9)


def test_vehicles_that_want_nothing_are_no_demand_that_a_price_could_move() -> None:
    """Their demand has no mean that elasticities could be relative to: nobody charges, and the posted prices are paid."""
    case = small_market()
    case = replace(case, sessions=tuple(replace(session, energy_kwh=0.0) for session in case.sessions))
    model = formulations.aggregator_market(case, "elastic")
    assert all(variable.ub == 0.0 for variable in model.aggregator["agent"].ev.values())
    posted = np.linspace(0.1, 0.3, case.horizon.periods)
    assert case.market is not None
    paid = elastic.paid_per_kwh(case, case.market.aggregators[0], posted, np.zeros(case.horizon.periods))
    assert np.array_equal(paid, posted)
