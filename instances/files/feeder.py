"""A feeder as a folder: ``feeder.json`` and the tables ``buses.csv`` and ``branches.csv``, which are those of a case.

docs/feeders.md describes the folder. Reading what `write_feeder` wrote gives the same feeder, to the last bit.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from instances.files.folder import backup_of, write_folder
from instances.files.objects import as_list, build, plain, read_object
from instances.files.tables import format_table, make, read_table
from instances.records.errors import InstanceError
from instances.records.feeder import SUPPLY_LIMITS, Branch, Bus, Feeder
from instances.records.schema import Source

__all__ = [
    "FEEDER_FILE",
    "FEEDER_KEYS",
    "existing",
    "header",
    "read_feeder",
    "read_sources",
    "read_tables",
    "supply_values",
    "write_feeder",
]

FEEDER_FILE = "feeder.json"
FEEDER_KEYS = ("base_kv", "substation", "substation_voltage_pu")
TABLES = {"buses": Bus, "branches": Branch}
FILES = {FEEDER_FILE, *(f"{table}.csv" for table in TABLES)}


def read_feeder(directory: str | os.PathLike[str]) -> Feeder:
    """Read the feeder in ``directory``; refusals name file, line, column, value and remedy."""
    folder = existing(directory, FEEDER_FILE)
    return read_tables(folder, read_object(folder / FEEDER_FILE, (*FEEDER_KEYS, "sources"), SUPPLY_LIMITS))


def read_sources(directory: str | os.PathLike[str]) -> tuple[Source, ...]:
    """Return where the tables of the feeder in ``directory`` come from."""
    where = existing(directory, FEEDER_FILE) / FEEDER_FILE
    values = as_list(f"{where} sources", read_object(where, (*FEEDER_KEYS, "sources"), SUPPLY_LIMITS)["sources"])
    return tuple(build(f"{where} sources", Source, value) for value in values)


def write_feeder(feeder: Feeder, directory: str | os.PathLike[str], sources: Sequence[Source] = ()) -> None:
    """Write the feeder as ``directory``, whole or not at all, as `instances.write` does a case.

    ``sources`` whose item is a table or one of its columns are put at the head of that table. Raises `InstanceError` when
    ``directory`` is a file, holds files that are not a feeder's, or cannot be written.
    """
    values: dict[str, object] = {"base_kv": plain(feeder.base_kv), "substation": feeder.substation}
    values["substation_voltage_pu"] = plain(feeder.substation_voltage_pu)
    values |= supply_values(feeder)
    values["sources"] = [asdict(source) for source in sources]
    texts = {FEEDER_FILE: json.dumps(values, indent=2, ensure_ascii=False) + "\n"}
    for table, record in TABLES.items():
        lines = header(sources, {table, *(field.name for field in fields(record))})
        texts[f"{table}.csv"] = format_table(getattr(feeder, table), record, lines)
    write_folder(directory, texts, FILES, "a feeder")


def existing(directory: str | os.PathLike[str], file: str) -> Path:
    """Return the folder, or its backup where a killed write left only that; ``file`` is what it should hold."""
    folder = Path(directory)
    if not folder.exists() and backup_of(folder).is_dir():
        return backup_of(folder)
    if not folder.is_dir():
        raise InstanceError(f"{folder} is not a folder; give the folder that holds {file}")
    return folder


def supply_values(feeder: Feeder) -> dict[str, float]:
    """Return the limits of the supply that there are, by key."""
    limits = {key: getattr(feeder, key) for key in SUPPLY_LIMITS}
    return {key: plain(limit) for key, limit in limits.items() if math.isfinite(limit)}


def header(sources: Iterable[Source], items: Collection[str]) -> list[str]:
    """Return the comments at the head of a table: the sources of its ``items``."""
    return [f"{s.item}: source: {s.source}; licence: {s.licence}" for s in sources if s.item in items]


def read_tables(folder: Path, meta: Mapping[str, Any]) -> Feeder:
    """Make a feeder of the two tables in ``folder`` and of its keys in ``meta``."""
    values = {key: meta[key] for key in (*FEEDER_KEYS, *SUPPLY_LIMITS) if key in meta}
    for table, record in TABLES.items():
        values[table] = tuple(read_table(folder / f"{table}.csv", record))
    return make(str(folder), Feeder, values)
