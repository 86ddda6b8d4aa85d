"""The answers of a comparison side by side: statistics over runs, convergence, and what the exact bound says of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bilevel import tolerances
from bilevel.reformulate.ties import OPTIMISTIC
from studies.contest.problems.base import ExactAnswer, FloatArray, Problem
from studies.contest.runs import Run
from studies.contest.settings import EXACT, Settings

QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


@dataclass(frozen=True)
class Verdict:
    """What the exact bound says of the runs, in one sentence; `contradiction` when a run is better than what it proves."""

    sentence: str
    contradiction: bool


@dataclass(frozen=True)
class Comparison:
    """Answer of `compare`.

    - `exact`: None where it was not asked for; `runs`: every finished run of a heuristic, `new` of them made by this call;
    - `table()`, `run_table()`, `convergence()`: a row a method, a run, a method and number of evaluations;
    - `verdict()`: whether the exact bound and the runs agree.
    """

    problem: Problem
    settings: Settings
    exact: ExactAnswer | None
    runs: tuple[Run, ...]
    new: int

    @property
    def complete(self) -> bool:
        """Whether every run that was asked for is finished, the exact search included."""
        return len(self.runs) == len(self.settings.tasks) and not (self.exact is not None and self.exact.interrupted)

    @property
    def has_point(self) -> bool:
        """Whether a run, or the exact search, has a decision that breaks no limit."""
        exact = math.nan if self.exact is None else self.exact.objective
        return any(map(math.isfinite, [exact, *(run.objective for run in self.runs)]))

    @property
    def scale(self) -> float:
        """What gaps are relative to, in the objective's unit; NaN without an exact answer."""
        if self.exact is None:
            return math.nan
        known = self.exact.objective if math.isfinite(self.exact.objective) else self.exact.bound
        return self.problem.scale(known)

    def of(self, method: str) -> list[Run]:
        """The finished runs of a heuristic, by seed."""
        return [run for run in self.runs if run.method == method]

    def table(self) -> pd.DataFrame:
        """A row a method, in the order of the settings.

        - `runs` finished, `infeasible` of them without a candidate that breaks no limit; these are in none of the statistics
          `best`, `mean`, `worst`, `std` (of a sample) of the objective over feasible runs;
        - `seconds`, `cpu_seconds`, `evaluations`: means over runs; `time_ratio`: CPU seconds over those of the exact search;
        - `gap_to_bound`, `gap_to_exact`: how much worse `best` is than the proven bound and than the exact objective, over the
          problem's scale;
        - `ties`: the convention of the exact answer; that of runs is a rule;
        - `gap_to_optimistic_bound`, with an exact answer of another convention: how much worse `best` is than what holds for runs
          too, while the gaps above, which are to that convention's, may be below 0;
        - `best_by_rule`: `best`, but for the exact answer `ExactAnswer.by_rule`;
        - the problem's quantities at the best run.
        """
        rows = [self._exact_row() if method == EXACT else self._row(method) for method in self.settings.methods]
        return pd.DataFrame(rows)

    def _row(self, method: str) -> dict[str, Any]:
        runs = self.of(method)
        values = np.array([run.objective for run in runs if run.feasible])
        best = best_run(self.problem, runs)
        cpu_seconds = _mean([run.cpu_seconds for run in runs])
        return {
            "method": method, "ties": "by rule", "runs": len(runs), "infeasible": len(runs) - len(values),
            **_statistics(values, self.problem.sense), "seconds": _mean([run.seconds for run in runs]),
            "cpu_seconds": cpu_seconds, "evaluations": _mean([run.evaluations for run in runs]),
            **self._gaps(math.nan if best is None else best.objective, cpu_seconds),
            "best_by_rule": math.nan if best is None else best.objective,
            **self._quantities({} if best is None else best.details),
        }  # fmt: skip

    def _exact_row(self) -> dict[str, Any]:
        found = self.exact
        if found is None:
            return self._row(EXACT) | {"ties": self.problem.ties.name}
        values = np.array([found.objective] if math.isfinite(found.objective) else [])
        return {
            "method": EXACT, "ties": self.problem.ties.name, "runs": 1, "infeasible": int(found.status == "infeasible"),
            **_statistics(values, self.problem.sense), "seconds": found.seconds,
            "cpu_seconds": found.cpu_seconds, "evaluations": math.nan,
            **self._gaps(found.objective, found.cpu_seconds), "best_by_rule": found.by_rule, **self._quantities(found.details),
        }  # fmt: skip

    def _gaps(self, best: float, cpu_seconds: float) -> dict[str, float]:
        found, scale = self.exact, self.scale
        bound, objective = (math.nan, math.nan) if found is None else (found.bound, found.objective)
        scale = scale if scale > 0 else math.nan
        limit = math.nan if found is None else found.for_runs[0]
        other = {} if self.problem.ties.name == OPTIMISTIC else {"gap_to_optimistic_bound": limit}
        ends = {"gap_to_bound": bound, "gap_to_exact": objective, **other}
        return {
            **{name: self.problem.sense * (best - end) / scale for name, end in ends.items()},
            "time_ratio": cpu_seconds / found.cpu_seconds if found is not None and found.cpu_seconds > 0 else math.nan,
        }

    def _quantities(self, details: Any) -> dict[str, float]:
        return {quantity.column: details.get(quantity.column, math.nan) for quantity in self.problem.quantities}

    def run_table(self) -> pd.DataFrame:
        """A row a run: method, seed, objective (NaN if infeasible), feasible, penalty, evaluations, times, quantities."""
        rows = [
            {"method": run.method, "seed": run.seed, "objective": run.objective, "feasible": run.feasible,
             "penalty": run.penalty, "evaluations": run.evaluations, "seconds": run.seconds,
             "cpu_seconds": run.cpu_seconds,
             **self._quantities(run.details)}
            for run in self.runs
        ]  # fmt: skip
        names = ("method", "seed", "objective", "feasible", "penalty", "evaluations", "seconds", "cpu_seconds")
        return pd.DataFrame(rows, columns=(*names, *self._quantities({})))

    def convergence(self) -> pd.DataFrame:
        """A row a heuristic and number of evaluations: quartiles over all its runs of the best objective so far.

        A run without a feasible candidate yet counts as worse than every other, so that a quartile among such runs is NaN; `lower`
        and `upper` are of the numbers, whichever is good.  `feasible` of `runs` have a candidate that breaks no limit.
        """
        made = [method for method in self.settings.heuristics if self.of(method)]
        curves = [_curves(self.problem.sense, method, self.of(method)) for method in made]
        return pd.concat(curves, ignore_index=True) if curves else _curves(self.problem.sense, "", [])

    def verdict(self) -> Verdict:
        """Whether the bound that holds for runs and the runs agree, within `tolerances.RESOLUTION` of the scale.

        That is the optimistic bound: users of runs break ties by a rule, and a run may be better than the optimum of another
        convention.
        """
        found, best = self.exact, best_run(self.problem, self.runs)
        if found is None:
            return Verdict("nothing is proven, because exact is not among the methods", False)
        limit, status = found.for_runs
        if status == "infeasible":
            return self._infeasible(best)
        if not math.isfinite(limit):
            return Verdict(self._unproven(found, status), False)
        scale = self.problem.scale(limit) if found.optimistic_status else self.scale
        if best is not None and self.problem.sense * (limit - best.objective) > tolerances.RESOLUTION * (
            scale if scale > 0 else abs(limit)
        ):
            proven = f"the bound {limit:.7g} {self.problem.unit} that exact proves"
            said = f"{_named(best)}, is a feasible decision and better than {proven}"
            return Verdict(f"{said}: one of both is wrong, report it", True)
        return Verdict(f"exact proves that nothing is better than {self._proven(found)}; {self._behind(best)}", False)

    def _unproven(self, found: ExactAnswer, status: str) -> str:
        """What is known without a bound for runs."""
        if not found.optimistic_status:
            return f"nothing is proven, because exact has no bound ({found.status}: {found.reason})"
        return (
            f"nothing is proven of the runs, because there is no optimistic bound ({status}); of {self.problem.ties.name} ties "
            f"exact says: {found.status}, {found.reason}"
        )

    def _proven(self, found: ExactAnswer) -> str:
        """The bound that holds for runs, and that of the convention where it is another one."""
        limit, unit, ties = f"{found.for_runs[0]:.7g}", self.problem.unit, self.problem.ties.name
        if not found.optimistic_status:
            return f"{limit} {unit}"
        said = f"{limit} {unit} whatever the indifferent choose (optimistic)"
        if found.status == "infeasible":
            return f"{said}, and that no decision is feasible with {ties} ties"
        return f"{said}, and than {found.bound:.7g} with {ties} ties" if math.isfinite(found.bound) else said

    def _behind(self, best: Run | None) -> str:
        """How far the best run is from the bound of the convention."""
        if best is None:
            return "no run found a feasible decision"
        said = f"the best of all runs, {_named(best)},"
        behind = self._gaps(best.objective, math.nan)["gap_to_bound"]
        if not math.isfinite(behind):
            return said.removesuffix(",")
        if self.problem.ties.name == OPTIMISTIC:
            return f"{said} is {100 * max(behind, 0.0):.3g} % of {self.problem.scale_words} behind it"
        side = "behind" if behind >= 0 else "in front of"
        return f"{said} is {100 * abs(behind):.3g} % of {self.problem.scale_words} {side} the latter"

    def _infeasible(self, best: Run | None) -> Verdict:
        if best is None:
            return Verdict("exact proves that no decision is feasible, and no run found one", False)
        said = f"exact claims that no decision is feasible, and {best.method} with seed {best.seed} found one"
        return Verdict(f"{said}: one of both is wrong, report it", True)


def _named(run: Run) -> str:
    return f"{run.objective:.7g} by {run.method}, seed {run.seed}"


def best_run(problem: Problem, runs: Iterable[Run]) -> Run | None:
    """The feasible run of the best objective, the first of equal ones; None where no run is feasible."""
    feasible = [run for run in runs if run.feasible]
    return min(feasible, key=lambda run: problem.sense * run.objective, default=None)


def _statistics(values: FloatArray, sense: int) -> dict[str, float]:
    if not values.size:
        return dict.fromkeys(("best", "mean", "worst", "std"), math.nan)
    ordered = np.sort(sense * values) * sense
    spread = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return {"best": float(ordered[0]), "mean": float(values.mean()), "worst": float(ordered[-1]), "std": spread}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _curves(sense: int, method: str, runs: Sequence[Run]) -> pd.DataFrame:
    """Quartiles by evaluations, all runs having the same steps."""
    counts = np.array(runs[0].counts if runs else (), dtype=np.int64)
    bests = np.array([run.bests for run in runs]).reshape(len(runs), len(counts))
    found = {name: _quantile(bests, share, sense) for name, share in QUARTILES.items()}
    feasible = np.isfinite(bests).sum(axis=0)
    return pd.DataFrame({"method": method, "evaluations": counts, **found, "feasible": feasible, "runs": len(runs)})


def _quantile(values: FloatArray, share: float, sense: int) -> FloatArray:
    """Quantile over the first axis, interpolated between runs; NaN is worse than every number, and so is a quantile next to one."""
    if not len(values):
        return np.empty(values.shape[1])
    ordered = np.sort(np.where(np.isnan(values), sense * np.inf, values), axis=0)
    at = share * (len(values) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    with np.errstate(invalid="ignore"):
        found = low + (at - math.floor(at)) * (high - low)
    known = np.isfinite(low) & (np.isfinite(high) | (at == math.floor(at)))
    return np.where(known, found, np.nan)
