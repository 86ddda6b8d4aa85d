"""Tolerances of a package stand in its one file of them, each with unit, reason and what moves where it changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bilevel", "formulations", "instances", "studies")
NAME = "tolerances.py"
OF_A_CONSTANT, OF_A_FUNCTION = 0.01, 0.001
"""The largest number that may be a tolerance: functions also compute with hundredths, such as margins of figures."""

ELSEWHERE = {
    "bilevel/certify/proof/checker.py _moved": "a weight, of a checker that imports nothing of the house",
    "bilevel/certify/proof/conditions.py WIDER": "room that no result depends on, of a checker that imports nothing of the house",
    "bilevel/certify/proof/conditions.py near": "the least number, of a checker that imports nothing of the house",
    "bilevel/integer/oracle.py (WIDEST_SECONDS, WIDEST_GAP)": "of a choice among answers, each of which is right",
    "bilevel/integer/search.py MARGINS": "a sequence of decisions, each of which is valued by its answers",
    "bilevel/integer/priced/moved.py LOOSE": "any room does: only that an idle limit is idle rests on it",
    "bilevel/integer/priced/prices.py MARGIN": "where prices are chosen that any smaller margin allows too",
    "bilevel/pessimistic/bracket.py MARGINS": "a sequence, whose members are told with the answer",
    "bilevel/pessimistic/bracket.py NEAR": "how near is told as near; the values themselves are told",
    "bilevel/pessimistic/bracket.py STILL": "only tells answers apart, whose own values are told",
    "bilevel/pessimistic/cells.py STRICTNESS": "a sequence of decisions, each of which is valued by its worst tie",
    "bilevel/search/proving/planes.py AROUND": "a step, from which no result depends",
    "bilevel/front/methods.py DEFAULT_TOLERANCE": "defaults that users may give",
    "bilevel/heuristics/ga.py _APART": "of an operator, as its paper has it",
    "bilevel/heuristics/gmo.py OPTIONS": "defaults that users may give",
    "bilevel/heuristics/gwca.py OPTIONS": "defaults that users may give",
    "bilevel/heuristics/pso.py OPTIONS": "defaults that users may give",
    "bilevel/relax/tower.py RELATIVE_ERROR": "what the approximation is built for",
    "bilevel/search/diagnose/finer.py _FINEST": "a unit that columns are measured in",
    "bilevel/search/diagnose/loose_cones.py CHARGES": "prices that are tried, one after another",
    "bilevel/search/proving/multipliers.py ENOUGH": "when further ways are tried, which change no result",
    "bilevel/search/proving/multipliers.py LEANS": "shares of a tolerance that are tried, one after another",
    "bilevel/search/steps/alternating.py (QUICK, SLOW, HEAVY)": "penalties that are tried, one after another",
    "formulations/carbon_dispatch.py LOSS_SHARE": "a price of the model, which users may give",
    "instances/fleet/fit.py MARGIN_PU": "of the data that are made: where limits are put",
    "instances/formats/pandapower.py from_pandapower": "nanofarad",
    "studies/benchmarks/sets.py _headline": "gaps that runs are asked for",
    "studies/benchmarks/spec.py gap": "a default that users may give",
    "studies/contest/problems/carbon.py gap": "a default that users may give",
    "studies/contest/problems/pricing.py gap": "a default that users may give",
    "studies/market/three_ways.py GAP": "a default that users may give",
    "studies/security/price.py MARGINS": "prices that users may give",
    "studies/security/price.py gap": "a default that users may give",
    "studies/uncertainty/study.py gap": "a default of a study, which its caller gives",
    "studies/page/parts/html.py number": "from where on numbers are written with a power of ten",
}
"""Small numbers that are no tolerances: file, and constant or function, and what they are."""


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def said(path: Path) -> dict[str, str]:
    """Constants of a module, and the docstrings that follow them."""
    body = parsed(path).body
    found = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign):
            text = after.value if isinstance(after, ast.Expr) else None
            words = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            names = [
                name for target in node.targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])
            ]
            found |= {ast.unparse(name): words for name in names}
    return found


def small(node: ast.AST, place: str = "", most: float = OF_A_CONSTANT) -> Iterator[str]:
    """Constants and functions with a number as small as a tolerance; those of messages are texts, of signatures users' own."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.arguments):
            continue
        if isinstance(part, ast.FunctionDef):
            yield from small(part, part.name, OF_A_FUNCTION)
        elif isinstance(part, ast.Assign | ast.AnnAssign) and most == OF_A_CONSTANT:
            target = part.targets[0] if isinstance(part, ast.Assign) else part.target
            yield from small(part, ast.unparse(target), most)
        elif isinstance(part, ast.Constant) and isinstance(part.value, float) and 0 < part.value <= most:
            yield place
        else:
            yield from small(part, place, most)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_tolerance_says_what_it_is(package: str) -> None:
    found = said(ROOT / package / NAME)
    assert len(found) >= 5
    assert [name for name, text in found.items() if len(text.split()) < 5] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_tolerances_import_nothing_of_the_house(package: str) -> None:
    for node in ast.walk(parsed(ROOT / package / NAME)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & set(PACKAGES)


def test_no_other_file_has_one() -> None:
    found = {
        f"{path.relative_to(ROOT)} {place}" for path in files() if path.name != NAME for place in small(parsed(path))
    }
    assert found == set(ELSEWHERE)


def test_every_tolerance_is_used() -> None:
    used = set()
    for path in files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith("tolerances"):
                used.add(node.attr)
    assert {name for package in PACKAGES for name in said(ROOT / package / NAME)} - used == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SLACK = 1e-9", ["SLACK"]),
        ("MOST, SLACK = 64, 1e-9", ["(MOST, SLACK)"]),
        ("_SLACK: float = 64 * 1e-9", ["_SLACK"]),
        ("class A:\n    gap = 1e-9", ["gap"]),
        ("def f(x):\n    def g(y):\n        return y < 1e-9\n    return g", ["g"]),
        ("def f(x, gap=1e-9):\n    'Up to 1e-9.'\n    return 0.01 * x", []),
    ],
)
def test_what_looks_like_one(text: str, found: list[str]) -> None:
    assert list(small(ast.parse(text))) == found
