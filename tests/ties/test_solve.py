"""`bilevel.solve(model, ties=...)` against the table and the random problems: pessimistic, and secure with a margin."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pyomo.environ as pyo
import pytest
from ties.draws import draw, draw_line
from ties.judging import Case, of_draw, of_table, run
from ties.table import load, problems

import bilevel
import formulations
import instances
from bilevel.pessimistic.bracket import Hunt

ENTRIES = {entry["name"]: entry for entry in problems()}
PESSIMISTIC = {name: of_table(entry, "pessimistic")[0] for name, entry in ENTRIES.items()}
SECURE = [case for entry in ENTRIES.values() for case in of_table(entry, "secure")]
SETTINGS = [
    {},
    {"solver": "highs", "mode": "branching"},
    {"solver": "highs", "mode": "big_m"},
    {"solver": "scip", "mode": "sos1"},
]
COUNT, LINES, SECONDS = 40, 20, 20.0
LEAST = 0.9
"""Share of random problems that each setting which takes them has to prove; the others are told as such."""


def _right_or_refused(case: Case, **settings: str) -> str:
    found = run(case, SECONDS, **settings)
    assert found.verdict in ("right", "refused", "not certified"), found.reason
    assert found.verdict != "refused" or len(found.reason) > 40, "a refusal says why"
    return found.verdict


@pytest.mark.parametrize("name", PESSIMISTIC)
def test_the_worst_tie_of_the_table(name: str) -> None:
    """With the defaults; where the optimum is attained and decisions are integers or in rows alone, it has to be proven."""
    assert _right_or_refused(PESSIMISTIC[name]) != "not certified"


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda given: "-".join(given.values()) or "default")
def test_random_problems(settings: dict[str, str]) -> None:
    counts = Counter(_right_or_refused(of_draw(draw(seed), "pessimistic"), **settings) for seed in range(COUNT))
    assert counts["right"] >= LEAST * (COUNT - counts["refused"]), counts
    assert counts["refused"] < COUNT or settings, "the defaults take some"


@pytest.mark.parametrize("seed", [4, 143, 421, 469, 542, 726, 1140])
def test_few_whole_decisions_are_looked_at_one_by_one(seed: int) -> None:
    """Optima of 0, whose bounds have no relative gap; and ties that break a row at every decision, where no solver proves that."""
    assert _right_or_refused(of_draw(draw(seed), "pessimistic")) == "right"


def test_random_lines() -> None:
    counts = Counter(_right_or_refused(of_draw(draw_line(seed), "pessimistic")) for seed in range(LINES))
    assert counts["right"], counts


@pytest.mark.parametrize("case", SECURE, ids=lambda case: f"{case.entry['name']}-{case.margin}")
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda given: "-".join(given.values()) or "default")
def test_secure_answers_of_the_table(case: Case, settings: dict[str, str]) -> None:
    assert _right_or_refused(case, **settings) == "right"


@cache
def _secure(seed: int) -> Case:
    return of_draw(draw(seed, even=True), "secure")


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda given: "-".join(given.values()) or "default")
def test_secure_answers_of_random_problems(settings: dict[str, str]) -> None:
    """The margins of seeds 6 and 40 need multipliers beyond those of a basis."""
    counts = Counter(_right_or_refused(_secure(seed), **settings) for seed in range(COUNT + 1))
    assert counts["right"] >= LEAST * (COUNT - counts["refused"]), counts


@pytest.mark.parametrize("seed", [1125, 1194, 1484, 1663, 1771])
def test_prices_in_whole_steps_are_moved_apart_within_their_bounds(seed: int) -> None:
    assert _right_or_refused(_secure(seed)) == "right"


def test_secure_answers_of_random_lines() -> None:
    counts = Counter(_right_or_refused(of_draw(draw_line(seed, even=True), "secure")) for seed in range(LINES))
    assert counts["right"] >= LEAST * (LINES - counts["refused"]), counts


def test_what_no_decision_attains_is_told_as_such() -> None:
    """The infimum of `morgan_patrone_2006a` is -1 as x comes to 0 from below; at 0 the worst tie is 1."""
    case = PESSIMISTIC["morgan_patrone_2006a"]
    found = run(case, SECONDS)
    assert found.status in ("not_attained", "certified", "feasible"), found.reason
    assert found.bound == pytest.approx(-1.0, abs=1e-5) and found.objective >= -1.0


def test_a_decision_for_the_best_tie_is_none_for_the_worst() -> None:
    """`price_levels`: 4 at x = 2 with the best tie, 3 at x = 3 with every one."""
    entry = ENTRIES["price_levels"]
    best, worst = (
        bilevel.solve(load(entry), progress=False),
        bilevel.solve(load(entry), ties="pessimistic", progress=False),
    )
    assert (best.objective, best.values["x"]) == pytest.approx((4, 2))
    assert (worst.objective, worst.values["x"]) == pytest.approx((3, 3))
    assert worst.certificate["ties, worst objective"].value == pytest.approx(3)


def test_the_margin_is_kept() -> None:
    """`one_price_of_two_hours`: 10 - 2 m at the price 5 - m."""
    for margin in (0.25, 0.5, 1.0):
        found = bilevel.solve(
            load(ENTRIES["one_price_of_two_hours"]), ties="secure", margin=margin, gap=1e-6, progress=False
        )
        assert found.status == "certified" and found.objective == pytest.approx(10 - 2 * margin, abs=1e-5)
        assert 5 - found.values["p"] >= margin - 1e-6
        ends = (found.certificate["ties, best objective"].value, found.certificate["ties, worst objective"].value)
        assert np.ptp(ends) < 1e-6


@pytest.mark.parametrize("name", ["fruits_issue_82_low_price", "mitsos_barton_2007_32", "no_decision_for_every_tie"])
def test_rows_that_some_tie_breaks_at_every_decision(name: str) -> None:
    found = bilevel.solve(load(ENTRIES[name]), ties="pessimistic", progress=False)
    assert found.status == "infeasible" and found.reason


def two_ways(dear: float, most: float | None) -> pyo.ConcreteModel:
    """The leader prices way 1 beside one at 5 and one at `dear`, and pays 3 or 1 for them; another follower ties always, at 0 or 1.

    Up to x = 4.9 the worst is 3 + 1 - x / 10, 3.51 at x = 4.9.
    """
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(None if most is None else 0, most))
    model.f, model.g = bilevel.Follower(), bilevel.Follower()
    model.f.y = pyo.Var([1, 2, 3], bounds=(0, 1))
    model.f.all = pyo.Constraint(expr=pyo.quicksum(model.f.y.values()) == 1)
    model.f.cost = pyo.Objective(expr=model.x * model.f.y[1] + 5 * model.f.y[2] + dear * model.f.y[3])
    model.g.z = pyo.Var(bounds=(0, 1))
    model.g.cost = pyo.Objective(expr=0 * model.g.z)
    model.bill = pyo.Objective(expr=3 * model.f.y[1] + 4 * model.f.y[2] + model.g.z - model.x / 10)
    return model


@pytest.mark.parametrize("dear", [10.0, 1e5, 1e7])
def test_a_decision_that_has_the_infimum_attains_it(dear: float) -> None:
    """Beside a dear way all other costs are small, and so is what keeps answers from ties."""
    found = bilevel.solve(two_ways(dear, 4.9), ties="pessimistic", progress=False)
    assert (found.status, found.objective, found.bound) == ("certified", pytest.approx(3.51), pytest.approx(3.51))


@pytest.mark.parametrize("dear", [1e2, 1e9, 1e10])
def test_a_dear_way_hides_no_better_decision(dear: float) -> None:
    """Way 1 is left as soon as x is above 5: worst ties come near to 1 + 5 / 10, and at x = 5 the worst is 3 + 5 / 10."""
    model = two_ways(dear, 10.0)
    model.bill.expr = 3 * model.f.y[1] + model.f.y[2] + model.x / 10
    found = bilevel.solve(model, ties="pessimistic", progress=False)
    assert found.status in ("not_attained", "feasible", "unknown") and found.bound <= 1.5 + 1e-6


def test_what_has_no_infimum_is_not_called_one_that_is_not_attained() -> None:
    """-x / 10 has no end where x has none."""
    found = bilevel.solve(two_ways(10.0, None), ties="pessimistic", progress=False)
    assert found.status in ("feasible", "unknown", "unbounded") and not np.isfinite(found.bound)


def test_a_bound_above_a_decision_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of `price_levels` the least worst cost is -3 as it is minimised: a bound that says -2 is none."""
    asked = Hunt._asked

    def far(hunt: Hunt, what: str, *given: object) -> object:
        found = asked(hunt, what, *given)
        return replace(found, bound=2.0) if what == "duplicates" else found

    monkeypatch.setattr(Hunt, "_asked", far)
    found = bilevel.solve(load(ENTRIES["price_levels"]), ties="pessimistic", progress=False)
    assert found.objective == pytest.approx(3) and found.bound >= 3 - 1e-6
    assert any("better than the bound" in step["remark"] for step in found.settings["pessimistic"])


def test_what_has_no_proven_worst_tie_is_refused_by_name() -> None:
    model = load(ENTRIES["two_hours"])
    model.own = pyo.Var(bounds=(0, 1))
    model.twice = pyo.Constraint(expr=model.own * model.p1 <= 1)
    with pytest.raises(bilevel.BilevelError, match="'own'"):
        bilevel.solve(model, ties="pessimistic", progress=False)
    with pytest.raises(bilevel.BilevelError, match="margin"):
        bilevel.solve(load(ENTRIES["price_levels"]), ties="pessimistic", margin=0.1, progress=False)


def test_a_day_of_prices_is_bracketed() -> None:
    """Secure answers come within a thousandth of the optimistic bound, and no tie is worse than what is told."""
    model = formulations.charging_pricing(instances.scale(instances.load("ieee33"), 5), "profit")
    found = bilevel.solve(model, ties="pessimistic", progress=False)
    assert found.status == "certified" and found.gap <= 1e-4 and found.settings["margin"] > 0
    assert found.certificate["ties, worst objective"].value == pytest.approx(found.objective, rel=1e-6)
    assert found.certificate["worst tie"].ok and [step["way"] for step in found.settings["pessimistic"]][:1] == [
        "optimistic"
    ]
