"""A time limit over several solves, each of which gets what is left."""

import math
import time

GRACE_SECONDS, GRACE_SHARE = 1.0, 0.05
"""What a part gets that begins when nothing is left, so that what was found is not lost for want of a recheck: the smaller of so
many seconds and this share of the limit."""


class Deadline:
    """A limit in seconds from now, None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
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
