"""What goes wrong before the command is there to tell: a system that has no memory, or no room for a file, while it is loaded."""

import contextlib
import os
import sys
from types import TracebackType

BAD_INPUT = 2


def told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception that nobody caught: one sentence and exit code 2 where the system refuses, else Python's own words."""
    if not isinstance(error, (OSError, MemoryError)):
        sys.__excepthook__(kind, error, trace)
        return
    what = (
        "memory is exhausted"
        if isinstance(error, MemoryError)
        else f"the system refuses a file ({error.strerror or error})"
    )
    with contextlib.suppress(OSError, ValueError):
        print(
            f"bilevel: {what} while the program is loaded: raise the limits (ulimit -a shows them) or free some",
            file=sys.stderr,
        )
        sys.stderr.flush()
    # An exception that nobody caught ends Python with 1
    os._exit(BAD_INPUT)
