"""One answer of a front as a line of its store, and what the other answers must not contradict."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from bilevel import tolerances
from bilevel.files import Told
from bilevel.front.tasks import Task, TaskResult
from bilevel.front.two_objectives import TwoObjectives
from bilevel.journals.lines import number, packed, unpacked
from bilevel.program.layout import Group
from bilevel.reformulate.single_level import Reformulation
from bilevel.status import Status, Verdict

Answer = tuple[str, TaskResult]
"""A task's key, and its answer."""


class Line(msgspec.Struct):
    """An answer: hexadecimal numbers are read again bit by bit, and can be infinite, which JSON lacks."""

    task: str
    bound: str
    seconds: float
    verdict: str
    x: str | None
    slack_zero: str | None


@dataclass(frozen=True)
class Expected:
    """What the answers of one model must keep to: the numbers of `columns` and complementarity `pairs`, its two objectives, and the
    relative `gap` of every search."""

    columns: int
    pairs: int
    two: TwoObjectives
    gap: float

    @staticmethod
    def of(form: Reformulation, two: TwoObjectives, gap: float) -> "Expected":
        """Of a front's single-level program."""
        return Expected(form.kkt.layout.size, form.kkt.pairs.count, two, gap)

    def values(self, answer: TaskResult) -> tuple[float, float] | None:
        """(limited, maximized) of an answer's point by its other columns; raises `ValueError` for a point that is none of the
        model, or that says other values itself."""
        if answer.x is None:
            return None
        x = answer.x[self.two.program.layout[Group.VARIABLES]]
        room = tolerances.FEASIBILITY * (1 + np.abs(x))
        if (np.abs(self.two.program.within(x) - x) > room).any():
            raise ValueError("its point breaks bounds of the model's variables")
        found = np.array(self.two.values(x))
        told = x[[self.two.limited, self.two.maximized]]
        if (np.abs(found - told) > tolerances.FEASIBILITY * (1 + np.abs(found))).any():
            raise ValueError("its point has other objectives than it says")
        return float(told[0]), float(told[1])


def to_line(task: Task, answer: TaskResult) -> dict[str, Any]:
    """An answer as a line."""
    return {
        "task": task.key, "bound": float(answer.bound).hex(), "seconds": answer.seconds, "verdict": answer.verdict,
        "x": None if answer.x is None else packed(answer.x),
        "slack_zero": None if answer.slack_zero is None else packed(answer.slack_zero.astype(float)),
    }  # fmt: skip


def from_line(expected: Expected | None) -> Callable[[Mapping[str, Any]], Answer]:
    """The reader of lines: it raises `ValueError` or `msgspec.ValidationError` for what is no answer of such a model, and for one
    that claims more than its own numbers show."""

    def read(content: Mapping[str, Any]) -> Answer:
        line = msgspec.convert(content, Line)
        task, answer = _task(line.task), _answer(line, expected)
        if not math.isfinite(answer.seconds) or answer.seconds < 0:
            raise ValueError(f"its seconds are {answer.seconds}")
        if expected is not None:
            values = expected.values(answer)
            if values is not None:
                _require_own(task, answer, values, expected.gap)
        return line.task, answer

    return read


def _task(key: str) -> Task:
    numbers = [number(part) for part in key.split(" ")]
    if len(numbers) != 4 or any(map(math.isnan, numbers)) or min(numbers[:2]) < 0 or math.isinf(sum(numbers[:2])):
        raise ValueError("its task is none")
    task = Task(*numbers)
    if task.key != key:
        raise ValueError("its task is none")
    return task


def _answer(line: Line, expected: Expected | None) -> TaskResult:
    x = None if line.x is None else unpacked(line.x, None if expected is None else expected.columns)
    slack = None if line.slack_zero is None else unpacked(line.slack_zero, None if expected is None else expected.pairs)
    verdict: Verdict = Status.read(line.verdict) if line.verdict else ""
    if verdict not in ("", Status.INFEASIBLE, Status.UNBOUNDED):
        raise ValueError(f"{line.verdict!r} is no verdict of a search")
    bound = number(line.bound)
    if math.isnan(bound) or (x is None and slack is not None) or (verdict and x is not None):
        raise ValueError("its verdict, bound and point do not go together")
    if x is not None and bound == math.inf:
        raise ValueError("its bound excludes its own point")
    return TaskResult(bound, x, None if slack is None else slack > 0, verdict, line.seconds, False)


def _require_own(task: Task, answer: TaskResult, values: tuple[float, float], gap: float) -> None:
    """Raise `ValueError` for a point that its task excludes, or that is better than its bound."""
    if not allowed(task, values):
        raise ValueError("its point is beyond the limits of its task")
    if excluded(task, answer, values, gap):
        raise ValueError("its bound is better than its own point")


def allowed(task: Task, values: tuple[float, float]) -> bool:
    """Whether a task allows a point with these values, within rounding."""
    limited, maximized = values
    room = tolerances.FEASIBILITY
    return limited <= task.limit + room * (1 + abs(limited)) and maximized >= task.floor - room * (1 + abs(maximized))


def excluded(task: Task, answer: TaskResult, values: tuple[float, float], gap: float) -> bool:
    """Whether an answer says that no point such as this one can be, which the task allows."""
    if answer.verdict == Status.INFEASIBLE:
        return True
    limited, maximized = values
    objective = task.limited_weight * limited - task.maximized_weight * maximized
    size = task.limited_weight * abs(limited) + task.maximized_weight * abs(maximized)
    return answer.bound > objective + (gap + tolerances.RESOLUTION) * (1 + size)


def contradicted(expected: Expected) -> Callable[[Sequence[Told[Answer]]], dict[int, str]]:
    """What finds, among the answers of a store, those that a point of another one refutes, and words of older versions that nothing
    else bears out."""

    def doubts(told: Sequence[Told[Answer]]) -> dict[int, str]:
        points = [expected.values(answer) for _, answer in (each.entry for each in told)]
        found: dict[int, str] = {}
        for at, ((key, answer), summed) in enumerate(told):
            if answer.x is None and not summed:
                found[at] = f"{answer.verdict or 'no point'} is what a line without a sum says"
                continue
            task = _task(key)
            for other, values in enumerate(points):
                # Exactly within the limits: near them a bound may speak of other points
                if values is None or not (values[0] <= task.limit and values[1] >= task.floor):
                    continue
                if excluded(task, answer, values, expected.gap):
                    found[at] = "a point of another line refutes it"
                    if not told[other].summed:
                        found[other] = "it refutes another line, and has no sum"
        return found

    return doubts
