"""The optional parts of a case's folder: generators, a market with aggregators, and credit points.

A part that a case lacks leaves no file and no key, so that a folder without them is as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from instances.files.objects import as_list, as_mapping, complete
from instances.files.tables import Numbered, make, read_periods, read_table
from instances.records.errors import InstanceError
from instances.records.market import SERIES, Aggregator, Credit, Distance, Generator, Market, Reservation
from instances.records.schema import Horizon, Instance

__all__ = ["OPTIONAL_KEYS", "OPTIONAL_TABLES", "optional_records", "optional_values", "read_optional"]


@dataclass(frozen=True, slots=True)
class MarketPeriod(Numbered):
    """A line of market.csv."""

    contract_price_per_kwh: float
    real_time_buy_price_per_kwh: float
    real_time_sell_price_per_kwh: float


OPTIONAL_TABLES = {
    "generators": Generator,
    "aggregators": Aggregator,
    "market": MarketPeriod,
    "reservations": Reservation,
    "distances": Distance,
}
OPTIONAL_KEYS = ("market", "credit")
MARKET_KEYS = ("loss_price_per_kwh",)
MARKET_TABLES = ("aggregators", "market")
CREDIT_TABLES = ("reservations", "distances")
CREDIT_KEYS = tuple(field.name for field in fields(Credit) if field.name not in CREDIT_TABLES)
CREDIT_LISTS = ("valley_periods", "peak_periods")


def read_optional(folder: Path, where: str, meta: Mapping[str, Any], horizon: Horizon) -> dict[str, Any]:
    """Return the optional fields of the instance in ``folder``; ``where`` and ``meta`` are its instance.json."""
    found = {table for table in OPTIONAL_TABLES if (folder / f"{table}.csv").exists()}
    values: dict[str, Any] = {}
    if "generators" in found:
        values["generators"] = tuple(read_table(folder / "generators.csv", Generator))
    if "market" in meta or found & {*MARKET_TABLES}:
        complete(folder, found, MARKET_TABLES, f"{where} market" if "market" in meta else "")
        values["market"] = _read_market(folder, where, meta.get("market", {}), horizon)
    if "credit" in meta:
        complete(folder, found, CREDIT_TABLES, f"{where} credit")
        values["credit"] = _read_credit(folder, where, meta["credit"])
    for table in CREDIT_TABLES:
        if table in found and "credit" not in meta:
            raise InstanceError(
                f'{folder / table}.csv has no credit rules to go with; add the key "credit" to {where} or remove the file'
            )
    return values


def optional_records(instance: Instance) -> dict[str, Collection[Any]]:
    """Return the records of each optional table that the instance has, by table."""
    records: dict[str, Collection[Any]] = {}
    if instance.generators:
        records["generators"] = instance.generators
    if instance.market is not None:
        rows = zip(*(getattr(instance.market, field) for field in SERIES), strict=True)
        records["aggregators"] = instance.market.aggregators
        records["market"] = [MarketPeriod(period, *row) for period, row in enumerate(rows)]
    if instance.credit is not None:
        records |= {table: getattr(instance.credit, table) for table in CREDIT_TABLES}
    return records


def optional_values(instance: Instance) -> dict[str, dict[str, Any]]:
    """Return the objects of the optional keys of instance.json that the instance has, by key."""
    values = {}
    if instance.market is not None:
        values["market"] = {key: getattr(instance.market, key) for key in MARKET_KEYS}
    if instance.credit is not None:
        values["credit"] = {key: getattr(instance.credit, key) for key in CREDIT_KEYS}
    return values


def _read_market(folder: Path, where: str, values: object, horizon: Horizon) -> Market:
    """Read the market from its two tables and its object in instance.json."""
    rows = read_periods(folder / "market.csv", MarketPeriod, horizon.periods)
    market: dict[str, Any] = {field: tuple(getattr(row, field) for row in rows) for field in SERIES}
    market["aggregators"] = tuple(read_table(folder / "aggregators.csv", Aggregator))
    return make(str(folder), Market, market | as_mapping(f"{where} market", values, (), MARKET_KEYS))


def _read_credit(folder: Path, where: str, values: object) -> Credit:
    """Read the credit rules from their object in instance.json, and their records from two tables."""
    rules = dict(as_mapping(f"{where} credit", values, CREDIT_KEYS))
    rules |= {key: tuple(as_list(f"{where} credit {key}", rules[key])) for key in CREDIT_LISTS}
    reservations = tuple(read_table(folder / "reservations.csv", Reservation))
    distances = tuple(read_table(folder / "distances.csv", Distance))
    return make(str(folder), Credit, rules | {"reservations": reservations, "distances": distances})
