"""`bilevel pareto --scenarios`: the front of expected loss and expected profit, its files, its store, its page, and refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import BILEVEL, Capture, refuse, run
from oracles import tiny_case

import instances
from bilevel.front.store import FILE
from instances import Instance, Scenario, Scenarios
from studies.pricing import front_points, front_results

GAP = 1e-4
VALUES = ["network_loss_kwh", "station_profit"]
DAYS = Scenarios(
    (
        Scenario("as it is", 0.3),
        Scenario("=1, 'x'", 0.5, load_factor=(0.5, 0.9, 0.7)),
        Scenario("half", 0.2, willing_share=0.5),
    )
)


def small() -> Instance:
    """Three buses and three hours: the cheapest hour is that of the largest load, so profit and loss are at odds."""
    case = tiny_case()
    sessions = tuple(replace(session, arrival_period=0) for session in case.sessions)
    return replace(case, load_factor=(1.0, 0.6, 0.8), sessions=sessions)


def values(out: Path) -> np.ndarray:
    return pd.read_csv(out / "front.csv")[VALUES].to_numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("days") / "days"
    instances.write(small(), path, DAYS)
    return path


@pytest.fixture(scope="module")
def traced(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("front") / "front"
    done = run("pareto", folder, "--scenarios", folder, "--points", 4, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "both expected" in done.stdout and "3 scenarios of" in done.stdout
    return out


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.5), (0.2, 0.3, 0.5)], ids=len)
def test_days_like_the_case_have_its_front(shares: tuple[float, ...], tmp_path: Path) -> None:
    days = Scenarios(tuple(Scenario(str(at), share) for at, share in enumerate(shares)))
    instances.write(small(), tmp_path / "case", days)
    outs = tmp_path / "one", tmp_path / "several"
    assert run("pareto", tmp_path / "case", "--points", 4, "--out", outs[0]).returncode == 0
    assert (
        run("pareto", tmp_path / "case", "--points", 4, "--scenarios", tmp_path / "case", "--out", outs[1]).returncode
        == 0
    )
    assert values(outs[1]) == pytest.approx(values(outs[0]), rel=1e-9)
    assert len(pd.read_csv(outs[1] / front_points.DAYS)) == 4


def test_points_are_expected_and_told_by_day(traced: Path, folder: Path) -> None:
    assert {path.name for path in traced.iterdir()} == {
        *front_results.FRONT_FILES,
        *front_points.OVER_DAYS,
        "points",
    }
    told = json.loads((traced / "front.json").read_text(encoding="utf-8"))
    assert (told["scenarios"], told["risk"], told["scenarios_seed"]) == (str(folder), None, None)
    days = pd.read_csv(traced / front_points.DAYS)
    weighed = days[VALUES].mul(days["probability"], axis=0).groupby(days["point"]).sum()
    assert weighed.to_numpy() == pytest.approx(values(traced), abs=1e-6)
    # Charging is expected, and takes the same energy whatever the day
    power = pd.read_csv(traced / front_points.DECISIONS).groupby("point")["power_kw"].sum()
    assert power.to_numpy() == pytest.approx(power.iloc[0])


def test_the_page_has_the_days_of_every_point(traced: Path, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("report", traced, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "Days that may come, point 4" in text and f"--scenarios {folder}" in text
    assert "Left out" not in text


def test_two_workers_and_proofs_find_the_same_front(traced: Path, folder: Path, tmp_path: Path) -> None:
    asked = ("--scenarios", folder, "--points", 4, "--workers", 2, "--proofs", tmp_path / "proofs")
    done = run("pareto", folder, *asked, "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert values(tmp_path / "out") == pytest.approx(values(traced), rel=2 * GAP)
    assert len(list((tmp_path / "proofs").iterdir())) == 6


def test_a_killed_front_goes_on_to_the_same_end(traced: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["pareto", str(folder), "--scenarios", str(folder), "--points", "4", "--out", str(out), "--resume"]
    process = subprocess.Popen(
        [BILEVEL, *command], env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    store, deadline = out / "points" / FILE, time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if store.exists() and store.read_bytes().count(b"\n") > 2:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.wait(timeout=120)
    assert store.read_bytes().count(b"\n") > 2
    assert run(*command).returncode == 0
    assert values(out) == pytest.approx(values(traced), rel=2 * GAP)


@pytest.mark.parametrize("days", [True, False], ids=["other days under the name", "no days"])
def test_a_store_of_other_days_is_refused(days: bool, tmp_path: Path, capsys: Capture) -> None:
    case, out = tmp_path / "case", tmp_path / "out"
    instances.write(small(), case, DAYS)
    assert run("pareto", case, "--scenarios", case, "--points", 2, "--out", out).returncode == 0
    others = Scenarios((*DAYS.scenarios[:2], replace(DAYS.scenarios[2], willing_share=0.4)))
    instances.write(small(), case, others)
    asked, words = (["--scenarios", case], "hash of days is") if days else ([], "scenarios is")
    refuse(
        capsys, ["pareto", case, *asked, "--points", 2, "--out", out, "--resume"], words, "another folder with --out"
    )


def test_what_makes_no_sense_is_refused(folder: Path, capsys: Capture) -> None:
    risky = ["pareto", folder, "--scenarios", folder, "--risk", "cvar=0.9"]
    refuse(capsys, risky, "--risk cvar=0.9 has no meaning here", "bilevel solve")
    refuse(capsys, ["pareto", folder, "--chance", "voltage=0.9"], "chance is given without scenarios")
    refuse(capsys, ["pareto", folder, "--willing", "0.5"], "no days are drawn")
    refuse(capsys, ["pareto", folder, "--scenarios", "0"], "0 is no number of days")
