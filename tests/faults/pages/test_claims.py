"""A stored answer that claims more than its numbers show is refused with its file, its line and the claim."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Capture, refuse

from studies import page as studies_page
from studies.results_files import versions

FILES = studies_page.KINDS
Change = Callable[[Any], None]


def put(*path: Any) -> Change:
    """Put the last at the place that the others name; None of a key removes it."""
    *steps, key, value = path

    def change(data: Any) -> None:
        for step in steps:
            data = data[step]
        if value is GONE:
            del data[key]
        else:
            data[key] = value

    return change


def both(*changes: Change) -> Change:
    def change(data: Any) -> None:
        for each in changes:
            each(data)

    return change


GONE = object()
FAILS = {"ok": False, "value": 1.0}


def failing(*path: Any) -> Change:
    """The first check of a certificate fails, and its numbers say so too."""

    def change(data: Any) -> None:
        for step in path:
            data = data[step]
        data["certificate"][0] |= FAILS

    return change


CLAIMS: list[tuple[str, str, Change, str]] = [
    ("solve", "solution.json", put("bound", None), "status is 'certified' without a bound"),
    ("solve", "solution.json", put("objective", None), "status is 'certified' without an objective"),
    ("solve", "solution.json", put("gap", None), "status is 'certified' without a gap"),
    ("solve", "solution.json", put("gap", 0.5), "gap is 0.5"),
    ("solve", "solution.json", put("bound", -1e9), "objective and bound are"),
    ("solve", "solution.json", put("bound", 1e9), "is worse than the objective"),
    ("solve", "solution.json", put("objective", 0), "objective and bound are inf apart"),
    ("solve", "solution.json", put("certificate", []), "without a check"),
    ("solve", "solution.json", failing(), "fails"),
    ("solve", "solution.json", both(failing(), put("status", "feasible")), "status is 'feasible', and check"),
    ("solve", "solution.json", put("certificate", 0, "value", 1.0), "says ok with a value above its tolerance"),
    ("pareto", "front.json", put("points", 0, "bound", None), "point 1: status is 'certified' without a bound"),
    ("pareto", "front.json", put("points", 0, "bound", -1e9), "point 1: the bound -1e+09 is worse than the objective"),
    ("pareto", "front.json", put("points", 0, "gap", 0.5), "point 1: gap is 0.5"),
    ("pareto", "front.json", put("points", 0, "status", "feasible"), "certified is true, and not every point is certified"),
    ("equilibrium", "trace.json", put("solution", "bound", None), "status is 'certified' without a bound"),
    ("equilibrium", "trace.json", failing("solution"), "fails"),
    ("equilibrium", "trace.json", put("station_profit", None), "and there is no station_profit"),
    ("market", "market.json", put("ways", "exact", "bound", 1e9), "is worse than the objective"),
    ("market", "market.json", failing("ways", "cooperative"), "fails"),
    ("market", "market.json", put("ways", "cooperative", "status", "feasible"), "the cooperative way is 'feasible'"),
    ("compare", "compare.json", put("exact", "bound", None), "status is 'certified' without a bound"),
    ("compare", "compare.json", put("exact", "bound", 1e9), "is worse than the objective"),
    ("compare", "compare.json", put("exact", "bound", -1e9), "was asked for"),
    ("security", "security.json", put("rows", 0, "bound", None), "status is 'certified' without a bound"),
    ("security", "security.json", put("rows", 0, "gap", 0.9), "gap is 0.9"),
    ("security", "security.json", put("complete", False), "closed is true, and complete is false"),
    ("security", "security.json", put("rows", 1, "status", "feasible"), "closed is true, and the row of margin 0.01"),
]  # fmt: skip


def copied(folder: Path, into: Path, name: str, change: Change) -> Path:
    shutil.copytree(folder, into)
    data = json.loads((into / name).read_text(encoding="utf-8"))
    change(data)
    (into / name).write_text(json.dumps(data, indent=1), encoding="utf-8")
    return into


@pytest.mark.parametrize(
    ("kind", "name", "change", "said"), CLAIMS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_claim_beyond_its_numbers_is_not_believed(
    kind: str, name: str, change: Change, said: str, folders: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    folder = copied(folders[kind], tmp_path / "folder", name, change)
    out = tmp_path / "page.html"
    refuse(capsys, ["report", folder, "--out", out, "--quiet"], f"{name}, line ", said, "again")
    assert not out.exists()


FIELDS: list[tuple[str, str, Change, Sequence[str]]] = [
    ("solve", "solution.json", put("seconds", "x"), ["seconds is 'x', expected an object"]),
    ("solve", "solution.json", put("seconds", "solve", True), ["seconds.solve is true, expected a number"]),
    ("solve", "solution.json", put("versions", None), ["versions is null, expected an object"]),
    ("solve", "solution.json", put("versions", "numpy", 3), ["versions.numpy is 3, expected text"]),
    ("solve", "solution.json", put("case", GONE), ["the file has no field 'case'"]),
    ("solve", "solution.json", put("case", "objective", GONE), ["case has no field 'objective'"]),
    ("solve", "solution.json", put("case", "objective", "loss", None), ["case.objective.loss is null, expected a number"]),
    ("solve", "solution.json", put("certificate", 2, "unit", 5), ["certificate[2].unit is 5, expected text"]),
    ("solve", "solution.json", put("status", "y" * 100_000), ["status is 'yyy", "none of its words"]),
    ("solve", "solution.json", put("format", 99), ["format is 99", "reads up to 2"]),
    ("pareto", "front.json", put("settings", "gap", GONE), ["settings has no field 'gap'"]),
    ("pareto", "front.json", put("settings", "gap", None), ["settings.gap is null, expected a number"]),
    ("pareto", "front.json", put("points", 0, "bound", "3"), ["points[0].bound is '3', expected a number or null"]),
    ("market", "market.json", put("ways", "exact", GONE), ["ways has no field 'exact'"]),
    ("compare", "compare.json", put("settings", "runs", {}), ["settings.runs is an object of 0"]),
    ("security", "security.json", put("rows", 0, "broken_row", None), ["rows[0].broken_row is null, expected text"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "change", "said"), FIELDS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_field_of_another_kind_is_refused_with_its_line(
    kind: str, name: str, change: Change, said: Sequence[str], folders: dict[str, Path], tmp_path: Path, capsys: Capture
) -> None:
    folder = copied(folders[kind], tmp_path / "folder", name, change)
    refuse(capsys, ["report", folder, "--out", tmp_path / "page.html", "--quiet"], f"{name}", *said)


def test_the_line_is_that_of_the_field(folders: dict[str, Path], tmp_path: Path, capsys: Capture) -> None:
    folder = copied(folders["pareto"], tmp_path / "folder", "front.json", put("points", 0, "bound", ["wrong"]))
    lines = (folder / "front.json").read_text(encoding="utf-8").splitlines()
    line = next(k for k, text in enumerate(lines) if "wrong" in text)
    refuse(capsys, ["report", folder, "--quiet"], f"front.json, line {line}: points[0].bound is a list of 1")


@pytest.mark.parametrize("kind", FILES)
def test_files_of_the_first_version_are_read(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    """They say no version, have older words for a status, and know nothing of what came later."""

    def older(data: Any) -> None:
        assert data.pop("format") == versions.FORMAT
        for name in ("proven", "nodes", "attempts", "flow", "machine", "verdict" if kind == "market" else "proven"):
            data.pop(name, None)
        for part in data.get("points", []):
            part.pop("proven", None)
        for check in data.get("certificate", []):
            check.pop("kind")

    folder = copied(folders[kind], tmp_path / "folder", FILES[kind], older)
    assert studies_page.page(studies_page.read(folder)).html.endswith("</html>\n")


def test_an_older_word_for_a_status_is_that_of_today(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(
        folders["solve"], tmp_path / "folder", "solution.json", both(put("status", "unattained"), put("format", GONE))
    )
    results = studies_page.read(folder)
    assert results.data["status"] == "not_attained"
    assert "not_attained" in studies_page.page(results).html
