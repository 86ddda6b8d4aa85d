"""Emission factors of buses as leader variables: the bilinear law of proportional sharing in Pyomo (docs/model.md section 7)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo

from bilevel.errors import BilevelError
from formulations import tolerances
from formulations.case_parts import carbon_of
from formulations.power_flow.ranges import FlowRanges, Interval
from instances import Instance, Network


def add(
    model: Any, case: Instance, network: Network, flows: FlowRanges, ranges: Interval, wanted: set[tuple[str, int]]
) -> None:
    """Add `factor[bus, t]` (kg/kWh) for the `wanted` (bus, period) to `model`, which holds the network already.

    What is known from the ranges is a number; a bus into which only its parent feeds has its parent's factor; every other bus
    that matters gets a variable `mixed_factor[bus, t]` and a row `mixing[bus, t]`

        sum_g (delta - delta_g) p_g + (delta - delta_parent) R + sum_k (delta - delta_k) B_k == 0,

    with R >= 0 the power that arrives from the parent and B_k >= 0 that which comes back from child k, per unit.  Where a flow
    may have either sign, `forward` and `backward` parts and a binary say which.  Raises `BilevelError` for a wanted bus without
    throughput for some decision, as its factor is undefined then.
    """
    law = _Law(model, case, network, flows, ranges)
    # By place and not by name, so that no name moves a row
    ordered = sorted(wanted, key=lambda one: (network.index[one[0]], one[1]))
    for bus, t in ordered:
        law.require_throughput(network.index[bus], t)
    found = {(bus, t): law.factor(network.index[bus], t) for bus, t in ordered}
    model.factor = pyo.Expression(list(found), rule=lambda _m, bus, t: found[bus, t])


class _Law:
    """Writes factors on demand, from a wanted bus to all that may feed it."""

    def __init__(self, model: Any, case: Instance, network: Network, flows: FlowRanges, ranges: Interval) -> None:
        self.model, self.case, self.network, self.flows, self.ranges = model, case, network, flows, ranges
        self.grid = carbon_of(case).grid_factor_kg_per_kwh
        self.known: dict[tuple[int, int], Any] = {}
        self.children = network.children
        self.feeds = self._feeds()
        model.mixed_factor = pyo.Var(pyo.Any, dense=False)
        model.mixing = pyo.Constraint(pyo.Any)
        model.forward, model.backward = pyo.Var(pyo.Any, dense=False), pyo.Var(pyo.Any, dense=False)
        model.forward_on = pyo.Var(pyo.Any, dense=False)
        model.direction = pyo.Constraint(pyo.Any)

    def _feeds(self) -> Mapping[int, list[tuple[str, Any]]]:
        """Generators and renewables by bus: name and factor."""
        found: dict[int, list[tuple[str, Any]]] = {}
        units: tuple[Any, ...] = (*self.case.generators, *self.case.renewables)
        for unit in units:
            found.setdefault(self.network.index[unit.bus], []).append((unit.name, unit))
        return found

    def factor(self, k: int, t: int) -> Any:
        """The factor of bus k in period t: a number, an expression or a variable."""
        if (k, t) not in self.known:
            low, high = (float(end[t, k]) for end in self.ranges)
            if not np.isfinite(low):
                raise BilevelError(
                    f"bus {self.network.buses[k]!r} has no throughput in period {t}, so its factor is undefined"
                )
            # A variable without room would leave a product for nothing
            if high - low <= tolerances.NO_FACTOR_RANGE * max(high, 1.0):
                self.known[k, t] = low
            else:
                self.known[k, t] = self._mixed(k, t, low, high)
        return self.known[k, t]

    def _mixed(self, k: int, t: int, low: float, high: float) -> Any:
        inflows = self._inflows(k, t)
        if len(inflows) == 1:
            source = inflows[0][1]
            return source if not isinstance(source, int) else self.factor(source, t)
        bus = self.network.buses[k]
        delta = self.model.mixed_factor[bus, t]
        # Factors of products need bounds for a solver to relax them
        delta.setlb(low), delta.setub(high)
        delta.set_value((low + high) / 2)
        # The variable stands before its feeders are written, for flows may lead back to it
        self.known[k, t] = delta
        terms = []
        for power, source in inflows:
            other = source if not isinstance(source, int) else self.factor(source, t)
            terms.append((delta - other) * power)
        self.model.mixing[bus, t] = pyo.quicksum(terms) == 0
        return delta

    def _inflows(self, k: int, t: int) -> list[tuple[Any, Any]]:
        """(power in pu, factor or bus that it comes from) of everything that may flow into a bus."""
        power, found = self.network.per_unit.power, []
        for name, unit in self.feeds.get(k, ()):
            # A renewable, whose output is data
            if hasattr(unit, "power_kw"):
                if unit.power_kw[t] > 0:
                    found.append((float(power(unit.power_kw[t])), float(unit.emission_kg_per_kwh)))
            elif unit.active_max_kw > 0:
                found.append((self.model.active_power[name, t], float(unit.emission_kg_per_kwh)))
        if self.flows.arriving[1][t, k] > 0:
            source: Any = int(self.network.parent[k]) if k else float(self.grid[t])
            found.append((self._part(k, t, "arriving", 1), source))
        back = [child for child in self.children[k] if self.flows.leaving[0][t, child] < 0]
        return found + [(self._part(child, t, "leaving", -1), child) for child in back]

    def _part(self, k: int, t: int, end: str, sign: int) -> Any:
        """The forward (sign 1) or backward (-1) part of the flow at one end of branch k, at least 0."""
        low, high = (float(limit[t, k]) for limit in getattr(self.flows, end))
        bus = self.network.buses[k]
        part = (self.model.forward if sign > 0 else self.model.backward)[end, bus, t]
        if part.ub is None:
            self._split(end, k, t, low, high)
        return part

    def _split(self, end: str, k: int, t: int, low: float, high: float) -> None:
        m, key = self.model, (end, self.network.buses[k], t)
        ahead, back = m.forward[key], m.backward[key]
        ahead.setlb(max(low, 0.0)), ahead.setub(max(high, 0.0))
        back.setlb(max(-high, 0.0)), back.setub(max(-low, 0.0))
        m.direction["flow", *key] = ahead - back == self._flow(end, k, t)
        # A direction that is certain needs no binary
        if low < 0 < high:
            on = m.forward_on[key]
            on.domain = pyo.Binary
            m.direction["ahead", *key] = ahead <= high * on
            m.direction["back", *key] = back <= -low * (1 - on)

    def _flow(self, end: str, k: int, t: int) -> Any:
        m = self.model
        if k == 0:
            return m.supply_power[t]
        branch = self.network.buses[int(self.network.parent[k])], self.network.buses[k]
        return m.P[*branch, t] if end == "leaving" else m.P[*branch, t] - m.r[branch] * m.l[*branch, t]

    def require_throughput(self, k: int, t: int) -> None:
        """Refuses a bus that may have no throughput."""
        drawn = self.case.load_factor[t] * self.network.load_kw[k]
        through = [drawn, self.flows.arriving[0][t, k], -self.flows.arriving[1][t, k]]
        through += [max(self.flows.leaving[0][t, c], -self.flows.leaving[1][t, c]) for c in self.children[k]]
        if max(through) <= 0:
            raise BilevelError(
                f"bus {self.network.buses[k]!r} may have no throughput in period {t}, so its emission factor is undefined: "
                "give it a base load, or move the station"
            )
