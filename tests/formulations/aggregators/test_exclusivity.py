"""Buying and selling, charging and discharging at once: which pairs prices leave open, and what the exact problem does."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_oracles import (
    STORAGE,
    Response,
    answer,
    paper_response,
    post,
    random_market,
    random_prices,
    series,
    small_market,
)

import bilevel
import formulations
from bilevel import BilevelError
from formulations.aggregators import exclusivity
from instances import Instance, Session

SEEDS = st.integers(0, 2**32 - 1)
LEVELS = ((0.12, 0.31), (0.14, 0.27, 0.43), (0.17, 0.36))
"""Prices of each period that no response ties at."""


def crossed() -> Instance:
    """Three hours; in the second one selling earns 0.12 more than buying costs."""
    agent = replace(STORAGE, contract_max_kw=80.0, real_time_max_kw=50.0)
    return small_market((0.10, 0.30, 0.20), (0.11, 0.15, 0.22), (0.09, 0.27, 0.18), agent)


def on_levels(case: Instance, **options: Any) -> Any:
    """The market whose leader chooses every price among `LEVELS`."""
    model = formulations.aggregator_market(case, **options)
    model.level = pyo.Var([(t, k) for t, levels in enumerate(LEVELS) for k in range(len(levels))], within=pyo.Binary)
    model.one = pyo.Constraint(model.T, rule=lambda m, t: sum(m.level[t, k] for k in range(len(LEVELS[t]))) == 1)
    model.chosen_level = pyo.Constraint(
        model.T, rule=lambda m, t: m.price["s", t] == sum(value * m.level[t, k] for k, value in enumerate(LEVELS[t]))
    )
    return model


def operator_cost(case: Instance, response: Response) -> float:
    """Supply of the one line of 0.04 + 0.03i pu from 1.02 pu, whose squared current is the smaller root of a quadratic."""
    net = response.powers["ev"] + response.powers["charge"] - response.powers["discharge"]
    p, q, r, x, v = (800.0 + net) / 1000.0, 0.3, 0.04, 0.03, 1.02**2
    a, b, c = r**2 + x**2, 2 * (r * p + x * q) - v, p**2 + q**2
    current = (-b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    return float(1000.0 * np.array(case.wholesale_price_per_kwh) @ (p + r * current))


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_the_hull_of_the_patterns_earns_what_the_binaries_allow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_market(rng, exclusive=False)
    assert case.market is not None
    (agent,), price = case.market.aggregators, random_prices(case, rng)
    wanted = paper_response(case, price, exclusive=True).profit
    if not exclusivity.open_pairs(case, agent):
        assert paper_response(case, price, exclusive=False).profit == pytest.approx(wanted, rel=1e-7, nan_ok=True)
    if 2 ** len(exclusivity.open_pairs(case, agent)) > exclusivity.MOST_PATTERNS or np.isnan(wanted):
        return
    model = formulations.aggregator_market(case)
    post(model, "s", price)
    answer(model)
    assert pyo.value(model.aggregator["agent"].profit) == pytest.approx(wanted, rel=1e-7, abs=1e-7)


def test_without_patterns_the_crossed_hour_would_be_bought_and_sold_at_once() -> None:
    case, price = crossed(), (0.31, 0.27, 0.36)
    loose, exact = (paper_response(case, price, exclusive) for exclusive in (False, True))
    assert min(loose.powers["bought"][1], loose.powers["sold"][1]) > 10
    assert loose.profit > exact.profit + 0.3
    assert (np.minimum(exact.powers["bought"], exact.powers["sold"]) < 1e-6).all()
    assert [(p.first, p.period) for p in exclusivity.open_pairs(case, case.market.aggregators[0])] == [  # type: ignore[union-attr]
        ("bought", 1),
        ("charge", 1),
    ]


def test_the_exact_market_is_the_best_of_all_prices_and_binaries() -> None:
    case = crossed()
    costs = {price: operator_cost(case, paper_response(case, price, True)) for price in itertools.product(*LEVELS)}
    model = on_levels(case)
    solution = bilevel.solve(model, gap=1e-6, progress=False)
    assert solution.status == "certified", solution.reason
    best = min(costs.values())
    assert max(costs.values()) > best + 0.1  # prices matter
    assert solution.objective == pytest.approx(best, rel=1e-6)
    price = tuple(pyo.value(model.price["s", t]) for t in model.T)
    at = min(costs, key=lambda known: float(np.abs(np.array(known) - price).max()))
    assert costs[at] == pytest.approx(best, rel=1e-9) and at == pytest.approx(price)
    assert solution.certificate["exclusivity"].value == 0
    block = model.aggregator["agent"]
    assert sorted(round(pyo.value(share), 6) for share in block.share.values()) == [0, 0, 0, 1]
    for name, wanted in paper_response(case, at, True).powers.items():
        assert series(model, block, name) == pytest.approx(wanted, abs=1e-3), name


def test_a_point_that_buys_and_sells_at_once_fails_by_the_check_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusivity, "open_pairs", lambda *_: [])
    model = on_levels(crossed())
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "rejected"
    failing = [check for check in solution.certificate.checks if not check.ok]
    assert [check.name for check in failing] == ["exclusivity"]
    assert failing[0].where == "bought and sold of agent in period 1"
    block = model.aggregator["agent"]
    both = min(series(model, block, "bought")[1], series(model, block, "sold")[1])
    assert failing[0].value == pytest.approx(both / 50.0, rel=1e-6)


def test_charging_and_discharging_at_once_is_a_failure_too() -> None:
    case = small_market()
    model = formulations.aggregator_market(case)
    post(model, "s", (0.3, 0.3, 0.3))
    answer(model)
    block, check = model.aggregator["agent"], exclusivity.products(case)
    assert check(model)[0].ok
    for t in model.T:
        block.charge[t].set_value(0.004 * (t == 2))
        block.used[t].set_value(0.01 * (t == 2))
    found = check(model)[0]
    assert not found.ok and found.where == "charge and discharge of agent in period 2"
    assert found.value == pytest.approx(4.0 / 40.0)


@pytest.mark.parametrize(
    ("agent", "contract", "buy", "sell", "open_in"),
    [
        (STORAGE, 0.2, 0.21, 0.19, ""),
        (STORAGE, 0.2, 0.19, 0.19, "bought"),  # a tie is open
        (STORAGE, 0.15, 0.21, 0.19, "charge"),  # 0.15 < 0.81 x 0.19
        (replace(STORAGE, contract_max_kw=0.0), 0.15, 0.21, 0.19, ""),  # as long as it can be had
        (replace(STORAGE, charge_efficiency=1.0, discharge_efficiency=1.0), 0.2, 0.21, 0.19, "charge"),
        (replace(STORAGE, real_time_max_kw=29.0), 0.2, 0.21, 0.19, "charge"),  # sales limited below the discharge
        (replace(STORAGE, discharge_max_kw=0.0), 0.2, 0.1, 0.19, ""),  # no storage, no sales
        (replace(STORAGE, real_time_max_kw=0.0), 0.2, 0.1, 0.19, "charge"),
        (STORAGE, 0.2, 0.1, 0.0, "charge"),
    ],
)
def test_which_pairs_prices_leave_open(agent: Any, contract: float, buy: float, sell: float, open_in: str) -> None:
    case = small_market((0.5, contract), (0.6, buy), (0.4, sell), agent, (Session("ev", "s", 0, 2, 40.0, 60.0),))
    always = agent.charge_efficiency == 1.0 or agent.real_time_max_kw < 30.0
    found = [(pair.first, pair.period) for pair in exclusivity.open_pairs(case, agent) if pair.period or not always]
    assert found == ([(open_in, 1)] if open_in else [])


def test_patterns_bar_one_side_of_every_pair() -> None:
    case = crossed()
    assert case.market is not None
    found = exclusivity.patterns(case, case.market.aggregators[0], True)
    assert len(found) == len(set(found)) == 4
    assert {side for pattern in found for side in pattern} == {
        ("bought", 1), ("sold", 1), ("charge", 1), ("discharge", 1)
    }  # fmt: skip
    assert all(len({name in ("bought", "sold") for name, _ in pattern}) == 2 for pattern in found)
    assert exclusivity.patterns(small_market(), STORAGE, False) == (frozenset(),)


def test_too_many_open_pairs_and_elastic_users_with_one_are_refused() -> None:
    prices = (0.10, 0.30, 0.20, 0.15)
    many = small_market(prices, (0.08,) * 4, (0.5,) * 4)
    with pytest.raises(
        BilevelError, match=r"'agent' .*buying and selling at once in period 0 .* more than 64 patterns"
    ):
        formulations.aggregator_market(many)
    formulations.aggregator_market(small_market(prices[:3], (0.08,) * 3, (0.5,) * 3))  # 6 pairs, 64 patterns
    with pytest.raises(BilevelError, match=r"'agent' .*in period 1 .* users that are elastic allow no enumeration"):
        formulations.aggregator_market(crossed(), "elastic")
    without = small_market(market=None)
    with pytest.raises(BilevelError, match=r"has no market: give it aggregators\.csv"):
        exclusivity.open_pairs(without, STORAGE)


def test_exact_without_an_open_pair_is_the_model_of_the_hull() -> None:
    one, other = (formulations.aggregator_market(small_market(), exclusivity=how) for how in ("hull", "exact"))
    assert [str(v) for v in one.component_data_objects(pyo.Var)] == [
        str(v) for v in other.component_data_objects(pyo.Var)
    ]
    rows = [[(str(r), str(r.expr)) for r in m.component_data_objects(pyo.Constraint)] for m in (one, other)]
    assert rows[0] == rows[1]


def test_binaries_of_its_own_give_the_best_of_all_prices_and_binaries() -> None:
    case = crossed()
    model = on_levels(case, exclusivity="exact")
    costs = [operator_cost(case, paper_response(case, price, True)) for price in itertools.product(*LEVELS)]
    assert list(model.aggregator["agent"].z) == list(model.aggregator["agent"].u) == [1]
    solution = bilevel.solve(model, gap=1e-6, time_limit=60, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(min(costs), rel=1e-6)
    assert solution.certificate["exclusivity"].value == 0


@pytest.mark.parametrize("seed", [35, 37, 49])
def test_binaries_and_hull_agree_whatever_the_leader_likes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_market(rng, exclusive=False)
    weights, found = rng.normal(size=(6, case.horizon.periods)), []
    for how in ("hull", "exact"):
        model = formulations.aggregator_market(case, exclusivity=how)
        block = model.aggregator["agent"]
        names = ("ev", "bought", "sold", "charge", "discharge", "contract")
        taste = sum(
            w * getattr(block, name)[t] for name, row in zip(names, weights, strict=True) for t, w in enumerate(row)
        )
        model.objective.set_value(0.01 * model.dso_cost + 10 * taste)
        solution = bilevel.solve(model, gap=1e-5, time_limit=60, progress=False)
        assert solution.status == "certified", solution.reason
        found.append(solution.objective)
    assert found[1] == pytest.approx(found[0], rel=2e-5, abs=1e-5)


def test_more_pairs_than_the_hull_takes_are_certified() -> None:
    agent = replace(STORAGE, contract_max_kw=80.0, real_time_max_kw=50.0)
    many = small_market((0.10, 0.30, 0.20, 0.15), (0.08,) * 4, (0.5,) * 4, agent)
    assert len(exclusivity.open_pairs(many, agent)) == 8
    with pytest.raises(BilevelError, match="or use exclusivity='exact'"):
        formulations.aggregator_market(many)
    model = formulations.aggregator_market(many, exclusivity="exact")
    solution = bilevel.solve(model, time_limit=120, progress=False)
    assert solution.status == "certified", solution.reason
    price = [pyo.value(model.price["s", t]) for t in model.T]
    assert pyo.value(model.aggregator["agent"].profit) == pytest.approx(
        paper_response(many, price, True).profit, rel=1e-7
    )


def test_elastic_users_take_no_exclusivity() -> None:
    with pytest.raises(BilevelError, match=r"takes no exclusivity: leave it out, or choose demand 'scheduled'"):
        formulations.aggregator_market(small_market(), "elastic", exclusivity="exact")
