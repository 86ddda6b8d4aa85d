"""One margin with its answer, the answer's worst tie, and what it does to the network."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec
import pyomo.environ as pyo

from bilevel.budget import Leisure
from bilevel.certify.ties import worst_tie
from bilevel.compile.compiler import compile_model
from bilevel.followers.optimal_cost import respond
from bilevel.solution import VALID, Solution, plain
from bilevel.status import Status
from instances import Instance
from studies.pricing import tables

_TIE_SECONDS = 30.0
"""What the search of a worst tie may take; its bound tells where it was not enough."""


@dataclass(frozen=True)
class MarginRow:
    """The best answer with a margin (0: the optimistic one); NaN where there is nothing to tell.

    - `objective`, `bound`: in the leader's sense and unit; `gap`: relative; `status` and `reason` as of a `Solution`;
    - `worst_tie`: the worst objective of ties that keep the leader's rows, attained by one of them; none of these is worse than
      `worst_tie_bound`; NaN where none was found;
    - `broken_row`: the leader's row that some tie breaks most, over its size, by `broken_by` in the row's unit; "" where none does;
    - `charging_peak_kw`: the largest charging power of all stations together in a period, at the grid side;
    - `network_loss_kwh`, `station_profit` (currency) over the horizon; `seconds` of the solve;
    - `time_limit`: that of its solve in seconds; `price_per_kwh`: prices by station, a value a period, empty without a point.
    """

    margin_per_kwh: float
    status: str
    reason: str
    objective: float
    bound: float
    gap: float
    worst_tie: float
    worst_tie_bound: float
    broken_row: str
    broken_by: float
    charging_peak_kw: float
    network_loss_kwh: float
    station_profit: float
    seconds: float
    time_limit: float
    price_per_kwh: Mapping[str, list[float]]

    @property
    def found(self) -> bool:
        """Whether there is a decision that the model allows."""
        return self.status in VALID

    @property
    def closed(self) -> bool:
        """Whether more time would change nothing: certified, or proven to have no answer."""
        return self.status in (Status.CERTIFIED, Status.INFEASIBLE)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, None for NaN."""
        return {key: plain(value) for key, value in asdict(self).items()}

    @staticmethod
    def read(line: Mapping[str, Any]) -> "MarginRow":
        """What `to_dict` gave; raises `KeyError`, `TypeError`, `ValueError` or `msgspec.ValidationError` for anything else, and for
        a row that is certified without an objective or a bound."""
        names = [field.name for field in fields(MarginRow)]
        numbers = {field.name for field in fields(MarginRow) if field.type is float}
        given = {name: math.nan if line[name] is None and name in numbers else line[name] for name in names}
        row = msgspec.convert(given, MarginRow)
        status = Status.read(row.status)
        if not (math.isfinite(row.margin_per_kwh) and row.margin_per_kwh >= 0 and math.isfinite(row.time_limit)):
            raise ValueError("its margin or its time limit is none")
        if row.found and not math.isfinite(row.objective):
            raise ValueError(f"it is {status} without an objective")
        if status == Status.CERTIFIED and not math.isfinite(row.bound):
            raise ValueError("it is certified without a bound")
        if not all(math.isfinite(price) for prices in row.price_per_kwh.values() for price in prices):
            raise ValueError("its prices are not all finite")
        return row


def row_of(
    model: Any, case: Instance, margin: float, solution: Solution, time_limit: float, stopped: Callable[[], bool]
) -> MarginRow:
    """The row of a solution, whose values stand in the model; the worst tie is not looked for once `stopped` says so."""
    valid = solution.status in VALID
    worst = _worst(model, stopped) if valid else _NO_TIE
    nan = math.nan
    return MarginRow(
        margin, str(solution.status), solution.reason,
        solution.objective if valid else nan, solution.bound, solution.gap if valid else nan, *worst,
        float(tables.station_power_kw(model, case).sum(axis=1).max()) if valid else nan,
        float(pyo.value(model.network_loss)) if valid else nan,
        float(pyo.value(model.station_profit)) if valid else nan,
        sum(solution.seconds.values()), time_limit, _prices(model) if valid else {},
    )  # fmt: skip


_NO_TIE = math.nan, math.nan, "", math.nan


def _worst(model: Any, stopped: Callable[[], bool]) -> tuple[float, float, str, float]:
    """The worst tie that keeps the leader's rows, its bound, the row that a tie breaks most, and by how much."""
    program = compile_model(model)
    x = program.values()
    found = worst_tie(program, x, respond(program, x), Leisure(time.monotonic() + _TIE_SECONDS, stopped))
    if found is None:
        return _NO_TIE
    row = found.broken[0] if found.broken else None
    value, bound = (program.sign * end if math.isfinite(end) else math.nan for end in (found.kept, found.kept_bound))
    return value, bound, "" if row is None else row.name, math.nan if row is None else float(row.amount)


def _prices(model: Any) -> dict[str, list[float]]:
    stations = dict.fromkeys(station for station, _ in model.price)
    return {station: [float(pyo.value(model.price[station, t])) for t in model.T] for station in stations}
