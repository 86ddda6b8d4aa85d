"""Every file that a user names is a regular one of a limited size: nothing waits for a pipe, nothing fills the memory."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Capture, refuse

import instances
from bilevel import verify
from bilevel.reading import regular as of_problems
from instances.files import regular as of_cases

LIMIT = of_cases.MOST_MEGABYTES * of_cases.MEGABYTE


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    # Its name may have 108 bytes, and folders of tests are long
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def large(path: Path) -> None:
    path.touch()
    os.truncate(path, LIMIT + 1)


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "fifo": (fifo, "is a pipe"),
    "device": (device, "is a device"),
    "folder": (folder, "a folder"),
    "socket": (a_socket, "o"),
    "loop": (loop, "Too many levels of symbolic links"),
    "large": (large, f"more than {of_cases.MOST_MEGABYTES} MB"),
}
MPS = "NAME P\nROWS\n N OBJ\n L R1\nCOLUMNS\n X OBJ 1 R1 1\n Y R1 1\nRHS\n RHS R1 4\nENDATA\n"
AUX = "@NUMVARS\n1\n@NUMCONSTRS\n0\n@VARSBEGIN\nY -1\n@VARSEND\n@CONSTRSBEGIN\n@CONSTRSEND\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["instance.json", "buses.csv", "sessions.csv", "market.csv"])
def test_of_a_case(tmp_path: Path, capsys: Capture, name: str, kind: str) -> None:
    market = name == "market.csv"
    case = instances.load("ieee33_aggregator" if market else "ieee33")
    instances.write(instances.scale(case, 2), tmp_path / "case")
    (tmp_path / "case" / name).unlink()
    make, said = KINDS[kind]
    make(tmp_path / "case" / name)
    # A table that cannot be followed is not there, which is refused where it is needed
    refuse(capsys, ("check", tmp_path / "case"), name, "" if market and kind == "loop" else said)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
@pytest.mark.parametrize("name", ["feeder.m", "feeder.json"])
def test_of_another_tool(tmp_path: Path, capsys: Capture, name: str, kind: str) -> None:
    KINDS[kind][0](tmp_path / name)
    refuse(capsys, ("check", tmp_path / name), name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["p.mps", "p.aux", "p.mps.gz"])
def test_of_a_problem(tmp_path: Path, capsys: Capture, name: str, kind: str) -> None:
    (tmp_path / "p.mps").write_text(MPS)
    (tmp_path / "p.aux").write_text(AUX)
    (tmp_path / name).unlink(missing_ok=True)
    make, said = KINDS[kind]
    make(tmp_path / name)
    other = "p.mps" if name == "p.aux" else "p.aux"
    refuse(capsys, ("solve-file", tmp_path / name, tmp_path / other), name, said)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "large"])
@pytest.mark.parametrize("name", ["proof.json", "proof.json.gz"])
def test_of_a_proof(tmp_path: Path, capsys: Capture, name: str, kind: str) -> None:
    make, said = KINDS[kind]
    make(tmp_path / name)
    assert verify.main([str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err


def test_a_packed_file_is_no_larger_than_a_plain_one(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "p.aux").write_text(AUX)
    with gzip.open(tmp_path / "p.mps.gz", "wb", compresslevel=1) as stream:
        for _ in range(of_problems.MOST_MEGABYTES + 1):
            stream.write(bytes(of_problems.MEGABYTE))
    assert (tmp_path / "p.mps.gz").stat().st_size < LIMIT / 50
    refuse(
        capsys, ("solve-file", tmp_path / "p.mps.gz", tmp_path / "p.aux"), f"more than {of_problems.MOST_MEGABYTES} MB"
    )


def test_both_helpers_read_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 10**6)
    assert of_cases.read_bytes(tmp_path / "file") == of_problems.read_bytes(tmp_path / "file") == b"abc" * 10**6
    assert of_cases.KINDS == of_problems.KINDS and of_cases.MOST_MEGABYTES == of_problems.MOST_MEGABYTES
