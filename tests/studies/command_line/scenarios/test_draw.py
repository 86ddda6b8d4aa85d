"""`bilevel scenarios`: what it prints, writes and refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cli_runs import BILEVEL, Capture, refuse, run
from oracles import tiny_case

import instances
from instances import Scenario, Scenarios

ROOT = Path(__file__).parents[4]


def folder_of(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_days_are_printed_and_written_beside_the_case(tmp_path: Path) -> None:
    out, case = tmp_path / "days", instances.load("ieee33")
    done = run("scenarios", "ieee33", "--n", 4, "--seed", 3, "--evs", 20, "--willing", "0.25-0.75", "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    drawn = instances.draw_scenarios(case, 4, 3, evs=20, willing=(0.25, 0.75))
    assert instances.read_scenarios(out) == drawn
    written = instances.read(out)
    assert replace(written, sources=case.sources) == case
    licences = {source.item: source.licence for source in written.sources if source.item.startswith("scenario")}
    assert set(licences) == {"scenarios", "scenario_sessions", "scenario_series"}
    assert "CC BY 4.0" in (out / "scenario_sessions.csv").read_text(encoding="utf-8").split("scenario,name")[0]
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "scenario",
        "probability",
        "sessions",
        "energy",
        "kWh",
        "mean",
        "EUR/kWh",
        "peak",
        "kW",
        "willing",
    ]
    for line, scenario in zip(lines[1:5], drawn.scenarios, strict=True):
        cells = line.removeprefix(scenario.name).split()
        day = instances.realise(case, replace(scenario, willing_share=1.0))
        assert scenario.wholesale_price_per_kwh is not None and scenario.sessions is not None
        charging = instances.uncontrolled_load_kw(day).sum(axis=0)
        peak_kw = max(3715 * f + kw for f, kw in zip(day.load_factor, charging, strict=True))
        energy_kwh = sum(s.count * s.energy_kwh for s in scenario.sessions)
        assert cells[:2] == ["0.2500", "20"]
        assert float(cells[2]) == pytest.approx(energy_kwh, abs=0.06)
        assert float(cells[3]) == pytest.approx(sum(scenario.wholesale_price_per_kwh) / 24, abs=6e-5)
        assert float(cells[4]) == pytest.approx(peak_kw, abs=0.06)
        assert float(cells[5]) == pytest.approx(scenario.willing_share, abs=6e-3)
    assert "scenario_series.csv, scenario_sessions.csv, scenarios.csv" in done.stdout
    assert run("check", out).returncode == 0


def test_fewer_days_are_kept_at_a_distance_that_is_told(tmp_path: Path) -> None:
    done = run("scenarios", "ieee33", "--n", 12, "--reduce", 3, "--no-loads", "--out", tmp_path / "days")
    case = instances.load("ieee33")
    fewer = instances.reduce_scenarios(instances.draw_scenarios(case, 12, loads=False), case, 3)
    found = instances.read_scenarios(tmp_path / "days")
    assert found == fewer.scenarios and len(found.scenarios) == 3
    assert f"distance of {fewer.distance:.3g} (the best single one: {fewer.spread:.3g})" in done.stdout
    assert f"distance {fewer.distance:.6g}" in (tmp_path / "days" / "scenarios.csv").read_text(encoding="utf-8")
    assert "BDEW" not in (tmp_path / "days" / "scenario_series.csv").read_text(encoding="utf-8")


def test_without_a_folder_nothing_is_written_and_quiet_says_nothing(tmp_path: Path) -> None:
    done = run("scenarios", "ieee33", "--n", 2, "--no-sessions", cwd=tmp_path)
    assert done.returncode == 0 and "none written; --out DIR writes them" in done.stdout
    quiet = run("scenarios", "ieee33", "--n", 2, "--quiet", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--n", "0"], ["--n", "0 is no whole number from 1"]),
        (["--n", "10001"], ["10001"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--evs", "0"], ["--evs", "0"]),
        (["--n", "3", "--reduce", "4"], ["--reduce 4", "--n 3", "at most"]),
        (["--willing", "0.9-0.5"], ["--willing", "0.9-0.5", "0.5-0.9"]),
        (["--willing", "0.5-1.5"], ["0.5-1.5"]),
        (["--willing", "x"], ["x is no range"]),
        (["--willing", "nan"], ["nan is no range"]),
        (["--willing", "0.1-0.2-0.3"], ["0.1-0.2-0.3"]),
        (["--willing", "9" * 300], ["...", "no range"]),
        (["--no-sessions", "--evs", "3"], ["evs 3", "leave evs out"]),
        (["--no-sessions", "--no-prices", "--no-loads"], ["no source"]),
    ],
)
def test_bad_options_are_refused_in_one_sentence(capsys: Capture, options: list[str], words: list[str]) -> None:
    refuse(capsys, ["scenarios", "ieee33", *options], *words)


def test_one_share_is_a_range_too(tmp_path: Path) -> None:
    assert (
        run("scenarios", "ieee33", "--n", 2, "--willing", "0.5", "--out", tmp_path / "days", "--quiet").returncode == 0
    )
    assert [s.willing_share for s in instances.read_scenarios(tmp_path / "days").scenarios] == [0.5, 0.5]


def test_cases_whose_day_is_no_day_are_refused(tmp_path: Path, capsys: Capture) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    refuse(capsys, ["scenarios", tmp_path / "case"], "hours, but real days have 24")


def test_drawn_days_are_replaced_and_nothing_else_is(tmp_path: Path, capsys: Capture) -> None:
    out, case = tmp_path / "days", instances.load("ieee33")
    command = ["scenarios", "ieee33", "--n", 2, "--out", out, "--quiet"]
    assert run(*command).returncode == 0
    assert run(*command, "--seed", 1).returncode == 0
    assert instances.read_scenarios(out) == instances.draw_scenarios(case, 2, 1)
    # Drawn for itself it is the same case
    assert run("scenarios", out, "--n", 3, "--out", out, "--quiet").returncode == 0
    assert instances.read_scenarios(out) == instances.draw_scenarios(case, 3)
    assert sum(source.item == "scenarios" for source in instances.read(out).sources) == 1
    own = replace(case, name="my village")
    instances.write(own, tmp_path / "mine")
    instances.write(case, tmp_path / "by_hand", Scenarios((Scenario("mine", 1.0),)))
    for place, words in (("mine", "my village"), ("by_hand", "not drawn by this command")):
        before = folder_of(tmp_path / place)
        refuse(
            capsys,
            ["scenarios", "ieee33", "--n", 2, "--out", tmp_path / place],
            str(tmp_path / place),
            words,
            "new folder",
        )
        assert folder_of(tmp_path / place) == before
    refuse(
        capsys, ["scenarios", "ieee33", "--out", tmp_path / "mine" / "buses.csv"], "buses.csv is a file; give a folder"
    )
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("years of work")
    refuse(capsys, ["scenarios", "ieee33", "--out", tmp_path / "notes"], "thesis.tex", "give a new folder")


INTERRUPTED = """
import signal, sys
import instances
import studies.command_line.main
from studies.command_line.scenarios import draw

draws, writes = instances.draw_scenarios, instances.write


def pressed(function, times):
    def run(*arguments, **options):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        return function(*arguments, **options)
    return run


if sys.argv[1] == "draw":
    instances.draw_scenarios = pressed(draws, 1)
else:
    instances.write = pressed(writes, int(sys.argv[1]))
del sys.argv[1]
studies.command_line.main.main()
"""


@pytest.mark.parametrize(("when", "code", "there"), [("draw", 130, False), ("1", 0, True), ("2", 130, False)])
def test_ctrl_c_ends_the_draw_and_does_not_break_the_writing_off(
    tmp_path: Path, when: str, code: int, there: bool
) -> None:
    out = tmp_path / "days"
    command = [sys.executable, "-c", INTERRUPTED, when, "scenarios", "ieee33", "--n", "2", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == code, done.stderr
    assert out.exists() == there
    assert [path.name for path in tmp_path.iterdir()] == (["days"] if there else [])
    if when == "draw":
        assert (
            done.stderr
            == "bilevel: interrupted by Ctrl-C before anything was found: nothing was written; run it again\n"
        )
    if there:
        assert len(instances.read_scenarios(out).scenarios) == 2


def test_a_command_killed_while_it_writes_leaves_the_old_days_or_the_new(tmp_path: Path) -> None:
    out, case = tmp_path / "days", instances.load("ieee33")
    assert run("scenarios", "ieee33", "--n", 2, "--out", out, "--quiet").returncode == 0
    command = [BILEVEL, "scenarios", "ieee33", "--n", "3", "--out", str(out), "--quiet"]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None and not list(tmp_path.glob(".days.new-*")):
            time.sleep(0.0005)
        process.send_signal(signal.SIGKILL)
    found = instances.read_scenarios(out)
    assert found in [instances.draw_scenarios(case, n) for n in (2, 3)]
    assert run("scenarios", "ieee33", "--n", 3, "--out", out, "--quiet").returncode == 0
    assert instances.read_scenarios(out) == instances.draw_scenarios(case, 3)
