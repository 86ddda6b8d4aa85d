"""A radial pandapower network as a feeder: lines, loads and fixed infeed, or a refusal of what a feeder does not have.

Only the network's tables are read, so that pandapower itself is not needed:

    ohm = ohm per km * length / parallel lines        kW = 1000 p_mw * scaling, loads less static generators

Source of what the tables mean: L. Thurner et al., pandapower, IEEE Trans. Power Systems 33(6), 2018, doi
10.1109/TPWRS.2018.2829021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from instances.errors import InstanceError
from instances.feeder import Branch, Bus, Feeder
from instances.net_tables import READ, Area, Table, read_net

__all__ = ["from_pandapower"]

# Tables that say nothing of the power flow
ASIDE = {
    "poly_cost",
    "pwl_cost",
    "measurement",
    "group",
    "bus_geodata",
    "line_geodata",
    "characteristic",
    "trafo_characteristic_table",
}
BUS_COLUMNS = ("bus", "from_bus", "to_bus", "hv_bus", "mv_bus", "lv_bus")
FULL_PERCENT = 100.0
# What pandapower's own converters write for a line without limit
UNLIMITED_KA = 99999.0
# Its limits are those of a bus that names none
LIMITS = Bus("unnamed", 0.0, 0.0)


def from_pandapower(
    net: Mapping[str, Any],
    *,
    substation: int | None = None,
    substation_voltage_pu: float | None = None,
    ignore_charging: bool = False,
) -> Feeder:
    """Return a pandapower network (or tables of its form) as a feeder whose buses are named by their index.

    The bus of the external grid is the substation. Where a transformer stands between the two, pass the bus on its low-voltage
    side as ``substation``: the feeder begins there, at ``substation_voltage_pu`` (default: that of an external grid at this bus,
    or 1), and what lies beyond the transformers that feed it, or has no line to it, is left out.

    What is out of service is left out, and lines with an open switch. Buses joined by closed bus-bus switches become one, named by
    the lowest index, with the tightest of their limits. Static generators become negative loads. Voltage limits that are missing
    become 0.9 and 1.1. ``max_i_ka``, times ``df``, parallel lines and ``max_loading_percent``, limits the current; 99999 does not.

    Raises `InstanceError` naming table and index for whatever is in service and not in a feeder: other transformers,
    generators that hold a voltage, shunts, storages, wards, loads that depend on the voltage, switches with an impedance, several
    external grids, buses without supply, several voltage levels, cycles, parallel entries of a line, and line charging
    (capacitance, shunt conductance) unless ``ignore_charging``.
    """
    area = Area.of(read_net(net), substation)
    _check_transformers(area, substation)
    _check_supply(area, substation)
    _check_others(area)
    buses, base_kv = _buses(area), _base_kv(area)
    voltage = _voltage(area) if substation_voltage_pu is None else substation_voltage_pu
    return Feeder(base_kv, str(area.substation), voltage, buses, _branches(area, ignore_charging))


def _check_transformers(area: Area, substation: int | None) -> None:
    """Refuse transformers in service at the area, other than those whose low-voltage side is the given substation."""
    table = area.tables["trafo"]
    for index, high, low in zip(table.index, table.buses("hv_bus"), table.buses("lv_bus"), strict=True):
        feeds = substation is not None and area.node.get(low) == area.substation and not area.holds(high)
        if not feeds and (area.holds(high) or area.holds(low)):
            raise InstanceError(
                f"trafo {index} joins bus {high} to bus {low}, and a feeder has no transformers; "
                f"pass substation={low} to begin behind it, or replace what it feeds by a load"
            )


def _check_supply(area: Area, substation: int | None) -> None:
    """Refuse a second external grid, and buses in service that the external grid does not reach."""
    for bus in area.tables["ext_grid"].buses("bus"):
        if area.holds(bus) and area.node[bus] != area.substation:
            raise InstanceError(
                f"an external grid feeds bus {bus} beside substation {area.substation}; keep one of them"
            )
    islanded = [bus for bus, node in area.node.items() if node not in area.fed]
    if islanded and substation is None:
        raise InstanceError(
            f"no line in service leads from external grid {area.substation} to bus {islanded[0]}; "
            "set its in_service to False, or pass substation"
        )


def _check_others(area: Area) -> None:
    """Refuse elements at the area that a feeder does not have, and loads that depend on the voltage."""
    for name in sorted(set(area.tables) - set(READ) - ASIDE):
        table = area.tables[name]
        columns = [column for column in BUS_COLUMNS if column in (table.columns or {})]
        for index, *ends in zip(table.index, *(table.buses(column) for column in columns), strict=True):
            if not ends or any(area.holds(bus) for bus in ends):
                raise InstanceError(
                    f"net.{name} has element {index} in service, which a feeder does not have; remove it"
                )
    loads = _inside(area, "load")
    for column in [name for name in loads.columns or {} if name.startswith("const_")]:
        for index, percent in zip(loads.index, loads.numbers(column, 0.0).tolist(), strict=True):
            if percent:
                raise InstanceError(
                    f"load {index} has {column} {percent:g}, and a feeder's loads are constant powers; set it to 0"
                )


def _inside(area: Area, name: str) -> Table:
    """Return the elements of a table whose bus is in the area."""
    table = area.tables[name]
    return table.where(area.holds(bus) for bus in table.buses("bus"))


def _base_kv(area: Area) -> float:
    """Return the one rated voltage of the area in kV."""
    table = area.tables["bus"]
    levels = set(table.where(area.holds(bus) for bus in table.index).numbers("vn_kv").tolist())
    if len(levels) != 1:
        listed = ", ".join(f"{level:g}" for level in sorted(levels))
        raise InstanceError(
            f"net.bus has vn_kv {listed} within one area of lines; a feeder has one voltage, correct them"
        )
    return float(levels.pop())


def _voltage(area: Area) -> float:
    """Return the voltage of the external grid at the substation in per unit, or 1 behind a transformer."""
    held = set(_inside(area, "ext_grid").numbers("vm_pu", 1.0).tolist())
    if len(held) > 1:
        raise InstanceError(f"external grids hold {len(held)} voltages at bus {area.substation}; keep one of them")
    return float(held.pop()) if held else 1.0


def _buses(area: Area) -> tuple[Bus, ...]:
    """Return the fused buses with the sums of their loads and the tightest of their limits."""
    order = {bus: row for row, bus in enumerate(sorted(area.fed))}
    load = np.zeros((2, len(order)))
    for name, sign in (("load", 1000.0), ("sgen", -1000.0)):
        table = _inside(area, name)
        rows = [order[area.node[bus]] for bus in table.buses("bus")]
        for total, column in zip(load, ("p_mw", "q_mvar"), strict=True):
            np.add.at(total, rows, sign * table.numbers(column) * table.numbers("scaling", 1.0))
    table = area.tables["bus"]
    table = table.where(area.holds(bus) for bus in table.index)
    rows = [order[area.node[bus]] for bus in table.index]
    low, high = np.zeros(len(order)), np.full(len(order), math.inf)
    np.maximum.at(low, rows, table.numbers("min_vm_pu", LIMITS.voltage_min_pu))
    np.minimum.at(high, rows, table.numbers("max_vm_pu", LIMITS.voltage_max_pu))
    columns = zip(order, *load.tolist(), low.tolist(), high.tolist(), strict=True)
    return tuple(Bus(str(bus), *numbers) for bus, *numbers in columns)


def _branches(area: Area, ignore_charging: bool) -> tuple[Branch, ...]:
    """Return the lines of the area, parallel ones as one, with their current limits."""
    lines = area.tables["line"]
    lines = lines.where(map(lambda *ends: all(map(area.holds, ends)), lines.buses("from_bus"), lines.buses("to_bus")))
    for column in () if ignore_charging else ("c_nf_per_km", "g_us_per_km"):
        for index, value in zip(lines.index, lines.numbers(column, 0.0).tolist(), strict=True):
            if value:
                raise InstanceError(
                    f"line {index} has {column} {value:g}, and a feeder has no line charging; "
                    "set it to 0, or pass ignore_charging=True"
                )
    parallel = lines.numbers("parallel", 1.0)
    length_km = lines.numbers("length_km") / parallel
    loading = lines.numbers("max_loading_percent", FULL_PERCENT) / FULL_PERCENT
    current_ka = lines.numbers("max_i_ka", math.inf)
    current_ka = np.where(current_ka >= UNLIMITED_KA, math.inf, current_ka)
    current_a = 1000.0 * current_ka * lines.numbers("df", 1.0) * parallel * loading
    ohm = [(length_km * lines.numbers(name)).tolist() for name in ("r_ohm_per_km", "x_ohm_per_km")]
    ends = [[str(area.node[bus]) for bus in lines.buses(column)] for column in ("from_bus", "to_bus")]
    return tuple(Branch(*row) for row in zip(*ends, *ohm, current_a.tolist(), strict=True))
