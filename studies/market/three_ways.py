"""One market solved three ways: the exact optimum, the iteration of nodal prices, and cooperation ([YZ], docs/model.md 6)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap
from scipy.optimize import brentq

import bilevel
from bilevel import EquilibriumTrace, ProgressEvent, Solution
from bilevel.deadline import Deadline
from bilevel.progress import Progress
from formulations.aggregator_market import aggregator_market
from formulations.case_parts import market_of
from formulations.operator.dispatch import Dispatch
from formulations.prices.nodal import nodal_rules
from instances import Instance, Scenarios
from studies import tolerances
from studies.market import tables as market_tables

EXACT, EQUILIBRIUM, COOPERATIVE = "exact", "equilibrium", "cooperative"
GAP = 1e-3
"""The default gap: the cost of supplying the whole feeder is what it is relative to."""
TIME_LIMIT = 300.0
"""The default limit of all three ways together, seconds."""
ITERATION, COOPERATION = 0.3, 0.1
"""Shares of the time limit: the most that the iteration may take, and what is kept for cooperation."""
_WEIGHTS = (1.0, 2.0)


@dataclass(frozen=True, eq=False)
class MarketRun:
    """One way: `solution`, and where it has a point its `figures` (see `MarketComparison.to_frame`) and tables.

    `aggregators`, `network`, `buses` are those of `studies.market.tables`, empty without a point.  Over days that may come each has
    its scenario in the first column, `buses` has voltages alone, and `days` a row a day.
    """

    name: str
    solution: Solution
    figures: Mapping[str, float]
    aggregators: pd.DataFrame
    network: pd.DataFrame
    buses: pd.DataFrame
    days: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, eq=False)
class MarketComparison:
    """Answer of `three_ways`: a run by way, and the trace of the iteration.

    That of `studies.market.over_days` is of `scenarios`, and has neither the equilibrium nor a trace.
    """

    case: Instance
    demand: str
    runs: Mapping[str, MarketRun]
    trace: EquilibriumTrace | None
    scenarios: Scenarios | None = None

    def to_frame(self) -> pd.DataFrame:
        """One row a way: way, status, dso_cost, bound, gap, supply_cost, loss_kwh, peak_kw (largest draw at the substation),
        users_bill, profit_<aggregator> (currency), check (first that fails, empty where all pass)."""
        rows = []
        for run in self.runs.values():
            failing = run.solution.certificate.first_failure
            head = {"way": run.name, "status": run.solution.status, "dso_cost": run.solution.objective}
            head |= {"bound": run.solution.bound, "gap": run.solution.gap}
            rows.append(head | dict(run.figures) | {"check": "" if failing is None else failing.name})
        return pd.DataFrame(rows)


def three_ways(
    case: Instance,
    demand: str = "scheduled",
    *,
    solver: str = "highs",
    gap: float = GAP,
    time_limit: float | None = TIME_LIMIT,
    damping: float | str = 0.5,
    max_iterations: int = 50,
    progress: bool | Callable[[ProgressEvent], None] = True,
    proof: bool = False,
    **options: Any,
) -> MarketComparison:
    """Solve the market of a case three ways and compare them.

    - "equilibrium": prices are nodal prices (duals) plus fees, aggregators respond, loads are damped (`bilevel.equilibrium`);
    - "exact": prices are the operator's decisions, to the relative `gap` (the search begins at the iteration's prices, so that it
      is never worse than what these admit);
    - "cooperative": everybody minimises the operator's cost (`bilevel.cooperative`), a bound for both; its cost does not depend on
      prices, and profits and bills are at those nearest to the exact solution's that the price limits allow at its charging.

    `time_limit` is of all three together, in seconds; a Ctrl-C stops all, and keeps what was found.  `proof`: prove the bound of
    the exact solution, as `bilevel.solve` does.  `options` are those of `aggregator_market`.  Raises what `aggregator_market` and
    the three solvers raise.  Example:

        comparison = studies.market.three_ways(instances.load("ieee33_aggregator"))
        print(comparison.to_frame())
    """
    limit = Deadline(time_limit)
    model = aggregator_market(case, demand, **options)
    # A Ctrl-C in one way stops the later ones too
    with Progress(False):
        return _solved(model, case, demand, _Settings(solver, gap, limit, damping, max_iterations, progress, proof))


@dataclass(frozen=True)
class _Settings:
    """How the three ways are solved."""

    solver: str
    gap: float
    limit: Deadline
    damping: float | str
    max_iterations: int
    progress: bool | Callable[[ProgressEvent], None]
    proof: bool


def _solved(model: Any, case: Instance, demand: str, given: _Settings) -> MarketComparison:
    dispatch, limit, progress, gap = Dispatch.of(model, case), given.limit, given.progress, given.gap
    trace = bilevel.equilibrium(
        model, nodal_rules(model, case), given.damping, tolerances.ITERATION_SETTLED, given.max_iterations, progress,
        limit.left(1 - ITERATION),
    )  # fmt: skip
    runs = {EQUILIBRIUM: _run(EQUILIBRIUM, model, case, trace.solution, dispatch)}
    starts = [_prices(model, trace), *_steering(model, case, dispatch, runs[EQUILIBRIUM].aggregators)]
    left = limit.left(COOPERATION)
    exact = bilevel.solve(
        model, given.solver, gap=gap, time_limit=left, progress=progress, warm_start=starts, proof=given.proof
    )
    runs[EXACT] = _run(EXACT, model, case, exact, dispatch)
    posted = (
        ComponentMap((price, pyo.value(price)) for price in model.price.values())
        if math.isfinite(exact.objective)
        else None
    )
    together = bilevel.cooperative(
        model, gap=gap / tolerances.COOPERATION_FINER, time_limit=limit.left(), progress=progress
    )
    if posted is not None and math.isfinite(together.objective):
        _post_nearest(model, case, posted)
    runs[COOPERATIVE] = _run(COOPERATIVE, model, case, together, dispatch)
    ordered = {name: runs[name] for name in (EXACT, EQUILIBRIUM, COOPERATIVE)}
    return MarketComparison(case, demand, ordered, trace)


def _post_nearest(model: Any, case: Instance, wanted: Mapping[Any, float]) -> None:
    """Post the prices nearest to `wanted` at which users pay within the limits for the charging that stands in the model.

    Prices do not matter to whom cooperates, so that its point stays what it is; bills and profits are told at these.
    """
    limits = case.price_limits
    moved = {c: np.zeros(len(model.T)) for c in model.C}
    for aggregator in market_of(case).aggregators:
        block, c = model.aggregator[aggregator.name], aggregator.station
        moved[c] = np.array([pyo.value(block.paid[t]) - pyo.value(model.price[c, t]) for t in model.T])
    for c, shift in moved.items():
        low = limits.price_min_per_kwh - np.minimum(shift, 0.0)
        high = limits.price_max_per_kwh - np.maximum(shift, 0.0)
        given = np.array([wanted[model.price[c, t]] for t in model.T])
        nearest = capped(given, low, np.maximum(low, high), limits.price_mean_max_per_kwh)
        for t in model.T:
            model.price[c, t].set_value(float(nearest[t]), skip_validation=True)


def capped(wanted: Any, low: Any, high: Any, cap: float) -> Any:
    """The point nearest to `wanted` between `low` and `high` whose mean is at most `cap`; `low` where no mean is as small."""

    def lowered(by: float) -> Any:
        return np.clip(wanted - by, low, high)

    if lowered(0.0).mean() <= cap:
        return lowered(0.0)
    most = float((wanted - low).max())
    if low.mean() >= cap:
        return lowered(most)
    by = brentq(lambda by: lowered(by).mean() - cap, 0.0, most, xtol=tolerances.PRICE_SHIFT_PER_KWH)
    return lowered(float(by))


def _prices(model: Any, trace: EquilibriumTrace) -> Any:
    """The iteration's final prices, as a start."""
    return ComponentMap((price, trace.solution.found[price]) for price in model.price.values())


def _steering(model: Any, case: Instance, dispatch: Dispatch, drawn: pd.DataFrame) -> list[Any]:
    """Prices that reward charging where it costs the operator least: margin over the contract price == level - nodal price.

    Nodal prices are those at the iteration's loads, the level makes the mean price that of the middle of the limits.
    """
    if drawn.empty:
        return []
    load = drawn.pivot_table(index="station", columns="period", values="net_kw", sort=False)
    load = load.reindex(index=[station.name for station in case.stations], fill_value=0.0)
    nodal = dispatch.at(load.to_numpy()).nodal_price_per_kwh
    contract, starts = np.array(market_of(case).contract_price_per_kwh), []
    for weight in _WEIGHTS:
        start = ComponentMap()
        for station in case.stations:
            wanted = contract - weight * nodal[:, dispatch.network.index[station.bus]]
            for t in model.T:
                price = model.price[station.name, t]
                middle = min((price.lb + price.ub) / 2, case.price_limits.price_mean_max_per_kwh)
                start[price] = float(np.clip(middle + wanted[t] - wanted.mean(), price.lb, price.ub))
        starts.append(start)
    return starts


def _run(name: str, model: Any, case: Instance, solution: Solution, dispatch: Dispatch) -> MarketRun:
    """What stands in the model after one way, copied before the next replaces it."""
    if not math.isfinite(solution.objective):
        nothing = pd.DataFrame()
        return MarketRun(name, solution, {}, nothing, nothing, nothing)
    network = market_tables.network(model, case)
    figures = {
        "supply_cost": float(pyo.value(model.supply_cost)),
        "loss_kwh": float(pyo.value(model.network_loss)),
        "peak_kw": float(network["supply_kw"].max()),
        "users_bill": sum(float(pyo.value(block.bill)) for block in model.aggregator.values()),
    }
    figures |= {f"profit_{k}": float(pyo.value(block.profit)) for k, block in model.aggregator.items()}
    tables = market_tables.aggregators(model, case), network, market_tables.buses(model, case, dispatch)
    return MarketRun(name, solution, figures, *tables)
