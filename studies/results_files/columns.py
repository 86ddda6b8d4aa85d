"""The columns of every table of results: which must be there, what their cells hold, and which rows belong together."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from studies import tolerances


class Cell(StrEnum):
    """What a cell holds; the word is said in refusals."""

    TEXT = "text"
    NUMBER = "a finite number"
    OPEN = "a finite number or nothing"
    ENDLESS = "a number, inf, -inf or nothing"
    EXCESS = "a number, inf or nothing"
    DISTANCE = "a number of at least 0, inf or nothing"
    WHOLE = "a whole number of at least 0"
    FLAG = "True or False"


Others = Callable[[str], Cell | None]
"""The kind of a column that is not named, None for one that is passed over."""


def _none(_name: str) -> None:
    return None


def _agreed(_frame: pd.DataFrame) -> None:
    return None


@dataclass(frozen=True)
class Columns:
    """A table's columns, all of which must be there, and those that `may` be; `others` knows the kinds of the rest.

    - `key`: no two rows agree in all of these; `grid`: every combination of their values has its row;
    - `counted`: columns whose values are all whole numbers from this one on;
    - `empty`: whether it may have no row; `tree`: whether bus and parent are columns of a radial feeder;
    - `doubt`: what of a table's numbers the others of its row deny: row and sentence, None where they agree.
    """

    need: Mapping[str, Cell]
    key: tuple[str, ...]
    may: Mapping[str, Cell] = field(default_factory=dict)
    others: Others = _none
    grid: bool = False
    counted: Mapping[str, int] = field(default_factory=dict)
    empty: bool = False
    tree: bool = False
    doubt: Callable[[pd.DataFrame], tuple[int, str] | None] = _agreed

    def kind(self, name: str) -> Cell | None:
        """What the cells of a column hold; None for a column that is passed over."""
        return self.need.get(name) or self.may.get(name) or self.others(name)


def _price(name: str) -> Cell | None:
    return Cell.NUMBER if re.fullmatch(r"price_.*_per_kwh", name, re.DOTALL) else None


_ENDLESS = ("gap", "worst_tie", "objective", "bound", "residual")
"""Figures that may have no end, as a worst tie that breaks a row; all others are finite, or nothing."""


def _figures(name: str) -> Cell:
    return Cell.ENDLESS if name in _ENDLESS else Cell.OPEN


_DAY = {"period": Cell.WHOLE, "station": Cell.TEXT, "price_per_kwh": Cell.NUMBER, "power_kw": Cell.NUMBER}
_LOWEST = {"bus": Cell.TEXT, "voltage_lowest_pu": Cell.NUMBER}
_VOLTAGES = Columns(
    {"period": Cell.WHOLE, "bus": Cell.TEXT, "voltage_pu": Cell.NUMBER},
    ("period", "bus"),
    grid=True,
    counted={"period": 0},
)
_OF_DAYS = Columns({"scenario": Cell.TEXT, "probability": Cell.NUMBER}, ("scenario",), others=_figures)
_VOLTAGES_OF_DAYS = Columns(
    {"scenario": Cell.TEXT, "period": Cell.WHOLE, "bus": Cell.TEXT, "voltage_pu": Cell.NUMBER},
    ("scenario", "period", "bus"),
    grid=True,
    counted={"period": 0},
)
_TRADE = {
    "aggregator": Cell.TEXT,
    "station": Cell.TEXT,
    "period": Cell.WHOLE,
    "ev_kw": Cell.NUMBER,
    "price_per_kwh": Cell.NUMBER,
}
_ITERATIONS = {"iteration": Cell.WHOLE, "residual": Cell.DISTANCE, "objective": Cell.OPEN}
_WAYS = ("exact", "equilibrium", "cooperative")

TABLES: dict[str, Columns] = {
    "prices.csv": Columns(
        {"period": Cell.WHOLE, "hour": Cell.NUMBER}, ("period",), others=_price, counted={"period": 0}
    ),
    "charging.csv": Columns(
        {"session": Cell.TEXT, "station": Cell.TEXT, "period": Cell.WHOLE, "power_kw": Cell.NUMBER},
        ("session", "period"),
        empty=True,
    ),
    "voltages.csv": _VOLTAGES,
    "scenarios.csv": _OF_DAYS,
    "scenario_charging.csv": Columns(
        {"scenario": Cell.TEXT, "session": Cell.TEXT, "station": Cell.TEXT, "period": Cell.WHOLE, "power_kw": Cell.NUMBER},
        ("scenario", "session", "period"),
        empty=True,
    ),
    "scenario_voltages.csv": _VOLTAGES_OF_DAYS,
    "feeder.csv": Columns(
        {"bus": Cell.TEXT, "parent": Cell.TEXT, "voltage_min_pu": Cell.NUMBER, "voltage_max_pu": Cell.NUMBER,
         "stations": Cell.TEXT}, ("bus",), tree=True,
    ),
    "points.csv": Columns(
        {"point": Cell.WHOLE, **_DAY}, ("point", "period", "station"), {"hour": Cell.NUMBER}, grid=True,
        counted={"point": 1, "period": 0},
    ),
    "point_voltages.csv": Columns({"point": Cell.WHOLE, **_LOWEST}, ("point", "bus"), grid=True, counted={"point": 1}),
    "point_scenarios.csv": Columns(
        {"point": Cell.WHOLE, "scenario": Cell.TEXT, "probability": Cell.NUMBER}, ("point", "scenario"), others=_figures,
        grid=True, counted={"point": 1},
    ),
    "equilibrium.csv": Columns(_DAY, ("period", "station"), {"hour": Cell.NUMBER}, grid=True, counted={"period": 0}),
    "equilibrium_voltages.csv": Columns(_LOWEST, ("bus",)),
    "trace.csv": Columns(_ITERATIONS, ("iteration",), {"cost_excess": Cell.EXCESS}, counted={"iteration": 1}),
    "fronts.csv": Columns(
        {"ties": Cell.TEXT, "margin_per_kwh": Cell.OPEN, "network_loss_kwh": Cell.NUMBER, "station_profit": Cell.NUMBER,
         "certified": Cell.FLAG}, (),
    ),
    "convergence.csv": Columns(
        {"method": Cell.TEXT, "evaluations": Cell.WHOLE, "median": Cell.OPEN}, ("method", "evaluations"), empty=True
    ),
    "compare.csv": Columns({"method": Cell.TEXT}, ("method",), {"ties": Cell.TEXT}, _figures),
    "security.csv": Columns(
        {"margin_per_kwh": Cell.NUMBER, "status": Cell.TEXT}, ("margin_per_kwh",), {"broken_row": Cell.TEXT}, _figures,
        empty=True,
    ),
    **{f"nodal_prices_{way}.csv": _VOLTAGES for way in _WAYS},
    **{f"scenarios_{way}.csv": _OF_DAYS for way in _WAYS},
    **{f"scenario_voltages_{way}.csv": _VOLTAGES_OF_DAYS for way in _WAYS},
    **{
        f"scenario_aggregators_{way}.csv": Columns(
            {"scenario": Cell.TEXT, **_TRADE}, ("scenario", "aggregator", "period"), grid=True, counted={"period": 0}
        )
        for way in _WAYS
    },
    **{
        f"aggregators_{way}.csv": Columns(
            _TRADE, ("aggregator", "period"), grid=True, counted={"period": 0},
        )
        for way in _WAYS
    },
}  # fmt: skip
"""The tables that pages read, by the names of their files, but for `COMPARISONS`."""

_DISTANCES = {"distance_least": "front_found", "distance_most": "front_bound"}


def _distances(frame: pd.DataFrame) -> tuple[int, str] | None:
    """A distance that does not lie between the equilibrium and the front, or at 0 where the front is behind."""
    if not {"quantity", "equilibrium", *_DISTANCES, *_DISTANCES.values()} <= set(frame):
        return None
    for at, row in enumerate(frame.to_dict("records")):
        # Profit is missing to the front, and loss is in excess of it
        sign = 1.0 if row["quantity"] == "station_profit" else -1.0
        for name, of in _DISTANCES.items():
            told, own = row[name], sign * (row[of] - row["equilibrium"])
            room = tolerances.GAP_ROUNDING * max(1.0, abs(row["equilibrium"]))
            if math.isnan(told) or math.isnan(own):
                continue
            if not (told == own or abs(told - own) <= room or told == max(0.0, own)):
                return at, f"{name} is {told:g}, and {of} and equilibrium are {own:g} apart"
    return None


COMPARISONS: dict[str, Columns] = {
    "market": Columns({"way": Cell.TEXT, "status": Cell.TEXT}, ("way",), {"check": Cell.TEXT}, _figures),
    "compare-equilibrium": Columns(
        {"quantity": Cell.TEXT},
        ("quantity",),
        # A front may have no point at the equilibrium's loss or profit, and then is without end from it
        {
            "equilibrium": Cell.NUMBER,
            **dict.fromkeys(("front_found", "front_bound", "distance_least", "distance_most"), Cell.ENDLESS),
        },
        _figures,
        doubt=_distances,
    ),
}
"""Columns of comparison.csv by the command that wrote it."""


def columns(kind: str, name: str) -> Columns:
    """The columns of the file `name` in a folder that the command `kind` wrote."""
    return COMPARISONS[kind] if name == "comparison.csv" else TABLES[name]
