"""The checks of one point, or of a verdict without one, and what they make of it."""

from dataclasses import dataclass

import pandas as pd

from bilevel.certify.repair import NAME as MENDED
from bilevel.model import APPROXIMATION, Check
from bilevel.status import Status, Verdict

ASSUMED = ("bounds used", "user bounds confirmed", "follower interior")
"""Checks that a conditional answer fails: what its being the best rests on besides what is proven."""

GLOBAL = (*ASSUMED, "global gap", "objective resolution", MENDED, APPROXIMATION)
"""Checks that a valid point may fail: they are about its being the best, not about its being feasible."""


@dataclass(frozen=True)
class Certificate:
    """All checks of one point, in order; or of a `verdict` without a point, "infeasible" or "unbounded".

    Without checks nothing is certified.
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
        return next((check for check in failing if check.name not in GLOBAL), failing[0] if failing else None)

    @property
    def valid(self) -> bool:
        """Whether the point is bilevel feasible and physical, whatever its gap."""
        point = bool(self.checks) and not self.verdict
        return point and all(check.ok for check in self.checks if check.name not in GLOBAL)

    @property
    def status(self) -> Status:
        """certified (all pass), conditional (all but that bounds of the user's were used, or that an interior is not proven),
        feasible (valid, but its optimality is not proven, or is that of an approximate model) or rejected (not valid); the verdict
        where there is one and its checks pass; unknown without checks, or where those of a verdict fail."""
        if self.verdict or not self.checks:
            return self.verdict if self.verdict and self.ok else Status.UNKNOWN
        if self.ok:
            return Status.CERTIFIED
        if all(check.ok for check in self.checks if check.name not in ASSUMED):
            return Status.CONDITIONAL
        return Status.FEASIBLE if self.valid else Status.REJECTED

    def __getitem__(self, name: str) -> Check:
        """The check of that name; KeyError if there is none."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def to_frame(self) -> pd.DataFrame:
        """One row a check: name, ok, value, tolerance, unit, where, detail."""
        rows = [
            (c.name, "reported" if c.tolerance is None else "pass" if c.ok else "FAIL", c.value, c.tolerance, c.unit,
             c.where, c.detail)
            for c in self.checks
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["check", "verdict", "value", "tolerance", "unit", "where", "detail"])
