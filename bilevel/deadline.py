"""A time limit over several solves, each of which gets what is left; and what the phases of one solve took."""

import math
import time
from typing import Any

import numpy as np

from bilevel.errors import require

GRACE_SECONDS, GRACE_SHARE = 1.0, 0.05
"""What a part gets that begins when nothing is left, so that what was found is not lost for want of a recheck: the smaller of so
many seconds and this share of the limit."""


def require_limits(gap: float | None = None, time_limit: float | None = None) -> None:
    """Raise `BilevelError` for a relative gap or seconds that no solve can keep; None is no limit."""
    for name, value, what in (
        ("gap", gap, "a positive relative gap, such as 1e-4"),
        ("time_limit", time_limit, "positive seconds, or None for no limit"),
    ):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        require(name, value, value is None or (number and math.isfinite(value) and value > 0), what)


class Deadline:
    """A limit in seconds from now, None for no limit; raises `BilevelError` for one that is not positive."""

    def __init__(self, seconds: float | None) -> None:
        require_limits(time_limit=seconds)
        self.seconds = seconds
        # Monotonic, as the clock of the day may be set in the meantime
        self.end = math.inf if seconds is None else time.monotonic() + seconds

    def over(self, keep: float = 0.0) -> bool:
        """Whether the time has passed, but for the share `keep` of the limit, which is kept for later parts."""
        kept = 0.0 if self.seconds is None else keep * self.seconds
        return time.monotonic() >= self.end - kept

    def left(self, keep: float = 0.0) -> float | None:
        """Seconds for the next part, where the share `keep` of the limit is kept for later ones."""
        if self.seconds is None:
            return None
        grace = min(GRACE_SECONDS, GRACE_SHARE * self.seconds)
        return max(self.end - keep * self.seconds - time.monotonic(), grace)


class PhaseClock:
    """What building a model and each phase of solving it took; phases end in the order in which they are named first."""

    def __init__(self, model: Any) -> None:
        # Builders record it in their models; a model written by hand has none
        self.build_seconds = float(getattr(model, "build_seconds", 0.0))
        self.ends = {"start": time.perf_counter()}

    def end(self, *phases: str) -> None:
        """These phases end now, but for those that have ended before; of two at once the second took no time."""
        for phase in phases:
            self.ends.setdefault(phase, time.perf_counter())

    def seconds(self) -> dict[str, float]:
        """Seconds by phase, with "build" where the model's builder recorded it."""
        spent = np.diff([*self.ends.values()]).tolist()
        return {"build": self.build_seconds, **dict(zip([*self.ends][1:], spent, strict=True))}
