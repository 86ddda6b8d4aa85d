"""A case as a folder: ``instance.json`` and five CSV tables, read with clear refusals and written atomically.

docs/data-format.md describes the folder. ``read(write(x)) == x`` to the last bit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

from instances.errors import InstanceError, nearest
from instances.folder import backup_of, write_folder
from instances.schema import Branch, Bus, Feeder, Horizon, Instance, PriceLimits, Session, Source, Station
from instances.tables import format_table, make, read_table, read_text

__all__ = ["read", "write"]

Record = TypeVar("Record", Horizon, PriceLimits, Source)

JSON_FILE = "instance.json"


@dataclass(frozen=True, slots=True)
class Period:
    """A line of series.csv."""

    period: int
    load_factor: float
    wholesale_price_per_kwh: float


TABLES = {"buses": Bus, "branches": Branch, "stations": Station, "sessions": Session, "series": Period}
FILES = {JSON_FILE, *(f"{table}.csv" for table in TABLES)}
FEEDER_KEYS = ("base_kv", "substation", "substation_voltage_pu")
KEYS = ("name", "currency", *FEEDER_KEYS, "horizon", "price_limits", "charging_efficiency", "sources")


def read(directory: str | os.PathLike[str]) -> Instance:
    """Read the case in ``directory``; refusals name file, line, column, value and remedy.

    Where a killed :func:`write` left only its backup of the folder, the backup is read.
    """
    folder = Path(directory)
    if not folder.exists() and backup_of(folder).is_dir():
        folder = backup_of(folder)
    if not folder.is_dir():
        raise InstanceError(f"{folder} is not a folder; give the folder that holds {JSON_FILE}")
    where = folder / JSON_FILE
    meta = _read_json(where)
    horizon = _build(f"{where} horizon", Horizon, meta["horizon"])
    series = _read_series(folder / "series.csv", horizon)
    sources = _list(f"{where} sources", meta["sources"])
    values = {
        "name": meta["name"],
        "currency": meta["currency"],
        "feeder": _read_feeder(folder, meta),
        "horizon": horizon,
        "stations": tuple(read_table(folder / "stations.csv", Station)),
        "sessions": tuple(read_table(folder / "sessions.csv", Session)),
        "load_factor": tuple(row.load_factor for row in series),
        "wholesale_price_per_kwh": tuple(row.wholesale_price_per_kwh for row in series),
        "price_limits": _build(f"{where} price_limits", PriceLimits, meta["price_limits"]),
        "charging_efficiency": meta["charging_efficiency"],
        "sources": tuple(_build(f"{where} sources", Source, item) for item in sources),
    }
    return make(str(folder), Instance, values)


def write(instance: Instance, directory: str | os.PathLike[str]) -> None:
    """Write the case as ``directory``, whole or not at all.

    The files are written to a hidden folder beside it, which then takes its place; a killed run leaves the
    old case or the new one to :func:`read`. Raises :class:`InstanceError` when ``directory`` is a file,
    holds files that are not a case's, or cannot be written.
    """
    write_folder(directory, _texts(instance), FILES, "a case")


def _texts(instance: Instance) -> dict[str, str]:
    """Return the text of each file, by file name."""
    feeder = instance.feeder
    rows = zip(instance.load_factor, instance.wholesale_price_per_kwh, strict=True)
    records: dict[str, Any] = {
        "buses": feeder.buses,
        "branches": feeder.branches,
        "stations": instance.stations,
        "sessions": instance.sessions,
        "series": [Period(t, *row) for t, row in enumerate(rows)],
    }
    texts = {f"{t}.csv": format_table(records[t], TABLES[t], _header(instance, t)) for t in TABLES}
    values = {key: getattr(feeder if key in FEEDER_KEYS else instance, key) for key in KEYS}
    values |= {key: asdict(values[key]) for key in ("horizon", "price_limits")}
    values["sources"] = [asdict(source) for source in instance.sources]
    return texts | {JSON_FILE: json.dumps(values, indent=2, ensure_ascii=False, default=_plain) + "\n"}


def _header(instance: Instance, table: str) -> list[str]:
    """Return the comment lines of a table: the sources of the table itself and of its columns."""
    items = {table, *(field.name for field in fields(TABLES[table]))}
    items |= {"fleet"} if table == "sessions" else set()
    return [f"{s.item}: source: {s.source}; licence: {s.licence}" for s in instance.sources if s.item in items]


def _plain(value: Any) -> object:
    """Return a numpy number as Python's own, for json."""
    return int(value) if isinstance(value, Integral) else float(value)


def _read_feeder(folder: Path, meta: Mapping[str, Any]) -> Feeder:
    """Read the feeder from its two tables and its keys in instance.json."""
    buses, branches = read_table(folder / "buses.csv", Bus), read_table(folder / "branches.csv", Branch)
    values = {key: meta[key] for key in FEEDER_KEYS}
    return make(str(folder), Feeder, values | {"buses": tuple(buses), "branches": tuple(branches)})


def _read_series(path: Path, horizon: Horizon) -> list[Period]:
    """Read series.csv, or refuse it when its periods are not 0, 1, ... to the end of the horizon."""
    series = read_table(path, Period)
    if len(series) != horizon.periods:
        raise InstanceError(
            f"{path} has {len(series)} rows but the horizon has {horizon.periods} periods; give one row per period"
        )
    for expected, row in enumerate(series):
        if row.period != expected:
            raise InstanceError(f"{path} has period {row.period} where {expected} is due; number the rows from 0")
    return series


def _read_json(path: Path) -> dict[str, Any]:
    """Read instance.json as a mapping that holds each of ``KEYS``."""
    try:
        values = json.loads(read_text(path), object_pairs_hook=_no_repeats, parse_constant=_no_constants)
    except InstanceError:
        raise
    except json.JSONDecodeError as error:
        raise InstanceError(f"{path} line {error.lineno} is not JSON: {error.msg}; correct it there") from error
    except (ValueError, RecursionError) as error:
        raise InstanceError(f"{path} is not usable JSON: {error}; correct it") from error
    return _mapping(str(path), values, KEYS)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same key twice, of which json would keep the last without a word."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError(f"a key occurs twice in the object with {', '.join(values)}")
    return values


def _no_constants(constant: str) -> float:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(f"it holds {constant}, which is not a finite number")


def _mapping(where: str, values: object, keys: tuple[str, ...]) -> dict[str, Any]:
    """Return ``values`` if it is an object with exactly ``keys``."""
    if not isinstance(values, dict):
        raise InstanceError(f"{where} is {values!r}; give an object with {', '.join(keys)}")
    for key in values:
        if key not in keys:
            raise InstanceError(f'{where} has the unknown key "{key}"; use {", ".join(keys)}{nearest(key, keys)}')
    for key in keys:
        if key not in values:
            raise InstanceError(f'{where} lacks the key "{key}"; add it')
    return values


def _list(where: str, values: object) -> list[Any]:
    """Return ``values`` if it is a list."""
    if not isinstance(values, list):
        raise InstanceError(f"{where} is {values!r}; give a list")
    return values


def _build(where: str, record: type[Record], values: object) -> Record:
    """Make a record of a JSON object."""
    return make(where, record, _mapping(where, values, tuple(field.name for field in fields(record))))
