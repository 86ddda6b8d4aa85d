"""Making the best point of a search precise: of interior points, below a bound, or with loose cones."""

import time

import numpy as np

from bilevel import tolerances
from bilevel.search.candidates import Candidates
from bilevel.search.tight_state import tight_state

_HOLDS = tolerances.FEASIBILITY / 3


class Precise(Candidates):
    """What a search does with its best point in the end."""

    def _agree(self) -> None:
        """A point a little below the bound breaks cones that tangents laid later hold: take it again with these."""
        found = self.found
        convex = self.form.mip.products is None and not self.form.conic
        if not convex or found.x is None or found.slack_zero is None or found.objective >= found.bound:
            return
        point = self.exact.decided(self._fixed(found.slack_zero), found.x)
        if point.x is not None and self._objective(point.x) > found.objective:
            self._take(point.x, found.slack_zero)

    def _sharpened(self) -> bool:
        """Make the best point of an interior point precise; false where it is given up.

        With its own decisions, and the network's state of tight cones; if that does not hold, by linear programs, whose corners
        keep rows as no interior point does.  A point that they do not confirm is given up while there is time for another, and
        else left to the certificate.
        """
        found = self.found
        if found.x is None or found.slack_zero is None:
            return True
        stopped = self.finished or self.effort.over()
        self._finish()
        self.effort.progress.phase("making precise")
        near = tight_state(self.form, found.x, self.effort.deadline - time.monotonic())
        if (
            near is not None
            and self._holds(near, found.slack_zero, _HOLDS)
            and self._objective(near) <= self._allowed()
        ):
            self._take(near, found.slack_zero)
            return True
        self.exact.touch(found.x)
        point = self.exact.decided(self._fixed(found.slack_zero), found.x)
        if point.x is not None:
            self._take(point.x, found.slack_zero)
        elif not stopped:
            found.x, found.objective, found.slack_zero = None, np.inf, None
        return point.x is not None or stopped

    def _tighten(self) -> None:
        """Where the objective leaves cones loose, take the optimum whose cones are tight, at no loss."""
        found = self.found
        if found.x is None or found.slack_zero is None or not self.exact.cones.count:
            return
        x = np.concatenate([found.x, np.zeros(self.exact.mip.columns - len(found.x))])
        if float(self.exact.cones.gaps(x).max()) <= tolerances.CONE_GAP / 10:
            return
        self._finish()
        self.effort.progress.phase("tightening cones")
        point = self.exact.tightened(self._fixed(found.slack_zero), found.x)
        if point.x is not None:
            self._take(point.x, found.slack_zero)
