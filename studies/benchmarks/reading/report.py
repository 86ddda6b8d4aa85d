"""A store into files: tables, fitted exponents, figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from bilevel.atomic import write_bytes, write_text
from bilevel.errors import BilevelError
from studies.benchmarks import store
from studies.benchmarks.reading import figures, summary, tables
from studies.benchmarks.reading.summary import DIMENSIONS, TIMES
from studies.writing import files as writing_files

_MACHINE = ("processor", "cores", "memory_gb", "platform")


@dataclass(frozen=True)
class Report:
    """What the runs of a store say."""

    runs: pd.DataFrame

    @classmethod
    def read(cls, path: Path) -> "Report":
        """The report of a store; raises `BilevelError` where there is none, or no run in it."""
        runs = store.read(path)
        if runs.empty:
            raise BilevelError(f"{str(path)!r} holds no run: run the benchmarks first")
        return cls(runs)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a spec, as `summary.medians`, and `total_seconds`: the sum over all phases."""
        table = summary.medians(self.runs)
        return table.assign(total_seconds=table[list(TIMES)].sum(axis=1, min_count=len(TIMES)))

    @cached_property
    def laws(self) -> pd.DataFrame:
        """Fitted exponents, as `summary.laws`."""
        return summary.laws(self.table)

    @property
    def machines(self) -> list[str]:
        """The machines and versions of the runs, one sentence each, and how busy they were."""
        found = []
        for (processor, cores, memory, platform), rows in self.runs.groupby(list(_MACHINE), sort=False):
            versions = dict.fromkeys(item for text in rows["versions"].dropna() for item in text.split("; "))
            load = rows["load_average"]
            parts = [f"{processor}, {cores} cores, {memory:g} GB", platform, *versions]
            found.append("; ".join([*parts, f"load average {load.min():g} to {load.max():g}"]))
        return found

    @property
    def disagreements(self) -> list[str]:
        """Certified answers that contradict each other, as sentences."""
        return summary.disagreements(self.table)

    def text(self) -> str:
        """The machines, the table, the exponents and what contradicts, for a terminal."""
        parts = ["\n".join(self.machines), tables.plain(self.table)]
        if len(self.laws):
            parts.append(f"power laws, with the 95 % range of the exponent\n{tables.laws(self.laws)}")
        parts += [f"CONTRADICTION: {sentence}" for sentence in self.disagreements]
        return "\n\n".join(parts) + "\n"

    def write(self, out: Path) -> list[str]:
        """Write summary.csv, table.tex, exponents.csv and the figures as PNG and PDF into a folder; gives their names."""
        out.mkdir(parents=True, exist_ok=True)
        texts = {"summary.csv": writing_files.csv(self.table), "table.tex": tables.booktabs(self.table, self.machines)}
        if len(self.laws):
            texts["exponents.csv"] = writing_files.csv(self.laws)
        for name, text in texts.items():
            write_text(out / name, text)
        files = {
            file: content
            for name, figure in self.figures()
            for file, content in writing_files.figures(name, figure).items()
        }
        for name, content in files.items():
            write_bytes(out / name, content if isinstance(content, bytes) else content.encode())
        return [*texts, *files]

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Name and figure: a profile for each set of problems that the same configurations ran on, a scaling for each size."""
        for k, rows in enumerate(summary.contests(self.table)):
            yield f"profile_{k + 1}" if k else "profile", figures.performance_profile(rows)
        for dimension in DIMENSIONS:
            found = summary.families(self.table, dimension)
            if found:
                yield f"scaling_{dimension}", figures.scaling(found)
