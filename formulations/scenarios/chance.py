"""Limits that are to hold with a probability, conservatively (docs/model.md section 11).

With e_w the largest excess of a kind of limit on day w (over its buses and periods, negative where all are kept), the rows say

    CVaR at the level q of e <= 0,

by which the excess is at most 0 with probability q or more: CVaR is at least the quantile.  It asks for more than that, as the mean
excess of the worst days is to be at most 0, too, so that days that keep the limit with room make up for those that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

import bilevel
from bilevel import Check, tolerances
from bilevel.errors import BilevelError, UnknownNameError
from bilevel.model import Checker
from formulations import options
from formulations.options import Option
from formulations.scenarios import risk
from formulations.scenarios.days import Day
from instances import Network

Bounds = tuple[float, float]

LOOSENED = 2.0
"""Where voltages may leave their limits they stay between their lowest limit over this and their highest times it: far from any
power flow in use, and enough to limit currents."""


@dataclass(frozen=True)
class Limit:
    """A kind of limit: the network without it, and what a day is outside of it, rows or numbers, with their unit."""

    name: str
    unit: str
    without: Callable[[Network], Network]
    excess: Callable[[Any, Network], list[Any]]
    bounds: Callable[[Network, Network], Bounds]


def _voltage(block: Any, network: Network) -> list[Any]:
    """Squared voltages outside their limits; the substation's is given."""
    found = []
    for k, bus in enumerate(network.buses[1:], start=1):
        low, high = float(network.voltage_min_pu[k]) ** 2, float(network.voltage_max_pu[k]) ** 2
        for t in block.T:
            found += [low - block.v[bus, t], block.v[bus, t] - high]
    return found


def _without_voltage(network: Network) -> Network:
    return replace(
        network, voltage_min_pu=network.voltage_min_pu / LOOSENED, voltage_max_pu=network.voltage_max_pu * LOOSENED
    )


def _voltage_bounds(network: Network, loosened: Network) -> Bounds:
    low, high = network.voltage_min_pu[1:] ** 2, network.voltage_max_pu[1:] ** 2
    widest = np.maximum(low - loosened.voltage_min_pu[1:] ** 2, loosened.voltage_max_pu[1:] ** 2 - high)
    return -float((high - low).max(initial=0.0)) / 2, float(widest.max(initial=0.0))


def _supply(block: Any, network: Network) -> list[Any]:
    """Power that the substation feeds in outside its limits, where it has some."""
    found = []
    for power, (low, high) in (
        (block.supply_power, network.supply_active_pu), (block.supply_reactive, network.supply_reactive_pu),
    ):  # fmt: skip
        found += [low - power[t] for t in block.T if np.isfinite(low)]
        found += [power[t] - high for t in block.T if np.isfinite(high)]
    return found


def _without_supply(network: Network) -> Network:
    return replace(network, supply_active_pu=(-np.inf, np.inf), supply_reactive_pu=(-np.inf, np.inf))


_LIMITS = {
    "voltage": Limit("voltage", "pu, squared", _without_voltage, _voltage, _voltage_bounds),
    "supply": Limit("supply", "pu", _without_supply, _supply, lambda _network, _loosened: (-np.inf, np.inf)),
}
_PROBABILITY = {
    name: Option(name=name, help="probability", example=f"{name}=0.95", above=0.0, most=1.0) for name in _LIMITS
}


def parse(chance: str | Mapping[str, float]) -> dict[str, float]:
    """Probabilities by kind of limit: "voltage=0.95,supply=0.9", or such a mapping; 1 is the limit of every day.

    Raises `UnknownNameError` for another kind, and `BilevelError` for what is no probability above 0.
    """
    given = options.pairs("chance", chance, 'a text, such as "voltage=0.95", or probabilities by name')
    for name in given:
        if name not in _PROBABILITY:
            raise UnknownNameError("limit", name, _PROBABILITY)
    read = {name: float(_PROBABILITY[name].read(value)) for name, value in given.items()}
    return {name: value for name, value in read.items() if value < 1}


def loosened(network: Network, chance: Mapping[str, float]) -> Network:
    """The network without the limits that need not hold on every day."""
    for name in chance:
        network = _LIMITS[name].without(network)
    return network


def add(model: Any, days: Sequence[Day], network: Network, loose: Network, chance: Mapping[str, float]) -> None:
    """Add what keeps the limits of `network` with their probabilities, and a check of each.

    For each kind, `excess_<kind>` (the largest of a day) with its rows in the blocks, and in the root a block `<kind>_chance`.
    Raises `BilevelError` for limits that the feeder does not have.
    """
    for name, probability in chance.items():
        limit = _LIMITS[name]
        low, high = limit.bounds(network, loose)
        for day in days:
            _add_excess(day, limit, network, (low, high))
        block = pyo.Block()
        model.add_component(f"{name}_chance", block)
        costs = [day.block.component(f"excess_{name}") for day in days]
        block.limit = pyo.Constraint(expr=risk.tail(block, days, costs, probability, [(low, high)] * len(days)) <= 0)
        bilevel.add_check(model, _kept(days, limit, network, probability))


def _add_excess(day: Day, limit: Limit, network: Network, bounds: Bounds) -> None:
    rows = limit.excess(day.block, network)
    if not rows:
        raise BilevelError(
            f"chance of {limit.name} is given, and the feeder has no limit of its {limit.name}: leave it out"
        )
    low, high = (end if np.isfinite(end) else None for end in bounds)
    worst = pyo.Var(bounds=(low, high))
    day.block.add_component(f"excess_{limit.name}", worst)
    above = pyo.Constraint(range(len(rows)), rule=lambda _b, k: rows[k] <= worst)
    day.block.add_component(f"above_{limit.name}", above)


def _kept(days: Sequence[Day], limit: Limit, network: Network, probability: float) -> Checker:
    """A check of the rows by the days' own values, which tells how many of the days keep the limit."""
    names, weights = [day.name for day in days], np.array([day.probability for day in days])

    def check(model: Any) -> list[Check]:
        excess = np.array(
            [max(float(pyo.value(part)) for part in limit.excess(model.scenario[name], network)) for name in names]
        )
        cvar = risk.conditional_value_at_risk(excess, weights, probability)
        kept = float(weights[excess <= tolerances.FEASIBILITY].sum())
        worst = names[int(np.argmax(excess))]
        detail = (
            f"kept with probability {kept:.4g} in the sample, {probability:g} asked for, by CVaR, which asks for more"
        )
        return [Check(f"{limit.name} chance", max(cvar, 0.0), tolerances.FEASIBILITY, limit.unit, worst, detail)]

    return check
