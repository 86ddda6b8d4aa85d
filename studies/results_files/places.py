"""Where in a JSON file something is: the whole path of what a model refuses, and the line of a path."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from studies.results_files.refusals import Step

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\[\.\.\.\]")
_GOT = re.compile(r"got `(\w+)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_KINDS = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None), "array": list, "object": dict}


def line_of(text: str, path: Sequence[Step]) -> int:
    """The line, from 1, on which the value at `path` begins in a JSON text; 1 where it is not there."""
    here: list[Step | None] = []
    wanted = list(path)
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in "}]":
            here.pop()
        elif word == ",":
            # In an object a key comes next
            here[-1] = here[-1] + 1 if isinstance(here[-1], int) else None
        elif word == ":":
            continue
        elif here and here[-1] is None:
            here[-1] = json.loads(word)
        elif here == wanted:
            return text.count("\n", 0, token.start()) + 1
        elif word in "{[":
            here.append(None if word == "{" else 0)
    return 1


def meant(data: Any, said: str) -> tuple[Step, ...]:
    """The path in `data` of what a message of msgspec is about, which leaves the keys of maps out."""
    complaint, _, at = said.rpartition(" - at `$")
    if not at:
        return ()
    steps = [found[1] or (int(found[2]) if found[2] else None) for found in _STEP.finditer(at.rstrip("`"))]
    return next(_matching(data, steps, complaint or said), ())


def _matching(data: Any, steps: Sequence[Step | None], complaint: str) -> Iterator[tuple[Step, ...]]:
    if not steps:
        if _fits(data, complaint):
            yield ()
        return
    first, rest = steps[0], steps[1:]
    keys = list(data) if first is None and isinstance(data, dict) else range(len(data)) if first is None else [first]
    for key in keys:
        for below in _matching(data[key], rest, complaint):
            yield (key, *below)


def _fits(value: Any, complaint: str) -> bool:
    """Whether a value may be what is complained of."""
    if lacking := _MISSING.search(complaint):
        return isinstance(value, dict) and lacking[1] not in value
    got = _GOT.search(complaint)
    return got is None or type(value) is _KINDS.get(got[1], type(value))
