"""What the models of result files share: kinds of values, certificates, answers, problems."""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from bilevel.status import Status
from formulations.objectives import OBJECTIVES
from formulations.options import declared
from formulations.parts import ALL

Number = float | None
Count = Annotated[int, Meta(ge=0, le=2**53)]
Least0 = Annotated[float, Meta(ge=0)]
Scalar = bool | float | str | None
Option = Scalar | list[Scalar]
Seconds = dict[str, Least0]
Weights = dict[str, float]
Versions = dict[str, str]
Word = Literal["checked", "solver", "none"]


class Check(Struct):
    """A line of a certificate; value None is one that is no number."""

    check: str
    ok: bool
    value: Number
    tolerance: Number
    unit: str
    where: str
    detail: str
    kind: str = ""

    def __post_init__(self) -> None:
        """Refuse a line that says otherwise than its numbers."""
        passes = self.tolerance is None or (self.value is not None and self.value <= self.tolerance)
        if self.ok and not passes:
            raise ValueError(f"check {self.check[:80]!r} says ok with a value above its tolerance")


class Search(Struct):
    """How an answer was searched for, as pages tell it."""

    solver: str | None = None
    mode: str | None = None
    mode_asked: str | None = None
    cones: str | None = None
    gap: Number = None
    time_limit: Number = None
    ties: str | None = None
    margin: Number = None


class Answer(Struct, kw_only=True):
    """What a `Solution` says of itself."""

    status: Status
    reason: str
    objective: Number
    bound: Number
    gap: Number
    certificate: list[Check]


class Way(Answer, kw_only=True):
    """A way of a market; `figures` by column."""

    settings: Search = msgspec.field(default_factory=Search)
    seconds: Seconds = msgspec.field(default_factory=dict)
    figures: dict[str, Number] = msgspec.field(default_factory=dict)


class Days(Struct, kw_only=True):
    """Days that may come: `scenarios` says how many were drawn, or the folder that holds them; None for one day."""

    scenarios: str | None = None
    risk: str | None = None
    chance: str | None = None
    willing: str | None = None
    scenarios_seed: Count | None = None


if TYPE_CHECKING:

    class Parts(Days):
        """The options that parts declare."""

    class Outcome(Parts):
        """These, and what objectives achieve."""
else:
    # What parts declare and what objectives achieve is in no list but their registries
    Parts = msgspec.defstruct("Parts", [(name, Option, None) for name in declared(ALL)], bases=(Days,), kw_only=True)
    _ACHIEVED = [(objective.column, Number, None) for objective in OBJECTIVES.values()]
    Outcome = msgspec.defstruct("Outcome", _ACHIEVED, bases=(Parts,), kw_only=True)


class Problem(Parts, kw_only=True):
    """The case and the options of a problem."""

    case: str
    currency: str
    evs: Count | None = None
    seed: Count | None = None
    tariff: str | UnsetType = UNSET
    follower: str | UnsetType = UNSET
    flow: str | UnsetType = UNSET
    demand: str | UnsetType = UNSET
    versions: Versions
    seconds: Seconds = msgspec.field(default_factory=dict)


class Solved(Outcome, kw_only=True):
    """The case of a solve, and what came of it."""

    name: str
    currency: str
    objective: Weights
    evs: Count | None = None
    seed: Count | None = None
    tariff: str | UnsetType = UNSET
    follower: str | UnsetType = UNSET
    flow: str | UnsetType = UNSET
