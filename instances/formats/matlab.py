"""The part of MATLAB in which MATPOWER cases are written, evaluated as MATLAB does; anything else is refused with its line.

A case file is one function of assignments: numbers, matrices and strings to fields of its struct, and arithmetic that converts
their columns to other units:

    mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;

The column names come from ``[PQ, PV, ...] = idx_bus`` and its like, by position, or from ``define_constants``.
Source: R. D. Zimmerman, C. E. Murillo-Sánchez, MATPOWER User's Manual, appendix B, doi 10.5281/zenodo.3236519.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from instances.formats.budget import Budget
from instances.formats.matlab_terms import MATRIX_COLUMNS, Value, Workspace, evaluate
from instances.grid.units import FloatArray
from instances.records.errors import InstanceError

__all__ = ["MatlabFile", "read_matlab"]

# Comments, continuations, strings (no transposes), brackets, ends of statements and lines, then anything up to the next of these
TOKEN = re.compile(
    r"""%[^\n]*|\.\.\.[^\n]*\n|(?<![\w)\]}.'])'(?:[^'\n]|'')*'|"[^"\n]*"|[()\[\]{};,\n]|[^%.'"()\[\]{};,\n]+|."""
)
CLOSES = {"(": ")", "[": "]", "{": "}"}
FUNCTION = re.compile(r"function\s+([A-Za-z]\w*)\s*=\s*[A-Za-z]\w*(\s*\(\s*\))?", re.ASCII)
INDEX = re.compile(r"\[([^\]]*)\]\s*=\s*(idx_\w+)", re.ASCII)
# Without a way back within names and spaces, of which there may be thousands
ASSIGNMENT = re.compile(
    r"([A-Za-z]\w*+)\s*+(?:\.\s*+([A-Za-z]\w*+)\s*+(?:\(([^=]*)\))?)?\s*+=(?!=)\s*+(.*)", re.DOTALL | re.ASCII
)
REMEDY = "work out what it does and write plain numbers in its place"
SHOWN = 60


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement without its comments, the line that it begins on; line breaks are kept within brackets alone."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class MatlabFile:
    """What a case file leaves in the fields of its struct; ``texts`` has all that was written to each matrix."""

    path: str
    fields: dict[str, float | FloatArray | str]
    texts: dict[str, str]


def read_matlab(path: str, text: str) -> MatlabFile:
    """Run the statements of ``text``, the content of the file ``path``.

    Raises `InstanceError` naming the file, the line and the statement for anything but the assignments described above.
    """
    workspace = Workspace()
    texts: dict[str, str] = {}
    for statement in _statements(path, text, workspace.budget):
        if statement.text == "return":
            break
        where = f"{path} line {statement.line}"
        try:
            _run(statement.text, workspace, texts)
        except InstanceError as error:
            raise InstanceError(f"{where}: {error}") from error
    return MatlabFile(path, workspace.fields, texts)


def _statements(path: str, text: str, budget: Budget) -> Iterator[Statement]:
    """Split the text at semicolons, commas and line ends outside of brackets."""
    text = _without_blocks(path, text.replace("\r\n", "\n"))
    line, begins = 1, 0
    parts: list[str] = []
    opened: list[tuple[str, int]] = []
    for found in TOKEN.finditer(text + "\n"):
        token = found[0]
        if not opened and token in {";", ",", "\n"}:
            if begins:
                yield Statement(begins, "".join(parts).strip())
            parts, begins = [], 0
        elif token.startswith("..."):
            parts.append(" ")
        elif not token.startswith("%"):
            begins = begins or (line if token.strip() else 0)
            parts.append(token)
            _track(f"{path} line {line}", token, line, opened, budget)
        line += token.count("\n")
    if opened:
        raise InstanceError(f'{path} line {opened[-1][1]} opens a "{opened[-1][0]}" that is never closed; close it')


def _without_blocks(path: str, text: str) -> str:
    """Return the text with empty lines for comments between lines of "%{" and "%}", which may stand within each other."""
    lines, opened = text.split("\n"), []
    for at, line in enumerate(lines):
        said = line.strip(" \t")
        if said == "%{":
            opened.append(at)
        if opened:
            lines[at] = ""
        if said == "%}" and opened:
            opened.pop()
    if opened:
        raise InstanceError(
            f'{path} line {opened[0] + 1} opens a comment by "%{{" that no line of "%}}" closes; close it'
        )
    return "\n".join(lines)


def _track(where: str, token: str, line: int, opened: list[tuple[str, int]], budget: Budget) -> None:
    """Keep the stack of open brackets."""
    try:
        budget.step()
    except InstanceError as error:
        raise InstanceError(f"{where}: {error}") from error
    if token in CLOSES:
        opened.append((token, line))
    elif token in CLOSES.values() and (not opened or CLOSES[opened.pop()[0]] != token):
        raise InstanceError(f'{where} has a "{token}" without its opening bracket; correct the brackets')


def _run(text: str, workspace: Workspace, texts: dict[str, str]) -> None:
    """Execute one statement or refuse it."""
    if found := FUNCTION.fullmatch(text):
        if workspace.fields:
            raise InstanceError("a second function begins; keep the one that returns the case")
        workspace.struct = found[1]
    elif found := INDEX.fullmatch(text):
        _name_columns(found[2], re.split(r"[\s,]+", found[1].strip()), workspace)
    elif text == "define_constants":
        for constants in MATRIX_COLUMNS.values():
            workspace.define(constants)
    elif (found := ASSIGNMENT.fullmatch(text)) and _assign(found, workspace, texts):
        return
    elif text != "end":
        raise InstanceError(f'"{_shown(text)}" is not understood; {REMEDY}')


def _name_columns(index: str, names: list[str], workspace: Workspace) -> None:
    """Give the names the values that the index function returns, which go by position."""
    if index not in MATRIX_COLUMNS:
        raise InstanceError(f'"{index}" is not understood; use {", ".join(MATRIX_COLUMNS)}')
    values = list(MATRIX_COLUMNS[index].values())
    if len(names) > len(values):
        raise InstanceError(f"{index} is asked for {len(names)} names; it has {len(values)}")
    workspace.define(dict(zip(names, values, strict=False)))


def _assign(found: re.Match[str], workspace: Workspace, texts: dict[str, str]) -> bool:
    """Assign to a variable, a field of the struct or columns of a matrix in it; tell whether it is one of these."""
    name, field, indices, right = found.groups()
    if field is None:
        workspace.set(name, evaluate(right, workspace))
    elif name != workspace.struct:
        return False
    elif indices is not None:
        workspace.put(field, indices, evaluate(right, workspace))
        texts[field] += right
    elif right[:1] == "[":
        texts[field], workspace.fields[field] = right, _matrix(right, workspace)
    elif right[:1] in {"'", '"', "{"}:
        workspace.fields[field] = right.strip("'\"")
    else:
        workspace.fields[field] = _scalar(evaluate(right, workspace), right)
    return True


def _matrix(text: str, workspace: Workspace) -> FloatArray:
    """Read a matrix of numbers, or of arithmetic without spaces, such as 135/sqrt(3)."""
    if not text.endswith("]"):
        raise InstanceError(f'"{_shown(text)}" is more than a matrix; {REMEDY}')
    rows: list[list[float]] = []
    for row in filter(None, map(str.split, re.split(r"[;\n]", text[1:-1].replace(",", " ")))):
        where = f'row {len(rows) + 1} "{_shown(" ".join(row))}"'
        try:
            rows.append([_scalar(evaluate(cell, workspace), cell) for cell in row])
        except InstanceError as error:
            raise InstanceError(f"{where}: {error}") from error
        if len(row) != len(rows[0]):
            raise InstanceError(f"{where} has {len(row)} numbers, the first row has {len(rows[0])}; make them equal")
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(rows[0]) if rows else 0)


def _scalar(value: Value, text: str) -> float:
    """Return a single number, or refuse a matrix in its place."""
    if isinstance(value, np.ndarray):
        raise InstanceError(f'"{_shown(text)}" is a matrix; give one number')
    return value


def _shown(text: str) -> str:
    """Return the text on one line, shortened."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
