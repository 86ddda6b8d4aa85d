"""The feeder's records: buses, branches and the radial network that they form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from instances import tolerances
from instances.records import checks, tree
from instances.records.errors import InstanceError

__all__ = ["SUPPLY_LIMITS", "Branch", "Bus", "Feeder"]

# No transformer's taps reach that far, and a ratio of kV over kV is beyond
LEAST_TAP = 0.2
# Columns of tables that are written only where some row has another value than the default
RARE = {"rare": True}
SUPPLY_LIMITS = ("supply_min_kw", "supply_max_kw", "supply_min_kvar", "supply_max_kvar")


@dataclass(frozen=True, slots=True)
class Bus:
    """A node with its base load (three-phase; negative: generation) and voltage limits in per unit.

    A shunt at the bus draws ``shunt_kw`` and feeds in ``capacitor_kvar`` (negative: a reactor) at 1 pu, both times the squared
    voltage at others.
    """

    name: str
    load_kw: float
    load_kvar: float
    voltage_min_pu: float = 0.9
    voltage_max_pu: float = 1.1
    shunt_kw: float = field(default=0.0, metadata=RARE)
    capacitor_kvar: float = field(default=0.0, metadata=RARE)

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a bus", "name", self.name)
        owner = f"bus {self.name}"
        checks.number(owner, "load_kw", self.load_kw)
        checks.number(owner, "load_kvar", self.load_kvar)
        checks.number(owner, "voltage_min_pu", self.voltage_min_pu, at_least=0)
        checks.number(owner, "voltage_max_pu", self.voltage_max_pu, above=0)
        checks.number(owner, "shunt_kw", self.shunt_kw, at_least=0)
        checks.number(owner, "capacitor_kvar", self.capacitor_kvar)
        if self.voltage_min_pu > self.voltage_max_pu:
            raise InstanceError(
                f"{owner} has voltage_min_pu {self.voltage_min_pu} "
                f"above voltage_max_pu {self.voltage_max_pu}; swap them"
            )


@dataclass(frozen=True, slots=True)
class Branch:
    """A line or transformer between two buses with series ohm per phase and the limits of its sending end.

    The buses are named in either order, unless ``tap_ratio`` is not 1: an ideal transformer at ``from_bus`` then has the voltage of
    that bus, in per unit, over the ratio behind it, where the impedance and half of the charging stand. ``charging_kvar`` is what
    the line's capacitance feeds in at 1 pu, half at each end.
    """

    from_bus: str
    to_bus: str
    resistance_ohm: float
    reactance_ohm: float
    current_max_a: float = math.inf
    power_max_kva: float = math.inf
    tap_ratio: float = field(default=1.0, metadata=RARE)
    charging_kvar: float = field(default=0.0, metadata=RARE)

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
        checks.number(owner, "tap_ratio", self.tap_ratio, at_least=LEAST_TAP, at_most=1 / LEAST_TAP)
        checks.number(owner, "charging_kvar", self.charging_kvar)

    @property
    def name(self) -> str:
        """Both buses, as "3-4", in the direction of the data."""
        return f"{self.from_bus}-{self.to_bus}"


@dataclass(frozen=True, slots=True)
class Feeder:
    """A radial three-phase network; ``base_kv`` is line-to-line, ``substation_voltage_pu`` is held.

    ``supply_min_kw`` to ``supply_max_kvar`` limit what the main grid feeds into the substation: active and reactive power of all
    that the feeder draws, infinite where there is no limit.
    """

    base_kv: float
    substation: str
    substation_voltage_pu: float
    buses: tuple[Bus, ...]
    branches: tuple[Branch, ...]
    supply_min_kw: float = -math.inf
    supply_max_kw: float = math.inf
    supply_min_kvar: float = -math.inf
    supply_max_kvar: float = math.inf

    def __post_init__(self) -> None:
        """Check the fields and names, and that the feeder is radial."""
        checks.as_tuples(self, "buses", "branches")
        checks.number("the feeder", "base_kv", self.base_kv, at_least=tolerances.LEAST_BASE_KV)
        checks.text("the feeder", "substation", self.substation)
        checks.number("the feeder", "substation_voltage_pu", self.substation_voltage_pu, above=0)
        checks.filled("the feeder", "buses", self.buses)
        checks.filled("the feeder", "branches", self.branches)
        checks.unique("buses", (bus.name for bus in self.buses))
        self._check_references()
        self._check_supply()
        tree.oriented(self.substation, [bus.name for bus in self.buses], tree.ends(self.branches))

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

    def _check_supply(self) -> None:
        """Refuse limits of the supply that are no numbers or in the wrong order."""
        for low, high in (SUPPLY_LIMITS[:2], SUPPLY_LIMITS[2:]):
            least, most = getattr(self, low), getattr(self, high)
            if least != -math.inf:
                checks.number("the feeder", low, least)
            checks.number("the feeder", high, most, unlimited=True)
            if least > most:
                raise InstanceError(f"the feeder has {low} {least} above {high} {most}; swap them")
