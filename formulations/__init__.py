"""The mathematics of distribution networks and charging, as Pyomo models with follower blocks."""

from formulations.charging_pricing import charging_pricing

__all__ = ["charging_pricing"]
