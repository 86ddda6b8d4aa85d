"""Figures of a front, of an equilibrium's iterations and of both, one column of a paper wide."""

import math
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from bilevel import EquilibriumTrace, ParetoFront
from formulations.plots import BLACK, BLUE, ORANGE, STYLE

if TYPE_CHECKING:
    from formulations.front_results import Comparison

COLUMN_IN = 3.5
EXCLUDED, OPEN = "#ececec", "#cfe3f1"
SMALL = STYLE | {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7.5, "ytick.labelsize": 7.5, "legend.fontsize": 7.5,
    "lines.linewidth": 1.2, "axes.grid": False, "legend.handlelength": 1.6, "legend.columnspacing": 1.2,
}  # fmt: skip


def front(front: ParetoFront, currency: str) -> Figure:
    """Station profit (currency) over network loss (kWh): the points; where the front may lie between them; what is excluded."""
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 2.9))
        ax = figure.subplots()
        _draw_front(ax, front, [(p.limited, p.maximized) for p in front.points])
        _finish(figure, ax, currency)
    return figure


def comparison(front: ParetoFront, found: "Comparison", currency: str) -> Figure:
    """The front with the equilibrium, and its distance to the front's points in each of both."""
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
        ax.plot([loss], [profit], color=ORANGE, marker="D", markersize=5, linestyle="", label=label, zorder=4)
        ax.plot([], [], color=ORANGE, linestyle=":", label="distance to the front")
        _finish(figure, ax, currency)
    return figure


def _draw_front(ax: Axes, front: ParetoFront, shown: list[tuple[float, float]]) -> None:
    """Points, steps, boxes and the excluded region, with limits around the points `shown`."""
    left, right = _around([x for x, _ in shown])
    bottom, top = _around([y for _, y in shown])
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    # Between two limits the proven bound is that of the larger one, so it is a flight of steps
    edge = max(front.least_limited, left)
    edges = [edge, *sorted(p.limit for p in front.points if edge < p.limit < right), right]
    bounds = [min(front.bound_at(edge), top) for edge in edges[1:]]
    ax.axvspan(left, edges[0], color=EXCLUDED, linewidth=0, zorder=0)
    for start, end, bound in zip(edges, edges[1:], bounds, strict=False):
        ax.fill_between([start, end], bound, top, color=EXCLUDED, linewidth=0, zorder=0)
    for box in front.regions().itertuples(index=False):
        ax.fill_between([box[0], box[1]], box[2], box[3], color=OPEN, linewidth=0, zorder=1)
    x, y = [p.limited for p in front.points], [p.maximized for p in front.points]
    ax.step([*x, right], [*y, y[-1]], where="post", color=BLUE, linewidth=0.8, zorder=2)
    for certified, face in ((True, BLUE), (False, "white")):
        at = [k for k, p in enumerate(front.points) if p.certified == certified]
        if at:
            label = "certified point" if certified else "point, not certified"
            ax.plot([x[k] for k in at], [y[k] for k in at], color=BLUE, marker="o", markersize=4, markerfacecolor=face,
                    linestyle="", label=label, zorder=3)  # fmt: skip


def _around(values: list[float]) -> tuple[float, float]:
    """Limits of an axis with some room around the values."""
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    return low - room, high + room


def _finish(figure: Figure, ax: Axes, currency: str) -> None:
    ax.set_xlabel("network loss in kWh")
    ax.set_ylabel(f"station profit in {currency}")
    _plain_ticks(ax)
    handles, labels = ax.get_legend_handles_labels()
    handles += [Patch(facecolor=OPEN), Patch(facecolor=EXCLUDED)]
    labels += ["the front may lie here", "proven: nothing here"]
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
        above.set_ylabel("residual (relative)")
        below.plot(table["iteration"], table["objective"], color=ORANGE, marker="o", markersize=2.5)
        below.set_ylabel(f"cost of supply\nin {currency}")
        below.set_xlabel("iteration")
        _plain_ticks(below)
        below.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        for ax in (above, below):
            ax.grid(axis="y", color=STYLE["grid.color"], linewidth=0.6)
        figure.align_ylabels([above, below])
    return figure
