"""Cases that the tests of this folder share."""

from __future__ import annotations

from dataclasses import replace

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


@pytest.fixture(scope="session")
def full(small: instances.Instance) -> instances.Instance:
    """The small case with every optional part."""
    aggregator = instances.Aggregator("a", "s", 10.0, 5.0, 4.0, 3.0, 0.9, 0.8)
    credit = instances.Credit(
        lateness_factor_per_minute=0.05,
        time_factor=0.5,
        fee_factor_per_kwh=0.1,
        fee_min_per_kwh=0.02,
        fee_max_per_kwh=0.12,
        recommended_stations=1,
        congestion_cost_km=5.0,
        valley_periods=(0,),
        peak_periods=(1,),
        reservations=(instances.Reservation("ev", 7.5),),
        distances=(instances.Distance("ev", "s", 1.25),),
    )
    return replace(
        small,
        generators=(instances.Generator("g", "b", 0.0, 50.0, -10.0, 20.0, 0.05, emission_kg_per_kwh=0.5),),
        market=instances.Market((aggregator,), (0.1, 0.2), (0.2, 0.3), (0.05, 0.1), 0.02),
        credit=credit,
        renewables=(instances.Renewable("w", "c", (3.0, 70.5)), instances.Renewable("gas", "b", (1.0, 0.0), 0.2)),
        carbon=instances.Carbon(0.0068, (0.25, 0.1)),
    )
