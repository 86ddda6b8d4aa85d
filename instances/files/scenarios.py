"""Scenarios as four tables beside those of a case; `instances.scenarios.folder` reads and writes them with it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from instances.files.feeder import header
from instances.files.objects import complete
from instances.files.tables import format_table, make, read_table
from instances.records import checks
from instances.records.errors import InstanceError
from instances.records.feeder import RARE
from instances.records.scenarios import Scenario, Scenarios, Willing
from instances.records.schema import Session, Source

__all__ = ["SCENARIO_TABLES", "found_tables", "read_scenario_tables", "scenario_texts"]

SERIES = ("load_factor", "wholesale_price_per_kwh", "renewable_factor")


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """A line of scenarios.csv."""

    name: str
    probability: float
    willing_share: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields, as the scenario does."""
        Scenario(self.name, self.probability, willing_share=self.willing_share)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A line of scenario_series.csv; what is None is as in the case."""

    scenario: str
    period: int
    load_factor: float | None = field(default=None, metadata=RARE)
    wholesale_price_per_kwh: float | None = field(default=None, metadata=RARE)
    renewable_factor: float | None = field(default=None, metadata=RARE)

    def __post_init__(self) -> None:
        """Check the fields that are given."""
        owner = f"period {self.period} of scenario {self.scenario}"
        checks.integer(f"scenario {self.scenario}", "period", self.period, at_least=0)
        for name in SERIES:
            if getattr(self, name) is not None:
                least = -math.inf if name == "wholesale_price_per_kwh" else 0.0
                checks.number(owner, name, getattr(self, name), at_least=least)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A line of scenario_sessions.csv: the columns of sessions.csv behind the scenario."""

    scenario: str
    name: str
    station: str
    arrival_period: int
    departure_period: int
    energy_kwh: float
    power_max_kw: float
    count: float = 1.0

    def __post_init__(self) -> None:
        """Check the fields, as the session does."""
        self.session()

    def session(self) -> Session:
        """Return the session of the line."""
        return Session(**{item.name: getattr(self, item.name) for item in fields(Session)})


@dataclass(frozen=True, slots=True)
class WillingRow:
    """A line of scenario_willing.csv."""

    scenario: str
    session: str
    willing_share: float

    def __post_init__(self) -> None:
        """Check the fields, as the share does."""
        self.share()

    def share(self) -> Willing:
        """Return the share of the line."""
        return Willing(self.session, self.willing_share)


SCENARIO_TABLES: dict[str, type[Any]] = {
    "scenarios": ScenarioRow,
    "scenario_series": SeriesRow,
    "scenario_sessions": SessionRow,
    "scenario_willing": WillingRow,
}
Row = TypeVar("Row", SeriesRow, SessionRow, WillingRow)


def found_tables(folder: Path) -> set[str]:
    """Return the tables of scenarios that stand in a folder."""
    return {table for table in SCENARIO_TABLES if (folder / f"{table}.csv").exists()}


def read_scenario_tables(folder: Path, periods: int) -> Scenarios:
    """Read the scenarios in ``folder``, with series of so many periods; whether the case has what they name is not looked at."""
    found = found_tables(folder) or {"scenarios"}
    complete(folder, found, ("scenarios",), str(folder / f"{min(found)}.csv"))
    path = folder / "scenarios.csv"
    rows = read_table(path, ScenarioRow)
    bare = [Scenario(row.name, row.probability, willing_share=row.willing_share) for row in rows]
    names = [scenario.name for scenario in make(str(path), Scenarios, {"scenarios": bare}).scenarios]
    changes: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, series in _grouped(folder, found, "scenario_series", SeriesRow, names):
        changes[name] |= _series(folder / "scenario_series.csv", name, series, periods)
    for name, sessions in _grouped(folder, found, "scenario_sessions", SessionRow, names):
        changes[name]["sessions"] = tuple(row.session() for row in sessions)
    for name, willing in _grouped(folder, found, "scenario_willing", WillingRow, names):
        changes[name]["willing"] = tuple(row.share() for row in willing)
    try:
        return Scenarios(tuple(replace(scenario, **changes[scenario.name]) for scenario in bare))
    except InstanceError as error:
        raise InstanceError(f"{folder}: {error}") from error


def scenario_texts(scenarios: Scenarios, sources: Iterable[Source]) -> dict[str, str]:
    """Return the text of each table that the scenarios need, by file name; ``sources`` whose item is a table go to its head."""
    records: dict[str, Sequence[Any]] = {
        "scenarios": [ScenarioRow(s.name, s.probability, s.willing_share) for s in scenarios.scenarios],
        "scenario_series": [row for scenario in scenarios.scenarios for row in _series_rows(scenario)],
        "scenario_sessions": [
            SessionRow(s.name, *(getattr(session, item.name) for item in fields(Session)))
            for s in scenarios.scenarios
            for session in s.sessions or ()
        ],
        "scenario_willing": [
            WillingRow(s.name, share.session, share.willing_share) for s in scenarios.scenarios for share in s.willing
        ],
    }
    return {
        f"{table}.csv": format_table(rows, SCENARIO_TABLES[table], header(sources, {table}))
        for table, rows in records.items()
        if rows
    }


def _grouped(
    folder: Path, found: Collection[str], table: str, record: type[Row], names: Collection[str]
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each scenario that has some in a table; refuse those of an unknown one."""
    groups: dict[str, list[Row]] = {}
    path = folder / f"{table}.csv"
    for row in read_table(path, record) if table in found else ():
        checks.known(str(path), "scenario", row.scenario, names)
        groups.setdefault(row.scenario, []).append(row)
    yield from groups.items()


def _series(path: Path, scenario: str, rows: Sequence[SeriesRow], periods: int) -> dict[str, tuple[float, ...]]:
    """Return the series of a scenario that are given; refuse unknown, repeated or missing periods, and gaps."""
    by_period: dict[int, SeriesRow] = {}
    for row in rows:
        if row.period >= periods:
            raise InstanceError(
                f"{path} has period {row.period} of scenario {scenario} but the horizon has {periods} periods; "
                "number them from 0"
            )
        if row.period in by_period:
            raise InstanceError(f"{path} has period {row.period} of scenario {scenario} twice; keep one")
        by_period[row.period] = row
    for period in range(periods):
        if period not in by_period:
            raise InstanceError(f"{path} lacks period {period} of scenario {scenario}; give one row per period")
    found = {}
    for name in SERIES:
        values = [getattr(by_period[period], name) for period in range(periods)]
        given = [value is not None for value in values]
        if any(given) and not all(given):
            raise InstanceError(
                f"{path} has an empty {name} in period {given.index(False)} of scenario {scenario} but a value in period "
                f"{given.index(True)}; give one in every period, or in none"
            )
        if all(given):
            found[name] = tuple(values)
    if not found:
        raise InstanceError(
            f"{path} has rows of scenario {scenario} without a value; fill in {' or '.join(SERIES)}, or remove the rows"
        )
    return found


def _series_rows(scenario: Scenario) -> Iterator[SeriesRow]:
    """Yield the lines of a scenario's series, none where it has no series."""
    series = {name: getattr(scenario, name) for name in SERIES if getattr(scenario, name) is not None}
    for period, values in enumerate(zip(*series.values(), strict=True)):
        yield SeriesRow(scenario.name, period, **dict(zip(series, values, strict=True)))
