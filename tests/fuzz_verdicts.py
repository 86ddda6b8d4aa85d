"""`judge(seed)`: one random problem, solved by `bilevel.solve` in one setting and one disguise, and what came of it."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np
from fuzz_oracles import Enumeration, TooLargeError, reach, samples
from fuzzing import INF, Array, Problem, draw, relabelled, repeated, scaled, to_pyomo

import bilevel
from bilevel.errors import BilevelError, LicenceError

SETTINGS = {
    ("highs", "auto"): 0.5, ("scip", "auto"): 0.08, ("scip", "sos1"): 0.07, ("scip", "indicator"): 0.07, ("scip", "product"): 0.03,
    ("scip", "strong_duality"): 0.03, ("gurobi", "auto"): 0.07, ("gurobi", "sos1"): 0.05, ("gurobi", "indicator"): 0.04,
    ("gurobi", "product"): 0.03, ("gurobi", "strong_duality"): 0.03,
}  # fmt: skip
VERDICTS = ("right", "unrefuted", "refused", "not certified", "no oracle", "wrong", "crashed")
BAD = ("wrong", "crashed")
_TOLERANCE, _SAMPLES, _SECONDS = 1e-4, 4, 5.0


@dataclass(frozen=True)
class Verdict:
    """`verdict` is one of VERDICTS: right by enumeration, unrefuted by samples where enumeration has no form, ..."""

    seed: int
    verdict: str
    kind: str
    solver: str
    mode: str
    disguise: str
    detail: str
    seconds: float

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.verdict} ({self.kind}; {self.solver}, {self.mode}, {self.disguise}): {self.detail}"


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
    started = time.perf_counter()
    verdict, detail = _solve(p, disguised, solver, mode, np.random.default_rng([seed, 3]))
    return Verdict(seed, verdict, kind(p), solver, mode, disguised[2], detail, time.perf_counter() - started)


def _solve(
    p: Problem, disguised: tuple[Problem, float, str], solver: str, mode: str, rng: np.random.Generator
) -> tuple[str, str]:
    model = to_pyomo(disguised[0])
    try:
        solution = bilevel.solve(model, solver, mode, gap=1e-5, time_limit=_SECONDS, progress=False)
    except LicenceError as error:
        return "not certified", str(error)
    except BilevelError as error:
        return _refusal(p, error)
    except Exception:  # noqa: BLE001  # whatever it is, it is what the fuzzer looks for
        return "crashed", traceback.format_exc(limit=-4)
    try:
        return _against_oracles(p, disguised, model, solution, rng)
    except TooLargeError as error:
        return "no oracle", str(error)


def _refusal(p: Problem, error: BilevelError) -> tuple[str, str]:
    """A refusal that claims a follower without any answer has to be true."""
    detail = f"{type(error).__name__}: {error}"
    if " for any leader decision: " not in detail:
        return "refused", detail
    known = Enumeration(p).optimum()
    return ("wrong" if known is not None and known < INF else "right"), f"{detail}, enumerated {known}"


def _against_oracles(
    p: Problem, disguised: tuple[Problem, float, str], model: Any, solution: bilevel.Solution, rng: np.random.Generator
) -> tuple[str, str]:
    other, factor, _ = disguised
    objective, bound = (p.sense * value / factor for value in (solution.objective, solution.bound))
    verdict, detail = compare(solution.status, objective, bound, _truth(p, rng), _owed(solution, objective))
    if verdict in ("right", "unrefuted") and solution.status == "certified" and other is p:
        return _own_point(p, model, objective) or (verdict, detail)
    return verdict, f"{detail} ({solution.reason})"


def _owed(solution: bilevel.Solution, objective: float) -> float:
    """What a point that is not certified says that its objective owes to violations within the tolerances."""
    owing = [check.value for check in solution.certificate.checks if check.name == "mended objective"]
    return abs(objective) * owing[0] if owing and solution.status == "feasible" else 0.0


def _truth(p: Problem, rng: np.random.Generator) -> Truth:
    optimum = Enumeration(p).optimum()
    reached = [reach(p, x) for x in samples(p, rng, _SAMPLES)]
    return Truth(optimum, min((value for value in reached if not np.isnan(value)), default=INF))


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
        return "wrong", f"the oracles contradict each other: {detail}"
    if status == "infeasible":
        wrong = best < INF
    elif status == "unbounded":
        wrong = known is not None and known > -INF
    else:
        wrong = bool(bound > best + size)
        if status in ("certified", "feasible"):
            wrong |= bool(known is not None and not objective >= known - size - 2 * owed)
        if status == "certified":
            wrong |= bool(not objective <= best + size)
    if wrong:
        return "wrong", detail
    if status not in ("certified", "infeasible", "unbounded"):
        return "not certified", detail
    return ("unrefuted" if known is None else "right"), detail


def _own_point(p: Problem, model: Any, objective: float) -> tuple[str, str] | None:
    """Whether the returned leader decisions reach what is claimed, and the returned point is worth it."""
    x = _values(model.x, p.x_low, p.x_high)
    y = np.concatenate([_values(b.y, f.y_low, f.y_high) for b, f in zip(model.f.values(), p.followers, strict=True)])
    size = 10 * _TOLERANCE * max(1.0, abs(objective))
    reached, there = reach(p, x), p.objective(x, y)
    if reached > objective + size or abs(there - objective) > size:
        return "wrong", f"claims {objective:.9g}, its x = {x} reaches {reached:.9g}, its point is worth {there:.9g}"
    return None


def _values(variables: Any, low: Array, high: Array) -> Array:
    """The values found; a variable that no expression holds has none, and anything within its bounds will do."""
    values = [v.value for v in variables.values()]
    return np.array(
        [np.clip(0.0, *ends) if v is None else float(v) for v, *ends in zip(values, low, high, strict=True)]
    )
