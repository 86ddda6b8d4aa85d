"""Specs into a store: what is there already is skipped, what is missing runs in turns, one process a run."""

import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bilevel.errors import BilevelError
from bilevel.journals.lock import held
from studies.benchmarks import process
from studies.benchmarks.spec import Spec
from studies.benchmarks.store import Store

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


@dataclass
class Tally:
    """Runs made now, runs that the store held already, and by status those made now; `interrupted` by Ctrl-C."""

    done: int = 0
    skipped: int = 0
    interrupted: bool = False
    statuses: dict[str, int] = field(default_factory=dict)


def run(
    specs: Sequence[Spec],
    store: Path,
    repeats: int = 3,
    workers: int = 1,
    executor: Executor | None = None,
    quiet: bool = False,
) -> Tally:
    """Run every spec `repeats` times, in turns, and append each run to the store as it is done.

    A run whose key and repeat the store holds is skipped, and so is the repeat of a run that timed out, so that a campaign goes on
    where it was stopped.  `workers` runs are made side by side on this machine, and disturb each other's times; with an `executor`
    of the interface of `concurrent.futures`, on its machines.  Ctrl-C ends the runs under way and keeps what is in the store.

    Raises `BilevelError` for numbers that cannot be, for a file that is no store, and for one that another run has.
    """
    for name, value in (("repeats", repeats), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BilevelError(f"{name} is {value!r}: give a whole number that is at least 1")
    unique = list({spec.key: spec for spec in specs}.values())
    tally = Tally()
    with held(store, "give another file"):
        kept = Store(store)
        with _interruptible(), _line(quiet, len(unique) * repeats) as line, _pool(workers, executor) as pool:
            try:
                for repeat in range(repeats):
                    _turn(unique, repeat, kept, tally, pool, line, workers if executor is None else None)
            except KeyboardInterrupt:
                tally.interrupted = True
    return tally


def _turn(
    specs: list[Spec], repeat: int, store: Store, tally: Tally, pool: Executor, line: Progress, workers: int | None
) -> None:
    """One run of each spec that the store lacks."""
    missing = [spec for spec in specs if (spec.key, repeat) not in store.done and spec.key not in store.late]
    tally.skipped += len(specs) - len(missing)
    line.advance(line.task_ids[0], len(specs) - len(missing))
    futures = [pool.submit(process.isolated, spec.to_dict(), repeat) for spec in missing]
    try:
        for future in as_completed(futures):
            row = future.result()
            store.append(row | {"workers": workers})
            tally.done += 1
            tally.statuses[row["status"]] = tally.statuses.get(row["status"], 0) + 1
            line.advance(line.task_ids[0])
            line.console.print(_sentence(row), soft_wrap=True, markup=False, highlight=False)
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _sentence(row: dict[str, Any]) -> str:
    words = [f"{row['status']:>10}"]
    if row.get("solve_seconds") is not None:
        words.append(f"{'>=' if row['timeout'] else '':>2}{row['solve_seconds']:8.2f} s")
    if row.get("peak_memory_mb") is not None:
        words.append(f"{row['peak_memory_mb']:6.0f} MB")
    reason = f" ({row['reason']})" if row["status"] in (process.CRASHED, process.REFUSED) else ""
    return " ".join([*words, f"  {row['key']}, repeat {row['repeat']}{reason}"])


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt, also in a process that was started in the background, with Ctrl-C ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _line(quiet: bool, total: int) -> Iterator[Progress]:
    """One live line of how far the campaign is."""
    console = Console(stderr=True, quiet=quiet)
    with Progress(*_COLUMNS, console=console, transient=True) as line:
        line.add_task("benchmarks", total=total)
        yield line


@contextmanager
def _pool(workers: int, executor: Executor | None) -> Iterator[Executor]:
    """The executor that was given, or threads that each wait for a process."""
    if executor is not None:
        yield executor
        return
    threads = ThreadPoolExecutor(workers)
    try:
        yield threads
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        process.stop_all()
        threads.shutdown()
