"""A model of every JSON file of results, by the file's name: fields, kinds of values, and what may be missing.

Fields without a default are those of every version since there are pages; the others came later.  Unknown fields are passed over:
versions to come may have more.  Numbers are finite, None stands where there is none.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bilevel.status import Status
from studies.results_files.parts import (
    Answer,
    Count,
    Least0,
    Number,
    Problem,
    Search,
    Seconds,
    Solved,
    Versions,
    Way,
    Weights,
    Word,
)

Verdicts: Any = Literal[(*(status.value for status in Status), "contradiction")]


class SolutionFile(Answer, kw_only=True):
    """solution.json of `bilevel solve`."""

    case: Solved
    settings: Search
    versions: Versions
    seconds: Seconds
    proven: Word | UnsetType = UNSET


class Point(Struct, kw_only=True):
    """A point of a front."""

    network_loss_kwh: float
    station_profit: float
    status: Status
    bound: Number
    gap: Number
    limit: Number = None
    seconds: Least0 | None = None
    proven: Word | UnsetType = UNSET


class FrontSettings(Search, kw_only=True):
    """How a front was traced."""

    method: str
    points: Count
    tolerance: Number = None
    # Told by every version, as each point's certificate is held against it
    gap: float


class Ends(Struct):
    """Least and most."""

    least: Number
    most: Number


class FrontFile(Problem, kw_only=True):
    """front.json."""

    complete: bool
    reason: str
    certified: bool
    least_limited: Number
    most_maximized: Number
    hypervolume: Ends
    settings: FrontSettings
    points: list[Point]
    proven: dict[str, Word] = msgspec.field(default_factory=dict)


class TraceSettings(Struct):
    """How an equilibrium was sought."""

    damping: float | str
    tolerance: float
    max_iterations: Count
    fee_per_kwh: Number


class TraceFile(Problem, kw_only=True):
    """trace.json."""

    status: str
    reason: str
    iterations: Count
    residual: Number
    settings: TraceSettings
    network_loss_kwh: Number
    station_profit: Number
    prices: dict[str, Number]
    solution: Answer


class Beside(Struct):
    """Where an equilibrium lies beside a front."""

    side: str


class ComparisonFile(Problem, kw_only=True):
    """comparison.json of `bilevel compare-equilibrium`."""

    comparison: Beside | None


class Difference(Struct):
    """What a market's iteration costs more."""

    found: Number
    proven_at_most: Number
    contradiction: str


class Ways(Struct, kw_only=True):
    """The ways of a market; days that may come have no equilibrium."""

    exact: Way
    equilibrium: Way | UnsetType = UNSET
    cooperative: Way


class Verdict(Struct):
    """What a market came to."""

    status: Verdicts
    reason: str


class Trace(Struct):
    """How a market's iteration ended."""

    status: str
    reason: str


class MarketSettings(Struct, kw_only=True):
    """How the ways of a market were solved."""

    solver: str | None = None
    gap: Number = None
    time_limit: Number = None
    damping: float | str | None = None
    max_iterations: Count | None = None


class MarketFile(Problem, kw_only=True):
    """market.json."""

    demand: str
    fee_per_kwh: Number
    loss_price_per_kwh: Number
    settings: MarketSettings
    difference: Difference
    verdict: Verdict
    ways: Ways
    trace: Trace | None = None

    def __post_init__(self) -> None:
        """Refuse one day without its equilibrium."""
        if self.scenarios is None and (self.ways.equilibrium is UNSET or self.trace is None):
            raise ValueError("ways of one day are without equilibrium or trace")


class Machine(Struct):
    """What a comparison ran on."""

    platform: str
    cores: Count | None


class Contest(Struct):
    """The problem of a comparison of methods."""

    name: str
    objective: str
    unit: str
    sense: Literal["minimise", "maximise"]
    note: str
    scale: Number = None
    ties: str | None = None
    margin: Number = None


class Said(Struct):
    """What the exact bound says of runs."""

    contradiction: bool
    sentence: str


class Exact(Struct, kw_only=True):
    """The exact answer of a comparison."""

    status: Status
    reason: str
    objective: Number
    bound: Number
    details: dict[str, Number] = msgspec.field(default_factory=dict)
    optimistic_bound: Number = None
    optimistic_status: str = ""


class ContestSettings(Struct, kw_only=True):
    """How methods were compared."""

    methods: list[str] = msgspec.field(default_factory=list)
    runs: Count | None = None
    budget: Count | None = None
    population: Count | None = None
    seed: Count | None = None
    gap: Number = None
    time_limit: Number = None


class CompareFile(Problem, kw_only=True):
    """compare.json."""

    problem: Contest
    settings: ContestSettings
    complete: bool
    verdict: Said
    exact: Exact | None
    machine: Machine | None = None


class Margin(Struct, kw_only=True):
    """A row of the price of security."""

    margin_per_kwh: float
    status: Status
    objective: Number
    bound: Number
    gap: Number
    worst_tie: Number
    broken_row: str
    charging_peak_kw: Number = None
    network_loss_kwh: Number = None
    station_profit: Number = None


class SecuritySettings(Search, kw_only=True):
    """How the price of security was sought."""

    margins: list[float] = msgspec.field(default_factory=list)


class SecurityFile(Problem, kw_only=True):
    """security.json."""

    objective: Weights
    settings: SecuritySettings
    unit: str
    sense: Literal["minimise", "maximise"]
    complete: bool
    closed: bool
    rows: list[Margin]


MODELS: dict[str, Any] = {
    "solution.json": SolutionFile, "front.json": FrontFile, "trace.json": TraceFile, "comparison.json": ComparisonFile,
    "market.json": MarketFile, "compare.json": CompareFile, "security.json": SecurityFile,
}  # fmt: skip
"""The model of each file by its name."""
