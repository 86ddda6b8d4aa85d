"""Refusals of case folders: one line that a terminal can show, and line ends that editors know."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import run
from hypothesis import given
from hypothesis import strategies as st
from oracles import tiny_case

import instances
from instances import InstanceError


@given(st.text(max_size=2000))
def test_any_refusal_is_one_printable_line_of_some_length(text: str) -> None:
    said = str(InstanceError(text))
    assert said.isprintable() and len(said) <= InstanceError.most_signs + 5
    assert said == text or len(text) > InstanceError.most_signs or not text.isprintable()


@pytest.mark.parametrize("cell", ["\x1b[31m", "a\x00b", "\u202e1", "\ufeff1", "a\nb", "x" * 5000], ids=ascii)
@pytest.mark.parametrize("name", ["load_kw", "name"])
def test_what_a_refusal_repeats_cannot_steer_a_terminal(tmp_path: Path, name: str, cell: str) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    table = tmp_path / "case" / "buses.csv"
    old = {"load_kw": "300.0", "name": "b,"}[name]
    new = f'"{cell}",' if name == "name" else f'"{cell}"'
    table.write_text(table.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8", newline="")
    done = run("check", tmp_path / "case")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.strip().isprintable() and len(done.stderr) < 600


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=ascii)
def test_line_ends_of_every_system(tmp_path: Path, end: str) -> None:
    _ended(tmp_path, end)
    assert instances.read(tmp_path / "case") == tiny_case()


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"], ids=ascii)
def test_other_signs_end_no_line(tmp_path: Path, end: str) -> None:
    """They were taken for line ends, where every other reader sees one long line."""
    _ended(tmp_path, end)
    with pytest.raises(InstanceError, match=r"buses.csv has the unknown column"):
        instances.read(tmp_path / "case")


def _ended(tmp_path: Path, end: str) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    table = tmp_path / "case" / "buses.csv"
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    table.write_bytes("".join(f"{line}{end}" for line in lines).encode())
