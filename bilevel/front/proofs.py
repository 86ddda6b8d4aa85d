"""Proofs of a front's bounds: the most under every point's limit, and both ends; made once, kept in the store, checked when read.

A proof is of one task without a floor: with its objective and its limit in the problem, whose fingerprint tells it from others.
"""

import math
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bilevel.budget import Budget
from bilevel.certify.proof import checker
from bilevel.certify.proof.log import Proof, read
from bilevel.errors import BilevelError
from bilevel.front.runner import Runner, StoppedEarly
from bilevel.front.tasks import Task, TaskSolver, living
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.progress import Progress
from bilevel.search.proving.log import problem_of
from bilevel.search.proving.proof import checked_proof, line_of, no_proof

Told = tuple[Proof | None, Check]
"""A proof, or why there is none, as the line of a certificate."""

LEAST, MOST = Task(1.0, 0.0), Task(0.0, 1.0)
"""The ends of a front: the least of the limited expression, and the most of the maximised one, both without a limit."""

_FOREVER = 1e14
_STOPPED = "interrupted by Ctrl-C"


def under(limit: float) -> Task:
    """What the proof of a point is of: the most of the maximised expression where the limited one is at most `limit`."""
    return replace(MOST, limit=limit)


def prove(run: Runner, wanted: Mapping[Task, float]) -> dict[Task, Told]:
    """Proofs of these tasks, whose best known objectives (minimised) are given: those of the store, and new ones.

    They are made here, or in the executor's workers where there is one.  After Ctrl-C none is begun, and one that it stopped is not
    kept.
    """
    told: dict[Task, Told] = {}
    with suppress(StoppedEarly):
        _collect(run, wanted, told)
    return {task: told.get(task, (None, no_proof(_STOPPED))) for task in wanted}


def _collect(run: Runner, wanted: Mapping[Task, float], told: dict[Task, Told]) -> None:
    # The line's numbers are those of the last search
    run.line.bound, run.line.incumbent = -math.inf, math.inf

    def begun() -> None:
        run.require_going_on()
        run.line.phase(f"proof {min(len(told) + 1, len(wanted))} of {len(wanted)}")

    def keep(task: Task, found: tuple[Told, bool]) -> None:
        (proof, line), late = found
        told[task] = proof, line
        path = run.store.proof_path(task)
        # Like points, proofs that the time cut short are tried again by the next run
        if proof is not None and path is not None and not late:
            proof.write(path)

    for task in wanted:
        begun()
        proof = read_checked(run.store.proof_path(task), problem(run.living, task))
        if proof is not None:
            told[task] = proof, line_of(proof)
    missing = {task: found for task, found in wanted.items() if task not in told}
    if run.executor is not None:
        run.apart(prove_packed, missing, keep, begun)
        return
    for task, found in missing.items():
        begun()
        with Progress(show=False) as part:
            answer = made(run.living, task, found, part)
        keep(task, answer)


def made(solver: TaskSolver, task: Task, found: float, progress: Progress) -> tuple[Told, bool]:
    """The proof of a task, with its certificate's line, and whether it ended by time or Ctrl-C; what Ctrl-C stopped is no proof."""
    seconds = math.inf if solver.setting.seconds is None else solver.setting.seconds
    budget = Budget(solver.setting.gap, time.monotonic() + min(seconds, _FOREVER), progress)
    proof, line = checked_proof(replace(solver.form, program=problem(solver, task)), found, budget)
    if progress.interrupted:
        return (None, no_proof(_STOPPED)), True
    if proof is not None and not math.isfinite(proof.bound):
        proof, line = None, no_proof("to the last digit there is no point, and those found keep rows by rounding")
    return (proof, line), time.monotonic() >= budget.deadline


def prove_packed(token: str, work: bytes, task: Task, found: float) -> tuple[Told, bool]:
    """The same in another process."""
    with Progress(show=False) as progress:
        return made(living(token, work), task, found, progress)


def problem(solver: TaskSolver, task: Task) -> Program:
    """The program whose bound a task's proof proves."""
    program = solver.form.program
    cost, upper = np.zeros(program.columns), program.upper.copy()
    cost[solver.columns] = task.limited_weight, -task.maximized_weight
    upper[solver.columns[0]] = task.limit
    return replace(program, cost=cost, offset=0.0, upper=upper, sign=-1.0 if task.maximized_weight else 1.0)


def read_checked(path: Path | None, program: Program) -> Proof | None:
    """The proof in a file, if the checker follows it and it is of this problem; None for any other file, and without one."""
    if path is None or not path.exists():
        return None
    try:
        content: Any = read(path)
        # Before the check, which takes longer
        if content["fingerprint"] != checker.fingerprint(problem_of(program)):
            return None
        proof = Proof.of(content)
    except (BilevelError, KeyError, TypeError, zlib.error):
        return None
    return proof if math.isfinite(proof.bound) else None
