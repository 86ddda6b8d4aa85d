"""The command line as tests call it: by what the entry point calls, in this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from studies.command_line import main

BILEVEL = str(Path(sys.executable).with_name("bilevel"))
Capture = pytest.CaptureFixture[str]


def run(*arguments: object, columns: int = 80, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What the entry point calls, in this process: a start costs three seconds, most of them imports.

    Output is taken where the operating system has it, so that a solver's own words are seen too.
    """
    command = list(map(str, arguments))
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys, "argv", [BILEVEL, *command])
        if cwd is not None:
            patch.chdir(cwd)
        with _moved(1, out), _moved(2, err):
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main.run(command)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read())
    return subprocess.CompletedProcess(command, code, *said)


@contextlib.contextmanager
def _moved(number: int, file: IO[str]) -> Iterator[None]:
    """Standard output (1) or error (2) of this process in a file."""
    kept = os.dup(number)
    os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        file.flush()
        os.dup2(kept, number)
        os.close(kept)


def refuse(capsys: Capture, arguments: Sequence[object], *words: str) -> None:
    """A refusal needs no process of its own: `main.run` is what the entry point calls."""
    assert main.run(list(map(str, arguments))) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bilevel: "), said.err
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err, said.err
