"""The Pareto front of two leader expressions of a bilevel model, every point globally solved (model page section 6).

`scaling` is [Z19] Algorithm 3: maximise, hold the limited expression below what it was, and again, until that is infeasible or
the maximised one stays.  `augmented` is the augmented epsilon-constraint method: lexicographic end points, then limits at equal
distances, with a small weight on the limited expression so that no point is dominated.  `adaptive` splits the widest gap between
neighbours until all are within a tolerance.  Each solve gives a point and a bound, and both hold for more than its own limit:
`ParetoFront` uses them.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from bilevel import tolerances
from bilevel.deadline import require_limits
from bilevel.errors import BilevelError, UnknownNameError, require
from bilevel.front import proofs as proofs_of_tasks
from bilevel.front import recheck
from bilevel.front.methods import DEFAULT_TOLERANCE, METHODS
from bilevel.front.pareto_front import ParetoFront
from bilevel.front.runner import Given, Runner, StoppedEarly
from bilevel.front.store import FILE
from bilevel.front.tasks import SolveOptions
from bilevel.journals.lock import held
from bilevel.progress import Progress, ProgressEvent
from bilevel.reformulate.ties import OPTIMISTIC, PESSIMISTIC, Ties, wanted
from bilevel.search.plan import AUTO

_MOST = 1000


def pareto(
    model: Any,
    maximize: Any,
    limit: Any,
    method: str = "augmented",
    points: int = 11,
    tolerance: float | None = None,
    executor: Executor | None = None,
    store: str | Path | None = None,
    progress: bool | Callable[[ProgressEvent], None] = True,
    solver: str = "highs",
    mode: str = AUTO,
    cones: str = "tangent",
    gap: float = 1e-4,
    time_limit: float | None = None,
    proofs: bool = False,
    ties: str = OPTIMISTIC,
    margin: float | None = None,
) -> ParetoFront:
    """The front of two leader expressions: `maximize` as large as possible for every value of `limit`, which is wanted small.

    - `method`: augmented (`points` points, end points included), adaptive (until every gap is within `tolerance` of the whole,
      default 0.05, at most `points` points), scaling ([Z19] Algorithm 3: each limit is `tolerance`, default 0.01, below the last
      value, at most `points` points);
    - `executor`: any `concurrent.futures.Executor` whose workers can import this package (processes, dask, mpi4py); scaling goes
      from point to point and gains nothing from it;
    - `store`: a folder that keeps every answer as it is found; the same call with it goes on where a killed run stopped, and one
      run has it at a time;
    - `solver`, `mode`, `cones`, `gap`, `progress` as in `bilevel.solve`; `time_limit` in seconds for each point;
    - `proofs`: prove the bound of every point and of both ends as `bilevel.solve(proof=True)` does (`FrontPoint.proof`,
      `ParetoFront.end_proofs`), after all are found, in the executor's workers where there is one, each within `time_limit`;
      a store keeps them, and the checker follows each again before it is taken from there.
    - `ties`, `margin` as in `bilevel.solve`: of secure fronts every point has the line `response unique`.

    The model's own objective takes no part.  Ctrl-C keeps the points found, and the proofs made.  Example:

        front = bilevel.pareto(model, maximize=model.station_profit, limit=model.network_loss, points=11)
        print(front.to_frame("network_loss_kwh", "station_profit"))

    Raises what `bilevel.solve` raises, and `BilevelError` for a store of another model or other settings, which it names, for one
    that another run has, and for what is no folder.  A damaged line of a store is put aside with a warning, and solved again.
    """
    _refuse(executor, store, proofs)
    given = _checked(method, points, tolerance, gap, time_limit)
    setting, asked = SolveOptions(solver, mode, cones, gap, time_limit), _convention(ties, margin, proofs)
    with held(None if store is None else Path(store) / FILE, "give another folder as store"):
        run = Runner(model, maximize, limit, given, setting, executor, store, progress, proofs, asked)
        return _front(run)


def _front(run: Runner) -> ParetoFront:
    """Run the method to its end, or as far as it comes, and put the front together."""
    began = time.perf_counter()
    # Tasks minimise what people want to see maximised
    with Progress(run.show, -1.0) as run.line:
        try:
            reason, complete = METHODS[run.given.method](run), True
        except StoppedEarly as stop:
            reason, complete = str(stop), False
        spent = {"compile": run.compile_seconds, "solve": time.perf_counter() - began}
        # However the method ended, the points that it has are worth proofs and a certificate
        kept, told = recheck.found(run), {}
        if run.proofs:
            told = proofs_of_tasks.prove(run, recheck.to_prove(run, kept))
            spent["prove"] = time.perf_counter() - began - spent["solve"]
        missing = sum(proof is None for proof, _ in told.values())
        if complete and missing and run.line.interrupted:
            reason, complete = f"{reason}; Ctrl-C left {missing} of {len(told)} bounds without a proof", False
        certifying = time.perf_counter()
        points, ends = recheck.points(run, kept, told), recheck.ends(run, told)
        spent["certify"] = time.perf_counter() - certifying
        if len(points) < len(kept):
            left = f"{run.line.why} while points were rechecked: {len(kept) - len(points)} of {len(kept)} are left out"
            reason, complete = left if complete else f"{reason}; {left}", False
    about = complete, reason, run.solved, spent, run.settings(), run.model
    return ParetoFront(points, ends.least, ends.most, *about, ends.proofs, ends.checks)


def _refuse(executor: Any, store: Any, proofs: Any) -> None:
    """Refuses what is no executor, no folder and no flag."""
    require("proofs", proofs, isinstance(proofs, bool), "True or False")
    require(
        "executor",
        executor,
        executor is None or hasattr(executor, "submit"),
        "an Executor of concurrent.futures, or None",
    )
    folder = store is None or (isinstance(store, (str, Path)) and bool(str(store).strip()))
    require("store", store, folder, "the name of a folder, or None")


def _convention(ties: str, margin: float | None, proofs: bool) -> Ties:
    """What is asked of ties; a point of a front is one search, and a pessimistic answer is none."""
    if ties == PESSIMISTIC:
        raise BilevelError(f"ties is {ties!r}, for which a front has no points: give 'optimistic' or 'secure'")
    return wanted(ties, margin, proofs)


def _checked(method: str, points: int, tolerance: float | None, gap: float, seconds: float | None) -> Given:
    if not isinstance(method, str) or method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    if not isinstance(points, int) or not 2 <= points <= _MOST:
        raise BilevelError(f"points is {points!r}: give a whole number from 2 to {_MOST}")
    tolerance = DEFAULT_TOLERANCE[method] if tolerance is None else tolerance
    # Augmented has no tolerance, for which its default of 0 stands
    least = 0.0 if method == "augmented" else tolerances.FRONT_FINEST
    if not (isinstance(tolerance, (int, float)) and math.isfinite(tolerance) and least <= tolerance < 1):
        raise BilevelError(f"tolerance is {tolerance!r}: give a number from {least:g} to 1, such as 0.02")
    require_limits(gap, seconds)
    return Given(method, points, float(tolerance))
