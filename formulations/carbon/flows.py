"""Power flow and emission flow of single periods, k of them side by side, at given outputs and charging (docs/model.md 7)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bilevel.errors import BilevelError
from formulations.carbon.emission_flow import Sources, emission_flow
from formulations.case_parts import carbon_of
from formulations.operator import sweeps
from instances import Generator, Instance, Network, PowerFlow, Renewable, base_load_kvar

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PeriodFlows:
    """k periods, NaN where one has no power flow; fields (k,), ``factor_kg_per_kwh`` (k, n) and ``station_factor`` (k, S)."""

    supply_kw: FloatArray
    loss_kw: FloatArray
    lowest_voltage_pu: FloatArray
    highest_voltage_pu: FloatArray
    worst_voltage_violation_pu: FloatArray
    limit_violation: FloatArray
    factor_kg_per_kwh: FloatArray
    station_factor: FloatArray

    @classmethod
    def unknown(cls, count: int, buses: int, stations: int) -> PeriodFlows:
        """Return ``count`` periods without values."""
        sizes = {"factor_kg_per_kwh": (buses,), "station_factor": (stations,)}
        return cls(**{field.name: np.full((count, *sizes.get(field.name, ())), np.nan) for field in fields(cls)})

    def put(self, rows: NDArray[np.int64], other: PeriodFlows) -> None:
        """Write the periods of ``other`` into ``rows`` of this."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)


class CarbonFlows:
    """The feeder of a case with carbon rules: what its loads and sources are in each period, and the flows they make.

    ``reactive_kvar``, ``output_min_kw`` and ``output_max_kw`` (G,) are the generators' reactive power, 0 or the limit next to it,
    and the limits of their active power with it.  Raises `BilevelError` as `CarbonSystem` does.
    """

    def __init__(self, case: Instance) -> None:
        self.case, self.network = case, Network.of(case.feeder)
        self.grid_factor = np.array(carbon_of(case).grid_factor_kg_per_kwh)
        self.station_bus = np.array([self.network.index[bus] for bus in case.station_bus.values()])
        limits = np.array([_limits(generator) for generator in case.generators]).reshape(-1, 3)
        self.reactive_kvar, self.output_min_kw, self.output_max_kw = limits.T
        sources: list[Generator | Renewable] = [*case.generators, *case.renewables]
        self._names = tuple(source.name for source in sources)
        self._bus = np.array([self.network.index[source.bus] for source in sources], dtype=np.int64)
        self.source_factor = np.array([source.emission_kg_per_kwh for source in sources])
        renewables = [renewable.power_kw for renewable in case.renewables]
        self._renewable_kw = np.array(renewables).reshape(-1, case.horizon.periods).T
        self._load_kw = _consumption_kw(case, self.network)
        self._load_kvar = base_load_kvar(case, self.network)
        # Several units may share a bus, of which an indexed sum would count one
        np.add.at(self._load_kvar.T, self._bus[: len(case.generators)], -self.reactive_kvar[:, np.newaxis])

    def at(
        self,
        output_kw: FloatArray,
        charging_kw: FloatArray,
        period: NDArray[np.int64],
        reactive_kvar: FloatArray | None = None,
    ) -> PeriodFlows:
        """Flows of k periods (k,) at outputs (k, G), charging (k, S) and reactive powers (k, G), without those of the system."""
        load, power, net = self._drawn(output_kw, charging_kw, period)
        net_kvar = self._load_kvar[period]
        if reactive_kvar is not None:
            # Picked by period, it is a copy of the base load
            np.subtract.at(net_kvar.T, self._bus[: output_kw.shape[1]], (reactive_kvar - self.reactive_kvar).T)
        found = PeriodFlows.unknown(len(period), len(self.network.buses), len(self.station_bus))
        for rows, flow in sweeps.isolated(self.network, net, net_kvar):
            sources = Sources(self._bus, power[rows], self.source_factor, self.grid_factor[period[rows]], self._names)
            factor = emission_flow(self.network, flow, load[rows], sources).factor_kg_per_kwh
            found.put(rows, self._flows(flow, factor, self.grid_factor[period[rows]]))
        return found

    def supply_kw(self, output_kw: FloatArray, charging_kw: FloatArray, period: NDArray[np.int64]) -> FloatArray:
        """What the main grid feeds in, (k,), as `at` has it; NaN where there is no power flow."""
        _, _, net = self._drawn(output_kw, charging_kw, period)
        found = np.full(len(period), np.nan)
        for rows, flow in sweeps.isolated(self.network, net, self._load_kvar[period]):
            found[rows] = self.network.per_unit.kw(flow.supply_pu.real)
        return found

    def _drawn(
        self, output_kw: FloatArray, charging_kw: FloatArray, period: NDArray[np.int64]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Consumption (k, n), what sources feed in (k, sources), and the difference at the buses (k, n), all in kW."""
        load = self._load_kw[period]
        np.add.at(load.T, self.station_bus, charging_kw.T)
        power = np.hstack([output_kw, self._renewable_kw[period]])
        net = load.copy()
        np.subtract.at(net.T, self._bus, power.T)
        return load, power, net

    def _flows(self, flow: PowerFlow, factor: FloatArray, grid: FloatArray) -> PeriodFlows:
        voltage = np.abs(flow.voltage_pu)
        broken, worst = sweeps.violations(self.network, flow)
        return PeriodFlows(
            supply_kw=self.network.per_unit.kw(flow.supply_pu.real), loss_kw=flow.loss_kw, lowest_voltage_pu=voltage.min(axis=1),
            highest_voltage_pu=voltage.max(axis=1), worst_voltage_violation_pu=worst, limit_violation=broken,
            factor_kg_per_kwh=factor, station_factor=self._first_kwh(factor, grid)[:, self.station_bus],
        )  # fmt: skip

    def _first_kwh(self, factor: FloatArray, grid: FloatArray) -> FloatArray:
        """Factors (k, n) where buses without throughput have that of their parent, the substation that of the main grid (k,)."""
        if not np.isnan(factor).any():
            return factor
        filled = factor.copy()
        for bus, parent in enumerate(self.network.parent.tolist()):
            above = filled[:, parent] if bus else grid
            filled[:, bus] = np.where(np.isnan(factor[:, bus]), above, factor[:, bus])
        return filled


def _consumption_kw(case: Instance, network: Network) -> FloatArray:
    """Base load without renewables, kW (T, n)."""
    for name, load in zip(network.buses, network.load_kw.tolist(), strict=True):
        if load < 0:
            raise BilevelError(
                f"bus {name} has load_kw {load:g}, and proportional sharing knows no negative load: model generation as a renewable"
            )
    return np.outer(case.load_factor, network.load_kw)


def _limits(generator: Generator) -> tuple[float, float, float]:
    """Reactive power in kvar, least and largest active power in kW with it."""
    owner = f"generator {generator.name}"
    if generator.active_min_kw < 0:
        raise BilevelError(
            f"{owner} has active_min_kw {generator.active_min_kw:g}, and proportional sharing knows no source that draws power: "
            "give at least 0"
        )
    reactive = min(max(0.0, generator.reactive_min_kvar), generator.reactive_max_kvar)
    room = generator.apparent_max_kva**2 - reactive**2
    if room < generator.active_min_kw**2:
        raise BilevelError(
            f"{owner} has apparent_max_kva {generator.apparent_max_kva:g}, too little for {reactive:g} kvar and active_min_kw "
            f"{generator.active_min_kw:g}: raise it, or let its reactive limits contain 0"
        )
    return reactive, generator.active_min_kw, min(generator.active_max_kw, room**0.5)
