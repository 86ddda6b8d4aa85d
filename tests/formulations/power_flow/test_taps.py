"""Taps, shunts, line charging and limits of the supply in every power flow, against the AC sweep and by enumeration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest

import bilevel
import formulations
import instances
from formulations import power_flow
from formulations.power_flow import FlowPoint
from formulations.power_flow.ranges import flow_ranges
from instances import Branch, Bus, Feeder, Horizon, Instance, Network, PriceLimits, Session, Station, ac_power_flow
from studies.contest.problems.pricing_genes import PricingCandidates

TAPS = (
    Branch("a", "b", 1.5, 1.0, tap_ratio=0.96, charging_kvar=40.0),
    Branch("c", "b", 2.0, 1.5, tap_ratio=1.03, charging_kvar=30.0),
    Branch("b", "d", 1.0, 2.0, charging_kvar=25.0),
)
BUSES = (
    Bus("a", 20, 5, shunt_kw=3.0, capacitor_kvar=-20.0),
    Bus("b", 300, 120),
    Bus("c", 250, 90, capacitor_kvar=150.0),
    Bus("d", 200, 80, shunt_kw=12.0, capacitor_kvar=-60.0),
)


def day(feeder: Feeder) -> Instance:
    """Three hours, the last of highest load and lowest price; a station at the last bus with one user who needs one of them."""
    return Instance(
        name="taps", currency="EUR", feeder=feeder, horizon=Horizon(3, 1.0, "2024-01-01T00:00:00"),
        stations=(Station("s", feeder.buses[-1].name),), sessions=(Session("ev", "s", 0, 3, 90.0, 100.0),),
        load_factor=(0.8, 0.6, 1.0), wholesale_price_per_kwh=(0.10, 0.30, 0.05),
        price_limits=PriceLimits(0.1, 0.5, 0.5), charging_efficiency=0.9, sources=(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def case() -> Instance:
    return day(Feeder(10.0, "a", 1.02, BUSES, TAPS))


@pytest.mark.parametrize(("flow", "solver"), [("distflow", "highs"), ("jabr", "highs"), ("ac", "scip")])
@pytest.mark.parametrize("objective", ["loss", "cost"])
def test_the_optimum_is_certified_and_replayed(case: Instance, flow: str, solver: str, objective: str) -> None:
    """At one price all schedules are the user's: the leader's best of a fine grid of them is the optimum."""
    model = formulations.charging_pricing(case, objective, flow=flow)
    solution = bilevel.solve(model, solver, gap=1e-6, progress=False)
    assert solution.status == "certified", solution.reason
    best = min(value for _, value in enumerated(case, objective))
    # A grid of 2 kW misses the optimum by less than that
    assert solution.objective == pytest.approx(best, rel=1e-4)
    assert solution.objective <= best * (1 + 1e-6)


def enumerated(case: Instance, objective: str) -> list[tuple[np.ndarray, float]]:
    """Losses (kWh) or cost (currency) of all schedules in steps of 2 kW that keep the limits, by AC power flows."""
    network = Network.from_feeder(case.feeder)
    steps = np.arange(0.0, 101.0, 2.0)
    schedules = np.array([(p, q, 100 - p - q) for p in steps for q in steps if p + q <= 100])
    load = np.repeat(instances.base_load_kw(case, network)[np.newaxis], len(schedules), axis=0)
    load[:, :, network.index["d"]] += schedules
    flow = ac_power_flow(network, load, instances.base_load_kvar(case, network))
    supply = network.per_unit.kw(flow.supply_pu.real)
    worth = flow.loss_kw.sum(axis=1) if objective == "loss" else supply @ np.array(case.wholesale_price_per_kwh)
    most = network.per_unit.kw(network.supply_active_pu[1])
    keeps = supply.max(axis=1) <= most * (1 + 1e-12)
    return [(schedule, float(value)) for schedule, value, kept in zip(schedules, worth, keeps, strict=True) if kept]


@pytest.mark.parametrize("flow", power_flow.POWER_FLOWS)
def test_an_ac_power_flow_keeps_every_row(case: Instance, flow: str) -> None:
    """Rows of exact flows hold at an AC power flow as they are; those of the approximation but for what losses make."""
    model = formulations.charging_pricing(case, "cost", flow=flow)
    network = Network.from_feeder(case.feeder)
    for user in model.user.values():
        for variable in user.p.values():
            variable.set_value(float(network.per_unit.power(100 / 3)))
    load = instances.base_load_kw(case, network)
    load[:, network.index["d"]] += 100 / 3
    found = ac_power_flow(network, load, instances.base_load_kvar(case, network))
    power_flow.put(model, FlowPoint.of(found))
    rows = [model.active_balance, model.reactive_balance, model.voltage_drop, model.cone, model.power_limit]
    worst = max(max(-row.lslack(), -row.uslack()) for each in rows for row in each.values())
    assert worst <= (1e-9 if power_flow.find(flow).exact else 0.05)
    if power_flow.find(flow).exact:
        supply = [complex(pyo.value(model.supply_power[t]), pyo.value(model.supply_reactive[t])) for t in model.T]
        np.testing.assert_allclose(supply, found.supply_pu, atol=1e-9)
        magnitude, angle = power_flow.voltages(model)
        np.testing.assert_allclose(magnitude * np.exp(1j * angle), found.voltage_pu, atol=1e-9)


def test_the_approximation_is_near(case: Instance) -> None:
    model = formulations.charging_pricing(case, "loss", flow="lindistflow")
    solution = bilevel.solve(model, progress=False)
    assert solution.status != "certified"
    errors = {check.name: check.value for check in solution.certificate.checks}
    assert errors["AC replay, voltages"] < 0.005
    assert errors["AC replay, losses"] < 0.15


def test_a_limit_of_the_supply_moves_the_charging(case: Instance) -> None:
    """The cheapest hour may draw no more than 850 kW, so that the rest is charged in the next cheapest."""
    free = min(enumerated(case, "cost"), key=lambda found: found[1])
    limited = replace(case, feeder=replace(case.feeder, supply_max_kw=850.0))
    schedule, best = min(enumerated(limited, "cost"), key=lambda found: found[1])
    assert best > free[1] + 0.1 and 0 < schedule[2] < free[0][2]
    for flow in ("distflow", "jabr"):
        model = formulations.charging_pricing(limited, "cost", flow=flow)
        solution = bilevel.solve(model, progress=False)
        assert solution.status == "certified", solution.reason
        assert solution.objective == pytest.approx(best, rel=2e-3) and solution.objective <= best * (1 + 1e-4)
        drawn = [model.per_unit.kw(pyo.value(model.supply_power[t])) for t in model.T]
        assert max(drawn) <= 850.0 + 1e-4


@pytest.mark.parametrize("field", ["supply_max_kw", "supply_max_kvar", "supply_min_kw", "supply_min_kvar"])
def test_a_supply_that_cannot_be_is_no_answer(case: Instance, field: str) -> None:
    """Too little is infeasible; for too much the relaxation invents losses, which the certificate rejects."""
    limit = 100.0 if "max" in field else 5000.0
    model = formulations.charging_pricing(replace(case, feeder=replace(case.feeder, **{field: limit})), "loss")
    assert bilevel.solve(model, progress=False).status == ("infeasible" if "max" in field else "rejected")


def test_a_dispatch_reports_the_limit_and_prices_it(case: Instance) -> None:
    """Just above what the load needs the limit costs nothing; a unit below it has to break, at the scarcity price."""
    charging = np.array([[100.0, 0.0, 0.0]])
    supply = formulations.Dispatch(case).at(charging).supply_kw
    wide = replace(case, feeder=replace(case.feeder, supply_max_kw=float(supply.max()) + 1.0))
    assert formulations.Dispatch(wide).at(charging).limits_broken == 0
    narrow = replace(case, feeder=replace(case.feeder, supply_max_kw=float(supply[2]) - 1.0))
    found = formulations.Dispatch(narrow).at(charging)
    assert (found.limits_broken, found.worst_limit) == (1, "supply_limit[2]")
    assert found.nodal_price_per_kwh[2, 0] > 0.05 + 1.0
    assert found.nodal_price_per_kwh[0, 0] == pytest.approx(0.10)


def test_candidates_of_heuristics_pay_for_the_limit(case: Instance) -> None:
    genes = np.random.default_rng(0).random((40, 3))
    free = PricingCandidates(case, "cost").evaluate(genes)
    assert free.penalty == pytest.approx(0.0)
    narrow = PricingCandidates(replace(case, feeder=replace(case.feeder, supply_max_kw=850.0)), "cost")
    held = narrow.evaluate(genes)
    network = narrow.network
    for row, gene in enumerate(genes):
        load = instances.base_load_kw(case, network)
        load[:, network.index["d"]] += narrow.schedule(gene)[0]
        flow = ac_power_flow(network, load, instances.base_load_kvar(case, network))
        supply = network.per_unit.kw(flow.supply_pu.real)
        over = np.maximum(supply - 850.0, 0.0).sum()
        assert (held.penalty[row] > 0) == (over > 0)
        assert held.supply_cost[row] == pytest.approx(float(supply @ np.array(case.wholesale_price_per_kwh)), rel=1e-12)


def test_ranges_hold_every_power_flow(case: Instance) -> None:
    """Voltages, flows and currents of random loads in a box are within the intervals of the box."""
    network = Network.from_feeder(case.feeder)
    rng = np.random.default_rng(7)
    kw, kvar = network.load_kw, network.load_kvar
    power = network.per_unit.power
    ranges = flow_ranges(network, (power(0.5 * kw), power(1.5 * kw)), (power(0.5 * kvar), power(1.5 * kvar)))
    share = rng.uniform(0.5, 1.5, (2, 200, len(network.buses)))
    flow = ac_power_flow(network, share[0] * kw, share[1] * kvar)
    inside = (
        (np.abs(flow.voltage_pu) ** 2, ranges.voltage_squared),
        (flow.supply_pu.real[:, None], [e[:1] for e in ranges.arriving]),
    )
    branches = (
        (np.abs(flow.branch_current_pu) ** 2, ranges.current_squared),
        (flow.sending_power_pu.real, ranges.leaving),
    )
    for values, (low, high) in (*inside, *((v, [e[1:] for e in ends]) for v, ends in branches)):
        assert (values >= low - 1e-9).all() and (values <= high + 1e-9).all()


def test_a_current_limit_counts_the_charging() -> None:
    """At its sending end a cable almost without load carries all of its charging current, 100 kvar at 10 kV, half of it inside."""
    ampere = 100 / (10 * 3**0.5)
    for share, status in ((1.01, "certified"), (0.99, "infeasible")):
        cable = Branch("a", "b", 1.0, 1.0, share * ampere, charging_kvar=100.0)
        feeder = Feeder(10.0, "a", 1.0, (Bus("a", 0, 0), Bus("b", 0.1, 0)), (cable,))
        case = replace(day(feeder), sessions=(Session("ev", "s", 0, 3, 0.9, 1.0),))
        for flow in ("distflow", "jabr"):
            model = formulations.charging_pricing(case, "loss", flow=flow)
            assert bilevel.solve(model, progress=False).status == status
