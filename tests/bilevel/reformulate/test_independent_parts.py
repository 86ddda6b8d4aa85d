"""Programs that fall into parts which share nothing: the parts are the whole, and searching them alone changes no answer."""

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
from bilevel.compile.compiler import compile_model
from bilevel.reformulate.independent_parts import parts
from bilevel.search import independent


@pytest.fixture(autouse=True)
def small_programs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(independent, "MANY_PAIRS", 1)


def stations(count: int, seed: int = 0, whole: bool = False) -> tuple[pyo.ConcreteModel, float]:
    """Each station asks a price of one user who may charge elsewhere; and what they earn together, in closed form.

    A user charges here at a price x or elsewhere at c: the station asks for c, or for the most that it may.
    """
    rng = np.random.default_rng(seed)
    need, elsewhere, most = rng.uniform(1, 3, count), rng.uniform(1, 3, count), rng.uniform(1, 3, count)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(count), bounds=lambda _, k: (0, most[k]), domain=pyo.Integers if whole else pyo.Reals)
    m.idle = pyo.Var(bounds=(-1, 2))
    m.f = bilevel.Follower()
    m.f.y, m.f.z = pyo.Var(range(count), bounds=(0, None)), pyo.Var(range(count), bounds=(0, None))
    m.f.bill = pyo.Objective(expr=sum(m.x[k] * m.f.y[k] + elsewhere[k] * m.f.z[k] for k in range(count)))
    m.f.need = pyo.Constraint(range(count), rule=lambda b, k: b.y[k] + b.z[k] == need[k])
    m.income = pyo.Objective(expr=sum(m.x[k] * m.f.y[k] for k in range(count)) + 5 - m.idle, sense=pyo.maximize)
    price = np.minimum(elsewhere, most)
    return m, float(np.sum(need * (np.floor(price) if whole else price))) + 6.0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_parts_hold_every_column_and_row_of_the_followers_once(count: int) -> None:
    program = compile_model(stations(count)[0])
    found = parts(program)
    assert len(found) == (count if count > 1 else 0)
    if not found:
        return
    assert sorted(np.concatenate([part.columns for part in found]).tolist()) == list(range(program.columns))
    assert sorted(np.concatenate([part.rows for part in found]).tolist()) == list(range(program.followers.rows.count))
    x = np.random.default_rng(1).uniform(0, 1, program.columns)
    together = sum(part.program.sign * part.program.objective(x[part.columns]) for part in found)
    assert together + program.offset == pytest.approx(program.sign * program.objective(x))
    costs = sum(part.program.followers.costs(x[part.columns]).sum() for part in found)
    assert costs == pytest.approx(program.followers.costs(x).sum())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("solver", "mode"), [("highs", "auto"), ("highs", "big_m"), ("scip", "auto"), ("auto", "auto")]
)
def test_parts_side_by_side_are_the_optimum(solver: str, mode: str, whole: bool) -> None:
    model, known = stations(4, 3, whole)
    solution = bilevel.solve(model, solver, mode, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(known, rel=1e-6)
    assert [step["step"] for step in solution.settings["strategy"]][:1] == ["independent parts"] or solver == "scip"


def test_what_links_the_parts_makes_them_one() -> None:
    for link in (
        lambda m: m.x[0] + m.x[1] <= 3,
        lambda m: m.f.y[0] + m.f.y[2] >= 0.1,
        lambda m: m.x[0] ** 2 + m.x[2] ** 2 <= 4,
    ):
        model, _ = stations(3)
        before = len(parts(compile_model(model)))
        model.link = pyo.Constraint(expr=link(model))
        assert len(parts(compile_model(model))) == before - 1
    model, _ = stations(3)
    model.f.bill.set_value(model.f.bill.expr + 0.1 * (model.f.y[0] + model.f.y[1]) ** 2)
    assert len(parts(compile_model(model))) == 2


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_a_row_of_a_follower_s_in_which_only_the_leader_moves_is_in_its_part(solver: str) -> None:
    model, known = stations(3)
    model.f.asked = pyo.Constraint(expr=model.idle + model.x[1] <= 0)
    program = compile_model(model)
    found = parts(program)
    assert len(found) == 2
    assert sorted(np.concatenate([part.rows for part in found]).tolist()) == list(range(program.followers.rows.count))
    solution = bilevel.solve(model, solver, progress=False, time_limit=60)
    # Of idle, at -1 before, and the price of the second user, at most 1 together with it
    assert solution.status == "certified", solution.reason
    assert solution.objective <= known


def test_a_follower_whose_variables_are_fixed_has_rows_alone() -> None:
    model, known = stations(3)
    model.still = bilevel.Follower()
    model.still.v = pyo.Var()
    model.still.cost = pyo.Objective(expr=model.still.v)
    model.still.row = pyo.Constraint(expr=model.still.v + model.x[2] >= 0)
    model.still.v.fix(1.0)
    solution = bilevel.solve(model, progress=False, time_limit=60)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(known, rel=1e-6)


def test_a_dual_belongs_to_the_part_of_its_row() -> None:
    model, _ = stations(3)
    model.income.set_value(model.income.expr - model.f.dual(model.f.need[1]) - model.x[2])
    program = compile_model(model)
    found = parts(program)
    assert len(found) == 3
    linked = [part for part in found if len(part.program.links.column)]
    assert len(linked) == 1
    link = linked[0]
    assert link.program.followers.rows.names[link.program.links.row[0]] == "f.need[1]"


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_a_part_without_a_point_makes_the_whole_infeasible(solver: str) -> None:
    model, _ = stations(3)
    model.never = pyo.Constraint(expr=model.f.y[1] + model.f.z[1] >= 4)
    solution = bilevel.solve(model, solver, progress=False, time_limit=60)
    assert solution.status == "infeasible"


def test_a_part_without_an_end_makes_the_whole_unbounded() -> None:
    model, _ = stations(3)
    model.far = pyo.Var(bounds=(0, None))
    model.income.set_value(model.income.expr + model.far)
    assert bilevel.solve(model, progress=False, time_limit=60).status == "unbounded"
