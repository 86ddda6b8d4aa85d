"""Two lines of a certificate with integer followers: the best and the worst of the leader's objective over equally cheap answers.

Both are mixed-integer programs of SciPy at the decisions that followers see, and its word is told as one.  They only report.
"""

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from bilevel import budget, tolerances
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Rows, Vector, stack_rows
from bilevel.status import CheckKind

BEST, WORST = "ties, best objective", "ties, worst objective"
_WORD = "by the word of SciPy's branch and bound"


def tie_lines(program: Program, x: Vector, least: Vector) -> list[Check]:
    """The lines at x, where followers pay at least `least`, (followers,).

    The best takes the leader's other variables along and keeps its rows; the worst has them as they are, and its rows aside.
    """
    seen = np.zeros(program.columns, dtype=bool)
    seen[program.linking_columns] = True
    b = program.bilinear
    if program.cones.count or not seen[b.leader].all():
        why = "not looked for beside quadratic rows and products of the leader's own"
        return [_line(name, float("nan"), why) for name in (BEST, WORST)]
    theirs = program.followers.owner >= 0
    low, high = np.where(seen, x, program.lower), np.where(seen, x, program.upper)
    best = _optimum(program, x, least, (low, high), stack_rows([_leader_rows(program, x), program.followers.rows]), 1.0)
    low, high = np.where(theirs, program.lower, x), np.where(theirs, program.upper, x)
    worst = _optimum(program, x, least, (low, high), program.followers.rows, -1.0)
    return [
        _line(BEST, program.sign * best, _WORD),
        _line(WORST, program.sign * worst, f"{_WORD}, the leader's rows and other variables aside"),
    ]


def _line(name: str, value: float, detail: str) -> Check:
    return Check(name, value, None, "objective", detail=detail, kind=CheckKind.REPORT)


def _leader_rows(program: Program, x: Vector) -> Rows:
    """The leader's rows where what followers see is at x."""
    held = program.bilinear.held(x, program.rows.count)
    rows = program.rows
    return Rows(sp.csr_array(rows.matrix + held[1:]), rows.lower, rows.upper, rows.names)


def _optimum(
    program: Program, x: Vector, least: Vector, ends: tuple[Vector, Vector], rows: Rows, sense: float
) -> float:
    """The least (or, with sense -1, the largest) minimised objective over the answers that cost the least; NaN without one."""
    stack = program.followers
    held = program.bilinear.held(x, program.rows.count)
    cost = program.cost + held[[0]].toarray().ravel()
    mine = np.flatnonzero(stack.owner >= 0)
    rates = sp.csr_array((stack.rates(x)[mine], (stack.owner[mine], mine)), shape=(len(least), program.columns))
    room = tolerances.WHOLE_FOLLOWER * np.maximum(np.abs(least), stack.cost_size(program.least_size))
    limits = [LinearConstraint(rates, np.full(len(least), -np.inf), least + room)]
    if rows.count:
        limits.append(LinearConstraint(rows.matrix, rows.lower, rows.upper))
    found = milp(
        sense * cost, integrality=program.integer.astype(int), bounds=Bounds(*ends), constraints=limits,
        options={"mip_rel_gap": 0.0, "time_limit": budget.seconds(tolerances.GRACE_SECONDS)},
    )  # fmt: skip
    return float("nan") if found.x is None or found.status != 0 else sense * float(found.fun) + program.offset
