"""What is compared: methods, runs, budgets and limits, checked before any work."""

import operator
from dataclasses import asdict, dataclass
from typing import Any

from bilevel.errors import BilevelError, UnknownNameError
from bilevel.heuristics import HEURISTICS
from bilevel.heuristics.population import LEAST_POPULATION

EXACT = "exact"
METHODS = (EXACT, *HEURISTICS)


@dataclass(frozen=True)
class Settings:
    """How methods are compared.

    - `methods`: "exact" and names of `bilevel.heuristics.HEURISTICS`, in the order of the table;
    - `runs` of each heuristic with the seeds `seed`, `seed` + 1, ..., each of `budget` evaluations in populations of `population`;
    - `gap` (relative, None for the problem's own) and `time_limit` (seconds, None for no limit) of the one exact search.

    Raises `UnknownNameError` for a method and `BilevelError` for a number that cannot be.
    """

    methods: tuple[str, ...] = METHODS
    runs: int = 20
    budget: int = 3000
    population: int = 30
    seed: int = 0
    gap: float | None = None
    time_limit: float | None = 300.0

    def __post_init__(self) -> None:
        """Check the fields."""
        object.__setattr__(self, "methods", tuple(self.methods))
        for method in self.methods:
            if method not in METHODS:
                raise UnknownNameError("method", method, METHODS)
            if self.methods.count(method) > 1:
                raise BilevelError(f"methods name {method!r} twice: give each method once")
        if not self.methods:
            raise BilevelError(f"methods are empty: give at least one of {', '.join(METHODS)}")
        for name, least in (("runs", 1), ("population", LEAST_POPULATION), ("seed", 0)):
            _whole(name, getattr(self, name), least)
        _whole("budget", self.budget, self.population, "that of the population, ")
        for name in ("gap", "time_limit"):
            _positive(name, getattr(self, name))

    @property
    def exact(self) -> bool:
        """Whether the exact method takes part."""
        return EXACT in self.methods

    @property
    def heuristics(self) -> tuple[str, ...]:
        """The heuristics, in the order of the methods."""
        return tuple(method for method in self.methods if method != EXACT)

    @property
    def tasks(self) -> list[tuple[str, int]]:
        """Heuristic and seed of every run: all heuristics of one seed, then those of the next."""
        return [(method, self.seed + run) for run in range(self.runs) for method in self.heuristics]

    def to_dict(self) -> dict[str, Any]:
        """The settings in plain types."""
        return asdict(self) | {"methods": list(self.methods)}


def _whole(name: str, value: Any, least: int, why: str = "") -> None:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise BilevelError(f"{name} is {value!r}: give a whole number that is at least {why}{least}")


def _positive(name: str, value: Any) -> None:
    if value is not None and not (isinstance(value, int | float) and 0 < value < float("inf")):
        raise BilevelError(f"{name} is {value!r}: give a positive number")
