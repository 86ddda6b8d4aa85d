"""The floor of bills against dense searches, closed forms and random even dispatches: never above any of them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from carbon_cases import CAR_KW, GRID, LOAD_KW, MOST_KW, bus_factor, lossy_day, scaled, two_periods

from formulations.carbon.outlook import Outlook
from formulations.carbon.system import CarbonSystem
from instances import Instance, Network, Renewable
from studies.carbon import bill_floor as module
from studies.carbon.bill_floor import bill_floor
from studies.carbon.search import cheapest_even

NARROW = 1e-3


def evened(system: CarbonSystem, charging: Any, level: Any, share: Any) -> Any:
    """Outputs (..., T, G) with a supply of `level` (...), or as near as limits allow: what generators have risen by when all of
    them rise from their least at paces `share` (..., T, G), by bisection."""
    low, high = system.output_min_kw, system.output_max_kw
    least, most = np.zeros(share.shape[:-1]), 1 / share.min(axis=-1)
    for _ in range(50):
        middle = (least + most) / 2
        output = low + (high - low) * np.minimum(middle[..., None] * share, 1.0)
        above = system.state(output, charging).supply_kw > np.asarray(level)[..., None]
        least, most = np.where(above, middle, least), np.where(above, most, middle)
    return output


# Against dense searches


def test_two_generators_share_every_period_as_a_dense_grid_does() -> None:
    """Prices decide all charging, so that a level and each period's split are free: a dense grid of both gives the optimum."""
    case = lossy_day()
    system = CarbonSystem(case)
    assert all(
        len(share) == len(case.window(s)) for s, share in zip(case.sessions, decided(case).values(), strict=True)
    )
    charging = system.respond(np.zeros((3, 2))).charging_kw
    best = dense_optimum(system, charging, levels=41, splits=41)
    found = bill_floor(system, 1e-6, np.inf)
    assert best * (1 - 2e-3) <= found.bill <= best
    assert found.nodes <= module.MOST_NODES + 1
    day = cheapest_even(system, 1e-6)
    assert day is not None and found.bill <= day.bill == pytest.approx(best, rel=2e-3)


def decided(case: Instance) -> Any:
    return Outlook(case, Network.from_feeder(case.feeder)).share


def dense_optimum(system: CarbonSystem, charging: Any, levels: int, splits: int) -> float:
    """Least bill over a grid of levels and of the first generator's output, the second by bisection on the level."""
    low, high = system.output_min_kw, system.output_max_kw
    ends = [system.state(np.tile(end, (3, 1)), charging).supply_kw for end in (high, low)]
    level = np.linspace(ends[0].max(), ends[1].min(), levels)[:, None, None]
    first = np.broadcast_to(np.linspace(low[0], high[0], splits)[None, :, None], (levels, splits, 3))
    a, b = np.full(first.shape, low[1]), np.full(first.shape, high[1])
    for _ in range(45):
        middle = (a + b) / 2
        above = system.state(np.stack([first, middle], axis=-1), charging).supply_kw > level
        a, b = np.where(above, middle, a), np.where(above, b, middle)
    state = system.state(np.stack([first, (a + b) / 2], axis=-1), charging)
    met = np.abs(state.supply_kw - level) <= 1e-6
    emitted = np.where(met, (state.station_factor * charging).sum(axis=-1), np.inf).min(axis=1).sum(axis=-1).min()
    hours, carbon = system.case.horizon.period_hours, system.case.carbon
    electricity = (charging.sum(axis=1) * np.array(system.case.wholesale_price_per_kwh)).sum()
    assert carbon is not None
    return float(hours * (electricity + carbon.price_per_kg * emitted))


def one_choice() -> Instance:
    """The vehicle has to charge in the first period, 80 kW of load beside it, and the level follows from the second's 200 kW."""
    return replace(two_periods(0.0, (0.4, 1.0)), wholesale_price_per_kwh=(0.1, 2.0))


def one_choice_bill(supply_kw: float) -> float:
    return CAR_KW * (0.1 + bus_factor(180.0 - supply_kw, CAR_KW, load_kw=80.0))


def test_a_level_between_two_periods_in_closed_form() -> None:
    """A lower supply is cheaper, and the second period needs at least what its load is above the generator's output."""
    system, lowest = CarbonSystem(one_choice()), LOAD_KW - MOST_KW
    best = one_choice_bill(lowest)
    assert best == pytest.approx(10.0 + CAR_KW * GRID * lowest / 180.0)
    found = bill_floor(system, 0.0, np.inf)
    assert best * (1 - 1e-3) <= found.bill <= best
    assert found.level_kw[0] == pytest.approx(lowest, abs=0.1)
    # Within 10 kW of one level the first period may go 20 kW under the other
    loose, wider = bill_floor(system, 10.0, np.inf), one_choice_bill(lowest - 20.0)
    assert wider * (1 - 1e-3) <= loose.bill <= wider < found.bill


def test_a_dirty_generator_makes_the_highest_level_cheapest() -> None:
    case = replace(two_periods(0.9, (0.5, 1.0)), wholesale_price_per_kwh=(0.1, 2.0))
    found = bill_floor(CarbonSystem(case), 0.0, np.inf)
    # All from the main grid: 200 kW in both periods
    assert found.bill == pytest.approx(100.0 * (0.1 + GRID), rel=1e-3) and found.bill <= 60.0


def test_a_case_without_generators_has_one_level() -> None:
    still = replace(two_periods(0.0, (0.5, 1.0)), generators=(), wholesale_price_per_kwh=(0.1, 2.0))
    assert bill_floor(CarbonSystem(still), 1e-6, np.inf).bill == pytest.approx(60.0, rel=1e-6)
    uneven = replace(still, load_factor=(1.0, 1.0))
    assert bill_floor(CarbonSystem(uneven), 1e-6, np.inf).bill == np.inf


# Never above an even dispatch


@pytest.mark.parametrize("seed", [1, 2, 8, 11, 24, 26])
def test_no_even_dispatch_is_cheaper(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases whose carbon decides periods too; levels and splits at random, made even by bisection and exchanged with users."""
    rng = np.random.default_rng(seed)
    case = lossy_day(float(rng.choice([0.02, 0.5, 2.0])))
    wind = Renewable("wind", "c", tuple(rng.uniform(0, 150, 3).tolist()), float(rng.uniform(0, 0.2)))
    case = replace(
        case, renewables=(wind,), load_factor=tuple(rng.uniform(0.5, 1.0, 3).tolist()),
        wholesale_price_per_kwh=tuple(rng.uniform(0.05, 0.2, 3).tolist()),
    )  # fmt: skip
    system = CarbonSystem(case)
    share, level = rng.random((80, 3, 2)) + 1e-3, rng.uniform(0.0, 500.0, 80)
    day = system.settle(np.tile(system.output_min_kw, (80, 3, 1)))
    for _ in range(4):
        day = system.settle(evened(system, day.charging_kw, level, share), start_kw=day.charging_kw)
    supply = day.state.supply_kw
    off = np.abs(supply - supply.mean(axis=-1, keepdims=True)).max(axis=-1)
    even = day.settled & (day.state.limit_violation == 0) & (off <= NARROW)
    assert even.sum() >= 5
    # What it proves holds at any time
    monkeypatch.setattr(module, "MOST_NODES", 8)
    found = bill_floor(system, NARROW, np.inf)
    assert 0.0 < found.bill <= day.costs.bill[even].min()
    best = cheapest_even(system, NARROW**2 / 3)
    assert best is not None and best.variance_kw2 <= NARROW**2 / 3 and found.bill <= best.bill


# The goal, and what cannot be


def test_cutting_ends_at_the_goal_and_never_lowers_the_bound() -> None:
    system = CarbonSystem(one_choice())
    goals = (0.0, 23.0, 23.8, np.inf)
    found = [bill_floor(system, 0.0, goal) for goal in goals]
    for earlier, later in itertools.pairwise(found):
        assert earlier.bill <= later.bill + 1e-12 and earlier.nodes <= later.nodes and earlier.boxes <= later.boxes
    assert found[0].nodes == 1 and found[-1].nodes > 1
    for goal, one in zip(goals[:-1], found, strict=False):
        assert one.bill >= goal * (1 - 1e-8)


def test_no_level_that_every_period_meets_is_an_infinite_bill() -> None:
    # 40 and 200 kW of load, at most 10 kW to even them out with; the vehicle's 100 kW are too few
    case = two_periods(0.9, (0.2, 1.0), active_max_kw=10.0)
    found = bill_floor(CarbonSystem(case), 1.0, 100.0)
    assert found.bill == np.inf and found.nodes == 1
    # Charging in the first period, at 140 and at least 190 kW, is within 25 kW of one level
    assert bill_floor(CarbonSystem(case), 25.01, 100.0).bill < np.inf


def test_the_floor_scales_with_currency_and_power() -> None:
    case = one_choice()
    one = bill_floor(CarbonSystem(case), 0.1, np.inf)
    for price, power in ((1e-3, 1.0), (1e3, 1.0), (1.0, 1e-3), (1.0, 1e3)):
        other = bill_floor(CarbonSystem(scaled(case, price, power)), 0.1 * power, np.inf)
        assert other.bill == pytest.approx(price * power * one.bill, rel=1e-4)
