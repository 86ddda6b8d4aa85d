"""A case of two hours with three days that may come, of which everything is known by hand."""

import instances
from instances import Instance, Scenario, Scenarios, Session


def two_hours(price: tuple[float, float] = (0.1, 0.2)) -> Instance:
    """Two buses, one station, one user who needs one of two hours; the lower base load is in the second."""
    buses = (instances.Bus("a", 0, 0), instances.Bus("b", 60, 20))
    return Instance(
        name="two hours", currency="EUR", feeder=instances.Feeder(10.0, "a", 1.0, buses, (instances.Branch("a", "b", 0.5, 0.2),)),
        horizon=instances.Horizon(2, 1.0, "2024-01-01T00:00:00"), stations=(instances.Station("s", "b"),),
        sessions=(Session("ev", "s", 0, 2, 9.0, 10.0),), load_factor=(1.0, 0.5), wholesale_price_per_kwh=price,
        price_limits=instances.PriceLimits(0.1, 0.5, 0.3), charging_efficiency=0.9, sources=(),
    )  # fmt: skip


DAYS = Scenarios((
    Scenario("cheap nights", 0.25, wholesale_price_per_kwh=(0.3, 0.0)),
    Scenario("as it is", 0.5),
    Scenario("nobody follows prices", 0.25, willing_share=0.0),
))  # fmt: skip
