"""What a problem has to offer, so that heuristics and an exact method can be compared on it."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bilevel.reformulate.ties import Ties
from instances import Instance

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """A figure beside the objective: its column in files, its words, unit and decimals (None: three digits) for people."""

    column: str
    words: str
    unit: str
    decimals: int | None


@dataclass(frozen=True)
class ExactAnswer:
    """What an exact method says: objective and proven bound in the problem's own sense and unit, NaN where there is none.

    `status` and `reason` are as in `bilevel.Solution`; `details` are the problem's quantities at the point, by column, empty
    without one; `seconds` (of the clock) are from building the model to its recheck, `cpu_seconds` what the process worked.
    `by_rule` is the objective of the same decisions where indifferent followers choose by the rule of the heuristics instead of in
    the leader's favour: what a heuristic would have reported for them (NaN where it would call them infeasible).
    `optimistic_bound` and `optimistic_status` are of the optimistic answer, where the answer itself is of another convention of
    ties; NaN and "" where it is the optimistic one.
    """

    objective: float
    bound: float
    status: str
    reason: str
    seconds: float
    details: Mapping[str, float]
    by_rule: float = math.nan
    cpu_seconds: float = math.nan
    optimistic_bound: float = math.nan
    optimistic_status: str = ""

    @property
    def for_runs(self) -> tuple[float, str]:
        """Bound and status that hold for runs, whatever rule their users break ties by: those of the optimistic answer."""
        return (self.optimistic_bound, self.optimistic_status) if self.optimistic_status else (self.bound, self.status)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut the search short."""
        return "Ctrl-C" in self.reason


class Candidates(Protocol):
    """A problem as a function of genes in [0, 1]."""

    genes: int

    def evaluate(self, genes: ArrayLike) -> Any:
        """What n candidates (n, `genes`) achieve: a record of arrays (n,), among them `fitness` (minimised) and `penalty`."""


ONE_DAY = ("hash of days", "risk")
"""What stores say of days, None where there is one."""


def days_told(problem: Any) -> dict[str, str | None]:
    """What a store says of the days that a problem is over, by a hash of all that they hold; None of one day."""
    scenarios = getattr(problem, "scenarios", None)
    if scenarios is None:
        return dict.fromkeys(ONE_DAY)
    return {"hash of days": hashlib.sha256(repr(scenarios).encode()).hexdigest(), "risk": problem.risk}


def feasible(found: Any) -> NDArray[np.bool_]:
    """Which of n evaluated candidates break no limit."""
    return np.asarray((found.penalty <= 0) & np.isfinite(found.fitness))


class Problem(Protocol):
    """A problem of a case.  It goes to worker processes, so it has to be picklable."""

    @property
    def name(self) -> str:
        """Its name in the registry."""

    @property
    def case(self) -> Instance:
        """The case."""

    @property
    def objective(self) -> str:
        """The objective in words."""

    @property
    def unit(self) -> str:
        """The objective's unit."""

    @property
    def sense(self) -> int:
        """1 if a small objective is good, -1 if a large one is."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What is reported beside the objective."""

    @property
    def scale_words(self) -> str:
        """What gaps are relative to."""

    @property
    def solver(self) -> str:
        """The solver of the exact method."""

    @property
    def gap(self) -> float:
        """Relative gap of the exact method unless another is asked for."""

    @property
    def ties(self) -> Ties:
        """What the exact answer asks of followers who are indifferent."""

    @property
    def note(self) -> str:
        """What an exact point may do that no candidate can."""

    def candidates(self) -> Candidates:
        """The problem for heuristics; raises `BilevelError` or `InstanceError` where the case has none."""

    def achieved(self, found: Any) -> FloatArray:
        """The objective (n,) of evaluated candidates, in its own sense and unit, without any penalty."""

    def details(self, found: Any) -> Mapping[str, float]:
        """The quantities of one evaluated candidate, by column."""

    def exact(self, gap: float, time_limit: float | None, progress: bool) -> ExactAnswer:
        """The exact answer by the convention of `ties`, within a relative gap and seconds.

        Of another convention than optimistic it has the optimistic bound too, from a search of as many seconds.
        """

    def scale(self, reference: float) -> float:
        """What gaps are relative to, in the objective's unit, where the exact objective (or else its bound) is `reference`."""
