"""Numbers at the ends of what a case may hold: they come back as they were, or are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import tiny_case

import instances
from instances import InstanceError
from instances.records.feeder import SUPPLY_LIMITS
from instances.records.market import Aggregator

LARGE = 10**30
NUMBERS = st.one_of(st.integers(-LARGE, LARGE), st.floats(-1e30, 1e30))


@given(
    least=NUMBERS, most=NUMBERS, reactive=st.booleans(), base=st.one_of(st.integers(1, LARGE), st.floats(1e-3, 1e30))
)
def test_limits_of_the_supply_come_back(
    tmp_path_factory: pytest.TempPathFactory, least: float, most: float, reactive: bool, base: float
) -> None:
    names = SUPPLY_LIMITS[2:] if reactive else SUPPLY_LIMITS[:2]
    feeder = replace(tiny_case().feeder, base_kv=base, **dict(zip(names, sorted((least, most)), strict=True)))
    folder = tmp_path_factory.mktemp("written")
    instances.write(replace(tiny_case(), feeder=feeder), folder / "case")
    assert instances.read(folder / "case").feeder == feeder
    instances.write_feeder(feeder, folder / "feeder")
    assert instances.read_feeder(folder / "feeder") == feeder


@pytest.mark.parametrize("digits", [31, 400, 5000])
def test_a_whole_number_beyond_all_others_is_refused(digits: int) -> None:
    with pytest.raises(InstanceError, match="aggregator a has chargers above 1e\\+30; give a smaller whole number"):
        Aggregator("a", "s", 0.0, 0.0, 0.0, 0.0, chargers=10**digits)
    with pytest.raises(InstanceError, match="the horizon has periods above"):
        instances.Horizon(10**digits, 1.0, "2024-01-01")


def test_a_number_of_chargers_that_is_all_digits(tmp_path: Path) -> None:
    """In a table: Python reads no more than 4300 digits."""
    from market_oracles import small_market

    instances.write(small_market(), tmp_path / "case")
    table = tmp_path / "case" / "aggregators.csv"
    text = table.read_text(encoding="utf-8")
    header, row = text.strip().split("\n")
    at = header.split(",").index("chargers")
    for digits in (400, 5000):
        cells = row.split(",")
        cells[at] = "9" * digits
        table.write_text(f"{header}\n{','.join(cells)}\n", encoding="utf-8")
        with pytest.raises(InstanceError, match=r"aggregators.csv line 2.* chargers .*; give a"):
            instances.read(tmp_path / "case")
