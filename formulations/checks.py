"""The AC replay: an independent AC power flow with the solved injections against the model's own network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import Check, tolerances
from instances import Instance, InstanceError, Network, ac_power_flow, base_load_kvar, base_load_kw


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
            flow = ac_power_flow(network, bus_load_kw(model, case, network), bus_load_kvar(model, case, network))
        except InstanceError as error:
            return [Check(name, np.inf, tolerance, unit, detail=str(error)) for name, tolerance, unit in _NAMES]
        return [_losses(model, case, flow.loss_kw), _voltages(model, network, np.abs(flow.voltage_pu))]

    return check


_NAMES = (
    ("AC replay, losses", tolerances.AC_LOSS, "relative"),
    ("AC replay, voltages", tolerances.AC_VOLTAGE, "pu"),
)


def _losses(model: Any, case: Instance, loss_kw: Any) -> Check:
    replayed = float(loss_kw.sum()) * case.horizon.period_hours
    modelled = float(pyo.value(model.network_loss))
    name, tolerance, unit = _NAMES[0]
    error = abs(modelled - replayed) / max(abs(replayed), 1e-30)
    return Check(name, error, tolerance, unit, detail=f"model {modelled:.6g} kWh, AC sweep {replayed:.6g} kWh")


def _voltages(model: Any, network: Network, magnitude: Any) -> Check:
    modelled = np.array([[np.sqrt(max(pyo.value(model.v[bus, t]), 0.0)) for bus in network.buses] for t in model.T])
    error = np.abs(modelled - magnitude)
    t, bus = (int(k) for k in np.unravel_index(int(error.argmax()), error.shape))
    name, tolerance, unit = _NAMES[1]
    detail = f"lowest voltage {magnitude.min():.5f} pu"
    return Check(name, float(error[t, bus]), tolerance, unit, f"bus {network.buses[bus]}, period {t}", detail)
