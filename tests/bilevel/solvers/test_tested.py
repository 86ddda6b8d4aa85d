"""Releases of solvers that the tests were not run with are told."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pyomo.environ as pyo
import pytest
from cli_runs import Capture
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import bilevel
from bilevel.solvers import tested
from studies.command_line import main

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIRED = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}


def test_the_table_says_what_the_project_asks_for() -> None:
    assert {package: REQUIRED[package] for package in tested.RELEASES} == tested.RELEASES


def test_every_dependency_has_a_lower_and_an_upper_limit() -> None:
    for package, limits in REQUIRED.items():
        assert {">=", "<"} <= {limit.operator for limit in limits}, package


@pytest.mark.parametrize("bad", ["1.11.0", "1.12.0", "1.13.1", "1.14.0", "1.16.0", "1.17.0", "2.0"])
def test_releases_of_highs_with_wrong_answers_and_unknown_ones_are_out(bad: str) -> None:
    assert not tested.RELEASES["highspy"].contains(bad)


@pytest.mark.parametrize("good", ["1.15.0", "1.15.1"])
def test_releases_of_highs_with_right_answers_are_in(good: str) -> None:
    assert tested.RELEASES["highspy"].contains(good)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_documents_name_the_releases(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == "CONTRIBUTING.md":
        assert "make test-oldest" in text and "tested.py" in text
        return
    for package in ("highspy", "pyscipopt", "gurobipy", "clarabel", "pyomo", "scipy"):
        row = re.search(rf"^\| `{package}` \|(.*)\|$", text, re.MULTILINE)
        assert row is not None, package
        assert SpecifierSet(row[1].split("|")[0].replace("`", "").replace(" ", "")) == REQUIRED[package]


@pytest.mark.parametrize(
    ("solver", "more"),
    [("highs", set()), ("scip", {"pyscipopt"}), ("gurobi", {"gurobipy"}), ("pyomo:gurobi_direct", {"gurobipy"}),
     ("pyomo:scip_direct", {"pyscipopt"}), ("pyomo:highs", set()), ("clarabel", set())],
)  # fmt: skip
def test_a_solve_stands_on_the_engines_packages_and_the_solvers(solver: str, more: set[str]) -> None:
    assert set(tested.packages(solver)) == {"clarabel", "highspy", "pyomo", "scipy"} | more


def small() -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 4))
    model.f = bilevel.Follower()
    model.f.y = pyo.Var(bounds=(0, 3))
    model.f.cost = pyo.Objective(expr=(model.x - 2) * model.f.y)
    model.goal = pyo.Objective(expr=-model.x - model.f.y)
    return model


@pytest.fixture
def table_without_this_highs(monkeypatch: pytest.MonkeyPatch) -> str:
    """The table of another day: this release of HiGHS is not in it. The release itself stays what it is."""
    monkeypatch.setitem(tested.RELEASES, "highspy", SpecifierSet("<1"))
    return metadata.version("highspy")


def test_an_answer_of_an_untested_release_says_so(table_without_this_highs: str) -> None:
    found = bilevel.solve(small(), progress=False)
    assert found.status == "certified" and found.objective == pytest.approx(-5)
    assert found.reason == (
        "every check of the certificate passes; not tested with "
        f"highspy {table_without_this_highs} (tested: <1): install a tested release"
    )
    assert found.versions["highspy"] == f"{table_without_this_highs} (not tested)"


def test_an_answer_of_tested_releases_does_not() -> None:
    found = bilevel.solve(small(), progress=False)
    assert "tested" not in found.reason and "highspy" not in found.versions


def test_the_command_line_says_so_in_one_line_on_standard_error(table_without_this_highs: str, capsys: Capture) -> None:
    assert main.run(["cases"]) == 0
    said = capsys.readouterr()
    assert (
        said.err
        == f"bilevel: not tested with highspy {table_without_this_highs} (tested: <1): install a tested release\n"
    )
    assert "tested" not in said.out
    assert main.run(["solve", "no such case", "--quiet"]) == 2
    assert "tested" not in capsys.readouterr().err


def test_the_command_line_says_nothing_of_tested_releases(capsys: Capture) -> None:
    assert main.run(["cases"]) == 0
    assert capsys.readouterr().err == ""
