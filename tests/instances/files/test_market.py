"""The optional tables: exact round trips, nothing written of what is absent, and clear refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import instances
from instances import Credit, Generator, Instance, InstanceError, Market, read, write

DATA = Path(instances.__file__).parent / "data"
MARKET_FILES = {"aggregators.csv", "market.csv"}
CREDIT_FILES = {"reservations.csv", "distances.csv"}
RENEWABLE_FILES = {"renewables.csv", "renewable_power.csv"}


@pytest.fixture
def folder(tmp_path: Path, full: Instance) -> Path:
    write(full, tmp_path / "case")
    return tmp_path / "case"


def parts(case: Instance) -> tuple[Generator, Market, Credit]:
    """The generator, the market and the credit rules of ``full``."""
    assert case.market is not None
    assert case.credit is not None
    return case.generators[0], case.market, case.credit


def refuses(make: Callable[[], object], *words: str) -> None:
    with pytest.raises(InstanceError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_numpy_numbers_are_written_plainly(tmp_path: Path, full: Instance) -> None:
    _, market, credit = parts(full)
    credit = replace(credit, valley_periods=np.arange(1), fee_min_per_kwh=np.float64(0.02))  # type: ignore[arg-type]
    market = replace(market, contract_price_per_kwh=np.array([0.1, 0.2]), loss_price_per_kwh=np.float32(0.5))  # type: ignore[arg-type]
    write(replace(full, market=market, credit=credit), tmp_path / "case")
    assert read(tmp_path / "case") == replace(full, market=replace(parts(full)[1], loss_price_per_kwh=0.5))


def test_every_part_may_stand_alone(tmp_path: Path, full: Instance) -> None:
    kinds: dict[str, tuple[Any, set[str]]] = {
        "generators": ((), {"generators.csv"}),
        "market": (None, MARKET_FILES),
        "credit": (None, CREDIT_FILES),
        "renewables": ((), RENEWABLE_FILES),
        "carbon": (None, {"carbon.csv"}),
    }
    plain = {path.name for path in (DATA / "ieee33").iterdir()} | {".bilevel-grid"}
    for part, (_, files) in kinds.items():
        case = replace(full, **{other: empty for other, (empty, _) in kinds.items() if other != part})
        write(case, tmp_path / "case")  # each replaces the last: no file of another part may stay
        assert {path.name for path in (tmp_path / "case").iterdir()} == plain | files
        assert read(tmp_path / "case") == case


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1.0), st.one_of(st.just(math.inf), st.floats(1e-3, 1e30)))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_parts_come_back_exactly(tmp_path: Path, full: Instance, price: float, share: float, limit: float) -> None:
    generator, market, credit = parts(full)
    runs = replace(
        market.aggregators[0], charge_efficiency=share, contract_max_kw=limit, real_time_max_kw=limit, chargers=7
    )
    market = replace(market, aggregators=(runs,), contract_price_per_kwh=(price, share), loss_price_per_kwh=share)
    credit = replace(credit, time_factor=share, valley_periods=(1, 0), peak_periods=(), reservations=())
    generator = replace(generator, cost_per_kwh=price, apparent_max_kva=limit, ramp_max_kw=limit)
    case = replace(full, generators=(generator,), market=market, credit=credit)
    write(case, tmp_path / "case")
    assert read(tmp_path / "case") == case


@pytest.mark.parametrize("name", instances.list_cases())
def test_a_shipped_folder_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    write(instances.load(name), tmp_path / "copy")
    files = {path.name: path.read_bytes() for path in (DATA / name).iterdir()}
    # The shipped folders are not for `write` to replace, and so without its mark
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").iterdir() if path.suffix} == files


def test_a_case_without_parts_has_no_files_and_keys_of_them(tmp_path: Path, small: Instance) -> None:
    write(small, tmp_path / "case")
    assert {path.stem for path in (tmp_path / "case").glob("*.csv")} == {
        "buses", "branches", "stations", "sessions", "series"
    }  # fmt: skip
    assert not {"market", "credit", "carbon"} & set(json.loads((tmp_path / "case" / "instance.json").read_text()))


def test_the_loss_price_may_be_left_out(folder: Path, full: Instance) -> None:
    for damage in (key("market", None), key("market", {})):
        damage(folder)
        assert read(folder) == replace(full, market=replace(parts(full)[1], loss_price_per_kwh=0.0))


def key(name: str, value: object) -> Callable[[Path], None]:
    """A damage that sets a key of instance.json, or drops it for None."""

    def damage(folder: Path) -> None:
        values = json.loads((folder / "instance.json").read_text(encoding="utf-8")) | {name: value}
        kept = {key: value for key, value in values.items() if value is not None}
        (folder / "instance.json").write_text(json.dumps(kept), encoding="utf-8")

    return damage


def rules(**changes: object) -> Callable[[Path], None]:
    """A damage that changes the credit rules of instance.json, or drops those that are None."""

    def damage(folder: Path) -> None:
        values = json.loads((folder / "instance.json").read_text(encoding="utf-8"))["credit"] | changes
        key("credit", {key: value for key, value in values.items() if value is not None})(folder)

    return damage


def drop(*names: str) -> Callable[[Path], None]:
    """A damage that removes files."""

    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def line(table: str, number: int, text: str) -> Callable[[Path], None]:
    """A damage that replaces a line of a table, counted from 1, or appends it."""

    def damage(folder: Path) -> None:
        lines = (folder / f"{table}.csv").read_text(encoding="utf-8").splitlines()
        lines[number - 1 : number] = [text]
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return damage


def both(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    """Several damages."""

    def damage(folder: Path) -> None:
        for part in damages:
            part(folder)

    return damage


DAMAGES: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (drop("market.csv"), ("instance.json market", "market.csv", "missing", "add it")),
    (drop("aggregators.csv"), ("instance.json market", "aggregators.csv", "missing")),
    (drop("aggregators.csv", "market.csv"), ("instance.json market", "aggregators.csv", "missing")),
    (both(key("market", None), drop("market.csv")), ("aggregators.csv needs market.csv", "missing", "add it")),
    (both(key("market", None), drop("aggregators.csv")), ("market.csv needs aggregators.csv", "missing")),
    (drop("reservations.csv"), ("instance.json credit", "reservations.csv", "missing")),
    (drop("distances.csv"), ("instance.json credit", "distances.csv", "missing")),
    (key("credit", None), ("reservations.csv", "no credit rules", '"credit"', "instance.json", "remove")),
    (both(key("credit", None), drop("reservations.csv")), ("distances.csv", "no credit rules", "remove")),
    (key("market", 3), ("instance.json market", "3", "object with loss_price_per_kwh")),
    (key("market", {"loss_price": 1}), ("market", '"loss_price"', 'did you mean "loss_price_per_kwh"')),
    (key("market", {"loss_price_per_kwh": "1"}), ("loss_price_per_kwh '1'", "give a number")),
    (key("markets", {}), ('unknown key "markets"', 'did you mean "market"')),
    (key("credit", []), ("instance.json credit", "[]", "give an object")),
    (rules(time_factor=None), ("instance.json credit", 'lacks the key "time_factor"')),
    (rules(reservations=[]), ("instance.json credit", 'unknown key "reservations"')),
    (rules(valley_periods=3), ("instance.json credit valley_periods", "3", "give a list")),
    (rules(peak_periods="1"), ("instance.json credit peak_periods", "'1'", "give a list")),
    (rules(peak_periods=["1"]), ("peak_periods '1'", "whole number")),
    (rules(peak_periods=[5]), ("peak_periods 5", "2 periods")),
    (line("generators", 2, "g,b,0,x,0,0,0.1,,,"), ("generators.csv line 2", 'active_max_kw "x"', "give a number")),
    (line("generators", 2, "g,b,0,1,0,0,0.1,inf,,"), ("generators.csv line 2", "inf", "leave the cell empty")),
    (line("generators", 2, "g,b,2,1,0,0,0.1,,,"), ("generators.csv line 2", "generator g", "swap")),
    (line("generators", 2, "g,c2,0,1,0,0,0.1,,,"), ("generator g", 'unknown bus "c2"')),
    (line("aggregators", 1, "name,stations"), ("aggregators.csv", '"stations"', 'did you mean "station"')),
    (line("aggregators", 2, "a,s,1,2,1,1,1,1,,,1,-0.5,0"), ("aggregators.csv line 2", "storage_initial_kwh 2.0")),
    (line("aggregators", 2, "a,s,2,2,1,1,1,1,,,1.5,-0.5,0"), ("aggregators.csv line 2", '"1.5"', "whole number")),
    (line("aggregators", 2, "# none"), ("aggregators.csv line 2", "1 cells")),
    (line("market", 3, "0,0.1,0.2,0.3"), ("market.csv", "period 0", "1 is due")),
    (line("market", 4, "2,0.1,0.2,0.3"), ("market.csv", "3 rows", "2 periods", "one row per period")),
    (line("market", 2, "0,,0.2,0.3"), ("market.csv line 2", "empty contract_price_per_kwh", "give a value")),
    (line("reservations", 2, "ev,-1"), ("reservations.csv line 2", "lateness_minutes -1.0", "at least 0")),
    (line("reservations", 2, "eve,1"), ("a reservation", 'unknown session "eve"', 'did you mean "ev"')),
    (line("reservations", 3, "ev,1"), ("two reservations", '"ev"')),
    (line("distances", 2, "ev,s,far"), ("distances.csv line 2", 'distance_km "far"', "give a number")),
    (line("distances", 2, "ev,q,1"), ("a distance of session ev", 'unknown station "q"')),
    (
        line("generators", 2, "g,b,0,1,0,0,0.1,,,-1"),
        ("generators.csv line 2", "emission_kg_per_kwh -1.0", "at least 0"),
    ),
    (drop("renewables.csv"), ("renewable_power.csv needs renewables.csv", "missing", "add it")),
    (drop("renewable_power.csv"), ("renewables.csv needs renewable_power.csv", "missing", "add it")),
    (line("renewables", 2, "w,c,dirty"), ("renewables.csv line 2", 'emission_kg_per_kwh "dirty"', "give a number")),
    (line("renewables", 2, "w,c,-1"), ("renewables.csv", "renewable w", "emission_kg_per_kwh -1.0", "at least 0")),
    (line("renewables", 2, "w,c2,0"), ("renewable w", 'unknown bus "c2"')),
    (line("renewables", 3, "w,c,0"), ("renewable_power.csv", 'unknown renewable "gas"')),
    (line("renewables", 4, "w,c,0"), ("two renewables", '"w"', "own name")),
    (line("renewables", 4, "sun,c,0"), ("renewable_power.csv lacks period 0 of renewable sun", "one row per period")),
    (line("renewable_power", 3, "w,0,1"), ("renewable_power.csv", "period 0 of renewable w twice", "keep one")),
    (line("renewable_power", 3, "w,2,1"), ("renewable_power.csv", "period 2 of renewable w", "2 periods", "from 0")),
    (line("renewable_power", 3, "wind,1,1"), ("renewable_power.csv", 'unknown renewable "wind"')),
    (line("renewable_power", 3, "w,1.5,1"), ("renewable_power.csv line 3", 'period "1.5"', "whole number")),
    (line("renewable_power", 3, "w,1,-1"), ("renewable w in period 1", "power_kw -1.0", "at least 0")),
    (line("renewable_power", 3, "w,1,inf"), ("renewable_power.csv line 3", 'power_kw "inf"', "finite")),
    (drop("carbon.csv"), ("instance.json carbon needs carbon.csv", "missing", "add it")),
    (key("carbon", None), ("carbon.csv", "no price", '"carbon"', "instance.json", "remove")),
    (key("carbon", 1.0), ("instance.json carbon", "1.0", "object with price_per_kg")),
    (key("carbon", {}), ("instance.json carbon", 'lacks the key "price_per_kg"')),
    (key("carbon", {"price_per_kg": -1}), ("the carbon rules", "price_per_kg -1", "at least 0")),
    (line("carbon", 3, "1,-0.1"), ("the main grid in period 1", "grid_factor_kg_per_kwh -0.1", "at least 0")),
    (line("carbon", 4, "2,0.1"), ("carbon.csv", "3 rows", "2 periods", "one row per period")),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_a_damaged_folder_is_refused_in_one_sentence(
    folder: Path, damage: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    damage(folder)
    refuses(lambda: read(folder), str(folder), *words)
