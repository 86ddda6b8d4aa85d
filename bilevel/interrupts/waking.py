"""A thread that hears signals while the main one is deep in a solver, where Python's own handlers have to wait."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable

EXIT_CODE = 130
_PATIENCE_SECONDS = 5.0
"""What a run has to end in after the second signal."""


class Waking:
    """Counts signals of these `numbers` as the system tells of them; two within `one` seconds are one.

    After the second one, or `end`, the process has some seconds to leave this context; then it ends with exit code 130, as it
    stands: files are written whole or not at all, and what this process started ends with it.
    """

    def __init__(self, numbers: Iterable[int], one: float) -> None:
        self.numbers, self.one = frozenset(numbers), one
        self.count = 0
        self.left = threading.Event()
        self.write = self.before = -1

    def __enter__(self) -> "Waking":
        read, self.write = os.pipe()
        # Python asks for it where the system knows it
        if os.name == "posix":
            os.set_blocking(self.write, False)
        self.before = signal.set_wakeup_fd(self.write, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(read,), daemon=True, name="signals").start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self.before)
        self.left.set()
        # The thread's end, which closes the other one itself
        os.close(self.write)

    def end(self) -> None:
        """The second signal is being obeyed."""
        with contextlib.suppress(OSError):
            os.write(self.write, b"\0")

    def _listen(self, read: int) -> None:
        last, ending = -self.one, False
        while told := os.read(read, 512):
            now = time.monotonic()
            if self.numbers.intersection(told):
                self.count += now - last >= self.one
                last = now
            if 0 in told or self.count > 1:
                ending = True
                break
        if ending and not self.left.wait(_PATIENCE_SECONDS):
            os._exit(EXIT_CODE)
        os.close(read)
