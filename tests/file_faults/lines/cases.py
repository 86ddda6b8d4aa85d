"""Case folders, names, cells and files of other tools."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import instances
from file_faults.lines.line import Line, Place
from file_faults.networks import MATPOWER
from file_faults.palette import LONG
from file_faults.sources import conflict

GIGABYTE = 2**30
MEMORY = {"RLIMIT_AS": 4 * GIGABYTE}


def _named(name: str, what: str = "buses") -> instances.Instance:
    """The small case with another name of a bus, or of a station."""
    case = conflict()
    if what == "stations":
        stations = (replace(case.stations[0], name=name), *case.stations[1:])
        old = case.stations[0].name
        sessions = tuple(replace(s, station=name) if s.station == old else s for s in case.sessions)
        return replace(case, stations=stations, sessions=sessions)
    old = case.feeder.buses[1].name
    buses = tuple(replace(bus, name=name) if bus.name == old else bus for bus in case.feeder.buses)
    branches = tuple(
        replace(
            line,
            from_bus=name if line.from_bus == old else line.from_bus,
            to_bus=name if line.to_bus == old else line.to_bus,
        )
        for line in case.feeder.branches
    )
    stations = tuple(replace(s, bus=name) if s.bus == old else s for s in case.stations)
    return replace(case, feeder=replace(case.feeder, buses=buses, branches=branches), stations=stations)


def _front_of(name: str, what: str) -> Line:
    def make(place: Place) -> Sequence[object]:
        folder = place.fresh()
        instances.write(_named(name, what), folder / "case")
        return ["pareto", folder / "case", "--points", 2, "--out", folder / "out", "--quiet"]

    return Line("name", f"{what[:-1]} {name!r}, pareto", make, (0, 3, 2))


def _report_of(name: str) -> Line:
    """What the page shows of a station that pandas takes for a missing value."""

    def make(place: Place) -> Sequence[object]:
        from cli_runs import run

        folder = place.fresh()
        instances.write(_named(name, "stations"), folder / "case")
        made = run("solve", folder / "case", "--objective", "loss=1,profit=1", "--out", folder / "out", "--quiet")
        if made.returncode:
            raise RuntimeError(made.stderr)
        return ["report", folder / "out", "--out", folder / "page.html", "--quiet"]

    def after(_: Place, arguments: Sequence[object], code: int) -> str:
        page = Path(str(arguments[3])).read_text(encoding="utf-8")
        return "" if f">{name}<" in page else "the page has no such station"

    return Line("name", f"station {name!r}, report", make, (0,), after=after)


def _cell(cell: str, *words: str) -> Line:
    def make(place: Place) -> Sequence[object]:
        source = place.cases["pricing"]
        rows = source.files["buses.csv"].decode().splitlines()
        at = next(k for k, row in enumerate(rows) if row.startswith("b,"))
        rows[at] = ",".join(["b", cell, *rows[at].split(",")[2:]])
        return place.written(source, {"buses.csv": "\n".join(rows).encode()})[1]

    return Line("cell", f"load_kw {cell[:20]!r}", make, words=("load_kw", *words))


def _table_is(what: str) -> Line:
    def make(place: Place) -> Sequence[object]:
        folder, command = place.written(place.cases["pricing"], {"buses.csv": None})
        if what == "a fifo":
            os.mkfifo(folder / "buses.csv")
        elif what == "a folder":
            (folder / "buses.csv").mkdir()
        else:
            (folder / "buses.csv").symlink_to("/dev/zero")
        return command

    return Line("special file", f"buses.csv is {what}", make, limits=MEMORY, seconds=30, words=("buses.csv",))


def _matlab(name: str, text: str, codes: tuple[int, ...] = (2,)) -> Line:
    def make(place: Place) -> Sequence[object]:
        path = place.fresh() / "net.m"
        path.write_text(text, encoding="utf-8")
        return ["check", path]

    return Line("MATLAB", name, make, codes, limits=MEMORY, seconds=20)


def _replaced(place: Place, table: str, content: bytes) -> Sequence[object]:
    return place.written(place.cases["pricing"], {table: content})[1]


def _root(text: str) -> Line:
    return Line(
        "JSON",
        f"instance.json is {text[:12]!r}",
        lambda place: _replaced(place, "instance.json", text.encode()),
        words=("json",),
    )


CASES: tuple[Line, ...] = (
    *(_front_of(name, what) for name in ("*", "-1+1", "#1") for what in ("buses", "stations")),
    *(_report_of(name) for name in ("NA", "nan", "null", "None")),
    *(_cell(cell) for cell in ("1_000", "１２", "x", "nan", "inf", "1e400", "9" * 5000, LONG.strip(), "=1+1", '"1,5"', "a\x00b")),
    *(_table_is(what) for what in ("a fifo", "a folder", "/dev/zero")),
    *(_root(text) for text in ("", "[]", "null", '"x"', "[" * 100_000, "{" * 3, '{"a": 1, "a": 2}', "1" * 5000, '{"name": NaN}')),
    Line("encoding", "buses.csv in UTF-16",
         lambda place: _replaced(place, "buses.csv", "name,load_kw".encode("utf-16")), words=("UTF-8",)),
    Line("encoding", "NUL bytes", lambda place: _replaced(place, "buses.csv", bytes(100)), words=("buses.csv",)),
    *(_matlab(f"a bus of number {word}", MATPOWER.replace(" 2 1 60", f" {word} 1 60")) for word in ("NaN", "Inf", "1e400")),
    _matlab("60,000 lines of %{", "%{\n" * 60_000),
    _matlab("nested brackets", "mpc.bus = " + "(" * 50_000 + "1" + ")" * 50_000 + ";"),
    _matlab("a huge index", "mpc.bus = [1];\nmpc.bus(1e300, 1) = 1;\n"),
    _matlab("a matrix of 15 GB", "x = ones(40000, 50000);\nmpc.bus = x;\n"),
    _matlab("240 kB that grow", "mpc.bus = [" + "1 " * 60_000 + "]' * [" + "1 " * 60_000 + "];\n"),
)  # fmt: skip
