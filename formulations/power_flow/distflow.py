"""DistFlow (Baran and Wu 1989), equations (1) to (5) of docs/model.md, with (4) relaxed to a rotated cone."""

from typing import Any

from formulations.power_flow import common
from formulations.power_flow.common import Load
from instances import Network

name, about = "distflow", "branch flow with cones, exact where they are tight"
exact, convex = True, True
put = common.put


def add(model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load) -> None:
    """Add branch flows, voltages, balances and limits to `model` (contract: `formulations.power_flow`).

    Variables P, Q, l on branches and v on buses; beside the rows of the contract `voltage_drop` (3) and `cone` (4).
    """
    common.add_sets(model, network)
    common.add_flows(model)
    common.add_currents(model, network)
    common.add_voltages(model, network)
    common.add_balances(model, network, demand, reactive_demand, load, reactive_load)
    common.add_voltage_drop(model)
    common.add_cone(model)
    common.add_current_limit(model, network)
    common.add_power_limit(model, network)
    common.add_totals(model, network, demand, reactive_demand, load, reactive_load)
    size = common.flow_sizes(network, demand, reactive_demand, load, reactive_load)
    common.add_scales(model, {"P": size, "Q": size, "l": size**2})
