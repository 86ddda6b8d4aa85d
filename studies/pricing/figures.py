"""Figures of a solved charging-pricing model, for papers: colour-blind-safe (Okabe and Ito), units on every axis.

Every figure is a `matplotlib.figure.Figure` of its own, so nothing depends on pyplot's state or on a display.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from formulations.operator.checks import bus_load_kw
from instances import Instance, Network, uncontrolled_load_kw
from studies import tolerances
from studies.pricing import tables
from studies.writing import frames
from studies.writing.feeder_paths import MOST_LATERALS, feeder_paths
from studies.writing.style import AXIS_IN, BLACK, BLUE, GREEN, GREY, ORANGE, STYLE, WIDTH_IN


def prices_charging(model: Any, case: Instance) -> Figure:
    """Per station the price (currency/kWh) over the charging power (kW), against the hour of the day.

    For reference: the wholesale price, and the power that the same vehicles would draw uncontrolled, at once from their arrival.
    Hours in which nobody is plugged in have a faint price, which no vehicle pays.
    """
    columns = min(2, len(case.stations))
    rows = math.ceil(len(case.stations) / columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN if columns == 2 else 4.5, 2.55 * rows + 0.6))
        axes = figure.subplots(
            2 * rows, columns, sharex=True, sharey="row", squeeze=False, height_ratios=[1.25, 1.0] * rows
        )
        data = (tables.prices(model, case), tables.station_power_kw(model, case), uncontrolled_load_kw(case))
        for k, station in enumerate(case.stations):
            pair = axes[2 * (k // columns) : 2 * (k // columns) + 2, k % columns]
            _price_panel(pair[0], case, station.name, data[0])
            _power_panel(pair[1], case, data[1][station.name].to_numpy(), data[2][k])
        _finish_grid(figure, axes, case)
    return figure


def _price_panel(ax: Axes, case: Instance, station: str, prices: Any) -> None:
    edges, own = frames.hours(case), prices[f"price_{station}_per_kwh"].to_numpy()
    plugged = np.zeros(case.horizon.periods, dtype=bool)
    for session in case.sessions:
        if session.station == station:
            plugged[session.arrival_period : session.departure_period] = True
    paid = np.where(plugged, own, np.nan)
    ax.stairs(paid, edges, baseline=None, color=BLUE, linewidth=1.8, label="charging price")
    ax.stairs(own, edges, baseline=None, color=BLUE, alpha=0.3, linewidth=1.0, label="price, nobody plugged in")
    wholesale = prices["wholesale_price_per_kwh"].to_numpy()
    ax.stairs(wholesale, edges, baseline=None, color=ORANGE, linewidth=1.2, linestyle="--", label="wholesale price")
    ax.set_title(f"{station} (bus {case.station_bus[station]})", loc="left", fontweight="bold")


def _power_panel(ax: Axes, case: Instance, power_kw: np.ndarray, uncontrolled_kw: np.ndarray) -> None:
    edges = frames.hours(case)
    ax.stairs(power_kw, edges, fill=True, color=GREEN, alpha=0.75, label="charging power")
    ax.stairs(
        uncontrolled_kw, edges, baseline=None, color=BLACK, linewidth=0.9, linestyle=":", label="power without control"
    )


def _finish_grid(figure: Figure, axes: Any, case: Instance) -> None:
    """Limits and labels that the panels share, the legend below, unused cells blanked."""
    edges = frames.hours(case)
    price_top = max(ax.get_ylim()[1] for ax in axes[0::2].flat)
    price_low = min(0.0, *(ax.get_ylim()[0] for ax in axes[0::2].flat))
    power_top = max(ax.get_ylim()[1] for ax in axes[1::2].flat)
    for above, below in zip(axes[0::2].flat, axes[1::2].flat, strict=True):
        above.set_ylim(price_low, price_top)
        below.set_ylim(0.0, power_top)
        above.set_xlim(edges[0], edges[-1])
        below.set_xticks(_time_ticks(edges))
        below.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=3))
        below.tick_params(labelbottom=True)
    for row in range(0, len(axes), 2):
        axes[row, 0].set_ylabel(f"price\n({case.currency}/kWh)")
        axes[row + 1, 0].set_ylabel("power\n(kW)")
    for k in range(axes.shape[1]):
        last = max(row for row in range(1, len(axes), 2) if (row // 2) * axes.shape[1] + k < len(case.stations))
        axes[last, k].set_xlabel("hour of the day (h)")
    for pair in range(len(case.stations), axes[0::2].size):
        for ax in (axes[0::2].flat[pair], axes[1::2].flat[pair]):
            ax.set_visible(False)
    _legend_below(figure, [axes[0, 0], axes[1, 0]], columns=1 + axes.shape[1])
    figure.align_ylabels(axes[:, 0])


def _time_ticks(edges: np.ndarray) -> np.ndarray:
    """Round hours, at most nine."""
    span = float(edges[-1] - edges[0])
    steps = (0.25, 0.5, 1, 2, 3, 4, 6, 12)
    step = next((step for step in steps if span / step <= 8), 24.0 * math.ceil(span / 192))
    return np.arange(math.ceil(edges[0] / step) * step, edges[-1] + tolerances.LAST_TICK_HOURS, step)


def _legend_below(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    found = [ax.get_legend_handles_labels() for ax in axes]
    handles = [handle for part in found for handle in part[0]]
    labels = [label for part in found for label in part[1]]
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def voltage_profile(model: Any, case: Instance) -> Figure:
    """Voltage (pu) over the buses: its range over the day, the period of the largest total load, the limits.

    The main path from the substation comes first, then every lateral, in the order in which they branch off.
    """
    network = Network.of(case.feeder)
    table = frames.voltages(model, case).pivot_table(index="period", columns="bus", values="voltage_pu")
    voltage = table[list(network.buses)].to_numpy()
    peak = int(bus_load_kw(model, case, network).sum(axis=1).argmax())
    paths = feeder_paths(network)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, 3.4))
        ax = figure.subplots()
        place = _places(paths)
        _draw_voltages(ax, [(place[path], voltage[:, path]) for path in paths], peak, _clock(case, peak))
        _draw_limits(ax, [(place[path], path) for path in paths], network, voltage)
        _mark_stations(ax, case, network, place)
        _label_buses(ax, network, paths, place)
        ax.set_ylabel("voltage (pu)")
        ax.set_xlabel("bus, along the feeder and then along its laterals")
        _legend_below(figure, [ax], columns=2)
    return figure


def _places(paths: Sequence[np.ndarray]) -> np.ndarray:
    """Where each bus stands on the axis: one apart along a path, one more between paths."""
    place = np.zeros(sum(len(path) for path in paths))
    start = 0
    for path in paths:
        place[path] = start + np.arange(len(path))
        start += len(path) + 1
    return place


def _clock(case: Instance, period: int) -> str:
    """The start of a period as a time of day."""
    minutes = round(60 * float(frames.hours(case)[period])) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _draw_voltages(ax: Axes, parts: Sequence[tuple[np.ndarray, np.ndarray]], peak: int, clock: str) -> None:
    for k, (at, voltage) in enumerate(parts):
        low, high = voltage.min(axis=0), voltage.max(axis=0)
        span = ax.bar(at, high - low, bottom=low, width=1.0, color=BLUE, alpha=0.3, linewidth=0)
        (line,) = ax.plot(at, voltage[peak], color=BLUE, marker="o", markersize=2.5)
        if k == 0:
            span.set_label("range over the day")
            line.set_label(f"period of the largest load ({clock})")


def _draw_limits(
    ax: Axes, parts: Sequence[tuple[np.ndarray, np.ndarray]], network: Network, voltage: np.ndarray
) -> None:
    """Both limits; one that is far from every voltage is left out of the picture, and said to be."""
    low, high = float(voltage.min()), float(voltage.max())
    span = max(high - low, tolerances.LEAST_SPAN_PU)
    lower, upper = network.voltage_min_pu, network.voltage_max_pu
    drawn = [lower] * bool(lower.max() > low - 1.5 * span) + [upper] * bool(upper.min() < high + 0.4 * span)
    label = _limit_label(float(lower.max()), float(upper.min()), [limit is lower for limit in drawn])
    ax.plot([], [], color=ORANGE, label=label)
    for limit in drawn:
        for at, path in parts:
            ax.hlines(limit[path], at - 0.5, at + 0.5, color=ORANGE, linewidth=1.4)
    bottom = min([low, *(float(limit.min()) for limit in drawn if limit is lower)])
    top = max([high, *(float(limit.max()) for limit in drawn if limit is upper)])
    ax.set_ylim(bottom - 0.07 * max(top - bottom, span), top + 0.07 * max(top - bottom, span))


def _limit_label(lower: float, upper: float, drawn: Sequence[bool]) -> str:
    """The legend's words for the limits in the picture (True: the lower one), and for those outside."""
    if len(drawn) == 2:
        return "voltage limits"
    if not drawn:
        return f"limits {lower:g} and {upper:g} pu, outside the picture"
    inside, outside = ("lower", f"upper limit: {upper:g} pu") if drawn[0] else ("upper", f"lower limit: {lower:g} pu")
    return f"{inside} limit ({outside})"


def _mark_stations(ax: Axes, case: Instance, network: Network, place: np.ndarray) -> None:
    at = sorted({float(place[network.index[station.bus]]) for station in case.stations})
    ax.plot(at, np.full(len(at), 0.015), transform=ax.get_xaxis_transform(), linestyle="", marker="^", markersize=6,
            color=GREEN, clip_on=False, label="charging station")  # fmt: skip


def _label_buses(ax: Axes, network: Network, paths: Sequence[np.ndarray], place: np.ndarray) -> None:
    """Bus names, as many as there is room for, and where each lateral branches off if there is room to say it."""
    span = float(place.max()) + 1.0
    apart = (0.07 * max(len(name) for name in network.buses) + 0.06) * span / AXIS_IN
    shown: list[int] = []
    for bus in np.concatenate(paths).tolist():
        if not shown or place[bus] - place[shown[-1]] >= apart:
            shown.append(bus)
    ax.set_xticks(place[shown], [network.buses[bus] for bus in shown])
    ax.set_xlim(-0.8, span - 0.2)
    for path in paths[1:] if len(paths) <= MOST_LATERALS else ():
        ax.axvline(float(place[path[0]]) - 1.0, color=GREY, linewidth=0.6, linestyle=":")
    words = [f"from bus {network.buses[int(network.parent[path[0]])]}" for path in paths[1:]]
    if all(0.055 * len(word) < AXIS_IN * (len(path) + 1) / span for word, path in zip(words, paths[1:], strict=True)):
        for word, path in zip(words, paths[1:], strict=True):
            ax.text(float(place[path].mean()), 1.01, word, transform=ax.get_xaxis_transform(), ha="center", va="bottom",
                    fontsize=7, color=GREY)  # fmt: skip
