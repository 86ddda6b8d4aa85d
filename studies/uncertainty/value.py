"""What it is worth to reckon with days that may come, and what it would be worth to know the day: with proven bounds.

With f minimised (docs/model.md section 14):

- the stochastic optimum RP: one set of prices for all scenarios;
- wait and see WS: the mean of the optima of each scenario alone, at prices of its own;
- EEV: the mean at the prices that are best for the expected day, the mean of the scenarios taken as one day.

WS <= RP <= EEV.  EVPI = RP - WS is the expected value of perfect information, VSS = EEV - RP the value of the stochastic solution
(Birge and Louveaux, Introduction to Stochastic Programming, chapter 4).  Each of the three is known between its bound and its
value, so that the differences are known within an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyomo.environ as pyo

import bilevel
from bilevel.solution import VALID
from bilevel.status import Status
from formulations import charging_pricing
from instances import Instance, Scenarios, expected_day, merged

Say = Callable[[str, str, float], None]
"""Told name, status and seconds of each solve."""


@dataclass(frozen=True)
class Range:
    """A number that is known to lie between `low` and `high`; infinite where nothing is known."""

    low: float
    high: float

    def __sub__(self, other: Range) -> Range:
        """The range of the difference."""
        low, high = self.low - other.high, self.high - other.low
        # Infinity less infinity says nothing
        return Range(-math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high)

    def at_least(self, least: float) -> Range:
        """The range with what is known besides."""
        return Range(max(self.low, least), max(self.high, least))


@dataclass(frozen=True)
class ValueOfPlanning:
    """Answer of `value_of_planning`, in the unit of the objective.

    `stochastic`, `wait_and_see` and `expected_day` are ranges of the objective in its own `sense` (-1 where it is maximised);
    `information` (EVPI) and `planning` (VSS) are at least 0 in either sense.  `statuses` say how each solve ended, `seconds` what
    it took; `prices` are those of the stochastic optimum and of the expected day, (stations, periods) in currency/kWh, None where
    none were found.
    """

    sense: int
    stochastic: Range
    wait_and_see: Range
    expected_day: Range
    information: Range
    planning: Range
    statuses: Mapping[str, str]
    seconds: Mapping[str, float]
    prices: Mapping[str, list[list[float]] | None]

    def to_frame(self) -> pd.DataFrame:
        """One row a quantity: quantity, low, high."""
        named = {
            "stochastic optimum": self.stochastic, "wait and see": self.wait_and_see,
            "prices of the expected day": self.expected_day,
            "expected value of perfect information": self.information, "value of the stochastic solution": self.planning,
        }  # fmt: skip
        return pd.DataFrame(
            [(name, found.low, found.high) for name, found in named.items()], columns=["quantity", "low", "high"]
        )


def value_of_planning(
    case: Instance,
    scenarios: Scenarios,
    objective: str | Mapping[str, float] = "profit",
    gap: float = 1e-3,
    time_limit: float = 120.0,
    say: Say | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> ValueOfPlanning:
    """Solve the pricing problem with all scenarios, with each alone, and at the prices of the expected day.

    `gap` (relative) and `time_limit` (seconds) are of each solve; `say` is called with name, status and seconds of each; `options`
    are those of `formulations.charging_pricing`.  Ties are broken in the leader's favour everywhere.  A solve that ends early
    leaves its range wide, never wrong; Ctrl-C ends the solve that runs and each that follows.  With an `executor` (processes, or
    dask by `Client.get_executor(pure=False)`) the scenarios alone are solved side by side, with the same answers.  Raises what
    `charging_pricing` and `bilevel.solve` raise.
    """
    solves = Solves(gap, time_limit, say)
    whole = charging_pricing(case, objective, scenarios=scenarios, **options)
    stochastic = solves.run("stochastic optimum", whole)
    sense = 1 if whole.objective.is_minimizing() else -1
    prices: dict[str, list[list[float]] | None] = {"stochastic": prices_of(whole)}
    low = high = 0.0
    days = merged(case, scenarios)
    tasks = [(day, objective, gap, time_limit, options) for _, day in days]
    answers = map(_alone, tasks) if executor is None else executor.map(_alone, tasks)
    for (scenario, _), (alone, status, seconds) in zip(days, answers, strict=True):
        solves.note(f"scenario {scenario.name}", status, seconds)
        low, high = low + scenario.probability * alone.low, high + scenario.probability * alone.high
    wait = Range(low, high)
    mean = charging_pricing(expected_day(case, scenarios), objective, **options)
    solves.run("expected day", mean)
    held = Range(-math.inf, math.inf)
    prices["expected day"] = prices_of(mean)
    if prices["expected day"] is not None:
        fixed = charging_pricing(case, objective, scenarios=scenarios, **options)
        for at, price in fixed.price.items():
            price.fix(mean.price[at].value)
        held = solves.run("prices of the expected day", fixed)
    # What is minimised: the ranges of the objective with its sign
    return ValueOfPlanning(
        sense, _own(stochastic, sense), _own(wait, sense), _own(held, sense), (stochastic - wait).at_least(0.0),
        (held - stochastic).at_least(0.0), solves.statuses, solves.seconds, prices,
    )  # fmt: skip


class Solves:
    """Solves one model after the other, and keeps how each ended: `statuses` and `seconds` by name."""

    def __init__(self, gap: float, time_limit: float, say: Say | None) -> None:
        self.gap, self.time_limit, self.say = gap, time_limit, say
        self.statuses: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def note(self, name: str, status: str, seconds: float) -> None:
        """Keep and tell how a solve ended."""
        self.statuses[name], self.seconds[name] = status, seconds
        if self.say is not None:
            self.say(name, status, seconds)

    def run(self, name: str, model: Any) -> Range:
        """The range of the minimised objective of a model, which keeps the point found."""
        found = bilevel.solve(model, gap=self.gap, time_limit=self.time_limit, progress=False)
        self.note(name, str(found.status), sum(found.seconds.values()))
        if found.status == Status.INFEASIBLE:
            return Range(math.inf, math.inf)
        sense = 1 if model.objective.is_minimizing() else -1
        value = sense * found.objective if found.status in VALID else math.inf
        # What a user's limit of multipliers promises is not proven
        proven = math.isfinite(found.bound) and found.status != Status.CONDITIONAL
        bound = sense * found.bound if proven else -math.inf
        return Range(bound, value)


Task = tuple[Instance, "str | Mapping[str, float]", float, float, Mapping[str, Any]]
"""A day to solve alone: case, objective, gap, time limit in seconds, options of `charging_pricing`."""


def _alone(task: Task) -> tuple[Range, str, float]:
    """The range of a day's minimised objective, how its solve ended and the seconds that it took; for another process, too."""
    day, objective, gap, time_limit, options = task
    solves = Solves(gap, time_limit, None)
    found = solves.run("alone", charging_pricing(day, objective, **options))
    return found, solves.statuses["alone"], solves.seconds["alone"]


def prices_of(model: Any) -> list[list[float]] | None:
    """The prices of a model, (stations, periods) in currency/kWh; None where it has no answer."""
    if any(price.value is None for price in model.price.values()):
        return None
    return [[float(pyo.value(model.price[c, t])) for t in model.T] for c in model.C]


def _own(found: Range, sense: int) -> Range:
    """A range of what is minimised as one of the objective."""
    return found if sense > 0 else Range(-found.high, -found.low)
