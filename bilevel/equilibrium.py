"""The iterative scheme of the literature beside the exact bilevel optimum: duals as prices, best responses, damped loads."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bilevel import at_prices, followers, price_rules
from bilevel.best_response import best_response
from bilevel.canonical import Program
from bilevel.compile import compile_model
from bilevel.errors import BilevelError
from bilevel.given_loads import GivenLoads
from bilevel.price_rules import Prices
from bilevel.program import Vector
from bilevel.progress import Progress, ProgressEvent
from bilevel.results import Solution

_ROUNDS, _LONGEST = 3, 50


@dataclass(frozen=True)
class Iteration:
    """One iteration at loads y.

    - `residual`: largest |response - y| over the follower columns, each relative to its scale (`scaling_factor`, else its
      largest bound, else 1);
    - `cost_excess`: the worst follower's (cost of y - least cost) at the new prices, over the size of its cost terms, as in
      the certificate's check "follower optimality" (a quadratic cost by its tangent at y);
    - `objective`: the leader's at y with these prices, in its own sense and unit;
    - `clipped_prices`: prices moved to a bound; `seconds`: spent on the iteration.
    """

    iteration: int
    residual: float
    cost_excess: float
    objective: float
    clipped_prices: int
    seconds: float


@dataclass(frozen=True)
class EquilibriumTrace:
    """Answer of `bilevel.equilibrium`.

    - `status`: converged (residual within the tolerance), cycling (the loads repeat with `period` >= 2 iterations) or stopped
      (max_iterations or Ctrl-C); `reason`: one sentence, with clipped prices and broken rows on prices; `period`: None
      unless cycling;
    - `iterations`: the trace, see `to_frame`;
    - `prices`, `loads`, `response`: Pyomo name to value: the last prices, the damped loads that made them, and the followers'
      answer to them, all of the last iteration;
    - `solution`: `bilevel.solve` at the last prices: ties of the followers in the leader's favour, the leader's rest solved again.
      Its bound and gap are of the problem with these prices fixed, its values hold the prices too;
    - `values`: the same values, which were loaded into the model; the prices alone when no point has them.
    """

    status: str
    period: int | None
    reason: str
    iterations: tuple[Iteration, ...]
    prices: Mapping[str, float]
    loads: Mapping[str, float]
    response: Mapping[str, float]
    values: Mapping[str, float]
    solution: Solution

    def to_frame(self) -> pd.DataFrame:
        """One row an iteration: iteration, residual, cost_excess, objective, clipped_prices, seconds."""
        return pd.DataFrame([asdict(entry) for entry in self.iterations])


def equilibrium(
    model: Any,
    prices: Mapping[Any, Any],
    damping: float = 0.5,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    progress: bool | Callable[[ProgressEvent], None] = True,
) -> EquilibriumTrace:
    """Iterate prices = duals of leader rows, followers' best responses, damped loads (docs/model.md section 6, (12) to (14)).

    - `prices`: a Pyomo `ComponentMap` from each leader price variable (one that multiplies follower variables in the followers'
      objectives, or a member of the same indexed variable as one) to an active linear leader row, or to a
      `PriceRule(row, factor, fee)`: price = factor * dual + fee, clipped to the variable's bounds;
    - `damping` in (0, 1]: loads <- loads + damping * (response - loads); `tolerance`: of the residual (see `Iteration`);
    - `progress`: as in `bilevel.solve`.  The first Ctrl-C ends the loop and keeps the trace.

    The dual of a row is d(leader's minimised objective)/d(right-hand side of the row as it is written), in units of the
    objective over the row's; a leader that maximises f minimises -f.  For a balance `inflow - outflow == load` of a leader that
    minimises cost it is the cost of one more unit of load.  At a kink of the objective it is one of the slopes there.

    The start is the followers' response to the values that stand in the price variables, else to the middle of their bounds.
    Leader rows on prices alone, such as a cap on their mean, do not steer the iteration; where the last prices break one, the
    solution is `rejected` with that row in its certificate, and the reason says so.  Followers may see prices in their rows, but no
    other leader variable that is not fixed.  After the loop the price variables are fixed, the model is solved by `bilevel.solve`,
    and they are unfixed again: the values found stand in the model.  Example:

        trace = bilevel.equilibrium(model, formulations.nodal_prices(model, case), damping=0.5)
        print(trace.status, trace.reason)
        print(trace.to_frame())

    Raises `ModelError` (a price, row, follower or leader part that has no place in the scheme; a leader's problem without an
    optimum at some loads; cones whose relaxation is not exact, so that duals are no nodal prices) or `BilevelError` (settings),
    each naming the object, the value and the remedy.  Source: the iterative scheme nodal price -> best response -> damped load, as
    used with distribution locational marginal prices.
    """
    _require(damping, tolerance, max_iterations)
    program = compile_model(model)
    rules = price_rules.read(model, program, prices)
    found = _Loop(program, rules, damping, tolerance)
    with Progress(progress, program.sign) as line:
        status, period = found.run(max_iterations, line)
        why = _why(found, status, period, tolerance, line.interrupted)
    clipped = found.entries[-1].clipped_prices
    solution, broken = at_prices.solved(model, program, rules, found.prices, found.leader.price_rows, progress)
    notes = [why]
    if clipped:
        notes.append(f"{clipped} of {len(rules.variables)} last prices are at a bound that their rule passes")
    if broken:
        notes.append(f"the last prices break {len(broken)} rows on prices, the first is {broken[0]!r}")
    values = dict(solution.values) | found.price_values()
    return EquilibriumTrace(
        status, period, "; ".join(notes), tuple(found.entries), found.price_values(), found.named(found.y),
        found.named(found.response), values, replace(solution, values=values),
    )  # fmt: skip


def _require(damping: float, tolerance: float, max_iterations: int) -> None:
    if not (isinstance(damping, (int, float)) and 0 < damping <= 1):
        raise BilevelError(
            f"damping is {damping!r}: give a share of the wanted change above 0 and at most 1, such as 0.5"
        )
    if not (isinstance(tolerance, (int, float)) and math.isfinite(tolerance) and tolerance > 0):
        raise BilevelError(f"tolerance is {tolerance!r}: give a positive relative change of loads, such as 1e-4")
    if not (isinstance(max_iterations, int) and max_iterations >= 1):
        raise BilevelError(f"max_iterations is {max_iterations!r}: give a whole number of at least 1")


class _Loop:
    """The iteration and what it has: loads `y`, the `response` to the last `prices`, and an entry an iteration."""

    def __init__(self, program: Program, rules: Prices, damping: float, tolerance: float) -> None:
        self.program, self.rules, self.damping, self.tolerance = program, rules, damping, tolerance
        self.mine = program.followers.columns
        self.unit = program.scale[self.mine]
        self.leader = GivenLoads(program, rules.column[rules.column >= 0])
        self.prices = rules.start
        self.x = rules.put(np.zeros(program.columns), self.prices)
        self.y = self.response = best_response(program, self.x, 0)
        self.loads: list[Vector] = []
        self.entries: list[Iteration] = []

    def run(self, max_iterations: int, line: Progress) -> tuple[str, int | None]:
        """Status and period."""
        for iteration in range(1, max_iterations + 1):
            line.phase(f"iteration {iteration}")
            self._iterate(iteration)
            if self.entries[-1].residual <= self.tolerance:
                return "converged", None
            self.loads = [*self.loads, self.y / self.unit][-_ROUNDS * _LONGEST :]
            period = repeats(np.array(self.loads), self.tolerance)
            if period is not None:
                return "cycling", period
            if line.stop() or iteration == max_iterations:
                break
            self.y = self.y + self.damping * (self.response - self.y)
        return "stopped", None

    def _iterate(self, iteration: int) -> None:
        """Duals at the loads, prices, and the response to them."""
        started = time.perf_counter()
        self.x[self.mine] = self.y
        self.x, duals = self.leader.solve(self.x, iteration)
        self.prices, clipped = self.rules.at(duals)
        self.x = self.rules.put(self.x, self.prices)
        self.response = best_response(self.program, self.x, iteration)
        answer = followers.respond(self.program, self.x)
        excess = float(((answer.linear_cost - answer.lower_bound) / answer.size).max(initial=0.0))
        residual = float((np.abs(self.response - self.y) / self.unit).max(initial=0.0))
        spent = time.perf_counter() - started
        self.entries.append(Iteration(iteration, residual, excess, self.program.objective(self.x), clipped, spent))

    def named(self, y: Vector) -> dict[str, float]:
        """Follower columns by Pyomo name."""
        return {self.program.name(at): value for at, value in zip(self.mine.tolist(), y.tolist(), strict=True)}

    def price_values(self) -> dict[str, float]:
        """The last prices by Pyomo name."""
        return {str(v.name): value for v, value in zip(self.rules.variables, self.prices.tolist(), strict=True)}


def repeats(loads: Vector, tolerance: float) -> int | None:
    """The period p from 2 to 50 with which the last loads, shape (iterations, columns), went round three times; None without one.

    They repeat where loads p iterations apart differ by at most `tolerance` of how far loads move within the period, which slow
    convergence never does: it moves farther in p iterations than in any fewer.
    """
    for period in range(2, min(len(loads) // _ROUNDS, _LONGEST) + 1):
        last = loads[-_ROUNDS * period :]
        apart = np.abs(last[period:] - last[:-period]).max()
        moved = np.abs(last[-period:] - last[-1]).max()
        if moved > 0 and apart <= tolerance * moved:
            return period
    return None


def _why(found: _Loop, status: str, period: int | None, tolerance: float, interrupted: bool) -> str:
    count, residual = len(found.entries), found.entries[-1].residual
    wanted = f"loads want to change by {residual:.3g} of their scale"
    if status == "converged":
        return f"{wanted} after {count} iterations, within the tolerance {tolerance:g}"
    if status == "cycling":
        return (
            f"loads repeat every {period} iterations, and {wanted}: a smaller damping may end nearer to an equilibrium"
        )
    cause = "interrupted by Ctrl-C" if interrupted else "the limit of iterations is reached"
    return f"{cause} after {count} iterations, and {wanted}, allowed {tolerance:g}"
