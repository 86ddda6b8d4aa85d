"""The feeder as arrays: oriented away from the substation, in per unit, in topological order.

Bus 0 is the substation. A branch is identified with its downstream bus, so branch k (k = 0..n-2) is the one
that feeds bus k+1, and every branch comes after the one that feeds its parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from instances.grid.units import FloatArray, PerUnit
from instances.records import tree
from instances.records.feeder import Branch, Feeder

__all__ = ["Network"]


@dataclass(frozen=True, eq=False, slots=True)
class Network:
    """Read-only arrays of a radial feeder with n buses; ``_pu`` quantities refer to ``per_unit``.

    Per bus, shape (n,): ``parent`` (position of the upstream bus, -1 at the substation), ``load_kw``,
    ``load_kvar`` (base load), ``voltage_min_pu``, ``voltage_max_pu``, and the admittance g + jb to ground of shunts and of the line
    charging at the bus, ``conductance_pu`` and ``susceptance_pu``. Per branch, shape (n-1,), aligned to
    ``buses[1:]``: ``ratio`` a of an ideal transformer at its parent, ``resistance_pu`` and ``reactance_pu`` behind it,
    ``charging_pu`` (half of its susceptance, at each end), ``current_max_pu`` (behind the ratio) and ``power_max_pu`` (infinity:
    no limit), both of the sending end, and ``branch_names`` such as "3-4" (parent-child). ``index`` gives the position of a bus.
    ``supply_active_pu`` and ``supply_reactive_pu`` are the least and the largest power that the main grid feeds in.
    """

    buses: tuple[str, ...]
    index: Mapping[str, int]
    parent: NDArray[np.int64]
    branch_names: tuple[str, ...]
    resistance_pu: FloatArray
    reactance_pu: FloatArray
    current_max_pu: FloatArray
    power_max_pu: FloatArray
    load_kw: FloatArray
    load_kvar: FloatArray
    voltage_min_pu: FloatArray
    voltage_max_pu: FloatArray
    substation_voltage_pu: float
    per_unit: PerUnit
    ratio: FloatArray
    charging_pu: FloatArray
    conductance_pu: FloatArray
    susceptance_pu: FloatArray
    supply_active_pu: tuple[float, float]
    supply_reactive_pu: tuple[float, float]

    @staticmethod
    def of(feeder: Feeder) -> Network:
        """Return the network of ``feeder`` in the bases of `PerUnit.for_feeder`: the same object for the same feeder."""
        return _of(feeder)

    @classmethod
    def from_feeder(cls, feeder: Feeder, per_unit: PerUnit | None = None) -> Network:
        """Orient ``feeder`` and convert it, by default to the bases of `PerUnit.for_feeder`.

        Raises `InstanceError` naming the buses of a cycle, the parallel branches or the islanded
        buses.
        """
        bases = per_unit or PerUnit.for_feeder(feeder)
        edges, places = tree.oriented(feeder.substation, [bus.name for bus in feeder.buses], tree.ends(feeder.branches))
        branches = [feeder.branches[at] for at in places]
        names = (feeder.substation, *(child for _, child in edges))
        index = {name: position for position, name in enumerate(names)}
        by_name = {bus.name: bus for bus in feeder.buses}
        buses = [by_name[name] for name in names]
        parent = np.array([-1, *(index[up] for up, _ in edges)], dtype=np.int64)
        columns = _branch_columns(
            bases, branches, [branch.from_bus == up for branch, (up, _) in zip(branches, edges, strict=True)]
        )
        ratio, charging = columns["ratio"], columns["charging_pu"]
        susceptance = bases.power(_column(buses, "capacitor_kvar"))
        susceptance[1:] += charging
        np.add.at(susceptance, parent[1:], charging / ratio**2)
        frozen = {
            **columns,
            "conductance_pu": bases.power(_column(buses, "shunt_kw")),
            "susceptance_pu": susceptance,
            **{name: _column(buses, name) for name in ("load_kw", "load_kvar", "voltage_min_pu", "voltage_max_pu")},
        }
        for array in (parent, *frozen.values()):
            array.setflags(write=False)
        return cls(
            buses=names,
            index=index,
            parent=parent,
            branch_names=tuple(f"{up}-{down}" for up, down in edges),
            substation_voltage_pu=float(feeder.substation_voltage_pu),
            per_unit=bases,
            supply_active_pu=(bases.power(float(feeder.supply_min_kw)), bases.power(float(feeder.supply_max_kw))),
            supply_reactive_pu=(bases.power(float(feeder.supply_min_kvar)), bases.power(float(feeder.supply_max_kvar))),
            **frozen,
        )

    @property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Positions of the downstream neighbours of every bus, in increasing order."""
        found: list[list[int]] = [[] for _ in self.buses]
        for bus, up in enumerate(self.parent.tolist()[1:], start=1):
            found[up].append(bus)
        return tuple(map(tuple, found))

    def incidence(self) -> sparse.csc_matrix[np.float64]:
        """Return B, shape (n-1, n-1), with ``B @ branch_current`` = what is drawn at ``buses[1:]``, shunts included.

        Column k holds 1 at the branch's own bus and -1 at its parent (over the ratio of the branch), so B is upper triangular with
        unit diagonal.
        """
        branch = np.arange(len(self.buses) - 1)
        inner = branch[self.parent[1:] > 0]
        rows = np.concatenate([branch, self.parent[1:][inner] - 1])
        columns = np.concatenate([branch, inner])
        values = np.concatenate([np.ones(branch.size), -1.0 / self.ratio[inner]])
        return sparse.csc_matrix((values, (rows, columns)), shape=(branch.size, branch.size))


@lru_cache(maxsize=16)
def _of(feeder: Feeder) -> Network:
    return Network.from_feeder(feeder)


def _column(records: Sequence[object], field: str) -> FloatArray:
    """Return one field of the records as an array, shape (len(records),)."""
    return np.array([getattr(record, field) for record in records], dtype=np.float64)


def _branch_columns(bases: PerUnit, branches: Sequence[Branch], forward: Sequence[bool]) -> dict[str, FloatArray]:
    """Return the columns of the branches seen from their parents; ``forward`` where a branch is named in that direction.

    A transformer of ratio t at the child's end, behind the impedance z and the susceptances b, is one of 1/t at the parent's end
    before t² z and b/t², with the current I/t where it was I.
    """
    tap = _column(branches, "tap_ratio")
    turned = np.where(forward, 1.0, tap)
    return {
        "ratio": np.where(forward, tap, 1.0 / tap),
        "resistance_pu": bases.impedance(_column(branches, "resistance_ohm")) * turned**2,
        "reactance_pu": bases.impedance(_column(branches, "reactance_ohm")) * turned**2,
        "charging_pu": bases.power(_column(branches, "charging_kvar")) / 2 / turned**2,
        "current_max_pu": bases.current(_column(branches, "current_max_a")) / turned,
        "power_max_pu": bases.power(_column(branches, "power_max_kva")),
    }
