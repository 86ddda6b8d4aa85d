"""The mathematics of distribution networks and charging, as Pyomo models with follower blocks."""

from formulations.charging_pricing import charging_pricing
from formulations.nodal import nodal_prices

__all__ = ["charging_pricing", "nodal_prices"]
