"""Cases that the tests of this folder share."""

from __future__ import annotations

import pytest

import instances


@pytest.fixture(scope="session")
def ieee33() -> instances.Instance:
    return instances.load("ieee33")


@pytest.fixture(scope="session")
def small() -> instances.Instance:
    """Three buses, two of them on one line, one station, one session, two periods."""
    buses = (instances.Bus("a", 0, 0), instances.Bus("b", 60, 20), instances.Bus("c", 40, 10))
    branches = (instances.Branch("a", "b", 0.5, 0.25), instances.Branch("c", "b", 1.0, 0.5, 200.0))
    return instances.Instance(
        name="small",
        currency="EUR",
        feeder=instances.Feeder(10.0, "a", 1.0, buses, branches),
        horizon=instances.Horizon(2, 0.5, "2024-01-01T00:00:00"),
        stations=(instances.Station("s", "c"),),
        sessions=(instances.Session("ev", "s", 0, 2, 6.0, 10.0),),
        load_factor=(0.5, 1.0),
        wholesale_price_per_kwh=(0.1, -0.02),
        price_limits=instances.PriceLimits(0.1, 0.4, 0.3),
        charging_efficiency=0.9,
        sources=(instances.Source("buses", "made up", "MIT"),),
    )
