"""`bilevel report`: the page of every kind of folder, refusals, and how it behaves in a browser."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import pandas as pd
import pytest
from chromium import Page, chromium
from cli_runs import Capture, refuse
from oracles import tiny_case
from shared_folders import shared

import instances
from bilevel.errors import BilevelError
from studies import page as studies_page
from studies.command_line import main
from studies.page.parts import command
from studies.page.parts.html import light
from studies.pricing import front_points

ROOT = Path(__file__).parents[3]
CASE = "ieee33"


KINDS = ("solve", "both", "equilibrium", "compare", "pareto")


def _make(root: Path) -> None:
    """A folder of each command, some for a case of three buses, whose name is no shipped case's."""
    instances.write(tiny_case(), root / "tiny")
    asked = {
        "solve": ["solve", str(root / "tiny"), "--objective", "loss=1,profit=0.5", "--quiet"],
        "both": ["compare-equilibrium", CASE, "--evs", "2", "--points", "3", "--max-iterations", "3", "--quiet"],
        "equilibrium": ["equilibrium", str(root / "tiny"), "--max-iterations", "3", "--quiet"],
        "compare": ["compare", str(root / "tiny"), "--methods", "exact,ga", "--runs", "1", "--budget", "60", "--quiet"],
    }
    for name, arguments in asked.items():
        assert main.run([*arguments, "--out", str(root / name)]) in (0, 3)
    # What `bilevel pareto` writes is a part of what the comparison does
    shutil.copytree(
        root / "both",
        root / "pareto",
        ignore=lambda _, names: [n for n in names if n[:5] in ("compa", "trace", "equil")],
    )
    assert main.run(["report", str(root / "both"), "--out", str(root / "both.html"), "--quiet"]) == 0


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = shared(tmp_path_factory, "report", _make)
    return {name: root / name for name in KINDS}


@pytest.fixture(scope="module")
def written(folders: dict[str, Path]) -> Path:
    return folders["both"].parent / "both.html"


def html(folder: Path) -> str:
    return studies_page.page(studies_page.read(folder)).html


def panels(page: str) -> list[str]:
    return re.findall(r'<section id="([\w-]+)"', page)


# What is on the page


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("solve", ["summary", "certificate", "schedule", "feeder", "reproduce"]),
        ("pareto", ["summary", "certificate", "front", "feeder", "reproduce"]),
        ("equilibrium", ["summary", "certificate", "schedule", "feeder", "traces", "reproduce"]),
        ("both", ["summary", "certificate", "front", "schedule", "comparison", "feeder", "traces", "reproduce"]),
    ],
)
def test_every_kind_of_folder_has_its_panels(folders: dict[str, Path], kind: str, expected: list[str]) -> None:
    page = html(folders[kind])
    assert panels(page) == expected
    assert not re.search(r"(?:src|href)=\"(?!#|data:)|@import|url\(", page)


def test_a_comparison_of_a_users_case_says_what_it_lacks(folders: dict[str, Path]) -> None:
    page = html(folders["compare"])
    assert panels(page) == ["summary", "certificate", "comparison", "traces", "reproduce", "left-out"]
    assert "feeder.csv is not in the folder, and tiny is no shipped case" in page
    assert "put the path of its folder in its place" in page


def test_numbers_of_the_page_are_those_of_the_files(folders: dict[str, Path]) -> None:
    page = html(folders["pareto"])
    for row in pd.read_csv(folders["pareto"] / "front.csv").itertuples():
        said = f"loss {row.network_loss_kwh:.7g} kWh, profit {row.station_profit:.6g} EUR"
        assert said in page
    voltages = json.loads(page.split('id="voltages">')[1].split("</script>")[0])
    found = pd.read_csv(folders["pareto"] / "point_voltages.csv", dtype={"bus": str})
    first = found[found["point"] == 1].set_index("bus")["voltage_lowest_pu"]
    network = instances.Network.from_feeder(instances.load(CASE).feeder)
    assert voltages["views"]["point 1"] == pytest.approx(first[list(network.buses)].tolist(), abs=1e-6)
    assert re.search(rf'class="bus v0"[^>]*data-bus="{first.idxmin()}"', page)
    assert re.search(r'class="bus v4"[^>]*data-bus="1"', page)
    for station in instances.load(CASE).stations:
        assert f'aria-label="station {station.name} at bus {station.bus}"' in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["solver"] * 3, ["by the solver&#x27;s word"]),
        (["checked"] * 3, ["3 of 3 proven: a checker without a solver followed them<", "checked by a proof"]),
        (
            ["checked", "solver", "none"],
            ["1 of 3 proven", "the others by the solver&#x27;s word", "the solver&#x27;s word"],
        ),
        # Written by a version that did not say so
        (None, []),
    ],
)
def test_a_front_says_whose_word_its_bounds_are(
    folders: dict[str, Path], tmp_path: Path, words: list[str] | None, said: list[str]
) -> None:
    shutil.copytree(folders["pareto"], tmp_path / "front")
    file = tmp_path / "front" / "front.json"
    front = json.loads(file.read_text(encoding="utf-8"))
    assert {point.pop("proven") for point in front["points"]} == {"solver"} == set(front.pop("proven").values())
    if words is not None:
        front["proven"] = dict.fromkeys(("least_limited", "most_maximized"), words[0])
        for point, word in zip(front["points"], words, strict=True):
            point["proven"] = word
    file.write_text(json.dumps(front), encoding="utf-8")
    page = html(tmp_path / "front")
    assert panels(page) == panels(html(folders["pareto"]))
    assert [text for text in said if text not in page] == []
    # By every mark of the front, on hovering, and above its prices
    assert ("by a checked proof" in page) == ("checked" in (words or []))
    assert ("followed" in page) == ("checked" in (words or []))
    assert ("the bound is" in page) == (words is not None)


def test_prices_and_power_of_the_points_give_their_profit(folders: dict[str, Path]) -> None:
    """Profit is what users pay less the energy at the wholesale price, by the tables alone."""
    case = instances.load(CASE)
    table = pd.read_csv(folders["pareto"] / front_points.DECISIONS)
    wholesale = pd.Series(case.wholesale_price_per_kwh)
    table["earned"] = (
        (table["price_per_kwh"] - wholesale[table["period"]].to_numpy()) * table["power_kw"] * case.horizon.period_hours
    )
    front = pd.read_csv(folders["pareto"] / "front.csv")
    assert table.groupby("point")["earned"].sum().to_numpy() == pytest.approx(
        front["station_profit"].to_numpy(), rel=1e-5
    )


@pytest.mark.parametrize("kind", ["solve", "pareto", "both", "equilibrium", "compare"])
def test_the_command_of_the_page_is_understood(folders: dict[str, Path], kind: str, monkeypatch: Any) -> None:
    """Options are parsed by the command itself, with the work taken out of it."""
    words = shlex.split(command.line(studies_page.read(folders[kind])).replace("\\\n", " "))
    assert words[0] == "bilevel"
    words[2] = str(folders[kind].parent / "tiny") if words[2] == "tiny" else words[2]
    given: list[dict[str, Any]] = []
    name = words[1]
    found = next(c for c in main.app.registered_commands if (c.name or c.callback.__name__) == name)  # type: ignore[union-attr]
    monkeypatch.setattr(found, "callback", _like(found.callback, given))
    assert main.run(words[1:]) == 0
    assert given[0]["case"] == words[2]
    recorded = studies_page.read(folders[kind]).about
    assert (given[0]["evs"], given[0]["seed"]) == ((recorded["evs"], 0) if recorded["seed"] is not None else (None, 0))


def _like(callback: Any, given: list[dict[str, Any]]) -> Any:
    """The same options, and no work."""
    import functools

    @functools.wraps(callback)
    def noted(**options: Any) -> int:
        given.append(options)
        return 0

    return noted


def test_the_command_makes_the_same_answer(folders: dict[str, Path], tmp_path: Path) -> None:
    words = shlex.split(command.line(studies_page.read(folders["solve"])).replace("\\\n", " "))
    words[2], words[words.index("--out") + 1] = str(folders["solve"].parent / "tiny"), str(tmp_path / "again")
    assert main.run([*words[1:], "--quiet"]) == 0
    one, two = (studies_page.read(folder).data for folder in (folders["solve"], tmp_path / "again"))
    assert two["objective"] == pytest.approx(one["objective"], rel=1e-6)
    assert two["case"]["objective"] == one["case"]["objective"] == {"loss": 1.0, "profit": 0.5}


# Broken and hostile folders


def changed(folder: Path, into: Path, name: str, change: Any) -> Path:
    """A copy of a folder with its JSON changed."""
    shutil.copytree(folder, into)
    data = json.loads((into / name).read_text(encoding="utf-8"))
    change(data)
    (into / name).write_text(json.dumps(data), encoding="utf-8")
    return into


def test_a_failed_check_is_told_in_words(folders: dict[str, Path], tmp_path: Path) -> None:
    def fail(data: Any) -> None:
        data["certificate"][0] |= {"ok": False, "value": 1.0}
        data["status"] = "rejected"

    assert "FAIL" not in html(folders["solve"])
    page = html(changed(folders["solve"], tmp_path / "failed", "solution.json", fail))
    assert re.search(r'class="light fail"><span class="dot" aria-hidden="true"></span>FAIL<', page)
    assert "11 pass, 1 FAIL, 2 reported" in page


def test_a_page_of_an_older_folder_has_the_words_of_today() -> None:
    assert light("unattained") == light("not_attained")
    assert "not_attained" in light("unattained") and "pass" in light("certified")
    assert "incomplete" in light("incomplete"), "words of a page that are no status stay"


def test_names_cannot_break_out_of_the_page(folders: dict[str, Path], tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script>&\"'<b>"

    def rename(data: Any) -> None:
        data["case"]["name"] = evil
        data["versions"][evil] = evil

    page = html(changed(folders["solve"], tmp_path / "evil", "solution.json", rename))
    assert "<b>" not in page.partition("</style>")[2]
    assert page.count("</script>") == html(folders["solve"]).count("</script>")
    table = pd.read_csv(tmp_path / "evil" / "prices.csv")
    assert not table.empty


def test_missing_pieces_are_left_out_and_said(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["solve"], tmp_path / "part")
    for name in ("charging.csv", "voltages.csv"):
        (tmp_path / "part" / name).unlink()
    page = html(tmp_path / "part")
    assert panels(page) == ["summary", "certificate", "feeder", "reproduce", "left-out"]
    assert "charging.csv is not in the folder" in page
    assert "keeps no voltages" in page


DAMAGE = {
    # file: what becomes of it, and what the refusal names
    "voltages.csv": ("period,bus\n0,1\n", "voltages.csv, line 1: column 'voltage_pu' is missing"),
    "charging.csv": ("no,such,columns\n1,2,3\n", "charging.csv, line 1: column 'session' is missing"),
    "feeder.csv": ("", "feeder.csv, line 1: the table has no head"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_table_is_refused_by_name_and_line(
    name: str, folders: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    damaged, said = DAMAGE[name]
    shutil.copytree(folders["solve"], tmp_path / "damaged")
    (tmp_path / "damaged" / name).write_text(damaged)
    out = tmp_path / "page.html"
    refuse(capsys, ["report", tmp_path / "damaged", "--out", out, "--quiet"], said, "again")
    assert not out.exists()


def test_a_json_file_that_is_cut_off_is_refused(folders: dict[str, Path], tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(folders["both"], tmp_path / "cut")
    text = (tmp_path / "cut" / "trace.json").read_text()
    (tmp_path / "cut" / "trace.json").write_text(text[: len(text) // 2])
    out = tmp_path / "page.html"
    refuse(capsys, ["report", tmp_path / "cut", "--out", out, "--quiet"], "trace.json, line ", "no JSON")
    assert not out.exists()


def test_voltages_of_another_feeder_are_refused(folders: dict[str, Path], tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(folders["both"], tmp_path / "other")
    shutil.copy(folders["equilibrium"] / "feeder.csv", tmp_path / "other" / "feeder.csv")
    said = "point_voltages.csv: the voltages are of other buses than the feeder's"
    refuse(capsys, ["report", tmp_path / "other", "--out", tmp_path / "page.html"], said)


def test_a_shipped_case_is_drawn_without_the_file_of_its_feeder(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["both"], tmp_path / "old")
    drawing = html(tmp_path / "old").partition('<svg class="feeder"')[2].partition("</svg>")[0]
    (tmp_path / "old" / "feeder.csv").unlink()
    assert drawing
    assert html(tmp_path / "old").partition('<svg class="feeder"')[2].partition("</svg>")[0] == drawing


def test_refusals_are_one_sentence(folders: dict[str, Path], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "front.json").write_text("{")
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "front.json").write_text("[]")
    good = str(folders["solve"])
    refuse(capsys, ["report", tmp_path / "none"], "none is no folder", "bilevel solve")
    refuse(capsys, ["report", tmp_path / "empty"], "empty holds no results", "--out DIR")
    refuse(capsys, ["report", tmp_path / "broken"], "front.json, line 1: the file is no JSON", "again")
    refuse(capsys, ["report", tmp_path / "list"], "no JSON object", "again")
    refuse(capsys, ["report", good, "--out", tmp_path], "is a folder", "report.html")
    refuse(capsys, ["report", good, "--out", folders["solve"] / "report.html"], "inside the results folder")
    assert not (folders["solve"] / "report.html").exists()
    with pytest.raises(BilevelError, match="no folder"):
        studies_page.read(tmp_path / "none")


# In a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, written: Path) -> Page:
    browser.events.clear()
    browser.call("Emulation.setEmulatedMedia", media="")
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.open(written)
    return browser


def test_it_loads_without_errors_or_requests(page: Page, written: Path) -> None:
    assert page.js("document.title") == f"{CASE}: bilevel compare-equilibrium"
    assert page.seen("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []
    asked = {event["request"]["url"] for event in page.seen("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {written.resolve().as_uri()}


def test_the_browser_reports_an_error_and_refuses_a_request(page: Page) -> None:
    """The oracle of the test above sees what it should see."""
    page.js("setTimeout(() => { throw new Error('seen') }); fetch('http://127.0.0.1:9/').catch(() => 1)")
    page.js("new Promise(done => setTimeout(() => done(1), 50))")
    assert page.seen("Runtime.exceptionThrown")
    assert any("Content Security Policy" in event["entry"]["text"] for event in page.seen("Log.entryAdded"))


def test_hover_shows_the_point_and_leaving_hides_it(page: Page) -> None:
    assert page.js("tip.hidden") is True
    page.mouse('[data-point="2"] .dot', "mouseMoved")
    assert page.js("tip.hidden") is False
    assert page.js("tip.textContent") == page.js(
        "document.querySelector('[data-point=\"2\"]').getAttribute('aria-label')"
    )
    box = page.js("(b => [b.left, b.top, innerWidth - b.right, innerHeight - b.bottom])(tip.getBoundingClientRect())")
    assert min(box) >= 0
    page.mouse("h1", "mouseMoved")
    assert page.js("tip.hidden") is True
    page.mouse('.bus[data-bus="18"]', "mouseMoved")
    assert re.fullmatch(r"bus 18: lowest voltage 0\.9\d{3} pu", page.js("tip.textContent"))


def shown(page: Page) -> list[str]:
    return page.js("[...document.querySelectorAll('.day')].filter(d => !d.hidden).map(d => d.id)")  # type: ignore[no-any-return]


def test_click_and_keys_choose_a_point(page: Page, folders: dict[str, Path]) -> None:
    assert shown(page) == ["point-1"]
    page.mouse('[data-point="3"] .dot', "mousePressed", "mouseReleased")
    assert shown(page) == ["point-3"]
    assert page.js("document.querySelector('#point-3 figcaption').offsetHeight") > 0
    assert page.js("view.value") == "point 3"
    table = pd.read_csv(folders["both"] / front_points.VOLTAGES, dtype={"bus": str})
    lowest = table[(table["point"] == 3) & (table["bus"] == "18")]["voltage_lowest_pu"].item()
    assert page.js("document.querySelector('.bus[data-bus=\"18\"]').dataset.tip").endswith(f"{lowest:.4f} pu")
    page.js("document.querySelector('[data-point=\"3\"]').focus()")
    page.key("ArrowLeft")
    assert page.js("document.activeElement.dataset.point") == "2"
    assert page.js("tip.hidden") is False
    page.key("Enter")
    assert shown(page) == ["point-2"]
    pressed = page.js("[...document.querySelectorAll('.point[data-point]')].map(p => p.getAttribute('aria-pressed'))")
    assert pressed == ["false", "true", "false"]
    page.key("Escape")
    assert page.js("tip.hidden") is True


def test_everything_to_interact_with_has_a_name(page: Page) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    active = [
        n for n in nodes if any(p["name"] == "focusable" and p["value"]["value"] for p in n.get("properties", []))
    ]
    named = {n["role"]["value"]: n["name"]["value"] for n in active if n["role"]["value"] != "RootWebArea"}
    assert {"button", "link", "combobox"} <= set(named)
    for node in active:
        assert node.get("name", {}).get("value"), node
    assert page.js("document.documentElement.lang") == "en"
    images = page.js(
        "[...document.querySelectorAll('svg')].filter(s => !s.closest('[aria-hidden]') && !s.getAttribute('aria-label')).length"
    )
    assert images == 0


COLOURS = """
(() => { const found = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  document.querySelectorAll('details').forEach(d => { d.open = true });
  document.querySelectorAll('[hidden]').forEach(d => { d.hidden = false });
  while (walk.nextNode()) {
    const owner = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || owner.closest('script')) continue;
    const style = getComputedStyle(owner);
    let under = owner;
    while (under && getComputedStyle(under).backgroundColor === 'rgba(0, 0, 0, 0)') under = under.parentElement;
    const back = under ? getComputedStyle(under).backgroundColor : 'rgb(255, 255, 255)';
    found.add((owner.closest('svg') ? style.fill : style.color) + '|' + back);
  }
  return [...found]; })()
"""


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two CSS colours without transparency."""

    def luminance(colour: str) -> float:
        assert colour.startswith("rgb("), colour
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "rgb(255, 255, 255)") == pytest.approx(4.54, abs=0.005)


def test_text_has_contrast_and_colours_of_buses_differ_in_grey(page: Page) -> None:
    pairs = [pair.split("|") for pair in page.js(COLOURS)]
    assert len(pairs) >= 5
    for front, back in pairs:
        assert contrast(front, back) >= 4.5, (front, back)
    fills = page.js("[0,1,2,3,4].map(k => getComputedStyle(document.querySelector('.legend .v' + k)).fill)")
    steps = [contrast(colour, "rgb(0, 0, 0)") for colour in fills]
    assert all(b / a > 1.25 for a, b in pairwise(steps)), steps


def test_it_prints_without_cutting_anything_off(page: Page) -> None:
    page.mouse('[data-point="2"] .dot', "mouseMoved")
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
    page.js("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.call("Emulation.setEmulatedMedia", media="print")
    # A4 less margins of 14 mm, at 96 pixels an inch
    page.call("Emulation.setDeviceMetricsOverride", width=688, height=1000, deviceScaleFactor=1, mobile=False)
    assert page.js("getComputedStyle(tip).display") == "none"
    assert page.js("document.documentElement.scrollWidth") <= 688
    assert page.js("[...document.querySelectorAll('.wide')].every(w => w.scrollWidth <= w.clientWidth + 1)")


@pytest.mark.parametrize("kind", ["solve", "equilibrium", "both"])
def test_no_text_of_a_drawing_lies_on_another_or_is_cut(
    browser: Page, folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    page = browser
    studies_page.write(studies_page.read(folders[kind]), tmp_path / "page.html")
    page.open(tmp_path / "page.html")
    clashes = page.js("""
      [...document.querySelectorAll('figure > svg')].filter(s => s.getBoundingClientRect().width).flatMap(svg => {
        const outer = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
        const out = texts.filter(([, b]) => b.left < outer.left - 1 || b.right > outer.right + 1
          || b.top < outer.top - 1 || b.bottom > outer.bottom + 1);
        const lap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
          && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
        const pairs = texts.flatMap(([n, a], i) => texts.slice(i + 1).filter(([, b]) => lap(a, b)).map(([m]) => n + ' / ' + m));
        return [...out.map(([n]) => n + ' is cut'), ...pairs]; })""")
    assert clashes == []


def test_the_script_takes_a_picture(written: Path, browser: Page, tmp_path: Path) -> None:
    out = tmp_path / "shot.png"
    arguments = [sys.executable, ROOT / "scripts" / "shoot_report.py", written, "--out", out, "--height", "700"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pixels = matplotlib.image.imread(out)
    assert pixels.shape[:2] == (700, 1120)
    assert 0.005 < float((pixels[..., :3].min(axis=2) < 0.5).mean()) < 0.5
