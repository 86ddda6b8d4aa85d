"""What docs/data-format.md says of a case's folder, read without the package's reader: a case that is taken agrees with it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import instances
from instances import Instance, Scenarios

INF = math.inf
LARGEST = 1e30
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


def _no_text(letter: str) -> bool:
    """Control characters, line ends, halves of characters, marks of byte order, and what turns the direction of text."""
    number = ord(letter)
    return (
        number < 0x20 or 0x7F <= number <= 0x9F or 0xD800 <= number <= 0xDFFF or number in (0x2028, 0x2029, 0xFEFF)
        or 0x202A <= number <= 0x202E or 0x2066 <= number <= 0x2069
    )  # fmt: skip


@dataclass(frozen=True)
class Column:
    """What a cell may hold: text, or a number from `least` to `most`; empty where it has a default.

    Where it is `open`, `least` itself is too little.
    """

    kind: str = "number"
    least: float = -INF
    most: float = INF
    open: bool = False
    default: Any = None

    def fault(self, cell: str) -> str:
        """Why a cell cannot be right, "" where it can."""
        if not cell:
            return "" if self.default is not None else "empty"
        if self.kind == "text":
            return "no text on one line" if any(map(_no_text, cell)) else ""
        if not (WHOLE if self.kind == "whole" else NUMBER).fullmatch(cell):
            return f"no {self.kind}"
        value = float(cell) if len(cell) < 300 else INF
        if not -LARGEST <= value <= LARGEST:
            return "not finite"
        low = value < self.least or (self.open and value == self.least)
        return "out of range" if low or value > self.most else ""

    def value(self, cell: str) -> Any:
        """What the cell says."""
        if not cell:
            return self.default
        return cell if self.kind == "text" else int(cell) if self.kind == "whole" else float(cell)


TEXT, ANY, POWER, ABOVE, PERIOD = (
    Column("text"),
    Column(),
    Column(least=0),
    Column(least=0, open=True),
    Column("whole", 0),
)
LIMIT, LIMIT_0 = Column(least=0, open=True, default=INF), Column(least=0, default=INF)
SHARE = Column(least=0, most=1, open=True, default=1.0)
ZERO, ZERO_UP = Column(default=0.0), Column(least=0, default=0.0)
AS_IN_THE_CASE = "as in the case"
TABLES: dict[str, dict[str, Column]] = {
    "buses": {
        "name": TEXT, "load_kw": ANY, "load_kvar": ANY, "voltage_min_pu": Column(least=0, default=0.9),
        "voltage_max_pu": Column(least=0, open=True, default=1.1), "shunt_kw": ZERO_UP, "capacitor_kvar": ZERO,
    },
    "branches": {
        "from_bus": TEXT, "to_bus": TEXT, "resistance_ohm": POWER, "reactance_ohm": POWER, "current_max_a": LIMIT,
        "power_max_kva": LIMIT, "tap_ratio": Column(least=0.2, most=5, default=1.0), "charging_kvar": ZERO,
    },
    "stations": {"name": TEXT, "bus": TEXT},
    "sessions": {
        "name": TEXT, "station": TEXT, "arrival_period": PERIOD, "departure_period": PERIOD,
        "energy_kwh": POWER, "power_max_kw": ABOVE,
        "count": Column(least=0, open=True, default=1.0),
    },
    "series": {"period": PERIOD, "load_factor": POWER, "wholesale_price_per_kwh": ANY},
    "generators": {
        "name": TEXT, "bus": TEXT, "active_min_kw": ANY, "active_max_kw": ANY, "reactive_min_kvar": ANY, "reactive_max_kvar": ANY,
        "cost_per_kwh": ANY, "apparent_max_kva": LIMIT, "ramp_max_kw": LIMIT_0, "emission_kg_per_kwh": ZERO_UP,
    },
    "aggregators": {
        "name": TEXT, "station": TEXT, "storage_energy_kwh": POWER, "storage_initial_kwh": POWER, "charge_max_kw": POWER,
        "discharge_max_kw": POWER, "charge_efficiency": SHARE, "discharge_efficiency": SHARE, "contract_max_kw": LIMIT_0,
        "real_time_max_kw": LIMIT_0, "chargers": Column("whole", 1, default=1),
        "elasticity_own": Column(most=-1e-300, default=-0.5),
        "elasticity_cross": ZERO_UP,
    },
    "market": {
        "period": PERIOD, "contract_price_per_kwh": ANY, "real_time_buy_price_per_kwh": ANY, "real_time_sell_price_per_kwh": ANY,
    },
    "reservations": {"session": TEXT, "lateness_minutes": POWER},
    "distances": {"session": TEXT, "station": TEXT, "distance_km": POWER},
    "renewables": {"name": TEXT, "bus": TEXT, "emission_kg_per_kwh": ZERO_UP},
    "renewable_power": {"renewable": TEXT, "period": PERIOD, "power_kw": POWER},
    "carbon": {"period": PERIOD, "grid_factor_kg_per_kwh": POWER},
    "scenarios": {
        "name": TEXT, "probability": Column(least=0, most=1, open=True), "willing_share": Column(least=0, most=1, default=1.0),
    },
    "scenario_series": {
        "scenario": TEXT, "period": PERIOD, "load_factor": Column(least=0, default=AS_IN_THE_CASE),
        "wholesale_price_per_kwh": Column(default=AS_IN_THE_CASE), "renewable_factor": Column(least=0, default=AS_IN_THE_CASE),
    },
    "scenario_willing": {"scenario": TEXT, "session": TEXT, "willing_share": Column(least=0, most=1)},
}  # fmt: skip
TABLES["scenario_sessions"] = {"scenario": TEXT, **TABLES["sessions"]}
"""Every table with its columns."""

KEYS = {
    "name": TEXT, "currency": TEXT, "base_kv": Column(least=1e-3), "substation": TEXT, "substation_voltage_pu": ABOVE,
    "charging_efficiency": Column(least=0, most=1, open=True),
}  # fmt: skip
HORIZON = {"periods": Column("whole", 1), "period_hours": ABOVE, "start": TEXT}
PRICES = {"price_min_per_kwh": ANY, "price_max_per_kwh": ANY, "price_mean_max_per_kwh": ANY}
CREDIT = {
    "lateness_factor_per_minute": POWER, "time_factor": POWER, "fee_factor_per_kwh": POWER, "fee_min_per_kwh": ANY,
    "fee_max_per_kwh": ANY, "recommended_stations": Column("whole", 1), "congestion_cost_km": POWER,
}  # fmt: skip
SUPPLY = ("supply_min_kw", "supply_max_kw", "supply_min_kvar", "supply_max_kvar")


def wrong(folder: Path) -> list[str]:
    """Why a case that was taken cannot be right; raises `InstanceError` where it is not taken at all."""
    case = instances.read(folder)
    scenarios = instances.read_scenarios(folder) if any(folder.glob("scenario*.csv")) else None
    found = [*_values(folder, case, scenarios), *_names(case)]
    again = folder.with_name(f"{folder.name}.again")
    instances.write(case, again, scenarios)
    if instances.read(again) != case:
        found.append("written and read again, it is another case")
    if scenarios is not None and instances.read_scenarios(again) != scenarios:
        found.append("written and read again, they are other scenarios")
    if scenarios is not None and abs(math.fsum(s.probability for s in scenarios.scenarios) - 1) > 1e-6:
        found.append("the probabilities do not add up to 1")
    return found


def wrong_feeder(folder: Path) -> list[str]:
    """Why a feeder that was taken cannot be right, as `wrong`."""
    feeder = instances.read_feeder(folder)
    found = []
    for name in ("buses", "branches"):
        taken = [{key: getattr(record, key) for key in TABLES[name]} for record in getattr(feeder, name)]
        found += _rows(name, TABLES[name], rows(folder / f"{name}.csv"), taken)
    meta = json.loads((folder / "feeder.json").read_text(encoding="utf-8-sig"))
    for key in ("base_kv", "substation", "substation_voltage_pu"):
        found += _value(key, KEYS[key], meta[key], getattr(feeder, key))
    again = folder.with_name(f"{folder.name}.again")
    instances.write_feeder(feeder, again)
    if instances.read_feeder(again) != feeder:
        found.append("written and read again, it is another feeder")
    return found


def _values(folder: Path, case: Instance, scenarios: Scenarios | None) -> Iterator[str]:
    meta = json.loads((folder / "instance.json").read_text(encoding="utf-8-sig"))
    feeder = case.feeder
    holders: list[tuple[str, dict[str, Column], dict[str, Any], Any]] = [
        ("instance.json", KEYS, meta, None),
        ("horizon", HORIZON, meta["horizon"], case.horizon),
        ("price_limits", PRICES, meta["price_limits"], case.price_limits),
        ("supply", {key: ANY for key in SUPPLY if key in meta}, meta, feeder),
    ]
    if case.credit is not None:
        holders.append(("credit", CREDIT, meta["credit"], case.credit))
    if case.carbon is not None:
        holders.append(("carbon", {"price_per_kg": POWER}, meta["carbon"], case.carbon))
    for where, columns, values, record in holders:
        for key, column in columns.items():
            holder = record or (feeder if hasattr(feeder, key) else case)
            yield from _value(f"{where} {key}", column, values[key], getattr(holder, key))
    for name, columns in TABLES.items():
        if (folder / f"{name}.csv").exists():
            taken = _records_of(name, scenarios) if name.startswith("scenario") else _records(name, case)
            yield from _rows(name, columns, rows(folder / f"{name}.csv"), taken)


def _value(where: str, column: Column, given: Any, taken: Any) -> Iterator[str]:
    """A value of JSON against its column, and against what the case has."""
    kind = str if column.kind == "text" else int if column.kind == "whole" else (int, float)
    if isinstance(given, bool) or not isinstance(given, kind):
        yield f"{where} {given!r} is no {column.kind}"
    elif fault := column.fault(given if isinstance(given, str) else repr(given)):
        yield f"{where} {given!r} is {fault}"
    if given != taken:
        yield f"{where} {given!r} is read as {taken!r}"


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table by column, stripped, without comments and blank lines."""
    lines = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="").readlines()
    while lines and lines[0].startswith("#"):
        del lines[0]
    cells = [[cell.strip() for cell in row] for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


ANY_ORDER = {
    "renewable_power": "renewable", "scenario_series": "scenario", "scenario_sessions": "scenario",
    "scenario_willing": "scenario",
}  # fmt: skip
"""Tables whose rows may come in any order, with the column that tells whose they are."""


def _rows(
    name: str, columns: dict[str, Column], found: list[dict[str, str]], taken: list[dict[str, Any]]
) -> Iterator[str]:
    if len(found) != len(taken):
        yield f"{name} has {len(found)} rows, {len(taken)} are taken"
        return
    if name in ANY_ORDER:
        # Its rows come in any order
        key = ANY_ORDER[name]
        names = [record[key] for record in taken]
        found = sorted(found, key=lambda row: (names.index(row[key]), int(row.get("period", "0"))))
    for at, (row, record) in enumerate(zip(found, taken, strict=True)):
        for key, column in columns.items():
            cell = row.get(key, "")
            if fault := column.fault(cell):
                yield f"{name} row {at} {key} {cell[:40]!r} is {fault}"
            elif column.value(cell) != record[key]:
                yield f"{name} row {at} {key} {cell[:40]!r} is read as {record[key]!r}"


def _records(name: str, case: Instance) -> list[dict[str, Any]]:
    """What the case has of a table, in the order of the file."""
    holder: Any = {"buses": case.feeder, "branches": case.feeder, "aggregators": case.market}.get(name, case)
    if name in ("reservations", "distances"):
        holder = case.credit
    if name == "series":
        pairs = zip(case.load_factor, case.wholesale_price_per_kwh, strict=True)
        return [{"period": t, "load_factor": f, "wholesale_price_per_kwh": p} for t, (f, p) in enumerate(pairs)]
    if name in ("market", "carbon"):
        keys = [key for key in TABLES[name] if key != "period"]
        series = [getattr(getattr(case, name), key) for key in keys]
        return [
            {"period": t, **dict(zip(keys, values, strict=True))} for t, values in enumerate(zip(*series, strict=True))
        ]
    if name == "renewable_power":
        return [
            {"renewable": r.name, "period": t, "power_kw": kw}
            for r in case.renewables
            for t, kw in enumerate(r.power_kw)
        ]
    return [{key: getattr(record, key) for key in TABLES[name]} for record in getattr(holder, name)]


def _records_of(name: str, scenarios: Scenarios | None) -> list[dict[str, Any]]:
    """What the scenarios have of a table, those in the order of their names in it."""
    found: list[dict[str, Any]] = []
    for scenario in () if scenarios is None else scenarios.scenarios:
        owner = {"scenario": scenario.name}
        if name == "scenarios":
            found.append({key: getattr(scenario, key) for key in TABLES[name]})
        elif name == "scenario_series":
            series = {key: getattr(scenario, key) for key in TABLES[name] if key not in ("scenario", "period")}
            length = max((len(values) for values in series.values() if values is not None), default=0)
            for t in range(length):
                row = {key: AS_IN_THE_CASE if values is None else values[t] for key, values in series.items()}
                found.append(owner | {"period": t} | row)
        else:
            records: Any = scenario.willing if name == "scenario_willing" else scenario.sessions or ()
            found += [owner | {key: getattr(r, key) for key in TABLES[name] if key != "scenario"} for r in records]
    return found


def _names(case: Instance) -> Iterator[str]:
    """Names that two things share."""
    market = () if case.market is None else case.market.aggregators
    for kind in (case.feeder.buses, case.stations, case.sessions, case.generators, case.renewables, market):
        names = [record.name for record in kind]  # type: ignore[attr-defined]
        if len(set(names)) < len(names):
            yield f"two of {names} have one name"
