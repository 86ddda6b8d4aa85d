"""The mathematics of distribution networks and charging, as Pyomo models with follower blocks."""

from formulations.aggregator_market import aggregator_market
from formulations.charging_pricing import charging_pricing
from formulations.moved import moved
from formulations.operator.dispatch import Dispatch, DispatchResult
from formulations.prices import credit
from formulations.prices.nodal import nodal_prices, nodal_rules

__all__ = [
    "Dispatch",
    "DispatchResult",
    "aggregator_market",
    "charging_pricing",
    "credit",
    "nodal_prices",
    "nodal_rules",
]

__getattr__ = moved(
    __name__,
    {
        **{name: f"studies.market.{name}" for name in ("MarketComparison", "MarketRun", "three_ways")},
        "benchmarks": "studies.benchmarks",
        "carbon_plots": "studies.carbon.figures",
        "carbon_run": "studies.carbon.solve",
        "carbon_tables": "studies.carbon.tables",
        "comparison": "studies.contest",
        "front_comparison": "studies.pricing.front_comparison",
        "market_plots": "studies.market.figures",
        "market_verdict": "studies.market.verdict",
        "plots": "studies.pricing.figures",
    },
)
