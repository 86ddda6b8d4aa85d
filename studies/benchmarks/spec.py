"""One benchmark: a problem, a way to formulate and solve it, and limits, with a key that stays the same."""

import math
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import instances
from bilevel import relax as cones
from bilevel import solvers
from bilevel.errors import BilevelError, UnknownNameError
from bilevel.reformulate import modes
from bilevel.search.plan import AUTO, parts_of
from formulations import objectives, power_flow
from formulations.followers import FOLLOWERS

PROBLEM = ("feeder", "periods", "evs", "seed", "objective", "follower", "gap", "time_limit")
"""Fields that say what is solved, and how far."""

CONFIGURATION = ("cones", "solver", "mode", "flow", "aggregate", "scaling", "root")
"""Fields that say how: those that are compared with each other on one problem."""

_WORDS = {"aggregate": ("each EV", "aggregated"), "scaling": ("unscaled", "scaled")}


def _whole(name: str, value: Any, least: int) -> None:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise BilevelError(f"{name} of a benchmark is {value!r}: give a whole number that is at least {least}")


@dataclass(frozen=True)
class Spec:
    """What one run does; the defaults are the package's own way, to which others are compared.

    - `feeder`: a shipped case (`instances.list_cases`), from whose sessions `evs` are drawn, or a feeder (`instances.list_feeders`)
      for which they are generated; `periods` of the day; `evs`, `seed` of the fleet;
    - `objective`, `follower`, `flow`, `aggregate`: as `formulations.charging_pricing` takes them;
    - `mode`, `cones`, `solver`, `scaling`, `gap` (relative), `time_limit` (seconds of the search), `root`: as `bilevel.solve` takes
      them.

    Raises `UnknownNameError` for a part that is not registered and `BilevelError` for a number that cannot be.
    """

    feeder: str = "ieee33"
    periods: int = 24
    evs: int = 20
    seed: int = 0
    objective: str = "loss=1,profit=1"
    follower: str = "ev_user"
    flow: str = "distflow"
    aggregate: bool = True
    mode: str = AUTO
    cones: str = "tangent"
    solver: str = "highs"
    scaling: bool = True
    gap: float = 1e-4
    time_limit: float = 60.0
    root: str = AUTO

    def __post_init__(self) -> None:
        """Check the fields."""
        for name, least in (("periods", 1), ("evs", 1), ("seed", 0)):
            _whole(name, getattr(self, name), least)
        for name in ("gap", "time_limit"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise BilevelError(f"{name} of a benchmark is {value!r}: give a positive number")
            object.__setattr__(self, name, float(value))
        feeders = (*instances.list_cases(), *instances.list_feeders())
        if self.feeder not in feeders:
            raise UnknownNameError("feeder", self.feeder, feeders)
        if self.follower not in FOLLOWERS:
            raise UnknownNameError("follower", self.follower, FOLLOWERS)
        objectives.parse(self.objective)
        power_flow.find(self.flow)
        cones.find(self.cones)
        solvers.find(self.solver)
        if self.mode != AUTO:
            modes.find(self.mode)
        parts_of(self.root)

    @property
    def key(self) -> str:
        """All fields in one line, in a fixed order: equal specs have equal keys in every process and version."""
        values = asdict(self)
        # Stores of older versions know no root, and their keys stay what they are
        named = [name for name in CONFIGURATION if name != "root" or self.root != AUTO]
        words = [words_of(name, values[name]) for name in named]
        sizes = [self.feeder, f"{self.periods} periods", f"{self.evs} EVs", f"seed {self.seed}"]
        limits = [f"gap {self.gap!r}", f"{self.time_limit!r} s"]
        return " | ".join([*sizes, self.objective, self.follower, *words, *limits])

    def to_dict(self) -> dict[str, Any]:
        """The fields in plain types; `Spec(**...)` makes the spec of them again."""
        return asdict(self)

    def with_limit(self, seconds: float | None) -> "Spec":
        """The spec with another time limit; itself without one."""
        return self if seconds is None else replace(self, time_limit=seconds)


FIELDS = tuple(field.name for field in fields(Spec))
"""Names of a spec's fields, in order."""

DEFAULT = {name: getattr(Spec(), name) for name in CONFIGURATION}
"""The configuration to which others are compared: tangents on HiGHS."""


def words_of(name: str, value: Any) -> str:
    """A field of a configuration for people."""
    return _WORDS[name][bool(value)] if name in _WORDS else f"root {value}" if name == "root" else str(value)


def is_default(row: Mapping[Any, Any]) -> bool:
    """Whether a row with the fields of a configuration has those of the default."""
    return all(row[name] == value for name, value in DEFAULT.items())
