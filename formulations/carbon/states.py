"""What a `CarbonSystem` answers with: physical states, users' responses and costs, and the exchange between them ([X23])."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CarbonState:
    """The feeder at given outputs and charging; T periods, n buses, S stations, ``...`` the cases side by side.

    - ``supply_kw`` (..., T): what the main grid feeds in at the substation, negative where the feeder exports;
    - ``variance_kw2`` (...): population variance over the periods of ``supply_kw``, the leader's objective ([X23] (6));
    - ``loss_kwh`` (...): losses over the horizon;
    - ``factor_kg_per_kwh`` (..., T, n): emission factors in the order of ``network.buses``, NaN where a bus has no throughput;
    - ``station_factor`` (..., T, S): those of the stations' buses, kg/kWh; without throughput that of the next bus upstream that
      has some, at last the main grid's, which is what the first kWh charged there would carry;
    - ``charging_emission_kg`` (...): emissions of charging over the horizon;
    - ``lowest_voltage_pu``, ``highest_voltage_pu`` and ``worst_voltage_violation_pu`` (...), 0 where no limit is broken;
    - ``limit_violation`` (...): sum of relative violations over buses, branches and periods, as `sweeps.violations` has it;
    - ``converged`` (...): False where some period has no power flow; there sums are NaN, and in that period everything is.
    """

    supply_kw: FloatArray
    variance_kw2: FloatArray
    loss_kwh: FloatArray
    factor_kg_per_kwh: FloatArray
    station_factor: FloatArray
    charging_emission_kg: FloatArray
    lowest_voltage_pu: FloatArray
    highest_voltage_pu: FloatArray
    worst_voltage_violation_pu: FloatArray
    limit_violation: FloatArray
    converged: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Costs:
    """What charging costs over the horizon, in currency ([X23] (8), (9), (11)), by station (..., S); ``...`` are the cases."""

    station_electricity_cost: FloatArray
    station_carbon_cost: FloatArray

    @property
    def station_bill(self) -> FloatArray:
        """Electricity and carbon, (..., S)."""
        return self.station_electricity_cost + self.station_carbon_cost

    @property
    def electricity_cost(self) -> FloatArray:
        """Of all stations, (...)."""
        return np.asarray(self.station_electricity_cost.sum(axis=-1))

    @property
    def carbon_cost(self) -> FloatArray:
        """Of all stations, (...)."""
        return np.asarray(self.station_carbon_cost.sum(axis=-1))

    @property
    def bill(self) -> FloatArray:
        """Electricity and carbon of all stations, (...)."""
        return self.electricity_cost + self.carbon_cost


@dataclass(frozen=True, eq=False)
class Response:
    """The users' least-cost charging at given factors: ``charging_kw`` (..., T, S) from the grid, and its ``costs``."""

    charging_kw: FloatArray
    costs: Costs


@dataclass(frozen=True, eq=False)
class Settled:
    """Where the exchange of factors and charging ended at given outputs; ``...`` are the cases.

    - ``charging_kw`` (..., T, S), and ``state`` and ``costs`` at this charging and its factors;
    - ``period`` (...): 1 where the users' response to the state's factors is ``charging_kw`` again, p >= 2 where the exchange
      repeats every p rounds, 0 where it did neither within its rounds, or met charging without power flow and ended there;
    - ``settled`` (...): ``period`` is 1.
    """

    charging_kw: FloatArray
    state: CarbonState
    costs: Costs
    period: NDArray[np.int64]

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Whether the charging is the users' response to its own factors, (...)."""
        return np.asarray(self.period == 1)


@dataclass(frozen=True, eq=False)
class Baseline:
    """The day without optimisation ([X23] section 4): ``output_kw`` (T, G), ``charging_kw`` (T, S), their state and costs."""

    output_kw: FloatArray
    charging_kw: FloatArray
    state: CarbonState
    costs: Costs


@dataclass(frozen=True, eq=False)
class Dispatched:
    """Outputs (periods, generators) in kW, and the users' response to them; `reactive_kvar` alike, None for the system's own."""

    output_kw: Any
    settled: Settled
    reactive_kvar: Any = None

    @property
    def bill(self) -> float:
        """Of all users, currency."""
        return float(self.settled.costs.bill)

    @property
    def variance_kw2(self) -> float:
        """Of the main grid's power over the periods."""
        return float(self.settled.state.variance_kw2)
