"""JSON objects with known keys, read with refusals that name the file, the key, the value and the remedy."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import fields
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from instances.files.tables import make, read_text
from instances.records.errors import InstanceError, nearest, quoted, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["as_list", "as_mapping", "build", "complete", "plain", "read_object"]

Record = TypeVar("Record", bound="DataclassInstance")


def read_object(path: Path, keys: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Read a file as an object with each of ``keys``, perhaps some of ``optional``, and no others."""
    try:
        values = json.loads(
            read_text(path), object_pairs_hook=_no_repeats, parse_constant=_no_constants, parse_float=_finite
        )
    except InstanceError:
        raise
    except json.JSONDecodeError as error:
        raise InstanceError(f"{path} line {error.lineno} is not JSON: {error.msg}; correct it there") from error
    except (ValueError, RecursionError) as error:
        raise InstanceError(f"{path} is not usable JSON: {error}; correct it") from error
    return as_mapping(str(path), values, keys, optional)


def as_mapping(where: str, values: object, keys: Collection[str], optional: Collection[str] = ()) -> dict[str, Any]:
    """Return ``values`` if it is an object with each of ``keys``, perhaps some of ``optional``, and no others."""
    known = (*keys, *optional)
    if not isinstance(values, dict):
        raise InstanceError(f"{where} is {quoted(values)}; give an object with {', '.join(known)}")
    for key in values:
        if key not in known:
            raise InstanceError(
                f'{where} has the unknown key "{shown(key)}"; use {", ".join(known)}{nearest(key, known)}'
            )
    for key in keys:
        if key not in values:
            raise InstanceError(f'{where} lacks the key "{key}"; add it')
    return values


def as_list(where: str, values: object) -> list[Any]:
    """Return ``values`` if it is a list."""
    if not isinstance(values, list):
        raise InstanceError(f"{where} is {quoted(values)}; give a list")
    return values


def build(where: str, record: type[Record], values: object) -> Record:
    """Make a record of an object with a key for each of its fields."""
    return make(where, record, as_mapping(where, values, tuple(field.name for field in fields(record))))


def plain(value: Any) -> int | float:
    """Return a number, numpy's too, as one that json writes: a whole one without rounding, so that reading gives it back."""
    return int(value) if isinstance(value, Integral) else float(value)


def complete(folder: Path, found: Collection[str], tables: Collection[str], key: str = "") -> None:
    """Refuse a part of which one of ``tables`` is not ``found``, and name what asks for it: the ``key`` or another table."""
    for table in tables:
        if table not in found:
            asks = key or f"{folder / next(other for other in tables if other in found)}.csv"
            raise InstanceError(f"{asks} needs {table}.csv, which is missing; add it, docs/data-format.md describes it")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same key twice, of which json would keep the last without a word."""
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError(f"a key occurs twice in the object with {', '.join(values)}")
    return values


def _finite(number: str) -> float:
    """Refuse a number that is none for a computer: it would be read as infinity, which limits take for "no limit"."""
    value = float(number)
    if math.isinf(value):
        raise ValueError(f"it holds the number {shown(number)}, which is too large")
    return value


def _no_constants(constant: str) -> float:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(f"it holds {constant}, which is not a finite number")
