"""Limits of a feeder that admit uncontrolled charging, or a refusal that says which does not."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from instances.fleet.scale import uncontrolled_load_kw
from instances.grid.loads import base_load_kvar, base_load_kw
from instances.grid.network import Network
from instances.grid.sweep import PowerFlow, ac_power_flow
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError
from instances.records.feeder import Feeder
from instances.records.schema import Instance, Source

__all__ = ["fit_limits"]

# Widened voltage limits are hundredths of a per unit, at least this far from the voltage that needs them
MARGIN_PU = 0.001
STEPS_PER_PU = 100
# Widened limits of branches are this multiple of the flow that needs them
HEADROOM = 1.05


def fit_limits(case: Instance, widen: bool) -> Instance:
    """Return the case with limits that base load and uncontrolled charging keep in every period.

    A voltage limit that is broken somewhere is widened on all buses but the substation, to a hundredth of a per unit; the limit
    of a branch on that branch, to 1.05 times its flow. Other limits stay, and ``sources`` tells of each. With ``widen`` false a
    broken limit raises `InstanceError` with the bus or branch and the period. Limits of the supply are never widened, as prices may
    well move charging to where they hold; `InstanceError` where the base load alone needs more.
    """
    network = Network.of(case.feeder)
    load_kw = base_load_kw(case, network)
    _check_supply(network, ac_power_flow(network, load_kw, base_load_kvar(case, network)))
    for row, bus in zip(uncontrolled_load_kw(case), case.station_bus.values(), strict=True):
        load_kw[:, network.index[bus]] += row
    flow = ac_power_flow(network, load_kw, base_load_kvar(case, network))
    broken = _broken(network, flow)
    if not broken:
        return case
    if not widen:
        worst = next(iter(broken.values()))
        raise InstanceError(f"with uncontrolled charging {worst}; lower share, or pass widen_limits=True")
    text = "widened by instances.generate, because with uncontrolled charging"
    sources = (Source(field, f"{text} {note}", "MIT") for field, note in broken.items())
    return replace(case, feeder=_widened(case.feeder, network, flow, broken), sources=(*case.sources, *sources))


def _check_supply(network: Network, flow: PowerFlow) -> None:
    """Refuse a base load that needs more than the supply may give."""
    parts = (
        ("kW", "supply_max_kw", "Pmax, max_p_mw", flow.supply_pu.real, network.supply_active_pu[1]),
        ("kvar", "supply_max_kvar", "Qmax, max_q_mvar", flow.supply_pu.imag, network.supply_reactive_pu[1]),
    )
    for unit, field, source, supply, most in parts:
        period, kw = int(supply.argmax()), network.per_unit.kw(float(supply.max()))
        if supply[period] > most:
            raise InstanceError(
                f"the base load alone needs {kw:.6g} {unit} from the substation in period {period}, and {field} is "
                f"{network.per_unit.kw(most):.6g}; raise {field} ({source} in the files of others), or lower the loads"
            )


def _broken(network: Network, flow: PowerFlow) -> dict[str, str]:
    """Return for each kind of limit that is broken where and when it is broken most."""
    buses = [f"bus {name}" for name in network.buses]
    lines = [f"branch {name}" for name in network.branch_names]
    units, voltage = network.per_unit, np.abs(flow.voltage_pu)
    power_kva, current_a = units.kw(np.abs(flow.entering_power_pu)), units.ampere(np.abs(flow.entering_current_pu))
    kinds: dict[str, tuple[list[str], FloatArray, FloatArray, float]] = {
        "voltage_min_pu": (buses, voltage, network.voltage_min_pu, -1.0),
        "voltage_max_pu": (buses, voltage, network.voltage_max_pu, 1.0),
        "power_max_kva": (lines, power_kva, units.kw(network.power_max_pu), 1.0),
        "current_max_a": (lines, current_a, units.ampere(network.current_max_pu), 1.0),
    }
    notes = {}
    for field, (names, values, limit, sign) in kinds.items():
        excess = sign * (values - limit)
        period, place = np.unravel_index(excess.argmax(), excess.shape)
        if excess[period, place] > 0:
            reached = f"{names[place]} reaches {values[period, place]:.6g} in period {period}"
            notes[field] = f"{reached}, and its {field} is {limit[place]:.6g}"
    return notes


def _widened(feeder: Feeder, network: Network, flow: PowerFlow, fields: Collection[str]) -> Feeder:
    """Return the feeder with the broken kinds of limits widened."""
    units, voltage = network.per_unit, np.abs(flow.voltage_pu)
    low = (
        math.floor((voltage.min() - MARGIN_PU) * STEPS_PER_PU) / STEPS_PER_PU
        if "voltage_min_pu" in fields
        else math.inf
    )
    high = (
        math.ceil((voltage.max() + MARGIN_PU) * STEPS_PER_PU) / STEPS_PER_PU
        if "voltage_max_pu" in fields
        else -math.inf
    )
    buses = (
        bus
        if bus.name == feeder.substation
        else replace(bus, voltage_min_pu=min(bus.voltage_min_pu, low), voltage_max_pu=max(bus.voltage_max_pu, high))
        for bus in feeder.buses
    )
    kva = units.kw(np.abs(flow.entering_power_pu).max(axis=0)).tolist()
    ampere = units.ampere(np.abs(flow.entering_current_pu).max(axis=0)).tolist()
    branches = []
    for line in feeder.branches:
        # A branch is that of its downstream bus, which comes after the other
        place = max(network.index[line.from_bus], network.index[line.to_bus]) - 1
        # The limit in the data is that of the current between transformer and impedance
        turned = line.tap_ratio if network.buses[place + 1] == line.from_bus else 1.0
        power, current = _raised(line.power_max_kva, kva[place]), _raised(line.current_max_a, turned * ampere[place])
        branches.append(replace(line, power_max_kva=power, current_max_a=current))
    return replace(feeder, buses=tuple(buses), branches=tuple(branches))


def _raised(limit: float, needed: float) -> float:
    """Return the limit, or what is needed with headroom where that is more."""
    return limit if needed <= limit else HEADROOM * needed
