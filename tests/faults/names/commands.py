"""Every command on a small case, in this process, and what its files say: cells and numbers, with the names in them taken back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cli_runs
from faults.names.odd import CASES, Names, renamed

import instances
from studies.writing import files, frames


@dataclass(frozen=True)
class Command:
    """A command, the case that it gets, its options, and whether it goes on with what it kept."""

    name: str
    case: str
    options: tuple[str, ...]
    resumes: bool = False


RUNS = ("--methods", "exact,pso", "--runs", "2", "--budget", "20", "--population", "10", "--time-limit", "60")
COMMANDS: Mapping[str, Command] = {
    "check": Command("check", "trading", ()),
    "solve": Command("solve", "charging", ("--objective", "loss=1,profit=1")),
    "pareto": Command("pareto", "charging", ("--points", "3"), True),
    "security": Command("security", "charging", ("--margins", "0,0.01", "--time-limit", "60"), True),
    "equilibrium": Command("equilibrium", "charging", ("--max-iterations", "5")),
    "compare-equilibrium": Command("compare-equilibrium", "charging", ("--points", "3", "--max-iterations", "5")),
    "market": Command("market", "trading", ("--max-iterations", "5")),
    "compare": Command("compare", "charging", (*RUNS, "--problem", "pricing"), True),
    "compare carbon": Command("compare", "carbon", (*RUNS, "--problem", "carbon"), True),
}


@dataclass(frozen=True)
class Done:
    """A finished command: its exit code and files, and the exit code and text of its page."""

    code: int
    files: Mapping[str, bytes]
    page_code: int
    page: str


def done(command: Command, names: Names, at: Path) -> Done:
    """The command on its case under these names, in the folder `at`; twice where it goes on with what it kept."""
    case = renamed(CASES[command.case](), names)
    folder, out = at / "case", at / "out"
    instances.write(case, folder)
    assert instances.read(folder) == case
    asked = [command.name, folder, *command.options]
    if command.name == "check":
        return Done(_run(*asked), {}, 0, "")
    code = _run(*asked, "--out", out)
    first = contents(out)
    if command.resumes:
        assert _run(*asked, "--out", out, "--resume") == code
        assert set(contents(out)) == set(first)
    page = _run("report", out, "--out", at / "page.html")
    return Done(code, first, page, (at / "page.html").read_text(encoding="utf-8"))


def _run(*arguments: object) -> int:
    told = cli_runs.run(*arguments)
    assert told.returncode in (0, 3, 4), told.stderr
    return told.returncode


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, but for stores."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix not in ("", ".jsonl")}


# Tables

KIND_OF = {"bus": "bus", "parent": "bus", "station": "station", "session": "session", "aggregator": "aggregator"}
FREE = ("where", "detail", "reason", "worst_limit", "broken_row", "seconds", "cpu_seconds", "time_ratio")
"""Columns of sentences, which hold names, and of times."""


def cells(content: bytes, names: Names) -> list[list[str]]:
    """A table as CSV has it, header first, with names as they were before; sentences and times are left out."""
    rows = [[files.uncell(cell) for cell in row] for row in csv.reader(io.StringIO(content.decode(), newline=""))]
    keep = [at for at, head in enumerate(rows[0]) if head not in FREE]
    heads = [rows[0][at] for at in keep]
    known = _heads(names, "generator_" if any(head.startswith("generator_") for head in heads) else "")
    found = [[_cell(head, row[at], names) for head, at in zip(heads, keep, strict=True)] for row in rows[1:]]
    return [[known.get(head, head) for head in heads], *found]


def _heads(names: Names, prefix: str) -> dict[str, str]:
    """Columns that are called after something, as they were before."""
    kinds = [("price_", "station", "_per_kwh"), ("profit_", "aggregator", ""), (prefix, "generator", "_kw")]
    return {f"{before}{new}{behind}": f"{before if before != prefix else ''}{old}{behind}"
            for before, kind, behind in kinds for new, old in names.back(kind).items()}  # fmt: skip


def _cell(head: str, text: str, names: Names) -> str:
    if head == "stations":
        return " ".join(names.back("station")[name] for name in frames.parted(text))
    return names.back(KIND_OF[head])[text] if head in KIND_OF and text else text


# JSON

APART = (
    "time_limit",
    "seconds",
    "cpu_seconds",
    "versions",
    "machine",
    "time_ratio",
    "per_second",
    "evaluations_per_second",
)


def numbers(data: Any) -> Iterator[Any]:
    """Numbers, truths and nothings of JSON data in their order, those of times left out."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if not any(word in key for word in APART):
                yield from numbers(value)
    elif isinstance(data, Sequence) and not isinstance(data, str):
        for value in data:
            yield from numbers(value)
    elif not isinstance(data, str):
        yield data


def loaded(content: bytes) -> Any:
    """JSON without NaN."""
    return json.loads(content, parse_constant=lambda word: pytest_fail(word))


def pytest_fail(word: str) -> Any:
    """NaN and infinity are no JSON."""
    raise AssertionError(word)
