"""The store of a campaign: one CSV line a run, on the disk when the run is done."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bilevel import atomic, files
from bilevel.errors import BilevelError
from bilevel.search.plan import AUTO
from studies.benchmarks.measure import ANSWER, PHASES, SIZES
from studies.benchmarks.spec import FIELDS

COLUMNS = (
    "key", "repeat", *FIELDS, *ANSWER, *(f"{phase}_seconds" for phase in PHASES), "cpu_seconds", "start_memory_mb",
    "peak_memory_mb", *SIZES, "workers", "load_average", "date", "processor", "cores", "memory_gb", "platform", "versions",
    "reason",
)  # fmt: skip
"""The columns of a store, in order."""
_NUMBERS = {
    "repeat", "value", "bound", "gap_reached", "nodes", *(f"{phase}_seconds" for phase in PHASES), "cpu_seconds",
    "start_memory_mb", "peak_memory_mb", *SIZES,
}  # fmt: skip


class Store:
    """The runs of the file at `path`, which is begun where there is none.

    A last line that was cut off is dropped, and a line that is no run is put aside with a warning.

    `done` holds key and repeat of every run, `late` the keys of runs that timed out.  Raises `BilevelError` for a file with other
    columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        files.require_regular(path)
        content = path.read_bytes() if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
        if not whole:
            self._write(COLUMNS)
        else:
            _put_damaged_aside(path, content[:whole])
        table = read(path)
        if not whole or content[: content.find(b"\n")].decode() != ",".join(COLUMNS):
            # Of an older version: with the columns of this one, as runs are added to it
            atomic.write_text(path, table.to_csv(index=False, lineterminator="\n"))
        self.done = {(str(key), int(repeat)) for key, repeat in zip(table["key"], table["repeat"], strict=True)}
        self.late = set(table.loc[table["timeout"], "key"])

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a run; columns that it lacks stay empty."""
        self._write([_text(row.get(name)) for name in COLUMNS])
        self.done.add((row["key"], row["repeat"]))
        if row["timeout"]:
            self.late.add(row["key"])

    def _write(self, values: Any) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        with self.path.open("ab") as file:
            file.write(line.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())


def _put_damaged_aside(path: Path, content: bytes) -> None:
    """Move lines that are no runs out of a store; any other file stays as it is."""
    first, *rest = content.split(b"\n")[:-1]
    columns = first.decode(errors="replace").split(",")
    if set(columns) <= set(COLUMNS) and {"key", "repeat", "timeout"} <= set(columns):
        files.put_aside(path, first, rest, {at: why for at, line in enumerate(rest) if (why := _fault(line, columns))})


def _fault(line: bytes, columns: list[str]) -> str:
    """What is wrong with the line of a run; "" where nothing is."""
    try:
        values = next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        return str(error)
    if len(values) != len(columns):
        return f"it has {len(values)} cells, not {len(columns)}"
    run = dict(zip(columns, values, strict=True))
    for name in _NUMBERS & run.keys():
        if run[name] and not _is_number(run[name]):
            return f"its {name} is {run[name][:20]!r}, which is no number"
    if not (run["key"] and run["repeat"].isascii() and run["repeat"].isdigit()):
        return "it has no key or no repeat"
    return "" if run["timeout"] in ("True", "False") else "its timeout is neither True nor False"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read(path: Path) -> pd.DataFrame:
    """The runs of a store; raises `BilevelError` where there is none, or another file."""
    files.require_regular(path)
    try:
        table = pd.read_csv(path, dtype={"key": str, "reason": str})
    except FileNotFoundError as error:
        raise BilevelError(
            f"there is no store {str(path)!r}: run the benchmarks first, or give another file"
        ) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise BilevelError(
            f"{str(path)!r} is no store of benchmarks ({error}): give another file, or remove it"
        ) from error
    if "root" not in table and len(table.columns) == len(COLUMNS) - 1:
        # What came later, as it was then
        table.insert(COLUMNS.index("root"), "root", AUTO)
    if tuple(table.columns) != COLUMNS:
        raise BilevelError(f"{str(path)!r} is no store of benchmarks of this version: give another file, or remove it")
    return table.astype({"timeout": bool, "aggregate": bool, "scaling": bool})


def _text(value: Any) -> Any:
    """One line a run, whatever a message holds."""
    return " ".join(value.split()) if isinstance(value, str) else value
