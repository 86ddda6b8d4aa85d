"""Leader objectives by name, and weighted sums of them (docs/model.md section 5); a new one is one file and a line here.

Every file has `name`, `words`, `about`, `expression`, `sense`, and where it needs them `unit`, `add`, `options`, `achieved` and
`size`, as `formulations.objectives.objective.Objective` describes them.
"""

import math
from collections.abc import Mapping
from typing import Any

from bilevel.errors import BilevelError
from bilevel.reading import numbers
from formulations import options
from formulations.objectives import bill, cost, loss, profit
from formulations.objectives.objective import Objective
from instances import Instance

OBJECTIVES: dict[str, Objective] = {o.name: o for o in map(Objective.of, (loss, profit, bill, cost))}


def parse(objective: str | Mapping[str, float]) -> dict[str, float]:
    """Weights by name: "loss" is {"loss": 1}; "loss=1,profit=0.5" and the same mapping are equal.

    Raises `UnknownNameError` for an unknown name and `BilevelError` for a weight that is not a positive number.
    """
    weights = options.pairs("objective", objective, 'a name, such as "loss", or weights by name')
    if isinstance(objective, str):
        weights = {name: value or 1.0 for name, value in weights.items()}
    if not weights:
        raise BilevelError(f"objective is empty: give at least one of {', '.join(sorted(OBJECTIVES))}")
    for name in weights:
        options.find("objective", name, OBJECTIVES)
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


def expressions(model: Any, case: Instance, terms: Mapping[str, Objective]) -> dict[str, Any]:
    """The expressions of the `terms` by name, those added that the model, or block of one, has not yet.

    `terms` are objectives by name, with their options bound.  Raises `BilevelError` where one leaves no such expression.
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
    return values
