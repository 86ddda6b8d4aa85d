"""Real commands, struck by real signals: old or new results, whole, an exit code that means it, nothing lost and nobody left."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

import moments
from moments import COMMANDS, KILLED, PRESSED, TERMINATED, TWICE, Cases, Moment

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="processes are found in /proc, as on Linux"
)

STRUCK = {
    "solve": (PRESSED, TERMINATED, KILLED),
    "pareto": (PRESSED, TWICE, KILLED),
    "pareto by workers": (TERMINATED, KILLED),
    "compare": (PRESSED, KILLED),
    "market": (TERMINATED, TWICE),
}


@pytest.mark.parametrize("command", list(COMMANDS))
def test_drawn_moments(command: str, tmp_path: Path) -> None:
    cases = moments.whole_runs(tmp_path, [command])
    draw = random.Random(command)
    for name in STRUCK[command]:
        at = draw.uniform(0.5 * cases.start, 1.05 * cases.seconds[command])
        outcome = moments.strike(cases, Moment(command, name, at))
        assert outcome.kind in (moments.OLD, moments.NEW, moments.RESUMED), outcome


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return moments.whole_runs(tmp_path_factory.mktemp("cases"), [])


def until(process: subprocess.Popen[str], start: str) -> None:
    """Read what a command says, up to a line that starts like this."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if re.match(start, line):
            return
    process.communicate()
    pytest.fail(f"it ended without a line {start!r}: {said}")


def rest(process: subprocess.Popen[str]) -> str:
    """What it says until its end, which comes."""
    try:
        return process.communicate(timeout=120)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def main_file(out: Path, name: str) -> Any:
    return json.loads((out / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "command, name, seconds",
    [("solve", "solution.json", 0.0), ("solve", "solution.json", 0.6), ("pareto", "front.json", 0.0),
     ("pareto", "front.json", 0.6), ("market", "market.json", 0.3)],
)  # fmt: skip
def test_a_first_signal_behind_the_search_changes_nothing(
    command: str, name: str, seconds: float, cases: Cases, tmp_path: Path
) -> None:
    """While the answer is rechecked, drawn and written it is there already: its exit code stays, and its files come."""
    out = tmp_path / "out"
    process, mark = moments.started(cases.words(command, out))
    until(process, "rechecking")
    time.sleep(seconds)
    moments.send(process, PRESSED)
    errors = rest(process)
    assert "Traceback" not in errors
    # Of a market the first way's recheck may be meant, whose search is over, and two are to come
    assert process.returncode in ((0, 3, 5) if command == "market" else (0,)), errors
    assert moments.damage(moments.contents(out)) == ""
    main_file(out, name)
    assert not moments.ended(mark)


def test_while_files_are_written_a_first_signal_waits_and_a_second_one_leaves_the_old_ones(
    cases: Cases, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for twice in (False, True):
        before = moments.contents(out) if out.exists() else {}
        code = (
            "import signal, sys\n"
            "from studies.command_line import main\n"
            "from studies.pricing import results\n"
            "write = results.write_folder\n"
            "def struck(*given):\n"
            f"    for _ in range({1 + twice}):\n"
            "        signal.raise_signal(signal.SIGINT)\n"
            "    return write(*given)\n"
            "results.write_folder = struck\n"
            "main.main()\n"
        )
        words = [sys.executable, "-c", code, *cases.words("solve", out)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])
        assert "Traceback" not in done.stderr
        if twice:
            assert (done.returncode, done.stdout) == (130, ""), "nothing is certified of what was not written"
            assert moments.contents(out) == before
        else:
            assert done.returncode == 0 and done.stdout.startswith("certified")
            assert main_file(out, "solution.json")["status"] == "certified"


def test_a_signal_before_the_search_is_told_in_one_sentence(cases: Cases, tmp_path: Path) -> None:
    code = (
        "import signal, sys\n"
        "from studies.command_line import main, options\n"
        "options.Problem.model = lambda *given: signal.raise_signal(signal.SIGTERM)\n"
        "main.main()\n"
    )
    for command in ("solve", "pareto"):
        words = [sys.executable, "-c", code, *cases.words(command, tmp_path / "out")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3])
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (130, "", 1), done.stderr
        assert done.stderr.startswith("bilevel: interrupted by SIGTERM")
        assert not (tmp_path / "out" / "front.json").exists()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_while_it_is_loaded_the_command_ends_without_a_word(name: str) -> None:
    # Struck in the middle of what it imports
    code = (
        "import sys, signal\n"
        # These tests may run under nohup, which ignores it
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "sys.argv[0] = 'bilevel'\n"
        "class Struck:\n"
        "    def find_spec(self, module, *_):\n"
        f"        if module == 'pyomo': signal.raise_signal(signal.{name})\n"
        "sys.meta_path.insert(0, Struck())\n"
        "from studies.command_line.main import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3]
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


# Workers


@pytest.mark.parametrize("name", [KILLED, TERMINATED])
def test_workers_end_with_the_command(name: str, cases: Cases, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["pareto", str(cases.root / "case"), "--points", "900", "--workers", "2", "--out", str(out)]
    process, mark = moments.started(words)
    until(process, r"point \d\d ")
    assert len(moments.alive(mark)) >= 3, "the command and two workers"
    moments.send(process, name)
    errors = rest(process)
    assert process.returncode == (-signal.SIGKILL if name == KILLED else 3), errors
    assert not moments.ended(mark)
    if name == TERMINATED:
        assert "SIGTERM" in main_file(out, "front.json")["reason"] and "Traceback" not in errors


def test_a_signal_to_the_whole_group_reaches_the_command_alone(cases: Cases, tmp_path: Path) -> None:
    """`timeout` and batch systems send theirs to every process: workers that died of it would be the command's refusal."""
    out = tmp_path / "out"
    words = [
        "compare",
        str(cases.root / "case"),
        "--runs",
        "500",
        "--budget",
        "600",
        "--workers",
        "2",
        "--out",
        str(out),
    ]
    process, mark = moments.started(words)
    until(process, r"run [3-9] ")
    os.killpg(process.pid, signal.SIGTERM)
    assert "Traceback" not in rest(process)
    assert process.returncode == 3
    assert main_file(out, "compare.json")["complete"] is False
    assert not moments.ended(mark)


def test_workers_outlive_the_thread_that_started_them() -> None:
    code = (
        "import threading, time\n"
        "from studies.command_line.workers import pool\n"
        "held, made, left = [], threading.Event(), []\n"
        "def start():\n"
        "    context = pool(2)\n"
        "    executor = context.__enter__()\n"
        "    left.append(executor.submit(abs, -1).result())\n"
        "    held.extend([context, executor])\n"
        "if __name__ == '__main__':\n"
        "    thread = threading.Thread(target=start)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    time.sleep(0.5)\n"
        "    print(held[1].submit(abs, -2).result(), left)\n"
        "    held[0].__exit__(None, None, None)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=root)
    assert (done.returncode, done.stdout) == (0, "2 [1]\n"), done.stderr
