"""The layers of the house, read from the imports: data know no model, the engine knows no grid, no room knows one above it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import house_graph  # noqa: E402

HOUSE = house_graph.read(ROOT)
FILES = sorted(HOUSE.files.values())


def imported(file: Path) -> set[str]:
    """Top-level names of every import of a file, the ones inside functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_no_arrow_points_up_no_circle_and_no_room_is_too_full() -> None:
    assert not list(HOUSE.faults())


def test_every_room_has_its_place() -> None:
    for package, rooms in house_graph.ROOMS.items():
        found = {HOUSE.room(name).partition(".")[2] for name in HOUSE.files if name.partition(".")[0] == package}
        # Rooms that hold rooms only, and the tops of packages, hold no order
        assert {room for room in found if room} == set(rooms), package


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_packages_know_nothing_of_tests_and_scripts(file: Path) -> None:
    assert not imported(file) & {"scripts", "tests", "oracles", "house_graph"}
    if file.relative_to(ROOT).parts[0] == "instances":
        assert "pyomo" not in imported(file)


def test_no_relative_imports() -> None:
    for file in FILES:
        levels = [node.level for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
        assert max(levels, default=0) == 0, file


def write(root: Path, **files: str) -> house_graph.House:
    for name in ("instances/__init__", "bilevel/__init__", "formulations/__init__", "studies/__init__", *files):
        path = root / f"{name.replace('__0', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(name, ""), encoding="utf-8")
    return house_graph.read(root)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"bilevel__0a": "import formulations"}, "imports formulations"),
        ({"bilevel__0a": "def f():\n    from studies import x"}, "imports studies"),
        ({"bilevel__0program__0a": "from bilevel.search import b", "bilevel__0search__0b": ""}, "imports bilevel.search.b"),
        ({"bilevel__0a": "from bilevel import b", "bilevel__0b": "from bilevel.a import x"}, "a circle"),
        ({"bilevel__0a": "x = 1\n" * 301}, "301 lines"),
        ({f"bilevel__0a{k}": "" for k in range(13)}, "13 files"),
        ({"bilevel__0a": "def f():\n    'Said.'\n" + "    x = 1\n" * 40}, "f has 41 lines"),
    ],
)  # fmt: skip
def test_each_rule_fails_alone(tmp_path: Path, files: dict[str, str], said: str) -> None:
    faults = list(write(tmp_path, **files).faults())
    assert len(faults) == 1 and said in faults[0]


def test_what_points_down_is_allowed(tmp_path: Path) -> None:
    down: dict[str, str] = {
        "studies__0a": "import bilevel, formulations, instances",
        "bilevel__0search__0b": "from bilevel.program import a",
        "bilevel__0program__0a": "def f():\n    '''\n" + "    Long.\n" * 60 + "    '''\n",
    }
    assert not list(write(tmp_path, **down).faults())


def test_tests_stand_where_the_rooms_do() -> None:
    others = {"bilevel.fuzz", "instances.data"}  # of the whole engine, and of the shipped cases
    for package, rooms in house_graph.ROOMS.items():
        known = {package, *(f"{package}.{room}" for room in rooms), *others}
        for file in (ROOT / "tests" / package).rglob("test_*.py"):
            assert ".".join(file.relative_to(ROOT / "tests").parts[:-1]) in known, file
            assert not file.name.startswith(f"test_{package}_"), file
