"""One handler hears the signals: the first is a flag, the second an interrupt, and no solver's code is left by one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import highspy
import numpy as np
import pytest
from long_solves import market_split

import bilevel
from bilevel.interrupts import hearing
from bilevel.interrupts.hearing import Heard, held, whole
from bilevel.progress import Progress, Quiet
from bilevel.solvers.silence import calling

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in hearing.NAMES]


@pytest.fixture
def unheard() -> Iterator[None]:
    """Tests may run under `nohup`, which ignores a signal that they send."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", list(hearing.NAMES))
def test_the_first_signal_of_a_process_keeps_what_a_run_has_found(number: int, unheard: None) -> None:
    before = handlers()
    with whole() as heard, Progress(False) as line:
        assert heard.keeping and not hearing.asked()
        signal.raise_signal(number)
        assert line.interrupted and line.stop() and not hearing.ending()
        assert "Ctrl-C" in line.why and "Ctrl-C" in hearing.asked()
        with Progress(False) as part:
            assert part.stop(), "a later part stops as it begins"
    assert handlers() == before


def test_a_solve_is_over_and_its_process_still_hears() -> None:
    with whole() as heard:
        with Progress(False):
            pass
        signal.raise_signal(signal.SIGINT)
        assert heard.asked, "while files are written"
        with Progress(False) as later:
            assert later.stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert hearing.ending() and Quiet().stop()
    assert not hearing.ending() and not hearing.asked()


def test_a_signal_before_anything_has_begun_is_an_interrupt() -> None:
    with whole() as heard:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert heard.count == 1


def test_a_signal_that_the_system_sends_twice_is_one() -> None:
    with whole() as heard, Progress(False):
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert heard.count == 1


def test_hangups_that_are_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with whole(), Progress(False) as line:
            signal.raise_signal(signal.SIGHUP)
            assert not line.interrupted
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_last_steps_of_an_answer_are_deaf_to_what_ended_its_search() -> None:
    with whole():
        with Progress(False):
            signal.raise_signal(signal.SIGINT)
        with hearing.forgiven(), Progress(False) as line:
            assert not line.stop()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


def test_whoever_put_another_handler_there_keeps_it() -> None:
    def mine(*_: object) -> None:
        """Another library's."""

    with whole():
        before = signal.signal(signal.SIGINT, mine)
        with Progress(False) as line:
            signal.raise_signal(signal.SIGINT)
            assert line.stop()
        assert signal.getsignal(signal.SIGINT) is mine
        signal.signal(signal.SIGINT, before)


def test_other_threads_hear_what_the_process_does_and_nothing_else() -> None:
    found: list[bool] = []

    def look() -> None:
        with whole() as heard, Progress(False) as line:
            found.extend([heard.asked, line.stop()])

    for outer in (whole, lambda: Progress(False)):
        with outer(), Progress(False):
            signal.raise_signal(signal.SIGINT)
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
    assert found == [False, True, False, False]


# Code of C++


def slow_program() -> highspy.Highs:
    """Equal sums of random numbers, which no search ends soon."""
    draw = np.random.default_rng(1)
    model = highspy.Highs()
    model.silent()
    columns = [model.addBinary() for _ in range(40)]
    for row in draw.integers(0, 100, (4, 40)):
        model.addConstr(sum(int(a) * x for a, x in zip(row, columns, strict=True)) == int(row.sum() // 2))
    return model


def test_an_interrupt_waits_until_the_solver_has_come_back() -> None:
    """Left by an exception out of its callback, HiGHS ends in a segmentation fault."""
    model, events = slow_program(), [0]

    def press(event: object) -> None:
        events[0] += 1
        if events[0] <= 3:
            signal.raise_signal(signal.SIGINT)
        event.interrupt(hearing.ending())  # type: ignore[attr-defined]

    model.cbMipInterrupt.subscribe(press)
    before, back = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), calling():
        model.run()
        back.append(model.getModelStatus())
    assert back == [highspy.HighsModelStatus.kInterrupt]
    assert signal.getsignal(signal.SIGINT) is before and not hearing.ending()


@pytest.mark.parametrize("listening", [True, False])
def test_interrupts_of_nested_calls_wait_for_the_outermost(listening: bool) -> None:
    left: list[int] = []
    with whole() if listening else contextlib.nullcontext(), pytest.raises(KeyboardInterrupt), held():
        with held():
            signal.raise_signal(signal.SIGINT)
        left.append(1)
    assert left == [1]


def test_a_process_that_a_solver_does_not_come_back_to_ends() -> None:
    """The main thread sleeps where no signal wakes it: as in a solver's code that takes minutes."""
    code = (
        "import ctypes, sys\n"
        "from bilevel.interrupts.hearing import held, whole\n"
        "from bilevel.progress import Progress\n"
        "with whole(), Progress(False), held():\n"
        "    print('in', flush=True)\n"
        "    sleep, left = ctypes.CDLL(None).sleep, 600\n"
        "    while left:\n"
        "        left = sleep(left)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as running:
        assert running.stdout is not None and running.stdout.readline() == b"in\n"
        for _ in range(2):
            running.send_signal(signal.SIGINT)
            time.sleep(1.0)
        errors = running.communicate(timeout=60)[1]
    assert (running.returncode, errors) == (130, b"")


def test_words_of_a_reason_that_is_no_signal() -> None:
    heard = Heard()
    heard.stop("the callable raised")
    assert heard.asked and not heard.count and heard.why == "the callable raised"


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_a_solver_that_is_searching_stops_at_the_first_signal(solver: str) -> None:
    pressed = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT))
    pressed.start()
    try:
        solution = bilevel.solve(market_split(), solver=solver, progress=False, time_limit=120)
    finally:
        pressed.cancel()
    assert solution.status == "feasible" and "Ctrl-C" in solution.reason, solution.reason
