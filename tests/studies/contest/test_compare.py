"""The comparison of exact answers and heuristics: arithmetic by hand, contradictions, infeasible runs, the journal, figures."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import tiny_case

import bilevel
import formulations
import instances
from bilevel.errors import BilevelError
from bilevel.reformulate.ties import PLAIN, Ties
from formulations.carbon.system import CarbonSystem
from instances import Instance
from studies import contest
from studies.carbon import solve as carbon_solve
from studies.contest import Comparison, ExactAnswer, Quantity, Run, Settings, cells, results
from studies.contest import figures as contest_figures
from studies.contest.problems.pricing import PricingProblem
from studies.contest.store import FILE
from studies.writing import latex, style

ANSWER = ExactAnswer(10.0, 9.5, "certified", "every check passes", 4.0, {"weight_kg": 3.0}, 10.5, 2.0)


@dataclass(frozen=True)
class Bowl:
    """Height 10 + 4 sum (g - 1/2)^2 over two genes, minimised or, upside down, maximised; left of `wall` there is a penalty."""

    wall: float = 0.0
    sense: int = 1
    answer: ExactAnswer = ANSWER
    calls: list[str] = field(default_factory=list)
    case: Instance = field(default_factory=tiny_case)
    ties: Ties = PLAIN

    name = "bowl"
    objective = "height"
    unit = "m"
    scale_words = "the exact objective"
    solver = "highs"
    gap = 0.1
    note = "A bowl has no ties."
    quantities = (Quantity("weight_kg", "weight", "kg", 1),)
    genes = 2

    def candidates(self) -> Bowl:
        return self

    def evaluate(self, genes: Any) -> Any:
        self.calls.append("evaluate")
        height = self.sense * (10.0 + 4.0 * ((np.asarray(genes) - 0.5) ** 2).sum(axis=1))
        penalty = np.where(genes[:, 0] < self.wall, 1000.0 * (self.wall - genes[:, 0]), 0.0)
        return SimpleNamespace(
            fitness=self.sense * height + penalty, penalty=penalty, height=height, weight=genes[:, 1]
        )

    def achieved(self, found: Any) -> Any:
        return found.height

    def details(self, found: Any) -> Mapping[str, float]:
        return {"weight_kg": float(found.weight[0])}

    def exact(self, gap: float, time_limit: float | None, progress: bool) -> ExactAnswer:
        self.calls.append("exact")
        return self.answer

    def scale(self, reference: float) -> float:
        return abs(reference)


def a_run(method: str, seed: int, *bests: float, cpu: float = 1.0) -> Run:
    """A made-up run of ten evaluations a step; NaN for a step without a feasible candidate."""
    feasible = math.isfinite(bests[-1])
    details = {"weight_kg": 100.0 + seed} if feasible else {}
    counts = tuple(range(10, 10 * len(bests) + 1, 10))
    return Run(method, seed, bests[-1], 0.0 if feasible else 7.0, counts[-1], 5.0, cpu, details, counts, bests)


def compared(*runs: Run, problem: Bowl | None = None, **settings: Any) -> Comparison:
    problem = Bowl() if problem is None else problem
    methods = tuple(dict.fromkeys(run.method for run in runs))
    count = max((sum(run.method == method for run in runs) for method in methods), default=1)
    asked = Settings(("exact", *methods), count, 20, 10, **settings)
    return Comparison(problem, asked, problem.answer, runs, len(runs))


def row(found: Comparison, method: str) -> dict[str, Any]:
    (values,) = found.table().query("method == @method").to_dict("records")
    return {str(name): value for name, value in values.items()}


def test_the_table_by_hand() -> None:
    ga = [a_run("ga", 0, 14.0, 13.0), a_run("ga", 1, 12.0, 11.0, cpu=2.0), a_run("ga", 2, 16.0, 15.0, cpu=6.0)]
    found = compared(*ga, a_run("pso", 0, 20.0))
    assert list(found.table()["method"]) == ["exact", "ga", "pso"]
    mine = row(found, "ga")
    assert (mine["runs"], mine["infeasible"], mine["best"], mine["mean"], mine["worst"]) == (3, 0, 11.0, 13.0, 15.0)
    assert mine["std"] == pytest.approx(2.0)  # sqrt((2^2 + 0 + 2^2) / 2)
    assert (mine["cpu_seconds"], mine["seconds"], mine["time_ratio"], mine["evaluations"]) == (3.0, 5.0, 1.5, 20.0)
    assert mine["gap_to_bound"] == pytest.approx((11.0 - 9.5) / 10.0)
    assert mine["gap_to_exact"] == pytest.approx((11.0 - 10.0) / 10.0)
    assert mine["weight_kg"] == 101.0  # of the best run, the one with seed 1
    own = row(found, "exact")
    assert (own["runs"], own["best"], own["worst"], own["time_ratio"], own["weight_kg"]) == (1, 10.0, 10.0, 1.0, 3.0)
    assert own["gap_to_bound"] == pytest.approx(0.05)
    assert (own["best_by_rule"], mine["best_by_rule"]) == (10.5, 11.0)
    assert math.isnan(own["std"])
    assert math.isnan(row(found, "pso")["std"])


def test_a_large_objective_may_be_the_good_one() -> None:
    answer = replace(ANSWER, objective=20.0, bound=21.0)
    found = compared(a_run("ga", 0, 15.0), a_run("ga", 1, 18.0), problem=Bowl(sense=-1, answer=answer))
    mine = row(found, "ga")
    assert (mine["best"], mine["worst"]) == (18.0, 15.0)
    assert mine["gap_to_bound"] == pytest.approx((21.0 - 18.0) / 20.0)
    assert not found.verdict().contradiction
    better = compared(a_run("ga", 0, 21.5), problem=Bowl(sense=-1, answer=answer))
    assert better.verdict().contradiction


def test_infeasible_runs_are_counted_and_are_in_no_statistic() -> None:
    found = compared(
        a_run("ga", 0, 12.0), a_run("ga", 1, math.nan), a_run("pso", 0, math.nan), a_run("pso", 1, math.nan)
    )
    mine, other = row(found, "ga"), row(found, "pso")
    assert (mine["runs"], mine["infeasible"], mine["best"], mine["worst"]) == (2, 1, 12.0, 12.0)
    assert (other["runs"], other["infeasible"]) == (2, 2)
    for name in ("best", "mean", "worst", "gap_to_bound", "weight_kg"):
        assert math.isnan(other[name])
    written = pd.read_csv(io.StringIO(str(results.contents(found, {})["runs.csv"])))
    assert list(written["feasible"]) == [True, False, False, False]
    assert written["objective"].isna().sum() == 3
    assert [column.texts[2] for column in cells.statistics(found)[:3]] == ["PSO", "0/2", "--"]


def test_quartiles_by_hand_and_runs_without_a_point_are_the_worst() -> None:
    """At 10 evaluations 1, 2, 3, 5; at 20 the last two runs have no feasible candidate."""
    runs = [a_run("ga", k, first, last) for k, (first, last) in enumerate([(1.0, 1.0), (2.0, 2.0)])]
    runs += [a_run("ga", 2, 3.0, math.nan), a_run("ga", 3, 5.0, math.nan)]
    table = compared(*runs).convergence()
    assert list(table["evaluations"]) == [10, 20]
    first, second = table.to_dict("records")
    assert (first["lower_quartile"], first["median"], first["upper_quartile"]) == (1.75, 2.5, 3.5)
    assert (first["feasible"], first["runs"], second["feasible"]) == (4, 4, 2)
    assert second["lower_quartile"] == 1.75
    assert math.isnan(second["median"])
    assert math.isnan(second["upper_quartile"])


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=8))
def test_quartiles_are_those_of_numpy_where_all_runs_are_feasible(bests: list[list[float]]) -> None:
    table = compared(*(a_run("ga", k, *values) for k, values in enumerate(bests))).convergence()
    for name, share in (("lower_quartile", 0.25), ("median", 0.5), ("upper_quartile", 0.75)):
        expected = np.quantile(np.array(bests), share, axis=0)
        assert table[name].to_numpy() == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_a_run_in_front_of_the_bound_is_caught() -> None:
    better = compared(a_run("ga", 0, 12.0), a_run("pso", 4, 9.4))
    said = better.verdict()
    assert said.contradiction
    for words in ("pso", "seed 4", "9.4", "9.5 m", "report it"):
        assert words in said.sentence
    within = compared(a_run("pso", 0, 9.5 - 0.9e-4 * 10.0))  # what tolerances may hide
    assert not within.verdict().contradiction
    assert not compared(a_run("pso", 0, 9.7)).verdict().contradiction  # below the exact point, above its bound


def test_a_feasible_run_of_what_is_claimed_infeasible_is_caught() -> None:
    problem = Bowl(answer=ExactAnswer(math.nan, math.nan, "infeasible", "no decision", 1.0, {}))
    assert compared(a_run("ga", 0, 12.0), problem=problem).verdict().contradiction
    agreed = compared(a_run("ga", 0, math.nan), problem=problem)
    assert not agreed.verdict().contradiction
    assert "no decision is feasible" in agreed.verdict().sentence
    assert row(agreed, "exact")["infeasible"] == 1
    assert cells.statistics(agreed)[1].texts == ("0/1", "0/1")


def test_without_a_bound_nothing_is_proven() -> None:
    problem = Bowl(answer=ExactAnswer(math.nan, math.nan, "unknown", "time limit reached", 1.0, {}))
    found = compared(a_run("ga", 0, 12.0), problem=problem)
    assert found.verdict().sentence.startswith("nothing is proven, because exact has no bound (unknown")
    assert math.isnan(row(found, "ga")["gap_to_bound"])
    assert cells.statistics(found)[1].texts == ("0/1", "1/1")
    alone = replace(found, exact=None, settings=Settings(("ga",), 1, 20, 10))
    assert "not among the methods" in alone.verdict().sentence
    assert math.isnan(row(alone, "ga")["time_ratio"])
    bounded = Bowl(answer=replace(problem.answer, bound=9.0))
    assert compared(a_run("ga", 0, 8.0), problem=bounded).verdict().contradiction
    assert row(compared(a_run("ga", 0, 12.0), problem=bounded), "ga")["gap_to_bound"] == pytest.approx(3.0 / 9.0)


SECURE = replace(ANSWER, optimistic_bound=7.0, optimistic_status="certified")
"""Of secure ties: 10, bound 9.5; whatever users do, nothing is better than 7."""


def test_only_the_optimistic_bound_holds_for_runs() -> None:
    """A run at 8 beats the secure bound 9.5 by 15 % of 10, as its users choose by a rule; one at 6.9 beats what holds for all."""
    problem = Bowl(answer=SECURE, ties=Ties("secure", 0.1))
    found = compared(a_run("ga", 0, 8.0), problem=problem)
    said = found.verdict()
    assert not said.contradiction
    for words in (
        "nothing is better than 7 m whatever",
        "9.5 with secure ties",
        "15 % of the exact objective in front",
    ):
        assert words in said.sentence
    mine, own = row(found, "ga"), row(found, "exact")
    assert (mine["gap_to_bound"], mine["gap_to_exact"]) == pytest.approx((-0.15, -0.2))
    assert (mine["gap_to_optimistic_bound"], own["gap_to_optimistic_bound"]) == pytest.approx((0.1, 0.3))
    assert (mine["ties"], own["ties"]) == ("by rule", "secure")
    assert "gap_to_optimistic_bound" not in compared(a_run("ga", 0, 12.0)).table()
    behind = compared(a_run("ga", 0, 12.0), problem=problem).verdict().sentence
    assert "25 % of the exact objective behind the latter" in behind
    # Within 1e-4 of the optimistic bound itself, which is less than 1e-4 of the secure objective
    assert not compared(a_run("ga", 0, 7.0 - 0.9e-4 * 7.0), problem=problem).verdict().contradiction
    for better in (7.0 - 1.1e-4 * 7.0, 6.9):
        assert compared(a_run("ga", 0, better), problem=problem).verdict().contradiction


def test_no_secure_decision_says_nothing_of_runs() -> None:
    none = replace(SECURE, objective=math.nan, bound=math.nan, status="infeasible", reason="nobody is clear")
    problem = Bowl(answer=none, ties=Ties("secure", 0.1))
    said = compared(a_run("ga", 0, 8.0), problem=problem).verdict()
    assert not said.contradiction
    assert "no decision is feasible with secure ties" in said.sentence
    assert compared(a_run("ga", 0, 6.0), problem=problem).verdict().contradiction
    nothing = Bowl(answer=replace(none, optimistic_bound=math.nan, optimistic_status="infeasible"), ties=problem.ties)
    assert compared(a_run("ga", 0, 8.0), problem=nothing).verdict().contradiction


def test_without_an_optimistic_bound_nothing_is_proven_of_runs() -> None:
    unknown = replace(SECURE, optimistic_bound=math.nan, optimistic_status="unknown")
    said = compared(a_run("ga", 0, 1.0), problem=Bowl(answer=unknown, ties=Ties("secure"))).verdict()
    assert not said.contradiction
    assert said.sentence.startswith("nothing is proven of the runs, because there is no optimistic bound (unknown)")


def test_table_file_and_figure_name_the_convention() -> None:
    runs = [a_run("ga", 0, 13.0, 12.0), a_run("ga", 1, 12.0, 11.0)]
    found = compared(*runs, problem=Bowl(answer=SECURE, ties=Ties("secure", 0.1)))
    assert cells.statistics(found)[0].texts == ("exact, secure", "GA")
    files = results.contents(found, {})
    data = json.loads(str(files["compare.json"]))
    assert (data["problem"]["ties"], data["problem"]["margin"]) == ("secure", 0.1)
    assert (data["exact"]["optimistic_bound"], data["exact"]["optimistic_status"]) == (7.0, "certified")
    assert "bound of secure ties (the optimistic bound, which holds for runs too, is 7 m)" in str(files["compare.tex"])
    texts = [text.get_text() for text in contest_figures.boxes(found).legends[0].get_texts()]
    assert texts[:3] == ["exact optimum (secure)", "exact: proven bound (secure)", "exact: optimistic bound"]
    plain = compared(*runs)
    assert cells.statistics(plain)[0].texts == ("exact", "GA")
    assert json.loads(str(results.contents(plain, {})["compare.json"]))["problem"]["ties"] == "optimistic"


def test_an_interrupted_optimistic_search_is_told_and_stops_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def solve(_model: Any, *_: Any, ties: str = "optimistic", **__: Any) -> Any:
        asked.append(ties)
        reason = "time limit (interrupted by Ctrl-C)" if ties == stopped else "no point yet"
        return SimpleNamespace(status="unknown", reason=reason, bound=3.0, seconds={"solve": 1.0})

    monkeypatch.setattr(bilevel, "solve", solve)
    for stopped, searches in (("secure", ["secure"]), ("optimistic", ["secure", "optimistic"])):
        asked.clear()
        answer = contest.pick(tiny_case(), ties="secure").exact(1e-4, 10.0, False)
        assert answer.interrupted
        assert asked == searches
        assert (answer.optimistic_status, answer.seconds) == ("unknown", float(len(searches)))
        assert math.isnan(answer.for_runs[0]) == (stopped == "secure")


def test_a_search_reports_the_best_candidate_without_penalty() -> None:
    """The bowl's bottom is behind the wall: the best candidate that breaks nothing is on its right."""
    problem = Bowl(wall=0.8)
    run = contest.search(problem, "pso", 1, 600, 20)
    assert run.feasible
    assert run.penalty == 0.0
    assert run.objective == pytest.approx(10.0 + 4.0 * 0.3**2, abs=0.02)
    assert run.objective >= 10.0 + 4.0 * 0.3**2
    assert run.details["weight_kg"] == pytest.approx(0.5, abs=0.1)
    assert run.counts == tuple(range(20, 601, 20))
    assert (np.diff(np.array(run.bests)) <= 0).all()
    assert run.bests[-1] == run.objective
    again = contest.search(problem, "pso", 1, 600, 20)
    assert replace(again, seconds=run.seconds, cpu_seconds=run.cpu_seconds) == run


def test_a_search_that_always_breaks_a_limit_is_infeasible() -> None:
    run = contest.search(Bowl(wall=2.0), "ga", 0, 60, 20)
    assert not run.feasible
    assert run.penalty > 0
    assert not run.details
    assert np.isnan(run.bests).all()


def test_a_comparison_makes_no_run_twice(tmp_path: Path) -> None:
    asked = Settings(("exact", "ga", "pso"), 2, 40, 10)
    first = Bowl(wall=0.2)
    found = contest.compare(first, asked, store=tmp_path)
    assert (found.new, found.complete, first.calls.count("exact")) == (4, True, 1)
    again = Bowl(wall=0.2)
    same = contest.compare(again, asked, store=tmp_path)
    assert (same.new, again.calls) == (0, [])
    assert same.runs == found.runs
    assert same.exact == found.exact
    pd.testing.assert_frame_equal(same.table(), found.table())
    more = contest.compare(again, replace(asked, runs=3, methods=("exact", "ga", "pso", "gmo")), store=tmp_path)
    assert more.new == 5  # a third run of each, and two of the new method
    assert "exact" not in again.calls
    lines = (tmp_path / FILE).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 1 + 9


def test_a_line_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    asked = Settings(("ga",), 3, 40, 10)
    found = contest.compare(Bowl(), asked, store=tmp_path)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-9])
    again = contest.compare(Bowl(), asked, store=tmp_path)
    assert again.new == 1
    assert [run.objective for run in again.runs] == [run.objective for run in found.runs]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4


def test_a_store_of_other_runs_is_refused_by_name(tmp_path: Path) -> None:
    asked = Settings(("ga",), 1, 40, 10)
    contest.compare(Bowl(), asked, store=tmp_path)
    with pytest.raises(BilevelError, match="budget is 40 there and 50 here"):
        contest.compare(Bowl(), replace(asked, budget=50), store=tmp_path)
    other = replace(tiny_case(), load_factor=(1.0, 0.9, 0.8))
    with pytest.raises(BilevelError, match="hash of case is "):
        contest.compare(Bowl(case=other), asked, store=tmp_path)
    (tmp_path / FILE).write_text("years of work\n", encoding="utf-8")
    with pytest.raises(BilevelError, match="is no file of runs"):
        contest.compare(Bowl(), asked, store=tmp_path)


def test_an_interrupted_exact_search_is_told_and_not_kept(tmp_path: Path) -> None:
    stopped = replace(ANSWER, status="feasible", reason="check 'global gap' fails (interrupted by Ctrl-C)")
    found = contest.compare(Bowl(answer=stopped), Settings(("exact", "ga"), 2, 40, 10), store=tmp_path)
    assert found.exact is not None
    assert (found.complete, found.runs, found.exact) == (
        False,
        (),
        replace(stopped, cpu_seconds=found.exact.cpu_seconds),
    )
    assert row(found, "ga")["runs"] == 0
    assert len(results.contents(found, {})) == 5
    assert len((tmp_path / FILE).read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"methods": ("exact", "psoo")}, "did you mean 'pso'"),
        ({"methods": ("ga", "ga")}, "twice"),
        ({"methods": ()}, "at least one of exact"),
        ({"budget": 20}, "budget is 20: give a whole number that is at least that of the population, 30"),
        ({"population": 3}, "population is 3"),
        ({"runs": 0}, "runs is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"gap": 0.0}, "gap is 0.0"),
        ({"time_limit": math.nan}, "time_limit is nan"),
    ],
    ids=str,
)
def test_settings_are_checked(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BilevelError, match=words):
        Settings(**given)


def test_the_pricing_problem_is_that_of_the_model() -> None:
    """What its exact answer says of loss, profit and bills is its objective; its heuristics have the same objective."""
    case = instances.scale(instances.load("ieee33"), 3)
    problem = contest.pick(case, objective="loss=2,profit=1")
    assert (problem.objective, problem.unit, problem.sense) == ("2 loss - profit", "kWh, EUR", 1)
    answer = problem.exact(1e-4, 60.0, False)
    assert answer.status == "certified"
    details = answer.details
    assert answer.objective == pytest.approx(2 * details["network_loss_kwh"] - details["station_profit"])
    run = contest.search(problem, "pso", 0, 90, 30)
    assert run.objective == pytest.approx(2 * run.details["network_loss_kwh"] - run.details["station_profit"])
    assert run.objective > answer.bound
    lone = contest.pick(case, "pricing", "profit")
    assert (lone.objective, lone.unit, lone.sense) == ("station profit", "EUR", -1)
    assert contest.pick(case).objective == "network loss"


def test_exact_prices_are_worth_what_the_rule_of_the_heuristics_makes_of_them() -> None:
    """Prices that differ by what a solver leaves are equal: users take the hours of least load, not those of least noise."""
    case = tiny_case()
    problem = PricingProblem.of(case, "loss=1,profit=1")
    model = formulations.charging_pricing(case)
    noise = np.random.default_rng(0).uniform(-1e-9, 1e-9, 6)
    for price, extra in zip(model.price.values(), noise, strict=True):
        price.set_value(0.3 + extra)
    flat = problem.candidates().evaluate(np.full((1, 6), (0.3 - 0.1) / (0.5 - 0.1)))
    assert problem._by_rule(model) == pytest.approx(flat.objective[0], rel=1e-6)
    noisy = problem.candidates().evaluate(((0.2 + noise) / 0.4)[np.newaxis])
    assert noisy.objective[0] != pytest.approx(flat.objective[0], rel=1e-4)
    answer = problem.exact(1e-4, 60.0, False)
    assert answer.by_rule >= answer.bound - 1e-6 * abs(answer.bound)


def test_the_carbon_problem_is_that_of_the_dispatch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its heuristics are of the case with carbon rules; gaps are relative to the day without optimisation, whatever the optimum."""
    case = instances.load("ieee33_carbon")
    problem = contest.pick(case)
    assert (problem.name, problem.unit, problem.sense) == ("carbon", "kW²", 1)
    baseline = float(CarbonSystem(case).baseline().state.variance_kw2)
    assert problem.scale(0.0) == baseline
    run = contest.search(problem, "gmo", 0, 120, 30)
    assert run.feasible
    assert 0 < run.objective < baseline
    assert run.details["fitness"] == pytest.approx(run.objective / baseline)
    assert run.details["bill"] == pytest.approx(run.details["electricity_cost"] + run.details["carbon_cost"])
    genes = np.linspace(0.2, 0.6, problem.candidates().genes)
    outputs = problem.candidates().outputs(genes)
    day = SimpleNamespace(status="feasible", reason="time", variance_kw2=5.0, variance_bound_kw2=2.0, fitness=0.5, bill=3.0,
                          electricity_cost=2.0, carbon_cost=1.0, loss_kwh=7.0, output_kw=outputs,
                          seconds={"search": 1.0, "solve": 3.0})  # fmt: skip
    monkeypatch.setattr(carbon_solve, "exact", lambda *_, **__: day)
    answer = problem.exact(1e-3, 10.0, False)
    assert (answer.objective, answer.bound, answer.status, answer.seconds) == (5.0, 2.0, "feasible", 4.0)
    assert answer.by_rule == pytest.approx(problem.candidates().evaluate(genes[np.newaxis]).variance_kw2[0])
    assert set(answer.details) == {quantity.column for quantity in problem.quantities} == set(run.details)
    day.status = "rejected"
    assert math.isnan(problem.exact(1e-3, 10.0, False).objective)


def test_problems_are_refused_by_name() -> None:
    with pytest.raises(BilevelError, match="did you mean 'pricing'"):
        contest.pick(tiny_case(), "pricin")
    with pytest.raises(BilevelError, match="unknown objective 'lose'"):
        contest.pick(tiny_case(), objective="lose")
    with pytest.raises(BilevelError, match="leave --objective out"):
        contest.pick(instances.load("ieee33_carbon"), objective="loss")
    with pytest.raises(BilevelError, match="carbon"):
        contest.pick(tiny_case(), "carbon")
    with pytest.raises(
        BilevelError, match=r"'carbon' has optimistic answers only, and ties 'secure' .* leave --ties out"
    ):
        contest.pick(instances.load("ieee33_carbon"), ties="secure")
    with pytest.raises(BilevelError, match="did you mean 'secure'"):
        contest.pick(tiny_case(), ties="secur")
    with pytest.raises(BilevelError, match="exact is not among the methods"):
        contest.compare(contest.pick(tiny_case(), ties="pessimistic"), Settings(("ga",), 1, 40, 10))
    with pytest.raises(BilevelError, match="generator"):
        contest.pick(instances.load("ieee33_aggregator"), "pricing")


def test_the_files_agree_and_every_number_is_said_once() -> None:
    found = compared(a_run("ga", 0, 13.0, 12.0), a_run("ga", 1, 12.0, 11.0), a_run("pso", 0, 14.0, math.nan))
    files = results.contents(found, {"seed": 4})
    assert set(files) == set(results.FILES)
    data = json.loads(str(files["compare.json"]))
    assert (data["case"], data["seed"], data["settings"]["budget"], data["complete"]) == ("tiny", 4, 20, False)
    assert data["exact"]["bound"] == 9.5
    assert {"bilevel-grid", "numpy", "highs"} <= set(data["versions"])
    table = pd.read_csv(io.StringIO(str(files["compare.csv"])))
    assert [entry["best"] for entry in data["table"]] == [10.0, 11.0, None]
    assert table["best"].tolist()[:2] == [10.0, 11.0]
    tex = str(files["compare.tex"])
    rows = [line for line in tex.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in rows} == {9}
    assert r"\toprule" in tex
    assert "GA & 2/2 & 11.00000 & 11.50000 & 12.00000" in tex


@pytest.mark.parametrize("objective", [10.0, 0.0, -3.0])
@pytest.mark.parametrize("spread", [1.0, 1000.0])
def test_figures_are_drawn_with_the_exact_answer_in_sight(objective: float, spread: float) -> None:
    problem = Bowl(answer=replace(ANSWER, objective=objective, bound=objective))
    runs = [a_run(method, k, 12.0 * spread, 11.0 + k) for method in ("ga", "pso", "gmo") for k in range(3)]
    found = compared(*runs, a_run("woa", 0, math.nan), problem=problem)
    for draw in (contest_figures.convergence, contest_figures.boxes):
        figure = draw(found)
        (ax,) = figure.axes
        low, high = ax.get_ylim()
        if ax.get_yscale() == "linear" or objective > 0:
            assert low <= objective <= high
        else:
            assert any("below the axis" in text.get_text() for text in figure.legends[0].get_texts())
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert any(text.startswith("exact optimum") for text in texts)
        assert ax.get_ylabel() == "height in m"
        pixels = matplotlib.image.imread(io.BytesIO(style.render(figure, "png")))[..., :3]
        assert 0.01 < float((pixels.min(axis=2) < 0.85).mean()) < 0.5
    assert contest_figures.convergence(found).axes[0].get_yscale() == ("log" if spread > 1 else "linear")


def test_only_an_exact_answer_has_no_figure() -> None:
    alone = Comparison(Bowl(), Settings(("exact",), 1, 20, 10), ANSWER, (), 0)
    assert alone.complete
    assert {name for name in results.contents(alone, {}) if name.endswith(".png")} == set()
    assert len(alone.convergence()) == 0


def test_numbers_for_people() -> None:
    assert [latex.digits(value, 3) for value in (0.0, 2e-21, 0.0123456, 12.3456, 1234.5, math.nan)] == [
        "0", "0", "0.0123", "12.3", "1234", "--",
    ]  # fmt: skip
    wide = compared(a_run("ga", 0, 12345.678), a_run("pso", 0, 11.0))
    assert cells.statistics(wide)[2].texts == ("10.00", "12346", "11.00")
    near = compared(a_run("ga", 0, 123.45678), a_run("pso", 0, 11.0))
    assert cells.statistics(near)[2].texts == ("10.0000", "123.4568", "11.0000")
