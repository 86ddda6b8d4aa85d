"""Figures of a benchmark for papers: performance profiles, and how seconds grow with a size on logarithmic axes."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from studies.benchmarks.reading.fits import PowerLaw
from studies.benchmarks.reading.profiles import fraction_solved, performance_ratios
from studies.benchmarks.reading.summary import DIMENSIONS, MEASURE, TIMES, Family, labels
from studies.benchmarks.reading.tables import exponent
from studies.benchmarks.spec import CONFIGURATION, PROBLEM
from studies.writing.style import BLACK, COLOURS, COLUMN_IN, LINES, SMALL, STYLE

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
ROOM = 1.15
"""How far an axis goes beyond its last value, as a factor."""
DENSE, FEW = 30.0, 4
"""Sizes within this factor have more ticks, and so few sizes have their own."""


def performance_profile(rows: pd.DataFrame) -> Figure:
    """The share of problems that each configuration solves within a factor tau of the fastest one, over tau (log)."""
    ratios = performance_ratios(_times(rows))
    finite = ratios.to_numpy()[np.isfinite(ratios.to_numpy())]
    last = ROOM * max(finite.max(initial=1.0), 2.0)
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 2.4 + 0.17 * len(ratios.columns)))
        ax = figure.subplots()
        for k, name in enumerate(_best_first(ratios)):
            steps = np.unique(np.concatenate([[1.0], ratios[name][np.isfinite(ratios[name])], [last]]))
            ax.step(steps, fraction_solved(ratios[name], steps), where="post", color=COLOURS[k % len(COLOURS)],
                    linestyle=LINES[k // len(COLOURS) % len(LINES)], label=_counted(name, ratios[name]), clip_on=False)  # fmt: skip
        ax.set_xscale("log")
        _plain_logs(ax.xaxis)
        ax.set_xlim(1.0, last)
        ax.set_ylim(0.0, 1.02)
        ax.set_xlabel(r"factor of the fastest configuration's search time")
        ax.set_ylabel(f"share of {len(ratios)} problem{'s' * (len(ratios) != 1)} solved")
        ax.grid(axis="y", color=STYLE["grid.color"], linewidth=0.6)
        figure.legend(loc="outside lower center", ncols=1)
    return figure


def _counted(name: str, ratios: Any) -> str:
    return f"{name} ({int(np.isfinite(ratios).sum())} of {len(ratios)})"


def _times(rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds of the search by problem and configuration, NaN where it is not solved."""
    named = rows.assign(problem=rows[list(PROBLEM)].astype(str).agg(" ".join, axis=1), name=labels(rows, CONFIGURATION))
    named[MEASURE] = named[MEASURE].where(named["solved"])
    return named.pivot_table(index="problem", columns="name", values=MEASURE, dropna=False, aggfunc="first", sort=False)


def _best_first(ratios: pd.DataFrame) -> list[str]:
    """Configurations by how many problems they solve, then by how fast."""
    size = np.log(ratios.where(np.isfinite(ratios))).mean()
    return sorted(ratios.columns, key=lambda name: (-np.isfinite(ratios[name]).sum(), size[name]))


def scaling(found: list[Family]) -> Figure:
    """Seconds of every phase of the first family; beside them, if there are more, seconds of the search of each; with exponents.

    A hollow marker with an arrow is a search without a proven answer, most at their limit, and counts in no fit.
    """
    names = _names(found)
    panels = 1 + (len(found) > 1)
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(panels * COLUMN_IN, 3.3 + 0.13 * max(0, len(found) - len(TIMES))))
        axes = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
        for k, column in enumerate(TIMES):
            _curve(axes[0], found[0], column, column.removesuffix("_seconds"), k)
        if panels > 1:
            axes[0].set_title(f"phases: {names[0]}", loc="left")
            axes[1].set_title("search", loc="left")
            for k, (family, name) in enumerate(zip(found, names, strict=True)):
                _curve(axes[1], family, MEASURE, name, k)
        if any(not family.points(MEASURE)["solved"].all() for family in found):
            hollow: Any = {"linestyle": "", "marker": "o", "markerfacecolor": "none", "color": BLACK}
            axes[-1].plot([], [], label="not proven in time", **hollow)
        axes[0].set_ylabel("seconds")
        for ax in axes:
            _finish(ax, found)
    return figure


def _names(found: list[Family]) -> list[str]:
    """What tells the families apart."""
    own, _ = DIMENSIONS[found[0].dimension]
    first = pd.concat([family.rows.iloc[:1] for family in found])
    return labels(first, [name for name in (*PROBLEM, *CONFIGURATION) if name not in (own, "seed")])


def _curve(ax: Axes, family: Family, column: str, name: str, k: int) -> None:
    points, law = family.points(column), family.law(column)
    if points.empty:
        return
    late = ~points["solved"] & (column == MEASURE)
    style: Any = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "markersize": 3.5}
    ax.plot(points["x"][~late], points["y"][~late], linestyle="", label=_label(name, law), **style)
    ax.plot(points["x"][late], points["y"][late], linestyle="", markerfacecolor="none", **style)
    for x, y in zip(points["x"][late], points["y"][late], strict=True):
        arrow = {"arrowstyle": "<-", "color": style["color"]}
        ax.annotate("", (x, y), (0, 14), textcoords="offset points", arrowprops=arrow)
    if law is not None:
        ends = np.array([law.x_min, law.x_max])
        line: Any = LINES[k // len(COLOURS) % len(LINES)]
        ax.plot(ends, law.factor * ends**law.exponent, color=style["color"], linewidth=1.0, linestyle=line)


def _label(name: str, law: PowerLaw | None) -> str:
    return name if law is None else f"{name}: {exponent(law.exponent, law.low, law.high)}"


def _finish(ax: Axes, found: list[Family]) -> None:
    sizes = np.concatenate([family.rows[family.dimension].to_numpy(dtype=float) for family in found])
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.margins(y=0.12)
    ax.set_xlim(sizes.min() / ROOM, sizes.max() * ROOM)
    ax.set_xlabel(DIMENSIONS[found[0].dimension][1])
    _plain_logs(ax.xaxis, dense=sizes.max() < DENSE * sizes.min())
    _plain_logs(ax.yaxis)
    shown = np.unique(sizes)
    if len(shown) <= FEW:
        ax.set_xticks(shown)
        ax.xaxis.set_minor_locator(NullLocator())
    ax.grid(axis="both", color=STYLE["grid.color"], linewidth=0.6)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1, title="with exponent [95 % range]")


def _plain_logs(axis: Any, dense: bool = False) -> None:
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if dense else (1.0,), numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
