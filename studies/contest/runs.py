"""One run of a heuristic on a problem: what it achieved without breaking a limit, and how it came there."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bilevel import heuristics
from studies.contest.problems.base import Candidates, FloatArray, Problem, feasible


@dataclass(frozen=True)
class Run:
    """A whole run.

    - `objective`: the best among the candidates that break no limit, in the problem's own sense and unit; NaN where all of them
      break one, and the run is then infeasible, whatever its fitness;
    - `penalty`: of the candidate of best fitness, 0 in a feasible run, inf where no candidate had a fitness;
    - `seconds`: of the clock, `cpu_seconds`: what the process worked, so that runs side by side can be compared;
    - `details`: the problem's quantities at the best candidate by column, empty in an infeasible run;
    - `counts`, `bests`: evaluations so far and the best objective of a feasible candidate among them (NaN before the first).
    """

    method: str
    seed: int
    objective: float
    penalty: float
    evaluations: int
    seconds: float
    cpu_seconds: float
    details: Mapping[str, float]
    counts: tuple[int, ...]
    bests: tuple[float, ...]

    @property
    def feasible(self) -> bool:
        """Whether the run found a candidate that breaks no limit."""
        return math.isfinite(self.objective)


def search(
    problem: Problem, method: str, seed: int, budget: int, population: int, stop: Callable[[], bool] | None = None
) -> Run:
    """Run a heuristic; `evaluations` is less than `budget` only where `stop` ended it."""
    started = time.process_time()
    candidates = problem.candidates()
    watched = _Watched(problem, candidates)
    found = heuristics.minimize(
        watched, candidates.genes, method, budget=budget, population=population, seed=seed, stop=stop
    )
    clean, cpu_seconds = watched.genes is not None, time.process_time() - started
    at = candidates.evaluate((found.best_genes if watched.genes is None else watched.genes)[np.newaxis])
    return Run(
        method, seed, problem.sense * watched.best if clean else math.nan, 0.0 if clean else float(at.penalty[0]),
        found.evaluations, found.seconds, cpu_seconds, problem.details(at) if clean else {},
        tuple(found.history.evaluations.tolist()), tuple(watched.bests),
    )  # fmt: skip


class _Watched:
    """The fitness for the heuristic, and beside it the best candidate that breaks no limit."""

    def __init__(self, problem: Problem, candidates: Candidates) -> None:
        self.problem, self.candidates = problem, candidates
        self.best = math.inf
        self.genes: FloatArray | None = None
        self.bests: list[float] = []

    def __call__(self, genes: FloatArray) -> FloatArray:
        found = self.candidates.evaluate(genes)
        values = np.where(feasible(found), self.problem.sense * self.problem.achieved(found), np.inf)
        at = int(np.argmin(values))
        if values[at] < self.best:
            self.best, self.genes = float(values[at]), genes[at].copy()
        self.bests.append(self.problem.sense * self.best if math.isfinite(self.best) else math.nan)
        return found.fitness  # type: ignore[no-any-return]
