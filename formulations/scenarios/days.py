"""A block for each day that may come, in a root model that has the prices of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from bilevel.errors import ModelError
from instances import Instance, Scenarios, merged


@dataclass(frozen=True, eq=False)
class Day:
    """A scenario in a model: its name and probability, the case as it is on that day, and its block."""

    name: str
    probability: float
    case: Instance
    block: Any


def add(model: Any, case: Instance, scenarios: Scenarios) -> tuple[Day, ...]:
    """Add `scenario[name]`, blocks with periods `T`, `per_unit` and the root's `price`, and the parameter `probability[name]`.

    Days that are equal share a block, under the first name, with their probabilities added up.  Raises `InstanceError` where a
    scenario does not fit the case.
    """
    found = merged(case, scenarios)
    names = [scenario.name for scenario, _ in found]
    model.scenario = pyo.Block(pyo.Set(initialize=names, ordered=True))
    model.probability = pyo.Param(names, initialize={scenario.name: scenario.probability for scenario, _ in found})
    for name in names:
        block = model.scenario[name]
        block.per_unit = model.per_unit
        block.T = pyo.RangeSet(0, case.horizon.periods - 1)
        # The day's followers, checks and tables read the prices where they do without scenarios
        block.price = pyo.Reference(model.price)
    return tuple(
        Day(scenario.name, scenario.probability, day, model.scenario[scenario.name]) for scenario, day in found
    )


def expect(model: Any, days: Iterable[Day]) -> None:
    """Add the expected value of every number of a day: named expressions without an index, which every block has."""
    days = tuple(days)
    single = [
        component.local_name
        for component in days[0].block.component_objects(pyo.Expression, descend_into=False)
        if not component.is_indexed()
    ]
    for name in single:
        value = pyo.quicksum(day.probability * day.block.component(name) for day in days)
        model.add_component(name, pyo.Expression(expr=value))


def require_one(model: Any, what: str) -> None:
    """Refuse a model with scenarios; raises `ModelError` that names `what` needs the network of one day."""
    if model.component("scenario") is not None:
        raise ModelError(
            f"{what} are those of one day, and the model has {len(model.scenario)} scenarios: build it without scenarios"
        )
