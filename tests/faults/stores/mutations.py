"""Ways in which a file of JSON lines comes to be damaged: as hypothesis strategies, for whoever has such a file."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

BOMB = base64.b64encode(zlib.compress(bytes(200_000_000), 9)).decode()
"""200 MB of zeros in 260 kB."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3.5, -1e9, 1e308, 10**29, float("nan"), float("inf"), "", "x", "nan", "inf", "-inf",
    "0x1p+3", "0x1p+9999", "certified", "infeasible", "unbounded", "optimal", [], [None], ["x"], [1.0] * 9, {},
    {"a": {"b": []}}, "\x00", "\udcff", "9" * 5000, BOMB,
)  # fmt: skip
"""What a member of a line is set to."""
LINES: tuple[bytes, ...] = (
    b"", b" ", b"[]", b"null", b"{}", b"0", b'"x"', b"{", b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"\xff\xfe\x00", b"\x00" * 64,
    b'{"format": 1}', b"9" * 10_000, b"\xef\xbb\xbf{}",
)  # fmt: skip
"""What a line is replaced by."""


def changed_bytes(data: bytes) -> st.SearchStrategy[bytes]:
    """The file with a piece of up to 40 bytes replaced by others, taken out, or with others put in."""
    places = st.tuples(st.integers(0, len(data)), st.integers(0, 40), st.binary(max_size=40))
    return places.map(lambda given: data[: given[0]] + given[2] + data[given[0] + given[1] :])


def cut(data: bytes) -> st.SearchStrategy[bytes]:
    """The beginning of the file."""
    return st.integers(0, len(data)).map(lambda at: data[:at])


def changed_lines(data: bytes) -> st.SearchStrategy[bytes]:
    """The file with one line dropped, repeated, moved or replaced."""
    lines = data.split(b"\n")[:-1]
    at = st.integers(0, len(lines) - 1)
    whole = st.one_of(st.sampled_from(LINES), st.binary(max_size=60).map(lambda text: text.replace(b"\n", b" ")))

    def joined(change: Callable[[list[bytes]], Any]) -> bytes:
        kept = list(lines)
        change(kept)
        return b"".join(line + b"\n" for line in kept)

    return st.one_of(
        at.map(lambda k: joined(lambda kept: kept.pop(k))),
        st.tuples(at, at).map(lambda ks: joined(lambda kept: kept.insert(ks[0], kept[ks[1]]))),
        st.tuples(at, at).map(lambda ks: joined(lambda kept: kept.insert(ks[0], kept.pop(ks[1])))),
        st.tuples(at, whole).map(lambda given: joined(lambda kept: kept.__setitem__(*given))),
    )


def changed_members(
    data: bytes, first: int = 0, resealed: Callable[[Any], bytes] | None = None
) -> st.SearchStrategy[bytes]:
    """The file with one member, at any depth, of one line from `first` on taken out or set to another value.

    `resealed` writes the line; `json.dumps` without one.
    """
    lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
    write = resealed or (lambda line: json.dumps(line).encode())
    paths = [(at, path) for at in range(first, len(lines)) for path in _paths(lines[at])]

    def changed(place: tuple[int, tuple[Any, ...]], value: Any, out: bool) -> bytes:
        at, path = place
        line = json.loads(json.dumps(lines[at]))
        inner = line
        for step in path[:-1]:
            inner = inner[step]
        if out:
            del inner[path[-1]]
        else:
            inner[path[-1]] = value
        texts = data.split(b"\n")
        texts[at] = write(line)
        return b"\n".join(texts)

    return st.builds(
        changed, st.sampled_from(paths), st.sampled_from(VALUES), st.sampled_from([False, False, False, True])
    )


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for step, member in inner:
        found += _paths(member, (*path, step))
    return found


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Any of these ways."""
    return st.one_of(changed_bytes(data), cut(data), changed_lines(data), changed_members(data))


def without_sums(data: bytes) -> bytes:
    """The file as older versions wrote it."""
    lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
    return b"".join(
        json.dumps({key: value for key, value in line.items() if key != "sum"}).encode() + b"\n" for line in lines
    )
