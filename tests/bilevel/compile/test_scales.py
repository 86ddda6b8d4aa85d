"""Sizes that `scaling_factor` suffixes tell: those of the model and of its blocks, as Pyomo looks them up."""

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model


def days(count: int) -> Any:
    """One price for several days, a follower in each, in blocks of their own."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var([0, 1], bounds=(1, 3))
    m.cap = pyo.Constraint(expr=m.price[0] + m.price[1] <= 5)
    m.day = pyo.Block(range(count))
    for d in m.day.values():
        d.f = bilevel.Follower()
        d.f.y = pyo.Var([0, 1], bounds=(0, 1.5))
        d.bill = pyo.Expression(expr=sum(m.price[t] * d.f.y[t] for t in (0, 1)))
        d.f.least = pyo.Objective(expr=d.bill)
        d.f.need = pyo.Constraint(expr=d.f.y[0] + d.f.y[1] == 2)
    m.goal = pyo.Objective(expr=sum(d.bill for d in m.day.values()), sense=pyo.maximize)
    return m


def told(model: Any) -> dict[str, float]:
    program = compile_model(model)
    return {str(v.name): float(size) for v, size in zip(program.variables, program.scale, strict=True)}


def by_follower(d: Any) -> None:
    d.f.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    for v in d.f.y.values():
        d.f.scaling_factor[v] = 1.0 / 64


def by_day(d: Any) -> None:
    d.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    d.scaling_factor[d.f.y] = 1.0 / 64


def for_all(d: Any) -> None:
    d.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    d.scaling_factor[None] = 1.0 / 64


@pytest.mark.parametrize("tell", [by_follower, by_day, for_all])
def test_a_block_tells_the_sizes_of_what_it_holds(tell: Any) -> None:
    model, plain = days(2), told(days(2))
    tell(model.day[1])
    sizes = told(model)
    mine = [name for name in sizes if name.startswith("day[1]")]
    assert mine and all(sizes[name] == 64.0 for name in mine)
    assert {name: sizes[name] for name in sizes if name not in mine} == {
        name: plain[name] for name in plain if name not in mine
    }


def test_the_models_own_word_comes_first_and_a_deactivated_suffix_says_nothing() -> None:
    model = days(2)
    by_day(model.day[0])
    by_day(model.day[1])
    model.day[1].scaling_factor.deactivate()
    model.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    model.scaling_factor[model.day[0].f.y[0]] = 0.5
    sizes, plain = told(model), told(days(2))
    assert sizes["day[0].f.y[0]"] == 2.0 and sizes["day[0].f.y[1]"] == 64.0
    assert sizes["day[1].f.y[0]"] == plain["day[1].f.y[0]"]


def test_a_model_in_a_block_is_the_same_program() -> None:
    """Told at the root or in the blocks, by variable: every array is equal."""
    apart, whole = days(3), days(3)
    whole.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    for k, d in apart.day.items():
        by_follower(d)
        whole.scaling_factor[whole.day[k].f.y] = 1.0 / 64
    first, second = compile_model(apart), compile_model(whole)
    for name in ("lower", "upper", "scale", "size", "cost"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
