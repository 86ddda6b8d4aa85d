"""The DSO-aggregator market three ways, days of credit points, and what is written of them."""

from studies.market.over_days import over_days
from studies.market.three_ways import MarketComparison, MarketRun, three_ways

__all__ = ["MarketComparison", "MarketRun", "over_days", "three_ways"]
