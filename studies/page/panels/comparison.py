"""Tables that put methods, ways, or an equilibrium and a front side by side."""

import math
from typing import Any

import pandas as pd

from studies import tolerances
from studies.page.parts.folder import KINDS, ResultsFolder
from studies.page.parts.html import number, table, text
from studies.results_files.refusals import shown
from studies.results_files.versions import current_word

FILES = {
    "compare": "compare.csv", "market": "comparison.csv", "compare-equilibrium": "comparison.csv", "security": "security.csv",
}  # fmt: skip
UNITS = {"seconds": "s", "cpu_seconds": "s", "gap": "relative", "gap_to_bound": "relative", "gap_to_exact": "relative",
         "gap_to_optimistic_bound": "relative", "loss_kwh": "kWh", "network_loss_kwh": "kWh", "peak_kw": "kW",
         "charging_peak_kw": "kW",
         "time_ratio": "times exact"}  # fmt: skip
FIGURES = ("objective", "bound", "gap", "worst_tie")
"""What table and JSON file both tell of an answer."""
COUNTS = ("runs", "infeasible", "evaluations")


def draw(results: ResultsFolder) -> str:
    """A column a method or way, a row a quantity with its unit; empty for other commands."""
    if results.kind not in FILES:
        return ""
    found = results.table(FILES[results.kind])
    _require_same(results, found)
    if found.empty:
        return "<p>No margin is solved.</p>"
    found = found.replace("", math.nan).dropna(axis="columns", how="all")
    if results.kind == "compare-equilibrium":
        return _distances(results, found)
    first, *rest = found.columns
    margins = results.kind == "security"
    heads = ["quantity", "unit", *(found[first].map("{:g}".format) if margins else found[first].astype(str))]
    rows = [[_words(name), text(_unit(results, name)), *(_cell(value) for value in found[name])] for name in rest]
    return table(
        heads, rows, f"By margin in {results.currency}/kWh" if margins else "Side by side", range(2, len(heads))
    )


def _require_same(results: ResultsFolder, found: pd.DataFrame) -> None:
    """Refuse a table whose rows have another status, or other figures, than the answers of the JSON file."""
    name, data = FILES[results.kind], results.data
    if results.kind == "market":
        said = dict(data["ways"])
    elif results.kind == "security":
        said = {row["margin_per_kwh"]: row for row in data["rows"]}
    else:
        return
    head = found.columns[0]
    told = {row[head]: row for row in found.to_dict("records")}
    for key, answer in said.items():
        status = answer["status"]
        row = told.get(key)
        if row is None or current_word(row["status"]) != status:
            why = "has no row" if row is None else f"has the status {shown(current_word(row['status']))}"
            raise results.damaged(
                name, f"{head} {shown(key)} {why}, and the status {shown(status)} in {KINDS[results.kind]}"
            )
        for figure in (each for each in FIGURES if each in row and each in answer):
            if not _agree(row[figure], answer[figure]):
                raise results.damaged(
                    name,
                    f"{head} {shown(key)} has the {figure} {row[figure]:g}, and {KINDS[results.kind]} {answer[figure]}",
                )
    for key in told.keys() - said.keys():
        raise results.damaged(name, f"{head} {shown(key)} is not in {KINDS[results.kind]}")


def _agree(cell: float, value: float | None) -> bool:
    """Whether a cell is the number of the JSON file, which has none where a number has no end."""
    if value is None or not math.isfinite(cell):
        return value is None and not math.isfinite(cell)
    return math.isclose(cell, value, rel_tol=tolerances.SAME_FIGURE)


def _distances(results: ResultsFolder, found: pd.DataFrame) -> str:
    """What the front has more: at least by the points found, at most by the proven bounds."""
    heads = ["quantity", "unit", *(_heading(str(name)) for name in found.columns[1:])]
    rows = [
        [_words(name), text(_unit(results, name)), *map(_cell, values)] for name, *values in found.to_numpy().tolist()
    ]
    return table(heads, rows, "The end of the iteration beside the front", range(2, len(heads)))


def _heading(name: str) -> str:
    return name.replace("_", " ") + (" (relative)" if name.startswith("share") else "")


def _words(name: str) -> str:
    return text(name.removesuffix("_kwh").removesuffix("_kw").replace("_", " "))


def _unit(results: ResultsFolder, name: str) -> str:
    if name in UNITS:
        return UNITS[name]
    if name in (*COUNTS, "status", "check", "ties", "broken_row", "broken_by"):
        return ""
    if results.kind == "security" and name != "station_profit":
        return str(results.data["unit"])
    if results.kind == "compare" and name in ("best", "mean", "worst", "std", "best_by_rule"):
        return str(results.data["problem"]["unit"])
    return results.currency


def _cell(value: Any) -> str:
    return text(value) if isinstance(value, str) else number(float(value))
