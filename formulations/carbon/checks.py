"""The emission replay: factors of an independent power flow and emission flow against the model's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import Check, tolerances
from bilevel.errors import BilevelError
from formulations import tolerances as formulation_tolerances
from formulations.carbon.emission_flow import Sources, emission_flow
from formulations.case_parts import carbon_of
from formulations.operator import checks
from instances import Instance, InstanceError, Network, ac_power_flow

_NAME = "emission replay, factors"


def emission_replay(case: Instance, network: Network) -> Callable[[Any], list[Check]]:
    """A checker for `bilevel.add_check`: the factors of `model.factor` against proportional sharing on an AC power flow.

    Relative to the largest factor of any source.
    """

    def check(model: Any) -> list[Check]:
        try:
            replayed = factors(model, case, network)
        except (InstanceError, BilevelError) as reason:
            return [Check(_NAME, np.inf, tolerances.EMISSION_FACTOR, "relative", detail=str(reason))]
        largest = max(float(np.nanmax(replayed, initial=0.0)), formulation_tolerances.LEAST_FACTOR_KG_PER_KWH)
        keys = list(model.factor)
        error = (
            np.array([abs(pyo.value(model.factor[bus, t]) - replayed[t, network.index[bus]]) for bus, t in keys])
            / largest
        )
        if not len(keys):
            return [Check(_NAME, 0.0, tolerances.EMISSION_FACTOR, "relative", detail="no response depends on a factor")]
        at = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
        where = f"bus {keys[at][0]}, period {keys[at][1]}"
        return [
            Check(
                _NAME, float(error[at]), tolerances.EMISSION_FACTOR, "relative", where, f"largest {largest:.5g} kg/kWh"
            )
        ]

    return check


def factors(model: Any, case: Instance, network: Network) -> Any:
    """Emission factors of all buses at the model's loads and outputs, (periods, buses) in kg/kWh, by AC sweep and emission flow."""
    net_kw, net_kvar = checks.bus_load_kw(model, case, network), checks.bus_load_kvar(model, case, network)
    flow = ac_power_flow(network, net_kw, net_kvar)
    units: tuple[Any, ...] = (*case.generators, *case.renewables)
    output = [[network.per_unit.kw(pyo.value(model.active_power[g.name, t])) for t in model.T] for g in case.generators]
    power = np.array([*output, *(unit.power_kw for unit in case.renewables)], dtype=float).T
    # An output of 0 may come out a tolerance below it, and is no source that draws
    power = np.maximum(power.reshape(case.horizon.periods, len(units)), 0.0)
    at = np.array([network.index[unit.bus] for unit in units], dtype=np.int64)
    # The model knows what a bus draws less what is fed in there; sharing wants the two apart
    consumed = net_kw.copy()
    for column, bus in enumerate(at):
        consumed[:, bus] += power[:, column]
    # What is left of a load of 0 by rounding is none
    nothing = formulation_tolerances.NO_CONSUMPTION * np.abs(consumed).max()
    consumed = np.where(np.abs(consumed) <= nothing, 0.0, consumed)
    factor = np.broadcast_to([unit.emission_kg_per_kwh for unit in units], power.shape)
    sources = Sources(at, power, factor, np.array(carbon_of(case).grid_factor_kg_per_kwh), tuple(u.name for u in units))
    return emission_flow(network, flow, consumed, sources).factor_kg_per_kwh
