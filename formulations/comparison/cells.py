"""The table of a comparison as text, column by column, for people and for papers; "--" where there is no number."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from formulations import reporting
from formulations.comparison.settings import EXACT
from formulations.comparison.summary import Comparison

DIGITS = 7
"""Digits of the largest objective in the table."""
WIDE = 1000.0
"""Where the largest is so many times the smallest, objectives are shown with four digits each."""
ZERO = 1e-9
"""What is nearer to 0 than this is shown as 0."""
NONE = "--"


@dataclass(frozen=True)
class Column:
    """Head, unit, and a text a method."""

    head: str
    unit: str
    texts: tuple[str, ...]


def statistics(found: Comparison) -> list[Column]:
    """Methods, feasible runs of those finished, statistics of the objective, CPU seconds a run, gap of the best to the bound."""
    table, unit = found.table(), found.problem.unit
    feasible = table["runs"] - table["infeasible"].where(table["best"].notna(), table["runs"])
    return [
        Column("method", "", tuple(map(shown, table["method"]))),
        Column("feasible", "runs", tuple(f"{n}/{runs}" for n, runs in zip(feasible, table["runs"], strict=True))),
        *(
            Column(name, unit, texts)
            for name, texts in _alike({name: table[name] for name in ("best", "mean", "worst")})
        ),
        Column("std", unit, tuple(digits(value, 3) for value in table["std"])),
        Column("CPU", "s", tuple(digits(value, 3) for value in table["cpu_seconds"])),
        Column("time ratio", "", tuple(digits(value, 3) for value in table["time_ratio"])),
        Column("gap", "%", tuple(digits(value, 3) for value in 100 * table["gap_to_bound"])),
    ]


def quantities(found: Comparison) -> list[Column]:
    """The problem's quantities at the best run of each method."""
    table = found.table()
    return [
        Column(item.words, item.unit, tuple(_text(value, item.decimals) for value in table[item.column]))
        for item in found.problem.quantities
    ]


def booktabs(heads: Sequence[Sequence[str]], rows: Sequence[Sequence[str]], comments: Sequence[str] = ()) -> str:
    """A table for the LaTeX package booktabs, its first column to the left; texts are escaped, comments stand above it."""
    lines = [" & ".join(map(reporting.escaped, line)) + r" \\" for line in (*heads, *rows)]
    return "\n".join([
        *(f"% {comment}" for comment in (*comments, r"needs \usepackage{booktabs}")),
        rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}", r"\toprule", *lines[: len(heads)], r"\midrule",
        *lines[len(heads) :], r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip


def shown(method: str) -> str:
    """A method's name for people."""
    return method if method == EXACT else method.upper()


def digits(value: float, count: int) -> str:
    """A number with so many digits at least and no power of ten aside, "--" where it is none; what is under 1e-9 counts as 0."""
    if not math.isfinite(value):
        return NONE
    if abs(value) < ZERO:
        return "0"
    return f"{value:.{max(0, count - 1 - math.floor(math.log10(abs(value))))}f}"


def _text(value: float, decimals: int | None) -> str:
    if decimals is None or not math.isfinite(value):
        return digits(value, 3)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _alike(columns: Mapping[str, Iterable[float]]) -> list[tuple[str, tuple[str, ...]]]:
    """Columns with as many decimals as give the largest number `DIGITS` digits, or four digits each where sizes differ widely."""
    sizes = [abs(value) for column in columns.values() for value in column if math.isfinite(value)]
    most, least = max(sizes, default=0.0), min(sizes, default=0.0)
    if most < ZERO or least * WIDE < most:
        return [(name, tuple(digits(value, 4) for value in column)) for name, column in columns.items()]
    places = max(0, DIGITS - 1 - math.floor(math.log10(most)))
    return [(name, tuple(_text(value, places) for value in column)) for name, column in columns.items()]
