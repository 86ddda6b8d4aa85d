"""Numbers are what every tool writes: 1_000 and digits of other scripts, which Python takes, are refused by every reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import Capture, refuse
from hypothesis import example, given
from hypothesis import strategies as st

import instances
from bilevel.reading import numbers
from instances.records import numerals

ODD = ["1_000", "\uff11\uff10", "\u0661\u0662", "1_0.5", "1\u00a0000", "\u2212" + "1"]
"""An underscore, digits as wide as a letter, those of Arabic, a space that does not break, a sign of minus."""


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("table", "column"), [("buses", "load_kw"), ("sessions", "arrival_period"), ("series", "period")]
)
def test_in_a_cell(tmp_path: Path, capsys: Capture, table: str, column: str, odd: str) -> None:
    instances.write(instances.scale(instances.load("ieee33"), 2), tmp_path / "case")
    file = tmp_path / "case" / f"{table}.csv"
    lines = file.read_text().splitlines()
    head = next(at for at, line in enumerate(lines) if not line.startswith("#"))
    cells = lines[head + 1].split(",")
    cells[lines[head].split(",").index(column)] = odd
    file.write_text("\n".join([*lines[: head + 1], ",".join(cells), *lines[head + 2 :]]))
    refuse(capsys, ("check", tmp_path / "case"), f"{table}.csv line {head + 2}", column, "number")


OPTIONS = {
    "--evs": "whole number",
    "--seed": "whole number",
    "--gap": "positive number",
    "--time-limit": "positive number",
    "--margin": "positive number",
    "--levels": "number",
    "--blocks": "periods",
    "--discomfort": "number",
    "--objective": "positive number",
}


@pytest.mark.parametrize("odd", [odd for odd in ODD if odd[0] != "\u2212"])
@pytest.mark.parametrize("option", OPTIONS)
def test_in_an_option(capsys: Capture, option: str, odd: str) -> None:
    value = {"--objective": f"loss={odd}", "--blocks": f"a={odd}", "--levels": f"0.1,{odd}"}.get(option, odd)
    more = {
        "--levels": ("--tariff", "levels"),
        "--blocks": ("--tariff", "blocks"),
        "--discomfort": ("--follower", "elastic"),
    }
    refuse(capsys, ("solve", "ieee33", option, value, *more.get(option, ())), OPTIONS[option])


@pytest.mark.parametrize("odd", ODD[:4])
@pytest.mark.parametrize("place", ["1 0 1", "100 100", "/ 100"])
def test_in_a_matpower_file(tmp_path: Path, capsys: Capture, place: str, odd: str) -> None:
    file = tmp_path / "feeder.m"
    file.write_text(f"function mpc = feeder\nmpc.version = '2';\nmpc.baseMVA = {odd};\nmpc.bus = [{place} {odd}];\n")
    refuse(capsys, ("check", file), "feeder.m line 3")


@given(st.floats(allow_nan=False) | st.integers(-(10**30), 10**30).map(float))
@example(-0.0)
@example(5e-324)
def test_what_python_writes_is_read_back(value: float) -> None:
    assert numbers.number(repr(value)) == numerals.decimal(repr(value)) == value


@given(st.text(max_size=6))
@example("\u0661")
@example("1_0")
@example("+1")
def test_nothing_but_plain_digits(text: str) -> None:
    whole = numbers.whole(text)
    assert whole is None or (text.strip().lstrip("+-").isascii() and text.strip().lstrip("+-").isdigit())


@pytest.mark.parametrize("cell", ["x" * 2000, "y " * 1000, "9" * 4000 + "x"])
def test_long_values_are_cut(tmp_path: Path, capsys: Capture, cell: str) -> None:
    instances.write(instances.scale(instances.load("ieee33"), 2), tmp_path / "case")
    (tmp_path / "case" / "stations.csv").write_text(f"name,bus\nA,{cell}\n")
    (tmp_path / "case" / "sessions.csv").write_text(
        "name,station,arrival_period,departure_period,energy_kwh,power_max_kw\n" + f"a,A,{cell},2,1,1\n"
    )
    refuse(capsys, ("check", tmp_path / "case"), cell[:20], "characters")
