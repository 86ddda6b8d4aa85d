"""Ranges of emission factors from ranges of flows (docs/model.md section 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.power_flow.ranges import FlowRanges, Interval
from instances import Network


@dataclass(frozen=True, eq=False)
class Feed:
    """A source at a bus (position): power fed in, pu, an interval (...), and its factor in kg/kWh, a number or (...)."""

    bus: int
    power: Interval
    factor: Any


def factor_ranges(network: Network, flows: FlowRanges, feeds: Sequence[Feed], grid_factor: Any) -> Interval:
    """Intervals of the emission factor of every bus, kg/kWh (..., n); `grid_factor` is that of the main grid, (...) or a number.

    A factor is the mean of what flows in, weighted with powers within their intervals; its least value takes the largest powers
    of the smallest factors and the smallest of the rest.  Neighbours are visited three times.  Where no power can flow in, and no
    factor is defined, the ends are those of all sources.
    """
    shape = flows.arriving[0].shape
    buses, cases = shape[-1], shape[:-1]
    sources = [_flat(factor, cases) for factor in (grid_factor, *(feed.factor for feed in feeds))]
    # The ends of buses, then the factors of sources: the least, and the largest with its sign turned
    ends = np.empty((2, buses + len(sources), sources[0].size))
    ends[0, :buses], ends[1, :buses] = min(f.min() for f in sources), -max(f.max() for f in sources)
    ends[0, buses:], ends[1, buses:] = sources, np.negative(sources)
    inflows = _inflows(network, flows, feeds)
    order = range(buses)
    # Parents stand before their children: down, up and down again, as either may feed the other
    for sweep in (order, reversed(order), order):
        for k in sweep:
            low, high, source = inflows[k]
            # With one inflow its power does not matter, and nothing needs sorting
            if len(source) == 1:
                np.maximum(ends[:, k], ends[:, source[0]], out=ends[:, k], where=high[0] > 0)
            elif len(source):
                np.maximum(ends[:, k], _least_means(low, high, ends[:, source]), out=ends[:, k])
    low, high = ends[0, :buses], -ends[1, :buses]
    return low.T.reshape(shape), high.T.reshape(shape)


def _flat(values: Any, cases: tuple[int, ...]) -> Any:
    """A number or values (...) as (m,), the m cases side by side."""
    return np.broadcast_to(np.asarray(values, dtype=float), cases).reshape(-1)


def _inflows(network: Network, flows: FlowRanges, feeds: Sequence[Feed]) -> list[tuple[Any, Any, list[int]]]:
    """Of every bus what may flow in: powers (k, m) at least and at most, and the bus (or, behind these, the source) of each."""
    cases, buses = flows.arriving[0].shape[:-1], flows.arriving[0].shape[-1]
    arriving = [np.maximum(end.reshape(-1, buses).T, 0.0) for end in flows.arriving]
    back = [np.maximum(-end.reshape(-1, buses).T, 0.0) for end in reversed(flows.leaving)]
    found = []
    for k, children in enumerate(network.children):
        powers = [(arriving[0][k], arriving[1][k], int(network.parent[k]) if k else buses)]
        powers += [
            (*(_flat(end, cases) for end in feed.power), buses + 1 + at)
            for at, feed in enumerate(feeds)
            if feed.bus == k
        ]
        powers += [(back[0][child], back[1][child], int(child)) for child in children]
        # Most branches carry power one way only, and most buses have one source
        powers = [power for power in powers if np.any(power[1] > 0)]
        low, high = (np.stack([power[end] for power in powers]) if powers else np.zeros((0, 0)) for end in (0, 1))
        found.append((low, high, [power[2] for power in powers]))
    return found


def _least_means(low: Any, high: Any, value: Any) -> Any:
    """Least means (2, m) of each half of `value` (2, k, m) over weights between `low` and `high` (k, m); -inf where all are 0."""
    order = np.argsort(value, axis=1)
    column = np.arange(low.shape[1])
    low, high, value = low[order, column], high[order, column], np.take_along_axis(value, order, axis=1)
    # The first of them at their largest powers, the others at their least, for every number of first ones
    less = np.zeros((2, *low.shape))
    less[:, :, :-1] = np.cumsum(np.stack([low, low * value])[:, :, :0:-1], axis=2)[:, :, ::-1]
    total, weighted = np.cumsum(np.stack([high, high * value]), axis=2) + less
    best = np.divide(weighted, total, out=np.full(total.shape, np.inf), where=total > 0).min(axis=1)
    return np.where(np.isfinite(best), best, -np.inf)
