"""One point of a front as a task for any process: numbers in, numbers out, with a solver that lives from task to task."""

import pickle
import time
from dataclasses import dataclass, replace

import numpy as np

from bilevel import relax as cones
from bilevel import solvers
from bilevel.budget import Budget
from bilevel.followers.kkt import Kkt
from bilevel.program.rows import Mask, Vector
from bilevel.progress import Progress
from bilevel.reformulate import modes
from bilevel.reformulate.single_level import Reformulation
from bilevel.search.diagnose.finer import resolved
from bilevel.search.engine import Search
from bilevel.search.incumbent import Incumbent
from bilevel.status import Verdict

_FOREVER = 1e15


@dataclass(frozen=True)
class Task:
    """Minimise limited_weight * z1 - maximized_weight * z2 with z1 <= `limit` and z2 >= `floor`."""

    limited_weight: float
    maximized_weight: float
    limit: float = np.inf
    floor: float = -np.inf

    @property
    def key(self) -> str:
        """The task in figures, exactly: equal tasks have equal keys."""
        numbers = (self.limited_weight, self.maximized_weight, self.limit, self.floor)
        return " ".join(float(number).hex() if np.isfinite(number) else str(float(number)) for number in numbers)


@dataclass(frozen=True)
class TaskResult:
    """What a search found for a task: a bound of the minimised objective, the point over the program's and multipliers' columns
    (None without one), which slacks were zero there; `verdict` is "infeasible", "unbounded" or ""; `stopped` by time or Ctrl-C."""

    bound: float
    x: Vector | None
    slack_zero: Mask | None
    verdict: Verdict
    seconds: float
    stopped: bool


@dataclass(frozen=True)
class SolveOptions:
    """How every point is solved; `seconds` is the time limit of one point, None without."""

    solver: str
    mode: str
    cones: str
    gap: float
    seconds: float | None


class TaskSolver:
    """A solver that takes one task after the other; tangents, bounds and earlier points are kept where the solver lets them."""

    def __init__(self, form: Reformulation, limited: int, maximized: int, setting: SolveOptions) -> None:
        self.form, self.columns, self.setting = form, np.array([limited, maximized]), setting
        self.search: Search | None = None
        self.last: list[tuple[Mask, Vector]] = []

    def solve(self, task: Task, starts: list[tuple[Mask, Vector]], progress: Progress) -> TaskResult:
        """Solve one task; `starts` are points of other tasks, on top of those of this solver."""
        began = time.monotonic()
        limit = _FOREVER if self.setting.seconds is None else self.setting.seconds
        budget = Budget(self.setting.gap, began + limit, progress)
        search = self._search(task, budget)
        # The same sides have one optimum, which need not be asked for twice
        last = [start for start in self.last if not any(np.array_equal(start[0], other[0]) for other in starts)]
        found = search.run((*starts, *last))
        # A bound that means nothing must not reach the store, as it would count for other limits too
        found = resolved(search.state.form.program, search.state.form, found)
        if found.x is not None and found.slack_zero is not None:
            self.last = [(found.slack_zero, found.x)]
        late = progress.interrupted or time.monotonic() >= budget.deadline
        return _answer(found, time.monotonic() - began, late, self.form.kkt)

    def _search(self, task: Task, budget: Budget) -> Search:
        cost = np.zeros(self.form.mip.columns)
        cost[self.columns] = task.limited_weight, -task.maximized_weight
        lower, upper = np.array([-np.inf, task.floor]), np.array([task.limit, np.inf])
        # Others may take over what they were told of the last objective, and start anew
        if self.search is None or not self.search.incremental:
            mip = self.form.mip
            low, high = mip.lower.copy(), mip.upper.copy()
            low[self.columns], high[self.columns] = lower, upper
            program = replace(self.form.program, cost=self.form.program.part_of(cost))
            form = replace(self.form, program=program, mip=replace(mip, cost=cost, lower=low, upper=high))
            setting = self.setting
            self.search = Search(
                form, solvers.find(setting.solver), modes.find(setting.mode), cones.find(setting.cones), budget
            )
        else:
            self.search.change(cost, self.columns, lower, upper, budget)
        return self.search


def _answer(found: Incumbent, seconds: float, late: bool, kkt: Kkt) -> TaskResult:
    return TaskResult(
        found.bound, None if found.x is None else kkt.part_of(found.x), found.slack_zero, found.verdict, seconds, late
    )


@dataclass(frozen=True)
class _Name:
    """Stands for a Pyomo variable where only its name is needed."""

    name: str


def packed(form: Reformulation, limited: int, maximized: int, setting: SolveOptions) -> bytes:
    """All that a task needs, without Pyomo objects."""
    # A Pyomo variable would be pickled with its whole model
    names = tuple(None if variable is None else _Name(str(variable.name)) for variable in form.program.variables)
    plain = replace(form, program=replace(form.program, variables=names))
    return pickle.dumps((plain, limited, maximized, setting))


_LIVING: dict[str, TaskSolver] = {}


def solve_packed(token: str, work: bytes, task: Task, starts: list[tuple[Mask, Vector]]) -> TaskResult:
    """A task in another process; its solver is kept there under `token` for the next one."""
    with Progress(show=False) as progress:
        return living(token, work).solve(task, starts, progress)


def living(token: str, work: bytes) -> TaskSolver:
    """The solver of a front in this process."""
    if token not in _LIVING:
        # One solver a process: that of another front is not needed again
        _LIVING.clear()
        _LIVING[token] = TaskSolver(*pickle.loads(work))
    return _LIVING[token]
