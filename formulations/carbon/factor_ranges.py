"""Ranges of emission factors from ranges of flows (docs/model.md section 8)."""

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
    factors = [np.asarray(grid_factor, dtype=float), *(np.asarray(feed.factor, dtype=float) for feed in feeds)]
    low = np.full(shape, min(float(f.min()) for f in factors))
    high = np.full(shape, max(float(f.max()) for f in factors))
    grid = np.broadcast_to(np.asarray(grid_factor, dtype=float), shape[:-1])
    at: list[list[Feed]] = [[feed for feed in feeds if feed.bus == k] for k in range(shape[-1])]
    children = network.children
    order = range(shape[-1])
    for sweep in (order, reversed(order), order):
        for k in sweep:
            inflows = _inflows(network, flows, at[k], children[k], k, (low, high), grid)
            low[..., k] = np.maximum(low[..., k], _least_mean(inflows, 1.0))
            high[..., k] = np.minimum(high[..., k], -_least_mean(inflows, -1.0))
    return low, high


def _inflows(
    network: Network,
    flows: FlowRanges,
    feeds: Sequence[Feed],
    children: Sequence[int],
    k: int,
    factor: Interval,
    grid: Any,
) -> list[tuple[Interval, Interval]]:
    """(power, factor) intervals of everything that may flow into bus k."""
    positive = tuple(np.maximum(end[..., k], 0.0) for end in flows.arriving)
    source = (grid, grid) if k == 0 else tuple(end[..., int(network.parent[k])] for end in factor)
    found: list[Any] = [(positive, source)]
    found += [(feed.power, (feed.factor, feed.factor)) for feed in feeds]
    for child in children:
        back = np.maximum(-flows.leaving[1][..., child], 0.0), np.maximum(-flows.leaving[0][..., child], 0.0)
        found.append((back, tuple(end[..., child] for end in factor)))
    return found


def _least_mean(inflows: Sequence[tuple[Interval, Interval]], sign: float) -> Any:
    """The least weighted mean of sign * factor over weights within their intervals; -inf where nothing flows in."""
    shape = np.broadcast_shapes(*(np.shape(power[0]) for power, _ in inflows))
    # Most branches carry power one way only, and most buses have one source
    inflows = [inflow for inflow in inflows if np.any(inflow[0][1] > 0)]
    if not inflows:
        return np.full(shape, -np.inf)
    if len(inflows) == 1:
        power, factor = inflows[0]
        return np.where(
            np.asarray(power[1]) > 0, factor[0] if sign > 0 else -np.asarray(factor[1]), np.full(shape, -np.inf)
        )
    low, high = (np.stack([np.broadcast_to(power[end], shape) for power, _ in inflows]) for end in (0, 1))
    ends = [factor[0] if sign > 0 else -np.asarray(factor[1]) for _, factor in inflows]
    value = np.stack([np.broadcast_to(end, shape) for end in ends])
    order = np.argsort(value, axis=0)
    low, high, value = (np.take_along_axis(part, order, axis=0) for part in (low, high, value))
    best = np.full(shape, np.inf)
    for taken in range(1, len(inflows) + 1):
        weight = np.concatenate([high[:taken], low[taken:]])
        total = weight.sum(axis=0)
        mean = np.divide((weight * value).sum(axis=0), total, out=np.full(shape, np.inf), where=total > 0)
        best = np.minimum(best, mean)
    return np.where(np.isfinite(best), best, -np.inf)
