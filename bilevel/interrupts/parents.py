"""Processes that end with the one that started them, however that one ends."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def ended_by_system() -> bool:
    """Have the system kill this process as the thread that started it ends; whether it can (Linux).

    For processes whose starting thread waits for them, or is the main one: others would be killed too early.
    """
    if not sys.platform.startswith("linux"):
        return False
    # A C library without it, and a system that forbids it, leave the other ways
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0)
    return False


def end_with_parent(by_main_thread: bool) -> None:
    """In a process of `multiprocessing`: end as soon as its parent has ended, by kill or crash too.

    `by_main_thread`: whether the main thread of the parent started it.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if by_main_thread:
        ended_by_system()

    # The end of a pipe, which the system closes whatever happens: also for a parent that had ended before the line above
    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="parent").start()
