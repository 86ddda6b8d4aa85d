"""Leader objectives as weighted sums of the model's named expressions (docs/model.md section 5)."""

import math
from collections.abc import Mapping
from typing import Any

import pyomo.environ as pyo

from bilevel.errors import BilevelError, UnknownNameError

TERMS = {
    "loss": ("network_loss", 1),
    "profit": ("station_profit", -1),
    "bill": ("ev_bill", 1),
    "cost": ("supply_cost", 1),
}
"""Name of each term: the model's expression, and +1 if the leader wants it small or -1 if large."""


def parse(objective: str | Mapping[str, float]) -> dict[str, float]:
    """Weights by term: "loss" is {"loss": 1}; "loss=1,profit=0.5" and the same mapping are equal.

    Raises `UnknownNameError` for an unknown term and `BilevelError` for a weight that is not a positive number.
    """
    if isinstance(objective, str):
        pairs = [part.partition("=") for part in objective.split(",")]
        weights: dict[str, Any] = {name.strip(): value.strip() or 1.0 for name, _, value in pairs}
        if len(weights) < len(pairs):
            raise BilevelError(f"objective {objective!r} names a term twice: give each term one weight")
    else:
        weights = dict(objective)
    if not weights:
        raise BilevelError(f"objective is empty: give at least one of {', '.join(sorted(TERMS))}")
    for name in weights:
        if name not in TERMS:
            raise UnknownNameError("objective", name, TERMS)
    return {name: _weight(name, value) for name, value in weights.items()}


def _weight(name: str, value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise BilevelError(f"objective {name!r} has weight {value!r}: give a positive number, such as {name}=1")
    return weight


def combine(terms: Mapping[str, Any], weights: Mapping[str, float]) -> tuple[Any, int]:
    """The leader's objective, and +1 if it is minimised or -1 if maximised; `terms` holds what `TERMS` names, of any kind.

    A lone term keeps its own sense; else the weighted sum is minimised, with wanted-large terms negated.
    """
    if len(weights) == 1:
        ((name, weight),) = weights.items()
        expression, direction = TERMS[name]
        return weight * terms[expression], direction
    return sum(TERMS[name][1] * weight * terms[TERMS[name][0]] for name, weight in weights.items()), 1


def add(model: Any, weights: Mapping[str, float]) -> None:
    """Add `model.objective`, as `combine` gives it of the model's named expressions."""
    terms = {TERMS[name][0]: getattr(model, TERMS[name][0]) for name in weights}
    expression, direction = combine(terms, weights)
    model.objective = pyo.Objective(expr=expression, sense=pyo.minimize if direction == 1 else pyo.maximize)
