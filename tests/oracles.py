"""Answers from outside the package: enumeration, SciPy's linear programs, closed forms; and models that ask for them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import power_grid_model as pgm
import pyomo.environ as pyo
from scipy.optimize import linprog

import bilevel
import instances
from bilevel.budget import Budget
from bilevel.compile.compiler import compile_model
from bilevel.progress import Progress
from bilevel.reformulate.modes import MODES
from bilevel.reformulate.single_level import assemble
from bilevel.relax import CONES
from bilevel.search.engine import Search
from bilevel.search.incumbent import Incumbent
from bilevel.solvers import SOLVERS


@dataclass(frozen=True)
class LinearBilevel:
    """min c x + d y over x and the y of: min e y subject to A x + B y <= b, y >= 0; leader rows G x + H y <= g, x >= 0."""

    c: Any
    d: Any
    e: Any
    A: Any
    B: Any
    b: Any
    G: Any = ()
    H: Any = ()
    g: Any = ()

    @property
    def nx(self) -> int:
        return len(self.c)

    @property
    def ny(self) -> int:
        return len(self.d)


def enumerate_optimum(p: LinearBilevel) -> float:
    """The optimum, by a linear program for every choice of complementarity sides; inf when infeasible."""
    nx, ny, m = p.nx, p.ny, len(p.b)
    A, B = np.array(p.A, dtype=float).reshape(m, nx), np.array(p.B, dtype=float).reshape(m, ny)
    k = len(p.g)
    G, H = np.array(p.G, dtype=float).reshape(k, nx), np.array(p.H, dtype=float).reshape(k, ny)
    rows = np.block([[A, B, np.zeros((m, m + ny))], [G, H, np.zeros((k, m + ny))]])
    right = np.concatenate([p.b, p.g]) if k else np.array(p.b, dtype=float)
    # Stationarity: e + B' mu - nu = 0
    equal = np.hstack([np.zeros((ny, nx + ny)), B.T, -np.eye(ny)])
    cost = np.concatenate([p.c, p.d, np.zeros(m + ny)])
    best = np.inf
    for sides in itertools.product((0, 1), repeat=m + ny):
        side = np.array(sides, dtype=bool)
        lower, upper = np.zeros(nx + ny + m + ny), np.full(nx + ny + m + ny, np.inf)
        upper[nx + ny + np.flatnonzero(~side)] = 0.0
        upper[nx + np.flatnonzero(side[m:])] = 0.0
        tight = np.flatnonzero(side[:m])
        result = linprog(
            cost,
            A_ub=rows,
            b_ub=right,
            A_eq=np.vstack([equal, rows[tight]]),
            b_eq=np.concatenate([-np.array(p.e, dtype=float), right[tight]]),
            bounds=np.column_stack([lower, upper]),
        )
        if result.status == 0:
            best = min(best, float(result.fun))
    return best


def linear_model(p: LinearBilevel, limit: float = 100.0) -> Any:
    """The same problem as a Pyomo model; variables get the upper limit that bounds need."""
    m = pyo.ConcreteModel("linear bilevel")
    m.x = pyo.Var(range(p.nx), bounds=(0, limit))
    m.f = bilevel.Follower()
    m.f.y = pyo.Var(range(p.ny), bounds=(0, limit))
    m.objective = pyo.Objective(expr=_dot(p.c, m.x) + _dot(p.d, m.f.y))
    m.f.cost = pyo.Objective(expr=_dot(p.e, m.f.y))
    m.f.rows = pyo.ConstraintList()
    for a, b, right in zip(p.A, p.B, p.b, strict=True):
        m.f.rows.add(_dot(a, m.x) + _dot(b, m.f.y) <= right)
    m.rows = pyo.ConstraintList()
    for a, b, right in zip(p.G, p.H, p.g, strict=True):
        m.rows.add(_dot(a, m.x) + _dot(b, m.f.y) <= right)
    return m


def _dot(coefficients: Any, variables: Any) -> Any:
    return pyo.quicksum(float(value) * variables[k] for k, value in enumerate(coefficients))


def search(
    model: Any,
    solver: str = "highs",
    mode: str = "big_m",
    cones: str = "tangent",
    gap: float = 1e-6,
    seconds: float = 60,
) -> tuple[Incumbent, float, float]:
    """Run the engine without its certificate: what was found, objective and bound in the user's sense."""
    program = compile_model(model)
    budget = Budget(gap, time.monotonic() + seconds, Progress(False))
    found = Search(assemble(program), SOLVERS[solver], MODES[mode], CONES[cones], budget).run()
    return found, program.sign * found.objective, program.sign * found.bound


def cheapest_bill(prices: Any, energy_kwh: float, most_kwh: float) -> float:
    """Least bill of an EV user that may take at most `most_kwh` in each period: fill the cheapest periods first."""
    bill, left = 0.0, energy_kwh
    for price in sorted(prices):
        taken = min(left, most_kwh)
        bill, left = bill + price * taken, left - taken
    return bill


def grid_engine(
    case: instances.Instance, network: instances.Network, load_kw: Any, load_kvar: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses (kW), voltage magnitudes (pu) and what every branch sends (kW) in every period, by power-grid-model."""
    size, periods = len(network.buses), len(load_kw)
    node = pgm.initialize_array("input", "node", size)
    node["id"], node["u_rated"] = np.arange(size), case.feeder.base_kv * 1e3
    line = pgm.initialize_array("input", "line", size - 1)
    line["id"] = np.arange(size, 2 * size - 1)
    line["from_node"], line["to_node"] = network.parent[1:], np.arange(1, size)
    line["from_status"] = line["to_status"] = 1
    line["r1"] = network.resistance_pu * network.per_unit.base_ohm
    line["x1"] = network.reactance_pu * network.per_unit.base_ohm
    line["c1"] = line["tan1"] = 0.0
    load = pgm.initialize_array("input", "sym_load", size)
    load["id"], load["node"] = np.arange(2 * size, 3 * size), np.arange(size)
    load["status"], load["type"] = 1, pgm.LoadGenType.const_power
    load["p_specified"] = load["q_specified"] = 0.0
    source = pgm.initialize_array("input", "source", 1)
    source["id"], source["node"], source["status"] = 3 * size, 0, 1
    source["u_ref"], source["sk"] = network.substation_voltage_pu, 1e20
    data = {"node": node, "line": line, "sym_load": load, "source": source}
    update = pgm.initialize_array("update", "sym_load", (periods, size))
    update["id"] = load["id"]
    update["p_specified"], update["q_specified"] = np.asarray(load_kw) * 1e3, np.asarray(load_kvar) * 1e3
    found = pgm.PowerGridModel(data).calculate_power_flow(update_data={"sym_load": update}, error_tolerance=1e-12)
    sent = found["line"]["p_from"] / 1e3
    return sent.sum(axis=1) + found["line"]["p_to"].sum(axis=1) / 1e3, found["node"]["u_pu"], sent


def tiny_case(price: float = 1.0, power: float = 1.0, efficiency: float = 0.9) -> instances.Instance:
    """Three buses, three periods, two stations with a session each; prices and powers are scaled by the factors."""
    line = 1.0 / power  # the same per-unit network at every scale of power
    buses = tuple(
        instances.Bus(name, load * power, load * power / 3) for name, load in (("a", 0.0), ("b", 300.0), ("c", 200.0))
    )
    branches = (
        instances.Branch("a", "b", 1.2 * line, 0.6 * line, power_max_kva=900.0 * power),
        instances.Branch("b", "c", 2.0 * line, 1.0 * line),
    )
    return instances.Instance(
        name="tiny",
        currency="EUR",
        feeder=instances.Feeder(10.0, "a", 1.0, buses, branches),
        horizon=instances.Horizon(3, 1.0, "2024-01-01T00:00:00"),
        stations=(instances.Station("s", "b"), instances.Station("r", "c")),
        sessions=(
            instances.Session("ev1", "s", 0, 3, 150.0 * power, 100.0 * power),
            instances.Session("ev2", "r", 1, 3, 80.0 * power, 60.0 * power),
        ),
        load_factor=(0.6, 1.0, 0.8),
        wholesale_price_per_kwh=(0.10 * price, 0.30 * price, 0.15 * price),
        price_limits=instances.PriceLimits(0.1 * price, 0.5 * price, 0.35 * price),
        charging_efficiency=efficiency,
        sources=(instances.Source("buses", "made up", "MIT"),),
    )
