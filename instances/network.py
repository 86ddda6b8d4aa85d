"""The feeder as arrays: oriented away from the substation, in per unit, in topological order.

Bus 0 is the substation. A branch is identified with its downstream bus, so branch k (k = 0..n-2) is the one
that feeds bus k+1, and every branch comes after the one that feeds its parent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from instances.errors import InstanceError
from instances.units import FloatArray, PerUnit

if TYPE_CHECKING:
    from instances.feeder import Branch, Feeder

__all__ = ["Network"]

NAMES_SHOWN = 12


@dataclass(frozen=True, eq=False, slots=True)
class Network:
    """Read-only arrays of a radial feeder with n buses; ``_pu`` quantities refer to ``per_unit``.

    Per bus, shape (n,): ``parent`` (position of the upstream bus, -1 at the substation), ``load_kw``,
    ``load_kvar`` (base load), ``voltage_min_pu``, ``voltage_max_pu``. Per branch, shape (n-1,), aligned to
    ``buses[1:]``: ``resistance_pu``, ``reactance_pu``, ``current_max_pu`` and ``power_max_pu`` (infinity:
    no limit), and ``branch_names`` such as "3-4" (parent-child). ``index`` maps a bus name to its position.
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

    @classmethod
    def from_feeder(cls, feeder: Feeder, per_unit: PerUnit | None = None) -> Network:
        """Orient ``feeder`` and convert it, by default to the bases of `PerUnit.for_feeder`.

        Raises `InstanceError` naming the buses of a cycle, the parallel branches or the islanded
        buses.
        """
        bases = per_unit or PerUnit.for_feeder(feeder)
        edges, branches = _oriented(feeder)
        names = (feeder.substation, *(child for _, child in edges))
        index = {name: position for position, name in enumerate(names)}
        by_name = {bus.name: bus for bus in feeder.buses}
        buses = [by_name[name] for name in names]
        parent = np.array([-1, *(index[up] for up, _ in edges)], dtype=np.int64)
        parent.setflags(write=False)
        return cls(
            buses=names,
            index=index,
            parent=parent,
            branch_names=tuple(f"{up}-{down}" for up, down in edges),
            resistance_pu=_frozen(bases.impedance(_column(branches, "resistance_ohm"))),
            reactance_pu=_frozen(bases.impedance(_column(branches, "reactance_ohm"))),
            current_max_pu=_frozen(bases.current(_column(branches, "current_max_a"))),
            power_max_pu=_frozen(bases.power(_column(branches, "power_max_kva"))),
            load_kw=_frozen(_column(buses, "load_kw")),
            load_kvar=_frozen(_column(buses, "load_kvar")),
            voltage_min_pu=_frozen(_column(buses, "voltage_min_pu")),
            voltage_max_pu=_frozen(_column(buses, "voltage_max_pu")),
            substation_voltage_pu=float(feeder.substation_voltage_pu),
            per_unit=bases,
        )

    def incidence(self) -> sparse.csc_matrix[np.float64]:
        """Return B, shape (n-1, n-1), with ``B @ branch_flow`` = net withdrawal at ``buses[1:]``.

        Column k holds 1 at the branch's own bus and -1 at its parent, so B is upper triangular with unit
        diagonal.
        """
        branch = np.arange(len(self.buses) - 1)
        inner = branch[self.parent[1:] > 0]
        rows = np.concatenate([branch, self.parent[1:][inner] - 1])
        columns = np.concatenate([branch, inner])
        values = np.concatenate([np.ones(branch.size), -np.ones(inner.size)])
        return sparse.csc_matrix((values, (rows, columns)), shape=(branch.size, branch.size))


def _oriented(feeder: Feeder) -> tuple[list[tuple[str, str]], list[Branch]]:
    """Return (parent, child) pairs in breadth-first order from the substation, and the branch of each."""
    graph = nx.Graph()
    graph.add_nodes_from(bus.name for bus in feeder.buses)
    for branch in feeder.branches:
        if graph.has_edge(branch.from_bus, branch.to_bus):
            pair = f"{branch.from_bus} and {branch.to_bus}"
            raise InstanceError(f"two parallel branches join buses {pair}; merge them into one branch")
        graph.add_edge(branch.from_bus, branch.to_bus, branch=branch)
    _check_radial(graph, feeder.substation)
    edges = list(nx.bfs_edges(graph, feeder.substation))
    return edges, [graph.edges[edge]["branch"] for edge in edges]


def _check_radial(graph: Any, substation: str) -> None:
    """Raise `InstanceError` when the graph has a cycle or a bus without a path to the substation."""
    loops = nx.cycle_basis(graph)
    if loops:
        raise InstanceError(f"the feeder has a cycle through {_listed(loops[0])}; open one of its branches")
    reached = nx.node_connected_component(graph, substation)
    islanded = [name for name in graph if name not in reached]
    if islanded:
        raise InstanceError(
            f"no path leads from substation {substation} to {_listed(islanded)} (islanded); "
            "add the missing branch or drop the bus"
        )


def _listed(names: Sequence[str]) -> str:
    """Return "bus 4" or "buses 3, 4, 5", shortened after a dozen names."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{'bus' if len(names) == 1 else 'buses'} {', '.join(names[:NAMES_SHOWN])}{more}"


def _column(records: Sequence[object], field: str) -> FloatArray:
    """Return one field of the records as an array, shape (len(records),)."""
    return np.array([getattr(record, field) for record in records], dtype=np.float64)


def _frozen(array: FloatArray) -> FloatArray:
    """Return the array, closed for writing."""
    array.setflags(write=False)
    return array
