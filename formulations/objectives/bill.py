"""What all users pay over the horizon (docs/model.md section 5)."""

from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations.objectives.objective import Days, FloatArray, charged_kwh, largest_price
from instances import Instance

name, words, about = "bill", "EV bill", "what users pay"
expression, sense = "ev_bill", 1


def add(model: Any, case: Instance) -> None:  # noqa: ARG001
    """Add `ev_bill`, currency: the users' payments, without discomfort."""
    model.ev_bill = pyo.Expression(expr=pyo.quicksum(user.payment for user in model.user.values()))


def achieved(days: Days) -> FloatArray:
    """Bills of n candidates, currency (n,)."""
    paid = (days.price_per_kwh * days.charging_kw).sum(axis=(1, 2))
    return np.asarray(days.case.horizon.period_hours * paid)


def size(case: Instance) -> float:
    """All charging at the largest price, currency."""
    return largest_price(case) * charged_kwh(case)
