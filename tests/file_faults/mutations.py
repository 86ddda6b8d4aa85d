"""Changes of a folder that know what its files are: fields of JSON, cells, columns and rows of CSV, lines, encodings, bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from file_faults.palette import BYTES, CELLS, JSON_VALUES, LONG, Chooser, Raw

Files = Mapping[str, bytes]
RAW, TWICE = "@@raw@@", "@@twice@@"
LINES = {".jsonl"}
TABLES = {".csv"}
OBJECTS = {".json"}
WORDS = {".m", ".mps", ".aux"}


@dataclass(frozen=True)
class Mutation:
    """One change: the file, the kind of change, what was done ("horizon.periods = None"), the file after it, None where it is gone.

    `senseless`: a number, or another value, was made one of another type, which no reader can take for what it was.
    """

    file: str
    kind: str
    about: str
    content: bytes | None
    senseless: bool = False

    def apply(self, files: Files) -> dict[str, bytes]:
        """The folder after the change."""
        changed = {name: content for name, content in files.items() if name != self.file}
        return changed if self.content is None else changed | {self.file: self.content}

    def __str__(self) -> str:
        return f"{self.file}: {self.kind}: {self.about[:160]!r}"


def draw(files: Files, choose: Chooser) -> Mutation:
    """One change of one of the files that hold text."""
    name = choose.pick(sorted(files))
    suffix = name[name.rfind(".") :]
    structured = {
        **dict.fromkeys(TABLES, _table),
        **dict.fromkeys(OBJECTS, _object),
        **dict.fromkeys(LINES, _lines),
        **dict.fromkeys(WORDS, _words),
    }
    # One in six harms the file as bytes
    if suffix in structured and choose.whole(0, 5):
        return structured[suffix](name, files[name], choose)
    return _bytes(name, files[name], choose)


# JSON


def dumps(value: Any, indent: int | None = 1) -> str:
    """JSON with `Raw` text as it is, keys that begin with `TWICE` without it, and what `json` itself would not refuse."""
    raw: list[str] = []

    def mark(item: Any) -> Any:
        if isinstance(item, Raw):
            raw.append(item.text)
            return f"{RAW}{len(raw) - 1}"
        if isinstance(item, dict):
            return {key: mark(inner) for key, inner in item.items()}
        return [mark(inner) for inner in item] if isinstance(item, list) else item

    text = json.dumps(mark(value), indent=indent).replace(f'"{TWICE}', '"')
    for place, inner in enumerate(raw):
        text = text.replace(f'"{RAW}{place}"', inner)
    return text


def _object(name: str, content: bytes, choose: Chooser) -> Mutation:
    before = json.loads(content)
    kind, about, value = change_value(before, choose)
    return Mutation(name, kind, about, dumps(value).encode() + b"\n", kind == "set" and _other_type(before, value))


def change_value(value: Any, choose: Chooser) -> tuple[str, str, Any]:
    """(Kind, what was done, the value after it) of a change somewhere in a JSON value."""
    path: list[Any] = []
    inner = value
    # One in eight stops at a container
    while isinstance(inner, dict | list) and inner and choose.whole(0, 7):
        step = choose.pick(list(inner) if isinstance(inner, dict) else list(range(len(inner))))
        path.append(step)
        inner = inner[step]
    if not path:
        new = choose.pick(JSON_VALUES)
        return "root", _short(new), new
    if isinstance(inner, str) and inner.startswith("{"):
        # A text that is JSON itself, as pandapower's tables are
        kind, about, new = change_value(json.loads(inner), choose)
        copy = json.loads(json.dumps(value))
        _holder(copy, path)[path[-1]] = dumps(new, None)
        return kind, f"{'.'.join(map(str, path))}: {about}", copy
    kind = choose.pick(["set", "set", "set", "set", "scale", "remove", "twice", "rename", "copy"])
    return kind, *_at(value, path, kind, choose)


def _holder(value: Any, path: list[Any]) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value


def _at(value: Any, path: list[Any], kind: str, choose: Chooser) -> tuple[str, Any]:
    """Where and what, and the value with the change at a path."""
    copy = json.loads(json.dumps(value))
    holder, last = _holder(copy, path), path[-1]
    old = holder[last]
    where = ".".join(map(str, path))
    if kind == "scale" and isinstance(old, int | float) and not isinstance(old, bool):
        holder[last] = choose.pick([2 * old, -old, old + 1, old - 1, 0.9 * old, 1.1 * old, -old - 1e6, 1e9 * old])
    elif kind == "remove":
        del holder[last]
        return f"{where} removed", copy
    elif kind == "twice" and isinstance(holder, dict):
        holder[f"{TWICE}{last}"] = choose.pick([old, *JSON_VALUES])
        return f"{where} twice", copy
    elif kind == "rename" and isinstance(holder, dict):
        holder[choose.pick(["x", "", LONG, str(last).upper(), f"{last} "])] = holder.pop(last)
        return f"{where} renamed", copy
    elif kind in ("twice", "rename"):
        holder.insert(last, old)
    elif kind == "copy" and len(holder) > 1:
        holder[last] = choose.pick(list(holder.values()) if isinstance(holder, dict) else holder)
    else:
        holder[last] = choose.pick(JSON_VALUES)
    return f"{where} = {_short(holder[last])}", copy


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) < 80 else f"{said[:60]}... ({len(said)} characters)"


def _other_type(one: Any, two: Any) -> bool:
    """Whether somewhere in two values of the same shape a text, a number or a list stands beside one of another type."""
    if isinstance(one, dict) and isinstance(two, dict):
        return any(_other_type(one[key], two[key]) for key in one.keys() & two.keys())
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        return any(map(_other_type, one, two))
    if one is None or one == two or isinstance(two, Raw):
        return False
    if isinstance(two, float) and not math.isfinite(two):
        return True
    if isinstance(one, bool) or isinstance(two, bool):
        return type(one) is not type(two)
    numbers = (int, float)
    return not (isinstance(one, numbers) and isinstance(two, numbers)) and type(one) is not type(two)


def _lines(name: str, content: bytes, choose: Chooser) -> Mutation:
    """A line of a store: a change of what it says, or of its place among the others."""
    lines = content.decode().splitlines()
    at = choose.whole(0, len(lines) - 1)
    kind = choose.pick(["change", "change", "change", "change", "drop", "again", "swap", "cut", "blank", "array"])
    if kind == "change":
        kind, about, value = change_value(json.loads(lines[at]), choose)
        lines[at] = dumps(value, None)
        return Mutation(name, f"line {kind}", f"{at}: {about}", _joined(lines))
    other = choose.whole(0, len(lines) - 1)
    if kind == "drop":
        del lines[at]
    elif kind == "again":
        lines.insert(other, lines[at])
    elif kind == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "cut":
        lines[at] = lines[at][: choose.whole(0, len(lines[at]))]
    else:
        lines.insert(at, "" if kind == "blank" else "[1, 2]")
    return Mutation(name, f"line {kind}", f"{at}, {other}", _joined(lines))


def _joined(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


# Words


def _words(name: str, content: bytes, choose: Chooser) -> Mutation:
    """A word of a line, or a line, of a file that is read word by word."""
    lines = content.decode().splitlines()
    at = choose.pick([place for place, line in enumerate(lines) if line.strip()])
    kind = choose.pick(["word", "word", "word", "no word", "no line", "line again"])
    words = lines[at].split()
    place = choose.whole(0, len(words) - 1)
    if kind == "word":
        words[place] = choose.pick([*CELLS, *content.decode().split()])
    elif kind == "no word":
        del words[place]
    about = f"line {at + 1} word {place + 1} {_short(words[place]) if kind == 'word' else ''}"
    changed = {"no line": [], "line again": [lines[at]] * 2}.get(kind, [" ".join(["", *words])])
    return Mutation(
        name, kind, about, "".join(f"{line}\n" for line in [*lines[:at], *changed, *lines[at + 1 :]]).encode()
    )


# CSV


def _table(name: str, content: bytes, choose: Chooser) -> Mutation:
    text = content.decode()
    comments = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    rows = list(csv.reader(io.StringIO("".join(text.splitlines(keepends=True)[len(comments) :]))))
    if not rows:
        return _bytes(name, content, choose)
    kind = choose.pick(["cell", "cell", "cell", "cell", "cell", "column", *TABLE_CHANGES])
    if kind in ("cell", "column") and len(rows) > 1:
        return _cells(name, rows, comments, kind, choose)
    kind = kind if kind in TABLE_CHANGES else "header"
    about = TABLE_CHANGES[kind](rows, choose)
    return Mutation(name, kind, about, _written(comments, rows))


def _cells(name: str, rows: list[list[str]], comments: list[str], kind: str, choose: Chooser) -> Mutation:
    """One cell, or all of a column, set to a text."""
    at, column = choose.whole(1, len(rows) - 1), choose.whole(0, len(rows[0]) - 1)
    other = rows[choose.whole(1, len(rows) - 1)][choose.whole(0, len(rows[0]) - 1)]
    value = choose.pick([*CELLS, other, other, f"-{other}", f"{other}0"])
    numbers = all(_is_number(row[column]) for row in rows[1:])
    for row in rows[1:] if kind == "column" else [rows[at]]:
        row[column] = value
    about = f"row {at} {rows[0][column]} = {_short(value)}"
    senseless = bool(value.strip()) and numbers and not _is_number(value.strip())
    return Mutation(name, kind, about, _written(comments, rows), senseless)


def _is_number(text: str) -> bool:
    """A finite number without signs that Python alone reads."""
    try:
        return math.isfinite(float(text)) and text.isascii() and "_" not in text
    except ValueError:
        return False


def _header(rows: list[list[str]], choose: Chooser) -> str:
    column = choose.whole(0, len(rows[0]) - 1)
    new = choose.pick(["", "x", rows[0][column].upper(), rows[0][0], f" {rows[0][column]}", LONG, "a\x00b"])
    said = f"{rows[0][column]} is called {_short(new)}"
    rows[0][column] = new
    return said


def _drop_column(rows: list[list[str]], choose: Chooser) -> str:
    column = choose.whole(0, len(rows[0]) - 1)
    said = rows[0][column]
    for row in rows:
        del row[column]
    return said


def _again_column(rows: list[list[str]], choose: Chooser) -> str:
    column = choose.whole(0, len(rows[0]) - 1)
    for row in rows:
        row.append(row[column])
    return rows[0][column]


def _turn_columns(rows: list[list[str]], choose: Chooser) -> str:
    for row in rows:
        row.reverse()
    return "all"


def _drop_row(rows: list[list[str]], choose: Chooser) -> str:
    at = choose.whole(0, len(rows) - 1)
    return ",".join(rows.pop(at))


def _again_row(rows: list[list[str]], choose: Chooser) -> str:
    at = choose.whole(0, len(rows) - 1)
    rows.insert(choose.whole(0, len(rows)), list(rows[at]))
    return f"row {at}"


def _only_header(rows: list[list[str]], choose: Chooser) -> str:
    del rows[1:]
    return "rows gone"


def _swap_rows(rows: list[list[str]], choose: Chooser) -> str:
    one, other = choose.whole(0, len(rows) - 1), choose.whole(0, len(rows) - 1)
    rows[one], rows[other] = rows[other], rows[one]
    return f"{one}, {other}"


def _odd_row(rows: list[list[str]], choose: Chooser) -> str:
    at = choose.whole(0, len(rows) - 1)
    rows[at] = choose.pick([rows[at][:-1], [*rows[at], ""], [*rows[at], "x"], [""], [], ["#", *rows[at][1:]]])
    return f"row {at}"


TABLE_CHANGES: dict[str, Callable[[list[list[str]], Chooser], str]] = {
    "header": _header, "no column": _drop_column, "column again": _again_column, "columns turned": _turn_columns,
    "no row": _drop_row, "row again": _again_row, "no rows": _only_header, "rows swapped": _swap_rows, "odd row": _odd_row,
}  # fmt: skip


def _written(comments: list[str], rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    text.writelines(comments)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


# Bytes


def _bytes(name: str, content: bytes, choose: Chooser) -> Mutation:
    kind = choose.pick([*BYTE_CHANGES, "gone"])
    if kind == "gone":
        return Mutation(name, kind, "", None)
    at = choose.whole(0, len(content))
    return Mutation(name, kind, f"at {at}", BYTE_CHANGES[kind](content, at, choose))


BYTE_CHANGES: dict[str, Callable[[bytes, int, Chooser], bytes]] = {
    "cut": lambda content, at, _: content[:at],
    "put": lambda content, at, choose: content[:at] + choose.pick(BYTES) + content[at:],
    "bit": lambda content, at, choose: (
        content[:at] + bytes(b ^ 1 << choose.whole(0, 7) for b in content[at:][:1]) + content[at:][1:]
    ),
    "byte": lambda content, at, choose: content[:at] + bytes([choose.whole(0, 255)]) + content[at + 1 :],
    "bytes gone": lambda content, at, choose: content[:at] + content[at + choose.whole(1, 40) :],
    "bytes again": lambda content, at, choose: content[:at] + content[max(0, at - choose.whole(1, 40)) :],
    "mark": lambda content, *_: b"\xef\xbb\xbf" + content,
    "utf-16": lambda content, *_: content.decode().encode("utf-16"),
    "crlf": lambda content, *_: content.replace(b"\n", b"\r\n"),
    "cr": lambda content, *_: content.replace(b"\n", b"\r"),
    "empty": lambda *_: b"",
    "zeros": lambda content, *_: bytes(len(content)),
    "no last line end": lambda content, *_: content.rstrip(b"\n"),
    "twice": lambda content, *_: content + content,
    "line of nothing": lambda content, *_: content + b"\n \n\t\n",
    "semicolons": lambda content, *_: content.replace(b",", b";"),
}  # fmt: skip
"""Each gives the file after it, from the file, a place in it, and where choices come from."""
