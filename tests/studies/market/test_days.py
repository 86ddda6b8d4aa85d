"""Simulated days with credit points: day 0, seeds, pairs, conservation of energy, users' options, the figure and its table."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal

import instances
from bilevel.errors import BilevelError
from formulations.operator.dispatch import Dispatch
from formulations.prices import credit
from instances import Instance
from studies.market import days, days_figures
from studies.market.days import Assumptions, CreditDays

DAYS = 6


@cache
def shipped() -> Instance:
    return instances.load("ieee33_aggregator")


def wholesale(charging_kw: np.ndarray) -> np.ndarray:
    """A stand-in for the dispatch: the wholesale price, and a little for what is charged."""
    return np.array(shipped().wholesale_price_per_kwh) + 1e-5 * charging_kw


def run(case: Instance | None = None, on: bool = True, seed: int = 3, **options: Any) -> CreditDays:
    return credit.simulate(case or shipped(), DAYS, seed, on, nodal_prices=wholesale, **options)


def with_rules(**changes: float) -> Instance:
    case = shipped()
    assert case.credit is not None
    return replace(case, credit=replace(case.credit, **changes))


def test_nodal_prices_are_those_of_the_dispatch_by_default() -> None:
    case = shipped()
    found = credit.simulate(case, 2, 3)
    dispatch = Dispatch(case)
    at = [dispatch.buses.index(station.bus) for station in case.stations]
    posted = found.fees.set_index("day")
    for day, charging in ((0, np.zeros((4, 24))), (1, instances.uncontrolled_load_kw(case))):
        wanted = dispatch.at(charging).nodal_price_per_kwh[:, at].T
        assert_allclose(posted.loc[day, "nodal_price_per_kwh"], wanted.ravel(), rtol=1e-4)
    assert (posted["nodal_price_per_kwh"] > 0.03).all()
    limits = case.price_limits
    sums = posted["nodal_price_per_kwh"] + posted["fee_per_kwh"]
    assert_allclose(posted["price_per_kwh"], sums.clip(limits.price_min_per_kwh, limits.price_max_per_kwh))
    assert_frame_equal(credit.simulate(case, 2, 3).fees, found.fees)


def test_a_price_of_scarcity_is_paid_up_to_the_price_limit_alone() -> None:
    case, branch = shipped(), shipped().feeder.branches[0]
    weak = replace(branch, current_max_a=150.0)
    short = replace(case, feeder=replace(case.feeder, branches=(weak, *case.feeder.branches[1:])))
    found = credit.simulate(short, 1, 3).fees
    assert Dispatch(short).at(np.zeros((4, 24))).limits_broken > 0
    assert found["nodal_price_per_kwh"].max() > 1.0
    assert found["price_per_kwh"].max() == case.price_limits.price_max_per_kwh


def test_the_frames_have_a_row_a_day_and_what_they_promise() -> None:
    found, case = run(), shipped()
    assert found.days["day"].tolist() == list(range(DAYS + 1))
    assert set(days_figures.QUANTITIES) | {"ev_valley_kwh", "ev_kwh", "moved_share"} <= set(found.days)
    assert len(found.load) == (DAYS + 1) * 24
    assert len(found.fees) == (DAYS + 1) * 24 * len(case.stations)
    shares = found.days[["valley_share", "peak_share", "recommended_share", "moved_share"]].to_numpy()
    assert ((shares >= 0) & (shares <= 1)).all()
    assert case.credit is not None
    assert found.fees["fee_per_kwh"].between(case.credit.fee_min_per_kwh, case.credit.fee_max_per_kwh).all()
    limits = case.price_limits
    assert found.fees["price_per_kwh"].between(limits.price_min_per_kwh, limits.price_max_per_kwh).all()


def test_day_zero_is_the_case_without_control_and_energy_is_kept() -> None:
    found, case = run(), shipped()
    load = instances.uncontrolled_load_kw(case).sum(axis=0)
    assert_allclose(found.load.loc[found.load["day"] == 0, "ev_kw"], load, atol=1e-9)
    energy = sum(session.count * session.energy_kwh for session in case.sessions) / case.charging_efficiency
    assert_allclose(found.days["ev_kwh"], energy)
    assert_allclose(found.load.groupby("day")["ev_kw"].sum() * case.horizon.period_hours, energy)
    assert_allclose(found.days["valley_share"] * found.days["ev_kwh"], found.days["ev_valley_kwh"])
    assert found.days["moved_share"].iloc[0] == 0
    assert found.days["moved_share"].iloc[-1] > 0


def test_the_fees_of_day_one_are_those_of_the_case() -> None:
    found = run()
    fees = found.fees.loc[found.fees["day"] == 1, "fee_per_kwh"].to_numpy()
    assert_allclose(fees, credit.fees(shipped()).ravel())


def test_the_same_seed_gives_the_same_days_and_another_seed_others() -> None:
    for name in ("days", "fees", "load"):
        assert_frame_equal(getattr(run(), name), getattr(run(), name))
    assert not run().load.equals(run(seed=4).load)


def test_a_fee_without_room_makes_both_runs_equal() -> None:
    case = with_rules(fee_min_per_kwh=0.07, fee_max_per_kwh=0.07)
    assert_frame_equal(run(case).days, run(case, on=False).days)
    assert_frame_equal(run(case).fees, run(case, on=False).fees)


def test_the_level_of_a_flat_fee_moves_nobody_within_the_price_limits() -> None:
    low, high = run(on=False, flat_fee_per_kwh=0.05), run(on=False, flat_fee_per_kwh=0.1)
    assert_frame_equal(low.load, high.load)
    assert_frame_equal(run(on=False).load, high.load)  # 0.1 is the fee at zero points in this case
    assert_allclose(high.days["mean_price_per_kwh"] - low.days["mean_price_per_kwh"], 0.05)


def test_nobody_moves_when_nobody_reconsiders_or_shifting_costs_too_much() -> None:
    assert not run(assumptions=Assumptions(reconsider_share=0.0)).days["moved_share"].any()
    tied = Assumptions(way_cost_per_km=1e6, shift_cost_per_hour=1e6, reconsider_share=1.0)
    case = shipped()
    assert case.credit is not None
    alone = replace(case, credit=replace(case.credit, distances=()))
    assert not run(alone, assumptions=tied).days["moved_share"].any()
    assert not run(alone).days["recommended_share"].any()


def test_a_longer_memory_sums_more_days() -> None:
    still = {"reconsider_share": 0.0, "memory_days": 3}
    found = run(assumptions=Assumptions(**still)).fees.groupby("day")["points"].apply(lambda part: part.abs().sum())
    assert found[3] > 2 * found[1]
    assert run(assumptions=Assumptions(memory_days=1)).fees["points"].abs().max() < found.max()


def test_the_bill_of_an_option_is_energy_times_the_prices_while_charging() -> None:
    case = shipped()
    price = np.random.default_rng(0).uniform(0.0, 0.3, (len(case.stations), 24))
    given = Assumptions()
    users = days._users(case, given)
    cost = days.option_cost(users, price, given, 1.0)
    session = max(case.sessions, key=lambda item: item.energy_kwh)
    row = case.sessions.index(session)
    left, bill, start = session.energy_kwh / case.charging_efficiency, 0.0, 5
    for period in range(start, 24):
        bill += min(left, session.power_max_kw) * price[1, period]
        left = max(left - session.power_max_kw, 0.0)
    way = 0.2 * credit.distances_km(case)[row, 1]
    assert cost[row, 1, start] == pytest.approx(bill + way + 0.2 * abs(start - session.arrival_period))
    assert np.isinf(cost[row, 1, 23])  # more than an hour of charging does not fit in the last one
    assert np.isfinite(cost[np.arange(len(cost)), :, users.wanted]).all()


def test_refusals_name_the_value_and_the_remedy() -> None:
    with pytest.raises(BilevelError, match="days 0 and seed 0; give at least 1 day"):
        credit.simulate(shipped(), 0)
    with pytest.raises(BilevelError, match="seed -1"):
        credit.simulate(shipped(), 1, -1)
    with pytest.raises(BilevelError, match="ieee33 has no credit rules"):
        credit.simulate(instances.load("ieee33"), 1, nodal_prices=wholesale)
    for changes in (
        {"reconsider_share": 1.5},
        {"memory_days": 0},
        {"way_cost_per_km": -1.0},
        {"choice_scale": float("nan")},
    ):
        with pytest.raises(BilevelError, match=f"{next(iter(changes))} .*; give a number from"):
            Assumptions(**changes)  # type: ignore[arg-type]


def test_the_comparison_is_of_paired_runs() -> None:
    pairs = [(run(seed=seed), run(on=False, seed=seed)) for seed in (0, 1)]
    table = days_figures.compare(pairs, last_days=2).set_index("quantity")
    by_hand = [on.days["ev_peak_kw"].iloc[-2:].mean() - off.days["ev_peak_kw"].iloc[-2:].mean() for on, off in pairs]
    assert table.loc["ev_peak_kw", "change"] == pytest.approx(np.mean(by_hand))
    assert table.loc["ev_peak_kw", "change_low"] == pytest.approx(min(by_hand))
    assert_allclose((table["flat"] + table["change"]).astype(float), table["credit"].astype(float))
    with pytest.raises(BilevelError, match="pair a run with credit and one without"):
        days_figures.compare([(pairs[0][0], pairs[1][1])])
    with pytest.raises(BilevelError, match="give at least one"):
        days_figures.compare([])


def test_the_figure_has_units_on_its_axes_and_legends() -> None:
    figure = days_figures.days_figure([(run(), run(on=False))], shipped())
    labels = [ax.get_ylabel() for ax in figure.axes]
    assert labels == [
        "energy charged (% of all)",
        "largest charging power (kW)",
        "service fee (EUR/kWh)",
        "charging power (kW)",
    ]
    assert all(ax.get_legend() is not None and ax.get_xlabel() for ax in figure.axes)
    assert isinstance(run().days, pd.DataFrame)
