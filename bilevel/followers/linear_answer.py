"""A follower's linear program by SciPy, and what its multipliers prove by weak duality."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from bilevel import budget, tolerances
from bilevel.program.rows import Vector, split_limits

_INFEASIBLE = 2
"""SciPy's number for it."""


@dataclass(frozen=True)
class LinearAnswer:
    """min rates'y, lower <= matrix y <= upper, y_lower <= y <= y_upper in scaled units."""

    rates: Vector
    matrix: sp.csr_array
    lower: Vector
    upper: Vector
    y_lower: Vector
    y_upper: Vector


def multipliers(stack: LinearAnswer) -> tuple[Vector | None, Vector, bool]:
    """Optimum and net multipliers of the rows from SciPy, and whether it says that no point meets them.

    None and zeros without an answer, which prove nothing but are valid.
    """
    if not len(stack.rates):
        return np.zeros(0), np.zeros(len(stack.lower)), False
    equal, low, high = split_limits(stack.lower, stack.upper)
    inequalities = sp.csr_array(sp.vstack([stack.matrix[high], -stack.matrix[low]]))
    result = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrices
        stack.rates,
        A_ub=inequalities if inequalities.shape[0] else None,
        b_ub=np.concatenate([stack.upper[high], -stack.lower[low]]) if inequalities.shape[0] else None,
        A_eq=stack.matrix[equal] if len(equal) else None,
        b_eq=stack.lower[equal] if len(equal) else None,
        bounds=np.column_stack([stack.y_lower, stack.y_upper]),
        method="highs",
        # An answer without a recheck is worth nothing, so that some time is left for it when time is up
        options={"time_limit": budget.seconds(at_least=tolerances.GRACE_SECONDS)},
    )
    dual = np.zeros(len(stack.lower))
    if result.x is None or result.status != 0:
        return None, dual, result.status == _INFEASIBLE
    if len(equal):
        dual[equal] = result.eqlin.marginals
    # Marginals are d(cost)/d(limit), and lower limits were handed over with their sign turned
    if inequalities.shape[0]:
        dual[high] += result.ineqlin.marginals[: len(high)]
        dual[low] -= result.ineqlin.marginals[len(high) :]
    return result.x, dual, False


def at_limit(dual: Vector, lower: Vector, upper: Vector) -> Vector:
    """min of dual * value over lower <= value <= upper; a dual under 1e-9 counts as 0 where its limit is infinite."""
    limit = np.where(dual > 0, lower, upper)
    # A multiplier of rounding at a limit that is none would leave no bound at all
    small = ~np.isfinite(limit) & (np.abs(dual) <= tolerances.FOLLOWER_CONE)
    safe = np.where(np.isfinite(limit), limit, 0.0)
    return np.where(small | (dual == 0), 0.0, np.where(np.isfinite(limit), dual * safe, -np.inf))
