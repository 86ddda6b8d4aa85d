"""Tariffs against enumeration of every price, closed forms, and each other."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import tiny_case
from scipy.optimize import linprog

import bilevel
import formulations
import instances
from bilevel import BilevelError, UnknownNameError
from formulations.followers import FOLLOWERS
from formulations.tariffs import TARIFFS, blocks, levels
from instances import Instance, PriceLimits, Session
from studies.pricing import tables

LEVELS = (0.12, 0.3, 0.48)


def solve(case: Instance, objective: str = "profit", **variant: Any) -> tuple[float, Any]:
    """The certified optimum, and the model that holds it."""
    model = formulations.charging_pricing(case, objective, **variant)
    solution = bilevel.solve(model, progress=False, gap=1e-6)
    assert solution.status == "certified", solution.reason
    return solution.objective, model


def best_profit(case: Instance, session: Session, series: list[tuple[float, ...]]) -> float:
    """Largest profit from one session over the given price series: SciPy finds the least bill, then the best tie."""
    window = list(case.window(session))
    wholesale = np.array(case.wholesale_price_per_kwh)[window]
    energy, most = session.energy_kwh / case.charging_efficiency, session.power_max_kw
    best = -np.inf
    for prices in series:
        if np.mean(prices) > case.price_limits.price_mean_max_per_kwh + 1e-12:
            continue
        paid = np.array(prices)[window]
        sums = {"A_eq": [np.ones(len(window))], "b_eq": [energy], "bounds": [(0, most)] * len(window)}
        bill = linprog(paid, **sums).fun
        bought = linprog(wholesale, A_ub=[paid], b_ub=[bill + 1e-9], **sums).fun
        best = max(best, bill - bought)
    return float(best)


def test_levels_are_the_best_of_all_combinations() -> None:
    case = tiny_case()
    series = list(itertools.product(LEVELS, repeat=3))
    objective, model = solve(case, tariff="levels", levels=LEVELS)
    assert objective == pytest.approx(sum(best_profit(case, session, series) for session in case.sessions), rel=1e-6)
    for price in model.price.values():
        assert min(abs(pyo.value(price) - level) for level in LEVELS) < 1e-7


def test_levels_on_blocks_are_the_best_of_all_combinations() -> None:
    case = tiny_case()
    series = [(a, b, a) for a, b in itertools.product(LEVELS, repeat=2)]
    given = {"outer": [0, 2], "middle": [1]}
    objective, model = solve(case, tariff="block_levels", levels=LEVELS, blocks=given)
    assert objective == pytest.approx(sum(best_profit(case, session, series) for session in case.sessions), rel=1e-6)
    for station in ("s", "r"):
        found = [pyo.value(model.price[station, t]) for t in range(3)]
        assert found[0] == pytest.approx(found[2], abs=1e-9)
        assert min(abs(found[1] - level) for level in LEVELS) < 1e-7
        assert pyo.value(model.block_price[station, "outer"]) == pytest.approx(found[0], abs=1e-9)


def test_one_block_is_a_flat_price_at_the_cap() -> None:
    case = tiny_case()
    objective, model = solve(case, tariff="blocks", blocks="day=0-2")
    # A flat price leaves users indifferent, so the leader buys in the cheapest hours of the market
    assert objective == pytest.approx(sum(best_profit(case, session, [(0.35,) * 3]) for session in case.sessions))
    assert tables.prices(model, case)["price_s_per_kwh"].to_numpy() == pytest.approx([0.35] * 3)


@pytest.mark.parametrize("follower", FOLLOWERS)
def test_blocks_of_one_period_are_free_prices(follower: str) -> None:
    case = tiny_case()
    single = {f"hour {t}": [t] for t in range(3)}
    free, _ = solve(case, follower=follower)
    assert solve(case, follower=follower, tariff="blocks", blocks=single)[0] == pytest.approx(free, rel=2e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("follower", FOLLOWERS)
def test_a_restriction_of_prices_never_helps_the_leader(follower: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    case = replace(tiny_case(), wholesale_price_per_kwh=tuple(draw.uniform(0.05, 0.4, 3)), load_factor=(0.5, 0.6, 1.0))
    given = {"valley": [0, 1], "peak": [2]}
    free, _ = solve(case, follower=follower)
    by_block, _ = solve(case, follower=follower, tariff="blocks", blocks=given)
    by_level, _ = solve(case, follower=follower, tariff="levels", levels=LEVELS)
    both, _ = solve(case, follower=follower, tariff="block_levels", levels=LEVELS, blocks=given)
    slack = 1e-5 * abs(free)
    assert both <= min(by_block, by_level) + slack
    assert max(by_block, by_level) <= free + slack
    assert both < free - 0.1  # the restrictions do bite here


@pytest.mark.parametrize("follower", FOLLOWERS)
@pytest.mark.parametrize("tariff", TARIFFS)
def test_every_tariff_and_follower_solve_with_their_defaults(tariff: str, follower: str) -> None:
    case = tiny_case()
    _, model = solve(case, "loss=1,profit=1", follower=follower, tariff=tariff)
    assert set(model.price) == {(s.name, t) for s in case.stations for t in range(3)}


def test_levels_of_a_fleet_keep_the_mean_cap() -> None:
    case = instances.scale(instances.load("ieee33"), 3)
    prices = tables.prices(solve(case, tariff="levels")[1], case)
    for station in case.stations:
        series = prices[f"price_{station.name}_per_kwh"]
        assert set(series.round(6)) <= {0.15, 0.25, 0.35, 0.45}
        assert series.mean() <= 0.25 + 1e-9


def test_blocks_follow_the_load_by_default() -> None:
    assert blocks.by_load(tiny_case()) == {"valley": [0], "shoulder": [2], "peak": [1]}
    case = instances.load("ieee33")
    found = blocks.by_load(case)
    assert sorted(itertools.chain(*found.values())) == list(range(24))
    factor = np.array(case.load_factor)
    assert factor[found["valley"]].max() < factor[found["shoulder"]].min()
    assert factor[found["shoulder"]].max() < factor[found["peak"]].min()
    assert [len(periods) for periods in found.values()] == [8, 8, 8]
    assert blocks.by_load(replace(case, load_factor=(1.0,) * 24)) == {"valley": list(range(24))}


def test_equal_price_limits_leave_one_level() -> None:
    case = replace(tiny_case(), price_limits=PriceLimits(0.25, 0.25, 0.25))
    assert levels.equidistant(case) == [0.25]
    assert solve(case, tariff="levels")[0] == pytest.approx(solve(case)[0], rel=1e-6)


def test_blocks_and_levels_are_read() -> None:
    case = instances.load("ieee33")
    text = blocks.parse(case, " night = 0-5 + 22-23 , day=6-20+21")
    assert text == {"night": [0, 1, 2, 3, 4, 5, 22, 23], "day": list(range(6, 22))}
    assert blocks.parse(case, {"day": reversed(range(6, 22)), "night": (*range(6), 22, 23)}) == text
    assert levels.parse(case, "0.45, 0.15") == levels.parse(case, np.array([0.15, 0.45])) == [0.15, 0.45]


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ({"tariff": "levels", "levels": "0.15"}, "levels hold 1 price: give at least two, such as 0.1,0.35"),
        ({"tariff": "levels", "levels": []}, "levels hold 0 prices"),
        ({"tariff": "levels", "levels": "0.15,x"}, "level 'x' is no number: give prices per kWh"),
        ({"tariff": "levels", "levels": [0.15, float("nan")]}, "level 'nan' is no number"),
        ({"tariff": "levels", "levels": [0.2, 0.2, 0.3]}, "level 0.2 is given twice"),
        ({"tariff": "levels", "levels": [0.2, 0.6]}, r"level 0\.6 is outside .* give prices from 0\.1 to 0\.5"),
        ({"tariff": "block_levels", "levels": [0.05, 0.2]}, r"level 0\.05 is outside"),
        ({"tariff": "levels", "levels": [0.4, 0.5]}, r"lowest level 0\.4 is above 0\.35, the cap .* add a level"),
        ({"tariff": "blocks", "blocks": {"a": [0, 1]}}, "no block holds period 2: put every period from 0 to 2"),
        ({"tariff": "blocks", "blocks": "a=1"}, "no block holds periods 0, 2"),
        ({"tariff": "blocks", "blocks": {"a": [0, 1, 2, 3]}}, "block 'a' has period 3: give periods from 0 to 2"),
        ({"tariff": "blocks", "blocks": {"a": [-1, 0, 1, 2]}}, "block 'a' has period -1"),
        ({"tariff": "blocks", "blocks": "a=0-1,b=1-2"}, "period 1 is in blocks 'a' and 'b': put every period"),
        ({"tariff": "blocks", "blocks": "a=0-2+1"}, "period 1 is in block 'a' twice"),
        ({"tariff": "blocks", "blocks": {"a": range(3), "b": []}}, "block 'b' has no periods"),
        ({"tariff": "blocks", "blocks": "a=0,a=1-2"}, "name 'a' twice: join its periods"),
        ({"tariff": "blocks", "blocks": "a=0-"}, "hold 'a=0-': give a name and its periods"),
        ({"tariff": "block_levels", "blocks": "0-2"}, "hold '0-2': give a name"),
        ({"levels": [0.1, 0.2]}, "tariff 'free' takes no levels: .* choose tariff 'levels' or 'block_levels'"),
        ({"tariff": "levels", "blocks": "a=0-2"}, "tariff 'levels' takes no blocks: .*'blocks' or 'block_levels'"),
    ],
    ids=str,
)
def test_tariffs_that_make_no_sense_are_refused(variant: dict[str, Any], words: str) -> None:
    with pytest.raises(BilevelError, match=words):
        formulations.charging_pricing(tiny_case(), **variant)


def test_an_unknown_tariff_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'levels'"):
        formulations.charging_pricing(tiny_case(), tariff="level")
