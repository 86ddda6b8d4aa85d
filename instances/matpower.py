"""A radial MATPOWER case as a feeder: three-phase kW, kvar and ohm, or a refusal of what a feeder does not have.

MATPOWER keeps loads in MW and Mvar and impedances in per unit of ``baseMVA`` and of the base voltage of each bus, so that with
the voltage V of the feeder in kV and S = ``baseMVA``

    ohm = per unit * V² / S        kW = 1000 MW        kVA = 1000 MVA

Many distribution cases list ohm and kW and convert them by code below the tables, which `instances.matlab` runs.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instances.errors import InstanceError
from instances.feeder import Branch, Bus, Feeder
from instances.matlab import MatlabFile, read_matlab
from instances.tables import make, read_text
from instances.units import FloatArray

__all__ = ["read_matpower"]

# Columns of the tables, from 0
BUS_I, BUS_TYPE, PD, QD, GS, BS, BASE_KV, VMAX, VMIN = 0, 1, 2, 3, 4, 5, 9, 11, 12
GEN_BUS, GEN_LIMITS, VG, GEN_STATUS = 0, [1, 2, 3, 4, 8, 9], 5, 7
F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, TAP, SHIFT, BR_STATUS, ANGMIN, ANGMAX = 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12
WIDTH = {"bus": 13, "gen": 10, "branch": 13}
PQ, PV, REF = 1, 2, 3
# Fields that say nothing of the power flow
ASIDE = {"version", "baseMVA", *WIDTH, "gencost", "bus_name", "areas", "genfuel", "gentype"}
FULL_TURN = 360.0
PHASES = 3.0


def read_matpower(
    path: str | os.PathLike[str], *, per_phase: bool | None = None, ignore_charging: bool = False
) -> Feeder:
    """Read a MATPOWER case file (version 2) as a feeder whose buses keep their numbers as names.

    The reference bus is the substation, at the voltage of its generator. ``base_kv`` is the base voltage of most buses; impedances
    behind transformers of nominal ratio are referred to it. A limit ``rateA`` holds at the sending end. Lines out of service,
    generator costs and columns after the 13th, which MATPOWER does not read either, are left out.

    ``per_phase`` says whether powers are of one phase and voltages to neutral, which are then multiplied by 3 and √3; it must be
    given when mpc.bus is written with ``sqrt(3)``, a sign of such data. ``ignore_charging`` leaves out line charging.

    Raises `InstanceError` naming the file and the line, bus or branch for whatever is not understood or not in a feeder: a
    network that is not radial, several reference buses, other generators, off-nominal taps, phase shifts, shunts, line charging,
    angle limits, negative impedances, isolated buses, other tables, and code beyond plain arithmetic on columns.
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
    _check_branches(where, branch, ignore_charging)
    factor = PHASES if per_phase else 1.0
    base_kv = Counter(bus[:, BASE_KV].tolist()).most_common(1)[0][0] * factor**0.5
    kva, ohm = 1000.0 * factor, base_kv**2 / (base_mva * factor)
    values = {
        "base_kv": base_kv,
        "substation": substation,
        "substation_voltage_pu": _voltage(where, gen, substation),
        "buses": _buses(where, bus, kva),
        "branches": _branches(where, branch, kva, ohm),
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
    return f"{number:g}" if number != round(number) else f"{number:.0f}"


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
    """Refuse isolated buses, shunts, and generators away from the reference bus that could feed or hold a voltage."""
    names = [f"bus {_name(number)}" for number in bus[:, BUS_I].tolist()]
    kind = bus[:, BUS_TYPE]
    _refuse(where, ~np.isin(kind, (PQ, PV, REF)), names, "type", kind, "delete an isolated bus and its branches")
    remedy = "a feeder has no shunts: set it to 0, or state it as a load of constant power"
    for column, what in ((GS, "shunt conductance Gs"), (BS, "shunt susceptance Bs")):
        _refuse(where, bus[:, column] != 0, names, what, bus[:, column], remedy)
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


def _check_branches(where: str, branch: FloatArray, ignore_charging: bool) -> None:
    """Refuse taps, phase shifts, line charging and angle limits."""
    names = [f"branch {_name(row[F_BUS])}-{_name(row[T_BUS])}" for row in branch]
    taps, shift, charging = branch[:, TAP], branch[:, SHIFT], branch[:, BR_B]
    _refuse(
        where, ~np.isin(taps, (0.0, 1.0)), names, "ratio", taps, "a feeder has no off-nominal taps: set it to 0 or 1"
    )
    _refuse(where, shift != 0, names, "angle", shift, "a feeder has no phase shifters: set it to 0")
    if not ignore_charging:
        _refuse(where, charging != 0, names, "line charging b", charging, "set it to 0, or pass ignore_charging=True")
    for column, sign in ((ANGMIN, -1.0), (ANGMAX, 1.0)):
        limit = branch[:, column]
        bad = (limit != 0) & ~(sign * limit >= FULL_TURN)
        _refuse(where, bad, names, "angle limit", limit, "a feeder has no angle limits: set it to 0, no limit")


def _buses(where: str, bus: FloatArray, kva: float) -> tuple[Bus, ...]:
    """Return the buses with their loads in kW and kvar."""
    fields = ("name", "load_kw", "load_kvar", "voltage_min_pu", "voltage_max_pu")
    names = map(_name, bus[:, BUS_I].tolist())
    columns = (bus[:, PD] * kva, bus[:, QD] * kva, bus[:, VMIN], bus[:, VMAX])
    rows = zip(names, *(column.tolist() for column in columns), strict=True)
    return tuple(make(where, Bus, dict(zip(fields, row, strict=True))) for row in rows)


def _branches(where: str, branch: FloatArray, kva: float, ohm: float) -> tuple[Branch, ...]:
    """Return the branches with their impedances in ohm; a rating of 0 is no limit."""
    limit = np.where(branch[:, RATE_A] == 0, np.inf, branch[:, RATE_A] * kva)
    fields = ("from_bus", "to_bus", "resistance_ohm", "reactance_ohm", "power_max_kva")
    ends = ([_name(number) for number in branch[:, column].tolist()] for column in (F_BUS, T_BUS))
    rows = zip(*ends, (branch[:, BR_R] * ohm).tolist(), (branch[:, BR_X] * ohm).tolist(), limit.tolist(), strict=True)
    return tuple(make(where, Branch, dict(zip(fields, row, strict=True))) for row in rows)
