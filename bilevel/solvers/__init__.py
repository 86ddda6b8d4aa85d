"""Solvers by name; a new one is one file with `name`, `features`, `version`, `open` and a line here."""

from typing import cast

from bilevel.errors import FeatureError, UnknownNameError
from bilevel.solvers import gurobi, highs, pyomo, scip
from bilevel.solvers.base import Feature, Outcome, Session, SessionFactory, Watch

__all__ = ["SOLVERS", "Feature", "Outcome", "Session", "SessionFactory", "Watch", "find", "require"]

# Clarabel is none of them, as it knows no integers; the search asks it beside these by itself
SOLVERS: dict[str, SessionFactory] = {s.name: s for s in (cast(SessionFactory, m) for m in (highs, scip, gurobi))}


def find(name: str) -> SessionFactory:
    """The registered solver, or any Pyomo solver by "pyomo:<name>"; raises `UnknownNameError` with the nearest name."""
    if isinstance(name, str) and name.startswith(pyomo.PREFIX):
        return pyomo.find(name)
    if not isinstance(name, str) or name not in SOLVERS:
        raise UnknownNameError("solver", name, SOLVERS)
    return SOLVERS[name]


def require(solver: SessionFactory, features: frozenset[Feature], what: str) -> None:
    """Raise `FeatureError` when the solver lacks a feature, naming the solvers that have it."""
    missing = features - solver.features
    if missing:
        able = [other.name for other in SOLVERS.values() if features <= other.features]
        raise FeatureError(
            f"{what} needs {', '.join(sorted(missing))}, which solver {solver.name!r} does not have: "
            f"use solver={' or '.join(repr(name) for name in able)}"
        )
