"""Finished runs in a journal of their case and settings, so that a killed comparison goes on where it stopped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bilevel import files
from bilevel.reformulate.ties import OPTIMISTIC
from studies.contest.lines import doubted, from_line, to_line
from studies.contest.problems.base import ONE_DAY, ExactAnswer, Problem
from studies.contest.runs import Run

FILE = "runs.jsonl"
_FORMAT = 1
_OLDER = {"ties": OPTIMISTIC, **dict.fromkeys(ONE_DAY)}
"""What journals of older versions are of, which do not say so."""


class Store:
    """Runs by method and seed, and the exact answer, in memory and in the file; without a folder in memory only.

    `problem` and the relative `gap` of its exact search say what the entries of the file must keep to.
    """

    def __init__(self, folder: Path | None, about: Mapping[str, Any], problem: Problem, gap: float) -> None:
        self.path = None if folder is None else folder / FILE
        self.runs: dict[tuple[str, int], Run] = {}
        self.exact: ExactAnswer | None = None
        if self.path is None:
            return
        header = {"format": _FORMAT, **about}
        for entry in files.opened(self.path, header, "runs", from_line, _OLDER, doubted(problem, gap)):
            self._keep(entry)

    def add(self, entry: Run | ExactAnswer) -> None:
        """Keep an entry; an exact search that Ctrl-C cut short is kept for this comparison only."""
        self._keep(entry)
        if self.path is not None and not (isinstance(entry, ExactAnswer) and entry.interrupted):
            files.append(self.path, to_line(entry))

    def forget(self) -> None:
        """Remove the file where it has no entry yet, so that a refusal leaves none behind."""
        if self.path is not None and self.exact is None and not self.runs:
            self.path.unlink()

    def _keep(self, entry: Run | ExactAnswer) -> None:
        if isinstance(entry, Run):
            self.runs[entry.method, entry.seed] = entry
        else:
            self.exact = entry
