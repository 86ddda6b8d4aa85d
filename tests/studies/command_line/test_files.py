"""Files of MATPOWER and pandapower where the command line takes a case, and the warning of `bilevel check`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cli_runs import run

import instances

SMALL = """function mpc = small
mpc.version = '2';
mpc.baseMVA = 10;
mpc.bus = [1 3 0 0 0 0 1 1 0 11 1 1 1; 2 1 0.5 0.2 0 0.3 1 1 0 11 1 1.1 0.9; 3 1 0.4 0.1 0 0 1 1 0 11 1 1.1 0.9];
mpc.gen = [1 0 0 5 -5 1 100 1 5 0];
mpc.branch = [1 2 0.02 0.03 0.001 0 0 0 0.98 0 1 -360 360; 2 3 0.04 0.06 0 0 0 0 0 0 1 -360 360; ...
    3 2 0.04 0.06 0 0 0 0 0 0 1 -360 360];
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "small.m"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_a_matpower_file_is_solved_and_certified(small: Path, tmp_path: Path) -> None:
    done = run("solve", small, "--evs", 3, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "small: 3 sessions at 2 stations" in done.stdout
    solution = json.loads((tmp_path / "out" / "solution.json").read_text(encoding="utf-8"))
    assert solution["status"] == "certified"


def test_check_tells_what_a_file_holds(small: Path) -> None:
    done = run("check", small)
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("small", "2: station_1", "50, for", "ok"):
        assert words in done.stdout


def test_files_that_are_no_case_are_refused_in_one_sentence(small: Path, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text("{}", encoding="utf-8")
    for name, words in (
        ("net.json", "is no pandapower network"),
        ("none.m", "is missing"),
        ("none.json", "is missing"),
    ):
        done = run("check", tmp_path / name)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr and done.stderr.count("\n") == 1


def test_check_warns_of_loads_a_thousand_times_too_small(tmp_path: Path) -> None:
    case = instances.load("ieee33")
    buses = tuple(replace(bus, load_kw=bus.load_kw / 1e3, load_kvar=bus.load_kvar / 1e3) for bus in case.feeder.buses)
    instances.write(replace(case, feeder=replace(case.feeder, buses=buses)), tmp_path / "slip")
    done = run("check", tmp_path / "slip")
    assert done.returncode == 0 and done.stdout.endswith("ok\n")
    assert "bilevel: warning: base loads of 4.549 kVA at 12.66 kV are 0.207 A" in done.stderr
    assert run("check", "ieee33").stderr == ""
