"""What supply costs over the horizon, losses and generators included (docs/model.md section 5)."""

import numpy as np

from formulations.objectives.objective import Days, FloatArray, all_kwh, largest_wholesale_price
from instances import Instance

name, words, about = "cost", "cost of supply", "what supply costs, losses included"
expression, sense = "supply_cost", 1


def achieved(days: Days) -> FloatArray:
    """Costs of n candidates of a case without generators, currency (n,)."""
    bought = days.supply_kw @ np.array(days.case.wholesale_price_per_kwh)
    return np.asarray(days.case.horizon.period_hours * bought)


def size(case: Instance) -> float:
    """All energy at the largest wholesale price, currency."""
    return largest_wholesale_price(case) * all_kwh(case)
