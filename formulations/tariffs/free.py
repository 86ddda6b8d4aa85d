"""Free prices: one for every station and period, anywhere between the limits (docs/model.md section 5)."""

from typing import Any

from formulations.tariffs.limits import add_prices
from instances import Instance

name, about = "free", "any, by period"


def add(model: Any, case: Instance) -> None:
    """Add `price[c, t]`, currency/kWh, with its bounds and the cap on its mean, and nothing else."""
    add_prices(model, case)
