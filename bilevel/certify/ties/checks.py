"""Two lines of a certificate: how much the leader's objective depends on how followers break ties (model page section 4).

At the leader decisions that followers see, each follower's set of optima is a polyhedron.  Over these sets, with the rest of the
leader's variables (the network) following, the least objective is a convex program and exact.  The largest is a convex function's
maximum, told with the bound that branch and bound has proven of it, or endless, with the rows that a tie breaks.
"""

import numpy as np

from bilevel import budget, tolerances
from bilevel.certify.ties.face import TieProblem, tie_problem
from bilevel.certify.ties.local import together, vertex
from bilevel.certify.ties.worst import WorstTie, tied_decisions, worst_tie
from bilevel.followers.optimal_cost import Response
from bilevel.model import Check
from bilevel.program.bilevel_program import Program
from bilevel.program.rows import Vector
from bilevel.status import CheckKind

EXACT = "exact"
_BEST, _WORST = "ties, best objective", "ties, worst objective"


def tie_checks(program: Program, x: Vector, response: Response) -> list[Check]:
    """Two lines that only report: the best and the worst of the leader's objective over the followers' ties."""
    worst = worst_tie(program, x, response, budget.leisure())
    if worst is None:
        lost = "followers could not be solved again"
        if tied_decisions(program):
            lost = "not looked for: the leader's own products tie what followers see to their answers"
        return [_line(name, float("nan"), lost) for name in (_BEST, _WORST)]
    exact = "over responses within the tolerance of the followers' cost" if program.followers.cones.count else EXACT
    problem = tie_problem(program, x, response)
    low = _best(problem)
    close = worst.closed() and not worst.broken
    return [
        _line(_BEST, program.sign * low, exact if np.isfinite(low) else "no tie keeps the leader's rows"),
        _line(_WORST, program.sign * _known(worst.attained), exact if close else _told(program, x, worst)),
    ]


def _known(attained: float) -> float:
    """NaN where no tie's value was found."""
    return float("nan") if attained == -np.inf else attained


def _line(name: str, value: float, detail: str) -> Check:
    return Check(name, value, None, "objective", detail=detail, kind=CheckKind.REPORT)


def _told(program: Program, x: Vector, worst: WorstTie) -> str:
    """What is known of a worst tie that is endless or not exact."""
    if not worst.broken:
        if not np.isfinite(worst.kept):
            return "no tie's value was found in the time"
        if not np.isfinite(worst.bound):
            return "attained by a tie; the worst is at least this bad"
        return f"attained by a tie; no tie is worse than {program.sign * worst.bound:.9g}"
    row = worst.broken[0]
    by = f" by {row.amount:.3g}" if np.isfinite(row.amount) else ""
    told = f"some tie breaks {row.name}{by}"
    mine = program.followers.columns
    moved = np.where(np.isin(mine, row.columns), np.abs(worst.tie - x[mine]) / program.scale[mine], 0.0)
    if moved.max(initial=0.0) > tolerances.NOTHING:
        at = int(moved.argmax())
        told += f": {program.name(int(mine[at]))} {worst.tie[at]:.4g} instead of {x[mine[at]]:.4g}"
    if not np.isfinite(worst.kept):
        return told
    kept = f"{program.sign * worst.kept:.9g}"
    return f"{told}; of ties that keep all rows the worst {'is' if worst.closed() else 'found is'} {kept}"


def _best(problem: TieProblem) -> float:
    """Least minimised objective over ties that keep the leader's rows; NaN where none does."""
    attained = problem.attained
    least = _least(problem)
    # Without the leader's rows it is no more: where even that is no better, the point is the best tie
    if least is not None and least >= attained - tolerances.TIE_DIFFERENCE * abs(attained):
        return attained
    outcome = together(problem).optimum(attained)
    return outcome.objective if outcome.x is not None else float("nan")


def _least(problem: TieProblem) -> float | None:
    """Least minimised objective over ties, the leader's rows aside, where no free column of the leader enters it."""
    if np.any(problem.cost[problem.state]):
        return None
    y = vertex(problem, problem.cost[problem.follower]).x
    return float("nan") if y is None else problem.fixed + float(problem.cost[problem.follower] @ y[problem.follower])
