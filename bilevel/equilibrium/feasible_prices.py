"""The point that an iteration of prices ends at: the latest prices at which the model has a feasible one (model page section 6)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.deadline import Deadline
from bilevel.equilibrium import fixed_prices
from bilevel.equilibrium.elastic_limits import elastic
from bilevel.equilibrium.price_rules import Prices
from bilevel.followers.best_response import best_response
from bilevel.program.bilevel_program import Program
from bilevel.program.cones import Cones
from bilevel.program.rows import Mask, Rows, Vector, stack_rows
from bilevel.program.solver_program import SolverProgram
from bilevel.program.sparse import magnitude, scaled
from bilevel.progress import ProgressEvent
from bilevel.relax import outer_approximation
from bilevel.solution import Solution
from bilevel.status import Status

LATEST = 10
"""How many different prices are tried, the latest first."""
TICKS = tuple(digit * 10.0**power for power in range(-3, 0) for digit in (1, 2, 5))
"""Ticks of posted prices over the power of ten just under the largest one, tried from fine to coarse."""

_KEPT = 0.25
"""Share of the time limit that is kept from candidates for the last solve, whose verdict they would leave unknown."""

NO_POINT = (Status.INFEASIBLE, Status.REJECTED)
"""How a solve ends at prices that are of no use; one that was interrupted is not solved again elsewhere."""


@dataclass(frozen=True)
class Point:
    """A solution, and where its prices are from: those of an iteration (from 1), rounded down to a tick unless that is 0."""

    solution: Solution
    prices: Vector
    iteration: int
    tick: float


def settled(
    model: Any, program: Program, rules: Prices, history: list[Vector], price_rows: Mask,
    progress: bool | Callable[[ProgressEvent], None], limit: Deadline,
) -> Point:  # fmt: skip
    """The model solved at the first candidate prices with a valid point; at the last prices when none has one.

    Candidates are the last prices, then earlier ones, then the same rounded down to coarser and coarser ticks.  Followers with a
    linear cost crowd into the cheapest period, however little cheaper it is; prices that tie let them spread.
    """
    for iteration, tick, prices in _candidates(rules, history):
        x = rules.put(np.zeros(program.columns), prices)
        if limit.over(_KEPT):
            break
        # Arithmetic and one convex program first, as a solve at prices without a point is a search for nothing
        if fixed_prices.broken_rows(program, x, price_rows) or not _admits(program, rules, x, price_rows, iteration):
            continue
        solution = fixed_prices.solved(model, program, rules, prices, price_rows, progress, limit.left())
        # With no time for another candidate, what came of this one is told
        if solution.status not in NO_POINT or limit.over():
            return Point(solution, prices, iteration, tick)
    # Where no candidate serves, the verdict is about the iteration's own prices
    last = history[-1]
    return Point(
        fixed_prices.solved(model, program, rules, last, price_rows, progress, limit.left()), last, len(history), 0.0
    )


def _candidates(rules: Prices, history: list[Vector]) -> Iterator[tuple[int, float, Vector]]:
    """Iteration, tick and prices of each."""
    different: list[tuple[int, Vector]] = []
    for iteration in range(len(history), 0, -1):
        prices = history[iteration - 1]
        # Prices that differ by rounding only would be tried twice
        size = tolerances.FEASIBILITY * np.abs(prices).max(initial=0.0)
        if len(different) < LATEST and all(np.abs(prices - other).max() > size for _, other in different):
            different.append((iteration, prices))
            yield iteration, 0.0, prices
    largest = max(float(np.abs(prices).max(initial=0.0)) for _, prices in different)
    for share in TICKS:
        # To one digit: powers of ten in floating point leave noise, and the tick is reported
        tick = float(f"{share * 10.0 ** np.floor(np.log10(largest)):.1g}") if largest > 0 else 0.0
        # Prices of zero tie as they are
        for iteration, prices in different if tick else ():
            # Not to the nearest: caps on prices are to hold on; a multiple that rounding left low keeps its value
            rounded = np.floor(prices / tick + tolerances.FEASIBILITY) * tick
            yield iteration, tick, np.clip(rounded, rules.lower, rules.upper)


def _admits(program: Program, rules: Prices, x: Vector, price_rows: Mask, iteration: int) -> bool:
    """Whether some best response to the prices in x lets the leader meet its limits.

    One convex program, as against the search with binaries that a solve is.  All best responses y of a follower have one and the
    same gradient of its cost, so that they meet rates @ y <= rates @ (any one of them).  With a quadratic cost other y may meet it
    too: a yes is then for the solve to confirm, and a no stays a no.
    """
    stack = program.followers
    mine = stack.columns
    x = x.copy()
    x[mine] = best_response(program, x, iteration)
    own = sp.csr_array((np.ones(len(mine)), (stack.owner[mine], mine)), shape=(len(stack.names), program.columns))
    rates = scaled(own, columns=np.where(stack.owner >= 0, stack.rates(x), 0.0))
    # As much room as a certificate gives: the response is the best up to a solver's tolerance
    best = Rows(rates, np.full(rates.shape[0], -np.inf), rates @ x + tolerances.FOLLOWER * magnitude(rates, np.abs(x)))
    price = np.zeros(program.columns, dtype=bool)
    price[rules.column[rules.column >= 0]] = True
    products = program.bilinear.held(x, program.rows.count)
    # At given prices products with them are linear; rows on prices alone were looked at before
    rows = Rows(
        sp.csr_array(program.rows.matrix + products[1:]), np.where(price_rows, -np.inf, program.rows.lower),
        np.where(price_rows, np.inf, program.rows.upper),
    )  # fmt: skip
    # Without the leader's own cost, which a penalty on a row in small units may be too small for
    mip = SolverProgram(
        np.zeros(program.columns), 0.0, np.where(price, x, program.lower), np.where(price, x, program.upper),
        outer_approximation.continuous(program.columns), stack_rows([rows, stack.rows, best]), Cones.none(program.columns), (),
        program.scale,
    )  # fmt: skip
    given = elastic(program, mip)
    point = outer_approximation.converge(outer_approximation.opened(given.mip), given.cones).x
    return point is not None and not given.broken(point).count
