"""Tolerances stand in one file, each with what it is relative to and why."""

from __future__ import annotations

import ast
from pathlib import Path

import bilevel

HERE = Path(bilevel.__file__).parent
ELSEWHERE = {
    ("ga.py", "_APART"),  # of an operator, as its paper has it
    ("tower.py", "RELATIVE_ERROR"),  # what the approximation is built for
    ("finer.py", "_FINEST"),  # a unit, not a tolerance
}


def constants(file: Path) -> dict[str, tuple[ast.expr, str]]:
    """Assignments of a module: value, and the docstring that follows."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    found = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            names = [ast.unparse(name) for name in target.elts]
            found |= {name: (value, "") for name, value in zip(names, node.value.elts, strict=True)}
        elif isinstance(target, ast.Name):
            said = after.value if isinstance(after, ast.Expr) else None
            text = said.value if isinstance(said, ast.Constant) and isinstance(said.value, str) else ""
            found[target.id] = (node.value, text)
    return found


def test_every_tolerance_says_what_it_is() -> None:
    found = constants(HERE / "tolerances.py")
    assert len(found) >= 50
    assert [name for name, (_, text) in found.items() if len(text.split()) < 5] == []


def inline(file: Path) -> list[float]:
    """Small numbers in the code of functions; those of messages and docstrings are texts, those of signatures are users'."""
    functions = [
        node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    ]
    given = {(part.lineno, part.col_offset) for each in functions for part in ast.walk(each.args)
             if isinstance(part, ast.Constant)}  # fmt: skip
    return [
        part.value
        for function in functions
        for part in ast.walk(function)
        if isinstance(part, ast.Constant) and isinstance(part.value, float) and 0 < part.value <= 0.001
        if (part.lineno, part.col_offset) not in given
    ]


def test_no_code_has_one_of_its_own() -> None:
    found = {str(file.relative_to(HERE)): inline(file) for file in sorted(HERE.rglob("*.py"))}
    assert {file: numbers for file, numbers in found.items() if numbers} == {}


def test_no_other_file_has_one() -> None:
    small = [
        (file.name, name)
        for file in sorted(HERE.rglob("*.py"))
        if file.name != "tolerances.py"
        for name, (value, _) in constants(file).items()
        if any(
            isinstance(part, ast.Constant) and isinstance(part.value, float) and 0 < part.value <= 0.01
            for part in (value, *(ast.walk(value) if isinstance(value, ast.BinOp) else ()))
        )
    ]
    assert set(small) - ELSEWHERE == set()
