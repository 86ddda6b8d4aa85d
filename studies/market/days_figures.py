"""Figure and table of simulated days with credit points beside the same days with a flat fee, over any number of seeds."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bilevel.errors import BilevelError
from formulations import case_parts
from formulations.prices import credit
from instances import Instance
from studies import tolerances
from studies.market.days import CreditDays
from studies.writing import frames
from studies.writing.style import BLACK, BLUE, GREEN, GREY, ORANGE, STYLE, WIDTH_IN

PURPLE = "#CC79A7"  # of Okabe and Ito, as the colours of `studies.pricing.figures`

Pair = tuple[CreditDays, CreditDays]
"""Days with credit points, and with the flat fee, of the same case, seed and assumptions."""

QUANTITIES = (
    "valley_share", "peak_share", "recommended_share", "ev_peak_kw", "feeder_peak_kw", "mean_fee_per_kwh", "mean_price_per_kwh",
)  # fmt: skip


def compare(pairs: Sequence[Pair], last_days: int = 10) -> pd.DataFrame:
    """What the points change: a row a quantity of `CreditDays.days`, each the mean over the last `last_days` days of a run.

    Columns: day_0 (the case as given), flat and credit (means over the seeds), change (credit - flat), change_low and change_high
    (least and most over the seeds), rises (share of seeds in which it rises).  Units as in `CreditDays.days`.
    """
    _require(pairs)
    rows = []
    for name in QUANTITIES:
        on, flat = (
            np.array([run.days[name].iloc[-last_days:].mean() for run in runs]) for runs in zip(*pairs, strict=True)
        )
        change = on - flat
        first = float(pairs[0][0].days[name].iloc[0])
        rows.append(
            (name, first, flat.mean(), on.mean(), change.mean(), change.min(), change.max(), (change > 0).mean())
        )
    columns = ["quantity", "day_0", "flat", "credit", "change", "change_low", "change_high", "rises"]
    return pd.DataFrame(rows, columns=columns)


def days_figure(pairs: Sequence[Pair], case: Instance) -> Figure:
    """Valley and peak share, EV peak and fees over days, EV load of the first and last day; bands are the range over the seeds."""
    _require(pairs)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 5.9))
        axes = figure.subplots(2, 2)
        _shares(axes[0, 0], pairs)
        _peaks(axes[0, 1], pairs)
        _fees(axes[1, 0], pairs, case)
        _loads(axes[1, 1], pairs, case)
        for ax in (axes[0, 0], axes[0, 1], axes[1, 0]):
            ax.set_xlabel("day")
            ax.set_xlim(0, int(pairs[0][0].days["day"].max()))
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        for ax in axes.flat:
            low, high = ax.get_ylim()
            low = low if low < -0.1 * high else 0.0  # below 0 only where values are, not for the margin
            ax.set_ylim(low, high + 0.32 * (high - low))  # room for the legend
            ax.legend(loc="upper center", ncols=2, handlelength=1.8, columnspacing=1.0)
    return figure


def _require(pairs: Sequence[Pair]) -> None:
    """Refuse no pairs at all, and a pair that is not credit points beside the flat fee of the same seed."""
    if not pairs:
        raise BilevelError("there are no pairs of simulations; give at least one")
    for on, flat in pairs:
        if not on.credit or flat.credit or on.seed != flat.seed or len(on.days) != len(flat.days):
            raise BilevelError(
                f"a pair has seeds {on.seed} and {flat.seed}, credit {on.credit} and {flat.credit}, {len(on.days)} and "
                f"{len(flat.days)} days; pair a run with credit and one without, of the same seed and days"
            )


def _band(ax: Axes, runs: Sequence[pd.Series], color: str, style: str, label: str) -> None:
    """The mean over seeds as a line, their range as a band."""
    values = np.array([run.to_numpy() for run in runs])
    at = np.arange(values.shape[1])
    if len(values) > 1:
        ax.fill_between(at, values.min(axis=0), values.max(axis=0), color=color, alpha=0.14, linewidth=0)
    ax.plot(at, values.mean(axis=0), color=color, linestyle=style, label=label)


def _shares(ax: Axes, pairs: Sequence[Pair]) -> None:
    for k, (name, color) in enumerate((("credit points", BLUE), ("flat fee", ORANGE))):
        for column, style in (("valley_share", "-"), ("peak_share", ":")):
            label = f"{column.removesuffix('_share')}, {name}"
            _band(ax, [100.0 * pair[k].days[column] for pair in pairs], color, style, label)
    ax.set_ylabel("energy charged (% of all)")
    ax.set_title("Share charged in valley and peak periods", loc="left")


def _peaks(ax: Axes, pairs: Sequence[Pair]) -> None:
    for k, (name, color) in enumerate((("credit points", BLUE), ("flat fee", ORANGE))):
        _band(ax, [pair[k].days["ev_peak_kw"] for pair in pairs], color, "-", name)
    ax.set_ylabel("largest charging power (kW)")
    ax.set_title("Charging peak of the day", loc="left")


def _fees(ax: Axes, pairs: Sequence[Pair], case: Instance) -> None:
    """Fees as posted, means over stations and the periods of a class; and what a kWh paid."""
    classes = credit.time_class(case_parts.rules(case), np.arange(case.horizon.periods))
    for value, name, color in ((1, "valley", GREEN), (-1, "peak", PURPLE), (0, "other periods", GREY)):
        if (classes == value).any():
            runs = [_class_fee(pair[0], classes == value) for pair in pairs]
            _band(ax, runs, color, "-", name)
    _band(ax, [pair[0].days["mean_fee_per_kwh"] for pair in pairs], BLUE, "--", "paid, per kWh charged")
    flat = pairs[0][1].fees["fee_per_kwh"].iloc[0]
    ax.axhline(flat, color=BLACK, linewidth=0.9, linestyle=":", label="flat fee")
    ax.set_ylabel(f"service fee ({case.currency}/kWh)")
    ax.set_title("Fees by credit points, mean over stations", loc="left")


def _class_fee(run: CreditDays, inside: np.ndarray) -> pd.Series:
    fees = run.fees[inside[run.fees["period"].to_numpy()]]
    return pd.Series(fees.groupby("day")["fee_per_kwh"].mean())


def _loads(ax: Axes, pairs: Sequence[Pair], case: Instance) -> None:
    edges = frames.hours(case)
    last = int(pairs[0][0].days["day"].max())

    def shape(runs: Sequence[CreditDays], day: int) -> np.ndarray:
        return np.asarray(np.mean([run.load.loc[run.load["day"] == day, "ev_kw"].to_numpy() for run in runs], axis=0))

    on, flat = ([pair[k] for pair in pairs] for k in (0, 1))
    ax.stairs(shape(on, 0), edges, baseline=None, color=BLACK, linewidth=0.9, linestyle=":", label="day 0")
    ax.stairs(shape(flat, last), edges, baseline=None, color=ORANGE, linewidth=1.4, label=f"day {last}, flat fee")
    ax.stairs(shape(on, last), edges, baseline=None, color=BLUE, linewidth=1.4, label=f"day {last}, credit points")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_xticks(np.arange(np.ceil(edges[0] / 4) * 4, edges[-1] + tolerances.LAST_TICK_HOURS, 4))
    ax.set_xlabel("hour of the day (h)")
    ax.set_ylabel("charging power (kW)")
    ax.set_title("Charging over the day, mean over seeds", loc="left")
