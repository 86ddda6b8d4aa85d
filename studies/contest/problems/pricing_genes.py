"""Candidates of heuristics for the pricing problem, a whole population at once (docs/model.md sections 3, 5 and 8).

A candidate is a row of genes in [0, 1], one for each station and period.  It becomes prices; the EV users answer with a schedule
that costs them least, exactly; an AC power flow gives losses and voltages; broken limits are penalised.  No model is built and no
solver runs, so that thousands of candidates a second are evaluated, with the same objectives as `charging_pricing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bilevel import tolerances
from bilevel.errors import BilevelError
from formulations import objectives
from formulations.followers.cheapest import CheapestPeriods
from formulations.objectives import OBJECTIVES
from formulations.objectives.objective import Achieved, Days, Size
from formulations.operator import sweeps
from instances import Instance, Network, ac_power_flow, base_load_kvar, base_load_kw

FloatArray = NDArray[np.float64]

REPORTED = ("loss", "profit", "bill", "cost")
"""Objectives that every candidate is valued by, whatever the leader wants."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """What n candidates achieve over the horizon, each field (n,).

    `fitness` is minimised: `objective` with the sign of its sense, plus `penalty`.  `objective` is the leader's as
    `charging_pricing` has it, in its own sense and unit; `network_loss_kwh`, `station_profit`, `ev_bill` and `supply_cost`
    (currency) are its terms; `worst_voltage_violation_pu` is how far the worst voltage is outside its limits, 0 where none is.
    A candidate whose power flow does not converge has fitness and penalty infinity, and NaN where the flow would tell.
    """

    fitness: FloatArray
    objective: FloatArray
    penalty: FloatArray
    network_loss_kwh: FloatArray
    station_profit: FloatArray
    ev_bill: FloatArray
    supply_cost: FloatArray
    worst_voltage_violation_pu: FloatArray


class PricingCandidates:
    """The pricing problem of a case as a function of genes, for `bilevel.heuristics.minimize` and any other search.

        candidates = studies.contest.problems.pricing_genes.PricingCandidates(instances.load("ieee33"), "profit")
        found = candidates.evaluate(numpy.random.default_rng(1).random((30, candidates.genes)))

    `genes` is their number, stations times periods; gene c * periods + t sets the price of station c in period t.  Calling it
    gives the fitness alone.

    - **Prices** run from `price_min` at gene 0 to `price_max` at gene 1.  Where a station's mean exceeds its cap, what its prices
      exceed `price_min` by is scaled down so that the mean meets the cap: few random candidates would meet it otherwise.
    - **EV users** buy in their cheapest periods.  Periods of one price are taken in the order of the feeder's base load, lowest
      first, then in time: in the leader's favour, though not always what it likes best.  The model of `charging_pricing` with
      free prices and EV users admits every candidate without penalty.
    - **Penalty**: rho C sum(v_min - V)+ / v_min + (V - v_max)+ / v_max + (I / I_max - 1)+ + (S / S_max - 1)+ over buses, branches
      (at the sending end) and periods, and what the supply exceeds its limits by in pu, (.)+ the positive part, rho =
      `tolerances.SCARCITY_RATE`.  C is the objective's size, its weights times the largest prices times the energies that they are
      paid for; for losses a share of all energy (`size` of the objectives).

    `objective` is what `charging_pricing` takes.  Raises `BilevelError` for another, for one without values for candidates, and
    for a case with generators, which no gene dispatches; `InstanceError` naming the period where the base load alone has no power
    flow.
    """

    def __init__(self, case: Instance, objective: str | Mapping[str, float] = "loss") -> None:
        self.case, self.weights = case, objectives.parse(objective)
        self._valued = _valued(self.weights)
        if case.generators:
            raise BilevelError(
                f"case {case.name!r} has the generator {case.generators[0].name!r}, which candidates cannot dispatch: use "
                "bilevel.solve, or a case without generators"
            )
        self.network = Network.of(case.feeder)
        self.genes = len(case.stations) * case.horizon.periods
        self._base_kw = base_load_kw(case, self.network)
        self._base_kvar = base_load_kvar(case, self.network)
        ac_power_flow(self.network, self._base_kw, self._base_kvar)
        self._users = CheapestPeriods(case, self._base_kw.sum(axis=1))
        self._penalty_rate = tolerances.SCARCITY_RATE * (self._size() or 1.0)

    def __call__(self, genes: ArrayLike) -> FloatArray:
        """Fitness (n,) of genes (n, `genes`), to be minimised."""
        return self.evaluate(genes).fitness

    def evaluate(self, genes: ArrayLike) -> Candidates:
        """Evaluate genes (n, `genes`) in [0, 1]; raises `BilevelError` naming the gene of another value, and for another shape."""
        return self.at_prices(self._prices(checked_genes(genes, ("candidates", self.genes), "station")))

    def at_prices(self, price: FloatArray) -> Candidates:
        """What prices (n, stations, periods) achieve, in currency/kWh; whether they keep their limits is not looked at."""
        charging_kw = self._users.charging_kw(price)
        loss_kw, supply_kw, broken, worst = self._replay(charging_kw)
        days = Days(self.case, price, charging_kw, loss_kw, supply_kw)
        terms = {name: achieved(days) for name, (achieved, _) in self._valued.items()}
        value, direction = objectives.combine(terms, self.weights)
        penalty = self._penalty_rate * broken
        fitness = np.where(np.isinf(penalty), np.inf, direction * value + penalty)
        return Candidates(
            fitness=fitness, objective=value, penalty=penalty, worst_voltage_violation_pu=worst,
            **{OBJECTIVES[name].column: terms[name] for name in REPORTED},
        )  # fmt: skip

    def prices(self, genes: ArrayLike) -> FloatArray:
        """Prices of one candidate, genes (`genes`,), in currency/kWh: (stations, periods) in the order of the case."""
        return np.asarray(self._prices(checked_genes(genes, (self.genes,), "station")[np.newaxis])[0])

    def schedule(self, genes: ArrayLike) -> FloatArray:
        """Charging power of all vehicles of each session in kW, for one candidate: (sessions, periods) in the order of the case."""
        return self._users.schedule(self._prices(checked_genes(genes, (self.genes,), "station")[np.newaxis])[0])

    def _size(self) -> float:
        """How large the objective may be."""
        return sum(weight * self._valued[name][1](self.case) for name, weight in self.weights.items())

    def _prices(self, genes: FloatArray) -> FloatArray:
        """Prices (n, stations, periods) of genes (n, g), means within their cap."""
        limits = self.case.price_limits
        low, high = limits.price_min_per_kwh, limits.price_max_per_kwh
        above = (high - low) * genes.reshape(-1, len(self.case.stations), self.case.horizon.periods)
        mean, room = above.mean(axis=2, keepdims=True), limits.price_mean_max_per_kwh - low
        share = np.divide(room, mean, out=np.ones_like(mean), where=mean > room)
        return np.asarray(np.minimum(low + share * above, high))

    def _replay(self, charging_kw: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Losses and supply in kW (n, periods), summed relative violations (n,) and the worst of voltages in pu (n,)."""
        count, _, periods = charging_kw.shape
        load_kw = np.repeat(self._base_kw[np.newaxis], count, axis=0)
        for station, bus in enumerate(self.case.station_bus.values()):
            load_kw[:, :, self.network.index[bus]] += charging_kw[:, station]
        loss, supply = np.full((2, count, periods), np.nan)
        broken, worst = np.full(count, np.inf), np.full(count, np.nan)
        for rows, flow in sweeps.isolated(self.network, load_kw, self._base_kvar):
            by_period, voltages = sweeps.violations(self.network, flow)
            loss[rows], supply[rows] = flow.loss_kw, self.network.per_unit.kw(flow.supply_pu.real)
            broken[rows], worst[rows] = by_period.sum(axis=1), voltages.max(axis=1)
        return loss, supply, broken, worst


def checked_genes(genes: ArrayLike, shape: tuple[str | int, ...], owner: str) -> FloatArray:
    """Genes as an array in `shape`, where a word stands for any number; one gene is for each `owner` and period.

    Raises `BilevelError` for another shape, and naming the gene that is not in [0, 1].
    """
    given = np.asarray(genes, dtype=np.float64)
    if given.ndim != len(shape) or given.shape[-1] != shape[-1]:
        wanted = f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
        raise BilevelError(f"genes have shape {given.shape}: give {wanted}, one gene per {owner} and period")
    # `not in [0, 1]` holds for NaN too
    bad = np.argwhere(~((given >= 0) & (given <= 1)))
    if bad.size:
        where = tuple(map(int, bad[0]))
        raise BilevelError(f"gene {list(where)} is {given[where]}: give numbers from 0 to 1")
    return given


def _valued(weights: Mapping[str, float]) -> dict[str, tuple[Achieved, Size]]:
    """What values candidates and what tells sizes, of `REPORTED` and the leader's objectives by name; refuses those without."""
    found: dict[str, tuple[Achieved, Size]] = {}
    for name in dict.fromkeys([*REPORTED, *weights]):
        achieved, size = OBJECTIVES[name].achieved, OBJECTIVES[name].size
        if achieved is None or size is None:
            raise BilevelError(
                f"objective {name!r} has no values for the candidates of heuristics: use bilevel.solve, or give the objective "
                "achieved and size"
            )
        found[name] = achieved, size
    return found
