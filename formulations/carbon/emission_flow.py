"""Carbon emission flow: whose load causes the sources' emissions, by proportional sharing ([X23] (5), docs/model.md section 7).

All power that enters a bus mixes there, and every outflow of the bus carries the factor of the mixture:

    delta_i (sum_g p_g + sum_j R_ji) = sum_g p_g delta_g + sum_j R_ji delta_j

with p_g the sources at bus i and R_ji the power that arrives at i from its neighbour j.  As R_ji is taken at the receiving end,
what is lost on a branch carries the factor of the end that feeds the loss.  Every branch has its own direction in every case, and
no power goes round in a tree, so the equations are solved by eliminating buses from the leaves to the substation and back: all
cases side by side, without fill-in.  Each factor is a weighted mean of the sources' factors, so that no rounding takes it out of
their range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bilevel.errors import BilevelError
from formulations import tolerances
from instances import Network, PowerFlow

FloatArray = NDArray[np.float64]
Number = TypeVar("Number", np.float64, np.complex128)


@dataclass(frozen=True, eq=False)
class Sources:
    """What feeds the feeder besides the main grid, k sources; ``...`` are the leading dimensions of the cases, which broadcast.

    ``bus`` (k,) positions in ``network.buses``, several may share one; ``power_kw`` (..., k) fed in, at least 0;
    ``factor_kg_per_kwh`` (..., k) and, of the power that enters at the substation, ``grid_factor_kg_per_kwh`` (...), kg of CO2 per
    kWh, at least 0; ``names`` (k,) for messages.  Everything is copied and closed for writing.  Raises `BilevelError` naming the
    source and the case of a value that is negative or not finite.
    """

    bus: NDArray[np.int64]
    power_kw: FloatArray
    factor_kg_per_kwh: FloatArray
    grid_factor_kg_per_kwh: FloatArray
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check and close the fields."""
        bus = np.array(self.bus)
        if bus.ndim != 1 or (bus.size and not np.issubdtype(bus.dtype, np.integer)):
            raise BilevelError(f"the sources have bus {self.bus!r}: give a list of positions in network.buses")
        names = tuple(self.names) or tuple(map(str, range(bus.size)))
        if len(names) != bus.size:
            raise BilevelError(f"the sources have {len(names)} names for {bus.size} buses: give each source one name")
        owners = [f"source {name}" for name in names]
        for field in ("power_kw", "factor_kg_per_kwh"):
            values = _checked(field, getattr(self, field), owners, "give a number of at least 0")
            object.__setattr__(self, field, values)
        grid = np.asarray(self.grid_factor_kg_per_kwh)[..., np.newaxis]
        grid = _checked("grid_factor_kg_per_kwh", grid, ["the main grid"], "give a number of at least 0")
        bus = bus.astype(np.int64)
        bus.setflags(write=False)
        for field, value in (("bus", bus), ("grid_factor_kg_per_kwh", grid[..., 0]), ("names", names)):
            object.__setattr__(self, field, value)


@dataclass(frozen=True, eq=False)
class EmissionFlow:
    """Where emissions go, n buses in the order of ``network.buses``; ``...`` are the leading dimensions of all cases.

    - ``factor_kg_per_kwh`` (..., n): kg of CO2 per kWh that leaves the bus, NaN where ``undefined``;
    - ``load_emission_kg_per_h`` (..., n), ``loss_emission_kg_per_h`` (..., n-1, aligned to ``buses[1:]``): of loads and losses;
    - ``source_emission_kg_per_h``, ``exported_emission_kg_per_h`` (...): of all sources and the main grid, and of what leaves at
      the substation;
    - ``undefined`` (..., n): buses without throughput, `tolerances.THROUGHPUT`, which have no factor.
    """

    factor_kg_per_kwh: FloatArray
    load_emission_kg_per_h: FloatArray
    loss_emission_kg_per_h: FloatArray
    source_emission_kg_per_h: FloatArray
    exported_emission_kg_per_h: FloatArray
    undefined: NDArray[np.bool_]

    def imbalance(self) -> float:
        """Largest |sources - loads - losses - exported| of a case over its sources' emissions, rounding alone."""
        given = self.source_emission_kg_per_h
        taken = self.load_emission_kg_per_h.sum(axis=-1) + self.loss_emission_kg_per_h.sum(axis=-1)
        error = np.abs(given - taken - self.exported_emission_kg_per_h)
        without = np.where(error > 0, np.inf, 0.0)
        return float(np.divide(error, given, out=without, where=given > 0).max(initial=0.0))


@dataclass(frozen=True, eq=False)
class _Powers:
    """Powers of m cases in kW: per bus (n, m), per branch (n-1, m).

    ``receiving`` is what reaches a bus from its parent, at the substation from the main grid; ``sending`` what leaves the parent
    into the branch; both negative where power goes the other way.  ``inflow`` is all that enters a bus.
    """

    load: FloatArray
    source: FloatArray
    receiving: FloatArray
    sending: FloatArray
    loss: FloatArray
    inflow: FloatArray


def emission_flow(network: Network, flow: PowerFlow, load_kw: ArrayLike, sources: Sources) -> EmissionFlow:
    """Share the sources' emissions among loads, losses and export, all cases at once ([X23] (5)).

    ``load_kw`` (..., n) is consumption alone, base load and charging, at least 0: generation belongs to ``sources``.  ``flow`` is
    the power flow of the net loads, consumption less sources, of which the losses are taken; flows along branches are then those
    of the loads given, so that emissions balance to rounding.  Leading dimensions broadcast.  Where the substation feeds power
    into the main grid, that is an outflow with the substation's factor.  A bus without throughput has no factor.

    Raises `BilevelError` for shapes that do not fit, a source at an unknown bus, a load that is negative or not finite, and
    naming the bus and the case where the power flow was run with other loads.
    """
    remedy = "give a number of at least 0, and model generation as a source"
    load = _checked("load_kw", load_kw, [f"bus {name}" for name in network.buses], remedy)
    cases = _cases(network, flow, load, sources)
    power, factor = _by_row(sources.power_kw, cases), _by_row(sources.factor_kg_per_kwh, cases)
    grid = _by_row(sources.grid_factor_kg_per_kwh[..., np.newaxis], cases)[0]
    source, emitted = (_at_buses(network, sources.bus, values) for values in (power, power * factor))
    flows = _powers(network, flow, _by_row(load, cases), source, cases)
    own = _factors(network.parent, flows, emitted, grid)
    return _result(network, flows, own, emitted, grid, cases)


def _checked(field: str, values: ArrayLike, columns: list[str], remedy: str) -> FloatArray:
    """Return a closed copy of shape (..., columns), or refuse its shape or the first value that is negative or not finite."""
    array = np.array(values, dtype=np.float64)
    if array.shape[-1:] != (len(columns),):
        raise BilevelError(f"{field} has shape {array.shape}: give (..., {len(columns)})")
    # `not >= 0` holds for NaN too
    bad = np.argwhere(~((array >= 0) & (array < np.inf)))
    if bad.size:
        *case, column = map(int, bad[0])
        value = array[tuple(bad[0])]
        raise BilevelError(f"{columns[column]} has {field} {value:g}{_of_case(case)}: {remedy}")
    array.setflags(write=False)
    return array


def _of_case(case: list[int]) -> str:
    """Return " in case 3, 7", or nothing when there is one case without an index."""
    return f" in case {', '.join(map(str, case))}" if case else ""


def _cases(network: Network, flow: PowerFlow, load: FloatArray, sources: Sources) -> tuple[int, ...]:
    """Return the leading dimensions of everything together, or refuse what does not fit."""
    buses = len(network.buses)
    for position in sources.bus.tolist():
        if not 0 <= position < buses:
            raise BilevelError(f"a source is at bus position {position}: give 0 to {buses - 1}, as in network.buses")
    if flow.voltage_pu.shape[-1:] != (buses,):
        raise BilevelError(f"the power flow has {flow.voltage_pu.shape[-1]} buses: give that of the network's {buses}")
    leading = {
        "flow": flow.voltage_pu.shape[:-1],
        "load_kw": load.shape[:-1],
        "power_kw": sources.power_kw.shape[:-1],
        "factor_kg_per_kwh": sources.factor_kg_per_kwh.shape[:-1],
        "grid_factor_kg_per_kwh": sources.grid_factor_kg_per_kwh.shape,
    }
    try:
        return np.broadcast_shapes(*leading.values())
    except ValueError as error:
        shapes = ", ".join(f"{name} {shape}" for name, shape in leading.items())
        raise BilevelError(f"the cases have shapes that do not fit together ({shapes}): give all the same") from error


def _by_row(values: NDArray[Number], cases: tuple[int, ...]) -> NDArray[Number]:
    """Return (..., k) as (k, m) with the m cases side by side."""
    wide = np.broadcast_to(values, (*cases, values.shape[-1]))
    return np.ascontiguousarray(wide.reshape(math.prod(cases), values.shape[-1]).T)


def _at_buses(network: Network, bus: NDArray[np.int64], values: FloatArray) -> FloatArray:
    """Add the rows (k, m) of sources up at their buses, (n, m)."""
    total = np.zeros((len(network.buses), values.shape[1]))
    np.add.at(total, bus, values)
    return total


def _powers(network: Network, flow: PowerFlow, load: FloatArray, source: FloatArray, cases: tuple[int, ...]) -> _Powers:
    """Return the flows that loads, sources and the losses of the power flow imply, after comparing them with it.

    What conductances to ground draw counts as load.
    """
    if network.conductance_pu.any():
        drawn = network.conductance_pu * np.abs(flow.voltage_pu) ** 2
        load = load + _by_row(np.asarray(network.per_unit.kw(drawn)), cases)
    _check_consistent(network, flow, load, source, cases)
    squared = _by_row(np.abs(flow.branch_current_pu) ** 2, cases)
    loss = np.asarray(network.per_unit.kw(network.resistance_pu[:, np.newaxis] * squared))
    receiving = load - source
    for k in range(len(network.buses) - 1, 0, -1):
        receiving[network.parent[k]] += receiving[k] + loss[k - 1]
    sending = receiving[1:] + loss
    inflow = source + np.maximum(receiving, 0.0)
    np.add.at(inflow, network.parent[1:], np.maximum(-sending, 0.0))
    return _Powers(load, source, receiving, sending, loss, inflow)


def _check_consistent(
    network: Network, flow: PowerFlow, load: FloatArray, source: FloatArray, cases: tuple[int, ...]
) -> None:
    """Refuse a power flow of other net loads; it does not know those of the substation."""
    withdrawn = network.incidence() @ _by_row(flow.branch_current_pu, cases)
    drawn = network.per_unit.kw((_by_row(flow.voltage_pu[..., 1:], cases) * np.conj(withdrawn)).real)
    net = load[1:] - source[1:]
    floor = network.per_unit.base_kva * tolerances.CONSISTENCY_FLOOR_PU
    largest = np.maximum(np.maximum(load, source).max(axis=0), floor)
    wrong = np.argwhere(~(np.abs(drawn - net) <= tolerances.CONSISTENCY * largest))
    if wrong.size:
        branch, case = map(int, wrong[0])
        where = _of_case([int(i) for i in np.unravel_index(case, cases)]) if cases else ""
        raise BilevelError(
            f"bus {network.buses[branch + 1]} draws {drawn[branch, case]:.6g} kW in the power flow{where} but load less "
            f"sources is {net[branch, case]:.6g} kW: run the power flow with these net loads"
        )


def _factors(parent: NDArray[np.int64], flows: _Powers, emitted: FloatArray, grid: FloatArray) -> FloatArray:
    """Return the factors (n, m) of all buses, 0 where nothing flows in; ``emitted`` (n, m) in kg/h at the buses' sources."""
    entering = emitted.copy()
    # A bus that sends power to its parent takes none from it, so that its subtree decides its factor
    for k in range(len(parent) - 1, 0, -1):
        back = np.maximum(-flows.sending[k - 1], 0.0)
        entering[parent[k]] += back * _ratio(entering[k], flows.inflow[k])
    # From the substation on the factor of a parent is known
    factor = np.zeros_like(entering)
    for k in range(len(parent)):
        above = factor[parent[k]] if k else grid
        factor[k] = _ratio(entering[k] + np.maximum(flows.receiving[k], 0.0) * above, flows.inflow[k])
    return factor


def _ratio(emission: FloatArray, inflow: FloatArray) -> FloatArray:
    return np.divide(emission, inflow, out=np.zeros_like(inflow), where=inflow > 0)


def _result(
    network: Network, flows: _Powers, factor: FloatArray, emitted: FloatArray, grid: FloatArray, cases: tuple[int, ...]
) -> EmissionFlow:
    """Assemble the answer; below the tolerance on throughput a factor still takes part in the sums, so that these balance."""
    imported = np.maximum(flows.receiving[0], 0.0)
    undefined = flows.inflow <= tolerances.THROUGHPUT * (flows.source.sum(axis=0) + imported)
    # Near zero flow both ends feed a branch, each its part of the loss
    above = np.clip(flows.sending, 0.0, flows.loss) * factor[network.parent[1:]]
    below = np.clip(-flows.receiving[1:], 0.0, flows.loss) * factor[1:]

    def shaped(values: FloatArray) -> FloatArray:
        return values.T.reshape(*cases, len(values))

    return EmissionFlow(
        factor_kg_per_kwh=shaped(np.where(undefined, np.nan, factor)),
        load_emission_kg_per_h=shaped(flows.load * factor),
        loss_emission_kg_per_h=shaped(above + below),
        source_emission_kg_per_h=(emitted.sum(axis=0) + imported * grid).reshape(cases),
        exported_emission_kg_per_h=(np.maximum(-flows.receiving[0], 0.0) * factor[0]).reshape(cases),
        undefined=undefined.T.reshape(*cases, len(undefined)),
    )
