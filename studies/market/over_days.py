"""A market over days that may come: the exact optimum and cooperation, with one set of prices for all of the days."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pyomo.environ as pyo

import bilevel
from bilevel import ProgressEvent, Solution
from bilevel.deadline import Deadline
from bilevel.progress import Progress
from formulations.aggregator_market import aggregator_market
from instances import Instance, Scenario, Scenarios, merged
from studies import tolerances
from studies.market import tables as market_tables
from studies.market.three_ways import (
    COOPERATION,
    COOPERATIVE,
    EXACT,
    GAP,
    TIME_LIMIT,
    MarketComparison,
    MarketRun,
)
from studies.writing.frames import rounded, voltages

LEFT_OUT = (
    "the equilibrium way is left out: nodal prices are those of one day, and days that may come have one set of prices"
)


def over_days(
    case: Instance,
    scenarios: Scenarios,
    demand: str = "scheduled",
    *,
    risk: str | Mapping[str, float] | None = None,
    chance: str | Mapping[str, float] | None = None,
    solver: str = "highs",
    gap: float = GAP,
    time_limit: float | None = TIME_LIMIT,
    progress: bool | Callable[[ProgressEvent], None] = True,
    proof: bool = False,
    **options: Any,
) -> MarketComparison:
    """Solve the market of a case over days that may come, in the ways that days have.

    - "exact": one set of prices, posted before the day, is the operator's decision, to the relative `gap`;
    - "cooperative": everybody minimises the operator's cost, on each day; a bound.  Its cost does not depend on prices, so that it
      has no bills and profits, and its tables have the prices of the exact way.

    There is no "equilibrium", and the comparison's trace is None: nodal prices are those of one day.  Costs are expected, or
    weighed by `risk`; `MarketRun.days` has a row a day.  Other arguments are those of `three_ways`; raises what that raises, and
    what `aggregator_market` raises for scenarios, risk and chance.
    """
    limit = Deadline(time_limit)
    model = aggregator_market(case, demand, scenarios=scenarios, risk=risk, chance=chance, **options)
    # A Ctrl-C in one way stops the later one too
    with Progress(False):
        left = limit.left(COOPERATION)
        exact = bilevel.solve(model, solver, gap=gap, time_limit=left, progress=progress, proof=proof)
        runs = {EXACT: _run(EXACT, model, case, scenarios, exact)}
        posted = {key: price.value for key, price in model.price.items()}
        finer = gap / tolerances.COOPERATION_FINER
        together = bilevel.cooperative(model, gap=finer, time_limit=limit.left(), progress=progress)
        # Prices do not matter to whom cooperates: tables have those of the exact way
        for key, value in posted.items():
            model.price[key].set_value(value, skip_validation=True)
        runs[COOPERATIVE] = _run(COOPERATIVE, model, case, scenarios, together)
    return MarketComparison(case, demand, runs, None, scenarios)


def _run(name: str, model: Any, case: Instance, scenarios: Scenarios, solution: Solution) -> MarketRun:
    """What stands in the model after one way, copied before the next replaces it."""
    if not math.isfinite(solution.objective):
        nothing = pd.DataFrame()
        return MarketRun(name, solution, {}, nothing, nothing, nothing)
    days = list(_days(model, case, scenarios))
    told = pd.DataFrame([_told(scenario, day, block, name == EXACT) for scenario, day, block in days])
    tables = (
        _stacked((s, market_tables.aggregators(block, day, model)) for s, day, block in days),
        _stacked((s, market_tables.network(block, day)) for s, day, block in days),
        _stacked((s, voltages(block, day)) for s, day, block in days),
    )
    return MarketRun(name, solution, _figures(told), *tables, rounded(told))


def _figures(told: pd.DataFrame) -> dict[str, float]:
    """What is expected over days; the peak is the largest of any."""
    columns = [str(name) for name in told if name not in ("scenario", "probability", "sessions", "dso_cost")]
    expected = {name: float(told["probability"].to_numpy() @ told[name].to_numpy()) for name in columns}
    return {**expected, "peak_kw": float(told["peak_kw"].to_numpy().max())}


def _told(scenario: Scenario, day: Instance, block: Any, posted: bool) -> dict[str, Any]:
    """A day in one row; bills and profits where prices are `posted`."""
    found: dict[str, Any] = {
        "scenario": scenario.name,
        "probability": scenario.probability,
        "sessions": len(day.sessions),
        "dso_cost": float(pyo.value(block.dso_cost)),
        "supply_cost": float(pyo.value(block.supply_cost)),
        "loss_kwh": float(pyo.value(block.network_loss)),
        "peak_kw": float(market_tables.network(block, day)["supply_kw"].max()),
    }
    if posted:
        found["users_bill"] = sum(float(pyo.value(each.bill)) for each in block.aggregator.values())
        found |= {f"profit_{k}": float(pyo.value(each.profit)) for k, each in block.aggregator.items()}
    return found


def _days(model: Any, case: Instance, scenarios: Scenarios) -> Iterator[tuple[Scenario, Instance, Any]]:
    for scenario, day in merged(case, scenarios):
        yield scenario, day, model.scenario[scenario.name]


def _stacked(parts: Iterator[tuple[Scenario, pd.DataFrame]]) -> pd.DataFrame:
    found = []
    for scenario, table in parts:
        table.insert(0, "scenario", scenario.name)
        found.append(table)
    return pd.concat(found, ignore_index=True)
