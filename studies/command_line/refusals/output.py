"""What is printed: an answer stands in its files, whatever becomes of standard output and standard error."""

import contextlib
import io
import os
import sys
from typing import Any

LOST = 1
"""Exit code where standard output was closed or could not be written."""

_lost: list[OSError] = []


class _Spared(io.TextIOWrapper):
    """A standard stream that goes on to nowhere once it cannot be written: the command is not ended by that."""

    def __init__(self, old: Any, counts: bool) -> None:
        ways = {"line_buffering": old.line_buffering, "write_through": old.write_through}
        super().__init__(old.detach(), encoding=old.encoding, errors=old.errors, **ways)
        self.counts = counts

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            return self._lose(error, len(text))

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._lose(error, 0)

    def _lose(self, error: OSError, length: int) -> int:
        if self.counts:
            _lost.append(error)
        # Nothing more can be said there, not even at exit
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return length


def spare() -> None:
    """From now on standard output and standard error of this process are such that a command outlives them."""
    _lost.clear()
    for name in ("stdout", "stderr"):
        old = getattr(sys, name)
        # A process may be started without one of them
        if isinstance(old, io.TextIOWrapper):
            new = _Spared(old, name == "stdout")
            setattr(sys, name, new)
            setattr(sys, f"__{name}__", new)


def code(found: int) -> int:
    """The exit code of a command that ends with this one; says on standard error what was lost."""
    if sys.stdout is not None:
        sys.stdout.flush()
    if not _lost:
        return found
    # Who reads no further, as `head` does, wants to hear no more
    if not isinstance(_lost[0], BrokenPipeError):
        remark(
            f"standard output cannot be written ({_lost[0].strerror}), so what was to be printed is lost, and files that were "
            "asked for are written: send it to another place, or take --quiet"
        )
    return LOST if found == 0 else found


def remark(sentence: str) -> None:
    """Print a sentence on standard error; one that cannot be written there is lost, as there is no other place for it."""
    with contextlib.suppress(OSError, ValueError):
        print("bilevel:", " ".join(sentence.split()), file=sys.stderr, flush=True)
