"""Why an answer has its status, in one sentence."""

import math

from bilevel.certify.certificate import Certificate
from bilevel.certify.resolution import RESOLUTION
from bilevel.model import Check
from bilevel.search import verdicts
from bilevel.search.diagnose import unattained
from bilevel.status import CheckKind, Status

_PROVEN = (Status.CERTIFIED, Status.INFEASIBLE, Status.UNBOUNDED)
"""Statuses that stand whatever ended the search."""


def reason(
    status: Status, recheck: Certificate, ended: str, stopped: str, spent: float, limit: float | None
) -> str:  # fmt: skip
    """The status in words, or the first check that fails; `ended`, why it was `stopped`, or the time limit where that is why."""
    failure = _cause(recheck)
    late = limit is not None and spent >= limit
    why = ended or stopped or ("time limit reached" if late else "")
    sentences = {
        Status.CERTIFIED: "every check of the certificate passes",
        Status.CONDITIONAL: _condition(recheck),
        Status.INFEASIBLE: verdicts.sentence(recheck),
        Status.UNBOUNDED: "the leader's objective has no bound: it falls along a ray on which the followers stay optimal",
        Status.NOT_ATTAINED: "the objective comes ever nearer to its bound as variables without bounds grow (to "
        f"{unattained.STEPS[-1]:g} times their scale), and no decision attains it: give them bounds",
        Status.UNKNOWN: "no bilevel feasible point was found",
    }
    # These two say in words of their own what their failing check means
    if failure is not None and status not in (Status.CONDITIONAL, Status.NOT_ATTAINED):
        place = f" at {failure.where}" if failure.where else ""
        check = (
            f"check {failure.name!r} fails{place}: {failure.value:.3g} {failure.unit}, allowed {failure.tolerance:.3g}"
        )
        return f"{check} ({why})" if why else check
    return sentences[status] + (f" ({why})" if why and status not in _PROVEN else "")


def _cause(recheck: Certificate) -> Check | None:
    """The first check that fails; the resolution where it is why there is no bound to compare with."""
    failure = recheck.first_failure
    if failure is None or failure.kind != CheckKind.OPTIMALITY or math.isfinite(failure.value):
        return failure
    # A bound that was dropped leaves a gap without end: where the resolution is why, that is what to name
    return next((check for check in recheck.checks if check.name == RESOLUTION and not check.ok), failure)


def _condition(recheck: Certificate) -> str:
    conditions = {
        "bounds used": "the limits of duals that were given are right",
        "user bounds confirmed": "they hide no better point, which a search with larger limits had no time to exclude",
        "follower interior": "every follower has an interior at every leader decision",
    }
    failing = [
        conditions.get(check.name, f"what check {check.name!r} asks for holds")
        for check in recheck.checks
        if check.kind == CheckKind.ASSUMPTION and not check.ok
    ]
    return "every check passes, if " + " and ".join(failing)
