"""The AC replay: an independent AC power flow with the solved injections against the model's own network."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import Check, CheckKind, tolerances
from formulations import tolerances as formulation_tolerances
from formulations.operator import sweeps
from instances import Instance, InstanceError, Network, PowerFlow, ac_power_flow, base_load_kvar, base_load_kw

APPROXIMATION = "approximation"
"""Name of the check by which a model says that it approximates what it stands for: its points are feasible at best."""


def bus_load_kw(model: Any, case: Instance, network: Network) -> Any:
    """Base load, plus what followers draw, less generation, at the model's values: kW, (periods, buses) in the network's order."""
    return _bus_power(base_load_kw(case, network), model.bus_load, network)


def bus_load_kvar(model: Any, case: Instance, network: Network) -> Any:
    """The same in kvar."""
    return _bus_power(base_load_kvar(case, network), model.bus_reactive_load, network)


def _bus_power(base: Any, added: Any, network: Network) -> Any:
    for bus, t in added:
        base[t, network.index[bus]] += float(network.per_unit.kw(pyo.value(added[bus, t])))
    return base


def ac_replay(case: Instance, network: Network) -> Callable[[Any], list[Check]]:
    """A checker for `bilevel.add_check`: losses (relative) and voltages (per unit) of an AC sweep against the model's."""

    def check(model: Any) -> list[Check]:
        try:
            flow = _sweep(model, case, network)
        except InstanceError as error:
            # Whatever the model says, no power flow carries these injections
            return [Check(name, np.inf, tolerance, unit, detail=str(error)) for name, tolerance, unit in _NAMES]
        return [_losses(model, case, flow.loss_kw), _voltages(model, network, np.abs(flow.voltage_pu))]

    return check


def approximation(case: Instance, network: Network) -> Callable[[Any], list[Check]]:
    """A checker for models whose power flow is an approximation, whose points are feasible at best.

    The errors of losses and voltages against the AC power flow with the same injections are reported; the check "AC limits" holds
    that power flow against the network's limits of voltage, current and power; the check "approximation" never passes.
    """
    replay = ac_replay(case, network)

    def check(model: Any) -> list[Check]:
        reported = [replace(found, tolerance=None) for found in replay(model)]
        unit, detail = "approximate power flow", "optimal for the approximation"
        never = Check(APPROXIMATION, 1.0, 0.0, unit, model.power_flow, detail, CheckKind.OPTIMALITY)
        return [*reported, _limits(model, case, network), never]

    return check


def _sweep(model: Any, case: Instance, network: Network) -> PowerFlow:
    return ac_power_flow(network, bus_load_kw(model, case, network), bus_load_kvar(model, case, network))


def _limits(model: Any, case: Instance, network: Network) -> Check:
    """The limit that the AC power flow breaks most: by how many pu of voltage or supply, or which share of a branch's limit."""
    name, unit = "AC limits", "relative"
    try:
        flow = _sweep(model, case, network)
    except InstanceError as error:
        return Check(name, np.inf, tolerances.AC_LIMIT, unit, detail=str(error))
    magnitude = np.abs(flow.voltage_pu)
    excess = {
        # The substation's voltage is given, and no decision breaks its limits
        "voltage": np.maximum(network.voltage_min_pu - magnitude, magnitude - network.voltage_max_pu)[:, 1:],
        "current": np.abs(flow.entering_current_pu) / network.current_max_pu - 1.0,
        "power": np.abs(flow.entering_power_pu) / network.power_max_pu - 1.0,
        "supply": sweeps.supply_excess(network, flow),
    }
    what = max(excess, key=lambda kind: float(excess[kind].max(initial=-np.inf)))
    t, k = (int(at) for at in np.unravel_index(int(excess[what].argmax()), excess[what].shape))
    value = max(float(excess[what][t, k]), 0.0)
    return Check(name, value, tolerances.AC_LIMIT, unit, f"{_place(network, what, k)}, period {t}" if value else "")


def _place(network: Network, what: str, k: int) -> str:
    """The limit of a kind at position k of its array, in words."""
    if what == "supply":
        return f"{('active', 'reactive')[k]} supply"
    return f"{what} of " + (f"bus {network.buses[k + 1]}" if what == "voltage" else f"branch {network.branch_names[k]}")


_NAMES = (
    ("AC replay, losses", tolerances.AC_LOSS, "relative"),
    ("AC replay, voltages", tolerances.AC_VOLTAGE, "pu"),
)


def _losses(model: Any, case: Instance, loss_kw: Any) -> Check:
    replayed = float(loss_kw.sum()) * case.horizon.period_hours
    modelled = float(pyo.value(model.network_loss))
    name, tolerance, unit = _NAMES[0]
    error = abs(modelled - replayed) / max(abs(replayed), formulation_tolerances.LEAST_LOSS_KWH)
    return Check(name, error, tolerance, unit, detail=f"model {modelled:.6g} kWh, AC sweep {replayed:.6g} kWh")


def _voltages(model: Any, network: Network, magnitude: Any) -> Check:
    modelled = np.array([[np.sqrt(max(pyo.value(model.v[bus, t]), 0.0)) for bus in network.buses] for t in model.T])
    error = np.abs(modelled - magnitude)
    t, bus = (int(k) for k in np.unravel_index(int(error.argmax()), error.shape))
    name, tolerance, unit = _NAMES[1]
    detail = f"lowest voltage {magnitude.min():.5f} pu"
    return Check(name, float(error[t, bus]), tolerance, unit, f"bus {network.buses[bus]}, period {t}", detail)
