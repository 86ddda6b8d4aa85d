"""Nodal prices as charging prices: the map that `bilevel.equilibrium` takes for the pricing problem (docs/model.md section 6)."""

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from bilevel import PriceRule
from bilevel.errors import BilevelError, ModelError
from formulations import power_flow, tolerances
from formulations.operator import cost
from formulations.scenarios import days
from instances import Instance, Network

LOSS_SHARE = 0.2
"""Share of the mean wholesale price that the default fee leaves for losses under the mean price cap."""


def nodal_prices(model: Any, case: Instance, fee_per_kwh: float | None = None) -> Any:
    """A Pyomo `ComponentMap` {model.price[c, t]: `bilevel.PriceRule`} for `bilevel.equilibrium`, equation (16).

    price[c, t] = nodal price at station c's bus in period t + `fee_per_kwh`, all in currency/kWh.  The nodal price is
    d(objective)/d(load), so d(supply_cost)/d(load) when the cost of supply is the objective: the dual of `active_balance` (1) of
    the branch that ends at the bus, divided by base_kva times the hours of a period, which is the kWh of 1 pu.  The row says
    inflow - losses - outflow == load, so its dual is positive where load costs.  A station at the substation bus has no such
    row; every kWh there costs the wholesale price, and what the limit of the supply adds to it.  Other terms of the objective join
    the nodal price with their weights.

    The default fee is equal for all: mean price cap - 1.2 * mean wholesale price, at least 0.  A fifth of the wholesale price is
    left for marginal losses, so that mean prices stay under their cap on feeders with usual losses; bounds clip the rest.

    Raises `ModelError` when the objective does not hold the supply cost with weight 1 (`charging_pricing(case, "cost")` does),
    when the prices are no variables, for a nonconvex power flow, and for scenarios; `BilevelError` for a fee that is no number, or
    too large.
    """
    days.require_one(model, "nodal prices")
    power_flow.require_convex(model.power_flow, "nodal prices")
    wholesale = np.array(case.wholesale_price_per_kwh)
    fee = _default_fee(case) if fee_per_kwh is None else fee_per_kwh
    most = tolerances.LARGEST_FEE_PER_KWH
    if not abs(fee) <= most:
        raise BilevelError(
            f"fee_per_kwh is {fee_per_kwh!r}: give a finite number of at most {most:g} in size, in currency/kWh"
        )
    energy = model.per_unit.base_kva * case.horizon.period_hours
    network = Network.of(case.feeder)
    _require_cost(model, network, energy * wholesale)
    parent = {bus: network.buses[int(network.parent[k])] for k, bus in enumerate(network.buses) if k}
    rules = ComponentMap()
    for station in case.stations:
        for t in model.T:
            price = model.price[station.name, t]
            if not price.is_variable_type():
                raise ModelError(
                    f"price {price.name!r} is no variable, so no nodal price can be posted: use a tariff with free prices"
                )
            if station.bus in parent:
                row = model.active_balance[parent[station.bus], station.bus, t]
                rules[price] = PriceRule(row, factor=1.0 / energy, fee=fee)
            else:
                # More load leaves the supply less: its limit's dual enters with the other sign
                row = model.supply_limit[t] if len(model.supply_limit) else None
                rules[price] = PriceRule(row, factor=-1.0 / energy, fee=float(wholesale[t]) + fee)
    return rules


def _default_fee(case: Instance) -> float:
    mean = float(np.mean(case.wholesale_price_per_kwh))
    return max(0.0, case.price_limits.price_mean_max_per_kwh - mean - LOSS_SHARE * abs(mean))


def _require_cost(model: Any, network: Network, cost_per_pu: np.ndarray) -> None:
    """Refuses an objective that does not pay the wholesale price for what the substation draws."""
    for (i, j, t), rate in cost.supply_rates(model, network.buses[0]):
        if not math.isclose(rate, cost_per_pu[t], rel_tol=tolerances.SAME_RATE, abs_tol=tolerances.SAME_RATE_FLOOR):
            raise ModelError(
                f"objective {model.objective.name!r} pays {rate:g} per pu of {model.P[i, j, t].name!r}, where the "
                f"supply costs {cost_per_pu[t]:g}: nodal prices need it with weight 1, as in charging_pricing(case, 'cost')"
            )


def nodal_rules(model: Any, case: Instance) -> Any:
    """Pyomo `ComponentMap` price -> rule for `bilevel.equilibrium`: the nodal price at the station's bus plus the fee.

    The nodal price is d(dso_cost)/d(load), the dual of the bus's active balance over the energy of 1 pu in a period; at the
    substation that of `operator.cost.substation_price_per_kwh`.  Raises `ModelError` for a nonconvex power flow, and for scenarios.
    """
    days.require_one(model, "nodal prices")
    power_flow.require_convex(model.power_flow, "nodal prices")
    energy = model.per_unit.base_kva * case.horizon.period_hours
    parent = {j: i for i, j in model.L}
    limited = dict(model.supply_limit.items()) if model.component("supply_limit") else {}
    at_source = cost.substation_price_per_kwh(model, case)
    rules = ComponentMap()
    for c, t in model.price:
        bus, fee = case.station_bus[c], pyo.value(model.fee[c, t])
        if bus in parent:
            rules[model.price[c, t]] = PriceRule(
                model.active_balance[parent[bus], bus, t], factor=1.0 / energy, fee=fee
            )
        else:
            # More load leaves the supply less: the dual of its limit, where it has one, enters with the other sign
            rules[model.price[c, t]] = PriceRule(limited.get(t), factor=-1.0 / energy, fee=float(at_source[t]) + fee)
    return rules
