"""Figures of carbon-aware dispatch, days side by side, such as the optimum and the day without optimisation ([X23] 6, 7, 9, 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bilevel.errors import BilevelError
from formulations.carbon.system import Baseline
from formulations.case_parts import carbon_of
from instances import Instance
from studies.carbon.solve import CarbonResult
from studies.writing import frames
from studies.writing.style import AMBER, BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, STYLE, WIDTH_IN, shown

Line = tuple[str, str, float]

LINES: tuple[Line, ...] = ((ORANGE, "-", 2.4), (BLUE, "-", 1.3), (GREEN, "--", 1.3), (BLACK, ":", 1.3))
SOURCES = (SKY, AMBER, PURPLE, GREY)
MOST_DAYS, COLUMNS = len(LINES), 2


@dataclass(frozen=True, eq=False)
class Day:
    """A day to draw: its `name`, `supply_kw` (T,), `output_kw` (T, G), `charging_kw` (T, S), `station_factor` (T, S) in kg/kWh."""

    name: str
    supply_kw: Any
    output_kw: Any
    charging_kw: Any
    station_factor: Any

    @classmethod
    def of(cls, name: str, answer: Baseline | CarbonResult) -> Day:
        """The day without optimisation, or a solved one; raises `BilevelError` where it has no point."""
        state = answer.state if isinstance(answer, Baseline) else answer
        if state.supply_kw is None or not np.isfinite(state.supply_kw).all():
            raise BilevelError(
                f"the day {name!r} has no power flow to draw: raise the time limit, or check the case's limits"
            )
        return cls(name, state.supply_kw, answer.output_kw, answer.charging_kw, state.station_factor)


def supply(case: Instance, days: Sequence[Day]) -> Figure:
    """What the main grid and each generator feed in (kW) over the hours, a line a day, and renewables, the same on every day.

    The panels of [X23] figures 6 (A) and 9 (A).  Raises `BilevelError` for no days, or more than `MOST_DAYS`.
    """
    names = ["main grid", *(f"{unit.name} (bus {unit.bus})" for unit in case.generators)]
    values = [[day.supply_kw, *np.transpose(day.output_kw)] for day in days]
    with mpl.rc_context(STYLE):
        figure, axes = _panels(case, days, names, values, "power (kW)", *(["renewables"] if case.renewables else []))
        for k, source in enumerate(case.renewables):
            _stairs(axes[-1], case, source.power_kw, (SOURCES[k % len(SOURCES)], "-", 1.3), shown(source.name))
        if case.renewables:
            axes[-1].set_ylim(bottom=0.0)
        _legend(figure, axes[0], *axes[len(names) :])
    return figure


def charging(case: Instance, days: Sequence[Day]) -> Figure:
    """Charging power (kW) of each station over the hours, a line a day, and the wholesale price that users pay beside carbon.

    The panels of [X23] figures 6 (B) and 9 (B).  Raises `BilevelError` as `supply` does.
    """
    values = [list(np.transpose(day.charging_kw)) for day in days]
    with mpl.rc_context(STYLE):
        figure, axes = _panels(case, days, _stations(case), values, "power (kW)", "main grid")
        _stairs(axes[-1], case, case.wholesale_price_per_kwh, (BLACK, "-", 1.2), "price of electricity")
        axes[-1].set_ylabel(f"price ({case.currency}/kWh)")
        _legend(figure, axes[0], axes[-1])
    return figure


def factors(case: Instance, days: Sequence[Day]) -> Figure:
    """Emission factor (kg/kWh) at each station over the hours, a line a day; for reference the main grid's and each generator's.

    The panels of [X23] figures 7 (B) and 10 (B).  Raises `BilevelError` as `supply` does.
    """
    grid = carbon_of(case).grid_factor_kg_per_kwh
    values = [list(np.transpose(day.station_factor)) for day in days]
    with mpl.rc_context(STYLE):
        figure, axes = _panels(case, days, _stations(case), values, "factor (kg/kWh)", "sources")
        _stairs(axes[-1], case, grid, (BLACK, "-", 1.2), "main grid")
        for k, factor in enumerate(dict.fromkeys(unit.emission_kg_per_kwh for unit in case.generators)):
            mine = [unit.name for unit in case.generators if unit.emission_kg_per_kwh == factor]
            axes[-1].axhline(factor, color=SOURCES[k % len(SOURCES)], linewidth=1.3, label=shown(", ".join(mine)))
        top = max(ax.get_ylim()[1] for ax in axes)
        for ax in axes:
            ax.set_ylim(-0.04 * top, top)
        _legend(figure, axes[0], axes[-1])
    return figure


def costs(table: pd.DataFrame, currency: str) -> Figure:
    """What users pay for electricity and for carbon (currency), a bar a row of `carbon_tables.side_by_side`, the sum above it.

    The panels of [X23] figures 7 (A) and 10 (A).  Rows without these costs are left out; raises `BilevelError` where none is left.
    """
    known = table.dropna(subset=["electricity_cost", "carbon_cost"])
    if known.empty:
        raise BilevelError(
            "the table has no row with electricity_cost and carbon_cost to draw: give one with a solved day"
        )
    at = np.arange(len(known))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.5, 0.8 * len(known) + 0.8), 3.0))
        ax = figure.subplots()
        electricity, carbon = (known[f"{part}_cost"].to_numpy(dtype=float) for part in ("electricity", "carbon"))
        ax.bar(at, electricity, 0.62, color=BLUE, label="electricity")
        ax.bar(at, carbon, 0.62, bottom=electricity, color=AMBER, label="carbon")
        for x, value in zip(at, electricity + carbon, strict=True):
            ax.annotate(f"{value:.2f}", (x, value), (0, 2), textcoords="offset points", ha="center", fontsize=8)
        ax.set_xticks(at, known["method"].tolist())
        ax.set_ylim(0.0, 1.1 * float((electricity + carbon).max()))
        ax.set_ylabel(f"users' bill ({currency})")
        _legend(figure, ax)
    return figure


def _panels(
    case: Instance, days: Sequence[Day], names: Sequence[str], values: Sequence[Sequence[Any]], label: str, *empty: str
) -> tuple[Figure, list[Axes]]:
    """A panel a name with `values[day][panel]` (T,), and one for each name of `empty`."""
    if not 0 < len(days) <= MOST_DAYS:
        raise BilevelError(f"{len(days)} days are to be drawn: give 1 to {MOST_DAYS}")
    titles = [*names, *empty]
    columns = min(COLUMNS, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(WIDTH_IN if columns > 1 else 4.5, 1.75 * rows + 0.7))
    axes = list(figure.subplots(rows, columns, sharex=True, squeeze=False).flat)
    for ax in axes[len(titles) :]:
        ax.set_visible(False)
    for k, (ax, title) in enumerate(zip(axes, titles, strict=False)):
        ax.set_title(title, loc="left", fontweight="bold")
        ax.set_ylabel(label)
        for day, own, line in zip(days, values, LINES, strict=False) if k < len(names) else ():
            _stairs(ax, case, own[k], line, day.name)
        _hours(ax, case, last=k + columns >= len(titles))
    figure.align_ylabels(axes)
    return figure, axes[: len(titles)]


def _stairs(ax: Axes, case: Instance, values: Any, line: Line, label: str) -> None:
    color, style, width = line
    ax.stairs(values, frames.hours(case), baseline=None, color=color, linestyle=style, linewidth=width, label=label)


def _stations(case: Instance) -> list[str]:
    return [f"{station.name} (bus {station.bus})" for station in case.stations]


def _hours(ax: Axes, case: Instance, last: bool) -> None:
    """Hours of the clock, also beyond midnight."""
    edges = frames.hours(case)
    ax.set_xlim(edges[0], edges[-1])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 3, 4, 5, 6, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value % 24:g}"))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))
    if last:
        ax.tick_params(labelbottom=True)
        ax.set_xlabel("hour of the day (h)")


def _legend(figure: Figure, *axes: Axes) -> None:
    """One legend below the panels for what is drawn in `axes`."""
    found = [ax.get_legend_handles_labels() for ax in axes]
    handles, labels = [h for part in found for h in part[0]], [label for part in found for label in part[1]]
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
