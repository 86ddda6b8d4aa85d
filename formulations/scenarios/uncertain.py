"""The leader's problem on one day or over several: what both models build their days by (docs/model.md section 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from bilevel.errors import BilevelError, require
from formulations.scenarios import chance as chances
from formulations.scenarios import days, ranges
from formulations.scenarios import risk as risks
from formulations.scenarios.risk import Risk
from instances import Instance, Network, Scenarios

Given = str | Mapping[str, float]
AddDay = Callable[[Any, Instance, Network], tuple[Any, int]]
"""Writes followers and network of a day into a model or block; gives the leader's objective on it, and 1 to minimise or -1."""


@dataclass(frozen=True)
class Asked:
    """Scenarios, risk and chances as they were asked for, read and checked; nothing of it for one day."""

    scenarios: Scenarios | None = None
    risk: Risk | None = None
    chance: Mapping[str, float] | None = None

    @staticmethod
    def of(scenarios: Any, risk: Given | None = None, chance: Given | None = None) -> Asked:
        """Read what a user gave; raises `BilevelError` for what is none, and for risk or chance without scenarios."""
        ok = scenarios is None or isinstance(scenarios, Scenarios)
        require("scenarios", scenarios, ok, "instances.Scenarios, or None for the case's own day")
        for name, value in (("risk", risk), ("chance", chance)):
            if value is not None and scenarios is None:
                raise BilevelError(f"{name} is given without scenarios, and one day has none: give scenarios too")
        read = None if chance is None else chances.parse(chance)
        return Asked(scenarios, None if risk is None else risks.parse(risk), read)


def add(model: Any, case: Instance, add_day: AddDay, asked: Asked) -> None:
    """Add the day of the case, or a block for each scenario, and `model.objective`.

    `model` has `per_unit`, `T` and `price`.  With scenarios it gets what `formulations.scenarios.days` adds, and expressions of
    the blocks that are numbers of a day are expected values in the root.
    """
    network = Network.of(case.feeder)
    if asked.scenarios is None:
        _set_objective(model, *add_day(model, case, network))
        return
    loosened = chances.loosened(network, asked.chance or {})
    found = days.add(model, case, asked.scenarios)
    sense = 1
    for day in found:
        value, sense = add_day(day.block, day.case, loosened)
        day.block.leader_objective = pyo.Expression(expr=value)
    model.power_flow = found[0].block.power_flow
    days.expect(model, found)
    limits = [ranges.of(day.block, day.case, loosened, sense * day.block.leader_objective) for day in found]
    _set_objective(model, risks.add(model, found, asked.risk, sense, limits), sense)
    chances.add(model, found, network, loosened, asked.chance or {})


def _set_objective(model: Any, value: Any, sense: int) -> None:
    model.objective = pyo.Objective(expr=value, sense=pyo.minimize if sense == 1 else pyo.maximize)
