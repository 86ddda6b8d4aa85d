"""What is registered on a block counts for the model that holds it: checks, rows for equalities, explanations, scales."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.model import own_checks, relaxed_equalities
from bilevel.status import CheckKind

NAMES = ("a.b", "c, d", "1")


def copies(price: float = 1.0) -> Any:
    """One decision x in [1, 2], and in each of three blocks a user who takes at least 1, and a cone x^2 <= w for an equality."""
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(1.0, 2.0))
    model.copy = pyo.Block(NAMES)
    for block in model.copy.values():
        block.inner = pyo.Block()
        block.w = pyo.Var(bounds=(0.0, 4.0))
        block.inner.user = bilevel.Follower()
        block.inner.user.y = pyo.Var(bounds=(0.0, 3.0))
        block.inner.user.cost = pyo.Objective(expr=block.inner.user.y)
        block.inner.user.row = pyo.Constraint(expr=block.inner.user.y >= 1.0)
        block.used = pyo.Constraint(expr=model.x == block.inner.user.y)
        block.cone = pyo.Constraint(expr=model.x**2 <= block.w)
        bilevel.relaxes_equality(block.inner, block.cone)
    model.goal = pyo.Objective(expr=price * sum(block.w for block in model.copy.values()) + model.x)
    return model


def test_cones_that_a_block_names_stand_for_equalities() -> None:
    model = copies()
    assert len(relaxed_equalities(model)) == 3
    assert compile_model(model).cones.relaxes_equality.tolist() == [True] * 3
    model.copy["c, d"].deactivate()
    assert len(relaxed_equalities(model)) == 2
    loose = bilevel.solve(copies(-1.0), progress=False)
    assert loose.status != "certified"


def test_the_block_with_the_loosest_cones_is_asked_why() -> None:
    model, asked = copies(-1.0), []

    def explainer(block: Any) -> str:
        asked.append(str(block.name))
        return "w earns"

    for block in model.copy.values():
        bilevel.explain_loose_cones(block, explainer)
    # One is held, so that it cannot be loose
    for name in NAMES[1:]:
        model.copy[name].w.setub(1.0)
    solution = bilevel.solve(model, progress=False)
    assert asked == ["copy['a.b']"]
    assert solution.reason.endswith("; copy['a.b']: w earns")


def test_checkers_get_their_block_and_the_worst_of_blocks_is_named() -> None:
    model = copies()
    values = dict(zip(NAMES, (0.1, 0.3, 0.2), strict=True))
    for name, block in model.copy.items():
        bilevel.add_check(
            block, lambda found, name=name: [bilevel.Check("w", values[name] * pyo.value(found.w), 0.5, "u", "here")]
        )
        bilevel.add_check(block.inner, lambda _: [bilevel.Check("told", 1.0, None, "u")])
        bilevel.add_check(block.inner, lambda _: [bilevel.Check("told", 1.0, 2.0, "u", kind=CheckKind.ASSUMPTION)])
    bilevel.add_check(model, lambda found: [bilevel.Check("root", pyo.value(found.x), 5.0, "u", "x")])
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified", solution.reason
    mine = [check for check in solution.certificate.checks if check.name in ("w", "told", "root")]
    assert [(check.name, check.where) for check in mine] == [
        ("root", "x"), ("w", "copy['c, d']: here"), ("told", "copy['a.b'].inner"), ("told", "copy['a.b'].inner"),
    ]  # fmt: skip
    values["1"] = 0.7
    failing = bilevel.certify(model, bound=solution.bound).first_failure
    assert failing is not None and (failing.name, failing.where) == ("w", "copy['1']: here")
    values["1"] = math.nan
    assert [check.where for check in own_checks(model) if check.name == "w"] == ["copy['1']: here"]
    model.copy["1"].deactivate()
    assert [check.where for check in own_checks(model) if check.name == "w"] == ["copy['c, d']: here"]


def test_scales_of_blocks_count_and_the_outermost_rules() -> None:
    model = copies()
    block = model.copy["a.b"]
    for home, factor in ((block, 0.1), (block.inner, 0.5), (model, 0.25)):
        home.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
        home.scaling_factor[block.w] = factor
    block.inner.scaling_factor[block.inner.user.y] = 0.125
    program = compile_model(model)
    scale = {str(v.name): float(program.scale[at]) for at, v in program.own}
    assert scale["copy['a.b'].w"] == 4.0
    assert scale["copy['a.b'].inner.user.y"] == 8.0
    model.del_component("scaling_factor")
    program = compile_model(model)
    assert {str(v.name): program.scale[at] for at, v in program.own}["copy['a.b'].w"] == pytest.approx(10.0)
    assert np.isfinite(program.scale).all()
