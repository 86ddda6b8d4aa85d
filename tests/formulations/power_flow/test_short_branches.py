"""Branches with next to no impedance, such as couplers: as if their two buses were one."""

from __future__ import annotations

from dataclasses import replace

import pytest

import bilevel
import formulations
import instances
from instances import Branch, Bus, Feeder, Instance

KV, OHM = 10.0, 4.0
LOWEST_PU = 0.9


def coupled(ohm: float | None) -> Instance:
    """The tiny case's fleet behind a line of 4 ohm and a coupler of so many ohms; None without a coupler."""
    case = instances.scale(instances.load("ieee33"), 5)
    ends = [Bus("s", 0.0, 0.0), Bus("end", 1200.0, 300.0, LOWEST_PU, 1.03)]
    branches = [Branch("s", "end", OHM, OHM)]
    if ohm is not None:
        ends.insert(1, Bus("middle", 0.0, 0.0, LOWEST_PU, 1.03))
        branches = [Branch("s", "middle", OHM, OHM), Branch("middle", "end", ohm, ohm)]
    stations = tuple(replace(station, bus="end") for station in case.stations)
    return replace(case, feeder=Feeder(KV, "s", 1.03, tuple(ends), tuple(branches)), stations=stations, generators=())


@pytest.mark.parametrize("solver", ["highs", "gurobi"])
@pytest.mark.parametrize("ohm", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("objective", ["loss", "loss=1,profit=0.5"])
def test_a_coupler_changes_nothing(objective: str, ohm: float, solver: str) -> None:
    found = [
        bilevel.solve(formulations.charging_pricing(coupled(each), objective), solver, progress=False)
        for each in (ohm, None)
    ]
    assert [solution.status for solution in found] == ["certified"] * 2, found[0].reason
    assert found[0].objective == pytest.approx(found[1].objective, rel=3e-4 + ohm / OHM)
