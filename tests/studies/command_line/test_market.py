"""`bilevel market` through the real entry point: table, files, exit codes, refusals, interruptions."""

from __future__ import annotations

import importlib
import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_runs import BILEVEL, Capture, refuse, run
from market_days import afternoon
from market_oracles import small_market
from oracles import tiny_case

import bilevel
import instances
from bilevel import verify
from studies.command_line import main, market
from studies.market import results as market_results

Solved = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "case"
    instances.write(small_market(), folder)
    return folder


@pytest.fixture(scope="session")
def solved(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Solved:
    out = tmp_path_factory.mktemp("market_out") / "new" / "market"
    return out, run("market", case, "--fee", 0.01, "--out", out)


def data(out: Path) -> Any:
    return json.loads((out / "market.json").read_text(encoding="utf-8"))


def test_the_three_ways_are_printed_and_written(solved: Solved) -> None:
    out, done = solved
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert re.fullmatch(r"certified: exact [\d.]+ EUR <= equilibrium, by [\d.]+ EUR \([\d.]+ %\)", first)
    for words in (
        "exact",
        "equilibrium",
        "cooperative",
        "operator's cost",
        "network loss",
        "kWh",
        "profit agent",
        "converged",
    ):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert {path.name for path in out.iterdir()} == set(market_results.FILES)
    table = pd.read_csv(out / "comparison.csv").set_index("way")
    assert table.loc["exact", "dso_cost"] <= table.loc["equilibrium", "dso_cost"]
    for way, row in table.iterrows():
        assert f"{row['dso_cost']:.2f}" in done.stdout
        assert data(out)["ways"][way]["status"] == "certified"
    assert (data(out)["fee_per_kwh"], data(out)["seed"], data(out)["settings"]["damping"]) == (0.01, None, 0.5)


def test_a_drawn_fleet_of_the_shipped_case(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("market", "ieee33_aggregator", "--evs", 8, "--out", out, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = data(out)
    assert (found["case"], found["evs"], found["seed"]) == ("ieee33_aggregator", 8, 0)
    exact, iterated, together = (found["ways"][way]["objective"] for way in ("exact", "equilibrium", "cooperative"))
    assert together * (1 - 1e-6) <= exact <= iterated * (1 + 1e-6)
    assert {entry["status"] for entry in found["ways"].values()} == {"certified"}


def test_without_out_nothing_is_written(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(["market", str(case), "--max-iterations", "1", "--loss-price", "0"]) == 0
    said = capsys.readouterr().out
    assert "stopped: the limit of iterations is reached" in " ".join(said.split())
    assert "none written; --out DIR writes them" in said
    assert list(tmp_path.iterdir()) == []


def test_an_infeasible_market_is_said_to_be(tmp_path: Path) -> None:
    small = small_market()
    source, end = small.feeder.buses
    buses = (source, replace(end, voltage_min_pu=0.995))
    instances.write(replace(small, feeder=replace(small.feeder, buses=buses)), tmp_path / "case")
    done = run("market", tmp_path / "case", "--out", tmp_path / "out")
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout.startswith("infeasible: no exact answer: ")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"market.json", "comparison.csv", "comparison.tex", "trace.csv"} <= names
    assert not [name for name in names if "_exact" in name]


def interrupted(folder: Path, out: Path, times: int) -> tuple[int, str, str]:
    """Exit code and output where Ctrl-C strikes the exact search this often."""
    command = [BILEVEL, "market", str(folder), "--gap", "1e-9", "--max-iterations", "3", "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("small tree"):
                break
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    return process.returncode, said, errors


def test_ctrl_c_stops_all_ways_keeps_what_was_found_and_a_second_one_ends(tmp_path: Path) -> None:
    folder, out = tmp_path / "case", tmp_path / "out"
    instances.write(afternoon(last=17), folder)
    code, said, errors = interrupted(folder, out, 1)
    assert (code, "Traceback" in errors) == (3, False), errors
    assert said.startswith("feasible: exact ")
    assert "Ctrl-C" in said
    assert data(out)["verdict"]["status"] == "feasible"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    folder_before = sorted(path.name for path in tmp_path.iterdir())
    command = [sys.executable, "-c", TWICE, str(folder), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == folder_before


TWICE = """
import signal, sys
from bilevel import progress
from studies.command_line import main

def phase(self, name, *rest, **more):
    if name == "relaxation":
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

progress.Progress.phase = phase
sys.exit(main.run(["market", sys.argv[1], "--out", sys.argv[2], "--quiet"]))
"""


def test_ctrl_c_before_the_first_part_stops_all_and_a_second_one_ends(
    case: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    real = market.three_ways

    def struck(*arguments: Any, **options: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(*arguments, **options)

    monkeypatch.setattr(market, "three_ways", struck)
    assert main.run(["market", str(case)]) in (3, 5)
    assert "Ctrl-C" in capsys.readouterr().out
    monkeypatch.setattr(market, "three_ways", lambda *a, **o: struck(signal.raise_signal(signal.SIGINT)))
    assert main.run(["market", str(case), "--quiet"]) == 130
    assert capsys.readouterr().out == ""


def test_a_cooperative_answer_that_is_rejected_is_not_a_certified_market(
    case: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    # The solver of the cooperative way gives a point whose voltages contradict its flows
    cooperative = importlib.import_module("bilevel.equilibrium.high_point")
    real = cooperative._optimum

    def careless(program: Any, *more: Any) -> Any:
        found = real(program, *more)
        column = next(k for k in range(program.columns) if program.name(k).startswith("v[b,"))
        found.x[column] *= 1.01
        return found

    monkeypatch.setitem(cooperative._OPTIMA, "highs", careless)
    assert main.run(["market", str(case)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("feasible: exact ")
    said = " ".join(" ".join(lines[1:3]).split())
    assert said.startswith(
        "not certified: the exact answer is certified, the cooperative one is rejected: check 'leader rows'"
    )


def test_the_time_limit_is_of_all_three_ways(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, float] = {}
    for name in ("equilibrium", "solve", "cooperative"):
        monkeypatch.setattr(bilevel, name, _noting(getattr(bilevel, name), name, given))
    assert main.run(["market", str(case), "--time-limit", "100", "--quiet"]) == 0
    assert given["equilibrium"] <= 30.0
    assert given["solve"] <= 90.0
    assert given["solve"] < given["cooperative"] <= 100.0


def _noting(real: Any, name: str, given: dict[str, float]) -> Any:
    def noted(*arguments: Any, **options: Any) -> Any:
        given[name] = options["time_limit"] if "time_limit" in options else arguments[-1]
        return real(*arguments, **options)

    return noted


REFUSALS: list[tuple[list[str], list[str]]] = [
    (["ieee33"], ["ieee33", "has no market", "aggregators.csv"]),
    (["ieee33_agregator"], ['did you mean "ieee33_aggregator"']),
    (["ieee33_aggregator", "--demand", "elastik"], ["elastik", "did you mean 'elastic'"]),
    (["ieee33_aggregator", "--solver", "hghs"], ["hghs", "did you mean 'highs'"]),
    (["ieee33_aggregator", "--gap", "0"], ["--gap", "0", "no positive number"]),
    (["ieee33_aggregator", "--time-limit", "soon"], ["--time-limit", "soon", "no positive number"]),
    (["ieee33_aggregator", "--damping", "1.5"], ["damping is 1.5", "at most 1"]),
    (["ieee33_aggregator", "--max-iterations", "0"], ["--max-iterations", "0", "from 1"]),
    (["ieee33_aggregator", "--fee", "nan"], ["--fee", "nan", "finite"]),
    (["ieee33_aggregator", "--loss-price", "-1"], ["--loss-price", "-1", "at least 0"]),
    (["ieee33_aggregator", "--evs", "0"], ["--evs", "0", "from 1"]),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSALS, ids=lambda value: " ".join(value))
def test_bad_input_is_refused_in_one_sentence(
    arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    refuse(capsys, ["market", *arguments, "--out", "new/out", "--quiet"], *words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_refused_before_the_work(case: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    refuse(capsys, ("market", case, "--out", tmp_path), "thesis.docx", "give a new folder")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_a_case_of_stations_without_aggregators_is_refused(tmp_path: Path, capsys: Capture) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    refuse(capsys, ("market", tmp_path / "case"), "tiny", "has no market")


def test_help_has_an_example_and_the_exit_codes(capsys: Capture) -> None:
    assert main.run(["market", "--help"]) == 0
    text = capsys.readouterr().out
    assert "Example: bilevel market ieee33_aggregator" in text
    assert "Exit codes" in text
    assert "--demand" in text


def test_the_exact_solution_of_a_market_is_proven(tmp_path: Path) -> None:
    proof = tmp_path / "market.json.gz"
    done = run("market", "ieee33_aggregator", "--gap", "1e-3", "--proof", proof, "--quiet")
    assert done.returncode == 0, done.stderr
    assert verify.main([str(proof)]) == 0
