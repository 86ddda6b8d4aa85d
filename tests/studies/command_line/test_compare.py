"""`bilevel compare` through the real entry point: tables, files, kills, Ctrl-C, refusals, exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import pandas as pd
import pytest
from cli_runs import BILEVEL, Capture, refuse, run
from oracles import tiny_case

import instances
from studies import contest
from studies.command_line import compare, main
from studies.contest import Comparison, ExactAnswer, Run, Settings, results
from studies.contest.store import FILE

SMALL = ("--budget", 60, "--population", 10, "--runs", 2)
Compared = tuple[Path, subprocess.CompletedProcess[str]]


def entries(out: Path) -> list[dict[str, Any]]:
    """The finished runs in the journal; a last line that was cut off is left out."""
    lines = (out / FILE).read_text(encoding="utf-8").split("\n")[1:-1]
    return [json.loads(line) for line in lines]


def tasks(out: Path) -> list[tuple[str, int]]:
    return [(line["run"]["method"], line["run"]["seed"]) for line in entries(out) if "run" in line]


def table(out: Path) -> pd.DataFrame:
    """The table without what a clock says."""
    return pd.read_csv(out / "compare.csv").drop(columns=["seconds", "cpu_seconds", "time_ratio"])


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare") / "case"
    instances.write(tiny_case(), folder)
    return folder


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    out = tmp_path_factory.mktemp("compared") / "new" / "compare"
    return out, run("compare", "ieee33", "--evs", 3, *SMALL, "--out", out)


def test_all_methods_are_compared_printed_and_written(compared: Compared) -> None:
    out, done = compared
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("done: exact proves that nothing is better than ")
    for words in ("certified", "GA", "PSO", "GMO", "GWCA", "WOA", "network loss", "kWh", "optimistic", "10 of 10"):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert {path.name for path in out.iterdir()} == {*results.FILES, FILE}
    found = table(out).set_index("method")
    assert list(found.index) == ["exact", "ga", "pso", "gmo", "gwca", "woa"]
    assert (found["runs"] == [1, 2, 2, 2, 2, 2]).all()
    assert (found["evaluations"].dropna() == 60).all()
    assert (found["best"] >= found.loc["exact", "best"]).all()
    assert (found["gap_to_bound"] >= -1e-9).all()
    assert found["network_loss_kwh"].to_numpy() == pytest.approx(found["best"].to_numpy(), rel=1e-12)
    runs = pd.read_csv(out / "runs.csv")
    for method, own in runs.groupby("method"):
        assert own["seed"].tolist() == [0, 1]
        assert own["objective"].min() == found.loc[str(method), "best"]
        assert own["objective"].mean() == pytest.approx(found.loc[str(method), "mean"])
    curves = pd.read_csv(out / "convergence.csv")
    last = curves[curves["evaluations"] == 60].set_index("method")["median"]
    assert last["ga"] == pytest.approx(runs[runs["method"] == "ga"]["objective"].median())


def test_the_progress_of_a_log_is_a_line_a_run(compared: Compared) -> None:
    lines = [line for line in compared[1].stderr.splitlines() if line.startswith("run ")]
    assert len(lines) == 10
    assert lines[0].startswith("run 1 of 10: ga, seed 0, ")
    assert "; best " in lines[-1]


def test_the_files_say_what_was_compared(compared: Compared) -> None:
    out, _ = compared
    data = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert (data["case"], data["evs"], data["seed"]) == ("ieee33", 3, 0)
    assert (data["problem"]["name"], data["problem"]["unit"], data["problem"]["sense"]) == (
        "pricing",
        "kWh",
        "minimise",
    )
    assert (data["settings"]["budget"], data["settings"]["population"], data["settings"]["runs"]) == (60, 10, 2)
    assert (data["exact"]["status"], data["verdict"]["contradiction"]) == ("certified", False)
    assert {"bilevel-grid", "numpy", "highs"} <= set(data["versions"])
    assert "optimistic" in data["problem"]["note"]
    for name in ("convergence", "boxplot"):
        pixels = matplotlib.image.imread(io.BytesIO((out / f"{name}.png").read_bytes()))[..., :3]
        assert pixels.shape[1] > 600
        assert 0.01 < float((pixels.min(axis=2) < 0.85).mean()) < 0.5
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
    rows = [line.split(" & ") for line in (out / "compare.tex").read_text().splitlines() if line.endswith(r"\\")]
    assert [row[0] for row in rows[2:]] == ["exact", "GA", "PSO", "GMO", "GWCA", "WOA"]


def test_two_workers_make_the_same_runs(compared: Compared, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("compare", "ieee33", "--evs", 3, *SMALL, "--workers", 2, "--out", out, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    names = ["method", "seed", "objective", "evaluations"]
    one, two = (pd.read_csv(folder / "runs.csv")[names] for folder in (compared[0], out))
    pd.testing.assert_frame_equal(one, two)


def test_runs_of_an_earlier_comparison_are_not_lost(compared: Compared, capsys: Capture) -> None:
    out, _ = compared
    before = {path: path.read_bytes() for path in out.iterdir()}
    asked = ("compare", "ieee33", "--evs", 3)
    refuse(capsys, (*asked, *SMALL, "--out", out), str(out), "--resume", "--out")
    refuse(capsys, (*asked, *SMALL, "--budget", 70, "--out", out, "--resume"), "budget is 60 there and 70 here")
    refuse(capsys, ("compare", "ieee33", "--evs", 4, *SMALL, "--out", out, "--resume"), "evs is 3 there and 4 here")
    refuse(capsys, (*asked, "--seed", 1, *SMALL, "--out", out, "--resume"), "hash of case is ")
    words = "objective is 'network loss' there and 'station profit' here"
    refuse(capsys, (*asked, "--objective", "profit", *SMALL, "--out", out, "--resume"), words)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_killed_comparison_goes_on_where_it_stopped(case: Path, tmp_path: Path, capsys: Capture) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    asked = ("compare", case, "--methods", "exact,ga,gwca", "--runs", 8, "--budget", 600)
    assert run(*asked, "--out", whole, "--quiet").returncode == 0
    with subprocess.Popen([BILEVEL, *map(str, (*asked, "--out", out, "--quiet"))]) as process:
        while process.poll() is None and not ((out / FILE).exists() and len(tasks(out)) >= 3):
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    early = tasks(out)
    assert 3 <= len(early) < 16
    assert not (out / "compare.csv").exists()
    refuse(capsys, (*asked, "--out", out), "--resume")
    done = run(*asked, "--out", out, "--resume")
    assert done.returncode == 0, done.stderr
    assert f"16 of 16, {16 - len(early)} of them now" in done.stdout
    assert tasks(out)[: len(early)] == early
    assert len(tasks(out)) == len(set(tasks(out))) == 16
    assert len(entries(out)) == 17
    pd.testing.assert_frame_equal(table(out), table(whole), rtol=1e-6)
    heuristics = table(out)["method"] != "exact"
    pd.testing.assert_frame_equal(table(out)[heuristics].drop(columns=["gap_to_bound", "gap_to_exact"]),
                                  table(whole)[heuristics].drop(columns=["gap_to_bound", "gap_to_exact"]), rtol=0)  # fmt: skip
    assert "16 of 16, 0 of them now" in run(*asked, "--out", out, "--resume").stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_keeps_the_runs_made_and_writes_them(case: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out"
    asked = ("compare", case, "--runs", 500, "--budget", 600, "--workers", workers, "--out", out)
    with subprocess.Popen(
        [BILEVEL, *map(str, asked)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("run 7 "):
                break
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert said.startswith("incomplete: exact proves ")
    assert "Traceback" not in errors
    found = pd.read_csv(out / "runs.csv")
    assert 7 <= len(found) < 2500
    assert (found["evaluations"] == 600).all()
    assert len(tasks(out)) == len(found) == table(out)["runs"].sum() - 1
    assert json.loads((out / "compare.json").read_text())["complete"] is False


def test_ctrl_c_in_the_exact_search_ends_with_its_bound(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("compare", "ieee33", "--objective", "loss=1,profit=1", "--gap", 1e-9, "--out", out)
    with subprocess.Popen(
        [BILEVEL, *map(str, asked)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("small tree"):
                break
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert process.returncode == 3, said + errors
    assert said.startswith("incomplete: exact proves ")
    data = json.loads((out / "compare.json").read_text())
    assert "Ctrl-C" in data["exact"]["reason"]
    assert data["exact"]["bound"] <= data["exact"]["objective"]
    assert entries(out) == []
    assert not (out / "convergence.png").exists()


def test_an_infeasible_case_has_no_feasible_run(tmp_path: Path) -> None:
    small = tiny_case()
    buses = tuple(replace(bus, voltage_min_pu=0.9999) for bus in small.feeder.buses)
    instances.write(replace(small, feeder=replace(small.feeder, buses=buses)), tmp_path / "case")
    out = tmp_path / "out"
    done = run("compare", tmp_path / "case", "--methods", "exact,ga", *SMALL, "--out", out)
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith("infeasible: exact proves that no decision is feasible, and no run found one")
    found = table(out).set_index("method")
    assert found.loc["ga", "infeasible"] == 2
    assert found["best"].isna().all()
    assert pd.read_csv(out / "runs.csv")["objective"].isna().all()
    assert (pd.read_csv(out / "runs.csv")["penalty"] > 0).all()


def test_heuristics_alone_prove_nothing(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(["compare", str(case), "--methods", "pso,woa", *map(str, SMALL), "--objective", "profit"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("done: nothing is proven, because exact is not among the methods")
    assert "maximise station profit (EUR)" in said
    assert "none written; --out DIR writes them" in said
    assert list(tmp_path.iterdir()) == []


def test_exit_codes_of_a_comparison() -> None:
    problem = contest.pick(tiny_case())
    exact = ExactAnswer(10.0, 10.0, "certified", "", 1.0, {})
    run = Run("ga", 0, 11.0, 0.0, 20, 1.0, 1.0, {}, (20,), (11.0,))
    found = Comparison(problem, Settings(("exact", "ga"), 1, 20, 10), exact, (run,), 1)
    code = compare.code
    assert code(found) == 0
    assert code(replace(found, runs=())) == 3
    assert code(replace(found, exact=replace(exact, status="feasible"))) == 3
    assert code(replace(found, exact=replace(exact, status="unknown", objective=float("nan"), bound=float("nan")))) == 3
    assert code(replace(found, runs=(replace(run, objective=9.0),))) == 5
    assert code(replace(found, exact=None, runs=(), settings=Settings(("ga",), 1, 20, 10))) == 5
    infeasible = ExactAnswer(float("nan"), float("nan"), "infeasible", "", 1.0, {})
    assert code(replace(found, exact=infeasible, runs=(replace(run, objective=float("nan")),))) == 4
    assert code(replace(found, exact=infeasible)) == 5


def test_a_contradiction_is_said_first(capsys: Capture) -> None:
    problem = contest.pick(tiny_case())
    run = Run("ga", 3, 9.0, 0.0, 20, 1.0, 1.0, {}, (20,), (9.0,))
    exact = ExactAnswer(10.0, 10.0, "certified", "", 1.0, {})
    compare._show(Comparison(problem, Settings(("exact", "ga"), 1, 20, 10), exact, (run,), 1), ("files", "none"))
    assert capsys.readouterr().out.startswith("CONTRADICTION: 9 by ga, seed 3, is a feasible decision and better than")


REFUSALS: list[tuple[list[str], list[str]]] = [
    (["--methods", "exact,gaa"], ["unknown method 'gaa'", "did you mean 'ga'"]),
    (["--methods", "exact,exact"], ["'exact' twice"]),
    (["--budget", "20"], ["budget is 20", "at least that of the population, 30"]),
    (["--population", "2"], ["population is 2", "at least 4"]),
    (["--runs", "0"], ["--runs", "from 1"]),
    (["--workers", "x"], ["--workers", "from 1"]),
    (["--time-limit", "0"], ["--time-limit", "positive"]),
    (["--objective", "lost"], ["unknown objective 'lost'", "did you mean 'loss'"]),
    (["--problem", "pricingg"], ["unknown problem 'pricingg'", "did you mean 'pricing'"]),
    (["--resume"], ["--resume", "--out DIR"]),
    (["--ties", "secur"], ["unknown convention of ties 'secur'", "did you mean 'secure'"]),
    (["--margin", "0.1"], ["margin is 0.1", "ties='optimistic' keeps none"]),
    (["--ties", "secure", "--margin", "-1"], ["--margin", "positive"]),
    (["--ties", "secure", "--methods", "ga"], ["exact is not among the methods"]),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSALS, ids=lambda value: " ".join(value))
def test_bad_input_is_refused_in_one_sentence(
    arguments: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    out = [] if "--resume" in arguments else ["--out", "new/out", "--quiet"]
    refuse(capsys, ["compare", "ieee33", *arguments, *out], *words)
    assert list(tmp_path.iterdir()) == []


def test_other_peoples_folders_are_refused_before_the_work(case: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    refuse(capsys, ("compare", case, "--out", tmp_path), "thesis.docx", "no file of a comparison", "give a new folder")
    (tmp_path / "thesis.docx").rename(tmp_path / FILE)
    for resume in ((), ("--resume",)):
        refuse(
            capsys, ("compare", case, "--out", tmp_path, *resume), FILE, "nothing in it says that this package wrote it"
        )
        assert (tmp_path / FILE).read_text() == "years of work"


def test_help_has_an_example_the_tie_rule_and_the_exit_codes(capsys: Capture) -> None:
    assert main.run(["compare", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "Example: bilevel compare ",
        "optimistic",
        "of compare: every run is made",
        "exact,ga,pso,gmo,gwca,woa",
    ):
        assert words in text
