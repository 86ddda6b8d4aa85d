"""Days of carbon-aware dispatch side by side as a table ([X23] tables 3 and 4)."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from bilevel.errors import BilevelError
from formulations.carbon.system import Baseline
from studies.carbon.solve import CarbonResult

COLUMNS = (
    "method", "status", "variance_kw2", "fitness", "mean_fitness", "std_fitness", "electricity_cost", "carbon_cost", "bill",
    "saved_percent", "loss_kwh", "seconds", "cpu_seconds", "variance_bound_kw2", "bill_bound", "runs", "infeasible",
)  # fmt: skip


class Runs(Protocol):
    """Heuristics' runs, as `studies.contest.Comparison`."""

    def table(self) -> pd.DataFrame:
        """A row a method."""


def side_by_side(days: Mapping[str, Baseline | CarbonResult], runs: Runs | None = None) -> pd.DataFrame:
    """A row a day, then one a heuristic of `runs` at its best run; variances in kW^2, costs of all users in currency.

    The first day is what the others are measured against: `fitness` is the variance over its variance, with mean and standard
    deviation over feasible runs, and `saved_percent` what a bill is below its bill, both NaN where that variance or bill is 0.
    `seconds`, and `cpu_seconds` of heuristics, are those of one run; `status` and bounds are of solved days.  What a row has not is
    NaN, or "" for its status.  Raises `BilevelError` for no days.
    """
    if not days:
        raise BilevelError("there are no days for a table: give at least one, the first to measure the others against")
    rows = [_day(name, answer) for name, answer in days.items()]
    rows += [] if runs is None else [_heuristic(row) for row in runs.table().to_dict("records")]
    scale, bill = (rows[0][name] or math.nan for name in ("variance_kw2", "bill"))
    for row in rows:
        row["fitness"] = row["variance_kw2"] / scale
        row |= {f"{name}_fitness": row.pop(name) / scale for name in ("mean", "std") if name in row}
        row["saved_percent"] = 100.0 * (1.0 - row["bill"] / bill)
    return pd.DataFrame(rows, columns=COLUMNS)


def _day(name: str, answer: Baseline | CarbonResult) -> dict[str, Any]:
    if isinstance(answer, Baseline):
        return {"method": name, "status": "", **_figures(answer.state, answer.costs)}
    bounds = {"variance_bound_kw2": answer.variance_bound_kw2, "bill_bound": answer.bill_bound}
    seconds = sum(answer.seconds.values())
    return {"method": name, "status": answer.status, "seconds": seconds, **bounds, **_figures(answer, answer)}


def _figures(state: Any, costs: Any) -> dict[str, float]:
    figures = {"variance_kw2": state.variance_kw2, "loss_kwh": state.loss_kwh}
    figures |= {column: getattr(costs, column) for column in ("electricity_cost", "carbon_cost", "bill")}
    return {column: float(value) for column, value in figures.items()}


def _heuristic(row: Mapping[Any, Any]) -> dict[str, Any]:
    kept = ("mean", "std", "electricity_cost", "carbon_cost", "bill", "loss_kwh", "seconds", "cpu_seconds")
    own = {name: row[name] for name in (*kept, "runs", "infeasible")}
    return {"method": row["method"].upper(), "status": "", "variance_kw2": row["best"], **own}
