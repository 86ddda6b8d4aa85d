"""The mathematics of distribution networks and charging, as Pyomo models with follower blocks."""

from formulations import credit
from formulations.aggregator_market import aggregator_market
from formulations.charging_pricing import charging_pricing
from formulations.dispatch import Dispatch, DispatchResult
from formulations.market import MarketComparison, MarketRun, nodal_rules, three_ways
from formulations.nodal import nodal_prices

__all__ = [
    "Dispatch",
    "DispatchResult",
    "MarketComparison",
    "MarketRun",
    "aggregator_market",
    "charging_pricing",
    "credit",
    "nodal_prices",
    "nodal_rules",
    "three_ways",
]
