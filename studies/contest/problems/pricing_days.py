"""Candidates of heuristics for prices that are posted before the day: what they achieve over days that may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike

from formulations import objectives
from formulations.objectives import OBJECTIVES
from formulations.scenarios.risk import Risk, conditional_value_at_risk
from instances import Instance, InstanceError, Scenarios, merged
from studies.contest.problems.pricing_genes import REPORTED, Candidates, FloatArray, PricingCandidates


class DaysCandidates:
    """`PricingCandidates` over days that may come: prices for all of them, users and network on each, exactly.

    Genes, and the prices that they become, are those of one day.  The objective is the expectation over days, or weighed by `risk`
    as in `charging_pricing`; the other quantities are expected, the worst voltage is that of any day.  The penalty is the
    expectation of the days' penalties, so that a candidate is without one only if it breaks no limit on any day.

    Raises what `PricingCandidates` raises, with the name of the day, and `InstanceError` for days that do not fit the case.
    """

    def __init__(
        self, case: Instance, scenarios: Scenarios, objective: str | Mapping[str, float], risk: Risk | None = None
    ) -> None:
        found = merged(case, scenarios)
        self.weights, self.risk = objectives.parse(objective), risk
        self.probability = np.array([scenario.probability for scenario, _ in found])
        self.days = [_candidates(scenario.name, day, self.weights) for scenario, day in found]
        self.genes = self.days[0].genes

    def __call__(self, genes: ArrayLike) -> FloatArray:
        """Fitness (n,) of genes (n, `genes`), to be minimised."""
        return self.evaluate(genes).fitness

    def evaluate(self, genes: ArrayLike) -> Candidates:
        """Evaluate genes (n, `genes`) in [0, 1]; raises what `PricingCandidates.evaluate` raises."""
        return self._over([day.evaluate(genes) for day in self.days])

    def at_prices(self, price: FloatArray) -> Candidates:
        """What prices (n, stations, periods) achieve, in currency/kWh; whether they keep their limits is not looked at."""
        return self._over([day.at_prices(price) for day in self.days])

    def _over(self, found: list[Candidates]) -> Candidates:
        """What the days' values come to; those of a single day stay as they are."""
        if len(found) == 1:
            return found[0]
        each = {name: np.array([getattr(day, name) for day in found]) for name in (f.name for f in fields(Candidates))}
        expected = {OBJECTIVES[name].column: self._mean(each[OBJECTIVES[name].column]) for name in REPORTED}
        sense = objectives.combine(dict.fromkeys(self.weights, 0.0), self.weights)[1]
        value, penalty = self._valued(each["objective"], sense), self._mean(each["penalty"])
        fitness = np.where(np.isinf(penalty), np.inf, sense * value + penalty)
        worst = each["worst_voltage_violation_pu"].max(axis=0)
        return Candidates(
            fitness=fitness, objective=value, penalty=penalty, worst_voltage_violation_pu=worst, **expected
        )

    def _mean(self, each: FloatArray) -> FloatArray:
        """Expected values (n,) of those of the days (days, n)."""
        return np.asarray(self.probability @ each)

    def _valued(self, each: FloatArray, sense: int) -> FloatArray:
        """The objective (n,) of that of the days (days, n); NaN where a day has none."""
        mean = self._mean(each)
        if self.risk is None or self.risk.weight == 0:
            return mean
        level, share = self.risk.level, self.risk.weight
        known = np.isfinite(mean)
        worst = np.full_like(mean, np.nan)
        worst[known] = [
            sense * conditional_value_at_risk(sense * costs, self.probability, level) for costs in each[:, known].T
        ]
        return np.asarray((1 - share) * mean + share * worst)


def _candidates(name: str, day: Instance, weights: Mapping[str, float]) -> PricingCandidates:
    try:
        return PricingCandidates(day, weights)
    except InstanceError as error:
        raise InstanceError(f"scenario {name}: {error}") from error
