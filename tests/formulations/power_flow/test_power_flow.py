"""Every power flow against AC sweeps, closed forms and enumeration, and against each other."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from carbon_cases import tiny_carbon, two_periods
from cli_runs import refuse, run
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import tiny_case

import bilevel
import formulations
import instances
from bilevel import BilevelError, ModelError, UnknownNameError
from formulations import power_flow
from formulations.carbon import start
from formulations.carbon.states import Dispatched
from formulations.carbon.system import CarbonSystem
from formulations.carbon_dispatch import carbon_dispatch
from formulations.operator import checks
from formulations.power_flow import FlowPoint
from instances import Branch, Bus, Feeder, Instance, Network, Renewable, Session, Station, ac_power_flow

FLOWS = tuple(power_flow.POWER_FLOWS)
EXACT = tuple(name for name, flow in power_flow.POWER_FLOWS.items() if flow.exact)
RELAXED = ("distflow", "jabr")


def solve(model: Any, gap: float = 1e-6, **options: Any) -> bilevel.Solution:
    solver = "highs" if power_flow.find(model.power_flow).convex else "scip"
    return bilevel.solve(model, solver, gap=gap, progress=False, **options)


def pricing(case: Instance, flow: str, objective: Any = "loss") -> tuple[Any, bilevel.Solution]:
    model = formulations.charging_pricing(case, objective, flow=flow)
    return model, solve(model)


def sweep_of(model: Any, case: Instance) -> instances.PowerFlow:
    network = Network.from_feeder(case.feeder)
    return ac_power_flow(network, checks.bus_load_kw(model, case, network), checks.bus_load_kvar(model, case, network))


# ---- the contract ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", FLOWS)
def test_every_power_flow_has_what_others_read(flow: str) -> None:
    case = tiny_case()
    model, solution = pricing(case, flow, "loss=1,profit=1")
    assert model.power_flow == flow
    assert solution.status == ("certified" if flow in EXACT else "feasible")
    shapes = {"P": 6, "Q": 6, "l": 6, "v": 9, "active_balance": 6, "reactive_balance": 6, "cone": 6, "power_limit": 3}
    assert {name: len(model.component(name)) for name in shapes} == shapes
    lost = [sum(model.r[i, j] * pyo.value(model.l[i, j, t]) for i, j in model.L) for t in model.T]
    assert [pyo.value(model.loss_power[t]) for t in model.T] == pytest.approx(lost, rel=1e-9)
    network = Network.from_feeder(case.feeder)
    drawn = network.per_unit.power(checks.bus_load_kw(model, case, network)).sum(axis=1)
    assert [pyo.value(model.supply_power[t]) for t in model.T] == pytest.approx(drawn + lost, rel=1e-9)
    assert all(pyo.value(model.v["a", t]) == 1.0 for t in model.T)


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("power", [1e-3, 1e3])
def test_results_scale_with_the_data(flow: str, power: float) -> None:
    expected = pricing(tiny_case(), flow)[1].objective
    solution = pricing(tiny_case(power=power, price=1 / power), flow)[1]
    assert solution.status == ("certified" if flow in EXACT else "feasible")
    assert solution.objective == pytest.approx(power * expected, rel=2e-6)


@pytest.mark.parametrize("flow", FLOWS)
def test_limits_of_voltage_current_and_power_bind(flow: str) -> None:
    case = tiny_case(efficiency=0.9)
    line = Branch("a", "b", 4.0, 3.0)
    buses = (Bus("a", 0, 0), Bus("b", 800.0, 300.0))
    session = Session("ev", "s", 1, 3, 2 * 0.9 * 25.0, 25.0, count=4.0)
    case = replace(
        case, feeder=Feeder(10.0, "a", 1.02, buses, (line,)), stations=(Station("s", "b"),), sessions=(session,)
    )
    point = power_flow.read(pricing(case, flow)[0])
    per_unit = Network.from_feeder(case.feeder).per_unit
    current = math.sqrt(point.current_squared.max()) * per_unit.base_current_a
    power, lowest = float(np.abs(point.sending).max()) * per_unit.base_kva, math.sqrt(point.voltage_squared.min())
    valid = "certified" if flow in EXACT else "rejected"
    for factor, statuses in ((1.001, ("certified", "feasible", valid)), (0.999, ("infeasible",))):
        for branch in (replace(line, current_max_a=current * factor), replace(line, power_max_kva=power * factor)):
            assert pricing(replace(case, feeder=replace(case.feeder, branches=(branch,))), flow)[1].status in statuses
        far = replace(buses[1], voltage_min_pu=1 - factor * (1 - lowest))
        assert pricing(replace(case, feeder=replace(case.feeder, buses=(buses[0], far))), flow)[1].status in statuses


# ---- random feeders --------------------------------------------------------------------------------------------


@st.composite
def loaded_feeders(draw: Any) -> tuple[Network, Any, Any]:
    """A tree of 2 to 7 buses at 10 kV, and loads (kW, kvar) of either sign in two periods."""
    n = draw(st.integers(2, 7))
    ohm, kw = st.floats(0.05, 3.0), st.floats(-300.0, 300.0)
    buses = tuple(Bus(str(k), 50.0 * (k > 0), 20.0 * (k > 0), 0.7, 1.3) for k in range(n))
    branches = tuple(Branch(str(draw(st.integers(0, k - 1))), str(k), draw(ohm), draw(ohm)) for k in range(1, n))
    network = Network.from_feeder(Feeder(10.0, "0", draw(st.floats(0.95, 1.05)), buses, branches))
    load = np.array([[[0.0] + [draw(kw) for _ in range(n - 1)] for _ in range(2)] for _ in range(2)])
    return network, *load


def bare(network: Network, flow: str, load_kw: Any, load_kvar: Any) -> Any:
    model = pyo.ConcreteModel()
    model.T, model.power_flow = pyo.RangeSet(0, len(load_kw) - 1), flow
    kw, kvar = network.per_unit.power(load_kw), network.per_unit.power(load_kvar)
    power_flow.find(flow).add(model, network, kw, kvar, lambda _bus, _t: 0.0, lambda _bus, _t: 0.0)
    return model


def worst(model: Any, without: tuple[str, ...] = ()) -> float:
    """The largest violation of a row or bound at the values in the model, pu."""
    found = [0.0]
    for row in model.component_data_objects(pyo.Constraint, active=True):
        if row.parent_component().name not in without:
            body = pyo.value(row.body)
            found += [] if row.lower is None else [pyo.value(row.lower) - body]
            found += [] if row.upper is None else [body - pyo.value(row.upper)]
    for variable in model.component_data_objects(pyo.Var):
        low, high = variable.bounds
        found += [
            (-np.inf if low is None else low) - variable.value,
            variable.value - (np.inf if high is None else high),
        ]
    return max(found)


@settings(max_examples=40, deadline=None)
@given(loaded_feeders())
def test_an_ac_power_flow_is_a_point_of_every_exact_flow(data: tuple[Network, Any, Any]) -> None:
    network, load_kw, load_kvar = data
    flow = ac_power_flow(network, load_kw, load_kvar)
    for name in EXACT:
        model = bare(network, name, load_kw, load_kvar)
        power_flow.put(model, FlowPoint.of(flow))
        assert worst(model) <= 1e-9
        assert -worst_cone(model) <= 1e-9
        lost = [network.per_unit.kw(pyo.value(model.loss_power[t])) for t in model.T]
        assert lost == pytest.approx(flow.loss_kw, rel=1e-9, abs=1e-12)
        magnitude, angle = power_flow.voltages(model)
        assert magnitude == pytest.approx(np.abs(flow.voltage_pu), abs=1e-10)
        assert angle == pytest.approx(np.angle(flow.voltage_pu), abs=1e-10)


@pytest.mark.parametrize("kw", [0.0, 1e-323, 1e-268, 1e-150])
@pytest.mark.parametrize("flow", power_flow.POWER_FLOWS)
def test_loads_next_to_nothing_are_none(flow: str, kw: float) -> None:
    feeder = Feeder(10.0, "0", 1.0, (Bus("0", 0.0, 0.0), Bus("1", 1.0, 0.0)), (Branch("0", "1", 0.1, 0.1),))
    load = np.array([[0.0, kw]])
    model = bare(Network.from_feeder(feeder), flow, load, load)
    assert all(0 < factor < 1e9 for factor in model.scaling_factor.values())


def worst_cone(model: Any) -> float:
    """How far the loosest cone is from equality: 0 or less."""
    return min(pyo.value(row.body) - pyo.value(row.upper) for row in model.cone.values())


@settings(max_examples=40, deadline=None)
@given(loaded_feeders())
def test_jabrs_cone_is_that_of_distflow(data: tuple[Network, Any, Any]) -> None:
    network, load_kw, load_kvar = data
    model = bare(network, "jabr", load_kw, load_kvar)
    point = FlowPoint.of(ac_power_flow(network, load_kw, load_kvar))
    # Not an AC power flow any more: currents half as large again, voltages from (3)
    current, square, pairs = 1.5 * point.current_squared, point.voltage_squared.copy(), list(model.L)
    impedance = network.resistance_pu + 1j * network.reactance_pu
    for k in range(len(pairs)):
        drop = 2 * (np.conj(impedance[k]) * point.sending[:, k]).real
        square[:, k + 1] = square[:, network.parent[k + 1]] - drop + abs(impedance[k]) ** 2 * current[:, k]
    power_flow.put(model, FlowPoint(square, point.sending, current))
    back = power_flow.read(model)
    assert back.sending == pytest.approx(point.sending, rel=1e-10, abs=1e-12)
    for k, (i, j) in enumerate(pairs):
        for t in model.T:
            # Jabr's form as it stands in the literature, against v l - P^2 - Q^2
            u, R, T = (
                [pyo.value(model.u[bus, t]) for bus in (i, j)],
                pyo.value(model.R[i, j, t]),
                pyo.value(model.tau[i, j, t]),
            )
            gap = square[t, network.parent[k + 1]] * current[t, k] - abs(point.sending[t, k]) ** 2
            assert 2 * u[0] * u[1] - R**2 - T**2 == pytest.approx(abs(impedance[k]) ** 2 * gap, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(loaded_feeders())
def test_lindistflow_is_its_closed_form(data: tuple[Network, Any, Any]) -> None:
    network, load_kw, load_kvar = data
    p, q = (network.per_unit.power(load)[:, 1:] for load in (load_kw, load_kvar))
    # Column j of `path`: the branches between the substation and bus j + 1
    path = np.linalg.inv(network.incidence().toarray())
    P, Q = p @ path.T, q @ path.T
    v0 = network.substation_voltage_pu**2
    square = v0 - 2 * (P * network.resistance_pu + Q * network.reactance_pu) @ path
    model = bare(network, "lindistflow", load_kw, load_kvar)
    current = (P**2 + Q**2) / v0
    power_flow.put(model, FlowPoint(np.column_stack([np.full(2, v0), square]), P + 1j * Q, current))
    assert worst(model) <= 1e-9 and -worst_cone(model) <= 1e-9
    loss = current @ network.resistance_pu
    assert [pyo.value(model.loss_power[t]) for t in model.T] == pytest.approx(loss, rel=1e-9)


# ---- the relaxations -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def feeder33() -> Instance:
    return instances.scale(instances.load("ieee33"), 3)


@pytest.fixture(scope="module")
def relaxed(feeder33: Instance) -> dict[tuple[str, str], tuple[Any, bilevel.Solution]]:
    return {(flow, goal): pricing(feeder33, flow, goal) for flow in RELAXED for goal in ("loss", "profit")}


@pytest.mark.parametrize("objective", ["loss", "profit"])
def test_both_relaxations_have_one_optimum_and_their_points_are_each_others(
    feeder33: Instance, relaxed: Any, objective: str
) -> None:
    (flat, first), (form, second) = (relaxed[flow, objective] for flow in RELAXED)
    assert first.status == second.status == "certified"
    assert first.objective == pytest.approx(second.objective, rel=1e-6)
    for name, solved, solution in (("jabr", flat, first), ("distflow", form, second)):
        model = formulations.charging_pricing(feeder33, objective, flow=name)
        power_flow.start_at(model, solved)
        certificate = bilevel.certify(model, bound=solution.bound, gap=2e-6)
        assert certificate.status == "certified", certificate.first_failure
        assert pyo.value(model.objective) == pytest.approx(solution.objective, rel=1e-9)


def test_the_return_mapping_gives_the_voltages_of_the_ac_sweep(feeder33: Instance, relaxed: Any) -> None:
    for flow in RELAXED:
        model, _ = relaxed[flow, "loss"]
        magnitude, angle = power_flow.voltages(model)
        sweep = sweep_of(model, feeder33).voltage_pu
        assert magnitude.shape == angle.shape == (24, 33)
        assert magnitude == pytest.approx(np.abs(sweep), abs=1e-7)
        assert angle == pytest.approx(np.angle(sweep), abs=1e-7)
        assert np.ptp(angle) > 1e-3


def test_ac_starts_at_a_relaxation_and_certifies_a_whole_feeder(feeder33: Instance, relaxed: Any) -> None:
    solved, solution = relaxed["jabr", "loss"]
    model = formulations.charging_pricing(feeder33, flow="ac")
    power_flow.start_at(model, solved)
    exact = solve(model, 1e-5, warm_start=True, time_limit=60)
    assert exact.status == "certified"
    assert exact.objective == pytest.approx(solution.objective, rel=1e-6)
    assert exact.certificate["AC replay, losses"].value < 1e-9


def test_lindistflow_is_near_and_says_that_it_approximates(feeder33: Instance, relaxed: Any) -> None:
    exact, _ = relaxed["distflow", "loss"]
    model, solution = pricing(feeder33, "lindistflow")
    assert solution.status == "feasible" and "'approximation' fails at lindistflow" in solution.reason
    loss = pyo.value(model.network_loss) / pyo.value(exact.network_loss)
    assert 0.85 < loss < 1.0
    points = [np.sqrt(power_flow.read(m).voltage_squared) for m in (model, exact)]
    assert np.abs(points[0] - points[1]).max() < 5e-3
    assert (points[0] >= points[1] - 1e-9).all()
    check = solution.certificate["AC replay, losses"]
    assert check.tolerance is None and check.value == pytest.approx(1 - loss, abs=1e-3)
    assert solution.certificate["AC limits"].ok


# ---- where the cone opens --------------------------------------------------------------------------------------


def sunny(highest_pu: float, hour_kw: float = 400.0) -> Instance:
    """A line of 4 + 3i ohm at 10 kV; at its end 1.5 MW of sun in hour 1, and vehicles that take 400 kWh in any of three hours."""
    buses = (Bus("a", 0.0, 0.0), Bus("b", 200.0, 80.0, 0.9, highest_pu))
    return replace(
        tiny_case(efficiency=1.0),
        feeder=Feeder(10.0, "a", 1.0, buses, (Branch("a", "b", 4.0, 3.0),)),
        stations=(Station("s", "b"),),
        sessions=(Session("ev", "s", 0, 3, 100.0, hour_kw / 4, count=4.0),),
        load_factor=(1.0, 1.0, 1.0),
        wholesale_price_per_kwh=(0.1, 0.3, 0.2),
        renewables=(Renewable("sun", "b", (0.0, 1500.0, 0.0)),),
    )


def far_voltage(net_kw: float) -> float:
    """Voltage at the end of the line for a load of net_kw + 80i kvar, by the quadratic in v of two buses (base 1 MVA)."""
    r, x, p, q = 0.04, 0.03, net_kw / 1000.0, 0.08
    # v^2 + (2 (r p + x q) - 1) v + |z|^2 |s|^2 = 0 for v = V^2, its larger root
    b = 2 * (r * p + x * q) - 1.0
    return math.sqrt((-b + math.sqrt(b**2 - 4 * (r**2 + x**2) * (p**2 + q**2))) / 2)


def needed_kw(highest_pu: float) -> float:
    """What must be charged in the sunny hour for the voltage to stay: bisection on the closed form."""
    low, high = 0.0, 400.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if far_voltage(200.0 - 1500.0 + middle) > highest_pu else (low, middle)
    return high


def test_an_upper_voltage_limit_under_reverse_flow_opens_the_cone_but_not_ac() -> None:
    case = sunny(1.04)
    needed = needed_kw(1.04)
    assert 50.0 < needed < 350.0
    # Flat prices at the cap leave users indifferent: what must be charged at noon (0.3), the rest when it is cheapest (0.1)
    best = 400.0 * 0.35 - 0.3 * needed - 0.1 * (400.0 - needed)
    model, exact = pricing(case, "ac", "profit")
    assert exact.status == "certified"
    assert exact.objective == pytest.approx(best, rel=1e-5)
    assert max(pyo.value(model.v["b", t]) for t in model.T) == pytest.approx(1.04**2, rel=1e-6)
    for flow in RELAXED:
        model, bound = pricing(case, flow, "profit")
        # The relaxation loses megawatts in the line instead; a charge on its currents leads to the very optimum, unproven
        assert bound.bound == pytest.approx(100.0, rel=1e-6) and bound.bound > best + 1.0
        assert bound.objective == pytest.approx(best, rel=1e-6)
        assert bound.status == "feasible" and bound.certificate.first_failure.name == "global gap"
        assert bound.certificate["cones"].value < 1e-6 and bound.certificate["AC replay, losses"].ok
        assert "loose by up to 0.841" in bound.certificate["cone charge"].detail


def test_no_limit_no_gap() -> None:
    objectives = [pricing(sunny(1.1), flow, "loss")[1] for flow in EXACT]
    assert {solution.status for solution in objectives} == {"certified"}
    assert [s.objective for s in objectives] == pytest.approx([objectives[0].objective] * len(EXACT), rel=1e-6)


def test_ac_proves_what_a_relaxation_cannot() -> None:
    # Whatever is charged at noon, the voltage is too high
    case = sunny(1.02)
    assert far_voltage(200.0 - 1500.0 + 400.0) > 1.02
    assert pricing(case, "ac")[1].status == "infeasible"
    model, bound = pricing(case, "distflow")
    assert bound.status == "rejected" and bound.certificate.first_failure.name == "cones"
    assert bound.certificate["cones"].value > 0.5 and not bound.certificate["AC replay, losses"].ok
    lost = max(pyo.value(model.loss_power[t]) for t in model.T) * model.per_unit.base_kva
    assert lost > 1.5 * sweep_of(model, case).loss_kw.max()


def test_an_approximate_point_that_breaks_limits_is_rejected_by_name() -> None:
    # LinDistFlow takes voltages under load for higher than they are
    case = tiny_case()
    lowest = float(np.abs(sweep_of(pricing(case, "lindistflow")[0], case).voltage_pu).min())
    buses = tuple(replace(bus, voltage_min_pu=lowest + 3e-5) for bus in case.feeder.buses)
    _, solution = pricing(replace(case, feeder=replace(case.feeder, buses=buses)), "lindistflow")
    failure = solution.certificate.first_failure
    assert solution.status == "rejected" and failure.name == "AC limits"
    assert failure.where == "voltage of bus c, period 1" and failure.value == pytest.approx(3e-5, abs=1e-6)
    assert not solution.certificate[checks.APPROXIMATION].ok


# ---- ac against enumeration ------------------------------------------------------------------------------------


def forked() -> Instance:
    """Four buses, two hours, a vehicle at each of two ends; the second hour has sun at one of them and little load."""
    names = {"a": (0.0, 0.0), "b": (200.0, 60.0), "c": (150.0, 50.0), "d": (100.0, 40.0)}
    buses = tuple(Bus(name, *load, 0.9, 1.03) for name, load in names.items())
    branches = (Branch("a", "b", 1.0, 0.6), Branch("b", "c", 3.0, 1.5), Branch("b", "d", 2.0, 1.0))
    return replace(
        tiny_case(efficiency=1.0),
        feeder=Feeder(10.0, "a", 1.0, buses, branches),
        horizon=instances.Horizon(2, 1.0, "2024-01-01T00:00:00"),
        stations=(Station("s", "c"), Station("r", "d")),
        sessions=(Session("ev1", "s", 0, 2, 250.0, 240.0), Session("ev2", "r", 0, 2, 150.0, 140.0)),
        load_factor=(1.0, 0.2),
        wholesale_price_per_kwh=(0.1, 0.3),
        renewables=(Renewable("sun", "c", (0.0, 1000.0)),),
    )


@pytest.mark.parametrize("objective", ["loss", "profit"])
def test_ac_is_the_best_of_a_fine_grid(objective: str) -> None:
    case, network = forked(), Network.from_feeder(forked().feeder)
    # Charging in the second hour; flat prices leave users indifferent, so that the leader may choose among all schedules
    late = np.stack(np.meshgrid(np.linspace(10, 240, 93), np.linspace(10, 140, 53)), axis=-1).reshape(-1, 2)
    load = np.array([instances.base_load_kw(case, network)] * len(late))
    for column, (bus, energy) in enumerate((("c", 250.0), ("d", 150.0))):
        load[:, 0, network.index[bus]] += energy - late[:, column]
        load[:, 1, network.index[bus]] += late[:, column]
    flow = ac_power_flow(network, load, instances.base_load_kvar(case, network)[None])
    allowed = (np.abs(flow.voltage_pu) <= 1.03).all(axis=(1, 2))
    assert 100 < allowed.sum() < len(late) - 100
    profit = 400.0 * 0.35 - 0.1 * (400.0 - late.sum(axis=1)) - 0.3 * late.sum(axis=1)
    value = -flow.loss_kw.sum(axis=1) if objective == "loss" else profit
    best = float(value[allowed].max())
    model, solution = pricing(case, "ac", objective)
    assert solution.status == "certified"
    found = solution.objective if objective == "profit" else -solution.objective
    # One step of the grid is 2.5 kWh at 0.2 a kWh, and losses are flat where they are least
    assert best - 1e-6 <= found <= best + (0.5 if objective == "profit" else 2e-3)
    if objective == "profit":
        assert pyo.value(model.v["c", 1]) == pytest.approx(1.03**2, rel=1e-6)


# ---- nodal prices ----------------------------------------------------------------------------------------------


def test_nodal_prices_of_both_relaxations_agree() -> None:
    case = tiny_case()
    best = [formulations.Dispatch(case, flow).at([[40.0] * 3, [20.0] * 3]) for flow in RELAXED]
    assert best[0].dso_cost == pytest.approx(best[1].dso_cost, rel=1e-7)
    assert best[0].nodal_price_per_kwh == pytest.approx(best[1].nodal_price_per_kwh, rel=1e-4)
    traces = []
    for flow in RELAXED:
        model = formulations.charging_pricing(case, "cost", flow=flow)
        rules = formulations.nodal_prices(model, case, 0.02)
        traces.append(bilevel.equilibrium(model, rules, progress=False, max_iterations=3).price_history[0])
    assert list(traces[0].values()) == pytest.approx(list(traces[1].values()), rel=1e-4)


def test_nodal_prices_of_lindistflow_are_its_marginal_losses() -> None:
    case = tiny_case()
    network = Network.from_feeder(case.feeder)
    charging = np.array([[40.0] * 3, [20.0] * 3])
    best = formulations.Dispatch(case, "lindistflow").at(charging)
    load = instances.base_load_kw(case, network)
    load[:, 1:] += charging.T
    path = np.linalg.inv(network.incidence().toarray())
    flow = network.per_unit.power(load)[:, 1:] @ path.T
    marginal = 1.0 + 2.0 * (flow * network.resistance_pu) @ path / network.substation_voltage_pu**2
    wholesale = np.array(case.wholesale_price_per_kwh)
    assert best.nodal_price_per_kwh[:, 1:] == pytest.approx(wholesale[:, None] * marginal, rel=1e-4)


# ---- refusals --------------------------------------------------------------------------------------------------


def test_flows_are_refused_by_name_where_they_do_not_apply() -> None:
    case = tiny_case()
    with pytest.raises(UnknownNameError, match="did you mean 'lindistflow'"):
        formulations.charging_pricing(case, flow="lin_distflow")
    with pytest.raises(ModelError, match=r"row 'apparent_power\[a,b,0\]'.*use solver='scip' or 'gurobi'"):
        bilevel.solve(formulations.charging_pricing(case, flow="ac"), "highs", progress=False)
    with pytest.raises(ModelError, match=r"nodal prices are duals.*flow='ac' does not have: use 'distflow' or 'jabr'"):
        formulations.Dispatch(case, "ac")
    with pytest.raises(ModelError, match="flow='ac'"):
        formulations.nodal_prices(formulations.charging_pricing(case, "cost", flow="ac"), case)
    with pytest.raises(ModelError, match="flow='lindistflow' approximates: use 'distflow' or 'jabr' or 'ac'"):
        carbon_dispatch(two_periods(), flow="lindistflow")


def test_data_that_a_flow_cannot_take_are_refused() -> None:
    case = tiny_case()
    line = case.feeder.branches[1]
    bare_line = replace(
        case.feeder, branches=(case.feeder.branches[0], replace(line, resistance_ohm=0.0, reactance_ohm=0.0))
    )
    with pytest.raises(ModelError, match=r"branch b-c has no impedance.*use flow='distflow'"):
        formulations.charging_pricing(replace(case, feeder=bare_line), flow="jabr")
    assert pricing(replace(case, feeder=bare_line), "distflow")[1].status == "certified"
    low = tuple(replace(bus, voltage_min_pu=0.0) for bus in case.feeder.buses)
    with pytest.raises(BilevelError, match=r"bus 'a' has voltage_min_pu 0.0"):
        formulations.charging_pricing(replace(case, feeder=replace(case.feeder, buses=low)), flow="ac")


@pytest.mark.parametrize("flow", EXACT)
def test_a_physical_day_is_a_point_of_carbon_dispatch_with_every_exact_flow(flow: str) -> None:
    case = tiny_carbon()
    system = CarbonSystem(case)
    output = np.array([[(g.active_min_kw + g.active_max_kw) / 2 for g in case.generators]] * case.horizon.periods)
    model = carbon_dispatch(case, flow=flow)
    start.put(model, system, Dispatched(output, system.settle(output)))
    certificate = bilevel.certify(model)
    assert certificate.valid, certificate.first_failure
    assert certificate["AC replay, losses"].value < 1e-9 and certificate["cones"].value < 1e-9


# ---- the command line ------------------------------------------------------------------------------------------


def test_the_command_line_takes_a_power_flow(tmp_path: Any) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    done = run("solve", tmp_path / "case", "--flow", "lindistflow", "--out", tmp_path / "out")
    assert done.returncode == 3 and re.search(r"power flow +lindistflow", done.stdout)
    assert json.loads((tmp_path / "out" / "solution.json").read_text(encoding="utf-8"))["case"]["flow"] == "lindistflow"


def test_the_command_line_refuses_a_power_flow_and_its_solver(tmp_path: Any, capsys: Any) -> None:
    instances.write(tiny_case(), tmp_path / "case")
    refuse(capsys, ["solve", tmp_path / "case", "--flow", "dc"], "known are ac, distflow, jabr, lindistflow")
    refuse(capsys, ["solve", tmp_path / "case", "--flow", "ac", "--solver", "highs"], "use solver='scip' or 'gurobi'")
