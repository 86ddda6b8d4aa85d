"""An equilibrium of nodal prices beside a Pareto front of network loss and station profit, and the distances between them."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyomo.environ as pyo

from bilevel import EquilibriumTrace, ParetoFront, tolerances
from bilevel.solution import VALID, plain

LOSS, PROFIT = "network_loss_kwh", "station_profit"


@dataclass(frozen=True)
class EquilibriumPoint:
    """Where an equilibrium ends: loss (kWh) and profit (currency), None without a point; status; whether the model allows it."""

    network_loss_kwh: float | None
    station_profit: float | None
    status: str
    valid: bool


def equilibrium_point(model: Any, trace: EquilibriumTrace) -> EquilibriumPoint:
    """The last point of a trace, whose values stand in the model."""
    solution = trace.solution
    # Checks of a verdict, such as infeasible, are of no point
    if not solution.certificate.checks or solution.certificate.verdict:
        return EquilibriumPoint(None, None, solution.status, False)
    loss, profit = float(pyo.value(model.network_loss)), float(pyo.value(model.station_profit))
    return EquilibriumPoint(loss, profit, solution.status, solution.status in VALID)


@dataclass(frozen=True)
class Comparison:
    """An equilibrium beside a front; see `compare`.  Losses in kWh, profits in currency.

    - `front_profit`: the most profit of the front's points with at most the equilibrium's loss (-inf if none); `bound_profit`:
      proven, nothing with that loss has more;
    - `front_loss`: the least loss of the front's points with at least the equilibrium's profit (inf if none); `bound_loss`:
      proven, nothing with that profit has less (inf: that profit is out of reach);
    - `side`: "in front" of a proven bound (only a point that breaks the model's rows can be), "behind" (a point of the front is
      better beyond tolerance), "on" (within tolerance of the bound in one of both), or "undecided" (the front is not known finely
      enough there).
    """

    network_loss_kwh: float
    station_profit: float
    valid: bool
    front_profit: float
    bound_profit: float
    front_loss: float
    bound_loss: float
    side: str

    @property
    def profit_forgone(self) -> tuple[float, float]:
        """Least and most of (the front's profit at the same loss - profit); a valid point is never in front, so at least 0 then."""
        return self._from_zero(self.front_profit - self.station_profit, self.bound_profit - self.station_profit)

    @property
    def loss_excess(self) -> tuple[float, float]:
        """Least and most of (loss - the front's loss at the same profit)."""
        return self._from_zero(self.network_loss_kwh - self.front_loss, self.network_loss_kwh - self.bound_loss)

    def _from_zero(self, least: float, most: float) -> tuple[float, float]:
        return (max(0.0, least), max(0.0, most)) if self.valid and self.side != "in front" else (least, most)

    @property
    def contradiction(self) -> bool:
        """Whether a point that the model allows is in front of a proven bound: then one of both is wrong."""
        return self.valid and self.side == "in front"

    def to_frame(self) -> pd.DataFrame:
        """A row for each of profit and loss: quantity, equilibrium, front_found, front_bound, distance_least, distance_most, and
        both distances relative to the front's own value (share_least, share_most)."""
        rows = []
        for name, own, found, bound, (least, most) in (
            (PROFIT, self.station_profit, self.front_profit, self.bound_profit, self.profit_forgone),
            (LOSS, self.network_loss_kwh, self.front_loss, self.bound_loss, self.loss_excess),
        ):
            rows.append((name, own, found, bound, least, most, _share(least, found), _share(most, bound)))
        columns = ["quantity", "equilibrium", "front_found", "front_bound", "distance_least", "distance_most"]
        return pd.DataFrame(rows, columns=[*columns, "share_least", "share_most"])

    def to_dict(self) -> dict[str, Any]:
        """The same in plain JSON types, with `feasible` and `side`."""
        rows = self.to_frame().set_index("quantity").to_dict("index")
        found = {str(name): {str(key): plain(value) for key, value in row.items()} for name, row in rows.items()}
        return {"feasible": self.valid, "side": self.side, "contradiction": self.contradiction, **found}


def _share(distance: float, of: float) -> float:
    return distance / abs(of) if of and math.isfinite(of) else math.nan


def compare(front: ParetoFront, network_loss_kwh: float, station_profit: float, valid: bool) -> Comparison:
    """Where a point lies beside a front of loss (limited) and profit (maximised), and how far in each of both.

    Tolerance: `tolerances.RESOLUTION` of the point's loss and of its profit.
    """
    loss, profit = network_loss_kwh, station_profit
    near_loss, near_profit = tolerances.RESOLUTION * abs(loss), tolerances.RESOLUTION * abs(profit)
    front_profit = max((p.maximized for p in front.points if p.limited <= loss), default=-math.inf)
    front_loss = min((p.limited for p in front.points if p.maximized >= profit), default=math.inf)
    bound_profit, bound_loss = front.bound_at(loss), least_loss(front, profit)
    if profit > front.bound_at(loss + near_loss) + near_profit:
        side = "in front"
    elif front_profit > profit + near_profit or front_loss < loss - near_loss:
        side = "behind"
    elif bound_profit <= profit + near_profit or bound_loss >= loss - near_loss:
        side = "on"
    else:
        side = "undecided"
    return Comparison(loss, profit, valid, front_profit, bound_profit, front_loss, bound_loss, side)


def least_loss(front: ParetoFront, profit: float) -> float:
    """Proven: nothing with at least this profit has less loss (kWh); inf where the profit itself is out of reach."""
    if profit > front.most_maximized:
        return math.inf
    return max([front.least_limited, *(p.limit for p in front.points if p.bound < profit)])
