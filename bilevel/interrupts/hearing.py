"""Ctrl-C and its like: the first asks a run to stop and keep what it has, the second ends it with KeyboardInterrupt.

Signals are heard by one handler, for whoever listens: a solve (`part`, Ctrl-C alone) or a whole process (`whole`, with SIGTERM and
SIGHUP).  It sets a flag, and raises between calls only: code of C++ that calls back into Python (`held`) is never left by an
exception, which it does not survive.
"""

import contextlib
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from bilevel.interrupts.waking import Waking

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM, as by Ctrl-C"}
"""Signals that ask a run to stop, and what they are called; the second one acts as the first."""

if hasattr(signal, "SIGHUP"):
    NAMES[signal.SIGHUP] = "SIGHUP, as by Ctrl-C"

_ONE_SECONDS = 0.5
"""A signal of the system's that comes again so soon is the same one: `timeout` sends it to a process, and to its group."""


class Heard:
    """What was heard since somebody began to listen.

    `times`: how often it was asked to stop; `why`: the first time, in words; `keeping`: a run has begun, so that there may be
    something to keep, and the first signal raises nothing.
    """

    def __init__(self, keeping: bool = True, waking: Waking | None = None) -> None:
        self.keeping, self.waking = keeping, waking
        self.times, self.why = 0, "interrupted by Ctrl-C"
        self.stopped = False
        self.asked_at = math.inf
        self.forgiven = 0
        self.last = -_ONE_SECONDS

    @property
    def asked(self) -> bool:
        """Whether to stop and keep what there is."""
        return self.stopped or self.count > self.forgiven

    @property
    def count(self) -> int:
        """How often it was asked to stop; a thread counts while the main one is deep in a solver."""
        return max(self.times, 0 if self.waking is None else self.waking.count)

    def stop(self, why: str) -> None:
        """Ask to stop for another reason than a signal."""
        self.stopped, self.why = True, why
        self.asked_at = min(self.asked_at, time.monotonic())

    def signalled(self, number: int) -> None:
        """A signal came; raises KeyboardInterrupt at the second, at the first too where nothing is to be kept, but for `held`."""
        now = time.monotonic()
        again = number != signal.SIGINT and now - self.last < _ONE_SECONDS
        self.last = now
        if again and self.times:
            return
        self.asked_at = min(self.asked_at, now)
        self.times = max(self.times + 1, self.count)
        if self.times == 1:
            self.why = self.why if self.stopped else f"interrupted by {NAMES[signal.Signals(number)]}"
            if self.keeping:
                return
        if self.waking is not None:
            self.waking.end()
        _end()


_heard: list[Heard] = []
"""Who listens, the last one first to be told."""

_depth = [0]
_waiting: list[bool] = []
"""How deep the main thread is in code that no exception may leave, and whether one is to be raised behind it."""


def _handle(number: int, _frame: FrameType | None) -> None:
    if _heard:
        _heard[-1].signalled(number)
    else:
        _end()


def _end() -> None:
    """KeyboardInterrupt, now or once the code is left that no exception may leave."""
    if _depth[0]:
        _waiting.append(True)
        return
    _waiting.clear()
    if sys.unraisablehook is _untold:
        # The command ends: what Pyomo logs of a component that it was building when the interrupt came is no fault
        logging.disable(logging.CRITICAL)
    raise KeyboardInterrupt


def _process() -> Heard | None:
    """What is heard for the whole process, if it listens."""
    return next((heard for heard in _heard if heard.waking is not None), None)


def asked() -> str:
    """Why the whole process or the solve that runs in the main thread is to stop, in words; nothing where it is not."""
    return next((heard.why for heard in _heard if heard.asked), "")


def ending() -> bool:
    """Whether KeyboardInterrupt is on its way: a solver stops for it whatever it does."""
    return bool(_waiting) or any(heard.count > 1 for heard in _heard)


class part:  # noqa: N801  # a context, such as `contextlib.suppress`
    """Inside, Ctrl-C asks a solve to stop: gives its `Heard`, that of the solve or process which this one is a part of.

    Python lets no thread but the main one take signals; in others nothing is heard, but what a whole process hears.
    """

    def __init__(self) -> None:
        self.before: Any = None
        self.pushed = False

    def __enter__(self) -> Heard:
        if threading.current_thread() is not threading.main_thread():
            return _process() or Heard()
        before = signal.getsignal(signal.SIGINT)
        if before is not _handle:
            # Who put another handler there meanwhile listens for himself
            _heard.append(Heard())
            self.before, self.pushed = before, True
            signal.signal(signal.SIGINT, _handle)
        _heard[-1].keeping = True
        return _heard[-1]

    def __exit__(self, *_: object) -> None:
        if not self.pushed:
            return
        # None where the handler before was not of Python, and cannot be put back
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
        _heard.pop()


@contextlib.contextmanager
def whole() -> Iterator[Heard]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP are for the whole process: gives what is heard; nothing outside of the main thread.

    The first one raises KeyboardInterrupt while nothing has begun that is worth keeping (`Heard.keeping`).  The second one does,
    and where a solver does not come back for it within seconds, the process ends with exit code 130.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or (_heard and signal.getsignal(signal.SIGINT) is _handle):
        yield _heard[-1] if main and _heard else Heard(keeping=False)
        return
    with Waking(map(int, NAMES), _ONE_SECONDS) as waking:
        heard = Heard(False, waking)
        # What runs under `nohup` is not to end with its terminal
        wanted = [number for number in NAMES if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN]
        _heard.append(heard)
        before = {number: signal.signal(number, _handle) for number in wanted}
        told, sys.unraisablehook = sys.unraisablehook, _untold
        try:
            yield heard
        finally:
            sys.unraisablehook = told
            logging.disable(logging.NOTSET)
            for number, handler in before.items():
                # Who has put another handler there meanwhile keeps it
                if handler is not None and signal.getsignal(number) is _handle:
                    signal.signal(number, handler)
            _heard.remove(heard)


def _untold(found: Any) -> None:
    """What is raised where nobody can take it; an interrupt there is no fault, and the process ends by itself."""
    if found.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(found)


@contextlib.contextmanager
def forgiven() -> Iterator[None]:
    """Inside, what asked to stop until now is forgotten: for the last steps that make an answer of what was found.

    A solve that this one is a part of is not: it stops as a whole.
    """
    heard = _process()
    if heard is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before, heard.forgiven = heard.forgiven, heard.count
    try:
        yield
    finally:
        heard.forgiven = before


class held:  # noqa: N801
    """Inside, no signal raises: code of C++ that calls back into Python ends in a crash where an exception leaves it.

    What came meanwhile is raised behind it.  `ending` tells callbacks to stop for that.
    """

    def __init__(self) -> None:
        self.before: Any = None
        self.main = False

    def __enter__(self) -> None:
        self.main = threading.current_thread() is threading.main_thread()
        if not self.main:
            return
        _depth[0] += 1
        before = signal.getsignal(signal.SIGINT)
        if before is not _handle and callable(before):
            self.before = before
            signal.signal(signal.SIGINT, lambda *_: _waiting.append(True))

    def __exit__(self, *_: object) -> None:
        if not self.main:
            return
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
        _depth[0] -= 1
        if _waiting and not _depth[0]:
            _waiting.clear()
            (self.before or signal.default_int_handler)(signal.SIGINT, None)


def deaf() -> None:
    """From here on no signal of these does anything: what was to be done is done."""
    for number in NAMES:
        signal.signal(number, signal.SIG_IGN)
