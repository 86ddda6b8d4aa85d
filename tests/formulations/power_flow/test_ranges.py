"""Intervals of flows and emission factors against many power flows and emission flows drawn from their boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from carbon_cases import GRID, bus_factor, two_periods
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import instances
from bilevel import BilevelError
from formulations.carbon.emission_flow import Sources, emission_flow
from formulations.carbon.factor_ranges import Feed, factor_ranges
from formulations.carbon.outlook import Outlook, charging_range
from formulations.carbon.system import CarbonSystem
from formulations.power_flow.ranges import FlowRanges, flow_ranges
from instances import Branch, Bus, Feeder, InstanceError, Network, PerUnit, ac_power_flow

SEEDS = st.integers(0, 2**32 - 1)
DRAWN = 24
ROUNDING = 1e-9


@dataclass(frozen=True)
class Box:
    """A feeder with intervals of what buses consume and sources feed in, kW; renewables have one value."""

    network: Network
    load: tuple[Any, Any]
    kvar: tuple[Any, Any]
    bus: Any
    power: tuple[Any, Any]
    factor: Any
    grid: float

    @classmethod
    def random(cls, seed: int) -> Box:
        """A tree of 2 to 12 buses; sources feed in from nothing to more than all loads; some intervals are points."""
        rng = np.random.default_rng(seed)
        size, count, ohm = int(rng.integers(2, 13)), int(rng.integers(0, 4)), rng.choice([0.6, 6.0])
        parents = [int(rng.integers(max(0, k - 3), k)) for k in range(1, size)]
        buses = tuple(Bus(f"n{k}", 0.0, 0.0, 0.85, 1.15) for k in range(size))
        lines = tuple(
            Branch(f"n{p}", f"n{k}", *(rng.uniform(0, ohm, 2) * (rng.random() < 0.9)).tolist())
            for k, p in enumerate(parents, 1)
        )
        base = rng.uniform(0, 150, size) * (rng.random(size) < 0.7)
        most = rng.choice([20.0, 100.0, 500.0]) * rng.random(count)
        wide = rng.choice([0.0, 0.1, 1.0])
        network = Network.from_feeder(Feeder(12.66, "n0", 1.0, buses, lines))
        return cls(
            network, (base, base + wide * 80 * rng.random(size) * (rng.random(size) < 0.4)), (0.3 * base, 0.3 * base),
            rng.integers(0, size, count), (most * (1 - wide) * (rng.random(count) < 0.7), most),
            rng.uniform(0, 1, count) * (rng.random(count) < 0.8), float(rng.uniform(0, 1)),
        )  # fmt: skip

    def ranges(self) -> tuple[FlowRanges, Any]:
        """Flow and factor intervals."""
        power, size = self.network.per_unit.power, len(self.network.buses)
        fed = [np.bincount(self.bus, weights=end, minlength=size) for end in self.power]
        active = power(self.load[0] - fed[1]), power(self.load[1] - fed[0])
        flows = flow_ranges(self.network, active, (power(self.kvar[0]), power(self.kvar[1])))
        feeds = [
            Feed(int(k), (power(low), power(high)), factor)
            for k, low, high, factor in zip(self.bus, *self.power, self.factor, strict=True)
        ]
        return flows, factor_ranges(self.network, flows, feeds, self.grid)

    def drawn(self, seed: int) -> dict[str, Any]:
        """Power and emission flows of points in the box, the corners of all low and all high ends among them."""
        rng = np.random.default_rng(seed)
        size, count = len(self.network.buses), len(self.bus)
        share, given_out = rng.random((DRAWN, size)), rng.random((DRAWN, count))
        share[0], given_out[0], share[1], given_out[1] = 0.0, 1.0, 1.0, 0.0
        load = self.load[0] + share * (self.load[1] - self.load[0])
        out = self.power[0] + given_out * (self.power[1] - self.power[0])
        net = load.copy()
        np.subtract.at(net.T, self.bus, out.T)
        try:
            flow = ac_power_flow(self.network, net, self.kvar[0])
        except InstanceError:
            assume(False)
        shared = emission_flow(self.network, flow, load, Sources(self.bus, out, self.factor, np.full(DRAWN, self.grid)))
        current = np.abs(flow.branch_current_pu) ** 2
        sent = flow.sending_power_pu.real
        root = net[:, 0] / self.network.per_unit.base_kva + sent[:, self.network.parent[1:] == 0].sum(axis=1)
        return {
            "arriving": np.column_stack([root, sent - self.network.resistance_pu * current]),
            "leaving": np.column_stack([root, sent]),
            "current_squared": np.column_stack([np.zeros(DRAWN), current]),
            "voltage_squared": np.abs(flow.voltage_pu) ** 2,
            "factor": shared.factor_kg_per_kwh,
        }

    def within_limits(self, drawn: dict[str, Any]) -> Any:
        """Which of the points keep the voltage limits, (DRAWN,)."""
        low, high = self.network.voltage_min_pu**2, self.network.voltage_max_pu**2
        voltage = drawn["voltage_squared"]
        return ((voltage >= low) & (voltage <= high)).all(axis=1)

    def shrunk(self, share: float) -> Box:
        """The box between its low ends and `share` of its widths."""

        def part(ends: tuple[Any, Any]) -> tuple[Any, Any]:
            return ends[0], ends[0] + share * (ends[1] - ends[0])

        return replace(self, load=part(self.load), power=part(self.power))


def inside(interval: tuple[Any, Any], values: Any) -> Any:
    low, high = interval
    slack = ROUNDING * np.maximum(1.0, np.abs(values))
    return (values >= low - slack) & (values <= high + slack)


# Enclosure


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_every_power_flow_and_factor_of_a_box_lies_in_its_interval(seed: int) -> None:
    box = Box.random(seed)
    flows, factors = box.ranges()
    drawn = box.drawn(seed + 1)
    valid = box.within_limits(drawn)
    assume(valid.any())
    assert bool(flows.possible)
    for name in ("arriving", "leaving", "current_squared", "voltage_squared"):
        assert inside(getattr(flows, name), drawn[name][valid]).all(), name
    found = drawn["factor"][valid]
    assert (np.isnan(found) | inside(factors, found)).all()


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_a_point_has_the_interval_of_its_flow(seed: int) -> None:
    box = Box.random(seed).shrunk(0.0)
    drawn = box.drawn(seed)
    assume(box.within_limits(drawn).all())
    flows, factors = box.ranges()
    # Three sweeps leave what losses of losses move voltages by
    size = np.abs(drawn["arriving"]).max() + 1e-6
    for name in ("arriving", "leaving", "voltage_squared"):
        low, high = getattr(flows, name)
        assert (high - low <= 1e-4 * size).all(), name
    assume(not np.isnan(drawn["factor"]).any())
    big = np.abs(drawn["arriving"][0]) > 0.02 * size
    assert (factors[1] - factors[0])[big].max(initial=0.0) <= 1e-6


@given(SEEDS, st.floats(0.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_narrower_box_has_narrower_intervals(seed: int, share: float) -> None:
    box = Box.random(seed)
    wide, wide_factors = box.ranges()
    narrow, narrow_factors = box.shrunk(share).ranges()
    assume(bool(narrow.possible))
    assert bool(wide.possible)
    for name in ("arriving", "leaving", "current_squared"):
        outer, inner = getattr(wide, name), getattr(narrow, name)
        assert (outer[0] <= inner[0] + ROUNDING).all() and (outer[1] >= inner[1] - ROUNDING).all(), name
    # A bus into which nothing can flow any more has no factor, and keeps the ends of all sources
    ends = [box.grid, *box.factor.tolist()]
    known = (narrow_factors[0] > min(ends)) | (narrow_factors[1] < max(ends))
    assert (wide_factors[0] <= narrow_factors[0] + ROUNDING)[known].all()
    assert (wide_factors[1] >= narrow_factors[1] - ROUNDING)[known].all()


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_boxes_side_by_side_are_each_as_alone(seed: int) -> None:
    box = Box.random(seed)
    boxes = [box.shrunk(share) for share in (1.0, 0.3, 0.0)]
    power, size = box.network.per_unit.power, len(box.network.buses)
    fed = [np.stack([np.bincount(b.bus, weights=b.power[e], minlength=size) for b in boxes]) for e in (0, 1)]
    load = [np.stack([b.load[e] for b in boxes]) for e in (0, 1)]
    kvar = power(box.kvar[0])
    flows = flow_ranges(box.network, (power(load[0] - fed[1]), power(load[1] - fed[0])), (kvar, kvar))
    feeds = [
        Feed(int(k), tuple(power(np.array([b.power[e][g] for b in boxes])) for e in (0, 1)), np.full(3, box.factor[g]))
        for g, k in enumerate(box.bus)
    ]
    factors = factor_ranges(box.network, flows, feeds, np.full(3, box.grid))
    for k, one in enumerate(boxes):
        alone, alone_factors = one.ranges()
        np.testing.assert_array_equal(flows.possible[k], alone.possible)
        for end in (0, 1):
            np.testing.assert_allclose(flows.arriving[end][k], alone.arriving[end], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(factors[end][k], alone_factors[end], rtol=1e-12, atol=1e-14)


# Closed forms


def line(r: float, limit: float = 0.9) -> Network:
    """Two buses at 10 kV on 1 MVA, whose base is 100 ohm, without reactance."""
    feeder = Feeder(10.0, "a", 1.0, (Bus("a", 0, 0), Bus("b", 0, 0, limit, 2 - limit)), (Branch("a", "b", 100 * r, 0),))
    return Network.from_feeder(feeder, PerUnit(1000.0, 10.0))


def test_a_load_that_no_voltage_can_carry_is_impossible() -> None:
    # v = 1 - 2 r R - r^2 R^2 / v has no solution above 0.81 for R = 1 at r = 0.1: its largest root is 0.788
    root = 0.4 + np.sqrt(0.4**2 - 0.01)
    assert root == pytest.approx(0.787, abs=1e-3)
    network, zero = line(0.1), np.zeros(2)
    load = np.array([0.0, 1.0])
    assert not flow_ranges(network, (load, load), (zero, zero)).possible
    assert flow_ranges(line(0.1, 0.88), (load, load), (zero, zero)).possible
    assert flow_ranges(network, (0.5 * load, load), (zero, zero)).possible
    both = flow_ranges(network, (np.stack([load, 0.1 * load]),) * 2, (zero, zero))
    assert both.possible.tolist() == [False, True]


def test_current_limits_bound_currents() -> None:
    feeder = Feeder(10.0, "a", 1.0, (Bus("a", 0, 0), Bus("b", 0, 0)), (Branch("a", "b", 1.0, 0, current_max_a=10.0),))
    network = Network.from_feeder(feeder, PerUnit(1000.0, 10.0))
    flows = flow_ranges(network, (np.zeros(2), np.array([0.0, 1.0])), (np.zeros(2), np.zeros(2)))
    assert flows.current_squared[1][1] == pytest.approx((10.0 * np.sqrt(3) * 10.0 / 1000.0) ** 2)


def test_factors_of_a_line_without_losses_by_hand() -> None:
    # 200 to 300 kW drawn at b, where a source of factor 0.9 feeds in 40 to 60 kW; the rest comes with 0.5
    network = line(0.0)
    feed = Feed(1, (np.array(0.04), np.array(0.06)), 0.9)
    flows = flow_ranges(network, (np.array([0.0, 0.14]), np.array([0.0, 0.26])), (np.zeros(2), np.zeros(2)))
    assert (float(flows.arriving[0][1]), float(flows.arriving[1][1])) == pytest.approx((0.14, 0.26))
    low, high = factor_ranges(network, flows, [feed], GRID)
    assert (low[0], high[0]) == (GRID, GRID)
    # Flows and feeds are taken apart, so 0.26 may come with the least of the source
    assert low[1] == pytest.approx((0.9 * 0.04 + GRID * 0.26) / 0.30)
    assert high[1] == pytest.approx((0.9 * 0.06 + GRID * 0.14) / 0.20)
    assert low[1] <= bus_factor(50.0, 0.0, 0.9, 250.0) <= high[1]


def test_reverse_flow_takes_the_factor_of_the_source_up_the_line() -> None:
    network = line(0.0)
    feed = Feed(1, (np.array(0.5), np.array(0.5)), 0.2)
    load = np.array([0.1, -0.4])
    low, high = factor_ranges(network, flow_ranges(network, (load, load), (np.zeros(2),) * 2), [feed], GRID)
    assert low == pytest.approx([0.2, 0.2]) and high == pytest.approx([0.2, 0.2])
    some = np.array([0.5, -0.4])
    low, high = factor_ranges(network, flow_ranges(network, (some, some), (np.zeros(2),) * 2), [feed], GRID)
    assert low == pytest.approx([0.8 * 0.2 + 0.2 * GRID, 0.2]) and high == pytest.approx(low)


def test_a_voltage_limit_of_zero_is_refused_by_name() -> None:
    network = line(0.1)
    feeder = Feeder(10.0, "a", 1.0, (Bus("a", 0, 0), Bus("b", 0, 0, 0.0, 1.1)), (Branch("a", "b", 1, 0),))
    with pytest.raises(BilevelError, match=r"bus 'b' has voltage_min_pu 0.0: give it a positive limit"):
        flow_ranges(Network.from_feeder(feeder), (np.zeros(2),) * 2, (np.zeros(2),) * 2)
    assert flow_ranges(network, (np.zeros(2),) * 2, (np.zeros(2),) * 2).possible


# The outlook of a case


@pytest.fixture(scope="module")
def weekday() -> tuple[CarbonSystem, Outlook]:
    case = instances.load("ieee33_carbon")
    return CarbonSystem(case), Outlook(case, Network.from_feeder(case.feeder))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_settled_days_of_the_shipped_case_lie_within_its_outlook(
    weekday: tuple[CarbonSystem, Outlook], seed: int
) -> None:
    system, outlook = weekday
    case = system.case
    share = np.random.default_rng(seed).random((case.horizon.periods, len(case.generators)))
    output = system.output_min_kw + share * (system.output_max_kw - system.output_min_kw)
    day = system.settle(output)
    assume(bool(day.settled) and float(day.state.limit_violation) == 0)
    assert inside(outlook.charging_kw, day.charging_kw).all()
    assert inside(outlook.factors, day.state.factor_kg_per_kwh).all()
    supply = day.state.supply_kw / system.network.per_unit.base_kva
    assert inside(tuple(end[:, 0] for end in outlook.flows.arriving), supply).all()
    # Whatever the day, users do in decided periods what the outlook says
    schedule = system.schedule(day.state.station_factor)
    for drawn, session in zip(schedule, case.sessions, strict=True):
        for t, part in outlook.share[session.name].items():
            assert drawn[t] == pytest.approx(part * session.count * session.power_max_kw, abs=1e-9)


def test_charging_ranges_are_what_decided_periods_leave() -> None:
    case = two_periods()
    least, most = charging_range(case, {})
    assert least.tolist() == [[0.0], [0.0]] and most.tolist() == [[100.0], [100.0]]
    least, most = charging_range(case, {"car": {0: 0.25}})
    assert least.tolist() == [[25.0], [0.0]] and most.tolist() == [[25.0], [100.0]]


def test_only_stations_whose_response_depends_on_factors_are_wanted() -> None:
    case = two_periods()
    network = Network.from_feeder(case.feeder)
    assert Outlook(case, network).wanted() == {("b", 0), ("b", 1)}
    # Carbon is at most 0.5 of a price here, so that 1.0 against 0.1 is decided
    apart = replace(case, wholesale_price_per_kwh=(0.1, 1.0))
    outlook = Outlook(apart, network)
    assert outlook.share == {"car": {0: 1.0, 1: 0.0}} and outlook.wanted() == {("b", 0)}
    assert outlook.charging_kw[0].tolist() == outlook.charging_kw[1].tolist() == [[100.0], [0.0]]
