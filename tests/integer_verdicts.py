"""What came of solving random problems with integer followers: `judge(seed, solver)` against enumeration."""

from __future__ import annotations

import time
import traceback

import integer_problems
import numpy as np
from fuzz_verdicts import Truth, Verdict, compare

import bilevel
from bilevel.errors import BilevelError, LicenceError

FAMILY = "integer-follower"
GAP, SECONDS = 1e-5, 20.0


def judge(seed: int, solver: str) -> Verdict:
    """One drawn problem in one solver."""
    started = time.perf_counter()
    p = integer_problems.draw(seed)
    sign, objective = -1.0 if p.maximises else 1.0, np.nan
    try:
        solution = bilevel.solve(integer_problems.to_pyomo(p), solver, gap=GAP, time_limit=SECONDS, progress=False)
        truth = Truth(integer_problems.optimum(p), np.inf)
        verdict, detail = compare(solution.status, sign * solution.objective, sign * solution.bound, truth)
        detail = f"{detail} ({solution.reason})"
        if solution.status == "certified":
            objective = sign * solution.objective
    except LicenceError as error:
        verdict, detail = "not certified", str(error)
    except BilevelError as error:
        verdict, detail = "refused", f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  # whatever it is, it is what the fuzzer looks for
        verdict, detail = "CRASHED", traceback.format_exc(limit=-4)
    return Verdict(
        seed, verdict, FAMILY, solver, "auto", "as drawn", detail, time.perf_counter() - started, float(objective)
    )


def judge_all(seed: int, solvers: tuple[str, ...]) -> list[Verdict]:
    """In every solver."""
    return [judge(seed, solver) for solver in solvers]
