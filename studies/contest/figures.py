"""Figures of heuristics beside the exact answer, one column of a paper wide: convergence, and the spread over runs."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from bilevel.reformulate.ties import OPTIMISTIC
from studies import tolerances
from studies.contest import Comparison
from studies.writing.style import BLACK, COLOURS, COLUMN_IN, LINES, SMALL, STYLE

DECADE = 20.0
"""Where the largest objective is this many times the smallest, and that above 0, they are drawn on a log axis."""


def convergence(found: Comparison) -> Figure:
    """Over the evaluations: median and quartiles of the best objective so far, each heuristic's runs; the exact answer as a line.

    A curve begins where the run in the middle (of a band: at the quartile) has a candidate that breaks no limit.
    """
    table = found.convergence()
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 2.9))
        ax = figure.subplots()
        drawn = []
        for k, method in enumerate(found.settings.heuristics):
            own = table[table["method"] == method]
            x, (low, middle, high) = own["evaluations"].to_numpy(), _columns(own)
            colour = COLOURS[k % len(COLOURS)]
            ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            ax.plot(x, middle, color=colour, linestyle=LINES[k % len(LINES)], label=method.upper())
            drawn += [low, middle, high]
        _exact_lines(ax, found, np.concatenate([*drawn, []]))
        ax.set_xlabel("evaluations")
        ax.set_xlim(0, found.settings.budget)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        _finish(figure, ax, found)
    return figure


def boxes(found: Comparison) -> Figure:
    """The objective of every feasible run of each heuristic: box, whiskers to 1.5 boxes, the runs; the exact answer as a line."""
    names = found.settings.heuristics
    values = [np.array([run.objective for run in found.of(name) if run.feasible]) for name in names]
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 2.7))
        ax = figure.subplots()
        for k, own in enumerate(values):
            colour = COLOURS[k % len(COLOURS)]
            ax.boxplot([own], positions=[k - 0.1], widths=0.4, showfliers=False, boxprops={"color": colour},
                       whiskerprops={"color": colour}, capprops={"color": colour}, medianprops={"color": BLACK})  # fmt: skip
            beside = k + 0.24 + 0.08 * np.linspace(-1, 1, len(own)) * (len(own) > 1)
            ax.plot(beside, own, color=colour, marker=".", markersize=2.5, linestyle="")
        _exact_lines(ax, found, np.concatenate([*values, []]))
        ax.set_xticks(range(len(names)), [_label(found, name) for name in names])
        ax.set_xlim(-0.6, len(names) - 0.3)
        _finish(figure, ax, found)
    return figure


def _columns(own: pd.DataFrame) -> Sequence[np.ndarray]:
    return [own[name].to_numpy(dtype=float) for name in ("lower_quartile", "median", "upper_quartile")]


def _label(found: Comparison, method: str) -> str:
    """The method, and how many of its runs are in no box."""
    out = sum(not run.feasible for run in found.of(method))
    return f"{method.upper()}\n{out} run{'s' * (out > 1)}\ninfeasible" if out else method.upper()


def _exact_lines(ax: Axes, found: Comparison, drawn: np.ndarray) -> None:
    """The exact objective and its bound, one line where they are one, and an axis that shows them with the values `drawn`."""
    values = drawn[np.isfinite(drawn)]
    log = bool(values.size and values.min() > 0 and values.max() > DECADE * values.min())
    shown = [*values]
    for value, style, label in _lines(found, values):
        if log and value < values.min() / DECADE:
            rounded = value if abs(value) > tolerances.BOUND_NOTHING * found.scale else 0.0
            label = f"{label}: {rounded:.3g}, below the axis"
            ax.plot([], [], color=BLACK, linestyle=style, linewidth=1.0, label=label)
        else:
            shown.append(value)
            ax.axhline(value, color=BLACK, linestyle=style, linewidth=1.0, label=label)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(numticks=8))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    elif shown:
        room = 0.06 * (max(shown) - min(shown)) or 0.01 * abs(shown[0]) or 1.0
        ax.set_ylim(min(shown) - room, max(shown) + room)


def _lines(found: Comparison, values: np.ndarray) -> list[tuple[float, Any, str]]:
    """Height, style and label of the lines of the exact answer beside these values."""
    if found.exact is None:
        return []
    value, bound = found.exact.objective, found.exact.bound
    name = "exact optimum" if found.exact.status == "certified" else "exact: best found"
    ties = "" if found.problem.ties.name == OPTIMISTIC else f" ({found.problem.ties.name})"
    lines: list[tuple[float, Any, str]] = [
        (value, (0, (4, 2)), f"{name}{ties}"),
        (bound, "-.", f"exact: proven bound{ties}"),
    ]
    known = [line for line in lines if math.isfinite(line[0])]
    span = np.ptp([*values, *(line[0] for line in known)]) if known else 0.0
    known = known[:1] if abs(value - bound) <= tolerances.LINE_SEEN * span else known
    limit = found.exact.optimistic_bound
    known += [(limit, (0, (8, 2, 1, 2, 1, 2)), "exact: optimistic bound")] if math.isfinite(limit) else []
    rule = found.exact.by_rule
    apart = math.isfinite(rule) and abs(rule - value) > tolerances.LINE_SEEN * span
    return [*known, (rule, (0, (1, 3)), "exact, ties by rule")] if apart else known


def _finish(figure: Figure, ax: Axes, found: Comparison) -> None:
    ax.set_ylabel(f"{found.problem.objective} in {found.problem.unit}")
    if ax.get_yscale() == "linear":
        formatter = ScalarFormatter(useOffset=False)
        formatter.set_scientific(False)
        ax.yaxis.set_major_formatter(formatter)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(axis="y", color=STYLE["grid.color"], linewidth=0.6)
    if ax.get_legend_handles_labels()[0]:
        # The names of lines are longer with a convention of ties
        figure.legend(loc="outside lower center", ncols=3 if found.problem.ties.name == OPTIMISTIC else 2)
