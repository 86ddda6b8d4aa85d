"""A radial MATPOWER case as a feeder: three-phase kW, kvar and ohm, or a refusal of what a feeder does not have.

MATPOWER keeps loads in MW and Mvar and impedances in per unit of ``baseMVA`` and of the base voltage of each bus, so that with
the voltage V of the feeder in kV and S = ``baseMVA``

    ohm = per unit * V² / S        kW = 1000 MW        kVA = 1000 MVA        charging in kvar = 1000 b S

Many distribution cases list ohm and kW and convert them by code below the tables, which `instances.formats.matlab` runs.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instances.files.tables import make, read_text
from instances.formats.matlab import MatlabFile, read_matlab
from instances.grid.parallel import merged
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError
from instances.records.feeder import Branch, Bus, Feeder

__all__ = ["read_matpower"]

# Columns of the tables, from 0
BUS_I, BUS_TYPE, PD, QD, GS, BS, BASE_KV, VMAX, VMIN = 0, 1, 2, 3, 4, 5, 9, 11, 12
GEN_BUS, GEN_LIMITS, QMAX, QMIN, VG, GEN_STATUS, PMAX, PMIN = 0, [1, 2, 3, 4, 8, 9], 3, 4, 5, 7, 8, 9
F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, TAP, SHIFT, BR_STATUS, ANGMIN, ANGMAX = 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12
WIDTH = {"bus": 13, "gen": 10, "branch": 13}
PQ, PV, REF = 1, 2, 3
# Fields that say nothing of the power flow
ASIDE = {"version", "baseMVA", *WIDTH, "gencost", "bus_name", "areas", "genfuel", "gentype"}
FULL_TURN = 360.0
PHASES = 3.0


def read_matpower(
    path: str | os.PathLike[str],
    *,
    per_phase: bool | None = None,
    ignore_charging: bool = False,
    ignore_supply_limits: bool = False,
) -> Feeder:
    """Read a MATPOWER case file (version 2) as a feeder whose buses keep their numbers as names.

    The reference bus is the substation, at the voltage of its generators, whose Pmin to Qmax limit the supply, those of several by
    their sum. ``base_kv`` is the base voltage of most buses; impedances behind transformers are referred to it. Gs and Bs are
    shunts, of which Bs > 0 is a capacitor. A limit ``rateA`` holds at the sending end. Parallel branches become one, by
    `instances.grid.parallel.merged`. Lines out of service, generator costs and columns after the 13th, which MATPOWER does not read
    either, are left out.

    ``per_phase`` says whether powers are of one phase and voltages to neutral, which are then multiplied by 3 and √3; it must be
    given when mpc.bus is written with ``sqrt(3)``, a sign of such data. ``ignore_charging`` leaves out line charging, and
    ``ignore_supply_limits`` the limits of the generators, which are placeholders where Pmax is below the load.

    Raises `InstanceError` naming the file and the line, bus or branch for whatever is not understood or not in a feeder: a
    network that is not radial, several reference buses, other generators, phase shifts, negative conductances of shunts, angle
    limits, negative impedances, isolated buses, other tables, and code beyond plain arithmetic on columns.
    """
    where = str(path)
    case = read_matlab(where, read_text(Path(path)))
    base_mva, tables = _tables(where, case)
    if per_phase is None and "sqrt(3)" in "".join(case.texts["bus"].split()):
        raise InstanceError(
            f"{where} writes voltages with sqrt(3), a sign of voltages to neutral and powers of one phase; "
            "say so with per_phase=True, or False"
        )
    bus, gen, branch = tables["bus"], tables["gen"], tables["branch"]
    branch = branch[branch[:, BR_STATUS] != 0]
    substation = _substation(where, bus)
    _check_buses(where, bus, gen)
    _check_branches(where, branch)
    if ignore_charging:
        branch[:, BR_B] = 0
    factor = PHASES if per_phase else 1.0
    base_kv = Counter(bus[:, BASE_KV].tolist()).most_common(1)[0][0] * factor**0.5
    kva, ohm = 1000.0 * factor, base_kv**2 / (base_mva * factor)
    # What overflows in another unit is refused as no finite number, by its name
    with np.errstate(over="ignore", invalid="ignore"):
        values = {
            "base_kv": base_kv,
            "substation": substation,
            "substation_voltage_pu": _voltage(where, gen, substation),
            "buses": _buses(where, bus, kva),
            "branches": _branches(where, branch, kva, ohm, base_mva),
            **({} if ignore_supply_limits else _supply(where, gen, substation, kva)),
        }
    return make(where, Feeder, values)


def _tables(where: str, case: MatlabFile) -> tuple[float, dict[str, FloatArray]]:
    """Return ``baseMVA`` and the three tables, or refuse fields that are missing, too narrow or not understood."""
    if case.fields.get("version") != "2":
        raise InstanceError(f"{where} is no case of version 2; convert it with MATPOWER's savecase")
    for field in case.fields:
        if field not in ASIDE:
            raise InstanceError(
                f"{where} has mpc.{field}, which is not understood; remove it if power flows do not depend on it"
            )
    base = case.fields.get("baseMVA")
    if not isinstance(base, float) or not 0 < base < np.inf:
        raise InstanceError(f"{where} has baseMVA {base}; give a number above 0")
    tables = {}
    for name, width in WIDTH.items():
        table = case.fields.get(name)
        if not isinstance(table, np.ndarray) or not len(table) or table.shape[1] < width:
            raise InstanceError(f"{where} has no mpc.{name} with rows of at least {width} numbers; add it")
        tables[name] = table
    return base, tables


def _name(number: float) -> str:
    """Return the number of a bus as its name."""
    return f"{number:.0f}" if float(number).is_integer() else f"{number:g}"


def _refuse(where: str, bad: NDArray[np.bool_], names: list[str], what: str, values: FloatArray, remedy: str) -> None:
    """Refuse the first object that is marked as bad, with its value."""
    if bad.any():
        first = int(bad.argmax())
        raise InstanceError(f"{where}: {names[first]} has {what} {values[first]:g}; {remedy}")


def _substation(where: str, bus: FloatArray) -> str:
    """Return the name of the one reference bus."""
    found = [_name(number) for number in bus[bus[:, BUS_TYPE] == REF, BUS_I].tolist()]
    if len(found) != 1:
        listed = f": {', '.join(found)}" if found else ""
        raise InstanceError(
            f"{where} has {len(found)} reference buses (type 3){listed}; keep one, a feeder has one substation"
        )
    return found[0]


def _check_buses(where: str, bus: FloatArray, gen: FloatArray) -> None:
    """Refuse isolated buses, and generators away from the reference bus that could feed or hold a voltage."""
    names = [f"bus {_name(number)}" for number in bus[:, BUS_I].tolist()]
    kind = bus[:, BUS_TYPE]
    _refuse(where, ~np.isin(kind, (PQ, PV, REF)), names, "type", kind, "delete an isolated bus and its branches")
    running = gen[gen[:, GEN_STATUS] > 0]
    holding = bus[kind != PQ, BUS_I]
    active = np.isin(running[:, GEN_BUS], holding) | (running[:, GEN_LIMITS] != 0).any(axis=1)
    other = running[active & (running[:, GEN_BUS] != bus[kind == REF, BUS_I][0])]
    if len(other):
        raise InstanceError(
            f"{where} has a generator at bus {_name(other[0, GEN_BUS])}, which is not the reference bus; "
            "set its status to 0, and state a fixed output as a negative load"
        )


def _voltage(where: str, gen: FloatArray, substation: str) -> float:
    """Return the voltage that the generators at the substation hold, in per unit."""
    held = {float(row[VG]) for row in gen if row[GEN_STATUS] > 0 and _name(row[GEN_BUS]) == substation}
    if len(held) != 1:
        raise InstanceError(
            f"{where} has {len(held)} voltages held by generators at reference bus {substation}; put one generator in service there"
        )
    return held.pop()


def _supply(where: str, gen: FloatArray, substation: str, kva: float) -> dict[str, float]:
    """Return the limits of the supply, by the names of the feeder's fields: sums over the generators at the substation."""
    running = gen[[row[GEN_STATUS] > 0 and _name(row[GEN_BUS]) == substation for row in gen]]
    limits = {}
    for unit, low, high in (("kw", PMIN, PMAX), ("kvar", QMIN, QMAX)):
        for end, column in (("min", low), ("max", high)):
            total = kva * float(running[:, column].sum())
            if np.isnan(total):
                raise InstanceError(
                    f"{where}: the generator at bus {substation} has a limit that is no number; give one"
                )
            if np.isfinite(total):
                limits[f"supply_{end}_{unit}"] = total
    return limits


def _check_branches(where: str, branch: FloatArray) -> None:
    """Refuse phase shifts and angle limits."""
    names = [f"branch {_name(row[F_BUS])}-{_name(row[T_BUS])}" for row in branch]
    shift = branch[:, SHIFT]
    _refuse(where, shift != 0, names, "angle", shift, "a feeder has no phase shifters: set it to 0")
    for column, sign in ((ANGMIN, -1.0), (ANGMAX, 1.0)):
        limit = branch[:, column]
        bad = (limit != 0) & ~(sign * limit >= FULL_TURN)
        _refuse(where, bad, names, "angle limit", limit, "a feeder has no angle limits: set it to 0, no limit")


def _buses(where: str, bus: FloatArray, kva: float) -> tuple[Bus, ...]:
    """Return the buses with their loads in kW and kvar."""
    fields = ("name", "load_kw", "load_kvar", "voltage_min_pu", "voltage_max_pu", "shunt_kw", "capacitor_kvar")
    names = map(_name, bus[:, BUS_I].tolist())
    columns = (bus[:, PD] * kva, bus[:, QD] * kva, bus[:, VMIN], bus[:, VMAX], bus[:, GS] * kva, bus[:, BS] * kva)
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    return tuple(make(where, Bus, dict(zip(fields, row, strict=True))) for row in rows)


def _branches(where: str, branch: FloatArray, kva: float, ohm: float, base_mva: float) -> tuple[Branch, ...]:
    """Return the branches with their impedances in ohm, parallel ones merged; a rating of 0 is no limit, a ratio of 0 is 1."""
    limit = np.where(branch[:, RATE_A] == 0, np.inf, branch[:, RATE_A] * kva)
    ratio = np.where(branch[:, TAP] == 0, 1.0, branch[:, TAP])
    fields = ("from_bus", "to_bus", "resistance_ohm", "reactance_ohm", "power_max_kva", "tap_ratio", "charging_kvar")
    ends = ([_name(number) for number in branch[:, column].tolist()] for column in (F_BUS, T_BUS))
    columns = (branch[:, BR_R] * ohm, branch[:, BR_X] * ohm, limit, ratio, branch[:, BR_B] * base_mva * kva)
    rows = zip(*ends, *(column.tolist() for column in columns), strict=True)
    found = [make(where, Branch, dict(zip(fields, row, strict=True))) for row in rows]
    try:
        return merged(found)
    except InstanceError as error:
        raise InstanceError(f"{where}: {error}") from error
