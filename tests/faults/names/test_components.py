"""Values go to components by what they are: no name of a Pyomo component is read, and none stands for two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pyscipopt
import pytest
from faults.names.odd import POOL, Names, charging, listed, renamed, trading
from oracles import tiny_case

import bilevel
import formulations
from bilevel import ModelError
from instances import Distance, InstanceError, Session

THREES = [("#1", "#2", "*"), ("a*", "a+", "a-"), ("[", "]", "x[1]"), ("1", "01", "1.0"), ("'", '"', "\\"),
          ("n" * 300, "n" * 299 + "m", "m" * 300), ("None", "True", "...")]  # fmt: skip


def odd(names: tuple[str, str, str]) -> Any:
    """A pricing model in which everything has these names, without cones."""
    case = charging()
    of = {kind: dict(zip(own, names, strict=False)) for kind, own in listed(case).items()}
    return formulations.charging_pricing(renamed(case, Names("*", "*", of)), "loss=1,profit=1", flow="lindistflow")


@pytest.mark.parametrize("names", THREES, ids=lambda names: ascii(names[0][:6]))
@pytest.mark.parametrize("suffix", [".lp", ".mps"])
def test_written_models_have_as_many_columns_and_their_optimum(
    names: tuple[str, str, str], suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"model{suffix}"
    bilevel.write_model(odd(names), path)
    other = pyscipopt.Model()
    other.hideOutput()
    other.readProblem(str(path))
    other.optimize()
    known = bilevel.solve(odd(("a", "b", "c")), progress=False)
    assert other.getObjVal() == pytest.approx(known.objective, rel=1e-4)


@pytest.mark.parametrize("names", THREES, ids=lambda names: ascii(names[0][:6]))
def test_values_come_back_from_a_single_level_model(names: tuple[str, str, str]) -> None:
    model = odd(names)
    single = bilevel.reformulate(model)
    for at, variable in enumerate(single.component_data_objects(pyo.Var)):
        variable.set_value(float(at), skip_validation=True)
    bilevel.load_values(single, model)
    for at, price in single.price.items():
        assert model.price[at].value == pytest.approx(min(max(price.value, model.price[at].lb), model.price[at].ub))


def test_an_equilibrium_loads_its_own_variables() -> None:
    case = renamed(charging(), Names("*", "*", {kind: dict(zip(own, ("#1", "#2", "*"), strict=False))
                                                for kind, own in listed(charging()).items()}))  # fmt: skip
    model = formulations.charging_pricing(case, "cost")
    trace = bilevel.equilibrium(model, formulations.nodal_prices(model, case), max_iterations=3, progress=False)
    known = {id(variable): variable.value for variable in model.component_data_objects(pyo.Var, descend_into=True)}
    for variable in trace.solution.found:
        variable.set_value(0.0, skip_validation=True)
    trace.load()
    assert trace.model is model
    assert len(trace.solution.found) == len(trace.values)
    for variable in trace.solution.found:
        assert variable.value == pytest.approx(known.get(id(variable), variable.value))


def small(index: tuple[Any, Any]) -> Any:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(index, bounds=(0, 1))
    model.follower = bilevel.Follower()
    model.follower.y = pyo.Var(bounds=(0, 1))
    model.follower.cost = pyo.Objective(expr=model.follower.y * model.x[index[0]])
    model.cost = pyo.Objective(expr=sum(model.x.values()) + model.follower.y)
    return model


@pytest.mark.parametrize("model", [small(("True", True)), small(("None", None))])
def test_two_components_of_one_name_are_refused(model: Any) -> None:
    with pytest.raises(ModelError, match=r"two components of the model are named 'x\[.*\]': rename one"):
        bilevel.solve(model, progress=False)


def linear(name: str) -> Any:
    model = pyo.ConcreteModel()
    model.column = pyo.Var([name], bounds=(0, 10))
    model.follower = bilevel.Follower()
    model.follower.column = pyo.Var([name + "'"], bounds=(0, 10))
    x, y = model.column[name], model.follower.column[name + "'"]
    model.row = pyo.Constraint([name], rule=lambda _m, _k: x + y <= 12)
    model.follower.row = pyo.Constraint(["z"], rule=lambda _m, _k: y >= x - 3)
    model.follower.cost = pyo.Objective(expr=y)
    model.cost = pyo.Objective(expr=2 * y - x)
    return model


@pytest.mark.parametrize("form", ["name", "index"])
def test_names_come_back_from_mps_files(form: str, tmp_path: Path) -> None:
    mps, aux = tmp_path / "m.mps", tmp_path / "m.aux"
    for name in (*POOL, "RHS", "BOUND", "RANGE", "OBJ", "ENDATA", "INF"):
        if form == "name" and name[0] in "*#@":
            with pytest.raises(ModelError, match="begins as comments and keywords of AUX files do"):
                bilevel.write_mps(linear(name), mps, aux, form)
            continue
        bilevel.write_mps(linear(name), mps, aux, form)
        found = bilevel.read_mps(mps, aux)
        shown = "_".join(name.split())
        assert (list(found.column), list(found.follower.column), list(found.row)) == ([shown], [f"{shown}'"], [shown])


def test_a_session_may_be_called_as_a_vehicle_of_a_group() -> None:
    case = tiny_case()
    group = tuple(Session(f"ev{k}", "s", 0, 3, 15.0 + 5.0 * k, 20.0 + k) for k in range(6))
    named = (*group, Session("s@0-3/1", "r", 0, 3, 40.0, 30.0), Session("s@0-3/3", "r", 1, 3, 40.0, 30.0))
    plain = (*group, Session("a", "r", 0, 3, 40.0, 30.0), Session("b", "r", 1, 3, 40.0, 30.0))
    known, found = (
        bilevel.solve(formulations.charging_pricing(replace(case, sessions=own), "loss"), progress=False)
        for own in (plain, named)
    )
    assert found.objective == known.objective


def test_distances_of_names_with_words_between_are_two() -> None:
    credit = trading().credit
    assert credit is not None
    ways = (Distance("a to b", "c", 1.0), Distance("a", "b to c", 1.0))
    assert len(replace(credit, distances=ways).distances) == 2
    with pytest.raises(InstanceError, match='two distances are named "a to b to c"'):
        replace(credit, distances=(*ways, ways[0]))
