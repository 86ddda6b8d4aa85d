"""Records of emissions on the feeder: sources of fixed output with a known factor, the main grid's factor, the price of a kg."""

from __future__ import annotations

from dataclasses import dataclass

from instances.records import checks

__all__ = ["Carbon", "Renewable"]


@dataclass(frozen=True, slots=True)
class Renewable:
    """A source of fixed output at a bus, such as wind or sun; ``power_kw`` is fed in, one value a period, reactive power 0.

    ``emission_kg_per_kwh`` is its carbon emission factor in kg of CO2 per kWh fed in.
    """

    name: str
    bus: str
    power_kw: tuple[float, ...]
    emission_kg_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields; the instance checks the bus and the number of periods."""
        checks.as_tuples(self, "power_kw")
        checks.text("a renewable", "name", self.name)
        owner = f"renewable {self.name}"
        checks.text(owner, "bus", self.bus)
        checks.number(owner, "emission_kg_per_kwh", self.emission_kg_per_kwh, at_least=0)
        for period, power in enumerate(self.power_kw):
            checks.number(f"renewable {self.name} in period {period}", "power_kw", power, at_least=0)


@dataclass(frozen=True, slots=True)
class Carbon:
    """What a kg of CO2 costs, in currency ([X23] (9)), and the main grid's emission factor, one value a period in kg per kWh."""

    price_per_kg: float
    grid_factor_kg_per_kwh: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the fields; the instance checks the number of periods."""
        checks.as_tuples(self, "grid_factor_kg_per_kwh")
        checks.number("the carbon rules", "price_per_kg", self.price_per_kg, at_least=0)
        for period, factor in enumerate(self.grid_factor_kg_per_kwh):
            checks.number(f"the main grid in period {period}", "grid_factor_kg_per_kwh", factor, at_least=0)
