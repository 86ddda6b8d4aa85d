"""Figures of a market solved three ways: nodal prices over feeder and day, storages, and the balance of every aggregator."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bilevel.errors import BilevelError
from bilevel.solution import VALID
from formulations.case_parts import market_of
from instances import Instance, Network
from studies import tolerances
from studies.market.three_ways import COOPERATIVE, EQUILIBRIUM, EXACT, MarketComparison, MarketRun
from studies.writing import frames
from studies.writing.feeder_paths import MOST_LATERALS, feeder_paths
from studies.writing.style import AMBER, BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, STYLE, WIDTH_IN

COLOURS, MOST_COLUMNS = "cividis", 2
LINES = {EXACT: (BLUE, "-", 1.8), EQUILIBRIUM: (ORANGE, "-", 1.2), COOPERATIVE: (BLACK, "--", 1.0)}
# A shorter feeder is drawn small: what stands beside its marks would take the room of the axes
LEAST_BRANCHES = 8.0
SOURCES = {"contract": (BLUE, "contract"), "bought": (SKY, "bought in real time"), "discharge": (GREEN, "discharged")}
USES = {"ev": (ORANGE, "vehicles"), "charge": (AMBER, "charged into storage"), "sold": (PURPLE, "sold in real time")}
MOST_LABELS = 18


def nodal_prices(found: MarketComparison) -> Figure:
    """Nodal price (currency/kWh) of every bus and period at the exact and at the iteration's loads, one colour scale for both.

    Buses stand in the order of the feeder: the main path from the substation, then its laterals.  Above each map is the feeder
    itself in the period of the exact solution's largest supply, unless it has too many laterals to be drawn.  Raises `BilevelError`
    when neither way has a point.
    """
    runs, case = _runs(found, EXACT, EQUILIBRIUM), found.case
    network = Network.of(case.feeder)
    paths = feeder_paths(network)
    prices = [_price_table(run, network) for run in runs]
    scale = Normalize(min(p.min() for p in prices), max(p.max() for p in prices))
    drawn = len(paths) - 1 <= MOST_LATERALS
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(WIDTH_IN, 2.6 + 2.4 + 1.4 * drawn))
        axes = figure.subplots(1 + drawn, len(runs), squeeze=False, height_ratios=[1.0] * drawn + [2.9])
        for k, (run, price) in enumerate(zip(runs, prices, strict=True)):
            if drawn:
                _feeder(axes[0, k], case, network, paths, price[_peak(runs)], scale)
            _price_map(axes[-1, k], case, network, paths, price, scale)
            axes[0, k].set_title(_title(run), loc="left", fontweight="bold")
        if drawn:
            axes[0, 0].annotate(
                f"feeder at {_clock(case, _peak(runs))}", (0.0, 0.0), xycoords="axes fraction", fontsize=8
            ).set_in_layout(False)
        axes[-1, 0].set_ylabel("bus")
        colours = mpl.cm.ScalarMappable(scale, COLOURS)
        figure.colorbar(colours, ax=axes, shrink=0.7, pad=0.02, label=f"nodal price ({case.currency}/kWh)")
        _legend(figure, axes[-1, 0])
    return figure


def storages(found: MarketComparison) -> Figure:
    """Energy stored (kWh) by each aggregator over the day in every way that has a point, over the market prices (currency/kWh).

    Raises `BilevelError` when no way has a point.
    """
    runs, case = _runs(found, EXACT, EQUILIBRIUM, COOPERATIVE), found.case
    owners = market_of(case).aggregators
    columns = min(MOST_COLUMNS, len(owners))
    rows = -(-len(owners) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN if columns > 1 else 4.5, 1.75 * (rows + 1) + 0.6))
        axes = figure.subplots(rows + 1, columns, sharex=True, squeeze=False)
        for ax, owner in zip(axes[:-1].flat, owners, strict=False):
            edges = frames.hours(case)
            for run in runs:
                table = run.aggregators
                stored = table.loc[table["aggregator"] == owner.name, "stored_kwh"].to_numpy()
                color, style, width = LINES[run.name]
                ax.plot(edges, [owner.storage_initial_kwh, *stored], color=color, linestyle=style, linewidth=width,
                        label=_title(run))  # fmt: skip
            ax.axhline(owner.storage_energy_kwh, color=GREY, linewidth=0.9, linestyle=":", label="capacity")
            most = max(owner.storage_energy_kwh, tolerances.LEAST_STORAGE_KWH)
            ax.set_ylim(-0.04 * most, 1.1 * most)
            ax.set_title(f"{owner.name} (bus {case.station_bus[owner.station]})", loc="left", fontweight="bold")
        for ax in axes[:-1].flat[len(owners) :]:
            ax.set_visible(False)
        for ax in axes[:-1, 0]:
            ax.set_ylabel("stored (kWh)")
        _market_prices(axes[-1], case)
        _legend(figure, axes[0, 0], axes[-1, 0])
    return figure


def balances(found: MarketComparison) -> Figure:
    """What each aggregator gets (up) and what becomes of it (down) in every period, kW, in the exact and in the iteration's way.

    Both stacks are equally high: contract + bought + discharged == vehicles + charged + sold.  Raises `BilevelError` when neither
    way has a point.
    """
    runs, case = _runs(found, EXACT, EQUILIBRIUM), found.case
    owners = market_of(case).aggregators
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, max(3.4, 1.55 * len(owners) + 1.0)))
        axes = figure.subplots(len(owners), len(runs), sharex=True, sharey="row", squeeze=False)
        for k, owner in enumerate(owners):
            for ax, run in zip(axes[k], runs, strict=True):
                _bars(ax, run.aggregators[run.aggregators["aggregator"] == owner.name], frames.hours(case))
                ax.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=3))
                ax.yaxis.set_major_formatter(lambda value, _place: f"{abs(value):g}")
            axes[k, 0].set_ylabel("power (kW)")
            axes[k, 0].annotate(owner.name, (0.01, 1.02), xycoords="axes fraction", va="bottom", fontsize=8)
        for ax, run in zip(axes[0], runs, strict=True):
            ax.set_title(_title(run), fontweight="bold", pad=14)
        for ax in axes[-1]:
            _hours(ax, case)
        _legend(figure, axes[0, 0], columns=3)
        figure.align_ylabels(axes[:, 0])
    return figure


def _runs(found: MarketComparison, *names: str) -> list[MarketRun]:
    """The ways of these names that have a point."""
    runs = [found.runs[name] for name in names if not found.runs[name].aggregators.empty]
    if not runs:
        raise BilevelError(f"no way of {', '.join(names)} has a point to draw: raise the time limit, or check the case")
    return runs


def _title(run: MarketRun) -> str:
    return run.name if run.solution.status in VALID else f"{run.name} ({run.solution.status})"


def _price_table(run: MarketRun, network: Network) -> np.ndarray:
    """Nodal prices, shape (periods, buses), buses in the order of the network."""
    table = run.buses.pivot_table(index="period", columns="bus", values="nodal_price_per_kwh")
    return np.asarray(table[list(network.buses)].to_numpy())


def _peak(runs: Sequence[MarketRun]) -> int:
    return int(runs[0].network["supply_kw"].to_numpy().argmax())


def _clock(case: Instance, period: int) -> str:
    """The start of a period as a time of day."""
    minutes = round(60 * float(frames.hours(case)[period])) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _feeder(
    ax: Axes, case: Instance, network: Network, paths: Sequence[np.ndarray], price: np.ndarray, scale: Normalize
) -> None:
    """The feeder from left to right, every bus in the colour of its price."""
    x, y = feeder_places(network, paths)
    parent = np.array([int(network.parent[bus]) for bus in range(1, len(x))])
    ends = np.stack([np.stack([x[parent], y[parent]], axis=1), np.stack([x[1:], y[1:]], axis=1)], axis=1)
    ax.add_collection(LineCollection(list(ends), colors=GREY, linewidths=0.9, zorder=1))
    ax.scatter(x, y, c=price, cmap=COLOURS, norm=scale, s=26, edgecolors=BLACK, linewidths=0.4, zorder=2)
    for bus in {station.bus for station in case.stations}:
        at = network.index[bus]
        ax.plot([x[at]], [y[at] + 0.42], marker="v", markersize=4, color=GREEN, linestyle="")
        ax.annotate(bus, (x[at] + 0.35, y[at] + 0.42), fontsize=6.5, va="center")
    for bus in {generator.bus for generator in case.generators}:
        at = network.index[bus]
        ax.plot([x[at]], [y[at] - 0.42], marker="s", markersize=3.2, color=ORANGE, linestyle="")
        ax.annotate(bus, (x[at] + 0.35, y[at] - 0.42), fontsize=6.5, va="center")
    ax.set_xlim(-0.7, max(float(x.max()), LEAST_BRANCHES) + 0.7)
    ax.set_ylim(float(y.min()) - 0.9, float(y.max()) + 0.9)
    ax.set_axis_off()


def feeder_places(network: Network, paths: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where buses stand in a drawing: x counts branches from the substation, y is 0 on the main path, laterals above and below.

    A lateral takes the nearest level that is free over its length; shapes (buses,), no two buses share a place.
    """
    x, y = np.zeros(len(network.buses)), np.zeros(len(network.buses))
    taken: dict[int, list[tuple[float, float]]] = {}
    for path in paths:
        start = x[int(network.parent[path[0]])] + 1 if path[0] else 0.0
        end = start + len(path) - 1
        levels = [0] if path[0] == 0 else [sign * k for k in range(1, len(paths) + 1) for sign in (1, -1)]
        level = next(k for k in levels if all(end < low - 1 or start > high + 1 for low, high in taken.get(k, ())))
        taken.setdefault(level, []).append((start, end))
        x[path], y[path] = start + np.arange(len(path)), level
    return x, y


def _price_map(
    ax: Axes, case: Instance, network: Network, paths: Sequence[np.ndarray], price: np.ndarray, scale: Normalize
) -> None:
    """A cell a bus and period, a line where a lateral begins; marks beside the buses of stations and generators."""
    order = np.concatenate(paths)
    edges, count = frames.hours(case), len(order)
    for end in np.cumsum([len(path) for path in paths])[:-1] if len(paths) - 1 <= MOST_LATERALS else ():
        ax.axhline(end - 0.5, color="white", linewidth=1.0)
    ax.pcolormesh(edges, np.arange(count + 1) - 0.5, price[:, order].T, cmap=COLOURS, norm=scale, rasterized=True)
    ax.set_ylim(count - 0.5, -0.5)
    step = max(1, -(-count // MOST_LABELS))
    ax.set_yticks(range(0, count, step), [network.buses[bus] for bus in order[::step]], fontsize=7)
    place = {network.buses[bus]: row for row, bus in enumerate(order.tolist())}
    beside = float(edges[-1]) + 0.025 * float(edges[-1] - edges[0])
    for items, marker, color, label in (
        (case.stations, "<", GREEN, "bus of an aggregator"), (case.generators, "s", ORANGE, "bus of a generator"),
    ):  # fmt: skip
        rows = sorted({place[item.bus] for item in items})
        # A line without points has no extent, and the layout collapses around it
        if rows:
            ax.plot([beside] * len(rows), rows, marker=marker, color=color, markersize=4, linestyle="", clip_on=False,
                    label=label)  # fmt: skip
    _hours(ax, case)


def _market_prices(axes: np.ndarray, case: Instance) -> None:
    """The prices of both markets below the storages, the same in every column."""
    market = market_of(case)
    for ax in axes:
        for values, color, style, label in (
            (market.real_time_buy_price_per_kwh, PURPLE, ":", "real time, buying"),
            (market.contract_price_per_kwh, GREEN, "-", "contract price"),
            (market.real_time_sell_price_per_kwh, PURPLE, "-.", "real time, selling"),
        ):
            ax.stairs(
                values, frames.hours(case), baseline=None, color=color, linestyle=style, linewidth=1.2, label=label
            )
        _hours(ax, case)
    axes[0].set_ylabel(f"market price\n({case.currency}/kWh)")


def _bars(ax: Axes, table: pd.DataFrame, edges: np.ndarray) -> None:
    """Stacked bars of one aggregator: sources up, uses down."""
    ax.use_sticky_edges = False
    ax.margins(y=0.06)
    for sign, parts in ((1.0, SOURCES), (-1.0, USES)):
        base = np.zeros(len(edges) - 1)
        for name, (color, label) in parts.items():
            power = table[f"{name}_kw"].to_numpy()
            ax.bar(edges[:-1], sign * power, np.diff(edges), bottom=base, align="edge", color=color, label=label,
                   edgecolor="white", linewidth=0.3)  # fmt: skip
            base = base + sign * power
    ax.axhline(0.0, color=BLACK, linewidth=0.7)


def _hours(ax: Axes, case: Instance) -> None:
    edges = frames.hours(case)
    ax.set_xlim(edges[0], edges[-1])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 3, 4, 6, 10]))
    ax.set_xlabel("hour of the day (h)")


def _legend(figure: Figure, *axes: Axes, columns: int = 4) -> None:
    """One legend below the panels for what is drawn in `axes`."""
    found = [ax.get_legend_handles_labels() for ax in axes]
    handles, labels = [h for part in found for h in part[0]], [label for part in found for label in part[1]]
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
