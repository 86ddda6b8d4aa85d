"""The command line as tests call it: in a process of its own, or, where it only refuses, in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from studies.command_line import main

BILEVEL = str(Path(sys.executable).with_name("bilevel"))
Capture = pytest.CaptureFixture[str]


def run(*arguments: object, columns: int = 80, **options: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": str(columns)}
    command = [BILEVEL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, **options)  # type: ignore[call-overload,no-any-return]


def refuse(capsys: Capture, arguments: Sequence[object], *words: str) -> None:
    """A refusal needs no process of its own: `main.run` is what the entry point calls."""
    assert main.run(list(map(str, arguments))) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bilevel: "), said.err
    assert said.err.count("\n") == 1, said.err
    for word in words:
        assert word in said.err, said.err
