"""Scenarios drawn from real days: arrivals, prices and loads, and a share of users who follow prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from instances.records import checks
from instances.records.errors import InstanceError
from instances.records.scenarios import Scenario, Scenarios
from instances.records.schema import Instance
from instances.scenarios.arrivals import Arrivals
from instances.scenarios.clock import Clock
from instances.scenarios.days import load_days, price_days

__all__ = ["draw_scenarios"]

SESSIONS, PRICES, LOADS, WILLING = range(4)
"""Streams of random numbers: each source has its own, so that none moves another."""
Draw = Callable[[np.random.Generator], Any]


def draw_scenarios(
    case: Instance,
    n: int,
    seed: int = 0,
    *,
    evs: int | None = None,
    sessions: bool = True,
    prices: bool = True,
    loads: bool = True,
    willing: tuple[float, float] | None = None,
) -> Scenarios:
    """Return ``n`` equally likely days for a case, drawn from the real days that come with the package.

    Each scenario has a day of arrivals, a day of prices and a day of loads, drawn evenly, with replacement and independently of
    each other from the working days of an autumn (`instances.scenario_sources` says which). What is switched off is as in the case.

    ``sessions``: those of a day with their own hours and energies. An average day takes as much energy as the case's own
    sessions, so that the fleet suits the case, and fuller days take more. Each has the median of the case's own powers; those
    whose energy does not fit are left out. They are at the stations of ``ieee33`` where they were; at others by lot, as the
    case's own vehicles are spread. With ``evs`` each day is sampled to so many sessions, as by `instances.scale`, which take the
    energy of the whole day.

    ``prices``: those of a day times one factor, the mean price of the case over the mean of all real days. So they are in the
    case's currency and at its level, and the hours are those of the real day. Prices of a market stay as they are.

    ``loads``: factors of a day times one factor, by which the largest of all real days is the largest of the case: no day loads
    the feeder more than the case does. They are standard profiles, which know the season and no weather.

    ``willing``: a range, from which the share of users that follow prices is drawn evenly.

    The same seed gives the same scenarios; a larger ``n`` begins with the same days, and no source moves with another one.
    Renewables are as in the case. The horizon is 24 hours from a full hour on, in periods that hours are made of or that are made
    of hours; hourly means are kept. Raises `InstanceError` for numbers out of range, other horizons, where nothing is drawn, and
    where the case has no level: a mean price of 0 or less, or sessions without energy.
    """
    checks.integer("the draw of scenarios", "n", n, at_least=1)
    checks.integer("the draw of scenarios", "seed", seed, at_least=0)
    if evs is not None:
        checks.integer("the draw of scenarios", "evs", evs, at_least=1)
        if not sessions:
            raise InstanceError(
                f"the draw of scenarios has evs {evs} but no sessions; draw sessions too, or leave evs out"
            )
    clock = Clock.of(case.horizon)
    draws: dict[int, tuple[str, Draw]] = {}
    if sessions:
        arrivals = Arrivals.of(case, clock)
        draws[SESSIONS] = ("sessions", lambda generator: arrivals.draw(generator, evs))
    if prices:
        draws[PRICES] = ("wholesale_price_per_kwh", _prices(case, clock))
    if loads:
        draws[LOADS] = ("load_factor", _loads(case, clock))
    if willing is not None:
        draws[WILLING] = ("willing_share", _willing(*willing))
    if not draws:
        raise InstanceError("the draw of scenarios has no source; draw sessions, prices, loads or willing shares")
    days = range(n)
    return Scenarios(tuple(Scenario(f"day {k + 1}", 1 / n, **_drawn(draws, seed, k)) for k in days))


def _drawn(draws: dict[int, tuple[str, Draw]], seed: int, k: int) -> dict[str, Any]:
    """Return what differs in the scenario number ``k``."""
    return {field: draw(np.random.default_rng([int(seed), k, stream])) for stream, (field, draw) in draws.items()}


def _prices(case: Instance, clock: Clock) -> Draw:
    days, own = price_days(), float(np.mean(case.wholesale_price_per_kwh))
    if own <= 0:
        raise InstanceError(
            f"the case has a mean wholesale_price_per_kwh of {own:.6g}, to whose level no real prices can be put; raise it above "
            "0, or draw without prices"
        )
    factor = own / float(days.mean())
    return lambda generator: clock.series(factor * days[int(generator.integers(len(days)))])


def _loads(case: Instance, clock: Clock) -> Draw:
    days = load_days()
    factor = max(case.load_factor) / float(days.max())
    return lambda generator: clock.series(factor * days[int(generator.integers(len(days)))])


def _willing(low: float, high: float) -> Draw:
    checks.number("the draw of scenarios", "lowest willing share", low, at_least=0, at_most=1)
    checks.number("the draw of scenarios", "highest willing share", high, at_least=low, at_most=1)
    return lambda generator: min(high, low + (high - low) * float(generator.random()))
