"""Folders of results whose fields were changed, given to `bilevel report`; and places that no page can be written to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from file_faults.lines.line import Line, Place, with_value
from file_faults.palette import BROKEN, DEEP, Raw

FAILS = (2, 3)
"""Refused, or a page whose panel says what is wrong."""
FILES = {
    "solve": "solution.json", "pareto": "front.json", "compare": "compare.json", "market": "market.json",
    "security": "security.json",
    "equilibrium": "trace.json", "compare-equilibrium": "comparison.json",
}  # fmt: skip


def _field(name: str, path: tuple[Any, ...], value: Any, codes: tuple[int, ...] = FAILS, file: str = "") -> Line:
    def make(place: Place) -> Sequence[object]:
        source = place.results[name]
        json_file = file or FILES[name]
        return place.written(source, {json_file: with_value(source.files[json_file], path, value)})[1]

    said = (
        {DEEP: "20,000 brackets", BROKEN: "20,000 brackets, open"}.get(value) if isinstance(value, Raw) else repr(value)
    )
    return Line("report", f"{name} {'.'.join(map(str, path)) or 'all'} = {said}", make, codes)


def _column(name: str, file: str, column: str, value: str | None, codes: tuple[int, ...] = FAILS) -> Line:
    """A column with the same cell everywhere, or without the column."""

    def make(place: Place) -> Sequence[object]:
        source = place.results[name]
        rows = [row.split(",") for row in source.files[file].decode().splitlines()]
        at = rows[0].index(column)
        for row in rows if value is None else rows[1:]:
            row[at : at + 1] = [] if value is None else [value]
        return place.written(source, {file: "\n".join(map(",".join, rows)).encode()})[1]

    return Line("report", f"{name} {file} {column} {'gone' if value is None else f'= {value!r}'}", make, codes)


def _cycle(name: str) -> Line:
    """A feeder whose root has a parent: the tree is a ring."""

    def make(place: Place) -> Sequence[object]:
        source = place.results[name]
        rows = [row.split(",") for row in source.files["feeder.csv"].decode().splitlines()]
        at = rows[0].index("parent")
        rows[1][at] = rows[-1][0]
        return place.written(source, {"feeder.csv": "\n".join(map(",".join, rows)).encode()})[1]

    return Line("report", f"{name} feeder.csv, a ring at the root", make, FAILS, seconds=20)


def _page_to(what: str) -> Line:
    """A page to a place that is no file, which has to be there afterwards."""

    def make(place: Place) -> Sequence[object]:
        folder, command = place.written(place.results["solve"], {})
        target = folder.parent / "page.html"
        if what == "a fifo":
            os.mkfifo(target)
        elif what == "a loop of links":
            target.symlink_to(target)
        elif what == "a folder":
            target.mkdir()
        else:
            target = Path("/dev/null")
        return [*command[:3], target, "--quiet"]

    def after(_: Place, arguments: Sequence[object], code: int) -> str:
        target = Path(str(arguments[3]))
        kept = target.is_fifo() or target.is_char_device() or target.is_symlink() or target.is_dir()
        return "" if kept else "it was replaced by a file"

    return Line("page", f"--out is {what}", make, seconds=20, after=after)


def _report_of_a_strange_folder(place: Place) -> Sequence[object]:
    folder, command = place.written(place.results["solve"], {})
    strange = folder.with_name("r\udcff")
    folder.rename(strange)
    return ["report", os.fsencode(strange).decode("utf-8", "surrogateescape"), *command[2:]]


def _link(place: Place) -> Sequence[object]:
    """A page through a link, which stays one."""
    folder, command = place.written(place.results["solve"], {})
    (folder.parent / "real.html").write_text("old", encoding="utf-8")
    (folder.parent / "link.html").symlink_to("real.html")
    return [*command[:3], folder.parent / "link.html", "--quiet"]


def _link_kept(_: Place, arguments: Sequence[object], code: int) -> str:
    target = Path(str(arguments[3]))
    return (
        "" if target.is_symlink() and (code or target.read_text(encoding="utf-8") != "old") else "the link was replaced"
    )


RESULTS: tuple[Line, ...] = (
    *(_field(name, (), value) for name in FILES for value in ({}, {"a": 1}, [], None, DEEP, BROKEN)),
    *(_field(name, ("versions",), value) for name in FILES for value in (None, [], "x")),
    *(_field("solve", ("seconds",), value) for value in ("x", -1, True)),
    *(_field("solve", ("settings",), value) for value in (None, [], "x")),
    *(_field(name, ("case",), value) for name in ("solve", "pareto") for value in (None, [], 3)),
    *(_field("solve", ("case", "objective"), value) for value in (None, [], "x")),
    *(_field("solve", ("seconds", part), 10**29, (0, 2, 3)) for part in ("build", "certify")),
    *(_field("equilibrium", (key,), 10**29, (0, 2, 3)) for key in ("network_loss_kwh", "station_profit")),
    _field("compare", ("exact", "bound"), 10**29),
    _field("compare", ("exact", "bound"), [None]),
    _column("compare-equilibrium", "comparison.csv", "quantity", None),
    _column("compare-equilibrium", "comparison.csv", "quantity", ""),
    _column("compare-equilibrium", "trace.csv", "residual", "1e308", (0, 2, 3)),
    _column("market", "trace.csv", "residual", "1e308", (0, 2, 3)),
    *(_cycle(name) for name in ("solve", "compare-equilibrium", "pareto")),
    *(_page_to(what) for what in ("a fifo", "a device", "a folder", "a loop of links")),
    Line("page", "--out is a link", _link, (0, 2), after=_link_kept),
    Line("page", "a folder whose name is not UTF-8", _report_of_a_strange_folder, (0, 2)),
    Line("page", "files of at most 1 kB", lambda place: place.written(place.results["solve"], {})[1],
         limits={"RLIMIT_FSIZE": 1024}),
)  # fmt: skip
