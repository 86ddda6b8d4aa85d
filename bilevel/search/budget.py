"""How much a search may take: the gap asked for, the end of its time, and who hears of progress and of Ctrl-C."""

import time
from dataclasses import dataclass, replace

from bilevel import tolerances
from bilevel.progress import Progress

_FINISH_SECONDS = 30.0
"""After Ctrl-C, at most: nobody who has pressed it waits longer for digits."""


@dataclass(frozen=True)
class Budget:
    """Relative gap, end of time (time.monotonic), where to report, whether to scale for the solver.

    `grace`: seconds after the deadline in which the best point found may still be made precise.
    """

    gap: float
    deadline: float
    progress: Progress
    scaling: bool = True
    grace: float = tolerances.GRACE_SECONDS

    @property
    def seconds(self) -> float:
        """What is left; negative when it is over."""
        return self.deadline - time.monotonic()

    def over(self) -> bool:
        """Whether to stop now."""
        return self.progress.stop() or time.monotonic() >= self.deadline

    def finishing(self) -> "Budget":
        """A short extension, deaf to the first Ctrl-C, in which the best point found is made precise."""
        end = self.deadline + self.grace
        if self.progress.interrupted:
            end = min(end, time.monotonic() + _FINISH_SECONDS)
        self.progress.finishing = True
        return replace(self, deadline=end, grace=0.0)
