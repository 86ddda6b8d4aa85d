"""The market that a case comes with."""

from bilevel.errors import BilevelError
from instances import Instance, Market


def market_of(case: Instance) -> Market:
    """The market of the case, with its aggregators and prices; raises `BilevelError` when it has none."""
    if case.market is None:
        raise BilevelError(
            f"case {case.name!r} has no market: give it aggregators.csv and market.csv, as ieee33_aggregator has"
        )
    return case.market
