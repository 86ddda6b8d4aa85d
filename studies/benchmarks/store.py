"""The store of a campaign: one CSV line a run, on the disk when the run is done."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bilevel import atomic
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


class Store:
    """The runs of the file at `path`, which is begun where there is none; a last line that was cut off is dropped.

    `done` holds key and repeat of every run, `late` the keys of runs that timed out.  Raises `BilevelError` for a file with other
    columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
        if not whole:
            self._write(COLUMNS)
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


def read(path: Path) -> pd.DataFrame:
    """The runs of a store; raises `BilevelError` where there is none, or another file."""
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
