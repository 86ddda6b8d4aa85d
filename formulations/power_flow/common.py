"""What every power flow shares: sets, balances (1) and (2), limits (5), totals and scales, and its point as arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.fbbt.expression_bounds_walker import ExpressionBoundsVisitor

from bilevel import relaxes_equality
from formulations import tolerances
from instances import Network, PowerFlow

Load = Callable[[str, int], Any]


@dataclass(frozen=True, eq=False)
class FlowPoint:
    """Voltages and flows of a model or of an AC power flow, per unit, a row a period.

    `voltage_squared` (periods, buses); `sending`, complex power that branches send, and `current_squared` (periods, branches), in
    the order of `instances.Network`.
    """

    voltage_squared: Any
    sending: Any
    current_squared: Any

    @staticmethod
    def of(flow: PowerFlow) -> "FlowPoint":
        """The point of an AC power flow with one dimension of load cases, the periods."""
        return FlowPoint(np.abs(flow.voltage_pu) ** 2, flow.sending_power_pu, np.abs(flow.branch_current_pu) ** 2)

    def voltages(self, impedance: Any, ratio: Any, parent: Any) -> tuple[Any, Any]:
        """Magnitudes (pu) and angles (rad, 0 at the substation) of all buses, by Jabr's return mapping ([Z19] Algorithm 2).

        With R + iT = V_i conj(V_j) / a = v_i / a^2 - conj(z) S, the angle is theta_j = theta_i - atan2(T, R).
        """
        product = self.voltage_squared[:, parent[1:]] / ratio**2 - np.conj(impedance) * self.sending
        angle = np.zeros_like(self.voltage_squared)
        for k in range(1, angle.shape[1]):
            angle[:, k] = angle[:, parent[k]] - np.angle(product[:, k - 1])
        return np.sqrt(np.maximum(self.voltage_squared, 0.0)), angle


def branches(network: Network) -> list[tuple[str, str]]:
    """(parent, child) of every branch, in the network's order."""
    return [(network.buses[int(network.parent[k])], network.buses[k]) for k in range(1, len(network.buses))]


def add_sets(model: Any, network: Network) -> None:
    """Sets N and L, impedances r, x, ratios a and charging b of branches, shunts g + j b_shunt of buses."""
    pairs = branches(network)
    model.N = pyo.Set(initialize=list(network.buses), ordered=True)
    model.L = pyo.Set(initialize=pairs, dimen=2, ordered=True)
    model.r = pyo.Param(model.L, initialize=dict(zip(pairs, network.resistance_pu.tolist(), strict=True)))
    model.x = pyo.Param(model.L, initialize=dict(zip(pairs, network.reactance_pu.tolist(), strict=True)))
    model.ratio = pyo.Param(model.L, initialize=dict(zip(pairs, network.ratio.tolist(), strict=True)))
    model.charging = pyo.Param(model.L, initialize=dict(zip(pairs, network.charging_pu.tolist(), strict=True)))
    model.conductance = pyo.Param(
        model.N, initialize=dict(zip(network.buses, network.conductance_pu.tolist(), strict=True))
    )
    model.susceptance = pyo.Param(
        model.N, initialize=dict(zip(network.buses, network.susceptance_pu.tolist(), strict=True))
    )


def behind(model: Any, i: str, j: str, t: int) -> Any:
    """Squared voltage behind the ratio of a branch, v_i / a^2."""
    ratio = model.ratio[i, j]
    return model.v[i, t] if ratio == 1 else model.v[i, t] / ratio**2


def entering(model: Any, i: str, j: str, t: int) -> Any:
    """Reactive power that enters a branch, pu: Q less what its charging there feeds in."""
    charging = model.charging[i, j]
    return model.Q[i, j, t] - charging * behind(model, i, j, t) if charging else model.Q[i, j, t]


def add_flows(model: Any) -> None:
    """Variables P and Q."""
    model.P = pyo.Var(model.L, model.T, initialize=0.0)
    model.Q = pyo.Var(model.L, model.T, initialize=0.0)


def add_currents(model: Any, network: Network) -> None:
    """Variable l within its limits; a branch with charging gets them by `add_current_limit`."""
    current = dict(zip(branches(network), network.current_max_pu.tolist(), strict=True))

    def bounds(m: Any, i: str, j: str, _t: int) -> tuple[float, float | None]:
        return 0.0, current[i, j] ** 2 if np.isfinite(current[i, j]) and not m.charging[i, j] else None

    model.l = pyo.Var(model.L, model.T, bounds=bounds, initialize=0.0)


def add_current_limit(model: Any, network: Network) -> None:
    """Row `current_limit` (5) of branches with charging b, whose squared current is l - 2 b Q + b^2 v_i / a^2 where they send."""
    limit = dict(zip(branches(network), network.current_max_pu.tolist(), strict=True))

    def current(m: Any, i: str, j: str, t: int) -> Any:
        b = m.charging[i, j]
        if not b or not np.isfinite(limit[i, j]):
            return pyo.Constraint.Skip
        return m.l[i, j, t] - 2 * b * m.Q[i, j, t] + b**2 * behind(m, i, j, t) <= limit[i, j] ** 2

    model.current_limit = pyo.Constraint(model.L, model.T, rule=current)


def add_voltages(model: Any, network: Network, name: str = "v", factor: float = 1.0) -> None:
    """Variable `name`, `factor` times squared voltages within their limits, fixed at the substation."""
    low = dict(zip(network.buses, (factor * network.voltage_min_pu**2).tolist(), strict=True))
    high = dict(zip(network.buses, (factor * network.voltage_max_pu**2).tolist(), strict=True))
    variable = pyo.Var(
        model.N,
        model.T,
        initialize=lambda _m, i, _t: min(max(factor, low[i]), high[i]),
        bounds=lambda _m, i, _t: (low[i], high[i]),
    )
    model.add_component(name, variable)
    for t in model.T:
        variable[network.buses[0], t].fix(factor * network.substation_voltage_pu**2, skip_validation=True)


def add_balances(
    model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load, lossless: bool = False
) -> None:  # fmt: skip
    """Rows `active_balance` (1) and `reactive_balance` (2), without the branches' own share if `lossless`."""
    children = {bus: [network.buses[k] for k in own] for bus, own in zip(network.buses, network.children, strict=True)}

    def balance(flow: Any, impedance: Any, drawn: Any, more: Load, shunt: Any) -> Any:
        def row(m: Any, i: str, j: str, t: int) -> Any:
            lost = 0.0 if lossless else impedance[i, j] * m.l[i, j, t]
            leaving = pyo.quicksum(flow[j, k, t] for k in children[j])
            # What is drawn stands alone on the right, so that the dual is what one more pu of load costs
            return flow[i, j, t] - lost - leaving - shunt(j, t) == float(drawn[t, network.index[j]]) + more(j, t)

        return pyo.Constraint(model.L, model.T, rule=row)

    model.active_balance = balance(model.P, model.r, demand, load, partial(_conducted, model))
    model.reactive_balance = balance(model.Q, model.x, reactive_demand, reactive_load, partial(_absorbed, model))


def _conducted(model: Any, bus: str, t: int) -> Any:
    """Active power that the shunt of a bus draws, g v."""
    return model.conductance[bus] * model.v[bus, t] if model.conductance[bus] else 0.0


def _absorbed(model: Any, bus: str, t: int) -> Any:
    """Reactive power that the shunt of a bus draws, -b v."""
    return -model.susceptance[bus] * model.v[bus, t] if model.susceptance[bus] else 0.0


def add_voltage_drop(model: Any) -> None:
    """Row `voltage_drop` (3)."""

    def drop(m: Any, i: str, j: str, t: int) -> Any:
        r, x = m.r[i, j], m.x[i, j]
        return (
            m.v[j, t] == behind(m, i, j, t) - 2 * (r * m.P[i, j, t] + x * m.Q[i, j, t]) + (r**2 + x**2) * m.l[i, j, t]
        )

    model.voltage_drop = pyo.Constraint(model.L, model.T, rule=drop)


def add_cone(model: Any) -> None:
    """Row `cone`, (4) relaxed."""

    def cone(m: Any, i: str, j: str, t: int) -> Any:
        return m.P[i, j, t] ** 2 + m.Q[i, j, t] ** 2 <= behind(m, i, j, t) * m.l[i, j, t]

    model.cone = pyo.Constraint(model.L, model.T, rule=cone)
    relaxes_equality(model, model.cone)


def add_power_limit(model: Any, network: Network, squared_power: Callable[[str, str, int], Any] | None = None) -> None:
    """Row `power_limit` (5) where a branch has one; `squared_power` gives P^2 + Q^2 of one without charging in other variables."""
    limit = dict(zip(branches(network), network.power_max_pu.tolist(), strict=True))

    def power(m: Any, i: str, j: str, t: int) -> Any:
        if not np.isfinite(limit[i, j]):
            return pyo.Constraint.Skip
        # With charging another Q enters the branch than that of P^2 + Q^2
        if squared_power and not m.charging[i, j]:
            return squared_power(i, j, t) <= limit[i, j] ** 2
        return m.P[i, j, t] ** 2 + entering(m, i, j, t) ** 2 <= limit[i, j] ** 2

    model.power_limit = pyo.Constraint(model.L, model.T, rule=power)


def add_totals(
    model: Any, network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load, lossless: bool = False
) -> None:  # fmt: skip
    """Expressions `loss_power`, `supply_power` and `supply_reactive`; of a `lossless` flow what branches lose joins the supply."""
    root = network.buses[0]

    def supply(flow: Any, impedance: Any, drawn: Any, more: Load, shunt: Any) -> Any:
        def total(m: Any, t: int) -> Any:
            leaving = pyo.quicksum(flow[i, j, t] for i, j in m.L if i == root)
            lost = pyo.quicksum(impedance[i, j] * m.l[i, j, t] for i, j in m.L) if lossless else 0.0
            return leaving + float(drawn[t, 0]) + more(root, t) + shunt(root, t) + lost

        return pyo.Expression(model.T, rule=total)

    model.loss_power = pyo.Expression(model.T, rule=lambda m, t: pyo.quicksum(m.r[i, j] * m.l[i, j, t] for i, j in m.L))
    model.supply_power = supply(model.P, model.r, demand, load, partial(_conducted, model))
    model.supply_reactive = supply(model.Q, model.x, reactive_demand, reactive_load, partial(_absorbed, model))


def flow_sizes(network: Network, demand: Any, reactive_demand: Any, load: Load, reactive_load: Load) -> Any:
    """Expected power of every branch, pu: the apparent load behind it, at least a thousandth of the whole.

    What variables draw counts with half of the largest value that their bounds allow, as few charge at full power at once.
    """
    drawn = [_largest(network, part, more) for part, more in ((demand, load), (reactive_demand, reactive_load))]
    shunts = np.hypot(network.conductance_pu, network.susceptance_pu)
    carried = np.hypot(*drawn).max(axis=0) + shunts
    for k in range(len(network.buses) - 1, 0, -1):
        # Parents come before their children, so that a branch has all that is behind it by now
        carried[int(network.parent[k])] += carried[k]
    largest = float(carried.max(initial=0.0))
    # Loads whose squares are no numbers are none
    floor = tolerances.FLOW_SIZE_FLOOR * largest if largest > tolerances.NO_FLOW_PU else 1.0
    return np.maximum(carried[1:], floor)


def _largest(network: Network, demand: Any, load: Load) -> Any:
    """Size of the power that each bus draws, pu, (periods, buses); what has no bounds does not count."""
    low, high = load_ranges(network, np.zeros_like(demand), load)
    more = np.maximum(*(np.where(np.isfinite(end), np.abs(end), 0.0) for end in (low, high)))
    return np.abs(demand) + more / 2


def add_scales(model: Any, sizes: Mapping[str, Any]) -> None:
    """Expected sizes of the branches' variables, by their names, as Pyomo scaling factors."""
    model.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    for name, size in sizes.items():
        variable = model.component(name)
        for branch, value in zip(model.L, size.tolist(), strict=True):
            for t in model.T:
                # Pyomo multiplies by the factor, which makes it the inverse of a size
                model.scaling_factor[variable[*branch, t]] = 1.0 / value


def load_ranges(network: Network, demand: Any, load: Load) -> tuple[Any, Any]:
    """Least and largest power that each bus may draw by the bounds of variables, pu, (periods, buses); infinite without."""
    low, high = (np.array(demand, dtype=float) for _ in range(2))
    # One walker for all: each looks up the signatures of its own callbacks when it is made, which takes longer than its walk
    walker = ExpressionBoundsVisitor()
    for t in range(len(low)):
        for k, bus in enumerate(network.buses):
            least, most = walker.walk_expression(load(bus, t))
            low[t, k] += least
            high[t, k] += most
    return low, high


def put(model: Any, point: FlowPoint) -> None:
    """Set P, Q, l and v; the substation's voltage stays."""
    for k, (i, j) in enumerate(model.L):
        for t in model.T:
            sending = complex(point.sending[t, k])
            model.P[i, j, t].set_value(sending.real, skip_validation=True)
            model.Q[i, j, t].set_value(sending.imag, skip_validation=True)
            model.l[i, j, t].set_value(float(point.current_squared[t, k]), skip_validation=True)
            model.v[j, t].set_value(float(point.voltage_squared[t, k + 1]), skip_validation=True)
