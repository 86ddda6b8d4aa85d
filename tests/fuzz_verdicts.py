"""What came of solving random problems: `judge_case(case)` in every solver, `judge(seed)` one drawn problem in one setting."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from typing import Any

import numpy as np
from fuzz_changes import relabelled, repeated, scaled
from fuzz_families import Case
from fuzz_loose import NOTHING
from fuzz_lp import TooLargeError
from fuzz_oracles import optimum
from fuzz_samples import outside, reach, samples, snapped
from fuzz_writing import PLAIN, Style, to_pyomo
from fuzzing import INF, Array, Problem, draw

import bilevel
from bilevel.errors import BilevelError, LicenceError

SETTINGS = {
    ("highs", "auto"): 0.5, ("scip", "auto"): 0.08, ("scip", "sos1"): 0.07, ("scip", "indicator"): 0.07, ("scip", "product"): 0.03,
    ("scip", "strong_duality"): 0.03, ("gurobi", "auto"): 0.07, ("gurobi", "sos1"): 0.05, ("gurobi", "indicator"): 0.04,
    ("gurobi", "product"): 0.03, ("gurobi", "strong_duality"): 0.03,
}  # fmt: skip
SOLVERS = ("highs", "scip", "gurobi")
VERDICTS = ("right", "unrefuted", "refused", "not certified", "no oracle", "WRONG", "CRASHED", "HUNG")
BAD = ("WRONG", "CRASHED", "HUNG")
_TOLERANCE, _SAMPLES, _SECONDS, _NODES = 1e-4, 4, 5.0, 4000


@dataclass(frozen=True)
class Verdict:
    """`verdict` is one of VERDICTS: right by enumeration, unrefuted by samples where enumeration has no form, ...

    `objective`: minimised, in the units of the base problem, where it is certified; NaN elsewhere.
    """

    seed: int
    verdict: str
    kind: str
    solver: str
    mode: str
    disguise: str
    detail: str
    seconds: float
    objective: float = np.nan

    def __str__(self) -> str:
        setting = f"{self.kind}; {self.solver}, {self.mode}; {self.seconds:.1f} s; {self.disguise}"
        return f"seed {self.seed}: {self.verdict} ({setting}): {self.detail}"


def versions() -> str:
    """Python, solvers and packages, with their versions."""
    names = ("bilevel-grid", "highspy", "pyscipopt", "gurobipy", "clarabel", "pyomo", "scipy", "numpy")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


@dataclass(frozen=True)
class Truth:
    """Minimised optimum of the problem as drawn (None without one), and what samples reach."""

    optimum: float | None
    sampled: float


def kind(p: Problem) -> str:
    """The class of a problem, in words: followers, and what joins the levels."""
    count = "1 follower" if len(p.followers) == 1 else "2-3 followers"
    quadratic = "QP" if any(f.Q.any() for f in p.followers) else "LP"
    prices = any(f.C.any() for f in p.followers)
    joined = "revenue" if prices and (p.weight.any() or p.pay.any()) else "prices" if prices else "rows"
    return ", ".join([count, quadratic, joined] + ["integer leader"] * bool(p.integer.any()))


def disguise(p: Problem, rng: np.random.Generator) -> tuple[Problem, float, str]:
    """The problem itself or one with the same optimum up to a factor; the factor and what was done."""
    name = str(rng.choice(["as drawn", "relabelled", "repeated", "scaled"], p=[0.6, 0.13, 0.09, 0.18]))
    if name == "scaled":
        x_unit, y_unit, factor = (float(unit) for unit in rng.choice([1e-3, 1.0, 1e3], 3))
        return scaled(p, x_unit, y_unit, factor), factor, f"scaled by {x_unit:g}, {y_unit:g}, {factor:g}"
    return (relabelled(p, rng) if name == "relabelled" else repeated(p) if name == "repeated" else p), 1.0, name


def judge(seed: int) -> Verdict:
    """Draw, disguise, solve, compare.  The same seed gives the same case."""
    rng = np.random.default_rng([seed, 2])
    solver, mode = list(SETTINGS)[rng.choice(len(SETTINGS), p=np.array(list(SETTINGS.values())))]
    p = draw(seed)
    return check(p, disguise(p, rng), solver, mode, seed)


def check(p: Problem, disguised: tuple[Problem, float, str], solver: str, mode: str, seed: int) -> Verdict:
    """One problem in one disguise and one setting; `seed` is for the samples and the record."""
    other, factor, name = disguised
    return Trial(p, other, factor, PLAIN, seed, kind(p), name).run(solver, mode)


def judge_case(case: Case, solvers: tuple[str, ...] = SOLVERS) -> list[Verdict]:
    """One case in each solver, in a mode drawn from its seed, and all certified answers against each other."""
    trial = Trial(case.base, case.written, case.changes.factor, case.style, case.seed, case.family, case.note)
    found = [trial.run(solver, mode_of(case, solver)) for solver in solvers]
    if case.changes != NOTHING and any(verdict.verdict == "unrefuted" for verdict in found):
        plain = Trial(case.base, case.base, 1.0, PLAIN, case.seed, case.family, "the same unchanged")
        found += [plain.run(verdict.solver, verdict.mode) for verdict in found if verdict.verdict == "unrefuted"]
    return contradicted(found)


def mode_of(case: Case, solver: str) -> str:
    """The mode in which a case is solved: auto mostly."""
    rng = np.random.default_rng([case.seed, 5, SOLVERS.index(solver)])
    others = ("big_m", "strong_duality") if solver == "highs" else ("sos1", "indicator", "product", "strong_duality")
    return "auto" if rng.random() < (0.85 if solver == "highs" else 0.6) else str(rng.choice(others))


def contradicted(found: list[Verdict]) -> list[Verdict]:
    """The verdicts, those not refuted called wrong where certified answers differ."""
    values = [verdict.objective for verdict in found if np.isfinite(verdict.objective)]
    apart = max(values, default=0.0) - min(values, default=0.0)
    if apart <= 2 * _TOLERANCE * max([1.0, *np.abs(values)]):
        return found
    told = f"certified answers differ: {', '.join(f'{v.solver} {v.objective:.9g}' for v in found if np.isfinite(v.objective))}; "
    return [
        replace(v, verdict="WRONG", detail=told + v.detail) if v.verdict in ("unrefuted", "no oracle") else v
        for v in found
    ]


@dataclass(frozen=True)
class Trial:
    """`other` is solved, in this style; its optimum is `factor` times that of `p`, which the oracles solve."""

    p: Problem
    other: Problem
    factor: float
    style: Style
    seed: int
    kind: str
    note: str

    def run(self, solver: str, mode: str) -> Verdict:
        """Solve and compare."""
        started = time.perf_counter()
        objective = np.nan
        model = to_pyomo(self.other, self.style)
        try:
            solution = bilevel.solve(model, solver, mode, gap=1e-5, time_limit=_SECONDS, progress=False)
            if solution.status == "certified":
                objective = self.p.sense * solution.objective / self.factor
            verdict, detail = self._against_oracles(model, solution)
        except LicenceError as error:
            verdict, detail = "not certified", str(error)
        except BilevelError as error:
            verdict, detail = self._refusal(error)
        except TooLargeError as error:
            verdict, detail = "no oracle", str(error)
        except Exception:  # noqa: BLE001  # whatever it is, it is what the fuzzer looks for
            verdict, detail = "CRASHED", traceback.format_exc(limit=-4)
        seconds = time.perf_counter() - started
        return Verdict(self.seed, verdict, self.kind, solver, mode, self.note, detail, seconds, objective)

    @cached_property
    def truth(self) -> Truth:
        """By the oracles, which share no code with the engine."""
        rng = np.random.default_rng([self.seed, 3])
        known = optimum(self.p, _NODES)
        reached = [] if self.p.reads else [reach(self.p, x) for x in samples(self.p, rng, _SAMPLES)]
        return Truth(known, min((value for value in reached if not np.isnan(value)), default=INF))

    def _refusal(self, error: BilevelError) -> tuple[str, str]:
        """A refusal that claims a follower without any answer has to be true."""
        detail = f"{type(error).__name__}: {error}"
        if " for any leader decision: " not in detail:
            return "refused", detail
        known = self.truth.optimum
        return ("WRONG" if known is not None and known < INF else "right"), f"{detail}, enumerated {known}"

    def _against_oracles(self, model: Any, solution: bilevel.Solution) -> tuple[str, str]:
        objective, bound = (self.p.sense * value / self.factor for value in (solution.objective, solution.bound))
        verdict, detail = compare(solution.status, objective, bound, self.truth, _owed(solution, objective))
        if verdict in ("right", "unrefuted") and solution.status == "certified":
            return self._own_point(model, solution.objective) or (verdict, detail)
        return verdict, f"{detail} ({solution.reason})"

    def _own_point(self, model: Any, objective: float) -> tuple[str, str] | None:
        """Whether the returned leader decisions are within their domains and reach what is claimed, and the point is worth it."""
        x, size = _values(model.x, self.other.x_low, self.other.x_high), 10 * _TOLERANCE * max(1.0, abs(objective))
        unused = np.array([v.value is None for v in model.x.values()])
        x = np.where(unused, snapped(self.other, x), x)
        if outside(self.other, x) > _DOMAIN * max(1.0, float(np.max(np.abs(x)))):
            return "WRONG", f"x = {x} is outside of its domain"
        if self.other is not self.p or self.p.reads:
            return None
        claimed = self.p.sense * objective
        y = np.concatenate(
            [_values(b.y, f.y_low, f.y_high) for b, f in zip(model.f.values(), self.p.followers, strict=True)]
        )
        # What a certificate allows in a row, and as much again for the followers that meet it
        reached, there = reach(self.p, x, 2e-6), self.p.objective(x, y)
        if reached > claimed + size or abs(there - claimed) > size:
            return "WRONG", f"claims {claimed:.9g}, its x = {x} reaches {reached:.9g}, its point is worth {there:.9g}"
        return None


_DOMAIN = 1e-6


def _owed(solution: bilevel.Solution, objective: float) -> float:
    """What a point that is not certified says that its objective owes to violations within the tolerances."""
    owing = [check.value for check in solution.certificate.checks if check.name == "mended objective"]
    return abs(objective) * owing[0] if owing and solution.status == "feasible" else 0.0


def compare(status: str, objective: float, bound: float, truth: Truth, owed: float = 0.0) -> tuple[str, str]:
    """A status with minimised objective and bound against the truth.

    A point that is not certified may be better than every feasible one by what its certificate says it owes to tolerances:
    `owed`, at first order, which a curved row at most doubles.
    """
    known = truth.optimum
    best = truth.sampled if known is None else min(known, truth.sampled)
    size = _TOLERANCE * max(1.0, abs(best) if np.isfinite(best) else 0.0)
    detail = f"{status} {objective:.9g}, bound {bound:.9g}, enumerated {known}, sampled {truth.sampled:.9g}"
    if known is not None and truth.sampled < known - size:
        return "WRONG", f"the oracles contradict each other: {detail}"
    if status == "infeasible":
        wrong = best < INF
    elif status == "unbounded":
        wrong = known is not None and known > -INF
    else:
        wrong = bool(bound > best + size)
        if status in ("certified", "feasible"):
            # What cannot be mended is no excuse
            room = size + (2 * owed if np.isfinite(owed) else 0.0)
            wrong |= bool(known is not None and not objective >= known - room)
        if status == "certified":
            wrong |= bool(not objective <= best + size)
    if wrong:
        return "WRONG", detail
    if status not in ("certified", "infeasible", "unbounded"):
        return "not certified", detail
    return ("unrefuted" if known is None else "right"), detail


def _values(variables: Any, low: Array, high: Array) -> Array:
    """The values found; a variable that no expression holds has none, and anything within its bounds will do."""
    values = [v.value for v in variables.values()]
    return np.array(
        [np.clip(0.0, *ends) if v is None else float(v) for v, *ends in zip(values, low, high, strict=True)]
    )
