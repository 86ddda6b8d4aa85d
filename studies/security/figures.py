"""The figure of a price of security: objective with its bound and worst tie over the margin, and the charging peak."""

import math

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from studies.security.price import SecurityPrice
from studies.security.row import MarginRow
from studies.writing.style import BLACK, BLUE, COLUMN_IN, GREEN, ORANGE, SMALL, STYLE

BAND = "#cfe3f1"


def security(found: SecurityPrice) -> Figure:
    """Objective (filled where certified) with a band up to its bound, and the worst tie, over the margin; below it the peak."""
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 4.1))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, 1.0])
        _objective(above, found)
        _peak(below, list(found.rows))
        below.set_xlabel(f"margin in {found.case.currency}/kWh")
        _limits(below, found)
        for ax in (above, below):
            ax.grid(axis="y", color=STYLE["grid.color"], linewidth=0.6)
            _plain(ax)
        figure.align_ylabels([above, below])
        handles, labels = above.get_legend_handles_labels()
        figure.legend(
            [*handles, Patch(facecolor=BAND)], [*labels, "up to the proven bound"], loc="outside lower center", ncols=2
        )
    return figure


def _x(rows: list[MarginRow]) -> list[float]:
    return [row.margin_per_kwh for row in rows]


def _objective(ax: Axes, found: SecurityPrice) -> None:
    # Lines and band are broken where a margin has no answer, whose objective is NaN
    every = list(found.rows)
    ax.plot(_x(every), [row.objective for row in every], color=BLUE, zorder=2)
    ax.fill_between(_x(every), [r.objective for r in every], [r.bound for r in every], color=BAND, linewidth=0)
    rows = [row for row in every if row.found]
    for certified, face, label in ((True, BLUE, "certified answer"), (False, "white", "answer, not certified")):
        at = [row for row in rows if (row.status == "certified") == certified]
        if at:
            ax.plot(_x(at), [row.objective for row in at], color=BLUE, marker="o", markersize=4, markerfacecolor=face,
                    linestyle="", label=label, zorder=4)  # fmt: skip
    _ties(ax, every)
    _without(ax, found)
    ax.set_ylabel(f"objective in {found.unit}" if found.unit else "objective")


def _ties(ax: Axes, rows: list[MarginRow]) -> None:
    """The worst tie, hollow where another one breaks a row of the leader's, which has no value."""
    # Without a margin it is another convention, to which no line leads
    kept = [row for row in rows if row.margin_per_kwh > 0]
    ax.plot(_x(kept), [row.worst_tie for row in kept], color=ORANGE, linestyle="--", linewidth=1.0, zorder=3)
    for broken, marker, label in (
        (False, "D", "its worst tie"),
        (True, "X", "worst tie; another one\nbreaks the network's limits"),
    ):
        at = [row for row in rows if math.isfinite(row.worst_tie) and bool(row.broken_row) == broken]
        if at:
            ax.plot(_x(at), [row.worst_tie for row in at], color=ORANGE, marker=marker, markersize=3.5 + 2 * broken,
                    linestyle="", label=label, zorder=5 if broken else 3)  # fmt: skip


def _without(ax: Axes, found: SecurityPrice) -> None:
    """Margins without an answer: a bound alone, or a line where none exists."""
    bounds = [row for row in found.rows if not row.found and math.isfinite(row.bound)]
    if bounds:
        ax.plot(_x(bounds), [row.bound for row in bounds], color=BLACK, marker="v" if found.sense < 0 else "^",
                markersize=4.5, markerfacecolor="white", linestyle="", label="no valid answer; bound", zorder=4)  # fmt: skip
    for k, row in enumerate(row for row in found.rows if row.status == "infeasible"):
        label = "proven: no answer" if k == 0 else None
        ax.axvline(row.margin_per_kwh, color=BLACK, linewidth=0.9, linestyle=":", label=label)


def _peak(ax: Axes, rows: list[MarginRow]) -> None:
    peaks = [row.charging_peak_kw for row in rows]
    ax.plot(_x(rows), peaks, color=GREEN, marker="o", markersize=3)
    ax.set_ylabel("largest charging\npower in kW")
    known = [peak for peak in peaks if math.isfinite(peak)]
    if known:
        low, high = min(known), max(known)
        room = max(0.15 * (high - low), 0.02 * abs(high))
        ax.set_ylim(low - room, high + room)


def _limits(ax: Axes, found: SecurityPrice) -> None:
    most = max(found.margins)
    room = 0.04 * most or 1.0
    ax.set_xlim(-room, most + room)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6))


def _plain(ax: Axes) -> None:
    """Every number in full: no offset and no power of ten aside."""
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_scientific(False)
    ax.yaxis.set_major_formatter(formatter)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))
