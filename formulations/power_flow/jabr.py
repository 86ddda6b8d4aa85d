"""Jabr's form of the cone relaxation (Jabr 2006, used by [Z19]): squared voltages and products of voltages instead of flows.

With u_i = v_i / sqrt(2), R = V_i V_j cos(theta_i - theta_j) and T = V_i V_j sin(theta_i - theta_j), docs/model.md section 1,

    2 u_i u_j >= R^2 + T^2,    P = (r (sqrt(2) u_i - R) + x T) / |z|^2,    Q = (x (sqrt(2) u_i - R) - r T) / |z|^2.

R differs from sqrt(2) u_i by a thousandth on a short line, so that this cone loses what counts: a relative error of 1e-7 in it is a
squared current of 1e-7 / |z|^2, and the losses of a day on the 33-bus feeder came out 0.1 % low.  The variable is therefore the
difference D = sqrt(2) u_i - R, and l joins the variables:

    |z|^2 l = sqrt(2) (u_i + u_j) - 2 R    and    2 u_i u_j - R^2 - T^2 = sqrt(2) u_i |z|^2 l - D^2 - T^2,

the same form in other coordinates, in which digits last.  Behind a transformer of ratio a, u_i / a^2 stands for u_i and R, T are
those of V_i / a.  `model.T` holds the periods, so T is `model.tau`.
"""

from math import sqrt
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import relaxes_equality
from bilevel.errors import ModelError
from formulations.power_flow import common
from formulations.power_flow.common import FlowPoint, Load
from instances import Network

name, about = "jabr", "the same cones in voltages and their products"
exact, convex = True, True


def add(model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load) -> None:
    """Add voltages, products, balances and limits to `model` (contract: `formulations.power_flow`).

    Variables u on buses, D, tau and l on branches; expressions R, P, Q and v; beside the rows of the contract `voltage_drop`, which
    ties l to the products, and `cone`.  Raises `ModelError` for a branch without impedance, which has no admittance.
    """
    _require_impedance(network)
    common.add_sets(model, network)
    common.add_voltages(model, network, "u", 1 / sqrt(2))
    common.add_currents(model, network)
    _add_products(model)
    common.add_balances(model, network, demand, reactive_demand, load, reactive_load)
    _add_rows(model)
    common.add_current_limit(model, network)
    # In P and Q the mixed terms of D and tau would cancel up to rounding only
    common.add_power_limit(model, network, lambda i, j, t: _squares(model, i, j, t) / _square(model, i, j))
    common.add_totals(model, network, demand, reactive_demand, load, reactive_load)
    size = common.flow_sizes(network, demand, reactive_demand, load, reactive_load)
    # |D - i tau| is |z| times the apparent power
    drop = size * np.hypot(network.resistance_pu, network.reactance_pu)
    common.add_scales(model, {"D": drop, "tau": drop, "l": size**2})


def put(model: Any, point: FlowPoint) -> None:
    """Set u, D, tau and l; the substation's voltage stays."""
    for k, (i, j) in enumerate(model.L):
        # conj(z) (P + i Q) = D - i tau
        drop = (model.r[i, j] - 1j * model.x[i, j]) * point.sending[:, k]
        for t in model.T:
            model.D[i, j, t].set_value(float(drop[t].real))
            model.tau[i, j, t].set_value(float(-drop[t].imag))
            model.l[i, j, t].set_value(float(point.current_squared[t, k]), skip_validation=True)
            model.u[j, t].set_value(float(point.voltage_squared[t, k + 1]) / sqrt(2), skip_validation=True)


def _require_impedance(network: Network) -> None:
    without = np.flatnonzero((network.resistance_pu == 0) & (network.reactance_pu == 0))
    if len(without):
        raise ModelError(
            f"branch {network.branch_names[int(without[0])]} has no impedance, so no admittance for flow='jabr': merge its "
            "buses, or use flow='distflow'"
        )


def _square(model: Any, i: str, j: str) -> float:
    """|z|^2."""
    return float(model.r[i, j] ** 2 + model.x[i, j] ** 2)


def _squares(model: Any, i: str, j: str, t: int) -> Any:
    """D^2 + T^2 = |z|^2 (P^2 + Q^2)."""
    return model.D[i, j, t] ** 2 + model.tau[i, j, t] ** 2


def _add_products(model: Any) -> None:
    def flow(first: Any, second: Any, sign: float) -> Any:
        def rule(m: Any, i: str, j: str, t: int) -> Any:
            conductance, susceptance = first[i, j] / _square(m, i, j), sign * second[i, j] / _square(m, i, j)
            return conductance * m.D[i, j, t] + susceptance * m.tau[i, j, t]

        return pyo.Expression(model.L, model.T, rule=rule)

    model.D = pyo.Var(model.L, model.T, initialize=0.0)
    model.tau = pyo.Var(model.L, model.T, initialize=0.0)
    model.v = pyo.Expression(model.N, model.T, rule=lambda m, i, t: sqrt(2) * m.u[i, t])
    model.R = pyo.Expression(model.L, model.T, rule=lambda m, i, j, t: common.behind(m, i, j, t) - m.D[i, j, t])
    model.P = flow(model.r, model.x, 1.0)
    model.Q = flow(model.x, model.r, -1.0)


def _add_rows(model: Any) -> None:
    def drop(m: Any, i: str, j: str, t: int) -> Any:
        return m.v[j, t] == common.behind(m, i, j, t) - 2 * m.D[i, j, t] + _square(m, i, j) * m.l[i, j, t]

    def cone(m: Any, i: str, j: str, t: int) -> Any:
        return _squares(m, i, j, t) <= sqrt(2) * (_square(m, i, j) / m.ratio[i, j] ** 2) * m.u[i, t] * m.l[i, j, t]

    model.voltage_drop = pyo.Constraint(model.L, model.T, rule=drop)
    model.cone = pyo.Constraint(model.L, model.T, rule=cone)
    relaxes_equality(model, model.cone)
