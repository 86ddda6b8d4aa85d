"""Processes that are killed when they take too long."""

from __future__ import annotations

import os
import time

from fuzz_pool import DIED, HUNG, run


def _task(name: str) -> str:
    if name == "hangs":
        time.sleep(600)
    if name == "dies":
        os._exit(3)
    return name.upper()


def test_a_process_that_hangs_or_dies_is_told_and_replaced() -> None:
    answers = dict(run(_task, ["one", "dies", "hangs", "two"], jobs=1, seconds=2.0))
    assert answers == {"one": "ONE", "dies": DIED, "hangs": HUNG, "two": "TWO"}


def test_every_task_is_answered_once() -> None:
    found = list(run(_task, [str(k) for k in range(30)], jobs=2, seconds=60.0))
    assert sorted(found) == sorted((str(k), str(k)) for k in range(30))
