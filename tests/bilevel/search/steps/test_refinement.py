"""The last digits of a point: what tangents leave of a curved objective."""

import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.search import strategy


def curved(offset: float) -> pyo.ConcreteModel:
    """(y - x + 2)^2 / 2 + (y - 2)^2 / 2 with y = min(1, x), the follower's least y^2 / 2 - y over 0 <= y <= x: 1/2 at (3, 1)."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var()
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, None))
    m.f.cost = pyo.Objective(expr=m.x - m.f.y + m.f.y**2 / 2)
    m.f.most = pyo.Constraint(expr=m.f.y <= m.x)
    m.goal = pyo.Objective(expr=(m.f.y - m.x + 2) ** 2 / 2 + (m.f.y - 2) ** 2 / 2 + offset)
    return m


@pytest.mark.parametrize("offset", [0.0, 1.5, 100.0])
def test_a_curved_objective_is_certified_to_a_millionth(offset: float) -> None:
    solution = bilevel.solve(curved(offset), gap=1e-6, progress=False)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(0.5 + offset, rel=1e-7, abs=1e-7)


def test_without_it_the_last_digits_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy, "polishing", lambda _state: None)
    solution = bilevel.solve(curved(0.0), gap=1e-6, progress=False)
    assert solution.status == "feasible" and solution.objective > 0.5 + 1e-8
