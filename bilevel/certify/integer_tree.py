"""The least cost of a follower with integer variables, proven by a tree of linear programs whose bounds are weak duality.

No solver's word counts: a leaf's bound is arithmetic on multipliers, whichever they are; a leaf without a point is one whose least
sum of violations has a bound above zero; and children cover their parent, as a whole number is at most k or at least k + 1.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.budget import Leisure
from bilevel.followers.linear_answer import LinearAnswer, at_limit, multipliers
from bilevel.program.rows import Mask, Vector
from bilevel.program.sparse import largest, scaled

MOST_NODES = 20_000
_VIOLATED = 10.0
"""Of what solvers keep rows by, a proven violation from which no point is left."""


@dataclass(frozen=True)
class Proven:
    """A lower bound of the cost and the linear programs that it took; -inf where nodes or time ran out."""

    bound: float
    nodes: int


def least(problem: LinearAnswer, whole: Mask, enough: float, leisure: Leisure) -> Proven:
    """Prove that the follower's cost is at least `enough`, or find how much less it may be.

    Leaves are as good as proven from `enough` on, or from the bound of one that is decided below it; the bound given is the least
    of the leaves'.
    """
    problem = _in_sizes(problem)
    open_parts = [(problem.y_lower, problem.y_upper)]
    known, nodes = np.inf, 0
    while open_parts:
        if nodes >= MOST_NODES or leisure.over():
            return Proven(-np.inf, nodes)
        nodes += 1
        part = replace(problem, y_lower=open_parts[-1][0], y_upper=open_parts.pop()[1])
        y, dual, impossible = multipliers(part)
        proven = bound(part, dual)
        if proven < enough and impossible and _violation(part) > _VIOLATED * tolerances.SOLVER_FEASIBILITY:
            continue
        if proven < enough:
            children = _children(part, whole, y)
            if not children:
                # All is decided here: no other leaf has to prove more, and each may still prove less
                known = enough = proven
                continue
            open_parts += children
            continue
        known = min(known, proven)
    return Proven(known, nodes)


def _in_sizes(problem: LinearAnswer) -> LinearAnswer:
    """The same rows over their largest entries, by powers of two: what tells a violation from rounding is in no row's unit."""
    size = largest(problem.matrix)
    factor = np.exp2(-np.round(np.log2(np.where(size > 0, size, 1.0))))
    return replace(
        problem, matrix=scaled(problem.matrix, factor), lower=problem.lower * factor, upper=problem.upper * factor
    )


def bound(part: LinearAnswer, dual: Vector) -> float:
    """Weak duality: dual'A y + reduced'y, each term at least its least within its own limits."""
    reduced = part.rates - part.matrix.T @ dual
    return float(at_limit(dual, part.lower, part.upper).sum() + at_limit(reduced, part.y_lower, part.y_upper).sum())


def _violation(part: LinearAnswer) -> float:
    """A proven lower bound of the least sum of violations of the rows."""
    count, columns = part.matrix.shape
    unit = sp.csr_array(sp.eye_array(count))
    elastic = LinearAnswer(
        rates=np.concatenate([np.zeros(columns), np.ones(2 * count)]), matrix=sp.csr_array(sp.hstack([part.matrix, unit, -unit])),
        lower=part.lower, upper=part.upper, y_lower=np.concatenate([part.y_lower, np.zeros(2 * count)]),
        y_upper=np.concatenate([part.y_upper, np.full(2 * count, np.inf)]),
    )  # fmt: skip
    _, dual, _ = multipliers(elastic)
    return bound(elastic, dual)


def _children(part: LinearAnswer, whole: Mask, y: Vector | None) -> list[tuple[Vector, Vector]]:
    """The part with one whole column cut between two numbers: around its value, or in the middle where it has none."""
    free = np.flatnonzero(whole & (part.y_upper - part.y_lower >= 0.5))
    if not len(free):
        return []
    ends = np.maximum(part.y_lower[free], -tolerances.ENDLESS), np.minimum(part.y_upper[free], tolerances.ENDLESS)
    value = (ends[0] + ends[1]) / 2 if y is None else y[free]
    off = np.abs(value - np.round(value))
    # The least decided one; one that stands at a whole number parts it from all others
    at = int(off.argmax())
    column, cut = int(free[at]), float(np.clip(np.floor(value[at]), ends[0][at], ends[1][at] - 1))
    lower, upper = part.y_lower.copy(), part.y_upper.copy()
    lower[column], upper[column] = cut + 1, cut
    below, above = (part.y_lower, upper), (lower, part.y_upper)
    # The side of the value is looked at first, as the last one of the list
    return [below, above] if value[at] - cut > 0.5 else [above, below]
