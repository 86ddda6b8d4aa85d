"""Why the cone of a power flow is loose at a point, in words of the grid (docs/model.md section 1), and what to do about it.

The relaxed law lets a branch lose more than its flow does.  That is free money where energy has a negative price, and room for more
where an upper voltage limit binds under reverse flow; elsewhere losses cost, and the cone is tight.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations import tolerances
from formulations.operator import cost
from instances import Instance, Network

REMEDY = "solve it by the exact law of power flow, flow='ac' (--flow ac), on scip or gurobi"
_MOST_NAMED = 3


def explanation(case: Instance, network: Network) -> Callable[[Any], str]:
    """An explainer for `bilevel.explain_loose_cones`: negative prices and upper voltage limits at the model's values."""

    def explain(model: Any) -> str:
        causes = [*_negative_prices(model, case, network), *_voltage_limits(model, network)]
        why = " and ".join(causes) or "an objective that does not pay enough for losses"
        return f"cones of the power flow are loose, as losses that the network does not have pay because of {why}: {REMEDY}"

    return explain


def _negative_prices(model: Any, case: Instance, network: Network) -> Iterator[str]:
    """Periods in which the objective earns by what the substation supplies."""
    # A model of the user's may have put an objective of another name in its place
    if model.component("objective") is None and model.component("leader_objective") is None:
        return
    rates = cost.supply_rates(model, network.buses[0])
    periods = sorted({t for (_, _, t), rate in rates if rate < 0})
    if periods:
        prices = [f"{case.wholesale_price_per_kwh[t]:g}" for t in periods[:_MOST_NAMED]]
        yield (
            f"the negative price of energy in {_named('period', periods)} (wholesale {', '.join(prices)} {case.currency}/kWh)"
        )


def _voltage_limits(model: Any, network: Network) -> Iterator[str]:
    """Buses at their upper voltage limit into which a branch sends less than nothing."""
    highest = dict(zip(network.buses, network.voltage_max_pu.tolist(), strict=True))
    found = [
        (j, t)
        for i, j in model.L
        for t in model.T
        if pyo.value(model.P[i, j, t]) < 0
        and np.sqrt(max(pyo.value(model.v[j, t]), 0.0)) >= highest[j] - tolerances.VOLTAGE_BINDS
    ]
    if found:
        buses = list(dict.fromkeys(j for j, _ in found))
        periods = sorted({t for _, t in found})
        yield f"the upper voltage limit under reverse flow at {_named('bus', buses)} in {_named('period', periods)}"


def _named(kind: str, names: list[Any]) -> str:
    """The first few by name, and how many there are."""
    shown = ", ".join(map(str, names[:_MOST_NAMED]))
    plural = {"bus": "buses"}.get(kind, f"{kind}s")
    left = len(names) - _MOST_NAMED
    return f"{kind if len(names) == 1 else plural} {shown}" + (f" and {left} more" if left > 0 else "")
