"""What a leader objective is: a named expression of the model, and, for heuristics, the same of many candidates at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.options import Part
from instances import Instance, Network, base_load_kw

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Days:
    """What n candidates of a heuristic come to, stations and periods in the order of the case.

    `price_per_kwh` and `charging_kw` (n, stations, periods); `loss_kw` and `supply_kw`, drawn at the substation, (n, periods).
    """

    case: Instance
    price_per_kwh: FloatArray
    charging_kw: FloatArray
    loss_kw: FloatArray
    supply_kw: FloatArray


Achieved = Callable[[Days], FloatArray]
Size = Callable[[Instance], float]


def _is_there(model: Any, case: Instance) -> None:
    """Nothing to add."""


@dataclass(frozen=True, kw_only=True)
class Objective(Part):
    """A leader objective.

    - `expression`: the model's component that `add(model, case)` leaves; without `add`, of those that every pricing model has;
    - `sense`: 1 where the leader wants it small, -1 where large; `unit`: "" for the case's currency; `words` for people;
    - `achieved`: its value (n,) for the `Days` of n candidates, `size`: how large it may be for a case, by energies and largest
      prices alone; without both no heuristic can take it.
    """

    add: Callable[..., None] = _is_there
    expression: str
    sense: int
    words: str
    unit: str = ""
    achieved: Achieved | None = None
    size: Size | None = None

    @property
    def column(self) -> str:
        """The name in files, with the unit."""
        return f"{self.expression}_{self.unit.lower()}" if self.unit else self.expression


def charged_kwh(case: Instance) -> float:
    """What all vehicles draw from the grid."""
    return sum(s.count * s.energy_kwh for s in case.sessions) / case.charging_efficiency


def all_kwh(case: Instance) -> float:
    """What vehicles and the base load draw, the latter whatever its sign."""
    base_kw = base_load_kw(case, Network.of(case.feeder))
    return charged_kwh(case) + case.horizon.period_hours * float(np.abs(base_kw).sum())


def largest_price(case: Instance) -> float:
    """The largest price that users may pay, whatever its sign, currency/kWh."""
    return max(abs(case.price_limits.price_min_per_kwh), abs(case.price_limits.price_max_per_kwh))


def largest_wholesale_price(case: Instance) -> float:
    """The largest wholesale price, whatever its sign, currency/kWh."""
    return max(map(abs, case.wholesale_price_per_kwh))
