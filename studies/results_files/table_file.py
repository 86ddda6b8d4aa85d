"""Reading a table of results: its columns as they are declared, every cell checked, every refusal with its line."""

import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from studies.results_files.columns import Cell, Columns
from studies.results_files.json_file import decoded
from studies.results_files.refusals import DamagedFileError, shown
from studies.writing.files import uncell

# Digits as ASCII has them: float() also takes "1_000" and digits of other scripts
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_TYPES: dict[Cell, Any] = {Cell.TEXT: object, Cell.WHOLE: "int64", Cell.FLAG: bool}


@dataclass(frozen=True)
class _Rows:
    """A table as text: its heads, its rows, and the line on which each row ends."""

    path: Path
    heads: list[str]
    rows: list[list[str]]
    lines: list[int]

    def refusal(self, row: int | None, said: str) -> DamagedFileError:
        """The refusal of a row, or of the head."""
        return DamagedFileError(self.path, said, 1 if row is None else self.lines[row])


def read(path: Path, columns: Columns) -> pd.DataFrame:
    """The declared columns of the table at `path`, in their order: texts as they stand, whole numbers, flags, numbers (NaN: empty).

    Raises `DamagedFileError` with line and column for a column that is missing or stands twice, a row of another length, a cell of
    another kind, rows that repeat each other and rows that are missing.
    """
    found = _rows(path)
    for name in found.heads:
        if found.heads.count(name) > 1:
            raise found.refusal(None, f"column {shown(name)} stands twice")
    for name in columns.need:
        if name not in found.heads:
            raise found.refusal(None, f"column {name!r} is missing")
    if not found.rows and not columns.empty:
        raise found.refusal(None, "the table has no row")
    table = {}
    for at, name in enumerate(found.heads):
        kind = columns.kind(name)
        if kind is not None:
            cells = [_value(found, row, name, cells[at], kind) for row, cells in enumerate(found.rows)]
            table[name] = pd.Series(cells, dtype=_TYPES.get(kind, "float64"))
    frame = pd.DataFrame(table)
    # In an order of their own, whatever the file's is
    first = [name for name in (*columns.need, *columns.may) if name in frame]
    frame = frame[[*first, *(name for name in frame if name not in first)]]
    _keys(found, frame, columns)
    _complete(found, frame, columns)
    if (doubt := columns.doubt(frame)) is not None:
        raise found.refusal(*doubt)
    if columns.tree:
        _tree(found, frame["bus"].tolist(), frame["parent"].tolist())
    return frame


def _rows(path: Path) -> _Rows:
    reader = csv.reader(io.StringIO(decoded(path), newline=""), strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DamagedFileError(path, f"the table is no CSV ({error})", reader.line_num) from error
    if not rows:
        raise DamagedFileError(path, "the table has no head", 1)
    # Names that a spreadsheet would run have an apostrophe before them
    found = _Rows(path, [uncell(name) for name in rows[0]], rows[1:], lines[1:])
    for at, row in enumerate(found.rows):
        if len(row) != len(found.heads):
            raise found.refusal(at, f"the row has {len(row)} cells, and the head {len(found.heads)}")
    return found


def _value(found: _Rows, row: int, name: str, text: str, kind: Cell) -> Any:
    """A cell as what its column holds."""
    if kind == Cell.TEXT:
        return uncell(text)
    if kind == Cell.WHOLE and _WHOLE.fullmatch(text):
        return int(text)
    if kind == Cell.FLAG and text in ("True", "False"):
        return text == "True"
    if kind in (Cell.OPEN, Cell.ENDLESS, Cell.EXCESS, Cell.DISTANCE) and text == "":
        return math.nan
    if (kind == Cell.ENDLESS and text in ("inf", "-inf")) or (kind == Cell.EXCESS and text == "inf"):
        return float(text)
    if kind == Cell.DISTANCE and (text == "inf" or (_NUMBER.fullmatch(text) and 0 <= float(text) < math.inf)):
        return float(text)
    if (
        kind in (Cell.NUMBER, Cell.OPEN, Cell.ENDLESS, Cell.EXCESS)
        and _NUMBER.fullmatch(text)
        and math.isfinite(float(text))
    ):
        return float(text)
    raise found.refusal(row, f"{shown(name)} is {shown(text)}, expected {kind}")


def _keys(found: _Rows, frame: pd.DataFrame, columns: Columns) -> None:
    if not columns.key:
        return
    twice = frame.duplicated(list(columns.key))
    if twice.any():
        row = int(twice.to_numpy().argmax())
        raise found.refusal(row, f"the row repeats an earlier one: {_told(frame, row, columns.key)}")


def _told(frame: pd.DataFrame, row: int, names: Sequence[str]) -> str:
    return ", ".join(f"{name} {shown(frame[name].tolist()[row])}" for name in names)


def _complete(found: _Rows, frame: pd.DataFrame, columns: Columns) -> None:
    """Whether no row is missing, as far as the others tell."""
    for name, first in columns.counted.items():
        values = sorted(set(frame[name].tolist()))
        for expected, value in enumerate(values, first):
            if value != expected:
                row = frame[name].tolist().index(value)
                raise found.refusal(row, f"{name} is {value}, and there is no row with {name} {expected}")
    if columns.grid:
        wanted = math.prod(len(set(frame[name].tolist())) for name in columns.key)
        if len(frame) != wanted:
            raise DamagedFileError(found.path, next(_missing(frame, columns.key)))


def _missing(frame: pd.DataFrame, key: Sequence[str]) -> Iterator[str]:
    """The combinations of a key that have no row."""
    there = set(frame[list(key)].itertuples(index=False, name=None))
    for values in itertools.product(*(dict.fromkeys(frame[name].tolist()) for name in key)):
        if values not in there:
            said = ", ".join(f"{name} {shown(value)}" for name, value in zip(key, values, strict=True))
            yield f"there is no row with {said}"


def _tree(found: _Rows, buses: list[str], parents: list[str]) -> None:
    """Refuse what is no radial feeder from its first bus on, each bus after its parent."""
    seen: set[str] = set()
    every = set(buses)
    for row, (bus, parent) in enumerate(zip(buses, parents, strict=True)):
        if row == 0 and parent:
            raise found.refusal(row, f"bus {shown(bus)} is the first and has the parent {shown(parent)}, expected none")
        if row and not parent:
            raise found.refusal(row, f"bus {shown(bus)} has no parent, as the substation alone has none")
        if row and parent not in seen:
            why = "comes after it or leads in a circle" if parent in every else "is no bus"
            raise found.refusal(row, f"the parent {shown(parent)} of bus {shown(bus)} {why}")
        seen.add(bus)
