"""Stores of fronts and contests with an edited line, resumed."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from file_faults.lines.line import Line, Place, with_line
from file_faults.palette import BROKEN, DEEP
from file_faults.stored import same

TAKEN = (0, 2, 3)
"""Refused, or left out and solved again: the answers are those without the line."""
FILES = {"pareto": "points/points.jsonl", "compare": "runs.jsonl"}


def _packed(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes())).decode()


def _edited(name: str, said: str, key: str, path: tuple[Any, ...], value: Any) -> Line:
    """The first line that has a key, with a value put at a path."""

    def make(place: Place) -> Sequence[object]:
        source = place.stores[name]
        content = source.files[FILES[name]]
        at = next(k for k, line in enumerate(content.splitlines()) if key in json.loads(line))
        return place.written(source, {FILES[name]: with_line(content, at, path, value)})[1]

    return Line("store" if name == "pareto" else "contest", said, make, TAKEN, after=_same(name))


def _same(name: str) -> Any:
    def after(place: Place, arguments: Sequence[object], code: int) -> str:
        given = list(map(str, arguments))
        folder = Path(given[given.index("--out") + 1])
        return "" if code == 2 else "; ".join(same(place.stores[name], folder, code))

    return after


def _middle(name: str) -> Line:
    """A line that is no JSON between two that are."""

    def make(place: Place) -> Sequence[object]:
        source = place.stores[name]
        lines = source.files[FILES[name]].splitlines()
        lines.insert(2, b"{")
        return place.written(source, {FILES[name]: b"\n".join(lines) + b"\n"})[1]

    return Line(
        "store" if name == "pareto" else "contest", "a line in the middle is broken", make, TAKEN, after=_same(name)
    )


def _case_json(text: bytes) -> Line:
    def make(place: Place) -> Sequence[object]:
        return place.written(place.stores["pareto"], {"points/case.json": text})[1]

    return Line("store", f"case.json is {text[:8]!r}", make, TAKEN, after=_same("pareto"))


def _points(said: str, path: tuple[Any, ...], value: Any) -> Line:
    return _edited("pareto", said, "task", path, value)


def _exact(said: str, key: str, value: Any) -> Line:
    return _edited("compare", f"exact {key} {said}", "exact", ("exact", key), value)


def _run(key: str, value: Any) -> Line:
    return _edited("compare", f"run {key} {str(value)[:20]!r}", "run", ("run", key), value)


STORES: tuple[Line, ...] = (
    _points("task list", ("task",), ["x"]),
    _points("x short", ("x",), _packed(np.ones(2))),
    _points("x all NaN", ("x",), _packed(np.full(61, np.nan))),
    _points("x of 25,000,000 numbers", ("x",), _packed(np.zeros(25_000_000))),
    _points("verdict infeasible", ("verdict",), "infeasible"),
    _points("bound moved", ("bound",), "0x1.0p+0"),
    _points("deep line", ("seconds",), DEEP),
    _points("broken line", ("seconds",), BROKEN),
    _middle("pareto"),
    _middle("compare"),
    *(_case_json(text) for text in (b"[]", b"null", b'"x"', b"[" * 100_000, b"", b"{}")),
    *(_exact(repr(value), "objective", value) for value in ("x", [1.0])),
    _exact("None while certified", "bound", None),
    _exact("'x'", "bound", "x"),
    _exact("-1e9", "bound", -1e9),
    _exact("None", "cpu_seconds", None),
    _exact("3", "reason", 3),
    *(_run(key, "x") for key in ("objective", "seed", "bests", "seconds", "evaluations", "penalty")),
    _run("method", ["pso"]),
    _run("details", None),
    _run("details", [1]),
    _run("bests", [1.0] * 5000),
)  # fmt: skip
