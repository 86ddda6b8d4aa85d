"""Finished runs in a journal of their case and settings, so that a killed comparison goes on where it stopped."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bilevel import files
from bilevel.reformulate.ties import OPTIMISTIC
from bilevel.solution import plain
from studies.contest.problems.base import ExactAnswer
from studies.contest.runs import Run

FILE = "runs.jsonl"
_FORMAT = 1
_OLDER = {"ties": OPTIMISTIC}
"""What journals of older versions are of, which do not say so."""


class Store:
    """Runs by method and seed, and the exact answer, in memory and in the file; without a folder in memory only."""

    def __init__(self, folder: Path | None, about: Mapping[str, Any]) -> None:
        self.path = None if folder is None else folder / FILE
        self.runs: dict[tuple[str, int], Run] = {}
        self.exact: ExactAnswer | None = None
        for entry in (
            [] if self.path is None else files.opened(self.path, {"format": _FORMAT, **about}, "runs", _parsed, _OLDER)
        ):
            self._keep(entry)

    def add(self, entry: Run | ExactAnswer) -> None:
        """Keep an entry; an exact search that Ctrl-C cut short is kept for this comparison only."""
        self._keep(entry)
        if self.path is not None and not (isinstance(entry, ExactAnswer) and entry.interrupted):
            files.append(self.path, _line(entry))

    def forget(self) -> None:
        """Remove the file where it has no entry yet, so that a refusal leaves none behind."""
        if self.path is not None and self.exact is None and not self.runs:
            self.path.unlink()

    def _keep(self, entry: Run | ExactAnswer) -> None:
        if isinstance(entry, Run):
            self.runs[entry.method, entry.seed] = entry
        else:
            self.exact = entry


def _line(entry: Run | ExactAnswer) -> dict[str, Any]:
    values = {name: plain(value) for name, value in asdict(entry).items()}
    if isinstance(entry, Run):
        return {"run": values | {"bests": [plain(value) for value in entry.bests]}}
    return {"exact": values}


def _parsed(line: Mapping[str, Any]) -> Run | ExactAnswer:
    if "exact" in line:
        # Journals of older versions have no optimistic bound beside the answer, which is that itself
        values = {"optimistic_bound": None} | line["exact"]
        numbers = ("objective", "bound", "by_rule", "cpu_seconds", "optimistic_bound")
        return ExactAnswer(**values | {name: _number(values[name]) for name in numbers})
    values = line["run"]
    bests, penalty = tuple(map(_number, values["bests"])), values["penalty"]
    return Run(**values | {
        "objective": _number(values["objective"]), "penalty": math.inf if penalty is None else penalty,
        "counts": tuple(values["counts"]), "bests": bests,
    })  # fmt: skip


def _number(value: float | None) -> float:
    return math.nan if value is None else value
