"""Tables that put methods, ways, or an equilibrium and a front side by side."""

import math
from typing import Any

import pandas as pd

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
    """Refuse a table whose rows have another status than the answers of the JSON file."""
    name, data = FILES[results.kind], results.data
    said = {
        "market": lambda: {way: run["status"] for way, run in data["ways"].items()},
        "security": lambda: {row["margin_per_kwh"]: row["status"] for row in data["rows"]},
    }.get(results.kind)
    if said is None:
        return
    head = found.columns[0]
    told = dict(zip(found[head], map(current_word, found["status"]), strict=True))
    for key, status in said().items():
        if told.get(key) != status:
            why = f"has the status {shown(told[key])}" if key in told else "has no row"
            raise results.damaged(
                name, f"{head} {shown(key)} {why}, and the status {shown(status)} in {KINDS[results.kind]}"
            )
    for key in told.keys() - said().keys():
        raise results.damaged(name, f"{head} {shown(key)} is not in {KINDS[results.kind]}")


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
