"""The carbon parts of a case's folder: renewables with their output, and the main grid's emission factor.

A part that a case lacks leaves no file and no key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instances.files.objects import as_mapping, complete
from instances.files.tables import Numbered, make, read_periods, read_table
from instances.records import checks
from instances.records.carbon import Carbon, Renewable
from instances.records.errors import InstanceError
from instances.records.schema import Horizon, Instance

__all__ = ["CARBON_KEYS", "CARBON_TABLES", "carbon_records", "carbon_values", "read_carbon_parts"]


@dataclass(frozen=True, slots=True)
class RenewableRow:
    """A line of renewables.csv."""

    name: str
    bus: str
    emission_kg_per_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class PowerRow:
    """A line of renewable_power.csv."""

    renewable: str
    period: int
    power_kw: float


@dataclass(frozen=True, slots=True)
class CarbonPeriod(Numbered):
    """A line of carbon.csv."""

    grid_factor_kg_per_kwh: float


CARBON_TABLES = {"renewables": RenewableRow, "renewable_power": PowerRow, "carbon": CarbonPeriod}
CARBON_KEYS = ("carbon",)
RENEWABLE_TABLES = ("renewables", "renewable_power")
RULE_KEYS = ("price_per_kg",)


def read_carbon_parts(folder: Path, where: str, meta: Mapping[str, Any], horizon: Horizon) -> dict[str, Any]:
    """Return the carbon fields of the instance in ``folder``; ``where`` and ``meta`` are its instance.json."""
    found = {table for table in CARBON_TABLES if (folder / f"{table}.csv").exists()}
    values: dict[str, Any] = {}
    if found & {*RENEWABLE_TABLES}:
        complete(folder, found, RENEWABLE_TABLES)
        values["renewables"] = _read_renewables(folder, horizon)
    if "carbon" in meta:
        complete(folder, found, ("carbon",), f"{where} carbon")
        values["carbon"] = _read_carbon(folder, where, meta["carbon"], horizon)
    elif "carbon" in found:
        raise InstanceError(
            f'{folder / "carbon.csv"} has no price to go with; add the key "carbon" to {where} or remove the file'
        )
    return values


def carbon_records(instance: Instance) -> dict[str, Collection[Any]]:
    """Return the records of each carbon table that the instance has, by table."""
    records: dict[str, Collection[Any]] = {}
    if instance.renewables:
        records["renewables"] = [RenewableRow(r.name, r.bus, r.emission_kg_per_kwh) for r in instance.renewables]
        powers = ((r.name, period, power) for r in instance.renewables for period, power in enumerate(r.power_kw))
        records["renewable_power"] = [PowerRow(*row) for row in powers]
    if instance.carbon is not None:
        factors = enumerate(instance.carbon.grid_factor_kg_per_kwh)
        records["carbon"] = [CarbonPeriod(*row) for row in factors]
    return records


def carbon_values(instance: Instance) -> dict[str, dict[str, Any]]:
    """Return the objects of the carbon keys of instance.json that the instance has, by key."""
    return {} if instance.carbon is None else {"carbon": {key: getattr(instance.carbon, key) for key in RULE_KEYS}}


def _read_carbon(folder: Path, where: str, values: object, horizon: Horizon) -> Carbon:
    """Read the carbon rules from their object in instance.json and the main grid's factors from their table."""
    rules = as_mapping(f"{where} carbon", values, RULE_KEYS)
    rows = read_periods(folder / "carbon.csv", CarbonPeriod, horizon.periods)
    return make(str(folder), Carbon, rules | {"grid_factor_kg_per_kwh": [row.grid_factor_kg_per_kwh for row in rows]})


def _read_renewables(folder: Path, horizon: Horizon) -> tuple[Renewable, ...]:
    """Read the renewables from their two tables."""
    path = folder / "renewables.csv"
    rows = read_table(path, RenewableRow)
    powers = _powers(folder / "renewable_power.csv", [row.name for row in rows], horizon.periods)
    return tuple(make(str(path), Renewable, asdict(row) | {"power_kw": powers[row.name]}) for row in rows)


def _powers(path: Path, names: Sequence[str], periods: int) -> dict[str, list[float]]:
    """Return the output of each renewable, one value a period; refuse an unknown, repeated or missing row."""
    given: dict[str, dict[int, float]] = {name: {} for name in names}
    for row in read_table(path, PowerRow):
        checks.known(str(path), "renewable", row.renewable, names)
        if not 0 <= row.period < periods:
            raise InstanceError(
                f"{path} has period {row.period} of renewable {row.renewable} but the horizon has {periods} periods; "
                "number them from 0"
            )
        if row.period in given[row.renewable]:
            raise InstanceError(f"{path} has period {row.period} of renewable {row.renewable} twice; keep one")
        given[row.renewable][row.period] = row.power_kw
    for name, powers in given.items():
        if len(powers) < periods:
            missing = next(period for period in range(periods) if period not in powers)
            raise InstanceError(f"{path} lacks period {missing} of renewable {name}; give one row per period")
    return {name: [powers[period] for period in range(periods)] for name, powers in given.items()}
