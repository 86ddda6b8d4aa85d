"""A results folder as the page reads it: which command wrote it, its JSON and its tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bilevel.errors import BilevelError
from studies.results_files import columns, json_file, table_file
from studies.results_files.refusals import DamagedFileError

KINDS = {
    "compare-equilibrium": "comparison.json",
    "market": "market.json",
    "compare": "compare.json",
    "security": "security.json",
    "pareto": "front.json",
    "equilibrium": "trace.json",
    "solve": "solution.json",
}
"""Command to the file that only it writes; the first that is there decides, as compare-equilibrium writes those of others too."""


class MissingPieceError(BilevelError):
    """A file of the folder, or a field of one, that a panel needs is not there."""


@dataclass(frozen=True)
class ResultsFolder:
    """What one command wrote: its name (`kind`), the folder, and the JSON that says what was done (`data`)."""

    path: Path
    kind: str
    data: Mapping[str, Any]

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """Case, evs, seed, currency and the options of the problem, the case's name under "case"."""
        if self.kind != "solve":
            return self.data
        case: Mapping[str, Any] = self.data["case"]
        return {**case, "case": case["name"]}

    @property
    def currency(self) -> str:
        """Unit of money."""
        return str(self.about["currency"])

    def has(self, name: str) -> bool:
        """Whether the folder holds the file."""
        return (self.path / name).is_file()

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder.

        Raises `MissingPieceError` where it is not there, `DamagedFileError` where it is no file of its kind.
        """
        return json_file.read(self._file(name))

    def table(self, name: str) -> pd.DataFrame:
        """The columns of a CSV file of the folder that pages know, names as they stand.

        Raises `MissingPieceError` where it is not there, `DamagedFileError` where it is no such table.
        """
        return table_file.read(self._file(name), columns.columns(self.kind, name))

    def damaged(self, name: str, said: str) -> DamagedFileError:
        """The refusal of a file that does not fit the others of the folder."""
        return DamagedFileError(self.path / name, said)

    def _file(self, name: str) -> Path:
        if not self.has(name):
            raise MissingPieceError(f"{name} is not in the folder")
        return self.path / name


def read(directory: str | Path) -> ResultsFolder:
    """The results in a folder.

    Raises `BilevelError` for what is no folder and for a folder without a file of `KINDS`, `DamagedFileError` where that file is
    none of its command's.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise BilevelError(
            f"{directory} is no folder: give one that 'bilevel solve CASE --out DIR' or another command wrote"
        )
    for kind, name in KINDS.items():
        if (folder / name).is_file():
            return ResultsFolder(folder, kind, json_file.read(folder / name))
    raise BilevelError(
        f"{directory} holds no results ({', '.join(KINDS.values())}): give a folder that 'bilevel solve CASE --out DIR' or "
        "another command wrote"
    )
