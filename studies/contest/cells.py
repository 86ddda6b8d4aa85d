"""The table of a comparison as text, column by column, for people and for papers; "--" where there is no number."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bilevel.reformulate.ties import OPTIMISTIC
from studies import tolerances
from studies.contest.settings import EXACT
from studies.contest.summary import Comparison
from studies.writing.latex import digits

DIGITS = 7
"""Digits of the largest objective in the table."""
WIDE = 1000.0
"""Where the largest is so many times the smallest, objectives are shown with four digits each."""


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
        _methods(found),
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


def shown(method: str) -> str:
    """A method's name for people."""
    return method if method == EXACT else method.upper()


def _methods(found: Comparison) -> Column:
    """Names of the methods, the exact one with its convention of ties where that is not the optimistic one."""
    ties = found.problem.ties.name
    words = {EXACT: EXACT if ties == OPTIMISTIC else f"{EXACT}, {ties}"}
    return Column("method", "", tuple(words.get(method) or shown(method) for method in found.settings.methods))


def _text(value: float, decimals: int | None) -> str:
    if decimals is None or not math.isfinite(value):
        return digits(value, 3)
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _alike(columns: Mapping[str, Iterable[float]]) -> list[tuple[str, tuple[str, ...]]]:
    """Columns with as many decimals as give the largest number `DIGITS` digits, or four digits each where sizes differ widely."""
    sizes = [abs(value) for column in columns.values() for value in column if math.isfinite(value)]
    most, least = max(sizes, default=0.0), min(sizes, default=0.0)
    if most < tolerances.SHOWN_AS_ZERO or least * WIDE < most:
        return [(name, tuple(digits(value, 4) for value in column)) for name, column in columns.items()]
    places = max(0, DIGITS - 1 - math.floor(math.log10(most)))
    return [(name, tuple(_text(value, places) for value in column)) for name, column in columns.items()]
