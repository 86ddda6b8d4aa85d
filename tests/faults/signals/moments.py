"""Commands that are struck by a signal at some moment, and what is left of them: for tests and `scripts/kill_at_moments.py`."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PRESSED, TERMINATED, KILLED, TWICE = "SIGINT", "SIGTERM", "SIGKILL", "SIGINT twice"
SIGNALS = (PRESSED, TERMINATED, KILLED, TWICE)
"""As a terminal and the system send them: SIGINT to the whole group, the others to the command alone."""

OLD, NEW, RESUMED, LOST, CRASHED = "old", "new", "resumed", "lost", "crashed"
COMMANDS = {
    "solve": ("solve", "{case}", "--objective", "loss=1,profit=1"),
    "pareto": ("pareto", "{case}", "--points", "9"),
    "pareto by workers": ("pareto", "{case}", "--points", "9", "--workers", "2"),
    "compare": ("compare", "{case}", "--methods", "exact,pso", "--runs", "4", "--budget", "60", "--population", "10"),
    "market": ("market", "{market}", "--max-iterations", "3", "--gap", "0.01"),
}
JOURNALS = {"pareto": "points/points.jsonl", "pareto by workers": "points/points.jsonl", "compare": "runs.jsonl"}
"""What a run keeps as it goes on, by command; the others write at their end only."""

NUMBERS = {
    "pareto": ("front.csv", ("network_loss_kwh", "station_profit")),
    "pareto by workers": ("front.csv", ("network_loss_kwh", "station_profit")),
    "compare": ("compare.csv", ("best", "mean")),
}
"""What a run that goes on has to come to, as one in a piece does."""

CODES = (0, 3, 5, 130)
"""What a command that is asked to stop may end with."""

_BILEVEL = Path(sys.executable).with_name("bilevel")
_MARK = "BILEVEL_MOMENT"
_PATIENCE = 120.0


@dataclass(frozen=True)
class Cases:
    """Folders of small cases, and a run in one piece of every command: its results and seconds; `start`: seconds of its imports."""

    root: Path
    start: float
    seconds: dict[str, float]

    def folder(self, command: str) -> Path:
        """The results of the run in one piece."""
        return self.root / command.replace(" ", "-")

    def words(self, command: str, out: Path) -> list[str]:
        """The command line, which writes to `out`."""
        named = {"case": self.root / "case", "market": self.root / "market case"}
        return [word.format(**named) for word in COMMANDS[command]] + ["--out", str(out)]


@dataclass(frozen=True)
class Moment:
    """Which command is struck by which signal, seconds after its start."""

    command: str
    signal: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What was left: `kind`, the exit code, and what was wrong or odd about it."""

    moment: Moment
    kind: str
    code: int
    remark: str = ""


def whole_runs(root: Path, commands: Sequence[str] = tuple(COMMANDS)) -> Cases:
    """Write the cases, and run every command to its end."""
    from market_days import afternoon
    from oracles import tiny_case

    import instances

    small = tiny_case()
    # The cheapest hour is that of the largest load, so that profit and loss are at odds, and a front has many points
    sessions = tuple(replace(session, arrival_period=0) for session in small.sessions)
    instances.write(replace(small, load_factor=(1.0, 0.6, 0.8), sessions=sessions), root / "case")
    instances.write(afternoon(last=15), root / "market case")
    began = time.monotonic()
    subprocess.run([str(_BILEVEL), "cases"], stdout=subprocess.DEVNULL, timeout=600, check=True)
    seconds: dict[str, float] = {}
    cases = Cases(root, time.monotonic() - began, seconds)
    for command in commands:
        began = time.monotonic()
        words = [str(_BILEVEL), *cases.words(command, cases.folder(command)), "--quiet"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=600)
        if done.returncode not in CODES:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
        seconds[command] = time.monotonic() - began
    return cases


def strike(cases: Cases, moment: Moment) -> Outcome:
    """Run a command, strike it, and look at what is left."""
    with tempfile.TemporaryDirectory(prefix="moment-") as folder:
        out = Path(folder) / "out"
        # Those with a journal refuse a folder with results unless they go on with it
        if moment.command not in JOURNALS:
            shutil.copytree(cases.folder(moment.command), out)
        before = contents(out)
        process, mark = started(cases.words(moment.command, out))
        try:
            time.sleep(moment.seconds)
            send(process, moment.signal)
            said = process.communicate(timeout=_PATIENCE)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return Outcome(moment, CRASHED, process.returncode, f"went on for {_PATIENCE:g} s")
        finally:
            left = ended(mark)
        remark = _wrong(moment, process.returncode, said, left)
        if remark:
            return Outcome(moment, CRASHED, process.returncode, remark)
        return _left(cases, moment, out, before, process.returncode)


def started(words: Sequence[str]) -> tuple[subprocess.Popen[str], str]:
    """The command in a group of its own, with a mark by which its processes are found."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [str(_BILEVEL), *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, _MARK: mark},
    )  # fmt: skip
    return process, mark


def send(process: subprocess.Popen[str], name: str) -> None:
    """Send a signal; one that has ended gets none."""
    with contextlib.suppress(ProcessLookupError):
        if name in (PRESSED, TWICE):
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.Signals[name])
        if name == TWICE:
            time.sleep(0.7)
            os.killpg(process.pid, signal.SIGINT)


def alive(mark: str) -> list[int]:
    """Processes with this mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        # Others end meanwhile, or belong to somebody else
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and f"{_MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def ended(mark: str, seconds: float = 10.0) -> list[int]:
    """Those that live on after some seconds, which are then killed."""
    deadline = time.monotonic() + seconds
    while (left := alive(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for number in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return left


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _wrong(moment: Moment, code: int, said: str, left: Sequence[int]) -> str:
    """What no signal may lead to, in words."""
    if left:
        return f"{len(left)} processes lived on"
    if moment.signal == KILLED:
        return "" if code in (*CODES, -signal.SIGKILL) else f"ended with {code}"
    # Before Python has begun with the command's first line, it answers signals itself
    early = "Traceback" not in said or not any(name in said for name in ("studies/command_line/", "/bilevel/"))
    if "Traceback" in said and not early:
        return said.strip().splitlines()[-1] + f" ({said.strip().splitlines()[-3].strip()})"
    if code in (-signal.SIGINT, -signal.SIGTERM) and early and moment.seconds < 1.0:
        return ""
    return "" if code in CODES else f"ended with {code}: {said.strip()[-200:]}"


def _left(cases: Cases, moment: Moment, out: Path, before: dict[str, bytes], code: int) -> Outcome:
    """What stands in the folder, after the run has gone on where it can."""
    after = contents(out)
    if moment.command in JOURNALS:
        return _resumed(cases, moment, out, code)
    backup = out.parent / f".{out.name}.old"
    if after == before or (not after and moment.signal == KILLED and before.items() <= contents(backup).items()):
        return Outcome(moment, OLD, code)
    remark = damage(after) or ("written by a run that says it was left" if code == 130 else "")
    return Outcome(moment, LOST if remark else NEW, code, remark)


def damage(files: dict[str, bytes]) -> str:
    """The first file of a folder that is not whole, in words."""
    for name, content in files.items():
        try:
            if name.endswith(".json"):
                json.loads(content)
            elif name.endswith(".csv"):
                widths = {len(row) for row in csv.reader(content.decode().splitlines())}
                if len(widths) > 1:
                    return f"{name} has rows of {sorted(widths)} cells"
            elif name.endswith(".png") and not content.endswith(b"IEND\xaeB`\x82"):
                return f"{name} is cut off"
        except ValueError as error:
            return f"{name}: {error}"
    return "" if files else "nothing is left"


def _resumed(cases: Cases, moment: Moment, out: Path, code: int) -> Outcome:
    """Go on with a run: what its journal held stays in there, and the end is that of a run in one piece."""
    from studies.command_line import main

    journal = out / JOURNALS[moment.command]
    kept = [line for line in _lines(journal) if line.endswith(b"\n")]
    finished = code in (0, 3) and moment.signal != KILLED
    if finished and (remark := damage({k: v for k, v in contents(out).items() if not k.endswith(".jsonl")})):
        return Outcome(moment, LOST, code, remark)
    with contextlib.redirect_stderr(None):
        again = main.run([*cases.words(moment.command, out), "--resume", "--quiet"])
    if again not in (0, 3):
        return Outcome(moment, LOST, code, f"--resume ended with {again}")
    if _lines(journal)[: len(kept)] != kept:
        return Outcome(moment, LOST, code, "an entry of the journal is gone")
    file, columns = NUMBERS[moment.command]
    pairs = zip(_numbers(out / file, columns), _numbers(cases.folder(moment.command) / file, columns), strict=True)
    if any(abs(one - other) > 1e-3 * max(1.0, abs(other)) for one, other in pairs):
        return Outcome(moment, LOST, code, f"{file} is another one than without a signal")
    return Outcome(moment, RESUMED if kept[1:] else OLD, code)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _numbers(path: Path, columns: Sequence[str]) -> Iterator[float]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield from (float(row[name]) for name in columns if row[name])
