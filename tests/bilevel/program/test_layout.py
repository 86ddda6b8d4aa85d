"""Groups of columns have names, and where they stand follows from what stands before them."""

import numpy as np
import pyomo.environ as pyo
import pytest

from bilevel.compile.compiler import compile_model
from bilevel.model import Follower
from bilevel.program.layout import Group, Layout
from bilevel.reformulate.single_level import assemble

THREE = Layout().then(Group.VARIABLES, 2).then(Group.LIMIT_MULTIPLIERS, 0).then(Group.REVENUE, 3)


def test_groups_stand_one_behind_the_other() -> None:
    x = np.arange(7.0)
    assert THREE.size == 5
    assert THREE.part(x, Group.VARIABLES).tolist() == [0, 1]
    assert THREE.part(x, Group.LIMIT_MULTIPLIERS).tolist() == []
    assert THREE.part(x, Group.REVENUE).tolist() == THREE.at(Group.REVENUE).tolist() == [2, 3, 4]
    assert x[THREE.after(Group.VARIABLES)].tolist() == [2, 3, 4]
    assert THREE.part_of(x).tolist() == [0, 1, 2, 3, 4]
    assert str(THREE) == "2 variables of the model, 3 squares of revenue"


def test_a_group_is_laid_out_once_and_an_unknown_one_is_named() -> None:
    with pytest.raises(ValueError, match="squares of revenue"):
        THREE.then(Group.REVENUE, 1)
    with pytest.raises(KeyError, match="products of the objective"):
        THREE[Group.OBJECTIVE]
    assert THREE.count(Group.OBJECTIVE) == 0


def test_one_level_is_laid_out_as_it_is() -> None:
    """A seller's price p of one good, of which a buyer with cost y^2 - (8 - p) y takes what pays: revenue p y has squares."""
    m = pyo.ConcreteModel()
    m.p = pyo.Var(bounds=(0, 8))
    m.f = Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=m.f.y**2 - 8 * m.f.y + m.p * m.f.y)
    m.revenue = pyo.Objective(expr=m.p * m.f.y, sense=pyo.maximize)
    form = assemble(compile_model(m))
    assert form.columns.size == form.mip.columns
    assert form.rows.size == form.mip.rows.count
    assert form.cones.size == form.mip.cones.count
    assert [form.columns.count(group) for group in (Group.VARIABLES, Group.LIMIT_MULTIPLIERS, Group.REVENUE)] == [
        2,
        2,
        1,
    ]
    assert list(form.mip.rows.names[form.rows[Group.STATIONARITY]]) == ["stationarity of f.y"]
