"""The leader's rows that a tie breaks whatever the leader does: named, and by how much."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from bilevel import tolerances
from bilevel.certify.ties.blocks import Block
from bilevel.certify.ties.face import Face, TieProblem
from bilevel.program.cones import Cones
from bilevel.program.rows import Index, Mask, Rows, Vector, stack_rows
from bilevel.program.sparse import magnitude
from bilevel.relax import outer_approximation


@dataclass(frozen=True)
class Broken:
    """A row or a bound that a tie breaks: `amount` in its unit, `share` over its size; `columns` of followers are what moves it."""

    name: str
    amount: float
    share: float
    columns: Index


def of_rows(
    problem: TieProblem, face: Face, rows: Index, over: Callable[[], bool]
) -> tuple[Vector | None, tuple[Broken, ...], bool]:
    """Of rows without a free column of the leader: those that some answer breaks, each at its worst, and the worst one's answer.

    With it whether all rows were looked at before the time was over.
    """
    part = problem.rows.taken(rows)
    matrix, fixed = part.matrix[:, face.columns], part.matrix @ face.fixed
    found: list[tuple[Broken, Vector | None]] = []
    done = True
    for at in np.flatnonzero(np.diff(sp.csr_array(matrix).indptr) > 0):
        if over():
            done = False
            break
        body = matrix[[at]].toarray().ravel()
        moving = face.columns[body != 0]
        for sign, limit in ((1.0, part.upper[at]), (-1.0, part.lower[at])):
            # Most rows have one limit, and are kept by the bounds of their columns
            ends = np.where(sign * body > 0, face.upper, face.lower)
            if np.isinf(limit) or sign * (body[body != 0] @ ends[body != 0] + fixed[at] - limit) <= 0:
                continue
            most, y = face.most(sign * body)
            past = most + sign * (fixed[at] - limit)
            if y is None and not face.endless:
                done = False
                continue
            if y is None:
                # No end of a row with a limit: some answer breaks it by any amount
                found.append((Broken(part.names[at], np.inf, np.inf, moving), None))
                continue
            size = float(magnitude(part.matrix[[at]], np.abs(face.whole(y)))[0]) + abs(limit)
            share = past / max(size, tolerances.NOT_ZERO)
            if share > tolerances.FEASIBILITY:
                found.append((Broken(part.names[at], float(past), share, moving), y))
    found.sort(key=lambda each: -each[0].share)
    return (found[0][1] if found else None), tuple(broken for broken, _ in found), done


def of_block(problem: TieProblem, face: Face, block: Block, y: Vector) -> tuple[Broken, ...]:
    """What the leader breaks least at this answer, over the sizes, inequalities and bounds before laws; empty where it need not.

    The least violation of an outer approximation is one of the block's own, so that more than a tolerance is proven.
    """
    lower, upper = block.mip.lower.copy(), block.mip.upper.copy()
    forms = slice(len(block.state), len(block.state) + block.count)
    lower[forms] = upper[forms] = block.forms @ y
    rows, limits = block.mip.rows, _bounds(problem, block)
    equal = rows.lower == rows.upper
    for soft in (~equal, np.ones(rows.count, dtype=bool)):
        broken = _least(block, rows, limits, soft, lower, upper)
        if broken is not None:
            moving = face.columns[np.any(block.forms != 0, axis=0)]
            return tuple(Broken(*each, moving) for each in broken)
    return ()


def _bounds(problem: TieProblem, block: Block) -> Rows:
    """The bounds of the block's columns as rows, those at 0 aside, which are signs of what has no other."""
    low, high = block.mip.lower[: len(block.state)].copy(), block.mip.upper[: len(block.state)].copy()
    low[low == 0] = -np.inf
    at = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
    matrix = sp.csr_array((np.ones(len(at)), (np.arange(len(at)), at)), shape=(len(at), block.mip.columns))
    return Rows(matrix, low[at], high[at], tuple(f"bounds of {problem.name(int(block.state[k]))}" for k in at))


def _least(
    block: Block, rows: Rows, limits: Rows, soft: Mask, lower: Vector, upper: Vector
) -> list[tuple[str, float, float]] | None:
    """Name, amount and share of rows broken in a point of least violation; None where the rows that must hold have none."""
    n, every = len(lower), stack_rows([rows, limits])
    at = np.flatnonzero(np.concatenate([soft, np.ones(limits.count, dtype=bool)]))
    limit = np.where(np.isfinite(every.lower), np.abs(every.lower), 0.0)
    limit = np.maximum(limit, np.where(np.isfinite(every.upper), np.abs(every.upper), 0.0))
    size = np.maximum(magnitude(every.matrix, block.mip.scale), limit)
    size = np.where(size > 0, size, 1.0)[at]
    slack = sp.csr_array((size, (at, np.arange(len(at)))), shape=(every.count, len(at)))
    low, high = lower.copy(), upper.copy()
    state = slice(0, len(block.state))
    low[state], high[state] = np.where(lower[state] == 0, 0.0, -np.inf), np.inf
    total = n + 2 * len(at)
    mip = replace(
        block.mip, cost=np.concatenate([np.zeros(n), np.ones(2 * len(at))]),
        lower=np.concatenate([low, np.zeros(2 * len(at))]), upper=np.concatenate([high, np.full(2 * len(at), np.inf)]),
        integer=outer_approximation.continuous(total), scale=np.concatenate([block.mip.scale, np.ones(2 * len(at))]),
        rows=replace(every, matrix=sp.csr_array(sp.hstack([every.matrix, slack, -slack]))), cones=block.mip.cones.widened(total),
    )  # fmt: skip
    outcome = outer_approximation.Problem(replace(mip, cones=Cones.none(total)), mip.cones).optimum()
    if outcome.x is None:
        return None
    short, past = np.split(outcome.x[n:], 2)
    share = short + past
    # A lower bound of every point's violation: nothing less than it is met
    if outcome.value <= tolerances.FEASIBILITY:
        return []
    order = [int(k) for k in np.argsort(-share) if share[k] > tolerances.FEASIBILITY]
    return [(every.names[at[k]], float(share[k] * size[k]), float(share[k])) for k in order]
