"""Scenarios beside a case: exact round trips, clear refusals, and writes that lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import instances
from instances import Instance, InstanceError, Scenario, Scenarios, Session, Willing, read_scenarios, write
from instances.files.scenarios import SCENARIO_TABLES

SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.floats(-1e9, 1e9)
SHARES = st.floats(0, 1)
PAIRS = st.one_of(st.none(), st.tuples(NUMBERS, NUMBERS))
FACTORS = st.one_of(st.none(), st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)))

DAYS = Scenarios(
    (
        Scenario("as it is", 0.25),
        Scenario("windy", 0.125, None, (0.5, 0.25), None, (2.0, 0.1), 0.3),
        Scenario(
            "few, and dear",
            0.625,
            (Session("ev", "s", 0, 2, 6.0, 10.0, 2.5), Session("other", "s", 1, 2, 1.0, 7.0)),
            None,
            (0.3, -0.1),
            willing=(Willing("other", 0.5),),
        ),
    )
)


@pytest.fixture
def folder(tmp_path: Path, small: Instance) -> Path:
    write(small, tmp_path / "case", DAYS)
    return tmp_path / "case"


def test_a_folder_holds_both(folder: Path, small: Instance) -> None:
    assert instances.read(folder) == small
    assert read_scenarios(folder) == DAYS
    assert instances.has_scenarios(folder)


def test_the_columns_of_sessions_are_those_of_the_case() -> None:
    row = SCENARIO_TABLES["scenario_sessions"]
    assert [item.name for item in fields(row)] == ["scenario", *(item.name for item in fields(Session))]


@given(NUMBERS, FACTORS, PAIRS, FACTORS, SHARES, st.floats(1e-300, 0.999), st.floats(0, 9), st.booleans())
@SETTINGS
def test_any_scenarios_come_back_exactly(
    tmp_path: Path,
    small: Instance,
    price: float,
    load: tuple[float, ...] | None,
    prices: tuple[float, ...] | None,
    sun: tuple[float, ...] | None,
    share: float,
    probability: float,
    kwh: float,
    others: bool,
) -> None:
    sessions = (Session("ev", "s", 0, 2, kwh, 10.0, 1 + share), Session("=1+1", "s", 1, 2, 0.0, 1.0))
    willing = (Willing("ev", share),) if others else ()
    days = Scenarios(
        (
            Scenario("a, b", probability, sessions if others else None, load, prices, sun, share, willing),
            Scenario("01", 1 - probability, None, None, (price, -price)),
        )
    )
    write(small, tmp_path / "case", days)
    assert read_scenarios(tmp_path / "case") == days
    assert instances.read(tmp_path / "case") == small


def test_rows_of_series_come_in_any_order_and_columns_may_be_missing(folder: Path) -> None:
    (folder / "scenarios.csv").write_text("probability,name\n0.5,b\n0.5,a\n", encoding="utf-8")
    (folder / "scenario_series.csv").write_text(
        "# by hand\nperiod,wholesale_price_per_kwh,scenario\n1,0.2,a\n0,0.1,a\n", encoding="utf-8"
    )
    (folder / "scenario_sessions.csv").unlink()
    (folder / "scenario_willing.csv").unlink()
    assert read_scenarios(folder) == Scenarios(
        (Scenario("b", 0.5), Scenario("a", 0.5, wholesale_price_per_kwh=(0.1, 0.2)))
    )


def text(table: str, content: str) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{table}.csv").write_text(content, encoding="utf-8") and None


SERIES, SESSIONS = (
    "scenario,period,load_factor\n",
    "scenario,name,station,arrival_period,departure_period,energy_kwh,power_max_kw\n",
)
ONE = "windy,ev,s,0,2,6,10\n"
DAMAGES: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (lambda folder: (folder / "scenarios.csv").unlink(), ("needs scenarios.csv", "missing", "add it")),
    (text("scenarios", "name,probability\n"), ("scenarios.csv", "at least one")),
    (text("scenarios", "name,probability\na,0\n"), ("scenarios.csv line 2", "scenario a has probability 0", "above 0")),
    (text("scenarios", "name,probability\na,x\n"), ("scenarios.csv line 2", 'probability "x"', "give a number")),
    (text("scenarios", "name,probability\n,1\n"), ("scenarios.csv line 2", "empty name")),
    (text("scenarios", "name,probability,willing_share\na,1,2\n"), ("line 2", "willing_share 2", "at most 1")),
    (text("scenarios", "name,odds\na,1\n"), ("scenarios.csv", 'unknown column "odds"')),
    (text("scenarios", "name,probability\nwindy,0.5\nfew, and dear,0.5\n"), ("scenarios.csv line 3", "3 cells")),
    (text("scenarios", 'name,probability\nwindy,0.5\n"few, and dear",0.25\n'), ("scenarios.csv", "add up to 0.75")),
    (text("scenarios", 'name,probability\nwindy,0.5\nwindy,0.25\n"few, and dear",0.25\n'), ('two scenarios are named "windy"',)),
    (text("scenario_series", SERIES + "wndy,0,1\n"), ("scenario_series.csv", 'scenario "wndy"', 'did you mean "windy"')),
    (text("scenario_series", SERIES + "windy,0,1\n"), ("scenario_series.csv", "lacks period 1 of scenario windy")),
    (text("scenario_series", SERIES + "windy,0,1\nwindy,2,1\n"), ("period 2 of scenario windy", "2 periods")),
    (text("scenario_series", SERIES + "windy,0,1\nwindy,0,1\n"), ("period 0 of scenario windy twice",)),
    (text("scenario_series", SERIES + "windy,0,1\nwindy,1,\n"), ("empty load_factor in period 1", "in every period")),
    (text("scenario_series", SERIES + "windy,0,\nwindy,1,\n"), ("scenario_series.csv", "scenario windy without a value")),
    (text("scenario_series", SERIES + "windy,0,-1\nwindy,1,1\n"), ("line 2", "period 0 of scenario windy", "load_factor -1")),
    (text("scenario_series", SERIES + "windy,0,nan\nwindy,1,1\n"), ("line 2", 'load_factor "nan"', "finite")),
    (text("scenario_series", SERIES + "windy,0.5,1\nwindy,1,1\n"), ("line 2", 'period "0.5"', "whole number")),
    (text("scenario_series", "scenario,period,renewable_factor\nwindy,-1,1\n"), ("line 2", "period -1")),
    (text("scenario_sessions", SESSIONS + ONE + "wndy,ev,s,0,1,1,9\n"), ("scenario_sessions.csv", '"wndy"')),
    (text("scenario_sessions", SESSIONS + "windy,ev,s,1,1,6,10\n"), ("scenario_sessions.csv line 2", "departure_period 1")),
    (text("scenario_sessions", SESSIONS + "windy,ev,s,0,1,6,10\n"), ("scenario windy", "energy_kwh 6", "4.5 kWh")),
    (text("scenario_sessions", SESSIONS + "windy,ev,t,0,2,6,10\n"), ("scenario windy", 'station "t"')),
    (text("scenario_sessions", SESSIONS + ONE + ONE), ("scenario windy", 'two sessions are named "ev"')),
    (text("scenario_willing", "scenario,session,willing_share\nwindy,eve,0.5\n"), ("scenario windy", '"eve"', 'mean "ev"')),
    (text("scenario_willing", "scenario,session,willing_share\nwindy,ev,0.5\nwindy,ev,0.5\n"), ("scenario windy", '"ev"')),
    (text("scenario_willing", "scenario,session,willing_share\nwindy,ev,-1\n"), ("line 2", "willing_share -1")),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_damaged_scenarios_are_refused_in_one_sentence_and_the_case_is_read(
    folder: Path, small: Instance, damage: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    damage(folder)
    with pytest.raises(InstanceError) as caught:
        read_scenarios(folder)
    assert "\n" not in str(caught.value)
    for word in (str(folder), *words):
        assert word in str(caught.value)
    assert instances.read(folder) == small
    assert instances.has_scenarios(folder)


def test_a_case_without_scenarios_says_what_is_missing(tmp_path: Path, small: Instance) -> None:
    write(small, tmp_path / "case")
    assert not instances.has_scenarios(tmp_path / "case")
    with pytest.raises(InstanceError, match=r"scenarios\.csv is missing; add it"):
        read_scenarios(tmp_path / "case")


def test_a_write_of_the_case_alone_keeps_the_scenarios(folder: Path, small: Instance) -> None:
    with pytest.raises(InstanceError, match=r"scenario_series\.csv, which a write of the case alone would remove"):
        write(replace(small, name="other"), folder)
    assert instances.read(folder) == small
    write(replace(small, name="other"), folder, read_scenarios(folder))
    assert (instances.read(folder).name, read_scenarios(folder)) == ("other", DAYS)
    write(small, folder, Scenarios((Scenario("one", 1.0),)))
    assert read_scenarios(folder) == Scenarios((Scenario("one", 1.0),))
    for path in folder.glob("scenario*.csv"):
        path.unlink()
    write(small, folder)
    assert not instances.has_scenarios(folder)


def test_the_backup_of_a_killed_write_keeps_its_scenarios_too(folder: Path, small: Instance) -> None:
    (folder / ".bilevel-grid-backup").write_text("")
    folder.rename(folder.parent / ".case.old")
    assert read_scenarios(folder) == DAYS
    with pytest.raises(InstanceError, match="would remove"):
        write(small, folder)
    write(small, folder, DAYS)
    assert read_scenarios(folder) == DAYS


def test_scenarios_of_another_case_are_not_written(tmp_path: Path, small: Instance) -> None:
    with pytest.raises(InstanceError, match=r"scenario odd: load_factor has 1 values"):
        write(small, tmp_path / "case", Scenarios((Scenario("odd", 1.0, load_factor=(1.0,)),)))
    for nothing in (Scenario("odd", 1.0, sessions=()), Scenario("odd", 1.0, renewable_factor=())):
        with pytest.raises(InstanceError, match="scenario odd"):
            write(small, tmp_path / "case", Scenarios((nothing,)))
    assert not (tmp_path / "case").exists()


def test_sources_stand_at_the_head_of_their_table(tmp_path: Path, small: Instance) -> None:
    sources = (
        instances.Source("scenario_sessions", "a car park", "CC BY 4.0"),
        instances.Source("load_factor", "x", "MIT"),
    )
    case = replace(small, sources=sources)
    write(case, tmp_path / "case", DAYS)
    assert (
        (tmp_path / "case" / "scenario_sessions.csv").read_text().startswith("# scenario_sessions: source: a car park")
    )
    # The source of the case's own column is none of the scenarios'
    assert not (tmp_path / "case" / "scenario_series.csv").read_text().startswith("#")
    assert instances.read(tmp_path / "case") == case
