"""Fewer scenarios in place of many, chosen so that the probability that moves has a short way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from instances import tolerances
from instances.fleet.realise import realise
from instances.fleet.scale import uncontrolled_load_kw
from instances.grid.loads import base_load_kw
from instances.grid.network import Network
from instances.grid.units import FloatArray
from instances.records import checks
from instances.records.errors import InstanceError
from instances.records.scenarios import Scenarios
from instances.records.schema import Instance, Session

__all__ = ["Reduction", "distances", "reduce_scenarios"]


@dataclass(frozen=True, slots=True)
class Reduction:
    """The scenarios that were kept, with the probabilities of all, and how far they are from all.

    ``distance`` is the Kantorovich distance: the sum over all scenarios of probability times distance to the nearest one that was
    kept.  ``spread`` is the distance of the best single scenario, beside which it is short or long.  Both have no unit: a distance
    of 1 is one standard deviation in one of the parts that `reduce_scenarios` compares.
    """

    scenarios: Scenarios
    distance: float
    spread: float


def reduce_scenarios(scenarios: Scenarios, case: Instance, n: int) -> Reduction:
    """Return ``n`` of the scenarios of a case, to each of which the probability of those nearest to it is moved.

    They are found by forward selection: one after the other that which shortens the Kantorovich distance most; the first is the
    best single one, several need not be the best set.  Source: H. Heitsch, W. Römisch, Scenario reduction algorithms in stochastic
    programming, Computational Optimization and Applications 24, 2003.  The distance of two scenarios is Euclidean, over the
    charging power by station and period when every vehicle charges as early as it can, the same as late as it can (so that
    windows and users who ignore prices count), the base load less renewables by period, and the price by period; each of the
    four is divided by its standard deviation over the scenarios.

    Raises `InstanceError` when ``n`` is not from 1 to the number of scenarios, and where a scenario does not fit the case.
    """
    checks.integer("the reduction of scenarios", "n", n, at_least=1)
    count = len(scenarios.scenarios)
    if n > count:
        raise InstanceError(
            f"the reduction of scenarios has n {n} but there are {count} of them; keep at most that many"
        )
    probability, ways = _probabilities(scenarios), distances(scenarios, case)
    kept = _forward(ways, probability, int(n))
    nearest = np.array(kept)[ways[:, kept].argmin(axis=1)]
    # One that stands beside its equal keeps its own probability
    nearest[kept] = kept
    found = tuple(
        replace(scenarios.scenarios[k], probability=math.fsum(probability[nearest == k].tolist())) for k in sorted(kept)
    )
    distance = float(probability @ ways[:, kept].min(axis=1))
    return Reduction(Scenarios(found), distance, float((probability @ ways).min()))


def distances(scenarios: Scenarios, case: Instance) -> FloatArray:
    """Return the distance of every two scenarios as `reduce_scenarios` measures it, shape (n, n)."""
    days = [realise(case, scenario) for scenario in scenarios.scenarios]
    network, weights = Network.of(case.feeder), _probabilities(scenarios)[:, np.newaxis]
    parts = (
        [uncontrolled_load_kw(day).ravel() for day in days],
        [_latest_load_kw(day).ravel() for day in days],
        [base_load_kw(day, network).sum(axis=1) for day in days],
        [np.array(day.wholesale_price_per_kwh) for day in days],
    )
    columns = np.hstack(list(_scaled(parts, weights)))
    return cdist(columns, columns)


def _probabilities(scenarios: Scenarios) -> FloatArray:
    return np.array([scenario.probability for scenario in scenarios.scenarios], dtype=np.float64)


def _scaled(parts: tuple[list[FloatArray], ...], weights: FloatArray) -> Iterator[FloatArray]:
    """Yield each part over its standard deviation, shape (n, values); of a part without one, zeros."""
    for rows in parts:
        values = np.array(rows)
        values = values - (weights * values).sum(axis=0)
        deviation = math.sqrt(float((weights * values**2).sum()))
        none = deviation <= tolerances.NO_SPREAD * float(np.abs(np.array(rows)).max())
        yield np.zeros_like(values) if none else values / deviation


def _latest_load_kw(day: Instance) -> FloatArray:
    """Return the charging power in kW when every vehicle charges as late as it can, shape (stations, periods)."""
    periods = day.horizon.periods

    def mirrored(session: Session) -> Session:
        first, last = periods - session.departure_period, periods - session.arrival_period
        return replace(session, arrival_period=first, departure_period=last)

    # With time turned round the latest schedule is the earliest one
    return uncontrolled_load_kw(replace(day, sessions=tuple(map(mirrored, day.sessions))))[:, ::-1]


def _forward(ways: FloatArray, probability: FloatArray, n: int) -> list[int]:
    """Return the scenarios in the order in which forward selection takes them."""
    nearest, kept = np.full(probability.size, np.inf), list[int]()
    free: NDArray[np.int64] = np.arange(probability.size)
    for _ in range(n):
        best = int(free[(probability @ np.minimum(nearest[:, np.newaxis], ways[:, free])).argmin()])
        kept.append(best)
        free = free[free != best]
        nearest = np.minimum(nearest, ways[:, best])
    return kept
