"""Work in processes that are killed when they take too long: a solver that hangs in its own code hears nothing else."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

HUNG, DIED = "HUNG", "CRASHED"
_READY, _START = "ready", 300.0


@dataclass
class _Worker:
    work: Callable[[Any], Any]
    task: Any = None
    since: float = 0.0
    ready: bool = False
    process: Any = None
    pipe: Connection = field(init=False)

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.ready = False
        self.process = context.Process(target=_serve, args=(self.work, other), daemon=True)
        self.process.start()
        other.close()

    def give(self, task: Any) -> None:
        self.task, self.since = task, time.monotonic()
        self.pipe.send(task)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        pipe.send(_READY)
        while True:
            pipe.send(work(pipe.recv()))


def run(work: Callable[[Any], Any], tasks: Iterable[Any], jobs: int, seconds: float) -> Iterator[tuple[Any, Any]]:
    """(task, what work(task) gives), as they come; HUNG after this many seconds, CRASHED where the process dies."""
    left, busy, idle = iter(tasks), [], [_Worker(work) for _ in range(jobs)]
    for worker in idle:
        worker.start()
    try:
        while True:
            for worker, task in zip(list(idle), left, strict=False):
                worker.give(task)
                idle.remove(worker)
                busy.append(worker)
            if not busy:
                return
            wait([worker.pipe for worker in busy], timeout=1.0)
            for worker in list(busy):
                answer = _answer(worker, seconds)
                if answer is not None:
                    busy.remove(worker)
                    idle.append(worker)
                    yield worker.task, answer
    finally:
        for worker in [*busy, *idle]:
            worker.end()


def _answer(worker: _Worker, seconds: float) -> Any:
    """What came, HUNG or CRASHED after which the worker is a new process, None while it works."""
    try:
        if worker.pipe.poll():
            answer = worker.pipe.recv()
            if worker.ready:
                return answer
            # The clock starts when the process has imported what it needs
            worker.ready, worker.since = True, time.monotonic()
        late = time.monotonic() - worker.since > (seconds if worker.ready else _START)
        answer = HUNG if late else None
    except EOFError:
        answer = DIED
    if answer is not None:
        worker.end()
        worker.start()
    return answer
