"""The processes that make the points of a front, or the runs of a comparison, side by side."""

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess

from bilevel.errors import BilevelError
from bilevel.interrupts import hearing
from bilevel.interrupts.parents import end_with_parent


@contextmanager
def pool(workers: int) -> Iterator[Executor | None]:
    """Processes that work side by side; none for one worker.  They end with this process, however it ends."""
    if workers == 1:
        yield None
        return
    main = threading.current_thread() is threading.main_thread()
    processes = ProcessPoolExecutor(workers, _Deaf(), initializer=_begin, initargs=(main,))
    before = set(multiprocessing.active_children())
    try:
        yield processes
    except BrokenProcessPool as error:
        raise BilevelError(
            f"one of {workers} worker processes died, perhaps for lack of memory: give fewer --workers; what is "
            "in --out is kept for --resume"
        ) from error
    finally:
        # Every answer that counts is in: whatever a worker still solves after Ctrl-C is not waited for
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        processes.shutdown(cancel_futures=True)


class _Process(SpawnProcess):
    """A process that no signal reaches while it starts: what it imports would end in a traceback."""

    def start(self) -> None:
        with _blocked():
            super().start()


class _Deaf(SpawnContext):
    Process = _Process


@contextmanager
def _blocked() -> Iterator[None]:
    """Signals wait, here and in what is started meanwhile; where the system cannot, they come."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It is started with the first process, and lets signals come again behind itself
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set(hearing.NAMES))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(by_main_thread: bool) -> None:
    """In a worker: signals reach every process of a terminal, or of a group, and are for the command alone.

    While a worker solves, Ctrl-C stops that solve, which gives what it has.
    """
    end_with_parent(by_main_thread)
    for number in hearing.NAMES:
        with contextlib.suppress(ValueError):
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(hearing.NAMES))
