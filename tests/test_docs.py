"""What the documents name exists: functions by import, files by path, and the README's Python and commands run as printed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from studies.command_line.main import EXIT_CODES, app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOTTED = re.compile(r"`((?:bilevel|formulations|instances)(?:\.[A-Za-z_]\w*)+)")
NAMES = sorted({(page.name, name) for page in PAGES for name in DOTTED.findall(page.read_text(encoding="utf-8"))})


def find(name: str) -> Any:
    """An object by its dotted name: the longest module, then attributes."""
    parts = name.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[size:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize(("page", "name"), NAMES)
def test_named_functions_exist(page: str, name: str) -> None:
    assert find(name) is not None, page


def test_the_model_page_maps_many_equations() -> None:
    assert len([name for page, name in NAMES if page == "model.md"]) >= 25


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_readme_lists_every_command_folder_and_exit_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("cases", "check", "solve", "pareto", "equilibrium", "compare-equilibrium"):
        assert f"bilevel {command}" in text
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    for code in {*EXIT_CODES.values(), 2, 130}:
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE)
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} | {"tests", "scripts", "docs"}
    for folder in folders:
        assert re.search(rf"^\| `{folder}/` \|", text, re.MULTILINE)


def test_the_python_of_the_readme_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        space: dict[str, Any] = {}
        exec(compile(block, "README.md", "exec"), space)
        assert space["solution"].status == "certified"


@pytest.mark.parametrize(
    ("page", "count", "words"),
    [
        ("your-own-model.md", 4, "no proven bound"),
        ("fronts.md", 4, "behind"),
        ("credit-points.md", 2, "valley_share"),
        ("heuristics.md", 3, "exact proves"),
        ("carbon.md", 4, "certified"),
    ],
    ids=str,
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: str, count: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= count
    space: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), space)
    assert words in capsys.readouterr().out
