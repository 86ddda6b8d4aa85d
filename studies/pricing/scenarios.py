"""A solved pricing model over days that may come, as tables: prices common to all days, the rest by scenario."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

import instances
from formulations.objectives import OBJECTIVES
from instances import Instance, Scenario, Scenarios
from studies.pricing import tables
from studies.writing.frames import rounded, voltages


@dataclass(frozen=True)
class Uncertainty:
    """Days that may come, as a command was `asked` for them: how many, or the folder that holds them; and what is wanted over them.

    `seed` and `willing` (a range of shares, as text) are of days that were drawn; None where they stand in a folder.
    """

    asked: str | None = None
    scenarios: Scenarios | None = None
    risk: str | None = None
    chance: str | None = None
    seed: int | None = None
    willing: str | None = None

    def options(self) -> dict[str, Any]:
        """Keywords of `formulations.charging_pricing` and `formulations.aggregator_market`."""
        return {"scenarios": self.scenarios, "risk": self.risk, "chance": self.chance}

    def choices(self) -> dict[str, Any]:
        """What files of results say of it, so that the command can be repeated: nothing without scenarios."""
        if self.scenarios is None:
            return {}
        drawn = {"willing": self.willing, "scenarios_seed": self.seed}
        return {"scenarios": self.asked, "risk": self.risk, "chance": self.chance, **drawn}

    def told(self) -> dict[str, str | None]:
        """What a store says of the days themselves, by which other days under the same name are told apart; None of one day."""
        return {"scenarios": self.asked, "hash of days": None if self.scenarios is None else hashed(self.scenarios)}

    def facts(self) -> list[tuple[str, str]]:
        """The same for people, by name."""
        if self.scenarios is None:
            return []
        count = len(self.scenarios.scenarios)
        days = f"{count} scenarios of {self.asked}" if self.seed is None else f"{count} drawn with seed {self.seed}"
        willing = self.willing and f"{self.willing} of users follow prices"
        wanted = [words for words in (willing, self.risk, self.chance and f"limits {self.chance}") if words]
        return [("days", ", ".join([days, *wanted]))]


def hashed(scenarios: Scenarios) -> str:
    """A hash of all that the days hold."""
    return hashlib.sha256(repr(scenarios).encode()).hexdigest()


def by_scenario(model: Any, case: Instance, scenarios: Scenarios, objective: Iterable[str] = ()) -> pd.DataFrame:
    """One row a day of the model, equal ones together: scenario, probability, sessions, values by objective.

    Values are network_loss_kwh, station_profit, ev_bill and supply_cost (currency), those of the objectives named, and
    leader_objective, what the leader's objective is on that day.
    """
    wanted = [OBJECTIVES[name] for name in dict.fromkeys(["loss", "profit", "bill", "cost", *objective])]
    rows = [
        {
            "scenario": scenario.name,
            "probability": scenario.probability,
            "sessions": len(day.sessions),
            **{o.column: float(pyo.value(block.component(o.expression))) for o in wanted},
            "leader_objective": float(pyo.value(block.leader_objective)),
        }
        for scenario, day, block in _days(model, case, scenarios)
    ]
    return rounded(pd.DataFrame(rows))


def prices(model: Any, case: Instance, scenarios: Scenarios) -> pd.DataFrame:
    """`tables.prices`, with the expected wholesale price of each period."""
    table = tables.prices(model, case)
    days = list(_days(model, case, scenarios))
    expected = sum(scenario.probability * np.array(day.wholesale_price_per_kwh) for scenario, day, _ in days)
    return rounded(table.assign(wholesale_price_per_kwh=expected))


def station_power_kw(model: Any, case: Instance, scenarios: Scenarios) -> pd.DataFrame:
    """`tables.station_power_kw`, expected over the days."""
    parts = [s.probability * tables.station_power_kw(block, day) for s, day, block in _days(model, case, scenarios)]
    return functools.reduce(pd.DataFrame.add, parts)


def charging(model: Any, case: Instance, scenarios: Scenarios) -> pd.DataFrame:
    """`tables.charging` of every day, with its scenario."""
    return _stacked((s.name, tables.charging(block, day)) for s, day, block in _days(model, case, scenarios))


def voltage(model: Any, case: Instance, scenarios: Scenarios) -> pd.DataFrame:
    """Voltages of every day, one row a period and bus, with its scenario."""
    return _stacked((s.name, voltages(block, day)) for s, day, block in _days(model, case, scenarios))


def files(
    model: Any, case: Instance, scenarios: Scenarios, objective: Mapping[str, float]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The tables of a result over days, by the names of their files."""
    yield PRICES, prices(model, case, scenarios)
    yield SCENARIOS, by_scenario(model, case, scenarios, objective)
    yield CHARGING, charging(model, case, scenarios)
    yield VOLTAGES, voltage(model, case, scenarios)


PRICES, SCENARIOS, CHARGING, VOLTAGES = "prices.csv", "scenarios.csv", "scenario_charging.csv", "scenario_voltages.csv"


def _days(model: Any, case: Instance, scenarios: Scenarios) -> Iterator[tuple[Scenario, Instance, Any]]:
    for scenario, day in instances.merged(case, scenarios):
        yield scenario, day, model.scenario[scenario.name]


def _stacked(parts: Iterable[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    found = []
    for name, table in parts:
        table.insert(0, "scenario", name)
        found.append(table)
    return pd.concat(found, ignore_index=True)
