"""`bilevel security` through the real entry point: a closed form, margins without an answer, kills, refusals, pages."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_runs import Capture, refuse, run
from oracles import tiny_case

import instances
from studies.command_line.fronts import security
from studies.security import price
from studies.security.results import FILES

ENERGY_KWH, CAP, WHOLESALE = 100.0, 0.35, (0.10, 0.20)
LEAST, MOST = 0.1, 0.5


def expected(margin: float) -> float:
    """The user fills one hour, the cheaper one: the seller's hour costs the cap of the mean less half the margin."""
    return ENERGY_KWH * (CAP - margin / 2 - WHOLESALE[0])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One user, two hours, full power for one of them; the mean price is at most `CAP`."""
    small = tiny_case()
    session = instances.Session("ev1", "s", 0, 2, ENERGY_KWH * small.charging_efficiency, ENERGY_KWH)
    found = replace(
        small, horizon=instances.Horizon(2, 1.0, "2024-01-01T00:00:00"), load_factor=(0.6, 0.8), stations=small.stations[:1],
        sessions=(session,), wholesale_price_per_kwh=WHOLESALE, price_limits=instances.PriceLimits(LEAST, MOST, CAP),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("small") / "case"
    instances.write(found, folder)
    return folder


@pytest.fixture(scope="module")
def solved(case: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("security") / "out"
    return out, run("security", case, "--margins", "0.02,0,0.1,0.45", "--out", out)


def test_the_price_is_that_of_the_closed_form(solved: tuple[Path, Any]) -> None:
    out, done = solved
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(out / "security.csv", keep_default_na=False, na_values=[""])
    assert found["margin_per_kwh"].tolist() == [0.0, 0.02, 0.1, 0.45]
    assert found["status"].tolist() == ["certified"] * 3 + ["infeasible"]
    for row in found.iloc[:3].itertuples():
        assert row.objective == pytest.approx(expected(row.margin_per_kwh), rel=2e-4)
        assert row.bound >= row.objective * (1 - 1e-9)
        assert row.price_of_security == pytest.approx(ENERGY_KWH * row.margin_per_kwh / 2, abs=5e-3)
        assert row.charging_peak_kw == pytest.approx(ENERGY_KWH, rel=1e-6)
        assert row.station_profit == pytest.approx(row.objective, rel=1e-9)
    # Optimistic prices are equal, and the user may as well come in the dear hour
    assert found["worst_tie"][0] == pytest.approx(ENERGY_KWH * (CAP - WHOLESALE[1]), rel=2e-4)
    assert found["worst_tie"][1:3].tolist() == pytest.approx(found["objective"][1:3].tolist(), rel=1e-6)
    assert found.iloc[3][["objective", "worst_tie", "charging_peak_kw"]].isna().all()


def test_the_files_agree_and_the_table_fits(solved: tuple[Path, Any]) -> None:
    out, done = solved
    assert {path.name for path in out.iterdir()} == {*FILES, price.FILE}
    data = json.loads((out / "security.json").read_text(encoding="utf-8"))
    assert (data["unit"], data["sense"], data["complete"], data["closed"]) == ("EUR", "maximise", True, True)
    assert data["settings"]["margins"] == [0.0, 0.02, 0.1, 0.45]
    prices = data["rows"][2]["price_per_kwh"]["s"]
    assert prices[1] - prices[0] >= 0.1 * (1 - 1e-6)
    assert data["rows"][3]["price_per_kwh"] == {}
    assert " ".join(done.stdout.split()).startswith(
        "closed: 4 of 4 margins, 3 certified, 1 proven to have no answer; a margin of 0.02 costs"
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "margin 4 of 4: 0.45 EUR/kWh, infeasible" in done.stderr
    assert r"0.1 & 20.00 & 5.00" in (out / "security.tex").read_text(encoding="utf-8")


def test_a_folder_goes_on_with_more_margins(case: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    asked = ("security", case, "--out", out, "--quiet")
    assert run(*asked, "--margins", "0,0.02").returncode == 0
    before = (out / price.FILE).read_text(encoding="utf-8")
    refuse(capsys, asked, "margins of an earlier run", "--resume")
    refuse(capsys, [*asked, "--resume", "--objective", "loss"], "margins of another run", "objective")
    assert run(*asked, "--resume", "--margins", "0,0.02,0.1").returncode == 0
    after = (out / price.FILE).read_text(encoding="utf-8")
    assert after.startswith(before) and after.count("\n") == before.count("\n") + 1
    assert len(pd.read_csv(out / "security.csv")) == 3


def test_what_a_shorter_limit_left_open_is_solved_again(tmp_path: Path) -> None:
    row = price.MarginRow(0.01, "feasible", "time limit", *[1.0] * 5, "", *[1.0] * 5, 10.0, {})
    closed = replace(row, margin_per_kwh=0.02, status="certified")
    for each in ({"format": 1}, row.to_dict(), closed.to_dict()):
        price.files.append(tmp_path / price.FILE, each)
    assert set(price._kept(tmp_path / price.FILE, {"format": 1}, 20.0)) == {0.02}
    kept = price._kept(tmp_path / price.FILE, {"format": 1}, 10.0)
    assert kept == {0.01: row, 0.02: closed}


def test_ctrl_c_keeps_the_margins_that_are_solved(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solve, calls = price.solve, []

    def pressed(*arguments: Any, **options: Any) -> Any:
        calls.append(options)
        if len(calls) == 2:
            threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT)).start()
            signal.sigtimedwait([], 0.2)
        return solve(*arguments, **options)

    monkeypatch.setattr(price, "solve", pressed)
    out = tmp_path / "out"
    done = run("security", case, "--margins", "0,0.02,0.1", "--out", out)
    assert done.returncode == 3
    assert " ".join(done.stdout.split()).startswith("incomplete")
    # The second one was stopped, so that only the first one is kept for another run
    lines = (out / price.FILE).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["margin_per_kwh"] for line in lines[1:]] == [0.0]
    assert run("security", case, "--margins", "0,0.02,0.1", "--out", out, "--resume", "--quiet").returncode == 0
    assert pd.read_csv(out / "security.csv")["status"].tolist() == ["certified"] * 3


def test_losses_are_minimised_and_have_a_price_of_at_least_0(case: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("security", case, "--objective", "loss", "--margins", "0,0.05", "--out", out, "--quiet").returncode == 0
    data = json.loads((out / "security.json").read_text(encoding="utf-8"))
    assert (data["unit"], data["sense"]) == ("kWh", "minimise")
    found = pd.read_csv(out / "security.csv")
    # The user's hour can be had with any margin up to the range of prices
    assert found["price_of_security"].tolist() == pytest.approx([0.0, 0.0], abs=2e-4 * found["objective"][0])
    assert found["worst_tie"][0] >= found["objective"][0] * (1 - 1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--margins", "0,-1"], ["-1 is no margin"]),
        (["--margins", "0,much"], ["much is no margin"]),
        (["--margins", "0,1e-9"], ["margin 1e-09 is too small"]),
        (["--resume"], ["--resume needs the folder"]),
        (["--solver", "cplx"], ["cplx"]),
    ],
)
def test_bad_input_is_refused_before_any_solve(
    case: Path, options: list[str], words: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price, "solve", None)
    refuse(capsys, ["security", case, *options], *words)


def test_a_page_tells_every_margin(solved: tuple[Path, Any], tmp_path: Path) -> None:
    out, _ = solved
    page = tmp_path / "page.html"
    assert run("report", out, "--out", page, "--quiet").returncode == 0
    text = page.read_text(encoding="utf-8")
    for words in (
        "margin 0.45",
        "infeasible",
        "price of security",
        "By margin in EUR/kWh",
        "bilevel security",
        "--margins 0.0,0.02,0.1,0.45",
    ):
        assert words in text


def test_nothing_found_has_an_exit_code_of_its_own() -> None:
    row = price.MarginRow(0.01, "unknown", "time limit", *[float("nan")] * 5, "", *[float("nan")] * 4, 1.0, 10.0, {})
    found = price.SecurityPrice(tiny_case(), (row,), (0.01,), -1, "EUR", price.Search(), 1)
    assert security.code(found) == 5
    assert security.code(replace(found, rows=(replace(row, status="feasible"),))) == 3
