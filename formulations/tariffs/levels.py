"""Price levels: every station's price in every period is one of a few (docs/model.md section 5)."""

import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.errors import BilevelError, short
from bilevel.reading import numbers
from formulations.options import Option
from formulations.tariffs.limits import add_prices
from instances import Instance

name, about = "levels", "one of a few, by period"
options = (
    Option(
        name="levels",
        help="prices to choose from",
        example="0.15,0.25,0.45",
        kind=str,
        default_words="four, equidistant between the price limits",
        unit="currency/kWh",
        metavar="PRICES",
    ),
)
DEFAULT_COUNT, MOST_LEVELS = 4, 1000

Levels = str | Iterable[float]
"""Prices in currency/kWh: [0.15, 0.25, 0.45], or "0.15,0.25,0.45"."""


def add(model: Any, case: Instance, *, levels: Levels | None) -> None:
    """Add `price[c, t]` with its limits, and rows that let it take the `levels` (currency/kWh) only, by binaries of the leader.

    The rows are those of `choose`.  Without `levels` they are `equidistant`.  Raises `BilevelError` as `parse` does.
    """
    prices = equidistant(case) if levels is None else parse(case, levels)
    add_prices(model, case)
    choose(model, model.price, prices)


def choose(model: Any, price: Any, prices: list[float]) -> None:
    """Rows (9) for a price variable over (station, period or block): price = sum_k prices_k z_k and sum_k z_k = 1.

    Adds the set K of levels, the binaries `level[c, t, k]` (z), `price_of_level[c, t]` and `one_level[c, t]`.
    """
    model.K = pyo.RangeSet(0, len(prices) - 1)
    model.level = pyo.Var(price.index_set(), model.K, domain=pyo.Binary)
    model.price_of_level = pyo.Constraint(
        price.index_set(), rule=lambda m, c, t: price[c, t] == pyo.quicksum(prices[k] * m.level[c, t, k] for k in m.K)
    )
    model.one_level = pyo.Constraint(
        price.index_set(), rule=lambda m, c, t: pyo.quicksum(m.level[c, t, k] for k in m.K) == 1
    )


def equidistant(case: Instance) -> list[float]:
    """Four levels from the least to the largest price, currency/kWh; a single one where the limits leave no other."""
    limits = case.price_limits
    prices = np.linspace(limits.price_min_per_kwh, limits.price_max_per_kwh, DEFAULT_COUNT)
    return sorted(set(map(float, prices)))


def parse(case: Instance, levels: Levels) -> list[float]:
    """The levels in rising order, currency/kWh.

    Raises `BilevelError` for what is no number, for fewer than two levels or one given twice, for a level outside the price
    limits, and for levels that are all above the cap on the mean price.
    """
    given = levels.split(",") if isinstance(levels, str) else levels
    prices = sorted(map(_price, itertools.islice(given, MOST_LEVELS + 1)))
    limits = case.price_limits
    if len(prices) > MOST_LEVELS:
        raise BilevelError(
            f"levels hold more than {MOST_LEVELS} prices, each with a binary a station and period: give fewer, or any price by "
            "tariff free"
        )
    if len(prices) < 2:
        raise BilevelError(
            f"levels hold {len(prices)} price{'s' * (not prices)}: give at least two, such as "
            f"{limits.price_min_per_kwh:g},{limits.price_mean_max_per_kwh:g}"
        )
    for low, high in itertools.pairwise(prices):
        if low == high:
            raise BilevelError(f"level {low:g} is given twice: give every level once")
    for price in prices:
        if not limits.price_min_per_kwh <= price <= limits.price_max_per_kwh:
            raise BilevelError(
                f"level {price:g} is outside the case's price limits: give prices from {limits.price_min_per_kwh:g} to "
                f"{limits.price_max_per_kwh:g} per kWh, or change price_min_per_kwh and price_max_per_kwh"
            )
    if prices[0] > limits.price_mean_max_per_kwh:
        raise BilevelError(
            f"the lowest level {prices[0]:g} is above {limits.price_mean_max_per_kwh:g}, the cap on every station's mean price: "
            "add a level at or below the cap, or raise price_mean_max_per_kwh"
        )
    return prices


def _price(value: object) -> float:
    price = numbers.number(value)
    if not math.isfinite(price):
        raise BilevelError(
            f"level {short(str(value).strip())!r} is no number: give prices per kWh, such as 0.15,0.25,0.45"
        )
    return price
