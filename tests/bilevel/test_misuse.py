"""What is no model, name, number or object of the kind that is asked for is refused in one sentence."""

from collections.abc import Callable
from typing import Any

import pytest

import bilevel
import formulations
import instances
from bilevel.errors import BilevelError

CASE = instances.scale(instances.load("ieee33"), 2)
SOLVES: list[dict[str, Any]] = [
    {name: value}
    for name in ("solver", "mode", "cones", "root", "ties")
    for value in (None, 3, b"highs", ["highs"], {"a": 1}, "no such thing", "")
] + [
    {name: value} for name in ("gap", "time_limit") for value in ("x", True, [1], float("nan"), -1, 0, 1j)
] + [
    {"progress": 5}, {"progress": "x"}, {"warm_start": "x"}, {"warm_start": 3}, {"warm_start": [3]}, {"warm_start": {"x": 1}},
    {"scaling": "x"}, {"scaling": None}, {"proof": "p.json"}, {"proof": 1}, {"margin": "x"}, {"margin": 1.0}, {"gap": None},
]  # fmt: skip
FRONTS: list[dict[str, Any]] = [
    {"store": 5}, {"store": ""}, {"store": "  "}, {"executor": "x"}, {"points": "x"}, {"points": 1}, {"points": True},
    {"tolerance": "x"}, {"method": None}, {"method": []}, {"progress": 3}, {"proofs": "x"}, {"time_limit": "x"},
    {"ties": 3}, {"ties": "pessimistic"}, {"solver": None}, {"gap": "x"},
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Any:
    return formulations.charging_pricing(CASE, "profit")


def sentence(refused: Callable[[], object]) -> None:
    with pytest.raises(BilevelError) as told:
        refused()
    assert 10 < len(str(told.value)) < 400 and "\n" not in str(told.value)


@pytest.mark.parametrize("given", [each for each in SOLVES if each != {"gap": None}], ids=str)
def test_settings_of_a_solve(model: Any, given: dict[str, Any]) -> None:
    sentence(lambda: bilevel.solve(model, **({"progress": False} | given)))


@pytest.mark.parametrize("given", FRONTS, ids=str)
def test_settings_of_a_front(model: Any, given: dict[str, Any]) -> None:
    sentence(lambda: bilevel.pareto(model, model.station_profit, model.network_loss, **({"progress": False} | given)))


@pytest.mark.parametrize("other", [None, 3, "model", CASE, [1], float], ids=repr)
def test_what_is_no_model(other: Any) -> None:
    for call in (bilevel.solve, bilevel.certify, bilevel.cooperative):
        sentence(lambda call=call: call(other))


@pytest.mark.parametrize(
    "objective", [None, 5, {1: 1}, ["loss"], b"loss", {}, "", {"loss": "x"}, {"loss": -1}], ids=repr
)
def test_objectives(objective: Any) -> None:
    sentence(lambda: formulations.charging_pricing(CASE, objective))


def test_a_progress_that_raises_ends_the_solve_with_what_was_found() -> None:
    calls = []

    def raises(event: Any) -> None:
        calls.append(event)
        if event.phase == "rechecking" or len(calls) > 3:
            raise ValueError("the pipe is closed")

    model = formulations.charging_pricing(CASE, "loss=1,profit=1")
    found = bilevel.solve(model, progress=raises)
    assert found.status in ("certified", "feasible", "unknown") and calls
    assert found.status == "certified" or "the progress callable raised ValueError: the pipe is closed" in found.reason

    def at_once(event: Any) -> None:
        raise RuntimeError("no")

    found = bilevel.solve(model, progress=at_once)
    assert found.status == "certified" or "the progress callable raised RuntimeError: no" in found.reason
