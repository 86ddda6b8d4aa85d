"""The figure of a study of uncertain days: how the objective is distributed over fresh days, by policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from formulations import objectives
from formulations.objectives import OBJECTIVES
from studies.uncertainty.study import Study
from studies.writing.style import COLOURS, COLUMN_IN, GREY, LINES, SMALL, STYLE

MARKERS = "osD^v"


def distributions(found: Study) -> Figure:
    """Share of fresh days on which a policy does no better than x, a line each, and its mean with the interval below."""
    with mpl.rc_context(SMALL):
        figure = Figure(figsize=(COLUMN_IN, 3.9))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.0])
        for at, row in enumerate(found.summary.to_dict("records")):
            policy = str(row["policy"])
            values = found.outcomes.loc[found.outcomes["policy"] == policy, ["objective", "probability"]].dropna()
            _steps(above, values["objective"].to_numpy(), values["probability"].to_numpy(), at, policy)
            _mean(below, row, at)
        above.set_ylabel("share of days with at most x")
        above.set_ylim(0, 1.02)
        below.set_yticks(range(len(found.summary)), [str(name) for name in found.summary["policy"]])
        below.set_ylim(len(found.summary) - 0.4, -0.6)
        below.set_xlabel(label(found))
        for ax in (above, below):
            ax.grid(axis="x", color=STYLE["grid.color"], linewidth=0.6)
        figure.align_ylabels([above, below])
        handles, labels = above.get_legend_handles_labels()
        marks = [
            Line2D([], [], color=GREY, marker="o", markersize=4, markerfacecolor=face, linestyle="")
            for face in (GREY, "white")
        ]
        names = ["mean", f"CVaR at {found.asked.level:g}"]
        figure.legend([*handles, *marks], [*labels, *names], loc="outside lower center", ncols=2)
    return figure


def label(found: Study) -> str:
    """The objective with its unit."""
    weights = objectives.parse(found.asked.objective)
    if len(weights) > 1:
        return "objective (weighted sum)"
    ((name, _),) = weights.items()
    return f"{OBJECTIVES[name].words} of a day [{OBJECTIVES[name].unit or found.case.currency}]"


def _steps(ax: Axes, values: np.ndarray, weight: np.ndarray, at: int, policy: str) -> None:
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    x, y = np.repeat(values[order], 2), np.concatenate([[0.0], np.repeat(share, 2)[:-1]])
    ax.plot(x, y, color=COLOURS[at], linestyle=LINES[at], label=policy)


def _mean(ax: Axes, row: Mapping[Any, Any], at: int) -> None:
    """Mean (filled) and CVaR (hollow), each with its interval."""
    for name, face, shift in (("mean", COLOURS[at], -0.15), ("cvar", "white", 0.2)):
        value, low, high = (row[name + end] for end in ("", "_low", "_high"))
        if np.isfinite([low, high]).all():
            ax.plot([low, high], [at + shift, at + shift], color=COLOURS[at], linewidth=1.0)
        ax.plot(
            [value],
            [at + shift],
            marker=MARKERS[at],
            markersize=4,
            color=COLOURS[at],
            markerfacecolor=face,
            linestyle="",
        )
