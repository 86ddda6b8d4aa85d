"""Benchmarks: keys and sets, runs in processes of their own, resuming after a kill, and reports of made-up stores by hand."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import instances
from bilevel.errors import BilevelError, UnknownNameError
from formulations import power_flow
from formulations.followers import FOLLOWERS
from studies.benchmarks import (
    SETS,
    Report,
    Spec,
    campaign,
    fraction_solved,
    performance_ratios,
    power_law,
    process,
    run,
    store,
)
from studies.benchmarks.reading import summary, tables

ROOT = Path(__file__).parents[3]
SMOKE = SETS["smoke"].specs()


def row(spec: Spec, repeat: int = 0, solve: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A run as `isolated` gives it; all phases but the search take 0.25 s."""
    phases = dict.fromkeys(
        (f"{phase}_seconds" for phase in ("instance", "build", "compile", "reformulate", "certify")), 0.25
    )
    sizes = dict.fromkeys(("followers", "columns", "rows", "nonzeros", "binaries", "pairs", "cone_count"), 7)
    machine = {
        "processor": "P",
        "cores": 2,
        "memory_gb": 8.0,
        "platform": "Linux",
        "load_average": 0.5,
        "date": "2025-01-01",
    }
    answer = {
        "status": "certified",
        "timeout": False,
        "value": 10.0,
        "bound": 10.0,
        "gap_reached": 0.0,
        "nodes": 3,
        "reason": "",
    }
    return {
        "key": spec.key, "repeat": repeat, **spec.to_dict(), **answer, **phases, "solve_seconds": solve, "cpu_seconds": solve,
        "start_memory_mb": 200.0, "peak_memory_mb": 300.0, "buses": 33, **sizes, **machine, "versions": "python 3; highs 1",
        **changes,
    }  # fmt: skip


def late(spec: Spec, **changes: Any) -> dict[str, Any]:
    return row(spec, solve=spec.time_limit, status="unknown", timeout=True, gap_reached=np.inf, **changes)


def made(path: Path, rows: list[dict[str, Any]]) -> Report:
    kept = store.Store(path)
    for one in rows:
        kept.append(one | {"workers": 1})
    return Report.read(path)


def script(name: str) -> Any:
    found = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def call(monkeypatch: pytest.MonkeyPatch, name: str, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
    code: int = script(name).main()
    return code


class Serial(Executor):
    """Runs at once, and remembers how often."""

    def __init__(self) -> None:
        self.calls = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - what any executor does
            future.set_exception(error)
        return future


# Specs and sets


def test_keys_are_stable_and_tell_specs_apart() -> None:
    assert Spec().key == (
        "ieee33 | 24 periods | 20 EVs | seed 0 | loss=1,profit=1 | ev_user | tangent | highs | auto | distflow | aggregated | "
        "scaled | gap 0.0001 | 60.0 s"
    )
    changes = {"feeder": "case69", "periods": 48, "evs": 21, "seed": 1, "objective": "loss", "follower": "elastic", "flow": "jabr",
               "aggregate": False, "mode": "sos1", "cones": "tower", "solver": "scip", "scaling": False, "gap": 1e-3,
               "time_limit": 61, "root": "none"}  # fmt: skip
    assert set(changes) == set(Spec().to_dict())
    keys = {Spec(**{name: value}).key for name, value in changes.items()}
    assert len(keys | {Spec().key}) == len(changes) + 1
    assert Spec(**Spec(**changes).to_dict()) == Spec(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evs": 0}, "evs of a benchmark is 0: give a whole number that is at least 1"),
        ({"seed": -1}, "seed"),
        ({"periods": 2.5}, "periods"),
        ({"evs": True}, "evs"),
        ({"gap": 0.0}, "gap of a benchmark is 0.0: give a positive number"),
        ({"time_limit": float("nan")}, "time_limit"),
        ({"feeder": "ieee34"}, "ieee33"),
        ({"follower": "ev_usr"}, "ev_user"),
        ({"flow": "distflw"}, "distflow"),
        ({"cones": "tangents"}, "tangent"),
        ({"solver": "hihgs"}, "highs"),
        ({"mode": "sos2"}, "sos1"),
        ({"objective": "looss"}, "loss"),
    ],
)
def test_bad_specs_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises((BilevelError, UnknownNameError), match=words):
        Spec(**changes)


def test_sets_hold_what_is_registered() -> None:
    assert {spec.flow for spec in SETS["flows"].specs()} == set(power_flow.POWER_FLOWS)
    assert {spec.follower for spec in SETS["flows"].specs()} == set(FOLLOWERS)
    scaling = SETS["scaling"].specs()
    assert {20, 10_000} <= {spec.evs for spec in scaling} and {24, 96} <= {spec.periods for spec in scaling}
    buses = [len(instances.load_feeder(s.feeder).buses) for s in scaling if s.feeder in instances.list_feeders()]
    assert min(buses) == 33 and max(buses) == 533
    ways = {(spec.cones, spec.solver, spec.mode, spec.scaling) for spec in SETS["formulations"].specs()}
    wanted = {("tangent", "highs", "auto", True), ("tower", "highs", "big_m", True)}
    wanted |= {("exact", "scip", mode, True) for mode in ("big_m", "sos1", "indicator", "strong_duality", "product")}
    assert wanted | {("exact", "scip", "big_m", False)} <= ways
    for chosen in SETS.values():
        keys = [spec.key for spec in chosen.specs()]
        assert len(keys) == len(set(keys)) > 1


# Runs in processes


def test_a_killed_campaign_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "smoke.csv"
    words = ["--set", "smoke", "--out", str(out)]
    started = subprocess.Popen([sys.executable, ROOT / "scripts" / "benchmark.py", *words], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while time.monotonic() < end and (not out.exists() or out.read_bytes().count(b"\n") < 2):
        time.sleep(0.05)
    started.kill()
    started.wait()
    first = out.read_bytes()
    assert first.count(b"\n") == 2
    out.write_bytes(first + b"half a li")
    assert call(monkeypatch, "benchmark", *words) == 0
    assert "1 runs made (1 certified), 1 skipped" in capsys.readouterr().out
    assert out.read_bytes().startswith(first) and b"half" not in out.read_bytes()
    runs = store.read(out)
    assert list(runs["key"]) == [spec.key for spec in SMOKE]
    check_runs(runs)
    assert call(monkeypatch, "report_benchmark", out, "--out", tmp_path / "report") == 0
    assert "ratio" in capsys.readouterr().out
    assert (tmp_path / "report" / "profile.png").exists()


def check_runs(runs: pd.DataFrame) -> None:
    """The two runs of the smoke set: the branch flow model and Jabr's."""
    assert (runs["status"] == "certified").all() and not runs["timeout"].any()
    # Two power flows, one optimum
    assert runs["value"][0] == pytest.approx(runs["value"][1], rel=2e-4)
    assert (runs["gap_reached"] <= 1e-4).all()
    phases = runs[list(summary.TIMES)]
    assert (phases > 0).all(axis=None) and (phases.sum(axis=1) < 120).all()
    # 32 branches by 24 periods; a binary for every pair by big-M
    assert list(runs["cone_count"]) == [768, 768] and (runs["binaries"] == runs["pairs"]).all()
    assert (runs["followers"] == 2).all() and (runs["buses"] == 33).all()
    assert (runs["start_memory_mb"] > 50).all() and (runs["peak_memory_mb"] >= runs["start_memory_mb"]).all()
    assert runs["versions"].str.contains("pyomo").all() and (runs["cores"] == os.cpu_count()).all()


def test_memory_is_that_of_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import json, sys, pathlib; from studies.benchmarks import machine; peak = machine.peak_memory_mb();"
    code += "x = bytearray(b'1' * 100_000_000); found = {'status': 'certified', 'timeout': False, 'first': peak,"
    code += "'peak_memory_mb': machine.peak_memory_mb()}; pathlib.Path(sys.argv[2]).write_text(json.dumps(found))"
    monkeypatch.setattr(process, "_CHILD", code)
    ballast = bytearray(b"1" * 700_000_000)
    found = process.isolated(Spec().to_dict(), 0)
    assert len(ballast) == 700_000_000 and found["first"] < 600
    assert 95 < found["peak_memory_mb"] - found["first"] < 350


def test_a_crash_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_CHILD", "import os; os.abort()")
    found = process.isolated(Spec().to_dict(), 2)
    assert (found["status"], found["timeout"], found["repeat"], found["key"]) == ("crashed", False, 2, Spec().key)
    monkeypatch.setattr(process, "_CHILD", "raise RuntimeError('out of luck')")
    assert process.isolated(Spec().to_dict(), 0)["reason"] == "RuntimeError: out of luck"


def test_a_run_that_hangs_is_killed_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_CHILD", "import time; time.sleep(600)")
    found = process.isolated(Spec(time_limit=0.2).to_dict(), 0, more_seconds=0.2)
    assert (found["status"], found["timeout"], found["solve_seconds"]) == ("killed", True, 0.2)
    assert not process._RUNNING


def test_a_refusal_is_a_row() -> None:
    found = process.isolated(Spec(mode="sos1").to_dict(), 0)
    assert found["status"] == "refused" and "solver='scip'" in found["reason"] and not found["timeout"]


def test_a_child_ends_with_its_parent() -> None:
    code = "import threading, time; from studies.benchmarks.process import _end_with_parent\n"
    code += (
        "threading.Thread(target=_end_with_parent, daemon=True).start(); print('ready', flush=True); time.sleep(600)"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, cwd=ROOT) as orphan:
        assert orphan.stdin is not None and orphan.stdout is not None
        assert orphan.stdout.readline() == b"ready\n"
        orphan.stdin.close()
        assert orphan.wait(60) == 1


def test_ctrl_c_ends_the_runs_and_keeps_the_store(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from studies.benchmarks import SETS, process, run\n"
    code += "process._CHILD = 'import time; time.sleep(600)'\n"
    code += "threads = process.isolated\n"
    code += "process.isolated = lambda *given: (print('running', flush=True), threads(*given))[1]\n"
    code += "tally = run(SETS['smoke'].specs(), Path(sys.argv[1]), quiet=True)\n"
    code += "raise SystemExit(42 if tally.interrupted and not process._RUNNING else 1)"
    out = tmp_path / "store.csv"
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, cwd=ROOT) as campaign:
        assert campaign.stdout is not None and campaign.stdout.readline() == b"running\n"
        time.sleep(0.3)
        campaign.send_signal(signal.SIGINT)
        assert campaign.wait(60) == 42
    assert store.read(out).empty


# Campaigns


def test_repeats_run_in_turns_and_late_specs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = Spec(), Spec(solver="scip", time_limit=5)
    order = []

    def fake(fields: dict[str, Any], repeat: int) -> dict[str, Any]:
        spec = Spec(**fields)
        order.append((spec.solver, repeat))
        return late(spec, repeat=repeat) if spec == slow else row(spec, repeat)

    monkeypatch.setattr(process, "isolated", fake)
    serial = Serial()
    tally = run([quick, slow, quick], tmp_path / "store.csv", repeats=3, executor=serial, quiet=True)
    assert (tally.done, tally.skipped, tally.interrupted) == (4, 2, False)
    assert tally.statuses == {"certified": 3, "unknown": 1} and serial.calls == 4
    assert sorted(order[:2]) == [("highs", 0), ("scip", 0)] and order[2:] == [("highs", 1), ("highs", 2)]
    again = run([quick, slow], tmp_path / "store.csv", repeats=4, executor=serial, quiet=True)
    assert (again.done, again.skipped) == (1, 7)
    assert len(store.read(tmp_path / "store.csv")) == 5


def test_ctrl_c_keeps_the_runs_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(fields: dict[str, Any], repeat: int) -> dict[str, Any]:
        if repeat == 1:
            raise KeyboardInterrupt
        return row(Spec(**fields), repeat)

    monkeypatch.setattr(process, "isolated", fake)
    tally = run([Spec()], tmp_path / "store.csv", executor=Serial(), quiet=True)
    assert tally.interrupted and tally.done == 1
    assert len(store.read(tmp_path / "store.csv")) == 1


def test_progress_names_status_time_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([row(Spec(), solve=1.25), late(Spec()), {**row(Spec()), "status": "crashed", "reason": "bad luck"}])
    monkeypatch.setattr(process, "isolated", lambda fields, repeat: {**next(answers), "repeat": repeat})
    assert [campaign.run([Spec()], tmp_path / f"{k}.csv", 1, executor=Serial()).done for k in range(3)] == [1, 1, 1]
    first, second, third = [line for line in capsys.readouterr().err.splitlines() if Spec().key in line]
    assert "certified" in first and "1.25 s" in first and "300 MB" in first
    assert ">=   60.00 s" in second and "crashed" in third and "bad luck" in third


@pytest.mark.parametrize("changes", [{"repeats": 0}, {"workers": 0}, {"repeats": 1.5}, {"workers": True}])
def test_bad_numbers_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(BilevelError, match=f"{next(iter(changes))} is .*at least 1"):
        run(SMOKE, tmp_path / "store.csv", **changes)
    assert not (tmp_path / "store.csv").exists()


def test_other_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    for name, words in (("benchmark", ["--set", "smoke", "--out", other]), ("report_benchmark", [other])):
        assert call(monkeypatch, name, *words) == 2
        assert "other.csv' is no store of benchmarks" in capsys.readouterr().err
    assert other.read_text() == "a,b\n1,2\n"
    assert call(monkeypatch, "report_benchmark", tmp_path / "none.csv") == 2
    assert "there is no store" in capsys.readouterr().err
    with pytest.raises(BilevelError, match="holds no run"):
        made(tmp_path / "empty.csv", [])


def test_the_script_lists_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "benchmark", "--set", "smoke", "--list", "--time-limit", "7") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(SMOKE) and all(line.endswith("| 7.0 s") for line in lines)


def test_a_store_of_an_older_version_is_read_and_gone_on_with(tmp_path: Path) -> None:
    """Before there was a choice of what the root gets, stores had no column for it."""
    path = tmp_path / "old.csv"
    store.Store(path).append(row(Spec()))
    table = pd.read_csv(path).drop(columns="root")
    table.to_csv(path, index=False, lineterminator="\n")
    assert store.read(path)["root"].tolist() == ["auto"]
    again = store.Store(path)
    assert (Spec().key, 0) in again.done
    again.append(row(Spec(root="none"), 1))
    assert store.read(path)["root"].tolist() == ["auto", "none"]


@pytest.mark.parametrize("line", [b"", b"x", b"\xff", b'"', b"," * 200, b"[" * 5000])
def test_a_damaged_line_of_a_store_costs_itself(tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "store.csv"
    kept = store.Store(path)
    for seed in range(3):
        kept.append(row(Spec(seed=seed)))
    texts = path.read_bytes().split(b"\n")
    first, texts[2] = texts[1:4], line
    path.write_bytes(b"\n".join(texts))
    again = store.Store(path)
    assert again.done == {(Spec(seed=seed).key, 0) for seed in (0, 2)}
    assert "store.csv: lines not believed: 1 (line 3: " in caplog.text
    assert (tmp_path / "store.csv.damaged").read_bytes() == line + b"\n"
    assert path.read_bytes().split(b"\n")[1:3] == [first[0], first[2]]


def test_a_store_gives_back_what_it_got(tmp_path: Path) -> None:
    spec = Spec(aggregate=False, objective="loss=1,profit=0.5")
    text = 'commas, "quotes" and\nlines'
    runs = made(tmp_path / "store.csv", [row(spec, 4, 0.125, reason=text), {**late(spec), "value": float("nan")}]).runs
    assert runs.loc[0, "objective"] == spec.objective and runs.loc[0, "reason"] == 'commas, "quotes" and lines'
    assert list(runs["repeat"]) == [4, 0] and list(runs["timeout"]) == [False, True] and not runs["aggregate"].any()
    assert (
        runs.loc[0, "solve_seconds"] == 0.125
        and runs.loc[1, "gap_reached"] == np.inf
        and np.isnan(runs.loc[1, "value"])
    )


# Fits and profiles


@given(st.floats(-3, 3), st.floats(1e-4, 1e3), st.lists(st.integers(1, 10_000), min_size=2, max_size=8, unique=True))
def test_power_laws_are_recovered(exponent: float, factor: float, sizes: list[int]) -> None:
    law = power_law(sizes, [factor * size**exponent for size in sizes])
    assert law.exponent == pytest.approx(exponent, abs=1e-6) and law.factor == pytest.approx(factor, rel=1e-4)
    assert (law.points, law.x_min, law.x_max) == (len(sizes), min(sizes), max(sizes))
    assert law.at(sizes[0]) == pytest.approx(factor * sizes[0] ** exponent, rel=1e-4)


def test_the_range_of_an_exponent_is_that_of_the_textbook() -> None:
    # log2 y = 0, 1, 1, 2 at log2 x = 0, 1, 2, 3: slope 0.6, residual variance 0.1, 4.303 = t(0.975, 2)
    law = power_law([1, 2, 4, 8], [1, 2, 2, 4])
    half = 4.302653 * np.sqrt(0.1 / 5)
    assert (law.exponent, law.low, law.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half), abs=1e-6)
    assert np.isnan(power_law([1, 2], [1, 2]).low)


@pytest.mark.parametrize(
    ("x", "y"), [([1, 1], [1, 2]), ([1, 0], [1, 2]), ([1, 2], [1, -2]), ([1, 2], [1]), ([1, 2], [1, np.nan])]
)
def test_power_laws_refuse_what_they_cannot_fit(x: list[float], y: list[float]) -> None:
    with pytest.raises(BilevelError, match="a power law needs"):
        power_law(x, y)


def test_a_performance_profile_by_hand() -> None:
    seconds = pd.DataFrame({"a": [1.0, 4.0, np.nan, np.nan], "b": [2.0, 1.0, 3.0, np.nan]})
    ratios = performance_ratios(seconds)
    assert ratios["a"].tolist() == [1.0, 4.0, np.inf, np.inf] and ratios["b"].tolist() == [2.0, 1.0, 1.0, np.inf]
    tau = [1.0, 1.5, 2.0, 4.0, 1e9]
    assert fraction_solved(ratios["a"], tau).tolist() == [0.25, 0.25, 0.25, 0.5, 0.5]
    assert fraction_solved(ratios["b"], tau).tolist() == [0.5, 0.5, 0.75, 0.75, 0.75]
    with pytest.raises(BilevelError, match="positive"):
        performance_ratios(pd.DataFrame({"a": [0.0]}))


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.floats(1e-3, 1e3))] * 3), min_size=1, max_size=8))
def test_profiles_rise_to_the_share_that_is_solved(times: list[tuple[float | None, ...]]) -> None:
    seconds = pd.DataFrame(times, columns=["a", "b", "c"], dtype=float)
    ratios = performance_ratios(seconds)
    tau = np.geomspace(1, 1e7, 50)
    for name in ratios:
        shares = fraction_solved(ratios[name], tau)
        assert (np.diff(shares) >= 0).all() and shares[-1] == pytest.approx(seconds[name].notna().mean())
    assert (ratios.min(axis=1)[seconds.notna().any(axis=1)] == 1).all()


# Reports


def test_medians_ratios_and_what_counts_as_solved(tmp_path: Path) -> None:
    default, tower, slow = Spec(), Spec(cones="tower"), Spec(solver="scip")
    rows = [row(default, k, s) for k, s in enumerate((3.0, 1.0, 2.0))] + [
        row(tower, k, s) for k, s in enumerate((5.0, 7.0))
    ]
    approximate = row(Spec(flow="lindistflow"), 0, 1.0, status="feasible", gap_reached=1e-5)
    open_gap = row(Spec(flow="jabr"), 0, 1.0, status="feasible", gap_reached=1e-5)
    elsewhere = row(Spec(cones="tower", evs=50), 0, 1.0)
    report = made(tmp_path / "s.csv", [*rows, late(slow), approximate, open_gap, elsewhere])
    table = report.table.set_index("key")
    assert table.loc[default.key, ["solve_seconds", "ratio", "repeats", "solved"]].tolist() == [2.0, 1.0, 3, True]
    assert table.loc[tower.key, ["solve_seconds", "ratio"]].tolist() == [6.0, 3.0]
    assert table.loc[slow.key, ["solve_seconds", "ratio", "timeout", "solved"]].tolist() == [60.0, 30.0, True, False]
    # An approximation that closed its gap is solved, an exact power flow without a certificate is not
    assert table.loc[Spec(flow="lindistflow").key, "solved"] and not table.loc[Spec(flow="jabr").key, "solved"]
    assert np.isnan(table.loc[elsewhere["key"], "ratio"])
    assert table.loc[default.key, "total_seconds"] == 2.0 + 5 * 0.25
    lines = tables.texts(report.table)
    assert [line[1] for line in lines[:2]] == ["tangent, highs, lindistflow", "tangent, highs, jabr"]
    scip = next(line for line in lines if "scip" in line[1])
    assert scip[8:12] == [">= 61.2", ">= 60.0", ">= 30.0", "--"]
    assert "20 EVs" in lines[0][0] and lines[-1][0] == "50 EVs" and lines[-1][-3] == "--"


def test_a_report_recovers_a_power_law_and_leaves_out_what_timed_out(tmp_path: Path) -> None:
    fleets = [Spec(evs=evs, time_limit=50, seed=seed) for seed in (0, 1) for evs in (20, 200, 2000, 20_000)]
    rows = []
    for spec in fleets:
        seconds = 1e-3 * spec.evs**1.25 * (1.1 if spec.seed else 1 / 1.1)
        rows.append(late(spec) if seconds > 50 else row(spec, solve=seconds, build_seconds=1e-4 * spec.evs))
    feeders = [("case33bw", 33), ("case69", 69), ("case141", 141)]
    rows += [row(Spec(feeder=name), solve=1e-4 * buses**2, buses=buses) for name, buses in feeders]
    # Same buses as a shipped case, whose stations are elsewhere
    rows += [row(Spec(periods=48, feeder="case69"), solve=4.0, buses=69), row(Spec(), solve=77.0)]
    report = made(tmp_path / "s.csv", rows)
    laws = report.laws.set_index(["dimension", "column"])
    solve = laws.loc[("evs", "solve_seconds")]
    middle = (1.1 + 1 / 1.1) / 2
    assert solve["exponent"] == pytest.approx(1.25, abs=1e-9) and solve["factor"] == pytest.approx(
        1e-3 * middle, rel=1e-9
    )
    assert (solve["points"], solve["x_min"], solve["x_max"]) == (3, 20, 2000)
    assert laws.loc[("buses", "solve_seconds"), "exponent"] == pytest.approx(2.0, abs=1e-9)
    assert laws.loc[("periods", "solve_seconds"), "exponent"] == pytest.approx(np.log2(4.0 / (1e-4 * 69**2)), abs=1e-9)
    text = report.text()
    assert "1.25 [1.25, 1.25]" in text and "solve_seconds" in text and "P, 2 cores" in text


def test_a_report_writes_tables_and_figures(tmp_path: Path) -> None:
    ways = [{}, {"cones": "tower"}, {"solver": "scip", "scaling": False}]
    problems = [{"seed": seed, "evs": evs} for seed in range(2) for evs in (20, 40, 80)]
    specs = [Spec(**problem, **way) for problem in problems for way in ways]
    rows = [late(spec) if k % 7 == 5 else row(spec, solve=0.5 + k) for k, spec in enumerate(specs)]
    names = made(tmp_path / "s.csv", rows).write(tmp_path / "out")
    assert set(names) == {path.name for path in (tmp_path / "out").iterdir()}
    assert {"summary.csv", "table.tex", "exponents.csv", "profile.png", "profile.pdf", "scaling_evs.png"} <= set(names)
    for name in names:
        if name.endswith(".png"):
            picture = matplotlib.image.imread(tmp_path / "out" / name)
            assert picture.shape[0] > 300 and picture[..., :3].std() > 0.05
    tex = (tmp_path / "out" / "table.tex").read_text()
    assert tex.count(r"\\") == len(specs) + 2 and r"\toprule" in tex and "loss=1,profit=1" not in tex
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) == len(specs)


def test_problems_with_other_configurations_get_a_profile_of_their_own(tmp_path: Path) -> None:
    pairs = [Spec(seed=seed, cones=cones) for seed in range(3) for cones in ("tangent", "tower")]
    flows = [Spec(evs=50, flow=flow) for flow in ("distflow", "jabr", "lindistflow")]
    report = made(tmp_path / "s.csv", [row(spec) for spec in (*pairs, *flows, Spec(evs=70))])
    groups = list(summary.contests(report.table))
    assert [len(group) for group in groups] == [6, 2] and set(groups[1]["flow"]) == {"distflow", "jabr"}
    assert [name for name, _ in report.figures()] == ["profile", "profile_2", "scaling_evs"]


def test_answers_that_contradict_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = [row(Spec(), value=10.0, bound=9.9995), row(Spec(cones="tower"), value=10.0004, bound=9.9999)]
    assert not made(tmp_path / "fine.csv", fine).disagreements
    most = Spec(objective="profit")
    profit = [row(most, value=5.0, bound=5.0004), row(replace(most, gap=1e-3), value=4.999, bound=5.002)]
    assert not made(tmp_path / "most.csv", profit).disagreements
    other = row(Spec(solver="scip"), value=10.1, bound=10.0995)
    unproven = row(Spec(mode="big_m"), value=12.0, bound=11.0, status="feasible")
    (sentence,) = made(tmp_path / "bad.csv", [*fine, other, unproven]).disagreements
    assert "says 10," in sentence and "says 10.1" in sentence and "scip" in sentence
    assert call(monkeypatch, "report_benchmark", tmp_path / "bad.csv") == 1
    assert "CONTRADICTION" in capsys.readouterr().out
