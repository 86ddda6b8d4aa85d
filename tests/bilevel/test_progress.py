"""Progress lines and an orderly Ctrl-C."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from long_solves import market_split
from oracles import tiny_case

import bilevel
import formulations
from bilevel.progress import Progress, ProgressEvent

TESTS = str(Path(__file__).parents[1])
LONG_SOLVE = """
import json, sys
import bilevel
from long_solves import market_split
solution = bilevel.solve(market_split(), progress=True, time_limit=16)
print(json.dumps([solution.status, solution.objective, solution.bound, solution.reason, len(solution.values)]))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize("phase", ["restricted search", "branch and bound"])
def test_ctrl_c_stops_a_long_solve_and_keeps_its_point(phase: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_SOLVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(phase):
                break
        else:
            pytest.fail(f"the solve ended before its {phase}")
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        out, _ = process.communicate(timeout=60)
        assert time.monotonic() - started < 30
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    status, objective, bound, reason, values = json.loads(out)
    assert 10 <= bound <= objective < math.inf
    assert status == "feasible" and "Ctrl-C" in reason and values == 35


def test_a_time_limit_keeps_the_point_of_every_search() -> None:
    """The first search, without a bound of its own, took all of the time, and nobody looked at its point."""
    steps: list[str] = []
    solution = bilevel.solve(market_split(), time_limit=4, progress=lambda event: steps.append(event.phase))
    assert solution.status == "feasible" and 10 <= solution.bound <= solution.objective, solution.reason
    assert {"restricted search", "branch and bound"} <= set(steps)


def test_a_second_ctrl_c_is_an_interrupt() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Progress(False) as progress:
        signal.raise_signal(signal.SIGINT)
        assert progress.stop()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_events_are_in_the_users_sense_and_only_improve() -> None:
    events: list[ProgressEvent] = []
    solution = bilevel.solve(formulations.charging_pricing(tiny_case(), "profit"), gap=1e-6, progress=events.append)
    assert {event.phase for event in events} >= {"relaxation"}
    known = [event for event in events if math.isfinite(event.bound)]
    assert known, "no event with a bound"
    # The leader maximises: bounds come from above and fall, incumbents from below and rise
    assert all(a.bound >= b.bound - 1e-9 for a, b in itertools.pairwise(known))
    assert all(event.bound >= solution.objective - 1e-6 * abs(solution.objective) for event in known)
    rising = [event.incumbent for event in events if math.isfinite(event.incumbent)]
    assert all(a <= b + 1e-6 * abs(b) for a, b in itertools.pairwise(rising))


def test_a_restricted_search_shows_no_bound_of_its_own() -> None:
    events: list[ProgressEvent] = []
    progress = Progress(events.append)
    progress.update(-10.0, 5.0)
    progress.phase("restricted search", local=True)
    progress.report(4.0, 4.5)
    assert (events[-1].bound, events[-1].incumbent) == (-10.0, 5.0), "it may break a cone that has no tangent yet"
    progress.phase("branch and bound")
    progress.report(-2.0, 4.5)
    assert (events[-1].bound, events[-1].incumbent) == (-2.0, 5.0)
    progress.phase("branch and bound", trusted=True)
    progress.report(-2.0, 4.5)
    progress.report(-2.0, 7.0)
    assert (events[-1].bound, events[-1].incumbent) == (-2.0, 4.5)
    assert events[-1].gap == pytest.approx(6.5 / 4.5)


def test_plain_lines_on_standard_error(capsys: Any) -> None:
    bilevel.solve(formulations.charging_pricing(tiny_case(), "loss"), progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines and lines[0].startswith("relaxation") and "bound" in lines[0] and "nan" not in "".join(lines)


def test_silence(capsys: Any) -> None:
    bilevel.solve(formulations.charging_pricing(tiny_case(), "loss"), progress=False)
    assert capsys.readouterr() == ("", "")
