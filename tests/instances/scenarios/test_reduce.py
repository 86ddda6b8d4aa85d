"""Fewer scenarios: against every set of so many, and what is told of their distance."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import instances
from instances import Instance, InstanceError, Scenario, Scenarios, draw_scenarios, reduce_scenarios
from instances.scenarios.reduce import distances


def of_set(ways: np.ndarray, probability: np.ndarray, kept: tuple[int, ...]) -> float:
    """The Kantorovich distance of all scenarios from those of a set, each of which takes what is nearest."""
    return float(sum(p * min(ways[i, k] for k in kept) for i, p in enumerate(probability)))


@given(seed=st.integers(0, 10**6), weights=st.lists(st.integers(1, 9), min_size=2, max_size=7))
@settings(max_examples=15, deadline=None)
def test_against_every_set_of_scenarios(seed: int, weights: list[int]) -> None:
    case = instances.load("ieee33")
    drawn = draw_scenarios(case, len(weights), seed, evs=6, willing=(0.0, 1.0))
    probability = np.array(weights) / sum(weights)
    pairs = zip(drawn.scenarios, probability.tolist(), strict=True)
    scenarios = Scenarios(tuple(replace(scenario, probability=p) for scenario, p in pairs))
    names, ways = [scenario.name for scenario in scenarios.scenarios], distances(scenarios, case)
    singles, last = [of_set(ways, probability, (k,)) for k in range(len(names))], np.inf
    for n in range(1, len(names) + 1):
        found = reduce_scenarios(scenarios, case, n)
        kept = tuple(names.index(scenario.name) for scenario in found.scenarios.scenarios)
        best = min(of_set(ways, probability, some) for some in combinations(range(len(names)), n))
        assert len(set(kept)) == n and list(kept) == sorted(kept)
        # What is told is right; it is the best for one and for all, never better than the best, and falls
        assert found.distance == pytest.approx(of_set(ways, probability, kept), abs=1e-12)
        assert found.spread == pytest.approx(min(singles), abs=1e-12)
        assert found.distance >= best - 1e-12 and found.distance <= last + 1e-12
        if n in (1, len(names)):
            assert found.distance == pytest.approx(best, abs=1e-12)
        # Probability goes to the nearest one that is kept
        moved = dict.fromkeys(kept, 0.0)
        for i, p in enumerate(probability):
            moved[min(kept, key=lambda k, i=i: ways[i, k])] += p
        assert [s.probability for s in found.scenarios.scenarios] == pytest.approx([moved[k] for k in kept])
        last = found.distance
    assert last == 0.0
    assert found.scenarios == scenarios


def priced(prices: list[float], case: Instance, weights: list[float]) -> Scenarios:
    days = [
        Scenario(f"{k}", weight, wholesale_price_per_kwh=(price,) * case.horizon.periods)
        for k, (price, weight) in enumerate(zip(prices, weights, strict=True))
    ]
    return Scenarios(tuple(days))


def test_by_hand_on_a_line(small: Instance) -> None:
    """Prices 0, 1, 2, 10 with probability 1/4 each: 1 is best alone, then 10; 0 and 2 go to 1."""
    days = priced([0.0, 1.0, 2.0, 10.0], small, [0.25] * 4)
    deviation = np.std([0.0, 1.0, 2.0, 10.0])
    one, two = reduce_scenarios(days, small, 1), reduce_scenarios(days, small, 2)
    assert [scenario.name for scenario in one.scenarios.scenarios] == ["1"]
    assert one.distance == one.spread == pytest.approx(0.25 * (1 + 1 + 9) / deviation)
    assert [(s.name, s.probability) for s in two.scenarios.scenarios] == [("1", 0.75), ("3", 0.25)]
    assert two.distance == pytest.approx(0.25 * 2 / deviation)


def test_several_need_not_be_the_best_set(small: Instance) -> None:
    """Prices 0, 1, 2 with the middle one rare: it is best alone and therefore kept, while the ends are best as a pair."""
    days = priced([0.0, 1.0, 2.0], small, [0.45, 0.1, 0.45])
    found = reduce_scenarios(days, small, 2)
    ways, probability = distances(days, small), np.array([0.45, 0.1, 0.45])
    assert "1" in {s.name for s in found.scenarios.scenarios}
    assert found.distance == pytest.approx(4.5 * of_set(ways, probability, (0, 2)))


def test_equal_scenarios_are_no_way_apart(small: Instance) -> None:
    days = Scenarios((Scenario("a", 0.5), Scenario("b", 0.25), Scenario("c", 0.25)))
    assert not distances(days, small).any()
    found = reduce_scenarios(days, small, 2)
    assert (found.distance, found.spread) == (0.0, 0.0)
    assert sum(scenario.probability for scenario in found.scenarios.scenarios) == 1.0


@pytest.mark.parametrize(
    "field", ["sessions", "load_factor", "wholesale_price_per_kwh", "renewable_factor", "willing_share"]
)
def test_whatever_differs_counts(field: str) -> None:
    case = instances.load("ieee33_carbon")
    series = tuple(0.5 + 0.01 * t for t in range(case.horizon.periods))
    later = tuple(replace(s, departure_period=s.departure_period + (s.departure_period < 24)) for s in case.sessions)
    value = {"sessions": later, "willing_share": 0.5}.get(field, series)
    days = Scenarios((Scenario("a", 0.5), replace(Scenario("b", 0.5), **{field: value})))
    assert distances(days, case)[0, 1] > 0.1


@pytest.mark.parametrize("n", [0, 3, 1.5, True])
def test_refused(small: Instance, n: int) -> None:
    with pytest.raises(InstanceError, match="reduction of scenarios has n"):
        reduce_scenarios(priced([0.0, 1.0], small, [0.5, 0.5]), small, n)
