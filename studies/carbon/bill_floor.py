"""The least that charging can cost while the main grid feeds in one and the same power: branch and bound over its level.

In an interval of levels, a period's decisions are its generators' outputs.  They are cut into boxes; interval arithmetic along
the feeder (`flow_ranges`) says for each box what the main grid may feed in and how small and large the stations' factors may be.
Boxes that cannot meet the level fall away.  The ranges of factors that stay decide more of the users' periods
(`fixed_periods`), which makes flows and levels narrower in turn.  Users who pay the smallest factors that stay pay no more than
they would at any decision: that is the bound of the interval.  Intervals below the goal are halved, lowest first.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count, product
from typing import Any

import numpy as np

from formulations.carbon.factor_ranges import factor_ranges
from formulations.carbon.outlook import Outlook, charging_range, drawn, shares
from formulations.carbon.system import CarbonSystem
from formulations.case_parts import carbon_of
from formulations.power_flow.ranges import Interval, flow_ranges
from instances import Instance, Network
from studies import tolerances

BOXES, CUTS, MOST_BOXES, TIGHTENINGS = 256, 4, 4000, 3
"""Boxes of a period at first, how often they are cut, after how many no more, and how often ranges decide charging anew."""

MOST_NODES = 64
"""Intervals of levels that are looked at."""


@dataclass(frozen=True)
class BillFloor:
    """`bill`, the bound (currency), infinite where no level is possible; the lowest interval of levels left, `level_kw`; how many
    intervals (`nodes`) and boxes it took."""

    bill: float
    level_kw: tuple[float, float]
    nodes: int
    boxes: int


@dataclass(frozen=True, eq=False)
class _Node:
    """An interval of levels (kW) with what holds in it: factors (low, high) and charging in kW, each (periods, stations)."""

    level: tuple[float, float]
    factors: Interval
    charging: Interval
    bill: float = -np.inf
    boxes: int = 0


class _StoppedError(Exception):
    """The time is over in the middle of an interval, which stays as it was."""


def bill_floor(
    system: CarbonSystem, deviation_kw: float, goal: float, stop: Callable[[], bool] = lambda: False
) -> BillFloor:
    """A proven bound of all bills where every period's supply is within `deviation_kw` of one level, cut until it reaches `goal`.

    A bound below `goal` is as good as `MOST_NODES` and `stop` allow, which is asked between periods: -infinity where it says so
    before the first interval is done.
    """
    search = _Search(system, deviation_kw, stop)
    order = count()
    try:
        first = search.tightened(search.root())
    except _StoppedError:
        return BillFloor(-np.inf, (-np.inf, np.inf), 0, 0)
    heap = [(first.bill, next(order), first)]
    boxes, nodes = first.boxes, 1
    while heap[0][0] < goal and nodes < MOST_NODES:
        _, _, node = heapq.heappop(heap)
        low, high = node.level
        if high - low <= tolerances.LEAST_LEVELS * (first.level[1] - first.level[0]):
            heapq.heappush(heap, (node.bill, next(order), node))
            break
        parts = ((low, (low + high) / 2), ((low + high) / 2, high))
        try:
            children = [search.tightened(replace(node, level=part)) for part in parts]
        except _StoppedError:
            heapq.heappush(heap, (node.bill, next(order), node))
            break
        for child in children:
            heapq.heappush(heap, (max(child.bill, node.bill), next(order), child))
            boxes, nodes = boxes + child.boxes, nodes + 1
    bill, _, node = heap[0]
    slack = tolerances.BILL_ROUNDING * _terms(system, bill) if np.isfinite(bill) else 0.0
    return BillFloor(bill - slack, node.level, nodes, boxes)


def _terms(system: CarbonSystem, bill: float) -> float:
    """At least the sum of the sizes of a bill's terms: with prices below 0 they cancel, and leave rounding of their own size."""
    energy_kwh = float(system.average_charging_kw().sum()) * system.case.horizon.period_hours
    # Carbon costs are not negative, so that they are at most the bill and what electricity takes from it
    return abs(bill) + 2.0 * energy_kwh * float(np.abs(system.case.wholesale_price_per_kwh).max())


class _Search:
    """Ranges and bounds of nodes."""

    def __init__(self, system: CarbonSystem, deviation_kw: float, stop: Callable[[], bool]) -> None:
        self.system, self.case, self.deviation_kw, self.stop = system, system.case, deviation_kw, stop
        self.network = Network.of(self.case.feeder)
        self.limits = system.output_min_kw, system.output_max_kw

    def root(self) -> _Node:
        """All levels."""
        outlook = Outlook(self.case, self.network)
        stations = [self.network.index[station.bus] for station in self.case.stations]
        low, high = (end[:, stations] for end in outlook.factors)
        return _Node((-np.inf, np.inf), (low, high), outlook.charging_kw)

    def tightened(self, node: _Node) -> _Node:
        """The node with narrower ranges, and its bound; infinite where some period cannot meet its levels."""
        boxes = 0
        for _ in range(TIGHTENINGS):
            periods = [self._period(node, t) for t in range(self.case.horizon.periods)]
            level = max(p.supply[0].min() for p in periods), min(p.supply[1].max() for p in periods)
            level = max(level[0] - self.deviation_kw, node.level[0]), min(level[1] + self.deviation_kw, node.level[1])
            boxes += sum(len(p.low) for p in periods)
            if level[0] > level[1]:
                return replace(node, bill=np.inf, boxes=boxes)
            low = np.maximum(node.factors[0], np.stack([p.factor[0].min(axis=0) for p in periods]))
            high = np.minimum(node.factors[1], np.stack([p.factor[1].max(axis=0) for p in periods]))
            charging = charging_range(self.case, shares(self.case, low, high))
            same = np.array_equal(charging[0], node.charging[0]) and np.array_equal(charging[1], node.charging[1])
            node = replace(node, level=level, factors=(low, high), charging=charging)
            if same:
                break
        factor = np.where(np.isfinite(node.factors[0]), node.factors[0], 0.0)
        return replace(node, bill=float(self.system.respond(factor).costs.bill), boxes=boxes)

    def _period(self, node: _Node, t: int) -> "_Boxes":
        if self.stop():
            raise _StoppedError
        reach = node.level[0] - self.deviation_kw, node.level[1] + self.deviation_kw
        charging = node.charging[0][t], node.charging[1][t]
        boxes = _Boxes(self.case, self.network, t, charging, reach, *_grid(*self.limits))
        for _ in range(CUTS):
            if not boxes.cut():
                break
        return boxes


class _Boxes:
    """The boxes of one period that may meet `reach` (kW): outputs `low`, `high` (boxes, generators) in kW, `supply` in kW and the
    stations' `factor`, ends of intervals."""

    def __init__(
        self,
        case: Instance,
        network: Network,
        t: int,
        charging: Interval,
        reach: tuple[float, float],
        low: Any,
        high: Any,
    ) -> None:
        self.case, self.network, self.t, self.charging, self.reach = case, network, t, charging, reach
        self.open = np.flatnonzero(charging[1] > 0)
        self.stations = [network.index[station.bus] for station in case.stations]
        self.low, self.high, self.supply, self.factor = self._met(low, high)

    def _met(self, low: Any, high: Any) -> tuple[Any, Any, Any, Any]:
        """Boxes that have a power flow and may meet the level, with their ranges."""
        power, kw = self.network.per_unit.power, self.network.per_unit.kw
        charging = power(self.charging[0]), power(self.charging[1])
        active, reactive, feeds = drawn(self.case, self.network, self.t, charging, (power(low), power(high)))
        flows = flow_ranges(self.network, active, reactive)
        supply = kw(flows.arriving[0][:, 0]), kw(flows.arriving[1][:, 0])
        grid = float(carbon_of(self.case).grid_factor_kg_per_kwh[self.t])
        factors = factor_ranges(self.network, flows, feeds, grid)
        met = flows.possible & (supply[0] <= self.reach[1]) & (supply[1] >= self.reach[0])
        if not met.any():
            # Nothing is possible: ends that no level meets
            nothing = np.zeros((0, low.shape[1]))
            none = np.full((1, len(self.stations)), np.inf)
            return nothing, nothing, (np.array([np.inf]), np.array([-np.inf])), (none, -none)
        return low[met], high[met], tuple(s[met] for s in supply), tuple(f[met][:, self.stations] for f in factors)

    def cut(self) -> bool:
        """Halves, in every direction, the boxes that may hold a station's smallest factor; False where there are none."""
        chosen = np.zeros(len(self.low), dtype=bool)
        if not len(self.low) or len(self.low) > MOST_BOXES:
            return False
        for s in self.open:
            sure = self.factor[1][:, s].min() - tolerances.SMALLEST_FACTOR_KG_PER_KWH
            chosen |= self.factor[0][:, s] < sure
        if not chosen.any():
            return False
        low, high, supply, factor = self._met(*_halves(self.low[chosen], self.high[chosen]))
        stay = ~chosen
        if not len(low) and not stay.any():
            self.low, self.high, self.supply, self.factor = low, high, supply, factor
            return False
        parts = [(self.low[stay], self.high[stay], [e[stay] for e in self.supply], [e[stay] for e in self.factor])]
        parts += [(low, high, supply, factor)] if len(low) else []
        self.low, self.high = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        self.supply, self.factor = (
            tuple(np.concatenate([part[k][end] for part in parts]) for end in (0, 1)) for k in (2, 3)
        )
        return True


def _grid(low: Any, high: Any) -> tuple[Any, Any]:
    """A grid of equal boxes, about `BOXES` of them."""
    cells = max(1, round(BOXES ** (1 / max(len(low), 1))))
    edges = [np.linspace(a, b, cells + 1) for a, b in zip(low, high, strict=True)]
    place = np.array(list(product(range(cells), repeat=len(low))), dtype=np.int64).reshape(cells ** len(low), -1)
    ends = [[edge[place[:, g] + more] for g, edge in enumerate(edges)] for more in (0, 1)]
    lows, highs = (np.stack(end, axis=1) if end else np.zeros((1, 0)) for end in ends)
    return lows, highs


def _halves(low: Any, high: Any) -> tuple[Any, Any]:
    middle = (low + high) / 2
    lows, highs = [], []
    for sides in product((False, True), repeat=low.shape[1]):
        lows.append(np.where(sides, middle, low))
        highs.append(np.where(sides, high, middle))
    return np.concatenate(lows), np.concatenate(highs)
