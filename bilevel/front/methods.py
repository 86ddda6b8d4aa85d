"""Which points of a front are solved for: a method asks a `Runner` for answers, and says in a sentence why it ended.

A new method is a function here and a line in `METHODS`.
"""

import math
from collections.abc import Callable

import numpy as np

from bilevel import tolerances
from bilevel.front.runner import Runner
from bilevel.front.tasks import Task
from bilevel.status import Status


def _corners(run: Runner) -> tuple[tuple[float, float], tuple[float, float]]:
    """The lexicographic end points: least limited, then most maximised; most maximised, then least limited."""
    most, least = Task(0.0, 1.0), Task(1.0, 0.0)
    answers = run.solve([most, least], "end points")
    # Best in one expression and anything in the other: their bounds count, their points need not be of the front
    run.helpers |= {most, least}
    top, bottom = run.value(answers[0], "maximize"), run.value(answers[1], "limit")
    left = run.value(run.solve([Task(0.0, 1.0, _just_above(run, bottom[0]))], "end points")[0], "least end")
    # One weight for all: with the same objective a living solver knows what earlier points prove of later ones
    run.weight = _weight(left, top)
    right = run.value(run.solve([_task(run, math.inf)], "end points")[0], "largest end")
    return left, right


def _just_above(run: Runner, limited: float) -> float:
    """A limit that the least value found meets with room: an answer is known within its gap only."""
    return limited + run.setting.gap * abs(limited)


def _weight(left: tuple[float, float], right: tuple[float, float]) -> float:
    """Of the limited expression beside the maximised one."""
    width, height = right[0] - left[0], right[1] - left[1]
    return tolerances.FRONT_AUGMENTED * height / width if width > 0 and height > 0 else 0.0


def _task(run: Runner, limit: float) -> Task:
    return Task(run.weight, 1.0, limit)


def augmented(run: Runner) -> str:
    """The augmented epsilon-constraint method: limits at equal distances between the lexicographic end points."""
    left, right = _corners(run)
    if _is_point(left, right):
        return "one point is best in both expressions"
    inner = np.linspace(left[0], right[0], run.given.points)[1:-1].tolist()
    run.solve([_task(run, limit) for limit in inner], "point")
    return f"{run.given.points} limits at equal distances"


def adaptive(run: Runner) -> str:
    """The widest gap between neighbours is split until all are within the tolerance."""
    left, right = _corners(run)
    if _is_point(left, right):
        return "one point is best in both expressions"
    width, height = right[0] - left[0], right[1] - left[1]
    # (limit up to which the left point is known to be best, its maximised value, the right point)
    gaps = [(_just_above(run, left[0]), left[1], right)]
    found = 2
    while True:
        open_gaps = [gap for gap in gaps if _size(gap, width, height) > run.given.tolerance]
        if not open_gaps:
            return f"every gap is within {run.given.tolerance:g} of the front"
        if found >= run.given.points:
            return (
                f"{found} points; the widest gap is {max(_size(gap, width, height) for gap in gaps):.3g} of the front"
            )
        open_gaps.sort(key=lambda gap: -_size(gap, width, height))
        split = open_gaps[: run.given.points - found]
        # All at once, so that workers can share them
        answers = run.solve([_task(run, (start + end[0]) / 2) for start, _, end in split], "point")
        for gap, answer in zip(split, answers, strict=True):
            start, value, end = gap
            point = run.value(answer, "a limit")
            gaps.remove(gap)
            # Else the left point is the best one up to this limit, too
            if point[1] > value:
                gaps.append((start, value, point))
                found += 1
            # The point is best up to its limit, which may be beyond the point: the gap that is left begins there
            gaps.append(((start + end[0]) / 2, max(point[1], value), end))


def scaling(run: Runner) -> str:
    """[Z19] Algorithm 3: each limit a share below the last value, until that is infeasible or changes nothing."""
    # The algorithm has no weight; points that it leaves dominated fall away in the end
    last = run.value(run.solve([Task(0.0, 1.0)], "point")[0], "maximize")
    for _ in range(run.given.points - 1):
        limit = last[0] - run.given.tolerance * abs(last[0])
        answer = run.solve([Task(0.0, 1.0, limit)], "point")[0]
        if answer.verdict == Status.INFEASIBLE:
            return "the next limit is infeasible"
        point = run.value(answer, f"limit {limit:.9g}")
        if abs(point[1] - last[1]) <= tolerances.FRONT_EQUAL * abs(last[1]):
            return "the maximised expression stays the same under the next limit"
        last = point
    return f"{run.given.points} points"


def _is_point(left: tuple[float, float], right: tuple[float, float]) -> bool:
    return not (right[0] > left[0] and right[1] > left[1])


def _size(gap: tuple[float, float, tuple[float, float]], width: float, height: float) -> float:
    """Where the front may lie between neighbours: the square root of the box's share of the whole."""
    start, value, end = gap
    # The root, so that a gap of half the width and half the height counts half
    return math.sqrt(max(end[0] - start, 0.0) / width * max(end[1] - value, 0.0) / height)


METHODS: dict[str, Callable[[Runner], str]] = {"augmented": augmented, "adaptive": adaptive, "scaling": scaling}
DEFAULT_TOLERANCE = {"augmented": 0.0, "adaptive": 0.05, "scaling": 0.01}
"""Adaptive: the widest gap allowed, over the whole front; scaling: how far each limit is below the last value."""
