"""The physical system of carbon-aware dispatch ([X23], docs/model.md section 7): functions of outputs and charging, vectorised.

The leader sets what generators feed in; flows give every bus an emission factor; EV users buy in the periods whose price,
wholesale plus carbon, is least; their charging changes the flows.  No model is built and no solver runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bilevel import tolerances
from bilevel.errors import BilevelError
from formulations import tolerances as formulation_tolerances
from formulations.carbon.flows import CarbonFlows, FloatArray, PeriodFlows
from formulations.carbon.states import Baseline, CarbonState, Costs, Response, Settled
from formulations.case_parts import carbon_of
from formulations.followers.cheapest import CheapestPeriods
from instances import Instance, base_load_kw

__all__ = ["Baseline", "CarbonState", "CarbonSystem", "Costs", "Response", "Settled"]

ROUNDS = 50
"""Rounds of the exchange of factors and charging before it is given up."""


class CarbonSystem:
    """A case with carbon rules: G generators, S stations, T periods, n buses; ``...`` are cases side by side, such as candidates.

        system = CarbonSystem(instances.load("ieee33_carbon"))
        day = system.settle(system.baseline().output_kw)
        print(day.state.variance_kw2, day.costs.bill)

    Powers are in kW from or into the grid, in the orders of the case; outputs (..., T, G) and charging (..., T, S) broadcast in
    their leading dimensions.  A generator feeds in its active power; its reactive power is 0, or the limit next to 0 where 0 is
    outside its limits.  ``output_min_kw`` and ``output_max_kw`` (G,) are its limits with that reactive power, those of apparent
    power included.

    Raises `BilevelError` for a case without carbon rules, for a negative base load, and for a generator that may draw active power
    or has no output at that reactive power: proportional sharing knows generation as a source only.
    """

    def __init__(self, case: Instance) -> None:
        self.case, self.carbon = case, carbon_of(case)
        self._flows = CarbonFlows(case)
        self.network = self._flows.network
        self.output_min_kw, self.output_max_kw = self._flows.output_min_kw, self._flows.output_max_kw
        self._wholesale = np.array(case.wholesale_price_per_kwh)[:, np.newaxis]
        self._average_kw = _average_kw(case)
        self._users = CheapestPeriods(case, base_load_kw(case, self.network).sum(axis=1))
        factors = [*self._flows.grid_factor.tolist(), *self._flows.source_factor.tolist()]
        largest = np.abs(self._wholesale).max() + self.carbon.price_per_kg * max(factors) or 1.0
        self._price_step = formulation_tolerances.PRICE_TIE * largest

    def state(
        self, output_kw: ArrayLike, charging_kw: ArrayLike, reactive_kvar: ArrayLike | None = None
    ) -> CarbonState:
        """Power flow and emission flow at outputs (..., T, G) and charging (..., T, S); `reactive_kvar` (T, G) other than its own.

        Outputs outside their limits and charging under 0 by no more than `tolerances.FEASIBILITY` of the network's base power are
        taken at the limit.  Raises `BilevelError` for a value farther out or not finite, and for other shapes.
        """
        lead, output, charging = _flat(self._output(output_kw), self._charging(charging_kw))
        reactive = (
            None if reactive_kvar is None else np.tile(np.asarray(reactive_kvar, dtype=np.float64), (len(output), 1))
        )
        return self._assemble(self._periods(output, charging, reactive), charging, lead)

    def supply_kw(self, output_kw: ArrayLike, charging_kw: ArrayLike) -> FloatArray:
        """The supply (..., T) of `state` alone, without emissions; NaN where there is no power flow."""
        lead, output, charging = _flat(self._output(output_kw), self._charging(charging_kw))
        return self._flows.supply_kw(*_one_after_another(output, charging)).reshape(*lead, output.shape[1])

    def respond(self, station_factor: ArrayLike) -> Response:
        """What users charge at factors (..., T, S) in kg/kWh: every session in its cheapest periods ([X23] (8) to (14)).

        A kWh from the grid costs wholesale + price_per_kg * factor.  Periods of one price, up to `PRICE_TIE` of
        `formulations.tolerances`, are taken in the order of the feeder's base load less renewables, lowest first, then in time.
        Raises `BilevelError` for a factor that is not finite.
        """
        factor = self._factors(station_factor)
        charging = self._response_kw(factor.reshape(-1, *factor.shape[-2:])).reshape(factor.shape)
        return Response(charging, self.costs(charging, factor))

    def schedule(self, station_factor: ArrayLike) -> FloatArray:
        """The same response for one case, factors (T, S), by session: kW of all its vehicles, (sessions, T)."""
        factor = self._factors(station_factor)
        if factor.ndim != 2:
            raise BilevelError(f"station_factor has shape {factor.shape}: give one case, {factor.shape[-2:]}")
        return self._users.schedule(self._prices(factor))

    def costs(self, charging_kw: ArrayLike, station_factor: ArrayLike) -> Costs:
        """Costs of charging (..., T, S) at factors (..., T, S) ([X23] (9) to (11)); NaN where a factor is."""
        energy = self.case.horizon.period_hours * np.asarray(charging_kw, dtype=np.float64)
        electricity = (energy * self._wholesale).sum(axis=-2)
        carbon = self.carbon.price_per_kg * (energy * np.asarray(station_factor, dtype=np.float64)).sum(axis=-2)
        return Costs(*np.broadcast_arrays(electricity, carbon))

    def settle(self, output_kw: ArrayLike, rounds: int = ROUNDS, start_kw: ArrayLike | None = None) -> Settled:
        """Exchange factors and charging at fixed outputs (..., T, G) until the charging stays, as [X23] does.

        It starts at the charging ``start_kw`` (..., T, S), without one at `average_charging_kw`: flows give factors, factors the
        users' response, which is the next charging.  The response jumps where two periods become equally good, so that some outputs
        have no charging that stays, though a mixture of responses would: there the exchange runs into a cycle.  Other outputs have
        several: beside a source dirtier than the main grid charging lowers its own factor, and the start decides where it stays.
        """
        if rounds < 1:
            raise BilevelError(f"rounds is {rounds}: give at least 1")
        start = self.average_charging_kw() if start_kw is None else self._charging(start_kw)
        lead, output, charging = _flat(self._output(output_kw), start)
        periods, charging, period = self._exchange(output, charging, rounds)
        state = self._assemble(periods, charging, lead)
        drawn = charging.reshape(*lead, *charging.shape[1:])
        return Settled(drawn, state, self.costs(drawn, state.station_factor), period.reshape(lead))

    def average_charging_kw(self) -> FloatArray:
        """Charging (T, S) of every vehicle at its average power for as long as it is plugged in."""
        return self._average_kw.copy()

    def baseline(self) -> Baseline:
        """The day without optimisation ([X23] section 4), with a state of NaN where it has no power flow.

        A generator feeds in the most it can while its cost is below the wholesale price, else the least; ramps are not regarded.
        Vehicles charge as in `average_charging_kw`.
        """
        cost = np.array([generator.cost_per_kwh for generator in self.case.generators])
        output = np.where(cost < self._wholesale, self.output_max_kw, self.output_min_kw)
        charging = self.average_charging_kw()
        state = self.state(output, charging)
        return Baseline(output, charging, state, self.costs(charging, state.station_factor))

    def _output(self, values: ArrayLike) -> FloatArray:
        owners = [f"generator {generator.name}" for generator in self.case.generators]
        return self._checked("output_kw", values, owners, self.output_min_kw, self.output_max_kw)

    def _charging(self, values: ArrayLike) -> FloatArray:
        owners = [f"station {station.name}" for station in self.case.stations]
        return self._checked("charging_kw", values, owners, np.zeros(len(owners)), np.full(len(owners), np.inf))

    def _factors(self, values: ArrayLike) -> FloatArray:
        owners = [f"station {station.name}" for station in self.case.stations]
        infinite = np.full(len(owners), np.inf)
        return self._checked("station_factor", values, owners, -infinite, infinite)

    def _checked(
        self, field: str, values: ArrayLike, owners: list[str], low: FloatArray, high: FloatArray
    ) -> FloatArray:
        """Return values (..., T, owners) within their limits, or refuse the shape or the first that is out of them."""
        array = np.asarray(values, dtype=np.float64)
        wanted = (self.case.horizon.periods, len(owners))
        if array.shape[-2:] != wanted:
            raise BilevelError(f"{field} has shape {array.shape}: give (..., {wanted[0]}, {wanted[1]})")
        slack = tolerances.FEASIBILITY * self.network.per_unit.base_kva
        bad = np.argwhere(~(np.isfinite(array) & (array >= low - slack) & (array <= high + slack)))
        if bad.size:
            *case, period, owner = map(int, bad[0])
            where = f" in case {', '.join(map(str, case))}" if case else ""
            raise BilevelError(
                f"{owners[owner]} has {field} {array[tuple(bad[0])]:g} in period {period}{where}: give a finite number from "
                f"{low[owner]:g} to {high[owner]:g}"
            )
        return np.clip(array, low, high)

    def _prices(self, factor: FloatArray) -> FloatArray:
        """Prices (..., S, T) at factors (..., T, S), rounded so that ties are ties."""
        price = self._wholesale + self.carbon.price_per_kg * factor
        # Whole multiples do, as only the order of prices counts
        return np.asarray(np.round(price / self._price_step).swapaxes(-1, -2))

    def _response_kw(self, factor: FloatArray) -> FloatArray:
        return self._users.charging_kw(self._prices(factor)).swapaxes(-1, -2)

    def _periods(self, output: FloatArray, charging: FloatArray, reactive: FloatArray | None = None) -> PeriodFlows:
        """Flows of m cases and T periods, one after another in (m T,)."""
        return self._flows.at(*_one_after_another(output, charging), reactive)

    def _exchange(
        self, output: FloatArray, charging: FloatArray, rounds: int
    ) -> tuple[PeriodFlows, FloatArray, NDArray[np.int64]]:
        """Flows (m T,), charging (m, T, S) and `Settled.period` (m,) where the exchange ends for m cases."""
        count, times = output.shape[:2]
        found, charging = self._periods(output, charging), charging.copy()
        history, repeats = [charging.copy()], np.zeros(count, dtype=np.int64)
        for left in reversed(range(rounds)):
            factor = found.station_factor.reshape(charging.shape)
            # Where a period has no power flow there are no factors to answer
            going = np.flatnonzero((repeats == 0) & np.isfinite(factor).all(axis=(1, 2)))
            wanted = self._response_kw(factor[going])
            repeats[going] = self._repeats(wanted, [past[going] for past in history])
            on = repeats[going] == 0
            # The last round still looks whether its answer was there before, but does not go on with it
            if not left or not on.any():
                break
            # A period's flows depend on its own charging alone: the others stay as they are
            row, period = np.nonzero((wanted != charging[going]).any(axis=2) & on[:, np.newaxis])
            charging[going[on]] = wanted[on]
            history.append(charging.copy())
            case = going[row]
            found.put(case * times + period, self._flows.at(output[case, period], charging[case, period], period))
        return found, charging, repeats

    def _repeats(self, wanted: FloatArray, history: list[FloatArray]) -> NDArray[np.int64]:
        """How many rounds ago the charging was as `wanted` (m, T, S) already, 0 where it never was; the last round counts 1."""
        found = np.zeros(len(wanted), dtype=np.int64)
        slack = formulation_tolerances.SAME_CHARGING * self._average_kw.max()
        for age, past in enumerate(reversed(history), start=1):
            same = (np.abs(wanted - past) <= slack).all(axis=(1, 2))
            found[(found == 0) & same] = age
        return found

    def _assemble(self, found: PeriodFlows, charging: FloatArray, lead: tuple[int, ...]) -> CarbonState:
        """Fold the flows (m T,) of m cases into their leading dimensions."""
        hours = self.case.horizon.period_hours

        def folded(values: FloatArray) -> FloatArray:
            return values.reshape(*lead, charging.shape[1], *values.shape[1:])

        supply, factor = folded(found.supply_kw), folded(found.station_factor)
        emission = hours * (charging.reshape(factor.shape) * factor).sum(axis=(-1, -2))
        return CarbonState(
            supply_kw=supply, variance_kw2=supply.var(axis=-1), loss_kwh=hours * folded(found.loss_kw).sum(axis=-1),
            factor_kg_per_kwh=folded(found.factor_kg_per_kwh), station_factor=factor, charging_emission_kg=emission,
            lowest_voltage_pu=folded(found.lowest_voltage_pu).min(axis=-1),
            highest_voltage_pu=folded(found.highest_voltage_pu).max(axis=-1),
            worst_voltage_violation_pu=folded(found.worst_voltage_violation_pu).max(axis=-1),
            limit_violation=folded(found.limit_violation).sum(axis=-1), converged=np.asarray(np.isfinite(supply).all(axis=-1)),
        )  # fmt: skip


def _flat(output: FloatArray, charging: FloatArray) -> tuple[tuple[int, ...], FloatArray, FloatArray]:
    """Leading dimensions of the two together, and both with these flattened to one."""
    try:
        lead = np.broadcast_shapes(output.shape[:-2], charging.shape[:-2])
    except ValueError as error:
        raise BilevelError(
            f"output_kw has shape {output.shape} but charging_kw {charging.shape}: give both the same cases"
        ) from error
    count = int(np.prod(lead, dtype=np.int64))
    output, charging = (
        np.broadcast_to(values, (*lead, *values.shape[-2:])).reshape(count, *values.shape[-2:])
        for values in (output, charging)
    )
    return lead, output, charging


def _average_kw(case: Instance) -> FloatArray:
    index = {station.name: position for position, station in enumerate(case.stations)}
    charging = np.zeros((case.horizon.periods, len(index)))
    for session in case.sessions:
        window = list(case.window(session))
        drawn_kwh = session.count * session.energy_kwh / case.charging_efficiency
        charging[window, index[session.station]] += drawn_kwh / (case.horizon.period_hours * len(window))
    return charging


def _one_after_another(output: FloatArray, charging: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Outputs and charging (m, T, ...) of all periods of all cases, (m T, ...), and the period of each."""
    period = np.tile(np.arange(output.shape[1]), len(output))
    output, charging = (values.reshape(len(period), values.shape[2]) for values in (output, charging))
    return output, charging, period
