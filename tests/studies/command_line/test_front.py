"""`bilevel pareto`, `equilibrium` and `compare-equilibrium` through the real entry point: answers, files, kills, refusals."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from cli_runs import BILEVEL, Capture, refuse, run
from oracles import tiny_case

import instances
from bilevel import verify
from bilevel.front.pareto_front import FrontPoint, ParetoFront
from bilevel.front.store import FILE, PROOFS
from studies.command_line import compare_equilibrium, main
from studies.pricing import front_points, front_results
from studies.pricing.front_comparison import Comparison, EquilibriumPoint, equilibrium_point

COLUMNS = ["network_loss_kwh", "station_profit", "bound", "gap", "certified", "seconds"]
GAP = 1e-4
Traced = tuple[Path, subprocess.CompletedProcess[str]]


def keys(out: Path) -> list[str]:
    """The tasks in the store, one for every answer that was ever written; a last line that was cut off is left out."""
    lines = (out / "points" / FILE).read_text(encoding="utf-8").split("\n")[1:-1]
    return [json.loads(line)["task"] for line in lines]


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "front.csv")


def assert_same_front(one: pd.DataFrame, two: pd.DataFrame) -> None:
    assert len(one) == len(two)
    for name in COLUMNS[:2]:
        assert one[name].to_numpy() == pytest.approx(two[name].to_numpy(), rel=2 * GAP)


def assert_figures(out: Path, name: str) -> None:
    pixels = matplotlib.image.imread(io.BytesIO((out / f"{name}.png").read_bytes()))[..., :3]
    assert pixels.shape[1] > 600
    assert 0.01 < float((pixels.min(axis=2) < 0.85).mean()) < 0.6
    pdf = (out / f"{name}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 5000


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three buses and three hours: the cheapest hour is that of the largest load, so profit and loss are at odds."""
    small = tiny_case()
    sessions = tuple(replace(session, arrival_period=0) for session in small.sessions)
    folder = tmp_path_factory.mktemp("small") / "case"
    instances.write(replace(small, load_factor=(1.0, 0.6, 0.8), sessions=sessions), folder)
    return folder


@pytest.fixture(scope="session")
def traced(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    out = tmp_path_factory.mktemp("front") / "new" / "front"
    return out, run("pareto", case, "--out", out)


def test_a_front_is_certified_monotone_and_written(traced: Traced) -> None:
    out, done = traced
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("certified: 11 points")
    for words in ("maximises profit for every network loss", "kWh", "EUR", "hypervolume"):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert {path.name for path in out.iterdir()} == {*front_results.FRONT_FILES, *front_points.POINT_FILES, "points"}
    found = table(out)
    assert list(found.columns) == COLUMNS
    assert len(found) == 11
    assert (np.diff(found["network_loss_kwh"]) > 0).all()
    assert (np.diff(found["station_profit"]) > 0).all()
    assert (found["bound"] >= found["station_profit"] * (1 - 1e-9)).all()
    assert (found["gap"] <= GAP).all()
    assert found["certified"].all()
    assert_figures(out, "front")


def test_the_files_of_a_front_agree(traced: Traced) -> None:
    out, _ = traced
    data = json.loads((out / "front.json").read_text(encoding="utf-8"))
    assert (data["case"], data["evs"], data["seed"], data["currency"]) == ("tiny", 2, None, "EUR")
    assert (data["tariff"], data["follower"], data["discomfort_per_kwh"]) == ("free", "ev_user", None)
    assert {"bilevel-grid", "highs", "pyomo"} <= set(data["versions"])
    assert data["settings"]["points"] == 11
    for name in COLUMNS[:2]:
        assert [point[name] for point in data["points"]] == pytest.approx(table(out)[name].tolist(), rel=1e-12)
    rows = [line for line in (out / "front.tex").read_text(encoding="utf-8").splitlines() if line.endswith(r"& yes \\")]
    losses = [float(row.split("&")[0]) for row in rows]
    assert losses == pytest.approx(table(out)["network_loss_kwh"].tolist(), abs=1e-3)


def test_a_drawn_fleet_of_the_shipped_case_has_a_front(tmp_path: Path) -> None:
    done = run("pareto", "ieee33", "--evs", 3, "--points", 2, "--out", tmp_path / "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    data = json.loads((tmp_path / "out" / "front.json").read_text(encoding="utf-8"))
    assert (data["case"], data["evs"], data["seed"]) == ("ieee33", 3, 0)
    assert len(table(tmp_path / "out")) == 2


def test_points_are_not_lost_by_a_second_run(case: Path, traced: Traced, capsys: Capture) -> None:
    out, _ = traced
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    resumed = ("--out", out, "--resume")
    refuse(capsys, ("pareto", case, "--out", out), str(out), "--resume", "--out")
    refuse(capsys, ("pareto", "ieee33", *resumed), "case is 'tiny' there and 'ieee33' here")
    refuse(capsys, ("pareto", case, "--evs", 5, *resumed), "evs is 2 there and 5 here")
    refuse(capsys, ("pareto", case, "--follower", "elastic", *resumed), "'ev_user' there and 'elastic' here")
    refuse(capsys, ("pareto", case, "--points", 6, *resumed), "points is 11 there and 6 here")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_store_of_another_grid_under_the_same_name_is_refused(
    case: Path, traced: Traced, tmp_path: Path, capsys: Capture
) -> None:
    small = instances.read(case)
    first, *others = small.feeder.branches
    branches = (replace(first, resistance_ohm=2 * first.resistance_ohm), *others)
    instances.write(replace(small, feeder=replace(small.feeder, branches=branches)), tmp_path / "case")
    asked = ("pareto", tmp_path / "case", "--out", traced[0], "--resume")
    refuse(capsys, asked, "points.jsonl", "hash of ", "there", "here")


def test_two_workers_find_the_same_front(case: Path, traced: Traced, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("pareto", case, "--workers", 2, "--out", out, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_same_front(table(out), table(traced[0]))
    assert len(set(keys(out))) == len(keys(out))


def test_a_killed_run_goes_on_where_it_stopped(case: Path, tmp_path: Path, capsys: Capture) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    asked = ("pareto", case, "--points", 24)
    assert run(*asked, "--out", whole, "--quiet").returncode == 0
    with subprocess.Popen([BILEVEL, *map(str, (*asked, "--out", out, "--quiet"))]) as process:
        while process.poll() is None and not ((out / "points" / FILE).exists() and len(keys(out)) >= 3):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    early = keys(out)
    assert 3 <= len(early) < len(keys(whole))
    assert not (out / "front.csv").exists()
    refuse(capsys, (*asked, "--out", out), "--resume")
    done = run(*asked, "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert f" {len(keys(whole)) - len(early)} programs" in done.stdout
    assert keys(out)[: len(early)] == early
    assert len(set(keys(out))) == len(keys(out)) == len(keys(whole))
    assert_same_front(table(out), table(whole))
    first = table(out)
    assert " 0 programs" in run(*asked, "--out", out, "--resume").stdout
    assert table(out).equals(first)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_the_points_found_and_writes_them(case: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    command = [BILEVEL, *map(str, ("pareto", case, "--points", 900, "--workers", workers, "--out", out))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("point 7"):
                break
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said.startswith("incomplete: ")
    assert "Ctrl-C" in said
    assert "Traceback" not in errors
    assert 2 <= len(table(out)) < 899
    assert json.loads((out / "front.json").read_text())["complete"] is False


def test_points_that_no_time_is_left_for_are_said_to_be_missing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("pareto", "ieee33", "--evs", 3, "--points", 2, "--time-limit", 1e-9, "--out", out)
    points = len(table(out))
    assert done.returncode == (3 if points else 5)
    assert done.stdout.startswith(("incomplete", "not certified") if points else "no points: ")
    assert (out / "front.png").exists() == bool(points)


def test_an_infeasible_case_has_no_points(tmp_path: Path) -> None:
    small = tiny_case()
    buses = tuple(replace(bus, voltage_min_pu=0.9999) for bus in small.feeder.buses)
    instances.write(replace(small, feeder=replace(small.feeder, buses=buses)), tmp_path / "case")
    done = run("pareto", tmp_path / "case", "--out", tmp_path / "out")
    assert done.returncode == 5
    assert done.stdout.startswith("no points: ")
    assert "infeasible" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"front.csv", "front.json", "front.tex", "points"}


@pytest.mark.parametrize("method", ["adaptive", "scaling"])
def test_other_methods_and_tariffs(case: Path, tmp_path: Path, method: str) -> None:
    asked = ("--method", method, "--tolerance", 0.02, "--points", 40)
    prices = ("--tariff", "levels", "--levels", "0.12,0.3,0.48")
    assert main.run(list(map(str, ("pareto", case, *asked, *prices, "--out", tmp_path / "out", "--quiet")))) == 0
    data = json.loads((tmp_path / "out" / "front.json").read_text(encoding="utf-8"))
    assert (data["tariff"], data["levels"], data["seed"]) == ("levels", "0.12,0.3,0.48", None)
    assert (data["settings"]["method"], data["settings"]["tolerance"]) == (method, 0.02)


def test_an_equilibrium_is_traced_and_written(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("equilibrium", case, "--damping", 0.4, "--max-iterations", 5, "--fee", 0.05, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stopped: ")
    assert {path.name for path in out.iterdir()} == {*front_results.TRACE_FILES, *front_points.END_FILES}
    data, found = json.loads((out / "trace.json").read_text(encoding="utf-8")), pd.read_csv(out / "trace.csv")
    assert list(found["iteration"]) == [1, 2, 3, 4, 5]
    assert (data["status"], data["period"], data["iterations"]) == ("stopped", None, 5)
    assert data["residual"] == pytest.approx(found["residual"].iloc[-1])
    assert data["settings"] == {"damping": 0.4, "tolerance": 1e-4, "max_iterations": 5, "fee_per_kwh": 0.05}
    assert (data["valid"], data["solution"]["status"]) == (True, "certified")
    assert (data["solution_iteration"], data["solution_tick"]) == (5, 0)
    assert f"{data['network_loss_kwh']:.3f} kWh" in done.stdout
    assert f"{data['station_profit']:.2f} EUR" in done.stdout
    assert_figures(out, "trace")


def test_an_equilibrium_ends_with_its_time(case: Path) -> None:
    for command, more in (("equilibrium", ()), ("compare-equilibrium", ("--points", 2))):
        done = run(command, case, *more, "--time-limit", 1e-6)
        assert done.returncode in (3, 5), done.stderr
        assert "the time limit is reached after 1 iterations" in " ".join(done.stdout.split())


def test_an_equilibrium_without_a_point_is_not_valid() -> None:
    solution: Any = SimpleNamespace(certificate=SimpleNamespace(checks=()), status="infeasible")
    trace: Any = SimpleNamespace(solution=solution)
    assert equilibrium_point(None, trace) == EquilibriumPoint(None, None, "infeasible", False)


def test_the_comparison_measures_what_the_iteration_gives_away(
    case: Path, traced: Traced, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    (out / "points").mkdir(parents=True)
    for path in (traced[0] / "points").iterdir():
        (out / "points" / path.name).write_bytes(path.read_bytes())
    refuse(capsys, ("compare-equilibrium", case, "--out", out), "--resume")
    done = run("compare-equilibrium", case, "--out", out, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert keys(out) == keys(traced[0])  # the points of `bilevel pareto` serve here too
    assert {path.name for path in out.iterdir()} == {*front_results.FILES, "points"}
    front, rows = table(out), pd.read_csv(out / "comparison.csv").set_index("quantity")
    assert_same_front(front, table(traced[0]))
    loss, profit = rows.loc["network_loss_kwh", "equilibrium"], rows.loc["station_profit", "equilibrium"]
    trace = json.loads((out / "trace.json").read_text(encoding="utf-8"))
    assert (loss, profit) == pytest.approx((trace["network_loss_kwh"], trace["station_profit"]))
    reached = front.loc[front["network_loss_kwh"] <= loss, "station_profit"].max()
    assert rows.loc["station_profit", "distance_least"] == pytest.approx(reached - profit)
    enough = front.loc[front["station_profit"] >= profit, "network_loss_kwh"].min()
    assert rows.loc["network_loss_kwh", "distance_least"] == pytest.approx(loss - enough)
    for least, most in rows[["distance_least", "distance_most"]].itertuples(index=False):
        assert 0 <= least <= most
    data = json.loads((out / "comparison.json").read_text(encoding="utf-8"))["comparison"]
    assert (data["feasible"], data["side"], data["contradiction"]) == (True, "behind", False)
    for words in ("price of iteration", "feasible", "behind", "residual"):
        assert words in done.stdout
    assert_figures(out, "comparison")


def test_exit_codes_of_a_comparison() -> None:
    checks: Any = None
    front = ParetoFront((), 1.0, 2.0, True, "", 0, {}, {})
    good = replace(front, points=(FrontPoint(1.0, 2.0, 1.0, 2.0, 0.0, "certified", checks, 0.0, {}),))
    point = EquilibriumPoint(1.0, 2.0, "certified", True)
    found = Comparison(1.0, 2.0, True, 2.0, 2.0, 1.0, 1.0, "on")
    code = compare_equilibrium._code
    assert code(good, point, found) == 0
    assert code(good, replace(point, valid=False), found) == 3
    assert code(replace(good, complete=False), point, found) == 3
    assert code(front, point, None) == 5
    assert code(good, point, replace(found, side="in front")) == 5
    assert code(good, replace(point, valid=False), replace(found, side="in front", valid=False)) == 3


REFUSALS: list[tuple[list[str], list[str]]] = [
    (["pareto", "ieee33", "--method", "adaptiv"], ["adaptiv", "did you mean 'adaptive'"]),
    (["pareto", "ieee33", "--points", "1"], ["--points", "1", "from 2 to 1000"]),
    (["pareto", "ieee33", "--workers", "0"], ["--workers", "0", "from 1"]),
    (["pareto", "ieee33", "--tolerance", "2", "--method", "adaptive"], ["tolerance is 2", "to 1"]),
    (["pareto", "ieee33", "--resume"], ["--resume", "--out DIR"]),
    (["pareto", "ieee33", "--tariff", "blokcs"], ["blokcs", "did you mean 'blocks'"]),
    (["equilibrium", "ieee33", "--damping", "1.5"], ["damping is 1.5", "at most 1"]),
    (["equilibrium", "ieee33", "--max-iterations", "0"], ["--max-iterations", "0", "from 1"]),
    (["equilibrium", "ieee33", "--fee", "nan"], ["--fee", "nan is no finite number"]),
    (["compare-equilibrium", "ieee3"], ['did you mean "ieee33"']),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSALS, ids=lambda value: " ".join(value))
def test_bad_input_is_refused_in_one_sentence(
    arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    out = [] if "--resume" in arguments else ["--out", "new/out", "--quiet"]
    refuse(capsys, [*arguments, *out], *words)
    assert list(tmp_path.iterdir()) == []


def test_folders_with_other_files_are_refused_before_the_work(case: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    for command in ("pareto", "equilibrium", "compare-equilibrium"):
        refuse(capsys, (command, case, "--out", tmp_path), "thesis.docx", "give a new folder")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


@pytest.mark.parametrize("command", ["pareto", "equilibrium", "compare-equilibrium"])
def test_help_has_an_example_and_the_exit_codes(command: str, capsys: Capture) -> None:
    assert main.run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: bilevel {command} " in text
    assert "Exit codes" in text


def test_proofs_of_a_front_are_files_that_the_checker_follows(tmp_path: Path) -> None:
    folder = tmp_path / "proofs"
    asked = ("pareto", "ieee33", "--evs", 2, "--points", 2, "--proofs", folder, "--out", tmp_path / "out")
    done = run(*asked)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 bounds" in done.stdout and done.stdout.count("(proof checked)") == 2
    names = ["least_limited.json.gz", "most_maximized.json.gz", "point-001.json.gz", "point-002.json.gz"]
    assert sorted(file.name for file in folder.iterdir()) == names
    assert all(verify.main([str(file)]) == 0 for file in folder.iterdir())
    told = json.loads((tmp_path / "out/front.json").read_text(encoding="utf-8"))
    assert told["proven"] == {"least_limited": "checked", "most_maximized": "checked"}
    assert [point["proven"] for point in told["points"]] == ["checked", "checked"]
    kept = sorted((tmp_path / "out/points").glob(PROOFS))
    assert len(kept) == 3, "the last point has no limit, like the end that is the most"
    # What a write that was killed leaves is no file of yours
    (folder / ".point-002.json.gz.x1").write_text("")
    before = [file.stat().st_mtime_ns for file in kept]
    again = run(*asked, "--resume")
    assert again.returncode == 0 and "4 of 4 bounds" in again.stdout, again.stderr
    assert sorted(file.name for file in folder.iterdir()) == names
    assert [file.stat().st_mtime_ns for file in kept] == before, "none was made again"
    (folder / "mine.txt").write_text("")
    refused = run("pareto", "ieee33", "--evs", 2, "--points", 2, "--proofs", folder, "--quiet")
    assert refused.returncode == 2 and "'mine.txt', which is no proof" in refused.stderr
    assert (folder / "mine.txt").exists()


def test_a_secure_front_is_traced_and_remembered(tmp_path: Path) -> None:
    out, case = tmp_path / "front", tmp_path / "case"
    instances.write(tiny_case(), case)
    options = ("pareto", case, "--points", 2, "--out", out, "--quiet")
    done = run(*options, "--ties", "secure", "--margin", "1e-3")
    assert done.returncode == 0, done.stderr
    settings = json.loads((out / "front.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["ties"], settings["margin"]) == ("secure", 1e-3)
    other = run(*options, "--resume")
    assert other.returncode == 2 and "ties is 'secure' there and None here" in other.stderr
    refused = run("pareto", "ieee33", "--ties", "secure", "--proofs", tmp_path / "proofs")
    assert refused.returncode == 2 and "a proof is one of optimistic answers only" in refused.stderr


def test_fronts_of_two_conventions_stand_beside_each_other(tmp_path: Path) -> None:
    out, case = tmp_path / "fronts", tmp_path / "case"
    instances.write(tiny_case(), case)
    options = ("pareto", case, "--points", 2, "--ties", "optimistic,secure", "--margin", "0.01", "--out", out)
    done = run(*options)
    assert done.returncode == 0, done.stderr
    assert "ties optimistic" in done.stdout and "ties secure" in done.stdout
    found = pd.read_csv(out / "fronts.csv")
    assert found["ties"].unique().tolist() == ["optimistic", "secure"]
    best, count = found.groupby("ties")["station_profit"].max(), int((found["ties"] == "secure").sum())
    assert best["secure"] <= best["optimistic"] * (1 + 1e-4)
    secure = json.loads((out / "secure" / "front.json").read_text(encoding="utf-8"))
    assert (secure["settings"]["ties"], secure["settings"]["margin"]) == ("secure", 0.01)
    assert_figures(out, "fronts")
    page = tmp_path / "page.html"
    assert run("report", out, "--out", page, "--quiet").returncode == 0
    text = page.read_text(encoding="utf-8")
    assert (
        "secure front: loss" in text
        and f"{count} points, {count} certified" in text
        and "--ties optimistic,secure" in text
        and "--margin 0.01" in text
    )
    # Both go on where they stopped, and a front alone takes away what showed two
    before = {place: keys(place) for place in (out, out / "secure")}
    assert run(*options, "--resume", "--quiet").returncode == 0
    assert {place: keys(place) for place in before} == before
    assert run("pareto", case, "--points", 2, "--out", out, "--resume", "--quiet").returncode == 0
    assert not (out / "fronts.csv").exists() and (out / "secure").exists()


@pytest.mark.parametrize(
    ("ties", "words"),
    [
        ("optimistic,optimistic", "twice"),
        ("optimistic,sure", "sure"),
        ("optimistic,pessimistic", "fronts have no ties='pessimistic'"),
    ],
)
def test_conventions_that_fronts_do_not_have_are_refused(ties: str, words: str, capsys: Capture) -> None:
    refuse(capsys, ["pareto", "ieee33", "--evs", "2", "--ties", ties], words)
