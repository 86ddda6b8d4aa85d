"""What is tried without a solver by name, in which order, for how long, and what of it is the answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.errors import BilevelError, LicenceError
from bilevel.reformulate.single_level import assemble
from bilevel.search import attempts
from bilevel.search.attempts import Answer
from bilevel.search.incumbent import Incumbent
from bilevel.search.plan import FIRST_SECONDS, GROWTH, pick, turns


def toll() -> pyo.ConcreteModel:
    """The leader earns price * y of a follower who pays at most 5 elsewhere: 10."""
    m = pyo.ConcreteModel()
    m.price = pyo.Var(bounds=(0, 100))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(["here", "elsewhere"], bounds=(0, 2))
    m.f.cost = pyo.Objective(expr=m.price * m.f.y["here"] + 5 * m.f.y["elsewhere"])
    m.f.need = pyo.Constraint(expr=m.f.y["here"] + m.f.y["elsewhere"] == 2)
    m.goal = pyo.Objective(expr=m.price * m.f.y["here"], sense=pyo.maximize)
    return m


def unlimited() -> pyo.ConcreteModel:
    """The same without a bound of the price, so that no limit of a multiplier can be proven."""
    m = toll()
    m.price.setub(None)
    return m


def product() -> pyo.ConcreteModel:
    """x y with y = 3 - x, which no follower's cost makes linear: 9 / 4 at x = 1.5."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 2))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 10))
    m.f.cost = pyo.Objective(expr=m.f.y)
    m.f.least = pyo.Constraint(expr=m.f.y >= 3 - m.x)
    m.goal = pyo.Objective(expr=m.x * m.f.y, sense=pyo.maximize)
    return m


def disc() -> pyo.ConcreteModel:
    """The follower goes as far as y^2 <= 4 - x lets him; the leader wants x + y: 4 at x = 3, as far as it goes."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 3))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(bounds=(0, 4))
    m.f.cost = pyo.Objective(expr=-m.f.y)
    m.f.round = pyo.Constraint(expr=m.f.y**2 <= 4 - m.x)
    m.goal = pyo.Objective(expr=m.x + m.f.y, sense=pyo.maximize)
    return m


@pytest.mark.parametrize(
    ("model", "asked", "solver", "mode", "objective"),
    [
        (toll, {}, "highs", "big_m", 10.0), (unlimited, {}, "highs", "branching", 10.0),
        (product, {}, "scip", "big_m", 2.25), (disc, {}, "scip", "product", 4.0),
        (toll, {"mode": "sos1"}, "scip", "sos1", 10.0), (toll, {"mode": "branching"}, "highs", "branching", 10.0),
        (toll, {"solver": "scip"}, "scip", "big_m", 10.0),
    ],
)  # fmt: skip
def test_the_first_plan_is_what_the_program_needs(
    model: Any, asked: dict[str, str], solver: str, mode: str, objective: float
) -> None:
    solution = bilevel.solve(model(), progress=False, **asked)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(objective, rel=2e-4)
    (attempt,) = solution.attempts
    assert (attempt.solver, attempt.mode, attempt.ended) == (solver, mode, "gap closed")
    assert attempt.objective == pytest.approx(solution.objective, rel=1e-6)
    assert (solution.settings["solver"], solution.settings["mode"]) == (solver, mode)
    assert solution.settings["solver_asked"] == asked.get("solver", "auto") and solver in solution.versions
    assert solution.to_dict()["attempts"][0]["solver"] == solver


def test_a_cone_as_it_is_needs_a_solver_that_takes_it() -> None:
    m = toll()
    m.cone = pyo.Constraint(expr=m.price**2 <= 9)
    solution = bilevel.solve(m, cones="exact", progress=False)
    assert solution.status == "certified" and solution.settings["solver"] == "scip"
    assert solution.objective == pytest.approx(6.0, rel=2e-4)


def test_a_solver_by_name_is_obeyed() -> None:
    with pytest.raises(BilevelError, match="product"):
        bilevel.solve(product(), "highs", progress=False)


def test_what_no_solver_takes_is_refused_as_the_last_one_says() -> None:
    with pytest.raises(BilevelError, match="did you mean 'big_m'"):
        bilevel.solve(toll(), mode="bigm", progress=False)
    with pytest.raises(BilevelError, match="quadratic"):
        bilevel.solve(disc(), mode="sos1", progress=False)


def test_the_second_plan_gets_the_rest_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without steps that find anything the first plan waits for its time to be over."""

    def wait(state: Any) -> None:
        while not state.over():
            pass

    for step in ("relaxation", "guess", "alternating", "exhaustion"):
        monkeypatch.setattr(f"bilevel.search.strategy.{step}", lambda _state: None)
    monkeypatch.setattr("bilevel.search.strategy.pair_branching", wait)
    solution = bilevel.solve(unlimited(), time_limit=4.0, progress=False)
    first, second = solution.attempts
    assert (first.solver, first.ended) == ("highs", "its time was over")
    assert np.isnan(first.objective) and (second.solver, second.mode) == ("scip", "sos1")
    assert solution.status == "certified" and solution.settings["solver"] == "scip"
    assert {"highs", "scip"} <= solution.versions.keys()


def seen(monkeypatch: pytest.MonkeyPatch, *found: Incumbent | Exception) -> list[Any]:
    """Attempts find these, one after another and the last one again and again; what each was given."""
    given: list[Any] = []

    def answered(form: Any, plan: Any, _allowed: Any, decisions: Any) -> Answer:
        given.append((plan.solver.name, decisions))
        one = found[min(len(given), len(found)) - 1]
        if isinstance(one, Exception):
            raise one
        return Answer(
            form.program,
            form,
            replace(one),
            told={"solver": plan.solver.name, "mode": plan.mode.name, "cones": "tangent"},
        )

    monkeypatch.setattr(attempts, "_answered", answered)
    return given


def point(objective: float, bound: float) -> Incumbent:
    form = assemble(compile_model(unlimited()))
    x = np.zeros(form.mip.columns)
    return Incumbent(bound, objective, x, np.zeros(form.kkt.pairs.count, dtype=bool))


def test_points_and_bounds_are_passed_on_and_the_better_ones_count(monkeypatch: pytest.MonkeyPatch) -> None:
    given = seen(monkeypatch, point(-8.0, -10.5), point(-7.0, -10.0))
    solution = bilevel.solve(unlimited(), time_limit=60, progress=False)
    assert [name for name, _ in given] == ["highs", "scip"]
    assert len(given[0][1]) == 0 and len(given[1][1]) == 1
    # In the leader's sense, who maximises
    assert [attempt.bound for attempt in solution.attempts] == [10.5, 10.0]
    assert solution.bound == pytest.approx(10.0) and solution.settings["solver"] == "highs"


def test_a_bound_that_another_plan_s_point_refutes_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen(monkeypatch, point(-8.0, -8.5), point(-9.5, -12.0))
    solution = bilevel.solve(unlimited(), time_limit=60, progress=False)
    assert np.isnan(solution.bound) and solution.status != "certified"


def test_plans_that_end_by_themselves_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given = seen(monkeypatch, Incumbent(ended="no more ideas"))
    solution = bilevel.solve(unlimited(), progress=False)
    assert [name for name, _ in given] == ["highs", "scip"]
    assert solution.status == "unknown" and "no more ideas" in solution.reason


def test_a_plan_without_a_licence_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = LicenceError("too large for this licence")
    seen(monkeypatch, refused, point(-8.0, -9.0))
    solution = bilevel.solve(unlimited(), time_limit=60, progress=False)
    assert [attempt.solver for attempt in solution.attempts] == ["scip"]
    seen(monkeypatch, refused)
    with pytest.raises(LicenceError):
        bilevel.solve(unlimited(), time_limit=60, progress=False)


def test_without_a_limit_plans_take_turns_that_grow() -> None:
    plans = pick("auto", "auto", "tangent", 1e-4, None).plans(assemble(compile_model(unlimited())))
    taken = [(plan.solver.name, seconds) for (plan, seconds), _ in zip(turns(plans, np.inf), range(4), strict=False)]
    longer = FIRST_SECONDS * GROWTH
    assert taken == [("highs", FIRST_SECONDS), ("scip", FIRST_SECONDS), ("highs", longer), ("scip", longer)]
    # Big-M with proven limits is not interrupted
    proven = pick("auto", "auto", "tangent", 1e-4, None).plans(assemble(compile_model(toll())))
    assert [seconds for _, seconds in turns(proven, 100.0)] == [np.inf, np.inf]


def test_gurobi_comes_before_scip_with_a_licence_of_one_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    licence = tmp_path / "gurobi.lic"
    form = assemble(compile_model(unlimited()))
    asked = pick("auto", "auto", "tangent", 1e-4, None)
    monkeypatch.delenv("GRB_WLSACCESSID", raising=False)
    monkeypatch.setenv("GRB_LICENSE_FILE", str(licence))
    assert [plan.solver.name for plan in asked.plans(form)] == ["highs", "scip"]
    licence.write_text("TYPE=NAMED")
    assert [plan.solver.name for plan in asked.plans(form)] == ["highs", "gurobi", "scip"]
