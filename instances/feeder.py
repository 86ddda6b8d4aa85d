"""The feeder's records: buses, branches and the radial network that they form."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instances import checks
from instances.errors import InstanceError
from instances.network import Network
from instances.units import LEAST_BASE_KV

__all__ = ["Branch", "Bus", "Feeder"]


@dataclass(frozen=True, slots=True)
class Bus:
    """A node with its base load (three-phase; negative: generation) and voltage limits in per unit."""

    name: str
    load_kw: float
    load_kvar: float
    voltage_min_pu: float = 0.9
    voltage_max_pu: float = 1.1

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a bus", "name", self.name)
        owner = f"bus {self.name}"
        checks.number(owner, "load_kw", self.load_kw)
        checks.number(owner, "load_kvar", self.load_kvar)
        checks.number(owner, "voltage_min_pu", self.voltage_min_pu, at_least=0)
        checks.number(owner, "voltage_max_pu", self.voltage_max_pu, above=0)
        if self.voltage_min_pu > self.voltage_max_pu:
            raise InstanceError(
                f"{owner} has voltage_min_pu {self.voltage_min_pu} "
                f"above voltage_max_pu {self.voltage_max_pu}; swap them"
            )


@dataclass(frozen=True, slots=True)
class Branch:
    """A line between two buses, named in either order, with series ohm per phase and its limits."""

    from_bus: str
    to_bus: str
    resistance_ohm: float
    reactance_ohm: float
    current_max_a: float = math.inf
    power_max_kva: float = math.inf

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a branch", "from_bus", self.from_bus)
        checks.text("a branch", "to_bus", self.to_bus)
        owner = f"branch {self.name}"
        if self.from_bus == self.to_bus:
            raise InstanceError(f"{owner} joins bus {self.from_bus} to itself; give two different buses")
        checks.number(owner, "resistance_ohm", self.resistance_ohm, at_least=0)
        checks.number(owner, "reactance_ohm", self.reactance_ohm, at_least=0)
        checks.number(owner, "current_max_a", self.current_max_a, above=0, unlimited=True)
        checks.number(owner, "power_max_kva", self.power_max_kva, above=0, unlimited=True)

    @property
    def name(self) -> str:
        """Both buses, as "3-4", in the direction of the data."""
        return f"{self.from_bus}-{self.to_bus}"


@dataclass(frozen=True, slots=True)
class Feeder:
    """A radial three-phase network; ``base_kv`` is line-to-line, ``substation_voltage_pu`` is held."""

    base_kv: float
    substation: str
    substation_voltage_pu: float
    buses: tuple[Bus, ...]
    branches: tuple[Branch, ...]

    def __post_init__(self) -> None:
        """Check the fields and names, and by building the `Network` that the feeder is radial."""
        checks.as_tuples(self, "buses", "branches")
        checks.number("the feeder", "base_kv", self.base_kv, at_least=LEAST_BASE_KV)
        checks.text("the feeder", "substation", self.substation)
        checks.number("the feeder", "substation_voltage_pu", self.substation_voltage_pu, above=0)
        checks.filled("the feeder", "buses", self.buses)
        checks.filled("the feeder", "branches", self.branches)
        checks.unique("buses", (bus.name for bus in self.buses))
        self._check_references()
        Network.from_feeder(self)

    def _check_references(self) -> None:
        """Refuse unknown buses, and a substation voltage outside the substation's own limits."""
        buses = {bus.name: bus for bus in self.buses}
        checks.known("the feeder's substation", "bus", self.substation, buses)
        for branch in self.branches:
            for end in (branch.from_bus, branch.to_bus):
                checks.known(f"branch {branch.name}", "bus", end, buses)
        low, high = buses[self.substation].voltage_min_pu, buses[self.substation].voltage_max_pu
        if not low <= self.substation_voltage_pu <= high:
            raise InstanceError(
                f"the feeder has substation_voltage_pu {self.substation_voltage_pu} outside the "
                f"limits {low} to {high} of bus {self.substation}; change the voltage or the limits"
            )
