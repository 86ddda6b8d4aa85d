"""Candidates of heuristics for carbon-aware dispatch, a whole population at once ([X23], docs/model.md sections 5, 7 and 8).

A candidate is a row of genes in [0, 1], one for each generator and period.  It becomes outputs; factors and charging are exchanged
until they settle, as [X23] does; the fitness is the variance of the substation's power, and broken limits are penalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bilevel import tolerances
from bilevel.errors import BilevelError
from formulations.carbon.system import CarbonSystem
from instances import Instance
from studies.contest.problems.pricing_genes import checked_genes

FloatArray = NDArray[np.float64]

UNSETTLED = 1.0
"""A candidate whose charging does not settle pays as for one limit broken by this share of its scale."""


@dataclass(frozen=True, eq=False)
class DispatchCandidates:
    """What n candidates achieve over the horizon, each field (n,).

    `fitness` == `variance_kw2` + `penalty` is minimised; `variance_kw2` is [X23] (6); `bill` == `electricity_cost` + `carbon_cost`
    is what users pay, in currency; `loss_kwh` and `worst_voltage_violation_pu` are the network's; `settled` says whether the
    charging is the users' response to its own factors: where it is not, the other fields belong to the last charging of the
    exchange.  A candidate without power flow has fitness and penalty infinity, and NaN else.
    """

    fitness: FloatArray
    variance_kw2: FloatArray
    penalty: FloatArray
    bill: FloatArray
    electricity_cost: FloatArray
    carbon_cost: FloatArray
    loss_kwh: FloatArray
    worst_voltage_violation_pu: FloatArray
    settled: NDArray[np.bool_]


class CarbonCandidates:
    """The dispatch of a case with carbon rules as a function of genes, for `bilevel.heuristics.minimize` and any other search.

        candidates = CarbonCandidates(instances.load("ieee33_carbon"))
        found = bilevel.heuristics.minimize(candidates, candidates.genes, "gmo")
        day = candidates.system.settle(candidates.outputs(found.best_genes))

    `genes` is their number, generators times periods; gene g * periods + t sets the output of generator g in period t, its least
    at 0 and its largest at 1 (`CarbonSystem`, which says what reactive power goes with it).  Calling it gives the fitness alone.

    - **Charging**: `CarbonSystem.settle`.
    - **Penalty**: rho C times the sum of relative violations: of voltages, currents and powers as in `PricingCandidates`, of ramps
      (|p_t - p_(t-1)| - R)+ / p_max, and `UNSETTLED`.  rho = `tolerances.SCARCITY_RATE`; C is the variance of the day without
      optimisation (`CarbonSystem.baseline`), in kW^2.

    Raises `BilevelError` for a case without carbon rules or without generators, for what `CarbonSystem` refuses, and where the
    day without optimisation has no power flow.
    """

    def __init__(self, case: Instance) -> None:
        self.case, self.system = case, CarbonSystem(case)
        if not case.generators:
            raise BilevelError(
                f"case {case.name!r} has no generator, so that nothing is dispatched: give it generators.csv"
            )
        self.genes = len(case.generators) * case.horizon.periods
        baseline = self.system.baseline().state
        if not baseline.converged:
            raise BilevelError(
                f"case {case.name!r} has no power flow on the day without optimisation, which gives penalties their size: reduce "
                "its loads or outputs"
            )
        self._penalty_rate = tolerances.SCARCITY_RATE * (float(baseline.variance_kw2) or 1.0)
        self._ramp_kw = np.array([generator.ramp_max_kw for generator in case.generators])

    def __call__(self, genes: ArrayLike) -> FloatArray:
        """Fitness (n,) of genes (n, `genes`), to be minimised."""
        return self.evaluate(genes).fitness

    def evaluate(self, genes: ArrayLike) -> DispatchCandidates:
        """Evaluate genes (n, `genes`) in [0, 1]; raises `BilevelError` naming the gene of another value, and for another shape."""
        output = self._outputs(checked_genes(genes, ("candidates", self.genes), "generator"))
        day = self.system.settle(output)
        broken = day.state.limit_violation + self._ramps(output) + np.where(day.settled, 0.0, UNSETTLED)
        penalty = np.where(day.state.converged, self._penalty_rate * broken, np.inf)
        variance = day.state.variance_kw2
        return DispatchCandidates(
            fitness=np.where(day.state.converged, variance + penalty, np.inf), variance_kw2=variance, penalty=penalty,
            bill=day.costs.bill, electricity_cost=day.costs.electricity_cost, carbon_cost=day.costs.carbon_cost,
            loss_kwh=day.state.loss_kwh, worst_voltage_violation_pu=day.state.worst_voltage_violation_pu, settled=day.settled,
        )  # fmt: skip

    def outputs(self, genes: ArrayLike) -> FloatArray:
        """Outputs of one candidate, genes (`genes`,), in kW: (periods, generators) in the order of the case."""
        return np.asarray(self._outputs(checked_genes(genes, (self.genes,), "generator")[np.newaxis])[0])

    def _outputs(self, genes: FloatArray) -> FloatArray:
        """Outputs (n, periods, generators) of genes (n, g)."""
        low, high = self.system.output_min_kw, self.system.output_max_kw
        share = genes.reshape(-1, len(low), self.case.horizon.periods).swapaxes(1, 2)
        return np.asarray(low + (high - low) * share)

    def _ramps(self, output: FloatArray) -> FloatArray:
        """Sum of relative violations of ramps (n,)."""
        over = np.maximum(np.abs(np.diff(output, axis=1)) - self._ramp_kw, 0.0)
        largest = self.system.output_max_kw
        return np.asarray((over / np.where(largest > 0, largest, 1.0)).sum(axis=(1, 2)))
