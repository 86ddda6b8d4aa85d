"""The folder of a comparison: tables, figures, and the journal of runs that a killed comparison leaves.

Every file is written whole, one after the other; the journal stands beside them and is never removed.
"""

import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bilevel.atomic import write_bytes
from bilevel.errors import BilevelError
from bilevel.reformulate.ties import OPTIMISTIC
from bilevel.solution import plain
from instances import check_folder
from studies.contest import cells
from studies.contest.store import FILE
from studies.contest.summary import Comparison
from studies.results_files import versions
from studies.writing import files as writing_files
from studies.writing import latex as writing_latex

TABLE, RUNS, CURVES, JSON, LATEX = "compare.csv", "runs.csv", "convergence.csv", "compare.json", "compare.tex"
FIGURES = ("convergence", "boxplot")
FILES = (TABLE, RUNS, CURVES, JSON, LATEX, *(f"{name}.{kind}" for name in FIGURES for kind in writing_files.FORMATS))


def contents(found: Comparison, choices: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Every file, name to content; figures where some run is feasible.  `choices` (seed of the fleet) join the case."""
    files: dict[str, str | bytes] = {
        TABLE: writing_files.csv(found.table()),
        RUNS: writing_files.csv(found.run_table()),
        CURVES: writing_files.csv(found.convergence()),
        JSON: writing_files.json_text(versions.stamped(_data(found, choices))),
        LATEX: latex(found),
    }
    if any(run.feasible for run in found.runs):
        # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
        from studies.contest import figures

        files |= writing_files.figures("convergence", figures.convergence(found))
        files |= writing_files.figures("boxplot", figures.boxes(found))
    return files


def _data(found: Comparison, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Problem, settings, versions, machine, verdict, exact answer, table and runs in plain JSON types."""
    problem, verdict = found.problem, found.verdict()
    exact = None if found.exact is None else {name: plain(value) for name, value in vars(found.exact).items()}
    return {
        **writing_files.facts(problem.case, choices, problem.solver),
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "problem": {"name": problem.name, "objective": problem.objective, "unit": problem.unit,
                    "sense": "minimise" if problem.sense > 0 else "maximise", "gaps_relative_to": problem.scale_words,
                    "scale": plain(found.scale), **problem.ties.told(), "note": problem.note},
        "settings": found.settings.to_dict(),
        "complete": found.complete,
        "verdict": {"contradiction": verdict.contradiction, "sentence": verdict.sentence},
        "exact": exact,
        "table": _rows(found.table()),
        "runs": _rows(found.run_table()),
    }  # fmt: skip


def _rows(table: Any) -> list[dict[str, Any]]:
    return [{str(name): plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def latex(found: Comparison) -> str:
    """The table for the LaTeX package booktabs: a row a method, units in the second line, the note on ties as a comment."""
    problem, case = found.problem, found.problem.case
    columns = [*cells.statistics(found), *cells.quantities(found)]
    comments = (
        f"case {case.name}, {len(case.sessions)} sessions, {problem.objective}",
        problem.note,
        f"Gaps are to the proven bound{_of_ties(found)}, relative to {problem.scale_words}; statistics are over feasible runs.",
    )
    heads = [[column.head for column in columns], [column.unit for column in columns]]
    return writing_latex.booktabs(heads, list(zip(*(column.texts for column in columns), strict=True)), comments)


def _of_ties(found: Comparison) -> str:
    """Whose bound it is, where exact answers are not optimistic, and that which holds for runs."""
    exact, ties = found.exact, found.problem.ties.name
    if ties == OPTIMISTIC or exact is None:
        return ""
    limit, status = exact.for_runs
    known = f"{limit:.7g} {found.problem.unit}" if math.isfinite(limit) else f"not known ({status})"
    return f" of {ties} ties (the optimistic bound, which holds for runs too, is {known})"


# The folder


def check(directory: str | Path, resume: bool) -> None:
    """Raise `InstanceError` where `write` would be refused, `BilevelError` where runs are kept and `resume` is False."""
    folder = Path(directory)
    check_folder(folder, {*FILES, FILE, *(path.name for path in _leftovers(folder))}, "a comparison")
    if (folder / FILE).exists() and not resume:
        raise BilevelError(
            f"{directory} holds the runs of an earlier comparison: continue it with --resume, or give another folder with --out"
        )


def write(found: Comparison, directory: Path, choices: Mapping[str, Any]) -> tuple[str, ...]:
    """Write the files, each whole or not at all, and remove those of an earlier result; gives their names."""
    files = contents(found, choices)
    directory.mkdir(parents=True, exist_ok=True)
    for path in [*_leftovers(directory), *(directory / name for name in FILES if name not in files)]:
        path.unlink(missing_ok=True)
    for name, content in files.items():
        write_bytes(directory / name, content.encode() if isinstance(content, str) else content)
    return tuple(files)


def _leftovers(directory: Path) -> list[Path]:
    """What killed writes left behind."""
    return [path for name in FILES for path in directory.glob(f".{name}.*")] if directory.is_dir() else []
