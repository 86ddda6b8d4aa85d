"""A model says in its own words why its cones are loose; the engine asks where an answer or a refusal rests on them."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.common.collections import ComponentMap

import bilevel
from bilevel import LooseConeError


def paying(price: float, most: float = 4.0) -> Any:
    """min price * w + x + user, with w * 1 >= x^2 that stands for an equality; x in [1, 2] is what the follower must use."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(1.0, 2.0))
    model.u = pyo.Var(bounds=(1.0, 1.0))
    model.w = pyo.Var(bounds=(0.0, most))
    model.user = bilevel.Follower()
    model.user.y = pyo.Var(bounds=(0.0, 3.0))
    model.user.cost = pyo.Objective(expr=model.user.y)
    model.user.row = pyo.Constraint(expr=model.user.y >= 1.0)
    model.used = pyo.Constraint(expr=model.x == model.user.y)
    model.cone = pyo.Constraint(expr=model.x**2 <= model.u * model.w)
    bilevel.relaxes_equality(model, model.cone)
    model.goal = pyo.Objective(expr=price * model.w + model.x)
    return model


def explained(price: float, asked: list[float]) -> Any:
    model = paying(price)

    def explainer(given: Any) -> str:
        asked.append(float(pyo.value(given.w)))
        return f"w has the price {price:g}"

    bilevel.explain_loose_cones(model, explainer)
    return model


def test_a_tight_answer_asks_for_nothing() -> None:
    asked: list[float] = []
    solution = bilevel.solve(explained(1.0, asked), progress=False)
    assert (solution.status, asked) == ("certified", [])
    assert solution.objective == pytest.approx(2.0)


def test_the_reason_of_a_loose_answer_ends_with_the_models_words() -> None:
    asked: list[float] = []
    solution = bilevel.solve(explained(-1.0, asked), progress=False)
    assert solution.status != "certified"
    assert solution.reason.endswith("; w has the price -1")
    assert len(asked) == 1
    silent = bilevel.solve(paying(-1.0), progress=False)
    assert solution.reason == f"{silent.reason}; w has the price -1"
    together = bilevel.cooperative(explained(-1.0, []), progress=False)
    assert together.status == "rejected" and together.reason.endswith("; w has the price -1")


def test_the_refusal_of_duals_ends_with_the_models_words_at_its_point_and_leaves_the_values_alone() -> None:
    asked: list[float] = []
    model = explained(-1.0, asked)
    problem = bilevel.LeaderProblem(model)
    model.w.set_value(2.5)
    with pytest.raises(LooseConeError, match=r"cone 'cone' has the gap .*; w has the price -1$"):
        problem.solve(_loads(model))
    assert asked == [pytest.approx(4.0)]
    assert model.w.value == 2.5
    with pytest.raises(LooseConeError, match=r"cone 'cone' has the gap .* such as losses$"):
        other = paying(-1.0)
        bilevel.LeaderProblem(other).solve(_loads(other))


def _loads(model: Any) -> Any:
    return ComponentMap([(model.user.y, 1.0)])
