"""The one loop of all heuristics: first population, counting, best so far, history, stop."""

import math
import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bilevel.errors import BilevelError, UnknownNameError
from bilevel.heuristics.base import Array, Heuristic, Option

LEAST_POPULATION = 4
"""Fewer agents than this leave a heuristic without the leaders and peers that it draws from."""

Evaluate = Callable[[Array], ArrayLike]


@dataclass(frozen=True)
class History:
    """Convergence curve, one entry a batch: evaluations so far and the best fitness among them, both (batches,)."""

    evaluations: NDArray[np.int64]
    best: Array


@dataclass(frozen=True)
class HeuristicRun:
    """Answer of `bilevel.heuristics.minimize`.

    - `method`, `seed`, `budget`, `population`, `options` (defaults included): what it was made with;
    - `best_genes` (genes,) in [0, 1] and `best_value`, its fitness; the first of equal candidates.  `best_value` is inf where no
      candidate had a finite fitness, and `best_genes` is then the first candidate;
    - `evaluations`: how many candidates were evaluated, less than `budget` only where `stop` ended the run;
    - `seconds`: of the whole run, evaluation included; `history`: the convergence curve.

    Nothing is proven about `best_value`: a heuristic has no bound.
    """

    method: str
    seed: int
    budget: int
    population: int
    options: Mapping[str, float]
    best_genes: Array
    best_value: float
    evaluations: int
    seconds: float
    history: History

    def to_frame(self) -> pd.DataFrame:
        """The history: one row a batch, columns `evaluations` and `best`."""
        return pd.DataFrame({"evaluations": self.history.evaluations, "best": self.history.best})


def run(
    heuristic: Heuristic, evaluate: Evaluate, genes: int, *, budget: int, population: int, seed: int,
    stop: Callable[[], bool] | None, progress: Callable[[int, float], None] | None, options: Mapping[str, float],
) -> HeuristicRun:  # fmt: skip
    """`bilevel.heuristics.minimize` with the heuristic itself instead of its name."""
    genes, seed = _whole("genes", genes, 1), _whole("seed", seed, 0)
    population = _whole("population", population, LEAST_POPULATION)
    budget = _whole("budget", budget, population)
    settings = complete(heuristic, options)
    started = time.perf_counter()
    record = _Record(evaluate, budget, progress)
    # Named, as numpy may change its default generator, and with it every run
    rng = np.random.Generator(np.random.PCG64(seed))
    # Drawn before any method draws, so that all of them start alike
    first = rng.random((population, genes))
    search = heuristic.search(first, record.take(first), rng, math.ceil(budget / population), **settings)
    # A budget of one population leaves a method nothing to yield
    batch = next(search, None)
    while batch is not None and record.used < budget and not (stop is not None and stop()):
        values = record.take(batch)
        # A batch that was cut has too few values for its method, which is not asked again
        batch = search.send(values) if record.used < budget else None
    return HeuristicRun(
        heuristic.name, seed, budget, population, settings, record.genes, record.value, record.used,
        time.perf_counter() - started, History(np.array(record.counts, dtype=np.int64), np.array(record.bests)),
    )  # fmt: skip


def complete(heuristic: Heuristic, options: Mapping[str, float]) -> dict[str, float]:
    """The heuristic's options with defaults filled in; raises `BilevelError` for one that is unknown or out of its range."""
    for name, value in options.items():
        if name not in heuristic.OPTIONS:
            raise UnknownNameError(f"{heuristic.name} option", name, heuristic.OPTIONS)
        _require_range(heuristic, name, value, heuristic.OPTIONS[name])
    return {name: float(options.get(name, option.default)) for name, option in heuristic.OPTIONS.items()}


def _require_range(heuristic: Heuristic, name: str, value: float, option: Option) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if number and option.lowest <= value <= option.highest and not (option.whole and value != int(value)):
        return
    kind = "a whole number" if option.whole else "a number"
    raise BilevelError(
        f"option {name!r} of heuristic {heuristic.name!r} is {value!r}: give {kind} from {option.lowest:g} to {option.highest:g}"
    )


def _whole(name: str, value: int, least: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise BilevelError(f"{name} is {value!r}: give a whole number that is at least {least}")
    return number


class _Record:
    """What was evaluated so far: how many candidates, the best of them, the curve."""

    def __init__(self, evaluate: Evaluate, budget: int, progress: Callable[[int, float], None] | None) -> None:
        self.evaluate, self.budget, self.progress = evaluate, budget, progress
        self.used, self.value = 0, math.inf
        self.genes: Array = np.empty(0)
        self.counts: list[int] = []
        self.bests: list[float] = []

    def take(self, positions: Array) -> Array:
        """Evaluate positions as far as the budget goes and give their fitness, NaN read as +inf."""
        batch = np.clip(positions[: self.budget - self.used], 0, 1)
        # A copy, because `evaluate` may write into what it is given
        values = _fitness(self.evaluate(batch.copy()), len(batch), self.used)
        at = int(np.argmin(values))
        # The first candidate stands even without fitness, so that there is one to show
        if not self.counts or values[at] < self.value:
            self.genes, self.value = batch[at].copy(), float(values[at])
        self.used += len(batch)
        self.counts.append(self.used)
        self.bests.append(self.value)
        if self.progress is not None:
            self.progress(self.used, self.value)
        return values


def _fitness(given: ArrayLike, count: int, before: int) -> Array:
    """The evaluated fitness as (count,) floats without NaN; raises `BilevelError` on another shape, kind or -inf."""
    try:
        values = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BilevelError(
            f"evaluate gave what is no array of numbers ({error}): give one fitness a candidate"
        ) from None
    if values.shape != (count,):
        raise BilevelError(
            f"evaluate gave shape {values.shape} for {count} candidates: give one fitness each, shape ({count},)"
        )
    # Nothing could be better, and differences with it are no numbers
    if np.isneginf(values).any():
        at = before + int(np.argmin(values)) + 1
        raise BilevelError(
            f"evaluate gave -inf for candidate {at}: give a finite fitness, or inf where a candidate has none"
        )
    return np.where(np.isnan(values), np.inf, values)
