"""Results that go on from a changed store against those from none: the same numbers, or a refusal."""

from __future__ import annotations

import csv
import functools
import math
import tempfile
from pathlib import Path

from cli_runs import run

from file_faults.sources import Source

TABLES = {
    "pareto": ("front.csv", ("network_loss_kwh", "station_profit", "certified")),
    "security": ("security.csv", ("margin_per_kwh", "objective", "bound", "status", "worst_tie")),
    "compare": ("compare.csv", ("method", "runs", "infeasible", "best", "mean", "worst", "status", "bound")),
}
"""By command: the table of its answers, and the columns that no clock changes."""
RELATIVE = 3e-4
"""Answers differ by the gap that both leave open."""


def same(source: Source, folder: Path, code: int) -> list[str]:
    """Where the answers of a folder differ from those without a store."""
    command = source.command[0]
    expected_code, expected = _without(source)
    found = _table(folder / TABLES[command][0], TABLES[command][1])
    if code != expected_code:
        return [f"exit code {code} where {expected_code} is due"]
    if len(found) != len(expected):
        return [f"{len(found)} rows where {len(expected)} are due"]
    pairs = [pair for one, two in zip(found, expected, strict=True) for pair in zip(one, two, strict=True)]
    return [f"{one} where {two} is due" for one, two in pairs if not _equal(one, two)]


def _equal(one: str, two: str) -> bool:
    try:
        return math.isclose(float(one), float(two), rel_tol=RELATIVE, abs_tol=1e-6) or one == two
    except ValueError:
        return one == two


def _table(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [[row.get(column, "") for column in columns] for row in csv.DictReader(file)]


@functools.cache
def _of(command: tuple[str, ...], fixed: tuple[tuple[str, bytes], ...]) -> tuple[int, list[list[str]]]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        for name, content in fixed:
            path = Path(place) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        done = run(*(part.format(folder, place=place) for part in command if part != "--resume"))
        return done.returncode, _table(folder / TABLES[command[0]][0], TABLES[command[0]][1])


def _without(source: Source) -> tuple[int, list[list[str]]]:
    return _of(source.command, tuple(source.fixed.items()))
