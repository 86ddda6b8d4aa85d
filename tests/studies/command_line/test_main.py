"""The command line through its real entry point: answers, files, refusals, interruptions, kills."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from cli_runs import BILEVEL, run
from oracles import tiny_case

import instances
from bilevel import Solution, Status
from studies.command_line.main import EXIT_CODES
from studies.pricing import results

ROOT = Path(__file__).parents[3]
TABLES = [name for name in results.FILES if name.endswith(".csv")]
FIGURES = [name for name in results.FILES if name.endswith((".png", ".pdf"))]


@pytest.fixture(scope="session")
def solved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("cli") / "new" / "results"
    return out, run("solve", "ieee33", "--objective", "loss=1,profit=1", "--evs", 3, "--out", out)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "case"
    instances.write(tiny_case(), folder)
    return folder


def load(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "solution.json").read_text(encoding="utf-8"))
    return found


def test_a_certified_solve_writes_everything_and_says_so(
    solved: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = solved
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == set(results.FILES)
    assert [path.name for path in out.parent.iterdir()] == ["results"]
    for words in ("certified: every check", "minimises +1 loss -1 profit", "kWh", "EUR"):
        assert words in done.stdout
    for check in ("leader rows", "follower optimality", "global gap", "AC replay, losses", "ties, best objective"):
        assert re.search(rf"^{check} +(pass|reported) ", done.stdout, re.MULTILINE)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout + done.stderr
    assert "gap" in done.stderr  # the progress goes to standard error


def test_the_json_agrees_with_the_tables(solved: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = solved
    found = load(out)
    case = found["case"]
    assert isinstance(case, dict)
    assert found["status"] == "certified"
    assert (case["name"], case["evs"], case["currency"]) == ("ieee33", 3, "EUR")
    assert case["objective"] == {"loss": 1.0, "profit": 1.0}
    assert case["network_loss_kwh"] - case["station_profit"] == pytest.approx(found["objective"], rel=1e-9)
    charging = pd.read_csv(out / "charging.csv")
    assert charging["cost"].sum() == pytest.approx(case["ev_bill"], rel=1e-6)
    prices = pd.read_csv(out / "prices.csv").set_index("period")
    bought = charging["energy_kwh"] * charging["period"].map(prices["wholesale_price_per_kwh"])
    assert charging["cost"].sum() - bought.sum() == pytest.approx(case["station_profit"], rel=1e-6)
    paid = [
        prices.loc[t, f"price_{station}_per_kwh"]
        for t, station in charging[["period", "station"]].itertuples(index=False)
    ]
    assert charging["price_per_kwh"].to_numpy() == pytest.approx(np.array(paid))
    certificate = pd.read_csv(out / "certificate.csv")
    assert list(certificate["check"]) == [line["check"] for line in found["certificate"]]  # type: ignore[attr-defined]
    assert set(certificate["verdict"]) <= {"pass", "reported"}
    values = found["values"]
    assert isinstance(values, dict)
    assert set(found["seconds"]) == {"build", "compile", "solve", "certify"}  # type: ignore[call-overload]
    voltages = pd.read_csv(out / "voltages.csv")
    assert len(voltages) == 24 * 33
    assert values["v['18',12]"] == pytest.approx(
        float(voltages.query("period == 12 and bus == 18")["voltage_pu"].iloc[0]) ** 2
    )


def test_sessions_get_their_energy(solved: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    case = instances.scale(instances.load("ieee33"), 3)
    drawn = pd.read_csv(solved[0] / "charging.csv").groupby("session")["energy_kwh"].sum()
    for session in case.sessions:
        assert drawn[session.name] * case.charging_efficiency == pytest.approx(session.count * session.energy_kwh)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_valid_and_not_blank(solved: tuple[Path, subprocess.CompletedProcess[str]], name: str) -> None:
    data = (solved[0] / name).read_bytes()
    if name.endswith(".pdf"):
        assert data.startswith(b"%PDF-")
        assert data.rstrip().endswith(b"%%EOF")
        return
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(io.BytesIO(data))[..., :3]
    assert min(pixels.shape[:2]) > 400
    assert 0.01 < float((pixels.min(axis=2) < 0.9).mean()) < 0.6


def test_a_folder_of_ones_own_is_checked_and_solved_twice(tiny: Path, tmp_path: Path) -> None:
    checked = run("check", tiny)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.endswith("ok\n")
    out = tmp_path / "out"
    for objective in ("profit", "loss"):
        done = run("solve", tiny, "--objective", objective, "--out", out, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert load(out)["case"]["objective"] == {"loss": 1.0}  # type: ignore[index]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_tariff_and_follower_come_from_options(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    variant = ("--tariff", "block_levels", "--levels", "0.12,0.3,0.48", "--blocks", "outer=0+2,middle=1")
    users = ("--follower", "elastic", "--discomfort", "0.2")
    done = run("solve", tiny, "--objective", "profit", *variant, *users, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "maximises 1 profit, by tariff block_levels" in done.stdout
    assert re.search("^users +elastic", done.stdout, re.MULTILINE)
    case: Any = load(out)["case"]
    assert (case["tariff"], case["blocks"], case["levels"]) == ("block_levels", "outer=0+2,middle=1", "0.12,0.3,0.48")
    assert (case["follower"], case["discomfort_per_kwh"], case["seed"]) == ("elastic", 0.2, None)
    for series in pd.read_csv(out / "prices.csv").filter(regex="^price_").to_numpy().T:
        assert set(series.round(6)) <= {0.12, 0.3, 0.48}
        assert series[0] == pytest.approx(series[2])
    checks = pd.read_csv(out / "certificate.csv").set_index("check")["value"]
    for name in ("ties, best objective", "ties, worst objective"):
        assert checks[name] == pytest.approx(load(out)["objective"], rel=1e-6)


def test_every_status_has_an_exit_code() -> None:
    codes = {
        "certified": 0,
        "conditional": 3,
        "feasible": 3,
        "not_attained": 3,
        "infeasible": 4,
        "unbounded": 5,
        "unknown": 5,
        "rejected": 5,
    }
    assert codes == EXIT_CODES and set(codes) == set(Status)
    for status in codes:
        assert status in str(Solution.__doc__)


def test_cases_check_and_version() -> None:
    assert re.search(r"^ieee33 +33 +4 +54 +24 +EUR", run("cases").stdout, re.MULTILINE)
    checked = run("check", "ieee33", columns=120)
    assert checked.returncode == 0
    for words in ("202.677 kW", "0.91309 pu at bus 18", "54, for 389.8 vehicles", "20.0 % of the feeder"):
        assert words in checked.stdout
    assert re.fullmatch(r"bilevel-grid \d+\.\d+\.\d+\S*\n", run("--version").stdout)


def test_python_m_is_the_same_command_and_help_has_examples_and_exit_codes() -> None:
    module = [sys.executable, "-m", "bilevel", "check", "--help"]
    checked = subprocess.run(module, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    for text in (checked, run("--help").stdout, run("solve", "--help").stdout):
        assert "Example: bilevel" in text
        for code in ("0", "2", "3", "4", "5", "130"):
            assert re.search(rf"^ +{code} +\w", text, re.MULTILINE)


REFUSALS: list[tuple[list[str], list[str]]] = [
    (["solve", "ieee33", "--gap", "abc"], ["--gap", "abc", "give"]),
    (["solve", "ieee33", "--gap", "0"], ["--gap", "0 is no positive number"]),
    (["solve", "ieee33", "--evs", "0"], ["--evs", "0", "from 1"]),
    (["solve", "ieee33", "--evs", "99999999999999999999"], ["--evs", "1000000"]),
    (["solve", "ieee33", "--time-limit", "-1"], ["--time-limit", "-1", "positive"]),
    (["solve", "ieee33", "--gpa", "1"], ["--gpa", "--gap"]),
    (["sovle", "ieee33"], ["sovle", "solve"]),
    (["solve"], ["CASE|DIR"]),
    (["solve", "ieee3"], ['"ieee3"', 'did you mean "ieee33"']),
    (["solve", "ieee33", "--solver", "hihgs"], ["hihgs", "did you mean 'highs'"]),
    (["solve", "ieee33", "--mode", "bigm"], ["bigm", "did you mean 'big_m'"]),
    (["solve", "ieee33", "--cones", "tangents"], ["tangents", "did you mean 'tangent'"]),
    (["solve", "ieee33", "--objective", "losss"], ["losss", "did you mean 'loss'"]),
    (["solve", "ieee33", "--objective", "loss=x"], ["'loss'", "'x'", "positive"]),
    (["solve", "ieee33", "--solver", "highs", "--mode", "sos1"], ["sos1", "highs", "scip"]),
    (["solve", "ieee33", "--solver", "highs", "--cones", "exact"], ["exact", "highs", "scip"]),
    (["solve", "ieee33", "--tariff", "block"], ["tariff 'block'", "did you mean 'blocks'"]),
    (["solve", "ieee33", "--follower", "elastc"], ["follower 'elastc'", "did you mean 'elastic'"]),
    (["solve", "ieee33", "--levels", "0.2,0.3"], ["tariff 'free' takes no levels", "choose tariff 'levels'"]),
    (["solve", "ieee33", "--tariff", "levels", "--levels", "0.2,0.5"], ["level 0.5", "from 0.15 to 0.45"]),
    (["solve", "ieee33", "--tariff", "levels", "--levels", "0.3,0.4"], ["lowest level 0.3", "0.25", "raise"]),
    (["solve", "ieee33", "--tariff", "blocks", "--blocks", "a=0-22"], ["period 23", "into one block"]),
    (["solve", "ieee33", "--discomfort", "0.1"], ["follower 'ev_user' takes no discomfort_per_kwh", "'elastic'"]),
    (["solve", "ieee33", "--follower", "elastic", "--discomfort", "0"], ["--discomfort", "0 is no positive number"]),
    (
        ["solve", "ieee33", "--solver", "highs", "--follower", "elastic", "--objective", "bill"],
        ["user[", "small", "quadratic"],
    ),
    (["check", "nowhere/at/all"], ["nowhere", "is not a folder"]),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSALS, ids=lambda value: " ".join(value))
def test_bad_input_is_refused_in_one_sentence(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    out = ["--out", "out"] if arguments[0] == "solve" and len(arguments) > 1 else []
    refuse(run(*arguments, *out, cwd=tmp_path), words)
    assert list(tmp_path.iterdir()) == []


def refuse(done: subprocess.CompletedProcess[str], words: list[str]) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("bilevel: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_a_gurobi_licence_that_is_too_small_offers_highs(tmp_path: Path) -> None:
    done = run("solve", "ieee33", "--solver", "gurobi", "--out", tmp_path / "out", "--quiet")
    if done.returncode == 0:
        pytest.skip("a full Gurobi licence is installed")
    refuse(done, ["Gurobi licence", "solver='highs'"])
    assert list(tmp_path.iterdir()) == []


def test_bad_data_is_refused(tiny: Path, tmp_path: Path) -> None:
    for source in tiny.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    text = (tmp_path / "branches.csv").read_text(encoding="utf-8")
    (tmp_path / "branches.csv").write_text(text.replace("1.2", "-1.2"), encoding="utf-8")
    refuse(run("check", tmp_path), ["branches.csv", "resistance_ohm", "-1.2", "at least 0"])


def test_a_folder_for_results_that_cannot_be_replaced_is_refused_before_the_solve(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("years of work")
    (tmp_path / "here").mkdir()
    before = sorted(tmp_path.rglob("*"))
    refuse(run("solve", tiny, "--out", tmp_path / "file"), ["is a file; give a folder"])
    refuse(run("solve", tiny, "--out", tmp_path / "file" / "below"), ["file is a file; give another folder"])
    refuse(run("solve", tiny, "--out", tmp_path / "full"), ["thesis.docx", "give a new folder"])
    refuse(run("solve", tiny, "--out", ".", cwd=tmp_path / "here"), ["working directory", "give a folder inside it"])
    assert sorted(tmp_path.rglob("*")) == before


def test_no_time_leaves_a_feasible_answer_or_none_and_says_which(tmp_path: Path) -> None:
    asked = ("--objective", "loss=1,profit=1", "--gap", 1e-9, "--out", tmp_path / "out")
    for limit in (1e-9, 1.0):
        done = run("solve", "ieee33", *asked, "--time-limit", limit)
        found = load(tmp_path / "out")
        assert done.returncode == {"feasible": 3, "unknown": 5}[str(found["status"])]
        assert "time limit" in str(found["reason"])
        assert str(found["status"]) in done.stdout
        names = {path.name for path in (tmp_path / "out").iterdir()}
        assert names == (set(results.FILES) if found["status"] == "feasible" else {"solution.json"})


def test_a_feeder_without_any_load_is_checked(tmp_path: Path) -> None:
    case = tiny_case()
    instances.write(replace(case, load_factor=(0.0,) * case.horizon.periods), tmp_path / "case")
    done = run("check", tmp_path / "case")
    assert (done.returncode, done.stderr) == (0, "")
    assert "uncontrolled peak" in done.stdout


def test_an_infeasible_case_leaves_its_verdict_alone(tmp_path: Path) -> None:
    case = tiny_case()
    buses = tuple(replace(bus, voltage_min_pu=0.9999) for bus in case.feeder.buses)
    instances.write(replace(case, feeder=replace(case.feeder, buses=buses)), tmp_path / "case")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "prices.csv").write_text("of an older solve")
    (tmp_path / "out" / ".bilevel-grid").touch()
    done = run("solve", tmp_path / "case", "--out", tmp_path / "out")
    assert done.returncode == 4
    assert done.stdout.startswith("infeasible: ")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["certificate.csv", "solution.json"]
    found = load(tmp_path / "out")
    assert found["status"] == "infeasible"
    assert found["objective"] is None
    assert found["case"]["station_profit"] is None  # type: ignore[index]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([BILEVEL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_keeps_the_best_point_and_writes_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start("solve", "ieee33", "--objective", "profit", "--evs", "100", "--gap", "1e-9", "--out", out) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if re.search(r"(tree|search|bound) .*incumbent \d", line):
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert said.startswith("feasible: ")
    found = load(out)
    assert found["status"] == "feasible"
    assert "Ctrl-C" in str(found["reason"])
    assert found["gap"] > 0  # type: ignore[operator]
    assert {path.name for path in out.iterdir()} == set(results.FILES)


TWICE = """
import signal, sys
import studies.command_line.main
from bilevel.progress import Progress


def pressed_twice(*_, **__):
    with Progress(False):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


studies.command_line.main.solve_model = pressed_twice
studies.command_line.main.main()
"""


def test_a_second_ctrl_c_ends_at_once_and_writes_nothing(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWICE, "solve", str(tiny), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert list(tmp_path.iterdir()) == []


def test_output_that_nobody_reads_is_no_error(tiny: Path) -> None:
    with start("check", tiny) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


KILLER = """
import os, signal, sys
import bilevel, formulations, instances
from studies.pricing import results
from cli_runs import BILEVEL, run
from oracles import tiny_case

STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}


def write_and_die(step):
    seen = 0

    def hook(event, args):
        nonlocal seen
        seen += event in STEPS
        if event in STEPS and seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    instances.write_folder(folder, new, results.FILES, "a solve")
    os._exit(0)


folder, case = sys.argv[1], tiny_case()


def contents(objective):
    model = formulations.charging_pricing(case, objective)
    return results.contents(model, case, bilevel.solve(model, progress=False), {objective: 1.0})


old, new = contents("loss"), contents("profit")


def state():
    for place in (folder, os.path.join(os.path.dirname(folder), ".out.old")):
        if os.path.isdir(place):
            found = {name: open(os.path.join(place, name), "rb").read() for name in os.listdir(place)
                     if name != ".bilevel-grid-backup"}
            for word, files in (("old", old), ("new", new)):
                if found == {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}:
                    return word
            return "broken"
    return "lost"


step, status = 0, signal.SIGKILL
while status == signal.SIGKILL:
    step += 1
    instances.write_folder(folder, old, results.FILES, "a solve")
    child = os.fork() or write_and_die(step)
    status = os.waitpid(child, 0)[1]
    print(state(), status, flush=True)
"""


def test_results_killed_at_any_step_are_the_old_ones_or_the_new(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100, env=environment)
    *killed, survived = done.stdout.splitlines()
    assert survived == "new 0"
    assert len(killed) > 12
    found = [outcome.split()[0] for outcome in killed]
    assert found == sorted(found, reverse=True)
    assert set(found) == {"old", "new"}


def test_a_command_killed_while_it_writes_leaves_the_old_results(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("solve", tiny, "--objective", "loss", "--out", out, "--quiet").returncode == 0
    old = {path.name: path.read_bytes() for path in out.iterdir()}
    with start("solve", tiny, "--objective", "profit", "--out", out, "--quiet") as process:
        while process.poll() is None and not list(tmp_path.glob(".out.new-*")):
            time.sleep(0.0005)
        process.kill()
    place = out if out.exists() else tmp_path / ".out.old"
    found = {path.name: path.read_bytes() for path in place.iterdir() if path.name != ".bilevel-grid-backup"}
    weights = json.loads(found["solution.json"])["case"]["objective"]
    assert set(found) == set(old)
    assert found == old if weights == {"loss": 1.0} else weights == {"profit": 1.0}
    assert run("solve", tiny, "--objective", "profit", "--out", out, "--quiet").returncode == 0
    assert load(out)["case"]["objective"] == {"profit": 1.0}  # type: ignore[index]


def test_the_exact_power_flow_starts_from_its_relaxation(tmp_path: Path) -> None:
    arguments = ("solve", "ieee33", "--evs", 5, "--quiet")
    exact, relaxed = tmp_path / "ac", tmp_path / "distflow"
    done = run(*arguments, "--flow", "ac", "--solver", "scip", "--out", exact)
    assert done.returncode == 0, done.stderr
    assert run(*arguments, "--out", relaxed).returncode == 0
    assert load(exact)["settings"]["warm_start"] is True  # type: ignore[index]
    assert load(exact)["objective"] == pytest.approx(load(relaxed)["objective"], rel=1e-4)
    # What the solver cannot take is refused before anything is solved
    refused = run(*arguments, "--flow", "ac", "--solver", "highs")
    assert refused.returncode == 2 and "scip" in refused.stderr


def test_a_proof_of_prices_is_written_and_checked_by_its_own_command(tmp_path: Path) -> None:
    proof = tmp_path / "proof.json.gz"
    done = run("solve", "ieee33", "--evs", 2, "--objective", "profit", "--proof", proof)
    assert done.returncode == 0 and "bound proof" in done.stdout and "prove" in done.stdout
    checked = subprocess.run(
        [sys.executable, "-m", "bilevel.verify", str(proof)], capture_output=True, text=True, timeout=120
    )
    assert checked.returncode == 0 and checked.stdout.startswith("proven: bound "), checked.stderr


def test_a_proof_that_cannot_be_made_is_missed_in_a_sentence(tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    done = run(
        "solve", "ieee33", "--evs", 2, "--objective", "profit", "--flow", "ac", "--solver", "scip", "--proof", proof
    )
    assert done.returncode == 0 and not proof.exists()
    assert "no proof was written: none: nonconvex products are left" in done.stderr


def test_secure_prices_are_apart_by_the_margin_in_their_unit(tmp_path: Path) -> None:
    out = tmp_path / "secure"
    done = run(
        "solve", "ieee33", "--evs", 3, "--objective", "profit", "--ties", "secure", "--margin", "1e-3", "--out", out
    )
    assert done.returncode == 0 and "response unique" in done.stdout
    settings: Any = load(out)["settings"]
    assert settings["ties"] == "secure" and settings["margin"] == 1e-3
    charging = pd.read_csv(out / "charging.csv")
    for name, mine in charging.groupby("session"):
        full = mine["power_kw"].max()
        used, idle = mine[mine["power_kw"] > 1e-6 * full], mine[mine["power_kw"] <= 1e-6 * full]
        # Every hour that is used is cheaper than any that is not, by the margin in EUR/kWh
        assert idle["price_per_kwh"].min() - used["price_per_kwh"].max() >= 1e-3 - 1e-7 or idle.empty, name
    certificate = pd.read_csv(out / "certificate.csv").set_index("check")
    objective = float(load(out)["objective"])  # type: ignore[arg-type]
    assert certificate.loc["ties, worst objective", "value"] == pytest.approx(objective, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ties", "secur"], "did you mean 'secure'"),
        (["--margin", "1e-4"], "keeps none"),
        (["--ties", "secure", "--margin", "-1"], "no positive number"),
        (["--ties", "secure", "--proof", "proof.json"], "a proof is one of optimistic answers only"),
    ],
)
def test_ties_are_refused_before_any_work(options: list[str], words: str, tmp_path: Path) -> None:
    refuse(run("solve", "ieee33", *options, cwd=tmp_path), [words])
