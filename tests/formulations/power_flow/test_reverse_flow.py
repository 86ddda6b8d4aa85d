"""Reverse flow at an upper voltage limit: the relaxation invents losses, and a charge on its factors buys a true point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
import formulations
import instances
from formulations.operator import checks


def fed_in(kw: float, voltage_max_pu: float) -> instances.Instance:
    """The shipped feeder with a plant at its far end whose voltage may not rise further."""
    case = instances.scale(instances.load("ieee33"), 20)
    buses = tuple(
        replace(bus, load_kw=-kw, load_kvar=0.0, voltage_max_pu=voltage_max_pu) if bus.name == "18" else bus
        for bus in case.feeder.buses
    )
    return replace(case, feeder=replace(case.feeder, buses=buses))


@pytest.mark.parametrize(("objective", "sign"), [("profit", 1.0), ("cost", -1.0)])
def test_a_loose_cone_is_closed_by_a_charge_and_its_price_is_told(objective: str, sign: float) -> None:
    case = fed_in(3000.0, 1.095)
    model = formulations.charging_pricing(case, objective)
    solution = bilevel.solve(model, progress=False)
    check = solution.certificate["cone charge"]
    assert (
        solution.status == "feasible"
        and solution.certificate["cones"].ok
        and solution.certificate["cones"].value < 1e-5
    )
    assert "loose" in check.detail and check.ok and 0 < check.value <= 10
    # The price: behind the bound of the relaxation, within a hundredth of it
    assert 0 < sign * (solution.bound - solution.objective) <= 0.01 * abs(solution.bound)
    # The AC power flow of the charging found keeps the limit that the relaxation cheated at
    network = instances.Network.from_feeder(case.feeder)
    flow = instances.ac_power_flow(
        network, checks.bus_load_kw(model, case, network), checks.bus_load_kvar(model, case, network)
    )
    assert np.abs(flow.voltage_pu).max() <= 1.095 * (1 + 1e-6)
    assert flow.loss_kw.sum() * case.horizon.period_hours == pytest.approx(pyo.value(model.network_loss), rel=1e-5)


def test_where_no_true_point_is_found_nothing_is_certified() -> None:
    solution = bilevel.solve(formulations.charging_pricing(fed_in(3000.0, 1.09), "cost"), progress=False)
    assert solution.status == "rejected" and "cones" in solution.reason


def test_tight_cones_are_not_charged() -> None:
    solution = bilevel.solve(formulations.charging_pricing(fed_in(2000.0, 1.1), "profit"), progress=False)
    assert solution.status == "certified"
    with pytest.raises(KeyError):
        solution.certificate["cone charge"]
