"""The shape of a feeder: a tree, seen from its substation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import networkx as nx

from instances.records.errors import InstanceError

__all__ = ["ends", "oriented"]

NAMES_SHOWN = 12


class _Line(Protocol):
    @property
    def from_bus(self) -> str: ...

    @property
    def to_bus(self) -> str: ...


def ends(branches: Iterable[_Line]) -> list[tuple[str, str]]:
    """Return the buses at both ends of each branch."""
    return [(branch.from_bus, branch.to_bus) for branch in branches]


def oriented(
    substation: str, buses: Iterable[str], pairs: Sequence[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[int]]:
    """Return (parent, child) pairs in breadth-first order from the substation, and the place of each among ``pairs``.

    Raises `InstanceError` naming the buses of a cycle, of parallel branches, or without a path to the substation.
    """
    graph = nx.Graph()
    graph.add_nodes_from(buses)
    for place, (one, other) in enumerate(pairs):
        if graph.has_edge(one, other):
            raise InstanceError(f"two parallel branches join buses {one} and {other}; merge them into one branch")
        graph.add_edge(one, other, place=place)
    _check_radial(graph, substation)
    edges = list(nx.bfs_edges(graph, substation))
    return edges, [graph.edges[edge]["place"] for edge in edges]


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
