"""Odd names, the same small cases under them, every command on these, and what the files say with the names taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from carbon_cases import lossy_day
from oracles import tiny_case

from instances import Aggregator, Credit, Distance, Generator, Instance, Market, Renewable, Reservation, Session

POOL = (
    "*", "**", "-1+1", "+1", "#1", "#2", "# x", "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "@SUM(1)", "'quoted", "'=1",
    '"', "say \"hi\", it's", "a/b", "..\\c", "a,b", "a, b", "a b", "a  b", "\\input{/etc/passwd}", "$x^2_3$", "%", "~^{}&#_", "$",
    "Ünïcode ☀", "充电站", "e\u0301", "\u00e9", "NA", "nan", "None", "null", "inf", "1", "01", "1.0", "1e5", "True", "False", ".",
    "..", "...", "x[1]", "[", "]", "x.y", ":", "a:b", "b[a,0]", "a-b", "period", "supply", "loss", "total", "wholesale", "s@0-3/1",
    "s to s", "_x", "__", "n" * 300, "n" * 299 + "m", "{0}", "%s", "a\u00a0b", "\U0001f469\u200d\U0001f4bb", "\ufeffx", "\uff1d1",
    "[bold]x[/bold]", "[/]", "\u0645\u062d\u0637\u0629",
)  # fmt: skip
"""Names that a file, a spreadsheet, a page, LaTeX, Pyomo, pandas or a shell could take for something else."""

KINDS = ("bus", "station", "session", "generator", "renewable", "aggregator")
"""Of what there are names."""

REFERS = {
    ("Bus", "name"): "bus", ("Branch", "from_bus"): "bus", ("Branch", "to_bus"): "bus", ("Feeder", "substation"): "bus",
    ("Station", "name"): "station", ("Station", "bus"): "bus", ("Session", "name"): "session", ("Session", "station"): "station",
    ("Generator", "name"): "generator", ("Generator", "bus"): "bus", ("Renewable", "name"): "renewable",
    ("Renewable", "bus"): "bus", ("Aggregator", "name"): "aggregator", ("Aggregator", "station"): "station",
    ("Reservation", "session"): "session", ("Distance", "session"): "session", ("Distance", "station"): "station",
    ("Instance", "name"): "case", ("Instance", "currency"): "currency",
}  # fmt: skip
"""Fields that hold a name, and of what."""


@dataclass(frozen=True)
class Names:
    """New names: of the case, its currency, and of each kind by the old one."""

    case: str
    currency: str
    of: Mapping[str, Mapping[str, str]]

    def new(self, kind: str, old: str) -> str:
        """The new name."""
        return self.case if kind == "case" else self.currency if kind == "currency" else self.of[kind][old]

    def back(self, kind: str) -> Mapping[str, str]:
        """Old names of a kind by the new ones."""
        return {new: old for old, new in self.of[kind].items()}


def listed(case: Instance) -> dict[str, list[str]]:
    """The names of a case by kind."""
    market = () if case.market is None else case.market.aggregators
    rows: Iterable[Iterable[Any]] = (
        case.feeder.buses, case.stations, case.sessions, case.generators, case.renewables, market
    )  # fmt: skip
    return {kind: [row.name for row in table] for kind, table in zip(KINDS, rows, strict=True)}


def renamed(record: Any, names: Names) -> Any:
    """The same record, and all that it holds, under new names."""
    if isinstance(record, tuple):
        return tuple(renamed(item, names) for item in record)
    if not is_dataclass(record) or isinstance(record, type):
        return record
    changes = {}
    for field in fields(record):
        value, kind = getattr(record, field.name), REFERS.get((type(record).__name__, field.name))
        changes[field.name] = renamed(value, names) if kind is None else names.new(kind, value)
    return replace(record, **changes)


def plain(case: Instance) -> Names:
    """The names that a case has."""
    return Names(case.name, case.currency, {kind: {name: name for name in own} for kind, own in listed(case).items()})


# Cases


def charging() -> Instance:
    """Three buses, two stations, three sessions, of which two stand in one window, sun at one bus."""
    case = tiny_case()
    third = Session("ev3", "s", 0, 3, 60.0, 40.0)
    sun = Renewable("sun", "c", (0.0, 20.0, 10.0), 0.02)
    return replace(case, sessions=(*case.sessions, third), renewables=(sun,))


def trading() -> Instance:
    """The same with two aggregators, two generators and credit points."""
    case = charging()
    own = (
        Aggregator("agent", "s", 60.0, 20.0, 40.0, 30.0, 0.9, 0.9),
        Aggregator("other", "r", 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 40.0),
    )
    contract = (0.10, 0.30, 0.20)
    market = Market(own, contract, tuple(1.1 * p for p in contract), tuple(0.9 * p for p in contract), 0.01)
    units = (
        Generator("gas", "c", 0.0, 120.0, -50.0, 50.0, 0.12, emission_kg_per_kwh=0.6),
        Generator("hydro", "b", 10.0, 90.0, 0.0, 0.0, 0.02, ramp_max_kw=50.0),
    )
    kept = (Reservation("ev1", 3.0), Reservation("ev2", 25.0))
    ways = tuple(Distance(session.name, station.name, 1.5 + k) for k, session in enumerate(case.sessions)
                 for station in case.stations)  # fmt: skip
    credit = Credit(0.05, 0.5, 0.1, 0.02, 0.12, 1, 1.0, (0,), (1,), kept, ways)
    return replace(case, market=market, generators=units, credit=credit)


CASES: Mapping[str, Callable[[], Instance]] = {"charging": charging, "trading": trading, "carbon": lossy_day}
