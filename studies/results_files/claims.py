"""What a stored answer must show for what it claims: a bound for a certificate, a gap that is that of objective and bound.

An answer in a file is text that anybody may have changed.  These rules hold of everything that the package writes; a file that
breaks one is no answer of the package's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UnsetType

from bilevel import tolerances as engine
from bilevel.solution import VALID
from bilevel.status import CheckKind, Status
from formulations import objectives
from formulations.objectives import OBJECTIVES
from studies import tolerances
from studies.results_files import models
from studies.results_files.parts import Check
from studies.results_files.refusals import Step

Path = tuple[Step, ...]
Claim = tuple[Path, str]
"""Where something is claimed in a file, and a sentence that says what speaks against it."""
GLOBAL_GAP = "global gap"


@dataclass(frozen=True)
class Stored:
    """A stored answer: `sense` 1 where small is good, -1 where large, 0 where that is not known; `gap` None where none is told.

    `size`: the largest magnitude of what the answer is about, in the unit of the objective, beside which a small objective is
    rounding; `asked`: the gap that was asked for, None where that is not known.
    """

    status: Status
    objective: float | None
    bound: float | None
    gap: float | None
    sense: int
    size: float
    asked: float | None = None
    checks: Sequence[Check] | None = None
    tells_gap: bool = True

    def doubts(self, at: Path) -> Iterator[Claim]:
        """What speaks against the answer at a path of its file."""
        yield from self._missing(at)
        yield from self._checks(at)
        if self.objective is not None and self.bound is not None and self.status in VALID:
            yield from self._bound(at, self.objective, self.bound)
            yield from self._gap(at, self.objective, self.bound)

    def _missing(self, at: Path) -> Iterator[Claim]:
        if self.status in VALID and self.objective is None:
            yield (*at, "status"), f"status is '{self.status}' without an objective"
        if self.status == Status.CERTIFIED:
            for name in ("bound", "gap") if self.tells_gap else ("bound",):
                if getattr(self, name) is None:
                    yield (*at, "status"), f"status is 'certified' without a {name}"

    def _checks(self, at: Path) -> Iterator[Claim]:
        if self.checks is None:
            return
        if self.status == Status.CERTIFIED and not self.checks:
            yield (*at, "status"), "status is 'certified' without a check"
        for k, check in enumerate(self.checks):
            fatal = check.kind == CheckKind.VALIDITY and self.status in VALID
            if not check.ok and (self.status == Status.CERTIFIED or fatal):
                yield (*at, "certificate", k, "ok"), f"status is '{self.status}', and check {check.check[:80]!r} fails"
            if check.check == GLOBAL_GAP and self.status in VALID and not _same(check.value, self.gap):
                yield (*at, "gap"), f"gap is {_shown(self.gap)}, and the certificate says {_shown(check.value)}"

    def _bound(self, at: Path, objective: float, bound: float) -> Iterator[Claim]:
        room = max(self.asked or 0.0, engine.RESOLUTION) * max(
            abs(objective), abs(bound), engine.OBJECTIVE_FLOOR * self.size
        )
        beyond = self.sense * (bound - objective)
        if beyond > room:
            yield (
                (*at, "bound"),
                f"the bound {bound:.9g} is worse than the objective {objective:.9g}, which it says cannot be beaten",
            )

    def _gap(self, at: Path, objective: float, bound: float) -> Iterator[Claim]:
        apart = abs(objective - bound)
        told = self.gap if self.tells_gap else None
        own = apart / abs(objective) if objective else 0.0 if apart == 0 else math.inf
        # Beside terms of that size an objective may be rounding, and gaps are relative to them
        least = apart / max(abs(objective), self.size) if apart else 0.0
        if told is not None and not (_same(told, own) or least - tolerances.GAP_ROUNDING <= told <= own):
            yield (*at, "gap"), f"gap is {told:.6g}, and objective and bound are {own:.6g} apart"
        claimed = least if told is None else told
        if (
            self.status == Status.CERTIFIED
            and self.asked is not None
            and claimed > self.asked + tolerances.GAP_ROUNDING
        ):
            yield (*at, "status"), f"status is 'certified' at the gap {claimed:.6g}, and {self.asked:g} was asked for"


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    # Of what has no end every distance is within a share of it
    if not (math.isfinite(one) and math.isfinite(other)):
        return one == other
    return abs(one - other) <= tolerances.GAP_ROUNDING * max(1.0, abs(one), abs(other))


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.6g}"


def unbelieved(data: Any) -> Iterator[Claim]:
    """The claims of a file's model that its numbers do not bear out."""
    yield from _RULES.get(type(data), lambda _: iter(()))(data)


def _size(values: Mapping[str, float | None] | Sequence[float | None]) -> float:
    numbers = values.values() if isinstance(values, Mapping) else values
    return max((abs(value) for value in numbers if value is not None), default=0.0)


def _solution(data: models.SolutionFile) -> Iterator[Claim]:
    weights, case = data.case.objective, data.case
    known = weights and all(name in OBJECTIVES for name in weights)
    sense = objectives.combine(dict.fromkeys(weights, 0.0), weights)[1] if known else 0
    terms = [getattr(case, item.column) for item in OBJECTIVES.values()]
    size = _size(terms) * max(1.0, _size(weights))
    yield from Stored(
        data.status, data.objective, data.bound, data.gap, sense, size, data.settings.gap, data.certificate
    ).doubts(())


def _front(data: models.FrontFile) -> Iterator[Claim]:
    ends = [data.least_limited, data.most_maximized]
    size = _size([*ends, *(p.station_profit for p in data.points), *(p.network_loss_kwh for p in data.points)])
    for k, p in enumerate(data.points):
        stored = Stored(p.status, p.station_profit, p.bound, p.gap, -1, size, data.settings.gap)
        for at, sentence in stored.doubts(("points", k)):
            yield at, f"point {k + 1}: {sentence}"
    certified = bool(data.points) and all(p.status == Status.CERTIFIED for p in data.points)
    if data.certified and not certified:
        yield (
            ("certified",),
            "certified is true, and not every point is certified"
            if data.points
            else "certified is true without a point",
        )


def _trace(data: models.TraceFile) -> Iterator[Claim]:
    own = data.solution
    size = _size([own.objective, data.network_loss_kwh, data.station_profit])
    yield from Stored(own.status, own.objective, own.bound, own.gap, 1, size, None, own.certificate).doubts(
        ("solution",)
    )
    for name in ("network_loss_kwh", "station_profit"):
        if own.status in VALID and getattr(data, name) is None:
            yield (name,), f"the solution's status is '{own.status}', and there is no {name}"


def _market(data: models.MarketFile) -> Iterator[Claim]:
    told = {"exact": data.ways.exact, "equilibrium": data.ways.equilibrium, "cooperative": data.ways.cooperative}
    ways = {name: way for name, way in told.items() if not isinstance(way, UnsetType)}
    for name, way in ways.items():
        stored = Stored(
            way.status, way.objective, way.bound, way.gap, 1, _size(way.figures), way.settings.gap, way.certificate
        )
        yield from stored.doubts(("ways", name))
    if data.verdict.status == Status.CERTIFIED:
        enough = {"exact": ("certified",), "cooperative": ("certified",), "equilibrium": ("certified", "infeasible")}
        for name, statuses in enough.items():
            # Version 1 said the exact way's own status
            if name in ways and ways[name].status not in statuses and data.verdict.reason != ways["exact"].reason:
                yield ("verdict", "status"), f"the verdict is 'certified', and the {name} way is '{ways[name].status}'"


def _compare(data: models.CompareFile) -> Iterator[Claim]:
    if data.exact is None:
        return
    sense = 1 if data.problem.sense == "minimise" else -1
    exact = data.exact
    stored = Stored(
        exact.status, exact.objective, exact.bound, None, sense, max(_size(exact.details), data.problem.scale or 0.0),
        data.settings.gap, None, False,
    )  # fmt: skip
    yield from stored.doubts(("exact",))


def _security(data: models.SecurityFile) -> Iterator[Claim]:
    sense = 1 if data.sense == "minimise" else -1
    size = _size(
        [
            each
            for row in data.rows
            for each in (row.objective, row.charging_peak_kw, row.network_loss_kwh, row.station_profit)
        ]
    )
    for k, row in enumerate(data.rows):
        stored = Stored(row.status, row.objective, row.bound, row.gap, sense, size, data.settings.gap)
        yield from stored.doubts(("rows", k))
        if data.closed and row.status not in (Status.CERTIFIED, Status.INFEASIBLE):
            yield ("closed",), f"closed is true, and the row of margin {row.margin_per_kwh:g} is '{row.status}'"
    if data.closed and not data.complete:
        yield ("closed",), "closed is true, and complete is false"


_RULES: dict[type, Any] = {
    models.SolutionFile: _solution, models.FrontFile: _front, models.TraceFile: _trace, models.MarketFile: _market,
    models.CompareFile: _compare, models.SecurityFile: _security,
}  # fmt: skip
