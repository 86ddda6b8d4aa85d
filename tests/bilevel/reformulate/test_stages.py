"""The stages from one level to what a solver gets: their sizes, and the way back."""

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.model import Follower
from bilevel.reformulate import modes
from bilevel.reformulate.single_level import assemble
from bilevel.reformulate.stages import Chain
from bilevel.relax import tower


def capped() -> pyo.ConcreteModel:
    """A leader who pays the square of its distance to 1, and a follower who takes the least y >= x of 0 to 3."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2))
    m.t = pyo.Var(bounds=(0, 9))
    m.f = Follower()
    m.f.y = pyo.Var(bounds=(0, 3))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.least = pyo.Constraint(expr=m.f.y >= m.x)
    m.square = pyo.Constraint(expr=(m.x - 1) ** 2 <= m.t)
    m.cost = pyo.Objective(expr=m.t + 0.1 * m.f.y)
    return m


def test_big_m_appends_a_binary_and_two_rows_a_pair() -> None:
    """Three pairs: the row and both bounds of y; both bounds of y get one more row, that one of them is off."""
    form = assemble(compile_model(capped()))
    chain = Chain(form.mip).apply("big_m", lambda _mip: modes.find("big_m").apply(form)).apply("tower", tower.prepare)
    one, with_mode, with_cones = chain.sizes()
    assert [one[name] for name in ("columns", "integers", "cones")] == [3 + 3, 0, 1]
    assert with_mode == {**one, "stage": "big_m", "columns": 9, "integers": 3, "rows": int(one["rows"]) + 7}
    assert with_cones["cones"] == 0
    assert int(with_cones["columns"]) > 9


@pytest.mark.parametrize("mode", modes.MODES)
def test_every_mode_is_undone_stage_by_stage(mode: str) -> None:
    form = assemble(compile_model(capped()), nonconvex=True)
    chain = Chain(form.mip).apply(mode, lambda _mip: modes.find(mode).apply(form)).apply("tower", tower.prepare)
    x = np.arange(float(chain.program.columns))
    assert chain.restore(x).tolist() == x[: form.mip.columns].tolist()
    assert form.program.part_of(chain.restore(x)).tolist() == [0.0, 1.0, 2.0]


def test_a_solve_tells_its_stages() -> None:
    """(x - 1)^2 + 0.1 x is least at x = 0.95, where the square is 0.0025 and the follower takes 0.95."""
    solution = bilevel.solve(capped(), mode="big_m", progress=False)
    assert solution.objective == pytest.approx(0.05**2 + 0.095, abs=1e-6)
    stages = solution.settings["stages"]
    assert [stage["stage"] for stage in stages] == ["single level", "big_m", "tangent", "rows that tighten"]
    assert [stage["integers"] for stage in stages] == [0, 3, 3, 3]
    assert [stage["cones"] for stage in stages] == [1, 1, 0, 0]
