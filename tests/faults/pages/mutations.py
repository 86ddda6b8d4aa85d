"""Changes of a folder of results that know its structure: any path of a JSON file, any cell, column or row of a table.

`drawn(folder, pick)` gives one change; `pick` takes a member of a sequence: `random.Random(seed).choice`, or hypothesis's draw.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
Pick = Callable[[Sequence[Any]], Any]
DEPTH = 10_000
HUGE = "y" * 100_000

VALUES = {
    "null": "null", "list": "[]", "object": "{}", "text": '"x"', "empty": '""', "below 0": "-1", "true": "true", "false": "false",
    "0": "0", "1e308": "1e308", "-1e308": "-1e308", "1e29": str(10**29), "1e400": str(10**400), "5,000 digits": "9" * 5_000,
    "-0.0": "-0.0", "denormal": "1e-320", "inf": "1e999", "NaN": "NaN", "list of null": "[null]", "half": "0.5",
    "object in an object": '{"a": {"b": [1, "x"]}}', "deep list": "[" * DEPTH + "]" * DEPTH,
    "deep object": '{"a":' * DEPTH + "1" + "}" * DEPTH, "never closed": "[" * DEPTH, "huge text": f'"{HUGE}"',
    "half of a surrogate": '"\\ud800"', "script": '"<script>alert(1)</script>"', "NA": '"NA"', "LaTeX": '"\\\\input{x}$&%"',
    "quotes": '"\\"\'`"', "signs": '"*/.. \\u0000 \\u202e"', "certified": '"certified"', "infeasible": '"infeasible"',
}  # fmt: skip
"""What a value of a JSON file becomes, as JSON text: some of it is no JSON."""

CELLS = (
    "", "x", "NA", "nan", "None", "null", "-1", "0", "1", "7", "True", "False", "1e308", "-1e308", str(10**29), "-0.0", "1e-320",
    "inf", "-inf", "1_000", "\u0661", " 1", "0x1", "=cmd()", "<script>alert(1)</script>", "\\input{x}", '"', "a,b", "a\nb", "\x00",
    HUGE, "price_x_per_kwh", "\udcff",
)  # fmt: skip
"""What a cell becomes; the last is a byte that is no UTF-8."""


@dataclass(frozen=True)
class Mutation:
    """A file of a folder, what becomes of it in words, and its new content; None where it is removed."""

    file: str
    what: str
    content: bytes | None

    def apply(self, folder: Path) -> None:
        """Change the file in a folder."""
        if self.content is None:
            (folder / self.file).unlink()
        else:
            (folder / self.file).write_bytes(self.content)


def files(folder: Path) -> list[str]:
    """The JSON files and tables of a folder of results."""
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".json", ".csv"))


def drawn(folder: Path, pick: Pick) -> Mutation:
    """One change of one file."""
    name = pick(files(folder))
    content = (folder / name).read_bytes()
    how = pick(["structure"] * 9 + ["file"])
    if how == "file":
        return _file(name, content, pick)
    return _json(name, content, pick) if name.endswith(".json") else _table(name, content, pick)


def mutations(folder: Path, seed: int) -> Iterator[Mutation]:
    """Changes without end, the same ones for the same seed."""
    pick = random.Random(seed).choice
    while True:
        yield drawn(folder, pick)


def _file(name: str, content: bytes, pick: Pick) -> Mutation:
    how = pick(["removed", "empty", "cut", "bytes", "mark", "twice"])
    at = pick(range(len(content) + 1))
    changed = {
        "removed": None, "empty": b"", "cut": content[:at], "bytes": content[:at] + b"\xff\xfe" + content[at:],
        "mark": b"\xef\xbb\xbf" + content, "twice": content + content,
    }[how]  # fmt: skip
    return Mutation(name, how, changed)


def _json(name: str, content: bytes, pick: Pick) -> Mutation:
    data = json.loads(content)
    path = _path(data, pick)
    how = pick(["set"] * 5 + ["remove"] * 2 + ["swap"])
    owner: Any = data
    for step in path[:-1]:
        owner = owner[step]
    said = "".join(f"[{step!r}]" for step in path)
    if path and how == "remove":
        del owner[path[-1]]
        return Mutation(name, f"{said} removed", json.dumps(data, indent=1).encode())
    if path and how == "swap":
        other = pick(list(range(len(owner))) if isinstance(owner, list) else list(owner))
        owner[path[-1]], owner[other] = owner[other], owner[path[-1]]
        return Mutation(name, f"{said} swapped with {other!r}", json.dumps(data, indent=1).encode())
    word = pick(list(VALUES))
    mark = "a place that nothing else has"
    if path:
        owner[path[-1]] = mark
    else:
        data = mark
    text = json.dumps(data, indent=1).replace(f'"{mark}"', VALUES[word])
    return Mutation(name, f"{said} = {word}", text.encode())


def _path(data: Any, pick: Pick) -> list[Any]:
    """A path, the shallow ones as likely as the deep ones."""
    path: list[Any] = []
    while isinstance(data, dict | list) and data and pick([True, True, True, False]):
        step = pick(list(data) if isinstance(data, dict) else range(len(data)))
        path.append(step)
        data = data[step]
    return path


def _table(name: str, content: bytes, pick: Pick) -> Mutation:
    rows = list(csv.reader(io.StringIO(content.decode())))
    how = pick(["cell"] * 5 + ["column", "row"] * 2 + ["ragged", "whole column", "other cell"])
    row, column = pick(range(len(rows))), pick(range(len(rows[0])))
    said = f"{how} {row},{column}"
    if how == "cell":
        rows[row][column] = pick(CELLS)
        said += f" = {rows[row][column][:20]!r}"
    elif how == "whole column":
        value = pick(CELLS)
        for each in rows[1:]:
            each[column] = value
        said += f" = {value[:20]!r}"
    elif how == "other cell":
        # As where a parent is one that makes a circle
        rows[row][column] = pick(rows)[column]
    elif how == "ragged":
        rows[row] = pick([[*rows[row], "1"], rows[row][:-1], []])
    elif how == "row":
        said += f" {_moved(rows, row, pick)}"
    else:
        kind = pick(["removed", "doubled", "moved"])
        for each in rows:
            cell = each[column]
            if kind == "doubled":
                each.append(cell)
            else:
                del each[column]
                each[:0] = [cell] if kind == "moved" else []
        said += f" {kind}"
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return Mutation(name, said, out.getvalue().encode("utf-8", "surrogateescape"))


def _moved(rows: list[list[str]], row: int, pick: Pick) -> str:
    kind = pick(["removed", "doubled", "moved", "all removed"])
    if kind == "removed":
        del rows[row]
    elif kind == "doubled":
        rows.insert(row, list(rows[row]))
    elif kind == "moved":
        rows.append(rows.pop(row))
    else:
        del rows[1:]
    return str(kind)
