"""Keeps what the C code of solvers prints away from the terminal, while Python goes on to print there."""

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

from bilevel.interrupts.hearing import held

_STREAMS = {"stdout": 1, "stderr": 2}


class _Mute:
    """File descriptors 1 and 2 sent to nowhere, and `sys.stdout` and `sys.stderr`, where they end there, led around."""

    def __init__(self) -> None:
        _flush()
        self.kept = {name: _duplicate(number) for name, number in _STREAMS.items()}
        self.swapped: dict[str, tuple[TextIO, TextIO]] = {}
        for name, number in _STREAMS.items():
            copy = self.kept[name]
            if copy is not None:
                self._lead_around(name, number, copy)
                _send_nowhere(number)

    def _lead_around(self, name: str, number: int, copy: int) -> None:
        old = getattr(sys, name)
        # A stream that ends elsewhere, as in notebooks and tests, does not go through the descriptor
        if _number(old) != number:
            return
        # Line by line, so that progress shows at once; the copy is for `end` to close
        new = open(copy, "w", buffering=1, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        self.swapped[name] = (old, new)
        setattr(sys, name, new)

    def end(self) -> None:
        """Put everything back."""
        # What C still holds back would come out once the descriptors are back
        _flush()
        for name, (old, new) in self.swapped.items():
            # Whoever has put another stream there meanwhile keeps it
            if getattr(sys, name) is new:
                setattr(sys, name, old)
        for name, number in _STREAMS.items():
            copy = self.kept[name]
            if copy is not None:
                os.dup2(copy, number)
                os.close(copy)


_lock = threading.Lock()
_inside: list[_Mute] = []
_depth = [0]


@contextlib.contextmanager
def calling() -> Iterator[None]:
    """Inside is a solver's C code: `silent`, and no signal raises before it has come back."""
    with held(), silent():
        yield


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """What C code prints to file descriptors 1 and 2 meanwhile is lost, in the whole process; what Python prints is not.

    Threads may be inside at the same time: the first one in begins the silence, the last one out ends it.
    """
    with _lock:
        _depth[0] += 1
        if _depth[0] == 1:
            _inside.append(_Mute())
    try:
        yield
    finally:
        with _lock:
            _depth[0] -= 1
            if not _depth[0]:
                _inside.pop().end()


def _duplicate(number: int) -> int | None:
    """A copy of the descriptor; None where the process was started without it."""
    try:
        return os.dup(number)
    except OSError:
        return None


def _send_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def _number(stream: TextIO | None) -> int | None:
    """The descriptor behind a stream; None for one that is kept in memory, or closed."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def _flush() -> None:
    """Write out what Python and C hold back, so that it goes where it was meant to."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if _FFLUSH is not None:
        _FFLUSH(None)


def _c_flush() -> Callable[[None], int] | None:
    """`fflush` of the C library of this process; Windows has none under no name."""
    with contextlib.suppress(OSError, TypeError, AttributeError):
        flush: Callable[[None], int] = ctypes.CDLL(None).fflush
        return flush
    return None


# Once, as a library takes a class of its own each time it is opened, which costs more than the rest of the silence
_FFLUSH = _c_flush()
