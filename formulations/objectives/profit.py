"""What stations earn over the horizon: bills less the wholesale price of what users draw (docs/model.md section 5)."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations.objectives import bill
from formulations.objectives.objective import Days, FloatArray, charged_kwh, largest_price, largest_wholesale_price
from instances import Instance

name, words, about = "profit", "station profit", "what stations earn"
expression, sense = "station_profit", -1


def add(model: Any, case: Instance) -> None:
    """Add `station_profit`, currency, to a model that has `ev_bill`."""
    energy = model.per_unit.base_kva * case.horizon.period_hours
    wholesale = pyo.quicksum(
        energy * case.wholesale_price_per_kwh[t] * power for user in model.user.values() for t, power in user.p.items()
    )
    model.station_profit = pyo.Expression(expr=model.ev_bill - wholesale)


def achieved(days: Days) -> FloatArray:
    """Profits of n candidates, currency (n,)."""
    bought = days.charging_kw.sum(axis=1) @ np.array(days.case.wholesale_price_per_kwh)
    return np.asarray(bill.achieved(days) - days.case.horizon.period_hours * bought)


def size(case: Instance) -> float:
    """All charging at the largest prices of sale and purchase, currency."""
    return (largest_price(case) + largest_wholesale_price(case)) * charged_kwh(case)
