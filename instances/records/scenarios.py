"""Days that may come: what differs from a case in each scenario, and how likely it is (docs/model.md section 11)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instances import tolerances
from instances.records import checks
from instances.records.errors import InstanceError
from instances.records.schema import Session

__all__ = ["Scenario", "Scenarios", "Willing"]


@dataclass(frozen=True, slots=True)
class Willing:
    """Of the vehicles of a session the share that follows prices, from 0 to 1; the others charge on arrival."""

    session: str
    willing_share: float

    def __post_init__(self) -> None:
        """Check the fields."""
        checks.text("a willing share", "session", self.session)
        checks.number(f"session {self.session}", "willing_share", self.willing_share, at_least=0, at_most=1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One day that may come; what is None is as in the case.

    ``load_factor``, ``wholesale_price_per_kwh`` and ``sessions`` stand in place of the case's own; ``renewable_factor`` multiplies
    the power of every renewable; series have one value per period.  ``willing_share`` is that of every session but those that
    ``willing`` names.
    """

    name: str
    probability: float
    sessions: tuple[Session, ...] | None = None
    load_factor: tuple[float, ...] | None = None
    wholesale_price_per_kwh: tuple[float, ...] | None = None
    renewable_factor: tuple[float, ...] | None = None
    willing_share: float = 1.0
    willing: tuple[Willing, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields that need no case."""
        checks.text("a scenario", "name", self.name)
        owner = f"scenario {self.name}"
        for field in ("sessions", "load_factor", "wholesale_price_per_kwh", "renewable_factor"):
            if getattr(self, field) is not None:
                checks.as_tuples(self, field)
        checks.as_tuples(self, "willing")
        checks.number(owner, "probability", self.probability, above=0, at_most=1)
        checks.number(owner, "willing_share", self.willing_share, at_least=0, at_most=1)
        checks.unique(f"willing shares of {owner}", (item.session for item in self.willing))
        for at, factor in enumerate(self.renewable_factor or ()):
            checks.number(f"period {at} of {owner}", "renewable_factor", factor, at_least=0)


@dataclass(frozen=True, slots=True)
class Scenarios:
    """Scenarios whose probabilities add up to 1."""

    scenarios: tuple[Scenario, ...]

    def __post_init__(self) -> None:
        """Check that there are some, with names of their own, and that one of them comes."""
        checks.as_tuples(self, "scenarios")
        checks.filled("the scenarios", "scenarios", self.scenarios)
        checks.unique("scenarios", (scenario.name for scenario in self.scenarios))
        total = math.fsum(scenario.probability for scenario in self.scenarios)
        if abs(total - 1) > tolerances.PROBABILITY_SLACK:
            raise InstanceError(
                f"the scenarios have probabilities that add up to {total:.12g}; let them add up to 1, as by dividing each by that"
            )
