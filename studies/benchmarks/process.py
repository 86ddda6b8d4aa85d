"""One run in a fresh interpreter, so that its memory is its own and its crash is a row of the store, not the end of the campaign.

The child ends when the process that started it does, however that is killed: by the system where it can, and it watches a pipe that
is never written.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bilevel.errors import BilevelError
from bilevel.interrupts.parents import ended_by_system
from instances import InstanceError
from studies.benchmarks import machine
from studies.benchmarks.measure import measure
from studies.benchmarks.spec import Spec

MORE_SECONDS = 600.0
"""What a process has for everything but the search; then it is killed, and counts as timed out."""

CRASHED, KILLED, REFUSED = "crashed", "killed", "refused"
"""Status of a run without an answer: its process died; it was killed for its time; the model or the solver was refused."""

_CHILD = "from studies.benchmarks.process import child; child()"
_RUNNING: set["subprocess.Popen[bytes]"] = set()


def isolated(fields: Mapping[str, Any], repeat: int, more_seconds: float = MORE_SECONDS) -> dict[str, Any]:
    """Measure the spec with these fields in a process of its own; gives a row whatever happens to it.

    Plain data in and out, so that any executor can call it, on any machine that has the package.
    """
    spec = Spec(**fields)
    row = {"key": spec.key, "repeat": repeat, **spec.to_dict(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    row |= machine.facts()
    with tempfile.TemporaryDirectory() as folder:
        answer, log = Path(folder) / "answer.json", Path(folder) / "log.txt"
        killed = _run(spec, answer, log, spec.time_limit + more_seconds)
        if answer.exists():
            return {**row, **json.loads(answer.read_text(encoding="utf-8"))}
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if killed:
        return row | {"status": KILLED, "timeout": True, "solve_seconds": spec.time_limit}
    return row | {"status": CRASHED, "timeout": False, "reason": lines[-1] if lines else "the process died silently"}


def _run(spec: Spec, answer: Path, log: Path, seconds: float) -> bool:
    """Start the child and wait; whether it had to be killed."""
    command = [sys.executable, "-c", _CHILD, json.dumps(spec.to_dict()), str(answer)]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with log.open("wb") as out:
        # A session of its own: Ctrl-C at the terminal is for the campaign
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )  # fmt: skip
    _RUNNING.add(process)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        _RUNNING.discard(process)
    return False


def stop_all() -> None:
    """Kill the runs that this process has started."""
    for process in tuple(_RUNNING):
        process.kill()


def child() -> None:
    """The other side: read a spec from the command line, measure, write the answer whole."""
    # Who started it waits for it, in the same thread
    ended_by_system()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    spec, answer = Spec(**json.loads(sys.argv[1])), Path(sys.argv[2])
    try:
        found = measure(spec)
    except (BilevelError, InstanceError) as error:
        found = {"status": REFUSED, "timeout": False, "reason": str(error)}
    draft = answer.with_suffix(".draft")
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.replace(answer)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
