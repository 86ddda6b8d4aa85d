"""Power-flow models by name; a new one is one file and a line here.

Every file has `name`, `about`, `exact` (its points are those of an AC power flow where its cones are tight), `convex`, `put`, and

    add(model, network, demand, reactive_demand, load, reactive_load)

all in per unit.  `model.T` holds the periods; `demand` and `reactive_demand` are arrays (periods, buses) in the network's bus
order; `load(bus, t)` and `reactive_load(bus, t)` are what is drawn beside them, expressions or 0.  `add` gives the model

- sets N (buses) and L (branches i, j away from the substation), parameters r and x, `ratio` and `charging` of branches (half, at
  each end), `conductance` and `susceptance` to ground of buses;
- P, Q (entering the series impedance at the sending end), l (squared current) on branches and v (squared voltage) on buses, by
  period: variables, or expressions that may be read the same way; the substation's v is given;
- rows `active_balance[i, j, t]` (1) and `reactive_balance[i, j, t]` (2) of bus j, what arrives less what leaves == what is drawn,
  so that their duals are d(objective)/d(load); `cone` for (4); `power_limit` where a branch has one;
- expressions `loss_power[t]`, `supply_power[t]` and `supply_reactive[t]` (drawn at the substation);
- the limits (5) of voltage, current and power, and scaling factors.

Further parameters of `add`, keyword-only, are options of the power flow, which the file declares as `options`.

| name | (4) | is |
|---|---|---|
| distflow | cone | a relaxation, exact where its cones are tight |
| jabr | the same cone in voltages and their products | as distflow, with the same optimum |
| lindistflow | none; losses are estimated | an approximation: never certified, as its certificate says |
| ac | equality | exact and nonconvex: for SCIP or Gurobi, and small feeders |
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel import Follower
from bilevel.compile.walk import place
from bilevel.errors import ModelError
from formulations import options
from formulations.options import Part
from formulations.power_flow import ac, distflow, jabr, lindistflow
from formulations.power_flow.common import FlowPoint

__all__ = [
    "POWER_FLOWS", "FlowModel", "FlowPoint", "find", "networks", "put", "read", "require_convex", "require_exact", "start_at",
    "voltages",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FlowModel(Part):
    """One power flow: `add` writes it into a model, `put` sets its variables to a point; `exact` and `convex` as above."""

    exact: bool
    convex: bool
    put: Callable[[Any, FlowPoint], None]


POWER_FLOWS: dict[str, FlowModel] = {f.name: f for f in map(FlowModel.of, (distflow, jabr, lindistflow, ac))}


def find(name: str, **given: Any) -> FlowModel:
    """The registered power flow with its options bound, defaults where none is given.

    Raises `UnknownNameError` with the nearest name, and `BilevelError` for a value that an option does not allow.
    """
    return options.find("power flow", name, POWER_FLOWS).with_options(given)


def read(model: Any) -> FlowPoint:
    """The point that a model of any power flow has now."""
    shape = len(model.T), len(model.L)

    def values(component: Any) -> Any:
        return np.array([[pyo.value(component[*branch, t]) for branch in model.L] for t in model.T]).reshape(shape)

    voltage = np.array([[pyo.value(model.v[bus, t]) for bus in model.N] for t in model.T])
    return FlowPoint(voltage, values(model.P) + 1j * values(model.Q), values(model.l))


def put(model: Any, point: FlowPoint) -> None:
    """Set the variables of a model's power flow to a point, that of another power flow or of `instances.ac_power_flow`."""
    find(model.power_flow).put(model, point)


def voltages(model: Any) -> tuple[Any, Any]:
    """Voltage magnitudes (pu) and angles (rad, 0 at the substation) of a solved model, (periods, buses) in the order of `model.N`.

    By the return mapping of [Z19] Algorithm 2, V_i = sqrt(sqrt(2) u_i) and theta_j = theta_i - atan2(T_ij, R_ij), whatever the flow
    model.  They are those of an AC power flow where the certificate's cones are tight.
    """
    position = {bus: k for k, bus in enumerate(model.N)}
    parent = np.array([-1, *(position[i] for i, _ in model.L)])
    impedance = np.array([complex(model.r[branch], model.x[branch]) for branch in model.L])
    ratio = np.array([model.ratio[branch] for branch in model.L])
    return read(model).voltages(impedance, ratio, parent)


def require_convex(name: str, what: str) -> None:
    """Refuse a nonconvex power flow where `what` needs duals."""
    if not find(name).convex:
        good = " or ".join(f"{flow.name!r}" for flow in POWER_FLOWS.values() if flow.convex and flow.exact)
        raise ModelError(f"{what} are duals, which a nonconvex model with flow={name!r} does not have: use {good}")


def require_exact(name: str, what: str) -> None:
    """Refuse an approximate power flow where `what` need the losses of an AC power flow."""
    if not find(name).exact:
        good = " or ".join(f"{flow.name!r}" for flow in POWER_FLOWS.values() if flow.exact)
        raise ModelError(f"{what} need the flows of an AC power flow, which flow={name!r} approximates: use {good}")


def start_at(model: Any, solved: Any) -> None:
    """Give `model` the values of a solved model of the same case with another power flow, as a start for a nonconvex one:

    power_flow.start_at(model, relaxed)
    solution = bilevel.solve(model, "scip", warm_start=True)
    """
    deep = (pyo.Block, Follower)
    values = {place(variable): variable.value for variable in solved.component_data_objects(pyo.Var, descend_into=deep)}
    for variable in model.component_data_objects(pyo.Var, descend_into=deep):
        # What another power flow has of its own is put below
        value = values.get(place(variable))
        if value is not None and not variable.fixed:
            variable.set_value(value, skip_validation=True)
    # Last: P, Q and v may be expressions of other variables in one of the two
    for at, block in networks(model).items():
        put(block, read(networks(solved)[at]))


def networks(model: Any) -> dict[Any, Any]:
    """The blocks of a model that hold a network, by name: those of its scenarios, or the model itself, by None."""
    own = model.component("scenario")
    return {None: model} if own is None else dict(own.items())
