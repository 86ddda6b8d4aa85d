"""Candidates over days that may come: expectation, worst days and penalties by hand, and one day exactly as without days."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import tiny_case
from uncertain_days import three_days

import bilevel
from instances import InstanceError, Scenario, Scenarios, Session, realise
from studies import contest
from studies.contest.problems.pricing_days import DaysCandidates
from studies.contest.problems.pricing_genes import Candidates, PricingCandidates

NAMES = [field.name for field in fields(Candidates)]
GENES = np.random.default_rng(3).random((25, 6))


def by_hand(scenarios: Scenarios, objective: str, level: float, weight: float) -> dict[str, np.ndarray]:
    """Every candidate and day by itself; CVaR by its definition, whose least value is attained at one of the costs."""
    weights = [s.probability for s in scenarios.scenarios]
    days = [PricingCandidates(realise(tiny_case(), s), objective).evaluate(GENES) for s in scenarios.scenarios]
    found = {name: sum(p * getattr(day, name) for p, day in zip(weights, days, strict=True)) for name in NAMES}
    sense = -1 if objective == "profit" else 1
    costs = sense * np.array([day.objective for day in days])
    tails = [min(h + np.dot(weights, np.maximum(column - h, 0.0)) / (1 - level) for h in column) for column in costs.T]
    found["objective"] = (1 - weight) * found["objective"] + weight * sense * np.array(tails)
    found["fitness"] = sense * found["objective"] + found["penalty"]
    found["worst_voltage_violation_pu"] = np.max([day.worst_voltage_violation_pu for day in days], axis=0)
    return found


@given(
    st.tuples(*[st.integers(1, 20)] * 3),
    st.sampled_from(["loss", "profit", "loss=1,profit=0.5"]),
    st.sampled_from([0.0, 0.3, 0.75, 0.99]),
    st.sampled_from([0.0, 0.25, 1.0]),
)
@settings(max_examples=30, deadline=None)
def test_values_are_those_by_hand(shares: tuple[int, ...], objective: str, level: float, weight: float) -> None:
    scenarios = three_days([share / sum(shares) for share in shares])
    risk = f"cvar={level},weight={weight}"
    problem = contest.pick(tiny_case(), objective=objective, scenarios=scenarios, risk=risk)
    found = problem.candidates().evaluate(GENES)
    for name, value in by_hand(scenarios, objective, level, weight).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("shares", [(1.0,), (0.5, 0.5), (0.2, 0.3, 0.5)], ids=len)
def test_days_like_the_case_are_the_case_bit_by_bit(shares: tuple[float, ...]) -> None:
    scenarios = Scenarios(tuple(Scenario(str(at), share) for at, share in enumerate(shares)))
    one, several = contest.pick(tiny_case()), contest.pick(tiny_case(), scenarios=scenarios, risk="cvar=0.9")
    for name in NAMES:
        first, second = (getattr(problem.candidates().evaluate(GENES), name) for problem in (one, several))
        assert np.array_equal(first, second, equal_nan=True), name
    runs = [contest.search(problem, "pso", 1, 60, 10) for problem in (one, several)]
    assert replace(runs[0], seconds=0.0, cpu_seconds=0.0) == replace(runs[1], seconds=0.0, cpu_seconds=0.0)


def test_a_candidate_is_feasible_only_if_it_is_on_every_day() -> None:
    crowd = tuple(Session(f"ev{k}", "s", 0, 1, 360.0, 400.0) for k in range(3))
    calm, wild = Scenario("calm", 0.9), Scenario("wild", 0.1, sessions=crowd)
    alone = [PricingCandidates(realise(tiny_case(), s), "loss").evaluate(GENES).penalty for s in (calm, wild)]
    found = DaysCandidates(tiny_case(), Scenarios((calm, wild)), "loss").evaluate(GENES)
    assert (alone[0] == 0).all() and (alone[1] > 0).all()
    assert found.penalty == pytest.approx(0.1 * alone[1])
    assert (found.fitness > found.objective).all()


def test_no_candidate_is_better_than_what_exact_proves() -> None:
    problem = contest.pick(tiny_case(), objective="profit", scenarios=three_days(), risk="cvar=0.5,weight=0.4")
    answer = problem.exact(1e-6, 60.0, False)
    assert answer.status == "certified"
    found = problem.candidates().evaluate(np.random.default_rng(1).random((2000, 6)))
    best = found.objective[found.penalty <= 0].max()
    assert 0.8 * answer.bound < best <= answer.bound * (1 + 1e-6)
    assert answer.by_rule <= answer.bound * (1 + 1e-6)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(bilevel.BilevelError, match="risk is given without scenarios"):
        contest.pick(tiny_case(), risk="cvar=0.9")
    dark = Scenarios((Scenario("as it is", 0.5), Scenario("dark", 0.5, load_factor=(90.0, 1.0, 1.0))))
    with pytest.raises(InstanceError, match="scenario dark: "):
        contest.pick(tiny_case(), scenarios=dark)
