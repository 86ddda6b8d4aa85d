"""The table of medians for people and for papers."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from studies.benchmarks.reading.summary import MEASURE, labels
from studies.benchmarks.spec import CONFIGURATION, FIELDS, PROBLEM
from studies.writing import latex

HEADS = (
    ("problem", "configuration", "status", "rows", "columns", "binaries", "cones", "nodes", "total", "solve", "ratio", "gap",
     "memory"),
    ("", "", "", "", "", "", "", "", "s", "s", "", "%", "MB"),
)  # fmt: skip
"""Heads and units.  total: everything from the instance to the certificate; ratio: solve over that of the default."""

_DIGITS = 3


def texts(table: pd.DataFrame) -> list[list[str]]:
    """One line a spec, problem by problem, the fastest first; ">=" where a search ended at its limit."""
    named = table.assign(problem=labels(table, PROBLEM), configuration=labels(table, CONFIGURATION))
    lines, last = [], None
    order = {problem: k for k, problem in enumerate(dict.fromkeys(named["problem"]))}
    ranked = named.assign(place=named["problem"].map(order)).sort_values(["place", "timeout", MEASURE], kind="stable")
    for row in ranked.to_dict("records"):
        late = ">= " if row["timeout"] else ""
        sizes = [latex.NONE if pd.isna(row[name]) else f"{row[name]:.0f}" for name in
                 ("rows", "columns", "binaries", "cone_count", "nodes")]  # fmt: skip
        times = [_time(row[name], late) for name in ("total_seconds", MEASURE, "ratio")]
        gap, memory = latex.digits(100 * row["gap_reached"], 2), latex.digits(row["peak_memory_mb"], _DIGITS)
        first = row["problem"] if row["problem"] != last else ""
        lines.append([first, row["configuration"], row["status"], *sizes, *times, gap, memory])
        last = row["problem"]
    return lines


def _time(value: float, late: str) -> str:
    return latex.NONE if pd.isna(value) else late + latex.digits(value, _DIGITS)


def booktabs(table: pd.DataFrame, comments: Sequence[str]) -> str:
    """The table for the LaTeX package booktabs."""
    return latex.booktabs(HEADS, texts(table), comments)


def plain(table: pd.DataFrame) -> str:
    """The table for a terminal."""
    heads = [f"{head} ({unit})" if unit else head for head, unit in zip(*HEADS, strict=True)]
    return pd.DataFrame(texts(table), columns=heads).to_string(index=False)


def laws(found: pd.DataFrame) -> str:
    """Fitted exponents for a terminal: of what, with which size, over which range."""
    names = [name for name in FIELDS if name in found and len(found[name].unique()) > 1]
    lines = [
        {**{name: _plain(row[name]) for name in names}, "of": row["column"], "with": row["dimension"],
         "exponent": exponent(row["exponent"], row["low"], row["high"]), "sizes": row["points"],
         "from": f"{row['x_min']:g}", "to": f"{row['x_max']:g}"}
        for row in found.to_dict("records")
    ]  # fmt: skip
    return pd.DataFrame(lines).to_string(index=False)


def _plain(value: Any) -> str:
    """A field for people: one that varies within a family has none there."""
    return "" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def exponent(value: float, low: float, high: float) -> str:
    """An exponent with its range, where there is one."""
    return f"{value:.2f}" if pd.isna(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
