"""The tables of a pandapower network as plain columns, and the part of the network that one bus feeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np

from instances.grid.units import FloatArray
from instances.records.errors import InstanceError, quoted
from instances.records.numerals import decimal

__all__ = ["Area", "Table", "read_net"]

NEEDED = ("bus", "line")
ENDS = {"line": ("from_bus", "to_bus"), "trafo": ("hv_bus", "lv_bus")}
FULL_PERCENT = 100.0
READ = (*NEEDED, "load", "sgen", "ext_grid", "switch", "trafo", "shunt")


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """What is in service of one kind of element: its indices and columns."""

    index: tuple[int, ...] = ()
    columns: Mapping[str, Sequence[Any]] | None = None

    def numbers(self, name: str, default: float = math.nan) -> FloatArray:
        """Return a column of numbers, with the default where the column or a value is missing."""
        column = (self.columns or {}).get(name, [default] * len(self.index))
        values = np.array([_number(name, index, value) for index, value in zip(self.index, column, strict=True)])
        return np.where(np.isnan(values), default, values)

    def buses(self, name: str) -> list[int]:
        """Return a column of indices, -1 where one is missing."""
        values = self.numbers(name, -1.0)
        return [int(value) if np.isfinite(value) else -1 for value in values]

    def where(self, keep: Iterable[object]) -> Table:
        """Return the elements for which ``keep`` is true."""
        rows = [row for row, kept in enumerate(keep) if kept]
        columns = {name: [values[row] for row in rows] for name, values in (self.columns or {}).items()}
        return Table(tuple(self.index[row] for row in rows), columns)

    def without(self, dropped: Iterable[int]) -> Table:
        """Return the table without some indices."""
        gone = set(dropped)
        return self.where(index not in gone for index in self.index)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column as it is, empty in an empty table."""
        return (self.columns or {}).get(name, [None] * len(self.index))


@dataclass(frozen=True, eq=False, slots=True)
class Area:
    """The part of a network that its substation feeds by lines, transformers and closed switches.

    ``node`` gives the index of the bus that each bus in service is fused to, itself included; ``fed`` are the fused buses. Lines
    and transformers with one end open, by table, are ``hanging``: those elements, and the bus on which each hangs.
    """

    tables: Mapping[str, Table]
    node: Mapping[int, int]
    substation: int
    fed: frozenset[int]
    hanging: Mapping[str, tuple[Table, tuple[int, ...]]]

    @classmethod
    def of(cls, tables: Mapping[str, Table], substation: int | None) -> Area:
        """Fuse buses that closed switches join, drop open lines and transformers, and find what the substation feeds.

        The substation is the bus of the external grid unless it is given; transformers that feed a given one are dropped.
        """
        switch = tables["switch"]
        kind, closed = switch.column("et"), switch.column("closed")
        joined = switch.where(et == "b" and shut for et, shut in zip(kind, closed, strict=True))
        for index, ohm in zip(joined.index, joined.numbers("z_ohm", 0.0).tolist(), strict=True):
            if ohm > 0:
                raise InstanceError(f"switch {index} has z_ohm {ohm:g}; set it to 0, or make it a line")
        node = _fused(tables["bus"].index, zip(joined.buses("bus"), joined.buses("element"), strict=True))
        start = _start(tables, node, substation)
        if substation is not None:
            trafos = tables["trafo"]
            tables = {**tables, "trafo": trafos.where(node.get(bus) != start for bus in trafos.buses("lv_bus"))}
        kept, hanging = dict(tables), {}
        for name, letter in (("line", "l"), ("trafo", "t")):
            at = switch.where(et == letter and not shut for et, shut in zip(kind, closed, strict=True))
            opened = set(zip(at.buses("element"), at.buses("bus"), strict=True))
            hanging[name] = _hanging(tables[name], ENDS[name], node, opened)
            kept[name] = kept[name].without(element for element, _ in opened)
        ends = [pair for name, columns in ENDS.items() for pair in zip(*map(kept[name].buses, columns), strict=True)]
        part = _fused(sorted(set(node.values())), ((node.get(up, -1), node.get(down, -1)) for up, down in ends))
        return cls(kept, node, start, frozenset(bus for bus in part if part[bus] == part[start]), hanging)

    def inside(self, name: str) -> Table:
        """Return the elements of a table that have their bus, lines and transformers both ends, in the area."""
        table = self.tables[name]
        ends = zip(*map(table.buses, ENDS.get(name, ("bus",))), strict=True)
        return table.where(all(map(self.holds, buses)) for buses in ends)

    def holds(self, bus: int) -> bool:
        """Tell whether the bus is in service and in the area."""
        return self.node.get(bus) in self.fed


def read_net(net: Any) -> dict[str, Table]:
    """Return the tables of a network without results, or refuse what is none."""
    if not isinstance(net, Mapping) or not all(hasattr(net.get(name), "columns") for name in NEEDED):
        raise InstanceError(
            f"the network is {type(net).__name__} without tables bus and line; give a pandapower network"
        )
    tables = {name: Table() for name in READ}
    for name, frame in net.items():
        if hasattr(frame, "columns") and not str(name).startswith(("_", "res_")):
            columns = {str(column): frame[column].tolist() for column in frame.columns}
            table = Table(tuple(_index(str(name), index) for index in frame.index), columns)
            tables[str(name)] = table.where(columns["in_service"]) if "in_service" in columns else table
    return _with_slack_generators(tables)


def _index(table: str, value: Any) -> int:
    """Return the index of an element, or refuse one that is no whole number."""
    try:
        if int(value) == value:
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InstanceError(f"net.{table} has the index {quoted(value)}; number its elements")


def _number(column: str, index: int, value: Any) -> float:
    """Return a number of a table, NaN where it is missing, or refuse what is none."""
    try:
        return math.nan if value is None else decimal(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InstanceError(f"element {index} has {column} {quoted(value)}; give a number") from error


def _with_slack_generators(tables: dict[str, Table]) -> dict[str, Table]:
    """Return the tables with generators that are the reference of angles, ``slack``, among the external grids."""
    given = tables.get("gen", Table())
    slack = [value is not None and bool(value) for value in given.column("slack")]
    if not any(slack):
        return tables
    grids, moved = tables["ext_grid"], given.where(slack)
    columns = {
        name: [*grids.column(name), *moved.column(name)] for name in {*(grids.columns or {}), *(moved.columns or {})}
    }
    rest = given.where(not kept for kept in slack)
    return tables | {"ext_grid": Table((*grids.index, *moved.index), columns), "gen": rest}


def _hanging(
    lines: Table, ends_at: tuple[str, str], node: Mapping[int, int], opened: Collection[tuple[int, int]]
) -> tuple[Table, tuple[int, ...]]:
    """Return the elements with one end open, by a switch (element, bus) or a bus out of service, and the other bus of each."""
    rows, live = [], []
    for index, *ends in zip(lines.index, *map(lines.buses, ends_at), strict=True):
        joined = [bus for bus in ends if bus in node and (index, bus) not in opened]
        rows.append(len(joined) == 1)
        live += joined if len(joined) == 1 else []
    return lines.where(rows), tuple(live)


def _fused(buses: Sequence[int], pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return for each bus the lowest index among the buses that the pairs connect it to; pairs of other buses do not count."""
    graph = nx.Graph()
    graph.add_nodes_from(buses)
    graph.add_edges_from(pair for pair in pairs if pair[0] in graph and pair[1] in graph)
    return {bus: min(part) for part in nx.connected_components(graph) for bus in part}


def _start(tables: Mapping[str, Table], node: Mapping[int, int], substation: int | None) -> int:
    """Return the fused bus of the substation."""
    if substation is not None:
        if substation not in node:
            raise InstanceError(f"substation is {substation!r}, which is no bus in service; give an index of net.bus")
        return node[substation]
    grids = {node[bus] for bus in tables["ext_grid"].buses("bus") if bus in node}
    if len(grids) != 1:
        raise InstanceError(
            f"the network has external grids (or slack generators) in service at {len(grids)} buses; keep one, or pass substation"
        )
    return grids.pop()
