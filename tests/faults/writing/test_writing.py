"""Writing that fails is told in one sentence with exit code 2, and what stood there stands: full disks, limits, special files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from cli_runs import BILEVEL, Capture, refuse, run

from bilevel.atomic import write_bytes
from bilevel.errors import BilevelError
from bilevel.reading.target import target

TERMINAL = os.openpty()
SOLVE = ("solve", "ieee33", "--evs", "2", "--quiet")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("of") / "results"
    assert run(*SOLVE, "--out", into).returncode == 0
    return into


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no file system may be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def limited(*arguments: object, size: int, stdout: int | IO[str] = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """The command where no file may be larger than `size` bytes."""
    return subprocess.run(
        [BILEVEL, *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=300, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip


WRITERS: dict[str, tuple[object, ...]] = {
    "solve": (*SOLVE, "--out"),
    "proof": (*SOLVE, "--proof"),
    "pareto": ("pareto", "ieee33", "--evs", "2", "--points", "2", "--quiet", "--out"),
    "compare": (
        "compare",
        "ieee33",
        "--evs",
        "2",
        "--methods",
        "pso",
        "--runs",
        "1",
        "--budget",
        "30",
        "--quiet",
        "--out",
    ),
    "equilibrium": ("equilibrium", "ieee33", "--evs", "2", "--max-iterations", "1", "--quiet", "--out"),
    "compare-equilibrium": ("compare-equilibrium", "ieee33", "--evs", "2", "--points", "2", "--quiet", "--out"),
    "market": ("market", "ieee33_aggregator", "--evs", "2", "--time-limit", "20", "--quiet", "--out"),
    "security": ("security", "ieee33", "--evs", "2", "--margins", "0", "--quiet", "--out"),
    "report": ("report", "--quiet", "--out"),
}


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    # One of a terminal's, which no fault of the code could replace on the machine that tests it
    path.symlink_to(os.ttyname(TERMINAL[1]))


def loop(path: Path) -> None:
    path.symlink_to(path.name)


SPECIAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "fifo": (fifo, "is a pipe (fifo)"),
    "device": (device, "is a device"),
    "loop": (loop, "is a link that leads round in a circle"),
}


def command(name: str, results: Path, place: Path) -> tuple[object, ...]:
    return ("report", results, *WRITERS[name][1:], place) if name == "report" else (*WRITERS[name], place)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("name", WRITERS)
def test_special_files_are_refused_before_the_work(
    tmp_path: Path, capsys: Capture, results: Path, name: str, kind: str
) -> None:
    place = tmp_path / "place.json"
    make, said = SPECIAL[kind]
    make(place)
    before = place.lstat()
    refuse(capsys, command(name, results, place), said)
    assert place.lstat().st_mode == before.st_mode and place.lstat().st_ino == before.st_ino
    assert [path.name for path in tmp_path.iterdir()] == ["place.json"]


@pytest.mark.parametrize("name", ["solve", "proof", "report"])
def test_a_file_that_grows_too_large(tmp_path: Path, results: Path, name: str) -> None:
    place = tmp_path / ("old" if name == "solve" else "old.json")
    if name == "solve":
        subprocess.run(["cp", "-r", results, place], check=True)
    else:
        place.write_text("old")
    before = {path.name: path.read_bytes() for path in (place.iterdir() if place.is_dir() else [place])}
    done = limited(*command(name, results, place), size=2000)
    assert done.returncode == 2, done.stderr
    assert "File too large" in done.stderr and str(place) in done.stderr and done.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in (place.iterdir() if place.is_dir() else [place])} == before
    assert [path.name for path in tmp_path.iterdir()] == [place.name]


def test_no_file_at_all() -> None:
    """The program itself cannot be loaded: its libraries make a semaphore, which is a file."""
    done = limited("check", "ieee33", size=0)
    assert done.returncode == 2 and done.stderr.startswith("bilevel: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_disk_that_is_too_small(small_disk: Path, capsys: Capture, results: Path) -> None:
    (small_disk / "page.html").write_text("old")
    refuse(capsys, ("report", results, "--out", small_disk / "page.html"), "No space left on device", "page.html")
    refuse(capsys, (*SOLVE, "--out", small_disk / "results"), "No space left on device", "results")
    assert [path.name for path in small_disk.iterdir()] == ["page.html"]
    assert (small_disk / "page.html").read_text() == "old"


def test_a_link_stays_one(tmp_path: Path, results: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "page.html").symlink_to("real/page.html")
    for _ in range(2):
        assert run("report", results, "--out", tmp_path / "page.html").returncode == 0
        assert (tmp_path / "page.html").is_symlink()
    assert (tmp_path / "real/page.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("arguments", [("check", "ieee33"), ("cases",), ("--help",), (*SOLVE[:-1], "--out", "results")])
def test_standard_output_is_full(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [BILEVEL, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 1, done.stderr
    assert "standard output cannot be written (No space left on device)" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (tmp_path / "results/solution.json").exists() == ("--out" in arguments)


def test_standard_error_is_full(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [BILEVEL, *SOLVE[:-1]],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=300,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0 and done.stdout.startswith("certified")


def test_the_seam(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "file/below", "Not a directory"),
        (tmp_path / "missing/file", "No such file or directory"),
        (Path(os.ttyname(TERMINAL[1])), "is a device"),
    ):
        with pytest.raises(BilevelError, match=said):
            target(path)
        with pytest.raises(BilevelError, match=said):
            write_bytes(path, b"")
    assert target(tmp_path / "new") == (tmp_path / "new").resolve()
