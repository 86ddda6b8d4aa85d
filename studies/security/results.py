"""The folder of a price of security: a table, JSON, a figure, and the journal of rows that a killed run leaves.

Every file is written whole, one after the other; the journal stands beside them and is never removed.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bilevel.atomic import write_bytes
from bilevel.errors import BilevelError
from instances import check_folder
from studies.results_files import versions
from studies.security.price import FILE, SecurityPrice
from studies.security.row import MarginRow
from studies.writing import files as writing_files
from studies.writing import latex as writing_latex

TABLE, JSON, LATEX, FIGURE = "security.csv", "security.json", "security.tex", "security"
FILES = (TABLE, JSON, LATEX, *(f"{FIGURE}.{kind}" for kind in writing_files.FORMATS))


def contents(found: SecurityPrice, about: Mapping[str, Any]) -> dict[str, str | bytes]:
    """Every file, name to content; a figure where some margin has an answer or a bound.  `about` is `files.facts`."""
    files: dict[str, str | bytes] = {
        TABLE: writing_files.csv(found.to_frame()),
        JSON: writing_files.json_text(versions.stamped(_data(found, about))),
        LATEX: latex(found),
    }
    if any(math.isfinite(row.bound) for row in found.rows):
        # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
        from studies.security import figures

        files |= writing_files.figures(FIGURE, figures.security(found))
    return files


def _data(found: SecurityPrice, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **about,
        "settings": {**found.search.settings(), "time_limit": found.search.time_limit, "margins": list(found.margins)},
        "unit": found.unit,
        "sense": "minimise" if found.sense > 0 else "maximise",
        "complete": found.complete,
        "closed": found.closed,
        "rows": [row.to_dict() for row in found.rows],
    }


def cells(found: SecurityPrice, row: MarginRow) -> tuple[str, ...]:
    """A row for people: margin, objective, price of security, bound, worst tie, peak, loss; "--" where there is nothing."""
    price = found.price(row) if row.margin_per_kwh > 0 else math.nan
    return (
        f"{row.margin_per_kwh:g}", fixed(row.objective, 2), fixed(price, 2), fixed(row.bound, 2), fixed(row.worst_tie, 2),
        fixed(row.charging_peak_kw, 0), fixed(row.network_loss_kwh, 1),
    )  # fmt: skip


def heads(found: SecurityPrice) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Words and units above `cells`."""
    unit, money = found.unit, found.case.currency
    words = ("margin", "objective", "price", "bound", "worst tie", "peak", "loss")
    return words, (f"{money}/kWh", unit, unit, unit, unit, "kW", "kWh")


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals, "--" where there is none."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else writing_latex.NONE


def latex(found: SecurityPrice) -> str:
    """The rows as a table for the LaTeX package booktabs."""
    words, units = heads(found)
    about = f"case {found.case.name}, {len(found.case.sessions)} sessions"
    rows = [(*cells(found, row), row.status) for row in found.rows]
    return writing_latex.booktabs(((*words, "status"), (*units, "")), rows, [about], "rrrrrrrl")


def check(directory: Path, resume: bool) -> None:
    """Raise `InstanceError` when a later `write` would be refused, `BilevelError` for rows of an earlier run without `resume`."""
    check_folder(directory, {*FILES, FILE, *(path.name for path in _leftovers(directory))}, "a price of security")
    if not resume and (directory / FILE).exists():
        raise BilevelError(
            f"{directory} holds the margins of an earlier run: continue it with --resume, or give another folder with --out"
        )


def write(found: SecurityPrice, directory: Path, about: Mapping[str, Any]) -> tuple[str, ...]:
    """Write the files, each whole or not at all, and remove those of an earlier result; gives their names."""
    files = contents(found, about)
    directory.mkdir(parents=True, exist_ok=True)
    for path in [*_leftovers(directory), *(directory / name for name in FILES if name not in files)]:
        path.unlink(missing_ok=True)
    for name, content in files.items():
        write_bytes(directory / name, content.encode() if isinstance(content, str) else content)
    return tuple(files)


def _leftovers(directory: Path) -> list[Path]:
    """What killed writes left behind."""
    return [path for name in FILES for path in directory.glob(f".{name}.*")] if directory.is_dir() else []
