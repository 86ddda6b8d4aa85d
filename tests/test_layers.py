"""The layers of the house, read from the imports: data know no model, the engine knows no grid."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bilevel", "formulations", "instances", "studies")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
ALLOWED = {
    "instances": set(),
    "bilevel": set(),
    "formulations": {"bilevel", "instances"},
    "studies": {"bilevel", "formulations", "instances"},
}


def imported(file: Path) -> set[str]:
    """Top-level names of every import of a file, the ones inside functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_stay_within_the_layers(file: Path) -> None:
    package = file.relative_to(ROOT).parts[0]
    ours = imported(file) & {*PACKAGES, "scripts", "tests", "oracles"}
    assert ours - {package} <= ALLOWED[package]
    if package == "instances":
        assert "pyomo" not in imported(file)


def test_every_package_is_read() -> None:
    assert {file.relative_to(ROOT).parts[0] for file in FILES} == set(PACKAGES)
    assert len(FILES) > 30


def test_no_relative_imports_leave_a_package() -> None:
    for file in FILES:
        levels = [node.level for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        assert max(levels, default=0) <= len(file.relative_to(ROOT).parts) - 1, file
