"""What models are made of: registries of parts, by the argument that chooses from them."""

from formulations.aggregators import AGGREGATORS
from formulations.followers import FOLLOWERS
from formulations.objectives import OBJECTIVES
from formulations.options import Kinds
from formulations.power_flow import POWER_FLOWS
from formulations.tariffs import TARIFFS

PRICING: Kinds = {"objective": OBJECTIVES, "tariff": TARIFFS, "follower": FOLLOWERS, "flow": POWER_FLOWS}
"""Of `charging_pricing`."""
MARKET: Kinds = {"demand": AGGREGATORS, "flow": POWER_FLOWS}
"""Of `aggregator_market`."""
ALL: Kinds = {**PRICING, **MARKET}
"""Of any model."""
