"""Charging prices, exact and by heuristics: free prices and users at the least bill, in both (docs/model.md sections 3, 5, 8)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

import bilevel
from bilevel.reformulate.ties import OPTIMISTIC, PESSIMISTIC, PLAIN, SECURE, Ties
from bilevel.solution import VALID
from bilevel.status import Status
from formulations import charging_pricing, objectives
from formulations.objectives import OBJECTIVES
from formulations.scenarios.uncertain import Asked
from instances import Instance, Scenarios
from studies import tolerances
from studies.contest.problems.base import ExactAnswer, FloatArray, Quantity, feasible
from studies.contest.problems.pricing_days import DaysCandidates
from studies.contest.problems.pricing_genes import REPORTED, PricingCandidates

_RULE = "by a fixed rule in the heuristics (lowest base load first)"
_NOTES = {
    OPTIMISTIC: f"Users who are indifferent choose in the leader's favour in the exact answer (optimistic), and {_RULE}",
    SECURE: f"The exact answer is the best at which no user is indifferent, by {{margin}} (secure); users who are choose {_RULE}",
    PESSIMISTIC: f"Users who are indifferent do in the exact answer what the leader likes least (pessimistic), and choose {_RULE}",
}
"""Ties in the exact answer and in runs, by convention."""
_AHEAD = "So a run may be better than the exact answer, and a gap below 0; what no run may be better than is the optimistic bound."

COLUMNS = {OBJECTIVES[name].column: OBJECTIVES[name].expression for name in REPORTED}
"""Column of a quantity: the model's expression."""


@dataclass(frozen=True)
class PricingProblem:
    """See `studies.contest.problems.base.Problem`; `weights` are those of `objectives.parse`, `ties` of the exact answer.

    `scenarios` are days that may come, for all of which the prices are, and `risk` is that of `charging_pricing`.
    """

    case: Instance
    weights: Mapping[str, float]
    ties: Ties = PLAIN
    scenarios: Scenarios | None = None
    risk: str | None = None

    name = "pricing"
    solver = "highs"
    gap = 1e-4
    scale_words = "the exact objective"

    @staticmethod
    def of(case: Instance, objective: str | None, ties: Ties = PLAIN) -> "PricingProblem":
        """The problem with an objective of `charging_pricing`, loss where None is given."""
        return PricingProblem(case, objectives.parse("loss" if objective is None else objective), ties)

    @property
    def note(self) -> str:
        """What ties are in the exact answer and in runs, and what follows for gaps; what is expected over days."""
        if self.scenarios is None:
            return self._ties_note()
        weighed = "" if self.risk is None else f", the objective weighed by {self.risk}"
        return f"Values are expected over {len(self.scenarios.scenarios)} days{weighed}. {self._ties_note()}"

    def _ties_note(self) -> str:
        if self.ties.name == OPTIMISTIC:
            return f"{_NOTES[OPTIMISTIC]}, so that its optimum may lie beyond their reach."
        margin, money = self.ties.margin, self.case.currency
        kept = "the default margin" if margin is None else f"a margin of {margin:g} {money}/kWh"
        return f"{_NOTES[self.ties.name].format(margin=kept)}. {_AHEAD}"

    @property
    def sense(self) -> int:
        """1 if the objective is minimised, -1 if maximised."""
        return objectives.combine(dict.fromkeys(self.weights, 0.0), self.weights)[1]

    @property
    def objective(self) -> str:
        """The objective in words."""
        if len(self.weights) == 1:
            ((name, weight),) = self.weights.items()
            return _times(weight) + OBJECTIVES[name].words
        terms = [
            f"{'-' if OBJECTIVES[name].sense < 0 else '+'} {_times(weight)}{name}"
            for name, weight in self.weights.items()
        ]
        return " ".join(terms).removeprefix("+ ")

    @property
    def unit(self) -> str:
        """That of the objective; several where they are added up."""
        units = dict.fromkeys(OBJECTIVES[name].unit or self.case.currency for name in self.weights)
        return ", ".join(units)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Loss, profit, bills and cost of supply over the horizon."""
        money = self.case.currency
        return (
            Quantity("network_loss_kwh", "network loss", "kWh", 2), Quantity("station_profit", "station profit", money, 2),
            Quantity("ev_bill", "EV bills", money, 2), Quantity("supply_cost", "cost of supply", money, 2),
        )  # fmt: skip

    def candidates(self) -> PricingCandidates | DaysCandidates:
        """Prices by station and period as genes."""
        if self.scenarios is None:
            return PricingCandidates(self.case, self.weights)
        return DaysCandidates(self.case, self.scenarios, self.weights, Asked.of(self.scenarios, self.risk).risk)

    def _model(self) -> Any:
        return charging_pricing(self.case, self.weights, scenarios=self.scenarios, risk=self.risk)

    def achieved(self, found: Any) -> FloatArray:
        """The leader's objective (n,)."""
        return found.objective  # type: ignore[no-any-return]

    def details(self, found: Any) -> Mapping[str, float]:
        """The quantities of one candidate."""
        return {column: float(getattr(found, column)[0]) for column in COLUMNS}

    def exact(self, gap: float, time_limit: float | None, progress: bool) -> ExactAnswer:
        """`bilevel.solve` of `charging_pricing`, and again for the optimistic bound where `ties` are others."""
        model = self._model()
        found = bilevel.solve(
            model,
            self.solver,
            gap=gap,
            time_limit=time_limit,
            progress=progress,
            ties=self.ties.name,
            margin=self.ties.margin,
        )
        answer = ExactAnswer(math.nan, found.bound, found.status, found.reason, sum(found.seconds.values()), {})
        if self.ties.name != OPTIMISTIC:
            answer = self._beside_optimistic(answer, gap, time_limit, progress)
        if found.status not in VALID:
            return answer
        details = {column: float(pyo.value(getattr(model, name))) for column, name in COLUMNS.items()}
        return replace(answer, objective=found.objective, details=details, by_rule=self._by_rule(model))

    def _beside_optimistic(
        self, answer: ExactAnswer, gap: float, time_limit: float | None, progress: bool
    ) -> ExactAnswer:
        """The answer with the optimistic bound; after a Ctrl-C there is no search, and one in it is told as the answer's own."""
        if answer.interrupted:
            return replace(answer, optimistic_status=Status.UNKNOWN)
        model = self._model()
        best = bilevel.solve(model, self.solver, gap=gap, time_limit=time_limit, progress=progress)
        found = replace(
            answer, seconds=answer.seconds + sum(best.seconds.values()), optimistic_bound=best.bound,
            optimistic_status=best.status,
        )  # fmt: skip
        stopped = "Ctrl-C" in best.reason
        return replace(found, reason=f"{answer.reason}; optimistic bound: {best.reason}") if stopped else found

    def _by_rule(self, model: Any) -> float:
        """The objective at the model's prices where users break ties by the rule of the candidates."""
        limits = self.case.price_limits
        prices = [pyo.value(model.price[station.name, t]) for station in self.case.stations for t in model.T]
        span = limits.price_max_per_kwh - limits.price_min_per_kwh
        shares = (np.array(prices) - limits.price_min_per_kwh) / (span or 1.0)
        tick = tolerances.PRICE_TICK
        found = self.candidates().evaluate(np.clip(np.round(shares / tick) * tick, 0.0, 1.0)[np.newaxis])
        return float(found.objective[0]) if feasible(found)[0] else math.nan

    def scale(self, reference: float) -> float:
        """The exact objective's size."""
        return abs(reference)


def _times(weight: float) -> str:
    return "" if weight == 1 else f"{weight:g} "
