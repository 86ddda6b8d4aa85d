"""A case as a folder: ``instance.json`` and CSV tables, five and optional ones, read with clear refusals.

docs/data-format.md describes the folder, and `instances.scenarios.folder` writes it. ``read(write(x)) == x`` to the last bit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from typing import Any

from instances.files.carbon import CARBON_KEYS, CARBON_TABLES, carbon_records, carbon_values, read_carbon_parts
from instances.files.feeder import FEEDER_KEYS, existing, header, read_tables, supply_values
from instances.files.market import OPTIONAL_KEYS, OPTIONAL_TABLES, optional_records, optional_values, read_optional
from instances.files.objects import as_list, build, plain, read_object
from instances.files.scenarios import SCENARIO_TABLES
from instances.files.tables import Numbered, format_table, make, read_periods, read_table
from instances.records.feeder import SUPPLY_LIMITS
from instances.records.schema import Branch, Bus, Horizon, Instance, PriceLimits, Session, Source, Station

__all__ = ["CASE_FILES", "JSON_FILE", "case_texts", "read"]

JSON_FILE = "instance.json"


@dataclass(frozen=True, slots=True)
class Period(Numbered):
    """A line of series.csv."""

    load_factor: float
    wholesale_price_per_kwh: float


TABLES = {"buses": Bus, "branches": Branch, "stations": Station, "sessions": Session, "series": Period}
ALL_TABLES = TABLES | OPTIONAL_TABLES | CARBON_TABLES
CASE_FILES = frozenset({JSON_FILE, *(f"{table}.csv" for table in (*ALL_TABLES, *SCENARIO_TABLES))})
"""Names of the files that a case's folder may hold, with its scenarios."""
KEYS = ("name", "currency", *FEEDER_KEYS, "horizon", "price_limits", "charging_efficiency", "sources")


def read(directory: str | os.PathLike[str]) -> Instance:
    """Read the case in ``directory``; refusals name file, line, column, value and remedy.

    Where a killed write left only its backup of the folder, the backup is read.
    """
    folder = existing(directory, JSON_FILE)
    where = folder / JSON_FILE
    meta = read_object(where, KEYS, (*SUPPLY_LIMITS, *OPTIONAL_KEYS, *CARBON_KEYS))
    horizon = build(f"{where} horizon", Horizon, meta["horizon"])
    series = read_periods(folder / "series.csv", Period, horizon.periods)
    sources = as_list(f"{where} sources", meta["sources"])
    values = {
        "name": meta["name"],
        "currency": meta["currency"],
        "feeder": read_tables(folder, meta),
        "horizon": horizon,
        "stations": tuple(read_table(folder / "stations.csv", Station)),
        "sessions": tuple(read_table(folder / "sessions.csv", Session)),
        "load_factor": tuple(row.load_factor for row in series),
        "wholesale_price_per_kwh": tuple(row.wholesale_price_per_kwh for row in series),
        "price_limits": build(f"{where} price_limits", PriceLimits, meta["price_limits"]),
        "charging_efficiency": meta["charging_efficiency"],
        "sources": tuple(build(f"{where} sources", Source, item) for item in sources),
    }
    values |= read_optional(folder, str(where), meta, horizon)
    values |= read_carbon_parts(folder, str(where), meta, horizon)
    return make(str(folder), Instance, values)


def case_texts(instance: Instance) -> dict[str, str]:
    """Return the text of each file, by file name."""
    feeder = instance.feeder
    rows = zip(instance.load_factor, instance.wholesale_price_per_kwh, strict=True)
    records: dict[str, Any] = {
        "buses": feeder.buses,
        "branches": feeder.branches,
        "stations": instance.stations,
        "sessions": instance.sessions,
        "series": [Period(t, *row) for t, row in enumerate(rows)],
        **optional_records(instance),
        **carbon_records(instance),
    }
    texts = {f"{t}.csv": _table(instance, t, records[t]) for t in records}
    values = {key: getattr(feeder if key in FEEDER_KEYS else instance, key) for key in KEYS}
    values |= {key: asdict(values[key]) for key in ("horizon", "price_limits")}
    values["sources"] = [asdict(source) for source in instance.sources]
    values |= supply_values(feeder) | optional_values(instance) | carbon_values(instance)
    return texts | {JSON_FILE: json.dumps(values, indent=2, ensure_ascii=False, default=plain) + "\n"}


def _table(instance: Instance, table: str, records: Collection[Any]) -> str:
    """Return the text of a table, whose comment lines are the sources of the table itself and of its columns."""
    record = ALL_TABLES[table]
    items = {table, *(field.name for field in fields(record))}
    items |= {"fleet"} if table == "sessions" else set()
    return format_table(records, record, header(instance.sources, items))
