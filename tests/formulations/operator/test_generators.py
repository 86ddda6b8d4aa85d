"""Generators: boxes, ramps and the capability circle in closed forms on one line, and as a part of the pricing problem."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from market_oracles import small_market
from oracles import tiny_case
from scipy.optimize import minimize_scalar

import bilevel
import formulations
from instances import Generator, Instance

PLANT = Generator("plant", "b", 0.0, 500.0, 0.0, 0.0, 0.10)


def two_hours(wholesale: tuple[float, float], plant: Generator = PLANT) -> Instance:
    """800 + 300i kVA at the end of the line in both hours, and the plant beside it."""
    session = replace(small_market().sessions[0], departure_period=2)
    case = small_market((0.1, 0.1), sessions=(session,))
    return replace(case, wholesale_price_per_kwh=wholesale, generators=(plant,))


def supply_kw(p: float, q: float) -> float:
    """What the substation sends for a load p + qi pu behind 0.04 + 0.03i pu from 1.02 pu."""
    r, x, v = 0.04, 0.03, 1.02**2
    a, b, c = r**2 + x**2, 2 * (r * p + x * q) - v, p**2 + q**2
    return 1000 * (p + r * (-b - math.sqrt(b**2 - 4 * a * c)) / (2 * a))


def dispatched(case: Instance) -> tuple[list[float], list[float], float]:
    """Active (kW) and reactive power (kvar) of the plant, and the cost; nothing charges."""
    dispatch = formulations.Dispatch(case)
    best = dispatch.at(np.zeros((1, 2)))
    reactive = [1000 * pyo.value(dispatch.model.reactive_power["plant", t]) for t in (0, 1)]
    return best.generator_kw[:, 0].tolist(), reactive, best.dso_cost


@pytest.mark.parametrize(
    ("wholesale", "changes", "wanted"),
    [
        ((0.04, 0.30), {}, (0.0, 500.0)),  # off where the market is cheaper, at its limit where it is dearer
        ((0.04, 0.30), {"active_min_kw": 120.0}, (120.0, 500.0)),
        ((0.04, 0.30), {"ramp_max_kw": 100.0}, (400.0, 500.0)),  # hour 1 earns 0.2 and more, hour 0 loses 0.06 and less
        ((0.30, 0.04), {"ramp_max_kw": 100.0}, (500.0, 400.0)),  # down as well as up
        ((0.04, 0.12), {"ramp_max_kw": 100.0}, (0.0, 100.0)),  # hour 1 earns less than hour 0 would lose
        ((0.04, 0.30), {"ramp_max_kw": 0.0}, (500.0, 500.0)),
        ((0.04, 0.30), {"ramp_max_kw": 600.0}, (0.0, 500.0)),
    ],
)
def test_boxes_and_ramps_by_hand(wholesale: tuple[float, float], changes: Any, wanted: tuple[float, float]) -> None:
    active, _, cost = dispatched(two_hours(wholesale, replace(PLANT, **changes)))
    assert active == pytest.approx(wanted, abs=1e-4)
    by_hand = sum(price * supply_kw(0.8 - p / 1000, 0.3) + 0.1 * p for price, p in zip(wholesale, wanted, strict=True))
    assert cost == pytest.approx(by_hand, rel=1e-7)


def test_reactive_power_saves_losses_up_to_its_limit_or_until_the_substation_sends_none() -> None:
    def reactive(low: float, high: float) -> list[float]:
        return dispatched(two_hours((0.04, 0.3), replace(PLANT, reactive_min_kvar=low, reactive_max_kvar=high)))[1]

    assert reactive(0.0, 120.0) == pytest.approx([120.0, 120.0], abs=1e-4)
    assert reactive(350.0, 400.0) == pytest.approx([350.0, 350.0], abs=1e-4)
    # Sending P and no Q, l = P^2 / v and P = 0.8 + r l in hour 0, where the plant gives no active power
    share = 0.04 / 1.02**2
    sent = (1 - math.sqrt(1 - 4 * share * 0.8)) / (2 * share)
    assert reactive(0.0, 700.0)[0] == pytest.approx(300.0 + 30.0 * sent**2 / 1.02**2, abs=0.5)


def test_on_the_capability_circle_active_and_reactive_power_share_the_apparent_power() -> None:
    plant = replace(PLANT, active_max_kw=800.0, reactive_max_kvar=300.0, apparent_max_kva=400.0)
    active, reactive, _ = dispatched(two_hours((0.30, 0.11), plant))
    for p, q, wholesale in zip(active, reactive, (0.30, 0.11), strict=True):

        def cost(angle: float, price: float = wholesale) -> float:
            p, q = 0.4 * math.cos(angle), 0.4 * math.sin(angle)
            return price * supply_kw(0.8 - p, 0.3 - q) + 100.0 * p

        angle = minimize_scalar(cost, bounds=(0.0, math.pi / 2), method="bounded", options={"xatol": 1e-10}).x
        assert math.hypot(p, q) == pytest.approx(400.0, rel=1e-5)
        assert math.atan2(q, p) == pytest.approx(angle, abs=2e-3)
    assert reactive[0] > 1.0 and reactive[1] > 4 * reactive[0]


def test_generation_beyond_the_load_flows_back() -> None:
    plant = replace(PLANT, active_max_kw=1200.0)
    case = two_hours((0.30, 0.04), plant)
    best = formulations.Dispatch(case).at(np.zeros((1, 2)))
    assert best.supply_kw.tolist() == pytest.approx([supply_kw(-0.4, 0.3), supply_kw(0.8, 0.3)], rel=1e-6)


def test_the_pricing_problem_uses_its_generators_and_replays_them() -> None:
    case = tiny_case()
    plain = formulations.charging_pricing(case, "cost")
    without = bilevel.solve(plain, progress=False)
    plant = Generator("plant", "c", 0.0, 150.0, 0.0, 60.0, 0.12, 155.0, 100.0)
    model = formulations.charging_pricing(replace(case, generators=(plant,)), "cost")
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified", solution.reason
    for name in ("AC replay, losses", "AC replay, voltages"):
        assert solution.certificate[name].ok and solution.certificate[name].value < 1e-5
    power = [1000 * pyo.value(model.active_power["plant", t]) for t in model.T]
    # 0.30 in hour 1 calls for all of it, the ramp of 100 for 50 in the hours of 0.10 before and 0.15 after, which wants all
    assert power == pytest.approx([50.0, 150.0, 150.0], abs=1e-3)
    assert solution.objective < without.objective - 0.18 * 150
    assert pyo.value(model.network_loss) < pyo.value(plain.network_loss)
    # The replay of a point that forgets the generator fails
    model.active_power["plant", 1].set_value(0.0)
    replay = {check.name: check for check in bilevel.certify(model).checks}
    assert not replay["AC replay, losses"].ok
