"""What a search has found: a bound, the best point, or a verdict without one."""

from dataclasses import dataclass

import numpy as np

from bilevel.model import Check
from bilevel.program.rows import Mask, Vector
from bilevel.status import Verdict


@dataclass(frozen=True)
class Known:
    """A point over the reformulation's columns, the pairs whose slack is zero there, and a bound of the whole program."""

    x: Vector
    slack_zero: Mask
    bound: float


@dataclass
class Incumbent:
    """The best point known so far, with the best bound: of the minimised program, over the reformulation's columns.

    `verdict` is "infeasible" or "unbounded" when that is what is proven, "not_attained" of a point whose bound no decision attains,
    else ""; `proof` are the checks that say how; `ended`
    says why a search stopped with an open gap, where neither time nor Ctrl-C was the reason.
    """

    bound: float = -np.inf
    objective: float = np.inf
    x: Vector | None = None
    slack_zero: Mask | None = None
    verdict: Verdict = ""
    rounds: int = 0
    proof: tuple[Check, ...] = ()
    ended: str = ""

    def gap(self, floor: float) -> float:
        """(objective - bound) / |objective| (at least `floor`), infinite without a point or a bound."""
        if self.x is None or not np.isfinite(self.bound):
            return float("inf")
        # A little below its bound a point is by rounding; what is more than that `refuted` looks at
        return max(0.0, self.objective - self.bound) / max(abs(self.objective), floor)

    def refuted(self, gap: float, floor: float) -> "Incumbent":
        """A point below a bound, as solvers may give where a program has no end, proves the bound wrong: nothing is proven then.

        What is below it by rounding alone is the bound itself.
        """
        if self.x is None:
            return self
        wrong = self.bound > self.objective + gap * max(abs(self.objective), floor)
        self.bound = -np.inf if wrong else min(self.bound, self.objective)
        return self
