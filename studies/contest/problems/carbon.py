"""Carbon-aware dispatch, exact and by heuristics: the variance of the main grid's power ([X23], docs/model.md sections 5, 7, 8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bilevel.errors import BilevelError
from bilevel.reformulate.ties import OPTIMISTIC, PLAIN, Ties
from bilevel.solution import VALID
from formulations.carbon.system import CarbonSystem
from instances import Instance
from studies.carbon import solve as carbon_solve
from studies.contest.problems.base import ExactAnswer, FloatArray, Quantity, feasible
from studies.contest.problems.carbon_genes import CarbonCandidates

COLUMNS = ("electricity_cost", "carbon_cost", "bill", "loss_kwh")
"""Quantities that candidates and the exact result call by the same name."""


@dataclass(frozen=True)
class CarbonProblem:
    """See `studies.contest.problems.base.Problem`; `scale_kw2` and `baseline_bill` are the variance and the users' bill of the day
    without optimisation."""

    case: Instance
    scale_kw2: float
    baseline_bill: float

    name = "carbon"
    solver = "scip"
    ties = PLAIN
    gap = 1e-3
    objective = "variance of supply"
    unit = "kW²"
    sense = 1
    scale_words = "the variance without optimisation"
    note = (
        "Of all dispatches of the least variance the exact answer is the one that is cheapest for users, who choose as suits the "
        "leader where they are indifferent (optimistic); heuristics look at the variance alone, and their users take equal "
        "prices by a fixed rule (lowest load first) and have to settle."
    )

    @staticmethod
    def of(case: Instance, objective: str | None, ties: Ties = PLAIN) -> "CarbonProblem":
        """The problem of a case with carbon rules; raises `BilevelError` for another case, an objective, and other ties."""
        if objective is not None:
            raise BilevelError(
                f"problem 'carbon' has one objective, the variance of supply, and {objective!r} is given: leave --objective out"
            )
        if ties.name != OPTIMISTIC:
            raise BilevelError(
                f"problem 'carbon' has optimistic answers only, and ties {ties.name!r} are asked for: leave --ties out"
            )
        baseline = CarbonSystem(case).baseline()
        return CarbonProblem(case, float(baseline.state.variance_kw2), float(baseline.costs.bill))

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Fitness as [X23] gives it, what users pay, and losses."""
        money = self.case.currency
        return (
            Quantity("fitness", "fitness", "of baseline", None), Quantity("electricity_cost", "electricity", money, 2),
            Quantity("carbon_cost", "carbon", money, 4), Quantity("bill", "bill", money, 2),
            Quantity("bill_saved_percent", "bill saved", "% of baseline", 2),
            Quantity("loss_kwh", "network loss", "kWh", 2),
        )  # fmt: skip

    def candidates(self) -> CarbonCandidates:
        """Outputs by generator and period as genes."""
        return CarbonCandidates(self.case)

    def achieved(self, found: Any) -> FloatArray:
        """The variance (n,) in kW^2."""
        return found.variance_kw2  # type: ignore[no-any-return]

    def details(self, found: Any) -> Mapping[str, float]:
        """The quantities of one candidate."""
        shared = {name: float(getattr(found, name)[0]) for name in COLUMNS}
        baseline = self.scale_kw2 if self.scale_kw2 > 0 else math.nan
        return {"fitness": float(found.variance_kw2[0]) / baseline, **shared, **self._saved(shared["bill"])}

    def exact(self, gap: float, time_limit: float | None, progress: bool) -> ExactAnswer:
        """`carbon_run.exact`."""
        found = carbon_solve.exact(self.case, gap=gap, time_limit=time_limit, progress=progress)
        seconds = sum(found.seconds.values())
        answer = ExactAnswer(math.nan, found.variance_bound_kw2, found.status, found.reason, seconds, {})
        if found.status not in VALID:
            return answer
        shared = {name: float(getattr(found, name)) for name in COLUMNS}
        details = {"fitness": found.fitness, **shared, **self._saved(found.bill)}
        return replace(answer, objective=found.variance_kw2, details=details, by_rule=self._by_rule(found.output_kw))

    def _saved(self, bill: float) -> dict[str, float]:
        """By how much the bill falls against the day without optimisation."""
        return {"bill_saved_percent": 100 * (1 - bill / self.baseline_bill) if self.baseline_bill else math.nan}

    def _by_rule(self, output_kw: FloatArray) -> float:
        """The variance at these outputs (T, G) where users settle and break ties as for the candidates."""
        candidates = self.candidates()
        low, high = candidates.system.output_min_kw, candidates.system.output_max_kw
        share = (output_kw - low) / np.where(high > low, high - low, 1.0)
        found = candidates.evaluate(np.clip(share, 0.0, 1.0).T.reshape(1, -1))
        return float(found.variance_kw2[0]) if feasible(found)[0] else math.nan

    def scale(self, _reference: float) -> float:
        """The variance without optimisation; the exact one may be 0."""
        return self.scale_kw2
