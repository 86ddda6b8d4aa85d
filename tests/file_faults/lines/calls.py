"""Options, limits of the system, and cases that no command can answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from market_oracles import small_market
from oracles import tiny_case

import instances
from file_faults.lines.line import Line, Place
from file_faults.sources import conflict

GIGABYTE = 2**30


def _case(place: Place, case: instances.Instance | None = None) -> Path:
    folder = place.fresh() / "case"
    instances.write(conflict() if case is None else case, folder)
    return folder


def _options(name: str, *options: str, codes: tuple[int, ...] = (2,), words: tuple[str, ...] = ()) -> Line:
    return Line(
        "option",
        name,
        lambda place: ["solve", _case(place), *options, "--quiet"],
        codes,
        words,
        {"RLIMIT_AS": 4 * GIGABYTE},
        30,
    )


def _overloaded() -> instances.Instance:
    """Loads that no voltage can carry."""
    case = conflict()
    buses = tuple(replace(bus, load_kw=bus.load_kw * 100) for bus in case.feeder.buses)
    return replace(case, feeder=replace(case.feeder, buses=buses))


def _tight() -> instances.Instance:
    """Voltages that no load keeps."""
    case = tiny_case()
    buses = tuple(replace(bus, voltage_min_pu=0.9999) for bus in case.feeder.buses)
    return replace(case, feeder=replace(case.feeder, buses=buses))


def _to(place: Place, command: str, *options: str) -> Sequence[object]:
    case = _case(place)
    return [command, case, *options, "--out", case.parent / "out", "--quiet"]


def _loop(place: Place) -> Sequence[object]:
    case = _case(place)
    (case.parent / "loop").symlink_to("loop")
    return ["solve", case, "--out", case.parent / "loop", "--quiet"]


def _beside(place: Place) -> Sequence[object]:
    """A folder of somebody else at the place where an old folder is put aside."""
    case = _case(place)
    kept = case.parent / ".out.old"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine", encoding="utf-8")
    return ["solve", case, "--out", case.parent / "out", "--quiet"]


def _kept(_: Place, arguments: Sequence[object], code: int) -> str:
    return (
        "" if (Path(str(arguments[3])).parent / ".out.old" / "mine.txt").is_file() else "somebody else's folder is gone"
    )


SMALL_FILE = {"RLIMIT_FSIZE": 0}
SEARCH = ("--runs", "2", "--budget", "30", "--population", "10")
CALLS: tuple[Line, ...] = (
    _options("--blocks a=0-99999999999", "--tariff", "blocks", "--blocks", "a=0-99999999999"),
    _options("--blocks =0-2", "--tariff", "blocks", "--blocks", "=0-2"),
    *(_options(f"--{name} {value[:12]}", f"--{name}", value) for name, value in (
        ("gap", "nan"), ("gap", "0"), ("gap", "1_0"), ("time-limit", "x"), ("evs", "0"), ("evs", "9" * 5000), ("seed", "-1"),
        ("objective", "loss=x"), ("objective", "loos"), ("objective", ""), ("solver", "x"), ("mode", "x"), ("cones", "x"),
    )),
    Line("memory", "--evs 1000000 in 3 GB", lambda place: ["solve", _case(place), "--evs", 1_000_000, "--quiet"], (2,),
         limits={"RLIMIT_AS": 3 * GIGABYTE}, seconds=120),
    Line("case", "compare-equilibrium of loads that no feeder carries",
         lambda place: ["compare-equilibrium", _case(place, _overloaded()), "--points", 2, "--quiet"], (2, 4, 5)),
    Line("case", "no feasible run, no exact answer",
         lambda place: ["compare", _case(place, _tight()), "--methods", "pso", *SEARCH, "--quiet"], (5,)),
    Line("option", "market --time-limit 1e-9", lambda place:
         ["market", _case(place, small_market()), "--time-limit", "1e-9", "--quiet"],
         (2, 3, 5), seconds=30),
    Line("option", "market --fee 1e308", lambda place: ["market", _case(place, small_market()), "--fee", "1e308", "--quiet"],
         (2, 5), seconds=30),
    *(Line("disk", f"files of 0 bytes, {command}", lambda place, c=command, o=options: _to(place, c, *o), limits=SMALL_FILE)
      for command, options in (("solve", ()), ("pareto", ("--points", "2")), ("compare", SEARCH))),
    Line("disk", "--out is a loop of links", _loop, words=("loop",)),
    Line("disk", "a folder called .out.old", _beside, (0,), after=_kept),
    Line("disk", "standard output is full", lambda place: ["check", _case(place)], (1,), output="/dev/full"),
)  # fmt: skip
