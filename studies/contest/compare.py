"""All runs of a comparison: the exact search first and alone, then the heuristics, side by side where there are workers."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bilevel.errors import BilevelError
from bilevel.journals.lock import held
from bilevel.progress import Progress
from bilevel.reformulate.ties import OPTIMISTIC
from studies.contest.problems.base import Problem, days_told
from studies.contest.runs import Run, search
from studies.contest.settings import Settings
from studies.contest.store import FILE, Store
from studies.contest.summary import Comparison, best_run
from studies.writing import files

Task = tuple[str, int]
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Step:
    """How far the runs of heuristics are: `done` of `total`, the `run` that ended last, the `best` so far (None: none yet)."""

    done: int
    total: int
    run: Run | None
    best: Run | None


def compare(
    problem: Problem,
    settings: Settings | None = None,
    executor: Executor | None = None,
    store: str | Path | None = None,
    progress: Callable[[Step], None] | None = None,
    exact_progress: bool = False,
) -> Comparison:
    """Solve a problem exactly and by heuristics of equal budgets, and put the answers side by side.

    - `executor`: any `concurrent.futures.Executor` whose workers can import this package; it takes the runs of heuristics.  The
      exact search runs first, in this process, so that its seconds are its own;
    - `store`: a folder that keeps every finished run; the same call with it goes on where a killed one stopped, and more runs or
      methods may be asked for; one call has it at a time;
    - `progress` is called before the first run of a heuristic and after each; `exact_progress` shows the exact search's own line.

    The first Ctrl-C keeps what is finished (and the exact search's best point with its bound), a second raises KeyboardInterrupt.
    Runs are the same bit for bit whatever executes them, apart from their seconds.  Raises what the problem's parts raise, and
    `BilevelError` for a store of another case or other settings, which it names, for one that another run has, and for other ties
    than optimistic without exact.  A damaged line of a store is put aside with a warning, and its run made again.
    """
    settings = Settings() if settings is None else settings
    gap = problem.gap if settings.gap is None else settings.gap
    settings = replace(settings, gap=gap)
    if problem.ties.name != OPTIMISTIC and not settings.exact:
        raise BilevelError(
            f"ties {problem.ties.name!r} are asked of the exact answer, and exact is not among the methods: add it, or leave "
            "ties out"
        )
    with held(None if store is None else Path(store) / FILE, "give another folder as store"):
        return _compared(
            problem, settings, gap, executor, None if store is None else Path(store), progress, exact_progress
        )


def _compared(
    problem: Problem, settings: Settings, gap: float, executor: Executor | None, store: Path | None,
    progress: Callable[[Step], None] | None, exact_progress: bool,
) -> Comparison:  # fmt: skip
    kept = Store(store, header(problem, settings), problem, gap)
    # The exact search listens for Ctrl-C itself; this does between searches
    with Progress(False) as line:
        if settings.exact and kept.exact is None:
            started = time.process_time()
            try:
                answer = problem.exact(gap, settings.time_limit, exact_progress)
            except BilevelError:
                kept.forget()
                raise
            kept.add(replace(answer, cpu_seconds=time.process_time() - started))
        new = 0
        if not (settings.exact and kept.exact is not None and kept.exact.interrupted):
            new = _run(problem, settings, kept, executor, line.stop, progress)
    runs = tuple(kept.runs[task] for task in settings.tasks if task in kept.runs)
    return Comparison(problem, settings, kept.exact if settings.exact else None, runs, new)


def header(problem: Problem, settings: Settings) -> dict[str, Any]:
    """What all runs of a store have in common: case, days, problem, ties, budget, limits of the exact search, and versions."""
    facts = files.facts(problem.case, {}, problem.solver)
    versions = facts.pop("versions")
    own = {name: value for name, value in settings.to_dict().items() if name not in ("methods", "runs", "seed")}
    return {
        **facts, "problem": problem.name, "objective": problem.objective, **problem.ties.told(), **own,
        **days_told(problem),
        "hash of case": hashlib.sha256(repr(problem.case).encode()).hexdigest(),
        **{f"version of {name}": version for name, version in versions.items()},
    }  # fmt: skip


def _run(
    problem: Problem, settings: Settings, kept: Store, executor: Executor | None, stop: Callable[[], bool],
    progress: Callable[[Step], None] | None,
) -> int:  # fmt: skip
    """Make the runs that the store lacks; gives their number."""
    tasks = settings.tasks
    missing = [task for task in tasks if task not in kept.runs]
    found = [kept.runs[task] for task in tasks if task in kept.runs]
    say = progress if progress is not None else _silent
    say(Step(len(found), len(tasks), None, best_run(problem, found)))
    here = _here(problem, settings, missing, stop)
    for run in here if executor is None else _apart(problem, settings, missing, stop, executor):
        kept.add(run)
        found.append(run)
        say(Step(len(found), len(tasks), run, best_run(problem, found)))
    return len(missing) - sum(task not in kept.runs for task in missing)


def _here(problem: Problem, settings: Settings, tasks: Sequence[Task], stop: Callable[[], bool]) -> Iterator[Run]:
    """Runs one after the other; one that is stopped midway is not given."""
    for method, seed in tasks:
        if stop():
            return
        run = search(problem, method, seed, settings.budget, settings.population, stop)
        if run.evaluations == settings.budget:
            yield run


def _apart(
    problem: Problem, settings: Settings, tasks: Sequence[Task], stop: Callable[[], bool], executor: Executor
) -> Iterator[Run]:
    """Runs in the order in which workers finish them."""
    budget = (settings.budget, settings.population)
    waiting: set[Future[Run]] = {executor.submit(search, problem, *task, *budget) for task in tasks}
    while waiting and not stop():
        done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
        yield from (future.result() for future in done)
    for future in waiting:
        # What was ready when Ctrl-C came is kept; what had not begun is left
        if not future.cancel() and future.done():
            yield future.result()


def _silent(_step: Step) -> None:
    """Show nothing."""
