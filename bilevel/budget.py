"""What is left of a solve's time, for every small program beside its search, however deep it is called.

A solve opens a budget; what runs inside asks `seconds` how long it may take and hands `watch` to its solver, which stops at Ctrl-C.
Outside of any solve (a certificate alone, a test) a small program has `SIDE_SECONDS` and nobody to listen to.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from bilevel import tolerances
from bilevel.errors import BilevelError
from bilevel.interrupts import hearing
from bilevel.progress import Progress, Quiet
from bilevel.solvers.base import Watch


class OutOfTimeError(BilevelError):
    """The time of a solve is over, or the user stopped it, while something was proven that it cannot go on without."""


@dataclass(frozen=True)
class _Budget:
    deadline: float
    watch: Watch
    spent: float = 0.0
    pressed: Callable[[], bool] = bool


# A context variable, so that solves in several threads each have their own
_NOW: ContextVar[_Budget | None] = ContextVar("budget", default=None)


def _now() -> _Budget:
    return _NOW.get() or _Budget(math.inf, Quiet())


@contextmanager
def until(deadline: float, watch: Watch, spent: float = 0.0, pressed: Callable[[], bool] = bool) -> Iterator[None]:
    """Inside, small programs stop at the deadline (of time.monotonic) or when `watch` says so.

    `spent`: seconds of the solve so far, and `pressed`, whether Ctrl-C was pressed, are for `leisure`.
    """
    token = _NOW.set(_Budget(deadline, watch, spent, pressed))
    try:
        yield
    finally:
        _NOW.reset(token)


def seconds(at_least: float = 0.0) -> float:
    """What one small program may take: what is left, up to `SIDE_SECONDS`; `at_least` is for what no answer goes without."""
    left = max(_now().deadline - time.monotonic(), at_least)
    return min(left, tolerances.SIDE_SECONDS)


def watch() -> Watch:
    """Who hears of Ctrl-C."""
    return _now().watch


def require(what: str) -> None:
    """Raise `OutOfTimeError` where the time is over or the user stopped, in the middle of `what`."""
    if watch().stop():
        raise OutOfTimeError(f"{hearing.asked() or 'interrupted by Ctrl-C'} while {what}")
    if time.monotonic() >= _now().deadline:
        raise OutOfTimeError(f"time limit reached while {what}: give it more time")


_LEISURE_SHARE, _LEAST_LEISURE, _MOST_LEISURE = 0.25, 1.0, 10.0
"""Of a solve's seconds, and at least and at most: what an answer's remarks may take, which it stands without."""


@dataclass(frozen=True)
class Leisure:
    """Time for what no answer needs; over at its end (of time.monotonic) and where the user presses Ctrl-C."""

    deadline: float
    pressed: Callable[[], bool]

    def over(self) -> bool:
        """Whether to stop now."""
        return self.pressed() or time.monotonic() >= self.deadline


def leisure() -> Leisure:
    """A share of what the solve has taken, from now on; it ends with the solve's own time, but for the least."""
    now = _now()
    share = min(max(_LEISURE_SHARE * now.spent, _LEAST_LEISURE), _MOST_LEISURE)
    left = max(now.deadline - time.monotonic(), _LEAST_LEISURE)
    return Leisure(time.monotonic() + min(share, left), lambda: now.pressed() or now.watch.stop())


def grace(limit: float) -> float:
    """Seconds beyond a time limit in which what was found is made precise and rechecked."""
    return max(tolerances.GRACE_SECONDS, tolerances.GRACE_SHARE * limit)


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
        # A solver that overran its time, grace and all, leaves the point it found what little it needs
        least = time.monotonic() + min(self.grace, tolerances.GRACE_SECONDS)
        end = max(self.deadline + self.grace, least)
        if self.progress.interrupted:
            end = min(end, time.monotonic() + _FINISH_SECONDS)
        self.progress.finishing = True
        # An extension is not extended again
        return replace(self, deadline=end, grace=0.0)
