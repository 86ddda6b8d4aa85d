"""The feeder with its stations, buses coloured by their lowest voltage of the day."""

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

import instances
from studies.page.panels.front import numbered
from studies.page.panels.schedule import WAYS
from studies.page.parts import feeder_drawing
from studies.page.parts.feeder_drawing import Feeder
from studies.page.parts.folder import MissingPieceError, ResultsFolder
from studies.page.parts.html import embedded, folded, table, text
from studies.pricing import scenarios
from studies.pricing.front_points import END_VOLTAGES, VOLTAGES
from studies.results_files.refusals import shown
from studies.writing import frames

Views = dict[str, list[float]]
ANSWER = "voltages.csv"


def draw(results: ResultsFolder) -> str:
    """The drawing, its legend, a choice where the folder holds several points, and the voltages as a table."""
    found = _table(results)
    feeder = _feeder(found)
    views = _views(results, feeder)
    flat = [value for values in views.values() for value in values]
    limits = feeder_drawing.edges(flat) if flat else []
    first = next(iter(views.values()), None)
    title = (
        f"Feeder of {results.about['case']}: {len(feeder.buses)} buses, {len(feeder.stations)} of them with stations"
    )
    drawn = feeder_drawing.drawing(feeder, first, limits, title)
    if first is None:
        return (
            f'<p>This folder keeps no voltages, so that buses have no colour.</p><figure class="broad">{drawn}</figure>'
        )
    data = {"edges": limits, "views": views}
    return (
        f'{_choice(views)}<figure class="broad">{drawn}{_legend(limits)}</figure>{_numbers(found, views)}'
        f'<script type="application/json" id="voltages">{embedded(data)}</script>'
    )


def _table(results: ResultsFolder) -> pd.DataFrame:
    """feeder.csv, or the feeder of the shipped case of that name."""
    if results.has(frames.FEEDER):
        return results.table(frames.FEEDER)
    name = str(results.about["case"])
    if name not in instances.list_cases():
        raise MissingPieceError(f"{frames.FEEDER} is not in the folder, and {name} is no shipped case")
    return frames.feeder(None, instances.load(name))


def _feeder(found: pd.DataFrame) -> Feeder:
    buses = tuple(found["bus"])
    place = {bus: k for k, bus in enumerate(buses)}
    parent = tuple(place[up] if up else -1 for up in found["parent"])
    return Feeder(buses, parent, {k: names for k, names in enumerate(found["stations"]) if names})


def _views(results: ResultsFolder, feeder: Feeder) -> Views:
    """Lowest voltage of every bus, by the name of a point; empty where the folder keeps none."""
    views: Views = {}
    if results.has(ANSWER):
        views["the answer"] = _lowest(results, ANSWER, results.table(ANSWER), feeder)
    if results.has(scenarios.VOLTAGES):
        for name, part in results.table(scenarios.VOLTAGES).groupby("scenario", sort=False):
            views[str(name)] = _lowest(results, scenarios.VOLTAGES, part, feeder)
    if results.has(VOLTAGES):
        count = len(results.json("front.json")["points"]) if results.has("front.json") else None
        for point, part in numbered(results, VOLTAGES, count).items():
            views[f"point {point}"] = _lowest(results, VOLTAGES, part, feeder)
    if results.has(END_VOLTAGES):
        views["end of the iteration"] = _lowest(results, END_VOLTAGES, results.table(END_VOLTAGES), feeder)
    for way in WAYS if results.kind == "market" else ():
        for name in (f"nodal_prices_{way}.csv", f"scenario_voltages_{way}.csv"):
            if results.has(name):
                views[f"{way} way"] = _lowest(results, name, results.table(name), feeder)
    return views


def _lowest(results: ResultsFolder, name: str, found: pd.DataFrame, feeder: Feeder) -> list[float]:
    lowest = found.groupby("bus")["voltage_pu" if "voltage_pu" in found else "voltage_lowest_pu"].min()
    others = sorted(set(lowest.index) ^ set(feeder.buses))
    if others:
        where = "feeder.csv" if others[0] in lowest.index else "the table"
        raise results.damaged(
            name, f"the voltages are of other buses than the feeder's: bus {shown(others[0])} is not in {where}"
        )
    return [round(float(lowest[bus]), 6) for bus in feeder.buses]


def _choice(views: Views) -> str:
    if len(views) == 1:
        return ""
    options = "".join(f'<option value="{text(name)}">{text(name)}</option>' for name in views)
    return f'<p><label for="view">Voltages of</label> <select id="view">{options}</select></p>'


def _legend(limits: Sequence[float]) -> str:
    items = "".join(
        "<li>" + _key(f'<circle class="bus v{k}" cx="9" cy="9" r="7"/>') + f"{low:.4f} to {high:.4f} pu</li>"
        for k, (low, high) in enumerate(pairwise(limits))
    )
    square = _key('<rect class="mark" x="2" y="2" width="14" height="14"/>')
    title = "<figcaption>Lowest voltage of the day</figcaption>"
    return f'{title}<ul class="legend">{items}<li>{square}charging station</li></ul>'


def _key(mark: str) -> str:
    return f'<svg viewBox="0 0 18 18" width="18" height="18" aria-hidden="true">{mark}</svg>'


def _numbers(found: pd.DataFrame, views: Views) -> str:
    limits = found[["voltage_min_pu", "voltage_max_pu"]].to_numpy()
    columns = list(views.values())
    rows = [
        [
            text(bus),
            f"{limits[k, 0]:g}",
            f"{limits[k, 1]:g}",
            text(stations),
            *(f"{values[k]:.5f}" for values in columns),
        ]
        for k, (bus, stations) in enumerate(zip(found["bus"], found["stations"], strict=True))
    ]
    heads = ["bus", "least allowed (pu)", "most allowed (pu)", "stations", *(f"lowest, {name} (pu)" for name in views)]
    return folded(
        "Voltages of every bus", table(heads, rows, "Lowest voltage of every bus", (1, 2, *range(4, len(heads))))
    )
