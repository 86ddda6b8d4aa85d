"""The loop of the heuristics, and what every registered heuristic keeps to."""

from __future__ import annotations

import itertools
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bilevel import heuristics
from bilevel.errors import BilevelError, UnknownNameError
from bilevel.heuristics import HEURISTICS, minimize

METHODS = tuple(HEURISTICS)
every_method = pytest.mark.parametrize("method", METHODS)
OPTIMUM = np.array([0.31, 0.77, 0.58])


def bowl(x: np.ndarray) -> np.ndarray:
    return ((x - OPTIMUM) ** 2).sum(axis=1)


class Watched:
    """A fitness that keeps what it was asked."""

    def __init__(self, fitness: Any = bowl) -> None:
        self.fitness, self.batches = fitness, []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.batches.append(x.copy())
        return self.fitness(x)

    @property
    def seen(self) -> np.ndarray:
        return np.concatenate(self.batches)


def same(one: heuristics.HeuristicRun, other: heuristics.HeuristicRun) -> bool:
    """Bit for bit, apart from the seconds."""
    return (
        one.best_genes.tobytes() == other.best_genes.tobytes()
        and one.best_value == other.best_value
        and one.evaluations == other.evaluations
        and one.history.best.tobytes() == other.history.best.tobytes()
        and one.history.evaluations.tobytes() == other.history.evaluations.tobytes()
    )


def test_every_file_of_a_heuristic_is_registered() -> None:
    files = {file.stem for file in Path(heuristics.__file__).parent.glob("*.py")}
    assert files - {"__init__", "base", "population"} == set(METHODS) == {"ga", "pso", "gmo", "gwca", "woa"}


@every_method
def test_a_seed_gives_one_run(method: str) -> None:
    runs = [minimize(bowl, 3, method, budget=400, population=20, seed=s) for s in (5, 5, 6)]
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


def test_every_method_starts_from_the_same_uniform_population() -> None:
    firsts = []
    for method in METHODS:
        watched = Watched()
        minimize(watched, 3, method, budget=2000, population=1000, seed=3)
        firsts.append(watched.batches[0])
    assert all(np.array_equal(firsts[0], first) for first in firsts)
    # Uniform on [0, 1]: mean 1/2, variance 1/12 a gene, five standard errors of 1000 draws
    assert np.abs(firsts[0].mean(axis=0) - 0.5).max() < 5 * math.sqrt(1 / 12 / 1000)
    assert np.abs(firsts[0].var(axis=0) - 1 / 12).max() < 5 * math.sqrt(1 / 180 / 1000)


@every_method
@pytest.mark.parametrize("budget", [7, 8, 13, 14, 15, 100])
def test_exactly_the_budget_is_evaluated(method: str, budget: int) -> None:
    watched = Watched(lambda x: x.sum(axis=1))
    run = minimize(watched, 2, method, budget=budget, population=7)
    assert run.evaluations == len(watched.seen) == budget == run.history.evaluations[-1]
    assert [len(batch) for batch in watched.batches[:-1]] == [7] * (math.ceil(budget / 7) - 1)


@every_method
def test_candidates_stay_in_the_box_and_the_best_is_theirs(method: str) -> None:
    watched = Watched(lambda x: (10 * (x - 1.2) ** 2).sum(axis=1))
    run = minimize(watched, 6, method, budget=900)
    assert watched.seen.min() >= 0 and watched.seen.max() <= 1
    values = watched.fitness(watched.seen)
    assert run.best_value == values.min()
    assert np.array_equal(run.best_genes, watched.seen[values.argmin()])


@every_method
def test_the_history_falls_to_the_best(method: str) -> None:
    watched, told = Watched(), []
    run = minimize(watched, 3, method, budget=500, progress=lambda count, best: told.append((count, best)))
    assert (np.diff(run.history.best) <= 0).all() and run.history.best[-1] == run.best_value
    assert run.history.evaluations.tolist() == np.cumsum([len(batch) for batch in watched.batches]).tolist()
    frame = run.to_frame()
    assert list(frame.columns) == ["evaluations", "best"] and list(frame.itertuples(index=False, name=None)) == told
    pd.testing.assert_series_equal(frame["best"], frame["best"].cummin())


@every_method
def test_a_run_says_what_it_was_made_with_and_travels(method: str) -> None:
    run = minimize(bowl, 3, method, budget=90, seed=np.int64(4))
    assert (run.method, run.seed, run.budget, run.population) == (method, 4, 90, 30)
    assert run.options == {name: option.default for name, option in HEURISTICS[method].OPTIONS.items()}
    assert run.seconds > 0 and same(run, pickle.loads(pickle.dumps(run)))


@every_method
def test_nan_is_no_fitness(method: str) -> None:
    def broken(x: np.ndarray, none: float) -> np.ndarray:
        return np.where(x[:, 0] > 0.4, none, bowl(x))

    runs = [minimize(lambda x, n=none: broken(x, n), 3, method, budget=600, seed=2) for none in (math.nan, math.inf)]
    assert same(*runs)
    assert runs[0].best_genes[0] <= 0.4 and runs[0].best_value < 0.02


@every_method
def test_without_any_fitness_there_is_no_answer_but_an_end(method: str) -> None:
    watched = Watched(lambda x: np.full(len(x), np.nan))
    run = minimize(watched, 3, method, budget=300)
    assert run.best_value == math.inf and run.evaluations == 300
    assert np.array_equal(run.best_genes, watched.seen[0]) and np.isfinite(watched.seen).all()


@every_method
@pytest.mark.parametrize(
    "fitness",
    [
        lambda x: np.zeros(len(x)),
        lambda x: np.where(x[:, 0] > 0.02, np.inf, x[:, 1]),
        lambda x: np.where(x[:, 0] > 0.1, 1e300, x[:, 1]),
        lambda x: -1e300 * x[:, 0],
        lambda x: np.floor(3 * x[:, 0]),
    ],
    ids=["flat", "rarely finite", "huge penalty", "hugely negative", "steps"],
)
def test_hard_fitness_leaves_numbers(method: str, fitness: Any) -> None:
    watched = Watched(fitness)
    run = minimize(watched, 3, method, budget=600, seed=1)
    assert np.isfinite(watched.seen).all() and run.best_value == fitness(watched.seen).min()


@every_method
def test_one_gene_is_enough(method: str) -> None:
    assert minimize(lambda x: abs(x[:, 0] - 0.3), 1, method, budget=600).best_value < 1e-3


@every_method
def test_the_unit_of_fitness_does_not_matter(method: str) -> None:
    """Powers of two scale without rounding, so the runs agree bit for bit."""
    runs = [minimize(lambda x, unit=unit: unit * bowl(x), 3, method, budget=600) for unit in (1.0, 2.0**20, 2.0**-20)]
    for run, unit in zip(runs[1:], (2.0**20, 2.0**-20), strict=True):
        assert np.array_equal(run.best_genes, runs[0].best_genes) and run.best_value == unit * runs[0].best_value


@every_method
def test_stop_is_asked_between_batches(method: str) -> None:
    asked = itertools.count()
    run = minimize(bowl, 3, method, budget=900, stop=lambda: next(asked) == 2)
    assert run.evaluations == 90 and len(run.history.best) == 3
    assert minimize(bowl, 3, method, budget=900, stop=lambda: True).evaluations == 30
    assert minimize(bowl, 3, method, budget=900, stop=lambda: False).evaluations == 900


@every_method
def test_evaluate_may_write_into_its_positions(method: str) -> None:
    def careless(x: np.ndarray) -> np.ndarray:
        values = bowl(x)
        x[:] = np.nan
        return values

    assert same(minimize(careless, 3, method, budget=300), minimize(bowl, 3, method, budget=300))


@every_method
def test_every_option_is_used_within_its_range_and_refused_outside(method: str) -> None:
    usual = minimize(bowl, 3, method, budget=300)
    for name, option in HEURISTICS[method].OPTIONS.items():
        assert option.lowest <= option.default <= option.highest
        for value in (option.lowest, option.highest):
            run = minimize(bowl, 3, method, budget=300, **{name: value})
            assert run.options[name] == value and (value == option.default or not same(run, usual)), name
        for value in (np.nextafter(option.lowest, -np.inf), np.nextafter(option.highest, np.inf), math.nan, True, "1"):
            with pytest.raises(
                BilevelError, match=f"option '{name}' of heuristic '{method}' is .*: give a .*number from"
            ):
                minimize(bowl, 3, method, budget=300, **{name: value})


def test_options_that_count_take_whole_numbers_only() -> None:
    with pytest.raises(BilevelError, match=r"is 2\.5: give a whole number from 1 to 100"):
        minimize(bowl, 3, "ga", tournament=2.5)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    assert heuristics.find("woa").name == "woa"
    with pytest.raises(UnknownNameError, match=r"unknown heuristic 'gwa': did you mean 'gwca'\? known are ga, gmo"):
        heuristics.find("gwa")
    with pytest.raises(UnknownNameError, match="unknown heuristic 'annealing': known are"):
        minimize(bowl, 3, "annealing")
    with pytest.raises(UnknownNameError, match=r"unknown pso option 'inertias': did you mean 'inertia'\?"):
        minimize(bowl, 3, "pso", inertias=0.5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"genes": 0}, "genes is 0: give a whole number that is at least 1"),
        ({"genes": 2.0}, "genes is 2.0: give"),
        ({"population": 3}, "population is 3: give a whole number that is at least 4"),
        ({"population": True}, "population is True: give"),
        ({"budget": 29}, "budget is 29: give a whole number that is at least 30"),
        ({"budget": 3e3}, "budget is 3000.0: give"),
        ({"seed": -1}, "seed is -1: give a whole number that is at least 0"),
        ({"seed": None}, "seed is None: give"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_evaluation(arguments: dict[str, Any], sentence: str) -> None:
    watched = Watched()
    with pytest.raises(BilevelError, match=sentence):
        minimize(watched, **{"genes": 3, **arguments})
    assert watched.batches == []


@pytest.mark.parametrize(
    ("fitness", "sentence"),
    [
        (lambda x: x, r"evaluate gave shape \(30, 3\) for 30 candidates: give one fitness each, shape \(30,\)"),
        (lambda x: 1.0, r"evaluate gave shape \(\) for 30"),
        (lambda x: bowl(x)[1:], r"evaluate gave shape \(29,\) for 30"),
        (lambda x: None, r"evaluate gave shape \(\) for 30"),
        (lambda x: ["much"] * 30, "evaluate gave what is no array of numbers"),
        (
            lambda x: np.where(np.arange(30) == 6, -np.inf, 0),
            "evaluate gave -inf for candidate 7: give a finite fitness",
        ),
    ],
)
def test_what_is_no_fitness_is_refused(fitness: Any, sentence: str) -> None:
    with pytest.raises(BilevelError, match=sentence):
        minimize(fitness, 3)
