"""Entries of a comparison's store as its lines, and which of them are none."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import msgspec

from bilevel import tolerances
from bilevel.files import Told
from bilevel.heuristics import HEURISTICS
from bilevel.solution import plain
from bilevel.status import Status
from studies.contest.problems.base import ExactAnswer, Problem
from studies.contest.runs import Run

Entry = Run | ExactAnswer


class RunLine(msgspec.Struct):
    """A run; None stands for a number that is not finite."""

    method: str
    seed: int
    objective: float | None
    penalty: float | None
    evaluations: int
    seconds: float
    cpu_seconds: float
    details: dict[str, float]
    counts: list[int]
    bests: list[float | None]


class ExactLine(msgspec.Struct):
    """An exact answer; None stands for NaN, and older versions have no optimistic bound beside the answer, which is that itself."""

    objective: float | None
    bound: float | None
    status: str
    reason: str
    seconds: float
    details: dict[str, float]
    by_rule: float | None
    cpu_seconds: float | None
    optimistic_bound: float | None = None
    optimistic_status: str = ""


def to_line(entry: Entry) -> dict[str, Any]:
    """An entry as a line."""
    values = {name: plain(value) for name, value in asdict(entry).items()}
    if isinstance(entry, Run):
        return {"run": values | {"bests": [plain(value) for value in entry.bests]}}
    return {"exact": values}


def from_line(line: Mapping[str, Any]) -> Entry:
    """The entry of a line; raises `ValueError`, `KeyError`, `TypeError` or `msgspec.ValidationError` for one that is none."""
    return _exact(msgspec.convert(line["exact"], ExactLine)) if "exact" in line else _run(
        msgspec.convert(line["run"], RunLine)
    )  # fmt: skip


def _run(line: RunLine) -> Run:
    bests = tuple(map(_number, line.bests))
    _require(line.method in HEURISTICS, f"{line.method!r} is no method")
    _require(line.seed >= 0 and line.evaluations > 0, "its seed or its number of evaluations is none")
    _require(_time(line.seconds) and _time(line.cpu_seconds), "its seconds are none")
    steps = [0, *line.counts]
    _require(0 < len(bests) == len(line.counts) and all(a < b for a, b in pairwise(steps)), "its steps are none")
    _require(line.counts[-1] <= line.evaluations, "its steps are more than its evaluations")
    objective = _number(line.objective)
    same = objective == bests[-1] or (math.isnan(objective) and all(map(math.isnan, bests)))
    _require(same, "its objective is not the last of its best ones")
    penalty = math.inf if line.penalty is None else line.penalty
    feasible = math.isfinite(objective)
    _require(penalty == 0 if feasible else penalty > 0, "its penalty and its objective do not go together")
    _require(feasible or not line.details, "it has quantities without a decision")
    return Run(
        line.method, line.seed, objective, penalty, line.evaluations, line.seconds, line.cpu_seconds, line.details,
        tuple(line.counts), bests,
    )  # fmt: skip


def _exact(line: ExactLine) -> ExactAnswer:
    status = Status.read(line.status)
    objective, bound = _number(line.objective), _number(line.bound)
    _require(_time(line.seconds) and _time(line.cpu_seconds or 0.0), "its seconds are none")
    if status == Status.CERTIFIED:
        _require(math.isfinite(objective) and math.isfinite(bound), "it is certified without an objective or a bound")
    if status == Status.INFEASIBLE:
        _require(math.isnan(objective), "it is infeasible with an objective")
    if line.optimistic_status:
        Status.read(line.optimistic_status)
    return ExactAnswer(
        objective, bound, status, line.reason, line.seconds, line.details, _number(line.by_rule), _number(line.cpu_seconds),
        _number(line.optimistic_bound), line.optimistic_status,
    )  # fmt: skip


def doubted(problem: Problem, gap: float) -> Callable[[Sequence[Told[Entry]]], dict[int, str]]:
    """What finds the entries that are not believed: runs whose steps are not those of the method's others, and, among lines without
    a sum, exact answers that claim more than their numbers show."""

    def doubts(told: Sequence[Told[Entry]]) -> dict[int, str]:
        found: dict[int, str] = {}
        steps = {
            method: Counter(
                each.entry.counts for each in told if isinstance(each.entry, Run) and each.entry.method == method
            ).most_common(1)
            for method in HEURISTICS
        }
        for at, (entry, summed) in enumerate(told):
            if isinstance(entry, Run):
                if entry.counts != steps[entry.method][0][0]:
                    found[at] = "its steps are not those of the other runs"
            elif not summed and (why := _overclaims(problem, gap, entry)):
                found[at] = why
        return found

    return doubts


def _overclaims(problem: Problem, gap: float, answer: ExactAnswer) -> str:
    """What an exact answer says that its numbers do not show; "" where they do."""
    if answer.status == Status.INFEASIBLE:
        return "infeasible is what a line without a sum says"
    if not (math.isfinite(answer.objective) and math.isfinite(answer.bound)):
        return ""
    size = max(abs(answer.objective), abs(problem.scale(answer.objective)), 1.0)
    open_ = problem.sense * (answer.objective - answer.bound)
    if open_ < -tolerances.RESOLUTION * size:
        return "its bound is better than its own objective"
    if answer.status == Status.CERTIFIED and open_ > (gap + tolerances.RESOLUTION) * size:
        return "it is certified with a gap that is larger than asked for"
    return ""


def _require(ok: bool, why: str) -> None:
    if not ok:
        raise ValueError(why)


def _time(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds >= 0


def _number(value: float | None) -> float:
    if value is not None and not math.isfinite(value):
        raise ValueError("a number of it is not finite")
    return math.nan if value is None else value
