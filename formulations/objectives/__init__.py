"""Leader objectives by name, and weighted sums of them (docs/model.md section 5); a new one is one file and a line here.

Every file has `name`, `words`, `about`, `expression`, `sense`, and where it needs them `unit`, `add`, `options`, `achieved` and
`size`, as `formulations.objectives.objective.Objective` describes them.
"""

import math
from collections.abc import Mapping
from typing import Any

import pyomo.environ as pyo

from bilevel.errors import BilevelError, require
from bilevel.reading import numbers
from formulations.objectives import bill, cost, loss, profit
from formulations.objectives.objective import Objective
from formulations.options import find
from instances import Instance

OBJECTIVES: dict[str, Objective] = {o.name: o for o in map(Objective.of, (loss, profit, bill, cost))}


def parse(objective: str | Mapping[str, float]) -> dict[str, float]:
    """Weights by name: "loss" is {"loss": 1}; "loss=1,profit=0.5" and the same mapping are equal.

    Raises `UnknownNameError` for an unknown name and `BilevelError` for a weight that is not a positive number.
    """
    if isinstance(objective, str):
        pairs = [part.partition("=") for part in objective.split(",")]
        weights: dict[str, Any] = {name.strip(): value.strip() or 1.0 for name, _, value in pairs}
        if len(weights) < len(pairs):
            raise BilevelError(f"objective {objective!r} names a term twice: give each term one weight")
    else:
        require("objective", objective, isinstance(objective, Mapping), 'a name, such as "loss", or weights by name')
        weights = dict(objective)
    if not weights:
        raise BilevelError(f"objective is empty: give at least one of {', '.join(sorted(OBJECTIVES))}")
    for name in weights:
        find("objective", name, OBJECTIVES)
    return {name: _weight(name, value) for name, value in weights.items()}


def _weight(name: str, value: Any) -> float:
    try:
        weight = numbers.number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise BilevelError(f"objective {name!r} has weight {value!r}: give a positive number, such as {name}=1")
    return weight


def combine(terms: Mapping[str, Any], weights: Mapping[str, float]) -> tuple[Any, int]:
    """The leader's objective, and +1 if it is minimised or -1 if maximised; `terms` are values by name, of any kind.

    A lone term keeps its own sense; else the weighted sum is minimised, with wanted-large terms negated.
    """
    # A profit on its own is told as a profit, and not as a negative cost
    if len(weights) == 1:
        ((name, weight),) = weights.items()
        return weight * terms[name], OBJECTIVES[name].sense
    return sum(OBJECTIVES[name].sense * weight * terms[name] for name, weight in weights.items()), 1


def add(model: Any, case: Instance, weights: Mapping[str, float], terms: Mapping[str, Objective]) -> None:
    """Add `model.objective`, as `combine` gives it, and the expressions of its `terms` that the model has not yet.

    `terms` are the objectives by name, with their options bound.  Raises `BilevelError` where one leaves no such expression.
    """
    values = {}
    for name, term in terms.items():
        if model.component(term.expression) is None:
            term.add(model, case)
        if model.component(term.expression) is None:
            raise BilevelError(
                f"objective {name!r} leaves no model.{term.expression}: let its add make this expression"
            )
        values[name] = model.component(term.expression)
    expression, direction = combine(values, weights)
    model.objective = pyo.Objective(expr=expression, sense=pyo.minimize if direction == 1 else pyo.maximize)
