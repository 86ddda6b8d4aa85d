"""A loose cone names its cause in words of the grid, and the exact law of power flow as the remedy."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import bilevel
import formulations
from bilevel import LooseConeError
from instances import (
    Branch,
    Bus,
    Feeder,
    Generator,
    Horizon,
    Instance,
    Network,
    PriceLimits,
    Session,
    Source,
    Station,
    ac_power_flow,
)

REMEDY = re.escape("flow='ac' (--flow ac)")


def three_buses(wholesale: tuple[float, float] = (0.05, 0.1), **changes: Any) -> Instance:
    """Two periods of six hours; 444.4 kWh are charged at the end of the line."""
    buses = (Bus("grid", 0, 0, 1.0, 1.0), Bus("mill", 900, 300, 0.9, 1.05), Bus("school", 400, 120, 0.9, 1.05))
    feeder = Feeder(10.0, "grid", 1.0, buses, (Branch("grid", "mill", 0.5, 0.4), Branch("mill", "school", 0.8, 0.5)))
    case = Instance(
        "three buses", "EUR", feeder, Horizon(2, 6.0, "2026-01-12T00:00:00"), (Station("yard", "school"),),
        (Session("n", "yard", 0, 2, 40, 11, count=10),), (0.5, 1.0), wholesale, PriceLimits(0.1, 0.4, 0.25), 0.9,
        (Source("buses", "own", "MIT"),),
    )  # fmt: skip
    return replace(case, **changes)


def least_cost(case: Instance) -> float:
    """Enumeration of how the charging is split, by AC power flows."""
    network = Network.from_feeder(case.feeder)
    mean = 400 / 0.9 / 6
    split = np.linspace(0.0, mean, 400)
    load = np.stack([np.tile(network.load_kw * share, (400, 1)) for share in case.load_factor], axis=1)
    load[:, 0, network.index["school"]] += split
    load[:, 1, network.index["school"]] += mean - split
    reactive = np.stack([network.load_kvar * share for share in case.load_factor])
    loss = ac_power_flow(network, load, reactive).loss_kw
    return float((6 * (load.sum(axis=2) + loss) @ np.array(case.wholesale_price_per_kwh)).min())


@pytest.mark.parametrize("flow", ["distflow", "jabr"])
def test_a_negative_price_is_named_with_its_period_and_the_remedy(flow: str) -> None:
    case = three_buses((-0.05, 0.1))
    solution = bilevel.solve(formulations.charging_pricing(case, "cost", flow=flow), progress=False)
    assert solution.status in ("feasible", "rejected")
    wanted = rf"cones .* are loose.*negative price of energy in period 0 \(wholesale -0\.05 EUR/kWh\).*{REMEDY}"
    assert re.search(wanted, solution.reason), solution.reason
    if solution.status == "feasible":
        assert solution.objective == pytest.approx(least_cost(case), abs=1e-3) == 568.289


def test_the_remedy_is_one() -> None:
    case = three_buses((-0.05, 0.1))
    model = formulations.charging_pricing(case, "cost", flow="ac")
    solution = bilevel.solve(model, solver="scip", progress=False, time_limit=120.0)
    assert solution.status == "certified", solution.reason
    assert solution.objective == pytest.approx(least_cost(case), abs=1e-2)


def test_dispatch_refuses_with_the_cause() -> None:
    wanted = rf"cone 'cone\[grid,mill,0\]' has the gap .*negative price of energy in period 0 .*{REMEDY}"
    with pytest.raises(LooseConeError, match=wanted):
        formulations.Dispatch(three_buses((-0.05, 0.1))).at([[30.0, 40.0]])


def test_an_upper_voltage_limit_under_reverse_flow_is_named_with_bus_and_period() -> None:
    # 1,500 kW that must run lift the mill's voltage over a limit that invented losses bring down
    case = three_buses(generators=(Generator("sun", "mill", 1500, 1500, 0, 0, 0.0),), load_factor=(0.1, 1.0))
    low = tuple(replace(bus, voltage_max_pu=1.002) if bus.name == "mill" else bus for bus in case.feeder.buses)
    case = replace(case, feeder=replace(case.feeder, buses=low))
    solution = bilevel.solve(formulations.charging_pricing(case, "cost"), progress=False)
    assert solution.status == "rejected"
    wanted = rf"upper voltage limit under reverse flow at bus mill in period 0: .*{REMEDY}"
    assert re.search(wanted, solution.reason), solution.reason
    assert "negative price" not in solution.reason


def test_a_certified_answer_has_no_explanation() -> None:
    solution = bilevel.solve(formulations.charging_pricing(three_buses(), "cost"), progress=False)
    assert solution.reason == "every check of the certificate passes"
