"""What our own models put into Pyomo's variables lies within their bounds: nothing is logged on the `pyomo` logger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from market_oracles import small_market

import bilevel
import formulations
import instances
from formulations import carbon_dispatch
from formulations.carbon import start, states
from formulations.carbon.system import CarbonSystem
from instances import (
    Branch,
    Bus,
    Feeder,
    Generator,
    Horizon,
    Instance,
    PriceLimits,
    Session,
    Source,
    Station,
)


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Any:
    """Fails a test in which Pyomo logs anything."""
    logger = logging.getLogger("pyomo")
    logger.addHandler(caplog.handler)
    yield
    logger.removeHandler(caplog.handler)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("pyomo")]
    assert said == []


def must_run(active: tuple[float, float], reactive: tuple[float, float]) -> Instance:
    """One line, one period, a generator that cannot stand at 0."""
    feeder = Feeder(
        10.0, "grid", 1.0, (Bus("grid", 0, 0, 1.0, 1.0), Bus("mill", 900, 300, 0.9, 1.05)), (Branch("grid", "mill", 0.5, 0.4),)
    )  # fmt: skip
    return Instance(
        "must run", "EUR", feeder, Horizon(1, 6.0, "2026-01-12T00:00:00"), (Station("yard", "mill"),),
        (Session("n", "yard", 0, 1, 40, 11, count=10),), (1.0,), (0.1,), PriceLimits(0.1, 0.4, 0.25), 0.9,
        (Source("buses", "own", "MIT"),), generators=(Generator("mr", "mill", *active, *reactive, 0.2),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("active", "reactive"),
    [((300, 400), (0, 0)), ((0, 400), (50, 200)), ((-400, -100), (-200, -50)), ((120, 120), (10, 10))],
)
@pytest.mark.parametrize("flow", ["distflow", "jabr", "lindistflow"])
def test_a_generator_that_cannot_stand_at_0(active: Any, reactive: Any, flow: str) -> None:
    model = formulations.charging_pricing(must_run(active, reactive), "cost", flow=flow)
    solution = bilevel.solve(model, progress=False)
    assert solution.status == ("feasible" if flow == "lindistflow" else "certified"), solution.reason
    low, high = (model.per_unit.power(end) for end in active)
    assert low - 1e-9 <= model.active_power["mr", 0].value <= high + 1e-9


def _pricing(case: Instance) -> Any:
    return formulations.charging_pricing(case, "cost")


@pytest.mark.parametrize("name", instances.list_cases())
def test_shipped_cases(name: str) -> None:
    case = instances.scale(instances.load(name), 4)
    build: list[Callable[[Instance], Any]] = [_pricing]
    if case.market is not None:
        build += [formulations.aggregator_market, lambda c: formulations.aggregator_market(c, "elastic")]
    for model in [make(case) for make in build]:
        bilevel.cooperative(model, progress=False)
        bilevel.certify(model)
    assert bilevel.solve(_pricing(case), progress=False, gap=1e-2).certificate.checks


def test_a_generated_case() -> None:
    case = instances.generate("case69", stations=2, evs=6, seed=3)
    assert bilevel.solve(_pricing(case), progress=False, gap=1e-2).certificate.checks


def test_a_market_solved_three_ways() -> None:
    found = formulations.three_ways(small_market(), progress=False, time_limit=60.0)
    assert all(run.solution.certificate.checks for run in found.runs.values())


def test_a_day_with_generators_at_their_limits_put_into_its_model() -> None:
    case = instances.scale(instances.load("ieee33_carbon"), 3)
    system = CarbonSystem(case)
    model = carbon_dispatch.carbon_dispatch(case)
    periods = case.horizon.periods
    for output in (system.output_min_kw, system.output_max_kw, np.nextafter(system.output_max_kw, np.inf)):
        day = states.Dispatched(np.tile(output, (periods, 1)), system.settle(np.tile(output, (periods, 1))))
        start.put(model, system, day)
