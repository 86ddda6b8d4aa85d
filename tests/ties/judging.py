"""Running `bilevel.solve(model, ties=...)` on an entry, and judging the answer by what enumeration knows of it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import literature_loader
import numpy as np
from ties import line
from ties.draws import MARGIN
from ties.matrices import Tied, tied
from ties.responses import Bases, Known, decided
from ties.security import Margins, enumerated, secure

import bilevel

GAP, ROOM = 1e-6, 1e-5
VERDICTS = ("right", "refused", "not certified", "WRONG", "CRASHED")
TIES = ("optimistic", "pessimistic", "secure")


@dataclass(frozen=True)
class Case:
    """An entry, and what is known of it for one way of breaking ties: minimised, infinite where there is no decision."""

    entry: Mapping[str, Any]
    ties: str
    known: Known
    margin: float | None = None

    @property
    def sign(self) -> float:
        return 1.0 if self.entry["leader"]["sense"] == "min" else -1.0


@dataclass(frozen=True)
class Outcome:
    """One solve: `verdict` is one of `VERDICTS`; `reason` says why."""

    verdict: str
    reason: str
    status: str = ""
    objective: float = math.nan
    bound: float = math.nan
    seconds: float = math.nan


def available(ties: str) -> bool:
    """Whether `bilevel.solve` can be asked for it."""
    return ties == "optimistic" or "ties" in inspect.signature(bilevel.solve).parameters


def of_table(entry: Mapping[str, Any], ties: str) -> list[Case]:
    """The cases of an entry of the table: one, or one for each margin."""
    sign = 1.0 if entry["leader"]["sense"] == "min" else -1.0

    def known(value: float | None, attained: bool = True) -> Known:
        return Known(np.inf if value is None else sign * value, attained)

    if ties == "secure":
        return [Case(entry, ties, known(value), margin) for margin, value in entry.get("secure", [])]
    attained = ties == "optimistic" or entry["attained"]
    return [Case(entry, ties, known(entry[ties], attained))]


def of_draw(entry: Mapping[str, Any], ties: str) -> Case:
    """The case of a random entry, known by enumeration; secure ones are of entries that are `even` (`draws`)."""
    p, margin = tied(entry), MARGIN if ties == "secure" else None
    if p.integer.all():
        return Case(entry, ties, enumerated(p, MARGIN)[ties], margin)
    known = {
        "optimistic": line.optimistic,
        "pessimistic": line.pessimistic,
        "secure": lambda p: line.secured(p, MARGIN),
    }
    return Case(entry, ties, known[ties](p), margin)


def run(case: Case, seconds: float = 10.0, **settings: Any) -> Outcome:
    """Solve a case and judge the answer; `settings` go to `bilevel.solve`."""
    asked = settings | ({} if case.ties == "optimistic" else {"ties": case.ties})
    asked |= {} if case.margin is None else {"margin": case.margin}
    model = literature_loader.load(case.entry)
    try:
        solution = bilevel.solve(model, gap=GAP, time_limit=seconds, progress=False, **asked)
    except bilevel.BilevelError as error:
        return Outcome("refused", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever else comes out is a defect to be counted, not to stop at
        return Outcome("CRASHED", f"{type(error).__name__}: {error}")
    verdict, reason = judge(case, solution)
    spent = sum(solution.seconds.values())
    return Outcome(verdict, reason, solution.status, solution.objective, solution.bound, spent)


def judge(case: Case, solution: Any) -> tuple[str, str]:
    """Whether an answer is right; a definite claim that is not true is WRONG, whatever its status.

    Right are: `certified` with the optimum; `not_attained` with a bound that is the infimum, where no decision attains it, or there
    `certified` at a decision that comes to it within the gap; `infeasible` where there is no decision.
    """
    status, known = solution.status, case.known
    told = f"{status} {solution.objective:.9g}, bound {solution.bound:.9g}, known {case.sign * known.value:.9g}"
    if status in ("unknown", "rejected"):
        return "not certified", f"{status}: {solution.reason}"
    if not math.isfinite(known.value) or status in ("infeasible", "unbounded"):
        expected = "unbounded" if known.value < 0 else "infeasible"
        right = status == expected and not math.isfinite(known.value)
        return ("right" if right else "WRONG"), f"{told}: {solution.reason}"
    objective, bound = case.sign * solution.objective, case.sign * solution.bound
    room = ROOM * max(1.0, abs(known.value))
    claimed = _at_its_decision(case, solution)
    if objective < known.value - room or (math.isfinite(bound) and bound > known.value + room):
        return "WRONG", told
    if abs(objective - claimed) > room:
        return "WRONG", f"{told}, {case.sign * claimed:.9g} at its decision"
    if status == "not_attained":
        return ("right" if not known.attained and abs(bound - known.value) <= room else "WRONG"), told
    if status != "certified":
        return "not certified", f"{told}: {solution.reason}"
    return ("right" if objective <= known.value + room else "WRONG"), told


def _at_its_decision(case: Case, solution: Any) -> float:
    """What the decision of an answer is worth by enumeration, minimised; infinite where it is none.

    Values of the leader that are integers are taken as such; a column that nothing uses may stand anywhere.
    """
    p = tied(case.entry)
    free = np.clip(0.0, p.lower, p.upper)
    x = np.array([solution.values.get(name, start) for name, start in zip(p.x, free, strict=True)])
    x = np.clip(np.where(p.integer, np.round(x), x), p.lower, p.upper)
    return worth(case, p, Bases(p), x)


def worth(case: Case, p: Tied, bases: Bases, x: np.ndarray) -> float:
    if case.ties == "secure":
        return secure(p, bases, x, Margins(p, (case.margin or 0.0) * (1 - 1e-6)))
    decision = decided(p, bases, x)
    if decision is None:
        return np.inf
    return decision.best if case.ties == "optimistic" else decision.worst
