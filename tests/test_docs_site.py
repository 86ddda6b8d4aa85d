"""The documentation site: every block of Python is run, every equation has its function, every public name its reference."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bilevel
import formulations
import instances
import studies.market
from formulations.followers import FOLLOWERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TESTED_ELSEWHERE = {
    **dict.fromkeys(
        ("your-own-model.md", "fronts.md", "credit-points.md", "heuristics.md", "carbon.md"), "test_docs.py"
    ),
    "interchange.md": "bilevel/interchange/test_interchange.py",
    "feeders.md": "instances/files/test_feeders.py",
}
"""Pages whose blocks need files or an output of their own, and the tests that run them."""

PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "gallery" not in page.relative_to(DOCS).parts]
TEXTS = {page.relative_to(DOCS).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
CONFIGURATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
NAV = re.findall(r"^ +- .*: (\S+\.md)$", CONFIGURATION, re.MULTILINE)


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page", [name for name, text in TEXTS.items() if python_blocks(text) and name not in TESTED_ELSEWHERE]
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registered = dict(FOLLOWERS)
    space: dict[str, Any] = {}
    try:
        for block in python_blocks(TEXTS[page]):
            exec(compile(block, page, "exec"), space)
    finally:
        FOLLOWERS.clear()
        FOLLOWERS.update(registered)
    assert space


def test_no_block_of_python_escapes() -> None:
    for page, test in TESTED_ELSEWHERE.items():
        assert python_blocks(TEXTS[page])
        assert page in (ROOT / "tests" / test).read_text(encoding="utf-8")
    for page, text in {**TEXTS, "README.md": (ROOT / "README.md").read_text(encoding="utf-8")}.items():
        opened = re.findall(r"^[ >]*(?:`{3,}|~{3,}) *\{?\.?(?:py|python|pycon|ipython)\d?\b.*$", text, re.MULTILINE)
        assert len(opened) == len(python_blocks(text)), page


def test_every_equation_of_the_model_has_a_function() -> None:
    numbered = set(re.findall(r"^ {4}.*?\((\d+)\)  ", TEXTS["model.md"], re.MULTILINE))
    rows = re.findall(r"^\| \((\d+)\) \| [^|]+ \| (.+?) \|", TEXTS["equations.md"], re.MULTILINE)
    assert {number for number, _ in rows} == numbered == {str(k) for k in range(1, 28)}
    for number, functions in rows:
        assert re.search(r"`(?:bilevel|formulations|studies)\.", functions), number


def test_every_function_of_the_equations_is_imported() -> None:
    names = re.findall(r"`((?:bilevel|formulations|studies)(?:\.\w+)+)`", TEXTS["equations.md"])
    assert len(names) >= 40
    for name in names:
        assert found(name) is not None


def test_every_component_of_the_equations_is_in_a_model() -> None:
    case = instances.scale(instances.load("ieee33"), 1)
    models = [formulations.charging_pricing(case, flow=flow) for flow in ("distflow", "jabr")]
    models += [formulations.charging_pricing(case, tariff=tariff) for tariff in ("blocks", "levels")]
    limited = replace(case, feeder=replace(case.feeder, supply_max_kw=5000.0))
    days = instances.Scenarios((instances.Scenario("a", 0.5), instances.Scenario("b", 0.5, willing_share=0.0)))
    models.append(
        formulations.charging_pricing(limited, scenarios=days, risk="cvar=0.5", chance="voltage=0.9,supply=0.9")
    )
    names = set(re.findall(r"`model\.(\w+)", TEXTS["equations.md"]))
    assert len(names) >= 20
    assert {name for name in names if all(model.component(name) is None for model in models)} == set()


def found(name: str) -> Any:
    """An object by its dotted name, through the module that defines it (a function may have the name of its module)."""
    head, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(head), last)
    except ModuleNotFoundError:
        return getattr(found(head), last)


@pytest.mark.parametrize(
    "package", [bilevel, formulations, instances, studies.market], ids=lambda package: package.__name__
)
def test_every_public_name_has_its_reference(package: Any) -> None:
    text = TEXTS[f"reference/{package.__name__.partition('.')[0]}.md"]
    entries = re.findall(r"^::: (\S+)\n    options:\n      heading: (\S+)\n", text, re.MULTILINE)
    assert {f"{package.__name__}.{name}" for name in package.__all__} <= {heading for _, heading in entries}
    for target, heading in entries:
        if heading != "bilevel.Follower":  # made by a decorator from the class that is documented
            assert found(target) is found(heading)
        assert (found(target).__doc__ or "").strip()


def test_the_navigation_holds_every_page() -> None:
    assert len(NAV) == len(set(NAV))
    assert {name for name in NAV if not name.startswith("gallery/")} == set(TEXTS)


def test_a_reader_needs_no_network() -> None:
    assert "font: false" in CONFIGURATION
    assert "extra_javascript" not in CONFIGURATION
    assert "http" not in re.sub(r"^#.*$", "", CONFIGURATION, flags=re.MULTILINE)


def test_make_docs_is_not_taken_for_the_folder() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^\.PHONY:.* docs\b", makefile, re.MULTILINE)
    assert "mkdocs build --strict" in makefile


def test_figures_are_there() -> None:
    figures = [(page, name) for page, text in TEXTS.items() for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)]
    assert len(figures) >= 10
    for page, name in figures:
        assert (DOCS / page).parent.joinpath(name).is_file(), name


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the extra `docs` is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "bilevel.html").read_text(encoding="utf-8")
    assert "warm_start" in page and "Solve a Pyomo model with" in page
    assert (tmp_path / "figures" / "market_prices.png").is_file()
