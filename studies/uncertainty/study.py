"""Five ways to set prices before the day is known, what each comes to on fresh days, and what planning and knowing are worth."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bilevel.progress import Progress
from formulations import charging_pricing, objectives
from instances import Instance, Scenarios
from studies.uncertainty import out_of_sample, summary
from studies.uncertainty.out_of_sample import FloatArray
from studies.uncertainty.value import Say, Solves, ValueOfPlanning, prices_of, value_of_planning

FLAT, OWN, EXPECTED, STOCHASTIC, RISK = "flat", "case's own day", "expected day", "stochastic", "CVaR"
POLICIES = (FLAT, OWN, EXPECTED, STOCHASTIC, RISK)


@dataclass(frozen=True)
class Asked:
    """How a study is made: `objective` as of `charging_pricing`, `level` of CVaR, `gap` and `time_limit` (seconds) of each solve.

    `confidence` is of the intervals, `seed` of their bootstrap.
    """

    objective: str | Mapping[str, float] = "profit"
    level: float = 0.9
    gap: float = 1e-3
    time_limit: float = 120.0
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Study:
    """Answer of `study`.

    `prices`: (stations, periods) in currency/kWh by policy, without a policy for which no prices were found; `outcomes`: a row a
    policy and fresh day (`out_of_sample.COLUMNS`); `summary`: a row a policy (`summary.COLUMNS`); `value`: with what was known of
    the days that prices were planned for; `sense`: -1 where the objective is maximised.
    """

    case: Instance
    asked: Asked
    planned: Scenarios
    fresh: Scenarios
    sense: int
    prices: Mapping[str, FloatArray]
    outcomes: pd.DataFrame
    summary: pd.DataFrame
    value: ValueOfPlanning

    @property
    def closed(self) -> bool:
        """Whether every solve is certified."""
        return all(status == "certified" for status in self.value.statuses.values())

    @property
    def planned_for(self) -> int:
        """How many of the policies that are solved for have prices."""
        return sum(name in self.prices for name in POLICIES if name != FLAT)

    @property
    def complete(self) -> bool:
        """Whether every policy has prices."""
        return len(self.prices) == len(POLICIES)


def study(
    case: Instance,
    planned: Scenarios,
    fresh: Scenarios,
    asked: Asked | None = None,
    say: Say | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Study:
    """Plan prices for the scenarios `planned` in five ways, and value them on the scenarios `fresh`, drawn apart from them.

    Flat prices are the largest that the cap on means allows all day; those of the case's own day are optimal for it, as without
    scenarios; those of the expected day for the mean of the scenarios as one day; stochastic ones for the expectation over them,
    and CVaR ones for the conditional value at risk at `level`.
    `say` and `executor` are as of `value_of_planning`.  `options` are those of `charging_pricing`.  Raises what
    `value_of_planning` and `out_of_sample.evaluate` raise; Ctrl-C keeps the policies that are there.
    """
    asked = asked or Asked()
    solves = Solves(asked.gap, asked.time_limit, say)
    # The solves listen for Ctrl-C themselves; inside this, those that follow end as they begin
    with Progress(False):
        value = value_of_planning(case, planned, asked.objective, asked.gap, asked.time_limit, say, executor, **options)
        others = {
            OWN: charging_pricing(case, asked.objective, **options),
            RISK: charging_pricing(case, asked.objective, scenarios=planned, risk={"cvar": asked.level}, **options),
        }
        for name, model in others.items():
            solves.run(name, model)
    value = replace(
        value, statuses={**value.statuses, **solves.statuses}, seconds={**value.seconds, **solves.seconds}
    )  # fmt: skip
    given = {FLAT: out_of_sample.flat(case), **value.prices, **{name: prices_of(m) for name, m in others.items()}}
    prices = {name: np.array(given[name]) for name in POLICIES if name in given and given[name] is not None}
    outcomes = out_of_sample.evaluate(case, prices, fresh, asked.objective)
    weights = objectives.parse(asked.objective)
    sense = objectives.combine(dict.fromkeys(weights, 0.0), weights)[1]
    table = summary.summarise(outcomes, sense, asked.level, asked.confidence, asked.seed)
    return Study(case, asked, planned, fresh, sense, prices, outcomes, table, value)
