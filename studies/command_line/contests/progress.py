"""What `bilevel compare` says while its runs are made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from studies.command_line import display
from studies.contest import Problem, Step


@contextmanager
def bar(problem: Problem, quiet: bool) -> Iterator[Any]:
    """What `studies.contest.compare` calls after each run: a bar in a terminal, lines in a log, nothing where `quiet`."""
    console = display.console(stderr=True)
    if quiet:
        yield None
        return
    if not console.is_terminal:
        yield lambda step: console.print(_said(problem, step), soft_wrap=True)
        return
    columns = (
        TextColumn("runs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as line:
        task = line.add_task("", total=None, visible=False)
        yield lambda step: line.update(
            task, total=step.total, completed=step.done, description=_best(problem, step), visible=True
        )


def _said(problem: Problem, step: Step) -> str:
    run = step.run
    if run is None:
        return f"runs: {step.total}, finished before: {step.done}"
    value = f"{run.objective:.7g} {problem.unit}" if run.feasible else "infeasible"
    return f"run {step.done} of {step.total}: {run.method}, seed {run.seed}, {value}, {run.seconds:.1f} s; {_best(problem, step)}"


def _best(problem: Problem, step: Step) -> str:
    best = step.best
    return "best -" if best is None else f"best {best.objective:.7g} {problem.unit} by {best.method}"
