"""Candidates of heuristics against linear programs, the Pyomo model's own rows, an independent AC engine and certified bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from oracles import grid_engine, tiny_case
from scipy.optimize import linprog

import bilevel
import formulations
import instances
from bilevel import BilevelError, UnknownNameError, tolerances
from instances import Branch, Bus, Feeder, Instance, InstanceError, Network, PriceLimits, Session, Station
from studies.contest.problems.pricing_genes import PricingCandidates

CASES = ("tiny", "few", "fleet", "wind")


@pytest.fixture(scope="module")
def cases() -> Mapping[str, Instance]:
    """A tiny case, 20 sessions, 150 sessions of few kinds, and 20 sessions beside a wind turbine."""
    ieee33 = instances.load("ieee33")
    wind = instances.Renewable("wind", "18", tuple(np.linspace(0.0, 300.0, 24).tolist()))
    few = instances.scale(ieee33, 20)
    return {
        "tiny": tiny_case(),
        "few": few,
        "fleet": instances.scale(ieee33, 150, seed=3),
        "wind": replace(few, renewables=(wind,)),
    }


def random_genes(candidates: PricingCandidates, count: int, seed: int = 0) -> Any:
    """Half of them drawn from a few levels, so that many prices tie."""
    genes = np.random.default_rng(seed).random((count, candidates.genes))
    genes[::2] = np.round(2 * genes[::2]) / 2
    return genes


# Prices


def test_genes_span_the_price_limits_where_no_cap_binds() -> None:
    candidates = PricingCandidates(replace(tiny_case(), price_limits=PriceLimits(0.1, 0.5, 0.5)))
    assert candidates.genes == 6
    expected = np.array([[0.1, 0.3, 0.5], [0.2, 0.5, 0.5]])
    assert candidates.prices([0, 0.5, 1, 0.25, 1, 1]) == pytest.approx(expected, rel=1e-12)


def test_a_mean_above_its_cap_is_scaled_down_to_it_and_others_are_left_alone() -> None:
    candidates = PricingCandidates(replace(tiny_case(), price_limits=PriceLimits(0.1, 0.5, 0.3)))
    # Station s: 0, 0.2 and 0.4 above the least price have the mean 0.2 allowed; r: 0.4 each is twice as much as allowed
    expected = np.array([[0.1, 0.3, 0.5], [0.3, 0.3, 0.3]])
    assert candidates.prices([0, 0.5, 1, 1, 1, 1]) == pytest.approx(expected, rel=1e-12)


def test_random_prices_meet_every_limit(cases: Mapping[str, Instance]) -> None:
    case = cases["few"]
    limits = case.price_limits
    candidates = PricingCandidates(case)
    for genes in random_genes(candidates, 50):
        price = candidates.prices(genes)
        assert price.shape == (4, 24)
        assert (price >= limits.price_min_per_kwh).all() and (price <= limits.price_max_per_kwh).all()
        assert (price.mean(axis=1) <= limits.price_mean_max_per_kwh * (1 + 1e-12)).all()


# Users


def least_bill(case: Instance, session: Session, price: Any) -> float:
    """The bill of all vehicles of a session, by a linear program in kWh from the grid."""
    hours = case.horizon.period_hours
    kwh = session.count * session.energy_kwh / case.charging_efficiency
    most = session.count * session.power_max_kw * hours
    window = list(case.window(session))
    found = linprog(price[window], A_eq=np.ones((1, len(window))), b_eq=[kwh], bounds=(0, most))
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize("name", CASES)
def test_users_pay_the_least_that_linear_programs_find(name: str, cases: Mapping[str, Instance]) -> None:
    case = cases[name]
    candidates = PricingCandidates(case)
    genes = random_genes(candidates, 3, seed=1)
    bills = candidates.evaluate(genes).ev_bill
    row = {station.name: k for k, station in enumerate(case.stations)}
    hours = case.horizon.period_hours
    for k, gene in enumerate(genes):
        price, power = candidates.prices(gene), candidates.schedule(gene)
        paid = np.array([hours * power[n] @ price[row[session.station]] for n, session in enumerate(case.sessions)])
        least = [least_bill(case, session, price[row[session.station]]) for session in case.sessions]
        np.testing.assert_allclose(paid, least, rtol=1e-9, atol=1e-9)
        assert bills[k] == pytest.approx(sum(least), rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_schedules_fill_each_battery_within_its_window_and_power(name: str, cases: Mapping[str, Instance]) -> None:
    case = cases[name]
    candidates = PricingCandidates(case)
    for gene in random_genes(candidates, 3, seed=2):
        power = candidates.schedule(gene)
        assert power.shape == (len(case.sessions), case.horizon.periods)
        for drawn, session in zip(power, case.sessions, strict=True):
            inside = np.isin(np.arange(case.horizon.periods), case.window(session))
            assert (drawn[~inside] == 0).all() and (drawn >= 0).all()
            assert (drawn <= session.count * session.power_max_kw * (1 + 1e-12)).all()
            stored = case.charging_efficiency * case.horizon.period_hours * drawn.sum()
            assert stored == pytest.approx(session.count * session.energy_kwh, rel=1e-9)


def test_equal_prices_are_taken_in_the_order_of_the_base_load_then_of_time() -> None:
    session = Session("ev", "s", 0, 3, 135.0, 100.0)  # 150 kWh from the grid
    case = replace(tiny_case(), sessions=(session,), load_factor=(0.6, 1.0, 0.5))
    flat = np.full(6, 0.5)
    assert PricingCandidates(case).schedule(flat)[0] == pytest.approx([50.0, 0.0, 100.0], rel=1e-9)
    even = replace(case, load_factor=(1.0, 0.6, 0.6))
    assert PricingCandidates(even).schedule(flat)[0] == pytest.approx([0.0, 100.0, 50.0], rel=1e-9)
    # A cheaper period comes first all the same
    assert PricingCandidates(even).schedule([0, 0.5, 0.5, 0, 0, 0])[0] == pytest.approx([100.0, 50.0, 0.0], rel=1e-9)
    # Output of renewables counts as less load
    sun = instances.Renewable("sun", "c", (400.0, 0.0, 0.0))
    assert PricingCandidates(replace(even, renewables=(sun,))).schedule(flat)[0] == pytest.approx([100.0, 50.0, 0.0])


# Objectives, against the Pyomo model


def at_point(case: Instance, objective: str, price: Any, power_kw: Any) -> Any:
    """The model of `charging_pricing` with prices, schedules and the AC power flow at them as its values."""
    model = formulations.charging_pricing(case, objective)
    network = Network.from_feeder(case.feeder)
    load = np.outer(case.load_factor, network.load_kw)
    for renewable in case.renewables:
        load[:, network.index[renewable.bus]] -= renewable.power_kw
    for c, station in enumerate(case.stations):
        for t in model.T:
            model.price[station.name, t].set_value(price[c, t])
    for drawn, session in zip(power_kw, case.sessions, strict=True):
        load[:, network.index[case.station_bus[session.station]]] += drawn
        for t, variable in model.user[session.name].p.items():
            variable.set_value(drawn[t] / network.per_unit.base_kva, skip_validation=True)
    flow = instances.ac_power_flow(network, load, np.outer(case.load_factor, network.load_kvar))
    for k, (i, j) in enumerate(model.L):
        for t in model.T:
            model.P[i, j, t].set_value(flow.sending_power_pu[t, k].real)
            model.Q[i, j, t].set_value(flow.sending_power_pu[t, k].imag)
            model.l[i, j, t].set_value(abs(flow.branch_current_pu[t, k]) ** 2, skip_validation=True)
            model.v[j, t].set_value(abs(flow.voltage_pu[t, k + 1]) ** 2, skip_validation=True)
    return model


def worst_row(model: Any) -> float:
    """Largest violation of a row, in the row's unit."""
    worst = 0.0
    for row in model.component_data_objects(pyo.Constraint, active=True, descend_into=(pyo.Block, bilevel.Follower)):
        body = pyo.value(row.body)
        low = -math.inf if row.lower is None else pyo.value(row.lower)
        high = math.inf if row.upper is None else pyo.value(row.upper)
        worst = max(worst, low - body, body - high)
    return worst


def bounds_hold(model: Any) -> bool:
    found = model.component_data_objects(pyo.Var, descend_into=(pyo.Block, bilevel.Follower))
    return all(
        (v.lb is None or v.value >= v.lb * (1 - 1e-9)) and (v.ub is None or v.value <= v.ub * (1 + 1e-9))
        for v in found
        if not v.fixed
    )


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        ("tiny", "loss"),
        ("tiny", "profit"),
        ("tiny", "bill"),
        ("tiny", "cost"),
        ("few", "loss=0.5,profit=2,bill=0.1,cost=0.3"),
        ("wind", "profit"),
    ],
)
def test_the_model_has_the_same_values_and_its_rows_hold(
    name: str, objective: str, cases: Mapping[str, Instance]
) -> None:
    case = cases[name]
    candidates = PricingCandidates(case, objective)
    genes = random_genes(candidates, 2, seed=4)
    found = candidates.evaluate(genes)
    for k, gene in enumerate(genes):
        model = at_point(case, objective, candidates.prices(gene), candidates.schedule(gene))
        assert found.network_loss_kwh[k] == pytest.approx(pyo.value(model.network_loss), rel=1e-9)
        assert found.station_profit[k] == pytest.approx(pyo.value(model.station_profit), rel=1e-9)
        assert found.ev_bill[k] == pytest.approx(pyo.value(model.ev_bill), rel=1e-9)
        assert found.supply_cost[k] == pytest.approx(pyo.value(model.supply_cost), rel=1e-9)
        assert found.objective[k] == pytest.approx(pyo.value(model.objective), rel=1e-9)
        sign = 1 if model.objective.is_minimizing() else -1
        assert found.fitness[k] == pytest.approx(sign * found.objective[k] + found.penalty[k], rel=1e-12)
        assert worst_row(model) < 1e-8
        assert bounds_hold(model) == (found.penalty[k] == 0)


def test_weights_add_terms_up_and_turn_profit_around(cases: Mapping[str, Instance]) -> None:
    candidates = PricingCandidates(cases["tiny"], "loss=0.5,profit=2,bill=0.1,cost=0.3")
    found = candidates.evaluate(random_genes(candidates, 5))
    expected = 0.5 * found.network_loss_kwh - 2 * found.station_profit + 0.1 * found.ev_bill + 0.3 * found.supply_cost
    np.testing.assert_allclose(found.objective, expected, rtol=1e-12)
    np.testing.assert_allclose(found.fitness, expected + found.penalty, rtol=1e-12)
    profit = PricingCandidates(cases["tiny"], "profit=3").evaluate(random_genes(candidates, 5))
    np.testing.assert_allclose(profit.objective, 3 * found.station_profit, rtol=1e-12)
    np.testing.assert_allclose(profit.fitness, profit.penalty - 3 * found.station_profit, rtol=1e-12)


def test_losses_are_those_of_an_independent_engine(cases: Mapping[str, Instance]) -> None:
    case = cases["few"]
    candidates, network = PricingCandidates(case), Network.from_feeder(case.feeder)
    (genes,) = random_genes(candidates, 1, seed=5)
    load = np.outer(case.load_factor, network.load_kw)
    for drawn, session in zip(candidates.schedule(genes), case.sessions, strict=True):
        load[:, network.index[case.station_bus[session.station]]] += drawn
    loss_kw, voltage, _ = grid_engine(case, network, load, np.outer(case.load_factor, network.load_kvar))
    found = candidates.evaluate(genes[np.newaxis])
    assert found.network_loss_kwh[0] == pytest.approx(loss_kw.sum() * case.horizon.period_hours, rel=1e-6)
    assert found.worst_voltage_violation_pu[0] == pytest.approx(max(0.9 - voltage.min(), 0.0), abs=1e-7)


@pytest.mark.parametrize("objective", ["loss", "profit"])
def test_no_candidate_beats_the_certified_bound(objective: str) -> None:
    case = instances.scale(instances.load("ieee33"), 3)
    model = formulations.charging_pricing(case, objective)
    solution = bilevel.solve(model, progress=False)
    assert solution.status == "certified"
    candidates = PricingCandidates(case, objective)
    limits = case.price_limits
    spread = limits.price_max_per_kwh - limits.price_min_per_kwh
    optimal = [(pyo.value(p) - limits.price_min_per_kwh) / spread for p in model.price.values()]
    genes = np.vstack([np.clip(optimal, 0, 1), random_genes(candidates, 400, seed=6)])
    found = candidates.evaluate(genes)
    valid = found.penalty == 0
    assert valid.sum() > 100
    sign = 1 if objective == "loss" else -1
    assert (sign * found.objective[valid] >= sign * solution.bound * (1 - sign * 1e-9)).all()


# Populations


@pytest.mark.parametrize("name", ["tiny", "few"])
def test_a_population_is_each_candidate_alone(name: str, cases: Mapping[str, Instance]) -> None:
    candidates = PricingCandidates(cases[name], "loss=1,profit=1")
    genes = random_genes(candidates, 60, seed=7)
    found = candidates.evaluate(genes)
    assert np.array_equal(candidates(genes), found.fitness)
    for k, gene in enumerate(genes):
        alone = candidates.evaluate(gene[np.newaxis])
        for field in fields(found):
            expected = getattr(alone, field.name)[0]
            # Penalties hold voltages, which the sweep leaves at 1e-12 pu, times a rate of some 1e5
            slack = 1e-6 if field.name in ("penalty", "fitness") else 1e-10
            assert getattr(found, field.name)[k] == pytest.approx(expected, rel=1e-9, abs=slack), field.name
    assert candidates(genes[:0]).shape == (0,)


def two_buses(power_kw: float, *, voltage: tuple[float, float] = (0.9, 1.1), **limits: float) -> Instance:
    """A line of 4 + 3i ohm at 10 kV, little load in the first of two periods and 800 kW in the second; one session of a period."""
    buses = (Bus("a", 0, 0), Bus("b", 800.0, 300.0, *voltage))
    feeder = Feeder(10.0, "a", 1.0, buses, (Branch("a", "b", 4.0, 3.0, **limits),))
    return replace(
        tiny_case(efficiency=1.0),
        feeder=feeder, horizon=instances.Horizon(2, 1.0, "2024-01-01T00:00:00"), stations=(Station("s", "b"),),
        sessions=(Session("ev", "s", 0, 2, power_kw, power_kw),), load_factor=(0.1, 1.0), wholesale_price_per_kwh=(0.1, 0.3),
    )  # fmt: skip


FIRST, SECOND = [0.0, 0.5], [0.5, 0.0]
"""Genes that lead the session of `two_buses` to the first and to the second period."""


def test_a_candidate_without_power_flow_takes_no_other_with_it() -> None:
    # Charging 4.9 MW beside little load holds, far under the voltage limit; beside 800 kW it is beyond what the line can carry
    candidates = PricingCandidates(two_buses(4900.0), "cost")
    found = candidates.evaluate([FIRST, SECOND, FIRST, FIRST, SECOND, [0.2, 0.9]])
    lost = [False, True, False, False, True, False]
    assert np.array_equal(np.isinf(found.fitness), lost)
    assert np.array_equal(np.isinf(found.penalty), lost)
    for field in ("network_loss_kwh", "supply_cost", "objective", "worst_voltage_violation_pu"):
        assert np.array_equal(np.isnan(getattr(found, field)), lost), field
    assert np.isfinite(found.ev_bill).all()
    alone = candidates.evaluate([FIRST])
    assert found.fitness[[0, 2, 3, 5]] == pytest.approx(np.repeat(alone.fitness, 4), rel=1e-9)
    profit = PricingCandidates(two_buses(4900.0), "profit").evaluate([SECOND, FIRST])
    assert profit.fitness[0] == math.inf and math.isfinite(profit.fitness[1])
    assert profit.objective[0] == pytest.approx(4900 * (0.1 - 0.3), rel=1e-9)


# Limits


def penalty_rate(case: Instance) -> float:
    """Of the objective "bill": 100 times the largest price times the energy charged."""
    return 100.0 * case.price_limits.price_max_per_kwh * sum(s.count * s.energy_kwh for s in case.sessions)


def test_a_penalty_is_positive_exactly_when_a_limit_is_broken() -> None:
    case = two_buses(100.0)
    network = Network.from_feeder(case.feeder)
    flow = instances.ac_power_flow(network, [0.0, 900.0], [0.0, 300.0])
    assert PricingCandidates(case, "bill").evaluate([SECOND]).penalty == 0.0
    current_a = float(network.per_unit.ampere(abs(flow.branch_current_pu[0])))
    sending_kva = float(network.per_unit.kw(abs(flow.sending_power_pu[0])))
    lowest = abs(flow.voltage_pu[1])
    for share in (0.001, -0.001):
        tight = {
            "current": two_buses(100.0, current_max_a=current_a / (1 + share)),
            "power": two_buses(100.0, power_max_kva=sending_kva / (1 + share)),
            "low": two_buses(100.0, voltage=(lowest / (1 - share), 1.1)),
        }
        for name, limited in tight.items():
            found = PricingCandidates(limited, "bill").evaluate([SECOND, FIRST])
            expected = penalty_rate(limited) * max(share, 0.0)
            assert found.penalty == pytest.approx([expected, 0.0], rel=1e-6), name
            short = lowest * (1 / (1 - share) - 1) if name == "low" and share > 0 else 0.0
            assert found.worst_voltage_violation_pu == pytest.approx([short, 0.0], rel=1e-6), name


def test_a_voltage_above_its_limit_is_penalised_and_a_limit_of_0_is_none() -> None:
    case = two_buses(100.0)
    sun = instances.Renewable("sun", "b", (2000.0, 0.0))
    network = Network.from_feeder(case.feeder)
    flow = instances.ac_power_flow(network, [0.0, 80.0 - 2000.0], [0.0, 30.0])
    high = abs(flow.voltage_pu[1]) / 1.02
    tight = replace(two_buses(100.0, voltage=(0.0, high)), renewables=(sun,))
    found = PricingCandidates(tight, "bill").evaluate([SECOND])
    assert found.penalty == pytest.approx([0.02 * penalty_rate(tight)], rel=1e-6)
    assert found.worst_voltage_violation_pu == pytest.approx([0.02 * high], rel=1e-6)


def test_penalties_grow_with_the_size_of_the_objective() -> None:
    case = two_buses(100.0, voltage=(0.99, 1.1))
    base_kwh, kwh, price, wholesale = 880.0, 100.0, 0.5, 0.3
    sizes = {
        "loss": 0.05 * (base_kwh + kwh),
        "profit": (price + wholesale) * kwh,
        "bill": price * kwh,
        "cost": wholesale * (base_kwh + kwh),
    }
    broken = PricingCandidates(case, "bill").evaluate([SECOND]).penalty[0] / penalty_rate(case)
    for objective, weights in (
        *((name, {name: 1.0}) for name in sizes),
        (w := "loss=2,cost=3", {"loss": 2, "cost": 3}),
    ):
        size = sum(weight * sizes[name] for name, weight in weights.items())
        expected = tolerances.SCARCITY_RATE * size * broken
        assert PricingCandidates(case, objective).evaluate([SECOND]).penalty[0] == pytest.approx(expected), w


def test_limits_are_penalised_where_the_objective_has_no_size() -> None:
    case = two_buses(100.0, voltage=(0.99, 1.1))
    idle = replace(case, sessions=(replace(case.sessions[0], energy_kwh=0.0),))
    found = PricingCandidates(idle, "bill").evaluate([SECOND])
    assert found.objective[0] == 0.0 and found.penalty[0] > 0


# Refusals


def test_what_cannot_be_evaluated_is_refused() -> None:
    case = tiny_case()
    generator = instances.Generator("gas", "b", 0.0, 50.0, 0.0, 0.0, 0.05)
    with pytest.raises(BilevelError, match="generator 'gas', which candidates cannot dispatch"):
        PricingCandidates(replace(case, generators=(generator,)))
    with pytest.raises(UnknownNameError, match="losses"):
        PricingCandidates(case, "losses")
    with pytest.raises(BilevelError, match="weight 0"):
        PricingCandidates(case, {"loss": 0.0})
    overloaded = replace(case, load_factor=(0.6, 1000.0, 0.8))
    with pytest.raises(InstanceError, match=r"load case \(period\) 1 does not converge"):
        PricingCandidates(overloaded)


def test_genes_of_another_shape_or_range_are_refused() -> None:
    candidates = PricingCandidates(tiny_case())
    good = np.full((2, 6), 0.5)
    with pytest.raises(BilevelError, match=r"shape \(6,\): give \(candidates, 6\)"):
        candidates.evaluate(good[0])
    with pytest.raises(BilevelError, match=r"shape \(2, 5\): give \(candidates, 6\)"):
        candidates(good[:, :5])
    for ask in (candidates.prices, candidates.schedule):
        with pytest.raises(BilevelError, match=r"shape \(2, 6\): give \(6,\)"):
            ask(good)
    for value in (-1e-9, 1.5, math.nan, math.inf):
        bad = good.copy()
        bad[1, 3] = value
        with pytest.raises(BilevelError, match=rf"gene \[1, 3\] is {value}: give numbers from 0 to 1"):
            candidates.evaluate(bad)
