"""The operator's own problem at given loads: its cost, losses and the nodal prices at every bus ([YZ] (1) to (12))."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

import bilevel
from bilevel.errors import BilevelError
from formulations import power_flow
from formulations.operator import cost
from formulations.operator import network as network_part
from instances import Instance, Network


@dataclass(frozen=True, eq=False)
class DispatchResult:
    """Answer of `Dispatch.at`, per period and over the horizon.

    - `dso_cost` == supply weight * supply cost + loss price * losses, `supply_cost` (currency), `loss_kwh`;
    - `nodal_price_per_kwh`: d(dso_cost)/d(load), shape (periods, buses) in the order of `Dispatch.buses`;
    - `supply_kw`: drawn at the substation, shape (periods,); `generator_kw`, shape (periods, generators);
    - `limits_broken`: network limits that had to give way, 0 where all hold; nodal prices then hold a scarcity price, and
      `worst_limit` names the worst.
    """

    dso_cost: float
    supply_cost: float
    loss_kwh: float
    nodal_price_per_kwh: np.ndarray
    supply_kw: np.ndarray
    generator_kw: np.ndarray
    limits_broken: int
    worst_limit: str


class Dispatch:
    """Optimal power flow of a case for one load after another; built once, tangents stay.

        dispatch = formulations.Dispatch(case)
        best = dispatch.at(instances.uncontrolled_load_kw(case))
        print(best.dso_cost, best.nodal_price_per_kwh[18, dispatch.buses.index("18")])

    `loss_price_per_kwh` is the market's by default, 0 without a market.  Raises `ModelError` where the relaxation is not exact, and
    for a nonconvex power flow, which has no duals; `BilevelError` for a weight or price that is no number of at least 0.
    """

    def __init__(
        self,
        case: Instance,
        flow: str = "distflow",
        loss_price_per_kwh: float | None = None,
        supply_weight: float = 1.0,
    ) -> None:
        self.case, self.network = case, Network.of(case.feeder)
        self.buses = self.network.buses
        market_price = 0.0 if case.market is None else case.market.loss_price_per_kwh
        self.loss_price_per_kwh = market_price if loss_price_per_kwh is None else loss_price_per_kwh
        power_flow.require_convex(flow, "nodal prices")
        self.model = self._model(power_flow.find(flow), supply_weight)
        self.problem = bilevel.LeaderProblem(self.model)

    @classmethod
    def of(cls, market: Any, case: Instance) -> "Dispatch":
        """That of a model of `aggregator_market`: its power flow and the weights of its cost."""
        return cls(case, market.power_flow, pyo.value(market.loss_price), pyo.value(market.supply_weight))

    def _model(self, flow_model: power_flow.FlowModel, supply_weight: float) -> Any:
        case, network = self.case, self.network
        model = pyo.ConcreteModel(name=case.name)
        model.per_unit = network.per_unit
        model.T = pyo.RangeSet(0, case.horizon.periods - 1)
        model.C = pyo.Set(initialize=[station.name for station in case.stations], ordered=True)
        # Loads are a follower's, whose cost says nothing: only their values are ever used
        model.drawn = bilevel.Follower()
        model.drawn.load = pyo.Var(model.C, model.T, bounds=(None, None))
        model.drawn.nothing = pyo.Objective(expr=0.0 * model.drawn.load[case.stations[0].name, 0])
        loads: dict[tuple[str, int], list[Any]] = {}
        for station in case.stations:
            for t in model.T:
                loads.setdefault((station.bus, t), []).append(model.drawn.load[station.name, t])
        network_part.add(model, case, network, flow_model, loads)
        cost.add(model, supply_weight, self.loss_price_per_kwh)
        model.objective = pyo.Objective(expr=model.dso_cost)
        return model

    def at(self, charging_kw: Any) -> DispatchResult:
        """The optimum where each station draws `charging_kw`, shape (stations, periods) in the order of the case, in kW.

        Raises `BilevelError` for another shape or a number that is not finite.
        """
        charging = np.asarray(charging_kw, dtype=float)
        shape = (len(self.case.stations), self.case.horizon.periods)
        if charging.shape != shape or not np.isfinite(charging).all():
            raise BilevelError(
                f"charging_kw has shape {charging.shape}: give finite numbers for {shape[0]} stations x {shape[1]} periods"
            )
        drawn = self.network.per_unit.power(charging)
        load = self.model.drawn.load
        names = [station.name for station in self.case.stations]
        given = ComponentMap((load[c, t], drawn[k, t]) for k, c in enumerate(names) for t in self.model.T)
        # At the substation a load stands in the cost alone, and without a weight of supply nowhere
        known = ComponentMap(pair for pair in given.items() if pair[0] in self.problem.column)
        best = self.problem.solve(known)
        for variable, value in (*given.items(), *best.values.items()):
            # Values that pass limits which gave way are told in the answer, and no reason for Pyomo to warn
            variable.set_value(value, skip_validation=True)
        return self._result(best)

    def _result(self, best: bilevel.LeaderOptimum) -> DispatchResult:
        model, kw = self.model, self.network.per_unit.kw
        supply = np.array([pyo.value(model.supply_power[t]) for t in model.T])
        generated = np.array([[pyo.value(model.active_power[g, t]) for g in model.G] for t in model.T])
        return DispatchResult(
            dso_cost=float(pyo.value(model.dso_cost)), supply_cost=float(pyo.value(model.supply_cost)),
            loss_kwh=float(pyo.value(model.network_loss)), nodal_price_per_kwh=self._nodal_prices(best),
            supply_kw=np.asarray(kw(supply)), generator_kw=np.asarray(kw(generated.reshape(len(model.T), -1))),
            limits_broken=best.limits_broken, worst_limit=best.worst_limit,
        )  # fmt: skip

    def _nodal_prices(self, best: bilevel.LeaderOptimum) -> np.ndarray:
        """Duals of the balances over the energy of 1 pu in a period; at the substation what supply and its limit cost there."""
        energy = self.network.per_unit.base_kva * self.case.horizon.period_hours
        prices = np.zeros((self.case.horizon.periods, len(self.buses)))
        prices[:, 0] = cost.substation_price_per_kwh(self.model, self.case)
        for t, row in self.model.supply_limit.items():
            # More load leaves the supply less: its limit's dual enters with the other sign
            prices[t, 0] -= best.dual(row) / energy
        for i, j in self.model.L:
            for t in self.model.T:
                prices[t, self.network.index[j]] = best.dual(self.model.active_balance[i, j, t]) / energy
        return prices
