"""The checks of one point, or of a verdict without one, and what they make of it."""

from dataclasses import dataclass

import pandas as pd

from bilevel.model import Check
from bilevel.status import CheckKind, Status, Verdict

_ABOUT_THE_BEST = (CheckKind.OPTIMALITY, CheckKind.ASSUMPTION)
"""What a valid point may fail: it is about its being the best, not about its being feasible."""

_FAILED = {
    CheckKind.VALIDITY: Status.REJECTED,
    CheckKind.PROOF: Status.UNKNOWN,
    CheckKind.OPTIMALITY: Status.FEASIBLE,
    CheckKind.ASSUMPTION: Status.CONDITIONAL,
}
"""What a point is whose checks of a kind fail; the strictest first, which decides."""


@dataclass(frozen=True)
class Certificate:
    """A proof that a point is feasible and optimal within the gap, as a list of checks that can be made again.

    All checks of one point, in order; or of a `verdict` without a point, "infeasible" or "unbounded".  Without checks nothing is
    certified.
    """

    checks: tuple[Check, ...]
    verdict: Verdict = ""

    @property
    def ok(self) -> bool:
        """Whether there are checks, and every one passes."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def first_failure(self) -> Check | None:
        """The first check that fails, those about validity before those about optimality; None if all pass."""
        failing = [check for check in self.checks if not check.ok]
        return next((check for check in failing if check.kind not in _ABOUT_THE_BEST), failing[0] if failing else None)

    @property
    def valid(self) -> bool:
        """Whether the point is bilevel feasible and physical, whatever its gap."""
        point = bool(self.checks) and not self.verdict
        return point and all(check.ok for check in self.checks if check.kind not in _ABOUT_THE_BEST)

    @property
    def status(self) -> Status:
        """certified (all pass), conditional (all but that bounds of the user's were used, or that an interior is not proven),
        feasible (valid, but its optimality is not proven, or is that of an approximate model) or rejected (not valid); the verdict
        where there is one and its checks pass; unknown without checks, or where those of a verdict fail."""
        if self.verdict or not self.checks:
            return self.verdict if self.verdict and self.ok else Status.UNKNOWN
        failing = {check.kind for check in self.checks if not check.ok}
        return next((status for kind, status in _FAILED.items() if kind in failing), Status.CERTIFIED)

    def __getitem__(self, name: str) -> Check:
        """The check of that name; KeyError if there is none."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def to_frame(self) -> pd.DataFrame:
        """One row a check: name, ok, value, tolerance, unit, where, detail, kind."""
        rows = [
            (c.name, "reported" if c.tolerance is None else "pass" if c.ok else "FAIL", c.value, c.tolerance, c.unit,
             c.where, c.detail, c.kind)
            for c in self.checks
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["check", "verdict", "value", "tolerance", "unit", "where", "detail", "kind"])
