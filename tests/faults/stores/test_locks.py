"""One run at a time: stores and output folders are held by real processes, which say who they are and let go when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Capture, refuse, run
from ladders import ladder, traced

import instances
from bilevel.errors import BilevelError
from bilevel.front.store import FILE
from bilevel.journals.lock import held, lock_of
from studies.contest.store import FILE as RUNS

TESTS = Path(__file__).parents[2]
STARTS = 20
BEGIN = f"import sys; sys.path[:0] = [{str(TESTS.parent)!r}, {str(TESTS)!r}]\n"
AT_ONCE = BEGIN + textwrap.dedent("""
    import multiprocessing, os
    from ladders import ladder, traced
    from bilevel.errors import BilevelError

    def start(folder, barrier):
        model = ladder(2)
        barrier.wait(60)
        try:
            traced(model, points=3, store=folder)
        except BilevelError as error:
            said = str(error)
        else:
            said = "done"
        # In one piece, whoever else writes
        os.write(1, f"{said}\\n".encode())

    folder, starts = sys.argv[1], int(sys.argv[2])
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(starts)
    running = [context.Process(target=start, args=(folder, barrier)) for _ in range(starts)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    sys.exit(any(process.exitcode for process in running))
""")
SLOW = BEGIN + textwrap.dedent("""
    import time
    import bilevel.front.tasks as tasks
    solve = tasks.TaskSolver.solve
    def slow(self, *given):
        time.sleep(0.3)
        return solve(self, *given)
    tasks.TaskSolver.solve = slow
    from ladders import ladder, traced
    traced(ladder(2), points=9, store=sys.argv[1])
""")


def test_of_many_starts_at_once_each_is_done_or_told_who_has_the_store(tmp_path: Path) -> None:
    """Older versions wrote two headers in most of them, after which the store was refused for good."""
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, str(tmp_path / "store"), str(STARTS)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == STARTS and "done" in said
    for line in said:
        assert line == "done" or f"{FILE} is in use by another run (process " in line, line
    assert [path.name for path in (tmp_path / "store").iterdir()] == [FILE]
    assert traced(ladder(2), points=3, store=tmp_path / "store").solved == 0
    keys = (tmp_path / "store" / FILE).read_bytes().splitlines()
    assert len(keys) == len(set(keys)) == 1 + 5, "no point twice"


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has the store and a point or two."""
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path / "store")], text=True)
    file = tmp_path / "store" / FILE
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (file.exists() and file.read_bytes().count(b"\n") >= 2):
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def test_a_killed_run_lets_go_and_the_next_one_goes_on(slow: subprocess.Popen[str], tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(
        BilevelError, match=f"is in use by another run \\(process {slow.pid} on {os.uname().nodename} since 2"
    ):
        traced(ladder(2), points=9, store=store)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert lock_of(store / FILE).exists()
    kept = (store / FILE).read_bytes().count(b"\n") - 1
    found, whole = traced(ladder(2), points=9, store=store), traced(ladder(2), points=9)
    assert found.complete and found.certified and found.solved == whole.solved - kept
    assert [path.name for path in store.iterdir()] == [FILE]


def test_a_run_within_a_run_of_one_process_is_refused_and_waits_for_nothing(tmp_path: Path) -> None:
    with held(tmp_path / FILE, "give another folder"):
        with pytest.raises(
            BilevelError, match=f"process {os.getpid()} on .*: wait for its end, or give another folder"
        ):
            traced(ladder(2), points=3, store=tmp_path)
        assert traced(ladder(2), points=3, store=tmp_path / "other").solved == 5
    assert traced(ladder(2), points=3, store=tmp_path).solved == 5


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    with held(tmp_path / "a" / "b" / "out", "give another folder"):
        assert lock_of(tmp_path / "a" / "b" / "out").is_file()
    with pytest.raises(ZeroDivisionError), held(tmp_path / "c" / "out", "give another folder"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_of_a_lock_is_taken_over(tmp_path: Path) -> None:
    for left in (b"", b'{"pid": 1, "host": "gone", "since": "then", "command": "x"}', b"\xff", b"[" * 10_000):
        lock_of(tmp_path / FILE).write_bytes(left)
        assert traced(ladder(2), points=3, store=tmp_path).complete
        assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cases") / "tiny"
    instances.write(instances.scale(instances.load("ieee33"), 2), place)
    return place


COMMANDS = {
    "solve": (), "pareto": (), "equilibrium": (), "compare-equilibrium": (), "compare": (), "security": (), "market": (),
    "scenarios": (),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_told_who_has_its_folder(command: str, case: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    with held(out, "give another folder"):
        refuse(capsys, (command, case, "--out", out), f"{out} is in use by another run (process {os.getpid()} on ")
        refuse(capsys, (command, case, "--out", f"{out}/../out/"), "is in use by another run")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_proofs_and_the_files_of_a_problem_too(case: Path, tmp_path: Path, capsys: Capture) -> None:
    with held(tmp_path / "proofs", "give another folder"):
        refuse(capsys, ("pareto", case, "--out", tmp_path / "out", "--proofs", tmp_path / "proofs"), "proofs is in use")
        refuse(capsys, ("solve-file", "x.mps", "--out", tmp_path / "proofs"), "proofs is in use")


def test_a_killed_command_leaves_a_folder_to_go_on_in(case: Path, tmp_path: Path) -> None:
    """SIGKILL while the command has its folder and its store; the same command with --resume is done."""
    out = tmp_path / "out"
    asked = ("compare", case, "--methods", "ga", "--runs", "40", "--budget", "30", "--out", out)
    command = [sys.executable, "-c", BEGIN + "from studies.command_line.main import main; main()", *map(str, asked)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not ((out / RUNS).exists() and (out / RUNS).read_bytes().count(b"\n") >= 3):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert lock_of(out).exists() and lock_of(out / RUNS).exists()
    done = run(*asked, "--resume", "--quiet")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert lock_of(out / RUNS).name not in {path.name for path in out.iterdir()}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_store_that_is_read_only_is_read_without_a_lock(mounted: Path, tmp_path: Path) -> None:
    store = mounted / "store"
    first = traced(ladder(2), points=3, store=store)
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    again = traced(ladder(2), points=3, store=store)
    assert again.solved == 0 and len(again) == len(first)
    with pytest.raises(BilevelError, match=r"Read-only file system.*give another folder"):
        traced(ladder(2), points=3, store=mounted / "new")


def test_a_full_disk_ends_a_run_in_a_sentence_and_the_next_goes_on(mounted: Path) -> None:
    store, ballast = mounted / "store", mounted / "ballast"
    whole: Any = traced(ladder(2), points=3)
    store.mkdir()
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    with pytest.raises(BilevelError, match="No space left on device"):
        traced(ladder(2), points=3, store=store)
    ballast.unlink()
    assert traced(ladder(2), points=3, store=store).solved == whole.solved
    assert [path.name for path in store.iterdir()] == [FILE]
