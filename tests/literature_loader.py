"""The literature set (`literature/problems.json`) as Pyomo models with `bilevel.Follower` blocks.

An entry holds names, numbers and short expressions, nothing that runs:

    {"name": ..., "class": "LP-LP", "source": ..., "via": ...,
     "leader": {"sense": "min", "objective": "x - 4*y", "variables": {"x": [0, null]}, "rows": ["x + y <= 9"]},
     "followers": {"f": {"sense": "min", "objective": "y", "variables": {"y": [0, null]}, "rows": [...]}},
     "expect": "optimal", "optimum": -12.0, "solution": {"x": 4, "y": 4}}

A variable is [lower, upper] or [lower, upper, domain] with a Pyomo domain's name; null is no bound.  Expressions know
+ - * / **, numbers, variables, and in rows <=, >=, == (also chained).  `expect` is optimal, infeasible, unbounded or refused;
`optimum` is the optimistic one in the leader's own sense, found again by `literature_oracle`; `solution` is one optimal
point, never a start.  `published` and `why` are there where the literature states another value; `reason` is a pattern of the
refusal to expect, `uncertified` of a check that a right answer may fail.
"""

from __future__ import annotations

import ast
import inspect
import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyomo.environ as pyo

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.reformulate.modes import MODES
from bilevel.solvers import SOLVERS

FILE = Path(__file__).parent / "literature" / "problems.json"
DEFAULT = ("default", "default")
TOLERANCE = 1e-5

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Pow: operator.pow,
}  # fmt: skip
_UNARY: dict[type, Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_COMPARE: dict[type, str] = {ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "=="}


@cache
def problems() -> tuple[dict[str, Any], ...]:
    """All entries, in the order of the file."""
    return tuple(json.loads(FILE.read_text(encoding="utf-8")))


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an arithmetic expression over `names`; anything else is a ValueError."""
    return _walk(ast.parse(text, mode="eval").body, names)


def relations(text: str, names: Mapping[str, Any]) -> list[tuple[Any, str, Any]]:
    """A row "a <= b" (or chained) as (left, "<=", right) triples."""
    node = ast.parse(text, mode="eval").body
    if not isinstance(node, ast.Compare):
        raise ValueError(f"{text!r} is no row")
    sides = [_walk(side, names) for side in (node.left, *node.comparators)]
    return [(sides[k], _COMPARE[type(op)], sides[k + 1]) for k, op in enumerate(node.ops)]


def _walk(node: ast.AST, names: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_walk(node.operand, names))
    if isinstance(node, ast.BinOp) and type(node.op) is ast.Pow:
        return _walk(node.left, names) ** int(_walk(node.right, names))
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_walk(node.left, names), _walk(node.right, names))
    raise ValueError(f"{ast.dump(node)[:60]} is not allowed in an expression")


def load(entry: Mapping[str, Any]) -> Any:
    """The entry as a fresh Pyomo model without values."""
    m = pyo.ConcreteModel(entry["name"])
    blocks = {"leader": m}
    for name in entry["followers"]:
        m.add_component(name, bilevel.Follower())
        blocks[name] = m.component(name)
    levels = {"leader": entry["leader"], **entry["followers"]}
    names = {
        variable: _variable(blocks[level], variable, *given)
        for level, data in levels.items()
        for variable, given in data["variables"].items()
    }
    for level, data in levels.items():
        sense = {"min": pyo.minimize, "max": pyo.maximize}[data["sense"]]
        blocks[level].objective = pyo.Objective(expr=0.0 + evaluate(data["objective"], names), sense=sense)
        blocks[level].rows = pyo.ConstraintList()
        for row in data["rows"]:
            for relation in relations(row, names):
                blocks[level].rows.add(_constraint(*relation))
    return m


def _variable(block: Any, name: str, lower: float | None, upper: float | None, domain: str = "Reals") -> Any:
    block.add_component(name, pyo.Var(domain=getattr(pyo, domain), bounds=(lower, upper)))
    return block.component(name)


def _constraint(left: Any, relation: str, right: Any) -> Any:
    return {"<=": operator.le, ">=": operator.ge, "==": operator.eq}[relation](left, right)


# Running one


@dataclass(frozen=True)
class Outcome:
    """One solve: `verdict` is right, refused, not certified, WRONG or CRASHED; `reason` says why."""

    verdict: str
    reason: str
    objective: float = math.nan
    status: str = ""
    seconds: float = math.nan
    error: Exception | None = None
    proven: str = ""


def combinations() -> list[tuple[str, str]]:
    """The default settings, then every registered (mode, solver), with a default mode that picks among the registered."""
    usual = str(inspect.signature(bilevel.solve).parameters["mode"].default)
    modes = [*MODES] if usual in MODES else [usual, *MODES]
    return [DEFAULT, *((mode, solver) for mode in modes for solver in SOLVERS)]


@cache
def quadratic_followers() -> bool:
    """Whether the engine compiles followers with a convex quadratic cost."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 1))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 1))
    m.f.cost = pyo.Objective(expr=m.f.y**2 - m.x * m.f.y)
    m.objective = pyo.Objective(expr=m.f.y)
    try:
        compile_model(m)
    except bilevel.ModelError as error:
        if "quadratic" in str(error):
            return False
        raise
    return True


def too_early(entry: Mapping[str, Any]) -> str:
    """Why an entry cannot be tried yet; empty when it can."""
    if entry["class"].endswith("QP") and entry["expect"] != "refused" and not quadratic_followers():
        return "compile refuses quadratic followers so far"
    return ""


def run(entry: Mapping[str, Any], mode: str, solver: str, seconds: float = 10.0, proof: bool = False) -> Outcome:
    """Solve an entry, with a proof of its bound if asked, and judge the answer against the known one."""
    chosen = {} if (mode, solver) == DEFAULT else {"mode": mode, "solver": solver}
    try:
        solution = bilevel.solve(load(entry), gap=1e-6, time_limit=seconds, progress=False, proof=proof, **chosen)
    except bilevel.BilevelError as error:
        return Outcome("refused", f"{type(error).__name__}: {error}", error=error)
    except Exception as error:  # noqa: BLE001 - whatever else comes out is a defect to be counted, not to stop at
        return Outcome("CRASHED", f"{type(error).__name__}: {error}", error=error)
    verdict, reason = judge(entry, solution)
    spent = sum(solution.seconds.values())
    told = [check.detail for check in solution.certificate.checks if check.name == "bound proof"]
    proven = solution.proven if solution.proven == "checked" else ", ".join([solution.proven, *told])
    return Outcome(verdict, reason, solution.objective, solution.status, spent, proven=proven)


def judge(entry: Mapping[str, Any], solution: Any) -> tuple[str, str]:
    """Whether an answer is right; a definite claim that is not true is WRONG, whatever its status."""
    status, expect = solution.status, entry["expect"]
    if status in ("unknown", "rejected"):
        return "not certified", f"{status}: {solution.reason}"
    if status in ("infeasible", "unbounded") or expect != "optimal":
        told = f"{status} ({solution.reason}), known to be {expect}"
        return ("right" if status == expect else "WRONG"), told
    optimum, sign = entry["optimum"], 1.0 if entry["leader"]["sense"] == "min" else -1.0
    room = TOLERANCE * max(1.0, abs(optimum))
    told = f"{status} {solution.objective:.9g}, bound {solution.bound:.9g}, known {optimum:.9g}"
    better = sign * (optimum - solution.objective) > room
    cut_off = math.isfinite(solution.bound) and sign * (solution.bound - optimum) > room
    if better or cut_off:
        return "WRONG", told
    if status != "certified":
        return "not certified", f"{told}: {solution.reason}"
    return ("right" if abs(solution.objective - optimum) <= room else "WRONG"), told
