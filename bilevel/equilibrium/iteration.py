"""The iterative scheme of the literature beside the exact bilevel optimum: duals as prices, best responses, damped loads."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from pyomo.common.collections import ComponentMap

from bilevel.compile.compiler import compile_model
from bilevel.deadline import Deadline
from bilevel.equilibrium import feasible_prices, fixed_prices, price_rules
from bilevel.equilibrium.given_loads import GivenLoads
from bilevel.equilibrium.price_rules import Prices
from bilevel.errors import BilevelError, LooseConeError
from bilevel.followers import optimal_cost
from bilevel.followers.best_response import best_response
from bilevel.interrupts import hearing
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.progress import Progress, ProgressEvent
from bilevel.search.diagnose import explain
from bilevel.solution import Solution

AVERAGING = "averaging"
# How often loads have to go round to count as a cycle, and the iterations of its longest period
_ROUNDS, _LONGEST = 3, 50


@dataclass(frozen=True)
class Iteration:
    """One iteration at loads y.

    - `residual`: largest |response - y| over the follower columns, each relative to its scale (`scaling_factor`, else its
      largest bound, else 1);
    - `cost_excess`: the worst follower's (cost of y - least cost) at the new prices, over the size of its cost terms, as in
      the certificate's check "follower optimality" (a quadratic cost by its tangent at y);
    - `objective`: the leader's at y with these prices, in its own sense and unit;
    - `clipped_prices`: prices moved to a bound; `seconds`: spent on the iteration;
    - `limits_broken`: limits of the leader's that its problem at loads y has to break; `worst_limit` is the name of the worst,
      and `worst_violation` by how much over its scale (for a row the size of its terms at their columns' scales).
    """

    iteration: int
    residual: float
    cost_excess: float
    objective: float
    clipped_prices: int
    limits_broken: int
    worst_violation: float
    worst_limit: str
    seconds: float


@dataclass(frozen=True)
class EquilibriumTrace:
    """Answer of `bilevel.equilibrium`.

    - `status`: converged (residual within the tolerance), cycling (the loads repeat with `period` >= 2 iterations) or stopped
      (max_iterations or Ctrl-C); `reason`: one sentence, with broken limits, clipped prices, broken rows on prices, and where
      the solution's prices are from; `period`: None unless cycling;
    - `iterations`: the trace, see `to_frame`; `price_history`: the prices of every iteration by Pyomo name;
    - `prices`, `loads`, `response`: Pyomo name to value: the last prices, the damped loads that made them, and the followers'
      answer to them, all of the last iteration;
    - `solution`: `bilevel.solve` at the last prices that admit a feasible point: ties of the followers in the leader's favour, the
      leader's rest solved again.  Its bound and gap are of the problem with these prices fixed, its values hold the prices too.
      Without such prices it is the solve at the last ones, `infeasible` or `rejected`;
    - `solution_iteration`, `solution_tick`: whose prices the solution has, and the tick they were rounded down to (0: as they are);
    - `values`: the same values, which were loaded into the `model`; the prices alone when no point has them.
    """

    status: str
    period: int | None
    reason: str
    iterations: tuple[Iteration, ...]
    prices: Mapping[str, float]
    price_history: tuple[Mapping[str, float], ...]
    loads: Mapping[str, float]
    response: Mapping[str, float]
    values: Mapping[str, float]
    solution: Solution
    solution_iteration: int
    solution_tick: float
    model: Any = field(default=None, repr=False, compare=False)

    def load(self) -> None:
        """Put `values` into `model`, each into its own variable."""
        for variable, value in self.solution.found.items():
            variable.set_value(value, skip_validation=True)

    def to_frame(self) -> pd.DataFrame:
        """One row an iteration, with the columns of `Iteration`."""
        return pd.DataFrame([asdict(entry) for entry in self.iterations])


def equilibrium(
    model: Any,
    prices: Mapping[Any, Any],
    damping: float | str = 0.5,
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    progress: bool | Callable[[ProgressEvent], None] = True,
    time_limit: float | None = None,
) -> EquilibriumTrace:
    """Iterate prices = duals of leader rows, followers' best responses, damped loads (docs/model.md section 6, (12) to (14)).

    - `prices`: a Pyomo `ComponentMap` from each leader price variable (one that multiplies follower variables in the followers'
      objectives, or a member of the same indexed variable as one) to an active linear leader row, or to a
      `PriceRule(row, factor, fee)`: price = factor * dual + fee, clipped to the variable's bounds;
    - `damping` in (0, 1]: loads <- loads + damping * (response - loads); "averaging" takes 1 / (iteration + 1), so that
      loads are the mean of all responses; `tolerance`: of the residual (see `Iteration`);
    - `progress`: as in `bilevel.solve`.  The first Ctrl-C ends the loop and keeps the trace;
    - `time_limit`: seconds for the loop and the solves at given prices after it together, None for no limit.

    The dual of a row is d(leader's minimised objective)/d(right-hand side of the row as it is written), in units of the
    objective over the row's; a leader that maximises f minimises -f.  For a balance `inflow - outflow == load` of a leader that
    minimises cost it is the cost of one more unit of load.  At a kink of the objective it is one of the slopes there.

    The start is the followers' response to the values that stand in the price variables, else to the middle of their bounds.
    Loads may break limits of the leader's: bounds of its variables, inequality rows, and cones that stand for no equality.  Where
    its problem has no point within them, each may be broken at a price, for its whole scale 100 times the objective's largest
    term (`tolerances.SCARCITY_RATE`).  Duals then contain that price, as a market's prices do when demand cannot be served, and the
    trace tells.  Leader rows on prices alone, such as a cap on their mean, do not steer the iteration.

    After the loop the price variables are fixed, the model is solved by `bilevel.solve`, and they are unfixed again: the values
    found stand in the model.  The prices are the last ones.  Where these admit no point within all limits and rows, they are
    earlier ones (the 10 latest different ones), then the same rounded down to coarser and coarser ticks until followers tie and
    can spread; the reason says which.  Followers may see prices in their rows, but no other leader variable that is not fixed.
    Example:

        trace = bilevel.equilibrium(model, formulations.nodal_prices(model, case), damping=0.5)
        print(trace.status, trace.reason)
        print(trace.to_frame())

    Raises `ModelError` (a price, row, follower or leader part that has no place in the scheme; a leader's problem without an
    optimum at some loads even so; cones whose relaxation is not exact, so that duals are no nodal prices) or `BilevelError`
    (settings), each naming the object, the value and the remedy.  Source: the iterative scheme nodal price -> best response ->
    damped load, as used with distribution locational marginal prices.
    """
    _require(damping, tolerance, max_iterations)
    limit, program = Deadline(time_limit), compile_model(model)
    program.require_continuous_answers("equilibria and duals")
    rules = price_rules.read(model, program, prices)
    found = _Loop(program, rules, damping, tolerance)
    with Progress(progress, program.sign) as line:
        try:
            status, period = found.run(max_iterations, line, limit)
        except LooseConeError as error:
            raise explain.refusal(model, program, error) from error
        why = _why(found, status, period, tolerance, line.why if line.interrupted else "", limit.over())
    # After the line above is closed: a Ctrl-C that ended the loop would stop these solves as well
    with hearing.forgiven():
        point = feasible_prices.settled(
            model, program, rules, found.price_history, found.leader.price_rows, progress, limit
        )
    # Fixed prices are no columns of what was solved
    values = dict(point.solution.values) | rules.named(point.prices)
    placed = ComponentMap([*point.solution.found.items(), *zip(rules.variables, point.prices.tolist(), strict=True)])
    return EquilibriumTrace(
        status, period, "; ".join([why, *_notes(found, point)]), tuple(found.entries), rules.named(found.prices),
        tuple(rules.named(prices) for prices in found.price_history), found.named(found.y), found.named(found.response), values,
        replace(point.solution, values=values, found=placed), point.iteration, point.tick, model,
    )  # fmt: skip


def _require(damping: Any, tolerance: float, max_iterations: int) -> None:
    if damping != AVERAGING and not (isinstance(damping, (int, float)) and 0 < damping <= 1):
        raise BilevelError(
            f"damping is {damping!r}: give a share of the wanted change above 0 and at most 1, such as 0.5, or {AVERAGING!r}"
        )
    if not (isinstance(tolerance, (int, float)) and math.isfinite(tolerance) and tolerance > 0):
        raise BilevelError(f"tolerance is {tolerance!r}: give a positive relative change of loads, such as 1e-4")
    if not (isinstance(max_iterations, int) and max_iterations >= 1):
        raise BilevelError(f"max_iterations is {max_iterations!r}: give a whole number of at least 1")


class _Loop:
    """The iteration and what it has: loads `y`, the `response` to the last `prices`, and an entry an iteration."""

    def __init__(self, program: Program, rules: Prices, damping: Any, tolerance: float) -> None:
        self.program, self.rules, self.damping, self.tolerance = program, rules, damping, tolerance
        self.mine = program.followers.columns
        self.unit = program.scale[self.mine]
        self.leader = GivenLoads(program, rules.column[rules.column >= 0])
        self.prices = rules.start
        self.x = rules.put(np.zeros(program.columns), self.prices)
        # The start is a response itself, so that averaging counts it
        self.y = self.response = best_response(program, self.x, 0)
        self.loads: list[Vector] = []
        self.price_history: list[Vector] = []
        self.entries: list[Iteration] = []

    def run(self, max_iterations: int, line: Progress, limit: Deadline) -> tuple[str, int | None]:
        """Status and period."""
        for iteration in range(1, max_iterations + 1):
            line.phase(f"iteration {iteration}")
            self._iterate(iteration)
            if self.entries[-1].residual <= self.tolerance:
                return "converged", None
            # In units of their scale, as the residual is; older loads are of no cycle that is looked for
            self.loads = [*self.loads, self.y / self.unit][-_ROUNDS * _LONGEST :]
            period = repeats(np.array(self.loads), self.tolerance)
            if period is not None:
                return "cycling", period
            # No step after the last iteration: loads, prices and response told belong together
            if line.stop() or limit.over() or iteration == max_iterations:
                break
            # Averaging: the start was the first response, so that this step leaves the mean of all
            step = 1.0 / (iteration + 1) if self.damping == AVERAGING else self.damping
            self.y = self.y + step * (self.response - self.y)
        return "stopped", None

    def _iterate(self, iteration: int) -> None:
        """Duals at the loads, prices, and the response to them."""
        started = time.perf_counter()
        self.x[self.mine] = self.y
        self.x, duals, broken = self.leader.solve(self.x, iteration)
        self.prices, clipped = self.rules.at(duals)
        self.x = self.rules.put(self.x, self.prices)
        self.response = best_response(self.program, self.x, iteration)
        # At the new prices, of the loads that made them: x holds these and not the response
        answer = optimal_cost.respond(self.program, self.x)
        excess = float(((answer.linear_cost - answer.lower_bound) / answer.size).max(initial=0.0))
        residual = float((np.abs(self.response - self.y) / self.unit).max(initial=0.0))
        spent = time.perf_counter() - started
        self.price_history.append(self.prices)
        self.entries.append(
            Iteration(
                iteration, residual, excess, self.program.objective(self.x), clipped, broken.count, broken.worst, broken.name,
                spent,
            )
        )  # fmt: skip

    def named(self, y: Vector) -> dict[str, float]:
        """Follower columns by Pyomo name."""
        return {self.program.name(at): value for at, value in zip(self.mine.tolist(), y.tolist(), strict=True)}


def repeats(loads: Vector, tolerance: float) -> int | None:
    """The period p from 2 to 50 with which the last loads, shape (iterations, columns), went round three times; None without one.

    They repeat where loads p iterations apart differ by at most `tolerance` of how far loads move within the period, which slow
    convergence never does: it moves farther in p iterations than in any fewer.
    """
    for period in range(2, min(len(loads) // _ROUNDS, _LONGEST) + 1):
        last = loads[-_ROUNDS * period :]
        apart = np.abs(last[period:] - last[:-period]).max()
        moved = np.abs(last[-period:] - last[-1]).max()
        # Loads that stand still go round nothing
        if moved > 0 and apart <= tolerance * moved:
            return period
    return None


def _why(found: _Loop, status: str, period: int | None, tolerance: float, interrupted: str, late: bool) -> str:
    count, residual = len(found.entries), found.entries[-1].residual
    wanted = f"loads want to change by {residual:.3g} of their scale"
    if status == "converged":
        return f"{wanted} after {count} iterations, within the tolerance {tolerance:g}"
    if status == "cycling":
        return (
            f"loads repeat every {period} iterations, and {wanted}: a smaller damping may end nearer to an equilibrium"
        )
    cause = "the time limit is reached" if late else "the limit of iterations is reached"
    cause = interrupted or cause
    return f"{cause} after {count} iterations, and {wanted}, allowed {tolerance:g}"


def _notes(found: _Loop, point: feasible_prices.Point) -> list[str]:
    """What else there is to know: broken limits, clipped prices, broken rows on prices, whose prices the solution has."""
    notes, last = [], found.entries[-1]
    hard = [entry for entry in found.entries if entry.limits_broken]
    if hard:
        worst = max(hard, key=lambda entry: entry.worst_violation)
        notes.append(
            f"the loads of {len(hard)} of {len(found.entries)} iterations break limits of the leader's, at worst "
            f"{worst.worst_limit!r} by {worst.worst_violation:.3g} of its scale in iteration {worst.iteration}"
        )
    if last.clipped_prices:
        notes.append(f"{last.clipped_prices} of {len(found.prices)} last prices are at a bound that their rule passes")
    rows = fixed_prices.broken_rows(found.program, found.rules.put(found.x, found.prices), found.leader.price_rows)
    if rows:
        notes.append(f"the last prices break {len(rows)} rows on prices, the first is {rows[0]!r}")
    if point.tick:
        notes.append(
            f"neither the last prices nor up to {feasible_prices.LATEST - 1} earlier ones admit a feasible point: the solution is "
            f"at those of iteration {point.iteration} rounded down to multiples of {point.tick:g}, whose ties let followers spread"
        )
    elif point.iteration < last.iteration:
        notes.append(
            f"the last prices admit no feasible point: the solution is at those of iteration {point.iteration}"
        )
    elif point.solution.status in feasible_prices.NO_POINT:
        notes.append(
            "neither the last prices nor earlier ones, as they are or rounded, were found to admit a feasible point"
        )
    return notes
