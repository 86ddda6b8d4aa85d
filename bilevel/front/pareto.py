"""The Pareto front of two leader expressions of a bilevel model, every point globally solved (model page section 6).

`scaling` is [Z19] Algorithm 3: maximise, hold the limited expression below what it was, and again, until that is infeasible or
the maximised one stays.  `augmented` is the augmented epsilon-constraint method: lexicographic end points, then limits at equal
distances, with a small weight on the limited expression so that no point is dominated.  `adaptive` splits the widest gap between
neighbours until all are within a tolerance.  Each solve gives a point and a bound, and both hold for more than its own limit:
`ParetoFront` uses them.
"""

import math
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from bilevel import relax as cone_treatments
from bilevel import solvers, tolerances
from bilevel.certify import certificate
from bilevel.errors import BilevelError, UnknownNameError
from bilevel.front.pareto_front import FrontPoint, ParetoFront, nondominated
from bilevel.front.store import Store, fingerprint
from bilevel.front.tasks import Answer, Living, Setting, Task, packed, solve_packed
from bilevel.front.two_objectives import TwoObjectives, compile_two
from bilevel.program.rows import Vector
from bilevel.progress import Progress, ProgressEvent
from bilevel.reformulate.single_level import assemble
from bilevel.solve import AUTO, pick_mode

METHODS = ("augmented", "adaptive", "scaling")
_TOLERANCE = {"augmented": 0.0, "adaptive": 0.05, "scaling": 0.01}
_MOST = 1000


def pareto(
    model: Any,
    maximize: Any,
    limit: Any,
    method: str = "augmented",
    points: int = 11,
    tolerance: float | None = None,
    executor: Executor | None = None,
    store: str | Path | None = None,
    progress: bool | Callable[[ProgressEvent], None] = True,
    solver: str = "highs",
    mode: str = AUTO,
    cones: str = "tangent",
    gap: float = 1e-4,
    time_limit: float | None = None,
) -> ParetoFront:
    """The front of two leader expressions: `maximize` as large as possible for every value of `limit`, which is wanted small.

    - `method`: augmented (`points` points, end points included), adaptive (until every gap is within `tolerance` of the whole,
      default 0.05, at most `points` points), scaling ([Z19] Algorithm 3: each limit is `tolerance`, default 0.01, below the last
      value, at most `points` points);
    - `executor`: any `concurrent.futures.Executor` whose workers can import this package (processes, dask, mpi4py); scaling goes
      from point to point and gains nothing from it;
    - `store`: a folder that keeps every answer as it is found; the same call with it goes on where a killed run stopped;
    - `solver`, `mode`, `cones`, `gap`, `progress` as in `bilevel.solve`; `time_limit` in seconds for each point.

    The model's own objective takes no part.  Ctrl-C keeps the points found.  Example:

        front = bilevel.pareto(model, maximize=model.station_profit, limit=model.network_loss, points=11)
        print(front.to_frame("network_loss_kwh", "station_profit"))

    Raises what `bilevel.solve` raises, and `BilevelError` for a store of another model or other settings, which it names.
    """
    given = _Given.checked(method, points, tolerance, gap, time_limit)
    run = _Run(model, maximize, limit, given, Setting(solver, mode, cones, gap, time_limit), executor, store, progress)
    return run.front()


class _Given:
    """Method, number of points, tolerance."""

    def __init__(self, method: str, points: int, tolerance: float) -> None:
        self.method, self.points, self.tolerance = method, points, tolerance

    @staticmethod
    def checked(method: str, points: int, tolerance: float | None, gap: float, seconds: float | None) -> "_Given":
        if method not in METHODS:
            raise UnknownNameError("method", method, METHODS)
        if not isinstance(points, int) or not 2 <= points <= _MOST:
            raise BilevelError(f"points is {points!r}: give a whole number from 2 to {_MOST}")
        tolerance = _TOLERANCE[method] if tolerance is None else tolerance
        least = 0.0 if method == "augmented" else 1e-6
        if not (isinstance(tolerance, (int, float)) and math.isfinite(tolerance) and least <= tolerance < 1):
            raise BilevelError(f"tolerance is {tolerance!r}: give a number from {least:g} to 1, such as 0.02")
        for name, value in (("gap", gap), ("time_limit", seconds)):
            if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
                raise BilevelError(f"{name} is {value!r}: give a positive number")
        return _Given(method, points, float(tolerance))


class _Stopped(Exception):  # noqa: N818  # not an error: Ctrl-C or a task without an answer ends the method early
    """Why the method cannot go on."""


class _Run:
    """One front: the compiled program, the answers so far, and where they are solved."""

    def __init__(
        self, model: Any, maximize: Any, limit: Any, given: _Given, setting: Setting, executor: Executor | None,
        store: str | Path | None, progress: bool | Callable[[ProgressEvent], None],
    ) -> None:  # fmt: skip
        began = time.perf_counter()
        self.model, self.given, self.executor, self.show = model, given, executor, progress
        self.expressions = limit, maximize
        engine, treatment = solvers.find(setting.solver), cone_treatments.find(setting.cones)
        self.two: TwoObjectives = compile_two(model, maximize, limit)
        self.form = assemble(self.two.program, "nonconvex" in engine.features)
        chosen, treatment = pick_mode(setting.mode, self.form, engine, treatment)
        self.setting = replace(setting, mode=chosen.name, cones=treatment.name)
        about = {**fingerprint(self.form, self.two.limited, self.two.maximized), **self._settings()}
        self.store = Store(None if store is None else Path(store), about)
        self.alone = self.two.maximizing()
        ends = self.two.limited, self.two.maximized
        self.own = [(at, variable) for at, variable in self.two.program.own if at not in ends]
        self.living = Living(self.form, self.two.limited, self.two.maximized, self.setting)
        self.token, self.work = secrets.token_hex(8), b""
        self.weight = 0.0
        self.solved, self.compile_seconds = 0, time.perf_counter() - began
        self.tasks: list[Task] = []
        self.helpers: set[Task] = set()
        self.line: Any = None

    def _settings(self) -> dict[str, Any]:
        given, setting = self.given, self.setting
        return {
            "method": given.method, "points": given.points, "tolerance": given.tolerance, "solver": setting.solver,
            "mode": setting.mode, "cones": setting.cones, "gap": setting.gap, "time_limit": setting.seconds,
        }  # fmt: skip

    def front(self) -> ParetoFront:
        """Run the method to its end, or as far as it comes, and put the front together."""
        began = time.perf_counter()
        methods = {"augmented": self._augmented, "adaptive": self._adaptive, "scaling": self._scaling}
        with Progress(self.show, -1.0) as self.line:
            try:
                reason, complete = methods[self.given.method](), True
            except _Stopped as stop:
                reason, complete = str(stop), False
        solve_seconds = time.perf_counter() - began
        points = self._points()
        spent = {"compile": self.compile_seconds, "solve": solve_seconds}
        spent["certify"] = time.perf_counter() - began - solve_seconds
        least, most = self._ends()
        return ParetoFront(points, least, most, complete, reason, self.solved, spent, self._settings(), self.model)

    # Solving

    def _solve(self, tasks: Iterable[Task], what: str) -> list[Answer]:
        """Answers of independent tasks, in their order; new ones are stored as they come."""
        tasks = list(tasks)
        self.tasks.extend(tasks)
        missing = [task for task in dict.fromkeys(tasks) if task not in self.store]
        if self.executor is None:
            for task in missing:
                self._check_stop()
                self.line.phase(f"{what} {len(self.store.answers) + 1}")
                self._add(task, self.living.solve(task, self._starts(task), self.line))
        else:
            self._solve_apart(missing, what)
        self._check_stop()
        return [self.store[task] for task in tasks]

    def _solve_apart(self, missing: list[Task], what: str) -> None:
        """The same in the executor's workers."""
        executor: Any = self.executor
        self.work = self.work or packed(self.form, self.two.limited, self.two.maximized, self.setting)
        waiting = {
            executor.submit(solve_packed, self.token, self.work, task, self._starts(task)): task for task in missing
        }
        try:
            while waiting:
                done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    self.line.phase(f"{what} {len(self.store.answers) + 1}")
                    self._add(waiting.pop(future), future.result())
                self._check_stop()
        finally:
            for future, task in waiting.items():
                # What was ready when Ctrl-C came is kept; what had not begun is left
                if not future.cancel() and future.done() and future.exception() is None:
                    self._add(task, future.result())

    def _add(self, task: Task, answer: Answer) -> None:
        """Keep an answer, with z1 and z2 equal to the expressions: the search may leave room where an objective leaves one out."""
        if answer.x is not None:
            x, ends = answer.x.copy(), [self.two.limited, self.two.maximized]
            x[: self.two.program.columns] = self.two.program.within(x[: self.two.program.columns])
            x[ends] = self.two.values(x[: self.two.program.columns])
            answer = replace(answer, x=x)
        self.store.add(task, answer)
        self.solved += 1

    def _check_stop(self) -> None:
        if self.line.interrupted:
            raise _Stopped("interrupted by Ctrl-C")

    def _starts(self, task: Task) -> list[Any]:
        """Points of other tasks that this one allows: the best one."""
        at, best, value = [self.two.limited, self.two.maximized], None, math.inf
        for answer in self.store.answers.values():
            if answer.x is None or answer.slack_zero is None:
                continue
            limited, maximized = answer.x[at]
            worth = task.limited_weight * limited - task.maximized_weight * maximized
            if limited <= task.limit and maximized >= task.floor and worth < value:
                whole = np.zeros(self.form.mip.columns)
                whole[: len(answer.x)] = answer.x
                best, value = (answer.slack_zero, whole), worth
        return [] if best is None else [best]

    def _value(self, answer: Answer, what: str) -> tuple[float, float]:
        """(limited, maximized) of an answer that the method cannot go on without."""
        if answer.x is None:
            raise _Stopped(f"{what}: {answer.verdict or 'nothing was found in the time given'}")
        return float(answer.x[self.two.limited]), float(answer.x[self.two.maximized])

    # Methods

    def _corners(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The lexicographic end points: least limited, then most maximised; most maximised, then least limited."""
        most, least = Task(0.0, 1.0), Task(1.0, 0.0)
        answers = self._solve([most, least], "end points")
        self.helpers |= {most, least}
        top, bottom = self._value(answers[0], "maximize"), self._value(answers[1], "limit")
        left = self._value(self._solve([Task(0.0, 1.0, self._just_above(bottom[0]))], "end points")[0], "least end")
        # One weight for all: with the same objective a living solver knows what earlier points prove of later ones
        self.weight = self._weight(left, top)
        right = self._value(self._solve([self._task(math.inf)], "end points")[0], "largest end")
        return left, right

    def _just_above(self, limited: float) -> float:
        """A limit that the least value found meets with room: an answer is known within its gap only."""
        return limited + self.setting.gap * abs(limited)

    def _weight(self, left: tuple[float, float], right: tuple[float, float]) -> float:
        """Of the limited expression beside the maximised one."""
        width, height = right[0] - left[0], right[1] - left[1]
        return tolerances.FRONT_AUGMENTED * height / width if width > 0 and height > 0 else 0.0

    def _task(self, limit: float) -> Task:
        return Task(self.weight, 1.0, limit)

    def _augmented(self) -> str:
        left, right = self._corners()
        if _is_point(left, right):
            return "one point is best in both expressions"
        inner = np.linspace(left[0], right[0], self.given.points)[1:-1].tolist()
        self._solve([self._task(limit) for limit in inner], "point")
        return f"{self.given.points} limits at equal distances"

    def _adaptive(self) -> str:
        left, right = self._corners()
        if _is_point(left, right):
            return "one point is best in both expressions"
        width, height = right[0] - left[0], right[1] - left[1]
        # (limit up to which the left point is known to be best, its maximised value, the right point)
        gaps = [(self._just_above(left[0]), left[1], right)]
        found = 2
        while True:
            open_gaps = [gap for gap in gaps if _size(gap, width, height) > self.given.tolerance]
            if not open_gaps:
                return f"every gap is within {self.given.tolerance:g} of the front"
            if found >= self.given.points:
                return f"{found} points; the widest gap is {max(_size(gap, width, height) for gap in gaps):.3g} of the front"
            open_gaps.sort(key=lambda gap: -_size(gap, width, height))
            split = open_gaps[: self.given.points - found]
            answers = self._solve([self._task((start + end[0]) / 2) for start, _, end in split], "point")
            for gap, answer in zip(split, answers, strict=True):
                start, value, end = gap
                point = self._value(answer, "a limit")
                gaps.remove(gap)
                if point[1] > value:
                    gaps.append((start, value, point))
                    found += 1
                gaps.append(((start + end[0]) / 2, max(point[1], value), end))

    def _scaling(self) -> str:
        """[Z19] Algorithm 3."""
        last = self._value(self._solve([Task(0.0, 1.0)], "point")[0], "maximize")
        for _ in range(self.given.points - 1):
            limit = last[0] - self.given.tolerance * abs(last[0])
            answer = self._solve([Task(0.0, 1.0, limit)], "point")[0]
            if answer.verdict == "infeasible":
                return "the next limit is infeasible"
            point = self._value(answer, f"limit {limit:.9g}")
            if abs(point[1] - last[1]) <= tolerances.FRONT_EQUAL * abs(last[1]):
                return "the maximised expression stays the same under the next limit"
            last = point
        return f"{self.given.points} points"

    # Results

    def _ends(self) -> tuple[float, float]:
        """Proven least of the limited and most of the maximised expression."""
        least, most = -math.inf, math.inf
        for task in self.tasks:
            answer = self.store.get(task)
            if answer is None or task.floor > -math.inf:
                continue
            if task.maximized_weight == 0 and task.limit == math.inf:
                least = max(least, answer.bound / task.limited_weight)
            if task.limited_weight == 0 and task.limit == math.inf:
                most = min(most, -answer.bound / task.maximized_weight)
        return least, most

    def _bounds(self) -> list[tuple[float, float]]:
        """(limit, most of the maximised expression under it) of every answer that has a bound of that kind."""
        found = []
        for task in self.tasks:
            answer = self.store.get(task)
            if answer is not None and task.maximized_weight > 0 and task.floor == -math.inf:
                more = task.limited_weight * task.limit if task.limited_weight else 0.0
                found.append((task.limit, (more - answer.bound) / task.maximized_weight))
        return found

    def _points(self) -> tuple[FrontPoint, ...]:
        """Every answer that is a point of the front, rechecked with the best bound that any answer gives for its limit."""
        bounds, points = self._bounds(), []
        for task in dict.fromkeys(self.tasks):
            answer = self.store.get(task)
            if answer is None or answer.x is None or task in self.helpers:
                continue
            limited, maximized, x, values = self._loaded(answer.x)
            limit = task.limit if task.maximized_weight else limited
            bound = min([most for under, most in bounds if under >= limit], default=math.inf)
            recheck = self._recheck(x, answer.x, bound, task.limit)
            gap = recheck["global gap"].value
            named = {str(variable.name): value for variable, value in values.items()}
            found = limited, maximized, limit, bound, gap, recheck.status, recheck, answer.seconds, named, values
            points.append(FrontPoint(*found))
        return nondominated(points)

    def _loaded(self, found: Vector) -> tuple[float, float, Vector, ComponentMap]:
        """The values in the model, both expressions at them, the program's columns with z1 and z2 equal to the expressions."""
        x = self.two.program.within(found[: self.two.program.columns])
        values = ComponentMap((variable, float(x[at])) for at, variable in self.own)
        for variable, value in values.items():
            variable.set_value(value, skip_validation=True)
        limited, maximized = (float(pyo.value(expression)) for expression in self.expressions)
        x[[self.two.limited, self.two.maximized]] = limited, maximized
        return limited, maximized, x, values

    def _recheck(self, x: Vector, found: Vector, bound: float, limit: float) -> certificate.Certificate:
        """The certificate of a point, with its limit as a row of the leader's: ties have to keep it too."""
        upper = self.alone.upper.copy()
        # The limit is met within rounding
        upper[self.two.limited] = max(limit, float(x[self.two.limited])) if limit < math.inf else math.inf
        alone = replace(self.alone, upper=upper)
        duals = found[self.two.program.columns : self.form.kkt.columns]
        return certificate.check_point(self.model, alone, x, self.form, duals, bound, self.setting.gap)


def _is_point(left: tuple[float, float], right: tuple[float, float]) -> bool:
    return not (right[0] > left[0] and right[1] > left[1])


def _size(gap: tuple[float, float, tuple[float, float]], width: float, height: float) -> float:
    """Where the front may lie between neighbours: the square root of the box's share of the whole."""
    start, value, end = gap
    return math.sqrt(max(end[0] - start, 0.0) / width * max(end[1] - value, 0.0) / height)
