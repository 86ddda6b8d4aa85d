"""A radial pandapower network as a feeder: lines, transformers, loads and fixed infeed, or a refusal of what it does not have.

Only the network's tables are read, so that pandapower itself is not needed:

    ohm = ohm per km * length / parallel lines        kW = 1000 p_mw * scaling, loads less static generators
    kvar of charging = 1000 * 2π f C * length * parallel lines * V²        kvar of a shunt = -1000 q_mvar * step * (V / vn_kv)²

Source of what the tables mean: L. Thurner et al., pandapower, IEEE Trans. Power Systems 33(6), 2018, doi
10.1109/TPWRS.2018.2829021.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instances import tolerances
from instances.formats.pandapower_tables import FULL_PERCENT, READ, Area, Table, read_net
from instances.formats.pandapower_trafos import Transformers
from instances.grid.parallel import merged
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError, quoted
from instances.records.feeder import Branch, Bus, Feeder

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
# What pandapower's own converters write for a line without limit
UNLIMITED_KA = 99999.0
DEFAULT_HZ = 50.0
# Its limits are those of a bus that names none
LIMITS = Bus("unnamed", 0.0, 0.0)


def from_pandapower(
    net: Mapping[str, Any],
    *,
    substation: int | None = None,
    substation_voltage_pu: float | None = None,
    ignore_charging: bool = False,
    ignore_supply_limits: bool = False,
) -> Feeder:
    """Return a pandapower network (or tables of its form) as a feeder whose buses are named by their index.

    The bus of the external grid, or of the generator with ``slack``, is the substation, and its limits ``max_p_mw`` to
    ``min_q_mvar`` are those of the supply, unless ``ignore_supply_limits``. Two-winding transformers are branches with the ratio of
    their tap, and what they draw idle is a shunt; ohms and amperes of all branches are at the rated voltage of most buses. To begin
    behind a transformer, pass the bus on its low-voltage side as ``substation``: the feeder begins there, at
    ``substation_voltage_pu`` (default: that of an external grid at this bus, or 1), and what lies beyond the transformers that feed
    it, or is not joined to it, is left out.

    What is out of service is left out. Lines with an open end leave their charging at the other one, transformers what they draw.
    Lines between the same buses become one, by `instances.grid.parallel.merged`. Shunts and line capacitance are kept, the latter
    unless ``ignore_charging``. Buses joined by closed bus-bus switches become one, named by the lowest index, with the tightest of
    their limits. Static generators become negative loads. Voltage limits that are missing become 0.9 and 1.1. ``max_i_ka``, times
    ``df``, parallel lines and ``max_loading_percent``, limits the current; 99999 does not. ``sn_mva`` does so of a transformer.

    Raises `InstanceError` naming table and index for whatever is in service and not in a feeder: transformers of three windings or
    with taps that turn voltages, generators that hold a voltage, storages, wards, loads that depend on the voltage, shunts with a
    table of steps, switches with an impedance, several external grids, buses without supply, lines between voltage levels, cycles,
    and lines with a shunt conductance unless ``ignore_charging``.
    """
    area = Area.of(read_net(net), substation)
    _check_supply(area, substation)
    _check_others(area)
    kv = _rated_kv(area)
    # The level of most buses; of several the substation's, else the highest
    counts = Counter(kv[bus] for bus in area.fed)
    base_kv = max(counts, key=lambda level: (counts[level], level == kv[area.substation], level))
    # S per nF
    charging = 0.0 if ignore_charging else 2e-9 * math.pi * _hertz(net.get("f_hz", DEFAULT_HZ))
    if not ignore_charging:
        _check_conductance(area)
    voltage = _voltage(area) if substation_voltage_pu is None else substation_voltage_pu
    limits = {} if ignore_supply_limits else _supply(area)
    buses, branches = _buses(area, kv, charging), _branches(area, kv, base_kv, charging)
    return Feeder(base_kv, str(area.substation), voltage, buses, branches, **limits)


def _hertz(value: object) -> float:
    """Return the frequency of the network, or refuse one that is no positive number."""
    given = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 < given < tolerances.LARGEST:
        raise InstanceError(f"the network has f_hz {quoted(value)}; give a positive number, such as 50")
    return float(given)


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
    loads = area.inside("load")
    for column in [name for name in loads.columns or {} if name.startswith("const_")]:
        for index, percent in zip(loads.index, loads.numbers(column, 0.0).tolist(), strict=True):
            if percent:
                raise InstanceError(
                    f"load {index} has {column} {percent:g}, and a feeder's loads are constant powers; set it to 0"
                )


def _rated_kv(area: Area) -> dict[int, float]:
    """Return the rated voltage of every bus of the area in kV; lines and switches join buses of one alone."""
    table = area.tables["bus"]
    table = table.where(area.holds(bus) for bus in table.index)
    kv = dict(zip(table.index, table.numbers("vn_kv").tolist(), strict=True))
    lines = area.inside("line")
    joined = [*zip(lines.buses("from_bus"), lines.buses("to_bus"), strict=True), *((bus, area.node[bus]) for bus in kv)]
    for up, down in joined:
        if kv[up] != kv[down]:
            levels = ", ".join(f"{level:g}" for level in sorted((kv[up], kv[down])))
            raise InstanceError(
                f"net.bus has vn_kv {levels} at buses {up} and {down}, which a line or a switch joins: correct them"
            )
    return kv


def _voltage(area: Area) -> float:
    """Return the voltage of the external grid at the substation in per unit, or 1 behind a transformer."""
    held = set(area.inside("ext_grid").numbers("vm_pu", 1.0).tolist())
    if len(held) > 1:
        raise InstanceError(f"external grids hold {len(held)} voltages at bus {area.substation}; keep one of them")
    return float(held.pop()) if held else 1.0


def _supply(area: Area) -> dict[str, float]:
    """Return the limits of the supply by the names of the feeder's fields: sums over the external grids at the substation."""
    grids = area.inside("ext_grid")
    limits: dict[str, float] = {}
    if not grids.index:
        return limits
    for unit, column in (("kw", "p_mw"), ("kvar", "q_mvar")):
        for end, none in (("min", -math.inf), ("max", math.inf)):
            limits[f"supply_{end}_{unit}"] = 1000.0 * float(grids.numbers(f"{end}_{column}", none).sum())
    return limits


def _buses(area: Area, kv: Mapping[int, float], charging: float) -> tuple[Bus, ...]:
    """Return the fused buses with the sums of their loads and shunts and the tightest of their limits."""
    order = {bus: row for row, bus in enumerate(sorted(area.fed))}
    load, shunt = _loads(area, order), _shunts(area, order, kv)
    lines, live = area.hanging["line"]
    trafos, fed = area.hanging["trafo"]
    idle = Transformers.of(trafos.where(map(area.holds, fed)), kv)
    for bus, kva in (
        *zip(live, _hanging_kva(lines, [kv.get(bus, math.nan) for bus in live], charging).tolist(), strict=True),
        *Transformers.of(area.inside("trafo"), kv).shunts(),
        *idle.idle(tuple(filter(area.holds, fed))),
    ):
        if area.holds(bus) and kva:
            shunt[:, order[area.node[bus]]] += kva.real, kva.imag
    table = area.tables["bus"]
    table = table.where(area.holds(bus) for bus in table.index)
    rows = [order[area.node[bus]] for bus in table.index]
    low, high = np.zeros(len(order)), np.full(len(order), math.inf)
    np.maximum.at(low, rows, table.numbers("min_vm_pu", LIMITS.voltage_min_pu))
    np.minimum.at(high, rows, table.numbers("max_vm_pu", LIMITS.voltage_max_pu))
    columns = zip(order, *load.tolist(), low.tolist(), high.tolist(), *shunt.tolist(), strict=True)
    return tuple(Bus(str(bus), *numbers) for bus, *numbers in columns)


def _loads(area: Area, order: Mapping[int, int]) -> FloatArray:
    """Return kW and kvar of the fused buses in their order, (2, n)."""
    load = np.zeros((2, len(order)))
    for name, sign in (("load", 1000.0), ("sgen", -1000.0)):
        table = area.inside(name)
        rows = [order[area.node[bus]] for bus in table.buses("bus")]
        for total, column in zip(load, ("p_mw", "q_mvar"), strict=True):
            np.add.at(total, rows, sign * table.numbers(column) * table.numbers("scaling", 1.0))
    return load


def _shunts(area: Area, order: Mapping[int, int], kv: Mapping[int, float]) -> FloatArray:
    """Return kW drawn and kvar fed in at 1 pu by shunts at the fused buses, (2, n)."""
    table, shunt = area.inside("shunt"), np.zeros((2, len(order)))
    for index, stepped in zip(table.index, table.column("step_dependency_table"), strict=True):
        if stepped is not None and stepped is not math.nan and bool(stepped):
            raise InstanceError(f"shunt {index} has a table of steps; write p_mw and q_mvar of its step, with step 1")
    rows = [order[area.node[bus]] for bus in table.buses("bus")]
    own = np.array([kv[bus] for bus in table.buses("bus")])
    rated = table.numbers("vn_kv")
    scale = 1000.0 * table.numbers("step", 1.0) * (own / np.where(np.isnan(rated), own, rated)) ** 2
    np.add.at(shunt[0], rows, scale * table.numbers("p_mw", 0.0))
    np.add.at(shunt[1], rows, -scale * table.numbers("q_mvar"))
    return shunt


def _hanging_kva(lines: Table, kv: list[float], charging: float) -> NDArray[np.complex128]:
    """Return what lines with one end open draw at the other, at rated voltages ``kv``: y/2 beside y/2 behind the impedance."""
    parallel, length = lines.numbers("parallel", 1.0), lines.numbers("length_km")
    ohm = (lines.numbers("r_ohm_per_km") + 1j * lines.numbers("x_ohm_per_km")) * length / parallel
    half = 0.5j * charging * lines.numbers("c_nf_per_km", 0.0) * length * parallel
    return np.asarray(1000.0 * np.array(kv) ** 2 * (half + half / (1.0 + half * ohm)))


def _check_conductance(area: Area) -> None:
    """Refuse lines with a shunt conductance."""
    for lines in (area.tables["line"], area.hanging["line"][0]):
        for index, value, *ends in zip(
            lines.index,
            lines.numbers("g_us_per_km", 0.0).tolist(),
            lines.buses("from_bus"),
            lines.buses("to_bus"),
            strict=True,
        ):
            if value and any(map(area.holds, ends)):
                raise InstanceError(
                    f"line {index} has g_us_per_km {value:g}, and a feeder's lines have no shunt conductance; "
                    "set it to 0, or pass ignore_charging=True"
                )


def _branches(area: Area, kv: Mapping[int, float], base_kv: float, charging: float) -> tuple[Branch, ...]:
    """Return lines and transformers of the area, parallel ones as one, in ohm and A at ``base_kv``; ``charging`` in S per nF."""
    lines = area.inside("line")
    own = np.array([kv[bus] for bus in lines.buses("from_bus")])
    parallel = lines.numbers("parallel", 1.0)
    length_km = lines.numbers("length_km") / parallel
    loading = lines.numbers("max_loading_percent", FULL_PERCENT) / FULL_PERCENT
    current_ka = lines.numbers("max_i_ka", math.inf)
    current_ka = np.where(current_ka >= UNLIMITED_KA, math.inf, current_ka)
    referred = (base_kv / own) ** 2
    columns = {
        "resistance_ohm": length_km * lines.numbers("r_ohm_per_km") * referred,
        "reactance_ohm": length_km * lines.numbers("x_ohm_per_km") * referred,
        "current_max_a": 1000.0 * current_ka * lines.numbers("df", 1.0) * parallel * loading * own / base_kv,
        "charging_kvar": 1000.0 * charging * own**2 * lines.numbers("c_nf_per_km", 0.0) * length_km * parallel**2,
        "from_bus": [str(area.node[bus]) for bus in lines.buses("from_bus")],
        "to_bus": [str(area.node[bus]) for bus in lines.buses("to_bus")],
    }
    plain = {name: list(np.asarray(column).tolist()) for name, column in columns.items()}
    found = [Branch(**dict(zip(plain, row, strict=True))) for row in zip(*plain.values(), strict=True)]
    trafos = Transformers.of(area.inside("trafo"), kv)
    found += trafos.branches(area.node, base_kv)
    return merged(found, [*(f"line {index}" for index in lines.index), *(f"trafo {index}" for index in trafos.index)])
