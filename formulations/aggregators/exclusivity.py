"""Nobody buys and sells, or charges and discharges, at the same time: the binaries z_t and u_t of [YZ] (18), (19), (21).

Prices decide for most periods.  With the contract price d, real-time prices b (buy) and s (sell), and eta the storage's round-trip
efficiency, every optimum of the follower without binaries keeps both rules in a period where

- b > s: less of both earns b - s a kWh;
- eta < 1, s > 0 and min(d, b) > eta s, over what can be bought at all, and sales are not limited below the discharge: less of
  both saves (1 - eta) of a purchase, or eta s less than it if all that is discharged is sold, or sells (1 - eta) more.

This holds whatever the leader posts, as its prices are not among these.  The pairs of other periods stay open.  Without their
binaries a response may break the rule, and the bilevel optimum would be another problem's, so every pattern of open pairs gets
its own copy of the follower (the convex hull of the union, whose corners keep the rules), and leader binaries choose one.
That is `HULL`.  With `EXACT` the binaries of open pairs are the follower's own, as they are written, and any number of them.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from bilevel import Check, tolerances
from bilevel.errors import BilevelError
from formulations.case_parts import market_of
from formulations.options import Option
from instances import Aggregator, Instance

MOST_PATTERNS = 64
HULL, EXACT = "hull", "exact"
OPTION = Option(
    name="exclusivity",
    help="what keeps an aggregator from buying and selling, or charging and discharging, at once where prices do not: its convex "
    "hull over all choices, or its own binaries, which may be many",
    kind=str,
    choices=(HULL, EXACT),
    default=HULL,
    example=EXACT,
)
Barred = frozenset[tuple[str, int]]


@dataclass(frozen=True)
class OpenPair:
    """Two variables of which prices alone do not keep one at zero in a period."""

    first: str
    second: str
    period: int


def open_pairs(case: Instance, aggregator: Aggregator) -> list[OpenPair]:
    """The pairs that prices do not decide, in order of time."""
    market = market_of(case)
    stores = min(aggregator.storage_energy_kwh, aggregator.charge_max_kw, aggregator.discharge_max_kw) > 0
    found = []
    for t in range(case.horizon.periods):
        buy, sell = market.real_time_buy_price_per_kwh[t], market.real_time_sell_price_per_kwh[t]
        # What is sold is discharged, so that nobody without a storage sells
        if stores and aggregator.real_time_max_kw > 0 and not buy > sell:
            found.append(OpenPair("bought", "sold", t))
        if stores and not _storage_decided(aggregator, market.contract_price_per_kwh[t], buy, sell):
            found.append(OpenPair("charge", "discharge", t))
    return found


def _storage_decided(aggregator: Aggregator, contract: float, buy: float, sell: float) -> bool:
    round_trip = aggregator.charge_efficiency * aggregator.discharge_efficiency
    purchases = [contract] if aggregator.contract_max_kw > 0 else []
    purchases += [buy] if aggregator.real_time_max_kw > 0 else []
    unlimited = aggregator.real_time_max_kw >= aggregator.discharge_max_kw
    return unlimited and round_trip < 1 and sell > 0 and min(purchases, default=math.inf) > round_trip * sell


def patterns(case: Instance, aggregator: Aggregator, several: bool, exact: bool = False) -> tuple[Barred, ...]:
    """Every choice of one side to bar for each open pair; one empty pattern when none is open, or binaries keep them (`exact`).

    Raises `BilevelError`, naming aggregator and period, when pairs are open and the follower cannot be split (`several` false) or
    they make more than 64 patterns.
    """
    pairs = [] if exact else open_pairs(case, aggregator)
    if pairs and (not several or 2 ** len(pairs) > MOST_PATTERNS):
        first = pairs[0]
        why = (
            f"with {len(pairs)} such pairs there are more than {MOST_PATTERNS} patterns"
            if several
            else "users that are elastic allow no enumeration"
        )
        remedy = (
            "keep sell < buy and purchase prices above sell times the round-trip efficiency, or shorten the horizon"
            + (f", or use exclusivity={EXACT!r}" if several else "")
        )
        raise BilevelError(
            f"aggregator {aggregator.name!r} could {_WORDS[first.first]} in period {first.period} at these market prices, and "
            f"{why}: {remedy}"
        )
    sides = [((pair.first, pair.period), (pair.second, pair.period)) for pair in pairs]
    return tuple(frozenset(choice) for choice in itertools.product(*sides))


_WORDS = {"bought": "gain by buying and selling at once", "charge": "gain by charging and discharging at once"}


def products(case: Instance) -> Callable[[Any], list[Check]]:
    """A checker for `bilevel.add_check`: the worst of min(bought, sold) and min(charge, discharge), over the larger's limit."""

    def check(model: Any) -> list[Check]:
        worst, where = 0.0, ""
        for aggregator in market_of(case).aggregators:
            block = model.aggregator[aggregator.name]
            for first, second in (("bought", "sold"), ("charge", "discharge")):
                for t in model.T:
                    pair = [pyo.value(getattr(block, side)[t]) for side in (first, second)]
                    largest = max(block.largest[side] for side in (first, second))
                    share = min(pair) / largest if largest > 0 else 0.0
                    if share > worst:
                        worst, where = share, f"{first} and {second} of {aggregator.name} in period {t}"
        return [Check("exclusivity", worst, tolerances.EXCLUSIVITY, "relative", where)]

    return check
