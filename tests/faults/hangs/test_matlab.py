"""MATPOWER files that explode: each ends within the budget of steps and cells, in one sentence with its line."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest
from cli_runs import BILEVEL, Capture, refuse

HEAD = "function mpc = case1\nmpc.version = '2';\n"
BUS = "mpc.bus = [" + "1 2 3\n" * 2000 + "];\n"
NAMES = " ".join(["1"] * 20_000)
FILES = {
    "comments that open": ("%{\n" * 60_000, "line 3 opens a comment"),
    "a comment that closes late": ("%{\n" * 30_000 + "%}\n" * 29_999, "line 3 opens a comment"),
    "parentheses": ("x = " + "(" * 5000 + "1" + ")" * 5000 + ";\n", "line 3: brackets are nested more than"),
    "functions": ("x = " + "sqrt(" * 5000 + "1" + ")" * 5000 + ";\n", "line 3: brackets are nested more than"),
    "signs": ("mpc.bus = " + "-" * 100_000 + "1;\n", "no mpc."),
    "brackets that open": ("mpc.bus = " + "[" * 100_000 + "\n", 'line 3 opens a "["'),
    "columns again and again": (f"{BUS}x = mpc.bus(:, [{NAMES}]);\n" * 3, "matrices of more than"),
    "columns of one row": (
        f"{BUS}" + f"x = mpc.bus(:, [{NAMES}]) + mpc.bus(:, [{NAMES}]);\n" * 30,
        "matrices of more than",
    ),
    "a row that is none": (f"{BUS}x = mpc.bus({'9' * 400}, 1);\n", "not understood"),
    "a column that is none": (f"{BUS}x = mpc.bus(1, {'9' * 400});\n", "has no column"),
    "a row of many digits": (f"{BUS}x = mpc.bus({'9' * 5000}, 1);\n", "not understood"),
    "a number of many digits": (f"x = {'1' * 200_000}x;\n", "not plain arithmetic"),
    "a power of powers": ("x = " + "^".join(["9"] * 10_000) + ";\n", "no mpc."),
    "repmat": (f"{BUS}mpc.bus = repmat(mpc.bus, 1e9, 1e9);\n", 'unknown name "repmat"'),
    "a range": ("x = 1:1e12;\n", "not plain arithmetic"),
    "spaces": ("x" + " " * 100_000 + "y;\n", "is not understood"),
    "spaces behind a field": ("mpc.x" + " " * 100_000 + "y;\n", "is not understood"),
    "fields": (f"{BUS}x = " + " + ".join(["mpc.bus(1, 1)"] * 20_000) + ";\n", "no mpc."),
    "statements": ("x = 1;" * 400_000 + "\n", "no mpc."),
    "quotes": ("'" * 100_001 + "\n", "is not understood"),
    "a long name": ("x = " + "y" * 100_000 + ";\n", "unknown name"),
    "a digit of another script": ("x = \u0661;\n", "not plain arithmetic"),
}


@pytest.mark.parametrize("kind", FILES)
def test_ends_in_a_sentence(tmp_path: Path, capsys: Capture, kind: str) -> None:
    text, said = FILES[kind]
    file = tmp_path / "case1.m"
    file.write_text(HEAD + text, encoding="utf-8")
    said = "version" if said == "no mpc." else said
    if said == "version":
        file.write_text("function mpc = case1\n" + text, encoding="utf-8")
    refuse(capsys, ("check", file), "case1.m", said)


def test_a_million_numbers_are_within_the_budget(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "case1.m"
    file.write_text(
        "function mpc = case1\nmpc.version = '2';\nmpc.bus = [" + "1 2 3 4 5 6 7 8 9 10 11 12 13\n" * 80_000 + "];\n"
    )
    refuse(capsys, ("check", file), "baseMVA")


def test_little_memory_is_taken(tmp_path: Path) -> None:
    """240 kB that took 15 GB."""
    file = tmp_path / "case1.m"
    file.write_text(HEAD + "mpc.bus = [" + "1\n" * 60_000 + "];\nx = mpc.bus(:, [" + "1 " * 60_000 + "]);\n")
    done = subprocess.run(
        [BILEVEL, "check", file], capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30)),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "line 60004: the file makes matrices of more than" in done.stderr
    assert done.stderr.count("\n") == 1
