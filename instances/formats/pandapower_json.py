"""pandapower's own JSON files as feeders, read without pandapower.

A file of ``pandapower.to_json`` is an object of the class pandapowerNet; each of its tables is a text in it, itself JSON: columns,
index and rows of a pandas DataFrame ("orient": "split").
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instances.files.tables import read_text
from instances.formats.pandapower import from_pandapower
from instances.records.errors import InstanceError
from instances.records.feeder import Feeder

__all__ = ["read_pandapower"]

FRAME = "DataFrame"
REMEDY = "write the network with pandapower.to_json"


class Column(list[Any]):
    """The values of a column."""

    def tolist(self) -> list[Any]:
        """Return the values, as a column of pandas does."""
        return list(self)


@dataclass(frozen=True, slots=True)
class Frame:
    """A table as far as `from_pandapower` reads those of pandas."""

    columns: list[str]
    index: list[Any]
    rows: list[list[Any]]

    def __getitem__(self, name: str) -> Column:
        """Return the column of that name."""
        place = self.columns.index(name)
        return Column(row[place] for row in self.rows)


def read_pandapower(
    path: str | os.PathLike[str],
    *,
    substation: int | None = None,
    substation_voltage_pu: float | None = None,
    ignore_charging: bool = False,
    ignore_supply_limits: bool = False,
) -> Feeder:
    """Read a JSON file of pandapower as `from_pandapower` reads its network; refusals name the file."""
    net = _network(Path(path))
    try:
        return from_pandapower(
            net,
            substation=substation,
            substation_voltage_pu=substation_voltage_pu,
            ignore_charging=ignore_charging,
            ignore_supply_limits=ignore_supply_limits,
        )
    except InstanceError as error:
        raise InstanceError(f"{path}: {error}") from error


def _network(path: Path) -> dict[str, Any]:
    """Return the tables and numbers of the network in the file."""
    values = _parsed(str(path), read_text(path))
    if not isinstance(values, dict) or values.get("_class") != "pandapowerNet":
        raise InstanceError(f"{path} is no pandapower network; {REMEDY}, or give the folder of a case")
    items = values.get("_object")
    if isinstance(items, str):
        items = _parsed(str(path), items)
    if not isinstance(items, dict):
        raise InstanceError(f"{path} has no tables; {REMEDY}")
    return {name: _table(f"{path}: net.{name}", item) if _is_frame(item) else item for name, item in items.items()}


def _parsed(where: str, text: str) -> Any:
    """Return the JSON values of a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InstanceError(f"{where} is not usable JSON: {error}; {REMEDY}") from error


def _is_frame(item: object) -> bool:
    """Tell whether an item of the network is a table."""
    return isinstance(item, Mapping) and item.get("_class") == FRAME


def _table(where: str, item: Mapping[str, Any]) -> Frame:
    """Return a table, or refuse one of another form."""
    values = item.get("_object")
    if isinstance(values, str):
        values = _parsed(where, values)
    if not isinstance(values, dict) or any(
        not isinstance(values.get(key), list) for key in ("columns", "index", "data")
    ):
        raise InstanceError(f"{where} has no lists columns, index and data; {REMEDY}")
    columns, index, rows = ([*values[key]] for key in ("columns", "index", "data"))
    if len(rows) != len(index) or any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        raise InstanceError(f"{where} has rows of different lengths; {REMEDY}")
    return Frame([str(name) for name in columns], index, rows)
