"""Append-only files of JSON lines: whatever kills a run, the entries written stay.

The first line says of which run the file is; every other line is one entry, written and synced as it comes.  A last line that was
cut off is dropped.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bilevel.errors import BilevelError

Entry = TypeVar("Entry")


def opened(
    path: Path,
    header: Mapping[str, Any],
    kind: str,
    parse: Callable[[Mapping[str, Any]], Entry],
    older: Mapping[str, Any] | None = None,
) -> list[Entry]:
    """The entries of the file at `path`, which is begun with `header` where there is none yet.

    `parse` makes an entry of a line, and raises `ValueError`, `KeyError` or `TypeError` where it cannot.  Raises `BilevelError` for
    a file that is none of this `kind` ("front points"), and for one of another run, with the first difference of the headers;
    `older` is what a header of an older version means that lacks these keys.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # As bytes, whose number says where to cut the file off
    text = path.read_bytes() if path.exists() else b""
    # Every line is written with its end: one without was cut off by what killed the run
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.splitlines()
    try:
        found = json.loads(lines[0]) if lines else None
        entries = [parse(line) for line in map(json.loads, lines[1:])]
    except (ValueError, KeyError, TypeError) as error:
        raise BilevelError(f"{path} is no file of {kind} ({error}): give another folder, or remove it") from error
    # Before anything is cut or written: a file of another run stays as it is
    if found is not None:
        _refuse_other(path, found, header, kind, older or {})
    if len(whole) < len(text):
        os.truncate(path, len(whole))
    if found is None:
        append(path, header)
    return entries


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line, which is on the disk when this returns."""
    with path.open("ab") as file:
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _refuse_other(path: Path, found: Any, header: Mapping[str, Any], kind: str, older: Mapping[str, Any]) -> None:
    # A first line that is JSON and no header is of another run too
    known = {**older, **found} if isinstance(found, dict) else {}
    for key, value in header.items():
        if known.get(key) != value:
            raise BilevelError(
                f"{path} holds {kind} of another run: {key} is {_shown(known.get(key))} there and {_shown(value)} here; "
                "give another folder, or the same model and settings"
            )


def _shown(value: Any) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) > 40 else repr(value)
