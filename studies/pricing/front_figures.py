"""Figures of a front, of several, of an equilibrium's iterations and of both, one column of a paper wide."""

import math
from collections.abc import Mapping
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, ScalarFormatter

from bilevel import EquilibriumTrace, ParetoFront
from studies.pricing.front_comparison import Comparison
from studies.writing.style import BLACK, BLUE, COLUMN_IN, GREEN, ORANGE, SMALL, STYLE

EXCLUDED, OPEN = "#ececec", "#cfe3f1"


def front(front: ParetoFront, currency: str) -> Figure:
    """Station profit (currency) over network loss (kWh): the points; where the front may lie between them; what is excluded."""
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 2.9))
        ax = figure.subplots()
        _draw_front(ax, front, [(p.limited, p.maximized) for p in front.points])
        _finish(figure, ax, currency)
    return figure


def fronts(fronts: Mapping[str, ParetoFront], currency: str) -> Figure:
    """Fronts by convention of ties; grey is what the first one's bounds exclude, which hold for secure answers too.

    Dashes are what the bounds of each other front leave.
    """
    (first, front), *others = fronts.items()
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 3.2))
        ax = figure.subplots()
        _draw_front(
            ax, front, [(p.limited, p.maximized) for each in fronts.values() for p in each.points], f"{first}, "
        )
        margins = [
            f"{name}: margin {each.settings['margin']:g} {currency}/kWh"
            for name, each in fronts.items()
            if each.settings.get("margin")
        ]
        ax.set_title(", ".join(margins), loc="left", fontsize=8)
        for (name, other), color in zip(others, (ORANGE, GREEN), strict=False):
            _draw_other(ax, other, name, color)
        _finish(figure, ax, currency, f"{first}: undecided")
    return figure


def _draw_other(ax: Axes, front: ParetoFront, name: str, color: str) -> None:
    """Points with the steps that they dominate, and dashes along the bounds."""
    right = ax.get_xlim()[1]
    x, y = [p.limited for p in front.points], [p.maximized for p in front.points]
    if not x:
        return
    ax.step([*x, right], [*y, y[-1]], where="post", color=color, linewidth=0.8, zorder=3)
    edges = [
        front.least_limited,
        *sorted(p.limit for p in front.points if front.least_limited < p.limit < right),
        right,
    ]
    bounds = [front.bound_at(end) for end in edges[1:]]
    if edges[0] < right and all(map(math.isfinite, (edges[0], *bounds))):
        ax.stairs(
            bounds, edges, baseline=None, color=color, linewidth=0.8, linestyle=":", label=f"{name}, bound", zorder=2
        )
    for certified, face in ((True, color), (False, "white")):
        at = [k for k, p in enumerate(front.points) if p.certified == certified]
        if at:
            ax.plot([x[k] for k in at], [y[k] for k in at], color=color, marker="D", markersize=3.5, markerfacecolor=face,
                    linestyle="", label=f"{name}, {_word(certified).removeprefix('point, ')}", zorder=4)  # fmt: skip


def _word(certified: bool) -> str:
    return "certified point" if certified else "point, not certified"


def comparison(front: ParetoFront, found: Comparison, currency: str, tick: float = 0.0) -> Figure:
    """The front with the equilibrium, and its distance to the front's points in each of both.

    `tick` is what the equilibrium's prices were rounded down to, currency/kWh; 0 if they are as the iteration left them.
    """
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 3.1))
        ax = figure.subplots()
        loss, profit = found.network_loss_kwh, found.station_profit
        _draw_front(ax, front, [*((p.limited, p.maximized) for p in front.points), (loss, profit)])
        if math.isfinite(found.front_profit):
            ax.plot([loss, loss], [profit, found.front_profit], color=ORANGE, linestyle=":", zorder=3)
        if math.isfinite(found.front_loss):
            ax.plot([found.front_loss, loss], [profit, profit], color=ORANGE, linestyle=":", zorder=3)
        label = "equilibrium" if found.valid else "equilibrium (breaks a row)"
        label = f"{label}, prices\nrounded to {tick:g} {currency}/kWh" if tick else label
        ax.plot([loss], [profit], color=ORANGE, marker="D", markersize=5, linestyle="", label=label, zorder=4)
        ax.plot([], [], color=ORANGE, linestyle=":", label="distance to the front")
        _finish(figure, ax, currency)
    return figure


def _draw_front(ax: Axes, front: ParetoFront, shown: list[tuple[float, float]], name: str = "") -> None:
    """Points, dominated (white) and excluded region, what is left between them; limits around the points `shown`."""
    left, right = _around([x for x, _ in shown])
    bottom, top = _around([y for _, y in shown])
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    x, y = [p.limited for p in front.points], [p.maximized for p in front.points]
    ax.set_facecolor(OPEN)
    if not x:
        return
    ax.fill_between([*x, right], bottom, [*y, y[-1]], step="post", color="white", linewidth=0, zorder=0)
    # Between two limits the proven bound is that of the larger one, so it is a flight of steps
    edge = max(front.least_limited, left)
    edges = [edge, *sorted(p.limit for p in front.points if edge < p.limit < right), right]
    ax.axvspan(left, edge, color=EXCLUDED, linewidth=0, zorder=1)
    for start, end in pairwise(edges):
        ax.fill_between([start, end], min(front.bound_at(end), top), top, color=EXCLUDED, linewidth=0, zorder=1)
    ax.step([*x, right], [*y, y[-1]], where="post", color=BLUE, linewidth=0.8, zorder=2)
    for certified, face in ((True, BLUE), (False, "white")):
        at = [k for k, p in enumerate(front.points) if p.certified == certified]
        if at:
            label = f"{name}{_word(certified)}"
            ax.plot([x[k] for k in at], [y[k] for k in at], color=BLUE, marker="o", markersize=4, markerfacecolor=face,
                    linestyle="", label=label, zorder=3)  # fmt: skip


def _around(values: list[float]) -> tuple[float, float]:
    """Limits of an axis with some room around the values."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room


def _finish(figure: Figure, ax: Axes, currency: str, undecided: str = "the front may lie here") -> None:
    ax.set_xlabel("network loss in kWh")
    ax.set_ylabel(f"station profit in {currency}")
    _plain_ticks(ax)
    handles, labels = ax.get_legend_handles_labels()
    handles += [Patch(facecolor=OPEN), Patch(facecolor=EXCLUDED)]
    labels += [undecided, "proven: nothing here"]
    figure.legend(handles, labels, loc="outside lower center", ncols=2)


def _plain_ticks(ax: Axes) -> None:
    """Few ticks, every number in full: no offset and no power of ten aside."""
    for axis in (ax.xaxis, ax.yaxis):
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_scientific(False)
        axis.set_major_formatter(formatter)
        axis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))


def trace(trace: EquilibriumTrace, currency: str, tolerance: float) -> Figure:
    """Over the iterations: the residual (relative, log axis) with its tolerance, and the leader's cost of supply (currency)."""
    table = trace.to_frame()
    residual = table["residual"].to_numpy()
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 3.3))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.3, 1.0])
        # A residual of exactly zero has no place on a log axis
        above.plot(table["iteration"], np.where(residual > 0, residual, np.nan), color=BLUE, marker="o", markersize=2.5)
        above.axhline(tolerance, color=BLACK, linewidth=0.9, linestyle="--")
        above.annotate("tolerance", (1.0, tolerance), xycoords=("axes fraction", "data"), xytext=(0, 2),
                       textcoords="offset points", ha="right", va="bottom", fontsize=7.5)  # fmt: skip
        above.set_yscale("log")
        above.yaxis.set_major_formatter(FuncFormatter(_power_of_ten))
        above.yaxis.set_minor_formatter(NullFormatter())
        above.set_ylabel("residual (relative)")
        below.plot(table["iteration"], table["objective"], color=ORANGE, marker="o", markersize=2.5)
        below.set_ylabel(f"cost of supply\nin {currency}")
        below.set_xlabel("iteration")
        below.set_xlim(0.5, len(table) + 0.5)
        _plain_ticks(below)
        below.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        for ax in (above, below):
            ax.grid(axis="y", color=STYLE["grid.color"], linewidth=0.6)
        figure.align_ylabels([above, below])
    return figure


def _power_of_ten(value: float, _position: int | None = None) -> str:
    """A tick of a log axis in plain letters, for which no mathematical font is needed."""
    return "10" + f"{round(math.log10(value))}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
