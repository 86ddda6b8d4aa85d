"""Solves the tasks of a front, here or in an executor's workers, and keeps every answer."""

import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bilevel import relax as cone_treatments
from bilevel import solvers
from bilevel.front.points import Expected
from bilevel.front.store import Store, fingerprint
from bilevel.front.tasks import SolveOptions, Task, TaskResult, TaskSolver, packed, solve_packed
from bilevel.front.two_objectives import TwoObjectives, compile_two
from bilevel.program.layout import Group
from bilevel.progress import ProgressEvent
from bilevel.reformulate.ties import PLAIN, Ties
from bilevel.search.plan import AUTO, Asked


@dataclass(frozen=True)
class Given:
    """The method's name, how many points at most, and its tolerance."""

    method: str
    points: int
    tolerance: float


class StoppedEarly(Exception):  # noqa: N818  # not an error: Ctrl-C or a task without an answer ends the method early
    """Why the method cannot go on."""


class Runner:
    """One front: the compiled program, the answers so far, and where they are solved."""

    def __init__(
        self, model: Any, maximize: Any, limit: Any, given: Given, setting: SolveOptions, executor: Executor | None,
        store: str | Path | None, progress: bool | Callable[[ProgressEvent], None], proofs: bool = False,
        ties: Ties = PLAIN,
    ) -> None:  # fmt: skip
        began = time.perf_counter()
        self.model, self.given, self.executor, self.show = model, given, executor, progress
        self.expressions, self.proofs, self.ties = (limit, maximize), proofs, ties
        engine = None if setting.solver == AUTO else solvers.find(setting.solver)
        asked = Asked(engine, setting.mode, cone_treatments.find(setting.cones), ties=ties)
        self.two: TwoObjectives = compile_two(model, maximize, limit)
        self.form = asked.level(self.two.program)
        plan = asked.plan(self.form)
        # What 'auto' came to, so that workers take the same and a store tells it
        self.setting = replace(setting, solver=plan.solver.name, mode=plan.mode.name, cones=plan.treatment.name)
        # Named where nothing is asked too, for stores of something else; older ones say nothing of it
        about = {"ties": None, "margin": None, **self.settings()}
        about |= fingerprint(self.form, self.two.limited, self.two.maximized)
        expected = Expected.of(self.form, self.two, setting.gap)
        self.store = Store(None if store is None else Path(store), about, expected)
        self.alone = self.two.maximizing()
        # These two are no variables of the user's
        ends = self.two.limited, self.two.maximized
        self.own = [(at, variable) for at, variable in self.two.program.own if at not in ends]
        self.living = TaskSolver(self.form, self.two.limited, self.two.maximized, self.setting)
        self.token, self.work = secrets.token_hex(8), b""
        self.weight = 0.0
        self.solved, self.compile_seconds = 0, time.perf_counter() - began
        self.tasks: list[Task] = []
        self.helpers: set[Task] = set()
        self.line: Any = None

    def settings(self) -> dict[str, Any]:
        """What the front was made with."""
        given, setting = self.given, self.setting
        ties = {} if self.ties == PLAIN else self.ties.told()
        return {
            "method": given.method, "points": given.points, "tolerance": given.tolerance, "solver": setting.solver,
            "mode": setting.mode, "cones": setting.cones, "gap": setting.gap, "time_limit": setting.seconds,
            **ties,
        }  # fmt: skip

    def solve(self, tasks: Iterable[Task], what: str) -> list[TaskResult]:
        """Answers of independent tasks, in their order; new ones are stored as they come."""
        tasks = list(tasks)
        # The front is made of what this run asks for; the store may hold more
        self.tasks.extend(tasks)
        missing = [task for task in dict.fromkeys(tasks) if task not in self.store]
        if self.executor is None:
            for task in missing:
                self.require_going_on()
                self._begin(what)
                self._add(task, self.living.solve(task, self._starts(task), self.line))
        else:
            starts = {task: self._starts(task) for task in missing}
            self.apart(solve_packed, starts, self._add, lambda: self._begin(what))
        self.require_going_on()
        return [self.store[task] for task in tasks]

    def apart(
        self, function: Callable[..., Any], asked: Mapping[Task, Any], keep: Callable[[Task, Any], None],
        began: Callable[[], None],
    ) -> None:  # fmt: skip
        """`function` of each task and what is asked of it, in the executor's workers, which have the front's program.

        `keep` takes each answer as it comes, after a call of `began`; raises `StoppedEarly` at Ctrl-C.
        """
        executor: Any = self.executor
        self.work = self.work or packed(self.form, self.two.limited, self.two.maximized, self.setting)
        waiting = {executor.submit(function, self.token, self.work, task, more): task for task, more in asked.items()}
        try:
            while waiting:
                # A short wait, so that Ctrl-C is heard while every worker is busy
                done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    began()
                    keep(waiting.pop(future), future.result())
                self.require_going_on()
        finally:
            for future, task in waiting.items():
                # What was ready when Ctrl-C came is kept; what had not begun is left
                if not future.cancel() and future.done() and future.exception() is None:
                    keep(task, future.result())

    def _begin(self, what: str) -> None:
        self.line.phase(f"{what} {len(self.store.answers) + 1}")

    def _add(self, task: Task, answer: TaskResult) -> None:
        """Keep an answer, with z1 and z2 equal to the expressions: the search may leave room where an objective leaves one out."""
        if answer.x is not None:
            x, ends = answer.x.copy(), [self.two.limited, self.two.maximized]
            own = self.two.program.layout[Group.VARIABLES]
            x[own] = self.two.program.within(x[own])
            x[ends] = self.two.values(x[own])
            answer = replace(answer, x=x)
        self.store.add(task, answer)
        self.solved += 1

    def require_going_on(self) -> None:
        """Raise `StoppedEarly` after Ctrl-C."""
        if self.line.interrupted:
            raise StoppedEarly(self.line.why)

    def _starts(self, task: Task) -> list[Any]:
        """Points of other tasks that this one allows: the best one."""
        at, best, value = [self.two.limited, self.two.maximized], None, math.inf
        for answer in self.store.answers.values():
            if answer.x is None or answer.slack_zero is None:
                continue
            limited, maximized = answer.x[at]
            worth = task.limited_weight * limited - task.maximized_weight * maximized
            if limited <= task.limit and maximized >= task.floor and worth < value:
                # Answers end with the multipliers; of a start the sides and the decisions count
                whole = np.zeros(self.form.mip.columns)
                whole[: len(answer.x)] = answer.x
                best, value = (answer.slack_zero, whole), worth
        return [] if best is None else [best]

    def value(self, answer: TaskResult, what: str) -> tuple[float, float]:
        """(limited, maximized) of an answer that the method cannot go on without."""
        if answer.x is None:
            raise StoppedEarly(f"{what}: {answer.verdict or 'nothing was found in the time given'}")
        return float(answer.x[self.two.limited]), float(answer.x[self.two.maximized])
