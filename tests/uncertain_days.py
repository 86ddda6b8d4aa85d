"""Days that may come for small cases, and what they lead to: by hand and by enumeration, apart from the models."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from oracles import tiny_case
from scipy.optimize import linprog

from instances import (
    Branch,
    Bus,
    Feeder,
    Horizon,
    Instance,
    PriceLimits,
    Scenario,
    Scenarios,
    Session,
    Station,
    realise,
)

ODD_NAMES = ("x.1", "y, 'z'", "3")
"""Names that would be read otherwise if anybody read them."""


def three_days(probability: Sequence[float] = (0.3, 0.5, 0.2)) -> Scenarios:
    """Of the tiny case: as it is, another load, and other prices with half of the vehicles on arrival."""
    as_is, load, market = ODD_NAMES
    return Scenarios(
        (
            Scenario(as_is, probability[0]),
            Scenario(load, probability[1], load_factor=(0.5, 0.6, 0.9)),
            Scenario(market, probability[2], wholesale_price_per_kwh=(0.3, 0.1, 0.2), willing_share=0.5),
        )
    )


def two_buses(price: float = 1.0, power: float = 1.0, periods: int = 2) -> Instance:
    """One station at the end of one branch, and a user who needs 90 kWh from the grid within all periods, at most 100 kW."""
    case = tiny_case(price, power)
    buses = (Bus("a", 0.0, 0.0), Bus("b", 300.0 * power, 100.0 * power))
    feeder = Feeder(10.0, "a", 1.0, buses, (Branch("a", "b", 1.2 / power, 0.6 / power),))
    return replace(
        case,
        name="two buses",
        feeder=feeder,
        horizon=Horizon(periods, 1.0, "2024-01-01T00:00:00"),
        stations=case.stations[:1],
        sessions=(Session("user", "s", 0, periods, 81.0 * power, 100.0 * power),),
        load_factor=(0.6, 1.0, 0.8)[:periods],
        wholesale_price_per_kwh=(0.10 * price,) * periods,
        price_limits=PriceLimits(0.1 * price, 0.5 * price, 0.35 * price),
    )


def late_or_free(late: float, power: float = 1.0) -> Scenarios:
    """The user of `two_buses`, who with probability `late` can charge in the second period alone."""
    only = Session("user", "s", 1, 2, 81.0 * power, 100.0 * power)
    return Scenarios((Scenario("free", 1 - late), Scenario("late", late, sessions=(only,))))


def tails(case: Instance, scenarios: Scenarios, levels: Sequence[float], level: float, weight: float) -> float:
    """The largest of (1 - weight) * mean + weight * mean of the worst share 1 - level of the profit, over all prices of levels.

    For a case with one station: each day's best profit by linear programs over the users' cheapest schedules.
    """
    limits, best = case.price_limits, -np.inf
    for prices in itertools.product(levels, repeat=case.horizon.periods):
        if np.mean(prices) <= limits.price_mean_max_per_kwh + 1e-9:
            profits = [_profit(realise(case, scenario), prices) for scenario in scenarios.scenarios]
            best = max(best, _valued(profits, [s.probability for s in scenarios.scenarios], level, weight))
    return best


def _valued(profits: list[float], probability: list[float], level: float, weight: float) -> float:
    mean = float(np.dot(profits, probability))
    # The definition itself: its least value is attained at one of the costs
    costs = -np.array(profits)
    cvar = min(h + float(np.dot(probability, np.maximum(costs - h, 0.0))) / (1 - level) for h in costs)
    return (1 - weight) * mean - weight * cvar


def _profit(day: Instance, prices: Sequence[float]) -> float:
    """The best profit among the users' cheapest schedules: network limits are taken to be far."""
    return sum(_earned(day, session, prices) for session in day.sessions)


def _earned(day: Instance, session: Session, prices: Sequence[float]) -> float:
    window = list(day.window(session))
    price = np.array(prices)[window] * day.horizon.period_hours
    bought = np.array(day.wholesale_price_per_kwh)[window] * day.horizon.period_hours
    need = session.count * session.energy_kwh / day.charging_efficiency / day.horizon.period_hours
    bounds = [(0.0, session.count * session.power_max_kw)] * len(window)
    solve: Any = linprog
    bill = solve(price, A_eq=[np.ones(len(window))], b_eq=[need], bounds=bounds).fun
    ties = {"A_ub": [price], "b_ub": [bill * (1 + 1e-12)]}
    return bill - solve(bought, A_eq=[np.ones(len(window))], b_eq=[need], bounds=bounds, **ties).fun


def risks() -> Iterator[tuple[float, float, str | None]]:
    """Level, weight, and the text that asks for them."""
    yield 0.0, 0.0, None
    yield 0.5, 1.0, "cvar=0.5"
    yield 0.9, 0.4, "cvar=0.9,weight=0.4"


def two_hours(price: tuple[float, float] = (0.1, 0.2)) -> Instance:
    """Two buses, one station, one user who needs one of two hours; the lower base load is in the second."""
    buses = (Bus("a", 0, 0), Bus("b", 60, 20))
    return Instance(
        name="two hours", currency="EUR", feeder=Feeder(10.0, "a", 1.0, buses, (Branch("a", "b", 0.5, 0.2),)),
        horizon=Horizon(2, 1.0, "2024-01-01T00:00:00"), stations=(Station("s", "b"),),
        sessions=(Session("ev", "s", 0, 2, 9.0, 10.0),), load_factor=(1.0, 0.5), wholesale_price_per_kwh=price,
        price_limits=PriceLimits(0.1, 0.5, 0.3), charging_efficiency=0.9, sources=(),
    )  # fmt: skip


DAYS = Scenarios((
    Scenario("cheap nights", 0.25, wholesale_price_per_kwh=(0.3, 0.0)),
    Scenario("as it is", 0.5),
    Scenario("nobody follows prices", 0.25, willing_share=0.0),
))  # fmt: skip
