"""What every tariff shares: the price of each station and period, its bounds, the cap on its mean (docs/model.md section 5)."""

from typing import Any

import pyomo.environ as pyo

from instances import Instance


def add_prices(model: Any, case: Instance) -> None:
    """Add `price[c, t]` (currency/kWh, bounded) and `price_mean_cap[c]`: its mean over the periods is capped.

    `model.T` must hold the periods; adds the set C of stations.
    """
    limits = case.price_limits
    model.C = pyo.Set(initialize=[station.name for station in case.stations], ordered=True)
    model.price = pyo.Var(model.C, model.T, bounds=(limits.price_min_per_kwh, limits.price_max_per_kwh))
    model.price_mean_cap = pyo.Constraint(
        model.C,
        rule=lambda m, c: (
            pyo.quicksum(m.price[c, t] for t in m.T) / case.horizon.periods <= limits.price_mean_max_per_kwh
        ),
    )
