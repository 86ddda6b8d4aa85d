"""Risk of the leader: the conditional value at risk of its objective over days that may come (docs/model.md section 11).

For a cost f with values f_w of probabilities p_w, CVaR at the level a is the mean cost of the worst share 1 - a of days,

    CVaR_a(f) = min over h of h + sum_w p_w max(0, f_w - h) / (1 - a),

which is the expectation at a = 0, and the largest cost from where 1 - a is at most the least probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.errors import BilevelError, UnknownNameError
from formulations import options
from formulations.options import Option
from formulations.scenarios.days import Day

_TERMS = {
    "cvar": Option(name="cvar", help="level of the conditional value at risk", example="cvar=0.9", least=0.0, most=1.0),
    "weight": Option(name="weight", help="share of it in the objective", example="weight=0.5", least=0.0, most=1.0),
}


@dataclass(frozen=True)
class Risk:
    """`weight` of the conditional value at risk of `level` in the leader's objective, the rest for its expectation."""

    level: float
    weight: float = 1.0


def parse(risk: str | Mapping[str, float]) -> Risk:
    """The risk that a text or a mapping asks for: "cvar=0.9,weight=0.5", or {"cvar": 0.9}, whose weight is 1.

    Raises `UnknownNameError` for an unknown term, and `BilevelError` for a missing level, one that is not from 0 to below 1, and a
    weight that is not from 0 to 1.
    """
    given = options.pairs("risk", risk, 'a text, such as "cvar=0.9,weight=0.5", or numbers by name')
    for name in given:
        if name not in _TERMS:
            raise UnknownNameError("term of risk", name, _TERMS)
    read = {name: float(_TERMS[name].read(value)) for name, value in given.items()}
    if "cvar" not in read:
        raise BilevelError(f"risk {risk!r} has no level: give one, such as cvar=0.9")
    if read["cvar"] == 1:
        raise BilevelError(
            "cvar is 1, and no share of days is left to take the mean of: give a level below 1, such as 0.99"
        )
    return Risk(read["cvar"], read.get("weight", 1.0))


def add(model: Any, days: Sequence[Day], risk: Risk | None, sense: int, limits: Sequence[tuple[float, float]]) -> Any:
    """Add the expression `tail_objective` where `risk` asks for it; gives the leader's objective.

    `sense` is 1 where the days' `leader_objective` is minimised, -1 where it is maximised; `limits` hold sense * leader_objective
    of each day.  `tail_objective` is told in the leader's own sense: the mean of the objective over its worst days.
    """
    expected = pyo.quicksum(day.probability * day.block.leader_objective for day in days)
    if risk is None or risk.weight == 0:
        return expected
    # What a single day costs is its mean over any share of days, as is the mean over all of them
    if risk.level == 0 or len(days) == 1:
        model.tail_objective = pyo.Expression(expr=expected)
        return expected
    model.tail = pyo.Block()
    costs = [sense * day.block.leader_objective for day in days]
    model.tail_objective = pyo.Expression(expr=sense * tail(model.tail, days, costs, risk.level, limits))
    return (1 - risk.weight) * expected + risk.weight * model.tail_objective


def tail(
    block: Any, days: Sequence[Day], costs: Sequence[Any], level: float, limits: Sequence[tuple[float, float]]
) -> Any:
    """Fill `block` with `value_at_risk` (h), `shortfall[day]` and the rows `above[day]`; gives CVaR of the costs at the level.

    It is CVaR wherever it is minimised or has to be small; `limits` (least, largest) of each cost become those of the variables,
    and what is infinite among them leaves none.
    """
    lowest, highest = min(low for low, _ in limits), max(high for _, high in limits)
    names = [day.name for day in days]
    most = {name: max(high - lowest, 0.0) for name, (_, high) in zip(names, limits, strict=True)}
    block.value_at_risk = pyo.Var(bounds=(_finite(lowest), _finite(highest)))
    block.shortfall = pyo.Var(names, bounds=lambda _b, name: (0.0, _finite(most[name])))
    cost = dict(zip(names, costs, strict=True))
    block.above = pyo.Constraint(names, rule=lambda b, name: b.shortfall[name] >= cost[name] - b.value_at_risk)
    beyond = pyo.quicksum(day.probability * block.shortfall[day.name] for day in days)
    return block.value_at_risk + beyond / (1 - level)


def _finite(limit: float) -> float | None:
    return float(limit) if np.isfinite(limit) else None


def conditional_value_at_risk(costs: Any, probabilities: Any, level: float) -> float:
    """CVaR of costs (days,) with these probabilities at a level from 0 to below 1: by sorting, apart from any model."""
    cost, probability = np.asarray(costs, dtype=float), np.asarray(probabilities, dtype=float)
    order = np.argsort(-cost)
    before = np.concatenate([[0.0], np.cumsum(probability[order])[:-1]])
    share = np.clip(1 - level - before, 0.0, probability[order])
    return float(share @ cost[order] / share.sum())
