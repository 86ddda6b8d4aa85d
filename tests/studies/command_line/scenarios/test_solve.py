"""`bilevel solve --scenarios`: answers, files, the page made of them, and refusals."""

from __future__ import annotations

import html
import json
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import run
from oracles import tiny_case
from uncertain_days import DAYS, ODD_NAMES, three_days, two_hours

import instances
from studies.pricing import results, scenarios

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("days") / "tiny days"
    instances.write(tiny_case(), path, three_days())
    return path


@pytest.fixture(scope="module")
def solved(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    out = tmp_path_factory.mktemp("cli") / "out"
    asked = ("--scenarios", folder, "--risk", "cvar=0.5,weight=0.4", "--objective", "profit")
    return out, run("solve", folder, *asked, "--out", out)


def test_a_solve_over_days_writes_what_is_common_once_and_the_rest_by_day(
    solved: tuple[Path, Done], folder: Path
) -> None:
    out, done = solved
    assert done.returncode == 0, done.stderr
    assert "3 scenarios of" in done.stdout and "cvar=0.5,weight=0.4" in done.stdout
    assert {path.name for path in out.iterdir()} == {results.SOLUTION, results.CERTIFICATE, *results.OVER_DAYS}
    told = json.loads((out / "solution.json").read_text(encoding="utf-8"))
    assert {name: told["case"][name] for name in ("scenarios", "risk", "chance")} == {
        "scenarios": str(folder), "risk": "cvar=0.5,weight=0.4", "chance": None,
    }  # fmt: skip
    days = pd.read_csv(out / scenarios.SCENARIOS, dtype={"scenario": str})
    assert days["scenario"].tolist() == list(ODD_NAMES)
    weight = days["probability"].to_numpy()
    for name in ("network_loss_kwh", "station_profit", "ev_bill"):
        assert told["case"][name] == pytest.approx(weight @ days[name])
    charging = pd.read_csv(out / scenarios.CHARGING, dtype={"scenario": str})
    paid = charging.groupby("scenario")["cost"].sum()
    assert [paid[name] for name in ODD_NAMES] == pytest.approx(days["ev_bill"].tolist(), abs=1e-6)
    assert len(pd.read_csv(out / scenarios.VOLTAGES)) == 3 * 3 * 3
    expected = sum(
        s.probability * np.array(instances.realise(tiny_case(), s).wholesale_price_per_kwh)
        for s in three_days().scenarios
    )
    assert pd.read_csv(out / scenarios.PRICES)["wholesale_price_per_kwh"].to_numpy() == pytest.approx(expected)


def test_the_page_shows_every_day_and_the_command_that_makes_the_folder_again(
    solved: tuple[Path, Done], folder: Path, tmp_path: Path
) -> None:
    out, _ = solved
    page = tmp_path / "page.html"
    done = run("report", out, "--out", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    for words in ("Days that may come", "y, &#x27;z&#x27;", "expected over days", "cvar=0.5,weight=0.4"):
        assert words in text
    assert "Left out" not in text
    assert f"--scenarios {shlex.quote(str(folder))}".replace("'", "&#x27;") in text


@pytest.mark.parametrize("fleet", [(), ("--evs", "2")], ids=["whole", "drawn"])
def test_the_page_of_drawn_days_repeats_the_draw(fleet: tuple[str, ...], tmp_path: Path) -> None:
    instances.write(instances.scale(instances.load("ieee33"), 3), tmp_path / "case")
    asked = ("--objective", "profit", "--scenarios", "2", "--seed", "7", "--willing", "0.5-1", "--gap", "0.01")
    out, page = tmp_path / "out", tmp_path / "page.html"
    done = run("solve", tmp_path / "case", *asked, *fleet, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "2 drawn with seed 7, 0.5-1.0 of users follow" in " ".join(done.stdout.split())
    assert run("report", out, "--out", page).returncode == 0
    said = html.unescape(page.read_text(encoding="utf-8").partition("<pre><code>")[2].partition("</code>")[0])
    # The page names the case, and is of no place
    words = shlex.split(said.replace("\\\n", " "))
    again = [*words[1:2], str(tmp_path / "case"), *words[3:-1], str(tmp_path / "again")]
    assert ("--evs" in words) == bool(fleet)
    assert run(*again).returncode == 0
    for name in (scenarios.SCENARIOS, scenarios.PRICES, scenarios.CHARGING):
        assert (tmp_path / "again" / name).read_text() == (out / name).read_text()


def test_a_result_of_one_day_takes_the_place_of_one_over_days_and_back(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for days in (("--scenarios", folder), (), ("--scenarios", folder)):
        done = run("solve", folder, *days, "--out", out, "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        names = {path.name for path in out.iterdir()}
        assert names == ({results.SOLUTION, results.CERTIFICATE, *results.OVER_DAYS} if days else set(results.FILES))


def test_a_day_without_an_answer_is_named(tmp_path: Path) -> None:
    many = tuple(instances.Session(f"ev{k}", "s", 0, 1, 360.0, 400.0) for k in range(3))
    days = instances.Scenarios((instances.Scenario("calm", 0.9), instances.Scenario("wild", 0.1, sessions=many)))
    instances.write(tiny_case(), tmp_path / "days", days)
    done = run("solve", tmp_path / "days", "--scenarios", tmp_path / "days", "--out", tmp_path / "out")
    assert done.returncode == 4
    told = json.loads((tmp_path / "out" / "solution.json").read_text(encoding="utf-8"))
    assert "scenario[wild]" in told["reason"]
    assert run("report", tmp_path / "out", "--out", tmp_path / "page.html").returncode == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--risk", "cvar=0.9"), "risk is given without scenarios"),
        (("--chance", "voltage=0.9"), "chance is given without scenarios"),
        (("--scenarios", "nowhere"), "nowhere"),
        (("--scenarios", "0"), "0 is no number of days from 1 to 10000"),
        (("--scenarios", "20"), "the horizon has 3 hours"),
        (
            ("--scenarios", "OTHER"),
            "other do not fit the case tiny: scenario cheap nights: wholesale_price_per_kwh has 2 values",
        ),
        (("--willing", "0.5-1"), "--willing 0.5-1.0 is given, and no days are drawn"),
        (("--scenarios", "DAYS", "--willing", "0.00001"), "are not drawn"),
        (("--scenarios", "CASE"), "scenario"),
        (("--scenarios", "DAYS", "--risk", "cvar=2"), "cvar is 2: give a number from 0 to 1"),
        (("--scenarios", "DAYS", "--risk", "var=0.9"), "did you mean 'cvar'"),
        (("--scenarios", "DAYS", "--chance", "supply=0.9"), "the feeder has no limit of its supply"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    asked: tuple[str, ...], words: str, folder: Path, tmp_path: Path
) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    instances.write(two_hours(), tmp_path / "other", DAYS)
    places = {"DAYS": str(folder), "CASE": str(tmp_path / "case"), "OTHER": str(tmp_path / "other")}
    out = tmp_path / "out"
    done = run("solve", tmp_path / "case", *(places.get(word, word) for word in asked), "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert not out.exists()
