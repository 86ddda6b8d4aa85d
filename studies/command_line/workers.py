"""The processes that make the points of a front, or the runs of a comparison, side by side."""

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from bilevel.errors import BilevelError


@contextmanager
def pool(workers: int) -> Iterator[Executor | None]:
    """Processes that work side by side; none for one worker."""
    if workers == 1:
        yield None
        return
    processes = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_leave_ctrl_c)
    try:
        yield processes
    except BrokenProcessPool as error:
        raise BilevelError(
            f"one of {workers} worker processes died, perhaps for lack of memory: give fewer --workers; what is "
            "in --out is kept for --resume"
        ) from error
    finally:
        # Every answer that counts is in: whatever a worker still solves after Ctrl-C is not waited for
        for process in multiprocessing.active_children():
            process.terminate()
        processes.shutdown(cancel_futures=True)


def _leave_ctrl_c() -> None:
    """Ctrl-C reaches every process of a terminal: a worker between two tasks leaves it to the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
