"""What results of every kind share: which points count, the facts that files begin with, and the formats of files."""

import json
import platform
import re
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bilevel import solvers
from bilevel.search.plan import AUTO
from bilevel.solvers import tested
from instances import Instance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf")
# Signs that begin a formula, narrow or wide, also behind apostrophes, so that reading can undo one more
_FORMULA = re.compile(r"'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")


def facts(case: Instance, choices: Mapping[str, Any], solver: str) -> dict[str, Any]:
    """What `problem` says, and the versions of the software."""
    packages = ("bilevel-grid", "pyomo", "numpy", "scipy")
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}}
    # Of "auto" each answer tells which solvers it was
    versions |= {} if solver == AUTO else {solver: solvers.find(solver).version()}
    versions |= {package: f"{release} (not tested)" for package, release in tested.untested(solver).items()}
    return {**problem(case, choices), "versions": versions}


def problem(case: Instance, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Case, evs (sessions), currency, and `choices` (seed, tariff, follower and their options)."""
    return {"case": case.name, "evs": len(case.sessions), "currency": case.currency, **choices}


def csv(table: pd.DataFrame) -> str:
    """A table as comma-separated values with a header, its text as `cell` writes it."""
    return _for_spreadsheets(table).to_csv(index=False, lineterminator="\n")


def cell(text: str) -> str:
    """Text for a cell of a CSV file that people open in a spreadsheet: with an apostrophe first where it would run as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def uncell(text: str) -> str:
    """The text that `cell` made this of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """The table with all text as `cell` writes it, also that of its columns' names; numbers stay numbers."""
    found = table.copy()
    found.columns = pd.Index([cell(name) if isinstance(name, str) else name for name in table.columns])
    for at, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            texts = [cell(value) if isinstance(value, str) else value for value in table.iloc[:, at]]
            found.isetitem(at, np.array(texts, dtype=object))
    return found


def json_text(data: Mapping[str, Any]) -> str:
    """Plain types as JSON; raises `ValueError` for a number that is not finite."""
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def figures(name: str, figure: "Figure") -> dict[str, str | bytes]:
    """A figure in every format, name of the file to content."""
    # Loaded where figures are drawn: matplotlib takes longer to load than a small case to solve
    from studies.writing import style

    style.lay_out(figure)
    return {f"{name}.{kind}": style.render(figure, kind) for kind in FORMATS}
