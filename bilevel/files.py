"""Append-only files of JSON lines: whatever kills a run, the entries written stay.

The first line says of which run the file is; every other line is one entry, written and synced as it comes, with a sum of what it
says.  A last line that was cut off is dropped, and a damaged one is put aside (`NAME.damaged`): it costs itself and not the file.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from bilevel import atomic
from bilevel.errors import MOST_SHOWN, BilevelError
from bilevel.journals import lines

Entry = TypeVar("Entry")

MOST_BYTES = 2**30
"""Of a file that is read."""
DAMAGED = ".damaged"
"""Behind the name of a file: where its damaged lines are kept."""
_SHOWN_LINES = 5
_LOG = logging.getLogger(__name__)


class Told(NamedTuple, Generic[Entry]):
    """An entry of a file, and whether its line has a sum; those of older versions have none."""

    entry: Entry
    summed: bool


def opened(
    path: Path,
    header: Mapping[str, Any],
    kind: str,
    parse: Callable[[Mapping[str, Any]], Entry],
    older: Mapping[str, Any] | None = None,
    doubts: Callable[[Sequence[Told[Entry]]], Mapping[int, str]] | None = None,
) -> list[Entry]:
    """The entries of the file at `path`, which is begun with `header` where there is none yet.

    `parse` makes an entry of a line, and raises `ValueError`, `KeyError`, `TypeError` or `msgspec.ValidationError` where it cannot;
    `doubts` names entries, by position, that the others contradict, and why.  Such lines are put aside with a warning, and are no
    entries.  Raises `BilevelError` for a file that is none of this `kind` ("front points"), for one of another run, with the
    first difference of the headers, and for what is no file; `older` is what a header of an older version means that lacks these
    keys.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = _content(path)
    except OSError as error:
        raise _unusable(path, error) from error
    # Every line is written with its end: one without was cut off by what killed the run
    whole = text[: text.rfind(b"\n") + 1]
    first, *rest = whole.split(b"\n")[:-1] or [b""]
    if not whole:
        _cut(path, text, 0)
        append(path, header)
        return []
    # Before anything is cut or written: a file of another run stays as it is
    summed = _refuse_other(path, first, header, kind, older or {})
    found, bad = _entries(first, rest, parse, summed)
    if not summed and any(b'"sum": "' in line for line in rest) and not any(told.summed for told in found.values()):
        raise BilevelError(
            f"{path} is no file of {kind} (no line fits to its first one): give another folder, or remove it"
        )
    _cut(path, text, len(whole))
    bad |= _doubted(found, doubts)
    put_aside(path, first, rest, bad)
    return [told.entry for at, told in found.items() if at not in bad]


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line with its sum, which is on the disk when this returns; raises `BilevelError` where the disk refuses."""
    size = None
    try:
        with path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            first = file.readline().rstrip(b"\n")
            file.write(lines.sealed(line, first) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # What a full disk took of the line would be no line
        with suppress(OSError):
            if size is not None:
                os.truncate(path, size)
        raise _unusable(path, error) from error


def require_regular(path: Path) -> None:
    """Raise `BilevelError` for a path at which something stands that is no file; symbolic links to files are files."""
    if os.path.lexists(path) and not (path.exists() and stat.S_ISREG(path.stat().st_mode)):
        raise BilevelError(f"{path} is no file: remove it, or give another folder")


def _content(path: Path) -> bytes:
    require_regular(path)
    if not path.exists():
        return b""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise BilevelError(f"{path} has {size} bytes, more than the {MOST_BYTES} that are read: give another folder")
    # As bytes, whose number says where to cut the file off
    return path.read_bytes()


def _entries(
    first: bytes, rest: Sequence[bytes], parse: Callable[[Mapping[str, Any]], Entry], must: bool
) -> tuple[dict[int, Told[Entry]], dict[int, str]]:
    """Entries by their lines, and what is wrong with the other lines; where `must` every line has a sum."""
    found: dict[int, Told[Entry]] = {}
    bad: dict[int, str] = {}
    for at, text in enumerate(rest):
        # Runs of older versions that began at once wrote a header each
        if text == first:
            continue
        try:
            line, summed = lines.opened(text, first)
            if must and not summed:
                raise ValueError("it has no sum")
            found[at] = Told(parse(line), summed)
        except KeyError as error:
            bad[at] = f"it lacks {error}"
        except (ValueError, TypeError, msgspec.ValidationError) as error:
            bad[at] = _short(str(error))
    return found, bad


def _cut(path: Path, text: bytes, whole: int) -> None:
    """Drop the end of a line that was cut off."""
    if whole == len(text):
        return
    try:
        os.truncate(path, whole)
    except OSError as error:
        raise _unusable(path, error) from error


def _doubted(
    found: Mapping[int, Told[Entry]], doubts: Callable[[Sequence[Told[Entry]]], Mapping[int, str]] | None
) -> dict[int, str]:
    places = list(found)
    return {} if doubts is None else {places[k]: why for k, why in doubts(list(found.values())).items()}


def put_aside(path: Path, first: bytes, rest: Sequence[bytes], bad: Mapping[int, str]) -> None:
    """Move the `bad` ones of the lines `rest`, by position with what is wrong, out of the file at `path` into that of damaged ones,
    with a warning that tells how many and where; where nothing can be written they stay.  `first` is the file's first line."""
    if not bad:
        return
    aside = path.with_name(path.name + DAMAGED)
    require_regular(aside)
    kept = f"kept in {aside.name}"
    try:
        with aside.open("ab") as file:
            file.writelines(rest[at] + b"\n" for at in sorted(bad))
            file.flush()
            os.fsync(file.fileno())
        atomic.write_bytes(
            path.resolve(), b"\n".join([first, *(text for at, text in enumerate(rest) if at not in bad), b""])
        )
    except OSError as error:
        kept = f"left where they are, as nothing can be written ({error.strerror})"
    shown = "; ".join(f"line {at + 2}: {bad[at]}" for at in sorted(bad)[:_SHOWN_LINES])
    more = f"; and {len(bad) - _SHOWN_LINES} more" if len(bad) > _SHOWN_LINES else ""
    _LOG.warning("%s: lines not believed: %d (%s%s); %s, and solved again", path, len(bad), shown, more, kept)


def _refuse_other(path: Path, first: bytes, header: Mapping[str, Any], kind: str, older: Mapping[str, Any]) -> bool:
    """Raise `BilevelError` for the first line of another run; whether it has a sum."""
    try:
        found, summed = lines.opened(first, b"")
    except ValueError as error:
        raise BilevelError(
            f"{path} is no file of {kind} ({_short(str(error))}): give another folder, or remove it"
        ) from error
    # A first line that is JSON and no header is of another run too
    known = {**older, **found} if isinstance(found, dict) else {}
    for key, value in header.items():
        if known.get(key) != value:
            raise BilevelError(
                f"{path} holds {kind} of another run: {key} is {_shown(known.get(key))} there and {_shown(value)} here; "
                "give another folder, or the same model and settings"
            )
    return summed


def _unusable(path: Path, error: OSError) -> BilevelError:
    remedy = "free some space, and go on with the same folder" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else (
        "check the path and its permissions, or give another folder"
    )  # fmt: skip
    return BilevelError(f"{path} cannot be read and written ({error.strerror or error}): {remedy}")


def _shown(value: Any) -> str:
    return f"{value[:12]}..." if isinstance(value, str) and len(value) > 40 else short(value)


def short(value: Any) -> str:
    """A value as a sentence shows it."""
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
