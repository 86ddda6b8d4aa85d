"""Posted prices on days that were not known when they were set: users answer exactly, an AC power flow follows.

Users fill their cheapest periods; where prices tie they take those of the lowest base load first, then the earlier ones, and never
the leader's favourite.  What a certified answer says of its own scenarios is optimistic in this; this is not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bilevel.errors import BilevelError
from formulations.objectives import OBJECTIVES
from instances import Instance, InstanceError, Scenario, Scenarios, realise
from studies import tolerances
from studies.contest.problems.pricing_genes import REPORTED, Candidates, PricingCandidates

FloatArray = NDArray[np.float64]

COLUMNS = (
    "policy", "scenario", "probability", "objective", *(OBJECTIVES[name].column for name in REPORTED), "limits_broken",
    "worst_voltage_violation_pu",
)  # fmt: skip
"""Of `evaluate`'s table, in order."""


def evaluate(
    case: Instance,
    policies: Mapping[str, ArrayLike],
    scenarios: Scenarios,
    objective: str | Mapping[str, float] = "profit",
) -> pd.DataFrame:
    """What each policy's prices come to in each scenario, one row for both, policies one after the other.

    `policies`: prices in currency/kWh by name, (stations, periods) in the order of the case.  `objective` as of
    `formulations.charging_pricing`, in its own sense.  The columns are `COLUMNS`: losses in kWh, money in the case's currency,
    `limits_broken` whether a limit of voltage, current, power or supply is broken, and the worst voltage violation in pu.  Where
    the day's power flow does not converge, limits are broken and the other numbers NaN.

    Raises `BilevelError` for prices of another shape or without a number, and for a case with generators; `InstanceError` for
    scenarios of another case.
    """
    prices = np.stack([_checked(case, name, given) for name, given in policies.items()]) if policies else None
    if prices is None:
        raise BilevelError("no policy is given: give prices by name, such as {'flat': prices}")
    days = [_day(case, scenario, prices, objective) for scenario in scenarios.scenarios]
    rows = []
    for at, policy in enumerate(policies):
        for scenario, found in zip(scenarios.scenarios, days, strict=True):
            values = (float(getattr(found, column)[at]) for column in COLUMNS[3:-2])
            broken = not (found.penalty[at] <= 0 and np.isfinite(found.fitness[at]))
            rows.append((
                policy, scenario.name, scenario.probability, *values, broken, float(found.worst_voltage_violation_pu[at])
            ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _day(case: Instance, scenario: Scenario, prices: FloatArray, objective: str | Mapping[str, float]) -> Candidates:
    day = realise(case, scenario)
    try:
        return PricingCandidates(day, objective).at_prices(prices)
    except InstanceError as error:
        raise InstanceError(f"scenario {scenario.name}: {error}") from error


def _checked(case: Instance, name: str, given: ArrayLike) -> FloatArray:
    """Prices as an array, those that only a solver's rounding keeps apart made equal."""
    shape = len(case.stations), case.horizon.periods
    prices = np.asarray(given, dtype=np.float64)
    if prices.shape != shape or not np.isfinite(prices).all():
        raise BilevelError(
            f"prices of policy {name!r} have shape {prices.shape}: give a finite number for each of {shape[0]} stations and "
            f"{shape[1]} periods"
        )
    span = case.price_limits.price_max_per_kwh - case.price_limits.price_min_per_kwh
    tick = tolerances.PRICE_TICK * (span or 1.0)
    return np.asarray(np.round(prices / tick) * tick)


def flat(case: Instance) -> FloatArray:
    """The largest price that a station may ask all day, by the cap on its mean: (stations, periods)."""
    limits = case.price_limits
    price = min(limits.price_max_per_kwh, limits.price_mean_max_per_kwh)
    return np.full((len(case.stations), case.horizon.periods), price)
