"""Parts that a case may come with: market, carbon factors, credit rules."""

from typing import Any

from bilevel.errors import BilevelError
from instances import Credit, Instance, Market


def market_of(case: Instance) -> Market:
    """The market of the case, with its aggregators and prices; raises `BilevelError` when it has none."""
    if case.market is None:
        raise BilevelError(
            f"case {case.name!r} has no market: give it aggregators.csv and market.csv, as ieee33_aggregator has"
        )
    return case.market


def carbon_of(case: Instance) -> Any:
    """The case's carbon rules; raises `BilevelError` for a case without."""
    if case.carbon is None:
        raise BilevelError(
            f"case {case.name!r} has no carbon factors: give it carbon.csv and carbon.price_per_kg, as ieee33_carbon has"
        )
    return case.carbon


def rules(case: Instance) -> Credit:
    """The credit rules of the case; raises `BilevelError` when it has none."""
    if case.credit is None:
        raise BilevelError(f"case {case.name} has no credit rules; give it some, as ieee33_aggregator has")
    return case.credit
