"""CSV tables whose columns are the fields of a record, with sources in leading comment lines.

A field with a default may be left out, or its cell left empty; infinity and None are written as an empty cell.
Numbers are written with ``repr``, so that reading gives back the same bits. Every refusal names the file,
line, column and value.
"""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from instances.files.regular import read_bytes
from instances.records.errors import InstanceError, nearest, shown
from instances.records.numerals import decimal, whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Numbered", "format_table", "make", "read_periods", "read_table", "read_text"]

Record = TypeVar("Record", bound="DataclassInstance")
Row = TypeVar("Row", bound="Numbered")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line of a table with one row per period."""

    period: int


def read_text(path: Path) -> str:
    """Return the file's text, or raise `InstanceError` when it is missing, unreadable, no regular file, too large or not UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InstanceError(f"{path} is missing; add it, docs/data-format.md describes it") from error
    except UnicodeDecodeError as error:
        raise InstanceError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise InstanceError(f"{path} cannot be read: {error.strerror}; check the path and its permissions") from error


def read_table(path: Path, record: type[Record]) -> list[Record]:
    """Read one ``record`` per line; refusals name file, line, column, value and remedy."""
    lines = _lines(path)
    header = next(lines, None)
    if header is None:
        raise InstanceError(f"{path} has no header line; begin with {','.join(f.name for f in fields(record))}")
    columns = _columns(path, header[1], record)
    return [_record(f"{path} line {line}", cells, columns, record) for line, cells in lines]


def read_periods(path: Path, record: type[Row], periods: int) -> list[Row]:
    """Read a table of periods, or refuse it when they are not 0, 1, ... to the end of the horizon."""
    rows = read_table(path, record)
    if len(rows) != periods:
        raise InstanceError(
            f"{path} has {len(rows)} rows but the horizon has {periods} periods; give one row per period"
        )
    for expected, row in enumerate(rows):
        if row.period != expected:
            raise InstanceError(f"{path} has period {row.period} where {expected} is due; number the rows from 0")
    return rows


def format_table(records: Iterable[DataclassInstance], record: type[DataclassInstance], header: Sequence[str]) -> str:
    """Return the text of a table: ``header`` as wrapped comments, the column names, a line per record.

    Columns of fields that are marked as rare are left out where every record has the default.
    """
    text, records = io.StringIO(), list(records)
    text.writelines(f"# {line}\n" for entry in header for line in _wrap(entry))
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(record) if not _idle(field, records)]
    writer.writerow(names)
    writer.writerows([_cell(getattr(item, name)) for name in names] for item in records)
    return text.getvalue()


def _idle(field: Field[Any], records: Iterable[DataclassInstance]) -> bool:
    """Tell whether the field is rare and every record has its default."""
    return bool(field.metadata.get("rare")) and all(getattr(item, field.name) == field.default for item in records)


def _wrap(entry: str) -> list[str]:
    """Break a comment into lines, at spaces only."""
    return textwrap.wrap(entry, 100, break_long_words=False, break_on_hyphens=False)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and stripped cells of every line that is neither blank nor a leading comment."""
    # str.splitlines would also end a line at signs that no editor shows as an end
    text = io.StringIO(read_text(path), newline="").readlines()
    comments = next((i for i, line in enumerate(text) if not line.startswith("#")), len(text))
    reader = csv.reader(text[comments:], strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield comments + reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InstanceError(
            f"{path} line {comments + reader.line_num} is not CSV: {error}; correct its quotes"
        ) from error


def _columns(path: Path, header: Sequence[str], record: type[DataclassInstance]) -> list[Field[Any]]:
    """Return the field of each column, or refuse an unknown, repeated or missing column."""
    known = {field.name: field for field in fields(record)}
    for name in header:
        if name not in known:
            lacking = [other for other in known if other not in header]
            hint = "; separate columns by commas" if ";" in name else nearest(name, lacking)
            raise InstanceError(f'{path} has the unknown column "{shown(name)}"; use {", ".join(known)}{hint}')
        if header.count(name) > 1:
            raise InstanceError(f'{path} has the column "{shown(name)}" twice; keep one')
    for name, field in known.items():
        if name not in header and field.default is MISSING:
            raise InstanceError(f'{path} lacks the column "{name}"; add it')
    return [known[name] for name in header]


def _record(where: str, cells: Sequence[str], columns: Sequence[Field[Any]], record: type[Record]) -> Record:
    """Make one record of a line's cells."""
    if len(cells) != len(columns):
        raise InstanceError(f"{where} has {len(cells)} cells; give {len(columns)}, one per column")
    values = {f.name: _value(where, f, cell) for f, cell in zip(columns, cells, strict=True) if cell or _required(f)}
    return make(where, record, values)


def make(where: str, record: type[Record], values: Mapping[str, object]) -> Record:
    """Construct the record, with its place in the files before the sentence of a refusal."""
    try:
        return record(**values)
    except InstanceError as error:
        raise InstanceError(f"{where}: {error}") from error


def _required(field: Field[Any]) -> bool:
    """Tell whether the field has no default."""
    return field.default is MISSING


def _value(where: str, field: Field[Any], cell: str) -> object:
    """Parse a cell by the field's type."""
    if not cell:
        raise InstanceError(f"{where} has an empty {field.name}; give a value")
    if field.type == "str":
        return cell
    kind, parse = ("a whole number", whole) if field.type == "int" else ("a number", decimal)
    try:
        value = parse(cell)
    except ValueError as error:
        raise InstanceError(f'{where} has {field.name} "{shown(cell)}"; give {kind}, with a decimal point') from error
    if isinstance(value, float) and not math.isfinite(value):
        remedy = "leave the cell empty for no limit" if field.default == math.inf else "give a finite number"
        raise InstanceError(f'{where} has {field.name} "{shown(cell)}"; {remedy}')
    return value


def _cell(value: object) -> str:
    """Format a value so that reading gives it back."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Integral):
        return str(int(value))
    number = float(value)  # type: ignore[arg-type]  # numpy numbers print their type with repr
    return "" if math.isinf(number) else repr(number)
